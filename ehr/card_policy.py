"""How a site wants its cards: how long one is not repeated, what it may offer, why it may be overridden.

Frozen data, and how it is read from `[cards]` of the site's file. Offers are off unless listed. Refuses, with
key and remedy, an offer nobody here can make, a code without system or display, a time beyond a day.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from ehr.offers import KINDS
from ehr.tables import Table

REASONS: Final = ("already-managed", "goals-of-care", "data-wrong", "do-not-agree", "not-my-decision")
QUIET_MINUTES: Final = 15.0
LONGEST_QUIET: Final = 24 * 60.0
SAME_WITHIN: Final = 0.05
URI: Final = r"[A-Za-z][A-Za-z0-9+.\-]*:[^\s|]+"
CODE: Final = r"[^\s|]+( [^\s|]+)*"


@dataclass(frozen=True, slots=True)
class Coding:
    """A code with its system and its words."""

    code: str
    system: str
    display: str


@dataclass(frozen=True, slots=True)
class CardPolicy:
    """One site's wishes. `quiet_minutes` 0: every card is shown. `same_within` is a probability, 0..1.

    `overrides` are codes of `REASONS`; `own_overrides` the site's further ones. `order_codes` are its own codes
    of what is offered, by kind.
    """

    quiet_minutes: float = QUIET_MINUTES
    same_within: float = SAME_WITHIN
    offers: frozenset[str] = frozenset()
    overrides: tuple[str, ...] = REASONS
    own_overrides: tuple[Coding, ...] = ()
    order_codes: Mapping[str, Coding] = field(default_factory=lambda: MappingProxyType({}))


def read_card_policy(table: Table) -> CardPolicy:
    """The policy in `[cards]`. Raises TenantError."""
    given = table.texts("override_reasons", allowed=REASONS) if table.has("override_reasons") else REASONS
    policy = CardPolicy(
        quiet_minutes=table.number("quiet_minutes", QUIET_MINUTES, most=LONGEST_QUIET),
        same_within=table.share("same_within", SAME_WITHIN),
        offers=frozenset(table.texts("suggestions", allowed=KINDS)),
        overrides=given,
        own_overrides=tuple(map(_coding, table.tables("own_override_reasons"))),
        order_codes=_order_codes(table.table("order_codes")),
    )
    table.finish()
    return policy


def _order_codes(table: Table) -> Mapping[str, Coding]:
    codes = {}
    for kind in table:
        if kind not in KINDS:
            raise table.refuse(kind, f"is nothing a card can offer; known are {', '.join(KINDS)}")
        codes[kind] = _coding(table.table(kind))
    return MappingProxyType(codes)


def _coding(table: Table) -> Coding:
    coding = Coding(
        code=table.text("code", remedy="give the code", form=CODE),
        system=table.text("system", remedy='give the code system\'s URI, such as "urn:oid:1.2.3"', form=URI),
        display=table.text("display", remedy="give the words clinicians read"),
    )
    table.finish()
    return coding
