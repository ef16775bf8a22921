"""Codes and units of a whole chart, searched for and sent over HTTP: what arrives is what the tables say."""

from __future__ import annotations

from typing import Any

import pytest

from ehr.reader import read_record
from ehr.records import read_patient
from inference.chart import Record
from tests.ehr.test_reader import LOINC, Resource, concept, lab, observation, quantity, reasons
from tests.ehr.test_records import NOW, Hospital, entry

TIMES = [f"2026-11-23T0{hour}:00:00Z" for hour in range(10)]


def fetched(*rows: Resource, **options: Any) -> Record:
    """The record of a hospital whose laboratory has these observations, and whose reports are the others."""
    hospital = Hospital()
    of = {kind: [row for row in rows if row["resourceType"] == kind] for kind in ("Observation", "DiagnosticReport")}
    hospital.answers = {
        "Observation:laboratory": lambda _: hospital.bundle([entry(row) for row in of["Observation"]]),
        "DiagnosticReport:LAB": lambda _: hospital.bundle([entry(row) for row in of["DiagnosticReport"]]),
    }
    quirks = frozenset({"results-in-reports"} if of["DiagnosticReport"] else ())
    reading = read_patient(hospital.http(), "1", as_of=NOW, quirks=quirks)
    kinds = {request.url.path.split("/")[2] for request in hospital.asked}
    assert {"Patient", "Observation"} <= kinds
    assert ("DiagnosticReport" in kinds) == bool(quirks)
    return read_record("1", reading.resources, **options)


def values(record: Record) -> dict[str, float]:
    return {row.variable: row.value for row in record.measurements}


def test_troponins_arrive_apart_and_in_one_unit_or_are_refused_by_name() -> None:
    # CONFORMANCE 56, 57, 58
    rows = [
        lab("67151-1", 14, "ng/L", "a"),
        lab("89579-7", 26, "ng/L", "b"),
        lab("6598-7", 0.1, "ng/mL", "c"),
        lab("10839-9", 0.3, "ug/L", "d"),
        observation("67151-1", "e", valueQuantity={"value": 14}, effectiveDateTime=TIMES[7]),
        lab("67151-1", 15, "ng/mL", "f", effectiveDateTime=TIMES[8]),
        lab("67151-1", 15, "furlong", "g", effectiveDateTime=TIMES[9]),
    ]
    local = observation("TNT", "h", valueQuantity=quantity(14, code="ng/L"))
    local["code"] = {"coding": [{"system": "urn:site", "code": "TNT"}]}
    record = fetched(*rows, local)
    told = {"hs_troponin_t": 14.0, "hs_troponin_i": 26.0, "troponin_t": 100.0, "troponin_i": 300.0}
    assert values(record) == pytest.approx(told)
    assert sorted(reasons(record)) == ["code-unknown", "unit-jump", "unit-missing", "unit-unknown"]
    mapped = fetched(local, local_codes={"urn:site|TNT": "hs_troponin_t"})
    assert values(mapped) == {"hs_troponin_t": 14.0}


def test_the_laboratorys_own_limit_arrives_in_the_values_unit() -> None:
    # CONFORMANCE 59
    ranged = lab("67151-1", 20, "ng/L", "a", referenceRange=[{"high": quantity(0.014, code="ng/mL")}])
    record = fetched(ranged, lab("89579-7", 20, "ng/L", "b"))
    assert {row.variable: row.reference_high for row in record.measurements} == {
        "hs_troponin_t": 14.0,
        "hs_troponin_i": None,
    }


def test_panels_and_components_arrive_as_the_rows_they_hold() -> None:
    # CONFORMANCE 60
    pressures = [
        {"code": concept("8480-6"), "valueQuantity": quantity(118, code="mm[Hg]")},
        {"code": concept("8462-4"), "valueQuantity": quantity(72, code="mm[Hg]")},
    ]
    oxygen = [
        {"code": concept("3151-8"), "valueQuantity": quantity(6, code="L/min")},
        {"code": concept("3150-0"), "valueQuantity": quantity(44, code="%")},
    ]
    oximetry = observation("59408-5", "b", valueQuantity=quantity(91, code="%"), component=oxygen)
    oximetry["code"]["coding"].append({"system": LOINC, "code": "2708-6"})
    record = fetched(observation("85354-9", "a", component=pressures), oximetry, lab("8310-5", 100.4, "[degF]", "c"))
    told = {"sbp": 118, "dbp": 72, "spo2": 91, "o2_flow": 6, "fio2": 44, "temp": 38.0}
    assert values(record) == pytest.approx(told)


