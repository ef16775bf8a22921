"""What of governance reads a large ledger while somebody waits, or streams it: pages of a visit, listings, daily jobs.

Each is timed in a process of its own, forked, so that its peak memory is its own too. The floor of a page is the
app's answer to a page that reads nothing; that of a listing, its rows fetched by the driver and nothing made of them.
"""

from __future__ import annotations

import json
import os
import resource
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

from flask import Flask
from sqlalchemy import insert, select

from ehr.board_policy import BoardPolicy, UnitPolicy
from ehr.follow_policy import FollowPolicy
from ehr.grant import Grant
from ehr.tenants import Tenant, Tenants
from governance.alarms import Alarms
from governance.due import Due
from governance.forecasts import Look
from governance.rounds import go
from governance.simulated import VERSION
from governance.store import Store
from governance.tables import daily, forecasts
from inference.artefact import newest
from inference.assessment import VENTILATION, State
from webapp import boarding, carding, security, watch_cli, words
from webapp.boarding import Row
from webapp.rooms import Rooms

ARTIFACTS: Final = Path(__file__).resolve().parent.parent / "inference" / "artifacts"
USER: Final = "Practitioner/reviewer"
UNIT: Final = UnitPolicy("icu", "Intensive care", "icu", 24, 12, 1.5, 72.0)
READ: Final = 200  # patients of the follow-up listing whose predictions are opened, too
REPEATS: Final = 3


@dataclass(frozen=True, slots=True)
class Part:
    """One thing to time."""

    name: str
    what: Callable[[], Any]
    repeats: int = 1


@dataclass(frozen=True, slots=True)
class Timed:
    """Seconds on the clock and of this process's processor, and the megabytes that the process had at most while it
    did this and before it began.
    """

    seconds: float
    cpu: float
    peak: float
    before: float


