"""The gate's page: what a weighing came to, in words with figure, interval and limit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date
from pathlib import Path
from typing import Any

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
from webapp import gate_view, history_view
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


# --- week by week


def weeks(reading: Reading, state: State, **more: Any) -> history_view.Week:
    told: dict[str, Any] = {"weighed": True, "stale": False, "decision": None, "moves": ()} | more
    return history_view.week("2026-W23", date(2026, 6, 1), date(2026, 6, 7), state, reading.body, UTC, **told)


def test_a_week_says_its_state_and_the_figure_and_bound_that_decided(reading: Reading) -> None:
    found, week = reading.body["figures"]["sensitivity"], weeks(reading, State.SILENT)
    assert (week.days, week.code, week.state) == ("1 Jun to 7 Jun", "silent", "silent")
    said = f"sensitivity {found['value'] * 100:.1f} %, lower bound {found['low'] * 100:.1f} % below 85.0 %"
    assert said in " ".join(week.lines).replace("\u00a0", " ")
    opened = " ".join(weeks(reading, State.ACTIVE).lines).replace("\u00a0", " ")
    assert f"lower bound {found['low'] * 100:.1f} % (at least 85.0 %)" in opened
    assert "upper bound" in opened


def test_a_week_nobody_weighed_in_and_a_move_are_said(reading: Reading) -> None:
    assert "Not weighed in this week" in " ".join(weeks(reading, State.SILENT, weighed=False).lines)
    assert "take an open gate for suspended" in " ".join(
        weeks(reading, State.SUSPENDED, weighed=False, stale=True).lines
    )
    moved = weeks(reading, State.ACTIVE, moves=((START.replace(month=6), State.ACTIVE),))
    assert "Jun 2026" in moved.lines[0]


def test_what_does_not_exist_yet_is_not_said_to_be_below_anything(reading: Reading) -> None:
    none = {"code": "sensitivity", "figure": None, "low": None, "high": None, "limit": 0.85, "subject": ""}
    bare = replace(reading, body={**reading.body, "missing": [none]})
    assert weeks(bare, State.SILENT).lines == ("Missing: no sensitivity yet.",)


def test_the_strip_has_a_square_a_week_and_says_the_same_in_words(reading: Reading) -> None:
    silent, active = weeks(reading, State.SILENT), weeks(reading, State.ACTIVE)
    view = history_view.view([active, silent, silent])
    assert view.strip.count("<rect") == 3
    assert "2 weeks silent and 1 week" in view.strip
    assert history_view.view([silent]).strip == ""
    assert len(history_view.view([silent] * 20).earlier) == 12


def test_no_group_is_told_of_by_what_is_left_of_all(reading: Reading) -> None:
    """Of 50 positive patients 30, 12 and 8 are of three languages: 8 are too few, and 12 would tell of them."""
    found = reading.body["figures"]
    rate = found["sensitivity"] | {"count": 3, "of": 60}

    def names(*patients: int) -> list[str]:
        many = [{"trait": "language", "value": str(each), "missed": rate | {"patients": each}} for each in patients]
        told = {**found, "sensitivity": {**rate, "patients": 50}, "groups": many}
        view = gate_view.view({**reading.body, "figures": told}, State.SILENT, reading.since, reading.at, UTC)
        return [row.name.rsplit(" ", 1)[-1].strip(".") for row in view.groups]

    assert names(30, 12) == ["30"]
    assert names(12, 28) == ["12", "28"]
    assert names(12, 38) == ["12", "38"]
    assert names(42) == []
