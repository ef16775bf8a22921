"""The database: opened, migrated, asked whether it is ready, and honest about its troubles."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, TimeoutError
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, delete, inspect, select, text, update
from sqlalchemy.exc import IntegrityError

from governance.alarms import Alarms
from governance.audit import AuditTrail
from governance.audits import Audits
from governance.causes import Finding
from governance.changes import Change, Changes
from governance.clarity import ClarityBook, PageKind
from governance.code_maps import CodeMaps
from governance.daily import LATENCY, Daily, Summary
from governance.decisions import Decision, Decisions, Signature
from governance.demand import Unit, forecast
from governance.entries import Feedback, Repeat, Suggestion
from governance.equity import Audit
from governance.erasure import Erasure
from governance.errors import LedgerRefusal, LedgerUnavailable, SetupError
from governance.forecasts import Forecasts, Look
from governance.keys import Pseudonym
from governance.ledger import Ledger
from governance.measures import Measures, Question
from governance.outcomes import Outcome, Outcomes
from governance.readings import Reading, Readings
from governance.resolutions import Resolutions
from governance.review import Reviews
from governance.store import Store, migrate, open_store, roll_back
from governance.tables import APPEND_ONLY, assessments, ephemera, metadata
from governance.waiting import Referral, WaitingList
from governance.weeks import Week
from inference.assessment import State
from tests.governance.answers import KOLKATA, NOON, SECRET, answer
from tests.servers import free_port

MIGRATE = (
    "import sys; from governance.store import *; s = open_store(sys.argv[1]); migrate(s); print(s.ready())"
)


def at_once(script: str, url: str, processes: int) -> list[str]:
    """What each of several processes that run `script` at the same time says; each must end well."""
    command = [sys.executable, "-W", "error", "-c", script, url]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(processes)]
    said = [process.communicate(timeout=90)[0].strip() for process in running]
    assert [process.returncode for process in running] == [0] * processes
    return said


@pytest.mark.parametrize("spelling", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_spelling_of_postgresql_is_one_database(spelling: str) -> None:
    store = open_store(f"{spelling}://nurse:hush@db.example:5433/ledger")
    assert store.url.drivername == "postgresql+psycopg"
    assert not store.is_sqlite
    assert "hush" not in repr(store)


NOWHERE = (
    "",
    "ledger.db",
    "mysql://h/d",
    "sqlite://",
    "sqlite:///:memory:",
    "sqlite:///file:x?mode=memory&uri=true",
)
CUT = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


@pytest.mark.parametrize("url", NOWHERE)
def test_a_database_that_forgets_or_is_none_is_refused_with_the_remedy(url: str) -> None:
    with pytest.raises(SetupError, match="DATABASE_URL"):
        open_store(url)


def test_sqlite_waits_for_others_and_syncs_what_it_acknowledges(sqlite_url: str) -> None:
    store = open_store(sqlite_url, patience=1.5)
    migrate(store)
    with store.reading() as connection:
        for name, value in (
            ("journal_mode", "wal"),
            ("synchronous", 2),  # FULL
            ("foreign_keys", 1),
            ("busy_timeout", 1500),
            ("recursive_triggers", 1),
        ):
            assert connection.scalar(text(f"PRAGMA {name}")) == value, name


def test_postgresql_syncs_what_it_acknowledges_whatever_its_default(postgres_database_url: str) -> None:
    store = open_store(postgres_database_url)
    with store.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        connection.execute(text(f"ALTER DATABASE {store.url.database} SET synchronous_commit = off"))
    store.close()
    with store.reading() as connection:
        assert connection.scalar(text("SHOW synchronous_commit")) == "on"
        assert connection.scalar(text("SHOW timezone")) == "UTC"
    store.close()


def test_a_new_file_is_its_owners_alone(sqlite_url: str, tmp_path: Path) -> None:
    migrate(open_store(sqlite_url))
    assert stat.S_IMODE((tmp_path / "ledger").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "ledger" / "ledger.db").stat().st_mode) == 0o600


def test_a_folder_that_cannot_be_made_is_named_as_the_reason(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SetupError, match="folder"):
        migrate(open_store(f"sqlite:///{tmp_path}/file/ledger.db"))


def test_a_percent_sign_in_the_path_is_a_percent_sign(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/50%/ledger.db")
    migrate(store)
    assert store.ready()


def test_workers_that_start_together_migrate_once(url: str) -> None:
    assert at_once(MIGRATE, url, processes=4) == ["True"] * 4
    migrate(open_store(url))  # and again is nothing


def test_a_worker_waits_while_another_migrates_the_same_file(sqlite_url: str, tmp_path: Path) -> None:
    store = open_store(sqlite_url)
    migrate(store)
    with (tmp_path / "ledger" / "ledger.db.migrating").open() as held, ThreadPoolExecutor(1) as pool:
        fcntl.flock(held, fcntl.LOCK_EX)
        other = pool.submit(migrate, store)
        with pytest.raises(TimeoutError):
            other.result(timeout=0.3)
        fcntl.flock(held, fcntl.LOCK_UN)
        other.result(timeout=30)


def test_the_migrations_make_the_tables_the_code_means(store: Store) -> None:
    with store.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_the_migrations_lead_down_and_up_again(store: Store) -> None:
    assert store.ready()
    roll_back(store)
    assert not store.ready()
    with store.reading() as connection:
        assert set(inspect(connection).get_table_names()) <= {"alembic_version"}
        if not store.is_sqlite:
            left = connection.scalar(text("SELECT to_regproc('ordertime_refuse_change')"))
            assert left is None
    migrate(store)
    assert store.ready()


def test_the_newest_migration_leads_down_by_itself_and_keeps_what_was_there(
    ledger: Ledger, store: Store
) -> None:
    filled(ledger)
    roll_back(store, "0001")
    with store.reading() as connection:
        left = set(inspect(connection).get_table_names())
        assert not left & {"repeats", "suggestions"}
        assert connection.scalar(text("SELECT count(*) FROM cards")) == 3
    assert not store.ready()
    migrate(store)
    assert store.ready()
    with pytest.raises(IntegrityError, match="the ledger only grows"), store.writing() as connection:
        connection.execute(text("DELETE FROM cards"))


def test_one_step_down_and_up_leaves_the_ledger_as_it_was(store: Store, ledger: Ledger) -> None:
    kept = ledger.record(answer(), tenant="north", patient="p", door="hook", state=State.ACTIVE)
    roll_back(store, "0001")
    assert not store.ready()
    migrate(store)
    assert store.ready()
    found = ledger.recall(kept.id, tenant="north", patient="p")
    assert found is not None
    assert found.assessment == kept.assessment


def test_a_database_without_tables_is_not_ready_and_says_what_to_do(url: str) -> None:
    store = open_store(url)
    if store.is_sqlite:
        Path(str(store.url.database)).parent.mkdir()
    assert not store.ready()
    with pytest.raises(LedgerUnavailable, match="run the migration"), store.reading() as connection:
        connection.execute(select(assessments))
    store.close()


def test_a_database_of_another_version_is_not_ready(store: Store) -> None:
    with store.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert not store.ready()


def test_a_locked_database_is_unavailable_in_time_and_works_again_afterwards(sqlite_url: str) -> None:
    store = open_store(sqlite_url, patience=0.2)
    migrate(store)
    other = sqlite3.connect(str(store.url.database), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerUnavailable, match="locked"), store.writing():
        pass
    assert not store.ready()
    other.execute("ROLLBACK")
    other.close()
    assert store.ready()


def test_a_locked_table_in_postgresql_is_unavailable_in_time(postgres_url: str) -> None:
    store = open_store(postgres_url, patience=0.2)
    migrate(store)
    with store.writing() as blocker:
        blocker.execute(text("LOCK TABLE ephemera"))
        with pytest.raises(LedgerUnavailable, match="locked"), store.writing() as connection:
            connection.execute(delete(ephemera))
    store.close()


def test_a_file_that_is_no_database_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(b"this is not a database, and it is long enough to look at" * 20)
    store = open_store(f"sqlite:///{tmp_path}/ledger.db")
    assert not store.ready()
    with pytest.raises(LedgerUnavailable):
        migrate(store)


def test_a_read_only_database_is_not_ready(sqlite_url: str) -> None:
    migrate(open_store(sqlite_url))
    path = sqlite_url.removeprefix("sqlite:///")
    store = open_store(f"sqlite:///file:{path}?mode=ro&uri=true")
    assert not store.ready()
    with pytest.raises(LedgerUnavailable, match="read-only"), store.writing() as connection:
        connection.execute(delete(ephemera))


def test_a_postgresql_that_only_reads_is_not_ready(postgres_database_url: str) -> None:
    store = open_store(postgres_database_url)
    migrate(store)
    assert store.ready()
    with store.writing() as connection:
        connection.execute(
            text(f"ALTER DATABASE {store.url.database} SET default_transaction_read_only = on")
        )
    store.close()
    assert not store.ready()
    store.close()


def test_a_server_that_is_not_there_is_unavailable_and_its_password_is_not_told() -> None:
    store = open_store(f"postgresql://nurse:hush@127.0.0.1:{free_port()}/ledger", patience=0.5)
    assert not store.ready()
    with pytest.raises(LedgerUnavailable) as trouble, store.reading():
        pass
    assert "hush" not in str(trouble.value)


def test_a_connection_that_the_server_cut_is_replaced(postgres_database_url: str) -> None:
    store, other = open_store(postgres_database_url), open_store(postgres_database_url)
    migrate(store)
    assert store.ready()
    with other.reading() as cutter:
        cutter.execute(text(CUT))
    assert store.ready()
    with pytest.raises(LedgerUnavailable), store.writing() as connection, other.reading() as cutter:  # noqa: PT012
        cutter.execute(text(CUT))
        connection.execute(select(assessments))
    assert store.ready()
    store.close()
    other.close()


def test_more_askers_than_connections_are_told_so(sqlite_url: str) -> None:
    store = open_store(sqlite_url, patience=0.1)
    migrate(store)
    held: list[Connection] = [store.engine.connect() for _ in range(15)]
    with pytest.raises(LedgerUnavailable, match="in use"), store.reading():
        pass
    for connection in held:
        connection.close()


def test_times_are_written_and_read_as_utc_with_their_zone(store: Store) -> None:
    row = {"slot": "s", "body": None, "expires_at": NOON}
    with store.writing() as connection:
        assert store.insert_once(connection, ephemera, row, ("slot",))
        assert not store.insert_once(connection, ephemera, row, ("slot",))
        found: datetime | None = connection.scalar(
            select(ephemera.c.expires_at).where(ephemera.c.expires_at == NOON)
        )
        raw = str(connection.scalar(text("SELECT expires_at FROM ephemera")))
    assert found == NOON
    assert found is not None
    assert found.tzinfo is UTC
    assert raw.startswith("2026-11-23 06:30:00.123456")


def test_times_are_compared_as_instants_not_as_writing(store: Store) -> None:
    with store.writing() as connection:
        store.insert_once(connection, ephemera, {"slot": "s", "body": None, "expires_at": NOON}, ("slot",))
        same = NOON.astimezone(UTC)
        later = select(ephemera.c.slot).where(ephemera.c.expires_at > same + timedelta(microseconds=1))
        earlier = select(ephemera.c.slot).where(
            ephemera.c.expires_at > (same - timedelta(seconds=1)).astimezone(KOLKATA)
        )
        assert connection.scalar(later) is None
        assert connection.scalar(earlier) == "s"


def test_a_time_without_a_zone_is_refused(store: Store) -> None:
    naive = datetime(2026, 1, 1)  # noqa: DTZ001
    with pytest.raises(LedgerRefusal, match="without a zone"), store.writing() as connection:
        store.insert_once(connection, ephemera, {"slot": "s", "body": None, "expires_at": naive}, ("slot",))


def test_a_failed_transaction_leaves_nothing(store: Store) -> None:
    with pytest.raises(RuntimeError), store.writing() as connection:  # noqa: PT012  the first line must succeed
        store.insert_once(connection, ephemera, {"slot": "s", "body": None, "expires_at": NOON}, ("slot",))
        raise RuntimeError
    with store.reading() as connection:
        assert connection.scalar(select(ephemera.c.slot)) is None


def filled(ledger: Ledger) -> None:
    """A row in every table that only grows."""
    kept = ledger.record(answer(), tenant="north", patient="p", door="hook", state=State.ACTIVE)
    ledger.card("00000000-0000-4000-8000-000000000001", kept.id, "31 of 100", indicator="info")
    again = ledger.record(answer(), tenant="north", patient="p", door="hook", state=State.ACTIVE)
    offered = Suggestion("00000000-0000-4000-8000-000000000002", "blood-gas")
    for number, says in (("3", None), ("4", Repeat("nothing-new"))):
        ledger.show(
            f"00000000-0000-4000-8000-00000000000{number}",
            again.id,
            "31 of 100",
            indicator="info",
            since=NOON - timedelta(hours=1),
            said_already=lambda _, says=says: says,  # type: ignore[misc]
            suggestions=[offered],
        )
    ledger.feedback([Feedback("c", "accepted", NOON)], tenant="north")
    ledger.release(kept.id, "Practitioner/1", "es")
    ledger.viewed(kept.id, user="Practitioner/1", where="result")
    happened = NOON + timedelta(hours=3)
    Outcomes(ledger._store, clock=lambda: NOON + timedelta(days=2)).record(
        Outcome(kept.id, "ventilation-24h", "yes", known_at=happened, happened_at=happened)
    )
    Changes(ledger._store, clock=lambda: NOON).add(
        Change("north", "state", "gate", "opened", "gate", "cards")
    )
    Readings(ledger._store).keep(
        Reading(
            "north", "ventilation-need", "ventilation-24h", "", "0.2.0", NOON, State.SILENT, NOON, "d", {}
        )
    )
    AuditTrail(ledger._store, ledger, clock=lambda: NOON).note("viewed", door="/result", tenant="north")
    page = PageKind("north", "ventilation-need", "0.2.0", "assessed", "en", "0123456789ab")
    ClarityBook(ledger._store, clock=lambda: NOON).keep(page, 4)
    Daily(ledger._store).keep("north", "ventilation-need", [Summary(NOON.date(), LATENCY, "", 1, mean=4.0)])
    WaitingList(ledger._store, clock=lambda: NOON).refer([Referral(kept.id, "ventilation-6h", "transferred")])
    watched(ledger._store)
    counted(ledger._store)
    reviewed(ledger._store)
    erased(ledger)


def erased(ledger: Ledger) -> None:
    """A patient who was erased."""
    ledger.record(answer(), tenant="north", patient="gone", door="hook", state=State.ACTIVE)
    store, clock = ledger._store, lambda: NOON
    log, reviews = Changes(store, clock=clock), Reviews(store, SECRET, clock=clock)
    gone = Erasure(store, reviews, log, clock=clock)
    gone.requested("north", ledger.pseudonym("north", "gone"), author="Ada", sentence="asked for")


def reviewed(store: Store) -> None:
    """A week that was audited, reviewed and decided."""
    week, clock = Week.of(NOON.date()), lambda: NOON
    Audits(store, clock=clock).keep("north", "m", "1", "o", NOON, NOON, Audit(0.2, 10, ()))
    kept = Reviews(store, SECRET, clock=clock).keep("north", week, {})
    decision = Decision("north", week.name, kept.digest, "continue", "As before.")
    signers = [Signature(name, name, NOON, "", "") for name in ("Ada", "Ben")]
    log = Changes(store, clock=clock)
    Decisions(store, log, clock=clock).record(decision, signers, ())
    lower = replace(decision, week="2026-W01", kind="change-threshold", gate="m/o", threshold="0.1")
    Decisions(store, log, clock=clock).record(lower, signers, ())
    (waits,) = Resolutions(store).open("north")
    Resolutions(store).came_into_force(waits, NOON, log, Change("north", "in-force", "a", "b", "c", "d"))
    CodeMaps(store, log, clock=clock).note("north", {"local_codes.x": (("lactate",), ("lactate",))}, source="f", by="b")


def counted(store: Store) -> None:
    """A unit's forecast, and what a model came to."""
    look = Look("north", "icu", "ventilation-need", "0.2.0", State.SILENT, NOON, 3, 0, 1, 4)
    Forecasts(store).keep(look, forecast([], Unit(1, 4)))
    clock = lambda: NOON  # noqa: E731
    asked = Question("north", "ventilation-need", "0.2.0", "ventilation-24h", 0.2)
    Measures(store, Outcomes(store, clock=clock), clock=clock).take(asked, UTC)


