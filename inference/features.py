"""Chart -> model input. One function, for training and for serving, so that they cannot drift apart.

Every number here can be worked out by hand from the rows of the chart: the latest value, how old it is, means
that forget, the lowest and highest of a day, the change since the draw before. Rows are first gathered into
hours before `as_of`, so that a monitor that writes every minute and a nurse who writes every hour give the
same input.

Refuses to guess: what was not measured is NaN. Filling in belongs to the trained graph, where it is versioned
and checksummed. Ratios between variables (shock index, P/F) also belong there: every column here has exactly
one owner, its player, so that Shapley values can switch that player off.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from math import exp, log, nan
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.assessment import TROPONIN
from inference.chart import Chart, Measurement
from inference.errors import VocabularyError
from inference.vocabulary import Variable, vocabulary

LOOK_BACK: Final = timedelta(hours=48)
"""How far back features look; weight and height alone are read at any age, since they are charted once."""

PERSON_PLAYERS: Mapping[str, str] = MappingProxyType(
    {"age": "Age", "sex": "Sex", "hours_in_stay": "Hours in this stay"}
)
"""Players that come from Patient and Encounter, with their labels; their organ system is "person"."""

CARE_UNITS: Final = ("coronary", "cardiac surgery", "medical", "surgical")
CARE_UNIT: Final = "care_unit"
"""Opted in by naming it among a layout's inputs: one column a kind of unit, all NaN where the kind is not known."""

BEFORE_UNIT: Final = "hours_before_unit"
"""Opted in likewise: one column, log(1 + hours) from admission to intensive care; NaN outside intensive care."""

PERSONAL: Mapping[str, str] = MappingProxyType(
    {**PERSON_PLAYERS, CARE_UNIT: "Kind of care unit", BEFORE_UNIT: "Hours in hospital before intensive care"}
)
"""Every player that describes the person and the stay, with its label."""

COURSE: Final = "course"
"""Opted in likewise: every variable that is measured over time also gets its course, one column an interval."""

ASKED_LABELS: Mapping[str, str] = MappingProxyType({"hours_ahead": "Hours until the planned draw"})
ASKED: Final = tuple(ASKED_LABELS)
"""Players that come from the question, not from the chart: one column each, where a layout's inputs name them."""

ANALYTES: Final = ("troponin_t", "troponin_i", "hs_troponin_t", "hs_troponin_i")
HOURS: Final = 48  # of look-back, and the cap of hours_in_stay: training stays are known for 48 h at most
LONGEST_BEFORE: Final = 240  # the cap of hours_before_unit
DAY: Final = 24  # hours over which lowest, highest and sums are taken
FEW: Final = 4  # draws are counted up to here: how often a unit draws says more of it than of the patient

VITAL: Final = ("last", "age", "mean", "trend", "low", "high")
SCORE: Final = ("last", "age", "low", "trend")
LAB: Final = ("last", "age", "change", "count")
GAS: Final = (*LAB, "low", "high")
SERIES: Final = ("last", "age", "change", "gap", "peak", "slope", "count")
VOLUME: Final = ("last", "age", "rate6", "rate24")
BODY: Final = ("last",)

# Right-skewed quantities are used on the log scale; zero and below are held at this floor first.
LOG_FLOOR: Final = 0.05
# fmt: off
LOGGED: Final = frozenset(
    (
        "creatinine", "bun", "glucose", "bilirubin", "bilirubin_direct", "ast", "alt", "alp", "lactate",
        "platelets", "ptt", "inr", "wbc", "crp", "procalcitonin", "ck", "ck_mb", "bnp", "nt_probnp",
        "po2", "pco2", "fio2", "fibrinogen", "bands", "methaemoglobin",
    )
) | frozenset(ANALYTES)
# fmt: on

INTERVALS: Final = (*((b, b + 1) for b in range(DAY)), *((b, b + 4) for b in range(DAY, HOURS, 4)))
"""Hours before `as_of` that a course is cut into: every hour of the last day, four at a time before it."""
PSEUDO: Final = frozenset((CARE_UNIT, BEFORE_UNIT, COURSE, *ASKED))
"""Inputs that are no variable of the vocabulary."""
_INTERVAL: Final = tuple(index for index, (first, stop) in enumerate(INTERVALS) for _ in range(first, stop))

FAST, SLOW = 2.0, 12.0  # hours: time constants of the two forgetting means whose difference is the trend
MEAN: Final = 6.0  # hours: time constant of the mean itself
_FAST, _SLOW, _MEAN = (tuple(exp(-b / tau) for b in range(HOURS + 1)) for tau in (FAST, SLOW, MEAN))


@dataclass(frozen=True, slots=True)
class Layout:
    """Which column means what.

    `players` maps a vocabulary variable, or "age", "sex", "hours_in_stay", or one of `ASKED`, to its columns.
    """

    task: str
    inputs: tuple[str, ...]
    names: tuple[str, ...]
    players: Mapping[str, tuple[int, ...]]

    def column(self, player: str, statistic: str = "last") -> int:
        """Index of one column. Raises KeyError when the layout has none such."""
        alone = player in PERSON_PLAYERS or player in ASKED or player == BEFORE_UNIT
        name = player if alone else f"{player}:{statistic}"
        try:
            return self.names.index(name)
        except ValueError:
            raise KeyError(name) from None


