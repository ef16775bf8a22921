"""From settled predictions to what charts read: weekly shares by patient-day, and calibration's cases.

A patient-day and what counts as caught or as a false alarm are those of the gate (`governance.figures`). A case
of calibration is a patient-day's first answer that stands: one patient asked about every hour is one case a day,
or the chart's run length would be counted in hours.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta, tzinfo
from typing import NamedTuple

from governance.charts.rates import Sample
from governance.figures import per_patient
from governance.outcomes import NO, YES, Labelled
from governance.patient_days import ASSESSED, Gathering


@dataclass(frozen=True, slots=True)
class Weekly:
    """Shares of whole weeks, Monday first: of positive patient-days, of negative ones, of all by care unit."""

    sensitivity: tuple[Sample, ...] = ()
    false_alarms: tuple[Sample, ...] = ()
    units: Mapping[str, tuple[Sample, ...]] = field(default_factory=dict)


class Case(NamedTuple):
    """One patient-day's first answer that stands, and whether the outcome followed it."""

    day: date
    risk: float
    happened: bool


class Weeks:
    """Weekly shares as rows stream by: of each row a few numbers are held, not the row."""

    def __init__(self, zone: tzinfo, threshold: float) -> None:
        self._threshold = threshold
        self._gathering, self._units = Gathering(zone), _Units(zone)

    def add(self, row: Labelled) -> None:
        """Take one settled prediction."""
        self._gathering.add(row)
        self._units.add(row)

    def found(self, *, until: date) -> Weekly:
        """The weeks that ended before `until`; an unfinished week is not compared with whole ones."""
        answers = self._gathering.answers()
        weeks = (answers.day - 1) // 7 * 7 + 1  # day 1 of the calendar was a Monday
        caught, false = [], []
        for week in self._units.weeks(until):
            said = answers.where(weeks == week.toordinal())
            counts, of = (each.sum(axis=0).astype(int) for each in per_patient(said.days(), self._threshold))
            caught.append(Sample(week, int(counts[0]), int(of[0])))
            false.append(Sample(week, int(counts[1]), int(of[1])))
        return Weekly(tuple(caught), tuple(false), self._units.shares(until))


def weekly(rows: Iterable[Labelled], zone: tzinfo, threshold: float, *, until: date) -> Weekly:
    """The weeks of these rows that ended before `until`."""
    weeks = Weeks(zone, threshold)
    for row in rows:
        weeks.add(row)
    return weeks.found(until=until)


class _Units:
    """Each unit's share of a week's patient-days; patients without a known unit are in none, and in the whole.

    Rows come oldest first: of a week that is over the counts are held, and no patient.
    """

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._counted: dict[date, Counter[str]] = {}  # of weeks that are over
        self._week = date.min
        self._found: dict[tuple[str, date], str] = {}  # of the week that goes on: the last unit of a patient-day

    def add(self, row: Labelled) -> None:
        day = row.as_of.astimezone(self._zone).date()
        week = day - timedelta(days=day.weekday())
        if week < self._week:
            raise ValueError("weeks are counted oldest first")
        if week > self._week:
            self._close()
            self._week, self._found = week, {}
        self._found[row.pseudonym, day] = row.care_unit

    def weeks(self, until: date) -> list[date]:
        self._close()
        return [week for week in sorted(self._counted) if week + timedelta(days=7) <= until]

    def shares(self, until: date) -> dict[str, tuple[Sample, ...]]:
        counted = {week: self._counted[week] for week in self.weeks(until)}
        units = sorted({unit for each in counted.values() for unit in each if unit})
        return {
            unit: tuple(Sample(week, each[unit], each.total()) for week, each in counted.items()) for unit in units
        }

    def _close(self) -> None:
        """Count the week as it is by now; until another begins its patients stay, as more of it may come."""
        if self._found:
            self._counted[self._week] = Counter(self._found.values())


class Cases:
    """Calibration's cases as rows stream by, oldest first, as they are read: three numbers each are held."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._day, self._seen = date.min, set[str]()  # who has a case on the day that goes on
        self._days, self._risks, self._happened = array("i"), array("d"), array("b")

    def add(self, row: Labelled) -> None:
        """Take a patient-day's first settled answer that stands."""
        risk, day = row.probability, row.as_of.astimezone(self._zone).date()
        if day < self._day:
            raise ValueError("cases are taken oldest first")
        if day > self._day:
            self._day, self._seen = day, set()
        if row.label not in (YES, NO) or row.status != ASSESSED or risk is None or row.pseudonym in self._seen:
            return
        if 0.0 < risk < 1.0:
            self._seen.add(row.pseudonym)
            self._days.append(day.toordinal())
            self._risks.append(risk)
            self._happened.append(row.label == YES)

    def found(self) -> tuple[Case, ...]:
        """The cases, in the order they came."""
        told = zip(self._days, self._risks, self._happened, strict=True)
        return tuple(Case(date.fromordinal(day), risk, bool(happened)) for day, risk, happened in told)


def cases(rows: Iterable[Labelled], zone: tzinfo) -> tuple[Case, ...]:
    """Calibration's cases; `rows` are oldest first, as they are read."""
    taken = Cases(zone)
    for row in rows:
        taken.add(row)
    return taken.found()
