"""The unit board in Chromium, in a side panel and on a desk: no barrier, and nothing wider than the window."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from inference.assessment import State
from tests.webapp.test_gallery_in_a_browser import WIDER
from webapp import board_view
from webapp.board_view import Did, Need, Patient, Told
from webapp.settings import ROOT
from webapp.words import say

NOW = datetime(2026, 11, 25, 13, tzinfo=UTC)
HOUSE = "http://board.example"


def patient(name: str, counted: str = "risk", risk: float | None = 0.4, **more: Any) -> Patient:
    low, high = (None, None) if risk is None else (risk * 0.8, min(1.0, risk * 1.2))
    told: dict[str, Any] = {"record_number": "100231", "state": State.ACTIVE, "status": "assessed", "reason": ""}
    told |= {"since": None, "news2": 7}
    return Patient(name=name, counted=counted, probability=risk, low=low, high=high, **(told | more))


def unit(state: State, name: str = "Medical ICU", **more: Any) -> Told:
    odd = {"status": "indeterminate", "reason": "The members disagree."}
    people = [
        patient("Harriet Ashdown", news2=16, state=state),
        patient("Maximiliane Wolkenstein-Trostburg", risk=0.07, state=state, **odd),
        patient("Joan Tilley", "average", None, news2=None, reason="No heart rate was charted in the last 2 hours."),
        patient("Dolores Whitfield", "ventilated", None, since=NOW - timedelta(hours=14)),
        patient("", "unread", None, news2=None, reason="Throttled"),
    ]
    needs = [
        Need(hours, NOW + timedelta(hours=hours), 3.2, (2, 5), (1, 6), 0.07) for hours in (8.0, 12.0, 24.0)
    ]
    did = [Did(8.0, 41, 0.85, 0.97, 0.8, 1.1, 3), Did(12.0, 0, 0, 0, 0, 0, 4), Did(24.0, 0, 0, 0, 0, 0, 0)]
    at = NOW - timedelta(hours=3)
    told = {"at": at, "patients": people, "needs": needs, "records": did, "others": 1, "bad_lines": 2}
    return Told(name, 18, 12, 1.5, 72.0, state=state, states=frozenset({state}), hours=24, base_rate=0.09,
                **(told | more))  # fmt: skip


UNITS = {
    "shown": [unit(State.DEMONSTRATION), unit(State.ACTIVE, "Stroke unit")],
    "silent": [unit(State.SILENT)],
    "suspended": [unit(State.SUSPENDED)],
    "failed-and-waiting": [
        unit(State.ACTIVE, failed_at=NOW - timedelta(minutes=40), fault="ExportFailed"),
        unit(State.ACTIVE, "Stroke unit", export_since=NOW - timedelta(minutes=9), export_cut=True),
    ],
    "empty": [unit(State.ACTIVE, at=NOW, patients=(), others=0, bad_lines=0)],
    "nobody-looked": [unit(State.ACTIVE, at=None, patients=(), needs=(), records=())],
}


def html(name: str) -> tuple[Flask, str]:
    app = Flask("board", template_folder=str(ROOT / "templates"), static_folder=str(ROOT / "static"))
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    view = board_view.view("North General", "north", UNITS[name], NOW, UTC)
    with app.test_request_context():
        return app, app.jinja_env.get_template("board.html").render(view=view, say=say)


@pytest.mark.parametrize("name", ["silent", "suspended"])
def test_the_face_itself_leaves_out_what_the_state_does_not_let_be_shown(name: str) -> None:
    (found,) = board_view.view("North General", "north", UNITS[name], NOW, UTC).units
    assert found.state
    assert found.needs == ()
    assert found.risk_title == ""
    assert [line[0] for line in found.patients] == [
        "Harriet Ashdown", "Maximiliane Wolkenstein-Trostburg", "Joan Tilley",
    ]  # fmt: skip
    assert not any("%" in cell or "members" in cell for line in found.patients for cell in line)


def test_a_number_the_model_does_not_stand_behind_says_so_beside_it() -> None:
    found = board_view.view("North General", "north", UNITS["shown"], NOW, UTC).units[1]
    doubted = next(line for line in found.patients if line[0].startswith("Maximiliane"))
    assert doubted[2].replace("\u00a0", " ") == "7 % (6–8 %), indeterminate"
    assert doubted[-1] == "The model does not stand behind this number. The members disagree."


def test_an_hour_of_another_day_says_which() -> None:
    found = board_view.view("North General", "north", UNITS["shown"], NOW, UTC).units[0]
    assert [line[0].replace("\u00a0", " ") for line in found.needs] == [
        "in 8 h, 21:00", "in 12 h, 26 Nov 01:00", "in 24 h, 26 Nov 13:00",
    ]  # fmt: skip


def test_why_there_is_no_newer_look_stands_first() -> None:
    failed, waiting = board_view.view("North General", "north", UNITS["failed-and-waiting"], NOW, UTC).units
    assert failed.notices[0].startswith("A newer look was tried 25 Nov 2026")
    assert "the hospital's export could not be used" in failed.notices[0]
    assert waiting.notices[0].startswith("The hospital has been preparing a newer export since 25 Nov 2026")


@pytest.fixture(params=[400, 1280])
def width(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def page(chromium: Any, width: int) -> Iterator[Any]:
    context = chromium.new_context(viewport={"width": width, "height": 900})
    yield context.new_page()
    context.close()


@pytest.mark.browser
@pytest.mark.parametrize("name", list(UNITS))
def test_a_board_has_no_barrier_and_fits(page: Any, pictures: Path, width: int, name: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    app, text = html(name)

    def serve(route: Any) -> None:
        path = route.request.url.removeprefix(HOUSE)
        if path == "/board":
            route.fulfill(status=200, body=text, headers={"content-type": "text/html; charset=utf-8"})
            return
        with app.test_client().get(path) as answer:
            route.fulfill(
                status=answer.status_code, body=answer.get_data(), headers={"content-type": answer.content_type}
            )

    page.route("**/*", serve)
    page.goto(f"{HOUSE}/board")
    page.screenshot(path=str(pictures / f"board-{name}-{width}.png"), full_page=True)
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate(WIDER) == []
