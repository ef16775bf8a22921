"""The CDS Hooks sandbox, imitated: its bearer token, its bodies, its feedback, with nothing but its tenant template.

The sandbox itself is no package and was not run. What is imitated: ES384 tokens of five minutes whose `aud` is the
exact address, feedback's included; a context without encounter; `fhirServer` without a token, since its server is
open; prefetch that it resolves itself, a key left out where its read failed; feedback of a dismissed card without a
reason; calls from a browser, so across origins.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from inference.assessment import VENTILATION
from tests.peers.loopback import Asked, Peer, app, listening, template
from tests.webapp.house import APP, House

SICK = "pneumonia-worsening"
SERVICE = f"/cds-services/{VENTILATION}"
ORIGIN = "https://sandbox.cds-hooks.org"
KEY = ECKey.generate_key("P-384", {"use": "sig", "alg": "ES384", "kid": "44823f3d-0b01-4a6c-a80e-b9d3e8a7226f"})


class Sandbox:
    """The page in its browser: services discovered, hooks fired, cards dismissed."""

    def __init__(self, browser: Any, house: House, server: str) -> None:
        self.browser, self.house, self.server = browser, house, server

    def head(self, path: str) -> dict[str, str]:
        now = int(self.house.clock().timestamp())
        told = {"iss": ORIGIN, "aud": APP + path, "exp": now + 300, "iat": now, "jti": str(uuid.uuid4())}
        token = jwt.encode({"alg": "ES384", "typ": "JWT", "kid": KEY.kid}, told, KEY, algorithms=["ES384"])
        return {"Authorization": f"Bearer {token}", "Origin": ORIGIN, "Content-Type": "application/json"}

    def fire(self, *left_out: str) -> Any:
        prefetch = self.house.asked(SICK)["prefetch"]
        body = {
            "hookInstance": str(uuid.uuid4()),
            "hook": "patient-view",
            "fhirServer": self.server,
            "context": {"patientId": SICK, "userId": "Practitioner/COREPRACTITIONER1"},
            "prefetch": {key: value for key, value in prefetch.items() if key not in left_out},
        }
        return self.browser.post(SERVICE, json=body, headers=self.head(SERVICE))

    def dismiss(self, card: str) -> Any:
        path = f"{SERVICE}/feedback"
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
            yield Sandbox(browser, house, f"{peer.url}/fhir")


def test_the_sandbox_finds_the_services_across_origins(sandbox: Sandbox) -> None:
    answer = sandbox.browser.get("/cds-services", headers={"Origin": ORIGIN})
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert {one["hook"] for one in answer.get_json()["services"]} >= {"patient-view", "order-select", "order-sign"}


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
