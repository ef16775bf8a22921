"""The chart: what may be known about one patient at one moment.

`Record` is everything that was read of a patient; `Record.at(moment)` is the Chart a clinician could have
seen then: nothing that happened, or was reported, after that moment is in it. Values are in the vocabulary's
units. A chart never guesses: what was read and not used stands in `refused`, with the reason.

Refuses naive datetimes (ChartError). Does not know FHIR.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import NamedTuple

from inference.errors import ChartError

TRANSFER = timedelta(hours=2)
NO_MEASUREMENTS: Mapping[str, tuple[Measurement, ...]] = MappingProxyType({})


class Source(NamedTuple):
    """Where a value came from, as the hospital sent it: enough to find the row again."""

    resource: str  # "Observation/123"; a component keeps its parent's id
    version: str  # meta.versionId, else meta.lastUpdated, else ""
    code: str  # "http://loinc.org|9279-1"
    value_sent: str  # "<5", "0.4"
    unit_sent: str  # "ng/L", "{fraction}"


class Measurement(NamedTuple):
    """One value of one variable at one moment, in the vocabulary's unit.

    `bound` is "<" or ">" for a censored result ("<5" is value 5, bound "<": below 5, not 5), else "".
    `known` is when it could first be seen (FHIR `issued`), never before `time`.
    `reference_high` is the upper reference limit the laboratory sent with it, in the same unit.
    `assay` names the platform where the row or the site says so ("elecsys-hs-ctnt"), else "".
    """

    variable: str
    value: float
    time: datetime
    known: datetime
    source: Source
    bound: str = ""
    reference_high: float | None = None
    assay: str = ""
    preliminary: bool = False


class Refusal(NamedTuple):
    """Something read and not used: which row, and why, in one of the reader's reason codes."""

    resource: str
    reason: str
    detail: str


class Event(NamedTuple):
    """Something that began (and perhaps ended).

    `kind` is "ventilation", "niv", "high-flow", "admission", "icu", or "symptom-onset": when chest pain
    began, where somebody wrote it down.
    """

    kind: str
    start: datetime
    end: datetime | None
    source: Source


@dataclass(frozen=True, slots=True)
class Person:
    """Who the patient is, as far as medicine needs it. `sex` is "female", "male" or "unknown".

    `conditions` are what rules and scores ask for: "coronary-disease", "kidney-disease", "copd", and, where
    the chart confirms them, "hypercapnic-failure" (SpO2 target 88-92 %) and "pregnancy". `care_unit` is the
    kind of unit the patient lies in: "coronary", "cardiac surgery", "medical", "surgical", or "" for any other.
    """

    birth_date: datetime | None = None
    age_years: float | None = None
    sex: str = "unknown"
    language: str = ""
    conditions: frozenset[str] = frozenset()
    care_unit: str = ""

    def age_at(self, moment: datetime) -> float | None:
        """Age in years at `moment`; the stated age where no birth date is known."""
        if self.birth_date is None:
            return self.age_years
        return (moment - self.birth_date) / timedelta(days=365.2425)


@dataclass(frozen=True, slots=True)
class Chart:
    """What could be known at `as_of`. Each variable's measurements are in order of time, oldest first."""

    as_of: datetime
    person: Person
    measurements: Mapping[str, tuple[Measurement, ...]] = field(default_factory=lambda: NO_MEASUREMENTS)
    events: tuple[Event, ...] = ()
    refused: tuple[Refusal, ...] = ()
    truncated: bool = False  # the hospital had more than was read: said aloud wherever the chart is shown

    def latest(self, variable: str, within: timedelta | None = None) -> Measurement | None:
        """The newest measurement of `variable`, if it is no older than `within`."""
        rows = self.measurements.get(variable, ())
        if not rows or (within is not None and self.as_of - rows[-1].time > within):
            return None
        return rows[-1]

    def since(self, variable: str, within: timedelta) -> tuple[Measurement, ...]:
        """Measurements of `variable` no older than `within`, oldest first."""
        start = self.as_of - within
        return tuple(row for row in self.measurements.get(variable, ()) if row.time >= start)

    def hours_ago(self, moment: datetime) -> float:
        """Hours from `moment` to `as_of`."""
        return (self.as_of - moment) / timedelta(hours=1)

    @property
    def age_years(self) -> float | None:
        """The patient's age in years at `as_of`."""
        return self.person.age_at(self.as_of)

    @property
    def admitted(self) -> datetime | None:
        """Start of the present stay: the latest admission not after `as_of`."""
        starts = [event.start for event in self.events if event.kind == "admission"]
        return max(starts, default=None)

    @property
    def unit_since(self) -> datetime | None:
        """Since when the patient has been in intensive care without leaving it; None outside it.

        A move from one unit or bed to the next, within TRANSFER of leaving the last, is not leaving it.
        """
        spells = [event for event in self.events if event.kind == "icu"]
        since = max((e.start for e in spells if e.end is None), default=None)
        if since is None:
            return None
        for event in sorted(spells, key=lambda e: e.start, reverse=True):
            if event.start < since and (event.end is None or event.end >= since - TRANSFER):
                since = event.start
        return since

    def begun(self, kind: str) -> Event | None:
        """The first event of `kind` in the present stay; None if none has begun by `as_of`.

        The present stay starts at `admitted`; an event that ended before it is history, not state.
        """
        start = self.admitted
        for event in self.events:
            if event.kind == kind and (start is None or event.end is None or event.end >= start):
                return event
        return None


@dataclass(frozen=True, slots=True)
class Record:
    """Everything read of one patient, at any time, in no particular order."""

    patient: str
    person: Person
    measurements: tuple[Measurement, ...] = ()
    events: tuple[Event, ...] = ()
    refused: tuple[Refusal, ...] = ()
    truncated: bool = False
    _sorted: Mapping[str, tuple[Measurement, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_sorted", _by_variable(self.measurements))

    def at(self, moment: datetime) -> Chart:
        """The chart as it could be seen at `moment`: rows with time and known <= moment.

        Raises ChartError for a naive moment.
        """
        if moment.tzinfo is None:
            raise ChartError("a chart needs a moment with a time zone")
        as_of = moment.astimezone(UTC)
        rows = {name: _until(series, as_of) for name, series in self._sorted.items()}
        return Chart(
            as_of=as_of,
            person=self.person,
            measurements=MappingProxyType({name: series for name, series in rows.items() if series}),
            events=_events_until(self.events, as_of),
            refused=self.refused,
            truncated=self.truncated,
        )


def _events_until(events: Iterable[Event], as_of: datetime) -> tuple[Event, ...]:
    """Events begun by `as_of`, oldest first; an end that had not come by then was not known then."""
    begun = sorted((event for event in events if event.start <= as_of), key=lambda event: event.start)
    return tuple(e if e.end is None or e.end <= as_of else e._replace(end=None) for e in begun)


def _by_variable(measurements: Iterable[Measurement]) -> Mapping[str, tuple[Measurement, ...]]:
    groups: dict[str, list[Measurement]] = {}
    for row in measurements:
        groups.setdefault(row.variable, []).append(row)
    return {name: tuple(sorted(rows, key=_order)) for name, rows in groups.items()}


def _order(row: Measurement) -> tuple[datetime, datetime, str]:
    return (row.time, row.known, row.source.resource)


def _until(rows: tuple[Measurement, ...], as_of: datetime) -> tuple[Measurement, ...]:
    return tuple(row for row in rows if row.time <= as_of and row.known <= as_of)
