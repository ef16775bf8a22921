"""CUSUM of calibration: whether more, or fewer, patients had the outcome than their own probabilities said.

Each case adds the log-likelihood ratio of its outcome under odds multiplied by `odds` against the odds as
predicted, so a sick ward raises no alarm by being sick: what is expected of it is in its probabilities (Steiner
et al., risk-adjusted CUSUM). Two charts, one for odds that rose and one for odds that fell. Refuses a
probability of exactly 0 or 1: no outcome can correct it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np

from governance.charts.chains import Floats, mean_exit, solve_limit

CELLS: Final = 100  # of the grid between 0 and the limit
MIX: Final = 32  # quantiles that stand for the spread of probabilities at a site
LEAST: Final = 1.0  # of a limit, in log-likelihood
WIDEST: Final = 30.0


@dataclass(frozen=True, slots=True)
class Walk:
    """A CUSUM over cases in their order: its value after each, and observed minus expected beside it.

    `alarm` is the index of the first case above `limit`, None without one. `began` is where the excursion that
    alarmed left zero: the best guess at when the change came.
    """

    values: Floats
    observed_minus_expected: Floats
    limit: float
    alarm: int | None
    began: int | None


def scores(risks: Floats, outcomes: Floats, odds: float) -> Floats:
    """What each case adds: y log(odds) - log(1 - p + odds p)."""
    added: Floats = outcomes * np.log(odds) - np.log1p((odds - 1.0) * risks)
    return added


def walk(risks: Sequence[float], outcomes: Sequence[bool], odds: float, limit: float) -> Walk:
    """The CUSUM over cases in the order they were predicted. Raises ValueError for a probability of 0 or 1."""
    predicted, happened = _checked(risks), np.asarray(outcomes, dtype=float)
    if len(predicted) != len(happened):
        raise ValueError(f"{len(predicted)} probabilities and {len(happened)} outcomes")
    values, value, left, alarm, began = np.empty(len(predicted)), 0.0, 0, None, None
    for index, step in enumerate(scores(predicted, happened, odds)):
        left = index if value == 0.0 else left
        value = max(0.0, value + float(step))
        values[index] = value
        if alarm is None and value > limit:
            alarm, began = index, left
    return Walk(values, np.cumsum(happened - predicted), limit, alarm, began)


def run_length(risks: Sequence[float], odds: float, limit: float, *, actual_odds: float = 1.0) -> float:
    """Mean cases until an alarm where probabilities are spread as `risks` and true odds are `actual_odds` times.

    1.0: nothing changed, the in-control run length. Another value: how many cases until that change is found.
    """
    mix = np.quantile(_checked(risks), (np.arange(MIX) + 0.5) / MIX)
    true = actual_odds * mix / (1.0 - mix + actual_odds * mix)
    width = limit / (CELLS - 0.5)
    centres = width * np.arange(CELLS)  # the first cell is zero itself and half as wide
    steps = np.zeros((CELLS, CELLS))
    for happened, chance in ((1.0, true), (0.0, 1.0 - true)):
        added = scores(mix, np.full(MIX, happened), odds)
        for change, weight in zip(added, chance / MIX, strict=True):
            _spread(steps, (centres + change) / width, weight)
    return mean_exit(steps, 0)


def limit_for(risks: Sequence[float], odds: float, wanted: float) -> float:
    """The limit at which false alarms come `wanted` cases apart on average, for probabilities like `risks`."""
    return _limit(tuple(_checked(risks).tolist()), odds, wanted)


@lru_cache(maxsize=32)
def _limit(risks: tuple[float, ...], odds: float, wanted: float) -> float:
    """Kept for as long as the process lives: a baseline that is over is asked about every day."""
    return solve_limit(lambda limit: run_length(risks, odds, limit), wanted, LEAST, WIDEST)


def _spread(steps: Floats, places: Floats, weight: float) -> None:
    """Add the chance `weight` of going from each cell to its place, shared between the two cells it lies among.

    Sharing keeps the mean of the step, which rounding would lose where steps are smaller than a cell.
    """
    inside = np.maximum(places, 0.0)
    lower = np.floor(inside).astype(int)
    upper_share = inside - lower
    rows = np.arange(CELLS)
    for column, share in ((lower, 1.0 - upper_share), (lower + 1, upper_share)):
        stays = (column < CELLS) & (inside <= CELLS - 0.5)
        steps[rows[stays], column[stays]] += weight * share[stays]


def _checked(risks: Sequence[float]) -> Floats:
    predicted = np.asarray(risks, dtype=float)
    if predicted.size == 0 or not ((predicted > 0.0) & (predicted < 1.0)).all():
        raise ValueError("a calibration chart needs probabilities between 0 and 1, neither included")
    return predicted
