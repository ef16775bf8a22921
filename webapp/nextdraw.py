"""When the next troponin would tell most: the guideline's own minute, and beside it the model's answer by time.

Refuses to name a minute that no standing rule names; says then which of these it is: settled, missed, or no rule.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo

from inference.assessment import Ahead, Assessment
from inference.redraw import SETTLED, due
from webapp import words
from webapp.words import say


@dataclass(frozen=True, slots=True)
class AheadLine:
    """The model's answer for a draw at one time."""

    label: str
    share: str
    interval: str
    value: str
    between: str


@dataclass(frozen=True, slots=True)
class NextDraw:
    """The sentence of the rule, and the model's answers for other times of the draw."""

    sentence: str
    due: bool  # whether a rule names a minute: then it is said beside the answer as well
    lines: tuple[AheadLine, ...]


def next_draw(found: Assessment, zone: tzinfo, backed: bool) -> NextDraw | None:
    """When to draw next; the model's answers only where it stands behind its number. None without a draw."""
    if not found.draws:
        return None
    return NextDraw(
        _sentence(found, zone), due(found) is not None, tuple(map(_line, found.ahead)) if backed else ()
    )


def _sentence(found: Assessment, zone: tzinfo) -> str:
    draw = due(found)
    if draw is not None:
        rule, last = say("en", f"rules.{draw.rule}"), words.clock(draw.last, zone, found.as_of)
        key = "now" if draw.at <= found.as_of else "at"
        at = words.clock(draw.at, zone, found.as_of)
        return say("en", f"nextdraw.{key}", at=at, rule=rule, minutes=draw.minutes, last=last)
    esc = [rule for rule in found.rules if rule.rule.startswith("esc-")]
    settled = next((rule for rule in esc if rule.verdict in SETTLED), None)
    if settled is not None:
        return say("en", "nextdraw.settled", rule=say("en", f"rules.{settled.rule}"))
    return say("en", "nextdraw.none")


def _line(each: Ahead) -> AheadLine:
    value, low, high = (words.number(words.rough(v)) for v in (each.value, each.value_low, each.value_high))
    return AheadLine(
        say("en", "question.hours", hours=each.hours),
        words.percent(each.probability),
        words.interval(each.low, each.high),
        f"{value}{words.NBSP}ng/L",
        f"{low}–{high}{words.NBSP}ng/L",
    )
