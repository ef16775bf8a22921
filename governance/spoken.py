"""What was said, read back in the order it was said: for charts, which read each finished day once.

Opens the sealed documents one page at a time. What does not open, or is no assessment of this version, is counted
and left out: one damaged row must not stop a year's watching, and must not go unnoticed either.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from sqlalchemy import RowMapping, func, literal, select, tuple_

from governance import codec
from governance.errors import CodecError, Unreadable
from governance.keys import Seal
from governance.store import Store
from governance.tables import Instant, assessments, cards, documents, feedback
from inference.assessment import Assessment

PAGE: Final = 500  # documents held at a time


@dataclass(frozen=True, slots=True)
class Said:
    """One answer, with the site's threshold then and how long it took. `assessment` is None where it cannot be read."""

    assessment: Assessment | None = field(repr=False)
    made_at: datetime
    threshold: float | None
    latency_ms: float | None


class Spoken:
    """The answers in `store`, sealed under `key`."""

    def __init__(self, store: Store, key: bytes) -> None:
        self._store, self._documents = store, Seal(key, "ledger/assessment")

    def first(self, tenant: str, model: str, version: str = "") -> datetime | None:
        """When `model` (of that version, or any) first answered here; None if it never did."""
        a = assessments.c
        wanted = [a.tenant == tenant, a.model == model, *([a.version == version] if version else [])]
        with self._store.reading() as connection:
            oldest: datetime | None = connection.scalar(select(func.min(a.made_at)).where(*wanted))
        return oldest

    def between(self, tenant: str, model: str, since: datetime, until: datetime) -> Iterator[Said]:
        """The answers made at `since` <= time < `until`, oldest first."""
        a = assessments.c
        wanted = [a.tenant == tenant, a.model == model, a.made_at >= since, a.made_at < until]
        place, last = tuple_(a.made_at, a.id), None
        columns = (a.id, a.made_at, a.threshold, a.latency_ms, documents.c.body)
        query = select(*columns).outerjoin(documents).where(*wanted).order_by(a.made_at, a.id).limit(PAGE)
        while True:
            after = query if last is None else query.where(place > tuple_(literal(last[0], Instant), last[1]))
            with self._store.reading() as connection:
                page = connection.execute(after).mappings().all()
            for row in page:
                yield Said(self._opened(row), row["made_at"], row["threshold"], row["latency_ms"])
            if len(page) < PAGE:
                return
            last = (page[-1]["made_at"], page[-1]["id"])

    def feedback(self, tenant: str, model: str, since: datetime, until: datetime) -> tuple[str, ...]:
        """What clients told of this model's cards then: "accepted" or "overridden", in the order it came."""
        f, c, a = feedback.c, cards.c, assessments.c
        query = (
            select(f.outcome)
            .join(cards, (c.id == f.card) & (c.tenant == f.tenant))
            .join(assessments, a.id == c.assessment_id)
            .where(f.tenant == tenant, a.model == model, f.received_at >= since, f.received_at < until)
            .order_by(f.received_at, f.id)
        )
        with self._store.reading() as connection:
            return tuple(connection.scalars(query))

    def _opened(self, row: RowMapping) -> Assessment | None:
        if row["body"] is None:
            return None  # erased
        try:
            return codec.load(zlib.decompress(self._documents.open(row["body"], place=row["id"])))
        except (Unreadable, CodecError, zlib.error):
            return None
