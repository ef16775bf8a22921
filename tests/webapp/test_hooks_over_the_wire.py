"""CDS Hooks 2.0.1 as a client meets it: every item asked over HTTP, by somebody who knows nothing but discovery."""

from __future__ import annotations

import io
import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
import structlog

from ehr.tenants import Tenants
from inference.assessment import TROPONIN, VENTILATION
from tests.webapp.house import APP, House
from tests.webapp.test_doors import empty_attributes
from tests.webapp.wired import Caller, cards, refused

pytestmark = pytest.mark.usefixtures("fair")
SICK = "pneumonia-worsening"
SERVICE = f"/cds-services/{VENTILATION}"
OUTCOME = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "timeout"}]}
EMPTY = {"resourceType": "Bundle", "type": "searchset"}
GAS = {"coding": [{"system": "http://snomed.info/sct", "code": "60170009"}], "text": "Arterial blood gas"}
Change = Callable[[dict[str, Any]], None]


def drafted(kind: str, name: str, **more: Any) -> dict[str, Any]:
    subject = {"reference": f"Patient/{SICK}"}
    return {"resourceType": kind, "id": name, "status": "draft", "intent": "order", "subject": subject} | more


# --- discovery


def test_discovery_says_which_services_there_are_and_asks_no_one_who_they_are(caller: Caller) -> None:
    # CONFORMANCE 67, 68, 88
    answer = caller.get("/cds-services")
    assert answer.status_code == 200
    services = answer.json()["services"]
    assert empty_attributes(answer.json()) == []
    assert len({(one["id"], one["hook"]) for one in services}) == len(services) == 6
    for one in services:
        assert set(one) == {"hook", "id", "title", "description", "prefetch"}
        assert all(isinstance(each, str) for each in one["prefetch"].values())
        assert caller.post(f"/cds-services/{one['id']}", {}, token="").status_code == 401
        assert caller.post(f"/cds-services/{one['id']}/feedback", {}, token="").status_code == 401
    assert SICK not in answer.text


def test_the_hospitals_own_server_answers_every_template_as_it_is_filled_in(
    caller: Caller, house: House
) -> None:
    # CONFORMANCE 69
    for one in caller.get("/cds-services").json()["services"]:
        for template in one["prefetch"].values():
            query = template.replace("{{context.patientId}}", SICK)
            assert "{{" not in query
            scope = "patient/*.rs"
            token = house.hospital.tokens.issue("ordertime", scope, SICK, "okafor", 300)
            head = {"Authorization": f"Bearer {token}", "Prefer": "handling=strict"}
            found = httpx.get(f"{house.hospital.settings.fhir}/{query}", headers=head, trust_env=False)
            assert found.status_code == 200, (query, found.text)


# --- six forms of prefetch, and none


def absent(key: str) -> Change:
    return lambda body: body["prefetch"].pop(key)


def sent(key: str, value: Any) -> Change:
    return lambda body: body["prefetch"].update({key: value})


def first_page(body: dict[str, Any]) -> None:
    vitals = body["prefetch"]["vitals"]
    vitals["entry"] = vitals["entry"][:3]
    vitals["link"] = [{"relation": "next", "url": f"{body['fhirServer']}?page=2"}]


def single(body: dict[str, Any]) -> None:
    body["prefetch"]["encounters"] = body["prefetch"]["encounters"]["entry"][0]["resource"]


@pytest.mark.parametrize(
    ("change", "fetched", "without"),
    [
        (absent("vitals"), True, 412),
        (sent("vitals", None), False, 200),
        (single, False, 200),
        (sent("vitals", EMPTY), False, 200),
        (first_page, True, 200),
        (sent("conditions", OUTCOME), False, 200),
        (sent("vitals", OUTCOME), False, 412),
        (lambda body: body.pop("prefetch"), True, 412),
    ],
    ids=["absent", "null", "resource", "empty", "first page", "outcome", "outcome that matters", "no prefetch"],
)
def test_each_form_of_prefetch_is_read_as_what_it_means(
    caller: Caller, house: House, change: Change, fetched: bool, without: int
) -> None:
    # CONFORMANCE 70, 71
    for allowed in (True, False):
        body = house.asked(SICK, authorised=allowed)
        if not allowed:
            body["fhirServer"] = house.hospital.settings.fhir
        change(body)
        house.fair()
        answer = caller.post(SERVICE, body)
        reads = [one for one in house.hospital.faults.seen if one.path.startswith("/fhir/Observation")]
        assert bool(reads) is (fetched and allowed)
        if allowed and fetched:
            assert len(cards(answer)) == 1
        elif without == 200:
            cards(answer)
        else:
            refused(answer, without)


