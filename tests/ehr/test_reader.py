"""FHIR JSON -> Record: every form a hospital sends, and what is not used is named."""

from __future__ import annotations

import copy
import json
import time as stopwatch
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ehr.errors import EhrError
from ehr.reader import LISTED, read_record, refers_to
from inference import gates
from inference.chart import Chart, Measurement, Record
from inference.vocabulary import vocabulary

LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
UCUM = "http://unitsofmeasure.org"
TAKEN = "2026-11-23T06:00:00+00:00"
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
Resource = dict[str, Any]


def concept(code: str, display: str = "", system: str = LOINC) -> Resource:
    coding = {"system": system, "code": code} | ({"display": display} if display else {})
    return {"coding": [coding]}


def observation(code: str, key: str = "o1", **more: Any) -> Resource:
    row: Resource = {
        "resourceType": "Observation",
        "id": key,
        "status": "final",
        "code": concept(code),
        "subject": {"reference": "Patient/1"},
        "effectiveDateTime": TAKEN,
    }
    return row | more


def quantity(value: Any, unit: str | None = None, code: str | None = None, **more: Any) -> Resource:
    """A UCUM quantity where `code` is given, else one with unit text only."""
    sent: Resource = {"value": value} | more
    if unit is not None:
        sent["unit"] = unit
    if code is not None:
        sent |= {"system": UCUM, "code": code}
    return sent


def lab(code: str, value: Any, unit: str, key: str = "o1", **more: Any) -> Resource:
    return observation(code, key, valueQuantity=quantity(value, code=unit), **more)


def read(*rows: Any, **options: Any) -> Record:
    return read_record("1", rows, **options)


def only(record: Record) -> Measurement:
    (row,) = record.measurements
    return row


def reasons(record: Record) -> list[str]:
    return [refusal.reason for refusal in record.refused]


def at(record: Record, moment: datetime = NOON) -> Chart:
    return record.at(moment)


# --- values and units


@pytest.mark.parametrize(
    ("value", "unit", "code"),
    [
        (14, None, "ng/L"),
        (14, "pg/mL", "pg/mL"),
        (0.014, "ng/mL", None),
        (0.014, None, "ug/L"),
        (0.014, "µg/L", None),
        (0.014, "μg/L", None),
        (0.014, "mcg/L", None),
        (14, "NG/L", None),
    ],
)
def test_one_sample_spelled_eight_ways_is_one_value(value: float, unit: str | None, code: str | None) -> None:
    row = only(read(observation("67151-1", valueQuantity=quantity(value, unit, code))))  # CONFORMANCE 57
    assert (row.variable, row.value) == ("hs_troponin_t", 14.0)


def test_a_number_without_a_unit_is_not_used() -> None:
    record = read(observation("67151-1", valueQuantity={"value": 14}))  # CONFORMANCE 57
    assert record.measurements == ()
    assert reasons(record) == ["unit-missing"]


def test_a_number_with_a_unit_nobody_knows_is_not_used() -> None:
    assert reasons(read(lab("67151-1", 14, "furlong"))) == ["unit-unknown"]


def test_a_printed_unit_that_contradicts_the_coded_one_is_refused() -> None:
    record = read(observation("67151-1", valueQuantity=quantity(14, "ng/mL", "ng/L")))
    assert reasons(record) == ["unit-contradiction"]


def test_the_printed_unit_counts_where_no_ucum_code_was_sent() -> None:
    row = only(read(observation("2160-0", valueQuantity={"value": 88.42, "unit": "µmol/L"})))
    assert row.value == pytest.approx(1.0)
    assert row.source == ("Observation/o1", "", f"{LOINC}|2160-0", "88.42", "µmol/L")


@pytest.mark.parametrize(
    ("code", "variable"),
    [
        ("67151-1", "hs_troponin_t"),
        ("89579-7", "hs_troponin_i"),
        ("6598-7", "troponin_t"),
        ("48425-3", "troponin_t"),
        ("6597-9", "troponin_t"),
        ("10839-9", "troponin_i"),
        ("42757-5", "troponin_i"),
        ("49563-0", "troponin_i"),
        ("16255-2", "troponin_i"),
    ],
)
def test_troponins_are_kept_apart_by_analyte_and_class(code: str, variable: str) -> None:
    assert only(read(lab(code, 0.5, "ng/mL"))).variable == variable  # CONFORMANCE 56


def test_a_local_code_nobody_mapped_is_named_not_guessed() -> None:
    row = observation("TNT-2", valueQuantity=quantity(14, code="ng/L"))  # CONFORMANCE 56
    row["code"] = {"coding": [{"system": "urn:site", "code": "TNT-2", "display": "Troponin T"}]}
    record = read(row, row | {"id": "o2"})
    assert record.measurements == ()
    assert [tuple(r) for r in record.refused] == [("Observation/o1", "code-unknown", "urn:site|TNT-2 (2)")]


def test_a_tenant_maps_its_own_code_and_its_platform() -> None:
    row = observation("x", valueQuantity=quantity(14, code="ng/L"))
    row["code"] = {"coding": [{"system": "urn:site", "code": "TNT-2"}]}
    found = only(read(row, local_codes={"urn:site|TNT-2": "hs_troponin_t@elecsys-hs-ctnt"}))
    assert (found.variable, found.assay) == ("hs_troponin_t", "elecsys-hs-ctnt")


def test_a_tenants_word_on_a_code_stands_before_loinc() -> None:
    row = observation("6598-7", valueQuantity=quantity(14, code="ng/L"))
    row["code"]["coding"].append({"system": "urn:site", "code": "TNTHS"})
    assert only(read(row, local_codes={"urn:site|TNTHS": "hs_troponin_t"})).variable == "hs_troponin_t"


