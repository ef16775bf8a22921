"""The hospital's side of decision support: its signature, its records as prefetch, its answer to a card."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

from demo.access import patients_of
from demo.cds_client import Identity, Occasion
from demo.desk import Shown
from demo.orders import BY_KEY, Orderable
from demo.outcome import Refused
from demo.records import Hospital

Resource = dict[str, Any]
CLIENT = "ordertime"  # as the service is registered with our authorisation server
TOKEN_SECONDS = 300
SHARED = (
    "Patient",
    "Encounter",
    "Observation",
    "Condition",
    "Procedure",
    "Device",
    "DeviceUseStatement",
    "DiagnosticReport",
    "MedicationRequest",
    "ServiceRequest",
)
SCOPE = " ".join(f"patient/{name}.rs" for name in SHARED)


def identity(hospital: Hospital) -> Identity:
    """How this hospital signs its calls, authorises the service and resolves a prefetch query."""
    settings = hospital.settings

    def sign(audience: str) -> str:
        jwks = f"{settings.url}/cds-client/jwks.json"
        now = hospital.clock()
        return hospital.keys.cds_token(issuer=settings.url, jwks_url=jwks, audience=audience, now=now)

    def authorise(at: Occasion) -> Resource:
        token = hospital.tokens.issue(CLIENT, SCOPE, at.patient, at.user, TOKEN_SECONDS, at.encounter)
        return {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": TOKEN_SECONDS,
            "scope": SCOPE,
            "subject": CLIENT,
            "patient": at.patient,
        }

    def resolve(query: str, at: Occasion) -> Resource | None:
        try:
            return prefetched(hospital, query, at)
        except Refused as refused:
            if refused.status == 404:
                return None
            raise ValueError(refused.text) from refused

    return Identity(sign, authorise, resolve, settings.fhir)


def prefetched(hospital: Hospital, query: str, at: Occasion) -> Resource:
    """What a prefetch query finds for this patient: a resource, or a searchset with every match.

    A template's `_count` is kept; the `next` link then works with the token sent along. Raises Refused.
    """
    type_, searched, parameters = query.partition("?")
    if not searched:
        type_, _, id_ = query.partition("/")
        return hospital.read(type_, id_)

    def visible(row: Resource) -> bool:
        return patients_of(row) <= {at.patient}

    asked = hospital.query(type_, parse_qsl(parameters, keep_blank_values=True))
    rows = hospital.matches(asked, visible)
    if asked.count is not None and asked.count < len(rows):
        return hospital.first_page(asked, visible, (CLIENT, at.patient, at.user))
    base = hospital.settings.fhir
    entries = [
        {"fullUrl": f"{base}/{type_}/{row['id']}", "resource": row, "search": {"mode": "match"}}
        for row in rows
    ]
    bundle: Resource = {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": len(rows),
        "link": [{"relation": "self", "url": f"{base}/{query}"}],
    }
    return bundle | ({"entry": entries} if entries else {})


def feedback(shown: Shown, form: Mapping[str, str], now: datetime) -> Resource:
    """One entry of CDS Hooks feedback; an override carries its reason only if the card offered it."""
    row: Resource = {"card": shown.uuid, "outcomeTimestamp": now.isoformat(timespec="milliseconds")}
    if form.get("outcome") == "accepted":
        suggestion = form.get("suggestion", "")
        row["outcome"] = "accepted"
        return row | ({"acceptedSuggestions": [{"id": suggestion}]} if suggestion else {})
    row["outcome"] = "overridden"
    why: Resource = {}
    reason = _reason(shown, form.get("reason", ""))
    if reason:
        why["reason"] = {name: reason[name] for name in ("code", "system") if name in reason}
    if form.get("comment", "").strip():
        why["userComment"] = form["comment"].strip()[:500]
    return row | ({"overrideReason": why} if why else {})


def in_words(shown: Shown, form: Mapping[str, str]) -> str:
    """Which suggestion was taken, or why a card was overridden, as the screen repeats it."""
    if form.get("outcome") == "accepted":
        held = (one for one in shown.card.get("suggestions", ()) if one.get("uuid") == form.get("suggestion"))
        return next((str(one.get("label", "")) for one in held), "")
    told = (
        str(_reason(shown, form.get("reason", "")).get("display", "")),
        form.get("comment", "").strip()[:500],
    )
    return ": ".join(one for one in told if one)


def _reason(shown: Shown, code: str) -> Mapping[str, Any]:
    return next(
        (one for one in shown.card.get("overrideReasons", ()) if code and one.get("code") == code), {}
    )


def smart_links(shown: Shown) -> list[Mapping[str, Any]]:
    """A card's links to SMART apps, in the card's order."""
    return [one for one in shown.card.get("links", ()) if one.get("type") == "smart"]


def actions_of(shown: Shown, suggestion: str) -> list[Mapping[str, Any]]:
    """The actions of one of the card's suggestions; none for a suggestion it does not hold."""
    held = (one for one in shown.card.get("suggestions", ()) if one.get("uuid") == suggestion)
    return [action for one in held for action in one.get("actions", ())]


def in_catalogue(wanted: Mapping[str, Any]) -> str:
    """The key of the catalogue's order with the same code as this resource, "" if nothing here has it."""
    concepts = (wanted.get(name) for name in ("code", "codeCodeableConcept", "medicationCodeableConcept"))
    codes = {
        (one.get("system"), one.get("code"))
        for concept in concepts
        if isinstance(concept, dict)
        for one in concept.get("coding", ())
    }
    return next((key for key, item in BY_KEY.items() if codes & {row[:2] for row in item.codes}), "")


def moment_of(wanted: Mapping[str, Any]) -> str:
    """The instant, with its zone, that a suggested order is for; "" where it names none."""
    told = wanted.get("occurrenceDateTime")
    try:
        moment = datetime.fromisoformat(told) if isinstance(told, str) else None
    except ValueError:
        return ""
    return told if moment is not None and moment.tzinfo is not None and isinstance(told, str) else ""


def details_of(wanted: Mapping[str, Any], item: Orderable) -> dict[str, str]:
    """What a suggested order says of the catalogue's details: its priority."""
    told = {one.name: wanted.get(one.name) for one in item.details}
    return {
        one.name: value
        for one in item.details
        if isinstance(value := told[one.name], str) and value in one.choices
    }
