"""What each story is there to show stands in its rows."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import combinations
from typing import Any

import pytest

from demo.patients import STORIES
from demo.patients.story import Story, value_at

NOW = datetime(2026, 11, 23, 10, 4, 5, tzinfo=UTC)


def tell(patient: str) -> Story:
    return STORIES[patient](NOW)


def series(
    patient: str, loinc: str, *, status: str = "final"
) -> list[tuple[datetime, float, dict[str, Any]]]:
    """A patient's (time, value, row) under one LOINC code, oldest first."""
    found = [
        (datetime.fromisoformat(r["effectiveDateTime"]), r["valueQuantity"]["value"], r)
        for r in tell(patient).resources
        if r["resourceType"] == "Observation"
        and r["status"] == status
        and "valueQuantity" in r
        and "effectiveDateTime" in r
        and loinc in {coding["code"] for coding in r["code"].get("coding", ())}
    ]
    return sorted(found, key=lambda row: row[0])


def values(patient: str, loinc: str) -> list[float]:
    return [value for _, value, _ in series(patient, loinc)]


@pytest.mark.parametrize("patient", sorted(STORIES))
def test_a_story_is_told_in_its_docstring(patient: str) -> None:
    assert len(STORIES[patient].__doc__ or "") > 30


def test_the_pneumonia_breathes_faster_on_more_oxygen() -> None:
    breaths = values("pneumonia-worsening", "9279-1")
    assert breaths[-1] >= 32
    assert breaths[-1] - min(breaths) >= 10
    last = series("pneumonia-worsening", "59408-5")[-1][2]
    assert {part["valueQuantity"]["value"] for part in last["component"]} == {15, 80}


def test_the_copd_retains_carbon_dioxide_in_kilopascal() -> None:
    gases = values("copd-retention", "2019-8")
    assert gases == sorted(gases)
    assert gases[-1] * 7.50062 > 70
    assert values("copd-retention", "2744-1")[-1] < 7.25


def test_the_heart_failure_ends_on_room_air() -> None:
    last = series("heart-failure-settling", "59408-5")[-1][2]
    assert [part["valueQuantity"]["value"] for part in last["component"]] == [21]
    assert values("heart-failure-settling", "9279-1")[-1] < 20


def test_the_over_sedated_man_breathes_fewer_than_ten_times_a_minute() -> None:
    assert values("opioid-sedation", "9279-1")[-1] < 10
    assert values("opioid-sedation", "19889-5")[-1] > 55


def test_the_ventilated_woman_has_an_open_procedure_and_a_tube() -> None:
    story = tell("ventilated").resources
    running = [r for r in story if r["resourceType"] == "Procedure" and r["status"] == "in-progress"]
    assert [r["code"]["coding"][0]["code"] for r in running] == ["40617009"]
    devices = [r["type"]["coding"][0]["code"] for r in story if r["resourceType"] == "Device"]
    assert "129121000" in devices


def test_the_rox_index_of_the_man_on_high_flow_is_in_the_zone_of_doubt() -> None:
    saturation = series("high-flow", "59408-5")[-1]
    concentration = saturation[2]["component"][1]["valueQuantity"]["value"] / 100
    rox = saturation[1] / concentration / values("high-flow", "9279-1")[-1]
    assert 3.47 < rox < 4.88


def test_the_infarction_rises_within_the_window_of_the_one_hour_rule() -> None:
    (first, low, row), (second, high, _) = series("infarction-rising", "67151-1")
    assert 50 <= (second - first).total_seconds() / 60 <= 70
    assert high - low >= 5
    assert "Elecsys" in row["method"]["text"]
    assert row["device"]["reference"] == "Device/analyser-cobas"
    assert row["referenceRange"][0]["high"]["value"] == 14


def test_the_kidney_patient_is_high_and_flat() -> None:
    drawn = values("kidney-flat-high", "67151-1")
    assert min(drawn) > 52
    assert (max(drawn) - min(drawn)) / min(drawn) < 0.2


def test_the_opened_artery_lets_the_troponin_fall() -> None:
    drawn = values("falling-after-peak", "67151-1")
    peak = drawn.index(max(drawn))
    assert drawn[peak:] == sorted(drawn[peak:], reverse=True)
    assert len(drawn[peak:]) >= 4


def test_the_first_draw_came_less_than_three_hours_after_the_pain() -> None:
    ((drawn, value, _),) = series("first-draw", "67151-1")
    onset = next(r["onsetDateTime"] for r in tell("first-draw").resources if r["resourceType"] == "Condition")
    assert (drawn - datetime.fromisoformat(onset)).total_seconds() < 3 * 3600
    assert value < 5


def test_below_five_is_written_with_a_comparator() -> None:  # CONFORMANCE 49
    first, second = (row["valueQuantity"] for _, _, row in series("below-limit-then-nine", "67151-1"))
    assert (first["comparator"], first["value"]) == ("<", 5)
    assert (second.get("comparator"), second["value"]) == (None, 9)


def test_the_conventional_troponin_is_in_nanograms_and_rises_four_times() -> None:
    drawn = series("conventional-rising", "10839-9")
    assert [row["valueQuantity"]["code"] for _, _, row in drawn] == ["ng/mL"] * 4
    assert [value for _, value, _ in drawn] == sorted(value for _, value, _ in drawn)


def test_the_transferred_woman_has_three_assays() -> None:
    assert len(values("two-assays", "89579-7")) == 1
    assert len(values("two-assays", "42757-5")) == 1
    assert len(values("two-assays", "67151-1")) == 2


def test_one_assay_is_spelt_in_three_units() -> None:  # CONFORMANCE 57
    units = [row["valueQuantity"]["unit"] for _, _, row in series("two-units", "67151-1")]
    assert units == ["ng/mL", "ng/L", "µg/L"]


def test_the_almost_empty_chart_has_no_heart_rate() -> None:
    assert values("almost-empty", "8867-4") == []


def test_the_child_is_nine_and_the_spanish_speaker_speaks_spanish() -> None:
    born = tell("child-asthma").resources[0]["birthDate"]
    assert 9 <= (NOW.date() - datetime.fromisoformat(born).date()).days / 365.2425 < 10
    language = tell("spanish-embolism").resources[0]["communication"][0]["language"]
    assert language["coding"][0]["code"] == "es"


def test_the_conflicting_chart_disagrees_with_itself_within_a_minute() -> None:
    beats = series("conflicting-rows", "8867-4")
    close = [
        abs(a - b)
        for (first, a, _), (second, b, _) in combinations(beats, 2)
        if (second - first).total_seconds() <= 60
    ]
    assert max(close) > 20
    assert len(series("conflicting-rows", "8867-4", status="entered-in-error")) == 1


def test_a_row_from_the_future_cannot_be_told() -> None:
    with pytest.raises(ValueError, match="future"):
        tell("sepsis").at(-0.1)


def test_values_between_two_told_points_lie_on_a_straight_line() -> None:
    assert value_at([(10, 100), (0, 50)], 5) == 75
    assert value_at([(10, 100), (0, 50)], 20) == 100
    assert value_at(37.0, 3) == 37.0