def test_a_code_a_tenant_wants_ignored_is_ignored() -> None:
    record = read(lab("8867-4", 80, "/min"), local_codes={f"{LOINC}|8867-4": "ignore"})
    assert reasons(record) == ["ignored-here"]


def test_hs_troponin_i_in_ng_per_ml_is_converted_not_believed_to_be_ng_per_l() -> None:
    assert only(read(lab("89579-7", 0.012, "ng/mL"))).value == 12.0  # CONFORMANCE 58: first row


def test_hs_troponin_t_labelled_troponin_i_is_refused() -> None:
    row = lab("67151-1", 14, "ng/L")  # CONFORMANCE 58: second row
    row["code"] = concept("67151-1", "Troponin I, high sensitivity")
    assert reasons(read(row)) == ["label-contradicts-code"]


def test_bnp_labelled_troponin_t_is_refused() -> None:
    row = lab("30934-4", 14, "ng/L")  # CONFORMANCE 58: third row
    row["code"]["text"] = "Troponin T"
    assert reasons(read(row)) == ["label-contradicts-code"]


def test_a_panel_label_that_names_both_troponins_contradicts_nothing() -> None:
    row = lab("67151-1", 14, "ng/L")
    row["code"]["text"] = "Troponin I / Troponin T panel"
    assert only(read(row)).variable == "hs_troponin_t"


@pytest.mark.parametrize("value", [0.05, 200_000, -3])
def test_an_hs_troponin_outside_what_is_possible_is_refused(value: float) -> None:
    record = read(lab("67151-1", value, "ng/L"))  # CONFORMANCE 58
    assert reasons(record) == ["implausible"]
    assert record.refused[0].detail == f"{value} ng/L"


def test_a_thousandfold_jump_with_a_change_of_unit_is_refused_and_says_why() -> None:
    rows = [
        lab("67151-1", 14, "ng/L", "a", effectiveDateTime="2026-11-23T04:00:00Z"),
        lab("67151-1", 15, "ng/mL", "b", effectiveDateTime="2026-11-23T05:00:00Z"),
        lab("67151-1", 16, "ng/L", "c", effectiveDateTime="2026-11-23T06:00:00Z"),
    ]
    record = read(*rows)  # CONFORMANCE 58
    assert [row.value for row in record.measurements] == [14, 16]
    assert [tuple(r) for r in record.refused] == [("Observation/b", "unit-jump", "15 ng/mL after 14 ng/L")]


def test_a_true_rise_in_the_same_unit_is_kept_however_steep() -> None:
    rows = [
        lab("67151-1", 12, "ng/L", "a", effectiveDateTime="2026-11-23T04:00:00Z"),
        lab("67151-1", 9000, "ng/L", "b", effectiveDateTime="2026-11-23T05:00:00Z"),
    ]
    assert [row.value for row in read(*rows).measurements] == [12, 9000]


def test_a_later_row_does_not_change_what_stood_before_it() -> None:
    first = lab("67151-1", 14, "ng/L", "a", effectiveDateTime="2026-11-23T04:00:00Z")
    slip = lab("67151-1", 15, "ng/mL", "b", effectiveDateTime="2026-11-23T05:00:00Z")
    early = datetime(2026, 11, 23, 4, 30, tzinfo=UTC)
    assert read(first, slip).at(early).measurements == read(first).at(early).measurements


@pytest.mark.parametrize(
    ("sent", "percent"),
    [
        (quantity(40, code="%"), 40.0),
        (quantity(0.40, code="{fraction}"), 40.0),
        (quantity(0.40, code="1"), 40.0),
        (quantity(0.209, code="{fraction}"), 21.0),
        (quantity(20.9, "%"), 21.0),
    ],
)
def test_inspired_oxygen_is_read_by_unit_and_by_range(sent: Resource, percent: float) -> None:
    row = only(read(observation("3150-0", valueQuantity=sent)))  # CONFORMANCE 61
    assert (row.variable, row.value) == ("fio2", percent)


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (quantity(40), "unit-missing"),
        (quantity(400, code="%"), "implausible"),
        (quantity(0.40, code="%"), "implausible"),
        (quantity(40, code="{fraction}"), "implausible"),
        (quantity(6, "L/min", "L/min"), "unit-unknown"),
    ],
)
def test_inspired_oxygen_that_is_neither_is_refused(sent: Resource, reason: str) -> None:
    assert reasons(read(observation("3150-0", valueQuantity=sent))) == [reason]  # CONFORMANCE 61


def test_oxygen_flow_has_its_own_code() -> None:
    row = only(read(lab("3151-8", 6, "L/min")))
    assert (row.variable, row.value) == ("o2_flow", 6)


