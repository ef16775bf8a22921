"""Erasure: what names or describes a patient goes, on request or when the site's retention is over; counts stay.

An erased patient's whole answers, whose they were, words about them and examples in kept reviews are deleted. Their
narrow rows go on under a name that was drawn and leads nowhere, so every figure stays what it was, to the last digit;
what was still open of them is settled as not to be known.
The database lets that happen only beside a row of `erasures`, which hangs on a line of the change log. What such a
row still tells is moments, probabilities and coarse traits: who has the hospital's own record could recognise a stay.
Alone it names nobody. Backups and exports made before are not ours to reach, and the log's line says so.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import Connection, Select, delete, exists, func, insert, or_, select, update

from governance.changes import Change, Changes
from governance.due import referred
from governance.erasing_tables import erasures
from governance.keys import Pseudonym
from governance.outcomes import REVIEW, UNKNOWN
from governance.review import Reviews
from governance.store import Store
from governance.tables import (
    TRAITS,
    assessments,
    audit,
    cards,
    documents,
    events,
    feedback,
    follow_ups,
    predictions,
)
from governance.tables import outcomes as settled

REQUEST: Final = "request"
RETENTION: Final = "retention"
ERASED: Final = "erased"  # the reason of what is settled as not to be known, so that nobody looks for it
AT_ONCE: Final = 200  # patients in one transaction, and under one line of the log
IMPACT: Final = "deleted: whole answers, whose they were, words about them; kept: figures, under names drawn at random"
BEYOND: Final = "copies made before (backups, exports) are the operator's to delete"
_COPIED: Final = ("tenant", "model", "version", "state", "status", "as_of")


@dataclass(frozen=True, slots=True)
class Erased:
    """What one erasure came to. `reviews` are kept weeks from which something was taken out."""

    patients: int = 0
    answers: int = 0
    reviews: tuple[str, ...] = ()


class Erasure:
    """Erases in `store`; `reviews` are its kept weeks, `changes` its log, `clock` tells a zoned time."""

    def __init__(
        self, store: Store, reviews: Reviews, changes: Changes, *, clock: Callable[[], datetime]
    ) -> None:
        self._store, self._reviews, self._changes, self._clock = store, reviews, changes, clock

    def requested(self, tenant: str, whose: Pseudonym, *, author: str, sentence: str) -> Erased:
        """Erase one patient on a named person's word; nothing, and no line, where nobody of that name is here.

        `sentence` says by whose request, in the log's own words: it names no patient. Raises LedgerRefusal,
        LedgerUnavailable.
        """
        return self._erase(tenant, [whose], REQUEST, author, sentence)

    def overdue(self, tenant: str, days: float) -> Sequence[Pseudonym]:
        """Patients of whose last answer more than `days` have passed and who are not erased, at most AT_ONCE."""
        a, e = assessments.c, erasures.c
        gone = exists().where(e.name == a.pseudonym, e.tenant == tenant)
        query = select(a.pseudonym).where(a.tenant == tenant, ~gone).group_by(a.pseudonym)
        over = query.having(func.max(a.made_at) < self._clock() - timedelta(days=days))
        with self._store.reading() as connection:
            return [Pseudonym(each) for each in connection.scalars(over.order_by(a.pseudonym).limit(AT_ONCE))]

    def retained(self, tenant: str, days: float) -> Erased:
        """Erase every patient whose retention is over, AT_ONCE at a time; run again, nothing is left to do."""
        whole = Erased()
        protocol = f"[retention] days = {days:g} of the site's file"
        while many := self.overdue(tenant, days):
            part = self._erase(tenant, many, RETENTION, "retention", protocol)
            weeks = tuple(sorted({*whole.reviews, *part.reviews}))
            whole = Erased(whole.patients + part.patients, whole.answers + part.answers, weeks)
        return whole

    def _erase(self, tenant: str, many: Sequence[Pseudonym], why: str, author: str, protocol: str) -> Erased:
        with self._store.writing() as connection:
            _straightened(connection, tenant)
            theirs = {whose: _answers(connection, tenant, whose) for whose in many}
            theirs = {whose: ids for whose, ids in theirs.items() if ids or _mentioned(connection, tenant, whose)}
            if not theirs:
                return Erased()
            every = [key for ids in theirs.values() for key in ids]
            told = {at for ids in theirs.values() for at in _words(connection, ids)}
            weeks = self._reviews.about(connection, tenant, frozenset(every), frozenset(told))
            line = self._changes.append(
                connection,
                Change(
                    tenant, ERASED, author, f"{len(theirs)} patients erased with {len(every)} answers", protocol,
                    f"{IMPACT}; {BEYOND}{_of_weeks(weeks)}",
                ),
            )  # fmt: skip
            for whose, ids in theirs.items():
                self._one(connection, tenant, whose, ids, line, why)
            for week in weeks:
                self._reviews.redact(connection, week, line.number)
        return Erased(len(theirs), len(every), tuple(week.name for week in weeks))

    def _one(
        self, connection: Connection, tenant: str, whose: Pseudonym, ids: Sequence[str], line: Change, why: str
    ) -> None:
        name = Pseudonym(secrets.token_hex(32))
        row = {"name": name, "tenant": tenant, "at": line.at, "line": line.number, "why": why, "answers": len(ids)}
        connection.execute(insert(erasures).values(row))
        a = assessments.c
        mine = (a.tenant == tenant, a.pseudonym == whose)
        connection.execute(update(assessments).where(*mine).values(pseudonym=name, hook_instance=None))
        for table in (settled, events, audit):
            c = table.c
            changed = {"pseudonym": name} | ({"detail": None} if table is events else {})
            connection.execute(update(table).where(c.tenant == tenant, c.pseudonym == whose).values(changed))
        for some in _batches(ids):
            self._forgotten(connection, some, line)

    def _forgotten(self, connection: Connection, ids: Sequence[str], line: Change) -> None:
        """Delete what is sealed of these answers, and settle what is open of them as not to be known."""
        shown = select(cards.c.id).where(cards.c.assessment_id.in_(ids))
        connection.execute(update(events).where(events.c.assessment_id.in_(ids)).values(detail=None))
        connection.execute(update(feedback).where(feedback.c.card.in_(shown)).values(comment=None))
        for table in (documents, follow_ups):
            connection.execute(delete(table).where(table.c.assessment_id.in_(ids)))
        rows = [_closed(row, line) for row in connection.execute(_open(ids)).mappings()]
        if rows:
            connection.execute(insert(settled), rows)


def _answers(connection: Connection, tenant: str, whose: Pseudonym) -> Sequence[str]:
    a = assessments.c
    return connection.scalars(select(a.id).where(a.tenant == tenant, a.pseudonym == whose)).all()


def _mentioned(connection: Connection, tenant: str, whose: Pseudonym) -> bool:
    """Whether the trail knows somebody of whom there is no answer."""
    named = (select(t.c.id).where(t.c.tenant == tenant, t.c.pseudonym == whose).limit(1) for t in (events, audit))
    return any(connection.scalar(query) is not None for query in named)


def _words(connection: Connection, ids: Sequence[str]) -> Iterable[str]:
    """When something was written in words about these answers: how a kept review tells its remarks apart."""
    e, f, c = events.c, feedback.c, cards.c
    for some in _batches(ids):
        said = select(e.at).where(e.assessment_id.in_(some), e.detail.is_not(None))
        of_cards = select(f.received_at).join_from(feedback, cards, c.id == f.card)
        of_cards = of_cards.where(c.assessment_id.in_(some), f.comment.is_not(None))
        for query in (said, of_cards):
            yield from (at.isoformat() for at in connection.scalars(query))


def _open(ids: Sequence[str]) -> Select[Any]:
    """Predictions of these answers that wait for follow-up or for a person: no review has settled them."""
    a, p, s = assessments.c, predictions.c, settled.c
    its = (s.assessment_id == p.assessment_id, s.outcome == p.outcome)
    done = or_(exists().where(*its, s.source == REVIEW), exists().where(*its, s.label.is_not(None)) & ~referred())
    columns = (a.id, a.pseudonym, *(a[name] for name in _COPIED), p.outcome, p.hours, p.probability)
    query = select(*columns).join_from(assessments, predictions, p.assessment_id == a.id)
    return query.where(a.id.in_(ids), p.probability.is_not(None), ~done)



def _closed(row: Any, line: Change) -> dict[str, Any]:
    copied = {name: row[name] for name in (*_COPIED, "pseudonym", "outcome", "hours", "probability")}
    return copied | dict.fromkeys(TRAITS, "") | {
        "id": str(uuid4()), "assessment_id": row["id"], "source": REVIEW, "label": UNKNOWN, "reason": ERASED,
        "happened_at": None, "known_at": line.at, "recorded_at": line.at, "value": None, "reviewer": ERASED,
    }  # fmt: skip


def _straightened(connection: Connection, tenant: str) -> None:
    """Outcomes that were on their way while their answer's patient was erased take its new name."""
    a, s, e = assessments.c, settled.c, erasures.c
    now = select(a.pseudonym).where(a.id == s.assessment_id).scalar_subquery()
    ids = select(a.id).join_from(assessments, erasures, (e.name == a.pseudonym) & (e.tenant == a.tenant))
    late = (s.tenant == tenant, s.assessment_id.in_(ids.where(a.tenant == tenant)), s.pseudonym != now)
    connection.execute(update(settled).where(*late).values(pseudonym=now))


def _of_weeks(weeks: Iterable[Any]) -> str:
    named = ", ".join(week.name for week in weeks)
    return f"; taken out of the kept reviews of {named}" if named else ""


def _batches(ids: Sequence[str]) -> Iterable[Sequence[str]]:
    return (ids[start : start + 500] for start in range(0, len(ids), 500))
