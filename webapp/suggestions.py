"""What a card offers to do, at sites that want it: the next troponin at its minute, a blood gas, a review.

Each is one action with a whole draft order, for a person to take or leave; nothing is applied by itself. Offers
only what the answer calls for: a draw that a rule still waits for; a gas or a review where the model speaks or
NEWS2 asks for an emergency review. Refuses to offer what is among the draft orders, or ordered, or known already; where
the orders in force cannot be seen, the offer says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo
from typing import Any, Final

from ehr import offers
from ehr.card_policy import CardPolicy
from ehr.offers import ARTERIAL_GAS, REPEAT_TROPONIN, RESPIRATORY_REVIEW, VENOUS_GAS, Draft
from ehr.site import ModelPolicy
from ehr.standing import Sought, stands
from governance.entries import Suggestion
from inference.assessment import TROPONIN, Assessment, Status
from inference.redraw import Redraw, due
from inference.vocabulary import vocabulary
from webapp import words
from webapp.answer import WITHHELD
from webapp.cards import NEWS2_SPEAKS
from webapp.words import say

FRESH_GAS: Final = timedelta(hours=2)  # an arterial gas no older than this is known: no new one is offered
SAME_DRAW: Final = timedelta(minutes=10)  # a draw ordered this close to the rule's minute is that draw
GASES: Final = (ARTERIAL_GAS, VENOUS_GAS)


@dataclass(frozen=True, slots=True)
class Asked:
    """Who would order what for whom, and what is among the draft orders already. Ids of patients are bare.

    `standing` gives the orders in force, None where they cannot be seen; it is asked only where something is offered.
    """

    patient: str
    encounter: str
    user: str
    drafts: Sequence[Mapping[str, Any]] = ()
    standing: Callable[[], Sequence[Mapping[str, Any]] | None] = lambda: ()


@dataclass(frozen=True, slots=True)
class Offered:
    """One suggestion as CDS Hooks writes it, and as the ledger keeps it."""

    wire: Mapping[str, Any]
    kept: Suggestion


def suggested(
    found: Assessment,
    policy: ModelPolicy,
    wishes: CardPolicy,
    asked: Asked,
    zone: tzinfo,
    fresh: Callable[[], str],
) -> tuple[Offered, ...]:
    """What the card of this answer offers, in a fixed order; `fresh` gives each its uuid."""
    if not wishes.offers or found.status is Status.EXCLUDED:
        return ()
    made = _of_troponin(found, zone) if found.model == TROPONIN else _of_breathing(found, policy)
    wanted = [want for want in made if want.kind in wishes.offers and not _drafted(want, asked)]
    wanted = _not_ordered(wanted, asked, wishes) if wanted else []
    return tuple(_offered(want, wishes, asked, found.as_of.astimezone(zone), fresh()) for want in wanted)


def behaviour(offered: Sequence[Offered]) -> str:
    """ "any", or "at-most-one" where they are one another's alternatives (an arterial or a venous gas)."""
    return "at-most-one" if all(each.kept.kind in GASES for each in offered) or len(offered) < 2 else "any"


@dataclass(frozen=True, slots=True)
class _Want:
    kind: str
    label: str
    text: str
    reason: str
    at: datetime | None = None
    variable: str = ""
    since: datetime | None = None  # the draw that this one repeats


def _say(key: str, /, **values: Any) -> str:
    """Words for an order: the spaces that do not break are for our own pages."""
    return say("en", key, **values).replace(words.NBSP, " ")


def _of_troponin(found: Assessment, zone: tzinfo) -> list[_Want]:
    draw = due(found)
    return [] if draw is None else [_draw(draw, found, zone)]


