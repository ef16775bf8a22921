"""The scheduled jobs and commands of governance over a large ledger, each from nothing: time, memory, floor."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import exists, insert, select

from benchmarks.ledger_fill import BEGAN
from benchmarks.timing import Part
from ehr.tenants import Tenant
from governance import seismometer
from governance.changes import walked
from governance.due import Due
from governance.erasing_tables import erasures
from governance.figures import figures
from governance.keys import Pseudonym
from governance.patient_days import days_of
from governance.rounds import go
from governance.simulated import OUTCOME, THRESHOLD
from governance.tables import assessments, daily
from governance.weeks import Week
from inference.assessment import VENTILATION
from webapp import carding, governing_cli, review_page, reviewing, watch_cli, words
from webapp.rooms import Rooms


def jobs(rooms: Rooms, tenant: Tenant, week: Week) -> Iterator[Part]:
    """The daily and weekly jobs. `week` is the one that is reviewed."""
    zone = words.zone_of(tenant.time_zone)
    asked = carding.questions(rooms, tenant, VENTILATION)[0]
    parts: dict[str, Callable[[], Any]] = {
        "follow-up, 35 days: all that is due, by patient": lambda: _due(rooms, tenant, timedelta(days=35)),
        "follow-up, a year: all that is due, by patient": lambda: _due(rooms, tenant, rooms.clock() - BEGAN),
        "gate weigh: every gate": lambda: governing_cli.weighed(rooms, tenant),
        "gate weigh: the whole year as one gate's": lambda: _all(rooms, tenant),
        "equity run: audits by group": lambda: reviewing.audited(rooms, tenant),
        "watch: a day told, charts, weekly audit": lambda: _watch(rooms, tenant),
        "review make: a week, and its paper": lambda: _reviewed(rooms, tenant, week),
        "card: a model's figures measured": lambda: rooms.measures.take(asked, zone),
    }
    for name, what in parts.items():
        yield Part(f"job: {name}", what)


def commands(rooms: Rooms, tenant: Tenant, folder: Path) -> Iterator[Part]:
    """What is typed now and then."""
    parts: dict[str, Callable[[], Any]] = {
        "changes verify": lambda: walked(rooms.changes.lines()),
        "changes list": lambda: _through(rooms.changes.lines()),
        "watch list": lambda: watch_cli.memory(rooms).alarms.listed(tenant.id),
        "audit export: who looked": lambda: _through(rooms.audit.read(tenant=tenant.id)),
        "labels export: every label that stands": lambda: _through(_labelled(rooms, tenant)),
        "seismometer: the year's predictions and events": lambda: _seismometer(rooms, tenant, folder),
        "export: the whole site as Parquet": lambda: _export(rooms, tenant, folder),
        "retain: whose retention is over (nobody)": lambda: rooms.erasure.overdue(tenant.id, 10_000.0),
        "erase: one patient": lambda: _erased(rooms, tenant),
    }
    for name, what in parts.items():
        yield Part(f"command: {name}", what)


def _through(rows: Iterator[Any]) -> int:
    return sum(1 for _ in rows)


def _erased(rooms: Rooms, tenant: Tenant) -> None:
    """The patient of the ledger's first answer who is not erased yet."""
    a, e = assessments.c, erasures.c
    query = select(a.pseudonym).where(a.tenant == tenant.id, ~exists().where(e.name == a.pseudonym)).limit(1)
    with rooms.store.reading() as connection:
        whose = Pseudonym(connection.scalars(query).one())
    found = rooms.erasure.requested(tenant.id, whose, author="benchmark", sentence="the benchmark's patient")
    if not found.answers:
        raise RuntimeError("nothing was erased")


def _labelled(rooms: Rooms, tenant: Tenant) -> Iterator[Any]:
    return rooms.outcomes.labelled(tenant.id, VENTILATION, OUTCOME)


def _due(rooms: Rooms, tenant: Tenant, back: timedelta) -> int:
    """What follow-up does in the ledger before it asks the hospital about each patient."""
    now = rooms.clock()
    due = Due(rooms.store, tenant.id, since=now - back, over=now - timedelta(hours=6))
    due.count()
    return sum(len(due.of(patient)) for patient in due.patients())


def _all(rooms: Rooms, tenant: Tenant) -> None:
    zone = ZoneInfo("America/New_York")  # a zone that changes its clocks
    figures(days_of(_labelled(rooms, tenant), zone), THRESHOLD)


def _reviewed(rooms: Rooms, tenant: Tenant, week: Week) -> None:
    review_page.drawn(rooms, tenant, reviewing.made(rooms, tenant, week))


def _watch(rooms: Rooms, tenant: Tenant) -> None:
    _told_until(rooms, tenant, (rooms.clock() - timedelta(days=2)).date())
    (what,) = (one for one in watch_cli.subjects(rooms, tenant) if one.model == VENTILATION)
    go(watch_cli.memory(rooms), what, rooms.clock())


def _told_until(rooms: Rooms, tenant: Tenant, day: Any) -> None:
    """Every day but yesterday counts as told: a daily job has one day to tell."""
    numbers = {"size": 0, "events": 0, "mean": 0.0, "squares": 0.0, "codes": "[]"}
    row = {"tenant": tenant.id, "model": VENTILATION, "day": day, "kind": "benchmark", "subject": ""} | numbers
    there = select(daily.c.day).where(daily.c.tenant == tenant.id, daily.c.model == VENTILATION, daily.c.day >= day)
    with rooms.store.writing() as connection:
        if connection.execute(there).first() is None:
            connection.execute(insert(daily).values(row))


def _seismometer(rooms: Rooms, tenant: Tenant, folder: Path) -> None:
    place = folder / "seismometer"
    shutil.rmtree(place, ignore_errors=True)
    seismometer.write(place, _labelled(rooms, tenant), model=VENTILATION, outcome=OUTCOME, threshold=THRESHOLD)
    shutil.rmtree(place)


def _export(rooms: Rooms, tenant: Tenant, folder: Path) -> None:
    from governance import export

    place = folder / "export"
    for old in (place, place.with_name(f".{place.name}.part")):
        shutil.rmtree(old, ignore_errors=True)
    site = export.ExportedSite(tenant.id, tenant.time_zone, reviewing.thresholds(rooms, tenant))
    export.write(place, rooms.store, [site], now=datetime.now(BEGAN.tzinfo))
    shutil.rmtree(place)
