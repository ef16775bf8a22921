"""The CDS Hooks door: discovery, the two services on their three hooks, and feedback.

A caller that is not trusted gets 401, a request that cannot be read 400, data that cannot be had 412, an answer
that would come too late 503. An empty list of cards means "nothing to advise" and nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, Flask, Response, g, jsonify, request
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType

from ehr import hooks as wire
from ehr.documents import TooManyParts
from ehr.errors import MalformedRequest, NotFound, UnknownIssuer, UntrustedCaller
from ehr.reader import read_record
from ehr.records import Reading, read_orders, read_patient
from ehr.tenants import Tenant
from ehr.transport import Budget, FhirHttp
from ehr.trust import VerifiedCaller, verify_caller
from governance.entries import Feedback
from inference.model import Model
from webapp import audit, limits, words
from webapp.consult import Occasion, consult, hours_to
from webapp.errors import outcome
from webapp.ops import CARDS, FOREIGN, STAGES
from webapp.rooms import MODELS, Rooms, here
from webapp.showing import Shown, shown, too_late

door = Blueprint("hooks", __name__)
REPLAY = timedelta(minutes=10)
PREFLIGHT_SECONDS = "600"
PLACES = ("/cds-services", "/sites/")
CHART_SHARE, ORDERS_SHARE = 0.75, 0.15  # of the hook's deadline


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
    asking = _asking(here(), site)
    quirks, offers = (asking.quirks, bool(asking.cards.offers)) if asking else (frozenset[str](), False)
    return jsonify(wire.discovery(titles, quirks, orders=offers))


@door.post("/cds-services/<service>")
@door.post("/sites/<site>/cds-services/<service>")
def service(service: str, site: str = "") -> Response:
    """One hook call: verified, read, completed, assessed, recorded, answered."""
    rooms, began = here(), time.monotonic()
    model, only = _model(rooms, service)
    service = model.name
    caller = _caller(rooms, site)
    limits.within(rooms, "hooks", caller.tenant.id, caller.iss)
    asked = wire.read_request(_json(), service)
    asked = asked if asked.fhir_server else replace(asked, fhir_server=caller.tenant.issuer)  # whose ids these are
    if only not in ("", asked.hook):
        raise MalformedRequest(f"is not '{only}', which this address is for", "hook")
    g.caller = (caller.tenant.id, asked.user, asked.patient)
    # The whole question: a client that uses an instance twice must not hear of the other patient.
    key = "|".join([caller.tenant.id, service, asked.hook_instance, asked.hook, asked.patient, asked.user])
    if answered := rooms.vault.get("hook-answer", key):
        audit.called(rooms, "hook", *g.caller, reason="again")
        return jsonify(answered["body"])
    advice = _advice(rooms, model, caller.tenant, asked) if wire.concerns(asked, service) else Shown()
    if time.monotonic() - began > rooms.settings.hook_deadline:
        CARDS.labels(service, "late").inc()
        too_late(rooms, advice)
        said = "the answer came too late to be of use at the bedside; nothing is advised"
        return outcome(503, "timeout", said, "too-late")
    body = {"cards": list(advice.cards)}
    audit.called(rooms, "hook", *g.caller, reason="card" if body["cards"] else "")
    rooms.vault.put("hook-answer", key, {"body": body}, REPLAY.total_seconds())
    CARDS.labels(service, advice.decided).inc()
    return jsonify(body)


@door.post("/cds-services/<service>/feedback")
@door.post("/sites/<site>/cds-services/<service>/feedback")
def feedback(service: str, site: str = "") -> Response:
    """What the clinicians did with our cards. Repeats count once; a card we do not know is kept all the same."""
    rooms = here()
    service = _model(rooms, service)[0].name
    caller = _caller(rooms, site)
    limits.within(rooms, "feedback", caller.tenant.id, caller.iss)
    rows = wire.read_feedback(_json())
    told = [Feedback(**asdict(row)) for row in rows]
    kept = rooms.ledger.feedback(told, tenant=caller.tenant.id, service=service)
    audit.called(rooms, "feedback", caller.tenant.id)
    return jsonify(received=len(rows), recorded=kept)


def _model(rooms: Rooms, service: str) -> tuple[Model, str]:
    """The model behind a service's id, and the one hook that the id is for; "" for every hook."""
    ids = {f"{name}-{hook}": (name, hook) for name in rooms.models for hook in wire.HOOKS}
    name, only = ids.get(service, (service, ""))
    if name not in rooms.models:
        raise NotFound(f"no such service; the services are {', '.join(rooms.models)}")
    return rooms.models[name], only


