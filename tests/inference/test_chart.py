"""The chart: nothing in it that could not have been known at its moment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from inference.chart import Chart, Person, Record
from inference.errors import ChartError
from tests.inference.charts import ADULT, AS_OF, before, chart, event, row


def test_a_row_dated_after_the_moment_is_not_in_the_chart() -> None:
    seen = chart(row("hr", 80, 1), row("hr", 120, -0.1))
    assert [m.value for m in seen.measurements["hr"]] == [80]


def test_a_result_reported_after_the_moment_is_not_in_the_chart_though_it_was_drawn_before() -> None:
    seen = chart(row("hs_troponin_t", 9, 2, known=-1), row("hs_troponin_t", 7, 5, known=4))
    assert [m.value for m in seen.measurements["hs_troponin_t"]] == [7]


def test_a_row_at_the_very_moment_is_in_the_chart() -> None:
    assert chart(row("hr", 80, 0)).latest("hr") is not None


def test_a_moment_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ChartError, match="time zone"):
        Record("p", ADULT).at(datetime(2026, 3, 1, 12))  # noqa: DTZ001


def test_the_same_moment_in_two_zones_gives_the_same_chart() -> None:
    record = Record("p", ADULT, (row("hr", 80, 1), row("hr", 90, 3)))
    assert record.at(AS_OF) == record.at(AS_OF.astimezone(UTC))


def test_rows_stand_in_order_of_time_whatever_order_they_came_in() -> None:
    seen = chart(row("hr", 1, 1), row("hr", 3, 3), row("hr", 2, 2))
    assert [m.value for m in seen.measurements["hr"]] == [3, 2, 1]


def test_latest_gives_nothing_when_the_newest_row_is_older_than_asked() -> None:
    seen = chart(row("hr", 80, 3))
    assert seen.latest("hr", timedelta(hours=2)) is None
    assert seen.latest("hr", timedelta(hours=3)) is not None
    assert seen.latest("rr") is None


def test_since_keeps_the_row_on_the_edge_and_drops_the_one_beyond() -> None:
    seen = chart(row("hr", 1, 6), row("hr", 2, 6.01), row("hr", 3, 1))
    assert [m.value for m in seen.since("hr", timedelta(hours=6))] == [1, 3]


def test_an_end_that_had_not_come_was_not_known() -> None:
    seen = chart(events=(event("ventilation", 5, -3),))
    assert seen.events[0].end is None


def test_an_event_that_begins_later_is_not_in_the_chart() -> None:
    assert chart(events=(event("ventilation", -1),)).events == ()


def test_an_event_that_ended_before_this_stay_is_history() -> None:
    stay = event("admission", 10)
    assert chart(events=(event("ventilation", 40, 20), stay)).begun("ventilation") is None
    assert chart(events=(event("ventilation", 40, 5), stay)).begun("ventilation") is not None
    assert chart(events=(event("ventilation", 4), stay)).begun("ventilation") is not None


def test_the_present_stay_is_the_latest_admission() -> None:
    seen = chart(events=(event("admission", 900, 800), event("admission", 10)))
    assert seen.admitted == before(10)


def test_age_is_counted_at_the_moment_of_the_chart() -> None:
    person = Person(birth_date=datetime(2008, 3, 2, tzinfo=UTC))
    assert Record("p", person).at(datetime(2026, 3, 1, tzinfo=UTC)).age_years == pytest.approx(18, abs=0.01)
    assert Record("p", person).at(datetime(2016, 3, 1, tzinfo=UTC)).age_years == pytest.approx(8, abs=0.01)


def test_a_stated_age_serves_where_no_birth_date_is_known() -> None:
    assert chart(person=Person(age_years=70)).age_years == 70
    assert chart(person=Person()).age_years is None


def test_hours_ago_crosses_zones() -> None:
    assert chart().hours_ago(before(7.5).astimezone(UTC)) == pytest.approx(7.5)


def test_a_chart_can_hold_nothing_at_all() -> None:
    empty = Chart(AS_OF, Person())
    assert empty.latest("hr") is None
    assert empty.since("hr", timedelta(days=1)) == ()
    assert empty.admitted is None
    assert empty.begun("ventilation") is None


@pytest.mark.parametrize(
    ("spells", "hours"),
    [
        (((20, None),), 20),
        (((20, 9), (9, None)), 20),  # from one unit to the next
        (((20, 10), (9, None)), 20),  # with an hour on the way
        (((20, 12), (9, None)), 9),  # a return
        (((30, None), (9, None)), 30),  # a bed within the unit
        (((20, 3),), None),  # left
        (((20, 3), (19, None)), 20),
        ((), None),
    ],
)
def test_intensive_care_goes_on_through_a_move_and_ends_with_leaving_it(
    spells: tuple[tuple[float, float | None], ...], hours: float | None
) -> None:
    seen = chart(events=tuple(event("icu", start, end) for start, end in spells))
    assert seen.unit_since == (None if hours is None else before(hours))
