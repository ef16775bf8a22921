"""Days as a site has them, drawn for one chart of `governance.charts.stated`, for the job that reads a ledger."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from governance.causes import UNITS, Finding
from governance.charts import rates
from governance.charts.stated import BASELINE, Stated
from governance.daily import INPUT, LATENCY, Summary
from governance.series import Case, Weekly
from governance.watching import CALIBRATION, FALSE_ALARMS, SENSITIVITY, Promise, Seen, watch

FIRST: Final = date(2026, 1, 5)  # a Monday
WITHIN: Final = 5.0  # the standard deviation of a value within its day


def seen(each: Stated, days: int, moved_after: int, rng: np.random.Generator) -> Seen:
    """`days` days of that chart's series; what is `shifted` is so from day `moved_after` on."""
    sizes = rng.poisson(each.size, days // each.every)
    moved = np.arange(len(sizes)) * each.every >= moved_after
    on = [FIRST + timedelta(days=i * each.every) for i in range(len(sizes))]
    if each.chart in (INPUT, LATENCY):
        return Seen(_means(each, on, sizes, moved, rng))
    if each.chart == CALIBRATION:
        return Seen(cases=_cases(each, on, sizes, moved, rng))
    events = rng.binomial(sizes, np.where(moved, each.shifted, each.usual))
    told = list(zip(on, events.tolist(), sizes.tolist(), strict=True))
    if each.every == 1:
        return Seen([Summary(day, each.chart, "", size, events=event) for day, event, size in told])
    samples = tuple(rates.Sample(*one) for one in told)
    return Seen(
        weekly=Weekly(
            sensitivity=samples if each.chart == SENSITIVITY else (),
            false_alarms=samples if each.chart == FALSE_ALARMS else (),
            units={"icu": samples} if each.chart == UNITS else {},
        )
    )


def found(each: Stated, told: Seen) -> list[Finding]:
    """What the job finds in them where each chart keeps that run length."""
    charts = 2 if each.chart == CALIBRATION else 1
    watched = watch(told, Promise(days=each.run_length / charts, baseline=BASELINE))
    assert (watched.charts, watched.waiting) == (charts, ())
    return [one for one in watched.findings if one.chart == each.chart]


def _means(
    each: Stated, on: list[date], sizes: NDArray[np.int_], moved: NDArray[np.bool_], rng: np.random.Generator
) -> list[Summary]:
    """A day's mean varies by its values and by the day, each to the same share."""
    spread = WITHIN / np.sqrt(np.maximum(sizes, 1))
    usual = np.sqrt(2) * WITHIN / np.sqrt(each.size)
    centres = 20 + spread * rng.standard_normal(len(on)) + usual / np.sqrt(2) * rng.standard_normal(len(on))
    centres += np.where(moved, each.shifted * usual, 0.0)
    squares = WITHIN**2 * rng.chisquare(np.maximum(sizes - 1, 1))
    rows = zip(on, sizes.tolist(), centres.tolist(), squares.tolist(), strict=True)
    return [Summary(day, each.chart, "", size, mean=mean, squares=square) for day, size, mean, square in rows]


def _cases(
    each: Stated, on: list[date], sizes: NDArray[np.int_], moved: NDArray[np.bool_], rng: np.random.Generator
) -> list[Case]:
    """Most of a ward's probabilities are low."""
    day = np.repeat(np.arange(len(on)), sizes)
    risk = np.clip(rng.beta(1.0, 9.0, len(day)), 1e-6, 1 - 1e-6)
    odds = np.where(moved[day], each.shifted, each.usual)
    happened = rng.random(len(day)) < odds * risk / (1 - risk + odds * risk)
    rows = zip(day.tolist(), risk.tolist(), happened.tolist(), strict=True)
    return [Case(on[index], one, yes) for index, one, yes in rows]
