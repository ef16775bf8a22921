"""A week of a site's calendar, as ISO 8601 numbers it: Monday first, "2026-W21"."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Final

from governance.errors import ReviewRefusal

_WRITTEN: Final = re.compile(r"([0-9]{4})-W([0-9]{2})")


@dataclass(frozen=True, slots=True, order=True)
class Week:
    """One week, by its Monday."""

    monday: date

    @classmethod
    def of(cls, day: date) -> Week:
        """The week that `day` is in."""
        return cls(day - timedelta(days=day.weekday()))

    @classmethod
    def read(cls, written: str) -> Week:
        """The week written as "2026-W21". Raises ReviewRefusal."""
        found = _WRITTEN.fullmatch(written)
        try:
            if found is None:
                raise ValueError
            return cls(date.fromisocalendar(int(found[1]), int(found[2]), 1))
        except ValueError:
            raise ReviewRefusal(f"'{written[:20]}' is no week: write it as 2026-W21") from None

    @property
    def name(self) -> str:
        """How it is written: "2026-W21"."""
        year, number, _ = self.monday.isocalendar()
        return f"{year:04d}-W{number:02d}"

    @property
    def sunday(self) -> date:
        """Its last day."""
        return self.monday + timedelta(days=6)

    def before(self, weeks: int) -> Week:
        """The week so many weeks earlier."""
        return Week(self.monday - timedelta(weeks=weeks))

    def begins(self, zone: tzinfo) -> datetime:
        """Its first moment in `zone`."""
        return datetime.combine(self.monday, time(), zone)

    def ends(self, zone: tzinfo) -> datetime:
        """The moment after its last in `zone`."""
        return datetime.combine(self.monday + timedelta(days=7), time(), zone)
