"""What clinicians wrote in words: beside a card's feedback, and as an opinion on the result page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, literal, select

from governance.tables import assessments, cards, events, feedback

CARD: Final = "card"
OPINION: Final = "opinion"


@dataclass(frozen=True, slots=True)
class Remark:
    """One remark: where it was made ("card" or "opinion"), what was done, the reason's code, and the words."""

    at: datetime
    where: str
    model: str
    said: str  # "accepted", "overridden", "agree", "disagree"
    reason: str
    text: str


def found(connection: Connection, tenant: str, since: datetime, until: datetime) -> list[RowMapping]:
    """Rows with a sealed `body`, oldest first: feedback with a comment, and every opinion."""
    f, c, a, e = feedback.c, cards.c, assessments.c, events.c
    of_cards = (
        select(
            f.id, f.received_at.label("at"), literal(CARD).label("where"), a.model, f.outcome.label("said"),
            f.override_code.label("reason"), f.comment.label("body"),
        )
        .outerjoin_from(feedback, cards, c.id == f.card)
        .outerjoin(assessments, a.id == c.assessment_id)
        .where(f.tenant == tenant, f.received_at >= since, f.received_at < until, f.comment.is_not(None))
    )  # fmt: skip
    of_pages = (
        select(
            e.id, e.at, literal(OPINION).label("where"), a.model, literal("").label("said"),
            literal("").label("reason"), e.detail.label("body"),
        )
        .join_from(events, assessments, a.id == e.assessment_id)
        .where(e.tenant == tenant, e.kind == OPINION, e.at >= since, e.at < until)
        .where(e.detail.is_not(None))
    )  # fmt: skip
    rows = [row for query in (of_cards, of_pages) for row in connection.execute(query).mappings()]
    return sorted(rows, key=lambda row: (row["at"], row["id"]))


def told(row: RowMapping, opened: Any) -> Iterator[Remark]:
    """The remark of a row whose body was opened; none where nothing was written."""
    if row["where"] == CARD:
        yield Remark(row["at"], CARD, row["model"] or "", row["said"], row["reason"], str(opened))
    elif text := str(opened.get("comment", "")).strip():
        said, reason = str(opened.get("opinion", "")), str(opened.get("reason", ""))
        yield Remark(row["at"], OPINION, row["model"], said, reason, text)
