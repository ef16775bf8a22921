"""Settled outcomes as one process reads them again and again: each day from the ledger once, and anew once written to.

For a single writer that asks about the same past many times over, as whoever plays a year does. Everything that is
handed out was read from the ledger. What another process writes meanwhile is not seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from sqlalchemy import RowMapping

from governance.outcomes import Labelled, Outcome, Outcomes

DAY: Final = timedelta(days=1)
Asked = tuple[str, str, str]  # tenant, model, outcome
ByDay = dict[date, list[Labelled]]  # of the moment that was asked about, in UTC


class Recalled(Outcomes):
    """The outcomes in a store, as its only writer reads them."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._kept: dict[Asked, ByDay] = {}
        self._written: dict[Asked, set[date]] = {}

    def labelled(
        self,
        tenant: str,
        model: str,
        outcome: str,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        version: str = "",
        care_unit: str = "",
    ) -> Iterator[Labelled]:
        """Settled predictions as `Outcomes.labelled` has them."""
        days = self._days((tenant, model, outcome))
        for day in sorted(days):
            if (since is None or _midnight(day + DAY) > since) and (until is None or _midnight(day) < until):
                for row in days[day]:
                    if (
                        (since is None or row.as_of >= since)
                        and (until is None or row.as_of < until)
                        and version in ("", row.version)
                        and care_unit in ("", row.care_unit)
                    ):
                        yield row

    def _days(self, asked: Asked) -> ByDay:
        written = self._written.pop(asked, set())
        if asked not in self._kept:
            self._kept[asked] = {}
            for row in super().labelled(*asked):
                self._kept[asked].setdefault(row.as_of.astimezone(UTC).date(), []).append(row)
            return self._kept[asked]
        for day in written:
            since, until = _midnight(day), _midnight(day + DAY)
            self._kept[asked][day] = list(super().labelled(*asked, since=since, until=until))
        return self._kept[asked]

    def _row(self, told: Outcome, said: RowMapping) -> dict[str, Any]:
        asked = (said["tenant"], said["model"], told.outcome)
        self._written.setdefault(asked, set()).add(said["as_of"].astimezone(UTC).date())
        return super()._row(told, said)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
