"""Which question an answer is for: after a troponin or before the first, for any draw or for a planned one.

A planned draw is told by its distance and by the clock, so that a page read later still says when. Sentences
that depend on the question are kept under a stem and the same stem with "-ahead", "-first", "-first-ahead".
Refuses to say of an answer that it is for a draw that the model did not take into account.
"""

from __future__ import annotations

from datetime import timedelta, tzinfo
from typing import Any, Final

from inference.assessment import BEFORE_FIRST, DRAW_NOT_USED, TROPONIN, Assessment
from webapp import words
from webapp.words import say

CAUTIONS: Final = (BEFORE_FIRST, "assay-not-yet-known", DRAW_NOT_USED)  # that are about the question
WITHIN: Final = 24  # hours that an answer is for where no draw is stated
OFFERED: Final = (1.0, 2.0, 3.0, 6.0, 12.0)  # hours ahead that a page offers to ask about


def suffix(found: Assessment) -> str:
    """What to add to a stem of the words: "", "-ahead", "-first" or "-first-ahead"."""
    first = "-first" if found.before_first else ""
    return f"{first}-ahead" if found.draw_in is not None else first


def fields(found: Assessment, zone: tzinfo, language: str = "en") -> dict[str, Any]:
    """What the sentences of a planned draw are filled with: `ahead` in hours, `at` by the clock."""
    if found.draw_in is None:
        return {}
    at = words.clock(found.as_of + timedelta(hours=found.draw_in), zone, found.as_of, language)
    return {"ahead": float(found.draw_in), "at": at}


def answered(found: Assessment, zone: tzinfo) -> str:
    """The question in a sentence; "" for a model that has only one, and where there is no number."""
    if found.model != TROPONIN or not found.predictions:
        return ""
    hours = max((p.hours for p in found.predictions), default=WITHIN)
    return say("en", f"question.any{suffix(found)}", hours=hours, **fields(found, zone))


def choices(found: Assessment) -> tuple[tuple[str, str, bool], ...]:
    """What can be asked instead: value, label and whether it is the present question. The first is "not stated"."""
    now = found.draw_in
    hours = sorted({*OFFERED, *(() if now is None else (float(now),))})
    stated = [(f"{each:g}", say("en", "question.hours", hours=each), each == now) for each in hours]
    return (("", say("en", "question.not-stated"), now is None), *stated)