def test_too_little_is_no_card_or_one_that_says_so_as_the_site_chose(caller: Caller, house: House) -> None:
    # CONFORMANCE 72
    def bare() -> dict[str, Any]:
        body = house.asked(SICK)
        patient = body["prefetch"]["patient"]
        return body | {"prefetch": {key: None for key in body["prefetch"]} | {"patient": patient}}

    assert cards(caller.post(SERVICE, bare())) == []
    (tenant,) = house.rooms.tenants
    policy = replace(tenant.models[VENTILATION], say_insufficient=True)
    house.rooms.tenants = Tenants((replace(tenant, models={**tenant.models, VENTILATION: policy}),))
    (card,) = cards(caller.post(SERVICE, bare()))
    assert card["indicator"] == "info"
    assert "too little" in card["summary"]


# --- the request


@pytest.mark.parametrize(
    ("change", "element"),
    [
        (lambda body: body.update(hook="order-dispatch"), "hook"),
        (lambda body: body.update(hook=["patient-view"]), "hook"),
        (lambda body: body.pop("hookInstance"), "hookInstance"),
        (lambda body: body.update(hookInstance="4711"), "hookInstance"),
        (lambda body: body["context"].pop("userId"), "context.userId"),
        (lambda body: body["context"].pop("patientId"), "context.patientId"),
        (lambda body: body["context"].pop("draftOrders"), "context.draftOrders"),
        (lambda body: body["context"].pop("selections"), "context.selections"),
        (lambda body: body.pop("fhirServer"), "fhirServer"),
    ],
    ids=str,
)  # fmt: skip
def test_a_request_that_breaks_the_specification_is_400_by_its_element(
    caller: Caller, house: House, change: Change, element: str
) -> None:
    # CONFORMANCE 73, 91
    body = house.asked(SICK, hook="order-select", orders=[drafted("ServiceRequest", "gas", code=GAS)])
    body["context"]["selections"] = ["ServiceRequest/gas"]
    assert caller.post(SERVICE, body).status_code == 200
    change(body)
    refused(caller.post(SERVICE, body), 400, f"{element}: ")


def test_the_same_instance_is_answered_alike_and_kept_once(caller: Caller, house: House) -> None:
    # CONFORMANCE 74
    body, before = house.asked(SICK), house.rooms.ledger.counts()["assessments"]
    answers = {caller.post(SERVICE, body).text for _ in range(3)}
    assert len(answers) == 1
    assert house.rooms.ledger.counts()["assessments"] == before + 1


def test_a_token_for_fetching_is_kept_nowhere(caller: Caller, house: House) -> None:
    # CONFORMANCE 75
    log, before = io.StringIO(), structlog.get_config()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(log))
    try:
        body = house.asked(SICK, prefetch=False)
        answer = caller.post(SERVICE, body)
        house.weather("error", match="/fhir/Observation")
        again = house.asked(SICK, prefetch=False) | {"fhirAuthorization": body["fhirAuthorization"]}
        assert caller.post(SERVICE, again).status_code == 502
    finally:
        structlog.configure(**before)
    secret = body["fhirAuthorization"]["access_token"]
    assert cards(answer)
    assert "refused" in log.getvalue()
    assert secret not in answer.text + log.getvalue()
    folder = house.rooms.settings.tenants.parent
    kept = [path for path in folder.rglob("*") if path.is_file()]
    assert any(path.name.startswith("ledger.db") for path in kept)
    assert not [path for path in kept if secret.encode() in path.read_bytes()]


@pytest.mark.parametrize("told", [True, False], ids=["with fhirServer", "without"])
def test_the_same_id_at_another_server_is_another_patient(caller: Caller, house: House, told: bool) -> None:
    # CONFORMANCE 37
    body = house.asked(SICK, authorised=False)
    if told:
        body["fhirServer"] = house.hospital.settings.fhir
    sound = cards(caller.post(SERVICE, body))
    assert sound
    for other in ("https://elsewhere.example/fhir", f"{house.hospital.settings.url}/other"):
        body["hookInstance"] = str(uuid.uuid4())
        for entry in body["prefetch"]["vitals"]["entry"] + body["prefetch"]["laboratory"]["entry"]:
            entry["resource"]["subject"] = {"reference": f"{other}/Patient/{SICK}"}
        assert cards(caller.post(SERVICE, body)) == []  # nothing of it is this patient's
    body["hookInstance"] = str(uuid.uuid4())
    for entry in body["prefetch"]["vitals"]["entry"] + body["prefetch"]["laboratory"]["entry"]:
        entry["resource"]["subject"] = {"reference": f"{house.hospital.settings.fhir}/Patient/{SICK}"}
    assert [card["summary"] for card in cards(caller.post(SERVICE, body))] == [card["summary"] for card in sound]


def test_a_token_for_another_patient_is_refused_by_its_element(caller: Caller, house: House) -> None:
    # CONFORMANCE 73
    for said, status in ((SICK, 200), (f"Patient/{SICK}", 200), ("sepsis", 400), (7, 400)):
        body = house.asked(SICK)
        body["fhirAuthorization"]["patient"] = said
        answer = caller.post(SERVICE, body)
        assert answer.status_code == status, answer.text
        if status == 400:
            refused(answer, 400, "fhirAuthorization.patient: ")


