"""Raw out-of-fold answers -> calibration.json, and the probabilities every figure is made of.

Platt scaling, one slope and intercept per raw logit: it keeps the ranking. A horizon inside the next one is asked
given that one: 6 h only among those ventilated within 12, 12 h only among those within 24. For judging it is fitted
on the other folds; what ships is fitted on all. Limits of what the model stands behind come from the same
out-of-fold answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from training import measure
from training.matrix import Table
from training.tasks import Task

BOOTSTRAPS: Final = 30
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Judged:
    """Cross-fitted probability [N,H], forecast [N,3] (log ng/L) or [N,0], doubt about the headline [N]."""

    probability: Floats
    forecast: Floats
    doubtful: NDArray[np.bool_]
    indeterminate: dict[str, Any]


def calibrate(
    rows: Table, logits: NDArray[np.float32], values: NDArray[np.float32], fold: NDArray[np.int_], task: Task
) -> tuple[dict[str, Any], Judged]:
    """calibration.json, and the cross-fitted answers."""
    fitted = rows.reported & ~rows.too_soon
    raw = logits.astype(np.float64)
    probability = np.zeros((len(rows), raw.shape[2]))
    each, forecast = np.zeros(raw.shape[:2]), values.astype(np.float64)
    aim = rows.aim
    for part in np.unique(fold):
        here, there = fold == part, fitted & (fold != part)
        slope, intercept = _platt(raw[there].mean(1), rows.y[there])
        probability[here] = nest(raw[here].mean(1) * slope + intercept)
        each[here] = nest(raw[here] * slope + intercept)[:, :, -1]
        if values.shape[1]:
            forecast[here] += _widen(values[there], aim[there])
    slope, intercept = _platt(raw[fitted].mean(1), rows.y[fitted])
    limits, doubtful, said = _limits(rows, probability[:, -1], each, fitted, task)
    calibration = {
        "slope": slope.tolist(),
        "intercept": intercept.tolist(),
        "chained": False,
        "nested": raw.shape[2] > 1,
        "logit_error": _logit_error(rows.where(fitted), probability[fitted, -1]),
        "widen": _widen(values[fitted], aim[fitted]).tolist() if values.shape[1] else [0.0, 0.0, 0.0],
        "base_rate": float(rows.y[fitted, -1].mean()),
        **limits,
    }
    return calibration, Judged(probability, forecast, doubtful, said)


def platted(rows: Table, z: NDArray[np.floating[Any]], fold: NDArray[np.int_]) -> Floats:
    """Cross-fitted Platt probability [N] of the headline from one log-odds a row."""
    fitted, found = rows.reported & ~rows.too_soon, np.zeros(len(rows))
    for part in np.unique(fold):
        there = fitted & (fold != part)
        slope, intercept = measure.platt(z[there], rows.y[there, -1])
        found[fold == part] = 1.0 / (1.0 + np.exp(-slope * z[fold == part].astype(np.float64) - intercept))
    return found


def members(logits: NDArray[np.float32], calibration: dict[str, Any]) -> Floats:
    """Each member's calibrated headline probability [N,M]."""
    z: Floats = logits.astype(np.float64) * np.array(calibration["slope"]) + np.array(calibration["intercept"])
    return nest(z)[:, :, -1]


def doubts(p: Floats, each: Floats, positive: float, negative: float) -> tuple[NDArray[np.bool_], ...]:
    """What is not stood behind of probabilities [N] by members [N,M]: ordinary for both outcomes; members who disagree.

    They disagree where to one the patient is ordinary only among those without the outcome and to another only among
    those with it. How far apart they lie is no measure: at high risk they lie far apart and all say the same.
    """
    least, most = each.min(axis=1), each.max(axis=1)
    disagree = (least < min(positive, negative)) & (most > max(positive, negative))
    return (p >= positive) & (p <= negative), disagree


def where(judged: Judged, keep: NDArray[np.bool_]) -> Judged:
    """The answers to some of the rows."""
    return Judged(judged.probability[keep], judged.forecast[keep], judged.doubtful[keep], judged.indeterminate)


