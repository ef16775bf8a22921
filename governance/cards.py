"""The ledger's book of cards: what was shown, held back, offered, and what clinicians did with it.

A part of `ledger.Ledger`, with a file of its own. Append-only like all of it. Refuses a card about another
tenant's answer, and feedback whose outcome or time is none.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, insert, select

from governance import advice, rows, tables
from governance.entries import OUTCOMES, Card, Feedback, LastCard, Recorded, Repeat, Suggestion
from governance.errors import CodecError, LedgerRefusal, UnknownAssessment, Unreadable
from governance.keys import Pseudonyms, Seal
from governance.store import Store

_SAID_ONCE: Final = ("tenant", "card", "outcome", "outcome_at")


class CardLedger(ABC):
    """Cards in the ledger; `Ledger` brings the database, the clock and the keys."""

    _store: Store
    _clock: Callable[[], datetime]
    _new_id: Callable[[], str]
    _digests: Pseudonyms
    _notes: Seal

    @abstractmethod
    def _found(
        self, connection: Connection, condition: ColumnElement[bool], *, again: bool = False
    ) -> Recorded | None: ...

    def card(
        self,
        uuid: str,
        assessment_id: str | None,
        summary: str,
        *,
        indicator: str,
        hook: str = "",
        shown_at: datetime | None = None,
        withheld: str = "",
        tenant: str = "",
    ) -> bool:
        """Keep that a card was shown, or why not (`withheld`); False if known. Raises UnknownAssessment.

        `tenant` is needed only for a card without an assessment, as when a model is suspended.
        """
        row = self._card_row(uuid, assessment_id, summary, indicator, hook, shown_at, withheld)
        with self._store.writing() as connection:
            row["tenant"] = rows.whose(connection, assessment_id, tenant)
            return self._store.insert_once(connection, tables.cards, row, ("id",))

    def show(
        self,
        uuid: str,
        assessment_id: str,
        summary: str,
        *,
        indicator: str,
        since: datetime,
        said_already: Callable[[LastCard], Repeat | None],
        hook: str = "",
        shown_at: datetime | None = None,
        suggestions: Iterable[Suggestion] = (),
    ) -> str:
        """Keep that a card is shown; or that it is held back, and return the id of the card it repeats.

        `said_already` judges the last card shown at or after `since` by the same model to the same user about
        the same patient. Looking and keeping are one step: of several at once the others see the first. Raises
        UnknownAssessment.
        """
        row = self._card_row(uuid, assessment_id, summary, indicator, hook, shown_at, "")
        with self._store.writing() as connection:
            row["tenant"] = rows.whose(connection, assessment_id, "")
            advice.alone(connection, assessment_id, is_sqlite=self._store.is_sqlite)
            last = self._last_card(connection, assessment_id, since)
            why = said_already(last) if last is not None else None
            row["withheld"] = "repeat" if why is not None else ""
            connection.execute(insert(tables.cards).values(row))
            if last is not None and why is not None:
                advice.keep_repeat(connection, uuid, last.id, why)
                return last.id
            advice.keep_suggestions(connection, uuid, suggestions)
        return ""

    def repeated(self, card: str) -> tuple[tuple[str, Repeat], ...]:
        """The cards held back because `card` had said the same, oldest first, each with the reason."""
        with self._store.reading() as connection:
            return advice.repeated(connection, card)

    def suggested(self, card: str) -> tuple[Suggestion, ...]:
        """What a card offered to do."""
        with self._store.reading() as connection:
            return advice.suggested(connection, card)

    def accepted(self, card: str) -> tuple[Suggestion, ...]:
        """What a card offered and a clinician took, as the client told it."""
        with self._store.reading() as connection:
            return advice.accepted(connection, card)

    def cards(self, assessment_id: str) -> tuple[Card, ...]:
        """The cards an answer went out on, oldest first."""
        c = tables.cards.c
        query = select(c.id, c.assessment_id, c.hook, c.shown_at, c.indicator, c.withheld)
        query = query.where(c.assessment_id == assessment_id).order_by(c.shown_at, c.id)
        with self._store.reading() as connection:
            return tuple(Card(*row) for row in connection.execute(query))

    def feedback(self, told: Iterable[Feedback], *, tenant: str, service: str = "") -> int:
        """Keep what a client told about cards, known here or not; how much was new. Raises LedgerRefusal."""
        kept = [self._feedback_row(feedback, tenant, service) for feedback in told]
        kept.sort(
            key=lambda row: [row[name] for name in _SAID_ONCE]
        )  # one order for all: no two wait crosswise
        with self._store.writing() as connection:
            return sum(self._store.insert_once(connection, tables.feedback, row, _SAID_ONCE) for row in kept)

    def _last_card(self, connection: Connection, assessment_id: str, since: datetime) -> LastCard | None:
        """None also where the last answer cannot be read any more: what cannot be compared is not repeated."""
        card = advice.last_shown(connection, assessment_id, since)
        if card is None:
            return None
        try:
            about = self._found(connection, rows.matching(("id",), (card["assessment_id"],)))
        except (CodecError, Unreadable):
            return None
        if about is None:
            raise UnknownAssessment("a card's answer is not in the ledger")
        return LastCard(card["id"], about.assessment, about.state, card["indicator"], card["shown_at"])

    def _card_row(
        self,
        uuid: str,
        assessment_id: str | None,
        summary: str,
        indicator: str,
        hook: str,
        shown_at: datetime | None,
        withheld: str,
    ) -> dict[str, Any]:
        return {
            "id": rows.identifier(uuid),
            "assessment_id": assessment_id,
            "hook": rows.plain(hook, 60),
            "shown_at": shown_at or self._clock(),
            "indicator": indicator,
            "summary_digest": self._digests.of(summary),
            "withheld": withheld,
        }

    def _feedback_row(self, told: Feedback, tenant: str, service: str) -> dict[str, Any]:
        if told.outcome not in OUTCOMES:
            raise LedgerRefusal(f"a card's outcome is one of {sorted(OUTCOMES)}")
        if told.at.utcoffset() is None:
            raise LedgerRefusal("feedback has a time without a zone")
        key, now = self._new_id(), self._clock()
        comment = json.dumps(told.comment).encode()
        return {
            "id": key,
            "tenant": rows.said("tenant", tenant),
            "card": rows.said("card", rows.clean(told.card, 200)),
            "service": rows.clean(service, 100),
            "outcome": told.outcome,
            "outcome_at": told.at,
            "received_at": now,
            "override_code": rows.clean(told.override_code, 200),
            "override_system": rows.clean(told.override_system, 400),
            "accepted": json.dumps(told.accepted),
            "comment": self._notes.close(comment, place=key, at=now) if told.comment else None,
        }
