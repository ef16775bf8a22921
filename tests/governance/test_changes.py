"""The change log: three headings, one chain, and a name for every line that was tampered with."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from weakref import WeakSet

import pytest

from governance.changes import NOT_YET, ORIGIN, Chain, Change, Changes, faults, walked
from governance.errors import LedgerRefusal
from governance.store import Store

LINE = Change("north", "threshold", "Ada North", "threshold 0.20 to 0.25", "signed by two", "fewer alarms")


@pytest.fixture
def log(store: Store, clock: Callable[[], datetime]) -> Changes:
    return Changes(store, clock=clock)


def written(log: Changes, count: int = 4) -> list[Change]:
    return [log.add(replace(LINE, impact=f"impact {number}")) for number in range(count)]


def test_lines_stand_in_the_order_they_were_written_and_name_the_one_before(log: Changes) -> None:
    lines = written(log)
    assert list(log.lines()) == lines
    assert [line.number for line in lines] == [1, 2, 3, 4]
    assert [line.previous for line in lines] == [ORIGIN, *(line.digest for line in lines[:-1])]
    assert faults(log.lines()) == ()
    assert faults(log.lines(), head=lines[-1].digest) == ()


def test_an_empty_log_is_sound(log: Changes) -> None:
    assert faults(log.lines()) == ()


def test_several_who_write_at_once_make_one_chain(log: Changes) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: log.add(LINE), range(12)))
    assert log.count() == 12
    assert faults(log.lines()) == ()


@pytest.mark.parametrize("heading", ["modification", "protocol", "impact", "author"])
def test_a_line_without_one_of_its_headings_is_refused(log: Changes, heading: str) -> None:
    with pytest.raises(LedgerRefusal, match=heading):
        log.add(replace(LINE, **{heading: "  "}))  # type: ignore[arg-type]
    assert log.count() == 0


def test_a_tenant_reads_its_own_lines(log: Changes) -> None:
    log.add(LINE)
    log.add(replace(LINE, tenant="south"))
    assert [line.tenant for line in log.lines("south")] == ["south"]


@pytest.mark.parametrize("field", ["modification", "protocol", "impact", "author", "tenant", "kind"])
def test_a_changed_line_is_named(log: Changes, field: str) -> None:
    lines = written(log)
    lines[1] = replace(lines[1], **{field: "something else"})  # type: ignore[arg-type]
    assert faults(lines) == ("line 2 was changed: its text does not have its digest",)


def test_a_line_changed_together_with_its_digest_is_betrayed_by_the_next(log: Changes) -> None:
    lines = written(log)
    forged = replace(lines[1], impact="none at all")
    lines[1] = replace(forged, digest=forged.sealed())
    (fault,) = faults(lines)
    assert fault.startswith("line 3 does not follow the line before it")


def test_a_missing_line_is_named(log: Changes) -> None:
    lines = written(log)
    assert faults([lines[0], *lines[2:]]) == ("line 2 is missing before line 3",)
    assert faults([lines[0], lines[3]]) == ("lines 2 to 3 are missing before line 4",)
    assert faults(lines[1:]) == ("line 1 is missing before line 2",)


def test_lines_in_another_order_are_named(log: Changes) -> None:
    lines = written(log)
    said = faults([lines[0], lines[2], lines[1], lines[3]])
    assert "line 2 is out of order: it stands after line 3" in said


def test_lines_that_changed_places_and_numbers_are_named_by_where_they_were(log: Changes) -> None:
    lines = written(log)
    swapped = [lines[0], replace(lines[2], number=2), replace(lines[1], number=3), lines[3]]
    said = faults(swapped)
    assert "line 2 was moved: it was written as line 3" in said
    assert "line 3 was moved: it was written as line 2" in said


def test_an_end_that_was_cut_off_is_found_by_the_digest_written_down(log: Changes) -> None:
    lines = written(log)
    assert faults(lines[:-1]) == ()
    (fault,) = faults(lines[:-1], head=lines[-1].digest)
    assert "cut or rewritten" in fault


def test_tampering_past_the_triggers_in_the_database_itself_is_found(
    sqlite_url: str, clock: Callable[[], datetime]
) -> None:
    from governance.store import migrate, open_store

    store = open_store(sqlite_url)
    migrate(store)
    log = Changes(store, clock=clock)
    written(log)
    with sqlite3.connect(str(store.url.database)) as raw:
        raw.execute("DROP TRIGGER changes_refuses_update")
        raw.execute("UPDATE changes SET impact = 'none' WHERE number = 3")
    assert faults(log.lines()) == ("line 3 was changed: its text does not have its digest",)


def tampered(lines: list[Change]) -> Iterator[list[Change]]:
    """A log of four lines in every way it can be wrong."""
    yield lines[1:]
    yield [lines[0], *lines[2:]]
    yield [lines[0], lines[2], lines[1], lines[3]]
    yield [lines[0], replace(lines[2], number=2), replace(lines[1], number=3), lines[3]]
    yield [*lines[:2], replace(lines[2], impact="none"), lines[3]]
    forged = replace(lines[1], impact="none at all")
    yield [lines[0], replace(forged, digest=forged.sealed()), *lines[2:]]


def test_a_walk_finds_the_same_logs_unsound(log: Changes) -> None:
    lines = written(log)
    assert walked(log.lines()) == Chain(4, lines[-1].digest, sound=True)
    assert walked([]) == Chain()
    assert walked(lines, head=lines[1].digest).sound
    assert not walked(lines[:-1], head=lines[-1].digest).sound
    for wrong in tampered(lines):
        assert faults(wrong)
        assert not walked(wrong).sound


class Seen(Change):
    """A line of which it can be told whether anybody still holds it."""

    __slots__ = ("__weakref__",)


def test_a_walk_does_not_hold_the_log() -> None:
    alive: WeakSet[Seen] = WeakSet()
    most = 0

    def read() -> Iterator[Change]:
        nonlocal most
        before = ORIGIN
        for number in range(1, 301):
            line = Seen("north", "state", "gate weigh", "m", "p", "i", number, NOT_YET, before)
            line = replace(line, digest=line.sealed())
            alive.add(line)
            before = line.digest
            yield line
            most = max(most, len(alive))

    assert walked(read()).sound
    assert most <= 3
