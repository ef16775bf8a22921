"""The desk: what one clinician has before them for one patient: unsigned orders, unanswered advice.

Kept in this process's memory, the oldest forgotten first. A card is known here only while it is shown:
feedback is sent for cards that really were on this desk.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from demo.cds_client import Answer, Service
from demo.orders import Order

MOST = 500
Resource = dict[str, Any]


@dataclass
class Shown:
    """A card on the desk: whose it is and what was done with it ("", "accepted" or "overridden")."""

    service: Service
    card: Resource
    hook: str
    outcome: str = ""
    reason: str = ""
    trouble: str = ""  # why the service did not take the feedback
    taken: list[str] = field(default_factory=list)  # suggestions that were accepted, by uuid

    @property
    def left(self) -> list[Resource]:
        """The suggestions that can still be taken: one of all, or each once where the card allows any."""
        if self.outcome or (self.taken and self.card.get("selectionBehavior") != "any"):
            return []
        return [one for one in self.card.get("suggestions", ()) if one.get("uuid") not in self.taken]

    @property
    def uuid(self) -> str:
        """The card's own id, "" for a service that gives none: then there is nothing to answer to."""
        return str(self.card.get("uuid", ""))


@dataclass
class Desk:
    """Orders, advice and the step: "" while choosing, "review" before signing, "signed" after."""

    orders: dict[str, Order] = field(default_factory=dict)
    cards: list[Shown] = field(default_factory=list)
    problems: list[Answer] = field(default_factory=list)
    step: str = ""
    signed: list[str] = field(default_factory=list)
    made: int = 0

    def number(self) -> str:
        """The next draft's id."""
        self.made += 1
        return f"draft-{self.made}"

    def add(self, order: Order) -> None:
        """One more order to sign; what was signed before is no longer news."""
        self.step, self.signed = "", []
        self.orders[order.id] = order

    def take(self, answers: Iterable[Answer]) -> None:
        """Lay a hook's answers on the desk.

        A service that has something new to say replaces what it said before; at signing, everything is new.
        """
        heard = list(answers)
        speaking = {one.service.id for one in heard if one.cards}
        signing = any(one.service.hook == "order-sign" for one in heard)
        before = [one for one in self.cards if one.service.id not in speaking and not signing]
        new = [Shown(one.service, card, one.service.hook) for one in heard for card in one.cards]
        self.cards = new + before
        self.problems = [one for one in heard if one.problem]

    def find(self, uuid: str) -> Shown | None:
        """The card with this id, if it is on the desk."""
        return next((one for one in self.cards if uuid and one.uuid == uuid), None)

    def remove(self, draft: str) -> bool:
        """Take an order back; with the last one goes the advice on orders. False if there is none such."""
        gone = self.orders.pop(draft, None)
        if not self.orders:
            self.step, self.problems = "", []
            self.cards = [one for one in self.cards if one.hook == "patient-view"]
        return gone is not None

    def done(self, lines: list[str]) -> None:
        """Everything is signed: nothing left to answer."""
        self.orders, self.cards, self.problems = {}, [], []
        self.step, self.signed = "signed", lines


class Desks:
    """Everybody's desks, by sign-in and patient."""

    def __init__(self) -> None:
        self._held: OrderedDict[tuple[str, str], Desk] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, sign_in: str, patient: str) -> Desk:
        """The desk of this sign-in for this patient; a new one if there is none."""
        with self._lock:
            desk = self._held.setdefault((sign_in, patient), Desk())
            self._held.move_to_end((sign_in, patient))
            while len(self._held) > MOST:
                self._held.popitem(last=False)
            return desk
