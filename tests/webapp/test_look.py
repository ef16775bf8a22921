"""The EHR's look: taken on where every word stays readable, left where it would not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.smart import STYLE
from tests.webapp.house import APP, House, standing, visit_of
from webapp.look import GROUNDS, INKS, contrast, sheet

ROOT = Path(__file__).resolve().parents[2]
SICK = "pneumonia-worsening"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    yield from standing(tmp_path_factory.mktemp("house"))


@pytest.fixture(autouse=True)
def _fair(house: House) -> Iterator[None]:
    yield
    house.fair()


def test_the_colours_it_reckons_with_are_those_of_our_style_sheet() -> None:
    css = (ROOT / "static" / "ordertime.css").read_text(encoding="utf-8")
    light = css.partition("@media")[0]
    for token, colour in (GROUNDS | INKS).items():
        assert re.search(rf"{token}: {colour};", light), token


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [
        ("#000000", "#ffffff", 21.0),
        ("#000", "white", 21.0),
        ("#777777", "rgb(255, 255, 255)", 4.48),
        ("#fff", "#fff", 1.0),
    ],
)
def test_contrast_is_wcags(one: str, other: str, ratio: float) -> None:
    # CONFORMANCE 99
    assert contrast(one, other) == pytest.approx(ratio, abs=0.01)


@pytest.mark.parametrize(
    "odd", ["#00000080", "rgba(0, 0, 0, 0.5)", "hsl(120, 50%, 30%)", "papayawhip", "rgb(300,0,0)"]
)
def test_a_colour_whose_contrast_cannot_be_told_is_left(odd: str) -> None:
    assert contrast(odd, "#fff") is None
    assert sheet({"color_text": odd}) == ""


@pytest.mark.parametrize(
    "style",
    [
        {"color_text": "#bbbbbb"},
        {"color_background": "#555555"},
        {"color_background": "#ffee00", "color_highlight": "#ffff00"},
        {"color_error": "#ff9999"},
        {"dim_font_size": "9px"},
        {"dim_font_size": "40px"},
        {"dim_font_size": "2em"},
    ],
)
def test_what_would_be_hard_to_read_is_left(style: dict[str, str]) -> None:
    # CONFORMANCE 99
    made = sheet(style)
    assert not any(value in made for value in style.values() if value != "#ffee00")


def test_colours_that_fit_each_other_are_taken_together_and_in_the_light_alone() -> None:
    made = sheet({"color_background": "#ffffff", "color_text": "#102030", "dim_border_radius": "4px"})
    screen = made[made.index("@media screen and (prefers-color-scheme: light)") :]
    assert "--sheet: #ffffff" in screen
    assert "--ink: #102030" in screen
    assert "border-radius: 4px" in made


def test_the_hospitals_look_reaches_the_page_through_us_and_no_other_origin(house: House) -> None:
    # CONFORMANCE 28, 95
    client, address, page = house.result(SICK)
    text = page.get_data(as_text=True)
    (link,) = re.findall(r'<link rel="stylesheet" href="([^"]*look\.css[^"]*)"', text)
    assert house.hospital.settings.url not in text
    answer = client.get(link, base_url=APP)
    assert answer.mimetype == "text/css"
    assert STYLE["color_highlight"] in answer.get_data(as_text=True)
    assert "style-src 'self';" in page.headers["Content-Security-Policy"]
    assert house.browser().get(f"/result/look.css?visit={visit_of(address)}", base_url=APP).status_code == 401


@pytest.mark.parametrize("kind", ["error", "malformed", "redirect"])
def test_a_look_that_cannot_be_had_is_none_and_the_page_is_as_ever(
    house: House, kind: str, request: pytest.FixtureRequest
) -> None:
    # CONFORMANCE 28
    client, address, _ = house.result(SICK)
    key = f"demo|{house.hospital.settings.url}/smart-style.json"
    house.rooms.vault.delete("style", key)
    request.addfinalizer(lambda: house.rooms.vault.delete("style", key))
    house.weather(kind, match="/smart-style.json")
    answer = client.get(f"/result/look.css?visit={visit_of(address)}", base_url=APP)
    assert (answer.status_code, answer.get_data(as_text=True)) == (200, "")


# --- the end of a visit


def closing(page: Any) -> dict[str, str]:
    text = page.get_data(as_text=True)
    found = re.search(r'<form class="[a-z ]+" method="post" action="/close">(.*?)</form>', text, re.DOTALL)
    assert found is not None
    return dict(re.findall(r'name="(\w+)" value="([^"]*)"', found[1]))


def granted(house: House, visit: str) -> dict[str, Any]:
    """The tokens of a visit, as the vault holds them."""
    kept = house.rooms.vault.get("grant", visit) or (house.rooms.vault.get("visit", visit) or {})["grant"]
    return dict(kept)


def test_closing_by_its_button_ends_the_visit_and_the_hospitals_permission(house: House) -> None:
    # CONFORMANCE 35
    client, address, page = house.result(SICK)
    kept = granted(house, visit_of(address))
    assert house.hospital.tokens.grant(kept["access_token"]) is not None
    answer = client.post("/close", data=closing(page), base_url=APP)
    assert answer.status_code == 200
    assert "withdrawn" in answer.get_data(as_text=True)
    assert house.hospital.tokens.grant(kept["access_token"]) is None
    assert house.hospital.tokens.look_refresh(kept["refresh_token"]) is None
    assert client.get(address, base_url=APP).status_code == 401


@pytest.mark.parametrize("match", ["/auth/revoke", "/fhir/.well-known"])
def test_a_hospital_that_cannot_be_told_keeps_no_visit_open(house: House, match: str) -> None:
    # CONFORMANCE 35
    client, address, page = house.result(SICK)
    house.weather("error", match=match)
    answer = client.post("/close", data=closing(page), base_url=APP)
    assert answer.status_code == 200
    assert "could not be told" in answer.get_data(as_text=True)
    assert client.get(address, base_url=APP).status_code == 401