@pytest.mark.parametrize(
    ("sent", "value", "bound"),
    [
        ({"valueQuantity": quantity(5, code="ng/L", comparator="<")}, 5.0, "<"),
        ({"valueQuantity": quantity(5, code="ng/L", comparator="<=")}, 5.0, "<"),
        ({"valueQuantity": quantity(10000, code="ng/L", comparator=">")}, 10000.0, ">"),
        ({"valueQuantity": quantity(10000, code="ng/L", comparator=">=")}, 10000.0, ">"),
        ({"valueString": "<6 ng/L"}, 6.0, "<"),
        ({"valueString": "≤ 0,01 ng/mL"}, 10.0, "<"),
        ({"valueString": "14.2 ng/L"}, 14.2, ""),
        ({"valueString": "<6", "referenceRange": [{"high": quantity(14, code="ng/L")}]}, 6.0, "<"),
    ],
)
def test_a_value_below_the_limit_is_censored_not_missing(sent: Resource, value: float, bound: str) -> None:
    row = only(read(observation("67151-1", **sent)))  # CONFORMANCE 49
    assert (row.value, row.bound) == (value, bound)


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        ({"valueString": "Hemolyzed"}, "not-a-number"),
        ({"valueString": "<6"}, "unit-missing"),
        ({"valueString": "1,200 ng/L"}, "not-a-number"),
        ({"valueInteger": 12}, "unit-missing"),
        ({"valueCodeableConcept": {"text": "positive"}}, "form-not-read"),
        ({"valueRange": {"low": quantity(1, code="ng/L")}}, "form-not-read"),
        ({"valueBoolean": True}, "form-not-read"),
        ({"dataAbsentReason": concept("not-performed")}, "no-value"),
        ({}, "no-value"),
        ({"valueQuantity": {"unit": "ng/L"}}, "no-value"),
        ({"valueQuantity": quantity("14", code="ng/L")}, "not-a-number"),
        ({"valueQuantity": quantity(True, code="ng/L")}, "not-a-number"),
        ({"valueQuantity": quantity(float("nan"), code="ng/L")}, "not-a-number"),
        ({"valueQuantity": quantity(14, code="ng/L", comparator="~")}, "comparator-unknown"),
    ],
)
def test_what_is_no_number_is_refused_and_says_why(sent: Resource, reason: str) -> None:
    record = read(observation("67151-1", **sent))  # CONFORMANCE 49
    assert record.measurements == ()
    assert reasons(record) == [reason]


# --- vital signs, panels, scores


def test_a_blood_pressure_panel_gives_both_pressures() -> None:
    row = observation(
        "85354-9",
        component=[
            {"code": concept("8480-6"), "valueQuantity": quantity(118, code="mm[Hg]")},
            {"code": concept("8462-4"), "valueQuantity": quantity(72, code="mm[Hg]")},
        ],
    )  # CONFORMANCE 60
    assert {m.variable: m.value for m in read(row).measurements} == {"sbp": 118, "dbp": 72}


def test_a_pulse_oximetry_row_gives_saturation_flow_and_concentration() -> None:
    row = observation(
        "59408-5",
        valueQuantity=quantity(91, code="%"),
        component=[
            {"code": concept("3151-8"), "valueQuantity": quantity(6, code="L/min")},
            {"code": concept("3150-0"), "valueQuantity": quantity(44, code="%")},
        ],
    )  # CONFORMANCE 60
    row["code"]["coding"].append({"system": LOINC, "code": "2708-6"})
    assert {m.variable: m.value for m in read(row).measurements} == {"spo2": 91, "o2_flow": 6, "fio2": 44}


def test_arterial_saturation_is_pulse_oximetry_only_among_the_vital_signs() -> None:
    vital = lab("2708-6", 94, "%", category=[concept("vital-signs", system="urn:cat")])
    assert only(read(vital)).variable == "spo2"
    assert (
        only(read(lab("2708-6", 94, "%", category=[concept("laboratory", system="urn:cat")]))).variable
        == "sao2"
    )


def test_one_bad_component_loses_only_itself() -> None:
    row = observation(
        "85354-9",
        component=[
            {"code": concept("8480-6"), "valueQuantity": quantity(118, code="mm[Hg]")},
            {"code": concept("8462-4"), "valueQuantity": quantity(72)},
            {"code": "8462-4"},
        ],
    )
    record = read(row)
    assert only(record).variable == "sbp"
    assert reasons(record) == ["unit-missing", "malformed"]


def test_fahrenheit_is_converted() -> None:
    assert only(read(lab("8310-5", 100.4, "[degF]"))).value == 38.0


def test_kilopascals_are_converted_and_venous_gas_is_kept_apart() -> None:
    record = read(lab("2019-8", 8.0, "kPa"), lab("2021-4", 8.0, "kPa", "venous"))  # CONFORMANCE 64
    assert only(record).value == pytest.approx(60.005, abs=0.01)
    assert reasons(record) == ["venous-gas"]


def test_a_coma_score_is_the_total_or_the_sum_of_its_parts() -> None:
    total = lab("9269-2", 14, "{score}", "total", effectiveDateTime="2026-11-23T05:00:00Z")
    parts = [
        lab(code, points, "{score}", key)
        for key, code, points in (("e", "9267-6", 3), ("v", "9270-0", 4), ("m", "9268-4", 6))
    ]
    record = read(total, *parts)  # CONFORMANCE 63
    assert [(m.value, m.source.value_sent) for m in record.measurements] == [(14, "14"), (13, "E3 V4 M6")]


def test_an_intubated_patients_verbal_score_counts_one_and_is_marked() -> None:
    row = observation(
        "9269-2",
        component=[
            {"code": concept("9267-6"), "valueInteger": 4},
            {"code": concept("9270-0"), "valueString": "1T"},
            {"code": concept("9268-4"), "valueCodeableConcept": concept("LA6567-7")},
        ],
    )  # CONFORMANCE 63
    found = only(read(row))
    assert (found.value, found.source.value_sent) == (11, "E4 V1T M6")
    assert only(read(observation("9269-2", valueString="11T"))).source.value_sent == "11T"


def test_two_parts_of_a_coma_score_make_no_total() -> None:
    record = read(lab("9267-6", 3, "{score}", "e"), lab("9268-4", 6, "{score}", "m"))
    assert record.measurements == ()


