"""How many ventilators a unit will need, and how sure that is: whole distributions, not a sum alone.

At each horizon three independent counts are added: ventilators in use now and not yet free again, patients of now who
will have been started, and people who are not here yet. Each patient is one Bernoulli trial with the model's calibrated
risk (their sum is Poisson-binomial), ventilators in use are freed at the unit's own pace, and arrivals are Poisson. A
model that is off is off for all of its patients at once, so the risks move together by its standard error in log-odds.

A count for planning; it says nothing of who should have one. Refuses (DemandRefusal) what would make a number without
meaning: a risk outside 0..1 or one that falls with time, no horizon, counts or rates below zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import exp, expm1, inf, lgamma, log, log1p
from typing import Final

from governance.errors import DemandRefusal

HORIZONS: Final = (8.0, 12.0, 24.0)  # hours ahead
LEVELS: Final = (0.80, 0.95)
TAIL: Final = 1e-10  # of a Poisson, left out
NODES: Final = (  # Gauss-Hermite, five points, for a standard normal: how far off, and how likely
    (-2.8569700138728056, 0.011257411327720691),
    (-1.3556261799742659, 0.22207592200561266),
    (0.0, 0.5333333333333333),
    (1.3556261799742659, 0.22207592200561266),
    (2.8569700138728056, 0.011257411327720691),
)
Masses = tuple[float, ...]
"""Probability of 0, 1, 2, ... ventilators."""


@dataclass(frozen=True, slots=True)
class Unit:
    """What a unit has and how it works. Rates from its own records: `arrivals` an hour who come ventilated or are
    within the hour; `mean_hours` that a patient stays on a ventilator, infinite where nobody is counted off.
    """

    in_use: int
    owned: int | None = None
    arrivals: float = 0.0
    mean_hours: float = inf

    def __post_init__(self) -> None:
        if self.in_use < 0 or (self.owned is not None and self.owned < 0):
            raise DemandRefusal("ventilators in use and owned are counts, 0 or more")
        if not (0.0 <= self.arrivals < inf) or not self.mean_hours > 0.0:
            raise DemandRefusal("arrivals an hour are 0 or more, and hours on a ventilator more than 0")


@dataclass(frozen=True, slots=True)
class Demand:
    """Ventilators needed `hours` from now. `intervals` maps a level to its bounds, both inside; `short`: the
    probability that more are needed than are owned, None where that is not known.
    """

    hours: float
    masses: Masses
    mean: float
    intervals: Mapping[float, tuple[int, int]]
    short: float | None


def forecast(
    risks: Sequence[Mapping[float, float]],
    unit: Unit,
    *,
    horizons: Iterable[float] = HORIZONS,
    logit_error: float = 0.0,
) -> tuple[Demand, ...]:
    """Demand at each horizon. `risks`: each patient's calibrated probability of a start by some hours from now.

    Between the hours a patient's risks are given for, the hazard is constant; after the last, as in the part before.
    """
    wanted = tuple(horizons)
    if not wanted or min(wanted) <= 0.0:
        raise DemandRefusal("a horizon is some hours ahead")
    if not 0.0 <= logit_error < inf:
        raise DemandRefusal("the standard error of the log-odds is 0 or more")
    return tuple(_at(hours, [risk_at(each, hours) for each in risks], unit, logit_error) for hours in wanted)


def risk_at(known: Mapping[float, float], hours: float) -> float:
    """Probability of a start by `hours`, from probabilities by other hours. Raises DemandRefusal."""
    points = [(0.0, 0.0), *sorted(known.items())]
    for (_, before), (at, risk) in pairwise(points):
        if at <= 0.0 or not 0.0 <= risk <= 1.0:
            raise DemandRefusal("a risk is a probability, by some hours ahead")
        if risk < before:
            raise DemandRefusal("a risk by a later hour is lower than one by an earlier")
    if len(points) == 1:
        raise DemandRefusal("a patient without any risk cannot be counted")
    gone = [(at, -log1p(-risk) if risk < 1.0 else inf) for at, risk in points]
    low, high = _around([at for at, _ in gone], hours)
    (first, begun), (last, ended) = gone[low], gone[high]
    if ended == inf:
        return 1.0 if hours >= last else _share(known[last], (hours - first) / (last - first), exp(-begun))
    return -expm1(-(begun + (ended - begun) * (hours - first) / (last - first)))


def counted(risks: Iterable[float]) -> Masses:
    """Poisson-binomial: how many of independent patients, each with a risk. Exact, by convolution."""
    masses = [1.0]
    for risk in risks:
        grown = [mass * (1.0 - risk) for mass in masses] + [0.0]
        for index, mass in enumerate(masses):
            grown[index + 1] += mass * risk
        masses = grown
    return tuple(masses)


def arrived(expected: float) -> Masses:
    """Poisson, up to where less than TAIL is left."""
    if expected <= 0.0:
        return (1.0,)
    masses, left, count = [], 1.0, 0
    while left > TAIL or count <= expected:
        masses.append(exp(count * log(expected) - expected - lgamma(count + 1)))
        left -= masses[-1]
        count += 1
    return tuple(masses)


def within(masses: Masses, level: float) -> tuple[int, int]:
    """The central interval: at most (1 - level) / 2 lies below its low end, and above its high end."""
    tail = (1.0 - level) / 2.0
    return _first(masses, tail), len(masses) - 1 - _first(masses[::-1], tail)


@dataclass(frozen=True, slots=True)
class Scored:
    """How past forecasts did: share of truths inside each interval, and mean absolute error beside persistence."""

    forecasts: int
    coverage: Mapping[float, float]
    error: float
    error_of_persistence: float


def scored(past: Sequence[tuple[Demand, int, int]]) -> Scored:
    """Of (forecast, ventilators in use when it was made, in use at its hour). Raises DemandRefusal without any."""
    if not past:
        raise DemandRefusal("there is no past forecast to score")
    levels = past[0][0].intervals
    inside = {
        level: sum(made.intervals[level][0] <= truth <= made.intervals[level][1] for made, _, truth in past)
        / len(past)
        for level in levels
    }
    error = sum(abs(made.mean - truth) for made, _, truth in past) / len(past)
    still = sum(abs(then - truth) for _, then, truth in past) / len(past)
    return Scored(len(past), inside, error, still)


def _at(hours: float, risks: Sequence[float], unit: Unit, logit_error: float) -> Demand:
    kept = counted([exp(-hours / unit.mean_hours)] * unit.in_use)
    fixed = _added(kept, arrived(unit.arrivals * _mean_stay(hours, unit.mean_hours)))
    nodes = NODES if logit_error > 0.0 else ((0.0, 1.0),)
    started = _mixed(
        [(share, counted([_moved(r, off * logit_error) for r in risks])) for off, share in nodes]
    )
    masses = _added(fixed, started)
    mean = sum(count * mass for count, mass in enumerate(masses))
    short = None if unit.owned is None else min(1.0, sum(masses[unit.owned + 1 :]))
    return Demand(hours, masses, mean, {level: within(masses, level) for level in LEVELS}, short)


def _mean_stay(hours: float, mean: float) -> float:
    """Hours of arrivals whose ventilator is still in use at the end, when each is freed at the unit's pace."""
    return hours if mean == inf else mean * -expm1(-hours / mean)


