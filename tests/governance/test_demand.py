"""Ventilators that a unit will need: whole distributions, their intervals, and whether those hold."""

from __future__ import annotations

from itertools import product
from math import comb, exp, inf, prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.demand import LEVELS, Demand, Unit, arrived, counted, forecast, risk_at, scored, within
from governance.errors import DemandRefusal

RISKS = st.lists(st.floats(0, 1), max_size=7)


@given(RISKS)
def test_the_count_of_patients_is_the_sum_over_every_way_it_can_come_about(risks: list[float]) -> None:
    expected = [0.0] * (len(risks) + 1)
    for way in product((0, 1), repeat=len(risks)):
        expected[sum(way)] += prod(r if there else 1 - r for r, there in zip(risks, way, strict=True))
    assert counted(risks) == pytest.approx(expected, abs=1e-12)


def test_patients_of_one_risk_are_binomial_and_nobody_is_none() -> None:
    assert counted([0.3] * 12) == pytest.approx([comb(12, k) * 0.3**k * 0.7 ** (12 - k) for k in range(13)])
    assert counted([]) == (1.0,)


@pytest.mark.parametrize("expected", [0.0, 0.02, 3.7, 60.0])
def test_arrivals_lose_nothing_that_matters(expected: float) -> None:
    masses = arrived(expected)
    assert sum(masses) == pytest.approx(1.0, abs=1e-9)
    assert sum(k * mass for k, mass in enumerate(masses)) == pytest.approx(expected, abs=1e-7)


@given(st.lists(st.floats(0.001, 1), min_size=1, max_size=30), st.sampled_from(LEVELS))
def test_an_interval_leaves_no_more_than_its_tails_outside(weights: list[float], level: float) -> None:
    masses = tuple(weight / sum(weights) for weight in weights)
    low, high = within(masses, level)
    tail = (1 - level) / 2
    assert low <= high
    assert sum(masses[:low]) <= tail + 1e-9
    assert sum(masses[high + 1 :]) <= tail + 1e-9


def test_between_the_models_hours_the_hazard_is_constant_and_at_them_the_risk_is_the_models() -> None:
    known = {6.0: 0.1, 12.0: 0.19, 24.0: 0.3}
    assert [risk_at(known, hours) for hours in known] == pytest.approx(list(known.values()))
    assert risk_at(known, 9.0) == pytest.approx(1 - 0.9 * 0.9**0.5)
    assert risk_at(known, 3.0) == pytest.approx(1 - 0.9**0.5)
    beyond = 1 - 0.7 * (0.7 / 0.81)
    assert risk_at(known, 36.0) == pytest.approx(beyond)


@given(
    st.lists(st.floats(0, 1), min_size=3, max_size=3), st.lists(st.floats(0.1, 60), min_size=2, max_size=2)
)
def test_a_risk_never_falls_with_time(risks: list[float], hours: list[float]) -> None:
    known = dict(zip((6.0, 12.0, 24.0), sorted(risks), strict=True))
    low, high = (risk_at(known, at) for at in sorted(hours))
    assert 0.0 <= low <= high + 1e-12 <= 1.0 + 1e-12


def test_a_patient_who_is_certain_by_an_hour_is_so_from_then_on() -> None:
    assert risk_at({12.0: 1.0}, 12.0) == risk_at({12.0: 1.0}, 30.0) == 1.0
    assert risk_at({12.0: 1.0}, 6.0) == pytest.approx(0.5)


def test_with_nobody_at_risk_and_nobody_counted_off_the_need_is_what_is_in_use() -> None:
    (made,) = forecast([], Unit(in_use=4, owned=6), horizons=(12.0,))
    assert (made.mean, made.intervals[0.95], made.short) == (4.0, (4, 4), 0.0)


