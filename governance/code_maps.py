"""What codes, units and assays stand for, kept each time it changes: a line of the change log, once.

Compared is what a process reads with what was kept last; the first ever is where the history begins and is no change.
Of several processes that find the same change one keeps it. `governance.causes` offers it as what may have moved a
chart afterwards. Refuses nothing: a map is any mapping of entries.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import select

from governance.changes import Change, Changes
from governance.store import Store
from governance.tables import code_maps

KIND: Final = "code-map"  # of the line in the change log
SHIPPED: Final = ""  # the tenant of what ships with the app
TOLD: Final = 40  # entries in a line; the row has all of them
LONGEST: Final = 300  # characters of what one entry held
PROTOCOL: Final = "Read from {source} at the first start or watch after the change, against what was kept before."
_ONCE: Final = ("tenant", "number")
Entries = Mapping[str, tuple[Sequence[str], Sequence[str]]]  # entry -> its values, the variables it bears on


@dataclass(frozen=True, slots=True)
class Changed:
    """One entry that changed: what it no longer holds, what it holds now, the variables it bears on."""

    entry: str
    gone: tuple[str, ...]
    new: tuple[str, ...]
    variables: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MapChange:
    """A change of a map, as it was noted at `at`."""

    at: datetime
    tenant: str
    changed: tuple[Changed, ...]


class CodeMaps:
    """The maps in `store`; `clock` tells a zoned time."""

    def __init__(
        self,
        store: Store,
        log: Changes,
        *,
        clock: Callable[[], datetime],
        new_id: Callable[[], str] = lambda: str(uuid4()),
    ) -> None:
        self._store, self._log, self._clock, self._new_id = store, log, clock, new_id

    def note(self, tenant: str, entries: Entries, *, source: str, by: str) -> Change | None:
        """Keep `entries` where they are not what was kept last, with a line; None where there is nothing to say.

        Raises LedgerUnavailable.
        """
        body = {key: [sorted(values), sorted(variables)] for key, (values, variables) in entries.items()}
        written = json.dumps(body, sort_keys=True)
        digest = hashlib.sha256(written.encode()).hexdigest()
        last = self._last(tenant)
        if last is not None and last["digest"] == digest:
            return None
        changed = () if last is None else tuple(_differences(json.loads(last["body"]), body))
        row = {
            "id": self._new_id(),
            "tenant": tenant,
            "number": 1 if last is None else last["number"] + 1,
            "at": self._clock(),
            "digest": digest,
            "body": written,
            "changed": json.dumps([[each.entry, each.gone, each.new, each.variables] for each in changed]),
        }
        with self._store.writing() as connection:
            if not self._store.insert_once(connection, code_maps, row, _ONCE) or last is None:
                return None
            return self._log.append(connection, _line(tenant, changed, source, by))

    def since(self, tenant: str, moment: datetime) -> tuple[MapChange, ...]:
        """The changes of the site's map and of what ships, noted at `moment` or later, oldest first."""
        c = code_maps.c
        wanted = (c.tenant.in_((SHIPPED, tenant)), c.at >= moment, c.number > 1)
        query = select(c.at, c.tenant, c.changed).where(*wanted).order_by(c.at, c.id)
        with self._store.reading() as connection:
            rows = connection.execute(query).all()
        return tuple(MapChange(at, whose, tuple(_changed(json.loads(text)))) for at, whose, text in rows)

    def _last(self, tenant: str) -> Any:
        c = code_maps.c
        query = select(c.number, c.digest, c.body).where(c.tenant == tenant).order_by(c.number.desc()).limit(1)
        with self._store.reading() as connection:
            return connection.execute(query).mappings().first()


def _changed(told: list[Any]) -> Iterator[Changed]:
    for entry, gone, new, variables in told:
        yield Changed(entry, tuple(gone), tuple(new), tuple(variables))


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Changed]:
    for entry in sorted({*before, *after}):
        (was, bore), (holds, bears) = before.get(entry, ((), ())), after.get(entry, ((), ()))
        if (was, bore) != (holds, bears):
            gone = tuple(each for each in was if each not in holds)
            new = tuple(each for each in holds if each not in was)
            yield Changed(entry, gone, new, tuple(sorted({*bore, *bears})))


def _line(tenant: str, changed: Sequence[Changed], source: str, by: str) -> Change:
    told = [f"{each.entry}: {_said(each.gone)} to {_said(each.new)}" for each in changed[:TOLD]]
    more = [f"and {len(changed) - TOLD} more"] if len(changed) > TOLD else []
    variables = sorted({name for each in changed for name in each.variables})
    moved = f"the inputs {', '.join(variables)}" if variables else "no input of a model"
    return Change(
        tenant,
        KIND,
        by,
        f"Mapped before to mapped now. {'; '.join([*told, *more]) or 'The same values bear on other inputs'}.",
        PROTOCOL.format(source=source),
        f"Rows are read by the new map from now on. It bears on {moved}; the charts say whether they moved.",
    )


def _said(values: Sequence[str]) -> str:
    return ", ".join(values)[:LONGEST].replace("\x00", "") or "nothing"
