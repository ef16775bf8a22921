"""What became of a prediction: told where the record settles it, left open with a reason where it does not."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest

from inference.chart import Event, Measurement, Record, Source
from inference.sequel import Course, Doubt, Spell, troponin, ventilation
from inference.vocabulary import vocabulary

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
INVASIVE = float(vocabulary()["oxygen_device"].levels.index("invasive ventilation"))
CANNULA = float(vocabulary()["oxygen_device"].levels.index("nasal cannula"))
STAY = Spell(NOON - timedelta(hours=5), None, "")


def hours(count: float) -> datetime:
    return NOON + timedelta(hours=count)


def began(after: float, resource: str = "Procedure/1", end: float | None = None) -> Event:
    ended = None if end is None else hours(end)
    return Event("ventilation", hours(after), ended, Source(resource, "1", "", "", ""))


def device(after: float, level: float) -> Measurement:
    source = Source(f"Observation/d{after}", "1", "", "", "")
    return Measurement("oxygen_device", level, hours(after), hours(after), source)


def drawn(
    after: float,
    value: float,
    variable: str = "troponin_t",
    *,
    bound: str = "",
    unit: str = "ng/L",
    known: float | None = None,
    assay: str = "",
    preliminary: bool = False,
) -> Measurement:
    source = Source(f"Observation/t{after}-{value}", "1", "", str(value), unit)
    reported = hours(after if known is None else known)
    return Measurement(variable, value, hours(after), reported, source, bound, None, assay, preliminary)


def course(
    *rows: Event | Measurement,
    doubts: Iterable[Doubt] = (),
    spells: Iterable[Spell] = (STAY,),
    truncated: bool = False,
) -> Course:
    from inference.chart import Person

    admission = Event("admission", STAY.start, None, Source("Encounter/1", "1", "", "", ""))
    events = tuple(row for row in rows if isinstance(row, Event))
    measurements = tuple(row for row in rows if isinstance(row, Measurement))
    record = Record("p", Person(age_years=60), measurements, (admission, *events), truncated=truncated)
    return Course(record, tuple(doubts), tuple(spells))


@pytest.mark.parametrize(
    ("after", "label", "happened"),
    [(0.5, "early", 0.5), (1, "early", 1), (1.1, "yes", 1.1), (24, "yes", 24), (24.1, "no", None)],
)
def test_a_beginning_is_early_within_the_hour_and_yes_within_the_hours(
    after: float, label: str, happened: float | None
) -> None:
    found = ventilation(course(began(after)), NOON, 24)
    assert found.label == label
    assert found.happened_at == (None if happened is None else hours(happened))


@pytest.mark.parametrize("resource", ["Procedure/1", "DeviceUseStatement/1", "Observation/1"])
def test_each_kind_of_source_tells_of_it_alone(resource: str) -> None:
    found = ventilation(course(began(3, resource)), NOON, 24)
    assert (found.label, found.reason) == ("yes", f"began-{resource.partition('/')[0].lower()}")


def test_a_charted_ventilator_is_a_sign_at_the_time_it_was_charted_for() -> None:
    assert ventilation(course(device(2, CANNULA), device(4, INVASIVE)), NOON, 24).happened_at == hours(4)


def test_who_stayed_without_it_was_not_ventilated() -> None:
    assert ventilation(course(), NOON, 24).label == "no"
    assert ventilation(course(device(2, CANNULA)), NOON, 24).label == "no"


@pytest.mark.parametrize(
    ("spells", "label", "reason"),
    [
        ([Spell(hours(-5), hours(30), "unsaid")], "no", "stayed-without"),
        ([Spell(hours(-5), hours(10), "home")], "no", "home-without"),
        ([Spell(hours(-5), hours(10), "died")], "no", "died-without"),
        ([Spell(hours(-5), hours(10), "transferred")], "", "transferred"),
        ([Spell(hours(-5), hours(10), "unsaid")], "", "departure-unsaid"),
        ([Spell(hours(-5), None, "unsaid")], "", "departure-unsaid"),
        ([], "", "stay-unknown"),
        ([Spell(hours(-5), hours(-1), "home")], "", "stay-unknown"),
        ([Spell(hours(-5), hours(1), "unsaid"), Spell(hours(2), None, "")], "no", "stayed-without"),
        ([Spell(hours(-5), hours(1), "transferred"), Spell(hours(9), None, "")], "", "transferred"),
        ([Spell(hours(-5), hours(3), "unsaid"), Spell(hours(-2), None, "")], "no", "stayed-without"),
    ],
)
def test_no_is_said_only_where_somebody_could_have_seen_it(
    spells: list[Spell], label: str, reason: str
) -> None:
    found = ventilation(course(spells=spells), NOON, 24)
    assert (found.label, found.reason) == (label, reason)


def test_who_was_on_a_ventilator_before_the_answer_is_told_with_that_moment() -> None:
    found = ventilation(course(began(-1)), NOON, 24)
    assert (found.label, found.reason, found.happened_at) == ("yes", "already-ventilated", hours(-1))
    earlier_stay = began(-40, end=-30)
    assert ventilation(course(earlier_stay), NOON, 24).label == "no"


def test_sources_that_contradict_one_another_go_to_a_person() -> None:
    apart = course(began(0.5, "Procedure/1"), began(5, "Observation/1"))
    assert ventilation(apart, NOON, 24).reason == "sources-conflict"
    together = course(began(0.9, "Procedure/1"), began(1.5, "Observation/1"))
    assert ventilation(together, NOON, 24).label == "early"
    both_inside = course(began(2, "Procedure/1"), began(9, "Observation/1"))
    assert ventilation(both_inside, NOON, 24).happened_at == hours(2)
    charted_otherwise = course(began(2, "Procedure/1"), device(3, CANNULA), device(5, CANNULA))
    assert ventilation(charted_otherwise, NOON, 24).reason == "sources-conflict"


def test_a_row_that_cannot_be_used_goes_to_a_person_unless_another_settles_it() -> None:
    day = Doubt("ventilation", "day-without-time", "Procedure/9", hours(-12), hours(12))
    vague = Event("ventilation", hours(11), None, Source("Procedure/9", "1", "", "", ""))
    found = ventilation(course(vague, doubts=[day]), NOON, 24)
    assert (found.label, found.reason) == ("", "day-without-time")
    assert ventilation(course(vague, began(3, "Observation/1"), doubts=[day]), NOON, 24).label == "yes"
    long_ago = Doubt("ventilation", "entered-in-error", "Procedure/8", hours(-60), hours(-59))
    assert ventilation(course(doubts=[long_ago]), NOON, 24).label == "no"
    whenever = Doubt("ventilation", "time-missing", "Procedure/8")
    assert ventilation(course(doubts=[whenever]), NOON, 24).reason == "time-missing"


def test_what_was_cut_short_says_no_to_nothing() -> None:
    assert ventilation(course(truncated=True), NOON, 24).reason == "record-cut-short"
    assert troponin(course(drawn(-2, 40), truncated=True), NOON, 24).reason == "record-cut-short"


@pytest.mark.parametrize(
    ("now", "then", "label"),
    [
        (drawn(-2, 40), drawn(3, 48), "yes"),
        (drawn(-2, 40), drawn(3, 47.9), "no"),
        (drawn(-2, 40), drawn(3, 10), "no"),
        (drawn(-2, 5, bound="<"), drawn(3, 5, bound="<"), "no"),
        (drawn(-2, 5, bound="<"), drawn(3, 6), "yes"),
        (drawn(-2, 20), drawn(3, 5, bound="<"), "no"),
        (drawn(-2, 40), drawn(3, 100, bound=">"), "yes"),
    ],
)
def test_the_next_draw_is_compared_with_the_latest_both_at_the_reporting_limit(
    now: Measurement, then: Measurement, label: str
) -> None:
    found = troponin(course(now, then), NOON, 24)
    assert (found.label, found.happened_at, found.value) == (label, then.time, then.value)


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([drawn(-2, 40), drawn(3, 90, "hs_troponin_t")], "assay-changed"),
        ([drawn(-2, 40), drawn(3, 0.09, unit="ng/mL")], "unit-changed"),
        ([drawn(-2, 40), drawn(3, 90, preliminary=True)], "result-preliminary"),
        ([drawn(-2, 40), drawn(3, 90), drawn(3, 20)], "sources-conflict"),
        ([drawn(-2, 40, bound=">"), drawn(3, 90)], "beyond-reported-range"),
        ([drawn(-2, 5, bound="<"), drawn(3, 14, bound="<")], "beyond-reported-range"),
        ([drawn(-2, 20), drawn(3, 30, bound="<")], "beyond-reported-range"),
    ],
)
def test_draws_that_cannot_be_compared_go_to_a_person(rows: list[Measurement], reason: str) -> None:
    found = troponin(course(*rows), NOON, 24)
    assert (found.label, found.reason) == ("", reason)


def test_without_a_next_draw_in_the_hours_it_cannot_be_known() -> None:
    for rows in ([drawn(-2, 40)], [drawn(-2, 40), drawn(24.1, 90)], []):
        found = troponin(course(*rows), NOON, 24)
        assert (found.label, found.reason) == ("unknown", "no-next-draw")
    assert troponin(course(drawn(-0.2, 40), drawn(0.5, 90)), NOON, 24).reason == "drawn-within-the-hour"


def test_a_draw_that_was_taken_before_the_answer_and_came_back_after_it_keeps_its_moment() -> None:
    found = troponin(course(drawn(-3, 40), drawn(-0.5, 90, known=0.5)), NOON, 24)
    assert (found.label, found.happened_at) == ("yes", hours(-0.5))


def test_before_the_first_result_the_rise_is_of_the_one_after_it() -> None:
    found = troponin(course(drawn(1, 40), drawn(4, 90)), NOON, 24)
    assert (found.label, found.happened_at) == ("yes", hours(4))
    assert troponin(course(drawn(1, 40)), NOON, 24).label == "unknown"


def test_a_draw_that_could_not_be_read_goes_to_a_person() -> None:
    unread = Doubt("troponin", "draw-not-read", "Observation/9", hours(3), hours(3))
    assert troponin(course(drawn(-2, 40), doubts=[unread]), NOON, 24).reason == "draw-not-read"
    dated = Doubt("troponin", "day-without-time", "Observation/t5-90", hours(0), hours(24))
    assert troponin(course(drawn(-2, 40), drawn(5, 90), doubts=[dated]), NOON, 24).reason == "day-without-time"