def _asking(rooms: Rooms, site: str) -> Tenant | None:
    """The site that asks: the one in the address, or the only one there is; None where nobody can tell."""
    if not site:
        return next(iter(rooms.tenants)) if len(rooms.tenants) == 1 else None
    try:
        return rooms.tenants.by_id(site)
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
    g.caller = (caller.tenant.id, "", "")
    if site not in ("", caller.tenant.id):
        raise UntrustedCaller("the caller is of another site than the address called", "iss")
    return caller


def _json() -> Mapping[str, Any]:
    """The request's body. Raises MalformedRequest unless it is one JSON object, plain and of a size we hold."""
    if request.content_encoding not in (None, "", "identity"):
        raise UnsupportedMediaType("send the body as it is: a packed one is not unpacked here")
    try:
        body = wire.parse_json(request.get_data(cache=False))
    except TooManyParts as fault:
        raise RequestEntityTooLarge(f"the body holds {fault}") from None
    except ValueError as error:
        raise MalformedRequest(f"the body is not JSON: {error}", where="body") from None
    if not isinstance(body, dict):
        raise MalformedRequest("the body is JSON, but not an object", where="body")
    return body


def _advice(rooms: Rooms, model: Model, tenant: Tenant, asked: wire.HookRequest) -> Shown:
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
            base=asked.fhir_server,
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
        (found,) = consult(record, [model], rooms.ledger, rooms.readings, occasion)
    with STAGES.labels("card").time():
        return shown(rooms, tenant, asked, found, lambda: _orders(rooms, tenant, asked))


def _fetch(rooms: Rooms, tenant: Tenant, asked: wire.HookRequest) -> Reading:
    """What the prefetch did not bring, read with the caller's own token, which is kept nowhere."""
    http = _http(rooms, tenant, asked, CHART_SHARE)
    return read_patient(
        http, asked.patient, as_of=rooms.clock(), quirks=tenant.quirks, local_codes=tenant.local_codes
    )


def _orders(rooms: Rooms, tenant: Tenant, asked: wire.HookRequest) -> Reading:
    """The orders in force, where there is something to offer and the prefetch did not bring them."""
    http = _http(rooms, tenant, asked, ORDERS_SHARE)
    return read_orders(http, asked.patient, as_of=rooms.clock(), quirks=tenant.quirks)


def _http(rooms: Rooms, tenant: Tenant, asked: wire.HookRequest, share: float) -> FhirHttp:
    """The caller's own FHIR server, for a share of the time an answer may take."""
    budget = Budget(rooms.settings.hook_deadline * share)
    return FhirHttp(
        asked.fhir_server, asked.token, rooms.http, budget, clock=rooms.clock, quirks=tenant.quirks
    )


@door.before_request
def _preflight() -> Response | None:
    """A browser asks first; that question carries no JWT."""
    return Response(status=204) if request.method == "OPTIONS" else None


@door.after_app_request
def _cors(response: Response) -> Response:
    """Refusals too, and of addresses that no route has: a browser's client reads what mends its call."""
    if not request.path.startswith(PLACES):
        return response
    origin = request.headers.get("Origin", "")
    if origin and any(origin in tenant.cors_origins for tenant in here().tenants):
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Allow-Methods"] = "GET, POST, OPTIONS"
        response.headers["Access-Control-Allow-Headers"] = "authorization, content-type"
        response.headers["Access-Control-Max-Age"] = PREFLIGHT_SECONDS
    response.headers.add("Vary", "Origin")
    return response