@pytest.mark.parametrize(
    ("code", "level"),
    [
        ("722742002", "room air"),
        ("336623009", "nasal cannula"),
        ("336602003", "simple mask"),
        ("428285009", "Venturi mask"),
        ("427591007", "non-rebreather mask"),
        ("426294006", "face tent"),
        ("426854004", "high-flow nasal cannula"),
        ("428311008", "non-invasive ventilation"),
        ("129121000", "invasive ventilation"),
    ],
)
def test_an_oxygen_device_is_read_as_its_level(code: str, level: str) -> None:
    row = observation("107117-4", valueCodeableConcept=concept(code, system=SNOMED))  # CONFORMANCE 62
    found = only(read(row))
    assert vocabulary()["oxygen_device"].levels[int(found.value)] == level


def test_an_unmapped_flowsheet_string_is_unknown_and_a_mapped_one_is_read() -> None:
    row = observation("107117-4", valueString="HFNC 40L")  # CONFORMANCE 62
    assert reasons(read(row)) == ["level-unknown"]
    assert only(read(row, local_codes={"|HFNC 40L": "oxygen_device=high-flow nasal cannula"})).value == 6


def test_consciousness_is_read_from_snomed() -> None:
    row = observation("80288-4", valueCodeableConcept=concept("300202002", system=SNOMED))
    assert (only(read(row)).variable, only(read(row)).value) == ("avpu", 2)


# --- status, time


@pytest.mark.parametrize("status", ["entered-in-error", "cancelled", "registered", None, "FINAL"])
def test_a_row_that_is_not_a_result_is_dropped(status: str | None) -> None:
    record = read(lab("8867-4", 80, "/min", status=status))  # CONFORMANCE 48
    assert record.measurements == ()
    assert reasons(record) == ["status"]


@pytest.mark.parametrize(
    ("status", "flag"), [("final", False), ("amended", False), ("corrected", False), ("preliminary", True)]
)
def test_a_preliminary_result_is_used_and_flagged(status: str, flag: bool) -> None:
    assert only(read(lab("8867-4", 80, "/min", status=status))).preliminary is flag  # CONFORMANCE 48


@pytest.mark.parametrize(
    ("sent", "hour", "minute"),
    [
        ({"effectiveDateTime": "2026-11-23T01:30:00-05:00"}, 6, 30),
        ({"effectiveDateTime": "2026-11-23T06:30:00Z"}, 6, 30),
        ({"effectiveInstant": "2026-11-23T06:30:00.123456789Z"}, 6, 30),
        ({"effectivePeriod": {"start": "2026-11-23T05:00:00Z", "end": "2026-11-23T06:30:00Z"}}, 6, 30),
        ({"effectivePeriod": {"start": "2026-11-23T06:30:00Z"}}, 6, 30),
        ({"effectiveTiming": {"event": ["2026-11-23T05:00:00Z", "2026-11-23T06:30:00Z"]}}, 6, 30),
        ({"effectiveTiming": {"repeat": {"boundsPeriod": {"end": "2026-11-23T06:30:00Z"}}}}, 6, 30),
        ({"issued": "2026-11-23T06:30:00Z"}, 6, 30),
    ],
)
def test_each_form_of_time_is_read_as_the_same_instant(sent: Resource, hour: int, minute: int) -> None:
    row = lab("8867-4", 80, "/min")  # CONFORMANCE 47
    del row["effectiveDateTime"]
    found = only(read(row | sent)).time
    assert (found.hour, found.minute, found.utcoffset()) == (hour, minute, timedelta(0))


def test_a_time_that_is_only_the_issue_is_said_so() -> None:
    rows = [lab("8867-4", 80, "/min", key, issued=TAKEN) for key in "ab"]
    for row in rows:
        del row["effectiveDateTime"]
    assert [tuple(r) for r in read(*rows).refused] == [("Observation/a", "time-is-issued", "(2)")]


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        ({}, "no-time"),
        ({"effectiveDateTime": "2026-11"}, "time-too-coarse"),
        ({"effectiveDateTime": "2026"}, "time-too-coarse"),
        ({"effectiveDateTime": "2026-11-23T06:00:00"}, "time-without-zone"),
        ({"effectiveDateTime": "yesterday"}, "time-unreadable"),
        ({"effectiveDateTime": "2026-02-31"}, "time-unreadable"),
        ({"effectiveDateTime": 20261123}, "time-unreadable"),
        ({"effectiveDateTime": TAKEN, "issued": "soon"}, "time-unreadable"),
        ({"effectivePeriod": {}}, "no-time"),
    ],
)
def test_a_row_without_an_instant_is_refused(sent: Resource, reason: str) -> None:
    row = lab("8867-4", 80, "/min")  # CONFORMANCE 47
    del row["effectiveDateTime"]
    assert reasons(read(row | sent)) == [reason]


def test_a_date_without_a_time_of_day_stands_at_the_end_of_that_day_there() -> None:
    row = lab("29463-7", 80, "kg", effectiveDateTime="2026-11-23")  # CONFORMANCE 47
    found = only(read(row, zone=ZoneInfo("America/New_York")))
    assert found.time == datetime(2026, 11, 24, 4, 59, 59, tzinfo=UTC)


def test_a_date_stands_where_it_was_issued_if_that_was_the_same_day() -> None:
    row = lab("29463-7", 80, "kg", effectiveDateTime="2026-11-23", issued="2026-11-23T09:00:00Z")
    assert only(read(row)).time == datetime(2026, 11, 23, 9, tzinfo=UTC)
    late = lab("29463-7", 80, "kg", effectiveDateTime="2026-11-22", issued="2026-11-23T09:00:00Z")
    assert only(read(late)).time == datetime(2026, 11, 22, 23, 59, 59, tzinfo=UTC)


