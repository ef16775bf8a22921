"""The queue in Chromium: it fits, it can be read by everybody, and it keeps to its policy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.webapp.house import House, standing
from tests.webapp.test_faces_in_a_browser import WIDER, Shop
from tests.webapp.test_queue import asked, opened, page

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    yield from standing(tmp_path_factory.mktemp("queue"))


@pytest.fixture
def shop(chromium: Any) -> Iterator[Shop]:
    shop = Shop(chromium)
    yield shop
    for context in chromium.contexts:
        context.close()
    assert not shop.complaints, shop.complaints


@pytest.fixture(scope="module")
def texts(house: House) -> dict[str, str]:
    key = asked(house)
    browser, visit = opened(house)
    return {path: page(browser, path, visit).get_data(as_text=True) for path in ("/queue", f"/queue/{key}")}


@pytest.mark.parametrize("width", [400, 1280])
@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_and_axe_finds_nothing(
    shop: Shop, texts: dict[str, str], width: int, place: int, scheme: str
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    shown = shop.show(list(texts.values())[place], width, scheme, bypass_csp=True)
    shown.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true })")
    assert shown.evaluate(WIDER) == []
    found = Axe().run(shown)
    assert found.violations_count == 0, found.generate_report()
