"""The door for readers of the patient's page: how clear was it, one to five, by the code on the page. No login.

Opened by patients, on their own phones: it knows nobody, sets no cookie, asks for no name and takes no text. Looking
uses nothing up; a code is used once. Whether a code was wrong or used is not told apart. Refuses by address whoever
asks too often.
"""

from __future__ import annotations

import math
from typing import Final

from flask import Blueprint, Flask, Response, make_response, render_template, request

from webapp import limits, opinions, slips, words
from webapp.errors import TooManyRequests
from webapp.rooms import here

door = Blueprint("clear", __name__)
SCORES: Final = {str(score): score for score in (1, 2, 3, 4, 5)}


def install(app: Flask) -> None:
    """Open the door."""
    app.register_blueprint(door)
    app.register_error_handler(TooSoon, _too_soon)


class TooSoon(TooManyRequests):
    """A reader's phone asked too often: told in the reader's language."""


@door.get("/c")
@door.get("/c/<code>")
def asked(code: str = "") -> Response:
    """The form, in the language of the page the code is on."""
    _counted()
    meant = slips.read(code)
    page = slips.waiting(here(), meant)
    if code and page is None:
        return _page(_language(""), "unknown", 404)
    return _page(_language(page.language if page else ""), "", 200, meant)


@door.post("/c")
def said() -> Response:
    """Keep what a reader said."""
    _counted()
    rooms, language = here(), _language(request.form.get("language", ""))
    code, score = slips.read(request.form.get("code", "")), request.form.get("score", "")
    if score not in SCORES:
        return _page(language, "choose", 400, code)
    page = slips.taken(rooms, code)
    if page is None:
        return _page(language, "unknown", 404, code)
    rooms.clarity.keep(page, SCORES[score])
    return _page(_language(page.language), "thanks", 200)


def _counted() -> None:
    try:
        limits.within(here(), "clarity", limits.address())
    except TooManyRequests as error:
        raise TooSoon("too often", error.retry_after) from None


def _too_soon(error: TooSoon) -> Response:
    answer = _page(_language(request.form.get("language", "")), "wait", 429)
    answer.headers["Retry-After"] = str(max(1, math.ceil(error.retry_after)))
    return answer


def _language(known: str) -> str:
    """The language of the page, the one that was chosen, or the phone's own: the first there are words for."""
    for tag in (request.args.get("language", ""), known):
        if tag in words.LANGUAGES:
            return tag
    return request.accept_languages.best_match(words.LANGUAGES) or "en"


def _page(language: str, said: str, status: int, code: str = "") -> Response:
    view = opinions.view(language, said, code)
    answer = make_response(render_template("clear.html", view=view), status)
    answer.headers["Vary"] = "Accept-Language"
    return answer