def test_the_night_the_clocks_go_back_keeps_its_order() -> None:
    rows = [
        lab("8867-4", 81, "/min", "first", effectiveDateTime="2026-10-25T02:30:00+02:00"),
        lab("8867-4", 82, "/min", "second", effectiveDateTime="2026-10-25T02:10:00+01:00"),
    ]  # CONFORMANCE 47
    chart = read(*reversed(rows)).at(NOON)
    assert [m.value for m in chart.measurements["hr"]] == [81, 82]


def test_a_result_counts_from_when_it_was_issued() -> None:
    row = lab("67151-1", 14, "ng/L", issued="2026-11-23T07:10:00Z")
    record = read(row)
    assert record.at(datetime(2026, 11, 23, 7, tzinfo=UTC)).measurements == {}
    seen = record.at(datetime(2026, 11, 23, 7, 10, tzinfo=UTC)).latest("hs_troponin_t")
    assert seen is not None
    assert seen.time.hour == 6


def test_a_modifier_extension_nobody_knows_keeps_the_row_out() -> None:
    row = lab("8867-4", 80, "/min", modifierExtension=[{"url": "urn:not", "valueBoolean": True}])
    assert reasons(read(row)) == ["modifier-extension"]


# --- reference limits and platforms


def test_the_upper_limit_comes_with_the_result_in_the_same_unit() -> None:
    row = lab("67151-1", 20, "ng/L", referenceRange=[{"high": quantity(0.014, code="ng/mL")}])
    assert only(read(row)).reference_high == 14.0  # CONFORMANCE 59


def test_without_a_range_there_is_no_limit() -> None:
    assert only(read(lab("89579-7", 20, "ng/L"))).reference_high is None  # CONFORMANCE 59


def test_the_limit_for_the_patients_sex_is_taken() -> None:
    ranges = [
        {"high": quantity(16, code="ng/L"), "appliesTo": [concept("female", system="urn:sex")]},
        {"high": quantity(34, code="ng/L"), "appliesTo": [concept("male", system="urn:sex")]},
    ]
    row = lab("89579-7", 20, "ng/L", referenceRange=ranges)  # CONFORMANCE 59
    woman = {"resourceType": "Patient", "id": "1", "gender": "female"}
    assert only(read(woman, row)).reference_high == 16
    assert only(read(row)).reference_high is None


def test_a_critical_range_is_no_reference_limit() -> None:
    ranges = [{"high": quantity(100, code="ng/L"), "type": concept("critical", system="urn:t")}]
    assert only(read(lab("67151-1", 20, "ng/L", referenceRange=ranges))).reference_high is None


@pytest.mark.parametrize(
    ("code", "more", "assay"),
    [
        ("67151-1", {"method": {"text": "Elecsys Troponin T hs"}}, "elecsys-hs-ctnt"),
        ("89579-7", {"device": {"display": "ARCHITECT i2000SR"}}, "architect-hs-ctni"),
        ("89579-7", {"device": {"reference": "Device/d"}}, "pathfast-hs-ctni"),
        ("89579-7", {"method": {"text": "Elecsys"}}, ""),
        ("10839-9", {"method": {"text": "Architect"}}, ""),
        ("67151-1", {}, ""),
    ],
)
def test_the_platform_is_named_by_method_or_device(code: str, more: Resource, assay: str) -> None:
    device = {"resourceType": "Device", "id": "d", "deviceName": [{"name": "PATHFAST analyser"}]}
    assert only(read(device, lab(code, 20, "ng/L", **more))).assay == assay


# --- whose row


@pytest.mark.parametrize(
    ("reference", "ours"),
    [
        ("Patient/1", True),
        ("Patient/1/_history/3", True),
        ("https://here.example/fhir/Patient/1", True),
        ("https://elsewhere.example/fhir/Patient/1", False),
        ("Patient/12", False),
        ("xPatient/1", False),
        ("urn:uuid:1", False),
        ("", False),
    ],
)
def test_a_reference_is_to_this_patient(reference: str, ours: bool) -> None:
    assert refers_to(reference, "1", "https://here.example/fhir/") is ours


@pytest.mark.parametrize(
    "subject", [{"reference": "Patient/2"}, {"display": "Patient 1"}, None, "Patient/1", {}]
)
def test_a_row_of_another_patient_or_of_nobody_is_kept_out(subject: Any) -> None:
    record = read(lab("8867-4", 80, "/min", subject=subject))  # CONFORMANCE 37
    assert record.measurements == ()
    assert reasons(record) == ["other-patient"]


def test_the_same_resource_twice_counts_once_in_its_newest_version() -> None:
    old = lab("8867-4", 80, "/min", meta={"versionId": "9", "lastUpdated": "2026-11-23T06:00:00Z"})
    new = lab("8867-4", 90, "/min", meta={"versionId": "10", "lastUpdated": "2026-11-23T06:05:00Z"})
    assert [m.value for m in read(new, old, new).measurements] == [90]
    assert only(read(old, new)).source.version == "10"


def test_rows_inside_a_report_are_read_and_named_after_it() -> None:
    held = lab("2160-0", 1.1, "mg/dL", "inner")
    del held["subject"]
    report = {
        "resourceType": "DiagnosticReport",
        "id": "r",
        "status": "final",
        "subject": {"reference": "Patient/1"},
        "contained": [held, lab("2160-0", 9, "mg/dL", "x", subject={"reference": "Patient/2"})],
    }
    record = read(report)  # CONFORMANCE 66
    assert only(record).source.resource == "DiagnosticReport/r#inner"
    assert reasons(record) == ["other-patient"]
    assert read(report | {"status": "entered-in-error"}).measurements == ()


