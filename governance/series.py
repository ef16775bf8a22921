"""From settled predictions to what charts read: weekly shares by patient-day, and calibration's cases.

A patient-day and what counts as caught or as a false alarm are those of the gate (`governance.figures`). A case
of calibration is a patient-day's first answer that stands: one patient asked about every hour is one case a day,
or the chart's run length would be counted in hours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta, tzinfo

from governance.charts.rates import Sample
from governance.figures import ASSESSED, days_of, per_patient
from governance.outcomes import NO, YES, Labelled


@dataclass(frozen=True, slots=True)
class Weekly:
    """Shares of whole weeks, Monday first: of positive patient-days, of negative ones, of all by care unit."""

    sensitivity: tuple[Sample, ...] = ()
    false_alarms: tuple[Sample, ...] = ()
    units: Mapping[str, tuple[Sample, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Case:
    """One patient-day's first answer that stands, and whether the outcome followed it."""

    day: date
    risk: float
    happened: bool


def weekly(rows: Iterable[Labelled], zone: tzinfo, threshold: float, *, until: date) -> Weekly:
    """The weeks that ended before `until`; an unfinished week is not compared with whole ones."""
    weeks: dict[date, list[Labelled]] = {}
    for row in rows:
        day = row.as_of.astimezone(zone).date()
        weeks.setdefault(day - timedelta(days=day.weekday()), []).append(row)
    whole = {week: weeks[week] for week in sorted(weeks) if week + timedelta(days=7) <= until}
    caught, false = [], []
    for week, said in whole.items():
        counts, of = (each.sum(axis=0).astype(int) for each in per_patient(days_of(said, zone), threshold))
        caught.append(Sample(week, int(counts[0]), int(of[0])))
        false.append(Sample(week, int(counts[1]), int(of[1])))
    return Weekly(tuple(caught), tuple(false), _units(whole, zone))


class Cases:
    """Calibration's cases as rows stream by, oldest first, as they are read."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._found: dict[tuple[str, date], Case] = {}

    def add(self, row: Labelled) -> None:
        """Take a patient-day's first settled answer that stands."""
        risk, key = row.probability, (row.pseudonym, row.as_of.astimezone(self._zone).date())
        if row.label not in (YES, NO) or row.status != ASSESSED or risk is None or key in self._found:
            return
        if 0.0 < risk < 1.0:
            self._found[key] = Case(key[1], risk, row.label == YES)

    def found(self) -> tuple[Case, ...]:
        """The cases, in the order they came."""
        return tuple(self._found.values())


def cases(rows: Iterable[Labelled], zone: tzinfo) -> tuple[Case, ...]:
    """Calibration's cases; `rows` are oldest first, as they are read."""
    taken = Cases(zone)
    for row in rows:
        taken.add(row)
    return taken.found()


def _units(weeks: Mapping[date, list[Labelled]], zone: tzinfo) -> dict[str, tuple[Sample, ...]]:
    """Each unit's share of the week's patient-days; patients without a known unit are in none, and in the whole."""
    days = {
        week: {(row.pseudonym, row.as_of.astimezone(zone).date()): row.care_unit for row in said}
        for week, said in weeks.items()
    }
    units = sorted({unit for each in days.values() for unit in each.values() if unit})
    return {
        unit: tuple(Sample(week, list(each.values()).count(unit), len(each)) for week, each in days.items())
        for unit in units
    }
