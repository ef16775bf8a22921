"""A group missed in two weekly audits in a row is an alarm, whichever command made the audits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from governance.alarms import Alarms
from governance.audits import Audits
from governance.changes import Changes
from governance.daily import Daily
from governance.equity import Audit, Cell
from governance.outcomes import Outcomes
from governance.rounds import EQUITY, Memory, Watched, go
from governance.spoken import Spoken
from governance.store import Store
from inference.assessment import VENTILATION

MONDAY = datetime(2026, 3, 9, tzinfo=UTC)
NOW = MONDAY + timedelta(days=2, hours=6)
WHAT = Watched("north", VENTILATION, "0.1.0", "ventilation-24h", 24, 0.2, ("hr",), UTC)


@pytest.fixture
def memory(store: Store) -> Memory:
    clock = lambda: NOW  # noqa: E731
    audits = Audits(store, clock=clock)
    outcomes, alarms = Outcomes(store, clock=clock), Alarms(store, clock=clock)
    return Memory(Spoken(store, b"x" * 32), Daily(store), outcomes, alarms, audits, Changes(store, clock=clock))


def audited(memory: Memory, until: datetime, *, high: float = 0.9) -> None:
    """An audit in which Spanish speakers are caught six tenths as often as the best group."""
    cell = Cell("language", "es", 40, None, None, None, None, 0.6, 0.4, high)
    whose = ("north", VENTILATION, "0.1.0", "ventilation-24h")
    memory.audits.keep(*whose, until - timedelta(weeks=13), until, Audit(0.2, 10, (cell,)))


def raised(memory: Memory) -> list[str]:
    return [each.finding.subject for each in go(memory, WHAT, NOW).raised if each.finding.chart == EQUITY]


@pytest.mark.parametrize("hours", [0, 30])  # as `watch` audits, to Monday; as `equity run`, to the moment it ran
def test_a_group_missed_two_weeks_in_a_row_is_raised_once(memory: Memory, hours: int) -> None:
    audited(memory, MONDAY - timedelta(weeks=1) + timedelta(hours=hours))
    assert raised(memory) == []  # one week
    audited(memory, MONDAY + timedelta(hours=hours))
    assert raised(memory) == ["language: es"]
    assert raised(memory) == []  # it stands


def test_two_audits_of_one_week_are_one_week(memory: Memory) -> None:
    audited(memory, MONDAY)
    audited(memory, MONDAY + timedelta(hours=30))
    assert raised(memory) == []


def test_a_week_in_which_the_group_was_not_missed_breaks_the_row(memory: Memory) -> None:
    audited(memory, MONDAY - timedelta(weeks=2))
    audited(memory, MONDAY - timedelta(weeks=1), high=1.1)
    audited(memory, MONDAY)
    assert raised(memory) == []
