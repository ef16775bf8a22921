"""One signed token sent many times at once to two workers of gunicorn: one call is taken, whichever worker has it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from inference.assessment import VENTILATION
from tests.servers import redis_at, redis_url  # noqa: F401
from tests.webapp.crewed import two_workers
from tests.webapp.house import House, standing

ROOT = Path(__file__).resolve().parents[2]
SERVICE = f"/cds-services/{VENTILATION}"
SICK, AT_ONCE, MOST_BURSTS = "pneumonia-worsening", 16, 30


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    yield from standing(tmp_path_factory.mktemp("house"))


@dataclass
class Gunicorn:
    """The app under gunicorn; its access log says which worker answered what."""

    url: str
    log: Path

    def answered(self, calls: int) -> list[tuple[str, str]]:
        """Worker and status of the hook calls, once all are written down: a line is written after its answer."""
        deadline = time.monotonic() + 10
        while True:
            rows = [line.split() for line in self.log.read_text().splitlines()]
            found = [(pid, status) for pid, status, path in rows if path == SERVICE]
            if len(found) == calls or time.monotonic() > deadline:
                return found
            time.sleep(0.02)


@pytest.fixture(params=["sqlite", "redis"])
def workers(request: pytest.FixtureRequest, house: House, tmp_path: Path) -> Iterator[Gunicorn]:
    log = tmp_path / "access"
    logged = ("--access-logfile", str(log), "--access-logformat", "%(p)s %(s)s %(U)s")
    redis = request.getfixturevalue("redis_url") if request.param == "redis" else ""
    with two_workers(house, tmp_path, *logged, ORDERTIME_HOOK_DEADLINE="20", REDIS_URL=redis) as port:
        yield Gunicorn(f"http://127.0.0.1:{port}", log)


def sent(there: Gunicorn, body: bytes, token: str) -> httpx.Response:
    """The answer, as soon as anybody listens; a connection of its own, so that any worker may take it."""
    head = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", "Connection": "close"}
    deadline = time.monotonic() + 60
    while True:
        try:
            return httpx.post(there.url + SERVICE, content=body, headers=head, timeout=60, trust_env=False)
        except httpx.ConnectError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def test_a_token_sent_many_times_at_once_to_two_workers_is_taken_once(
    workers: Gunicorn, house: House
) -> None:
    # CONFORMANCE 86
    body = httpx.Request("POST", workers.url, json=house.asked(SICK)).content
    seen: list[tuple[str, str]] = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for burst in range(1, MOST_BURSTS + 1):
            calls = [(workers, body, house.token(SERVICE))] * AT_ONCE
            answers = list(pool.map(lambda call: sent(*call), calls))
            assert Counter(answer.status_code for answer in answers) == {200: 1, 401: AT_ONCE - 1}
            refused = [a.json()["issue"][0]["diagnostics"] for a in answers if a.status_code == 401]
            assert all("jti" in text and "used before" in text for text in refused)
            seen = workers.answered(burst * AT_ONCE)
            if burst > 1 and len({pid for pid, _ in seen[-AT_ONCE:]}) == 2:
                break
    assert len({pid for pid, _ in seen[-AT_ONCE:]}) == 2, "one worker answered everything: nothing was shown"
