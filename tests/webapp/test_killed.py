"""Workers of gunicorn killed with signal 9 in the middle of load: no answer that reached its asker is missing."""

from __future__ import annotations

import os
import signal
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from governance.ledger import Ledger
from governance.store import open_store
from governance.tables import assessments, cards, documents, follow_ups
from inference.assessment import VENTILATION
from tests.servers import postgres_at, postgres_url  # noqa: F401
from tests.webapp.crewed import two_workers
from tests.webapp.house import SECRET, House, standing

SERVICE = f"/cds-services/{VENTILATION}"
SICK, CALLERS, ANSWERS = "pneumonia-worsening", 6, 25


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    yield from standing(tmp_path_factory.mktemp("house"))


class Load:
    """Callers that ask without a pause, and which of their questions were answered with a card."""

    def __init__(self, house: House, url: str) -> None:
        self.house, self.url, self.over = house, url, threading.Event()
        self.answered: dict[str, str] = {}  # hook instance -> card
        self.lost = 0
        self._body = house.asked(SICK)
        self._callers = [threading.Thread(target=self._ask) for _ in range(CALLERS)]

    def __enter__(self) -> Load:
        for each in self._callers:
            each.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        for each in self._callers:
            each.join(60)

    def until(self, answers: int) -> None:
        """Wait for so many more."""
        wanted, deadline = len(self.answered) + answers, time.monotonic() + 120
        while len(self.answered) < wanted:
            assert time.monotonic() < deadline, f"{len(self.answered)} of {wanted} answers"
            time.sleep(0.01)

    def _ask(self) -> None:
        while not self.over.is_set():
            instance = str(uuid.uuid4())
            head = {"Authorization": f"Bearer {self.house.token(SERVICE)}", "Connection": "close"}
            try:
                said = httpx.post(
                    self.url, json=self._body | {"hookInstance": instance}, headers=head, timeout=30, trust_env=False
                )
            except httpx.HTTPError:
                self.lost += 1
                time.sleep(0.05)
                continue
            if said.status_code == 200 and said.json()["cards"]:
                self.answered[instance] = said.json()["cards"][0]["uuid"]


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_no_answer_that_was_given_is_lost_with_the_workers_that_gave_it(
    kind: str, request: pytest.FixtureRequest, house: House, tmp_path: Path
) -> None:
    database = f"sqlite:///{tmp_path}/ledger.db" if kind == "sqlite" else str(request.getfixturevalue("postgres_url"))
    log = tmp_path / "access"
    logged = ("--access-logfile", str(log), "--access-logformat", "%(p)s")
    told: dict[str, Any] = {"DATABASE_URL": database, "ORDERTIME_HOOK_DEADLINE": "20"}
    killed: set[int] = set()
    with two_workers(house, tmp_path, *logged, **told) as port:
        with Load(house, f"http://127.0.0.1:{port}{SERVICE}") as load:
            for _ in range(2):
                load.until(ANSWERS)
                living = {int(line.strip("<>")) for line in log.read_text().split()} - killed
                assert living
                for pid in living:
                    os.kill(pid, signal.SIGKILL)
                killed |= living
            load.until(ANSWERS)
        assert load.lost, "nobody was in the middle of a question"
        assert len(load.answered) >= 3 * ANSWERS
        _all_there(database, load.answered)


def _all_there(database: str, answered: dict[str, str]) -> None:
    """Each answer is in the ledger whole, with its card, once, and opens."""
    store, a, c = open_store(database, patience=20), assessments.c, cards.c
    with store.reading() as connection:
        rows = connection.execute(
            select(a.hook_instance, a.id, c.id.label("card"))
            .join_from(assessments, cards, c.assessment_id == a.id)
            .where(a.hook_instance.is_not(None))
        ).all()
        whole = [set(connection.scalars(select(each.c.assessment_id))) for each in (documents, follow_ups)]
        every = list(connection.scalars(select(a.id)))
    found = {instance: (key, card) for instance, key, card in rows}
    assert len(found) == len(rows)
    assert answered.items() <= {instance: card for instance, (_, card) in found.items()}.items()
    assert whole == [set(every), set(every)]  # nor is any half there
    ledger = Ledger(store, SECRET.encode(), clock=lambda: None)  # type: ignore[arg-type, return-value]
    assert all(ledger.follow_up(found[instance][0]).patient == SICK for instance in answered)
    store.close()
