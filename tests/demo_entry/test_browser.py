"""The order entry page in a real browser: keyboard, cards, the frame on another origin, accessibility."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.demo_entry.peers import Pair, card, pair

pytestmark = pytest.mark.browser


@pytest.fixture
def both() -> Iterator[Pair]:
    with pair() as peers:
        peers.service.answers["order-select"] = (200, {"cards": [card(peers.service.url)]})
        yield peers


@pytest.fixture
def tab(chromium: Any, both: Pair) -> Iterator[Page]:
    context = chromium.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(both.url)
    page.get_by_role("button", name="Dr Adaeze Okafor").click()
    yield page
    context.close()
    assert errors == []


def open_chart(tab: Page) -> None:
    tab.get_by_role("link", name="Ashdown, Harriet").click()
    tab.wait_for_selector("#desk:not([aria-busy])")


def order(tab: Page, words: str) -> None:
    tab.get_by_role("combobox", name="New order").fill(words)
    tab.keyboard.press("Enter")
    tab.wait_for_selector("#desk:not([aria-busy]) fieldset")


def test_an_order_is_found_with_the_keyboard_signed_and_listed(tab: Page, both: Pair) -> None:
    both.service.answers.clear()
    open_chart(tab)
    order(tab, "oxy")
    tab.get_by_role("textbox", name="Flow").fill("6")
    tab.get_by_role("button", name="Sign 1 order").click()
    tab.wait_for_selector(".signed")
    assert "Flow 6 L/min" in tab.inner_text(".signed")
    tab.get_by_role("tab", name="Orders placed").click()
    tab.wait_for_selector("#placed >> text=Oxygen therapy")
    assert [call["hook"] for call in both.service.calls] == ["patient-view", "order-select", "order-sign"]


def test_the_card_opens_the_app_beside_the_chart_and_over_its_whole_width(tab: Page, both: Pair) -> None:
    open_chart(tab)
    order(tab, "oxy")
    tab.get_by_role("button", name="See the reasons").click()
    frame = tab.frame_locator('iframe[name="app"]')
    frame.get_by_role("heading", name="The app").wait_for()
    assert both.service.launches[0]["iss"] == f"{both.url}/fhir"
    box = tab.locator(".app-panel").bounding_box()
    assert box is not None
    assert box["width"] == pytest.approx(400, abs=2)
    tab.get_by_role("button", name="Full width").click()
    wide = tab.locator(".app-panel").bounding_box()
    assert wide is not None
    assert wide["width"] > 1100
    tab.get_by_role("button", name="Close").click()
    assert tab.locator("iframe").count() == 0


@pytest.mark.parametrize(
    ("words", "first"),
    [
        ("oxygen", "Oxygen therapy"),
        ("high flow", "High-flow nasal cannula"),
        ("bipap", "Non-invasive ventilation"),
        ("abg", "Arterial blood gas"),
        ("tube", "Intubation and mechanical ventilation"),
        ("tro", "Troponin T, high sensitivity"),
        ("ekg", "ECG, 12 leads"),
        ("morph", "Morphine"),
        ("lora", "Lorazepam"),
        ("furo", "Furosemide"),
        ("icu", "Transfer to intensive care"),
        ("acetaminophen", "Paracetamol (acetaminophen)"),
        ("diet", "Diet"),
        ("physio", "Physiotherapy"),
        ("leeches", "No order of that name"),
    ],
)
def test_everything_a_ward_orders_is_found(tab: Page, words: str, first: str) -> None:
    open_chart(tab)
    tab.get_by_role("combobox", name="New order").fill(words)
    expect(tab.locator("#catalogue li").first).to_have_text(re.compile(f"^\\s*{re.escape(first)}"))


def test_a_card_is_overridden_with_a_reason(tab: Page, both: Pair) -> None:
    open_chart(tab)
    order(tab, "oxy")
    tab.get_by_text("Override …").click()
    tab.get_by_label("Already acting on it").check()
    tab.get_by_role("button", name="Override", exact=True).click()
    tab.wait_for_selector("text=Overridden: Already acting on it")
    assert both.service.feedback[0]["overrideReason"]["reason"]["code"] == "already-acting"


def test_a_service_in_trouble_is_seen(tab: Page, both: Pair) -> None:
    both.service.answers["order-select"] = (500, "x")
    open_chart(tab)
    order(tab, "morph")
    assert "decision support did not answer (status 500" in tab.inner_text(".problem")


def test_the_patient_list_narrows_as_one_types(tab: Page) -> None:
    tab.get_by_label("Find").fill("chest pain emergency")
    assert tab.locator("[data-row]:visible").count() == 5
    tab.get_by_label("Find").fill("nobody at all")
    assert tab.locator("text=Nobody matches.").is_visible()


def test_the_pages_are_accessible(tab: Page) -> None:  # CONFORMANCE 99
    found = [violations(tab)]
    open_chart(tab)
    order(tab, "oxy")
    found.append(violations(tab))
    for name in ("Flowsheet", "Results"):
        tab.get_by_role("tab", name=name).click()
        found.append(violations(tab))
    assert found == [[], [], [], []]


def violations(tab: Page) -> list[str]:
    told = Axe().run(tab, options={"resultTypes": ["violations"]})
    return [f"{one['id']}: {one['nodes'][0]['html'][:120]}" for one in told.response["violations"]]


def test_the_chart_fits_small_and_large_screens(tab: Page) -> None:
    open_chart(tab)
    order(tab, "oxy")
    for width in (1920, 1440, 1024, 600, 380):
        tab.set_viewport_size({"width": width, "height": 800})
        overflow = tab.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert overflow <= 0, width