def watched(store: Store) -> None:
    """An alarm that was found, delivered and answered."""
    alarms = Alarms(store, clock=lambda: NOON)
    (raised,) = alarms.raise_all(
        "north", "ventilation-need", "ventilation-24h",
        [Finding("latency", "", 1, NOON.date(), NOON.date(), 5.0, 4.0, 180.0)],
    )  # fmt: skip
    alarms.deliver("north", lambda _: True)
    alarms.answer("north", raised.id, user=Pseudonym("u"), decision="accepted", from_day=NOON.date())


@pytest.mark.parametrize("table", APPEND_ONLY)
def test_the_database_itself_refuses_to_change_or_forget(ledger: Ledger, store: Store, table: str) -> None:
    filled(ledger)
    column = metadata.tables[table].primary_key.columns[0]
    changes: list[Any] = [
        update(metadata.tables[table]).values({column.name: column}),
        delete(metadata.tables[table]),
    ]
    if store.is_sqlite:
        changes.append(text(f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}"))  # noqa: S608
        changes.append(text(f"UPDATE OR REPLACE {table} SET {column.name} = {column.name}"))  # noqa: S608
    else:
        changes.append(text(f"TRUNCATE {table} CASCADE"))
    for change in changes:
        with pytest.raises(IntegrityError, match="the ledger only grows"), store.writing() as connection:
            connection.execute(change)
    with store.reading() as connection:
        assert connection.execute(select(metadata.tables[table])).first() is not None


def test_a_row_about_no_assessment_is_refused_by_the_database(store: Store) -> None:
    orphan = metadata.tables["documents"].insert().values(assessment_id="x", body=b"")
    with pytest.raises(IntegrityError), store.writing() as connection:
        connection.execute(orphan)


def test_a_store_that_crossed_a_fork_opens_connections_of_its_own(store: Store) -> None:
    def mark(slot: str) -> None:
        with store.writing() as connection:
            store.insert_once(
                connection, ephemera, {"slot": slot, "body": None, "expires_at": NOON}, ("slot",)
            )

    mark("parent before")
    parents = store.engine

    def child() -> bool:
        mark("child")
        return store.engine is not parents

    in_child(child)
    mark("parent after")
    with store.reading() as connection:
        assert set(connection.scalars(select(ephemera.c.slot))) == {"parent before", "child", "parent after"}


def in_child(holds: Callable[[], bool]) -> None:
    """`holds()` in a forked child, which leaves as a killed worker would, without tidying up."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if holds() else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