@pytest.mark.parametrize(
    ("sent", "percent", "reason"),
    [
        (quantity(40, code="%"), 40.0, ""),
        (quantity(0.4, code="{fraction}"), 40.0, ""),
        (quantity(0.4, code="1"), 40.0, ""),
        (quantity(40), None, "unit-missing"),
        (quantity(400, code="%"), None, "implausible"),
        (quantity(6, code="L/min"), None, "unit-unknown"),
    ],
)
def test_inspired_oxygen_arrives_by_unit_and_range_or_not_at_all(
    sent: Resource, percent: float | None, reason: str
) -> None:
    # CONFORMANCE 61
    record = fetched(observation("3150-0", valueQuantity=sent))
    assert [row.value for row in record.measurements] == ([] if percent is None else [percent])
    assert reasons(record) == ([reason] if reason else [])


def test_a_flowsheets_device_is_unknown_until_the_site_maps_it() -> None:
    # CONFORMANCE 62
    row = observation("107117-4", valueString="HFNC 40L")
    assert reasons(fetched(row)) == ["level-unknown"]
    mapped = fetched(row, local_codes={"|HFNC 40L": "oxygen_device=high-flow nasal cannula"})
    assert values(mapped) == {"oxygen_device": 6}


def test_a_coma_score_arrives_from_its_parts_and_the_tube_is_marked() -> None:
    # CONFORMANCE 63
    parts = [
        {"code": concept("9267-6"), "valueInteger": 4},
        {"code": concept("9270-0"), "valueString": "1T"},
        {"code": concept("9268-4"), "valueCodeableConcept": concept("LA6567-7")},
    ]
    (found,) = fetched(observation("9269-2", component=parts)).measurements
    assert (found.value, found.source.value_sent) == (11, "E4 V1T M6")


def test_a_gas_in_kilopascals_arrives_in_millimetres_and_a_venous_one_not_at_all() -> None:
    # CONFORMANCE 64
    record = fetched(lab("2019-8", 8.0, "kPa", "a"), lab("2021-4", 8.0, "kPa", "b"))
    assert values(record) == pytest.approx({"pco2": 60.005}, abs=0.01)
    assert reasons(record) == ["venous-gas"]


@pytest.mark.parametrize(
    ("code", "sent", "unit", "variable", "value"),
    [
        ("14682-9", 88.42, "umol/L", "creatinine", 1.0),
        ("2160-0", 1.0, "mg/dL", "creatinine", 1.0),
        ("2345-7", 100.0, "mg/dL", "glucose", 100.0),
        ("2524-7", 18.0, "mg/dL", "lactate", 2.0),
        ("718-7", 120.0, "g/L", "haemoglobin", 12.0),
    ],
)
def test_a_laboratory_value_arrives_in_the_variables_unit(
    code: str, sent: float, unit: str, variable: str, value: float
) -> None:
    # CONFORMANCE 65
    assert values(fetched(lab(code, sent, unit))) == pytest.approx({variable: value}, rel=0.01)


def test_rows_inside_a_report_arrive_under_its_name() -> None:
    # CONFORMANCE 66
    held = lab("2160-0", 1.1, "mg/dL", "inner")
    del held["subject"]
    report = {
        "resourceType": "DiagnosticReport",
        "id": "r",
        "status": "final",
        "subject": {"reference": "Patient/1"},
        "contained": [held],
    }
    panel = observation("24336-0", "p", hasMember=[{"reference": "Observation/q"}])
    record = fetched(report, panel, lab("2744-1", 7.31, "[pH]", "q"))
    assert {row.variable: row.source.resource for row in record.measurements} == {
        "creatinine": "DiagnosticReport/r#inner",
        "ph": "Observation/q",
    }
