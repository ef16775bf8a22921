"""The app in this process, and the stand-in hospital on a loopback port: real HTTP between them."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from flask import Flask
from flask.testing import FlaskClient
from joserfc import jwt

from demo.app import create_hospital, fetch_json
from demo.cds_client import fill
from demo.config import settings_for
from demo.patients import everyone
from demo.records import Hospital
from demo.tenant import write_tenant
from inference.assessment import TROPONIN, VENTILATION
from inference.model import load, newest
from tests.artefacts import build
from tests.demo.standing_hospital import Quiet
from webapp import create_app
from webapp.rooms import Rooms
from webapp.settings import Settings, from_environment

APP = "http://127.0.0.1:8000"
SECRET = "kV9x0pQ2mN7bL4cZ8wR1tY6uJ3hG5fDs"


class Browser(FlaskClient):
    """A browser reads a page to its end, also one that comes in pieces."""

    def open(self, *args: Any, buffered: bool = True, **more: Any) -> Any:
        return super().open(*args, buffered=buffered, **more)


class Clock:
    """Time that a test can move."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)
        self.stopped: datetime | None = None

    def __call__(self) -> datetime:
        return self.stopped or datetime.now(UTC) + self.ahead


@dataclass
class House:
    """App and hospital, and what a browser or a CDS client would do with them."""

    app: Flask
    rooms: Rooms
    hospital: Hospital
    clock: Clock
    keys: Any

    # --- the hospital's weather

    def weather(self, kind: str, **more: Any) -> None:
        answer = httpx.post(f"{self.hospital.settings.url}/_faults", json={"kind": kind, **more})
        assert answer.is_success, answer.text

    def weather_withholds(self, *scopes: str) -> None:
        """Scopes that the hospital leaves out of every grant from now on."""
        httpx.post(f"{self.hospital.settings.url}/_faults", json={"withhold": scopes}).raise_for_status()

    def fair(self) -> None:
        httpx.delete(f"{self.hospital.settings.url}/_faults")

    # --- the CDS client

    def token(self, path: str, **changed: Any) -> str:
        now = int(self.clock().timestamp())
        told = {
            "iss": self.hospital.settings.url,
            "aud": APP + path,
            "iat": now,
            "exp": now + 300,
            "jti": uuid.uuid4().hex,
        } | changed
        key = self.keys.cds
        return jwt.encode({"alg": "ES384", "kid": key.kid, "typ": "JWT"}, told, key, algorithms=["ES384"])

    def post(self, path: str, body: Any, *, token: str | None = None, **headers: str) -> Any:
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        bearer = (
            {"Authorization": f"Bearer {self.token(path) if token is None else token}"} if token != "" else {}
        )
        return self.app.test_client().post(
            path, data=sent, headers={"Content-Type": "application/json"} | bearer | headers
        )

    def services(self) -> list[dict[str, Any]]:
        return list(self.app.test_client().get("/cds-services").get_json()["services"])

    def asked(
        self,
        patient: str,
        service: str = VENTILATION,
        hook: str = "patient-view",
        *,
        prefetch: bool = True,
        authorised: bool = True,
        orders: Any = None,
    ) -> dict[str, Any]:
        """The body a client would send: prefetch resolved against the hospital's own records."""
        stay = next(iter(self.hospital.search("Encounter", {"patient": patient})), {"id": ""})
        context = {"userId": "Practitioner/okafor", "patientId": patient, "encounterId": stay["id"]}
        if orders is not None:
            context["draftOrders"] = {
                "resourceType": "Bundle",
                "entry": [{"resource": one} for one in orders],
            }
        entry = next(one for one in self.services() if one["id"] == service and one["hook"] == hook)
        body: dict[str, Any] = {"hook": hook, "hookInstance": str(uuid.uuid4()), "context": context}
        if authorised:
            scope = (
                "patient/Patient.r patient/Observation.rs patient/Encounter.rs patient/Condition.rs "
                "patient/Procedure.rs patient/DeviceUseStatement.rs patient/Device.rs"
            )
            body["fhirServer"] = self.hospital.settings.fhir
            body["fhirAuthorization"] = {
                "access_token": self.hospital.tokens.issue("ordertime", scope, patient, "okafor", 300),
                "token_type": "Bearer",
                "expires_in": 300,
                "scope": scope,
                "subject": "ordertime",
                "patient": patient,
            }
        if prefetch:
            values = {f"context.{name}": value for name, value in context.items() if isinstance(value, str)}
            body["prefetch"] = {
                name: self.prefetched(filled)
                for name, template in entry["prefetch"].items()
                if (filled := fill(template, values)) is not None
            }
        return body

    def prefetched(self, query: str) -> dict[str, Any]:
        if re.fullmatch(r"[A-Za-z]+/[^/?]+", query):
            kind, key = query.split("/")
            return self.hospital.read(kind, key)
        return self.hospital.bundle(query)

    # --- the browser

    def browser(self) -> FlaskClient:
        return self.app.test_client()

    def launched(
        self, patient: str, client: FlaskClient | None = None, **changes: str
    ) -> tuple[FlaskClient, str]:
        """A browser that has come as far as the result's address."""
        client = client or self.browser()
        back = self.callback(client, patient, **changes)
        answer = client.get(back, base_url=APP)
        assert answer.status_code == 303, answer.get_data(as_text=True)
        return client, answer.headers["Location"]

    def callback(
        self,
        client: FlaskClient,
        patient: str,
        user: str = "Practitioner/okafor",
        app_context: str | None = None,
    ) -> str:
        """The address the hospital sends the browser back to."""
        stay = next(iter(self.hospital.search("Encounter", {"patient": patient})), {"id": ""})
        launch = self.hospital.launches.mint(
            patient=patient, encounter=stay["id"], user=user, app_context=app_context
        )
        going = client.get(
            "/launch", query_string={"iss": self.hospital.settings.fhir, "launch": launch}, base_url=APP
        )
        assert going.status_code == 303, going.get_data(as_text=True)
        back = httpx.get(going.headers["Location"])
        assert back.status_code == 302, back.text
        return back.headers["Location"].removeprefix(APP)

    def result(self, patient: str) -> tuple[FlaskClient, str, Any]:
        client, address = self.launched(patient)
        return client, address, client.get(address, base_url=APP)


