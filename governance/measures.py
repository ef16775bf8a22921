"""What a model came to at a site over the last days, measured from its ledger and kept: what its live card says.

Figures are the gate's (`governance.figures`), groups the audit's (`governance.equity`), at one threshold, over every
settled answer of one version, shown or silent. Measuring a year of a large house takes longer than a page may, so a
job keeps what it found and the page says when. Refuses nothing; with too few patients a reader sees no figure.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta, tzinfo
from itertools import islice
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import insert, select

from governance.equity import SMALLEST, audit, calibration
from governance.figures import days_of, figures
from governance.outcomes import Labelled, Outcomes
from governance.series import cases
from governance.store import Store
from governance.tables import measures

WINDOW: Final = 90  # days
FEW: Final = 2_000  # settled answers that a page may measure for itself: under a second


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


def measured(rows: Iterable[Labelled], asked: Question, zone: tzinfo, at: datetime, *, days: int = WINDOW) -> Measure:
    """The measure of `rows`, oldest first, which are those of `asked` over the last `days` days before `at`."""
    kept = list(rows)
    found = figures(days_of(kept, zone), asked.threshold)
    fits = calibration(cases(kept, zone))
    groups = audit(kept, zone, asked.threshold)
    body = {
        "window": days,
        "smallest": SMALLEST,
        "states": sorted({row.state for row in kept}),
        "from": kept[0].as_of.isoformat() if kept else "",
        "until": kept[-1].as_of.isoformat() if kept else "",
        "figures": asdict(found),
        "calibration": None if fits is None else asdict(fits),
        "cells": [asdict(cell) for cell in groups.cells],
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

    def glance(self, asked: Question, zone: tzinfo) -> Measure | None:
        """Measured now where that is quick, else as it was last kept; None where it was never. Keeps nothing."""
        now = self._clock()
        rows = list(islice(self._rows(asked, now, WINDOW), FEW + 1))
        return measured(rows, asked, zone, now) if len(rows) <= FEW else self.last(asked)

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

    def _rows(self, asked: Question, now: datetime, days: int) -> Iterable[Labelled]:
        since = now - timedelta(days=days)
        return self._outcomes.labelled(
            asked.tenant, asked.model, asked.outcome, since=since, version=asked.version
        )
