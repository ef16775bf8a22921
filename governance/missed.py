"""Which groups the weekly audits call missed: an alarm whose false-alarm rate a year is by design.

A group is called missed where its sensitivity is below four fifths of the best group's, and where so few of it would
be caught with a chance below a level if it were caught as often as the others of its trait (Fisher's exact test, one
sided, a patient a trial). The level shares YEARLY false alarms a year among the year's weeks and the groups that were
looked at (Bonferroni): however audits overlap and groups resemble each other, false alarms of one outcome come at
most that often. Between two looks nothing is pooled; a cell that is suppressed is not looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, exp, floor, lgamma
from typing import Any, Final

from governance.equity import FOUR_FIFTHS

YEARLY: Final = 0.05  # false alarms a year, of all groups of one version's outcome together, at most
WEEKS: Final = 52
YEAR: Final = 365.25  # days
Cell = Mapping[str, Any]  # as an audit keeps it


def missed(cells: Sequence[Cell]) -> Mapping[str, float]:
    """The groups that one audit calls missed, by "trait: value", each with its ratio to the best group."""
    looked = _looked_at(cells)
    level = YEARLY / WEEKS / max(1, len(looked))
    return {
        subject(cell): cell["four_fifths"]
        for cell in looked
        if cell["four_fifths"] < FOUR_FIFTHS and _chance(cell, cells) < level
    }


def run_length(cells: Sequence[Cell]) -> float:
    """Days between false alarms of one group, at least."""
    return YEAR / YEARLY * max(1, len(_looked_at(cells)))


def subject(cell: Cell) -> str:
    """How a group is called in an alarm."""
    return f"{cell['trait']}: {cell['value']}"[:60]


def _looked_at(cells: Sequence[Cell]) -> list[Cell]:
    return [cell for cell in cells if cell["four_fifths"] is not None and cell["missed"] is not None]


def _chance(cell: Cell, cells: Sequence[Cell]) -> float:
    """The chance that so few of the group's patients are caught, were all groups of its trait caught alike."""
    others = [each for each in _looked_at(cells) if each["trait"] == cell["trait"] and each is not cell]
    here, there = _caught(cell), sum(_caught(each) for each in others)
    size = cell["missed"]["patients"]
    return lower_tail(ceil(here), size, floor(there), sum(each["missed"]["patients"] for each in others))


def _caught(cell: Cell) -> float:
    """Patients caught: a share of days, over patients."""
    rate = cell["missed"]
    return round((1.0 - float(rate["value"])) * int(rate["patients"]), 6)


def lower_tail(caught: int, size: int, others: int, rest: int) -> float:
    """P(at most `caught` of `size`) where `caught` + `others` of `size` + `rest` fell at random (hypergeometric)."""
    whole = caught + others
    least = max(0, whole - rest)
    every = _choose(size + rest, whole)
    return sum(exp(_choose(size, k) + _choose(rest, whole - k) - every) for k in range(least, caught + 1))


def _choose(of: int, many: int) -> float:
    return lgamma(of + 1) - lgamma(many + 1) - lgamma(of - many + 1)
