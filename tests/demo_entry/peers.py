"""A small decision support service on loopback, and the hospital beside it: real HTTP between the two.

The service keeps what it was sent and answers as it is told to; it checks the hospital's JWT as CDS Hooks
2.0.1 asks.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from flask import Flask, Response, jsonify, request
from joserfc import jwt
from joserfc.jwk import KeySet
from werkzeug.serving import make_server

from demo.app import create_hospital
from demo.config import Settings, registrations
from demo.records import Hospital

NOW = datetime(2026, 11, 23, 15, 4, 5, tzinfo=UTC)
TEMPLATES = {
    "patient": "Patient/{{context.patientId}}",
    "vitals": "Observation?patient={{context.patientId}}&category=vital-signs",
    "labs": "Observation?patient={{context.patientId}}&category=laboratory&_count=10",
    "nobody": "Observation?patient={{context.patientId}}&category=survey",
    "doctor": "Practitioner/{{userPractitionerId}}",
    "gone": "Encounter/no-such-stay",
    "wrong": "Observation?patient={{context.patientId}}&colour=blue",
    "unknown": "Patient/{{context.tomorrow}}",
}
DETAIL = """Breathing has become faster: **35 a minute**, from 24 a day ago.

| Sign | 12 h ago | now |
|---|---|---|
| Respiratory rate | 25 /min | 35 /min |
| FiO₂ | 40 % | 80 % |
| SpO₂ | 93 % | 90 % |

Interval 0.18 to 0.41. <script>alert(1)</script> [source](javascript:alert(2)) ![x](http://127.0.0.1/x.png)
"""


def card(link: str, uuid: str = "6e8f7c1a-0000-4000-8000-000000000001", **more: Any) -> dict[str, Any]:
    """A card with everything the hospital draws."""
    made: dict[str, Any] = {
        "uuid": uuid,
        "summary": "28 of 100 patients like this need a ventilator within 24 hours",
        "indicator": "warning",
        "detail": DETAIL,
        "source": {"label": "Loopback decision support, model 0.0", "url": "https://example.org"},
        "links": [
            {"label": "About the rule", "url": "https://example.org/rule", "type": "absolute"},
            {"label": "See the reasons", "url": f"{link}/launch", "type": "smart", "appContext": "opaque-42"},
        ],
        "overrideReasons": [
            {
                "code": "already-acting",
                "system": "https://example.org/why",
                "display": "Already acting on it",
            },
            {
                "code": "not-applicable",
                "system": "https://example.org/why",
                "display": "Does not fit this patient",
            },
        ],
    }
    return made | more


@dataclass
class Service:
    """What the service was sent, and how it answers.

    `answers` maps a hook to (status, body), or to a number of seconds to stay silent; without an entry the
    service has nothing to advise.
    """

    url: str = ""
    keys: str = ""
    answers: dict[str, Any] = field(default_factory=dict)
    feedback_status: int = 200
    calls: list[dict[str, Any]] = field(default_factory=list)
    feedback: list[dict[str, Any]] = field(default_factory=list)
    tokens: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, Any]] = field(default_factory=list)
    launches: list[dict[str, str]] = field(default_factory=list)
    jwks: Any = None

    def verify(self) -> None:
        """Check the caller's JWT against the hospital's public keys and keep its claims."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        assert scheme == "Bearer"
        read = jwt.decode(token, KeySet.import_key_set(self.jwks()), algorithms=["ES384"])
        assert read.claims["aud"] == self.url + request.path, "the audience is the exact address called"
        self.tokens.append(read.claims)
        self.headers.append(read.header)


def create_service(service: Service) -> Flask:
    app = Flask("peer")

    @app.get("/cds-services")
    def discovery() -> Any:
        told = service.answers.get("discovery")
        if told is not None:
            return Response(told[1], told[0])
        hooks = ("patient-view", "order-select", "order-sign")
        entries = [
            {
                "hook": hook,
                "id": "breath",
                "title": "Breath",
                "description": "for tests",
                "prefetch": TEMPLATES,
            }
            for hook in hooks
        ]
        return jsonify(services=entries)

    @app.post("/cds-services/<name>")
    def call(name: str) -> Any:
        service.verify()
        body = request.get_json()
        service.calls.append(body)
        told = service.answers.get(body["hook"], (200, {"cards": []}))
        if isinstance(told, int | float):
            time.sleep(told)
            told = (200, {"cards": []})
        status, answer = told
        return (jsonify(answer) if isinstance(answer, dict) else Response(answer)), status

    @app.post("/cds-services/<name>/feedback")
    def feedback(name: str) -> Any:
        service.verify()
        service.feedback += request.get_json()["feedback"]
        return Response(status=service.feedback_status)

    @app.get("/launch")
    def launch() -> str:
        service.launches.append(request.args.to_dict())
        return "<!doctype html><title>App</title><h1>The app</h1>"

    return app


@contextmanager
def serving(app: Any) -> Iterator[int]:
    """The app on a free loopback port, in a thread of this process."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass(frozen=True)
class Pair:
    """The two, up and talking."""

    service: Service
    hospital: Hospital
    app: Flask
    url: str


@contextmanager
def pair(clock: Any = lambda: NOW) -> Iterator[Pair]:
    """A hospital (at localhost) and a service (at 127.0.0.1) that know each other."""
    service = Service()
    with serving(create_service(service)) as port:
        service.url = f"http://127.0.0.1:{port}"
        forward: dict[str, Any] = {}

        def wsgi(environ: Any, start: Any) -> Any:
            return forward["app"](environ, start)

        with serving(wsgi) as own:
            url = f"http://localhost:{own}"
            settings = Settings(url=url, app_url=service.url, clients=registrations(service.url), clock=clock)
            app = create_hospital(settings)
            forward["app"] = app
            hospital = app.extensions["hospital"]
            service.jwks = hospital.keys.cds_jwks
            yield Pair(service, hospital, app, url)
