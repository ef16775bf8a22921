"""The change log: what was changed, by which rule, and what it does, in lines that hold each other fast.

Each line has the three headings of a predetermined change control plan (FDA 2024): description of the
modification, modification protocol, impact assessment. Its digest is over all of it and over the digest before,
so that `faults` names every line that was changed, dropped or moved. What no chain shows by itself is its
own end cut off, or rewritten from some line on: `governance.held` finds that up to the last kept review or decision,
and beyond it the last digest, written down elsewhere and given as `head`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import Connection, func, insert, select, text

from governance import rows
from governance.errors import LedgerRefusal
from governance.store import Store
from governance.tables import changes

ORIGIN: Final = "0" * 64  # what the first line follows
PAGE: Final = 1000
NOT_YET: Final = datetime(1, 1, 1, tzinfo=UTC)
_LOCK: Final = 0x6F74_6368  # PostgreSQL's advisory lock of those who append


@dataclass(frozen=True, slots=True)
class Change:
    """One line. `digest` is "" until it stands in the log."""

    tenant: str
    kind: str  # "gate-configured", "approved", "state", "reviewed", ...
    author: str  # a named person, or the command that did it
    modification: str
    protocol: str
    impact: str
    number: int = 0
    at: datetime = NOT_YET
    previous: str = ""
    digest: str = ""

    def sealed(self) -> str:
        """SHA-256 over everything but the digest itself."""
        told = asdict(self) | {"digest": "", "at": self.at.astimezone(UTC).isoformat(timespec="microseconds")}
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


class Changes:
    """The log in `store`."""

    def __init__(self, store: Store, *, clock: Callable[[], datetime]) -> None:
        self._store, self._clock = store, clock

    def add(self, change: Change) -> Change:
        """Append `change` as the next line, and return it as it stands. Raises LedgerRefusal, LedgerUnavailable."""
        with self._store.writing() as connection:
            return self.append(connection, change)

    def append(self, connection: Connection, change: Change) -> Change:
        """The same inside a transaction that keeps something else with it."""
        for name in ("kind", "author", "modification", "protocol", "impact"):
            rows.said(name, getattr(change, name).strip())
        if "\x00" in json.dumps(asdict(change), default=str, ensure_ascii=False):
            raise LedgerRefusal("a line of the change log holds no NUL")
        if not self._store.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        c = changes.c
        last = connection.execute(select(c.number, c.digest).order_by(c.number.desc()).limit(1)).first()
        number, previous = (1, ORIGIN) if last is None else (last[0] + 1, last[1])
        line = replace(change, number=number, previous=previous, at=self._clock().astimezone(UTC))
        line = replace(line, digest=line.sealed())
        connection.execute(insert(changes).values(asdict(line)))
        return line

    def lines(self, tenant: str = "") -> Iterator[Change]:
        """All lines in order, or those of one tenant."""
        c, last = changes.c, 0
        while True:
            wanted = [c.number > last, *([c.tenant == tenant] if tenant else [])]
            with self._store.reading() as connection:
                query = select(changes).where(*wanted).order_by(c.number).limit(PAGE)
                found = [Change(**row) for row in connection.execute(query).mappings()]
            yield from found
            if len(found) < PAGE:
                return
            last = found[-1].number

    def count(self) -> int:
        """How many lines there are."""
        with self._store.reading() as connection:
            return connection.scalar(select(func.count()).select_from(changes)) or 0


@dataclass(frozen=True, slots=True)
class Chain:
    """What a walk along the log found: how many lines, the last digest, and whether nothing is wrong with any."""

    count: int = 0
    last: str = ""
    sound: bool = True


def walked(lines: Iterable[Change], head: str = "") -> Chain:
    """The log from its first line to its last, one line held at a time; `faults` says what is wrong where it is not
    sound. `head` is as there.
    """
    count, before, met, sound = 0, None, not head, True
    for line in lines:
        follows = ORIGIN if before is None else before.digest
        sound = sound and line.number == count + 1 and line.previous == follows and line.sealed() == line.digest
        met = met or line.digest == head
        count, before = count + 1, line
    return Chain(count, "" if before is None else before.digest, sound and met)


def faults(lines: Iterable[Change], head: str = "") -> tuple[str, ...]:
    """What is wrong with the log, a sentence for each line concerned; () for a sound one.

    `head`: a digest written down earlier, which must be that of some line.
    """
    log = list(lines)
    digests = {line.digest: line.number for line in log}
    said = [fault for before, line in _pairs(log) for fault in _faults(before, line, digests)]
    if head and head not in digests:
        said.append(
            f"no line has the digest {head[:12]}… that was written down: the log was cut or rewritten"
        )
    return tuple(said)


def _pairs(log: list[Change]) -> Iterator[tuple[Change | None, Change]]:
    befores: list[Change | None] = [None, *log]
    return zip(befores, log, strict=False)


def _faults(before: Change | None, line: Change, digests: dict[str, int]) -> Iterator[str]:
    expected = 1 if before is None else before.number + 1
    if line.number < expected:
        yield f"line {line.number} is out of order: it stands after line {expected - 1}"
    elif line.number > expected:
        missing = (
            f"line {expected} is"
            if line.number == expected + 1
            else f"lines {expected} to {line.number - 1} are"
        )
        yield f"{missing} missing before line {line.number}"
    if line.sealed() != line.digest:
        home = next((n for n in digests.values() if replace(line, number=n).sealed() == line.digest), None)
        if home is None and (home := _home(line, digests)) is None:
            yield f"line {line.number} was changed: its text does not have its digest"
        else:
            yield f"line {line.number} was moved: it was written as line {home}"
    elif line.number == expected and line.previous != (ORIGIN if before is None else before.digest):
        follows = digests.get(line.previous)
        where = "another line than any here" if follows is None else f"line {follows}"
        yield f"line {line.number} does not follow the line before it: it was written after {where}"


def _home(line: Change, digests: dict[str, int]) -> int | None:
    """The number `line` was written under, if its text is whole: one more than that of the line it follows."""
    number = digests.get(line.previous, 0) + 1
    return number if replace(line, number=number).sealed() == line.digest else None
