"""Which gate speaks for which unit of a site, in words: whose gate, the state there, and the way back where it is shut.

A face: what the doors go by goes in, sentences come out. Where no gate could end a suspension, the lines of one that
could come with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any

from governance.gate import APPROVERS
from governance.speaker import NONE, SITE, Speaker
from inference.assessment import State
from webapp import words
from webapp.words import say


@dataclass(frozen=True, slots=True)
class Line:
    """One unit, or everywhere else: its gate, the state there, and why."""

    whose: str
    code: str
    state: str
    why: str


@dataclass(frozen=True, slots=True)
class SpeakerView:
    """One model."""

    model: str
    lines: tuple[Line, ...]
    label: str  # of what follows
    new: str  # the lines of a gate that is missing; "" where none is


def view(
    site: str, model: str, asked: State, units: Sequence[tuple[str, Speaker, State]], new: str, zone: tzinfo
) -> SpeakerView:
    """A model's units with a gate of their own, and "" for everywhere else. `new`: a gate to copy where none is."""
    alone = all(speaks.whose == NONE for _, speaks, _ in units)
    name = say("en", f"models.{model}.name")
    lines = tuple(
        Line(
            _whose(unit, speaks, single=len(units) == 1),
            state.value,
            say("en", f"states.{state.value}.short"),
            _why(site, asked, speaks, zone, alone=alone),
        )
        for unit, speaks, state in sorted(units, key=lambda each: (each[0] == "", each[0]))
    )
    missing = new if alone and any(speaks.stands for _, speaks, _ in units) else ""
    return SpeakerView(name, lines, say("en", "speaker.lines", model=name), missing)


def _whose(unit: str, speaks: Speaker, *, single: bool) -> str:
    kind = "site-all" if speaks.whose == SITE and single else speaks.whose
    where = unit or say("en", "speaker.everywhere" if single else "speaker.elsewhere")
    return say("en", f"speaker.{kind}", unit=words.capital(where))


def _why(site: str, asked: State, speaks: Speaker, zone: tzinfo, *, alone: bool) -> str:
    """What a decision to suspend does here; "" where there is none, or it is over behind a gate of this unit."""
    made = speaks.ordered
    if made is None:
        return ""
    told: dict[str, Any] = {"at": words.moment(made.at, zone), "line": made.line, "site": site, "needed": APPROVERS}
    if speaks.ended_by is not None:
        ended: datetime = speaks.ended_by.at
        return say("en", "speaker.ended", gate=speaks.ended_by.gate_name, ended=words.moment(ended, zone), **told)
    if not speaks.stands:
        return ""
    if speaks.whose != NONE:
        return say("en", "speaker.stands", **told)
    if alone:
        return say("en", "speaker.stands-alone", **told)
    return say("en", "speaker.stands-shown" if asked is State.DEMONSTRATION else "speaker.stands-none", **told)
