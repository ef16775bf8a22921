"""The daily job: what it tells, raises, delivers and owes, from the command line over a real ledger and webhook."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from types import MappingProxyType, SimpleNamespace
from typing import Any

import pytest
from flask import Flask

from governance.alarms import Alarms
from governance.audits import Audits
from governance.causes import Finding
from governance.daily import ALERTS, Daily
from governance.simulated import INPUTS, OUTCOME, SITE, VERSION, Year, answered, play
from governance.simulated_gates import write_files
from inference.assessment import VENTILATION, State
from webapp import create_app
from webapp.rooms import Rooms
from webapp.settings import from_environment

FIRST = date(2026, 1, 1)
FOUND = Finding("input", "lactate", 1, FIRST, FIRST, 2.5, 1.8, 2880.0)


class Hook(BaseHTTPRequestHandler):
    """A webhook that answers with `status` and keeps what it was sent."""

    status = 204
    heard: list[str]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        type(self).heard.append(self.headers["Idempotency-Key"])
        self.send_response(type(self).status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def hook() -> Iterator[str]:
    Hook.heard, Hook.status = [], 204
    server = HTTPServer(("127.0.0.1", 0), Hook)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/alarms"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def house(tmp_path: Path, hook: str) -> Iterator[Flask]:
    """Six simulated days in the ledger of one site, at the dawn of the seventh."""
    write_files(tmp_path)
    tenant = tmp_path / "tenants" / f"{SITE}.toml"
    tenant.write_text(tenant.read_text().replace("auth =", f'alarm_webhook = "{hook}"\nauth ='))
    told = {
        "DATABASE_URL": f"sqlite:///{tmp_path}/ledger.db",
        "ORDERTIME_TENANTS": str(tmp_path / "tenants"),
        "ORDERTIME_SECRET_KEY": "Kq3-8Zt1_xVw7Lr0pBn5Ym2Ds9Hc4Fj6",
    }
    hands = SimpleNamespace(now=datetime(2026, 1, 7, 5, tzinfo=UTC))
    model = SimpleNamespace(
        version=VERSION, outcomes=(OUTCOME,), hours=(24,), manifest={"inputs": list(INPUTS)}
    )
    models: Any = MappingProxyType({VENTILATION: model})
    rooms = Rooms(from_environment(told), clock=lambda: hands.now, models=models)
    app = create_app(rooms.settings, rooms)
    for bed in play(Year(days=6, daily=5, first=FIRST)):
        dawn, hands.now = hands.now, bed.at
        rooms.ledger.record(
            answered(bed).assessment, tenant=SITE, patient=bed.patient, door="hook", state=State.SILENT
        )
        hands.now = dawn
    app.extensions["hands"] = hands
    yield app
    rooms.store.close()


def typed(app: Flask, *words: str) -> tuple[int, str]:
    result = app.test_cli_runner().invoke(args=["watch", *words])
    return result.exit_code, result.output


def rooms_of(app: Flask) -> Rooms:
    found: Rooms = app.extensions["ordertime"]
    return found


def alarms_of(app: Flask) -> Alarms:
    return Alarms(rooms_of(app).store, clock=rooms_of(app).clock)


def test_finished_days_are_told_once_and_missed_ones_are_caught_up(house: Flask) -> None:
    status, said = typed(house)
    assert (status, "6 days told" in said) == (0, True)
    assert "0 days told" in typed(house)[1]
    house.extensions["hands"].now += timedelta(days=3)
    assert "3 days told" in typed(house)[1]
    rows = Daily(rooms_of(house).store).between(SITE, VENTILATION, FIRST, date(2027, 1, 1))
    asked = [row.size for row in rows if row.kind == "indeterminate-share"]
    beds = list(play(Year(days=6, daily=5, first=FIRST)))
    assert sum(asked) == len(beds)
    assert asked[-3:] == [0, 0, 0]  # days on which nobody asked are told as well
    assert {row.kind for row in rows} >= {ALERTS, "input", "missing"}


def test_an_alarm_a_webhook_did_not_take_is_owed_and_delivered_by_the_next_run(house: Flask) -> None:
    (alarm,) = alarms_of(house).raise_all(SITE, VENTILATION, OUTCOME, [FOUND])
    Hook.status = 500
    status, said = typed(house)
    assert (status, "0 alarms delivered, 1 owed" in said) == (1, True)
    Hook.status = 204
    status, said = typed(house)
    assert (status, "1 alarms delivered, 0 owed" in said) == (0, True)
    assert typed(house)[0] == 0
    assert Hook.heard == [alarm.id, alarm.id]  # and not a third time


def test_an_alarm_is_answered_once_and_never_for_a_day_to_come(house: Flask) -> None:
    (alarm,) = alarms_of(house).raise_all(SITE, VENTILATION, OUTCOME, [FOUND])
    words = ("answer", SITE, alarm.id, "--decision", "code-mapped", "--by", "okafor")
    assert "still to come" in typed(house, *words, "--from", "2026-02-01")[1]
    status, said = typed(house, *words, "--from", "2026-01-05")
    assert (status, "begins anew on 2026-01-05" in said) == (0, True)
    status, said = typed(house, *words)
    assert (status, "answered before" in said) == (1, True)
    listed = typed(house, "list", SITE)[1]
    assert "code-mapped" in listed
    assert "okafor" not in listed
    assert typed(house, "answer", SITE, "no-such", "--decision", "x", "--by", "y")[0] == 1


def test_a_damaged_answer_is_counted_and_does_not_stop_the_job(house: Flask) -> None:
    rooms = rooms_of(house)
    other = replace(rooms.settings, secret=b"another secret of thirty-two bytes and more")
    rooms.settings = other
    status, said = typed(house)
    assert status == 0
    beds = list(play(Year(days=6, daily=5, first=FIRST)))
    assert f"{len(beds)} answers could not be read" in said


def test_where_nothing_is_settled_no_audit_is_kept(house: Flask) -> None:
    assert "audit of the week" not in typed(house)[1]
    assert Audits(rooms_of(house).store, clock=rooms_of(house).clock).last(SITE) == ()