def _moved(risk: float, by: float) -> float:
    if by == 0.0 or risk in (0.0, 1.0):
        return risk
    return 1.0 / (1.0 + exp(-(log(risk) - log1p(-risk) + by)))


def _mixed(parts: Sequence[tuple[float, Masses]]) -> Masses:
    return tuple(sum(share * masses[count] for share, masses in parts) for count in range(len(parts[0][1])))


def _added(one: Masses, other: Masses) -> Masses:
    """Distribution of the sum of two independent counts."""
    found = [0.0] * (len(one) + len(other) - 1)
    for count, mass in enumerate(one):
        for further, share in enumerate(other):
            found[count + further] += mass * share
    return tuple(found)


def _first(masses: Sequence[float], tail: float) -> int:
    """The first count up to which more than `tail` lies."""
    total = 0.0
    for count, mass in enumerate(masses):
        total += mass
        if total > tail:
            return count
    return len(masses) - 1


def _around(at: Sequence[float], hours: float) -> tuple[int, int]:
    """The points before and after `hours`; the last two beyond the last."""
    after = next((index for index, point in enumerate(at) if index and hours <= point), len(at) - 1)
    return after - 1, after


def _share(risk: float, way: float, left: float) -> float:
    """Towards certainty no hazard is constant: the way there is straight."""
    return 1.0 - left + (risk - (1.0 - left)) * way
