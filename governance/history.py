"""A gate's history by week: what it came to, what moved in that week, and whether people had suspended it.

From the readings as they were kept; nothing is weighed again. A week in which nobody weighed has the reading that
stood, and says so: an open gate that is not weighed for `stale` closes at the doors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from itertools import pairwise
from typing import Final

from governance.readings import Reading, Readings, holds
from governance.resolutions import Resolution
from governance.weeks import Week
from inference.assessment import State

WEEKS: Final = 53  # at most: a year


@dataclass(frozen=True, slots=True)
class Move:
    """The gate's state became `state` at `at`."""

    at: datetime
    state: State


@dataclass(frozen=True, slots=True)
class Past:
    """One week. `state` is that of its end, or of now in the week that goes on; `reading` the one that counted then.

    `weighed`: in this week. `suspension`: the decision that kept it shut. `stale`: nobody weighed for too long.
    """

    week: Week
    state: State
    reading: Reading
    weighed: bool
    stale: bool
    suspension: Resolution | None
    moves: tuple[Move, ...]


def by_week(
    readings: Readings, gate: tuple[str, str, str, str], zone: tzinfo, now: datetime, *, stale: timedelta
) -> tuple[Past, ...]:
    """The last weeks of the gate of (tenant, model, outcome, care unit), newest first."""
    known = readings.states(*gate)
    if not known:
        return ()
    newest = Week.of(now.astimezone(zone).date())
    first = max(Week.of(known[0][0].astimezone(zone).date()), newest.before(WEEKS - 1))
    weeks = [newest.before(number) for number in range((newest.monday - first.monday).days // 7 + 1)]
    ends = {week: min(week.ends(zone), now + timedelta(microseconds=1)) for week in weeks}
    last = {week: max((at, key) for at, _, key in known if at < end) for week, end in ends.items()}
    bodies = readings.these([key for _, key in last.values()])
    suspensions = readings.resolutions.suspensions(gate[0], gate[1])
    found = []
    for week, end in ends.items():
        reading = bodies[last[week][1]]
        by = next((each for each in suspensions if each.at < end), None)
        by = by if holds(by, reading) else None
        old = end - reading.at > stale
        shut = by is not None or (old and reading.state is State.ACTIVE)
        state = State.SUSPENDED if shut else reading.state
        weighed = reading.at >= week.begins(zone)
        found.append(Past(week, state, reading, weighed, old, by, _moves(known, week.begins(zone), end)))
    return tuple(found)


def _moves(known: Sequence[tuple[datetime, State, str]], since: datetime, until: datetime) -> tuple[Move, ...]:
    """The changes of state that weighings came to in [since, until)."""
    moved = (Move(at, state) for (_, before, _), (at, state, _) in pairwise(known) if state is not before)
    return tuple(each for each in moved if since <= each.at < until)
