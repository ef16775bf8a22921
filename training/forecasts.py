"""How well the next troponin is forecast: error beside "no change", and how often the 80 % interval held.

Everything is on the natural log of ng/L, so an error of 0.3 is a factor of 1.35 either way. The interval runs
from the first to the third column of the quantiles, its middle is the second.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from training.resample import Draws, interval

Floats = NDArray[np.floating[Any]]
FEWEST: Final = 20  # forecasts below which a group's figures are withheld
AHEAD: Final = ((0.0, 4.0), (4.0, 8.0), (8.0, 12.0), (12.0, 24.0))  # hours to the draw that is forecast


def figures(aim: Floats, quantiles: Floats, before: Floats, draws: Draws) -> dict[str, Any]:
    """Of forecasts [N,3] of `aim` [N]; `before` [N] is the latest value, NaN where there is none to compare with."""
    found: dict[str, Any] = {"rows": len(aim)}
    if len(aim) < FEWEST:
        return found | {"withheld": "too few forecasts"}
    error = np.abs(aim - quantiles[:, 1])
    held = ((aim >= quantiles[:, 0]) & (aim <= quantiles[:, 2])) * 1.0
    width = quantiles[:, 2] - quantiles[:, 0]
    found |= {
        "mae": _rounded(error.mean()),
        "mae_95": interval(draws.mean(error)),
        "coverage_80": _rounded(held.mean()),
        "coverage_80_95": interval(draws.mean(held)),
        "mean_width_log": _rounded(width.mean()),
        "median_width_factor": _rounded(np.exp(np.median(width)), 2),
    }
    known = np.isfinite(before)
    if known.sum() < FEWEST:
        return found
    still = np.abs(aim - before)[known]
    better = draws.where(known).mean(error[known] - still)
    return found | {
        "mae_no_change": _rounded(still.mean()),
        "mae_difference": _rounded((error[known] - still).mean()),
        "mae_difference_95": interval(better),
    }


def by(
    aim: Floats, quantiles: Floats, before: Floats, draws: Draws, groups: Mapping[str, NDArray[np.str_]]
) -> dict[str, dict[str, dict[str, Any]]]:
    """Figures by each value of each grouping."""
    return {
        name: {
            str(value): figures(
                aim[values == value], quantiles[values == value], before[values == value],
                draws.where(values == value),
            )
            for value in np.unique(values)
        }
        for name, values in groups.items()
    }  # fmt: skip


def ahead_band(hours: Floats) -> NDArray[np.str_]:
    """ "0-4 h ahead" to "12-24 h ahead" for hours to the forecast draw; the upper end belongs to the band."""
    bands = np.full(len(hours), "not known", dtype="U14")
    for low, high in AHEAD:
        bands[(hours > low) & (hours <= high)] = f"{low:.0f}-{high:.0f} h ahead"
    return bands


def _rounded(value: Any, digits: int = 4) -> float:
    return round(float(value), digits)
