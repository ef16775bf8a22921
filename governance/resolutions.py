"""What signed decisions change at the doors: a suspension at once, a threshold when the signed configuration has it.

A decision to suspend stands until the model's gate has opened again, on approvals given since (`governance.weighing`);
a decided threshold is open until a weighing finds it in a gate that two people approved, and then the change log says
so, once. Of two decisions about the same thing the later counts. Refuses nothing: `governance.decisions` has checked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import Connection, Select, func, insert, select

from governance.changes import Change, Changes
from governance.store import Store
from governance.tables import resolutions, resolutions_in_force

SUSPEND, THRESHOLD = "suspend", "change-threshold"
EFFECTIVE: Final = frozenset({SUSPEND, THRESHOLD})  # kinds of decisions that change something here
IN_FORCE: Final = "in-force"  # kind of the line in the change log


@dataclass(frozen=True, slots=True)
class Resolution:
    """One decision as the doors read it. `model` is "" for all; `outcome` and `care_unit` name a threshold's gate."""

    id: str
    tenant: str
    kind: str
    model: str
    outcome: str
    care_unit: str
    threshold: float | None
    at: datetime
    week: str
    line: int
    people: str
    roles: str
    sentence: str

    @property
    def gate(self) -> str:
        """The gate's name, as on the command line."""
        return "/".join(part for part in (self.model, self.outcome, self.care_unit) if part)


class Resolutions:
    """The resolutions in `store`."""

    def __init__(self, store: Store, *, new_id: Callable[[], str] = lambda: str(uuid4())) -> None:
        self._store, self._new_id = store, new_id

    def keep(self, connection: Connection, **told: Any) -> None:
        """Keep one, inside the transaction that keeps its decision."""
        connection.execute(insert(resolutions).values({"id": self._new_id(), **told}))

    def suspension(self, tenant: str, model: str) -> Resolution | None:
        """The newest decision to suspend `model`, whether or not its gate has opened again since."""
        found = self._read(_suspending(tenant, model).limit(1))
        return found[0] if found else None

    def suspensions(self, tenant: str, model: str) -> tuple[Resolution, ...]:
        """Every decision to suspend `model`, newest first."""
        return self._read(_suspending(tenant, model))

    def open(self, tenant: str) -> tuple[Resolution, ...]:
        """The thresholds that are decided and not in force, the newest of each gate, oldest first."""
        r, f = resolutions.c, resolutions_in_force.c
        newest = (
            select(func.max(r.line)).where(r.tenant == tenant, r.kind == THRESHOLD)
            .group_by(r.model, r.outcome, r.care_unit)
        )  # fmt: skip
        query = (
            select(resolutions)
            .outerjoin(resolutions_in_force, f.resolution_id == r.id)
            .where(r.tenant == tenant, r.kind == THRESHOLD, r.line.in_(newest), f.resolution_id.is_(None))
            .order_by(r.line)
        )
        return self._read(query)

    def came_into_force(self, what: Resolution, at: datetime, log: Changes, line: Change) -> bool:
        """Keep that a decided threshold is in force since `at`, and the line that says so; False if it was known."""
        row = {"resolution_id": what.id, "at": at}
        with self._store.writing() as connection:
            if not self._store.insert_once(connection, resolutions_in_force, row, ("resolution_id",)):
                return False
            log.append(connection, line)
        return True

    def _read(self, query: Select[Any]) -> tuple[Resolution, ...]:
        names = [field.name for field in fields(Resolution)]
        with self._store.reading() as connection:
            rows = connection.execute(query).mappings().all()
        return tuple(Resolution(**{name: row[name] for name in names}) for row in rows)


def _suspending(tenant: str, model: str) -> Select[Any]:
    r = resolutions.c
    wanted = (r.tenant == tenant, r.kind == SUSPEND, r.model.in_(("", model)))
    return select(resolutions).where(*wanted).order_by(r.line.desc())
