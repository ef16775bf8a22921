"""What the hospital has handed out and still honours: launch ids, codes, access and refresh tokens.

All of it lives in this process's memory behind one lock. Refuses a second use: a launch id, a code and a
refresh token serve once; a code or refresh token seen again takes everything issued from it with it (RFC
9700).
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Context:
    """Whom a launch is about and who is at the screen. `user` is a local reference or ""."""

    patient: str = ""
    encounter: str = ""
    user: str = ""
    app_context: str | None = None
    need_patient_banner: bool = True


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token's holder may do, for whom, until when. `family` joins all tokens of one authorisation."""

    client_id: str
    scope: str
    context: Context
    expires_at: datetime
    family: str


@dataclass(frozen=True, slots=True)
class Code:
    """An authorisation code, with what PKCE and OpenID Connect have to check at its redemption."""

    code: str
    client_id: str
    redirect_uri: str
    scope: str
    context: Context
    challenge: str
    nonce: str | None
    issued_at: datetime
    family: str


def fresh() -> str:
    """An unguessable opaque value (256 bits)."""
    return secrets.token_urlsafe(32)


def reference(type_: str, value: str) -> str:
    """"1" or "Practitioner/1" as "Practitioner/1"; "" stays ""."""
    return value if not value or "/" in value else f"{type_}/{value}"


class Launches:
    """Opaque launch ids: minted by the order entry page, consumed by the authorisation server, once each."""

    def __init__(self, clock: Clock, seconds: int) -> None:
        self._clock, self._life = clock, timedelta(seconds=seconds)
        self._lock = threading.Lock()
        self._held: dict[str, tuple[Context, datetime]] = {}

    def mint(self, *, patient: str, encounter: str = "", user: str = "", app_context: str | None = None,
             need_patient_banner: bool = True) -> str:
        """A launch id for this patient, encounter and user; ids may come with or without their type."""
        context = Context(patient.removeprefix("Patient/"), encounter.removeprefix("Encounter/"),
                          reference("Practitioner", user), app_context, need_patient_banner)
        launch, now = fresh(), self._clock()
        with self._lock:
            self._held = {key: held for key, held in self._held.items() if held[1] > now}
            self._held[launch] = (context, now + self._life)
        return launch

    def look(self, launch: str) -> Context | None:
        """The context behind a launch id that is still good; None otherwise."""
        with self._lock:
            held = self._held.get(launch)
        return held[0] if held and held[1] > self._clock() else None

    def take(self, launch: str) -> Context | None:
        """As `look`, and the id is spent: of two callers only one gets it."""
        with self._lock:
            held = self._held.pop(launch, None)
        return held[0] if held and held[1] > self._clock() else None


class Tokens:
    """Codes, access tokens and refresh tokens."""

    def __init__(self, clock: Clock, refresh_seconds: int) -> None:
        self._clock, self._refresh_life = clock, timedelta(seconds=refresh_seconds)
        self._lock = threading.Lock()
        self._codes: dict[str, Code] = {}
        self._spent_codes: dict[str, str] = {}
        self._access: dict[str, Grant] = {}
        self._refresh: dict[str, Grant] = {}
        self._spent_refresh: dict[str, str] = {}

    def issue(self, client_id: str, scope: str, patient: str = "", user: str = "", ttl: int = 300,
              encounter: str = "") -> str:
        """An access token outside any launch, as sent in `fhirAuthorization`; `ttl` in seconds."""
        context = Context(patient.removeprefix("Patient/"), encounter, reference("Practitioner", user))
        token, expires = fresh(), self._clock() + timedelta(seconds=ttl)
        self.keep(token, None, Grant(client_id, scope, context, expires, fresh()))
        return token

    def keep(self, access: str, refresh: str | None, grant: Grant) -> None:
        """Remember a newly issued pair."""
        now = self._clock()
        with self._lock:
            self._access = {key: held for key, held in self._access.items() if held.expires_at > now}
            self._access[access] = grant
            if refresh:
                self._refresh[refresh] = replace(grant, expires_at=now + self._refresh_life)

    def grant(self, access: str) -> Grant | None:
        """What an access token allows, while it lives."""
        held = self._access.get(access)
        return held if held and held.expires_at > self._clock() else None

    def keep_code(self, code: Code) -> None:
        """Remember a code until it is redeemed."""
        with self._lock:
            self._codes[code.code] = code

    def take_code(self, code: str, client_id: str, seconds: int = 60) -> Code | None:
        """The code, spent by this look at it; one seen before revokes what it gave."""
        with self._lock:
            held = self._codes.pop(code, None)
            if held:
                self._spent_codes[code] = held.family
            elif family := self._spent_codes.get(code):
                self._revoke(family)
        if held is None or held.client_id != client_id:
            return None
        return held if self._clock() < held.issued_at + timedelta(seconds=seconds) else None

    def look_refresh(self, token: str) -> Grant | None:
        """What a refresh token stands for; one already used revokes its whole family."""
        with self._lock:
            if family := self._spent_refresh.get(token):
                self._revoke(family)
            held = self._refresh.get(token)
        return held if held and held.expires_at > self._clock() else None

    def spend_refresh(self, token: str) -> bool:
        """True for the first caller only."""
        with self._lock:
            held = self._refresh.pop(token, None)
            if held:
                self._spent_refresh[token] = held.family
        return held is not None

    def revoke(self, token: str, client_id: str) -> None:
        """Forget an access or refresh token of this client, and all that was issued with it."""
        with self._lock:
            held = self._access.get(token) or self._refresh.get(token)
            if held and held.client_id == client_id:
                self._revoke(held.family)

    def _revoke(self, family: str) -> None:
        self._access = {key: held for key, held in self._access.items() if held.family != family}
        self._refresh = {key: held for key, held in self._refresh.items() if held.family != family}
