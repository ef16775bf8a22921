"""A gate's history by week: what it came to, what moved, and what people decided over it."""

from __future__ import annotations

from datetime import UTC, timedelta

import pytest

from governance.history import WEEKS, Past, by_week
from governance.resolutions import SUSPEND
from governance.store import Store
from governance.weeks import Week
from inference.assessment import VENTILATION, State
from tests.governance.test_resolutions import Decided
from tests.governance.test_weighing import START

GATE = ("north", VENTILATION, "ventilation-24h", "")
STALE = timedelta(days=8)


@pytest.fixture
def house(store: Store) -> Decided:
    return Decided(store)


def past(house: Decided, day: float) -> dict[str, Past]:
    now = START + timedelta(days=day)
    return {each.week.name: each for each in by_week(house.memory.readings, GATE, UTC, now, stale=STALE)}


def name(day: int) -> str:
    return Week.of((START + timedelta(days=day)).date()).name


def test_every_week_has_its_state_the_reading_that_decided_and_its_moves(house: Decided) -> None:
    for day in range(0, 61, 7):
        house.at(day)
    house.opened()
    found = past(house, 62)
    assert list(found) == sorted(found, reverse=True)
    assert found[name(0)].state is State.SILENT
    assert found[name(61)].state is State.ACTIVE
    assert [(each.at, each.state) for each in found[name(61)].moves] == [(START + timedelta(days=61), State.ACTIVE)]
    assert found[name(0)].reading.body["missing"]
    assert not any(each.moves for week, each in found.items() if week != name(61))


def test_a_week_nobody_weighed_in_says_so_and_an_open_gate_is_shut_by_it(house: Decided) -> None:
    house.opened()
    found = past(house, 61 + 21)
    assert (found[name(61)].weighed, found[name(61)].stale) == (True, False)
    last = found[name(61 + 21)]
    assert (last.weighed, last.stale, last.state) == (False, True, State.SUSPENDED)
    assert last.reading.state is State.ACTIVE


def test_a_decision_to_suspend_shows_in_its_week_before_anybody_weighed(house: Decided) -> None:
    house.opened()
    house.decide(64, SUSPEND, model=VENTILATION)
    found = past(house, 66)
    week = found[name(64)]
    assert week.state is State.SUSPENDED
    assert week.suspension is not None
    assert week.suspension.people.startswith("Ada")
    if name(61) != name(64):
        assert found[name(61)].suspension is None


def test_there_is_a_year_of_it_at_most_and_none_before_the_first_weighing(house: Decided) -> None:
    assert past(house, 1) == {}
    house.at(0)
    assert len(past(house, 500)) == WEEKS
