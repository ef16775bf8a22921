"""That a model is suspended is said once a user and day: two gunicorn workers, two users, two days, calls at once."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from governance.approvals import Approver
from governance.brake import Stop, stop
from governance.changes import Changes
from governance.simulated_gates import key_of
from governance.store import migrate, open_store
from inference.assessment import VENTILATION
from tests.servers import postgres_at, postgres_url, redis_at, redis_url  # noqa: F401
from tests.webapp.crewed import two_workers
from tests.webapp.house import House, standing
from tests.webapp.shifted import AHEAD
from tests.webapp.test_decided import answering

USERS = ("Practitioner/okafor", "Practitioner/iyer")
PATIENTS = ("pneumonia-worsening", "sepsis", "copd-retention")
ON_A_VENTILATOR = ("ventilated",)  # whom no answer is about, suspended or not
PATH = f"/cds-services/{VENTILATION}"


@dataclass
class Ward:
    """Two workers whose clock the test moves, and a CDS client."""

    house: House
    port: int
    ahead: Path
    zone: ZoneInfo

    def move(self, day: int, hour: int, minute: int) -> None:
        """Set the clock of workers and client to a time of the site's day, counted from tomorrow."""
        now = datetime.now(UTC)
        midnight = now.astimezone(self.zone).replace(hour=0, minute=0, second=0, microsecond=0)
        then = midnight + timedelta(days=day + 1, hours=hour, minutes=minute)
        self.house.clock.ahead = then - now
        self.ahead.write_text(str(self.house.clock.ahead / timedelta(hours=1)), encoding="ascii")

    def summaries(self, user: str, patients: tuple[str, ...]) -> list[str]:
        """The cards of calls about `patients`, all at once, each on a connection of its own."""
        bodies = []
        for patient in patients:
            body = self.house.asked(patient, authorised=False)
            body["context"]["userId"] = user
            bodies.append(body)
        with ThreadPoolExecutor(len(bodies)) as pool:
            return [summary for found in pool.map(self._call, bodies) for summary in found]

    def again(self, body: dict[str, Any]) -> int:
        """The same question in every word, as another event of the client: how many cards say it."""
        return sum("suspended" in said for said in self._call(body | {"hookInstance": str(uuid.uuid4())}))

    def _call(self, body: dict[str, Any]) -> list[str]:
        bearer = {"Authorization": f"Bearer {self.house.token(PATH)}"}
        answer = httpx.post(f"http://127.0.0.1:{self.port}{PATH}", json=body, headers=bearer, timeout=60)
        assert answer.status_code == 200, answer.text
        return [card["summary"] for card in answer.json()["cards"]]

    def told(self, user: str, patients: tuple[str, ...]) -> int:
        """How many of the cards say that the model is suspended."""
        return sum("suspended" in summary for summary in self.summaries(user, patients))


@pytest.fixture(params=["sqlite", "sqlite and redis", "postgres"])
def places(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """Where the ledger and the workers' shared marks lie."""
    if request.param == "postgres":
        return {"DATABASE_URL": request.getfixturevalue("postgres_url")}
    more = {"REDIS_URL": request.getfixturevalue("redis_url")} if "redis" in request.param else {}
    return {"DATABASE_URL": f"sqlite:///{tmp_path}/shared.db", **more}


@pytest.fixture
def ward(places: dict[str, str], tmp_path: Path) -> Iterator[Ward]:
    ahead = tmp_path / "ahead"
    ahead.write_text("0", encoding="ascii")
    for house in standing(tmp_path, quiet_minutes=5):
        store = open_store(places["DATABASE_URL"])
        migrate(store)
        ada = Approver("Ada", "CMIO", key_of("Ada").public_key(), frozenset({"*"}))
        now = datetime.now(UTC)
        log = Changes(store, clock=house.clock)
        stop(store, log, Stop("demo", VENTILATION, "Wrong SpO2 since midnight.", now), ada, key_of("Ada"))
        store.close()
        told = {**places, "ORDERTIME_HOOK_DEADLINE": "30", AHEAD: str(ahead)}
        zone = ZoneInfo(next(iter(house.rooms.tenants)).time_zone)
        with two_workers(house, tmp_path, app="tests.webapp.shifted:app", **told) as port:
            answering(port)
            yield Ward(house, port, ahead, zone)


def test_one_card_a_user_and_day_from_whichever_worker_and_never_none(ward: Ward) -> None:
    for day in (0, 1):
        ward.move(day, 11, 30)
        for user in USERS:
            assert ward.told(user, ON_A_VENTILATOR) == 0
            assert ward.told(user, PATIENTS * 3) == 1  # nine calls at once
            ward.move(day, 11, 50)  # the marks of calls at once are gone: the ledger remembers
            assert ward.told(user, PATIENTS) == 0
    ward.move(1, 23, 58)
    assert all(ward.told(user, PATIENTS[:1]) == 0 for user in USERS)


def test_a_card_minutes_before_midnight_silences_no_card_of_the_new_day(ward: Ward) -> None:
    ward.move(0, 23, 58)
    body = ward.house.asked(PATIENTS[0], authorised=False)
    assert ward.again(body) == 1
    ward.move(1, 0, 1)  # of the same patient, within the quiet minutes: a repeat in words, and due all the same
    assert ward.again(body) == 1
    assert ward.again(body) == 0
