"""From an answer to the card that is sent: made, offered with, held back when it would say nothing new, kept.

Whatever becomes of it stands in the ledger before it is sent. A patient's own view gets no clinician's card.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import uuid4

from ehr import hooks as wire
from ehr.records import Reading
from ehr.site import Tenant
from ehr.standing import standing
from governance.entries import CARD_LATE, SUSPENSION_SAID, LastCard, Repeat
from inference.assessment import State
from webapp import cards, repeats, suggestions, words
from webapp.consult import Consultation
from webapp.rooms import Rooms

NOTHING_NEW = "nothing new"
NOTHING_TO_ADVISE = "nothing to advise"


class Shown(NamedTuple):
    """The cards to send, one at most, what was decided about it, and the answer it is about."""

    cards: tuple[dict[str, Any], ...] = ()
    decided: str = NOTHING_TO_ADVISE  # or "card", "repeat"
    assessment: str = ""


def shown(
    rooms: Rooms,
    tenant: Tenant,
    asked: wire.HookRequest,
    found: Consultation,
    orders_of: Callable[[], Reading],
) -> Shown:
    """The card of an answer, if it is to be sent. `orders_of` reads the orders in force with the caller's token."""
    uuid, wishes = str(uuid4()), tenant.cards
    orders = suggestions.Asked(
        asked.patient, asked.encounter, asked.user, asked.drafts, lambda: standing(asked, orders_of)
    )
    zone = words.zone_of(tenant.time_zone)
    offered = suggestions.suggested(
        found.assessment, found.policy, wishes, orders, zone, lambda: str(uuid4())
    )
    told = suspension_said(rooms, tenant, asked.user, found)
    card = cards.card(
        found.assessment,
        state=found.policy.state,
        threshold=found.policy.threshold,
        warn_at=found.policy.warn_at,
        critical_at=found.policy.critical_at,
        say_insufficient=found.policy.say_insufficient,
        suspension_said=told,
        suspension=found.suspension,
        link_url=f"{rooms.settings.public_url}/launch",
        app_context=None if "no-app-context" in tenant.quirks else found.id,
        zone=zone,
        uuid=uuid,
        overrides=wishes.overrides,
        own_overrides=[(own.code, own.system, own.display) for own in wishes.own_overrides],
        suggestions=[each.wire for each in offered],
        selection=suggestions.behaviour(offered),
    )
    if card is None:
        rooms.ledger.card(
            uuid,
            found.id,
            "",
            shown_at=rooms.clock(),
            hook=asked.hook,
            indicator="",
            withheld="nothing to add",
        )
        return Shown(assessment=found.id)
    if not asked.for_clinician:
        return Shown(assessment=found.id)
    said = rooms.ledger.show(
        uuid,
        found.id,
        card["summary"],
        shown_at=rooms.clock(),
        hook=asked.hook,
        indicator=card["indicator"],
        since=rooms.clock() - timedelta(minutes=wishes.quiet_minutes),
        said_already=lambda last: _repeat(last, found, card["indicator"], tenant),
        suggestions=[each.kept for each in offered],
    )
    if said:
        return Shown((), "repeat", found.id)
    if found.policy.state is State.SUSPENDED and not told:
        rooms.ledger.event(SUSPENSION_SAID, assessment=found.id, user=asked.user)
    return Shown((card,), "card", found.id)


def suspension_said(rooms: Rooms, tenant: Tenant, user: str, found: Consultation) -> bool:
    """Whether this user has heard today, by the site's calendar, that this model is suspended; a nobody never has."""
    if found.policy.state is not State.SUSPENDED or not user:
        return False
    midnight = (
        rooms.clock()
        .astimezone(words.zone_of(tenant.time_zone))
        .replace(hour=0, minute=0, second=0, microsecond=0)
    )
    return rooms.ledger.told(
        SUSPENSION_SAID, tenant=tenant.id, user=user, model=found.assessment.model, since=midnight
    )


def too_late(rooms: Rooms, what: Shown) -> None:
    """Keep that a card came too late to be sent: nobody has read it, so the next one repeats nothing."""
    if what.cards:
        rooms.ledger.event(CARD_LATE, assessment=what.assessment)


def _repeat(last: LastCard, found: Consultation, indicator: str, tenant: Tenant) -> Repeat | None:
    """Why this card repeats the last one; None when it says something new, or the site wants every card."""
    changed = (last.state, last.indicator) != (found.policy.state, indicator)
    within = tenant.cards.same_within
    if not tenant.cards.quiet_minutes or changed:
        return None
    if repeats.news(last.assessment, found.assessment, within=within):
        return None
    return Repeat(NOTHING_NEW, repeats.moved(last.assessment, found.assessment))
