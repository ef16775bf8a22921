"""The app in a frame that allows next to nothing: no popups, no alerts, no way to the top window."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl

import pytest

from tests.conftest import Demonstration
from tests.webapp import pages

pytestmark = pytest.mark.browser

STRICTER = """(tokens) => document.querySelector("[data-frame]").content.firstElementChild
  .setAttribute("sandbox", tokens)"""
BARE = "allow-scripts allow-forms allow-same-origin"  # what a page with forms cannot do without


@pytest.fixture
def bare(demonstration: Demonstration, chromium: Any) -> Iterator[Any]:
    """A signed-in physician, before a chart is opened."""
    context = chromium.new_context(viewport={"width": 1440, "height": 1000})
    page = context.new_page()

    page.goto(demonstration.hospital)
    page.locator("form button").nth(1).click()  # cards that one physician has seen are not said to them again
    page.wait_for_url("**/patients")
    yield page
    context.close()


def test_nothing_relies_on_popups_alerts_or_the_top_window(bare: Any) -> None:
    # CONFORMANCE 98
    page = bare
    said: list[str] = []
    page.on("console", lambda line: said.append(line.text) if line.type in ("error", "warning") else None)
    page.on("dialog", lambda dialog: said.append(f"dialog: {dialog.message}"))
    page.locator("a[href$='/chart/pneumonia-worsening']").first.click()
    page.wait_for_selector("[data-chart]")
    page.evaluate(STRICTER, BARE)
    top = page.url
    page.locator("form[data-launch] button.app").click()
    frame = page.frame_locator("iframe[name=app]")
    frame.locator("article.model").first.wait_for(timeout=30_000)
    assert page.locator("iframe[name=app]").get_attribute("sandbox") == BARE

    frame.locator("input[name=read]").first.check()
    frame.get_by_role("button", name="Give it to the patient").first.click()
    frame.locator("text=/not a diagnosis/i").first.wait_for(timeout=20_000)
    frame.get_by_role("link", name="Back").first.click()
    frame.locator("article.model").first.wait_for(timeout=20_000)
    frame.get_by_role("button", name="Close this visit").click()
    frame.locator("text=The visit is closed").wait_for(timeout=20_000)

    assert page.url == top
    assert len(page.context.pages) == 1
    assert said == []


def test_no_script_of_ours_knows_popups_alerts_the_top_window_or_the_opener() -> None:
    # CONFORMANCE 98
    wanted = re.compile(
        r"window\.open|\balert\(|\bconfirm\(|\bprompt\(|\bopener\b|\btop\.|\bparent\.|_top\b|_parent\b"
    )
    for path in [*(pages.ROOT / "static").glob("*.js"), *(pages.ROOT / "templates").rglob("*.html")]:
        text = re.sub(r'rel="noopener"', "", path.read_text(encoding="utf-8"))
        assert not wanted.search(text), (path.name, wanted.search(text))


def test_a_long_launch_posts_itself_under_the_pages_own_policy(chromium: Any) -> None:
    # CONFORMANCE 13
    hospital, app = "https://hospital.example", "http://127.0.0.1:8000"
    fields = {"scope": "patient/Observation.rs " * 400, "state": "s&t=a\"te'", "launch": "<x>"}
    told = {"title": "On to the hospital", "text": "It is asked.", "button": "Go on", "language": "en"}
    html = pages.render(
        "authorise.html", action=f"{hospital}/authorize", fields=fields, name="", keep="", **told
    )
    policy = f"default-src 'none'; script-src 'self'; style-src 'self'; form-action 'self' https: {app}"
    context = chromium.new_context()
    page = context.new_page()
    arrived: list[str] = []

    def serve(route: Any) -> None:
        url = route.request.url
        if url.startswith(hospital):
            arrived.append(route.request.post_data or "")
            route.fulfill(body="<title>hospital</title>", content_type="text/html")
        elif "/static/" in url:
            file = pages.ROOT / url.removeprefix(app).lstrip("/")
            kind = "text/javascript" if file.suffix == ".js" else "text/css"
            route.fulfill(body=file.read_text(encoding="utf-8"), content_type=kind)
        else:
            headers = {"content-security-policy": policy, "content-type": "text/html; charset=utf-8"}
            route.fulfill(body=html, headers=headers)

    page.route("**/*", serve)
    page.goto(f"{app}/launch")
    page.wait_for_url(f"{hospital}/authorize", timeout=10_000)
    context.close()
    (form,) = arrived
    assert dict(parse_qsl(form)) == fields
