"""App and hospital on loopback, a day and a half ago and now: what was answered then is followed up now."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select
from werkzeug.serving import make_server

from demo.app import create_hospital
from demo.config import settings_for
from demo.patients import everyone, later
from demo.tenant import write_tenant
from governance.tables import assessments, outcomes, referrals
from inference.assessment import TROPONIN, VENTILATION
from inference.model import load, newest
from tests.artefacts import build
from tests.demo.standing_hospital import Quiet
from tests.webapp.house import SECRET, Browser, Clock, House
from webapp import create_app
from webapp.rooms import Rooms
from webapp.settings import ROOT, from_environment

THEN = timedelta(hours=-40)
ASKED = (
    *(("pneumonia-worsening", VENTILATION), ("sepsis", VENTILATION), ("opioid-sedation", VENTILATION)),
    *(("copd-retention", VENTILATION), ("myasthenia-tiring", VENTILATION), ("high-flow", VENTILATION)),
    *(("heart-failure-settling", VENTILATION), ("postoperative-stable", VENTILATION)),
    *(("conventional-rising", TROPONIN), ("falling-after-peak", TROPONIN), ("infarction-rising", TROPONIN)),
)


@dataclass
class Followed:
    """The house, and the command that a schedule would run beside it."""

    house: House
    folder: Path
    environment: Mapping[str, str]

    def ask(self, asked: tuple[tuple[str, str], ...] = ASKED) -> None:
        """The questions of a day and a half ago; then the clocks are right again."""
        self.house.clock.ahead = THEN
        self.house.hospital._dated = None  # the stories are told at that moment
        for patient, service in asked:
            path = f"/cds-services/{service}"
            token = self.house.token(path, aud=f"{self.environment['ORDERTIME_PUBLIC_URL']}{path}")
            answer = self.house.post(path, self.house.asked(patient, service), token=token)
            assert answer.status_code == 200, answer.get_data(as_text=True)
        self.house.clock.ahead = timedelta(0)

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "flask", "--app", "wsgi", *arguments]

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self.command("follow-up", *arguments), cwd=ROOT, env=dict(self.environment), stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments), cwd=ROOT, env=dict(self.environment), capture_output=True, text=True,
            timeout=120, check=False,
        )  # fmt: skip

    def tenant(self, change: Callable[[str], str]) -> None:
        """Another tenant file, for the next command."""
        path = self.folder / "tenants" / "demo.toml"
        path.write_text(change(path.read_text()))

    def settled(self) -> list[tuple[str, str, str, str]]:
        """Patient, outcome, label and reason of what was settled."""
        o = outcomes.c
        return sorted(
            (self.name(key), outcome, label, reason)
            for key, outcome, label, reason in self._rows(o.assessment_id, o.outcome, o.label, o.reason)
        )

    def referred(self) -> list[tuple[str, str, str]]:
        """Patient, outcome and reason of what waits for a person."""
        r = referrals.c
        return sorted(
            (self.name(key), outcome, why) for key, outcome, why in self._rows(r.assessment_id, r.outcome, r.reason)
        )

    def name(self, key: str) -> str:
        """Whose answer it was, opened as follow-up does."""
        return self.house.rooms.ledger.follow_up(key).patient

    def answers(self) -> int:
        return len(self._rows(assessments.c.id))

    def _rows(self, *columns: Any) -> list[Any]:
        with self.house.rooms.store.reading() as connection:
            return list(connection.execute(select(*columns)))


def built(folder: Path) -> Path:
    """Small synthetic models, which tests of a module may share."""
    for name in (VENTILATION, TROPONIN):
        build(folder, name)
    return folder


@contextmanager
def serving(app: Any, port: int = 0) -> Iterator[Any]:
    server = make_server("127.0.0.1", port, app, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def followed(folder: Path, database: str, artifacts: Path) -> Iterator[Followed]:
    """The house on real ports, its ledger in `database`; `artifacts` as `built` makes them."""
    models = {name: load(newest(artifacts, name), "cpu") for name in (VENTILATION, TROPONIN)}
    clock = Clock()
    with serving(lambda *_: []) as ehr, serving(lambda *_: []) as web:
        told = replace(
            settings_for(ehr.port, web.port), patients=everyone, later=later, faults=True, clock=clock,
            quiet_minutes=0, redate_after=timedelta(days=10),
        )  # fmt: skip
        ehr.app = create_hospital(told)
        hospital = ehr.app.extensions["hospital"]
        write_tenant(told, folder / "tenants")
        environment = {
            "ORDERTIME_MODE": "demonstration",
            "ORDERTIME_PUBLIC_URL": told.app_url,
            "ORDERTIME_SECRET_KEY": SECRET,
            "ORDERTIME_TENANTS": str(folder / "tenants"),
            "DATABASE_URL": database,
            "ORDERTIME_ARTIFACTS": str(artifacts),
            "ORDERTIME_HOOK_DEADLINE": "20",
        }
        rooms = Rooms(from_environment(environment), clock=clock, models=models)
        app = create_app(rooms.settings, rooms)
        app.test_client_class = Browser
        web.app = app
        house = House(app, rooms, hospital, clock, hospital.keys)
        try:
            yield Followed(house, folder, {**os.environ, **environment})
        finally:
            rooms.http.close()
            rooms.store.close()
