"""What a gate came to each time it was weighed: kept, and read back by the doors and by the gate's page."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import RowMapping, func, insert, select

from governance.resolutions import Resolution, Resolutions
from governance.store import Store
from governance.tables import readings
from inference.assessment import State


@dataclass(frozen=True, slots=True)
class Reading:
    """One weighing. `body` is what `governance.weighing` wrote: figures, shortfalls, approvals, trade-off, and under
    "suspension" the decision to suspend that it took account of, and whether that still stood.
    """

    tenant: str
    model: str
    outcome: str
    care_unit: str
    version: str
    at: datetime
    state: State
    since: datetime
    gate: str
    body: Mapping[str, Any]

    @property
    def gate_name(self) -> str:
        """How its gate is called in the change log and on the command line."""
        return "/".join(part for part in (self.model, self.outcome, self.care_unit) if part)


class Readings:
    """The readings in `store`."""

    def __init__(self, store: Store, *, new_id: Callable[[], str] = lambda: str(uuid4())) -> None:
        self._store, self._new_id = store, new_id
        self.resolutions = Resolutions(store)  # what was decided over the gates' heads

    def keep(self, reading: Reading) -> None:
        """Keep one; of two in one instant the second is the later. Raises LedgerUnavailable."""
        r = readings.c
        same = [r[name] == getattr(reading, name) for name in ("tenant", "model", "outcome", "care_unit")]
        row = {name: getattr(reading, name) for name in Reading.__dataclass_fields__}
        row |= {"id": self._new_id(), "state": reading.state.value, "body": json.dumps(dict(reading.body))}
        with self._store.writing() as connection:
            newest = connection.scalar(select(func.max(r.at)).where(*same))
            if newest is not None and newest >= reading.at:
                row["at"] = newest + timedelta(microseconds=1)
            connection.execute(insert(readings).values(row))

    def last(self, tenant: str, model: str, outcome: str, care_unit: str = "") -> Reading | None:
        """The newest reading of one gate; None before the first."""
        r = readings.c
        query = (
            select(readings)
            .where(r.tenant == tenant, r.model == model, r.outcome == outcome, r.care_unit == care_unit)
            .order_by(r.at.desc(), r.id)
            .limit(1)
        )
        with self._store.reading() as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else _reading(row)

    def states(
        self, tenant: str, model: str, outcome: str, care_unit: str
    ) -> tuple[tuple[datetime, State, str], ...]:
        """Moment, state and id of every reading of one gate, oldest first."""
        r = readings.c
        wanted = (r.tenant == tenant, r.model == model, r.outcome == outcome, r.care_unit == care_unit)
        query = select(r.at, r.state, r.id).where(*wanted).order_by(r.at, r.id)
        with self._store.reading() as connection:
            return tuple((at, State(state), key) for at, state, key in connection.execute(query))

    def these(self, keys: Iterable[str]) -> Mapping[str, Reading]:
        """The readings of these ids."""
        query = select(readings).where(readings.c.id.in_(sorted(set(keys))))
        with self._store.reading() as connection:
            return {row["id"]: _reading(row) for row in connection.execute(query).mappings()}

    def gates(self, tenant: str, model: str) -> tuple[tuple[str, str], ...]:
        """Outcome and care unit of every gate of `model` that was ever weighed."""
        r = readings.c
        query = select(r.outcome, r.care_unit).where(r.tenant == tenant, r.model == model).distinct()
        with self._store.reading() as connection:
            return tuple(sorted((row[0], row[1]) for row in connection.execute(query)))


def holds(suspension: Resolution | None, reading: Reading | None) -> bool:
    """Whether a decision to suspend still stands over a gate that last came to `reading`.

    A weighing that knew of it must have ended it: a later one alone is not enough, it may have begun before.
    """
    if suspension is None:
        return False
    known = {} if reading is None else reading.body.get("suspension") or {}
    return known.get("id") != suspension.id or bool(known["stands"])


def _reading(row: RowMapping) -> Reading:
    told = {name: row[name] for name in Reading.__dataclass_fields__}
    return Reading(**(told | {"state": State(row["state"]), "body": json.loads(row["body"])}))
