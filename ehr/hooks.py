"""CDS Hooks 2.0.1 on the wire: discovery, the request of the three hooks, which draft orders concern a model
and for when they plan a draw.

Accepts the additions of 3.0. Refuses (MalformedRequest, with the element) what the specification forbids. The
caller's access token lives in the request object alone, hidden from `repr`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

from ehr.bundles import resources_of
from ehr.codes import code_table
from ehr.documents import read_json
from ehr.errors import MalformedRequest
from ehr.feedback import FeedbackRow, read_feedback
from ehr.orders import is_draw, planned, said
from ehr.prefetch import Gathered, Read, gather_prefetch, templates

__all__ = [
    "HOOKS",
    "FeedbackRow",
    "Gathered",
    "HookRequest",
    "concerns",
    "discovery",
    "gather",
    "parse_json",
    "planned_draw",
    "prefetch_templates",
    "read_feedback",
    "read_request",
]

HOOKS: Final = ("order-select", "order-sign", "patient-view")
CLINICIANS: Final = frozenset({"Practitioner", "PractitionerRole"})
USERS: Final = CLINICIANS | {"Patient", "RelatedPerson"}
FHIR_ID: Final = re.compile(r"[A-Za-z0-9\-.]{1,64}")
OF_PATIENT: Final = re.compile(r"(?:^|/)Patient/([A-Za-z0-9\-.]{1,64})(?:/_history/[^/]*)?$")
MOST_DRAFTS: Final = 500
Resource = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class HookRequest:
    """One hook call, checked. `orders` are the drafts to be judged; the other `drafts` are context."""

    hook: str
    hook_instance: str
    service: str
    patient: str
    user: str  # "Practitioner/1"
    encounter: str = ""
    selections: tuple[str, ...] = ()
    orders: tuple[Resource, ...] = field(default=(), repr=False)
    drafts: tuple[Resource, ...] = field(default=(), repr=False)
    prefetch: Mapping[str, Any] = field(default_factory=dict, repr=False)
    fhir_server: str = ""
    token: str | None = field(default=None, repr=False)
    scope: str = ""

    @property
    def for_clinician(self) -> bool:
        """Whether the user is a clinician: a patient or relative gets no clinician's card."""
        return self.user.split("/")[0] in CLINICIANS

    @property
    def may_fetch(self) -> bool:
        """Whether the client lets us read from its server. That server must still be on the tenant's list."""
        return bool(self.fhir_server and self.token)


def parse_json(body: bytes) -> Any:
    """The body as JSON. Raises NotJson saying where it breaks off, never what stands there, and TooManyParts."""
    return read_json(body)


def discovery(
    titles: Mapping[str, tuple[str, str]], quirks: frozenset[str] = frozenset(), *, orders: bool = False
) -> dict[str, Any]:
    """The discovery document: each service (id -> title, description) on the hooks a site with `quirks` fires.

    `orders`: its cards offer something to order, so the orders in force are asked for too.
    """
    alone = "one-id-one-hook" in quirks
    services = [
        {
            "hook": hook,
            "id": f"{name}-{hook}" if alone else name,
            "title": title,
            "description": text,
            "prefetch": dict(prefetch_templates(name, quirks, orders=orders)),
        }
        for name, (title, text) in titles.items()
        for hook in (HOOKS if "patient-view-only" not in quirks else ("patient-view",))
    ]
    return {"services": services}


def prefetch_templates(
    model: str, quirks: frozenset[str] = frozenset(), *, orders: bool = False
) -> Mapping[str, str]:
    """What a client is asked to send for `model`. The same for both: each model reads the whole chart."""
    if model not in code_table().orders:
        raise KeyError(model)
    return templates(quirks, orders=orders)


def read_request(body: Mapping[str, Any], service: str) -> HookRequest:
    """The request for `service`. Raises MalformedRequest naming the element and what is wrong with it."""
    hook = body.get("hook")
    if hook not in HOOKS:
        raise MalformedRequest(f"{service} answers {', '.join(HOOKS)} and no other hook", "hook")
    context = _object(body.get("context"), "context")
    prefetch = body.get("prefetch")
    server = _server(body.get("fhirServer"))
    patient = _id(context.get("patientId"), "context.patientId", "Patient")
    token, scope = _authorization(body.get("fhirAuthorization"), server, patient)
    drafts = _drafts(context) if hook != "patient-view" else []
    selections = _selections(context) if hook == "order-select" else ()
    return HookRequest(
        hook=str(hook),
        hook_instance=_instance(body.get("hookInstance")),
        service=service,
        patient=patient,
        user=_user(context.get("userId")),
        encounter=_encounter(context.get("encounterId")),
        selections=selections,
        orders=tuple(
            row
            for row, names in drafts
            if (hook == "order-sign" or names & set(selections)) and not _of_another(row, patient)
        ),
        drafts=tuple(row for row, _ in drafts),
        prefetch={} if prefetch is None else _object(prefetch, "prefetch"),
        fhir_server=server,
        token=token,
        scope=scope,
    )


def concerns(request: HookRequest, model: str) -> tuple[str, ...]:
    """The judged draft orders that concern `model`, as their texts; opening the chart always does."""
    if request.hook == "patient-view":
        return ("patient-view",)
    orders = code_table().orders[model]
    found = []
    for order in _wanted(request):
        codes, words = said(order, request.drafts)
        if codes & orders.codes or orders.words.search(words):
            found.append(words[:80] or str(order.get("id", "")))
    return tuple(found)


