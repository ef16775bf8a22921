"""From choosing an order to signing it: hooks, cards, feedback, launches."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask.testing import FlaskClient

from tests.demo_entry.peers import Pair, card

CHART = "/chart/pneumonia-worsening"
UUID = "6e8f7c1a-0000-4000-8000-000000000001"


def do(client: FlaskClient, path: str, **form: str) -> str:
    answer = client.post(f"{CHART}/{path}", data=form)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return answer.get_data(as_text=True)


def advise(peers: Pair, hook: str, **more: Any) -> None:
    peers.service.answers[hook] = (200, {"cards": [card(peers.service.url, **more)]})


def signed(peers: Pair, kind: str) -> list[dict[str, Any]]:
    found = peers.hospital.search(kind, {"patient": "pneumonia-worsening", "status": "active"})
    return [row for row in found if not row["id"].startswith("pneumonia")]


def test_opening_a_chart_fires_patient_view_and_shows_its_card(page: FlaskClient, peers: Pair) -> None:
    advise(peers, "patient-view")
    shown = page.get(f"{CHART}/advice").get_data(as_text=True)
    assert peers.service.calls[0]["hook"] == "patient-view"
    assert "28 of 100 patients" in shown
    assert "Loopback decision support" in shown


def test_choosing_an_order_fires_order_select_with_it_selected(page: FlaskClient, peers: Pair) -> None:
    # CONFORMANCE 76
    do(page, "orders", item="oxygen")
    do(page, "orders", item="morphine")
    first, second = (call["context"] for call in peers.service.calls)
    assert first["selections"] == ["ServiceRequest/draft-1"]
    assert second["selections"] == ["MedicationRequest/draft-2"]
    drafts = [entry["resource"] for entry in second["draftOrders"]["entry"]]
    assert [one["resourceType"] for one in drafts] == ["ServiceRequest", "MedicationRequest"]
    assert {one["status"] for one in drafts} == {"draft"}
    assert drafts[1]["medicationCodeableConcept"]["coding"][0]["code"] == "7052"


def test_an_order_that_is_not_in_the_catalogue_is_not_found(page: FlaskClient) -> None:
    assert page.post(f"{CHART}/orders", data={"item": "leeches"}).status_code == 404


def test_signing_fires_order_sign_with_the_details_and_stores_the_order(
    page: FlaskClient, peers: Pair
) -> None:
    do(page, "orders", item="high-flow")
    shown = do(page, "sign", **{"draft-1.flow": "60"})
    context = peers.service.calls[-1]["context"]
    assert peers.service.calls[-1]["hook"] == "order-sign"
    assert "selections" not in context
    assert context["draftOrders"]["entry"][0]["resource"]["parameter"][0]["valueQuantity"]["value"] == 60
    assert "Signed" in shown
    (order,) = signed(peers, "DeviceRequest")
    assert order["requester"] == {"reference": "Practitioner/okafor"}
    assert "High-flow nasal cannula" in page.get(CHART).get_data(as_text=True)


def test_with_advice_at_signing_the_order_waits_for_a_second_yes(page: FlaskClient, peers: Pair) -> None:
    advise(peers, "order-sign", indicator="critical")
    do(page, "orders", item="oxygen")
    shown = do(page, "sign")
    assert "Before you sign" in shown
    assert "Critical" in shown
    assert signed(peers, "ServiceRequest") == []
    assert "Signed" in do(page, "sign/confirm")
    assert len(signed(peers, "ServiceRequest")) == 1


def test_one_can_go_back_from_the_advice_to_the_orders(page: FlaskClient, peers: Pair) -> None:
    advise(peers, "order-sign")
    do(page, "orders", item="oxygen")
    do(page, "sign")
    assert "To sign" in do(page, "sign/back")
    assert page.post(f"{CHART}/sign/confirm").status_code == 400
    assert signed(peers, "ServiceRequest") == []


def test_nothing_cannot_be_signed(page: FlaskClient) -> None:
    assert page.post(f"{CHART}/sign").status_code == 400
    assert page.post(f"{CHART}/sign/confirm").status_code == 400


def test_a_service_in_trouble_is_shown_and_does_not_stop_the_physician(
    page: FlaskClient, peers: Pair
) -> None:
    peers.service.answers["order-select"] = (
        503,
        {"resourceType": "OperationOutcome", "issue": [{"code": "timeout"}]},
    )
    shown = do(page, "orders", item="oxygen")
    assert "decision support did not answer (status 503, timeout)" in shown
    peers.service.answers["order-sign"] = (500, "x")
    assert "status 500" in do(page, "sign")
    assert "Signed" in do(page, "sign/confirm")


def test_an_order_taken_back_takes_its_advice_along(page: FlaskClient, peers: Pair) -> None:
    advise(peers, "order-select")
    assert "28 of 100" in do(page, "orders", item="oxygen")
    assert "28 of 100" not in do(page, "orders/draft-1/remove")
    assert page.post(f"{CHART}/orders/draft-1/remove").status_code == 404


def test_advice_on_one_order_stays_when_the_next_order_concerns_nobody(
    page: FlaskClient, peers: Pair
) -> None:
    advise(peers, "order-select")
    do(page, "orders", item="oxygen")
    peers.service.answers.clear()
    assert "28 of 100" in do(page, "orders", item="diet")


def test_overriding_with_a_reason_tells_the_service(
    page: FlaskClient, peers: Pair
) -> None:  # CONFORMANCE 81, 90
    advise(peers, "order-select")
    do(page, "orders", item="oxygen")
    shown = do(
        page, f"cards/{UUID}", outcome="overridden", reason="not-applicable", comment="Palliative care"
    )
    (row,) = peers.service.feedback
    assert row["card"] == UUID
    assert row["outcome"] == "overridden"
    assert row["overrideReason"] == {
        "reason": {"code": "not-applicable", "system": "https://example.org/why"},
        "userComment": "Palliative care",
    }
    assert row["outcomeTimestamp"] == "2026-11-23T15:04:05.000+00:00"
    assert "Overridden: Does not fit this patient: Palliative care" in shown


def test_a_reason_the_card_did_not_offer_is_not_sent(page: FlaskClient, peers: Pair) -> None:
    advise(peers, "order-select")
    do(page, "orders", item="oxygen")
    do(page, f"cards/{UUID}", outcome="overridden", reason="because")
    assert "overrideReason" not in peers.service.feedback[0]


def test_accepting_a_card_tells_the_service(page: FlaskClient, peers: Pair) -> None:
    advise(peers, "order-select")
    do(page, "orders", item="oxygen")
    assert "Acknowledged" in do(page, f"cards/{UUID}", outcome="accepted")
    assert peers.service.feedback[0]["outcome"] == "accepted"


def test_an_accepted_suggestion_becomes_a_draft_and_is_named_in_the_feedback(
    page: FlaskClient, peers: Pair
) -> None:
    blood_gas = {
        "resourceType": "ServiceRequest",
        "code": {"coding": [{"system": "http://loinc.org", "code": "24336-0"}]},
    }
    action = {"type": "create", "description": "Blood gas", "resource": blood_gas}
    suggestion = {"label": "Add a blood gas", "uuid": "s-1", "actions": [action]}
    advise(peers, "order-select", suggestions=[suggestion], selectionBehavior="any")
    do(page, "orders", item="oxygen")
    shown = do(page, f"cards/{UUID}", outcome="accepted", suggestion="s-1")
    assert "Arterial blood gas" in shown
    assert peers.service.feedback[0]["acceptedSuggestions"] == [{"id": "s-1"}]


@pytest.mark.parametrize(("behaviour", "left"), [("any", ["s-2"]), ("at-most-one", [])])
def test_of_a_cards_suggestions_one_or_any_can_be_taken(
    page: FlaskClient, peers: Pair, behaviour: str, left: list[str]
) -> None:
    # CONFORMANCE 80
    def offer(number: int, code: str) -> dict[str, Any]:
        resource = {
            "resourceType": "ServiceRequest",
            "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        }
        action = {"type": "create", "description": "d", "resource": resource}
        return {"label": f"Offer {number}", "uuid": f"s-{number}", "actions": [action]}

    offers = [offer(1, "24336-0"), offer(2, "24339-4")]
    advise(peers, "order-select", suggestions=offers, selectionBehavior=behaviour)
    do(page, "orders", item="oxygen")
    shown = do(page, f"cards/{UUID}", outcome="accepted", suggestion="s-1")
    assert [key for key in ("s-1", "s-2") if f'name="suggestion" value="{key}"' in shown] == left
    again = page.post(f"{CHART}/cards/{UUID}", data={"outcome": "accepted", "suggestion": "s-1"})
    assert again.status_code == 404
    for key in left:
        assert "Acknowledged: Offer 1, Offer 2" in do(
            page, f"cards/{UUID}", outcome="accepted", suggestion=key
        )
    accepted = [one["id"] for row in peers.service.feedback for one in row["acceptedSuggestions"]]
    assert accepted == ["s-1", *left]


def test_a_suggested_draw_keeps_its_moment_until_it_is_signed(page: FlaskClient, peers: Pair) -> None:
    moment = "2026-11-23T14:05:00-05:00"
    troponin = {
        "resourceType": "ServiceRequest",
        "priority": "stat",
        "occurrenceDateTime": moment,
        "code": {"coding": [{"system": "http://loinc.org", "code": "67151-1"}]},
    }
    action = {"type": "create", "description": "Repeat", "resource": troponin}
    advise(
        peers, "order-select", suggestions=[{"label": "Repeat at 14:05", "uuid": "s-1", "actions": [action]}]
    )
    do(page, "orders", item="oxygen")
    shown = do(page, f"cards/{UUID}", outcome="accepted", suggestion="s-1")
    assert "Acknowledged: Repeat at 14:05" in shown
    assert "for 23 Nov 14:05" in shown
    peers.service.answers.clear()
    assert "for 2026-11-23 14:05, stat" in do(page, "sign")
    drafted = peers.service.calls[-1]["context"]["draftOrders"]["entry"]
    assert [entry["resource"].get("occurrenceDateTime") for entry in drafted] == [None, moment]
    (stored,) = [row for row in signed(peers, "ServiceRequest") if "occurrenceDateTime" in row]
    assert stored["occurrenceDateTime"] == moment
    assert not any("Series" in one["text"] for one in stored.get("orderDetail", ()))


def test_feedback_the_service_refuses_is_shown(page: FlaskClient, peers: Pair) -> None:
    advise(peers, "order-select")
    peers.service.feedback_status = 500
    do(page, "orders", item="oxygen")
    assert "did not take the feedback (status 500" in do(page, f"cards/{UUID}", outcome="accepted")


def test_a_card_that_is_not_on_the_desk_cannot_be_answered(page: FlaskClient, peers: Pair) -> None:
    answer = page.post(f"{CHART}/cards/{UUID}", data={"outcome": "accepted"})
    assert answer.status_code == 404
    assert peers.service.feedback == []


def test_two_clinicians_have_two_desks(page: FlaskClient, peers: Pair) -> None:
    do(page, "orders", item="oxygen")
    other = peers.app.test_client()
    other.post("/sign-in", data={"clinician": "brandt"})
    assert "Oxygen therapy" not in other.get(f"{CHART}/advice").get_data(as_text=True)


def launched(answer: Any) -> tuple[str, dict[str, list[str]]]:
    assert answer.status_code == 200
    parts = urlsplit(answer.get_json()["src"])
    return f"{parts.scheme}://{parts.netloc}{parts.path}", parse_qs(parts.query)


def test_a_smart_link_is_launched_with_issuer_launch_and_context(page: FlaskClient, peers: Pair) -> None:
    # CONFORMANCE 82
    advise(peers, "order-select")
    do(page, "orders", item="oxygen")
    where, query = launched(page.post(f"{CHART}/launch", data={"card": UUID, "link": "0"}))
    assert where == f"{peers.service.url}/launch"
    assert query["iss"] == [f"{peers.url}/fhir"]
    context = peers.hospital.launches.look(query["launch"][0])
    assert context is not None
    assert context.patient == "pneumonia-worsening"
    assert context.encounter == "pneumonia-worsening-stay"
    assert context.user == "Practitioner/okafor"
    assert context.app_context == "opaque-42"


def test_the_app_opens_from_the_menu_without_a_card(page: FlaskClient, peers: Pair) -> None:
    where, query = launched(page.post(f"{CHART}/launch"))
    assert where == f"{peers.service.url}/launch"
    context = peers.hospital.launches.look(query["launch"][0])
    assert context is not None
    assert context.app_context is None


@pytest.mark.parametrize(
    "url", ["https://evil.example/launch", "http://127.0.0.1:1/launch", "javascript:alert(1)"]
)
def test_an_app_that_is_not_registered_is_not_opened(page: FlaskClient, peers: Pair, url: str) -> None:
    # CONFORMANCE 83
    advise(peers, "order-select", links=[{"label": "Open", "type": "smart", "url": url}])
    do(page, "orders", item="oxygen")
    assert page.post(f"{CHART}/launch", data={"card": UUID, "link": "0"}).status_code == 400


@pytest.mark.parametrize(
    "form", [{"card": UUID, "link": "5"}, {"card": UUID, "link": "x"}, {"card": "no-card"}]
)
def test_a_link_that_is_not_on_the_card_is_not_found(
    page: FlaskClient, peers: Pair, form: dict[str, str]
) -> None:
    advise(peers, "order-select")
    do(page, "orders", item="oxygen")
    assert page.post(f"{CHART}/launch", data=form).status_code == 404


def test_a_card_with_hardly_anything_in_it_is_drawn(page: FlaskClient, peers: Pair) -> None:
    bare = {"summary": "<b>bold</b>", "indicator": "purple", "source": {"label": "S"}}
    peers.service.answers["order-select"] = (200, {"cards": [bare]})
    shown = do(page, "orders", item="oxygen")
    assert "&lt;b&gt;bold" in shown
    assert "For information" in shown
    assert "Override" not in shown  # nothing to answer to without a uuid


def test_what_a_service_says_now_stands_above_what_was_said_before(page: FlaskClient, peers: Pair) -> None:
    advise(peers, "patient-view", uuid="u-view", summary="Said on opening")
    page.get(f"{CHART}/advice")
    advise(peers, "order-select", uuid="u-select", summary="Said on choosing")
    shown = do(page, "orders", item="oxygen")
    assert "Said on choosing" in shown
    assert "Said on opening" not in shown  # the same service spoke again
