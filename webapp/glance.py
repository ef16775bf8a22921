"""The answer at a glance: why, what is missing, how far the models agree and what stands beside, a line each.

For a physician with ninety seconds: whatever is told at length below has its one line here, with the way to it.
Refuses a line of a prediction that is not shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import tzinfo
from typing import Final

from inference.assessment import Assessment, Score
from webapp import bedside, reasons, words
from webapp.words import say

NAMED: Final = 3  # pushes each way
DRAWS: Final = 3


@dataclass(frozen=True, slots=True)
class GlanceLine:
    """One line: a term, what is to be said of it, the part of the page that says more, and its mark."""

    term: str
    text: str
    more: str  # "why", "scores", "rule", ...: the place's name, "" for none
    kind: str = ""


def lines(found: Assessment, zone: tzinfo, *, visible: bool, backed: bool) -> tuple[GlanceLine, ...]:
    """The lines for `found`. `visible`: the site shows predictions; `backed`: this one is stood behind."""
    why = _why(found) if backed else ()
    missing = _missing(found) if visible else ()
    return (*_draws(found, zone), *why, *missing, *(_members(found) if backed else ()), *_beside(found))


def _draws(found: Assessment, zone: tzinfo) -> Iterator[GlanceLine]:
    """The last draws that compare with one another, the newest last."""
    rows = [draw.measurement for draw in found.draws if draw.comparable][-DRAWS:]
    if rows:
        told = [
            f"{words.measured(row)}{words.NBSP}({words.clock(row.time, zone, found.as_of)})" for row in rows
        ]
        yield GlanceLine(say("en", "glance.draws"), ", ".join(told), "draws", "draws")


def _why(found: Assessment) -> Iterator[GlanceLine]:
    every = found.explanation.reasons if found.explanation is not None else ()
    for key, upward in (("up", True), ("down", False)):
        told = [reasons.brief(reason) for reason in reasons.named(every, upward, NAMED)]
        if told:
            kind = "raises" if upward else "lowers"
            yield GlanceLine(say("en", f"glance.{key}"), words.listed(told), "why", kind)


def _missing(found: Assessment) -> Iterator[GlanceLine]:
    if found.missing:
        text = words.capital(words.listed([words.short(name) for name in found.missing]))
        yield GlanceLine(say("en", "glance.missing"), text, "values", "missing")
    elif found.predictions:
        yield GlanceLine(say("en", "glance.missing"), say("en", "glance.nothing-missing"), "values")


def _members(found: Assessment) -> Iterator[GlanceLine]:
    """How far the ensemble agrees."""
    members = found.headline.members if found.headline is not None else ()
    if len(members) > 1:
        low, high = words.percent(min(members)), words.percent(max(members))
        text = say("en", "glance.range", n=len(members), low=low, high=high)
        yield GlanceLine(say("en", "glance.members"), text, "members")


def _beside(found: Assessment) -> Iterator[GlanceLine]:
    if found.rules and all(rule.verdict == "not-applied" for rule in found.rules):
        yield GlanceLine(say("en", "glance.rule"), say("en", "glance.not-applied"), "rules", "verdict")
    for score in found.scores:
        yield GlanceLine(say("en", f"scores.{score.name}"), _score(score), "scores", score.band)


def _score(score: Score) -> str:
    value, band = bedside.score_value(score), say("en", f"scores.band-{score.band or 'none'}")
    plain = score.value is not None and not band
    return ", ".join(each for each in (value, say("en", "glance.not-interpreted") if plain else band) if each)
