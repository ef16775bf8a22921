"""The CDS Hooks sandbox, imitated from its source (src/retrieve-data-helpers, src/reducers): its bearer token, its
bodies, its feedback, with nothing but its tenant template.

The sandbox itself is no package and was not run. What is imitated: ES384 tokens of five minutes whose `aud` is the
exact address, feedback's and discovery's included, and whose `jku` says where the key is; a service known by its
address alone, so that of entries with one id the last is left; templates whose values are decoded and encoded again; a
context without encounter; one draft with a fixed id; `fhirServer` without a token, since its server is open; a key left
out where its read failed; feedback of a dismissed card without a reason; calls from a browser, so across origins.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey
from joserfc.jws import JWSRegistry

from inference.assessment import VENTILATION
from tests.peers.loopback import Asked, Peer, app, listening, template
from tests.webapp.house import APP, House

SICK = "pneumonia-worsening"
ORIGIN = "https://sandbox.cds-hooks.org"
KEY = ECKey.generate_key("P-384", {"use": "sig", "alg": "ES384", "kid": "44823f3d-0b01-4a6c-a80e-b9d3e8a7226f"})


class Sandbox:
    """The page in its browser: services discovered, hooks fired, cards dismissed."""

    def __init__(self, browser: Any, house: House, peer: Peer) -> None:
        self.browser, self.house, self.peer = browser, house, peer
        self.server = f"{peer.url}/fhir"

    def configured(self) -> dict[str, Any]:
        """The services as its store holds them: by address."""
        path = "/sites/x1/cds-services"
        services = self.browser.get(path, headers=self.head(path)).get_json()["services"]
        return {f"{path}/{one['id']}": one for one in services}

    def service(self, hook: str, name: str = VENTILATION) -> str:
        """The address of the one service of that hook."""
        (path,) = [path for path, one in self.configured().items() if one["hook"] == hook and name in path]
        return path

    def head(self, path: str) -> dict[str, str]:
        now = int(self.house.clock().timestamp())
        told = {"iss": ORIGIN, "aud": APP + path, "exp": now + 300, "iat": now, "jti": str(uuid.uuid4())}
        head = {"alg": "ES384", "typ": "JWT", "kid": KEY.kid, "jku": f"{self.peer.url}/.well-known/jwks.json"}
        token = jwt.encode(head, told, KEY, registry=JWSRegistry(algorithms=["ES384"]))
        return {"Authorization": f"Bearer {token}", "Origin": ORIGIN, "Accept": "application/json"}

    def fire(self, *left_out: str, hook: str = "patient-view", **context: Any) -> Any:
        path = self.service(hook)
        body = {
            "hookInstance": str(uuid.uuid4()),
            "hook": hook,
            "fhirServer": self.server,
            "context": {"patientId": SICK, "userId": "Practitioner/COREPRACTITIONER1"} | context,
            "prefetch": {
                key: self.house.prefetched(filled(template))
                for key, template in self.configured()[path]["prefetch"].items()
                if key not in left_out
            },
        }
        return self.browser.post(path, json=body, headers=self.head(path))

    def dismiss(self, card: str) -> Any:
        path = f"{self.service('patient-view')}/feedback"
        row = {"card": card, "outcome": "overridden", "outcomeTimestamp": self.house.clock().isoformat()}
        return self.browser.post(path, json={"feedback": [row]}, headers=self.head(path))


@pytest.fixture
def sandbox(house: House, tmp_path: Path) -> Iterator[Sandbox]:
    def keys(asked: Asked) -> tuple[int, Any]:
        known = asked.path == "/.well-known/jwks.json"
        return (200, {"keys": [KEY.as_dict(private=False)]}) if known else (404, {})

    with listening(Peer(keys)) as peer:
        hosts = {"https://r4.example": peer.url, f'jwks_url = "{ORIGIN}': f'jwks_url = "{peer.url}'}
        tenant = template("cds-hooks-sandbox", hosts, fhir_server="r4.example/fhir")
        with app(tmp_path, tenant, house) as (browser, _):
            yield Sandbox(browser, house, peer)


def filled(template: str) -> str:
    """A template as the sandbox fills it in: patient put in, each value decoded and encoded again, names in order."""
    path, _, query = template.replace("{{context.patientId}}", SICK).partition("?")
    pairs = sorted(parse_qsl(query, strict_parsing=True)) if query else []
    return f"{path}?{urlencode(pairs, quote_via=quote, safe='')}" if pairs else path


def draft(text: str) -> dict[str, Any]:
    """The one draft it makes."""
    order = {
        "resourceType": "MedicationRequest",
        "id": "request-123",
        "status": "draft",
        "intent": "proposal",
        "subject": {"reference": f"Patient/{SICK}"},
        "medicationCodeableConcept": {"text": text, "coding": [{"display": text, "code": "1"}]},
    }
    return {"resourceType": "Bundle", "entry": [{"resource": order}]}


def test_the_sandbox_finds_the_services_across_origins(sandbox: Sandbox) -> None:
    preflight = sandbox.browser.options("/sites/x1/cds-services", headers={"Origin": ORIGIN})
    assert (preflight.status_code, preflight.headers["Access-Control-Allow-Origin"]) == (204, ORIGIN)
    assert sorted(one["hook"] for one in sandbox.configured().values()) == sorted(
        ["patient-view", "order-select", "order-sign"] * 2
    )  # none took another's place


@pytest.mark.parametrize(("text", "advised"), [("Morphine Sulfate 15 MG Oral Tablet", 1), ("Aspirin 81 MG", 0)])
def test_its_one_draft_is_judged_when_it_is_selected_and_when_it_is_signed(
    sandbox: Sandbox, text: str, advised: int
) -> None:
    chosen = {"draftOrders": draft(text), "selections": ["MedicationRequest/request-123"]}
    for hook, context in (("order-select", chosen), ("order-sign", {"draftOrders": draft(text)})):
        answer = sandbox.fire(hook=hook, **context)
        assert answer.status_code == 200, answer.get_data(as_text=True)
        assert len(answer.get_json()["cards"]) == (advised if hook == "order-select" else 0)  # said once in a while


def test_a_hook_at_the_address_of_another_is_refused_by_its_element(sandbox: Sandbox) -> None:
    path = sandbox.service("order-sign")
    body = {"hookInstance": str(uuid.uuid4()), "hook": "patient-view"}
    body |= {"context": {"patientId": SICK, "userId": "Practitioner/1"}}  # type: ignore[dict-item]
    answer = sandbox.browser.post(path, json=body, headers=sandbox.head(path))
    assert answer.status_code == 400
    assert answer.get_json()["issue"][0]["diagnostics"].startswith("hook: ")


def test_a_hook_of_the_sandbox_brings_a_card_whose_link_carries_no_context(sandbox: Sandbox) -> None:
    answer = sandbox.fire("conditions")  # a key whose read failed is left out
    assert answer.status_code == 200, answer.get_data(as_text=True)
    (card,) = answer.get_json()["cards"]
    assert "appContext" not in card["links"][0]
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN


def test_a_key_that_matters_and_cannot_be_fetched_is_412(sandbox: Sandbox) -> None:
    answer = sandbox.fire("vitals")
    assert answer.status_code == 412
    assert "prefetch.vitals" in answer.get_json()["issue"][0]["diagnostics"]


def test_a_dismissed_card_is_feedback_without_a_reason(sandbox: Sandbox) -> None:
    (card,) = sandbox.fire().get_json()["cards"]
    assert sandbox.dismiss(card["uuid"]).get_json() == {"received": 1, "recorded": 1}