@dataclass(frozen=True, slots=True)
class _Hour:
    """Mean of one variable's rows in one hour before `as_of`;

    `age` is that of the hour's newest row, in hours.
    """

    back: int
    age: float
    value: float


def layout_for(inputs: tuple[str, ...], task: str) -> Layout:
    """Columns for these vocabulary variables (and, of `ASKED`, those named) and this model name.

    Raises VocabularyError for an unknown variable.
    """
    return _layout(tuple(inputs), task)


@cache
def _layout(inputs: tuple[str, ...], task: str) -> Layout:
    names = list(PERSON_PLAYERS)
    players: dict[str, tuple[int, ...]] = {player: (index,) for index, player in enumerate(PERSON_PLAYERS)}
    for variable in inputs:
        if variable == COURSE:
            continue
        wanted = _wanted(variable, inputs, task)
        players[variable] = tuple(range(len(names), len(names) + len(wanted)))
        names += wanted
    return Layout(task, inputs, tuple(names), MappingProxyType(players))


def _wanted(name: str, inputs: tuple[str, ...], task: str) -> list[str]:
    """Names of the columns of one input."""
    if name in ASKED or name == BEFORE_UNIT:
        return [name]
    if name == CARE_UNIT:
        return [f"{name}:{unit}" for unit in CARE_UNITS]
    if name not in vocabulary():
        raise VocabularyError(f"features: '{name}' is not in variables.toml")
    variable = vocabulary()[name]
    names = [f"{name}:{statistic}" for statistic in statistics(variable, task)]
    if COURSE in inputs and variable.kind != "body":
        names += [f"{name}:{first}-{stop}h" for first, stop in INTERVALS]
    return names


def statistics(variable: Variable, task: str) -> tuple[str, ...]:
    """What is computed of a variable, in column order.

    Raises VocabularyError for a category: none is trained on.
    """
    if variable.name in ANALYTES and task == TROPONIN:
        return SERIES
    if variable.kind == "category":
        raise VocabularyError(f"features: '{variable.name}' is a category and has no numeric features")
    if variable.system == "gases":
        return GAS
    return {"vital": VITAL, "score": SCORE, "volume": VOLUME, "body": BODY}.get(variable.kind, LAB)


def features(chart: Chart, layout: Layout, hours_ahead: float | None = None) -> NDArray[np.float32]:
    """The model input [F] for what the chart knows at `as_of`; not measured is NaN. Pure, about a millisecond.

    `hours_ahead`: hours from `as_of` to the planned draw. Not stated is NaN; a layout without it ignores it.
    """
    row: list[float] = [*_person(chart)]
    course = COURSE in layout.inputs
    for name in layout.inputs:
        if name in PSEUDO:
            row += _stated(name, chart, hours_ahead)
            continue
        series = chart.measurements.get(name, ())
        if series:
            row += _columns(name, series, chart, layout.task, course)
        else:
            row += [nan] * len(layout.players[name])
    return np.asarray(row, dtype=np.float32)


def with_series(
    x: NDArray[np.float32], layout: Layout, chart: Chart, name: str, series: tuple[Measurement, ...]
) -> NDArray[np.float32]:
    """A copy of the input `x` [F] of `chart` in which the variable `name` had this series instead."""
    row = x.copy()
    row[list(layout.players[name])] = _columns(name, series, chart, layout.task, COURSE in layout.inputs)
    return row


def used(chart: Chart, layout: Layout) -> tuple[Measurement, ...]:
    """The rows that entered the features, by variable in the layout's order, oldest first within each."""
    rows: list[Measurement] = []
    for name in layout.inputs:
        if name in PSEUDO:
            continue
        series = chart.measurements.get(name, ())
        if vocabulary()[name].kind == "body":
            rows += series[-1:]
        else:
            start = chart.as_of - LOOK_BACK
            rows += [row for row in series if row.time >= start]
    return tuple(rows)


def _person(chart: Chart) -> tuple[float, float, float]:
    age = chart.age_years
    sex = {"female": 1.0, "male": 0.0}.get(chart.person.sex, nan)
    since = hours_in_stay(chart)
    stay = nan if since is None else since
    return (nan if age is None else min(age, 90.0), sex, stay)  # public sets write 90 for everybody older


def hours_in_stay(chart: Chart) -> float | None:
    """Hours in intensive care or, outside it, since admission; HOURS at most. None where neither is known."""
    since = chart.unit_since or chart.admitted
    return None if since is None else min(chart.hours_ago(since), float(HOURS))


def hours_before_unit(chart: Chart) -> float | None:
    """Hours from admission to intensive care, 0 to LONGEST_BEFORE; None where either is not known."""
    admitted, unit = chart.admitted, chart.unit_since
    if admitted is None or unit is None:
        return None
    return min(max(chart.hours_ago(admitted) - chart.hours_ago(unit), 0.0), float(LONGEST_BEFORE))


