"""The misses and false alarms most worth looking at, chosen as rows stream by.

A miss is a patient-day that the outcome followed and no alarm; told first is the one whose answer came least near
the threshold. A false alarm is a negative day with an alarm; told first is the highest. One answer a patient-day, so
that one patient cannot fill the list. Days on which the model stood behind no answer come last among the misses.
"""

from __future__ import annotations

from datetime import date, tzinfo
from typing import Final

from governance.outcomes import NO, YES, Labelled
from governance.patient_days import NEVER, reached

MOST: Final = 10
Day = tuple[str, date]


class Examples:
    """What was seen of each patient-day: its highest answer that was followed, and its highest at all."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._followed: dict[Day, Labelled] = {}
        self._highest: dict[Day, Labelled] = {}

    def add(self, row: Labelled) -> None:
        """Look at one settled prediction."""
        if row.label not in (YES, NO):
            return
        day = (row.pseudonym, row.as_of.astimezone(self._zone).date())
        for seen in (self._followed, self._highest) if row.label == YES else (self._highest,):
            before = seen.get(day)
            if before is None or reached(row) > reached(before):
                seen[day] = row

    def misses(self, threshold: float) -> tuple[Labelled, ...]:
        """At most MOST, least expected first."""
        missed = [row for row in self._followed.values() if reached(row) < threshold]
        unsure = [row for row in missed if reached(row) == NEVER]
        sure = [row for row in missed if reached(row) != NEVER]
        return tuple([*sorted(sure, key=_low), *sorted(unsure, key=_low)][:MOST])

    def false_alarms(self, threshold: float) -> tuple[Labelled, ...]:
        """At most MOST, most certain first."""
        wrong = [
            row
            for day, row in self._highest.items()
            if day not in self._followed and reached(row) >= threshold
        ]
        return tuple(sorted(wrong, key=lambda row: (-reached(row), row.as_of, row.id))[:MOST])


def _low(row: Labelled) -> tuple[float, object, str]:
    return (reached(row), row.as_of, row.id)
