"""When the next troponin is due: by the rule of the assay that measured the last one, to the minute.

The ESC 0/1 h and 0/2 h algorithms ask for a second draw 60 or 120 minutes after the first; a conventional
assay is drawn again after 3 to 6 h. Says nothing (None) where the rule has its pair already, has settled the
matter on one draw, was missed, or where no rule stands for the assay: a minute nobody wrote down is not guessed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from inference.assessment import Assessment, RuleResult
from inference.troponin import CONVENTIONAL, EPISODE_GAP

SETTLED: Final = frozenset({"rule-in", "rule-out"})
CONVENTIONAL_RULE: Final = "conventional-3-6h"
CONVENTIONAL_HOURS: Final = (3.0, 6.0)
CONVENTIONAL_SOURCE: Final = (
    "2021 AHA/ACC guideline for the evaluation and diagnosis of chest pain (repeat draws)"
)


@dataclass(frozen=True, slots=True)
class Redraw:
    """The draw that is due: when, by which rule, how long after the draw at `last`, of which variable.

    `at` is never before the assessment's moment: within the rule's window a draw that is due is due now.
    """

    rule: str
    at: datetime
    last: datetime
    minutes: int
    variable: str


def due(found: Assessment) -> Redraw | None:
    """The soonest draw that a rule still asks for; None where none does."""
    if not found.draws:
        return None
    last = found.draws[-1].measurement
    if last.variable in CONVENTIONAL:
        return _conventional(found)
    esc = [rule for rule in found.rules if rule.rule.startswith("esc-")]
    if any(rule.verdict in SETTLED for rule in esc):
        return None
    asked = [(minutes, rule.rule) for rule in esc if (minutes := _asks_for(rule)) is not None]
    if not asked:
        return None
    minutes, rule = min(asked)
    at = max(last.time + timedelta(minutes=minutes), found.as_of)
    return Redraw(rule, at, last.time, minutes, last.variable)


def _asks_for(rule: RuleResult) -> int | None:
    """Minutes from the first draw to the second that this rule waits for."""
    for step in rule.steps:
        if step.phrase.code == "esc-second-draw-due" and step.holds is None:
            return int(step.phrase.values["target"])
    return None


def _conventional(found: Assessment) -> Redraw | None:
    """A second draw, where the episode has one draw only and the time for the next is not over."""
    last = found.draws[-1].measurement
    others = [d for d in found.draws[:-1] if d.comparable and last.time - d.measurement.time <= EPISODE_GAP]
    soonest, latest = (timedelta(hours=hours) for hours in CONVENTIONAL_HOURS)
    if others or found.as_of > last.time + latest:
        return None
    at = max(last.time + soonest, found.as_of)
    return Redraw(CONVENTIONAL_RULE, at, last.time, round(soonest / timedelta(minutes=1)), last.variable)
