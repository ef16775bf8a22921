"""Audits by group, kept: one a version and week, and one as soon as a version has a settled outcome.

What is kept has its small cells suppressed already. Versions are never mixed: a new one has an audit of its own from
its first day, and starts from nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import func, insert, select

from governance.equity import Audit
from governance.store import Store
from governance.tables import equity_audits

MOST: Final = 16  # newest audits read at once: two weeks of daily ones


@dataclass(frozen=True, slots=True)
class KeptAudit:
    """One audit of the settled predictions from `since` to before `until`. `body` is its cells, as JSON has them."""

    tenant: str
    model: str
    version: str
    outcome: str
    since: datetime
    until: datetime
    at: datetime
    threshold: float
    body: Mapping[str, Any]


class Audits:
    """The audits in `store`; `clock` tells a zoned time."""

    def __init__(
        self, store: Store, *, clock: Callable[[], datetime], new_id: Callable[[], str] = lambda: str(uuid4())
    ) -> None:
        self._store, self._clock, self._new_id = store, clock, new_id

    def keep(
        self,
        tenant: str,
        model: str,
        version: str,
        outcome: str,
        since: datetime,
        until: datetime,
        found: Audit,
        *,
        before: datetime | None = None,
    ) -> KeptAudit:
        """Keep one; `before` where it took no answer from then on and yet reaches further. Raises LedgerUnavailable."""
        now = self._clock()
        body = {**told(found), **({} if before is None else {"before": before.isoformat()})}
        kept = KeptAudit(tenant, model, version, outcome, since, until, now, found.threshold, body)
        row = {name: getattr(kept, name) for name in KeptAudit.__dataclass_fields__}
        row |= {"id": self._new_id(), "body": json.dumps(dict(kept.body))}
        with self._store.writing() as connection:
            connection.execute(insert(equity_audits).values(row))
        return kept

    def last(self, tenant: str) -> tuple[KeptAudit, ...]:
        """The newest audit of each version and outcome, newest version's answers first."""
        e = equity_audits.c
        ranks = (
            select(
                e.id,
                func.row_number()
                .over(partition_by=(e.model, e.version, e.outcome), order_by=(e.at.desc(), e.id))
                .label("place"),
            )
            .where(e.tenant == tenant)
            .subquery()
        )
        query = (
            select(equity_audits)
            .join(ranks, ranks.c.id == e.id)
            .where(ranks.c.place == 1)
            .order_by(e.model, e.at.desc(), e.version.desc(), e.outcome)
        )
        with self._store.reading() as connection:
            rows = connection.execute(query).mappings().all()
        return tuple(_kept(row) for row in rows)

    def newest(self, tenant: str, model: str, version: str, outcome: str) -> tuple[KeptAudit, ...]:
        """The audits of one version's outcome that reach furthest, furthest first; at most `MOST`."""
        e = equity_audits.c
        wanted = (e.tenant == tenant, e.model == model, e.version == version, e.outcome == outcome)
        query = select(equity_audits).where(*wanted).order_by(e.until.desc(), e.at.desc(), e.id).limit(MOST)
        with self._store.reading() as connection:
            return tuple(_kept(row) for row in connection.execute(query).mappings())

    def audited(self, tenant: str, model: str, version: str, outcome: str) -> datetime | None:
        """The moment the newest audit of this version's outcome reaches to; None before the first."""
        e = equity_audits.c
        wanted = (e.tenant == tenant, e.model == model, e.version == version, e.outcome == outcome)
        query = select(e.until).where(*wanted).order_by(e.until.desc()).limit(1)
        with self._store.reading() as connection:
            found: datetime | None = connection.scalar(query)
        return found


def told(found: Audit) -> Mapping[str, Any]:
    """An audit as JSON has it."""
    return {
        "threshold": found.threshold,
        "smallest": found.smallest,
        "cells": [asdict(cell) for cell in found.cells],
    }


def _kept(row: Mapping[str, Any] | Any) -> KeptAudit:
    named = {name: row[name] for name in KeptAudit.__dataclass_fields__}
    return KeptAudit(**(named | {"body": json.loads(row["body"])}))