def nest(z: Floats) -> Floats:
    """Log-odds of each horizon given the next [..., H] -> probability by the end of each."""
    p = np.asarray(1.0 / (1.0 + np.exp(-z)), dtype=np.float64)
    nested: Floats = np.cumprod(p[..., ::-1], axis=-1, dtype=np.float64)[..., ::-1]
    return nested


def _platt(z: Floats, y: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Slope and intercept of each logit, each fitted among those who had the next horizon's outcome."""
    heads = y.shape[1]
    among = [y[:, k + 1] if k + 1 < heads else np.ones(len(y), dtype=bool) for k in range(heads)]
    pairs = [_line(z[rows, k], y[rows, k]) for k, rows in enumerate(among)]
    return np.array([slope for slope, _ in pairs]), np.array([intercept for _, intercept in pairs])


def _line(z: Floats, y: NDArray[np.bool_]) -> tuple[float, float]:
    """Platt's line; where all had one outcome there is nothing to fit and the logit is left alone."""
    return measure.platt(z, y) if 0 < y.sum() < len(y) else (1.0, 0.0)


def _widen(values: NDArray[np.float32], aim: NDArray[np.float32]) -> Floats:
    """Shifts of low and high that leave a tenth of the truth beyond each; the median stays."""
    known = ~np.isnan(aim)
    low = np.quantile((aim - values[:, 0])[known], 0.1)
    high = np.quantile((aim - values[:, 2])[known], 0.9)
    return np.array([low, 0.0, high], dtype=np.float64)


def _limits(
    rows: Table, p: Floats, each: Floats, fitted: NDArray[np.bool_], task: Task
) -> tuple[dict[str, float], NDArray[np.bool_], dict[str, Any]]:
    """Limits on all; class-wise coverage judged on the half of the patients that did not set them."""
    _, owner = np.unique(rows.patient, return_inverse=True)
    half = np.random.default_rng(0).random(owner.max() + 1)[owner] < 0.5
    negative, positive = _conformal(p[fitted & half], rows.y[fitted & half, -1], task.alpha)
    test, y = fitted & ~half, rows.y[:, -1]
    coverage = {
        "positives_within": round(float((p[test & y] >= positive).mean()), 4),
        "negatives_within": round(float((p[test & ~y] <= negative).mean()), 4),
    }
    negative, positive = _conformal(p[fitted], y[fitted], task.alpha)
    both, disagree = doubts(p, each, positive, negative)
    doubtful = both | disagree
    limits = {"alpha": task.alpha, "negative": negative, "positive": positive}
    said = {
        "alpha": task.alpha,
        "coverage_on_other_half": coverage,
        "share": round(float(doubtful[fitted].mean()), 4),
        "share_both_labels": round(float(both[fitted].mean()), 4),
        "share_members_disagree": round(float((disagree & ~both)[fitted].mean()), 4),
        "determinate_only": measure.figures(y[fitted & ~doubtful], p[fitted & ~doubtful]),
    }
    return limits, doubtful, said


def _conformal(p: Floats, y: NDArray[np.bool_], alpha: float) -> tuple[float, float]:
    """Highest p ordinary for negatives, lowest for positives, each wrong for a share alpha of its class."""
    return float(np.quantile(p[~y], 1 - alpha)), float(np.quantile(p[y], alpha))


def _logit_error(rows: Table, p: Floats) -> float:
    """Standard error, over patients, of the calibrated log-odds at their mean."""
    _, owner = np.unique(rows.patient, return_inverse=True)
    rng, z = np.random.default_rng(0), measure.logit(p)
    drawn = []
    for _ in range(BOOTSTRAPS):
        weight = rng.poisson(1.0, owner.max() + 1)[owner].astype(np.float64)
        slope, intercept = measure.platt(z, rows.y[:, -1], weight)
        drawn.append(slope * z.mean() + intercept)
    return float(np.std(drawn))
