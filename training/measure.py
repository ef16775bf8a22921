"""How well: discrimination, calibration and their uncertainty, the same for every model on the same rows.

Intervals resample patients (training.resample). Nothing is reported of a group with fewer than ten of either
outcome: so few say more of chance, and of the patients themselves, than of the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score

from training.resample import Draws, interval

Floats = NDArray[np.floating[Any]]
BINS: Final = 10
FULL: Final = 20  # rows that a drawn point of reliability stands for at least
FEWEST: Final = 10  # positives or negatives below which a group's figures are withheld
WITHHELD: Final = "too few of one outcome"
AGE_BANDS: Final = ((18, 45), (45, 65), (65, 80), (80, 200))


def figures(y: NDArray[np.bool_], p: Floats, draws: Draws | NDArray[np.str_] | None = None) -> dict[str, Any]:
    """AUROC, AUPRC, Brier, ECE, calibration slope and intercept; 95 % intervals with `draws`, or each row's patient.

    The expected calibration error has no interval: resampling adds error of its own to it.
    """
    draws = Draws.of(draws) if isinstance(draws, np.ndarray) else draws
    found = ranking(y, p, draws)
    if "withheld" in found:
        return found
    slope, intercept = platt(logit(p), y)
    loss = (p - y) ** 2
    found |= {
        "brier": _round(loss.mean()),
        "ece": _round(_ece(y, p)),
        "calibration_slope": _round(slope),
        "calibration_intercept": _round(intercept),
        "mean_predicted": _round(p.mean()),
        "observed": _round(y.mean()),
    }
    if draws is not None:
        refitted = draws.calibration(y, logit(p), slope, intercept)
        found |= {
            "brier_95": interval(draws.mean(loss)),
            "calibration_slope_95": interval(refitted[:, 0]),
            "calibration_intercept_95": interval(refitted[:, 1]),
        }
    return found


def ranking(y: NDArray[np.bool_], score: Floats, draws: Draws | None = None) -> dict[str, Any]:
    """AUROC and AUPRC of a score that need not be a probability, higher meaning more likely."""
    found: dict[str, Any] = {"rows": len(y), "positive": int(y.sum())}
    if draws is not None:
        found["patients"] = draws.patients
    if min(y.sum(), (~y).sum()) < FEWEST:
        return found | {"withheld": WITHHELD}
    found |= {"auroc": _round(roc_auc_score(y, score)), "auprc": _round(average_precision_score(y, score))}
    return found | (_intervals(draws.ranking(y, score)) if draws is not None else {})


def difference(y: NDArray[np.bool_], ours: Floats, theirs: Floats, draws: Draws) -> dict[str, Any]:
    """AUROC and AUPRC of `ours` minus `theirs` on the same rows, with paired 95 % intervals."""
    if min(y.sum(), (~y).sum()) < FEWEST:
        return {"withheld": WITHHELD}
    drawn = draws.ranking(y, ours) - draws.ranking(y, theirs)
    return {
        "auroc": _round(roc_auc_score(y, ours) - roc_auc_score(y, theirs)),
        "auprc": _round(average_precision_score(y, ours) - average_precision_score(y, theirs)),
        **_intervals(drawn),
    }


def subgroups(
    y: NDArray[np.bool_],
    p: Floats,
    groups: Mapping[str, NDArray[Any]],
    draws: Draws | None = None,
    threshold: float | None = None,
) -> dict[str, dict[str, dict[str, Any]]]:
    """Figures by each value of each grouping; with `threshold` also what is missed and falsely alarmed there."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for name, values in groups.items():
        found[name] = {}
        for value in np.unique(values):
            here = values == value
            mine = draws.where(here) if draws is not None else None
            cell = figures(y[here], p[here], mine)
            if threshold is not None and "withheld" not in cell:
                cell |= missed(y[here], p[here] >= threshold, mine)
            found[name][str(value)] = cell
    return found


def missed(y: NDArray[np.bool_], alarm: NDArray[np.bool_], draws: Draws | None = None) -> dict[str, Any]:
    """False-negative rate and false-alarm rate of alarms, with their intervals."""
    found: dict[str, Any] = {
        "false_negative_rate": _round((~alarm[y]).mean()),
        "false_alarm_rate": _round(alarm[~y].mean()),
    }
    if draws is not None:
        found["false_negative_rate_95"] = interval(draws.ratio((~alarm & y) * 1.0, y * 1.0))
        found["false_alarm_rate_95"] = interval(draws.ratio((alarm & ~y) * 1.0, ~y * 1.0))
    return found


def reliability(y: NDArray[np.bool_], p: Floats, draws: Draws | None = None) -> list[dict[str, Any]]:
    """Predicted and observed share in tenths of the rows by predicted probability, or fewer parts of 20 rows."""
    points = []
    for part in _parts(p, min(BINS, max(len(p) // FULL, 1))):
        point: dict[str, Any] = {
            "predicted": _round(p[part].mean()),
            "observed": _round(y[part].mean()),
            "rows": len(part),
            "positive": int(y[part].sum()),
        }
        if draws is not None:
            point["observed_95"] = interval(draws.where(part).mean(y[part] * 1.0))
        points.append(point)
    return points


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


def _intervals(drawn: Floats) -> dict[str, Any]:
    return {"auroc_95": interval(drawn[:, 0]), "auprc_95": interval(drawn[:, 1])}


def _parts(p: Floats, count: int) -> list[NDArray[np.intp]]:
    """Rows by predicted probability, in parts of equal size; fewer where there are fewer rows."""
    return [part for part in np.array_split(np.argsort(p, kind="stable"), count) if len(part)]


def _ece(y: NDArray[np.bool_], p: Floats) -> float:
    """Expected calibration error over tenths of equal size."""
    return float(sum(len(part) * abs(p[part].mean() - y[part].mean()) for part in _parts(p, BINS)) / len(p))


def _round(value: Any) -> float:
    return round(float(value), 4)
