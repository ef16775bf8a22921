"""Control charts keep the run length they state, and find a shift of known size in the days they state.

Simulated with a seed: a mean run length of N runs is known to about 1 / sqrt(N) of itself, so tolerances are four
of those.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from math import inf, sqrt

import numpy as np
import pytest
from numpy.typing import NDArray

from governance.charts import calibration, means, rates
from governance.charts.stated import BASELINE, STATED, Stated
from governance.watching import CALIBRATION
from tests.governance.charted import FIRST, found, seen

DAY = date(2026, 1, 5)
RUNS = 1500
FOUR = 4 / sqrt(RUNS)  # relative: a run length's standard deviation is about its mean


def run_lengths(alarm: Callable[[int], NDArray[np.bool_]], block: int) -> float:
    """The mean number of samples to an alarm over RUNS runs; `alarm(i)` says for each run whether sample i alarms."""
    open_runs, lengths = np.ones(RUNS, dtype=bool), np.zeros(RUNS)
    for index in range(block):
        lengths[open_runs] += 1
        open_runs &= ~alarm(index)
        if not open_runs.any():
            return float(lengths.mean())
    raise AssertionError("a run did not end")


@pytest.mark.parametrize(("size", "share"), [(200, 0.08), (40, 0.3), (600, 0.015), (25, 0.02)])
def test_a_rate_chart_alarms_falsely_as_seldom_as_it_says(size: int, share: float) -> None:
    said = rates.limits(size, share, 100.0)
    rng = np.random.default_rng(11)

    def alarm(_: int) -> NDArray[np.bool_]:
        counts = rng.binomial(size, share, RUNS)
        return (counts > said.high) | (counts < said.low)

    assert said.run_length >= 100.0
    assert run_lengths(alarm, 50_000) == pytest.approx(said.run_length, rel=FOUR)


def test_a_doubled_alert_rate_is_found_within_two_days_of_200_answers() -> None:
    stated = rates.samples_to_find(200, 0.08, 0.16, 370.0)
    said = rates.limits(200, 0.08, 370.0)
    rng = np.random.default_rng(12)
    simulated = run_lengths(lambda _: rng.binomial(200, 0.16, RUNS) > said.high, 1000)
    assert stated < 2
    assert simulated == pytest.approx(stated, rel=FOUR)


def test_a_sensitivity_that_fell_from_85_to_60_percent_is_found_within_four_weeks() -> None:
    stated = rates.samples_to_find(30, 0.85, 0.60, 100.0)  # weeks of 30 patients who were ventilated
    said = rates.limits(30, 0.85, 100.0)
    rng = np.random.default_rng(13)
    simulated = run_lengths(lambda _: rng.binomial(30, 0.60, RUNS) < said.low, 1000)
    assert stated < 4
    assert simulated == pytest.approx(stated, rel=FOUR)


def test_the_limits_of_a_rate_are_the_binomials_own_tails() -> None:
    from scipy.stats import binom

    for size, share in [(10, 0.5), (200, 0.08), (5000, 0.3), (7, 0.0), (30, 1.0)]:
        said = rates.limits(size, share, 370.0)
        held = min(max(share, rates.EDGE), 1 - rates.EDGE)
        assert (
            binom.sf(said.high, size, held) <= 0.5 / 370 < binom.sf(said.high - 1, size, held)
            or said.high == 0
        )
        assert binom.cdf(said.low - 1, size, held) <= 0.5 / 370 < binom.cdf(said.low, size, held)
        outside = binom.sf(said.high, size, held) + binom.cdf(said.low - 1, size, held)
        assert outside == 0 or said.run_length == pytest.approx(1 / outside, rel=1e-8)


def test_a_day_without_a_case_is_on_the_chart_and_says_nothing() -> None:
    samples = [rates.Sample(DAY, 0, 0), rates.Sample(DAY + timedelta(days=1), 90, 100)]
    assert [point.direction for point in rates.chart(samples, 0.1, 370.0)] == [0, 1]


def test_with_three_answers_a_day_a_chart_of_days_could_not_alarm_and_weeks_are_charted() -> None:
    assert rates.samples_to_find(3, 0.08, 0.28, 3600.0) == inf
    assert rates.period(3, 0.08, 3600.0, (1, 7, 28)) == 7
    assert rates.period(200, 0.08, 3600.0, (1, 7, 28)) == 1
    with pytest.raises(ValueError, match="too few"):
        rates.period(0.02, 0.08, 3600.0, (1, 7, 28))


def test_a_period_that_is_not_over_is_not_charted() -> None:
    told = [rates.Sample(DAY + timedelta(days=i), 1, 3) for i in (0, 1, 6, 8, 13, 20)]
    assert rates.pooled(told, 7) == (rates.Sample(DAY, 3, 9), rates.Sample(DAY + timedelta(days=7), 2, 6))
    assert rates.pooled([], 7) == ()


def test_a_rate_that_cannot_be_is_refused() -> None:
    for events, size in [(5, 4), (-1, 4), (1, 0)]:
        with pytest.raises(ValueError, match="events of"):
            rates.chart([rates.Sample(DAY, events, size)], 0.1, 370.0)
    for share, run_length in [(1.5, 370.0), (-0.1, 370.0), (0.1, 1.0), (0.1, float("nan"))]:
        with pytest.raises(ValueError, match=r"a share|a run length"):
            rates.limits(10, share, run_length)
    with pytest.raises(ValueError, match="at least one case"):
        rates.baseline([])


RISKS = np.random.default_rng(5).beta(1.0, 9.0, 4000)  # as a ward's: most are low


def walked(odds: float, limit: float, actual: float, seed: int) -> float:
    """The mean cases to an alarm of RUNS simulated CUSUMs where the true odds are `actual` times the predicted."""
    rng, value = np.random.default_rng(seed), np.zeros(RUNS)

    def alarm(_: int) -> NDArray[np.bool_]:
        nonlocal value
        risk = rng.choice(RISKS, RUNS)
        happened = rng.random(RUNS) < actual * risk / (1 - risk + actual * risk)
        value = np.maximum(0, value + calibration.scores(risk, happened.astype(float), odds))
        return value > limit

    return run_lengths(alarm, 40_000)


@pytest.mark.parametrize("odds", [2.0, 0.5])
def test_the_calibration_chart_alarms_falsely_as_seldom_as_it_says(odds: float) -> None:
    limit = calibration.limit_for(RISKS, odds, 1000.0)
    assert calibration.run_length(RISKS, odds, limit) == pytest.approx(1000.0, rel=0.02)
    assert walked(odds, limit, 1.0, 21) == pytest.approx(1000.0, rel=FOUR + 0.05)


def test_doubled_odds_are_found_within_three_days_of_a_hundred_patients() -> None:
    limit = calibration.limit_for(RISKS, 2.0, 10_000.0)
    stated = calibration.run_length(RISKS, 2.0, limit, actual_odds=2.0)
    assert stated < 300
    assert walked(2.0, limit, 2.0, 22) == pytest.approx(stated, rel=FOUR)


def test_a_sicker_ward_whose_probabilities_say_so_is_no_alarm() -> None:
    rng = np.random.default_rng(23)
    limit = calibration.limit_for(RISKS, 2.0, 20_000.0)
    sick = np.clip(3 * rng.choice(RISKS, 3000), 1e-6, 0.9)
    found = calibration.walk(sick, rng.random(3000) < sick, 2.0, limit)
    assert found.alarm is None


def test_the_calibration_chart_says_where_its_alarm_began_and_what_was_expected() -> None:
    rng = np.random.default_rng(24)
    risk = rng.choice(RISKS, 3000)
    odds = np.where(np.arange(3000) < 2000, 1.0, 3.0)
    happened = rng.random(3000) < odds * risk / (1 - risk + odds * risk)
    found = calibration.walk(risk, happened, 2.0, calibration.limit_for(RISKS, 2.0, 20_000.0))
    assert found.alarm is not None
    assert found.began is not None
    assert 1800 < found.began <= found.alarm < 2300
    assert found.observed_minus_expected[-1] == pytest.approx(happened.sum() - risk.sum())


@pytest.mark.parametrize("risks", [[0.0, 0.2], [1.0], [float("nan")], []])
def test_a_probability_that_no_outcome_can_correct_is_refused(risks: list[float]) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        calibration.walk(risks, [True] * len(risks), 2.0, 4.0)
    with pytest.raises(ValueError, match="outcomes"):
        calibration.walk([0.2], [], 2.0, 4.0)


def smoothed(limit: float, shift: float, seed: int) -> float:
    """The mean days to an alarm of RUNS simulated EWMAs of standard normal days moved by `shift`."""
    rng, value = np.random.default_rng(seed), np.zeros(RUNS)

    def alarm(_: int) -> NDArray[np.bool_]:
        nonlocal value
        value += means.REMEMBERS * (rng.standard_normal(RUNS) + shift - value)
        return np.abs(value) > limit

    return run_lengths(alarm, 20_000)


def test_the_chart_of_daily_means_alarms_falsely_as_seldom_as_it_says() -> None:
    limit = means.limit_for(370.0)
    assert limit / sqrt(0.2 / 1.8) == pytest.approx(2.859, abs=0.01)  # Lucas and Saccucci's order of size
    assert smoothed(limit, 0.0, 31) == pytest.approx(370.0, rel=FOUR)


@pytest.mark.parametrize(("shift", "days"), [(1.0, 12), (2.0, 5)])
def test_a_drifted_input_is_found_within_the_stated_days(shift: float, days: int) -> None:
    limit = means.limit_for(370.0)
    stated = means.in_control(limit, shift=shift)
    assert stated < days
    assert smoothed(limit, shift, 32) == pytest.approx(stated, rel=FOUR)


def days(
    count: int, seed: int, *, moved: float = 0.0, among: float = 0.5, first: date = DAY
) -> list[means.Day]:
    """Days of about 60 values around 20 (sd 5), days among themselves with sd `among`."""
    rng = np.random.default_rng(seed)
    centres = 20 + moved + among * rng.standard_normal(count)
    return [
        means.summarised(first + timedelta(days=i), rng.normal(centre, 5, int(rng.integers(40, 80))))
        for i, centre in enumerate(centres)
    ]


def test_days_that_vary_as_they_always_did_alarm_no_more_often_than_stated() -> None:
    alarms, charted = 0, 0
    for seed in range(40):
        was = means.usual(days(90, seed))
        points = means.chart(days(200, 1000 + seed), was, 370.0)
        alarms += any(point.direction for point in points)
        charted += 1
    # 1 - exp(-200/370) = 42 % of charts alarm once in 200 days; a baseline of 90 days is not known exactly
    assert 0.25 < alarms / charted < 0.75


def odd_days(count: int, rng: np.random.Generator, size: float, *, skewed: bool) -> list[means.Day]:
    """Days of about `size` values, normal or lognormal (as a creatinine's), some of them without any."""
    told = []
    for i in range(count):
        many = int(rng.poisson(size))
        values = rng.lognormal(0, 1, many) if skewed else rng.normal(20, 5, many)
        told.append(means.summarised(DAY + timedelta(days=i), values.tolist()))
    return told


@pytest.mark.parametrize(("size", "skewed"), [(60, False), (60, True), (3, True), (3, False)])
def test_a_baseline_of_sixty_days_keeps_the_run_length_whatever_the_values(size: int, skewed: bool) -> None:
    promised, alarms, exposed, rng = 720.0, 0, 0, np.random.default_rng(41)
    for _ in range(120):
        told = odd_days(1260, rng, size, skewed=skewed)
        points = means.chart(told[60:], means.usual(told[:60]), promised)
        first = next((index for index, point in enumerate(points, 1) if point.direction), None)
        alarms, exposed = alarms + (first is not None), exposed + (first or len(points))
    # half of what is promised would be 1.4 times as many alarms again: 3 sigmas lie between
    assert exposed / alarms > promised * (1 - 3 / sqrt(alarms))


@pytest.mark.parametrize(("shift", "days"), [(1.5, 12), (2.0, 7)])
def test_a_drifted_input_is_found_in_those_days_from_a_baseline_of_sixty(shift: float, days: int) -> None:
    limit, lengths, rng = means.limit_for(3600.0, days=60), [], np.random.default_rng(42)
    assert limit > means.limit_for(3600.0)
    for _ in range(300):
        was = means.usual([means.Day(DAY, 1, value, 0.0) for value in rng.standard_normal(60)])
        now = [means.Day(DAY, 1, value + shift, 0.0) for value in rng.standard_normal(400)]
        points = means.chart(now, was, 3600.0)
        lengths.append(next((index for index, point in enumerate(points, 1) if point.direction), len(points)))
    assert np.mean(lengths) < days


def test_an_input_that_moved_is_found_and_on_its_side() -> None:
    was = means.usual(days(60, 3))
    points = means.chart(days(30, 4, moved=-2.0), was, 370.0)
    first = next(point for point in points if point.direction)
    assert first.direction == -1
    assert (first.day.day - DAY).days < 8


def test_a_short_baseline_is_refused_and_an_empty_day_left_out() -> None:
    with pytest.raises(ValueError, match="14 days"):
        means.usual(days(13, 1))
    was = means.usual([*days(20, 1), means.summarised(DAY, [])])
    assert means.chart([means.summarised(DAY, [])], was, 370.0) == ()
    assert was.within == pytest.approx(25, rel=0.2)


def test_a_quantity_that_never_varied_alarms_when_it_does() -> None:
    still = [means.summarised(DAY + timedelta(days=i), [21.0] * 30) for i in range(20)]
    was = means.usual(still)
    assert means.standardised(still[0], was) == 0.0
    assert means.chart([means.summarised(DAY, [22.0])], was, 370.0)[0].direction == 1


def in_control(each: Stated, runs: int, days: int) -> tuple[int, int]:
    """False alarms of that chart over `runs` hospitals of `days` days of no change, and the days watched."""
    alarms = watched = 0
    for rng in np.random.default_rng(61).spawn(runs):
        late = [(one.crossed_on - FIRST).days + 1 for one in found(each, seen(each, days, days, rng))]
        sides, quiet = (2, 0) if each.chart == CALIBRATION else (1, BASELINE)  # its baseline is of probabilities alone
        alarms += len(late)
        watched += sum(late) + (sides - len(late)) * days - quiet
    return alarms, watched


@pytest.mark.parametrize("each", STATED, ids=lambda each: str(each.chart))
def test_each_chart_keeps_its_run_length_from_the_baseline_it_really_has(each: Stated) -> None:
    runs, days = (30, 1260) if each.chart == CALIBRATION else (80, 2520)
    alarms, watched = in_control(each, runs, days)
    expected = watched / each.run_length
    # Poisson's three sigmas above what is promised
    assert expected > 9
    assert alarms <= expected + 3 * sqrt(expected)


@pytest.mark.parametrize("each", STATED, ids=lambda each: str(each.chart))
def test_each_chart_finds_its_shift_in_the_stated_days_from_the_baseline_it_really_has(each: Stated) -> None:
    quiet, after = 98, 700 if each.chart != CALIBRATION else 100  # days: whole weeks, after the baseline
    late = []
    for rng in np.random.default_rng(62).spawn(60):
        days = [(one.crossed_on - FIRST).days + 1 - quiet for one in found(each, seen(each, quiet + after, quiet, rng))]
        if not days or min(days) > 0:  # else a false alarm came first
            late.append(min(days, default=after))
    assert len(late) >= 50
    assert np.mean(late) <= each.days
    assert 3 * np.mean(late) > each.days  # nor is much more time stated than it takes
