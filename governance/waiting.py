"""What waits for a person: answers the model did not stand behind, and outcomes that no rule could settle.

An answer waits until each of its outcomes is settled: an indeterminate one by a rule or a person, a referred one by
a person alone. Referrals are kept once, for ever; that they wait no longer is told by the review in `outcomes`.
The database keeps the list of what waits beside the ledger, so a page reads what waits, however much did before.
Refuses a referral without a reason's code. Names nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, case, exists, func, literal, select, tuple_

from governance import rows
from governance.due import MODELS, settled
from governance.keys import Pseudonym
from governance.outcomes import REVIEW
from governance.store import Store
from governance.tables import Instant, assessments, outcomes, predictions, referrals, waiting

Span = tuple[datetime | None, datetime | None]
"""Answers about moments from the first and before the second; None is without an end."""

ALWAYS: Final[Span] = (None, None)
DOUBTED: Final = "doubted"  # why an answer is on the list, where no rule referred it
_ONCE: Final = ("assessment_id", "outcome")


@dataclass(frozen=True, slots=True)
class Referral:
    """One outcome that no rule could settle. `reason` is a code."""

    assessment_id: str
    outcome: str
    reason: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """One answer that waits. `reason` is the model's code where it was indeterminate, `why` the rule's, by outcome."""

    assessment_id: str
    pseudonym: Pseudonym
    model: str
    as_of: datetime
    status: str
    reason: str
    why: tuple[tuple[str, str], ...] = ()


class WaitingList:
    """What waits in `store`; `clock` tells a zoned time."""

    def __init__(self, store: Store, *, clock: Callable[[], datetime]) -> None:
        self._store, self._clock = store, clock

    def refer(self, many: Iterable[Referral]) -> int:
        """Keep what no rule could settle, once each; how many were new. Raises LedgerRefusal."""
        kept = [(told, rows.plain(rows.said("reason", told.reason), 100)) for told in many]
        if not kept:
            return 0
        now = self._clock()
        with self._store.writing() as connection:
            return sum(
                self._store.insert_once(
                    connection,
                    referrals,
                    {
                        "assessment_id": told.assessment_id,
                        "outcome": told.outcome,
                        "reason": reason,
                        "referred_at": now,
                    },
                    _ONCE,
                )
                for told, reason in kept
            )

    def page(
        self, tenant: str, span: Span, *, after: tuple[datetime, str] | None = None, most: int = 50
    ) -> tuple[Waiting, ...]:
        """What waits at `tenant` of answers in `span`, oldest first, `after` that moment and id."""
        w, a = waiting.c, assessments.c
        place = tuple_(w.as_of, w.assessment_id)
        later = [] if after is None else [place > tuple_(literal(after[0], Instant), literal(after[1]))]
        first = _waiting(tenant, *_within(span), *later).order_by(w.as_of, w.assessment_id).limit(most).subquery()
        query = select(*_shown(a)).join_from(assessments, first, first.c.assessment_id == a.id)
        return self._found(query.order_by(a.as_of, a.id))

    def one(self, tenant: str, assessment_id: str) -> Waiting | None:
        """The answer of that id, if it waits at `tenant`, however old it is."""
        if not rows.is_identifier(assessment_id):
            return None
        w, a = waiting.c, assessments.c
        its = _waiting(tenant, w.assessment_id == assessment_id).subquery()
        found = self._found(select(*_shown(a)).join_from(assessments, its, its.c.assessment_id == a.id))
        return found[0] if found else None

    def counts(self, tenant: str, cut: datetime) -> tuple[int, int]:
        """How many answers about moments before `cut` wait, and how many of those since."""
        every = _waiting(tenant).subquery()
        old = func.sum(case((every.c.as_of < literal(cut, Instant), 1), else_=0))
        with self._store.reading() as connection:
            older, many = connection.execute(select(old, func.count()).select_from(every)).one()
        return int(older or 0), many - int(older or 0)

    def open(self, assessment_id: str) -> tuple[tuple[str, int], ...]:
        """The outcomes of an answer that no person has settled, each with its hours, the shortest first."""
        p = predictions.c
        query = select(p.outcome, p.hours).where(p.assessment_id == assessment_id, p.probability.is_not(None))
        with self._store.reading() as connection:
            found = connection.execute(query.where(~reviewed(p.assessment_id, p.outcome)).order_by(p.hours, p.outcome))
            return tuple((outcome, hours) for outcome, hours in found)

    def _found(self, query: Select[Any]) -> tuple[Waiting, ...]:
        r = referrals.c
        with self._store.reading() as connection:
            found = [Waiting(*row) for row in connection.execute(query)]
            ids = [each.assessment_id for each in found]
            told = select(r.assessment_id, r.outcome, r.reason).where(r.assessment_id.in_(ids))
            why: dict[str, list[tuple[str, str]]] = {}
            for key, outcome, reason in connection.execute(told.order_by(r.outcome)):
                why.setdefault(key, []).append((outcome, reason))
        return tuple(
            Waiting(w.assessment_id, Pseudonym(w.pseudonym), w.model, w.as_of, w.status, w.reason,
                    tuple(why.get(w.assessment_id, ())))
            for w in found
        )  # fmt: skip


def _shown(a: Any) -> tuple[Any, ...]:
    return a.id, a.pseudonym, a.model, a.as_of, a.status, a.reason


def _within(span: Span) -> list[ColumnElement[bool]]:
    since, until = span
    w = waiting.c
    return [*([w.as_of >= since] if since else []), *([w.as_of < until] if until else [])]


def _waiting(tenant: str, *wanted: ColumnElement[bool]) -> Select[Any]:
    """The answers on the list, each once, by moment and id.

    What settles a row takes it off; what was settled by another writer at the same instant is left out here.
    """
    w, o = waiting.c, outcomes.c
    settled = exists().where(o.assessment_id == w.assessment_id, o.outcome == w.outcome)
    waits = case((w.why == DOUBTED, ~settled), else_=~reviewed(w.assessment_id, w.outcome))
    query = select(w.as_of, w.assessment_id).where(w.tenant == tenant, w.model.in_(MODELS), *wanted, waits)
    return query.group_by(w.as_of, w.assessment_id)


def unsettled() -> ColumnElement[bool]:
    """Whether an answer has an outcome that neither rule nor person has settled."""
    p = predictions.c
    return exists().where(p.assessment_id == assessments.c.id, p.probability.is_not(None), ~settled())


def reviewed(assessment_id: Any, outcome: Any) -> ColumnElement[bool]:
    """Whether a person has settled this outcome of this answer."""
    o = outcomes.c
    return exists().where(o.assessment_id == assessment_id, o.outcome == outcome, o.source == REVIEW)