def alone(what: Callable[[], Any], repeats: int = 1) -> Timed:
    """`what` in a process of its own, the quickest of `repeats`. Raises SystemExit where it fails."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            before, taken = _peak(), []
            for _ in range(repeats):
                began, worked = time.perf_counter(), time.process_time()
                what()
                taken.append((time.perf_counter() - began, time.process_time() - worked))
            os.write(writing, json.dumps([*min(taken), _peak(), before]).encode())
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading) as told:
        found = told.read()
    os.waitpid(child, 0)
    if not found:
        raise SystemExit("a timed part failed; its error stands above")
    return Timed(*json.loads(found))


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def equipped(rooms: Rooms, tenant: Tenant) -> Tenant:
    """The site with a unit, a reviewer and a model whose card ships; everything lies in `rooms`."""
    known = replace(
        tenant,
        board=BoardPolicy(frozenset({USER}), (UNIT,)),
        follow_up=FollowPolicy(reviewers=frozenset({USER})),
    )
    rooms.__dict__["tenants"] = Tenants((known,))
    folder = newest(ARTIFACTS, VENTILATION)
    parts = {part: json.loads((folder / f"{part}.json").read_text()) for part in ("card", "evaluation", "manifest")}
    rooms.__dict__["cards"] = {name: parts for name in rooms.models}
    formulas: Mapping[str, Any] = rooms.models
    rooms.__dict__["models"] = {
        name: SimpleNamespace(**vars(model) | {"base_rate": 0.08, "manifest": parts["manifest"] | {"version": VERSION}})
        for name, model in formulas.items()
    }
    return known


def visited(app: Flask, rooms: Rooms, tenant: Tenant) -> tuple[Any, str]:
    """A browser of the reviewer, and the visit that it holds."""
    visit, secret, day = security.fresh(), security.fresh(), 86_400.0
    grant = Grant("a-token", rooms.clock() + timedelta(hours=8), "", "p0", user=USER)
    opened = {"tenant": tenant.id, "browser": security.digest(secret), "opened": rooms.clock().isoformat()}
    rooms.vault.put("visit", visit, opened | {"about": {}, "cookieless": False, "app_context": ""}, day)
    rooms.vault.put("grant", visit, grant.to_dict(), day)
    client = app.test_client()
    client.set_cookie(security.cookie_name("visit", visit), secret, domain="localhost", secure=True)
    return client, visit


def looked(rooms: Rooms, tenant: Tenant) -> None:
    """A year of hourly forecasts, and a look of now."""
    now = rooms.clock()
    moments = (now - timedelta(hours=number) for number in range(365 * 24))
    rows = (
        {
            "id": str(uuid.UUID(int=number)), "tenant": tenant.id, "unit": UNIT.id, "model": VENTILATION,
            "version": VERSION, "state": "active", "made_at": at, "due_at": at + timedelta(hours=hours),
            "hours": float(hours), "patients": 24, "unread": 0, "in_use": 5 + number % 3, "owned": 12, "mean": 5.5,
            "low80": 4, "high80": 7, "low95": 3, "high95": 9, "short": 0.01,
        }
        for number, (at, hours) in enumerate((at, hours) for at in moments for hours in (8, 12, 24))
    )  # fmt: skip
    with rooms.store.writing() as connection:
        if connection.execute(select(forecasts.c.id).limit(1)).first() is None:
            connection.execute(insert(forecasts), list(rows))
    patients = [
        Row(f"p{n}", f"Patient {n}", str(n), "medical", boarding.RISK, "assessed", probability=0.1 + n / 100)
        for n in range(24)
    ]
    boarding._keep(rooms, boarding.Seen(_look(tenant, now), tuple(patients), ()))


def _look(tenant: Tenant, now: datetime) -> Look:
    return Look(tenant.id, UNIT.id, VENTILATION, VERSION, State.ACTIVE, now, 24, 0, 5, 12)


def told_until(rooms: Rooms, tenant: Tenant) -> None:
    """Every day but yesterday counts as told: a daily job has one day to tell."""
    day = (rooms.clock() - timedelta(days=2)).date()
    numbers = {"size": 0, "events": 0, "mean": 0.0, "squares": 0.0, "codes": "[]"}
    row = {"tenant": tenant.id, "model": VENTILATION, "day": day, "kind": "benchmark", "subject": ""} | numbers
    with rooms.store.writing() as connection:
        if connection.execute(select(daily.c.day).where(daily.c.kind == "benchmark")).first() is None:
            connection.execute(insert(daily).values(row))


def pages(app: Flask, rooms: Rooms, tenant: Tenant) -> Iterator[Part]:
    """The pages of somebody who waits, over WSGI."""
    client, visit = visited(app, rooms, tenant)
    model = f"/models/{VENTILATION}/card/{tenant.id}"
    yield Part("page: one that reads no ledger (floor)", lambda: _got(client, "/healthz"), REPEATS)
    for path in (model, f"{model}.xml", f"/board/{tenant.id}?visit={visit}", f"/queue?visit={visit}",
                 f"/queue?visit={visit}&older=1"):  # fmt: skip
        yield Part(f"page: {path.replace(visit, 'VISIT')}", lambda path=path: _got(client, path), REPEATS)  # type: ignore[misc]


def _got(client: Any, path: str) -> None:
    answer = client.get(path, base_url="https://localhost")
    answer.get_data()
    if answer.status_code != 200:
        raise SystemExit(f"{path} answered {answer.status_code}")


def listings(store: Store, rooms: Rooms, tenant: Tenant, began: datetime) -> Iterator[Part]:
    """What follow-up asks the ledger before it asks the hospital, of 35 days and of the year; alarms; daily jobs."""
    now, model = rooms.clock(), rooms.models[VENTILATION]
    for said, since in (("35 days", now - timedelta(days=35)), ("a year", began)):
        due = Due(store, tenant.id, since=since, over=now - timedelta(hours=6))
        yield Part(f"follow-up, {said}: patients counted", due.count)
        yield Part(f"follow-up, {said}: patients streamed", lambda due=due: sum(1 for _ in due.patients()))  # type: ignore[misc]

    def opened() -> None:
        due = Due(store, tenant.id, since=now - timedelta(days=35), over=now - timedelta(hours=6))
        for patient, _ in zip(due.patients(), range(READ), strict=False):
            due.of(patient)

    yield Part(f"follow-up, 35 days: of {READ} patients everything due", opened)
    yield Part("drift: alarms listed", lambda: Alarms(store, clock=rooms.clock).listed(tenant.id))
    asked = carding.question(rooms, tenant, VENTILATION)
    zone = words.zone_of(tenant.time_zone)
    yield Part("job: a model card's figures measured", lambda: rooms.measures.take(asked, zone))
    told_until(rooms, tenant)
    (what,) = (one for one in watch_cli.subjects(rooms, tenant) if one.model == model.name)
    yield Part("job: watch, a day", lambda: go(watch_cli.memory(rooms), what, now))
