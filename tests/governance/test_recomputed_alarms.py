"""What alarms of every kind of chart moved from and to, and how seldom they come falsely, is found again to 1e-9."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import pytest

from governance import export
from governance.export import ExportedSite
from governance.simulated import OUTCOME
from governance.store import migrate, open_store
from inference.assessment import VENTILATION
from tests.governance.alarmed import THRESHOLD, Alarmed, alarmed
from tests.governance.played import TENANT
from tests.governance.test_recomputed import SCRIPT, unlike
from tests.governance.test_recomputed_of_both import postgres

FIGURES = ("direction", "value", "usual", "run_length")
KINDS = {
    "alert-rate", "calibration", "codes", "false-alarms", "four-fifths", "indeterminate-share", "input", "missing",
    "sensitivity", "unit-mix",
}  # fmt: skip


@dataclass
class Recounted:
    """What the ledger kept, and what the script found in its export."""

    kept: Alarmed
    found: Any


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def recounted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Recounted:
    folder = tmp_path_factory.mktemp("alarmed")
    url = f"sqlite:///{folder}/ledger.db" if request.param == "sqlite" else postgres(request)
    store = open_store(url)
    migrate(store)
    kept = alarmed(store)
    sites = [ExportedSite(TENANT, "UTC", {VENTILATION: {OUTCOME: THRESHOLD}})]
    export.write(folder / "out", store, sites, now=kept.ends)
    store.close()
    command = [sys.executable, "-Es", str(SCRIPT), str(folder / "out"), TENANT, ",".join(kept.reviews)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return Recounted(kept, json.loads(ran.stdout))


def test_every_kind_of_chart_has_alarmed(recounted: Recounted) -> None:
    told = [each for body in recounted.kept.reviews.values() for each in body["alarms"]]
    assert {each["chart"] for each in told} == KINDS
    assert {each["subject"] for each in told if each["chart"] == "calibration"} == {"fewer", "more"}
    assert len({each["usual"] for each in told if each["chart"] == "false-alarms"}) == 2  # answered, and begun anew


def test_every_alarm_s_figures_are_found_again(recounted: Recounted) -> None:
    for week, body in recounted.kept.reviews.items():
        kept, found = json.loads(json.dumps(body["alarms"])), recounted.found["reviews"][week]["alarms"]
        which = [(each["chart"], each["subject"]) for each in kept]
        assert which == [(each["chart"], each["subject"]) for each in found]
        assert not unlike([{name: each[name] for name in FIGURES} for each in kept], found), week


def test_every_audit_of_the_round_and_of_the_review_is_found_again(recounted: Recounted) -> None:
    audits = recounted.found["audits"]
    assert {"before" in each["kept"] for each in audits} == {True, False}
    for each in audits:
        assert not unlike(each["kept"], each["found"])
