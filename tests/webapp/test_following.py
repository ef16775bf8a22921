"""Follow-up over real HTTP: what became of the patients is found once, and what a rule cannot settle waits."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import postgres_at, postgres_url  # noqa: F401
from tests.webapp.followed import Followed, built, followed

SETTLED = {
    ("pneumonia-worsening", "ventilation-24h"): ("yes", "began-procedure"),
    ("sepsis", "ventilation-6h"): ("no", "stayed-without"),
    ("sepsis", "ventilation-24h"): ("yes", "began-deviceusestatement"),
    ("myasthenia-tiring", "ventilation-24h"): ("early", "began-procedure"),
    ("heart-failure-settling", "ventilation-24h"): ("no", "home-without"),
    ("postoperative-stable", "ventilation-24h"): ("no", "stayed-without"),
    ("conventional-rising", "troponin-rise-24h"): ("yes", "next-draw"),
    ("falling-after-peak", "troponin-rise-24h"): ("no", "next-draw"),
}
REFERRED = {
    ("opioid-sedation", "ventilation-24h"): "entered-in-error",
    ("copd-retention", "ventilation-24h"): "day-without-time",
    ("high-flow", "ventilation-24h"): "transferred",
    ("infarction-rising", "troponin-rise-24h"): "assay-changed",
}


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("artifacts"))


@pytest.fixture(params=["sqlite", "postgres"])
def at(request: pytest.FixtureRequest, tmp_path: Path, artifacts: Path) -> Iterator[Followed]:
    sqlite = f"sqlite:///{tmp_path}/ledger.db"
    database = sqlite if request.param == "sqlite" else str(request.getfixturevalue("postgres_url"))
    with followed(tmp_path, database, artifacts) as found:
        yield found


# CONFORMANCE 34
def test_a_run_that_was_killed_is_run_again_finds_everything_once_and_then_nothing(at: Followed) -> None:
    at.ask()
    at.tenant(lambda text: text.replace("calls_a_minute = 1200", "calls_a_minute = 300"))
    killed = at.start()
    end = time.monotonic() + 60
    while not at.settled() + at.referred() and time.monotonic() < end:
        time.sleep(0.05)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    at.tenant(lambda text: text.replace("calls_a_minute = 300", "calls_a_minute = 6000"))
    before = len(at.settled()) + len(at.referred())
    assert before > 0

    again = at.run("follow-up")
    assert again.returncode == 0, again.stderr
    found = {(patient, outcome): (label, why) for patient, outcome, label, why in at.settled()}
    waits = {(patient, outcome): why for patient, outcome, why in at.referred()}
    assert len(found) + len(waits) > before
    assert {key: found.get(key) for key in SETTLED} == SETTLED
    assert {key: waits.get(key) for key in REFERRED} == REFERRED
    assert not set(found) & set(waits)
    assert "pneumonia" not in again.stdout + again.stderr

    last = at.run("follow-up")
    assert last.returncode == 0
    assert "0 patients read; settled 0; for a person 0; refused 0" in last.stdout
    assert len(at.settled()) == len(found)
