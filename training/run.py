"""One task from data to artefact: scan, fold, compare, calibrate, train on everything, export, sign.

Nothing is chosen here on the rows it is reported on but calibration, and that is cross-fitted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from inference.assessment import VENTILATION
from inference.features import Layout, layout_for
from training import baselines, calibrate, leaks, measure
from training.card import card, provenance
from training.cohorts import troponin_moments, ventilation_moments
from training.export import export
from training.matrix import Readers, Table, table
from training.network import Ensemble, ask, fit
from training.readers import EICU, Tally, readers
from training.release import Release, write
from training.tasks import LEAK_LIMIT, SEED, Task

BACKGROUND: Final = 12  # rows
LOOKED_AT: Final = 100  # stays of each set whose rows are checked against their landmarks
ENVELOPE: Final = (0.05, 99.95)  # percentiles of training between which a latest value is ordinary
Say = Callable[[str], None]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class OutOfFold:
    """Raw answers to every row by a model that saw neither the row's patient nor, for eICU, its hospital."""

    fold: NDArray[np.int_]
    logits: NDArray[np.float32]  # [N,M,K]
    values: NDArray[np.float32]  # [N,3] or [N,0]
    baseline: Mapping[str, Floats]  # name -> headline probability [N]


def run(task: Task, data: Path, cache: Path, artifacts: Path, *, created: datetime, threads: int, say: Say,
        advance: Callable[[str, int], None], replace: bool = False, known: Readers | None = None) -> Path:  # fmt: skip
    """Train, judge and write one model. Raises DataMissing, Leak, ExportUnsound, FileExistsError."""
    rows, tallies = table(task, data, cache, advance, known)
    layout = layout_for(task.inputs, task.name)
    presence = leaks.presence(rows, layout)
    argued = leaks.refuse_leaks(presence, task)
    fold = folds(rows, task.folds)
    scanned = leak_report(rows, fold, presence, argued, task) | late(task, data, layout, known)
    answers = out_of_fold(rows, layout, task, fold, threads, say)
    say("calibrating")
    calibration, judged = calibrate.calibrate(rows, answers.logits, answers.values, fold, task)
    say("measuring")
    evaluation = evaluate(rows, answers, judged, tallies, task, layout)
    say("training on everything")
    model = trained(rows.where(~rows.too_soon), layout, task, SEED)
    graph = export(model, rows.x[:1024])
    say("writing")
    background, weights = medoids(model, rows)
    release = Release(
        name=task.name,
        version=task.version,
        inputs=task.inputs,
        outcomes=task.outcomes,
        hours=task.hours,
        important=task.important,
        graph=graph,
        calibration=calibration,
        envelope=envelope(rows, layout),
        background=background,
        weights=weights,
        evaluation=evaluation,
        leaks=scanned,
        card=card(task, evaluation),
        created=created,
        training=provenance(task, rows),
    )
    return write(release, artifacts, replace=replace)


def folds(rows: Table, count: int) -> NDArray[np.int_]:
    """Fold of each row: by hospital in eICU, by patient elsewhere, shuffled with a fixed seed.

    Hospitals between which a patient moved stay together: no patient may be in two folds.
    """
    fold = np.zeros(len(rows), dtype=np.int_)
    for data_set in np.unique(rows.data_set):
        mine = rows.data_set == data_set
        owner = _linked(rows.site[mine], rows.patient[mine]) if data_set == EICU else rows.patient[mine]
        names, index = np.unique(owner, return_inverse=True)
        fold[mine] = np.random.default_rng(SEED).permutation(np.arange(len(names)) % count)[index]
    return fold


def _linked(site: NDArray[np.str_], patient: NDArray[np.str_]) -> NDArray[np.str_]:
    """Each row's site, sites that share a patient under one name."""
    site = site.copy()
    for name in np.unique(patient):
        shared = np.unique(site[patient == name])
        site[np.isin(site, shared[1:])] = shared[0]
    return site