def visit_of(address: str) -> str:
    return parse_qs(urlsplit(address).query)["visit"][0]


def settings(folder: Path, hospital: Hospital) -> Settings:
    """A demonstration's settings, everything in `folder`."""
    write_tenant(hospital.settings, folder / "tenants")
    return from_environment(
        {
            "ORDERTIME_MODE": "demonstration",
            "ORDERTIME_PUBLIC_URL": APP,
            "ORDERTIME_SECRET_KEY": SECRET,
            "ORDERTIME_TENANTS": str(folder / "tenants"),
            "DATABASE_URL": f"sqlite:///{folder / 'ledger.db'}",
            "ORDERTIME_ARTIFACTS": str(folder / "artifacts"),
            "ORDERTIME_HOOK_DEADLINE": "20",
            "ORDERTIME_READ_BUDGET": "6",
        }
    )


def standing(
    folder: Path,
    trend: Callable[[Path], object] = lambda artifacts: build(artifacts, TROPONIN),
    *,
    quiet_minutes: float = 0,
    fetch: Callable[[str], Any] = fetch_json,
) -> Iterator[House]:
    """App and hospital, until the generator is closed. The models are small synthetic ones.

    `trend` writes the trend model where another than the plain one is wanted. Every card is shown, however
    often asked for, unless `quiet_minutes` says otherwise. `fetch` is how the hospital gets the app's public keys.
    """
    import threading

    from werkzeug.serving import make_server

    build(folder / "artifacts", VENTILATION)
    trend(folder / "artifacts")
    models = {name: load(newest(folder / "artifacts", name), "cpu") for name in (VENTILATION, TROPONIN)}
    server = make_server("127.0.0.1", 0, lambda *_: [], threaded=True, request_handler=Quiet)
    told = replace(
        settings_for(server.port, 8000), patients=everyone, faults=True, quiet_minutes=quiet_minutes
    )
    server.app = create_hospital(told, fetch)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    hospital: Hospital = server.app.extensions["hospital"]
    clock = Clock()
    rooms = Rooms(settings(folder, hospital), clock=clock, models=models)
    app = create_app(rooms.settings, rooms)
    app.test_client_class = Browser
    try:
        yield House(app, rooms, hospital, clock, hospital.keys)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        rooms.http.close()
