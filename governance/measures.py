"""What a model came to at a site over the last days, measured from its ledger and kept: what its live card says.

Figures are the gate's (`governance.figures`), groups the audit's (`governance.equity`), at one threshold, over every
settled answer of one version, shown or silent. Measuring a year of a large house takes longer than a page may, so the
weekly job keeps what it found, and the page says when and counts what was settled since. Refuses nothing; with too
few patients a reader sees no figure.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import ColumnElement, func, insert, literal, select

from governance.equity import SMALLEST, Auditing, calibration
from governance.figures import figures
from governance.outcomes import Labelled, Outcomes
from governance.patient_days import Gathering
from governance.series import Cases
from governance.store import Store
from governance.tables import measures, outcomes

WINDOW: Final = 90  # days
FEW: Final = 2_000  # settled answers that a page may measure for itself: under a second for all outcomes of a model
MANY: Final = 100_000  # answers settled since a measure, beyond which nobody counts on


@dataclass(frozen=True, slots=True)
class Question:
    """What is measured: one version's outcome at a site, at the site's operating threshold."""

    tenant: str
    model: str
    version: str
    outcome: str
    threshold: float


@dataclass(frozen=True, slots=True)
class Measure:
    """What was found at `at`. `body`: "figures", "calibration", "cells" and how they were made; see `measured`."""

    tenant: str
    model: str
    version: str
    outcome: str
    at: datetime
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Glance:
    """What a page may say at once: a measure, None where there is none yet.

    `later`: how many answers were settled since it was kept, at most `MANY` + 1; None where it was measured now.
    `due`: there are too many for a page, and no measure was kept.
    """

    measure: Measure | None
    later: int | None = None
    due: bool = False


def measured(rows: Iterable[Labelled], asked: Question, zone: tzinfo, at: datetime, *, days: int = WINDOW) -> Measure:
    """The measure of `rows`, oldest first, which are those of `asked` over the last `days` days before `at`."""
    gathering, cases, auditing = Gathering(zone), Cases(zone), Auditing(zone)
    states: set[str] = set()
    first = last = ""
    for row in rows:
        gathering.add(row)
        cases.add(row)
        auditing.add(row)
        states.add(row.state)
        last = row.as_of.isoformat()
        first = first or last
    fits = calibration(cases.found())
    body = {
        "window": days,
        "smallest": SMALLEST,
        "states": sorted(states),
        "from": first,
        "until": last,
        "figures": asdict(figures(gathering.days(), asked.threshold)),
        "calibration": None if fits is None else asdict(fits),
        "cells": [asdict(cell) for cell in auditing.found(asked.threshold).cells],
    }
    return Measure(asked.tenant, asked.model, asked.version, asked.outcome, at, body)


class Measures:
    """The measures in `store`, made from `outcomes`; `clock` tells a zoned time."""

    def __init__(
        self,
        store: Store,
        outcomes: Outcomes,
        *,
        clock: Callable[[], datetime],
        new_id: Callable[[], str] = lambda: str(uuid4()),
    ) -> None:
        self._store, self._outcomes, self._clock, self._new_id = store, outcomes, clock, new_id

    def take(self, asked: Question, zone: tzinfo, *, days: int = WINDOW) -> Measure:
        """Measure now, and keep it. Raises LedgerUnavailable."""
        now = self._clock()
        found = measured(self._rows(asked, now, days), asked, zone, now, days=days)
        row = {name: getattr(found, name) for name in ("tenant", "model", "version", "outcome", "at")}
        row |= {"id": self._new_id(), "body": json.dumps(dict(found.body))}
        with self._store.writing() as connection:
            connection.execute(insert(measures).values(row))
        return found

    def keep_up(self, asked: Question, zone: tzinfo, since: datetime) -> Measure | None:
        """Measure what a page does not, unless it was since `since` at this threshold; None where nothing is due.

        For a schedule. Raises LedgerUnavailable.
        """
        many, _ = self._sized(asked, self._clock())
        if many <= FEW:
            return None
        last = self.last(asked)
        fresh = last is not None and last.at >= since
        if last is not None and fresh and last.body["figures"]["threshold"] == asked.threshold:
            return None
        return self.take(asked, zone)

    def glance(self, asked: Question, zone: tzinfo) -> Glance:
        """Measured now where that is quick, else as it was last kept. Keeps nothing."""
        now = self._clock()
        many, first = self._sized(asked, now)
        if many <= FEW:
            rows = self._rows(asked, now, WINDOW, first)
            return Glance(measured(rows, asked, zone, now))
        last = self.last(asked)
        return Glance(None, due=True) if last is None else Glance(last, self._later(asked, last.at))

    def last(self, asked: Question) -> Measure | None:
        """The newest that was kept."""
        m = measures.c
        query = (
            select(measures)
            .where(
                m.tenant == asked.tenant,
                m.model == asked.model,
                m.version == asked.version,
                m.outcome == asked.outcome,
            )
            .order_by(m.at.desc(), m.id)
            .limit(1)
        )
        with self._store.reading() as connection:
            row = connection.execute(query).mappings().first()
        if row is None:
            return None
        told = {name: row[name] for name in Measure.__dataclass_fields__}
        return Measure(**(told | {"body": json.loads(row["body"])}))

    def _sized(self, asked: Question, now: datetime) -> tuple[int, datetime | None]:
        """How many answers were settled in the window, at most `FEW` + 1, and the earliest moment of them."""
        o, since = outcomes.c, now - timedelta(days=WINDOW)
        some = select(o.as_of).where(*_of(asked), o.recorded_at > since).limit(FEW + 1).subquery()
        with self._store.reading() as connection:
            many, first = connection.execute(select(func.count(), func.min(some.c.as_of)).select_from(some)).one()
        return many, first

    def _later(self, asked: Question, moment: datetime) -> int:
        some = select(literal(1)).where(*_of(asked), outcomes.c.recorded_at > moment).limit(MANY + 1).subquery()
        with self._store.reading() as connection:
            return connection.scalar(select(func.count()).select_from(some)) or 0

    def _rows(
        self, asked: Question, now: datetime, days: int, first: datetime | None = None
    ) -> Iterable[Labelled]:
        """The settled answers of the last `days`. `first`: none of them is earlier, and so is not looked for."""
        since = max(filter(None, (now - timedelta(days=days), first)))
        return self._outcomes.labelled(
            asked.tenant, asked.model, asked.outcome, since=since, version=asked.version
        )


def _of(asked: Question) -> tuple[ColumnElement[bool], ...]:
    o = outcomes.c
    return o.tenant == asked.tenant, o.model == asked.model, o.outcome == asked.outcome, o.version == asked.version