def test_a_grouping_row_is_no_gap() -> None:
    panel = observation("24336-0", hasMember=[{"reference": "Observation/o2"}])
    record = read(panel, lab("2744-1", 7.31, "[pH]", "o2"))  # CONFORMANCE 66
    assert (only(record).variable, record.refused) == ("ph", ())


def test_of_ten_rows_a_malformed_one_loses_only_itself() -> None:
    rows: list[Any] = [lab("8867-4", 70 + i, "/min", f"o{i}") for i in range(9)]
    rows.insert(
        4,
        {"resourceType": "Observation", "id": "odd", "status": "final", "code": "8867-4"}
        | {"subject": {"reference": "Patient/1"}},
    )
    record = read(*rows)  # CONFORMANCE 38
    assert len(record.measurements) == 9
    assert [tuple(r) for r in record.refused] == [("Observation/odd", "malformed", "AttributeError")]


@pytest.mark.parametrize(
    "junk", [None, 7, "row", [], {}, {"resourceType": "Observation"}, {"resourceType": 3, "id": "x"}]
)
def test_what_is_no_resource_is_counted_and_skipped(junk: Any) -> None:
    record = read(junk, lab("8867-4", 80, "/min"))
    assert len(record.measurements) == 1
    assert len(record.refused) == 1


def test_refusals_are_listed_up_to_a_limit_and_then_counted() -> None:
    record = read(*[lab("8867-4", 9999, "/min", f"o{i}") for i in range(LISTED + 7)])
    assert len(record.refused) == LISTED + 1
    assert tuple(record.refused[-1]) == ("", "and-more", "7")


def test_a_day_of_urine_is_not_counted_on_top_of_its_hours() -> None:
    hourly = [
        lab("9187-6", 100, "mL", f"h{i}", effectiveDateTime=f"2026-11-23T0{i}:00:00Z") for i in range(1, 4)
    ]
    total = lab("9192-6", 2400, "mL", "day")
    assert reasons(read(*hourly, total)) == ["running-total"]
    assert only(read(total)).value == 2400


# --- the person and the stay


def test_the_person_is_read_without_a_name() -> None:
    patient = {
        "resourceType": "Patient",
        "id": "1",
        "name": [{"family": "Nobody"}],
        "gender": "female",
        "birthDate": "1950-03-04",
        "communication": [
            {"language": {"coding": [{"code": "en"}]}},
            {"language": {"coding": [{"code": "es-MX"}]}, "preferred": True},
        ],
    }
    person = read(patient).person
    assert (person.birth_date, person.sex, person.language) == (
        datetime(1950, 3, 4, tzinfo=UTC),
        "female",
        "es",
    )
    assert "Nobody" not in repr(read(patient))


def test_an_unreadable_birth_date_loses_only_itself() -> None:
    record = read({"resourceType": "Patient", "id": "1", "gender": "male", "birthDate": "04.03.1950"})
    assert (record.person.birth_date, record.person.sex) == (None, "male")
    assert reasons(record) == ["birth-date-unreadable"]


def row_of(kind: str, key: str, **more: Any) -> Resource:
    return {"resourceType": kind, "id": key, "subject": {"reference": "Patient/1"}} | more


def encounter(key: str, start: str, end: str | None = None, **more: Any) -> Resource:
    period = {"start": start} | ({"end": end} if end else {})
    usual = {"status": "in-progress", "class": {"code": "IMP"}, "period": period}
    return row_of("Encounter", key, **(usual | more))


def test_an_admission_is_a_stay_and_a_clinic_visit_is_not() -> None:
    stay = encounter("a", "2026-11-22T08:00:00Z")
    visit = encounter("b", "2026-11-23T08:00:00Z", **{"class": {"code": "AMB"}})
    planned = encounter("c", "2026-11-23T09:00:00Z", status="planned")
    assert at(read(stay, visit, planned)).admitted == datetime(2026, 11, 22, 8, tzinfo=UTC)


def test_intensive_care_is_known_by_its_place() -> None:
    where = {"location": {"reference": "Location/u"}, "period": {"start": "2026-11-22T20:00:00Z"}}
    stay = encounter("a", "2026-11-22T08:00:00Z", location=[where, {"location": {"display": "Ward 4"}}])
    unit = {"resourceType": "Location", "id": "u", "type": [concept("ICU", system="urn:role")]}
    begun = at(read(stay, unit)).begun("icu")
    assert begun is not None
    assert begun.start.hour == 20


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        (
            row_of(
                "Procedure",
                "p",
                status="in-progress",
                code=concept("40617009", system=SNOMED),
                performedPeriod={"start": TAKEN},
            ),
            "ventilation",
        ),
        (
            row_of(
                "Procedure",
                "p",
                status="completed",
                code=concept("112798008", system=SNOMED),
                performedDateTime=TAKEN,
            ),
            "ventilation",
        ),
        (
            row_of(
                "Procedure",
                "p",
                status="in-progress",
                code=concept("428311008", system=SNOMED),
                performedDateTime=TAKEN,
            ),
            "niv",
        ),
        (
            row_of(
                "DeviceUseStatement",
                "d",
                status="active",
                device={"reference": "Device/t"},
                timingDateTime=TAKEN,
            ),
            "ventilation",
        ),
        (observation("20124-4", valueString="PRVC"), "ventilation"),
        (observation("20124-4", valueCodeableConcept={"text": "NIV S/T"}), "niv"),
        (observation("20112-9", valueQuantity=quantity(420, code="mL")), "ventilation"),
        (observation("107117-4", valueCodeableConcept=concept("426854004", system=SNOMED)), "high-flow"),
        (observation("107117-4", valueCodeableConcept=concept("129121000", system=SNOMED)), "ventilation"),
    ],
)
def test_breathing_support_is_known_from(row: Resource, kind: str) -> None:
    tube = {
        "resourceType": "Device",
        "id": "t",
        "type": concept("129121000", system=SNOMED),
    }  # CONFORMANCE 62
    chart = at(read(row, tube))
    assert {event.kind for event in chart.events} == {kind}
    assert chart.begun(kind) is not None