def test_the_need_is_those_still_on_those_started_and_those_who_come() -> None:
    unit = Unit(in_use=6, owned=8, arrivals=0.1, mean_hours=48.0)
    (made,) = forecast([{24.0: 0.2}, {24.0: 0.5}], unit, horizons=(24.0,))
    coming = 0.1 * 48.0 * (1 - exp(-0.5))
    assert made.mean == pytest.approx(6 * exp(-0.5) + 0.7 + coming, abs=1e-6)
    assert made.short == pytest.approx(sum(made.masses[9:]))


def test_a_model_that_may_be_off_widens_the_interval_and_hardly_moves_the_middle() -> None:
    risks = [{12.0: 0.2}] * 40
    (sure,), (unsure,) = (
        forecast(risks, Unit(in_use=0), horizons=(12.0,), logit_error=error) for error in (0.0, 0.5)
    )
    assert unsure.intervals[0.95][0] < sure.intervals[0.95][0]
    assert unsure.intervals[0.95][1] > sure.intervals[0.95][1]
    assert unsure.mean == pytest.approx(sure.mean, rel=0.06)


def test_in_a_unit_that_behaves_as_stated_intervals_hold_and_beat_persistence() -> None:
    rng, past = np.random.default_rng(7), []
    for _ in range(600):
        unit = Unit(in_use=int(rng.integers(2, 9)), owned=12, arrivals=0.12, mean_hours=60.0)
        risks = rng.beta(1, 8, size=int(rng.integers(5, 20)))
        (made,) = forecast([{12.0: float(risk)} for risk in risks], unit, horizons=(12.0,))
        still = rng.random(unit.in_use) < exp(-12 / 60)
        came = rng.uniform(0, 12, size=rng.poisson(0.12 * 12))
        truth = still.sum() + (rng.random(len(risks)) < risks).sum()
        truth += (rng.random(len(came)) < np.exp(-(12 - came) / 60)).sum()
        past.append((made, unit.in_use, int(truth)))
    found = scored(past)
    assert 0.80 <= found.coverage[0.80] <= 0.93  # counts are whole: an interval holds at least its level
    assert 0.95 <= found.coverage[0.95] <= 0.99
    assert found.error < found.error_of_persistence


@pytest.mark.parametrize(
    ("risks", "said"),
    [
        ([{12.0: 1.2}], "probability"),
        ([{12.0: float("nan")}], "probability"),
        ([{0.0: 0.1}], "hours ahead"),
        ([{6.0: 0.3, 12.0: 0.2}], "lower"),
        ([{}], "without any risk"),
    ],
)
def test_a_risk_that_is_none_is_refused(risks: list[dict[float, float]], said: str) -> None:
    with pytest.raises(DemandRefusal, match=said):
        forecast(risks, Unit(in_use=0))


def test_counts_rates_and_horizons_without_meaning_are_refused() -> None:
    for wrong in ({"in_use": -1}, {"in_use": 0, "owned": -2}, {"in_use": 0, "arrivals": -0.1},
                  {"in_use": 0, "arrivals": inf}, {"in_use": 0, "mean_hours": 0.0}):  # fmt: skip
        with pytest.raises(DemandRefusal):
            Unit(**wrong)  # type: ignore[arg-type]
    for options in ({"horizons": ()}, {"horizons": (0.0,)}, {"logit_error": -1.0}):
        with pytest.raises(DemandRefusal):
            forecast([], Unit(in_use=0), **options)  # type: ignore[arg-type]
    with pytest.raises(DemandRefusal, match="no past forecast"):
        scored([])


def test_a_score_counts_what_fell_inside_and_how_far_off_it_was() -> None:
    made = Demand(12.0, (), 5.0, {0.8: (4, 6), 0.95: (3, 7)}, None)
    found = scored([(made, 5, 5), (made, 5, 7), (made, 4, 8), (made, 4, 3)])
    assert found.coverage == {0.8: 0.25, 0.95: 0.75}
    assert (found.forecasts, found.error, found.error_of_persistence) == (4, 7 / 4, 7 / 4)
