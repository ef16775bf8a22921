"""Of several runs at once one posts an alarm, over a real webhook; who dies with it keeps it for its lease alone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

import pytest
from sqlalchemy import func, inspect, select, update

from governance.alarm_claims import LEASE, Claims
from governance.alarms import Alarms
from governance.causes import Finding
from governance.store import Store, migrate, roll_back
from governance.tables import alarm_claims

DAY = date(2026, 5, 13)
FOUND = [Finding("input", name, 1, DAY, DAY, 2.4, 1.8, 2700.0) for name in ("lactate", "rr", "hr")]
SLOW = 0.4  # seconds the hook takes: long enough for two runs to meet
MINUTES = LEASE.total_seconds() / 60


class Hook(BaseHTTPRequestHandler):
    """A webhook that takes its time, and keeps under which key it heard each alarm."""

    heard: list[str]
    reached: Event  # somebody is waiting for an answer
    answers: Event

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        type(self).heard.append(self.headers["Idempotency-Key"])
        type(self).reached.set()
        type(self).answers.wait(30)
        Event().wait(SLOW)
        try:
            self.send_response(204)
            self.send_header("Content-Length", "0")
            self.end_headers()
        except OSError:
            """Whoever asked is gone."""

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def hook() -> Iterator[str]:
    Hook.heard, Hook.reached, Hook.answers = [], Event(), Event()
    Hook.answers.set()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/alarms"
    Hook.answers.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def owed(store: Store) -> list[str]:
    """The ids of three alarms that nobody has posted."""
    alarms = Alarms(store, clock=lambda: datetime.now(UTC))
    raised = alarms.raise_all("north", "ventilation-need", "ventilation-24h", FOUND)
    return [each.id for each in raised]


def started(url: str, hook: str, ahead: float = 0.0) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.governance.deliverer", url, hook, str(ahead)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def delivered(*runs: subprocess.Popen[str]) -> list[int]:
    """How many each of these delivered, all let go at the same moment."""
    for run in runs:
        assert run.stdout is not None
        assert run.stdout.readline() == "ready\n"
    for run in runs:
        assert run.stdin is not None
        run.stdin.write("go\n")
        run.stdin.flush()
    said = [int(run.communicate(timeout=60)[0]) for run in runs]
    assert [run.returncode for run in runs] == [0] * len(runs)
    return said


def claims_left(store: Store) -> int:
    with store.reading() as connection:
        return int(connection.scalar(select(func.count()).select_from(alarm_claims)) or 0)


def test_two_runs_at_once_post_each_alarm_once(store: Store, url: str, hook: str, owed: list[str]) -> None:
    counts = delivered(started(url, hook), started(url, hook))
    assert sorted(Hook.heard) == sorted(owed)
    assert sum(counts) == 3
    assert claims_left(store) == 0


def test_what_one_who_died_was_posting_is_posted_after_its_lease_under_the_same_key(
    store: Store, url: str, hook: str, owed: list[str]
) -> None:
    Hook.answers.clear()  # it dies while the hook thinks
    dies = started(url, hook)
    assert dies.stdin is not None
    dies.stdin.write("go\n")
    dies.stdin.flush()
    assert Hook.reached.wait(30)
    with store.writing() as connection:  # and no transaction of it is open while it waits
        assert connection.execute(update(alarm_claims).values(claimer="gone")).rowcount == 1
    dies.kill()
    dies.communicate(timeout=30)
    Hook.answers.set()
    (lost,) = Hook.heard
    assert delivered(started(url, hook)) == [2]  # the lease is not over
    assert Hook.heard.count(lost) == 1
    assert delivered(started(url, hook, MINUTES + 1)) == [1]
    assert Hook.heard.count(lost) == 2
    assert sorted(set(Hook.heard)) == sorted(owed)
    assert delivered(started(url, hook, MINUTES + 1)) == [0]
    assert claims_left(store) == 0


def test_a_claim_is_nobody_elses_until_its_time_and_a_late_return_takes_no_other_s(
    store: Store, owed: list[str]
) -> None:
    now = datetime(2026, 5, 14, tzinfo=UTC)
    names = iter("abcdef")
    claims = Claims(store, clock=lambda: now, new_id=lambda: next(names))
    slow, other = claims.held(owed[0]), claims.held(owed[0])
    assert slow.__enter__()
    with claims.held(owed[0]) as ours:
        assert not ours
    now += LEASE
    assert other.__enter__()
    slow.__exit__(None, None, None)
    assert claims_left(store) == 1  # the other's
    other.__exit__(None, None, None)
    assert claims_left(store) == 0


def test_an_alarm_that_was_delivered_meanwhile_is_not_posted_again(store: Store, owed: list[str]) -> None:
    alarms = Alarms(store, clock=lambda: datetime.now(UTC))
    heard: list[str] = []

    def between(notice: Any) -> bool:
        heard.append(notice["id"])
        if len(heard) == 1:  # while we post the first, another run posts the rest
            assert alarms.deliver("north", between) == 2
        return True

    assert alarms.deliver("north", between) == 1
    assert sorted(heard) == sorted(owed)


def test_a_hook_that_fails_in_our_hands_leaves_no_claim(store: Store, owed: list[str]) -> None:
    alarms = Alarms(store, clock=lambda: datetime.now(UTC))

    def breaks(_: Any) -> bool:
        raise RuntimeError("broke")

    with pytest.raises(RuntimeError):
        alarms.deliver("north", breaks)
    assert alarms.deliver("north", lambda _: False) == 0
    assert claims_left(store) == 0
    assert alarms.deliver("north", lambda _: True) == 3


def test_claims_come_with_their_migration_and_go_with_it_and_alarms_stay(store: Store, owed: list[str]) -> None:
    roll_back(store, "0022_erasure")
    assert "alarm_claims" not in inspect(store.engine).get_table_names()
    migrate(store)
    alarms = Alarms(store, clock=lambda: datetime.now(UTC))
    assert sorted(each.id for each in alarms.listed("north")) == sorted(owed)
    assert alarms.deliver("north", lambda _: True) == 3
