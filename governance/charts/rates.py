"""Shewhart p-chart: whether a share of one sample (a day, a week) differs from the share it began with.

The limits are the binomial's own tails, not three sigmas: with few answers a day, or a share near 0, three sigmas
promise a run length they do not keep. Refuses a share outside 0..1 and a count above its sample.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from math import ceil, floor, inf, isfinite, lgamma, log, log1p, sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

EDGE: Final = 1e-9  # a baseline of none or all is held this far from 0 and 1: one event must stay possible
REACH: Final = 12.0  # standard deviations from the mean beyond which a count adds nothing to a tail
MOVED: Final = 0.2  # of a share, towards the middle: what a chart should be able to find
SOON: Final = 30  # samples in which it should
FLOOR_REACH: Final = 40  # and at least this many counts, where the share is tiny


@dataclass(frozen=True, slots=True)
class Sample:
    """One day's or week's share: `events` of `size`."""

    day: date
    events: int
    size: int


@dataclass(frozen=True, slots=True)
class Limits:
    """The counts that are still ordinary, both included, and the mean number of samples to a false alarm."""

    low: int
    high: int
    run_length: float


@dataclass(frozen=True, slots=True)
class RatePoint:
    """One sample on the chart. `direction` is +1 above the limits, -1 below, 0 within or too small to say."""

    sample: Sample
    limits: Limits
    direction: int


@lru_cache(maxsize=4096)
def limits(size: int, share: float, run_length: float) -> Limits:
    """Limits for `size` cases at the baseline `share`; false alarms come `run_length` samples apart or later.

    Each tail has at most half of 1 / `run_length`. The returned run length is exact for this size, at least what
    was asked for (counts are whole), infinite where no count can alarm.
    """
    _check(share, run_length)
    if size == 0:
        return Limits(0, 0, inf)
    first, mass = _masses(size, share)
    below, above = np.cumsum(mass), np.cumsum(mass[::-1])[::-1]
    tail = 0.5 / run_length
    low = first + int(np.searchsorted(below, tail, side="right"))
    high = first + int(np.count_nonzero(above > tail)) - 1
    outside = _outside(size, share, low, high)
    return Limits(low, high, 1.0 / outside if outside > 0 else inf)


def chart(
    samples: Iterable[Sample], share: float, run_length: float, *, clustering: float = 1.0
) -> tuple[RatePoint, ...]:
    """Every sample against its own limits. An empty sample is on the chart and says nothing.

    With `clustering` c, a sample of n is as telling as n / c independent cases, and is judged as that many.
    """
    return tuple(
        _point(sample, max(1, round(sample.size / clustering)) if sample.size else 0, share, run_length)
        for sample in samples
    )


def clustering(samples: Iterable[Sample], share: float) -> float:
    """How many times more a share varies from sample to sample than independent cases would: 1 or more.

    Cases of one patient, or one shift, go together; limits that ignore it alarm every week (Laney's p' chart).
    """
    kept = [each for each in samples if each.size > 0]
    held = min(max(share, EDGE), 1 - EDGE)
    scores = [(each.events / each.size - held) / sqrt(held * (1 - held) / each.size) for each in kept]
    return max(1.0, float(np.var(scores, ddof=1))) if len(scores) > 1 else 1.0


def guessed(samples: float) -> float:
    """How many times more a sample varies about a share read from a baseline of `samples` than about a known one.

    Its own variance and the baseline's. Eight weeks are a short baseline: limits of a share taken as known alarmed
    nearly twice as often as they promised.
    """
    return 1.0 + 1.0 / samples


def samples_to_find(size: int, share: float, shifted: float, run_length: float) -> float:
    """The mean number of samples of `size` until a move of the share to `shifted` is found, on that side."""
    ordinary = limits(size, share, run_length)
    found = _above(size, shifted, ordinary.high) if shifted > share else _below(size, shifted, ordinary.low)
    return 1.0 / found if found > 0 else inf


def period(size: float, share: float, run_length: float, periods: Sequence[int]) -> int:
    """Of `periods` (in samples) the shortest to pool for a move of MOVED to show within SOON samples, or the best.

    `size` is a sample's ordinary one. With three answers a day no count of a day is out of the ordinary, and a chart
    of days would never alarm. Raises ValueError where no period could.
    """
    shifted, best, soonest = share + (MOVED if share <= 0.5 else -MOVED), 0, inf
    for each in periods:
        if run_length / each <= 1 or soonest <= SOON:
            break
        found = each * samples_to_find(round(size * each), share, shifted, run_length / each)
        best, soonest = (each, found) if found < soonest else (best, soonest)
    if not best:
        raise ValueError("too few cases for any count to be out of the ordinary")
    return best


def pooled(samples: Iterable[Sample], days: int) -> tuple[Sample, ...]:
    """Samples put together by periods of `days` from the first one's day, each under its first day.

    The last period is left out unless a later sample shows that it is over.
    """
    kept = tuple(samples)
    found: dict[date, list[Sample]] = {}
    for each in kept:
        begins = each.day - timedelta(days=(each.day - kept[0].day).days % days)
        found.setdefault(begins, []).append(each)
    return tuple(
        Sample(day, sum(one.events for one in those), sum(one.size for one in those))
        for day, those in list(found.items())[:-1]
    )


def baseline(samples: Iterable[Sample]) -> float:
    """The share of all samples together, held off 0 and 1 by half an event. Raises ValueError without a case."""
    kept = tuple(samples)
    events, size = sum(each.events for each in kept), sum(each.size for each in kept)
    if size == 0:
        raise ValueError("a baseline needs at least one case")
    return (events + 0.5) / (size + 1.0)


def _point(sample: Sample, telling: int, share: float, run_length: float) -> RatePoint:
    """A sample as so many independent cases of the same share; the nearest whole count must be out of the ordinary."""
    if not 0 <= sample.events <= sample.size:
        raise ValueError(f"{sample.events} events of {sample.size} cases on {sample.day}")
    ordinary = limits(telling, share, run_length)
    if sample.size == 0:
        return RatePoint(sample, ordinary, 0)
    events = sample.events * telling / sample.size
    direction = int(events >= ordinary.high + 0.5) - int(events <= ordinary.low - 0.5)
    return RatePoint(sample, ordinary, direction)


def _check(share: float, run_length: float) -> None:
    if not 0.0 <= share <= 1.0:
        raise ValueError(f"a share is 0..1, not {share}")
    if not (isfinite(run_length) and run_length > 1):
        raise ValueError(f"a run length is above 1 sample, not {run_length}")


def _masses(size: int, share: float) -> tuple[int, NDArray[np.float64]]:
    """The binomial's masses where they are not nothing, and the count the first one is of."""
    held = min(max(share, EDGE), 1 - EDGE)
    reach = max(REACH * sqrt(size * held * (1 - held)), FLOOR_REACH)
    first, last = max(0, floor(size * held - reach)), min(size, ceil(size * held + reach))
    whole = lgamma(size + 1)
    logs = [
        whole - lgamma(k + 1) - lgamma(size - k + 1) + k * log(held) + (size - k) * log1p(-held)
        for k in range(first, last + 1)
    ]
    return first, np.exp(np.array(logs))


def _above(size: int, share: float, high: int) -> float:
    first, mass = _masses(size, share)
    return float(mass[max(0, high + 1 - first) :].sum())


def _below(size: int, share: float, low: int) -> float:
    first, mass = _masses(size, share)
    return float(mass[: max(0, low - first)].sum())


def _outside(size: int, share: float, low: int, high: int) -> float:
    return _above(size, share, high) + _below(size, share, low)
