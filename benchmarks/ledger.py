"""A million answers in the ledger: how large it is, and how long its readers take, with the floor beside them.

python -m benchmarks.ledger [--assessments 1000000] [--keep FOLDER] [--only page,job] [--stores sqlite,postgresql]
    [--postgresql URL] [--out benchmarks/results/ledger-DATE.json] [--table benchmarks/README.md]

Fills a ledger of invented answers in SQLite and one in a PostgreSQL of its own on loopback (or that of `--postgresql`),
and times every scheduled job, command and page of governance on each, one at a time, each in a process of its own. With
`--keep` the filled ledgers stay in FOLDER, and the next run times those; what lies on the clock moves on by a week with
each run, so that weekly jobs have something to do. Processor seconds are of this process and of the server: on a busy
machine those of the clock are longer, and the load stands beside them.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from flask import Flask
from sqlalchemy import func, select, text

from benchmarks import ledger_jobs, ledger_pages, ledger_year, servers
from benchmarks.ledger_fill import BEGAN, DAYS, SECRET, TENANT, fill, settle
from benchmarks.ledger_table import tabled
from benchmarks.timing import Part, Spent, Timed, alone
from ehr.tenants import Tenant
from governance.simulated_gates import write_files
from governance.store import Store, migrate, open_store
from governance.tables import metadata, reviews
from governance.weeks import Week
from webapp import create_app
from webapp.rooms import Rooms
from webapp.settings import from_environment
from webapp.simulated_site import rooms_of

STORES: Final = ("sqlite", "postgresql")


def sizes(store: Store) -> dict[str, float]:
    """Megabytes of the whole database, and rows of its tables."""
    with store.reading() as connection:
        if connection.dialect.name == "postgresql":
            size = connection.scalar(text("SELECT pg_database_size(current_database())"))
        else:
            pages, page = (connection.scalar(text(f"PRAGMA {name}")) for name in ("page_count", "page_size"))
            size = pages * page
        found = {name: connection.scalar(select(func.count()).select_from(table)) for name, table in _told()}
    return {"megabytes": round(size / 1e6, 1), **{name: many for name, many in found.items() if many}}


def _told() -> Iterator[tuple[str, Any]]:
    yield from ((name, table) for name, table in metadata.tables.items() if name != "ephemera")


def opened(store: Store, folder: Path, ends: datetime) -> tuple[Flask, Rooms, Tenant]:
    """The app over the filled `store`, its clock at `ends`; its files go to `folder`."""
    write_files(folder)
    own = rooms_of(folder, from_environment({}), lambda: ends)
    settings = replace(own.settings, database_url=store.url.render_as_string(hide_password=False), secret=SECRET)
    rooms = Rooms(settings, clock=lambda: ends, models=own.models)
    rooms.__dict__["store"] = store
    tenant = ledger_pages.equipped(rooms, rooms.tenants.by_id(TENANT))
    app = create_app(settings, rooms)
    ledger_pages.looked(rooms, tenant)
    return app, rooms, tenant


def parts(store: Store, folder: Path) -> Iterator[Part]:
    """Everything that is timed, in the order in which one needs the other."""
    ends = BEGAN + timedelta(days=DAYS) + timedelta(weeks=_runs(store))
    (app, rooms, tenant), week = opened(store, folder, ends), Week.of(ends.date()).before(2)
    with app.test_request_context():
        ledger_year.remember_days(rooms, tenant)
        yield from ledger_jobs.jobs(rooms, tenant, week)
        ledger_year.remember(rooms, tenant, week)
        settle(store)
        yield from ledger_jobs.commands(rooms, tenant, folder)
    yield from ledger_pages.pages(app, rooms, tenant, week)


def _runs(store: Store) -> int:
    """How often this ledger was timed before: by the reviews that were made at and after its end."""
    r = reviews.c
    with store.reading() as connection:
        made = select(func.count(r.week.distinct())).where(r.at >= BEGAN + timedelta(days=DAYS))
        return connection.scalar(made) or 0


def main() -> None:
    """Fill, time, print."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--stores", default=",".join(STORES), help="which of sqlite and postgresql")
    ask.add_argument("--postgresql", default="", help="the URL of a server that is there; it is written into")
    ask.add_argument("--assessments", type=int, default=1_000_000)
    ask.add_argument("--keep", type=Path, help="the folder in which the filled ledgers stay")
    ask.add_argument("--out", type=Path, help="JSON to write the figures into, beside those of the other store")
    ask.add_argument("--table", type=Path, help="a page whose table is made anew from --out")
    ask.add_argument("--only", default="", help="parts whose names hold one of these, divided by commas")
    told = ask.parse_args()
    for kind in told.stores.split(","):
        with ExitStack() as stack:
            folder = told.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ordertime-ledger-")))
            folder.mkdir(parents=True, exist_ok=True)
            url = f"sqlite:///{folder / 'ledger.db'}"
            if kind == "postgresql":
                url = told.postgresql or stack.enter_context(servers.postgresql(folder / "postgresql"))
            _one(open_store(url, patience=60.0), folder, told)
    if told.out and told.table:
        tabled(told.out, told.table)