@pytest.mark.parametrize(
    "row",
    [
        row_of(
            "Procedure",
            "p",
            status="not-done",
            code=concept("40617009", system=SNOMED),
            performedDateTime=TAKEN,
        ),
        row_of(
            "Procedure",
            "p",
            status="preparation",
            code=concept("112798008", system=SNOMED),
            performedDateTime=TAKEN,
        ),
        row_of(
            "Procedure",
            "p",
            status="completed",
            code=concept("371907003", system=SNOMED),
            performedDateTime=TAKEN,
        ),
        observation("20077-4", valueQuantity=quantity(8, code="cm[H2O]")),
        observation("20124-4", valueString="Standby"),
        observation("20112-9", valueQuantity=quantity(0, code="mL")),
    ],
)
def test_nothing_has_begun_by_a_plan_an_oxygen_cannula_or_peep_alone(row: Resource) -> None:
    assert at(read(row)).events == ()


def test_high_flow_ends_where_another_device_is_charted() -> None:
    rows = [
        observation(
            "107117-4",
            key,
            valueCodeableConcept=concept(code, system=SNOMED),
            effectiveDateTime=f"2026-11-23T0{hour}:00:00Z",
        )
        for key, code, hour in (("a", "426854004", 2), ("b", "426854004", 4), ("c", "336623009", 6))
    ]
    (event,) = read(*rows).events
    assert (event.kind, event.start.hour, event.end and event.end.hour) == ("high-flow", 2, 6)


def test_settings_of_an_earlier_stay_do_not_ventilate_the_present_one() -> None:
    old = observation("20124-4", "m", valueString="AC/VC", effectiveDateTime="2026-10-02T06:00:00Z")
    stays = (
        encounter("a", "2026-10-01T08:00:00Z", "2026-10-09T08:00:00Z"),
        encounter("b", "2026-11-22T08:00:00Z"),
    )
    assert at(read(old, *stays)).begun("ventilation") is None


@pytest.mark.parametrize(
    ("done", "status", "ventilated"),
    [
        ("2026-10-02T06:00:00Z", "completed", False),  # of a stay before: the tube is out
        ("2026-10-02T06:00:00Z", "in-progress", True),  # nobody said that it is over
        ("2026-11-21T20:00:00Z", "completed", True),  # on the way here: it came along
        ("2026-11-22T09:00:00Z", "completed", True),
    ],
)
def test_an_intubation_of_an_earlier_stay_does_not_ventilate_the_present_one(
    done: str, status: str, ventilated: bool
) -> None:
    tube = row_of(
        "Procedure", "p", status=status, code=concept("112798008", system=SNOMED), performedDateTime=done
    )
    stays = (
        encounter("a", "2026-10-01T08:00:00Z", "2026-10-09T08:00:00Z"),
        encounter("b", "2026-11-22T08:00:00Z"),
    )
    chart = at(read(tube, *stays))
    assert bool(chart.begun("ventilation")) is ventilated
    assert bool(gates.ventilated(chart)) is ventilated


def test_conditions_the_rules_caution_on_are_read_and_refuted_ones_are_not() -> None:
    icd = "http://hl7.org/fhir/sid/icd-10-cm"
    rows = [
        row_of("Condition", "a", code=concept("N18.5", system=icd)),
        row_of("Condition", "b", code=concept("13645005", system=SNOMED)),
        row_of(
            "Condition",
            "c",
            code=concept("I25.10", system=icd),
            verificationStatus=concept("refuted", system="urn:v"),
        ),
        row_of("Condition", "d", code=concept("J18.9", system=icd)),
    ]
    assert read(*rows).person.conditions == {"kidney-disease", "copd"}


# --- whatever comes


