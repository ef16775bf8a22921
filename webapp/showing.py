"""From an answer to the card that is sent: made, offered with, held back when it would say nothing new, kept.

Whatever becomes of it stands in the ledger before it is sent. A patient's own view gets no clinician's card. That a
model is suspended is said once a user and day, in whichever worker, and that once is never held back as a repeat.
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
from inference.assessment import State, Status
from webapp import cards, repeats, suggestions, words
from webapp.consult import Consultation
from webapp.rooms import Rooms

NOTHING_NEW = "nothing new"
NOTHING_TO_ADVISE = "nothing to advise"
BEING_SAID = 30.0  # seconds in which one worker says that a model is suspended: then the ledger's word counts


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
    speaks = found.policy.state is State.SUSPENDED and found.assessment.status is not Status.EXCLUDED
    saying = speaks and asked.for_clinician and suspension_due(rooms, tenant, asked.user, found.assessment.model)
    card = cards.card(
        found.assessment,
        state=found.policy.state,
        threshold=found.policy.threshold,
        warn_at=found.policy.warn_at,
        critical_at=found.policy.critical_at,
        say_insufficient=found.policy.say_insufficient,
        suspension_said=speaks and not saying,
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
        said_already=lambda last: None if saying else _repeat(last, found, card["indicator"], tenant),
        suggestions=[each.kept for each in offered],
    )
    if said:
        return Shown((), "repeat", found.id)
    if saying:
        rooms.ledger.event(SUSPENSION_SAID, assessment=found.id, user=asked.user)
    return Shown((card,), "card", found.id)


def suspension_due(rooms: Rooms, tenant: Tenant, user: str, model: str) -> bool:
    """Whether this user is to hear now that `model` is suspended: not yet today, by the site's calendar, and no other
    worker is saying it to them. A nobody, whom nothing tells from another nobody, hears it each time.
    """
    if not user:
        return True
    today = rooms.clock().astimezone(words.zone_of(tenant.time_zone))
    midnight = today.replace(hour=0, minute=0, second=0, microsecond=0)

    def told() -> bool:
        return rooms.ledger.told(SUSPENSION_SAID, tenant=tenant.id, user=user, model=model, since=midnight)

    whose = "|".join([tenant.id, model, today.date().isoformat(), user])
    # Asked again behind the mark: who left an earlier one has said it by now, or failed and never will.
    return not told() and rooms.vault.once(SUSPENSION_SAID, whose, BEING_SAID) and not told()


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
