"""The gallery's small pages: every fault a person can meet, and the pages on the way in."""

from __future__ import annotations

from typing import Final

from flask import render_template

from webapp import words
from webapp.gallery.registry import Face, Plate
from webapp.words import say


def _plates() -> tuple[Plate, ...]:
    told = (key.split(".") for key in words.catalogue("en") if key.startswith("error."))
    keys = sorted({key for _, key, part in told if part == "title"})  # the others are told to programs alone
    return (*(_fault(key) for key in keys), _waiting())


def _fault(key: str) -> Plate:
    title, text, remedy = (say("en", f"error.{key}.{part}") for part in ("title", "text", "remedy"))
    told = {"title": title, "text": text, "remedy": remedy, "detail": "", "reference": "3f9c0a1b72de"}
    return Plate(key, title, lambda: render_template("error.html", language="en", **told))


def _waiting() -> Plate:
    told = {part: say("en", f"small.waiting-{part}") for part in ("title", "text", "link")}
    again: Final = {"next_url": "#main", "seconds": 86400}
    return Plate(
        "waiting", told["title"], lambda: render_template("waiting.html", language="en", **told, **again)
    )


FACE: Final = Face("small", "Small pages and faults", _plates)
