"""Timing one thing in a process of its own, forked: its first and second time, the processor, memory, and its floor.

The floor of a reader is what it asked the database, asked again by the bare driver, its rows fetched and nothing made
of them. A server's processor is counted with it: that of every process of a PostgreSQL on this machine.
"""

from __future__ import annotations

import json
import os
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import event, text

from governance.store import Store

AT_ONCE: Final = 10_000  # rows fetched together
MOST: Final = 20_000  # statements remembered of one part
TICKS: Final = os.sysconf("SC_CLK_TCK")
READS: Final = ("SELECT", "WITH")


@dataclass(frozen=True, slots=True)
class Part:
    """One thing to time. What is `again` may be done twice: its second time is told beside the first."""

    name: str
    what: Callable[[], Any]
    again: bool = False


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds on the clock, of this process's processor, and of the database server's (0 where there is none)."""

    seconds: float
    cpu: float
    server: float = 0.0


@dataclass(frozen=True, slots=True)
class Timed:
    """What a part took. `rows` are those that it asked of the database; `peak` and `before` megabytes of this process,
    at most and before it began; `load` the machine's, of one minute, after it.
    """

    first: Spent
    second: Spent | None
    floor: Spent
    rows: int
    peak: float
    before: float
    load: float


def alone(part: Part, store: Store) -> Timed:
    """`part` in a process of its own. Raises SystemExit where it fails."""
    postmaster = _postmaster(store)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(reading)
            found = json.dumps(_measured(part, store, postmaster)).encode()
            with os.fdopen(writing, "wb") as told:
                told.write(found)
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading) as heard:
        text_found = heard.read()
    os.waitpid(child, 0)
    if not text_found:
        raise SystemExit(f"{part.name} failed; its error stands above")
    return _read(json.loads(text_found))


def _read(told: dict[str, Any]) -> Timed:
    spent = {name: None if told[name] is None else Spent(*told[name]) for name in ("first", "second", "floor")}
    return Timed(**(told | spent))


def _measured(part: Part, store: Store, postmaster: int) -> dict[str, Any]:
    asked: list[tuple[str, Any]] = []

    def remember(_c: Any, _cursor: Any, statement: str, parameters: Any, _x: Any, many: bool) -> None:
        if not many and len(asked) < MOST and statement.lstrip().upper().startswith(READS):
            asked.append((statement, parameters))

    event.listen(store.engine, "before_cursor_execute", remember)
    before = _peak()
    first = _spent(part.what, postmaster)
    event.remove(store.engine, "before_cursor_execute", remember)
    peak, second = _peak(), _spent(part.what, postmaster) if part.again else None
    counted = [0]
    floor = _spent(lambda: _replayed(store, asked, counted), postmaster)
    told: dict[str, Any] = {"first": first, "second": second, "floor": floor, "rows": counted[0]}
    return told | {"peak": peak, "before": before, "load": os.getloadavg()[0]}


def _replayed(store: Store, asked: list[tuple[str, Any]], counted: list[int]) -> None:
    """The same statements by the driver alone."""
    raw = store.engine.raw_connection()
    try:
        cursor = raw.cursor()
        for statement, parameters in asked:
            cursor.execute(statement, parameters)
            while found := cursor.fetchmany(AT_ONCE):
                counted[0] += len(found)
        cursor.close()
        raw.rollback()
    finally:
        raw.close()


def _spent(what: Callable[[], Any], postmaster: int) -> tuple[float, float, float]:
    began, worked, served = time.perf_counter(), time.process_time(), _served(postmaster)
    what()
    return time.perf_counter() - began, time.process_time() - worked, _served(postmaster) - served


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _postmaster(store: Store) -> int:
    """The process that every backend of the server is a child of, where it runs on this machine; else 0."""
    if store.is_sqlite or store.url.host not in ("127.0.0.1", "localhost", "::1"):
        return 0
    with store.reading() as connection:
        backend = connection.scalar(text("SELECT pg_backend_pid()"))
    try:
        return int(_stat(int(backend or 0))[1])
    except OSError:
        return 0


def _served(postmaster: int) -> float:
    """Seconds of processor of the server so far: of those of its processes that live, and of those that are gone."""
    if not postmaster:
        return 0.0
    told = _stat(postmaster)
    ticks = sum(map(int, told[11:15]))
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                each = _stat(int(name))
            except OSError:  # gone meanwhile
                continue
            if int(each[1]) == postmaster:
                ticks += int(each[11]) + int(each[12])
    return ticks / TICKS


def _stat(process: int) -> list[str]:
    """What the kernel says of a process, from its state on: the parent is the second of it."""
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
