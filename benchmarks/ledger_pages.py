"""Every page of governance that reads the ledger while somebody waits, over WSGI, in a visit of a reviewer's."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

from flask import Flask
from sqlalchemy import insert, select

from benchmarks.timing import Part
from ehr.board_policy import BoardPolicy, UnitPolicy
from ehr.follow_policy import FollowPolicy
from ehr.grant import Grant
from ehr.tenants import Tenant, Tenants
from governance.forecasts import Look
from governance.simulated import VERSION
from governance.tables import forecasts
from governance.weeks import Week
from inference.artefact import newest
from inference.assessment import TROPONIN, VENTILATION, State
from webapp import about, boarding, security
from webapp.boarding import Row
from webapp.queue import LOOKED_BACK
from webapp.queue import PAGE as LISTED
from webapp.rooms import Rooms

ARTIFACTS: Final = Path(__file__).resolve().parent.parent / "inference" / "artifacts"
USER: Final = "Practitioner/reviewer"
UNIT: Final = UnitPolicy("icu", "Intensive care", "icu", 24, 12, 1.5, 72.0)


def equipped(rooms: Rooms, tenant: Tenant) -> Tenant:
    """The site with a unit, a reviewer and models whose cards ship; everything lies in `rooms`."""
    known = replace(
        tenant,
        board=BoardPolicy(frozenset({USER}), (UNIT,)),
        follow_up=FollowPolicy(reviewers=frozenset({USER})),
    )
    rooms.__dict__["tenants"] = Tenants((known,))
    formulas: Mapping[str, Any] = rooms.models
    parts = {name: _shipped(name) for name in formulas}
    rooms.__dict__["cards"] = parts
    rooms.__dict__["models"] = {
        name: SimpleNamespace(
            **vars(model) | {"base_rate": 0.08, "manifest": parts[name]["manifest"] | {"version": VERSION}}
        )
        for name, model in formulas.items()
    }
    return known


def _shipped(model: str) -> dict[str, Any]:
    folder = newest(ARTIFACTS, model)
    return {part: json.loads((folder / f"{part}.json").read_text()) for part in ("card", "evaluation", "manifest")}


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
    look = Look(tenant.id, UNIT.id, VENTILATION, VERSION, State.ACTIVE, now, 24, 0, 5, 12)
    boarding._keep(rooms, boarding.Seen(look, tuple(patients), ()))


def addresses(rooms: Rooms, tenant: Tenant, week: Week, visit: str) -> Iterator[tuple[str, str]]:
    """Each page by name, and its address."""
    site, held, cards = tenant.id, f"visit={visit}", f"/models/{VENTILATION}/card"
    yield "gate, with its history by week", f"/gate/{site}"
    yield "audits", f"/audits/{site}"
    yield "reviews, listed", f"/review/{site}?{held}"
    yield "review of a week, with its alarms", f"/review/{site}/{week.name}?{held}"
    yield "review of a week as PDF", f"/review/{site}/{week.name}.pdf?{held}"
    yield "review of a decided week", f"/review/{site}/{week.before(20).name}?{held}"
    yield "review of a decided week as PDF, drawn for it", f"/review/{site}/{week.before(20).name}.pdf?{held}"
    yield "about", "/about"
    plots = sorted(about.drawings(rooms.models[VENTILATION].manifest))
    yield from ((f"about, {plot}.svg", f"/about/{VENTILATION}/{plot}.svg") for plot in plots[:1] if _ships(plot))
    yield "card of no site", cards
    yield "card of no site, XML", f"{cards}.xml"
    yield "card, kept by the weekly job", f"{cards}/{site}"
    yield "card, kept by the weekly job, XML", f"{cards}/{site}.xml"
    yield "card, 2,000 answers measured for it", f"/models/{TROPONIN}/card/{site}"
    yield "card, 2,000 answers measured for it, XML", f"/models/{TROPONIN}/card/{site}.xml"
    yield "board", f"/board/{site}?{held}"
    yield from _of_queue(rooms, tenant, held)
    yield "clarity, the form", "/c"
    yield "metrics", "/metrics"


def _ships(plot: str) -> bool:
    return (ARTIFACTS / VENTILATION / VERSION / "plots" / f"{plot}.svg").is_file()


def _of_queue(rooms: Rooms, tenant: Tenant, held: str) -> Iterator[tuple[str, str]]:
    """The list's first page, its second, the older ones, and one answer of it."""
    cut = rooms.clock() - LOOKED_BACK
    yield "queue", f"/queue?{held}"
    found = rooms.waiting.page(tenant.id, (cut, None), most=LISTED)
    older = rooms.waiting.page(tenant.id, (None, cut), most=20 * LISTED)
    places = [("queue, its second page", found, ""), ("queue, older, its 20th page", older, "&older=1")]
    yield "queue, older", f"/queue?{held}&older=1"
    for name, listed, more in places:
        if listed:
            place = f"{listed[-1].as_of.isoformat()}|{listed[-1].assessment_id}".replace("+", "%2B")
            yield name, f"/queue?{held}{more}&after={place}"
    for waiting in found[:1]:
        yield "queue, one answer", f"/queue/{waiting.assessment_id}?{held}"


def pages(app: Flask, rooms: Rooms, tenant: Tenant, week: Week) -> Iterator[Part]:
    """All of them, each asked for twice; first of all one that reads no ledger: the floor of every page."""
    client, visit = visited(app, rooms, tenant)
    yield Part("page: one that reads no ledger (floor)", partial(_got, client, "/healthz"), again=True)
    for name, address in addresses(rooms, tenant, week, visit):
        yield Part(f"page: {name}", partial(_got, client, address), again=True)


def _got(client: Any, path: str) -> None:
    answer = client.get(path, base_url="https://localhost")
    answer.get_data()
    if answer.status_code != 200:
        raise SystemExit(f"{path} answered {answer.status_code}")