def _one(store: Store, folder: Path, told: argparse.Namespace) -> None:
    """One store: filled where it is empty, and timed."""
    kind, ends = store.url.get_backend_name(), BEGAN + timedelta(days=DAYS)
    migrate(store)
    filled = 0.0
    with store.reading() as connection:
        empty = connection.execute(select(metadata.tables["assessments"].c.id).limit(1)).first() is None
    if empty:
        filled = fill(store, told.assessments)
    ledger_year.furnish(store, told.assessments, ends)
    settle(store)
    print(f"{kind}: {json.dumps(sizes(store))}" + (f", filled in {filled:.0f} s" if filled else ""))
    found = dict[str, Timed]()
    for part in parts(store, folder):
        if any(each in part.name for each in told.only.split(",")) or "review make" in part.name:
            found[part.name] = alone(part, store)
            print(_line(part.name, found[part.name]), flush=True)
    if told.out:
        _kept(told.out, kind, sizes(store), found)
    store.close()


def _line(name: str, one: Timed) -> str:
    told = [_spent(one.first), *([_spent(one.second)] if one.second else [])]
    memory = f"{one.before:.0f} to {one.peak:.0f} MB"
    return f"{' again '.join(told)} floor {_spent(one.floor)} {one.rows:8} rows {memory}, load {one.load:.1f}  {name}"


def _spent(one: Spent) -> str:
    """Seconds of the clock, and of the processor: ours and the server's."""
    return f"{one.seconds:6.2f} s ({one.cpu:.2f} + {one.server:.2f})"


def machine() -> str:
    """What this was measured on, in plain words."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores, {memory:.0f} GB of memory, shared with whatever the load tells of"


def _kept(path: Path, kind: str, size: dict[str, float], found: dict[str, Timed]) -> None:
    """The figures beside those of the other store; what was not timed again of a ledger as large stays."""
    before = json.loads(path.read_text()) if path.exists() else {}
    rows = {name: _rounded(asdict(one)) for name, one in found.items()}
    same = before.get(kind, {}).get("size", {}).get("assessments") == size["assessments"]
    parts = (before[kind]["parts"] if same else {}) | rows
    path.parent.mkdir(exist_ok=True)
    now = {"machine": machine(), "date": datetime.now(UTC).date().isoformat()}
    path.write_text(json.dumps(before | now | {kind: {"size": size, "parts": parts}}, indent=1) + "\n")


def _rounded(told: Any) -> Any:
    if isinstance(told, dict):
        return {name: _rounded(value) for name, value in told.items()}
    return round(told, 3) if isinstance(told, float) else told


if __name__ == "__main__":
    os.environ.setdefault("TZ", "UTC")
    main()
