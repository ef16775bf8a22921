"""Which words a patient's page is told in: chosen by what the assessment says and by what the model may do here.

A number has a sentence for where its whole interval lies; where there is none, the reason chooses the words. A
guideline's rule is told by its pattern alone, never by its verdict: the page is no diagnosis. Refuses to speak of a
rule that was not applied, and of steps and computer disagreeing where there is no number to disagree with.
"""

from __future__ import annotations

from itertools import count, takewhile
from typing import Final

from inference.assessment import Assessment, State, Status
from webapp import words
from webapp.words import say

NO_NUMBER: Final = frozenset({State.SILENT, State.SUSPENDED})
READ: Final = frozenset({Status.ASSESSED.value, Status.INDETERMINATE.value, Status.INSUFFICIENT.value})
USED: Final = frozenset({Status.ASSESSED.value, Status.INDETERMINATE.value})
TOLD: Final = frozenset({"rising", "falling", "flat-high", "flat-normal"})  # patterns a patient is told


def kind_of(found: Assessment, state: State) -> str:
    """Which page this is: "silent", "suspended", or the assessment's status."""
    if state in NO_NUMBER:
        return state.value
    if found.status is Status.ASSESSED and found.headline is None:
        return Status.INSUFFICIENT.value
    return found.status.value


def table_of(found: Assessment) -> str:
    """The table of words for this model's page; where nothing was ever drawn, nobody speaks of a next test."""
    return f"handout.{found.model}{'-first' if found.before_first and not found.draws else ''}"


def steps_of(found: Assessment, kind: str) -> str:
    """The stem of what happens next, what to ask and when to call."""
    return "handout.excluded-" if kind == Status.EXCLUDED.value else f"{table_of(found)}."


def instead(found: Assessment, kind: str, language: str) -> str:
    """What is said where there is no number: the reason's own words where there are any."""
    special = f"handout.{kind}-{found.reason.code}" if found.reason is not None else ""
    known = bool(special) and words.knows(language, special)
    return say(language, special if known else f"handout.{kind}-text")


def numbered(language: str, stem: str) -> tuple[str, ...]:
    """The sentences under `stem`-1, `stem`-2, ... as far as they go."""
    keys = takewhile(lambda key: words.knows(language, key), (f"{stem}-{n}" for n in count(1)))
    return tuple(say(language, key) for key in keys)


def gist(low: float, high: float) -> str:
    """Where the whole interval lies: "few" below one half, "many" above it, else "either"."""
    if high < 0.5:
        return "few"
    return "many" if low > 0.5 else "either"


def rule(found: Assessment, kind: str, language: str) -> str:
    """What the guideline's steps show of the patient's own values; "" where no rule was applied to them."""
    applied = [each for each in found.rules if each.verdict != "not-applied" and each.pattern in TOLD]
    if not applied:
        return ""
    said = say(language, f"handout.rule-{applied[0].pattern}")
    if kind == Status.ASSESSED.value and found.agreement == "disagree":
        return f"{said} {say(language, 'handout.rule-disagree')}"
    return said


def computer(kind: str, language: str) -> tuple[str, str]:
    """Heading and sentence about the computer: it read the chart for an answer, or it did not."""
    none = "" if kind in USED else "-none"
    return say(language, f"handout.heading-computer{none}"), say(language, f"handout.computer{none}")
