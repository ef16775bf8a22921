"""The EHR's look: taken where it is harmless, left where it is not."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest

from ehr.style import read_style
from ehr.tenants import Tenant
from ehr.transport import Budget
from tests.ehr.peer import BASE, Peer

URL = "https://ehr.example.org/style.json"
TENANT = Tenant("general", "General", BASE, "ordertime")


def style_of(document: object, url: str = URL, tenant: Tenant = TENANT) -> dict[str, str]:
    peer = Peer()
    peer["/style.json"] = httpx.Response(200, json=document)
    return dict(read_style(peer.client(), tenant, url, Budget(5)))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("color_text", "#1c2a30"), ("color_background", "#fff"), ("color_error", "rgba(200, 10, 10, 0.5)"),
        ("color_success", "hsl(120, 50%, 30%)"), ("color_highlight", "teal"), ("dim_font_size", "13.5px"),
        ("dim_border_radius", "0px"), ("font_family_body", "'DejaVu Sans', Arial, sans-serif"),
    ],
)  # fmt: skip
def test_a_colour_a_length_and_fonts_are_taken(name: str, value: str) -> None:  # CONFORMANCE 28
    assert style_of({name: value}) == {name: value}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("color_text", "red;}body{display:none"), ("color_text", "url(https://evil.example.net)"),
        ("color_text", "expression(alert(1))"), ("color_text", "#12345"), ("color_text", 5), ("color_text", None),
        ("color_text", "red\n"), ("dim_font_size", "13px;color:red"), ("dim_font_size", "calc(100vw)"),
        ("dim_font_size", "-9999px"), ("font_family_body", "Arial; } * { display: none"),
        ("font_family_body", "'Arial"), ("font_family_body", "A" * 300), ("background", "#fff"),
    ],
)  # fmt: skip
def test_anything_else_is_left_out_alone(name: str, value: object) -> None:  # CONFORMANCE 28
    assert style_of({name: value, "color_error": "#900"}) == {"color_error": "#900"}


def test_a_style_is_read_from_the_tenants_own_origins_only() -> None:  # CONFORMANCE 28
    good = {"color_text": "#111"}
    assert style_of(good, "https://evil.example.net/style.json") == {}
    assert style_of(good, "http://ehr.example.org/style.json") == {}
    assert style_of(good, "https://[::1") == {}
    assert style_of(good, "") == {}
    framed = replace(TENANT, frame_ancestors=("https://portal.example.org",))
    assert style_of(good, "https://portal.example.org/style.json", framed) == good


@pytest.mark.parametrize(
    "answer", [httpx.Response(404), httpx.Response(200, content=b"<html>"), httpx.Response(200, json=[]),
               httpx.Response(200, content=b" " * 20000), httpx.Response(302, headers={"location": URL})],
)  # fmt: skip
def test_a_style_that_cannot_be_had_is_none(answer: httpx.Response) -> None:  # CONFORMANCE 28
    peer = Peer()
    peer["/style.json"] = answer
    assert read_style(peer.client(), TENANT, URL, Budget(5)) == {}
