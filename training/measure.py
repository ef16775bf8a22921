"""How well: discrimination, calibration and their uncertainty, the same for every model on the same rows.

Intervals resample patients, never rows: a patient's landmarks are not independent of one another.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score

Floats = NDArray[np.floating[Any]]
BOOTSTRAPS: Final = 200
BINS: Final = 10
FEWEST: Final = 10  # positives or negatives below which a subgroup's figures are withheld
AGE_BANDS: Final = ((18, 45), (45, 65), (65, 80), (80, 200))


def figures(y: NDArray[np.bool_], p: Floats, patient: NDArray[np.str_] | None = None) -> dict[str, Any]:
    """AUROC, AUPRC, Brier, ECE, calibration slope and intercept; 95 % intervals where `patient` is given."""
    rows: dict[str, Any] = {"rows": len(y), "positive": int(y.sum())}
    if min(y.sum(), (~y).sum()) < FEWEST:
        return rows | {"withheld": "too few of one outcome"}
    slope, intercept = _recalibration(y, p)
    rows |= {
        "auroc": _round(roc_auc_score(y, p)),
        "auprc": _round(average_precision_score(y, p)),
        "brier": _round(np.mean((p - y) ** 2)),
        "ece": _round(_ece(y, p)),
        "calibration_slope": _round(slope),
        "calibration_intercept": _round(intercept),
        "mean_predicted": _round(p.mean()),
        "observed": _round(y.mean()),
    }
    if patient is not None:
        rows |= intervals(y, p, patient)
    return rows


def intervals(y: NDArray[np.bool_], p: Floats, patient: NDArray[np.str_]) -> dict[str, Any]:
    """95 % bootstrap intervals over patients of AUROC and AUPRC."""
    _, owner = np.unique(patient, return_inverse=True)
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(BOOTSTRAPS):
        weight = rng.multinomial(owner.max() + 1, np.full(owner.max() + 1, 1 / (owner.max() + 1)))[owner]
        if weight[y].sum() and weight[~y].sum():
            drawn.append(
                (
                    roc_auc_score(y, p, sample_weight=weight),
                    average_precision_score(y, p, sample_weight=weight),
                )
            )
    low, high = np.percentile(drawn, [2.5, 97.5], axis=0)
    return {
        "auroc_95": [_round(low[0]), _round(high[0])],
        "auprc_95": [_round(low[1]), _round(high[1])],
        "patients": int(owner.max() + 1),
    }


def subgroups(
    y: NDArray[np.bool_], p: Floats, groups: Mapping[str, NDArray[Any]]
) -> dict[str, dict[str, dict[str, Any]]]:
    """Figures by each value of each grouping."""
    return {
        name: {str(value): figures(y[values == value], p[values == value]) for value in np.unique(values)}
        for name, values in groups.items()
    }


def site_ece(y: NDArray[np.bool_], p: Floats) -> float:
    """ECE once the site has set its own intercept, which is what its silent period is for."""
    z, low, high = logit(p), -5.0, 5.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if (1 / (1 + np.exp(-z - middle))).mean() < y.mean() else (low, middle)
    return _round(_ece(y, 1 / (1 + np.exp(-z - low))))


def age_band(age: Floats) -> NDArray[np.str_]:
    """ "18-44", "45-64", "65-79", "80+" for ages in years."""
    bands = np.full(len(age), "unknown", dtype="U8")
    for low, high in AGE_BANDS:
        bands[(age >= low) & (age < high)] = f"{low}+" if high == AGE_BANDS[-1][1] else f"{low}-{high - 1}"
    return bands


def platt(z: Floats, y: NDArray[np.bool_], weight: Floats | None = None) -> tuple[float, float]:
    """Slope and intercept of log-odds that make `z` a calibrated probability."""
    fitted = LogisticRegression(C=1e6, max_iter=500).fit(
        np.asarray(z).reshape(-1, 1), y, sample_weight=weight
    )
    return float(fitted.coef_[0, 0]), float(fitted.intercept_[0])


def logit(p: Floats) -> NDArray[np.float64]:
    """Log-odds, held away from 0 and 1."""
    held = np.clip(np.asarray(p, dtype=np.float64), 1e-7, 1 - 1e-7)
    odds: NDArray[np.float64] = np.log(held / (1 - held))
    return odds


def _recalibration(y: NDArray[np.bool_], p: Floats) -> tuple[float, float]:
    return platt(logit(p), y)


def _ece(y: NDArray[np.bool_], p: Floats) -> float:
    """Expected calibration error over tenths of equal size."""
    order = np.argsort(p, kind="stable")
    parts = np.array_split(order, BINS)
    return float(sum(len(part) * abs(p[part].mean() - y[part].mean()) for part in parts) / len(p))


def _round(value: Any) -> float:
    return round(float(value), 4)
