"""NEWS2 and ROX: the published points, and no point for what was not measured."""

from __future__ import annotations

import pytest

from inference.assessment import Score
from inference.chart import Measurement, Person
from inference.scores import NEWS2_HOURS, high_flow_since, news2, rox
from inference.vocabulary import vocabulary
from tests.inference.charts import before, chart, event, row, vitals

LEVELS = vocabulary()["oxygen_device"].levels
ACVPU = vocabulary()["avpu"].levels


def device(name: str, hours: float = 0.5) -> Measurement:
    return row("oxygen_device", LEVELS.index(name), hours)


def part(score: Score, label: str) -> int | None:
    return next(p.points for p in score.parts if p.label.startswith(label))


def codes(score: Score) -> set[str]:
    return {notice.code for notice in score.notices}


@pytest.mark.parametrize(
    ("variable", "expected"),
    [
        ("rr", {8: 3, 9: 1, 11: 1, 12: 0, 20: 0, 21: 2, 24: 2, 25: 3}),
        ("spo2", {91: 3, 92: 2, 93: 2, 94: 1, 95: 1, 96: 0, 100: 0}),
        ("sbp", {90: 3, 91: 2, 100: 2, 101: 1, 110: 1, 111: 0, 219: 0, 220: 3}),
        ("hr", {40: 3, 41: 1, 50: 1, 51: 0, 90: 0, 91: 1, 110: 1, 111: 2, 130: 2, 131: 3}),
        ("temp", {35.0: 3, 35.1: 1, 36.0: 1, 36.1: 0, 38.0: 0, 38.1: 1, 39.0: 1, 39.1: 2}),
        ("gcs", {15: 0, 14: 3, 3: 3}),
    ],
)
def test_news2_gives_the_published_points(variable: str, expected: dict[float, int]) -> None:
    label = "Consciousness" if variable == "gcs" else vocabulary()[variable].label
    for value, points in expected.items():
        assert part(news2(chart(*vitals(**{variable: value}))), label) == points, (variable, value)


def test_every_acvpu_letter_but_alert_scores_three() -> None:
    rows = [m for m in vitals() if m.variable != "gcs"]
    for index, name in enumerate(ACVPU):
        scored = news2(chart(*rows, row("avpu", index)))
        assert part(scored, "Consciousness") == (0 if name == "alert" else 3)


def test_the_newer_of_acvpu_and_gcs_counts() -> None:
    woken = news2(chart(*vitals(), row("avpu", ACVPU.index("pain"), 3)))
    assert part(woken, "Consciousness") == 0
    sinking = news2(chart(*vitals(), row("avpu", ACVPU.index("pain"), 0.1)))
    assert part(sinking, "Consciousness") == 3


@pytest.mark.parametrize(
    ("changes", "value", "band"),
    [
        ({}, 0, "low"),
        ({"hr": 95, "temp": 38.5}, 2, "low"),
        ({"rr": 26}, 3, "low-medium"),
        ({"rr": 22, "spo2": 95, "fio2": 28}, 5, "medium"),
        ({"rr": 26, "spo2": 91}, 6, "medium"),
        ({"rr": 26, "spo2": 91, "hr": 100}, 7, "high"),
        ({"rr": 26, "spo2": 90, "fio2": 60, "sbp": 88, "hr": 135, "gcs": 12, "temp": 39.5}, 19, "high"),
    ],
)
def test_news2_adds_up_to_its_band(changes: dict[str, float], value: float, band: str) -> None:
    scored = news2(chart(*vitals(**changes)))
    assert (scored.value, scored.band) == (value, band)


@pytest.mark.parametrize("gone", ["rr", "spo2", "fio2", "sbp", "hr", "gcs", "temp"])
def test_a_missing_input_is_named_and_never_scored_as_normal(gone: str) -> None:
    scored = news2(chart(*[m for m in vitals(hr=131) if m.variable != gone]))
    assert scored.value is None
    assert scored.band == ""
    missing = next(n for n in scored.notices if n.code == "score-input-missing")
    assert missing.values["hours"] == NEWS2_HOURS
    at_least = [n.values["points"] for n in scored.notices if n.code == "news2-at-least"]
    assert at_least == ([] if gone == "hr" else [3])


