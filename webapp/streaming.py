"""A page sent in two pieces: all up to its main part at once, the rest when it is there.

The first piece is on its way while the models are asked, so that a browser can fetch the style sheet and show whose
page it is. Later pieces are sent whole: a page is not dribbled.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from typing import Final, cast

from flask import Response

MARK: Final = '<main id="main">'  # of templates/base.html: what comes before it depends on no answer


def answer(page: Iterator[str]) -> Response:
    """The response that sends `page` so; a reader who goes away ends it."""
    made = Response(pieces(page))
    made.call_on_close(cast(Generator[str], page).close)
    return made


def pieces(page: Iterable[str]) -> Iterator[str]:
    """The parts of `page` as two: up to and with MARK, and the rest."""
    held: list[str] = []
    for part in page:
        held.append(part)
        if MARK in part:
            yield "".join(held)
            held.clear()
    yield "".join(held)
