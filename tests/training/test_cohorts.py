"""Who is asked about, when, and what happened next."""

from __future__ import annotations

from datetime import timedelta
from math import isnan, log

import pytest

from inference.chart import Event, Measurement, Person, Record, Source
from training import labels
from training.cohorts import Moment, latest_draw, troponin_moments, ventilation_moments
from training.readers import CHALLENGE_2012, EICU, START, Stay

NOWHERE = Source("", "", "", "", "")


def row(variable: str, hours: float, value: float = 80.0) -> Measurement:
    when = START + timedelta(hours=hours)
    return Measurement(variable, value, when, when, NOWHERE)


def stay(
    *rows: Measurement, onset: float | None = None, age: float = 60, end: float = 48, **more: object
) -> Stay:
    begin = None if onset is None else START + timedelta(hours=onset)
    record = Record("1", Person(age_years=age), rows, (Event("admission", START, None, NOWHERE),))
    return Stay(CHALLENGE_2012, record, "1", "s", START + timedelta(hours=end), begin, **more)  # type: ignore[arg-type]


HEART = [row("hr", hour) for hour in range(48)]


def first_draw(of: Stay) -> Moment:
    """The question at the first draw, with its result known."""
    return next(moment for moment in troponin_moments(of) if not moment.first)


def asked(of: Stay, hours: tuple[int, ...] = (4, 6, 8, 10, 12)) -> list[float]:
    return [moment.landmark for moment in ventilation_moments(of, hours)]


def test_a_landmark_needs_a_heart_rate_in_the_last_two_hours() -> None:
    assert asked(stay(row("hr", 4.0), row("hr", 9.9))) == [4, 6, 10]


def test_nobody_is_asked_about_from_the_onset_on() -> None:
    assert asked(stay(*HEART, onset=8.0)) == [4, 6]
    assert asked(stay(*HEART, onset=-3.0)) == []


def test_children_and_those_out_of_sight_and_unlabelled_are_left_out() -> None:
    assert asked(stay(*HEART, age=17)) == []
    assert asked(stay(*HEART, end=7)) == [4, 6]
    assert asked(stay(*HEART, labelled=False)) == []


@pytest.mark.parametrize(
    ("onset", "within", "too_soon"),
    [
        (10.5, (False, False, False), True),
        (11.0, (False, False, False), True),
        (11.1, (True, True, True), False),
        (16.0, (True, True, True), False),
        (16.1, (False, True, True), False),
        (34.0, (False, False, True), False),
        (34.1, (False, False, False), False),
        (None, (False, False, False), False),
    ],
)
def test_an_onset_counts_after_the_gap_and_up_to_each_horizon(
    onset: float | None, within: tuple[bool, ...], too_soon: bool
) -> None:
    of = stay(*HEART, onset=onset)
    (moment,) = ventilation_moments(of, (10,))
    assert labels.ventilation(of, moment) == labels.Ventilated(within, too_soon)


def test_the_reported_landmarks_are_those_the_figures_are_of() -> None:
    of = stay(*HEART)
    assert [m.landmark for m in ventilation_moments(of) if m.reported] == [4, 6, 8, 10, 12, 15, 18, 21, 24]
    assert not any(m.reported for m in ventilation_moments(of) if m.landmark > 24)


def test_every_draw_is_asked_about_while_it_is_the_latest() -> None:
    of = stay(row("troponin_t", 1.0, 20.0), row("troponin_t", 4.0, 30.0))
    assert [(m.landmark, m.reported, m.first) for m in troponin_moments(of)] == [
        (0.5, False, True),
        *((hour, hour in (1.0, 4.0), False) for hour in (1.0, 3.0, 4.0, 6.0, 9.0)),
    ]


@pytest.mark.parametrize(("later", "rise"), [(24.0, True), (23.9, False), (12.0, False), (200.0, True)])
def test_a_rise_is_twenty_per_cent_above_the_latest(later: float, rise: bool) -> None:
    of = stay(row("troponin_t", 2.0, 20.0), row("troponin_t", 8.0, later))
    trend = labels.troponin(of, first_draw(of))
    assert trend is not None
    assert trend.rise is rise


def test_both_values_are_held_at_the_reporting_limit() -> None:
    of = stay(row("troponin_i", 2.0, 100.0), row("troponin_i", 8.0, 290.0))
    trend = labels.troponin(of, first_draw(of))
    assert trend is not None
    assert (trend.rise, trend.change) == (False, 0.0)


def test_another_assay_a_day_later_or_within_the_hour_is_not_the_next_draw() -> None:
    for following in (
        row("troponin_i", 8.0, 900.0),
        row("troponin_t", 27.0, 900.0),
        row("troponin_t", 2.5, 900.0),
    ):
        of = stay(row("troponin_t", 2.0, 20.0), following)
        assert labels.troponin(of, first_draw(of)) is None


def test_the_chart_at_a_draw_holds_that_draw_and_no_later_one() -> None:
    of = stay(row("troponin_t", 2.0, 20.0), row("troponin_t", 8.0, 30.0))
    moment = first_draw(of)
    assert latest_draw(moment.chart) == moment.draw
    assert len(moment.chart.measurements["troponin_t"]) == 1


def test_before_the_first_result_nothing_of_it_is_in_the_chart_and_the_forecast_is_of_it() -> None:
    of = stay(row("troponin_t", 2.0, 20.0), row("troponin_t", 8.0, 30.0))
    moment = next(troponin_moments(of))
    assert moment.first
    assert moment.landmark == 1.5
    assert latest_draw(moment.chart) is None
    trend = labels.troponin(of, moment)
    assert trend is not None
    assert isnan(trend.change)
    assert (trend.rise, trend.hours, trend.aim) == (True, 0.5, pytest.approx(log(20.0)))


def test_eicu_is_also_asked_about_on_its_second_day() -> None:
    of = stay(*HEART, end=60)
    second = Stay(EICU, of.record, "1", "s", of.end)
    assert max(m.landmark for m in ventilation_moments(second)) == 48
