"""What is ordered already is not offered again, whether the order was sent along or had to be looked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from inference.assessment import TROPONIN
from tests.webapp.house import House, standing

PATIENT, SERVICE = "first-draw", f"/cds-services/{TROPONIN}"
UNSEEN = "The orders already placed could not be seen"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    yield from standing(tmp_path_factory.mktemp("house"))


@pytest.fixture(autouse=True)
def _tidy(house: House) -> Iterator[None]:
    yield
    house.fair()
    for row in house.hospital._rows.get("ServiceRequest", {}).values():
        row["status"] = "revoked"


def card(house: House, body: dict[str, Any]) -> dict[str, Any]:
    answer = house.post(SERVICE, body)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    (found,) = answer.get_json()["cards"]
    return dict(found)


def with_orders(house: House, body: dict[str, Any]) -> dict[str, Any]:
    """The body, its token widened to the orders."""
    scope = body["fhirAuthorization"]["scope"] + " patient/ServiceRequest.rs"
    token = house.hospital.tokens.issue("ordertime", scope, PATIENT, "okafor", 300)
    body["fhirAuthorization"] |= {"access_token": token, "scope": scope}
    return body


def ordered(house: House, offer: dict[str, Any], **more: Any) -> None:
    """The physician takes the offer in the EHR and signs it."""
    resource = offer["actions"][0]["resource"]
    house.hospital.keep({**resource, "status": "active"} | more)


@pytest.mark.parametrize("sent", [True, False], ids=["prefetched", "fetched"])
def test_a_draw_that_is_ordered_in_the_chart_is_not_offered_again(house: House, sent: bool) -> None:
    (offer,) = card(house, with_orders(house, house.asked(PATIENT, TROPONIN)))["suggestions"]
    assert UNSEEN not in offer["actions"][0]["description"]
    ordered(house, offer)
    body = with_orders(house, house.asked(PATIENT, TROPONIN))
    assert "orders" in body["prefetch"]
    if not sent:
        del body["prefetch"]["orders"]
    again = card(house, body)
    assert "suggestions" not in again
    assert "selectionBehavior" not in again


def test_a_draw_ordered_for_much_later_does_not_stand_in_for_the_one_that_is_due(house: House) -> None:
    (offer,) = card(house, house.asked(PATIENT, TROPONIN))["suggestions"]
    ordered(house, offer, occurrenceDateTime=(house.clock() + timedelta(hours=9)).isoformat())
    assert card(house, house.asked(PATIENT, TROPONIN))["suggestions"]


@pytest.mark.parametrize("weather", ["", "error", "stall"])
def test_orders_that_cannot_be_seen_are_said_on_the_offer_and_cost_no_card(house: House, weather: str) -> None:
    body = house.asked(PATIENT, TROPONIN)  # its token does not open the orders
    if weather:
        body = with_orders(house, body)
        house.weather(weather, match="/fhir/ServiceRequest", **({"seconds": 30} if weather == "stall" else {}))
    del body["prefetch"]["orders"]
    (offer,) = card(house, body)["suggestions"]
    assert UNSEEN in offer["actions"][0]["description"]
    assert UNSEEN in offer["actions"][0]["resource"]["reasonCode"][0]["text"]


def test_a_site_that_offers_nothing_is_not_asked_for_its_orders(house: House) -> None:
    assert all("orders" in one["prefetch"] for one in house.services())
    before = house.rooms.tenants
    (tenant,) = before.all
    plain = replace(tenant, cards=replace(tenant.cards, offers=frozenset()))
    house.rooms.__dict__["tenants"] = replace(before, all=(plain,))
    try:
        assert not any("orders" in one["prefetch"] for one in house.services())
        house.hospital.faults.seen.clear()
        assert card(house, house.asked(PATIENT, TROPONIN))
        assert "/fhir/ServiceRequest" not in [one.path for one in house.hospital.faults.seen]
    finally:
        house.rooms.__dict__["tenants"] = before
