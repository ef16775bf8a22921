"""The ways laid beside one another: what each answers to the site's rows, and which is worth its change.

Three of them are the release's own answers: as they are, with an intercept of the site's, with the site's intercept and
slope. What is fitted is cross-fitted over folds by patient. The loss is the mean log loss of the headline at reported
moments; of the ways that keep the release the one with the least is taken. Training anew throws away what many other
patients taught, and a few hundred stays can make it look better by luck: it has to lead by two standard errors, over
patients.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from training import calibrate, measure
from training.calibrate import Judged
from training.matrix import Table
from training.resample import Draws
from training.tasks import Task

AS_IS, INTERCEPT, RECALIBRATED = "no adaptation", "site intercept", "recalibrated"
TUNED, SCRATCH = "fine-tuned", "from scratch"
WAYS: Final = (AS_IS, INTERCEPT, RECALIBRATED, TUNED, SCRATCH)
"""In the order of how much they change."""

LEAD: Final = 2.0  # standard errors by which training anew must be better
STEPS: Final = 50  # of Newton's method
HELD: Final = 10.0  # log-odds by which an intercept may move
Floats = NDArray[np.float64]
Rows = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Way:
    """One way's raw answers, the calibration.json it would ship with, and its cross-fitted answers."""

    logits: Rows
    calibration: Mapping[str, Any]
    judged: Judged


@dataclass(frozen=True, slots=True)
class Choice:
    """`losses`: mean log loss of each way; `excess`: how far above the least, with its standard error."""

    name: str
    why: str
    losses: Mapping[str, float]
    excess: Mapping[str, tuple[float, float]]


def of_release(
    rows: Table,
    logits: Rows,
    values: Rows,
    fold: NDArray[np.int_],
    task: Task,
    calibration: Mapping[str, Any],
) -> dict[str, Way]:
    """The three ways that leave the release's graphs as they are. `calibration` is its calibration.json."""
    told = rows.reported & ~rows.too_soon
    raw = logits.astype(np.float64).mean(axis=1)
    shifts = np.zeros((len(rows), raw.shape[1]))
    for part in np.unique(fold):
        shifts[fold == part] = intercepts(
            raw[told & (fold != part)], rows.y[told & (fold != part)], calibration
        )
    whole = intercepts(raw[told], rows.y[told], calibration)
    error = intercept_error(rows.where(told), raw[told], calibration, float(whole[-1]))
    return {
        AS_IS: Way(logits, calibration, judged(rows, logits, values, calibration, np.zeros_like(shifts))),
        INTERCEPT: Way(
            logits, moved(calibration, whole, rows, error), judged(rows, logits, values, calibration, shifts)
        ),
        RECALIBRATED: refitted(rows, logits, values, fold, task),
    }


def refitted(rows: Table, logits: Rows, values: Rows, fold: NDArray[np.int_], task: Task) -> Way:
    """Answers whose calibration and limits are all fitted here."""
    calibration, answers = calibrate.calibrate(rows, logits, values, fold, task)
    return Way(logits, calibration, answers)


def judged(rows: Table, logits: Rows, values: Rows, calibration: Mapping[str, Any], shift: Floats) -> Judged:
    """What a calibration with its limits says, each row's log-odds [N,K] moved by `shift` [N,K], limits with them."""
    z = logits.astype(np.float64) * calibration["slope"] + calibration["intercept"]
    centre = logits.astype(np.float64).mean(axis=1) * calibration["slope"] + calibration["intercept"]
    probability = calibrate.nest(centre + shift)
    p = _each(measure.logit(probability[:, -1]) - shift[:, -1])  # the limits move as the answer does
    both, apart = calibrate.doubts(
        p, _each(z[:, :, -1]), float(calibration["positive"]), float(calibration["negative"])
    )
    told, y, doubtful = rows.reported & ~rows.too_soon, rows.y[:, -1], both | apart
    said = {
        "alpha": calibration["alpha"],
        "coverage": {
            "positives_within": _share((p >= calibration["positive"])[told & y]),
            "negatives_within": _share((p <= calibration["negative"])[told & ~y]),
        },
        "share": _share(doubtful[told]),
        "share_both_labels": _share(both[told]),
        "share_members_disagree": _share((apart & ~both)[told]),
        "determinate_only": measure.figures(y[told & ~doubtful], probability[told & ~doubtful, -1]),
    }
    widen = np.asarray(calibration["widen"][: values.shape[1]], dtype=np.float64)
    return Judged(probability, values.astype(np.float64) + widen, doubtful, said)


