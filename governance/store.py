"""The database: where it is, how it is opened, brought to this version, and asked whether it is ready.

SQLite by default (WAL, every acknowledged write synced to the disk), PostgreSQL by its address. Refuses a
database in memory: a ledger that forgets is none. Open a store in the process that uses it: connections must
not cross a fork, so an inherited one is left alone and a new one is opened.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from functools import cache, lru_cache
from pathlib import Path
from threading import Lock
from typing import Any, Final

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import (
    URL,
    Connection,
    Engine,
    NullPool,
    Table,
    create_engine,
    delete,
    event,
    literal_column,
    make_url,
    text,
)
from sqlalchemy import exc as sql
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.dml import ReturningInsert

from governance.errors import GovernanceError, LedgerUnavailable, SetupError
from governance.tables import ephemera

MIGRATIONS: Final = Path(__file__).with_name("migrations")
PATIENCE: Final = 2.0  # seconds to wait for a lock or a connection: no longer than a hook may take
_MIGRATION_PATIENCE: Final = 60.0  # seconds one worker waits for another to finish migrating
_MIGRATION_LOCK: Final = 0x6F74_6C65  # PostgreSQL's advisory lock: any number nobody else uses
_UNDEFINED_TABLE: Final = "42P01"
_ONE: Final = "1"  # what an insert of one row returns: no column
_SIGNS: Final = {
    "no such table": "the ledger's tables are not there: run the migration",
    "database is locked": "the ledger's database is locked by another writer",
    "lock timeout": "the ledger's database is locked by another writer",
    "readonly database": "the ledger's database is read-only",
    "read-only transaction": "the ledger's database is read-only",
    "disk is full": "the ledger's disk is full",
    "unable to open": "the ledger's file cannot be opened",
    "connection": "the ledger's database cannot be reached",
}


class Store:
    """One database. Cheap to make; connects when first used, anew in each process."""

    def __init__(self, url: URL, patience: float) -> None:
        self.url = url
        self.patience = patience
        self._engines: dict[
            int, Engine
        ] = {}  # by process: one inherited through a fork is kept and never touched
        self._opening = Lock()

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a file beside us rather than a server."""
        return self.url.get_backend_name() == "sqlite"

    @property
    def engine(self) -> Engine:
        """This process's engine."""
        process = os.getpid()
        with self._opening:
            if process not in self._engines:
                self._engines[process] = _engine(self.url, self.patience)
            return self._engines[process]

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that is on the disk when it ends without an error. Raises LedgerUnavailable."""
        with _plainly(), self.engine.execution_options(writes=True).begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one state of the database. Raises LedgerUnavailable."""
        with _plainly(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[Store]:
        """A store that only reads, and sees this one moment for as long as it is held. Raises LedgerUnavailable."""
        held = {} if self.is_sqlite else {"isolation_level": "REPEATABLE READ"}
        with _plainly(), self.engine.execution_options(**held).begin() as connection:
            yield _Snapshot(self.url, self.patience, connection)

    def insert_once(
        self, connection: Connection, table: Table, row: dict[str, Any], unless: Sequence[str]
    ) -> bool:
        """INSERT `row` unless one with the same columns `unless` is there; whether it was inserted.

        Atomic among all writers: of several at once one hears True. `unless` must be a unique constraint.
        """
        statement = _insert_unless(self.is_sqlite, table, tuple(unless), _ONE)
        return connection.execute(statement, row).first() is not None

    def insert_new(
        self, connection: Connection, table: Table, many: Sequence[dict[str, Any]], unless: Sequence[str], key: str
    ) -> tuple[Any, ...]:
        """The same for `many` rows at once, the first before the later: column `key` of each inserted, in no order."""
        if not many:
            return ()
        statement = _insert_unless(self.is_sqlite, table, tuple(unless), key)
        return tuple(connection.scalars(statement, list(many)))

    def ready(self) -> bool:
        """Whether an answer could be kept now: reachable, writable, and of this version's tables."""
        try:
            with self.writing() as connection:
                connection.execute(delete(ephemera).where(ephemera.c.slot == ""))  # nobody's: only a trial
                revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
                return revision == newest_revision()
        except LedgerUnavailable:
            return False

    def close(self) -> None:
        """Close this process's connections; the store may be used again."""
        with self._opening:
            engine = self._engines.pop(os.getpid(), None)
        if engine is not None:
            engine.dispose()

    def __repr__(self) -> str:
        return f"Store({self.url.render_as_string(hide_password=True)})"


class _Snapshot(Store):
    """One moment of a database, in one transaction of `connection`."""

    def __init__(self, url: URL, patience: float, connection: Connection) -> None:
        super().__init__(url, patience)
        self._connection = connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """That transaction."""
        with _plainly():
            yield self._connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Refused."""
        raise LedgerUnavailable("a moment of the ledger is only read")
        yield self._connection


def open_store(url: str, *, patience: float = PATIENCE) -> Store:
    """The database at `url`: `sqlite:///file` or `postgres(ql)://...`. Raises SetupError.

    `patience` is how many seconds to wait for a lock or a connection before LedgerUnavailable.
    """
    try:
        parsed = make_url(url)
    except sql.ArgumentError:
        raise SetupError("DATABASE_URL is not an address; write sqlite:///file or postgresql://...") from None
    kind = parsed.drivername.partition("+")[0]
    if kind in ("postgres", "postgresql"):
        return Store(parsed.set(drivername="postgresql+psycopg"), patience)
    if kind != "sqlite":
        raise SetupError(f"DATABASE_URL is of kind '{kind}'; the ledger is kept in sqlite or postgresql")
    if not parsed.database or ":memory:" in parsed.database or "mode=memory" in url:
        raise SetupError("DATABASE_URL is in memory; name a file, as in sqlite:///var/ordertime.db")
    return Store(parsed.set(drivername="sqlite+pysqlite"), patience)


def migrate(store: Store) -> None:
    """Bring the tables to this version; of several processes one does it, the others wait.

    Raises LedgerUnavailable, or SetupError where the file cannot be made.
    """
    with _plainly(), _alone(store) as connection:
        command.upgrade(_alembic(connection), "head")


def roll_back(store: Store, revision: str = "base") -> None:
    """Take the tables back to `revision`, losing what was kept since: for an operator with a backup."""
    with _plainly(), _alone(store) as connection:
        command.downgrade(_alembic(connection), revision)


@cache
def newest_revision() -> str:
    """The revision this version of the code was written for."""
    return str(ScriptDirectory.from_config(_alembic()).get_current_head())


def _alembic(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


@lru_cache(maxsize=64)
def _insert_unless(is_sqlite: bool, table: Table, unless: tuple[str, ...], returned: str) -> ReturningInsert[Any]:
    """Made once: building the statement takes longer than running it."""
    insert = sqlite.insert(table) if is_sqlite else postgresql.insert(table)
    once = insert.on_conflict_do_nothing(index_elements=list(unless))
    return once.returning(literal_column("1") if returned == _ONE else table.c[returned])


@contextmanager
def _alone(store: Store) -> Iterator[Connection]:
    """A connection in a transaction, while no other process migrates the same database."""
    with _file_lock(store.url.database) if store.is_sqlite else nullcontext():
        engine = _engine(store.url, _MIGRATION_PATIENCE, poolclass=NullPool)
        with engine.execution_options(writes=True).begin() as connection:
            if not store.is_sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
            yield connection


@contextmanager
def _file_lock(database: str | None) -> Iterator[None]:
    """Sole use of an SQLite file, which is made here if need be: readable by its owner only, and in WAL mode.

    The mode is set under the lock because a switch of journals does not wait for others, it fails.
    """
    path = Path(str(database))
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(path.with_name(path.name + ".migrating"), os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise SetupError(f"DATABASE_URL's folder cannot be written: {error.strerror}") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        with closing(sqlite3.connect(path, timeout=_MIGRATION_PATIENCE)) as raw:
            mode = raw.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        if mode != "wal":
            raise SetupError(
                "DATABASE_URL's file system has no shared memory, which WAL needs; use a local disk"
            )
        yield
    except sqlite3.DatabaseError as error:
        raise LedgerUnavailable(f"the ledger's file cannot be opened ({type(error).__name__})") from None
    finally:
        os.close(lock)


def _engine(url: URL, patience: float, **options: Any) -> Engine:
    """An engine whose errors carry no parameters, since those are about patients."""
    if url.get_backend_name() != "sqlite":
        return _server_engine(url, patience, **options)
    if "poolclass" not in options:
        options["pool_timeout"] = patience
    engine = create_engine(url, hide_parameters=True, connect_args={"timeout": patience}, **options)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(raw: Any, _record: object) -> None:
    raw.isolation_level = None  # transactions begin where _begin_sqlite says, not where the driver guesses
    for setting in (
        "synchronous = FULL",  # acknowledged means on the disk: NORMAL may lose the last rows with the power
        "foreign_keys = ON",
        "recursive_triggers = ON",  # else INSERT OR REPLACE deletes a row past the triggers
        "trusted_schema = OFF",
    ):
        raw.execute(f"PRAGMA {setting}")


def _begin_sqlite(connection: Connection) -> None:
    """Writers take the lock at once and wait for it: a reader that turns writer half-way could only fail."""
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _server_engine(url: URL, patience: float, **options: Any) -> Engine:
    wait = max(2, round(patience))  # libpq waits at least two seconds
    reach = {"connect_timeout": wait, "tcp_user_timeout": 10_000, "application_name": "ordertime"}
    if "poolclass" not in options:
        options |= {"pool_pre_ping": True, "pool_timeout": patience, "pool_recycle": 1800}
    engine = create_engine(url, hide_parameters=True, connect_args=reach, **options)

    def prepare(raw: Any, _record: object) -> None:
        before, raw.autocommit = raw.autocommit, True
        for setting in (
            "synchronous_commit = on",  # acknowledged means on the disk, whatever the server's default
            f"lock_timeout = {round(patience * 1000)}",
            "statement_timeout = 60000",
            "timezone = 'UTC'",
        ):
            raw.execute(f"SET {setting}")
        raw.autocommit = before

    event.listen(engine, "connect", prepare)
    return engine


@contextmanager
def _plainly() -> Iterator[None]:
    """The database's troubles as LedgerUnavailable, without statement or parameters."""
    try:
        yield
    except sql.TimeoutError:
        raise LedgerUnavailable(
            "every connection to the ledger is in use; nothing was kept, ask again"
        ) from None
    except (sql.OperationalError, sql.InterfaceError, sql.InternalError) as error:
        raise LedgerUnavailable(_because(error)) from None
    except sql.ProgrammingError as error:
        if getattr(error.orig, "sqlstate", "") != _UNDEFINED_TABLE:
            raise
        raise LedgerUnavailable("the ledger's tables are not there; run the migration") from None
    except sql.DatabaseError as error:
        if type(error) is not sql.DatabaseError:  # its subclasses above and below have their own meaning
            raise
        raise LedgerUnavailable(_because(error)) from None
    except sql.StatementError as error:
        if isinstance(error.orig, GovernanceError):  # a value that its column refused, as tables.Instant does
            raise error.orig from None
        raise


def _because(error: sql.DBAPIError) -> str:
    """What the database gave as its reason, where it is one of those that say nothing else."""
    said = str(error.orig)
    for sign, reason in _SIGNS.items():
        if sign in said:
            return f"{reason}; nothing was kept, ask again"
    return f"the ledger's database failed ({type(error.orig).__name__}); nothing was kept, ask again"
