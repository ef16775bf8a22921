"""EWMA of daily means: whether an input's distribution, or the latency, drifts from where it began.

Each day's mean is standardised by what a day's mean varied by at the baseline: patients within a day, and days
among themselves. Without the second, a busy hospital alarms at every change of the weather. A baseline of some
weeks is not known exactly, so the limit is wider than of one that is (Jensen et al. 2006), and no day counts for more
than `UTMOST`: with three patients a day one odd value is no drift. Refuses a baseline of fewer days than the
variation among days can be read from.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from math import erf, sqrt
from typing import Final

import numpy as np

from governance.charts.chains import mean_exit, solve_limit

CELLS: Final = 101  # odd: the middle one is where the chart starts
FEWEST_DAYS: Final = 14  # of a baseline
LEAST: Final = 1.0  # of a limit, in standard deviations of the weighted mean
WIDEST: Final = 9.0
REMEMBERS: Final = 0.2  # the weight of today
UTMOST: Final = 3.0  # standard deviations one day may lie from the usual in the weighted mean
NARROWEST: Final = 0.3  # of the standard deviations a baseline may have read, over the true one
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(5)


@dataclass(frozen=True, slots=True)
class Day:
    """One day of one quantity: how many values, their mean, and the sum of squares about that mean."""

    day: date
    size: int
    mean: float
    squares: float


@dataclass(frozen=True, slots=True)
class Usual:
    """What the quantity was: its mean, the variance of a value within a day, and of days among themselves.

    `days` is how many it was read from.
    """

    mean: float
    within: float
    among: float
    days: int


@dataclass(frozen=True, slots=True)
class MeanPoint:
    """One day on the chart: the weighted mean in standard deviations, its limit, and the side it left on."""

    day: Day
    value: float
    limit: float
    direction: int


def usual(days: Iterable[Day]) -> Usual:
    """The baseline of days with values. Raises ValueError when there are fewer than FEWEST_DAYS."""
    kept = [each for each in days if each.size > 0]
    if len(kept) < FEWEST_DAYS:
        raise ValueError(f"a baseline needs {FEWEST_DAYS} days with values; there are {len(kept)}")
    sizes = np.array([each.size for each in kept], dtype=float)
    means = np.array([each.mean for each in kept])
    spare = float(np.maximum(sizes - 1.0, 0.0).sum())
    within = sum(each.squares for each in kept) / spare if spare > 0 else 0.0
    mean = float(np.average(means, weights=sizes))
    among = max(0.0, float(np.var(means, ddof=1)) - within * float(np.mean(1.0 / sizes)))
    return Usual(mean, within, among, len(kept))


def chart(
    days: Iterable[Day], was: Usual, run_length: float, *, remembers: float = REMEMBERS
) -> tuple[MeanPoint, ...]:
    """The EWMA of every day with values; false alarms come `run_length` days apart on average."""
    limit = limit_for(run_length, remembers, was.days)
    value, points = 0.0, []
    for day in days:
        if day.size == 0:
            continue
        value += remembers * (_held(standardised(day, was), was) - value)
        side = int(value > limit) - int(value < -limit)
        points.append(MeanPoint(day, value, limit, side))
    return tuple(points)


def standardised(day: Day, was: Usual) -> float:
    """How many standard deviations of a day's mean this one lies from the usual; 0 where nothing ever varied."""
    variance = was.among + was.within / day.size
    if variance > 0:
        return (day.mean - was.mean) / sqrt(variance)
    return 0.0 if day.mean == was.mean else float(np.copysign(1e6, day.mean - was.mean))


@lru_cache(maxsize=1024)
def in_control(limit: float, remembers: float = REMEMBERS, shift: float = 0.0) -> float:
    """Mean days until an alarm at this `limit`; with `shift` (in standard deviations of a day's mean), to find it."""
    width = 2.0 * limit / CELLS
    centres = -limit + width * (np.arange(CELLS) + 0.5)
    edges = -limit + width * np.arange(CELLS + 1)
    # to be at or below an edge tomorrow, the day must be at or below this
    day = (edges[None, :] - (1.0 - remembers) * centres[:, None]) / remembers - shift
    steps = np.diff(_normal(day), axis=1)
    return mean_exit(steps, CELLS // 2)


@lru_cache(maxsize=64)
def limit_for(run_length: float, remembers: float = REMEMBERS, days: int = 0) -> float:
    """The limit at which false alarms come `run_length` days apart on average.

    `days`: of the baseline that mean and spread were read from; 0 where both are known.
    """
    sigma = sqrt(remembers / (2.0 - remembers))

    def length(limit: float) -> float:
        return guessed(limit, days, remembers) if days else in_control(limit, remembers)

    return solve_limit(length, run_length, LEAST * sigma, WIDEST * sigma)


def guessed(limit: float, days: int, remembers: float = REMEMBERS) -> float:
    """Mean days between false alarms over all the baselines of `days` days that chance could have given.

    The baseline's mean is off by a normal error of 1 / sqrt(`days`) standard deviations, its standard deviation by
    a factor of about 1 +- 1 / sqrt(2 (`days` - 1)); the rates of alarms are averaged by Gauss-Hermite quadrature.
    """
    rate = 0.0
    for off, share in zip(_NODES, _WEIGHTS, strict=True):
        for wide, weight in zip(_NODES, _WEIGHTS, strict=True):
            read = max(NARROWEST, 1.0 + float(wide) / sqrt(2.0 * (days - 1)))
            length = in_control(limit * read, remembers, abs(float(off)) / sqrt(days))
            rate += float(share * weight) / length
    return float(_WEIGHTS.sum()) ** 2 / rate


def summarised(day: date, values: Sequence[float]) -> Day:
    """One day of `values`, none of them missing."""
    kept = np.asarray(values, dtype=float)
    if kept.size == 0:
        return Day(day, 0, 0.0, 0.0)
    mean = float(kept.mean())
    return Day(day, int(kept.size), mean, float(((kept - mean) ** 2).sum()))


def _held(value: float, was: Usual) -> float:
    """A day's standard deviations, held to UTMOST; whole where nothing ever varied, and any change is one."""
    return value if was.within == was.among == 0 else min(max(value, -UTMOST), UTMOST)


_normal = np.vectorize(lambda z: 0.5 * (1.0 + erf(z / sqrt(2.0))), otypes=[float])