def test_an_input_older_than_the_limit_is_missing() -> None:
    fresh = [m for m in vitals() if m.variable != "temp"]
    assert news2(chart(*fresh, row("temp", 37, NEWS2_HOURS))).value == 0
    assert news2(chart(*fresh, row("temp", 37, NEWS2_HOURS + 0.1))).value is None


def test_inputs_hours_apart_are_said_to_be() -> None:
    fresh = [m for m in vitals() if m.variable != "temp"]
    scored = news2(chart(*fresh, row("temp", 37, 4.5)))
    assert next(n for n in scored.notices if n.code == "score-inputs-apart").values["hours"] == 4.0


@pytest.mark.parametrize(
    ("rows", "points"),
    [
        ([row("fio2", 21)], 0),
        ([row("fio2", 24)], 2),
        ([row("o2_flow", 0)], 0),
        ([row("o2_flow", 2)], 2),
        ([device("room air")], 0),
        ([device("nasal cannula")], 2),
        ([device("room air", 0.2), row("fio2", 40, 3)], 0),  # came off: the newer word counts
        ([device("room air", 3), row("fio2", 40, 0.2)], 2),
        ([device("room air", 0.5), row("o2_flow", 2, 0.5)], 2),  # a contradiction is not air
    ],
)
def test_oxygen_is_read_from_device_fraction_or_flow(rows: list[Measurement], points: int) -> None:
    others = [m for m in vitals() if m.variable != "fio2"]
    assert part(news2(chart(*others, *rows)), "Supplemental") == points


def test_oxygen_nobody_charted_is_missing_not_room_air() -> None:
    scored = news2(chart(*[m for m in vitals() if m.variable != "fio2"]))
    assert part(scored, "Supplemental") is None
    assert scored.value is None


def test_copd_alone_keeps_scale_1_and_says_what_scale_2_would_give() -> None:
    person = Person(age_years=70, sex="male", conditions=frozenset({"copd"}))
    scored = news2(chart(*vitals(spo2=90, fio2=28), person=person))
    assert part(scored, "Oxygen saturation") == 3
    said = next(n for n in scored.notices if n.code == "news2-scale-1-compared")
    assert said.values == {"points": 3, "scale_2_points": 0}


@pytest.mark.parametrize(
    ("spo2", "air", "oxygen"),
    [(83, 3, 3), (84, 2, 2), (86, 1, 1), (88, 0, 0), (92, 0, 0), (93, 0, 1), (95, 0, 2), (97, 0, 3)],
)
def test_scale_2_serves_confirmed_hypercapnic_failure(spo2: float, air: int, oxygen: int) -> None:
    person = Person(age_years=70, sex="male", conditions=frozenset({"copd", "hypercapnic-failure"}))
    assert part(news2(chart(*vitals(spo2=spo2), person=person)), "Oxygen saturation") == air
    on_oxygen = news2(chart(*vitals(spo2=spo2, fio2=28), person=person))
    assert part(on_oxygen, "Oxygen saturation") == oxygen
    assert "news2-scale-2" in codes(on_oxygen)


def test_scale_2_without_knowing_of_oxygen_scores_only_what_both_ways_agree_on() -> None:
    person = Person(age_years=70, sex="male", conditions=frozenset({"hypercapnic-failure"}))
    for spo2, points in ((84, 2), (96, None)):
        rows = [m for m in vitals(spo2=spo2) if m.variable != "fio2"]
        assert part(news2(chart(*rows, person=person)), "Oxygen saturation") == points


def test_a_censored_value_scores_only_where_all_it_may_be_scores_alike() -> None:
    others = [m for m in vitals() if m.variable != "spo2"]
    assert part(news2(chart(*others, row("spo2", 70, bound="<"))), "Oxygen saturation") == 3
    unclear = news2(chart(*others, row("spo2", 95, bound="<")))
    assert part(unclear, "Oxygen saturation") is None
    assert unclear.value is None
    assert "score-input-unclear" in codes(unclear)


