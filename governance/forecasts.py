"""What was forecast for a unit, kept when it was made and scored afterwards: coverage, and error beside persistence.

Every forecast says how many ventilators were in use when it was made, and so is the truth for an earlier one that was
due about then. A look that missed somebody's chart is no truth: it may have missed a ventilator. A forecast that nobody
looked at within WITHIN of its hour is counted as not scored, and takes no part.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import RowMapping, insert, select

from governance.demand import LEVELS, Demand, Scored, scored
from governance.store import Store
from governance.tables import forecasts
from inference.assessment import State

WITHIN: Final = timedelta(minutes=45)  # of a forecast's hour, for a look to be its truth
WINDOW: Final = timedelta(days=90)
NARROW, WIDE = LEVELS


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a unit: when, by which model in which state, who was there and how many could not be read."""

    tenant: str
    unit: str
    model: str
    version: str
    state: State
    at: datetime
    patients: int
    unread: int
    in_use: int
    owned: int | None


@dataclass(frozen=True, slots=True)
class Forecast:
    """One forecast as kept; `demand` without its masses."""

    look: Look
    demand: Demand


@dataclass(frozen=True, slots=True)
class Record:
    """How forecasts of one horizon did; `score` is None where none could be scored, `unscored` nobody looked at."""

    hours: float
    score: Scored | None
    unscored: int


class Forecasts:
    """The forecasts in `store`."""

    def __init__(self, store: Store, *, new_id: Callable[[], str] = lambda: str(uuid4())) -> None:
        self._store, self._new_id = store, new_id

    def keep(self, look: Look, demands: Sequence[Demand]) -> None:
        """Keep what was forecast at one look, in one transaction. Raises LedgerUnavailable."""
        with self._store.writing() as connection:
            for each in demands:
                connection.execute(insert(forecasts).values(self._row(look, each)))

    def last(self, tenant: str, unit: str) -> tuple[Forecast, ...]:
        """The forecasts of the newest look, nearest hour first."""
        f = forecasts.c
        newest = select(f.made_at).where(f.tenant == tenant, f.unit == unit).order_by(f.made_at.desc()).limit(1)
        query = select(forecasts).where(
            f.tenant == tenant, f.unit == unit, f.made_at == newest.scalar_subquery()
        )
        with self._store.reading() as connection:
            return tuple(map(_forecast, connection.execute(query.order_by(f.hours)).mappings().all()))

    def of_look(self, tenant: str, unit: str, at: datetime) -> tuple[Forecast, ...]:
        """The forecasts made at the look at `at`, nearest hour first."""
        f = forecasts.c
        query = select(forecasts).where(f.tenant == tenant, f.unit == unit, f.made_at == at)
        with self._store.reading() as connection:
            return tuple(map(_forecast, connection.execute(query.order_by(f.hours)).mappings().all()))

    def records(self, tenant: str, unit: str, now: datetime, *, version: str = "") -> tuple[Record, ...]:
        """How the forecasts made within WINDOW before `now` did, by horizon; an empty `version` is any."""
        f = forecasts.c
        query = select(forecasts).where(f.tenant == tenant, f.unit == unit, f.made_at >= now - WINDOW)
        with self._store.reading() as connection:
            made = [_forecast(row) for row in connection.execute(query.order_by(f.made_at)).mappings()]
        looks = {each.look.at: each.look.in_use for each in made if not each.look.unread}
        past = [each for each in made if not version or each.look.version == version]
        return tuple(
            _record(hours, [each for each in past if each.demand.hours == hours], looks, now)
            for hours in sorted({each.demand.hours for each in past})
        )

    def _row(self, look: Look, made: Demand) -> dict[str, Any]:
        narrow, wide = made.intervals[NARROW], made.intervals[WIDE]
        return {
            "id": self._new_id(),
            **{name: getattr(look, name) for name in ("tenant", "unit", "model", "version")},
            "state": look.state.value,
            "made_at": look.at,
            "due_at": look.at + timedelta(hours=made.hours),
            "hours": made.hours,
            **{name: getattr(look, name) for name in ("patients", "unread", "in_use", "owned")},
            "mean": made.mean,
            "low80": narrow[0],
            "high80": narrow[1],
            "low95": wide[0],
            "high95": wide[1],
            "short": made.short,
        }


def _record(hours: float, made: Sequence[Forecast], looks: dict[datetime, int], now: datetime) -> Record:
    """The forecasts of one horizon whose hour, and the time to look at it, is over."""
    moments = sorted(looks)
    past, unscored = [], 0
    for each in made:
        due = each.look.at + timedelta(hours=hours)
        if due > now:
            continue
        seen = _nearest(moments, due)
        if seen is not None:
            past.append((each.demand, each.look.in_use, looks[seen]))
        elif due + WITHIN < now:
            unscored += 1
    return Record(hours, scored(past) if past else None, unscored)


def _nearest(moments: Sequence[datetime], due: datetime) -> datetime | None:
    """The look nearest to `due`, no further than WITHIN."""
    place = bisect_left(moments, due)
    near = [each for each in moments[max(0, place - 1) : place + 1] if abs(each - due) <= WITHIN]
    return min(near, key=lambda each: abs(each - due), default=None)


def _forecast(row: RowMapping) -> Forecast:
    copied = ("tenant", "unit", "model", "version", "patients", "unread", "in_use", "owned")
    look = Look(**{name: row[name] for name in copied}, state=State(row["state"]), at=row["made_at"])
    intervals = {NARROW: (row["low80"], row["high80"]), WIDE: (row["low95"], row["high95"])}
    return Forecast(look, Demand(row["hours"], (), row["mean"], intervals, row["short"]))
