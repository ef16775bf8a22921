"""What is noted for the auditor: every view, print, release, write and hook call by its door, every refusal here.

Refusals are noted after the answer is made, from what the door had found out about the caller by then. Somebody who
only wants to fill the disk is noted a limited number of times a minute; the metrics count the rest.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog
from flask import Flask, Response, g, request

from governance.errors import GovernanceError
from webapp.rooms import Rooms, here
from webapp.visits import Visit

MOST_REFUSALS = 120  # noted a minute for one tenant, or for all callers that are nobody's
DOORS = ("hooks.", "launch.", "pages.", "sources.", "queue.", "review.", "boards.")
OPEN = frozenset(
    {"models.about", "models.drawing", "pages.home", "pages.hospitals_look", "hooks.discovery", "launch.jwks"}
)

log = structlog.get_logger()


def install(app: Flask) -> None:
    """Note every refusal of a door that guards something."""
    app.after_request(_refusal)


def seen(rooms: Rooms, kind: str, visit: Visit, assessment: str = "") -> None:
    """Note what the person of `visit` did. Raises LedgerUnavailable: what cannot be noted is not done."""
    rooms.audit.note(
        kind,
        door=_door(),
        tenant=visit.tenant.id,
        user=visit.grant.user,
        patient=visit.grant.patient,
        assessment=assessment,
    )


def looked(rooms: Rooms, visit: Visit, patients: Sequence[str]) -> None:
    """Note who looked at a unit's board: once for the look, and once for each patient on it, together."""
    rooms.audit.note_all(
        "board", ["", *patients], door=_door(), tenant=visit.tenant.id, user=visit.grant.user
    )


def called(
    rooms: Rooms, kind: str, tenant: str, user: str = "", patient: str = "", *, reason: str = ""
) -> None:
    """Note what a program did for `user` at the hooks. Raises LedgerUnavailable."""
    rooms.audit.note(kind, door=_door(), tenant=tenant, user=user, patient=patient, reason=reason)


def _refusal(response: Response) -> Response:
    guarded = (request.endpoint or "").startswith(DOORS) and request.endpoint not in OPEN
    if response.status_code < 400 or not guarded:
        return response
    tenant, user, patient = getattr(g, "caller", ("", "", ""))
    try:
        rooms = here()
        many, _ = rooms.vault.count("refused", tenant, 60.0)
        if many <= MOST_REFUSALS:
            why = getattr(g, "refused", "")
            rooms.audit.note(
                "refused",
                door=_door(),
                tenant=tenant,
                user=user,
                patient=patient,
                status=response.status_code,
                reason=why,
            )
    except GovernanceError as error:  # a refusal stays one when it cannot be written down
        log.warning("not noted", error=type(error).__name__)
    return response


def _door() -> str:
    return request.url_rule.rule if request.url_rule else ""