def everything() -> list[Resource]:
    """A valid bundle's worth of each kind of row."""
    period = {"start": TAKEN}
    women = [{"high": quantity(14, code="ng/L"), "appliesTo": [concept("female")]}]
    coma = [
        {"code": concept("9267-6"), "valueInteger": 4},
        {"code": concept("9270-0"), "valueString": "1T"},
        {"code": concept("9268-4"), "valueCodeableConcept": concept("LA6567-7")},
    ]
    tube = {"resourceType": "Device", "id": "x", "type": concept("129121000", system=SNOMED)}
    ventilated = concept("40617009", system=SNOMED)
    kidneys = concept("N18.5", system="http://hl7.org/fhir/sid/icd-10")
    high_flow = concept("426854004", system=SNOMED)
    pressure = {"code": concept("8480-6"), "valueQuantity": quantity(118, code="mm[Hg]")}
    return [
        {"resourceType": "Patient", "id": "1", "gender": "female", "birthDate": "1950-03-04"}
        | {"communication": [{"language": concept("es")}]},
        encounter(
            "e",
            TAKEN,
            contained=[{"resourceType": "Location", "id": "b", "partOf": {"reference": "Location/l"}}],
            location=[
                {"location": {"reference": "#b"}, "status": "active", "physicalType": concept("bd")},
                {
                    "location": {"display": "Medical ICU 2", "identifier": {"value": "M2"}},
                    "period": period,
                    "status": "completed",
                },
            ],
            meta={"lastUpdated": TAKEN},
        ),
        lab("67151-1", 14, "ng/L", "t", method={"text": "Elecsys"}, referenceRange=women),
        observation("67151-1", "s", valueString="<6 ng/L", issued=TAKEN),
        observation("85354-9", "bp", component=[pressure]),
        observation("9269-2", "g", component=coma),
        observation("107117-4", "dev", valueCodeableConcept=high_flow, effectivePeriod=period),
        observation("20124-4", "mode", valueString="AC", effectiveTiming={"event": [TAKEN]}),
        lab("9192-6", 2400, "mL", "u", meta={"versionId": "1", "lastUpdated": TAKEN}),
        row_of("Procedure", "p", status="completed", code=ventilated, performedPeriod=period),
        row_of("DeviceUseStatement", "d", status="active", device={"reference": "#x"}, timingPeriod=period)
        | {"contained": [tube]},
        row_of("Condition", "c", code=kidneys, verificationStatus=concept("confirmed")),
        row_of("DiagnosticReport", "r", status="final", contained=[lab("2160-0", 1.1, "mg/dL", "i")]),
        {"resourceType": "Device", "id": "dv", "deviceName": [{"name": "Elecsys"}], "type": concept("x")},
        {"resourceType": "Location", "id": "l", "name": "ICU", "type": [concept("ICU")]},
        {"resourceType": "Bundle", "type": "searchset"}
        | {"entry": [{"resource": lab("8867-4", 80, "/min", "in-bundle")}]},
    ]


JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.just(10**400),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(
        [
            "final",
            "Patient/2",
            "2026-11-23",
            "0001-01-01T00:00:00+14:00",
            "9999-12-31T23:59:59-14:00",
            "²",
            "1e999",
        ]
    ),
    st.lists(
        st.none() | st.integers() | st.dictionaries(st.text(max_size=4), st.integers(), max_size=2),
        max_size=3,
    ),
    st.dictionaries(
        st.sampled_from(["coding", "code", "start", "value", "text"]),
        st.none() | st.integers() | st.text(max_size=3),
    ),
)


def places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a JSON tree, as a path."""
    found = [path] if path else []
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        found += places(child, (*path, key))
    return found


PLACES = places(everything())


def observations_last(rows: list[Any]) -> list[Any]:
    """The order a bulk export is read in."""
    return sorted(rows, key=lambda row: isinstance(row, dict) and row.get("resourceType") == "Observation")


def gist(record: Record) -> Any:
    """What a record says, whatever order its rows came in."""
    return (
        record.person,
        at(record).person.care_unit,
        sorted(map(repr, record.measurements)),
        sorted(map(repr, record.events)),
        sorted(map(repr, record.refused)),
    )


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    changes=st.lists(st.tuples(st.sampled_from(PLACES), JUNK | st.just("drop it")), min_size=1, max_size=4)
)
def test_any_mutation_of_a_valid_bundle_gives_a_record_or_a_named_refusal(
    changes: list[tuple[tuple[Any, ...], Any]],
) -> None:
    rows = copy.deepcopy(everything())
    for path, junk in changes:
        node: Any = rows
        try:
            for key in path[:-1]:
                node = node[key]
            if junk == "drop it":
                del node[path[-1]]
            else:
                node[path[-1]] = junk
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took that place away
    try:
        record = read_record("1", rows)
    except EhrError:
        return
    last = observations_last(rows)
    assert gist(read_record("1", last, in_order=True)) == gist(read_record("1", last))
    chart = record.at(NOON)
    assert all(low.value == low.value for rows in chart.measurements.values() for low in rows)  # never NaN


def test_a_newer_version_that_comes_later_replaces_all_of_the_older_one() -> None:
    held = lab("2160-0", 1.1, "mg/dL", "inner")
    old = lab("8867-4", 80, "/min", meta={"versionId": "1"}, contained=[held], issued=TAKEN)
    del old["effectiveDateTime"]
    new = lab("8867-4", 90, "/min", meta={"versionId": "2"})
    for rows in ([old, new], [new, old]):
        record = read(*rows, in_order=True)
        assert [m.value for m in record.measurements] == [90]
        assert record.refused == ()


def test_every_row_of_the_valid_bundle_is_used() -> None:
    record = read(*everything())
    assert record.refused == ()
    assert {event.kind for event in record.events} == {"admission", "icu", "ventilation", "high-flow"}


def test_a_hole_in_a_bundle_loses_nothing_else() -> None:
    bundle = {
        "resourceType": "Bundle",
        "entry": [None, {"resource": lab("8867-4", 80, "/min")}, {"resource": 3}],
    }
    record = read(bundle)
    assert only(record).value == 80
    assert reasons(record) == ["malformed"]


@pytest.mark.slow
def test_reading_costs_little_more_than_parsing() -> None:
    rows = [lab("8867-4", 60 + i % 40, "/min", f"o{i}", issued=TAKEN) for i in range(4000)]
    raw = json.dumps(rows)

    def best(work: Any) -> float:
        times = []
        for _ in range(5):
            start = stopwatch.perf_counter()
            work()
            times.append(stopwatch.perf_counter() - start)
        return min(times)

    assert best(lambda: read_record("1", rows)) < 6 * best(lambda: json.loads(raw))


@pytest.mark.parametrize("version", [7, True, 2940769528055, ["3"], {"a": 1}])
def test_a_version_that_is_no_text_is_kept_as_one(version: Any) -> None:
    record = read(lab("2160-0", 1.1, "mg/dL") | {"meta": {"versionId": version}})
    assert isinstance(only(record).source.version, str)