def planned_draw(request: HookRequest, model: str) -> datetime | None:
    """When the judged orders plan the next draw of what `model` forecasts; None where they do not say.

    An order without a time is for as soon as may be, so beside one no later draw is the next.
    """
    times = [planned(order) for order in _wanted(request) if is_draw(order, request.drafts, model)]
    told = [moment for moment in times if moment is not None]
    return min(told) if told and len(told) == len(times) else None


def gather(request: HookRequest, fetch: Callable[[], Read]) -> Gathered:
    """The patient's resources: what came along, and through `fetch` what did not, if the client lets us.

    Raises MalformedRequest, MissingData (412) and what `fetch` raises.
    """
    may = fetch if request.may_fetch else None
    return gather_prefetch(request.patient, request.prefetch, may, base=request.fhir_server)


def _wanted(request: HookRequest) -> Iterator[Resource]:
    return (order for order in request.orders if order.get("doNotPerform") is not True)


def _of_another(order: Resource, patient: str) -> bool:
    """Whether a draft says that it is for another patient than the chart; one that names nobody is this patient's."""
    subject = order.get("subject") or order.get("patient")
    reference = subject.get("reference") if isinstance(subject, Mapping) else None
    named = OF_PATIENT.search(reference) if isinstance(reference, str) else None
    return named is not None and named[1] != patient


def _drafts(context: Resource) -> list[tuple[Resource, set[str]]]:
    """Each draft with the names a selection may call it by: "Type/id", a bare id (older clients),
    its fullUrl.
    """
    bundle = _object(context.get("draftOrders"), "context.draftOrders")
    if bundle.get("resourceType") != "Bundle":
        raise MalformedRequest("is no Bundle", "context.draftOrders.resourceType")
    entries = bundle.get("entry", [])
    if not isinstance(entries, list) or len(entries) > MOST_DRAFTS:
        raise MalformedRequest(f"is no list of at most {MOST_DRAFTS}", "context.draftOrders.entry")
    drafts = []
    for index, entry in enumerate(entries):
        resource = next(resources_of([entry]), None)
        if resource is None or not isinstance(resource.get("resourceType"), str):
            raise MalformedRequest("holds no resource", f"context.draftOrders.entry[{index}]")
        key = resource.get("id")
        names = {f"{resource['resourceType']}/{key}", key} if isinstance(key, str) and key else set()
        url = entry.get("fullUrl")
        drafts.append((resource, names | ({url} if isinstance(url, str) and url else set())))
    return drafts


def _selections(context: Resource) -> tuple[str, ...]:
    selections = context.get("selections")
    if not isinstance(selections, list) or not all(isinstance(one, str) for one in selections):
        raise MalformedRequest("is no list of references", "context.selections")
    return tuple(selections)


def _object(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise MalformedRequest("is missing or no object", where)
    return value


def _instance(value: Any) -> str:
    try:
        if isinstance(value, str) and 32 <= len(value) <= 45:
            return str(UUID(value))
    except ValueError:
        pass
    raise MalformedRequest("is missing or no UUID", "hookInstance")


def _id(value: Any, where: str, kind: str) -> str:
    """A bare FHIR id; "Patient/1", as some clients write it, is understood."""
    if isinstance(value, str):
        bare = value.removeprefix(f"{kind}/")
        if FHIR_ID.fullmatch(bare) and bare not in (".", ".."):  # a path would lead elsewhere
            return bare
    raise MalformedRequest("is missing or no FHIR id", where)


def _encounter(value: Any) -> str:
    return "" if value is None else _id(value, "context.encounterId", "Encounter")


def _user(value: Any) -> str:
    kind, _, key = value.partition("/") if isinstance(value, str) else ("", "", "")
    if kind not in USERS or not FHIR_ID.fullmatch(key):
        raise MalformedRequest(
            f"is missing or none of {', '.join(sorted(USERS))} with an id", "context.userId"
        )
    return f"{kind}/{key}"


def _server(value: Any) -> str:
    if value is None:
        return ""
    try:
        parts = urlsplit(value) if isinstance(value, str) else None
        if parts and parts.scheme in ("http", "https") and parts.hostname and parts.username is None:
            return str(value)
    except ValueError:
        pass
    raise MalformedRequest("is no http(s) URL", "fhirServer")


def _authorization(value: Any, server: str, patient: str) -> tuple[str | None, str]:
    if value is None:
        return None, ""
    granted = _object(value, "fhirAuthorization")
    if not server:
        raise MalformedRequest("is required beside fhirAuthorization", "fhirServer")
    token = granted.get("access_token")
    if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable():
        raise MalformedRequest("is missing", "fhirAuthorization.access_token")
    if str(granted.get("token_type", "")).lower() != "bearer":
        raise MalformedRequest("is not Bearer", "fhirAuthorization.token_type")
    scope = granted.get("scope", "")
    if not isinstance(scope, str):
        raise MalformedRequest("is no text", "fhirAuthorization.scope")
    meant = granted.get("patient")
    if meant is not None and _id(meant, "fhirAuthorization.patient", "Patient") != patient:
        raise MalformedRequest("is another patient than context.patientId", "fhirAuthorization.patient")
    return token, scope
