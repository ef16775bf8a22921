"""The two journeys as a story, in a real browser against the running hospital and app.

A physician signs in, opens a patient whose breathing worsens, orders oxygen, reads the card, follows its link into
the app beside the chart, reads why, gives the patient their page, and answers the card. Pictures of each step are
kept under var/screenshots.
"""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from tests.conftest import Demonstration

pytestmark = pytest.mark.browser


@pytest.fixture
def physician(demonstration: Demonstration, chromium: Any) -> Iterator[Any]:
    """A signed-in physician's page at a desktop's width, with third-party cookies left to their partition."""
    context = chromium.new_context(viewport={"width": 1440, "height": 1000}, accept_downloads=True)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
    page.goto(demonstration.hospital)
    page.locator("form button").first.click()
    page.wait_for_url("**/patients")
    yield page
    context.close()
    assert not complaints, complaints


def open_chart(page: Any, patient: str) -> None:
    page.locator(f"a[href$='/chart/{patient}']").first.click()
    page.wait_for_selector("[data-chart]")
    page.wait_for_load_state("networkidle")


def order(page: Any, what: str) -> None:
    page.locator("#order-search").press_sequentially(what, delay=20)
    page.locator("#catalogue [data-item]:visible").first.click()
    page.wait_for_selector("#drafts fieldset")


def app_frame(page: Any) -> Any:
    frame = page.frame_locator("iframe[name=app]")
    frame.locator("article.model").first.wait_for(timeout=30_000)
    return frame


def test_from_an_order_to_a_card_a_reason_and_a_page_for_the_patient(
    physician: Any, demonstration: Demonstration, pictures: Path
) -> None:
    page = physician
    page.screenshot(path=pictures / "1-patients.png")
    open_chart(page, "pneumonia-worsening")
    order(page, "oxygen")
    card = page.locator("article.card").first
    card.wait_for(timeout=20_000)
    page.screenshot(path=pictures / "2-card.png")
    assert len(card.locator("h3").inner_text()) < 140
    assert "%" in card.inner_text()
    assert "demonstration" in card.inner_text().lower()

    card.locator("[data-launch] button").click()
    frame = app_frame(page)
    text = frame.locator("body").inner_text()
    assert "demonstration" in text.lower()
    assert "95" in text  # the interval says what it is
    page.screenshot(path=pictures / "3-result-in-the-chart.png")

    frame.locator("input[name=read]").first.check()
    frame.get_by_role("button", name="Give it to the patient").first.click()
    frame.locator("text=/not a diagnosis/i").first.wait_for(timeout=20_000)
    said = frame.locator("main .big, main h1, main h2").all_inner_texts()
    page.screenshot(path=pictures / "4-handout-in-the-chart.png")
    address = frame.get_by_role("link", name="PDF, Letter").get_attribute("href")
    inner = next(each for each in page.frames if each.name == "app")
    pdf = inner.evaluate(
        "async (url) => Array.from(new Uint8Array(await (await fetch(url)).arrayBuffer()))", address
    )
    paper = PdfReader(io.BytesIO(bytes(pdf)))
    assert len(paper.pages) == 1
    printed = " ".join(paper.pages[0].extract_text().split())
    assert "not a diagnosis" in printed.lower()
    assert [line for line in said if " ".join(line.split()) not in printed] == []  # paper equals screen
    assert len(said) > 4
    (pictures / "handout.pdf").write_bytes(bytes(pdf))

    page.locator("article.card details.override summary").first.click()
    page.locator("article.card details.override input[type=radio]").first.check()
    page.locator("article.card details.override button").first.click()
    page.locator("article.card .done").first.wait_for()
    assert "Overridden" in page.locator("article.card .done").first.inner_text()
    remembered(demonstration)


def remembered(demonstration: Demonstration) -> None:
    """The ledger holds the answers, the card, the release and the feedback; and nobody's name."""
    files = list(demonstration.var.glob("ordertime.db*"))
    with sqlite3.connect(demonstration.var / "ordertime.db") as ledger:
        count = {
            table: ledger.execute(f"select count(*) from {table}").fetchone()[0]  # noqa: S608  names from this file
            for table in ("assessments", "cards", "feedback", "releases", "events")
        }
    assert all(count.values()), count
    for path in files:
        assert b"Practitioner/" not in path.read_bytes(), path


def test_a_troponin_order_brings_the_guideline_beside_the_model(physician: Any, pictures: Path) -> None:
    page = physician
    open_chart(page, "infarction-rising")
    page.locator("form[data-launch] button.app").click()
    frame = app_frame(page)
    frame.locator("#troponin-trend").scroll_into_view_if_needed()
    assert "ng/L" in frame.locator("#troponin-trend").inner_text()
    page.screenshot(path=pictures / "5-troponin.png")


@pytest.mark.parametrize("width", [400, 1280])
def test_the_result_page_fits_a_side_panel_and_a_desktop(physician: Any, pictures: Path, width: int) -> None:
    page = physician
    open_chart(page, "pneumonia-worsening")
    page.locator("form[data-launch] button.app").click()
    app_frame(page)
    address = next(each for each in page.frames if each.name == "app").url
    page.set_viewport_size({"width": width, "height": 900})
    assert "visit=" in address
    inner = next(each for each in page.frames if each.name == "app")
    overflow = inner.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0
