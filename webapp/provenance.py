"""The way back of a number: the row it came from, as sent and as used, and what was read and not used.

Of the person only the kind of resource is named. Refuses to list without end: the result page shows the newest rows
of each variable, the page of all values lists more; how many are left out is said, and the ledger holds all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import tzinfo
from itertools import groupby
from typing import Final

from inference.assessment import Assessment
from inference.chart import Refusal
from inference.features import PERSONAL
from webapp import reasons, words
from webapp.origin import READ_FROM, Origin, origin
from webapp.words import say

__all__ = ["Origin", "Refused", "count", "origins", "refused"]

NEWEST: Final = 1  # rows of one variable that the result page lists
LISTED: Final = 150  # rows of one variable that the page of all values lists


@dataclass(frozen=True, slots=True)
class Refused:
    """One row that was read and not used."""

    resource: str
    why: str
    detail: str


def origins(found: Assessment, zone: tzinfo, listed: int = NEWEST) -> tuple[Origin, ...]:
    """The person first, then the newest `listed` rows of each variable, oldest first; older ones are counted."""
    return (*_of_person(found), *_of_chart(found, zone, listed))


def count(found: Assessment) -> int:
    """How many values the model was given."""
    return len(_of_person(found)) + len(found.inputs)


def refused(row: Refusal) -> Refused:
    """A refused row in words; a reason without words is shown by its code."""
    key = f"refusals.{row.reason}"
    why = say("en", key) if words.knows("en", key) else say("en", "refusals.other", code=row.reason)
    return Refused(row.resource, why, row.detail)


def _of_person(found: Assessment) -> tuple[Origin, ...]:
    """What the model was told of the person; no row of the chart stands behind it, only what it was read from."""
    told = {row.variable: row for row in (found.explanation.reasons if found.explanation is not None else ())}
    rows = [told[name] for name in PERSONAL if name in told and told[name].stated is not None]
    return tuple(
        Origin(row.label, reasons.stated(row), "", "", "", READ_FROM[row.variable], "") for row in rows
    )


def _of_chart(found: Assessment, zone: tzinfo, listed: int) -> Iterator[Origin]:
    for variable, rows in groupby(found.inputs, key=lambda row: row.variable):
        every = list(rows)
        older = len(every) - listed
        if older > 0:
            label = words.capital(words.label_of(variable))
            yield Origin(label, say("en", "page.older-rows", n=older), "", "", "", "", "")
        yield from (origin(row, zone, found.as_of) for row in every[-listed:])
