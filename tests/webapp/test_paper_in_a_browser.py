"""The patient's page in Chromium: no barrier on the screen or in print, one sheet from its own printing."""

from __future__ import annotations

import io
from typing import Any

import pytest
from pypdf import PdfReader

from tests.webapp import pages
from tests.webapp.cases import HANDOUTS, leaflet
from tests.webapp.test_faces_in_a_browser import WIDER, Shop, shop  # noqa: F401
from webapp import opinions, words

pytestmark = pytest.mark.browser

POINTS = {"letter": (612, 792), "a4": (595.28, 841.89)}
BAR = {"back_url": "/b", "papers": {"letter": "/l", "a4": "/a"}, "unspoken": "vi"}


@pytest.mark.parametrize("name", sorted(HANDOUTS))
def test_axe_finds_no_barrier_narrow_wide_or_in_print(shop: Shop, name: str) -> None:  # noqa: F811
    # CONFORMANCE 99
    from axe_playwright_python.sync_playwright import Axe

    for language in words.LANGUAGES:
        other = {code: f"/{code}" for code in words.LANGUAGES if code != language}
        shown = shop.show(leaflet(name, language, languages=other, **BAR), 400, bypass_csp=True)
        found = barriers(Axe(), shown)
        shown.set_viewport_size({"width": 1280, "height": 900})
        found += barriers(Axe(), shown)
        shown.emulate_media(media="print")
        found += barriers(Axe(), shown)
        assert not found
        shown.context.close()


def barriers(axe: Any, shown: Any) -> list[Any]:
    over = shown.evaluate(WIDER)
    violations = axe.run(shown).response["violations"]
    return [(each["id"], [node["target"] for node in each["nodes"]]) for each in violations] + over


@pytest.mark.parametrize("name", sorted(HANDOUTS))
def test_the_browser_too_prints_it_on_one_sheet(shop: Shop, name: str) -> None:  # noqa: F811
    # CONFORMANCE 100
    for language in words.LANGUAGES:
        for paper, points in POINTS.items():
            shown = shop.show(leaflet(name, language, paper=paper, **BAR), 1280)
            printed = PdfReader(io.BytesIO(shown.pdf(prefer_css_page_size=True)))
            shown.context.close()
            assert len(printed.pages) == 1, (language, paper)
            box = printed.pages[0].mediabox
            assert (float(box.width), float(box.height)) == pytest.approx(points, abs=1)


@pytest.mark.parametrize("said", ["", "choose", "unknown", "wait", "thanks"])
def test_the_page_for_a_readers_phone_has_no_barrier_and_fits_it(shop: Shop, said: str) -> None:  # noqa: F811
    # CONFORMANCE 99
    from axe_playwright_python.sync_playwright import Axe

    for language in words.LANGUAGES:
        html = pages.render("clear.html", view=opinions.view(language, said, "K7QM3F2X"))
        shown = shop.show(html, 1280, bypass_csp=True)
        found = barriers(Axe(), shown)
        shown.set_viewport_size({"width": 320, "height": 640})
        assert not found + barriers(Axe(), shown)
        shown.context.close()


def test_a_reader_answers_with_the_keyboard_alone(shop: Shop) -> None:  # noqa: F811
    shown = shop.show(pages.render("clear.html", view=opinions.view("en", "", "K7QM3F2X")), 400)
    shown.route("**/c", lambda route: route.fulfill(status=204))
    shown.keyboard.press("Tab")
    shown.keyboard.press("ArrowDown")
    with shown.expect_request("**/c") as sent:
        shown.keyboard.press("Enter")
    assert "score=2" in (sent.value.post_data or "")
    assert "code=K7QM-3F2X" in (sent.value.post_data or "")
