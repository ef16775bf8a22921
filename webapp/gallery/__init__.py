"""The gallery: every state of every face from stored assessments, in one place, for whoever reviews the design.

Opened in demonstration mode alone. Reads no chart, asks no model, writes no ledger; its forms lead nowhere.
"""

from __future__ import annotations

from typing import Final

from flask import Blueprint, Flask, Response, g, make_response, render_template, request

from ehr.errors import NotFound
from webapp.gallery import cards, papers, results, small
from webapp.gallery.registry import Face

FACES: Final[tuple[Face, ...]] = (cards.FACE, results.FACE, papers.FACE, small.FACE)
WIDTHS: Final = ("400", "1280")

door = Blueprint("gallery", __name__)


def install(app: Flask) -> None:
    """Open the door."""
    app.register_blueprint(door)


@door.get("/gallery")
def wall() -> Response:
    """Every plate by face: its name, and with `?show=1` the page itself in a small frame."""
    g.frames = ("'self'",)
    hung = [(face, face.plates()) for face in FACES]
    chosen = request.args.get("face", "")
    page = render_template("gallery/wall.html", hung=hung, chosen=chosen, language="en")
    return make_response(page)


@door.get("/gallery/<face>/<name>")
def plate(face: str, name: str) -> Response:
    """One state of one face, as its reader would see it."""
    asked = next((each for each in FACES if each.name == face), None)
    found = next((each for each in asked.plates() if each.name == name), None) if asked is not None else None
    if found is None:
        raise NotFound("the gallery has no plate of that name")
    g.frame_ancestors = ("'self'",)
    return make_response(found.draw())