def test_a_decimal_is_rounded_to_the_resolution_of_the_chart() -> None:
    assert part(news2(chart(*vitals(temp=38.04))), "Temperature") == 0
    assert part(news2(chart(*vitals(temp=38.05))), "Temperature") == 1
    assert part(news2(chart(*vitals(hr=90.4))), "Heart rate") == 0
    assert part(news2(chart(*vitals(hr=90.5))), "Heart rate") == 1


def test_news2_is_not_for_under_16_nor_in_pregnancy() -> None:
    child = news2(chart(*vitals(), person=Person(age_years=9)))
    assert (child.value, codes(child)) == (None, {"news2-not-under-16"})
    pregnant = Person(age_years=30, sex="female", conditions=frozenset({"pregnancy"}))
    assert codes(news2(chart(*vitals(), person=pregnant))) == {"news2-not-in-pregnancy"}


def test_news2_of_a_woman_who_could_be_pregnant_says_its_limit() -> None:
    for age, said in ((30, True), (70, False)):
        scored = news2(chart(*vitals(), person=Person(age_years=age, sex="female")))
        assert ("news2-if-not-pregnant" in codes(scored)) is said


# --- ROX

SICK = {"spo2": 92, "fio2": 60, "rr": 30}


def test_rox_is_saturation_over_oxygen_fraction_over_rate() -> None:
    assert rox(chart(*vitals(**SICK))).value == pytest.approx(92 / 0.6 / 30)


def test_rox_off_high_flow_has_a_value_and_no_band() -> None:
    scored = rox(chart(*vitals(**SICK)))
    assert scored.band == ""
    assert codes(scored) == {"rox-not-on-high-flow"}


@pytest.mark.parametrize(
    ("hours", "value", "band"),
    [
        (1.9, 2.0, ""),
        (2, 2.84, "failure"),
        (2, 2.86, "watch"),
        (5.9, 2.86, "watch"),
        (6, 3.46, "failure"),
        (6, 3.48, "watch"),
        (12, 3.84, "failure"),
        (12, 3.86, "watch"),
        (12, 4.87, "watch"),
        (2, 4.88, "success"),
        (30, 4.88, "success"),
    ],
)
def test_rox_is_read_by_the_hours_on_high_flow(hours: float, value: float, band: str) -> None:
    rows = vitals(spo2=96, fio2=50, rr=96 / 0.5 / value)
    scored = rox(chart(*rows, events=(event("high-flow", hours),)))
    assert scored.value == pytest.approx(value)
    assert scored.band == band
    assert ("rox-beyond-study" in codes(scored)) == (hours > 24)


def test_rox_needs_inputs_of_the_same_hours() -> None:
    rows = [m for m in vitals(**SICK) if m.variable != "fio2"]
    scored = rox(chart(*rows, row("fio2", 60, 2.5), events=(event("high-flow", 5),)))
    assert scored.value is None
    assert "score-input-missing" in codes(scored)


def test_rox_does_not_divide_a_censored_value() -> None:
    rows = [m for m in vitals(**SICK) if m.variable != "spo2"]
    assert rox(chart(*rows, row("spo2", 70, bound="<"), events=(event("high-flow", 5),))).value is None


def test_a_run_of_high_flow_starts_at_its_first_charted_hour() -> None:
    name = "high-flow nasal cannula"
    seen = chart(device("simple mask", 9), device(name, 6), device(name, 3), device(name, 1))
    assert high_flow_since(seen) == before(6)


def test_another_device_charted_later_ends_an_event_nobody_closed() -> None:
    assert high_flow_since(chart(device("nasal cannula", 1), events=(event("high-flow", 8),))) is None


def test_an_ended_event_is_not_high_flow_now() -> None:
    assert high_flow_since(chart(events=(event("high-flow", 8, 2),))) is None
    assert high_flow_since(chart(events=(event("high-flow", 8, 4), event("high-flow", 3)))) == before(3)
