"""What a card may offer to order: a whole draft, by its codes, for the moment it was computed for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fhirclient.models.servicerequest import ServiceRequest

from ehr.errors import MalformedRequest
from ehr.offers import ARTERIAL_GAS, KINDS, REPEAT_TROPONIN, Draft, code_of, ordered_already, service_request
from tests.ehr.test_codes import luhn, verhoeff

NOW = datetime(2026, 11, 23, 7, 30, tzinfo=UTC)
TROPONINS = ("hs_troponin_t", "hs_troponin_i", "troponin_t", "troponin_i")
EVERY = [(kind, "") for kind in KINDS if kind != REPEAT_TROPONIN] + [(REPEAT_TROPONIN, t) for t in TROPONINS]


def draft(kind: str = ARTERIAL_GAS, **changes: Any) -> Draft:
    told: dict[str, Any] = {
        "kind": kind,
        "text": "Arterial blood gas",
        "reason": "NEWS2 is 9.",
        "patient": "p1",
        "encounter": "e1",
        "requester": "Practitioner/7",
        "authored": NOW,
    }
    return Draft(**(told | changes))


@pytest.mark.parametrize(("kind", "variable"), EVERY)
def test_every_offer_has_a_code_whose_check_digit_holds(kind: str, variable: str) -> None:
    system, code, display = code_of(kind, variable)
    assert display
    if system == "http://loinc.org":
        body, digit = code.split("-")
        assert luhn(body) == int(digit)
    else:
        assert system == "http://snomed.info/sct"
        assert verhoeff(code)


@pytest.mark.parametrize(("kind", "variable"), EVERY)
def test_an_offer_is_a_whole_draft_order_of_this_patient(kind: str, variable: str) -> None:
    # CONFORMANCE 80
    made = service_request(draft(kind, variable=variable, at=NOW + timedelta(minutes=19)))
    ServiceRequest(made)  # R4's own model takes it
    assert (made["status"], made["intent"]) == ("draft", "order")
    assert made["subject"] == {"reference": "Patient/p1"}
    assert made["encounter"] == {"reference": "Encounter/e1"}
    assert made["requester"] == {"reference": "Practitioner/7"}
    assert made["occurrenceDateTime"] == "2026-11-23T07:49:00+00:00"
    assert made["code"]["coding"][0]["code"] == code_of(kind, variable)[1]


def test_what_is_not_known_is_left_out_rather_than_empty() -> None:
    # CONFORMANCE 68
    made = service_request(draft(encounter=""))
    assert "encounter" not in made
    assert "occurrenceDateTime" not in made


def test_a_sites_own_code_stands_beside_the_standard_one() -> None:
    codings = service_request(draft(own=("urn:oid:1.2", "ABG", "Gas")))["code"]["coding"]
    assert [coding["code"] for coding in codings] == ["24336-0", "ABG"]


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(MalformedRequest, match="zone"):
        service_request(draft(at=datetime(2026, 11, 23, 8)))  # noqa: DTZ001  naive on purpose


def test_what_is_among_the_drafts_is_ordered_already() -> None:
    window, at = timedelta(minutes=10), NOW + timedelta(minutes=19)
    gas = service_request(draft())
    assert ordered_already(ARTERIAL_GAS, [gas], at=None, variable="", window=window)
    assert not ordered_already("venous-blood-gas", [gas], at=None, variable="", window=window)
    for minutes, there in ((9, True), (10, True), (11, False)):
        planned = service_request(
            draft(REPEAT_TROPONIN, variable="hs_troponin_t", at=at + timedelta(minutes=minutes))
        )
        told = {"at": at, "variable": "hs_troponin_t", "window": window}
        assert ordered_already(REPEAT_TROPONIN, [planned], **told) is there  # type: ignore[arg-type]
    unplanned = service_request(draft(REPEAT_TROPONIN, variable="hs_troponin_t"))
    assert not ordered_already(REPEAT_TROPONIN, [unplanned], at=at, variable="hs_troponin_t", window=window)