def _draw(draw: Redraw, found: Assessment, zone: tzinfo) -> _Want:
    rule, name = _say(f"rules.{draw.rule}"), words.label_of(draw.variable)
    at, last = (words.clock(moment, zone, found.as_of) for moment in (draw.at, draw.last))
    key = "now" if draw.at <= found.as_of else "at"
    told: dict[str, Any] = {
        "at": at, "last": last, "minutes": draw.minutes, "rule": rule, "troponin": name
    }  # fmt: skip
    label = _say(f"suggestion.{REPEAT_TROPONIN}.label-{key}", **told)
    reason = _say(f"suggestion.{REPEAT_TROPONIN}.reason", **told)
    text = vocabulary()[draw.variable].label
    return _Want(REPEAT_TROPONIN, label, text, reason, draw.at.astimezone(zone), draw.variable, draw.last)


def _of_breathing(found: Assessment, policy: ModelPolicy) -> list[_Want]:
    why = _worry(found, policy)
    if not why:
        return []
    kinds = (RESPIRATORY_REVIEW,) if _gas_is_known(found) else (*GASES, RESPIRATORY_REVIEW)
    return [
        _Want(kind, _say(f"suggestion.{kind}.label"), _say(f"suggestion.{kind}.order"), why) for kind in kinds
    ]


def _worry(found: Assessment, policy: ModelPolicy) -> str:
    """Why breathing needs a look, in words that carry their uncertainty; "" where nothing calls for it."""
    p = found.headline
    speaks = policy.state not in WITHHELD and found.status is Status.ASSESSED
    if speaks and p is not None and p.probability is not None and p.probability >= policy.threshold:
        low, high = (p.probability if end is None else end for end in (p.low, p.high))
        share, between = words.percent(p.probability), words.interval(low, high)
        return _say("suggestion.because-ventilation", hours=p.hours, p=share, interval=between)
    score = next((s for s in found.scores if s.name == "NEWS2"), None)
    if score is not None and score.value is not None and score.value >= NEWS2_SPEAKS:
        return _say("suggestion.because-news2", value=round(score.value))
    return ""


def _gas_is_known(found: Assessment) -> bool:
    return any(row.variable == "pco2" and found.as_of - row.time <= FRESH_GAS for row in found.inputs)


def _drafted(want: _Want, asked: Asked) -> bool:
    return offers.ordered_already(
        want.kind, asked.drafts, at=want.at, variable=want.variable, window=SAME_DRAW
    )


def _not_ordered(wanted: Sequence[_Want], asked: Asked, wishes: CardPolicy) -> list[_Want]:
    """What no order in force is for; with a word of it where they cannot be seen."""
    orders = asked.standing()
    if orders is None:
        return [replace(want, reason=f"{want.reason} {_say('suggestion.orders-unseen')}") for want in wanted]
    return [want for want in wanted if not stands(_sought(want, wishes), orders)]


def _sought(want: _Want, wishes: CardPolicy) -> Sought:
    own = wishes.order_codes.get(want.kind)
    codes = {offers.code_of(want.kind, want.variable)[:2]} | ({(own.system, own.code)} if own else set())
    words = {want.text} | ({own.display} if own else set())
    if want.at is None:
        return Sought(frozenset(codes), frozenset(words))
    earliest, latest = want.at - SAME_DRAW, want.at + SAME_DRAW
    return Sought(frozenset(codes), frozenset(words), TROPONIN, want.since, earliest, latest)


def _offered(want: _Want, wishes: CardPolicy, asked: Asked, now: datetime, uuid: str) -> Offered:
    own = wishes.order_codes.get(want.kind)
    draft = Draft(
        kind=want.kind,
        text=want.text,
        reason=want.reason,
        patient=asked.patient,
        encounter=asked.encounter,
        requester=asked.user,
        authored=now,
        at=want.at,
        variable=want.variable,
        own=None if own is None else (own.system, own.code, own.display),
    )
    action = {
        "type": "create",
        "description": f"{want.label}. {want.reason}",
        "resource": offers.service_request(draft),
    }
    wire = {"label": want.label, "uuid": uuid, "actions": [action]}
    return Offered(wire, Suggestion(uuid, want.kind, want.at))
