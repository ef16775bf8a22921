"""What is due: predictions whose hours are over and whose outcome nobody has settled or referred, by patient.

Streams: patients come a page at a time, each with all that is due about them, so that one reading of the hospital's
record serves them all. Knows pseudonyms alone; whose they are is opened by `Ledger.follow_up`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, case, exists, func, literal, literal_column, select

from governance.keys import Pseudonym
from governance.store import Store
from governance.tables import Instant, assessments, outcomes, predictions, referrals
from inference.assessment import TROPONIN, VENTILATION

PAGE: Final = 5000  # patients at a time, of whom a pseudonym is held
MODELS: Final = (VENTILATION, TROPONIN)
USUAL: Final = (6, 12, 24)  # hours of the models' outcomes
LONGEST: Final = 72  # what any other number of hours is held for


@dataclass(frozen=True, slots=True)
class Open:
    """One prediction whose hours are over: of which answer, about what, until when."""

    assessment_id: str
    model: str
    outcome: str
    as_of: datetime
    hours: int
    status: str

    @property
    def end(self) -> datetime:
        """When its hours were over."""
        return self.as_of + timedelta(hours=self.hours)


class Due:
    """What is due in `store` at one tenant, of answers at and after `since`, their hours over by `over`."""

    def __init__(self, store: Store, tenant: str, *, since: datetime, over: datetime) -> None:
        self._store, self._tenant, self._since, self._over = store, tenant, since, over

    def patients(self) -> Iterator[Pseudonym]:
        """Everybody about whom something is due, each once, in no order that means anything."""
        # not as the index by patient has it: a walk along that one meets the whole ledger, and this the span alone
        last, p = "", assessments.c.pseudonym.concat(literal_column("''"))
        while True:
            query = self._open(p).where(p > last).group_by(p).order_by(p).limit(PAGE)
            with self._store.reading() as connection:
                found = list(connection.scalars(query))
            yield from map(Pseudonym, found)
            if len(found) < PAGE:
                return
            last = found[-1]

    def count(self) -> int:
        """How many patients that is now."""
        with self._store.reading() as connection:
            query = self._open(func.count(assessments.c.pseudonym.distinct()))
            return connection.scalar(query) or 0

    def of(self, patient: Pseudonym) -> tuple[Open, ...]:
        """All that is due about one patient, oldest first."""
        a, p = assessments.c, predictions.c
        query = self._open(a.id, a.model, p.outcome, a.as_of, p.hours, a.status)
        query = query.where(a.pseudonym == patient).order_by(a.as_of, a.id, p.hours)
        with self._store.reading() as connection:
            return tuple(Open(*row) for row in connection.execute(query))

    def _open(self, *columns: Any) -> Select[Any]:
        a, p = assessments.c, predictions.c
        return (
            select(*columns)
            .join_from(assessments, predictions, p.assessment_id == a.id)
            .where(a.tenant == self._tenant, a.model.in_(MODELS), a.as_of >= self._since, a.as_of <= self._latest())
            .where(p.probability.is_not(None), ~settled(), ~referred())
        )

    def _latest(self) -> ColumnElement[datetime]:
        """The latest moment of an answer whose hours were over by `over`."""
        ends = {hours: literal(self._over - timedelta(hours=hours), Instant) for hours in USUAL}
        other = literal(self._over - timedelta(hours=LONGEST), Instant)
        return case(ends, value=predictions.c.hours, else_=other)


def settled() -> ColumnElement[bool]:
    """Whether a rule or a person has settled this prediction."""
    o, p = outcomes.c, predictions.c
    return exists().where(and_(o.assessment_id == p.assessment_id, o.outcome == p.outcome))


def referred() -> ColumnElement[bool]:
    """Whether this prediction waits, or has waited, for a person."""
    r, p = referrals.c, predictions.c
    return exists().where(and_(r.assessment_id == p.assessment_id, r.outcome == p.outcome))
