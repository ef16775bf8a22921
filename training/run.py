"""One task from data to artefact: scan, fold, compare, calibrate, train on everything, export, sign.

Nothing is chosen here on the rows it is reported on but calibration and the trees' share, and calibration is
cross-fitted. Every fold's answers are kept under var/, so that a run that was cut goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from inference.assessment import TROPONIN, VENTILATION
from inference.features import ASKED, Layout, layout_for
from training import calibrate, measure, scan
from training.card import card, markdown, provenance
from training.evaluate import Evaluation, evaluate
from training.export import Blend, export
from training.folding import Answers, Fold, folds, out_of_fold, share_of
from training.forest import grow
from training.forest_text import texts
from training.learning import Examples, fit, pretrain
from training.matrix import Readers, Table, table
from training.mortality import compare as mortality
from training.network import Ensemble, raw_columns, weights
from training.outlook import Outlook, outlook
from training.readers import Tally
from training.release import Release, write
from training.tasks import SEED, Task

BACKGROUND: Final = {VENTILATION: 8, TROPONIN: 6}  # rows: explaining asks 2^systems coalitions before each
ENVELOPE: Final = (0.05, 99.95)  # percentiles of training between which a latest value is ordinary
AHEAD: Final = (0.5, 24.0)  # hours to a planned draw that may be stated
Say = Callable[[str], None]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Bench:
    """Where a run works, and whom it tells."""

    data: Path
    cache: Path
    artifacts: Path
    threads: int
    say: Say
    advance: Callable[[str, int], None]
    known: Readers | None = None


def run(task: Task, bench: Bench, *, created: datetime, replace: bool = False) -> Path:
    """Train, judge and write one model. Raises DataMissing, Leak, ExportUnsound, FileExistsError."""
    rows, tallies = table(task, bench.data, bench.cache, bench.advance, bench.known)
    layout = layout_for(task.inputs, task.name)
    seen = outlook(task, layout, bench.data, bench.cache, bench.advance, bench.known)
    fold = folds(rows, task.folds)
    scanned = scan.report(rows, fold, task, layout, bench)
    answers = out_of_fold(rows, seen, layout, task, fold, bench)
    share = share_of(rows, answers)
    bench.say(f"calibrating, with {share:.0%} of the log-odds from trees")
    logits, values = answers.blended(share)
    calibration, judged = calibrate.calibrate(rows, logits, values, fold, task)
    bench.say("measuring")
    found = compared(rows, answers, judged, calibration, tallies, share, task, layout, bench)
    bench.say("training on everything")
    blend = trained(rows, seen, layout, task, share, bench)
    graphs = export(blend, rows.x[:1024])
    bench.say("writing")
    background, weight = medoids(blend.model, rows, BACKGROUND[task.name])
    about = card(task, found.report, rows)
    release = Release(
        name=task.name,
        version=task.version,
        inputs=task.inputs,
        outcomes=task.outcomes,
        hours=task.hours,
        important=task.important,
        graph=graphs.model,
        encoder=graphs.encoder,
        headline=graphs.headline,
        codes=blend.model.encoder.owners(layout),
        before_first=task.name == TROPONIN,
        calibration=calibration,
        envelope=envelope(rows, layout),
        background=background,
        weights=weight,
        trained=weights(blend.model),
        evaluation=found.report,
        leaks=scanned,
        card=about,
        plots=found.plots,
        texts={"card.md": markdown(about, found.report), **texts(blend.forest)},
        created=created,
        training=provenance(task, rows),
    )
    return write(release, bench.artifacts, replace=replace)


def trained(rows: Table, seen: Outlook, layout: Layout, task: Task, share: float, bench: Bench) -> Blend:
    """Network and forest, trained on all rows."""
    import torch

    everything = Fold(rows.where(~rows.too_soon), seen)
    torch.manual_seed(SEED)
    model = Ensemble(layout, everything.rows.x, task.shape, task.kind)
    tick = lambda: bench.advance("training on everything", 1)  # noqa: E731
    pretrain(model, everything.seen, layout, SEED, tick)
    examples = Examples.of(everything.rows)
    fit(model, examples, layout, SEED, tick)
    return Blend(model, grow(model, examples, layout, SEED, bench.threads, tick, task.growth), share)


def compared(
    rows: Table,
    answers: Answers,
    judged: calibrate.Judged,
    calibration: dict[str, Any],
    tallies: dict[str, Tally],
    share: float,
    task: Task,
    layout: Layout,
    bench: Bench,
) -> Evaluation:
    """evaluation.json and its drawings; questions before the first result apart, since they ask for another value."""
    alone = calibrate.platted(rows, answers.logits[:, :, -1].mean(axis=1), answers.fold)
    beside = {
        name: calibrate.platted(rows, measure.logit(p), answers.fold) for name, p in answers.baseline.items()
    }  # as the model is: whoever is put on one scale across folds ranks a little worse for it
    contenders = {"model": judged.probability[:, -1], "sequence": alone, **beside}
    extra: dict[str, Any] = {
        "trees_share_of_log_odds": share,
        "data_set_told_apart": answers.apart,
        "pretraining": "each fold's network was pretrained without that fold's patients and, in eICU, hospitals",
    }
    later = ~rows.first
    if rows.first.any():
        extra["before_the_first_result"] = before_first(rows, judged)
        extra["time_of_the_draw_stated"] = answers.stated
    if task.name == VENTILATION:
        extra["mortality"] = mortality(bench)
    return evaluate(
        rows.where(later),
        {name: p[later] for name, p in contenders.items()},
        calibrate.where(judged, later),
        tallies,
        task,
        layout,
        members=calibrate.members(answers.blended(share)[0], calibration)[later],
        aim=rows.aim[later],
        extra=extra,
    )


def before_first(rows: Table, judged: calibrate.Judged) -> dict[str, Any]:
    """Figures of questions asked before the first troponin has come back."""
    found = {}
    for name in np.unique(rows.data_set[rows.first]):
        mine = rows.first & (rows.data_set == name)
        aim, usual = rows.aim[mine], np.median(rows.aim[rows.first & (rows.data_set == name)])
        forecast = judged.forecast[mine]
        found[str(name)] = {
            "rise": measure.figures(rows.y[mine, -1], judged.probability[mine, -1], rows.patient[mine]),
            "mae_log": round(float(np.abs(aim - forecast[:, 1]).mean()), 4),
            "mae_log_of_the_usual_value": round(float(np.abs(aim - usual).mean()), 4),
            "coverage_80": round(float(((aim >= forecast[:, 0]) & (aim <= forecast[:, 2])).mean()), 4),
        }
    return found


def envelope(rows: Table, layout: Layout) -> dict[str, Any]:
    """envelope.json: the range of each player's latest value, and how many training rows lie outside any."""
    players: dict[str, list[float] | None] = {}
    outside = np.zeros(len(rows), dtype=bool)
    for player, columns in layout.players.items():
        if player in ASKED:
            players[player] = list(AHEAD)
            continue
        value = rows.x[:, columns[0]]
        seen = value[~np.isnan(value)]
        players[player] = [float(v) for v in np.percentile(seen, ENVELOPE)] if len(seen) else None
        if len(seen):
            low, high = np.percentile(seen, ENVELOPE)
            outside |= (value < low) | (value > high)
    share = round(float(outside.mean()), 4)
    return {"players": players, "percentiles": ENVELOPE, "training_rows_outside": share}


def medoids(model: Ensemble, rows: Table, count: int) -> tuple[NDArray[np.float32], Floats]:
    """Typical rows of the reported cohort with their weights, every data set counting the same."""
    import torch

    rng = np.random.default_rng(SEED)
    pools = [np.flatnonzero((rows.data_set == d) & rows.reported) for d in np.unique(rows.data_set)]
    size = max(200, min(2000, min(len(pool) for pool in pools)))
    chosen = np.concatenate([rng.choice(pool, size, replace=len(pool) < size) for pool in pools])
    plain = torch.from_numpy(raw_columns(model, rows.x[chosen]))
    absent = torch.isnan(plain)
    points = torch.where(absent, 0.0, torch.clamp((plain - model.centre) / model.step, -4, 4)).numpy()
    points = np.concatenate([points, absent.numpy()[:, model.asked] * 1.0], axis=1)
    clusters = KMeans(count, n_init=3, random_state=SEED).fit(points)
    nearest = np.array([int(np.argmin(((points - c) ** 2).sum(1))) for c in clusters.cluster_centers_])
    weight = np.bincount(clusters.labels_, minlength=count) / len(points)
    return rows.x[chosen[nearest]], weight.astype(np.float64)
