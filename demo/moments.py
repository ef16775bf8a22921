"""FHIR dates as spans of time: "2026-11" is a month, and a search prefix compares spans (R4 search, date).

Refuses text that is no FHIR date (ValueError). Times without an offset are read as UTC.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

PREFIXES: Final = ("eq", "ne", "lt", "gt", "ge", "le", "sa", "eb", "ap")
SHAPE: Final = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(\.\d+)?)?(Z|[+ -]\d\d:\d\d)?)?)?)?"
)
BEGINNING: Final = datetime.min.replace(tzinfo=UTC)
END: Final = datetime.max.replace(tzinfo=UTC)


class Span(NamedTuple):
    """A stretch of time, `start` inside and `end` outside."""

    start: datetime
    end: datetime


def span(text: str) -> Span:
    """The stretch of time a FHIR date, dateTime or instant stands for."""
    match = SHAPE.fullmatch(text)
    if match is None:
        raise ValueError(f"'{text}' is not a FHIR date")
    try:
        return _span(match)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"'{text}' is not a FHIR date: {error}") from error


def _span(match: re.Match[str]) -> Span:
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    zone = _zone(offset)
    clock = timedelta(hours=int(hour or 0), minutes=int(minute or 0), seconds=float(second or 0))
    if int(hour or 0) > 23 or int(minute or 0) > 59 or int(second or 0) > 59:
        raise ValueError("no such time of day")
    clock += timedelta(microseconds=int(float(fraction or 0) * 1_000_000))
    start = datetime(int(year), int(month or 1), int(day or 1), tzinfo=UTC) + clock - zone
    if month is None:
        return Span(start, start.replace(year=start.year + 1) if start.year < 9999 else END)
    if day is None:
        return Span(start, (start + timedelta(days=32)).replace(day=1))
    return Span(start, start + _width(hour, second, fraction))


def _zone(offset: str | None) -> timedelta:
    if offset in (None, "Z"):
        return timedelta()
    hours, minutes = int(offset[1:3]), int(offset[4:6])
    if hours > 14 or minutes > 59:
        raise ValueError(f"'{offset}' is not an offset from UTC")
    width = timedelta(hours=hours, minutes=minutes)
    return -width if offset[0] == "-" else width  # an unescaped '+' in a query arrives as a space


def _width(hour: str | None, second: str | None, fraction: str | None) -> timedelta:
    if hour is None:
        return timedelta(days=1)
    if second is None:
        return timedelta(minutes=1)
    return timedelta(milliseconds=1) if fraction else timedelta(seconds=1)


def spans_of(value: Any) -> list[Span]:
    """The spans of an element: a date in text, a Period (open ends reach for ever), a Timing's events."""
    if isinstance(value, str):
        try:
            return [span(value)]
        except ValueError:
            return []
    if not isinstance(value, dict):
        return []
    if "event" in value:
        return [found for event in value["event"] for found in spans_of(event)]
    starts, ends = spans_of(value.get("start")), spans_of(value.get("end"))
    if not starts and not ends:
        return []
    return [Span(starts[0].start if starts else BEGINNING, ends[0].end if ends else END)]


def split_prefix(text: str) -> tuple[str, Span]:
    """"ge2026-01-01" as its prefix and its span. Raises ValueError, naming what could not be read."""
    if text[:2].isalpha():
        if text[:2] not in PREFIXES:
            raise ValueError(f"'{text[:2]}' is not a date prefix; known are {', '.join(PREFIXES)}")
        return text[:2], span(text[2:])
    return "eq", span(text)


def holds(prefix: str, asked: Span, found: Span, now: datetime) -> bool:
    """Whether a resource's span satisfies the search span under `prefix`."""
    within = asked.start <= found.start and found.end <= asked.end
    match prefix:
        case "eq":
            return within
        case "ne":
            return not within
        case "gt":
            return found.end > asked.end
        case "lt":
            return found.start < asked.start
        case "ge":
            return within or found.end > asked.end
        case "le":
            return within or found.start < asked.start
        case "sa":
            return found.start >= asked.end
        case "eb":
            return found.end <= asked.start
        case _:  # ap: overlaps within a tenth of the distance to now
            slack = abs(now - asked.start) / 10
            return found.start < asked.end + slack and found.end > asked.start - slack
