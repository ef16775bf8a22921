"""What would change a number: what the model says to charts with one value otherwise, never what would help.

Each line is the model's own answer to another chart. Refuses to speak of treatment, of cause, or of a number the
model does not stand behind.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo

from inference.assessment import Assessment, Supposed
from webapp import words
from webapp.words import say


@dataclass(frozen=True, slots=True)
class Would:
    """One line: the value otherwise, and the figure the model would show."""

    text: str
    figure: str


def would(found: Assessment, zone: tzinfo) -> tuple[Would, ...]:
    """The lines for `found`, strongest first, then what is not in the chart."""
    return tuple(_line(each, found, zone) for each in found.supposed)


def _line(each: Supposed, found: Assessment, zone: tzinfo) -> Would:
    label = words.inline(each.label)
    if each.back is not None:
        value, time = words.measured(each.back), words.clock(each.back.time, zone, found.as_of)
        return Would(say("en", "would.back", label=label, value=value, time=time), words.percent(each.low))
    ends = [words.amount(value, each.variable) for value in sorted((each.at_low or 0.0, each.at_high or 0.0))]
    text = say("en", "would.gap", label=label, first=ends[0], last=ends[-1])
    return Would(text, words.interval(each.low, each.high))