# --- which orders are judged


@pytest.mark.parametrize(
    ("selections", "advised"),
    [(["ServiceRequest/gas"], True), (["gas"], True), (["urn:uuid:gas"], True), (["MedicationRequest/para"], False),
     (["ServiceRequest/none"], False), ([], False)],
    ids=str,
)  # fmt: skip
def test_at_order_select_the_selected_drafts_alone_are_judged(
    caller: Caller, house: House, selections: list[str], advised: bool
) -> None:
    # CONFORMANCE 76
    orders = [
        drafted("ServiceRequest", "gas", code=GAS),
        drafted("MedicationRequest", "para", medicationCodeableConcept={"text": "Paracetamol"}),
    ]
    body = house.asked(SICK, hook="order-select", orders=orders)
    body["context"]["draftOrders"]["entry"][0]["fullUrl"] = "urn:uuid:gas"
    body["context"]["selections"] = selections
    assert bool(cards(caller.post(SERVICE, body))) is advised


@pytest.mark.parametrize("status", ["draft", "active"])
def test_at_order_sign_drafts_of_every_kind_and_orders_signed_again_are_judged(
    caller: Caller, house: House, status: str
) -> None:
    # CONFORMANCE 77
    calm = [
        drafted("NutritionOrder", "diet", oralDiet={"type": [{"text": "Soft diet"}]}),
        drafted("MedicationRequest", "para", medicationCodeableConcept={"text": "Paracetamol"}),
    ]
    assert cards(caller.post(SERVICE, house.asked(SICK, hook="order-sign", orders=calm))) == []
    for more in (
        drafted("ServiceRequest", "gas", code=GAS, status=status),
        drafted("MedicationRequest", "m", medicationCodeableConcept={"text": "Morphine 2 mg"}, status=status),
        drafted("DeviceRequest", "d", codeCodeableConcept={"text": "High flow nasal cannula"}, status=status),
    ):
        assert cards(caller.post(SERVICE, house.asked(SICK, hook="order-sign", orders=[*calm, more]))), more


@pytest.mark.parametrize("hook", ["order-select", "order-sign"])
def test_a_draft_for_another_patient_is_not_judged_by_this_ones_chart(
    caller: Caller, house: House, hook: str
) -> None:
    # CONFORMANCE 37, 77
    for reference, judged in (
        (f"Patient/{SICK}", True),
        (f"{house.hospital.settings.fhir}/Patient/{SICK}/_history/3", True),
        ("urn:uuid:0d5a", True),
        ("Patient/sepsis", False),
        (f"{house.hospital.settings.fhir}/Patient/sepsis", False),
        ("Patient/sepsis/_history/1", False),
    ):
        order = drafted("ServiceRequest", "gas", code=GAS) | {"subject": {"reference": reference}}
        body = house.asked(SICK, hook=hook, orders=[order])
        body["context"]["selections"] = ["ServiceRequest/gas"]
        assert bool(cards(caller.post(SERVICE, body))) is judged, reference


@pytest.mark.parametrize(
    ("user", "advised"),
    [("Practitioner/okafor", True), ("PractitionerRole/ward", True), (f"Patient/{SICK}", False),
     ("RelatedPerson/daughter", False)],
)  # fmt: skip
def test_a_card_is_for_clinicians(caller: Caller, house: House, user: str, advised: bool) -> None:
    # CONFORMANCE 78
    body = house.asked(SICK)
    body["context"]["userId"] = user
    assert bool(cards(caller.post(SERVICE, body))) is advised


# --- the card


def every_address(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield from [value] if key in ("url", "icon") and isinstance(value, str) else every_address(value)
    elif isinstance(node, list):
        for value in node:
            yield from every_address(value)


def test_a_card_is_whole_leads_to_us_alone_and_begins_nothing_by_itself(caller: Caller, house: House) -> None:
    # CONFORMANCE 79, 80, 81, 82, 83, 84
    seen = set()
    for patient in (SICK, "sepsis", "first-draw"):
        for service in (VENTILATION, TROPONIN):
            found = cards(caller.post(f"/cds-services/{service}", house.asked(patient, service)))
            assert len(found) <= 1
            for card in found:
                assert len(card["summary"]) < 140
                assert card["indicator"] in ("info", "warning", "critical")
                assert uuid.UUID(card["uuid"])
                assert all(set(each) == {"code", "system", "display"} for each in card["overrideReasons"])
                assert ("suggestions" in card) == ("selectionBehavior" in card)
                assert {*every_address(card)} == {f"{APP}/launch"}
                assert re.fullmatch(r"[\w-]+", card["links"][0]["appContext"])
                assert not re.search(r"autolaunchable|systemActions", str(card))
                assert patient not in str(card["links"])
                seen.add(service)
    assert seen == {VENTILATION, TROPONIN}
