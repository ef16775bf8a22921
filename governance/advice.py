"""Cards as rows: what was shown, what was held back because it had been said, what was offered and taken.

Works on a connection the ledger opened, so that looking and keeping are one step. Refuses nothing by itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, RowMapping, exists, func, insert, select

from governance.entries import CARD_LATE, Repeat, Suggestion
from governance.tables import assessments, cards, events, feedback, repeats, suggestions


def alone(connection: Connection, assessment_id: str, *, is_sqlite: bool) -> None:
    """Wait until nobody else decides about a card of the same model, patient and user.

    SQLite has one writer at a time anyway; PostgreSQL is asked for a lock that ends with the transaction.
    """
    if is_sqlite:
        return
    a = assessments.c
    key = select(func.concat_ws("|", a.tenant, a.pseudonym, a.user_pseudonym, a.model))
    named = connection.scalar(key.where(a.id == assessment_id))
    connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(named, 0))))


def last_shown(connection: Connection, assessment_id: str, since: datetime) -> RowMapping | None:
    """The newest card really shown at or after `since`, about another answer of the same model to the same user
    about the same patient: columns of `cards`. One that was ready too late has been read by nobody.
    """
    here = assessments.alias("here")
    a, c, e = assessments.c, cards.c, events.c
    late = exists().where(e.assessment_id == a.id, e.kind == CARD_LATE)
    query = (
        select(cards)
        .join(assessments, c.assessment_id == a.id)
        .join(
            here,
            (here.c.tenant == a.tenant)
            & (here.c.pseudonym == a.pseudonym)
            & (here.c.model == a.model)
            & (here.c.user_pseudonym == a.user_pseudonym),
        )
        .where(here.c.id == assessment_id, a.id != assessment_id)
        .where(c.withheld == "", c.shown_at >= since, ~late)
        .order_by(c.shown_at.desc(), c.id)
        .limit(1)
    )
    return connection.execute(query).mappings().first()


def keep_repeat(connection: Connection, card: str, of_card: str, why: Repeat) -> None:
    """Keep which card the withheld `card` repeats, and why that is one."""
    row = {"card_id": card, "of_card": of_card, "reason": why.reason, "moved": why.moved}
    connection.execute(insert(repeats).values(row))


def repeated(connection: Connection, of_card: str) -> tuple[tuple[str, Repeat], ...]:
    """The cards held back as repeats of this one, oldest first, each with its reason."""
    query = (
        select(repeats, cards.c.shown_at)
        .join(cards, repeats.c.card_id == cards.c.id)
        .where(repeats.c.of_card == of_card)
        .order_by(cards.c.shown_at, cards.c.id)
    )
    found = connection.execute(query).mappings()
    return tuple((row["card_id"], Repeat(row["reason"], row["moved"])) for row in found)


def keep_suggestions(connection: Connection, card: str, offered: Iterable[Suggestion]) -> None:
    """Keep what `card` offers."""
    made = [{"id": each.id, "card_id": card, "kind": each.kind, "due": each.due} for each in offered]
    if made:
        connection.execute(insert(suggestions), made)


def suggested(connection: Connection, card: str) -> tuple[Suggestion, ...]:
    """What `card` offered, by id."""
    s = suggestions.c
    query = select(s.id, s.kind, s.due).where(s.card_id == card).order_by(s.id)
    return tuple(Suggestion(*row) for row in connection.execute(query))


def accepted(connection: Connection, card: str) -> tuple[Suggestion, ...]:
    """What `card` offered and a client of its own tenant said was accepted."""
    f, c = feedback.c, cards.c
    query = (
        select(f.accepted)
        .join(cards, (c.id == f.card) & (c.tenant == f.tenant))
        .where(f.card == card, f.outcome == "accepted")
    )
    taken = {key for (text,) in connection.execute(query) for key in json.loads(text)}
    return tuple(each for each in suggested(connection, card) if each.id in taken)