def trained(rows: Table, layout: Layout, task: Task, seed: int) -> Ensemble:
    """An ensemble trained on these rows."""
    import torch

    torch.manual_seed(seed)
    forecast = task.name != VENTILATION
    model = Ensemble(layout, rows.x, rows.y.shape[1], task.shape, forecast=forecast)
    return fit(model, rows.x, rows.y, rows.change, rows.patient, rows.data_set, layout, seed)


def out_of_fold(
    rows: Table, layout: Layout, task: Task, fold: NDArray[np.int_], threads: int, say: Say
) -> OutOfFold:
    """Answers of the ensemble and of every baseline, each fold by models trained on the others."""
    heads = rows.y.shape[1]
    logits = np.zeros((len(rows), task.shape.members, heads), np.float32)
    values = np.zeros((len(rows), 0 if task.name == VENTILATION else 3), np.float32)
    without = [i for i, name in enumerate(layout.names) if not name.startswith("fio2:")]
    models: dict[str, baselines.Fit] = {"trees": baselines.trees(threads), "line": baselines.line}
    baseline = {name: np.zeros(len(rows)) for name in models}
    if "fio2" in task.inputs:
        baseline["trees without FiO2"] = np.zeros(len(rows))
    for part in range(task.folds):
        train, test = (fold != part) & ~rows.too_soon, fold == part
        say(f"fold {part + 1} of {task.folds}: ensemble")
        logits[test], values[test] = ask(trained(rows.where(train), layout, task, SEED + part), rows.x[test])
        for name, made in models.items():
            say(f"fold {part + 1} of {task.folds}: {name}")
            seen = train & rows.reported if name == "line" else train  # a line gains nothing from every hour
            baseline[name][test] = made(rows.x[seen], rows.y[seen, -1], rows.x[test])
        if "fio2" in task.inputs:
            say(f"fold {part + 1} of {task.folds}: trees without FiO2")
            x = rows.x[:, without]
            baseline["trees without FiO2"][test] = models["trees"](x[train], rows.y[train, -1], x[test])
    return OutOfFold(fold, logits, values, baseline)


def leak_report(
    rows: Table, fold: NDArray[np.int_], presence: Mapping[str, Any], argued: list[str], task: Task
) -> dict[str, Any]:
    """leaks.json. Raises Leak when patients straddle folds."""
    straddling = leaks.straddling(rows, fold)
    if straddling:
        raise leaks.Leak(f"{straddling} patients have rows in more than one fold")
    return {
        "limit": LEAK_LIMIT,
        "presence": presence,
        "above_limit_and_argued": {shown: task.argued[shown.split(" in ")[0]] for shown in argued},
        "withheld": {"challenge-2012": ["RespRate (never read)", "MechVent (label only)"]},
        "twins": leaks.twins(rows),
        "patients_in_two_folds": straddling,
    }


def late(task: Task, data: Path, layout: Layout, known: Readers | None) -> dict[str, Any]:
    """Looks at the first stays of every set for rows used before their time. Raises Leak when there is one."""
    moments = ventilation_moments if task.name == VENTILATION else troponin_moments
    pairs = [
        (stay, moment)
        for data_set in task.data_sets
        for stay in islice((known or readers())[data_set](data, Tally()), LOOKED_AT)
        for moment in moments(stay)
    ]
    found = leaks.rows_after(pairs, layout)
    if found:
        raise leaks.Leak(f"{found} rows are used at a landmark before they were known")
    return {"rows_after_landmark": found, "moments_looked_at": len(pairs)}


