"""FHIR's times -> instants in UTC. A row without a time of day is never placed earlier than it can have been.

Refuses (NotUsed) what no instant can be made of: no time at all, a year or a month, a time without an offset.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, tzinfo
from typing import Any, Final

DATE_ONLY: Final = 10  # characters of "2026-11-23"


class NotUsed(Exception):
    """A row, or a part of one, that cannot be used: why, as one of the reader's reason codes.
    Never leaves `ehr`.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail


def instant(text: object) -> datetime:
    """An ISO 8601 instant with an offset, in UTC. Raises NotUsed."""
    if not isinstance(text, str):
        raise NotUsed("time-unreadable", type(text).__name__)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = _leap_second(text)
    if moment.tzinfo is UTC:
        return moment
    if moment.tzinfo is None:
        raise NotUsed("time-without-zone" if len(text) > DATE_ONLY else "time-too-coarse", text)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise NotUsed("time-unreadable", text) from None


def _leap_second(text: str) -> datetime:
    if len(text) in (4, 7) and text[:4].isdigit():
        raise NotUsed("time-too-coarse", text)
    try:
        return datetime.fromisoformat(text.replace(":60", ":59", 1))
    except ValueError:
        raise NotUsed("time-unreadable", text[:40]) from None


class Clock:
    """Reads times, each spelling once: a flowsheet hour repeats the same string on every row."""

    def __init__(self, zone: tzinfo) -> None:
        self.zone = zone
        self._seen: dict[str, datetime] = {}

    def instant(self, text: object) -> datetime:
        """As the function of that name, remembered."""
        found = self._seen.get(text) if isinstance(text, str) else None
        if found is None:
            found = instant(text)
            if isinstance(text, str):
                self._seen[text] = found
        return found

    def times(self, row: Mapping[str, Any]) -> tuple[datetime, datetime, bool]:
        """When an Observation was taken, when it could first be seen,
        and whether the former is only its `issued`.
        """
        try:  # both already read, as on most rows of a flowsheet
            taken, issued = self._seen[row["effectiveDateTime"]], self._seen[row["issued"]]
            return taken, taken if issued < taken else issued, False
        except KeyError:
            return self._times(row)

    def _times(self, row: Mapping[str, Any]) -> tuple[datetime, datetime, bool]:
        issued = self.instant(row["issued"]) if "issued" in row else None
        taken = self._effective(row, issued)
        if taken is None:
            if issued is None:
                raise NotUsed("no-time")
            return issued, issued, True
        return taken, taken if issued is None or issued < taken else issued, False

    def begin(self, row: Mapping[str, Any], *names: str) -> tuple[datetime, datetime | None]:
        """Start and end of the first of the elements `names` (a dateTime or a Period) that the row has."""
        for name in names:
            sent = row.get(name)
            if isinstance(sent, Mapping):
                if sent.get("start") is None:
                    raise NotUsed("no-time", f"{name} has no start")
                end = sent.get("end")
                return self.moment(sent["start"], row), None if end is None else self.moment(end, row)
            if sent is not None:
                return self.moment(sent, row), None
        raise NotUsed("no-time")

    def moment(self, text: object, row: Mapping[str, Any], issued: datetime | None = None) -> datetime:
        """An instant; for a date without a time of day, the last moment it can have been."""
        if isinstance(text, str) and len(text) == DATE_ONLY:
            return self._by_the_end_of(text, row, issued)
        return self.instant(text)

    def _effective(self, row: Mapping[str, Any], issued: datetime | None) -> datetime | None:
        text = row.get("effectiveDateTime") or row.get("effectiveInstant")
        if text is not None:
            return self.moment(text, row, issued)
        period = row.get("effectivePeriod")
        timing = row.get("effectiveTiming")
        if period is None and timing is not None:
            events = timing.get("event")
            if events:
                return max(self.moment(event, row, issued) for event in events)
            period = timing.get("repeat", {}).get("boundsPeriod")
        if period is None:
            return None
        # A value over a period (a urine volume, a mean) is known when the period is over.
        text = period.get("end") or period.get("start")
        return None if text is None else self.moment(text, row, issued)

    def _by_the_end_of(self, text: str, row: Mapping[str, Any], issued: datetime | None) -> datetime:
        """The end of that day here, or the moment it was issued or stored,
        if that was earlier on the same day.
        """
        try:
            day = date.fromisoformat(text)
        except ValueError:
            raise NotUsed("time-unreadable", text) from None
        start = datetime.combine(day, time.min, self.zone).astimezone(UTC)
        end = datetime.combine(day, time(23, 59, 59), self.zone).astimezone(UTC)
        stored = row.get("meta", {}).get("lastUpdated")
        marks = [issued] if issued else [] if stored is None else [self.instant(stored)]
        return min([mark for mark in marks if start <= mark <= end], default=end)
