"""A hospital on a real loopback port, a small ward in it, and an app that knocks at its door."""

from __future__ import annotations

import base64
import hashlib
import secrets
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey
from werkzeug.serving import WSGIRequestHandler, make_server

from demo.app import create_hospital
from demo.config import Settings, settings_for
from demo.records import Hospital

CALLBACK = "http://127.0.0.1:8000/callback"
EVERYTHING = "launch openid fhirUser online_access patient/*.cruds"


def observation(number: int, patient: str, code: str, moment: datetime, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": f"{patient}-{code}-{number}",
        "status": "final",
        "category": [
            {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/observation-category",
                        "code": "vital-signs",
                    }
                ]
            }
        ],
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "subject": {"reference": f"Patient/{patient}"},
        "effectiveDateTime": moment.isoformat(),
        "valueQuantity": {"value": 80 + number, "unit": "/min"},
    } | more


def small_ward(now: datetime) -> list[dict[str, Any]]:
    people = [
        {
            "resourceType": "Patient",
            "id": one,
            "name": [{"family": family, "given": ["Test"]}],
            "birthDate": "1950-02-03",
            "gender": "female",
            "identifier": [{"system": "urn:mrn", "value": f"MRN-{one}"}],
        }
        for one, family in (("ann", "Adams"), ("ben", "Brown"))
    ]
    stays = [
        {
            "resourceType": "Encounter",
            "id": f"stay-{one}",
            "status": "in-progress",
            "class": {"code": "IMP"},
            "subject": {"reference": f"Patient/{one}"},
            "period": {"start": (now - timedelta(days=1)).isoformat()},
        }
        for one in ("ann", "ben")
    ]
    rows = [observation(i, "ann", "8867-4", now - timedelta(minutes=10 * i)) for i in range(30)]
    rows += [observation(i, "ben", "8867-4", now - timedelta(minutes=10 * i)) for i in range(3)]
    system = "http://terminology.hl7.org/CodeSystem/observation-category"
    laboratory = {"system": system, "code": "laboratory"}
    rows.append(
        observation(
            0,
            "ann",
            "67151-1",
            now - timedelta(hours=2),
            status="entered-in-error",
            category=[{"coding": [laboratory]}],
        )
    )
    doctor = {"resourceType": "Practitioner", "id": "doc", "name": [{"family": "Diaz", "given": ["Lee"]}]}
    return [*people, *stays, *rows, doctor]


class Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        """Nothing: a test's requests are no news."""


@dataclass
class App:
    """An app at the hospital's door: what it sends is what a SMART app sends."""

    hospital: Hospital
    http: httpx.Client
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))

    @property
    def base(self) -> str:
        return self.hospital.settings.fhir

    @property
    def challenge(self) -> str:
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

    def request(self, **changes: str | None) -> dict[str, str]:
        asked = {
            "response_type": "code",
            "client_id": "ordertime",
            "redirect_uri": CALLBACK,
            "scope": EVERYTHING,
            "state": "a-state",
            "aud": self.base,
            "nonce": "a-nonce",
            "code_challenge": self.challenge,
            "code_challenge_method": "S256",
        } | changes
        return {name: value for name, value in asked.items() if value is not None}

    def authorize(self, **changes: str | None) -> httpx.Response:
        launch = changes.pop("launch", "") or self.hospital.launches.mint(
            patient="ann", encounter="stay-ann", user="Practitioner/doc"
        )
        return self.http.get(
            f"{self.hospital.settings.url}/auth/authorize", params=self.request(launch=launch, **changes)
        )

    def back(self, **changes: str | None) -> dict[str, str]:
        """What comes back on the redirect URI."""
        answer = self.authorize(**changes)
        assert answer.status_code == 302, answer.text
        assert answer.headers["Location"].startswith(CALLBACK)
        query = parse_qs(urlsplit(answer.headers["Location"]).query)
        return {name: value[0] for name, value in query.items()}

    def token(self, data: dict[str, str], **how: Any) -> httpx.Response:
        return self.http.post(self.hospital.settings.token_url, data=data, **how)

    def redeem(
        self, code: str, *, verifier: str = "", client_id: str | None = "ordertime", **how: Any
    ) -> httpx.Response:
        data = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": CALLBACK,
            "code_verifier": verifier or self.verifier,
        }
        return self.token(data | ({"client_id": client_id} if client_id else {}) | how.pop("more", {}), **how)

    def launch(self, **changes: str | None) -> dict[str, Any]:
        """The token response of a whole EHR launch of the public client."""
        answer = self.redeem(self.back(**changes)["code"])
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def bearer(self, scope: str, patient: str = "ann", user: str = "doc", ttl: int = 300) -> dict[str, str]:
        token = self.hospital.tokens.issue("ordertime", scope, patient, user, ttl)
        return {"Authorization": f"Bearer {token}"}

    def get(self, path: str, scope: str = "patient/*.rs", **how: Any) -> httpx.Response:
        url = path if path.startswith("http") else f"{self.base}/{path}"
        return self.http.get(url, headers=self.bearer(scope), **how)

    def with_token(self, token: str, path: str) -> httpx.Response:
        return self.http.get(f"{self.base}/{path}", headers={"Authorization": f"Bearer {token}"})


@dataclass
class AppKeys:
    """The app's own signing keys and its JWKS, as the hospital would fetch it."""

    rsa: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, auto_kid=True))
    ec: ECKey = field(default_factory=lambda: ECKey.generate_key("P-384", auto_kid=True))
    published: list[Any] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)

    def fetch(self, url: str) -> Any:
        self.fetched.append(url)
        return KeySet(self.published or [self.rsa, self.ec]).as_dict(private=False)

    def assertion(
        self,
        alg: str,
        audience: str,
        client_id: str = "ordertime-asymmetric",
        life: int = 240,
        header: dict[str, Any] | None = None,
        key: Any = None,
        **claims: Any,
    ) -> dict[str, str]:
        key = key or (self.rsa if alg.startswith("RS") else self.ec)
        now = int(datetime.now(UTC).timestamp())
        told = {
            "iss": client_id,
            "sub": client_id,
            "aud": audience,
            "iat": now,
            "exp": now + life,
            "jti": secrets.token_urlsafe(16),
        } | claims
        signed = jwt.encode({"alg": alg, "kid": key.kid} | (header or {}), told, key, algorithms=[alg])
        return {
            "client_assertion": signed,
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        }


def served(settings: Settings | None = None, **how: Any) -> Iterator[Hospital]:
    """A hospital on a free loopback port, until the generator is closed."""
    server = make_server("127.0.0.1", 0, lambda *_: [], threaded=True, request_handler=Quiet)
    told = settings or settings_for(server.port, 8000)
    app = create_hospital(replace(told, patients=small_ward, faults=True), **how)
    server.app = app
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield app.extensions["hospital"]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
