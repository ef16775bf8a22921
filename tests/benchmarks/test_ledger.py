"""A page reads what it shows, however long the ledger has been kept: the million in small, on both databases.

Two ledgers end alike. One has the last weeks of a year, the other the whole of it, nearly four times as many answers.
No page may visit more in the second; a question that reads every answer is asked too, to show that it would be seen.
"""

from __future__ import annotations

import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import text

from benchmarks import ledger_pages, ledger_year
from benchmarks.ledger import opened
from benchmarks.ledger_fill import BEGAN, DAYS, fill, settle
from governance.due import Due
from governance.store import Store, migrate, open_store
from governance.weeks import Week
from tests.benchmarks.visited import visited
from tests.servers import postgres_at
from webapp import carding, governing_cli, reviewing

__all__ = ["postgres_at"]
COUNT = 12_000
RECENT = 8_700  # the number of the first answer of the last weeks: a hundred days
ENDS = BEGAN + timedelta(days=DAYS)
WEEK = Week.of(ENDS.date()).before(2)
Visits = dict[str, tuple[int, int]]
SLACK = 1.15  # an index of four times as many rows may be a level deeper


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def both(request: pytest.FixtureRequest) -> tuple[Visits, Visits]:
    """What each page visits in the short ledger, and in the long one."""
    found = []
    for first in (RECENT, 0):
        with tempfile.TemporaryDirectory(prefix="ordertime-small-") as folder:
            store = open_store(_url(request, Path(folder)), patience=60.0)
            found.append(_visits(store, Path(folder), first))
            store.close()
    short, long = found
    return short, long


def _url(request: pytest.FixtureRequest, folder: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{folder / 'ledger.db'}"
    url: str = request.getfixturevalue("postgres_at")
    name = f"t{uuid4().hex}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return url.removesuffix("postgres") + name


def _visits(store: Store, folder: Path, first: int) -> Visits:
    migrate(store)
    fill(store, COUNT, first)
    ledger_year.furnish(store, COUNT, ENDS, first=first, labelled=1.0)
    app, rooms, tenant = opened(store, folder, ENDS)
    with app.test_request_context():
        governing_cli.weighed(rooms, tenant)
        reviewing.made(rooms, tenant, WEEK)
        rooms.measures.take(carding.questions(rooms, tenant, "ventilation-need")[0], ENDS.tzinfo or BEGAN.tzinfo)
        ledger_year.remember(rooms, tenant, WEEK)
    settle(store)
    client, visit = ledger_pages.visited(app, rooms, tenant)
    found = {}
    for name, address in ledger_pages.addresses(rooms, tenant, WEEK, visit):
        if ".pdf" not in address:  # asks what its page asks
            found[name] = visited(store, lambda address=address: _got(client, address))  # type: ignore[misc]
    due = Due(store, tenant.id, since=ENDS - timedelta(days=35), over=ENDS - timedelta(hours=6))
    found["follow-up's list"] = visited(store, lambda: [due.count(), list(due.patients())])
    found["every answer"] = visited(store, lambda: _every(store))
    return found


def _every(store: Store) -> Any:
    """What no page may do."""
    with store.reading() as connection:
        return connection.scalar(text("SELECT count(*) FROM assessments WHERE latency_ms > 1.0"))


def _got(client: Any, address: str) -> None:
    assert client.get(address, base_url="https://localhost").status_code == 200


def test_no_page_asks_more_often_of_a_longer_ledger(both: tuple[Visits, Visits]) -> None:
    short, long = both
    more = {name: (short[name][0], asked) for name, (asked, _) in long.items() if asked > short[name][0]}
    assert len(long) > 18
    assert more == {}


def test_no_page_visits_more_of_a_longer_ledger(both: tuple[Visits, Visits]) -> None:
    short, long = both
    grew = {name: (short[name][1], seen) for name, (_, seen) in long.items() if seen > SLACK * short[name][1] + 200}
    assert set(grew) == {"every answer", "metrics"}  # which tells how many rows there are, and counts them
    few, many = grew["every answer"]
    assert many > 1.9 * few
