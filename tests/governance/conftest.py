"""A ledger in each database: every test that asks for `store` or `ledger` runs on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from governance.ledger import Ledger
from governance.store import Store, migrate, open_store
from tests.governance.answers import NOON, SECRET
from tests.servers import postgres_at, postgres_database_url, postgres_url  # noqa: F401

Clock = Callable[[], datetime]


@pytest.fixture
def clock() -> Clock:
    """Noon in Kolkata, and a second later each time it is asked."""
    seconds = iter(range(10**9))
    return lambda: NOON + timedelta(seconds=next(seconds))


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/ledger/ledger.db"


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    """The address of an empty database of each kind."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = open_store(url)
    migrate(opened)
    yield opened
    opened.close()


@pytest.fixture
def ledger(store: Store, clock: Clock) -> Ledger:
    return Ledger(store, SECRET, clock=clock)
