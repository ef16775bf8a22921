"""The CDS Hooks door: discovery, the two services on their three hooks, and feedback.

A caller that is not trusted gets 401, a request that cannot be read 400, data that cannot be had 412, an answer
that would come too late 503. An empty list of cards means "nothing to advise" and nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

from flask import Blueprint, Flask, Response, jsonify, request

from ehr import hooks as wire
from ehr.errors import MalformedRequest, NotFound, UnknownIssuer, UntrustedCaller
from ehr.reader import read_record
from ehr.records import Reading, read_patient
from ehr.tenants import Tenant
from ehr.transport import Budget, FhirHttp
from ehr.trust import VerifiedCaller, verify_caller
from governance.entries import Feedback
from inference.model import Model
from webapp import cards, words
from webapp.consult import Consultation, Occasion, consult, hours_to
from webapp.errors import outcome
from webapp.ops import CARDS, FOREIGN, STAGES
from webapp.rooms import MODELS, Rooms, here

door = Blueprint("hooks", __name__)
REPLAY = timedelta(minutes=10)
PREFLIGHT_SECONDS = "600"


def install(app: Flask) -> None:
    """Open the door."""
    app.register_blueprint(door)


@door.get("/cds-services")
@door.get("/sites/<site>/cds-services")
def discovery(site: str = "") -> Response:
    """Which services there are, at a site's own address those it can use. Holds no patient data, so it is open."""
    titles = {
        name: (words.say("en", f"service.{name}.title"), words.say("en", f"service.{name}.text"))
        for name in MODELS
    }
    return jsonify(wire.discovery(titles, _habits(here(), site)))


@door.post("/cds-services/<service>")
@door.post("/sites/<site>/cds-services/<service>")
def service(service: str, site: str = "") -> Response:
    """One hook call: verified, read, completed, assessed, recorded, answered."""
    rooms, began = here(), time.monotonic()
    model = _model(rooms, service)
    caller = _caller(rooms, site)
    asked = wire.read_request(_json(), service)
    key = f"{caller.tenant.id}|{service}|{asked.hook_instance}"
    if answered := rooms.vault.get("hook-answer", key):
        return jsonify(answered["body"])
    body: dict[str, Any] = {"cards": []}
    if wire.concerns(asked, service):
        body = {"cards": _advice(rooms, model, caller.tenant, asked)}
        if time.monotonic() - began > rooms.settings.hook_deadline:
            CARDS.labels(service, "late").inc()
            return outcome(
                503, "timeout", "the answer came too late to be of use at the bedside; nothing is advised"
            )
    rooms.vault.put("hook-answer", key, {"body": body}, REPLAY.total_seconds())
    CARDS.labels(service, "card" if body["cards"] else "nothing to advise").inc()
    return jsonify(body)


@door.post("/cds-services/<service>/feedback")
@door.post("/sites/<site>/cds-services/<service>/feedback")
def feedback(service: str, site: str = "") -> Response:
    """What the clinicians did with our cards. Repeats count once; a card we do not know is kept all the same."""
    rooms = here()
    _model(rooms, service)
    caller = _caller(rooms, site)
    rows = wire.read_feedback(_json())
    told = [Feedback(**asdict(row)) for row in rows]
    kept = rooms.ledger.feedback(told, tenant=caller.tenant.id, service=service)
    return jsonify(received=len(rows), recorded=kept)


def _model(rooms: Rooms, service: str) -> Model:
    if service not in rooms.models:
        raise NotFound(f"no such service; the services are {', '.join(rooms.models)}")
    return rooms.models[service]


def _habits(rooms: Rooms, site: str) -> frozenset[str]:
    """The quirks of the site that asks: the one in the address, or the only one there is."""
    if not site:
        return next(iter(rooms.tenants)).quirks if len(rooms.tenants) == 1 else frozenset()
    try:
        return rooms.tenants.by_id(site).quirks
    except UnknownIssuer:
        raise NotFound("no site of this id is configured here", "sites") from None


