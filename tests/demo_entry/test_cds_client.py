"""The hospital as a CDS Hooks client, against a service on loopback."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import httpx
import pytest

from demo.advice import identity
from demo.cds_client import CdsClient, Occasion, ServiceProblem, fill
from tests.demo_entry.peers import NOW, Pair, card, pair

AT = Occasion("pneumonia-worsening", "pneumonia-worsening-stay", "okafor")


@pytest.fixture(scope="module")
def both() -> Iterator[Pair]:
    with pair() as peers:
        yield peers


@pytest.fixture
def fresh(both: Pair) -> Pair:
    both.service.answers.clear()
    for kept in (both.service.calls, both.service.tokens, both.service.headers, both.service.feedback):
        kept.clear()
    return both


def client_of(peers: Pair, base: str = "", **more: Any) -> CdsClient:
    http = httpx.Client(trust_env=False)
    place = base or f"{peers.service.url}/cds-services"
    return CdsClient(http, place, identity(peers.hospital), peers.hospital.clock, **more)


def test_a_hook_is_fired_with_its_context_and_an_authorisation(fresh: Pair) -> None:  # CONFORMANCE 73, 75
    client_of(fresh).ask("patient-view", AT)
    (body,) = fresh.service.calls
    assert body["hook"] == "patient-view"
    assert UUID(body["hookInstance"])
    assert body["context"] == {
        "userId": "Practitioner/okafor",
        "patientId": "pneumonia-worsening",
        "encounterId": "pneumonia-worsening-stay",
    }
    assert body["fhirServer"] == f"{fresh.url}/fhir"
    authorisation = body["fhirAuthorization"]
    assert authorisation["token_type"] == "Bearer"
    assert {"access_token", "expires_in", "scope", "subject"} <= set(authorisation)


def test_each_call_carries_a_fresh_short_lived_es384_token_for_exactly_that_address(fresh: Pair) -> None:
    # CONFORMANCE 86
    client = client_of(fresh)
    client.ask("patient-view", AT)
    client.ask("patient-view", AT)
    first, second = fresh.service.tokens
    assert first["aud"] == f"{fresh.service.url}/cds-services/breath"
    assert first["iss"] == fresh.url
    assert first["exp"] - first["iat"] == 300
    assert first["iat"] == int(NOW.timestamp())
    assert first["jti"] != second["jti"]
    header = fresh.service.headers[0]
    assert header["alg"] == "ES384"
    assert header["kid"] in {key["kid"] for key in fresh.hospital.keys.cds_jwks()["keys"]}


def test_prefetch_follows_the_templates_in_all_their_forms(fresh: Pair) -> None:  # CONFORMANCE 69, 70
    client_of(fresh).ask("patient-view", AT)
    prefetch = fresh.service.calls[0]["prefetch"]
    assert prefetch["patient"]["id"] == "pneumonia-worsening"
    assert prefetch["vitals"]["total"] == len(prefetch["vitals"]["entry"]) > 150
    assert {entry["search"]["mode"] for entry in prefetch["vitals"]["entry"]} == {"match"}
    assert prefetch["nobody"]["total"] == 0
    assert "entry" not in prefetch["nobody"]
    assert prefetch["doctor"]["resourceType"] == "Practitioner"
    assert prefetch["gone"] is None
    assert prefetch["wrong"]["resourceType"] == "OperationOutcome"
    assert "unknown" not in prefetch


def test_a_counted_template_is_paged_and_the_next_page_opens_with_the_token_sent_along(fresh: Pair) -> None:
    client_of(fresh).ask("patient-view", AT)
    body = fresh.service.calls[0]
    labs = body["prefetch"]["labs"]
    assert len(labs["entry"]) == 10 < labs["total"]
    (after,) = [link["url"] for link in labs["link"] if link["relation"] == "next"]
    token = body["fhirAuthorization"]["access_token"]
    page = httpx.get(after, headers={"Authorization": f"Bearer {token}"}, trust_env=False)
    assert page.status_code == 200
    assert len(page.json()["entry"]) == 10


def test_the_token_sent_along_reads_this_patient_and_no_other(fresh: Pair) -> None:
    client_of(fresh).ask("patient-view", AT)
    token = fresh.service.calls[0]["fhirAuthorization"]["access_token"]
    with httpx.Client(
        base_url=f"{fresh.url}/fhir/", headers={"Authorization": f"Bearer {token}"}, trust_env=False
    ) as http:
        own = http.get("Observation", params={"patient": "pneumonia-worsening", "category": "laboratory"})
        assert own.status_code == 200
        assert own.json()["total"] > 10
        assert http.get("Patient/sepsis").status_code == 403


def test_prefetch_holds_no_other_patients_rows(fresh: Pair) -> None:
    client_of(fresh).ask("patient-view", AT)
    about = set(re.findall(r'"Patient/([\w-]+)"', str(fresh.service.calls[0]["prefetch"]).replace("'", '"')))
    assert about == {"pneumonia-worsening"}


def test_the_most_urgent_card_comes_first(fresh: Pair) -> None:
    told = [
        card(fresh.service.url, uuid=f"u-{level}", indicator=level)
        for level in ("info", "critical", "warning")
    ]
    fresh.service.answers["patient-view"] = (200, {"cards": told})
    (answer,) = client_of(fresh).ask("patient-view", AT)
    assert [one["indicator"] for one in answer.cards] == ["critical", "warning", "info"]
    assert answer.problem == ""


def test_a_hook_nobody_listens_to_is_no_problem(fresh: Pair) -> None:
    assert client_of(fresh).ask("encounter-start", AT) == []


@pytest.mark.parametrize(
    ("told", "status", "words"),
    [
        ((500, "<h1>oops</h1>"), 500, "Internal Server Error"),
        (
            (412, {"resourceType": "OperationOutcome", "issue": [{"diagnostics": "vitals are missing"}]}),
            412,
            "vitals are missing",
        ),
        ((401, {"resourceType": "OperationOutcome", "issue": [{"code": "login"}]}), 401, "login"),
        ((200, "not json"), 200, "not a JSON object"),
        ((200, {"cards": "none"}), 200, "no list of cards"),
        ((200, {"cards": [1]}), 200, "no list of cards"),
        ((204, ""), 204, "No Content"),
        ((302, ""), 302, "Found"),
        ((200, "x" * 2_100_000), 200, "too large"),
    ],
)
def test_a_service_that_answers_badly_is_reported_with_its_status(
    fresh: Pair, told: Any, status: int, words: str
) -> None:
    fresh.service.answers["patient-view"] = told
    (answer,) = client_of(fresh).ask("patient-view", AT)
    assert answer.cards == ()
    assert answer.status == status
    assert words in answer.problem


def test_a_service_that_stays_silent_is_given_up(fresh: Pair) -> None:
    fresh.service.answers["patient-view"] = 1.0
    (answer,) = client_of(fresh, seconds=0.2).ask("patient-view", AT)
    assert (answer.status, answer.problem) == (0, "no answer within 0.2 seconds")


def test_a_service_that_is_not_there_is_reported(fresh: Pair) -> None:
    (answer,) = client_of(fresh, "http://127.0.0.1:9/cds-services").ask("order-sign", AT)
    assert answer.status == 0
    assert "no connection" in answer.problem


@pytest.mark.parametrize("told", [(500, "{}"), (200, "[]"), (200, '{"services": 3}')])
def test_a_discovery_that_cannot_be_read_is_reported(fresh: Pair, told: tuple[int, str]) -> None:
    fresh.service.answers["discovery"] = told
    (answer,) = client_of(fresh).ask("patient-view", AT)
    assert answer.problem
    assert answer.status == told[0]


def test_feedback_goes_to_its_own_address_under_its_own_audience(fresh: Pair) -> None:  # CONFORMANCE 86, 90
    client = client_of(fresh)
    (service,) = (one for one in client.services() if one.hook == "order-sign")
    client.feedback(
        service, [{"card": "1", "outcome": "overridden", "outcomeTimestamp": "2026-11-23T10:00:00Z"}]
    )
    assert fresh.service.tokens[-1]["aud"] == f"{fresh.service.url}/cds-services/breath/feedback"
    assert fresh.service.feedback[0]["outcome"] == "overridden"


def test_feedback_that_is_refused_is_reported(fresh: Pair) -> None:
    client = client_of(fresh)
    fresh.service.feedback_status = 400
    try:
        with pytest.raises(ServiceProblem) as caught:
            client.feedback(client.services()[0], [])
    finally:
        fresh.service.feedback_status = 200
    assert caught.value.status == 400


def test_what_fills_a_template_is_percent_encoded() -> None:  # CONFORMANCE 44
    values = {"context.userId": "Practitioner/a b"}
    assert fill("X?user={{ context.userId }}", values) == "X?user=Practitioner%2Fa%20b"
    assert fill("X?user={{context.nobody}}", values) is None
    assert fill("X?user=1", values) == "X?user=1"
