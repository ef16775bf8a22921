"""An answer in time, or a fault: never an empty list because it was late, and nobody waits for a model to load."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from statistics import quantiles
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY

from inference.assessment import VENTILATION
from tests.webapp.crewed import two_workers
from tests.webapp.house import House, standing
from webapp.rooms import Rooms

ROOT = Path(__file__).resolve().parents[2]
SICK = "pneumonia-worsening"
SERVICE = f"/cds-services/{VENTILATION}"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    yield from standing(tmp_path_factory.mktemp("house"))


def late_answers() -> float:
    labels = {"service": VENTILATION, "said": "late"}
    return REGISTRY.get_sample_value("ordertime_cards_total", labels) or 0.0


def test_an_answer_past_the_deadline_is_503_counted_and_never_an_empty_list(house: House) -> None:
    # CONFORMANCE 85, 91
    before, settings = late_answers(), house.rooms.settings
    house.rooms.settings = replace(settings, hook_deadline=1e-9)
    try:
        answer = house.post(SERVICE, house.asked(SICK))
    finally:
        house.rooms.settings = settings
    assert answer.status_code == 503
    body = answer.get_json()
    assert (body["resourceType"], body["issue"][0]["code"]) == ("OperationOutcome", "timeout")
    assert "cards" not in body
    assert late_answers() == before + 1


def test_a_hospital_that_stalls_makes_a_hook_late_by_a_fault_too(house: House) -> None:
    # CONFORMANCE 53, 85
    settings = house.rooms.settings
    house.weather("stall", match="/fhir/Observation", seconds=1.5)
    house.rooms.settings = replace(settings, hook_deadline=0.5)
    try:
        began = time.monotonic()
        answer = house.post(SERVICE, house.asked(SICK, prefetch=False))
        took = time.monotonic() - began
    finally:
        house.rooms.settings = settings
        house.fair()
    assert answer.status_code in (502, 503)
    assert answer.get_json()["resourceType"] == "OperationOutcome"
    assert took < 4


def test_half_a_second_of_the_servers_own_time_is_enough_for_nearly_every_answer(house: House) -> None:
    # CONFORMANCE 85
    bodies = [house.asked(SICK) for _ in range(30)]
    house.post(SERVICE, house.asked(SICK))
    spent = []
    gc.collect()
    gc.freeze()  # what thousands of other tests left in this process is no server's: looking through it takes seconds
    try:
        for body in bodies:
            began = time.thread_time()  # the machine's other work does not count
            assert house.post(SERVICE, body).status_code == 200
            spent.append(time.thread_time() - began)
    finally:
        gc.unfreeze()
    assert quantiles(spent, n=20)[-1] < 0.5


def test_a_worker_opens_everything_before_its_first_request(house: House) -> None:
    # CONFORMANCE 85
    rooms = Rooms(house.rooms.settings)
    assert "models" not in rooms.__dict__
    rooms.warm()
    assert {"models", "tenants", "ledger", "vault", "http", "keys"} <= rooms.__dict__.keys()


def test_the_first_calls_to_cold_workers_and_many_at_once_are_answered_in_time(
    house: House, tmp_path: Path
) -> None:
    # CONFORMANCE 85
    calls = [(house.asked(SICK), house.token(SERVICE)) for _ in range(24)]
    with two_workers(house, tmp_path) as port, ThreadPoolExecutor(4) as pool:
        answers = [_asked(port, *calls.pop()) for _ in range(2)]  # held in the queue until a worker is warm
        answers += pool.map(lambda call: _asked(port, *call), calls)
    assert [answer.status_code for answer in answers] == [200] * 24
    assert all(len(answer.json()["cards"]) == 1 for answer in answers)


def _asked(port: int, body: dict[str, Any], token: str) -> httpx.Response:
    """The answer, as soon as anybody listens."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return httpx.post(
                f"http://127.0.0.1:{port}{SERVICE}",
                json=body,
                headers={"Authorization": f"Bearer {token}"},
                timeout=60,
                trust_env=False,
            )
        except httpx.ConnectError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
