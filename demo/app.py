"""The stand-in hospital as one Flask app: FHIR server, authorisation server, order entry page."""

from __future__ import annotations

import os
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import httpx
from flask import Flask, Response, jsonify

from demo import export, faults, fhir, smart
from demo.assertion import FetchJson
from demo.config import Settings, from_environment
from demo.records import Hospital

LARGEST_BODY = 10 * 1024 * 1024


def fetch_json(url: str) -> Any:
    """The JSON at `url`, within five seconds. Raises ValueError when there is none."""
    try:
        asked = httpx.get(url, timeout=5.0, trust_env=False, headers={"Accept": "application/json"})
        answer = asked.raise_for_status()
    except httpx.HTTPError as error:
        raise ValueError(f"{url} did not answer") from error
    return answer.json()


def create_hospital(settings: Settings, fetch: FetchJson = fetch_json) -> Flask:
    """The hospital. Its records and what it hands out are `app.extensions["hospital"]`."""
    app = Flask("demo", static_folder=None)
    app.config.update(
        SECRET_KEY=settings.secret_key, SESSION_COOKIE_NAME="hospital", SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax", MAX_CONTENT_LENGTH=LARGEST_BODY,
    )
    hospital = Hospital(settings)
    app.extensions["hospital"] = hospital
    if settings.faults:
        faults.install(app, hospital.faults)
    fhir.install_errors(app)
    app.register_blueprint(fhir.blueprint(hospital))
    app.register_blueprint(export.blueprint(hospital))
    smart.install(app, hospital, fetch)
    if find_spec("demo.entry") is not None:
        app.register_blueprint(import_module("demo.entry").blueprint(hospital))

    @app.get("/healthz")
    def healthz() -> Response:
        return jsonify(status="ok")

    return app


def application() -> Flask:
    """What gunicorn starts (`demo.app:application()`): one worker, since all is in its memory."""
    return create_hospital(from_environment(os.environ))