def _caller(rooms: Rooms, site: str) -> VerifiedCaller:
    """Who calls, proven by their JWT; the audience is our public address, never the Host header's."""
    caller = verify_caller(
        request.headers.get("Authorization", ""),
        url=rooms.settings.public_url + request.path,
        tenants=rooms.tenants,
        keys=rooms.keys,
        seen=rooms.vault.seen,
        now=rooms.clock(),
    )
    if site not in ("", caller.tenant.id):
        raise UntrustedCaller("the caller is of another site than the address called", "iss")
    return caller


def _json() -> Mapping[str, Any]:
    """The request's body. Raises MalformedRequest unless it is one JSON object."""
    try:
        body = wire.parse_json(request.get_data(cache=False))
    except ValueError as error:
        raise MalformedRequest(f"the body is not JSON: {error}", where="body") from None
    if not isinstance(body, dict):
        raise MalformedRequest("the body is JSON, but not an object", where="body")
    return body


def _advice(rooms: Rooms, model: Model, tenant: Tenant, asked: wire.HookRequest) -> list[dict[str, Any]]:
    moment = rooms.clock()
    if asked.fhir_server and rooms.tenants.by_fhir_server(asked.fhir_server).id != tenant.id:
        raise UnknownIssuer("this FHIR server is not this caller's; nothing was sent to it")
    with STAGES.labels("read").time():
        gathered = wire.gather(asked, lambda: _fetch(rooms, tenant, asked))
        FOREIGN.labels("hook").inc(gathered.foreign)
        record = read_record(
            asked.patient,
            gathered.resources,
            local_codes=tenant.local_codes,
            care_units=tenant.care_units,
            zone=ZoneInfo(tenant.time_zone),
            truncated=gathered.truncated,
        )
    with STAGES.labels("consult").time():
        occasion = Occasion(
            tenant,
            asked.patient,
            moment,
            "hook",
            asked.hook_instance,
            asked.hook,
            asked.user,
            asked.encounter,
            hours_to(wire.planned_draw(asked, model.name), moment),
        )
        (found,) = consult(record, [model], rooms.ledger, occasion)
    with STAGES.labels("card").time():
        card = _card(rooms, tenant, asked, found)
    return [card] if card else []


def _fetch(rooms: Rooms, tenant: Tenant, asked: wire.HookRequest) -> Reading:
    """What the prefetch did not bring, read with the caller's own token, which is kept nowhere."""
    budget = Budget(rooms.settings.hook_deadline * 0.75)
    http = FhirHttp(
        asked.fhir_server, asked.token, rooms.http, budget, clock=rooms.clock, quirks=tenant.quirks
    )
    return read_patient(http, asked.patient, as_of=rooms.clock(), quirks=tenant.quirks)


def _card(
    rooms: Rooms, tenant: Tenant, asked: wire.HookRequest, found: Consultation
) -> dict[str, Any] | None:
    uuid = str(uuid4())
    card = cards.card(
        found.assessment,
        state=found.policy.state,
        threshold=found.policy.threshold,
        warn_at=found.policy.warn_at,
        critical_at=found.policy.critical_at,
        say_insufficient=found.policy.say_insufficient,
        link_url=f"{rooms.settings.public_url}/launch",
        app_context=None if "no-app-context" in tenant.quirks else found.id,
        zone=tenant.time_zone,
        uuid=uuid,
    )
    if card and not asked.for_clinician:
        return None  # a patient's own view gets no clinician's card
    rooms.ledger.card(
        uuid,
        found.id,
        shown_at=rooms.clock(),
        hook=asked.hook,
        indicator=card["indicator"] if card else "",
        summary=card["summary"] if card else "",
        withheld="" if card else "nothing to add",
    )
    return card


@door.before_request
def _preflight() -> Response | None:
    """A browser asks first; that question carries no JWT."""
    return Response(status=204) if request.method == "OPTIONS" else None


@door.after_request
def _cors(response: Response) -> Response:
    origin = request.headers.get("Origin", "")
    if origin and any(origin in tenant.cors_origins for tenant in here().tenants):
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Allow-Methods"] = "GET, POST, OPTIONS"
        response.headers["Access-Control-Allow-Headers"] = "authorization, content-type"
        response.headers["Access-Control-Max-Age"] = PREFLIGHT_SECONDS
    response.headers.add("Vary", "Origin")
    return response