def evaluate(
    rows: Table,
    answers: OutOfFold,
    judged: calibrate.Judged,
    tallies: Mapping[str, Tally],
    task: Task,
    layout: Layout,
) -> dict[str, Any]:
    """evaluation.json: per data set the ensemble beside every baseline, then landmarks and subgroups."""
    report: dict[str, Any] = {
        "split": "5 folds by hospital in eICU, by patient elsewhere; calibration cross-fitted over the folds",
        "headline": task.outcomes[-1],
        "readers": {name: tally.as_json() for name, tally in tallies.items()},
        "indeterminate": judged.indeterminate,
        "data_sets": {},
    }
    for data_set in np.unique(rows.data_set):
        keep = (rows.data_set == data_set) & rows.reported & ~rows.too_soon
        report["data_sets"][str(data_set)] = _of_set(rows.where(keep), keep, answers, judged, task, layout)
        soon = (rows.data_set == data_set) & rows.reported & (rows.too_soon | ~rows.y[:, -1])
        if rows.too_soon[soon].any():
            figures = measure.figures(rows.too_soon[soon], judged.probability[soon, -1])
            report["data_sets"][str(data_set)]["onset_within_60_min"] = figures
    return report


def _of_set(
    rows: Table,
    keep: NDArray[np.bool_],
    answers: OutOfFold,
    judged: calibrate.Judged,
    task: Task,
    layout: Layout,
) -> dict[str, Any]:
    y, p = rows.y[:, -1], judged.probability[keep, -1]
    found: dict[str, Any] = {
        "ensemble": measure.figures(y, p, rows.patient),
        **{name: measure.figures(y, b[keep], rows.patient) for name, b in answers.baseline.items()},
        "outcomes": {
            outcome: measure.figures(rows.y[:, head], judged.probability[keep, head])
            for head, outcome in enumerate(task.outcomes)
        },
        "ece_with_site_intercept": measure.site_ece(y, p),
        "indeterminate_share": round(float(judged.doubtful[keep].mean()), 4),
    }
    groups = {"sex": rows.sex, "age": measure.age_band(rows.age), "ethnicity": rows.ethnicity}
    if task.name == VENTILATION:
        groups["landmark"] = rows.landmark.astype(int).astype(str)
    else:
        groups["analyte"] = rows.analyte
        counts = np.maximum(
            *(np.nan_to_num(rows.x[:, layout.column(a, "count")]) for a in ("troponin_t", "troponin_i"))
        )
        groups["draws"] = np.where(counts > 1, "two or more", "first")
        found["forecast"] = calibrate.forecast_figures(rows, judged.forecast[keep])
    return found | {"subgroups": measure.subgroups(y, p, groups)}


def envelope(rows: Table, layout: Layout) -> dict[str, Any]:
    """envelope.json: the range of each player's latest value, and how many training rows lie outside any."""
    players: dict[str, list[float] | None] = {}
    outside = np.zeros(len(rows), dtype=bool)
    for player, columns in layout.players.items():
        value = rows.x[:, columns[0]]
        seen = value[~np.isnan(value)]
        players[player] = [float(v) for v in np.percentile(seen, ENVELOPE)] if len(seen) else None
        if len(seen):
            low, high = np.percentile(seen, ENVELOPE)
            outside |= (value < low) | (value > high)
    return {
        "players": players,
        "percentiles": ENVELOPE,
        "training_rows_outside": round(float(outside.mean()), 4),
    }


def medoids(model: Ensemble, rows: Table) -> tuple[NDArray[np.float32], Floats]:
    """Typical rows of the reported cohort with their weights, every data set counting the same."""
    import torch

    rng = np.random.default_rng(SEED)
    pools = [np.flatnonzero((rows.data_set == d) & rows.reported) for d in np.unique(rows.data_set)]
    size = max(200, min(2000, min(len(pool) for pool in pools)))
    chosen = np.concatenate([rng.choice(pool, size, replace=len(pool) < size) for pool in pools])
    with torch.no_grad():
        z, absent = model.standardised(torch.from_numpy(rows.x[chosen]))
        points = model.joined(z, absent).numpy()
    clusters = KMeans(BACKGROUND, n_init=3, random_state=SEED).fit(points)
    nearest = np.array([int(np.argmin(((points - c) ** 2).sum(1))) for c in clusters.cluster_centers_])
    weights = np.bincount(clusters.labels_, minlength=BACKGROUND) / len(points)
    return rows.x[chosen[nearest]], weights.astype(np.float64)
