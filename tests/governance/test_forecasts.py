"""A unit's forecasts: kept as made, scored with what was in use at their hour, and never with a half look."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy.exc import IntegrityError

from governance.demand import Demand, Unit, forecast
from governance.forecasts import Forecasts, Look
from governance.store import Store
from inference.assessment import State
from tests.governance.answers import NOON

HOUR = timedelta(hours=1)
LOOK = Look("north", "icu", "ventilation-need", "0.3.0", State.SILENT, NOON, 12, 0, 4, 8)


def made(hours: float, low: int, high: int, mean: float) -> Demand:
    return Demand(hours, (), mean, {0.8: (low, high), 0.95: (low - 1, high + 1)}, 0.1)


def test_the_newest_look_comes_back_as_it_was_kept(store: Store) -> None:
    book = Forecasts(store)
    demands = forecast([{12.0: 0.2, 24.0: 0.4}] * 6, Unit(4, 8, 0.1, 72.0))
    book.keep(LOOK, demands)
    book.keep(replace(LOOK, at=NOON + HOUR, in_use=5), demands)
    book.keep(replace(LOOK, unit="ward", at=NOON + 2 * HOUR), demands)
    found = book.last("north", "icu")
    assert [each.demand.hours for each in found] == [8.0, 12.0, 24.0]
    assert {each.look for each in found} == {replace(LOOK, at=NOON + HOUR, in_use=5)}
    for kept, meant in zip(found, demands, strict=True):
        assert kept.demand == replace(meant, masses=())
    assert book.last("south", "icu") == ()
    assert book.of_look("north", "icu", NOON + HOUR) == found
    assert {each.look for each in book.of_look("north", "icu", NOON)} == {LOOK}


def test_a_look_is_kept_once(store: Store) -> None:
    Forecasts(store).keep(LOOK, [made(8, 3, 5, 4.0)])
    with pytest.raises(IntegrityError):
        Forecasts(store).keep(LOOK, [made(8, 3, 5, 4.0)])


def test_a_forecast_is_scored_with_what_was_in_use_at_its_hour_beside_persistence(store: Store) -> None:
    book = Forecasts(store)
    in_use = {0: 4, 8: 6, 16: 9, 24: 5}
    for hours, many in in_use.items():
        book.keep(replace(LOOK, at=NOON + hours * HOUR, in_use=many), [made(8, 4, 6, 5.0), made(24, 1, 9, 5.0)])
    eight, day = book.records("north", "icu", NOON + 25 * HOUR)
    assert eight.score is not None
    assert (eight.hours, eight.score.forecasts, eight.unscored) == (8.0, 3, 0)
    assert eight.score.coverage == pytest.approx({0.8: 2 / 3, 0.95: 2 / 3})
    assert eight.score.error == pytest.approx((1 + 4 + 0) / 3)
    assert eight.score.error_of_persistence == pytest.approx((2 + 3 + 4) / 3)
    assert day.score is not None
    assert (day.score.forecasts, day.score.coverage[0.8]) == (1, 1.0)


def test_a_look_that_missed_a_chart_is_no_truth_and_a_late_one_neither(store: Store) -> None:
    book = Forecasts(store)
    book.keep(LOOK, [made(8, 4, 6, 5.0)])
    book.keep(replace(LOOK, at=NOON + 8 * HOUR, unread=1), [made(8, 4, 6, 5.0)])
    book.keep(replace(LOOK, at=NOON + 8 * HOUR + timedelta(minutes=46)), [made(8, 4, 6, 5.0)])
    (found,) = book.records("north", "icu", NOON + 9 * HOUR)
    assert (found.score, found.unscored) == (None, 1)


def test_what_is_not_due_is_neither_scored_nor_missed(store: Store) -> None:
    book = Forecasts(store)
    book.keep(LOOK, [made(8, 4, 6, 5.0)])
    for late in (HOUR, 8 * HOUR + timedelta(minutes=30)):  # not due; due, with time to look at it
        (found,) = book.records("north", "icu", NOON + late)
        assert (found.score, found.unscored) == (None, 0)


def test_the_nearest_look_counts_and_another_versions_forecasts_do_not(store: Store) -> None:
    book = Forecasts(store)
    book.keep(LOOK, [made(8, 4, 6, 5.0)])
    book.keep(replace(LOOK, at=NOON + HOUR / 2, version="0.2.0"), [made(8, 4, 6, 5.0)])
    for minutes, many in ((-30, 9), (10, 5), (40, 9)):
        at = NOON + 8 * HOUR + timedelta(minutes=minutes)
        book.keep(replace(LOOK, at=at, in_use=many), [made(24, 4, 6, 5.0)])
    now: datetime = NOON + 10 * HOUR
    found = book.records("north", "icu", now, version="0.3.0")[0]
    assert found.score is not None
    assert (found.score.forecasts, found.score.coverage[0.8]) == (1, 1.0)
