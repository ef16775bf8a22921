"""Limits: counted for all workers, said to programs and to people, and nowhere near what a ward does."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete

from governance.store import migrate, open_store
from governance.tables import ephemera
from inference.assessment import VENTILATION
from tests.governance.answers import NOON, SECRET
from tests.servers import postgres_at, postgres_url, redis_at, redis_url  # noqa: F401
from tests.webapp.house import APP, House, standing, visit_of
from webapp import create_app
from webapp.rooms import Rooms
from webapp.sessions import Vault
from webapp.settings import LIMITED, SettingsError, from_environment

SICK = "pneumonia-worsening"
SERVICE = f"/cds-services/{VENTILATION}"
FEEDBACK = f"{SERVICE}/feedback"
TOLD = {"feedback": [{"card": "c", "outcome": "accepted", "outcomeTimestamp": "2026-11-23T00:00:00Z"}]}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    yield from standing(tmp_path_factory.mktemp("house"))


@pytest.fixture(autouse=True)
def _as_it_was(house: House) -> Iterator[None]:
    before = house.rooms.settings
    with house.rooms.store.writing() as connection:  # nothing counted before is counted here
        connection.execute(delete(ephemera).where(ephemera.c.tally.is_not(None)))
    house.clock.ahead = timedelta(0)
    yield
    house.rooms.settings = before


def limited(house: House, **most: int) -> None:
    told = house.rooms.settings
    house.rooms.settings = replace(told, limits={**told.limits, **most})


def slowed(answer: Any) -> int:
    """A program's 429: an OperationOutcome with the seconds to wait."""
    assert answer.status_code == 429, answer.get_data(as_text=True)
    issue = answer.get_json()["issue"][0]
    wait = int(answer.headers["Retry-After"])
    assert issue["code"] == "throttled"
    assert f"come back in {wait} s" in issue["diagnostics"]
    assert 1 <= wait <= 60
    return wait


def test_a_caller_above_the_limit_is_told_when_to_come_back_and_then_is_let_in(house: House) -> None:
    limited(house, hooks=3)
    for _ in range(3):
        assert house.post(SERVICE, house.asked(SICK)).status_code == 200
    wait = slowed(house.post(SERVICE, house.asked(SICK)))
    assert house.post(FEEDBACK, TOLD).status_code == 200  # another door has its own count
    house.clock.ahead += timedelta(seconds=wait)
    assert house.post(SERVICE, house.asked(SICK)).status_code == 200


def test_feedback_has_a_limit_of_its_own(house: House) -> None:
    limited(house, feedback=2)
    assert [house.post(FEEDBACK, TOLD).status_code for _ in range(2)] == [200, 200]
    slowed(house.post(FEEDBACK, TOLD))


def test_who_proves_nothing_uses_up_nobodys_share(house: House) -> None:
    limited(house, hooks=2)
    for _ in range(6):
        assert house.post(SERVICE, house.asked(SICK), token="a.b.c").status_code == 401
    assert house.post(SERVICE, house.asked(SICK)).status_code == 200


def test_all_workers_count_together(house: House) -> None:
    limited(house, hooks=4)
    other = Rooms(house.rooms.settings, clock=house.clock, models=house.rooms.models)
    second = House(create_app(other.settings, other), other, house.hospital, house.clock, house.keys)
    for _ in range(2):
        assert house.post(SERVICE, house.asked(SICK)).status_code == 200
        assert second.post(SERVICE, second.asked(SICK)).status_code == 200
    slowed(house.post(SERVICE, house.asked(SICK)))
    slowed(second.post(SERVICE, second.asked(SICK)))
    other.http.close()


def test_launches_and_ways_back_are_limited_by_address_and_people_get_a_page(house: House) -> None:
    limited(house, launches=2)
    client = house.browser()
    query = {"iss": house.hospital.settings.fhir, "launch": "x"}

    def launch(where: str) -> Any:
        return client.get(
            "/launch", query_string=query, base_url=APP, environ_overrides={"REMOTE_ADDR": where}
        )

    assert [launch("10.0.0.1").status_code for _ in range(2)] == [303, 303]
    answer = launch("10.0.0.1")
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) >= 1
    text = answer.get_data(as_text=True)
    assert "Too many requests" in text
    assert "Try again in a minute" in text
    assert launch("10.0.0.2").status_code == 303
    codes = [client.get("/callback?state=x", base_url=APP).status_code for _ in range(3)]
    assert codes == [400, 400, 429]


def test_paper_is_limited_by_visit(house: House) -> None:
    limited(house, papers=2)
    client, address, _ = house.result(SICK)
    visit = visit_of(address)
    key = house.rooms.vault.get("visit", visit)["about"]["answers"][0]  # type: ignore[index]
    codes = [client.get(f"/handout/{key}.pdf?visit={visit}", base_url=APP).status_code for _ in range(3)]
    assert codes == [200, 200, 429]
    assert (
        client.get(f"/handout/{key}?visit={visit}", base_url=APP).status_code == 200
    )  # the page still comes


def test_none_is_no_limit(house: House) -> None:
    limited(house, hooks=0, feedback=0, launches=0, papers=0)
    assert [house.post(FEEDBACK, TOLD).status_code for _ in range(5)] == [200] * 5


def test_the_defaults_are_far_above_a_ward_and_a_wrong_one_is_refused() -> None:
    told = from_environment({}).limits
    assert set(told) == set(LIMITED)
    clinicians, charts, orders, services = 1000, 20, 3000, 2  # of a house of 1000 beds, in its busiest hour
    events = clinicians * charts + orders * 3  # opened; selected twice and signed
    assert told["hooks"] > 5 * events * services / 60
    assert told["launches"] >= clinicians  # all at once, from one address
    for wrong in ("-1", "many", "1.5", "²", "99999999"):
        with pytest.raises(SettingsError, match="ORDERTIME_HOOKS_A_MINUTE"):
            from_environment({"ORDERTIME_HOOKS_A_MINUTE": wrong})


def test_a_forwarded_address_is_believed_from_as_many_proxies_as_were_named(house: House) -> None:
    for proxies, same in ((0, True), (1, False)):
        settings = replace(
            house.rooms.settings, proxies=proxies, limits={**house.rooms.settings.limits, "launches": 1}
        )
        rooms = Rooms(settings, clock=house.clock, models=house.rooms.models)
        client = create_app(settings, rooms).test_client()
        house.clock.ahead += timedelta(hours=1)
        query = {"iss": house.hospital.settings.fhir, "launch": "x"}
        codes = [
            client.get(
                "/launch", query_string=query, base_url=APP, headers={"X-Forwarded-For": where}
            ).status_code
            for where in ("10.0.0.1", "10.0.0.2")
        ]
        assert codes == ([303, 429] if same else [303, 303])
        rooms.http.close()


# --- the count itself, in every place it may lie


@pytest.fixture(params=["sqlite", "postgres", "redis"])
def vault(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Vault]:
    kind = request.param
    database = request.getfixturevalue("postgres_url") if kind == "postgres" else f"sqlite:///{tmp_path}/x.db"
    place = request.getfixturevalue("redis_url") if kind == "redis" else ""
    store = open_store(database, patience=20)
    migrate(store)
    yield Vault(store, SECRET, clock=lambda: NOON, redis_url=place)
    store.close()


def test_of_many_at_once_each_is_counted_once(vault: Vault) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: vault.count("limit", "one", 60)[0], range(80)))
    assert sorted(found) == list(range(1, 81))
    many, left = vault.count("limit", "another", 60)
    assert many == 1
    assert 55 < left <= 60
