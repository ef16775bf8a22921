"""What a service may put on the hospital's screen."""

from __future__ import annotations

import pytest

from demo.markdown import render


def test_text_lists_and_tables_are_drawn() -> None:
    html = render("**faster**\n\n- one\n\n| a | b |\n|---|---|\n| 1 | 2 |\n")
    assert "<strong>faster</strong>" in html
    assert "<li>one</li>" in html
    assert "<td>2</td>" in html


@pytest.mark.parametrize(
    "evil",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[a](javascript:alert(1))",
        "[a](JaVaScRiPt:alert(1))",
        "[a](data:text/html;base64,PHNjcmlwdD4=)",
        "[a](/sign-out)",
        "![a](https://example.org/pixel.png)",
        '[a](https://example.org "x" onclick=alert(1))',
    ],
)
def test_nothing_of_the_sender_runs_or_loads(evil: str) -> None:
    html = render(evil)
    for tag in ("<script", "<img", 'href="javascript', 'href="data', 'href="/', " onclick=alert(1)>"):
        assert tag.casefold() not in html.casefold()


def test_a_web_link_opens_outside_without_telling_where_from() -> None:
    html = render("[paper](https://example.org/p)")
    assert 'href="https://example.org/p"' in html
    assert 'rel="noopener noreferrer"' in html
    assert 'target="_blank"' in html
