"""Cards, gates and the simulated hospital's pages in Chromium, over real HTTP: they fit, and axe finds no barrier."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from werkzeug.serving import make_server

from governance.changes import Changes
from governance.decisions import Decision, Decisions, Signature
from governance.measures import Question
from governance.resolutions import SUSPEND, THRESHOLD
from governance.simulated import SITE, Year, labelled, play
from governance.store import open_store
from governance.weeks import Week
from inference.assessment import TROPONIN, VENTILATION
from tests.demo.standing_hospital import Quiet
from tests.governance.test_measures import filled
from tests.webapp.house import House, standing
from tests.webapp.test_faces_in_a_browser import WIDER
from webapp import create_app

pytestmark = pytest.mark.browser

HERE = "demo"
NOW = datetime.now(UTC)
ICU = f"{VENTILATION}/ventilation-24h/icu"
SIGNERS = [Signature(name, role, NOW, "", "") for name, role in (("Ada", "Medical officer"), ("Ben", "Quality"))]
WHY = "The new monitor counts high: stop until it is mapped, and look at every answer of this week again."
PAGES = {
    "card": f"/models/{VENTILATION}/card/{HERE}",
    "card-trend": f"/models/{TROPONIN}/card/{HERE}",
    "card-of-no-site": f"/models/{VENTILATION}/card",
    "about": "/about",
    "gate": f"/simulated/gate/{SITE}",
    "reviews": f"/simulated/review/{SITE}",
    "review": f"/simulated/review/{SITE}/2026-W01",
    "audits": f"/simulated/audits/{SITE}",
}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A house with answers settled for every outcome, and beside it a simulated site that people decided about."""
    folder = tmp_path_factory.mktemp("governing")
    for house in standing(folder):
        year = folder / "year"
        said = house.app.test_cli_runner().invoke(
            args=["simulate", "--out", str(year), "--days", "33", "--daily", "12"]
        )
        assert said.exit_code == 0, said.output
        _decide(f"sqlite:///{year / 'ledger.db'}", SITE, datetime(2026, 2, 1, tzinfo=UTC))
        _settle(house)
        app = create_app(replace(house.rooms.settings, simulated=year), house.rooms)
        server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
        server.server_close()


def _wrong(line: Any) -> bool:
    """An error a page is to blame for: a browser asks for an icon by itself."""
    return line.type == "error" and not line.location["url"].endswith("/favicon.ico")


def _decide(url: str, site: str, at: datetime) -> None:
    """A suspension, and another threshold that nobody has signed yet."""
    store = open_store(url)
    book = Decisions(store, Changes(store, clock=lambda: at), clock=lambda: at)
    week = Week.of(date(2026, 12, 7))  # none that the year's own people decided about
    made = Decision(site, week.name, "d" * 64, SUSPEND, WHY, model=VENTILATION)
    book.record(made, SIGNERS, ())
    lower = replace(made, week=week.before(1).name, kind=THRESHOLD, gate=ICU, threshold="0.15")
    book.record(lower, SIGNERS, ())
    store.close()


def _settle(house: House) -> None:
    """Fifty quiet days behind every outcome of both models."""
    quiet = Year(days=50, daily=8, assay=None, mapped=None, monitor=None, first=(NOW - timedelta(days=55)).date())
    rows = sorted(map(labelled, play(quiet)), key=lambda row: row.as_of)
    place = 0
    for name, model in house.rooms.models.items():
        for outcome in model.outcomes:
            place += 1
            whose = Question(HERE, name, model.version, outcome, 0.2)
            filled(house.rooms.store, [replace(row, outcome=outcome) for row in rows], whose, first=place * 10_000)


@pytest.mark.parametrize("width", [400, 1280])
@pytest.mark.parametrize("name", PAGES)
def test_it_fits_and_axe_finds_no_barrier(
    chromium: Any, address: str, pictures: Path, name: str, width: int
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    scheme = "dark" if width == 400 else "light"
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True)
    try:
        page = context.new_page()
        complaints: list[str] = []
        page.on("console", lambda line: complaints.append(line.text) if _wrong(line) else None)
        answer = page.goto(f"{address}{PAGES[name]}")
        assert answer.status == 200
        for folded in page.query_selector_all("details"):
            folded.evaluate("each => { each.open = true; }")
        page.screenshot(path=str(pictures / f"governing-{name}-{width}.png"), full_page=True)
        assert not page.evaluate(WIDER)
        found = Axe().run(page).response["violations"]
        assert not [(each["id"], each["nodes"][0]["target"]) for each in found]
        assert not complaints
    finally:
        context.close()


def test_the_pages_that_are_checked_show_what_is_new(chromium: Any, address: str) -> None:
    """Or the check above would be of empty pages."""
    page = chromium.new_page()
    page.goto(f"{address}{PAGES['card']}")
    assert page.locator("#attribute-27").inner_text().count("the site's threshold for a card") == 3
    assert page.locator("table.gate-figures").count() == 3
    page.goto(f"{address}{PAGES['gate']}")
    text = page.locator("main").inner_text()
    assert "Suspended 1 Feb 2026" in text
    assert WHY in text
    assert "Decided, not in force" in text
    assert page.locator("ol.history li").count() > 8
    assert page.locator("aside.simulated").is_visible()
    page.close()
