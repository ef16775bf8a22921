"""A visit: one launch of one patient in one browser, kept in the vault, proven by its own cookie.

The hospital's tokens lie in a place of their own beside it, so that what one worker remembers of the patient never
writes over a token that another has just renewed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any

import structlog
from flask import g, request

from ehr import smart
from ehr.errors import EhrError, Unauthorised
from ehr.identity import Identity
from ehr.tenants import Tenant
from ehr.transport import Budget
from webapp import cookieless, security
from webapp.errors import SessionExpired
from webapp.rooms import Rooms

EARLY = timedelta(seconds=45)  # a token this close to its end is renewed before it is used
RENEWING = timedelta(seconds=15)
GIVING_BACK = 4.0  # seconds that the hospital is waited for when a visit is closed

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Visit:
    """The launch this request belongs to. `secret` is the cookie's, for the forms' tokens."""

    id: str
    tenant: Tenant
    grant: smart.Grant
    opened: datetime
    secret: str
    app_context: str = ""
    alone: bool = False  # outside the EHR's frame: nothing of the EHR's stands around the page
    kept: Mapping[str, Any] = field(
        default_factory=dict, repr=False
    )  # who the patient is, and what was answered

    @property
    def form_token(self) -> str:
        """What this visit's forms carry."""
        return security.form_token(self.secret, self.id)

    def about(self, key: str) -> str:
        """What the last reading remembered under `key` ("name", "born", "language", ...); "" when nothing."""
        return str(self.kept.get(key) or "")

    @property
    def answers(self) -> list[str]:
        """Ids of the answers this visit was given last."""
        return list(self.kept.get("answers", ()))

    @property
    def clinician(self) -> bool:
        """Whether the hospital names a user who treats patients, rather than being one (fhirUser)."""
        return self.grant.user.startswith(("Practitioner/", "PractitionerRole/"))

    @property
    def on_board(self) -> bool:
        """Whether the site names this user for its unit board, and has one."""
        return bool(self.tenant.board.units) and self.clinician and self.grant.user in self.tenant.board.people


def current(rooms: Rooms) -> Visit:
    """The visit named by `visit` in the address, if this browser holds its secret.

    Raises SessionExpired, and HandleNeeded for a visit that began without cookies.
    """
    key = request.values.get("visit", "")
    kept = rooms.vault.get("visit", key) if key else None
    held = rooms.vault.get("grant", key) if key else None
    if kept is None or held is None:
        raise SessionExpired("this visit has ended")
    secret = request.cookies.get(security.cookie_name("visit", key), "")
    if kept.get("cookieless"):
        g.frame_ancestors = rooms.tenants.by_id(kept["tenant"]).frame_ancestors
        secret = cookieless.sent(cookieless.name_of("visit", key))
    if security.digest(secret) != kept["browser"]:
        raise SessionExpired("this visit was opened in another browser")
    tenant = rooms.tenants.by_id(kept["tenant"])
    grant = smart.Grant.from_dict(held)
    g.frame_ancestors, g.caller = tenant.frame_ancestors, (tenant.id, grant.user, grant.patient)
    return Visit(
        key,
        tenant,
        grant,
        datetime.fromisoformat(kept["opened"]),
        secret,
        kept.get("app_context") or "",
        bool(kept.get("alone")),
        kept.get("about") or {},
    )


def identity_of(visit: Visit) -> Identity:
    """Who the patient is, as the last reading found it."""
    born = visit.about("born")
    return Identity(
        visit.about("name"),
        date.fromisoformat(born) if born else None,
        visit.about("sex") or "unknown",
        visit.about("mrn"),
        visit.about("language"),
    )


def remember(rooms: Rooms, visit: Visit, about: Mapping[str, Any]) -> None:
    """Keep what this visit's pages need until it ends: never in a cookie, sealed in the vault."""
    kept = rooms.vault.get("visit", visit.id)
    if kept is None:
        raise SessionExpired("this visit has ended")
    rooms.vault.put("visit", visit.id, {**kept, "about": dict(about)}, _left(rooms, visit))


def _left(rooms: Rooms, visit: Visit) -> float:
    """Seconds until the visit ends."""
    ends = visit.opened + timedelta(hours=rooms.settings.visit_hours)
    return (ends - rooms.clock()).total_seconds()


def close(rooms: Rooms, visit: Visit) -> str:
    """End the visit: nothing of it is left to be used here, and the hospital is asked to withdraw its permission.

    "revoked", "not-revoked" (its server could not be told), or "" where it has no place for that.
    """
    rooms.vault.delete("visit", visit.id)
    rooms.vault.delete("grant", visit.id)
    try:
        budget = Budget(GIVING_BACK)
        endpoints = smart.discover(rooms.http, visit.tenant, budget=budget)
        told = smart.revoke(
            rooms.http, visit.tenant, endpoints, visit.grant, now=rooms.clock(), budget=budget
        )
    except EhrError as error:
        log.warning("tokens not given back", tenant=visit.tenant.id, error=type(error).__name__)
        return "not-revoked"
    return "revoked" if told else ""


def with_fresh_token(rooms: Rooms, visit: Visit) -> Visit:
    """The visit with a token that will live through the reads. One worker renews, the others take what it got."""
    expires = visit.grant.expires_at
    if expires is None or expires - EARLY > rooms.clock():
        return visit
    return renew(rooms, visit)


def renew(rooms: Rooms, visit: Visit) -> Visit:
    """Exchange the refresh token, once across all workers. Raises Unauthorised when there is none."""
    if not visit.grant.refresh_token:
        raise Unauthorised("the hospital's permission has run out: open the app again from the chart")
    if newer := _newer(rooms, visit):
        return newer
    mark = security.digest(f"{visit.id} {visit.grant.access_token}")
    if not rooms.vault.once("renewing", mark, RENEWING.total_seconds()):
        return _renewed_elsewhere(rooms, visit)
    endpoints = smart.discover(rooms.http, visit.tenant)
    grant = smart.refresh(rooms.http, visit.tenant, endpoints, visit.grant, now=rooms.clock())
    rooms.vault.put("grant", visit.id, grant.to_dict(), _left(rooms, visit))
    return replace(visit, grant=grant)


def _newer(rooms: Rooms, visit: Visit) -> Visit | None:
    """The visit with the token another worker has got meanwhile; None when it has got none."""
    held = rooms.vault.get("grant", visit.id)
    if held is None:
        raise SessionExpired("this visit has ended")
    grant = smart.Grant.from_dict(held)
    return replace(visit, grant=grant) if grant.access_token != visit.grant.access_token else None


def _renewed_elsewhere(rooms: Rooms, visit: Visit) -> Visit:
    for _ in range(int(RENEWING / timedelta(seconds=0.2))):
        if newer := _newer(rooms, visit):
            return newer
        rooms.wait(0.2)
    raise Unauthorised("the hospital's permission could not be renewed: open the app again from the chart")
