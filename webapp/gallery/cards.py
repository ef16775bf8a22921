"""The gallery's cards: each assessment in each state of its model, as the order entry would show it; silence too."""

from __future__ import annotations

from typing import Any, Final

from flask import render_template
from markdown_it import MarkdownIt
from markupsafe import Markup

from inference.assessment import State
from webapp import cards
from webapp.gallery.registry import Face, Plate
from webapp.gallery.stored import ZONE, stored
from webapp.words import say

MARKDOWN: Final = MarkdownIt("commonmark", {"html": False})  # what is not ours was escaped by the card
SHOWN: Final = (
    *("ventilation-assessed", "ventilation-low", "ventilation-high", "ventilation-indeterminate"),
    *("ventilation-outside", "ventilation-stale", "ventilation-insufficient", "ventilation-excluded"),
    *("ventilation-child", "ventilation-earlier"),
    *("troponin-assessed", "troponin-rule-in", "troponin-disagree", "troponin-censored", "troponin-none"),
    *("troponin-first", "troponin-first-planned", "troponin-first-unbacked"),
    *("troponin-planned", "troponin-deaf", "troponin-due", "troponin-old"),
)


def card(name: str, state: State) -> dict[str, Any] | None:
    """The card of a stored assessment at a site with a threshold of 20 %; None where it is silent."""
    return cards.card(
        stored(name),
        state=state,
        threshold=0.2,
        warn_at=0.4,
        link_url="https://ordertime.example/launch",
        zone=ZONE,
        uuid="5c9e1a52-53a7-4f5d-9d0c-1f6f0a7f3b11",
    )


def _plates() -> tuple[Plate, ...]:
    return tuple(_plate(name, state) for name in SHOWN for state in State)


def _plate(name: str, state: State) -> Plate:
    title = f"{name}, {say('en', f'states.{state.value}.short')}"
    return Plate(f"{name}-{state.value}", title, lambda: _drawn(title, card(name, state)))


def _drawn(title: str, made: dict[str, Any] | None) -> str:
    detail = MARKDOWN.render(made["detail"]) if made is not None else ""
    return render_template("gallery/card.html", title=title, card=made, detail=Markup(detail), language="en")  # noqa: S704  # nosec B704


FACE: Final = Face("card", "The card", _plates)
