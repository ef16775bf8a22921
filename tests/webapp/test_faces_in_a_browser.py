"""The faces in Chromium: they fit, they can be read by everybody, and they keep to their own policy."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest
from pypdf import PdfReader

from demo.smart import STYLE
from inference.assessment import State
from tests.webapp import examples, pages
from tests.webapp.cases import leaflet, page
from webapp import about
from webapp.look import sheet
from webapp.words import NBSP

pytestmark = pytest.mark.browser

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; object-src 'none'"
)
HOUSE = "http://faces.example"
WIDER = """() => {
  const room = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= room) return [];
  return [...document.querySelectorAll("body *")]
    .filter((each) => !each.closest(".scroll") && each.getBoundingClientRect().right > room + 0.5)
    .map((each) => each.tagName + "." + (each.getAttribute("class") || ""));
}"""  # what reaches beyond the window, where anything does
WIDE = '* { font-family: "DejaVu Sans" !important }'  # the widest letters a machine is likely to have
BROKEN = """() => [
    ...document.querySelectorAll(".scores td:not(:last-child), .sum td, .horizons .share, .horizons .between")
  ]
  .filter((each) => {
    const text = document.createRange();
    text.selectNodeContents(each.lastChild || each);
    return new Set([...text.getClientRects()].map((line) => line.top)).size > 1;
  })
  .map((each) => each.textContent)"""  # values set on more than one line
KINDS = {".css": "text/css", ".js": "text/javascript"}


class Shop:
    """One browser page per viewport, served by hand: no request leaves the machine."""

    def __init__(self, browser: Any) -> None:
        self.browser = browser
        self.html = ""
        self.complaints: list[str] = []

    def show(self, html: str, width: int, scheme: str = "light", **more: Any) -> Any:
        context = self.browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=scheme,
            bypass_csp=more.pop("bypass_csp", False),
            **more,
        )
        page = context.new_page()
        page.on("console", lambda line: self.complaints.append(line.text) if line.type == "error" else None)
        self.html = html
        page.route("**/*", self._serve)
        page.goto(f"{HOUSE}/page")
        return page

    def _serve(self, route: Any) -> None:
        path = route.request.url.removeprefix(HOUSE)
        file = pages.ROOT / path.lstrip("/")
        if path.startswith("/static/") and file.suffix in KINDS:
            route.fulfill(body=file.read_text(encoding="utf-8"), content_type=KINDS[file.suffix])
        elif path.split("#")[0] == "/page":
            headers = {"content-security-policy": POLICY, "content-type": "text/html; charset=utf-8"}
            route.fulfill(body=self.html, headers=headers)
        else:
            route.fulfill(status=204)


@pytest.fixture
def shop(chromium: Any) -> Iterator[Shop]:
    shop = Shop(chromium)
    yield shop
    for context in chromium.contexts:
        context.close()
    assert not shop.complaints, shop.complaints


def every_page() -> dict[str, str]:
    told = (
        "demonstration",
        "low-and-disagreeing",
        "indeterminate",
        "insufficient",
        "before-first-planned",
        "planned-draw",
        "silent",
        "writing",
        "hospital-silent",
    )
    found = {f"page-{name}": page(name) for name in told}
    found |= {
        f"handout-{name}": leaflet(name, "es", pdf_url="/p", back_url="/b")
        for name in ("ventilation", "child", "troponin-first-planned")
    }
    found["about"] = models_page()
    found["error"] = pages.render(
        "error.html", title="T", text="x", remedy="r", detail="d", reference="ab12", language="en"
    )
    return found


SVG = "http://www.w3.org/2000/svg"


def models_page() -> str:
    told = {"number": 21, "title": "Validity", "text": "AUROC 0.730 (0.71 to 0.75).", "source": "evaluation"}
    card = {
        "limits": ["Not for children"],
        "attributes": [told, told | {"number": 27, "source": "live ledger"}],
        "intended_use": "Adults",
        "data": {"stays": 8000},
    }
    evaluation = {
        "held_out": [{"split": "a" * 40, "auroc": 0.73, "auprc": 0.29, "rows": 14425, "positive": 1571}]
    }
    view = about.view(
        {"ventilation-need": {"version": "0.1.0", "vocabulary": "0" * 64, "files": {"plots/roc.svg": ""}}},
        {"ventilation-need": {"card": card, "evaluation": evaluation}},
        {"ventilation-need": [State.DEMONSTRATION]},
        lambda model, plot: f"data:image/svg+xml,%3Csvg xmlns='{SVG}' width='860' height='600'/%3E",
    )
    return pages.render("about.html", view=view, language="en")


@pytest.mark.parametrize("name", sorted(every_page()))
def test_it_fits_every_window_and_axe_finds_no_barrier(shop: Shop, name: str) -> None:
    # CONFORMANCE 99
    from axe_playwright_python.sync_playwright import Axe

    shown = shop.show(every_page()[name], 1280, "light", bypass_csp=True)
    shown.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true })")
    for letters in ("/* its own */", WIDE):
        shown.add_style_tag(content=letters)
        for width in (1400, 1280, 700, 440, 400, 340, 300):
            shown.set_viewport_size({"width": width, "height": 900})
            over = shown.evaluate(WIDER)
            assert not over, (letters, width, over)
    found = Axe().run(shown).response["violations"]
    assert not found, [(each["id"], [node["target"] for node in each["nodes"]]) for each in found]


@pytest.mark.parametrize("letters", ["/* its own */", WIDE], ids=["own-letters", "wide-letters"])
def test_a_value_and_its_unit_stay_on_one_line_in_the_narrowest_panel(shop: Shop, letters: str) -> None:
    shown = shop.show(page("demonstration"), 300, bypass_csp=True)
    shown.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true })")
    shown.add_style_tag(content=letters)
    assert "118 mmHg" in [said.replace(NBSP, " ") for said in shown.locator(".scores td").all_inner_texts()]
    assert shown.evaluate(BROKEN) == []


LOOKS = {
    "a-hospitals": STYLE,
    "pale": {"color_text": "#9a9a9a", "color_highlight": "#ffd54f", "color_background": "#ffffff"},
    "dark": {"color_text": "#fafafa", "color_background": "#101010", "dim_font_size": "20px"},
    "green": {"color_background": "#e8f5e9", "color_highlight": "#1b5e20", "color_error": "#7f0000"},
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("look", LOOKS)
def test_with_the_ehrs_look_it_still_fits_and_axe_finds_no_barrier(
    shop: Shop, look: str, scheme: str
) -> None:
    # CONFORMANCE 28, 99
    from axe_playwright_python.sync_playwright import Axe

    shown = shop.show(page("writing"), 400, scheme, bypass_csp=True)
    shown.add_style_tag(content=sheet(LOOKS[look]))
    assert not shown.evaluate(WIDER)
    found = Axe().run(shown).response["violations"]
    assert not found, [(each["id"], [node["target"] for node in each["nodes"]]) for each in found]


def test_axe_finds_no_barrier_in_the_dark(shop: Shop) -> None:
    # CONFORMANCE 99
    from axe_playwright_python.sync_playwright import Axe

    shown = shop.show(page("demonstration"), 400, "dark", bypass_csp=True)
    found = Axe().run(shown).response["violations"]
    assert not found, [(each["id"], [node["target"] for node in each["nodes"]]) for each in found]


def test_the_figure_is_in_the_first_window_of_a_side_panel(shop: Shop) -> None:
    shown = shop.show(page("demonstration"), 400)
    box = shown.locator(".figure").first.bounding_box()
    assert box["y"] + box["height"] < 900


def test_the_demonstration_band_stays_in_sight(shop: Shop) -> None:
    shown = shop.show(page("demonstration"), 400)
    shown.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    assert shown.locator(".state-band").bounding_box()["y"] == pytest.approx(0, abs=1)


def test_all_can_be_reached_with_the_keyboard_and_the_focus_is_seen(shop: Shop) -> None:
    shown = shop.show(page("assessed"), 1280)
    reached = set()
    for _ in range(120):
        shown.keyboard.press("Tab")
        reached.add(shown.evaluate("document.activeElement.tagName + (document.activeElement.name || '')"))
        outline = shown.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none" or shown.evaluate("document.activeElement === document.body")
    assert {"SUMMARY", "BUTTONopinion", "SELECTlanguage", "INPUTread", "A"} <= reached


def test_another_draw_is_chosen_and_asked_for_with_the_keyboard_alone(shop: Shop) -> None:
    shown = shop.show(page("planned-draw"), 400)
    shown.route("**/ask", lambda route: route.fulfill(status=204))
    select = shown.get_by_label("Next draw planned in")
    assert select.input_value() == "3"
    select.focus()
    select.press("ArrowDown")
    with shown.expect_request("**/ask") as sent:
        select.press("Tab")
        shown.keyboard.press("Enter")
    assert sent.value.method == "POST"
    assert "hours_ahead=6" in (sent.value.post_data or "")
    assert "csrf_token=token-of-this-visit" in (sent.value.post_data or "")


def test_a_form_is_sent_once_however_often_it_is_pressed(shop: Shop) -> None:
    shown = shop.show(page("assessed"), 1280)
    sent: list[str] = []
    shown.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    shown.evaluate(
        "() => { const b = document.querySelector('button[value=agree]'); b.click(); b.click(); b.click(); }"
    )
    shown.wait_for_timeout(300)
    assert len(sent) == 1


def test_printing_that_the_frame_forbids_is_said(shop: Shop) -> None:
    # CONFORMANCE 97
    shown = shop.show(page("assessed"), 400)
    shown.evaluate("window.print = () => {}")  # what a sandbox without allow-modals makes of it
    shown.locator("[data-print]").click()
    shown.locator("[data-print-blocked]").wait_for(state="visible", timeout=3000)


@pytest.mark.parametrize(("paper", "points"), [("letter", (612, 792)), ("a4", (595.28, 841.89))])
def test_the_browser_too_prints_the_patients_page_on_one_sheet_of_its_paper(
    shop: Shop, paper: str, points: tuple[float, float]
) -> None:
    shown = shop.show(leaflet("ventilation", "en", paper=paper), 1280)
    printed = PdfReader(io.BytesIO(shown.pdf(prefer_css_page_size=True)))
    assert len(printed.pages) == 1
    box = printed.pages[0].mediabox
    assert (float(box.width), float(box.height)) == pytest.approx(points, abs=1)


def test_a_page_left_open_says_how_old_it_is(shop: Shop) -> None:
    context = shop.browser.new_context(viewport={"width": 400, "height": 900})
    shown = context.new_page()
    shown.clock.install(time=examples.OPENED)
    shop.html = page("assessed")
    shown.route("**/*", shop._serve)
    shown.goto(f"{HOUSE}/page")
    assert "minutes old" not in shown.locator(".moment").inner_text()
    shown.clock.run_for(16 * 60 * 1000)
    assert "16 minutes old" in shown.locator(".moment").inner_text()


def test_a_printed_result_opens_the_reasons_and_not_what_nobody_stands_behind(shop: Shop) -> None:
    shown = shop.show(page("indeterminate"), 1280)
    folded = shown.locator("details:not([open])").count()
    shown.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert shown.locator(".scores details:not([open])").count() == 0
    assert shown.locator("details.unbacked[open]").count() == 0
    shown.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert shown.locator("details:not([open])").count() == folded
