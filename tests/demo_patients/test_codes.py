"""The codes in the charts: LOINC and SNOMED check digits hold, units are UCUM, and the forms are varied."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from demo.patients import everyone
from demo.patients.codes import LOINC, SNOMED

RESOURCES = everyone(datetime(2026, 11, 23, 10, 4, 5, tzinfo=UTC))
DIHEDRAL = (
    "0123456789", "1234067895", "2340178956", "3401289567", "4012395678",
    "5987604321", "6598710432", "7659821043", "8765932104", "9876543210",
)  # fmt: skip
PERMUTED = (
    "0123456789", "1576283094", "5803796142", "8916043527", "9453126870",
    "4286573901", "2793806415", "7046913258",
)  # fmt: skip


def codings(value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        if isinstance(value.get("system"), str) and isinstance(value.get("code"), str):
            yield value["system"], value["code"]
        for inner in value.values():
            yield from codings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from codings(inner)


def loinc_digit_holds(code: str) -> bool:
    number, digit = code.split("-")
    total = 0
    for place, figure in enumerate(reversed(number)):
        doubled = int(figure) * (2 if place % 2 == 0 else 1)
        total += doubled // 10 + doubled % 10
    return (10 - total % 10) % 10 == int(digit)


def snomed_digit_holds(code: str) -> bool:
    check = 0
    for place, figure in enumerate(reversed(code)):
        check = int(DIHEDRAL[check][int(PERMUTED[place % 8][int(figure)])])
    return check == 0


def test_the_check_digits_catch_a_slip() -> None:
    assert loinc_digit_holds("3150-0")
    assert not loinc_digit_holds("3150-6")  # CONFORMANCE 61
    assert snomed_digit_holds("426854004")
    assert not snomed_digit_holds("426854003")


def test_every_loinc_code_passes_its_check_digit() -> None:  # CONFORMANCE 56
    codes = {code for system, code in codings(RESOURCES) if system == LOINC}
    assert len(codes) > 60
    assert [code for code in codes if not loinc_digit_holds(code)] == []


def test_every_snomed_code_passes_its_check_digit() -> None:
    codes = {code for system, code in codings(RESOURCES) if system == SNOMED}
    assert len(codes) > 30
    assert [code for code in codes if not snomed_digit_holds(code)] == []


def observations(patient: str = "") -> list[dict[str, Any]]:
    return [
        r for r in RESOURCES if r["resourceType"] == "Observation" and patient in r["subject"]["reference"]
    ]


@pytest.mark.parametrize(
    ("form", "found"),
    [
        ("a blood pressure panel", lambda r: {"8480-6", "8462-4"} <= components(r)),
        ("a systolic pressure of its own", lambda r: "8480-6" in codes(r)),
        ("a saturation under both codes", lambda r: {"59408-5", "2708-6"} <= codes(r)),
        # CONFORMANCE 60
        ("oxygen as components of the saturation", lambda r: {"3151-8", "3150-0"} <= components(r)),
        # CONFORMANCE 61
        ("a concentration as a fraction", lambda r: "{fraction}" in str(r)),
        # CONFORMANCE 63
        ("a coma score in three parts", lambda r: {"9267-6", "9270-0", "9268-4"} <= components(r)),
        ("a temperature in Fahrenheit", lambda r: unit(r) == "[degF]"),
        # CONFORMANCE 64
        ("a gas in kilopascal", lambda r: unit(r) == "kPa"),
        # CONFORMANCE 65
        ("a creatinine in micromoles", lambda r: unit(r) == "umol/L"),
        # CONFORMANCE 49
        ("a value below the limit", lambda r: r.get("valueQuantity", {}).get("comparator") == "<"),
        # CONFORMANCE 49
        ("a value as a string", lambda r: str(r.get("valueString", "")).startswith("<")),
        ("an unusable string", lambda r: r.get("valueString") == "Hemolyzed"),
        ("an absent value with its reason", lambda r: "dataAbsentReason" in r),
        ("a unit without UCUM", lambda r: "value" in r.get("valueQuantity", {}) and not unit(r)),
        # CONFORMANCE 47
        ("a period instead of a moment", lambda r: "effectivePeriod" in r),
        ("an oxygen device as a concept", lambda r: "107117-4" in codes(r) and "valueCodeableConcept" in r),
        ("a local code beside LOINC", lambda r: "HR" in codes(r) and "8867-4" in codes(r)),
        ("a local code alone", lambda r: codes(r) == {"EWS-OLD"}),
        # CONFORMANCE 59
        ("a reference limit on a troponin", lambda r: "67151-1" in codes(r) and "referenceRange" in r),
        # CONFORMANCE 48
        ("an amended row", lambda r: r["status"] == "amended"),
        ("a corrected row", lambda r: r["status"] == "corrected"),
        ("a preliminary row", lambda r: r["status"] == "preliminary"),
        ("a row entered in error", lambda r: r["status"] == "entered-in-error"),
    ],
)  # fmt: skip
def test_the_charts_hold(form: str, found: Any) -> None:
    assert any(found(row) for row in observations()), form


def test_devices_procedures_and_grouped_reports_are_there_too() -> None:  # CONFORMANCE 62, 66
    kinds = {r["resourceType"] for r in RESOURCES}
    assert {
        "Device",
        "DeviceUseStatement",
        "Procedure",
        "DiagnosticReport",
        "Condition",
        "MedicationRequest",
    } <= kinds
    reports = [r for r in RESOURCES if r["resourceType"] == "DiagnosticReport"]
    assert any("contained" in r for r in reports)
    assert any(len(r["result"]) > 3 for r in reports)


def codes(row: dict[str, Any]) -> set[str]:
    return {coding["code"] for coding in row["code"].get("coding", ())}


def components(row: dict[str, Any]) -> set[str]:
    return {coding["code"] for part in row.get("component", ()) for coding in part["code"]["coding"]}


def unit(row: dict[str, Any]) -> str:
    return str(row.get("valueQuantity", {}).get("code", ""))
