"""The order catalogue in FHIR."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from fhirclient.models.fhirelementfactory import FHIRElementFactory

from demo.advice import in_catalogue
from demo.ordering import with_details
from demo.orders import BY_KEY, CATALOGUE, Order, draft_orders, resource
from tests.demo_patients.test_codes import codings, loinc_digit_holds, snomed_digit_holds

NOW = datetime(2026, 11, 23, 10, 4, 5, tzinfo=UTC)


def order(key: str, **details: str) -> Order:
    item = BY_KEY[key]
    told = {one.name: one.default for one in item.details} | details
    return Order("draft-1", item, "sepsis", "sepsis-stay", "okafor", told)


@pytest.mark.parametrize("key", [one.key for one in CATALOGUE])
@pytest.mark.parametrize("status", ["draft", "active"])
def test_every_order_is_valid_fhir(key: str, status: str) -> None:
    made = resource(order(key), NOW, status)
    FHIRElementFactory.instantiate(made["resourceType"], made)
    assert made["status"] == status
    about = made.get("subject") or made["patient"]
    assert about == {"reference": "Patient/sepsis"}


def test_every_code_in_the_catalogue_passes_its_check_digit() -> None:
    found = {pair for key in BY_KEY for pair in codings(resource(order(key), NOW))}
    loinc = [code for system, code in found if system == "http://loinc.org"]
    snomed = [code for system, code in found if system == "http://snomed.info/sct"]
    assert len(loinc) > 5
    assert len(snomed) > 5
    assert [code for code in loinc if not loinc_digit_holds(code)] == []
    assert [code for code in snomed if not snomed_digit_holds(code)] == []


def test_draft_orders_are_a_bundle_and_selections_name_what_is_in_it() -> None:  # CONFORMANCE 76
    chosen = order("high-flow")
    bundle = draft_orders((chosen,), NOW)
    FHIRElementFactory.instantiate("Bundle", bundle)
    (entry,) = bundle["entry"]
    assert chosen.reference == f"{entry['resource']['resourceType']}/{entry['resource']['id']}"


def test_flow_and_concentration_of_a_high_flow_order_are_parameters() -> None:
    made = resource(order("high-flow", flow="60", fio2="45,5"), NOW)
    assert [one["valueQuantity"]["value"] for one in made["parameter"]] == [60, 45.5]


def test_a_dose_that_is_no_number_stays_in_the_words_only() -> None:
    made: dict[str, Any] = resource(order("morphine", dose="some"), NOW)
    dosage = made["dosageInstruction"][0]
    assert "doseAndRate" not in dosage
    assert "some" in dosage["text"]


def test_details_come_from_the_form_and_stay_within_their_choices() -> None:
    changed = with_details(
        order("oxygen"), {"draft-1.flow": " 6 ", "draft-1.device": "Hair dryer", "draft-2.flow": "9"}
    )
    assert changed.details["flow"] == "6"
    assert changed.details["device"] == "Nasal cannula"
    assert changed.line == "Nasal cannula, Flow 6 L/min, Target SpO₂ 92–96 %, urgent"


def test_a_suggested_resource_is_recognised_by_its_code() -> None:
    assert in_catalogue(resource(order("blood-gas"), NOW)) == "blood-gas"
    assert in_catalogue({"code": {"coding": [{"system": "http://loinc.org", "code": "1-8"}]}}) == ""
