"""A token response -> Grant: what a hospital has allowed, for whom, until when.

Tolerates what servers leave out or write differently (CONFORMANCE 21-27); the access token is opaque.
Refuses a response without a token, with a token type other than Bearer, or with a patient id that could not
stand in a URL.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final, Self

from ehr.errors import LaunchRefused

RESOURCE_ID: Final = re.compile(r"[A-Za-z0-9\-._~]{1,128}")  # R4 allows 64; vendors have been seen beyond
PEOPLE: Final = ("Practitioner", "PractitionerRole", "Patient", "RelatedPerson", "Person")
LONGEST_TEXT: Final = 16 * 1024  # characters of an opaque value


@dataclass(frozen=True, slots=True)
class ContextItem:
    """One further thing in the launch's context; exactly one of the three names is given."""

    reference: str = ""
    canonical: str = ""
    identifier: str = ""  # "system|value"
    type: str = ""
    role: str = "launch"


@dataclass(frozen=True, slots=True)
class Grant:
    """What was allowed. Ids are bare ("123"), `user` is "Practitioner/1" or ""; texts are "" when not said."""

    access_token: str = field(repr=False)
    expires_at: datetime | None  # None: the server did not say
    scope: str
    patient: str = ""
    encounter: str = ""
    user: str = ""
    need_patient_banner: bool = True
    style_url: str = ""
    refresh_token: str = field(default="", repr=False)
    app_context: str = ""
    intent: str = ""
    context: tuple[ContextItem, ...] = ()

    @property
    def for_clinician(self) -> bool:
        """Whether the person at the screen may see the clinician's pages: not a patient or a relative."""
        return not self.user.startswith(("Patient/", "RelatedPerson/"))

    def to_dict(self) -> dict[str, Any]:
        """For an encrypted vault, and nowhere else: it holds the tokens."""
        expires = self.expires_at.isoformat() if self.expires_at else None
        return {**asdict(self), "expires_at": expires, "context": [asdict(item) for item in self.context]}

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> Self:
        """The grant `to_dict` wrote."""
        expires = datetime.fromisoformat(kept["expires_at"]) if kept["expires_at"] else None
        context = tuple(ContextItem(**item) for item in kept["context"])
        return cls(**{**kept, "expires_at": expires, "context": context})


def read_grant(response: Mapping[str, Any], *, asked: str, now: datetime) -> Grant:
    """The grant in a token response; `asked` is the scope where the server does not repeat it (RFC 6749 5.1).

    Raises LaunchRefused.
    """
    token = response.get("access_token")
    if not isinstance(token, str) or not re.fullmatch(r"[\x21-\x7e]+", token) or len(token) > LONGEST_TEXT:
        raise LaunchRefused("the hospital's answer holds no usable access_token", "token response")
    if str(response.get("token_type", "")).lower() != "bearer":
        raise LaunchRefused("the hospital's token is not of type Bearer", "token response")
    scope = response.get("scope")
    return Grant(
        access_token=token,
        expires_at=_expiry(response.get("expires_in"), now),
        scope=scope if isinstance(scope, str) else asked,
        patient=_id(response, "patient", "Patient"),
        encounter=_id(response, "encounter", "Encounter"),
        need_patient_banner=str(response.get("need_patient_banner", True)).lower() != "false",
        style_url=_text(response, "smart_style_url"),
        refresh_token=_text(response, "refresh_token"),
        app_context=_text(response, "appContext"),
        intent=_text(response, "intent"),
        context=_context(response.get("fhirContext")),
    )


def renewed(old: Grant, response: Mapping[str, Any], *, now: datetime) -> Grant:
    """`old` with the tokens of a refresh; what the answer leaves out stays. Raises LaunchRefused.

    A new refresh token replaces the old one. Another patient is refused: a visit is about one.
    """
    new = read_grant(response, asked=old.scope, now=now)
    if new.patient and new.patient != old.patient:
        raise LaunchRefused(
            "the hospital renewed this visit for another patient; open the app again", "patient"
        )
    return replace(
        old,
        access_token=new.access_token,
        expires_at=new.expires_at,
        scope=new.scope,
        refresh_token=new.refresh_token or old.refresh_token,
    )


def person(reference: object) -> str:
    """`fhirUser` (absolute or relative, perhaps with a version) as "Practitioner/1"; "" when it is no
    person's.
    """
    if not isinstance(reference, str):
        return ""
    path = re.sub(r"/_history/[^/]*$", "", reference.split("?")[0].split("#")[0])
    found = re.search(r"(?:^|/)([A-Za-z]+)/([^/]+)$", path)
    known = found is not None and found[1] in PEOPLE and RESOURCE_ID.fullmatch(found[2])
    return f"{found[1]}/{found[2]}" if found and known else ""


def _expiry(seconds: object, now: datetime) -> datetime | None:
    """When the token ends; None when `expires_in` is absent or makes no sense. Some servers send it as a
    text.
    """
    if isinstance(seconds, str) and re.fullmatch(r"\d{1,9}", seconds):
        seconds = int(seconds)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < 1e9:
        return None
    return now + timedelta(seconds=seconds)


def _id(response: Mapping[str, Any], key: str, kind: str) -> str:
    value = response.get(key)
    if value is None or value == "":
        return ""
    bare = value.removeprefix(f"{kind}/") if isinstance(value, str) else ""
    if not RESOURCE_ID.fullmatch(bare) or bare in (".", ".."):
        raise LaunchRefused(f"the hospital's {key} is not a FHIR id", "token response")
    return bare


def _text(response: Mapping[str, Any], key: str) -> str:
    value = response.get(key)
    return value if isinstance(value, str) and len(value) <= LONGEST_TEXT else ""


def _context(rows: object) -> tuple[ContextItem, ...]:
    """Items as SMART 2.2 writes them; one with an unknown role, or without exactly one name, is left out."""
    return tuple(filter(None, map(_item, rows))) if isinstance(rows, list) else ()


def _item(row: object) -> ContextItem | None:
    if not isinstance(row, dict) or row.get("role", "launch") != "launch":
        return None
    named = row.get("identifier")
    names = {
        "reference": _text(row, "reference"),
        "canonical": _text(row, "canonical"),
        "identifier": f"{_text(named, 'system')}|{_text(named, 'value')}" if isinstance(named, dict) else "",
    }
    if sum(map(bool, names.values())) != 1 or names["reference"].startswith(("Patient/", "Encounter/")):
        return None  # patient and encounter have their own places; here they come only with another role
    return ContextItem(**names, type=_text(row, "type"))
