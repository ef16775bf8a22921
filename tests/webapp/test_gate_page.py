"""The gate's page: what a weighing came to, in words with figure, interval and limit."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from pathlib import Path

import pytest
from flask import Flask

from governance.approvals import SiteGates
from governance.changes import Changes
from governance.gate import Approved
from governance.readings import Reading, Readings
from governance.store import migrate, open_store
from governance.weighing import Memory, weigh
from inference.assessment import VENTILATION, State
from tests.governance.test_weighing import GATE, START, Told
from webapp import gate_view
from webapp.settings import ROOT
from webapp.words import say


@pytest.fixture
def reading(tmp_path: Path) -> Iterator[Reading]:
    """A gate weighed after sixty silent days whose sensitivity is too low, with one approval."""
    store, told = open_store(f"sqlite:///{tmp_path}/ledger.db"), Told()
    migrate(store)
    told.ward(0, 60, 0.8, State.SILENT)
    clock = lambda: START.replace(month=6)  # noqa: E731
    memory = Memory(told, Readings(store), Changes(store, clock=clock))  # type: ignore[arg-type]
    site = SiteGates((GATE,), {GATE.digest: (Approved("Ada", "CMIO", START),)}, ("approval by Eve: unknown",))
    (found,) = weigh(memory, site, {VENTILATION: State.ACTIVE}, tenant="north", zone=UTC, clock=clock)
    yield found
    store.close()


def page(reading: Reading) -> str:
    app = Flask("gate", template_folder=str(ROOT / "templates"), static_folder=str(ROOT / "static"))
    view = gate_view.view(reading.body, reading.state, reading.since, reading.at, UTC)
    with app.test_request_context():
        template = app.jinja_env.get_template("gate.html")
        return template.render(site="North", gates=[view], ungated=[], say=say)


def test_the_page_says_what_is_missing_with_figure_interval_and_limit(reading: Reading) -> None:
    text, found = page(reading), reading.body["figures"]["sensitivity"]
    assert reading.state is State.SILENT
    interval = f"{found['low'] * 100:.1f} to {found['high'] * 100:.1f} %"
    expected = (
        f"Sensitivity is {found['value'] * 100:.1f} %, {interval}: its lower bound must be at least 85.0 %."
    )
    assert expected in text.replace("\u00a0", " ")
    assert "1 of 2 named people have approved" in text
    assert "No answer is not a low risk" in text


def test_the_page_prints_all_three_false_alarm_rates_and_who_approved(reading: Reading) -> None:
    text = page(reading)
    for name in ("by assessed patient-day", "by patient-day with an alarm", "for each 100 patient-days"):
        assert name in text
    assert text.count('<polyline class="trade') == 3
    assert "Ada, CMIO" in text
    assert "approval by Eve" in text
    assert "style=" not in text


@pytest.mark.parametrize("state", list(State))
def test_every_state_has_its_words(reading: Reading, state: State) -> None:
    view = gate_view.view(reading.body, state, reading.since, reading.at, UTC)
    assert view.state
    assert view.state_text
