"""A site's year in small: the gate refuses, opens for what was proven, closes by itself, and finds its way back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from governance.approvals import SiteGates
from governance.changes import Changes, faults
from governance.gate import Approved, Gate
from governance.outcomes import Labelled
from governance.readings import Reading, Readings
from governance.store import Store
from governance.weighing import Memory, weigh
from inference.assessment import VENTILATION, State
from tests.governance.test_figures import DAY, row

GATE = Gate("north", VENTILATION, "ventilation-24h", "0.1.0", 0.5, positives=30, days=20, window=30)
START = DAY


class Told:
    """Outcomes as a list, read as the ledger reads them."""

    def __init__(self) -> None:
        self.rows: list[Labelled] = []

    def labelled(self, tenant: str, model: str, outcome: str, **limits: object) -> Iterable[Labelled]:
        since = limits.get("since")
        rows = [each for each in self.rows if each.version == limits["version"]]
        return [each for each in rows if not isinstance(since, datetime) or each.as_of >= since]

    def ward(self, first: int, last: int, caught: float, state: State) -> None:
        """Ten patients a day, three positive, of whom every tenth or so is missed."""
        for day in range(first, last):
            for bed in range(10):
                sick = bed < 3
                seen = ((day * 3 + bed) * 37 % 100) < caught * 100
                said = 0.9 if sick and seen else 0.1
                patient = f"{day}-{bed}"
                self.rows.append(row(patient, "yes" if sick else "no", said, day, state=state.value))


class House:
    """Memory, clock and configuration of one site."""

    def __init__(self, store: Store) -> None:
        self.now, self.told = START, Told()
        self.gate, self.approved = GATE, list[Approved]()
        clock = lambda: self.now  # noqa: E731
        self.memory = Memory(self.told, Readings(store), Changes(store, clock=clock))  # type: ignore[arg-type]

    def at(self, day: int, asked: State = State.ACTIVE) -> Reading:
        """The gate weighed on that day."""
        self.now = START + timedelta(days=day)
        site = SiteGates((self.gate,), {self.gate.digest: tuple(self.approved)}, ())
        (reading,) = weigh(
            self.memory, site, {VENTILATION: asked}, tenant="north", zone=UTC, clock=lambda: self.now
        )
        return reading

    def approve(self, day: int) -> None:
        moment = START + timedelta(days=day)
        self.approved += [Approved("Ada", "CMIO", moment), Approved("Ben", "Nursing", moment)]


@pytest.fixture
def house(store: Store) -> House:
    return House(store)


def codes(reading: Reading) -> list[str]:
    return [each["code"] for each in reading.body["missing"]]


def test_the_gate_refuses_opens_suspends_and_finds_its_way_back(house: House) -> None:
    assert (house.at(0).state, codes(house.at(0))) == (
        State.SILENT,
        ["sensitivity", "false-alarms", "positives", "days", "approvals"],
    )
    house.told.ward(0, 60, 0.95, State.SILENT)
    assert codes(house.at(60)) == ["approvals"]
    house.approve(60)
    assert house.at(61).state is State.ACTIVE
    house.told.ward(61, 95, 0.95, State.ACTIVE)
    assert house.at(95).state is State.ACTIVE
    house.told.ward(95, 120, 0.5, State.ACTIVE)  # the drift
    closed = house.at(120)
    assert (closed.state, codes(closed)) == (State.SUSPENDED, ["sensitivity"])
    short = closed.body["missing"][0]
    assert short["figure"] < short["limit"] == 0.85
    house.told.ward(120, 180, 0.96, State.SUSPENDED)
    held = house.at(180)
    assert (held.state, codes(held)) == (State.SUSPENDED, ["approvals"])  # the old ones do not count
    house.approve(180)
    assert house.at(181).state is State.ACTIVE
    told = [(line.kind, line.modification) for line in house.memory.changes.lines() if line.kind == "state"]
    assert [text.rpartition(": ")[2] for _, text in told] == [
        "silent to active.",
        "active to suspended.",
        "suspended to active.",
    ]
    assert faults(house.memory.changes.lines()) == ()


def test_every_change_of_a_limit_is_logged_and_loses_the_approvals(house: House) -> None:
    house.told.ward(0, 60, 0.95, State.SILENT)
    house.approve(60)
    assert house.at(61).state is State.ACTIVE
    house.gate = Gate("north", VENTILATION, "ventilation-24h", "0.1.0", 0.4, positives=30, days=20, window=30)
    approved, house.approved = house.approved, []
    changed = house.at(62)
    assert (changed.state, codes(changed)) == (State.SUSPENDED, ["approvals"])
    lines = list(house.memory.changes.lines())
    assert (
        "threshold 0.5 to 0.4" in [line for line in lines if line.kind == "gate-configured"][-1].modification
    )
    assert [line.author for line in lines if line.kind == "approved"] == [
        f"{a.name}, {a.role}" for a in approved
    ]


def test_a_new_version_of_the_model_earns_its_own_place(house: House) -> None:
    house.told.ward(0, 60, 0.95, State.SILENT)
    house.approve(60)
    assert house.at(61).state is State.ACTIVE
    house.gate = Gate("north", VENTILATION, "ventilation-24h", "0.2.0", 0.5, positives=30, days=20, window=30)
    assert house.at(62).state is State.SILENT


def test_an_open_gate_that_nobody_follows_up_closes_after_its_window(house: House) -> None:
    house.told.ward(0, 60, 0.95, State.SILENT)
    house.approve(60)
    assert house.at(61).state is State.ACTIVE
    assert house.at(89).state is State.ACTIVE
    assert codes(house.at(92)) == ["blind"]


def test_it_never_does_more_than_the_site_asks_for(house: House) -> None:
    house.told.ward(0, 60, 0.95, State.SILENT)
    house.approve(60)
    assert house.at(61, State.SILENT).state is State.SILENT
    assert house.at(61, State.DEMONSTRATION).state is State.DEMONSTRATION
    assert house.at(62).state is State.ACTIVE


def test_weighing_twice_says_nothing_new_in_the_log(house: House) -> None:
    house.told.ward(0, 60, 0.95, State.SILENT)
    house.approve(60)
    house.at(61)
    before = house.memory.changes.count()
    house.at(61)
    assert house.memory.changes.count() == before


def test_a_reading_holds_the_price_of_every_threshold(house: House) -> None:
    house.told.ward(0, 30, 0.95, State.SILENT)
    body = house.at(31).body
    assert 0.5 in [point["threshold"] for point in body["points"]]
    assert body["proposed"] is not None
    assert body["figures"]["seed"] > 0


def test_of_two_weighings_in_one_instant_the_second_counts(store: Store) -> None:
    kept = Readings(store)
    first = House(store).at(0)
    for number in range(12):  # ids are drawn: by chance the first would be read half of the time
        kept.keep(replace(first, gate=f"{number}"))
        last = kept.last("north", VENTILATION, "ventilation-24h")
        assert last is not None
        assert last.gate == f"{number}"
