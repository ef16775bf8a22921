"""Charts in one line, for the tests of the medicine: rows by variable, value and hours ago."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from itertools import count

from inference.chart import Chart, Event, Measurement, Person, Record, Source

AS_OF = datetime(
    2026, 3, 1, 17, 45, tzinfo=timezone(timedelta(hours=5, minutes=45))
)  # noon UTC, seen in Kathmandu
ADULT = Person(age_years=64.0, sex="male")
_numbers = count(1)


def before(hours: float) -> datetime:
    """The moment so many hours before AS_OF."""
    return AS_OF - timedelta(hours=hours)


def row(
    variable: str,
    value: float,
    hours: float = 0.5,
    *,
    bound: str = "",
    limit: float | None = None,
    assay: str = "",
    preliminary: bool = False,
    known: float | None = None,
) -> Measurement:
    """A measurement `hours` before AS_OF, first seen `known` hours before it (else at once)."""
    source = Source(f"Observation/{next(_numbers)}", "1", "http://example.org|x", f"{bound}{value:g}", "")
    seen = before(hours if known is None else known)
    return Measurement(variable, value, before(hours), seen, source, bound, limit, assay, preliminary)


def event(kind: str, start: float, end: float | None = None) -> Event:
    """An event from `start` hours ago to `end` hours ago."""
    source = Source(f"Procedure/{next(_numbers)}", "1", "http://example.org|x", "", "")
    return Event(kind, before(start), None if end is None else before(end), source)


def chart(*rows: Measurement, person: Person = ADULT, events: tuple[Event, ...] = ()) -> Chart:
    """What could be known of these rows and events at AS_OF."""
    return Record("p", person, rows, events).at(AS_OF)


def vitals(**values: float) -> tuple[Measurement, ...]:
    """One set of observations half an hour ago; ordinary where not said otherwise."""
    ordinary = {"rr": 16, "spo2": 97, "fio2": 21, "sbp": 125, "hr": 75, "gcs": 15, "temp": 37.0}
    return tuple(row(name, value) for name, value in {**ordinary, **values}.items())
