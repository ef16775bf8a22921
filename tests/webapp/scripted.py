"""A hospital that does as a test tells it, on loopback: what it grants, whose token it takes, what it was asked."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

from flask.testing import FlaskClient

from inference.assessment import TROPONIN, VENTILATION
from inference.model import load, newest
from tests.artefacts import build
from tests.webapp.house import APP, SECRET, Browser, Clock
from webapp import create_app
from webapp.rooms import Rooms
from webapp.settings import from_environment

TENANT = """
id = "scripted"
name = "Scripted hospital"
issuer = "{url}/fhir"
client_id = "ordertime"
scopes = ["launch", "openid", "fhirUser", "online_access", "patient/Patient.r", "patient/Observation.rs"]
time_zone = "America/New_York"
"""
GIVEN: dict[str, Any] = {
    "access_token": "at-0",
    "token_type": "Bearer",
    "expires_in": 300,
    "scope": "launch online_access patient/Patient.r patient/Observation.rs patient/Encounter.rs",
    "patient": "p1",
    "encounter": "e1",
    "refresh_token": "rt-0",
}


@dataclass
class Scripted:
    """What the hospital says, and what it heard. `forms` are posted to token and revocation endpoint."""

    url: str = ""
    given: dict[str, Any] = field(default_factory=lambda: dict(GIVEN))
    configuration: dict[str, Any] = field(default_factory=dict)
    takes: str = ""  # the token it takes; "" for every one
    slow: float = 0.0  # seconds a token takes
    forms: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    reads: list[str] = field(default_factory=list)  # the bearer of each read
    lock: threading.Lock = field(default_factory=threading.Lock)

    def renewals(self) -> list[str]:
        """The refresh tokens that were exchanged."""
        return [form["refresh_token"] for _, form in self.forms if form.get("grant_type") == "refresh_token"]

    def token(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """The token response; each refresh token is taken once and replaced."""
        time.sleep(self.slow)
        with self.lock:
            if form["grant_type"] != "refresh_token":
                return 200, self.given
            if self.renewals().count(form["refresh_token"]) > 1:
                return 400, {"error": "invalid_grant"}
            number = len(self.renewals())
            return 200, self.given | {"access_token": f"at-{number}", "refresh_token": f"rt-{number}"}

    def smart(self) -> dict[str, Any]:
        """Its SMART configuration."""
        named = {part: f"{self.url}/auth/{part}" for part in ("authorize", "token", "revoke")}
        return {
            "authorization_endpoint": named["authorize"],
            "token_endpoint": named["token"],
            "revocation_endpoint": named["revoke"],
            "code_challenge_methods_supported": ["S256"],
            "capabilities": ["launch-ehr"],
        } | self.configuration

    def read(self, path: str, bearer: str) -> tuple[int, dict[str, Any]]:
        """One patient without a single row, for whoever brings the token it takes."""
        self.reads.append(bearer)
        if self.takes and bearer != self.takes:
            return 401, {"resourceType": "OperationOutcome", "issue": [{"code": "login"}]}
        if path == "/fhir/Patient/p1":
            return 200, {"resourceType": "Patient", "id": "p1", "birthDate": "1950-02-03", "gender": "female"}
        return 200, {"resourceType": "Bundle", "type": "searchset", "total": 0, "link": []}


def handler(there: Scripted) -> type[BaseHTTPRequestHandler]:
    class Door(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            if path.endswith("/smart-configuration"):
                return self.say(200, there.smart())
            bearer = self.headers.get("Authorization", "").removeprefix("Bearer ")
            return self.say(*there.read(path, bearer))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
            path, form = urlsplit(self.path).path, dict(parse_qsl(body))
            there.forms.append((path, form))
            self.say(*(there.token(form) if path == "/auth/token" else (200, {})))

        def say(self, status: int, body: dict[str, Any]) -> None:
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: a test's requests are no news."""

    return Door


@contextmanager
def scripted() -> Iterator[Scripted]:
    """The hospital, listening until the end of the block."""
    there = Scripted()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(there))
    there.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield there
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Frame:
    """The app beside that hospital, and a browser."""

    rooms: Rooms
    clock: Clock
    there: Scripted
    browser: FlaskClient

    def begun(self, **more: str) -> dict[str, str]:
        """What a launch asks the hospital for."""
        query = {"iss": f"{self.there.url}/fhir", "launch": "xyz"} | more
        going = self.browser.get("/launch", query_string=query, base_url=APP)
        assert going.status_code == 303, going.get_data(as_text=True)
        return {name: value[0] for name, value in parse_qs(urlsplit(going.location).query).items()}

    def back(self, state: str = "", **more: str) -> Any:
        """The answer to the hospital's sending the browser back."""
        query = {"code": "c-1", "state": state or self.begun()["state"]} | more
        return self.browser.get("/callback", query_string=query, base_url=APP)


def environment(folder: Path, there: Scripted, **changed: str) -> dict[str, str]:
    """What an app beside that hospital is told; everything it needs is written into `folder`."""
    (folder / "tenants").mkdir(exist_ok=True)
    (folder / "tenants" / "scripted.toml").write_text(TENANT.format(url=there.url))
    return {
        "ORDERTIME_MODE": "demonstration",
        "ORDERTIME_PUBLIC_URL": APP,
        "ORDERTIME_SECRET_KEY": SECRET,
        "ORDERTIME_TENANTS": str(folder / "tenants"),
        "ORDERTIME_ARTIFACTS": str(folder / "artifacts"),
        "DATABASE_URL": f"sqlite:///{folder / 'ledger.db'}",
    } | changed


def artefacts(folder: Path) -> Path:
    """`folder` with two small models in it."""
    for name in (VENTILATION, TROPONIN):
        build(folder / "artifacts", name)
    return folder


def framed(folder: Path, there: Scripted) -> Frame:
    """The app in this process. `folder` holds the models."""
    settings, clock = from_environment(environment(folder, there)), Clock()
    models = {name: load(newest(folder / "artifacts", name), "cpu") for name in (VENTILATION, TROPONIN)}
    rooms = Rooms(settings, clock=clock, models=models)
    app = create_app(settings, rooms)
    app.test_client_class = Browser
    return Frame(rooms, clock, there, app.test_client())
