"""The weekly review, its list and the audits in Chromium: they fit, and axe finds no barrier."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.webapp.house import APP, visit_of
from tests.webapp.reviewed import SITE, reviewed
from tests.webapp.test_faces_in_a_browser import WIDER, Shop

pytestmark = pytest.mark.browser

PAGES = ("list", "week", "audits")


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The three pages as the house answers them."""
    for made in reviewed(tmp_path_factory.mktemp("reviewed")):
        assert made.run("review", "make", SITE, made.week.name).exit_code == 0
        browser, address = made.house.launched("pneumonia-worsening")
        paths = {"list": f"/review/{SITE}", "week": f"/review/{SITE}/{made.week.name}", "audits": f"/audits/{SITE}"}
        asked = {"visit": visit_of(address)}
        yield {
            name: browser.get(path, query_string=asked, base_url=APP).get_data(as_text=True)
            for name, path in paths.items()
        }


@pytest.fixture
def shop(chromium: Any) -> Iterator[Shop]:
    shop = Shop(chromium)
    yield shop
    assert not shop.complaints, shop.complaints


@pytest.mark.parametrize("width", [400, 1280])
@pytest.mark.parametrize("name", PAGES)
def test_it_fits_and_axe_finds_no_barrier(shop: Shop, pages: dict[str, str], name: str, width: int) -> None:
    from axe_playwright_python.sync_playwright import Axe

    shown = shop.show(pages[name], width, "dark" if width == 400 else "light", bypass_csp=True)
    assert not shown.evaluate(WIDER)
    found = Axe().run(shown).response["violations"]
    assert not [(each["id"], each["nodes"][0]["target"]) for each in found]