def _stated(name: str, chart: Chart, hours_ahead: float | None) -> list[float]:
    """Columns that come from the question or the encounter."""
    if name == CARE_UNIT:
        unit = chart.person.care_unit
        return [float(unit == kind) if unit in CARE_UNITS else nan for kind in CARE_UNITS]
    if name == BEFORE_UNIT:
        before = hours_before_unit(chart)
        return [nan if before is None else log(1.0 + before)]
    return [nan if hours_ahead is None else hours_ahead] if name in ASKED else []


def _columns(
    name: str, series: tuple[Measurement, ...], chart: Chart, task: str, course: bool
) -> list[float]:
    variable = vocabulary()[name]
    if variable.kind == "body":
        return [series[-1].value]
    hours = _hours(series, chart, name in LOGGED)
    volume = variable.kind == "volume"
    found = _volume(series, chart) if volume else _statistics(statistics(variable, task), hours)
    return found + _course(hours) if course else found


def _statistics(statistic: tuple[str, ...], hours: list[_Hour]) -> list[float]:
    if not hours:
        return [nan] * len(statistic)
    if statistic is VITAL:
        low, high = _extremes(hours)
        return [*_latest(hours), _mean(hours, _MEAN), _trend(hours), low, high]
    if statistic is SCORE:
        return [*_latest(hours), _extremes(hours)[0], _trend(hours)]
    if statistic is SERIES:
        return _series(hours)
    drawn = [*_latest(hours), _change(hours), float(min(len(hours), FEW))]
    return [*drawn, *_extremes(hours)] if statistic is GAS else drawn


def _course(hours: list[_Hour]) -> list[float]:
    """Mean of each interval's hours; NaN where nothing was measured. The hour that is exactly 48 h old is left out."""
    total, count = [0.0] * len(INTERVALS), [0] * len(INTERVALS)
    for hour in hours:
        if hour.back < HOURS:
            total[_INTERVAL[hour.back]] += hour.value
            count[_INTERVAL[hour.back]] += 1
    return [t / n if n else nan for t, n in zip(total, count, strict=True)]


def _hours(series: tuple[Measurement, ...], chart: Chart, logged: bool) -> list[_Hour]:
    """The look-back as hours before `as_of`, newest first; an hour without rows is not there."""
    gathered: list[_Hour] = []
    back, age, total, count = -1, 0.0, 0.0, 0
    as_of = chart.as_of
    for row in reversed(series):
        hours = (as_of - row.time).total_seconds() / 3600.0
        if hours > HOURS:
            break
        value = log(max(row.value, LOG_FLOOR)) if logged else row.value
        if int(hours) == back:
            total, count = total + value, count + 1
            continue
        if count:
            gathered.append(_Hour(back, age, total / count))
        back, age, total, count = int(hours), hours, value, 1
    if count:
        gathered.append(_Hour(back, age, total / count))
    return gathered


def _latest(hours: list[_Hour]) -> tuple[float, float]:
    return hours[0].value, hours[0].age


def _mean(hours: list[_Hour], weight: tuple[float, ...]) -> float:
    return sum(weight[h.back] * h.value for h in hours) / sum(weight[h.back] for h in hours)


def _trend(hours: list[_Hour]) -> float:
    """Recent mean minus slow mean: > 0 is rising. NaN from a single hour, which has no trend."""
    return _mean(hours, _FAST) - _mean(hours, _SLOW) if len(hours) > 1 else nan


def _extremes(hours: list[_Hour]) -> tuple[float, float]:
    day = [h.value for h in hours if h.back < DAY]
    return (min(day), max(day)) if day else (nan, nan)


def _change(hours: list[_Hour]) -> float:
    return hours[0].value - hours[1].value if len(hours) > 1 else nan


def _series(hours: list[_Hour]) -> list[float]:
    """A troponin's course on the log scale:

    change and gap to the draw before, distance below the peak, slope per hour.
    """
    below_peak = hours[0].value - max(h.value for h in hours)
    if len(hours) < 2:
        return [*_latest(hours), nan, nan, below_peak, nan, 1.0]
    gap = hours[1].age - hours[0].age
    slope = _change(hours) / max(gap, 1.0)
    return [*_latest(hours), _change(hours), gap, below_peak, slope, float(min(len(hours), FEW))]


def _volume(series: tuple[Measurement, ...], chart: Chart) -> list[float]:
    """Latest volume and its age, then mL per hour over 6 and 24 h, on log(1 + x);

    hours before the unit, or before admission, do not dilute.
    """
    rows = [((chart.as_of - row.time).total_seconds() / 3600.0, row.value) for row in series]
    rows = [row for row in rows if row[0] <= HOURS]
    if not rows:
        return [nan] * len(VOLUME)
    start = chart.unit_since or chart.admitted
    since = chart.hours_ago(start) if start else float(DAY)
    rates = []
    for window in (6.0, float(DAY)):
        inside = [value for age, value in rows if age <= window]
        span = max(1.0, min(window, since))
        rates.append(log(1.0 + sum(inside) / span) if inside else nan)
    age, value = rows[-1]
    return [log(1.0 + value), age, *rates]