def intercepts(raw: Floats, y: NDArray[np.bool_], calibration: Mapping[str, Any]) -> Floats:
    """What each logit's log-odds must move by [K] to be right on average, each among those it is asked about."""
    z = raw * calibration["slope"] + calibration["intercept"]
    heads = y.shape[1]
    asked = [
        y[:, k + 1] if calibration["nested"] and k + 1 < heads else np.ones(len(y), bool)
        for k in range(heads)
    ]
    return np.array([intercept(z[among, k], y[among, k]) for k, among in enumerate(asked)])


def intercept(z: Floats, y: NDArray[np.bool_]) -> float:
    """What log-odds must move by for their mean probability to be the observed share; 0 where all had one outcome."""
    if not 0 < y.sum() < len(y):
        return 0.0
    by = 0.0
    for _ in range(STEPS):
        p = _each(z + by)
        by = float(np.clip(by + (y.mean() - p.mean()) / max((p * (1 - p)).mean(), 1e-6), -HELD, HELD))
    return by


def intercept_error(rows: Table, raw: Floats, calibration: Mapping[str, Any], by: float) -> float:
    """Standard error of the headline's shift, over patients: one Newton step in each draw."""
    p = _each(raw[:, -1] * calibration["slope"][-1] + calibration["intercept"][-1] + by)
    drawn = Draws.of(rows.patient).ratio(rows.y[:, -1] - p, p * (1 - p))
    return float(np.nanstd(drawn))


def moved(calibration: Mapping[str, Any], by: Floats, rows: Table, error: float) -> dict[str, Any]:
    """calibration.json with the site's intercepts: its limits stand where they stood among the release's answers."""
    shift = float(by[-1])
    told = rows.reported & ~rows.too_soon
    limits = {
        name: float(_each(measure.logit(np.array([calibration[name]])) + shift)[0])
        for name in ("negative", "positive")
    }
    return {
        **calibration,
        **limits,
        "intercept": (np.asarray(calibration["intercept"]) + by).tolist(),
        "logit_error": float(np.hypot(calibration["logit_error"], error)),
        "base_rate": float(rows.y[told, -1].mean()),
    }


def choose(rows: Table, ways: Mapping[str, Way]) -> Choice:
    """The least loss of what keeps the release; training anew where it leads that by `LEAD` standard errors."""
    told = rows.reported & ~rows.too_soon
    loss = {
        name: log_loss(rows.y[told, -1], ways[name].judged.probability[told, -1])
        for name in WAYS
        if name in ways
    }
    losses = {name: round(float(found.mean()), 4) for name, found in loss.items()}
    kept = min((name for name in loss if name != SCRATCH), key=lambda name: float(loss[name].mean()))
    best = min(loss, key=lambda name: float(loss[name].mean()))
    excess = {name: _difference(found - loss[best], rows.patient[told]) for name, found in loss.items()}
    by, error = excess[kept]
    chosen = best if by > LEAD * error else kept
    why = f"the least log loss on the folds, {losses[chosen]:.4f}"
    if chosen != best:
        why += (
            f", of the ways that keep the release: training anew, {losses[best]:.4f}, leads it by {by:.4f}, "
            f"less than {LEAD:g} standard errors of {error:.4f}"
        )
    return Choice(chosen, why, losses, {n: (round(d, 5), round(e, 5)) for n, (d, e) in excess.items()})


def log_loss(y: NDArray[np.bool_], p: Floats) -> Floats:
    """Minus the log probability of what happened, a row."""
    z = measure.logit(p)
    found: Floats = np.logaddexp(0.0, np.where(y, -z, z))
    return found


def _difference(gap: Floats, patient: NDArray[np.str_]) -> tuple[float, float]:
    """Mean of the rows' differences and its standard error, whole patients being what varies."""
    _, owner = np.unique(patient, return_inverse=True)
    rows, total = np.bincount(owner), np.bincount(owner, weights=gap)
    mean = float(total.sum() / rows.sum())
    return mean, float(np.sqrt(((total - rows * mean) ** 2).sum()) / rows.sum())


def _each(z: Floats) -> Floats:
    p: Floats = 1.0 / (1.0 + np.exp(-z))
    return p


def _share(which: NDArray[np.bool_]) -> float | None:
    return round(float(which.mean()), 4) if len(which) else None
