"""Which gate speaks for a unit, and how a unit without one comes back after a decision to suspend."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, timedelta

import pytest

from governance.approvals import SiteGates
from governance.gate import Approved, Gate
from governance.readings import Reading
from governance.resolutions import SUSPEND
from governance.speaker import NONE, OWN, SITE, Speaker, speaker
from governance.store import Store
from governance.weighing import weigh
from inference.assessment import VENTILATION, State
from tests.governance.test_resolutions import Decided
from tests.governance.test_weighing import GATE, START, codes

MEDICAL, CORONARY = replace(GATE, care_unit="medical"), replace(GATE, care_unit="coronary")
OUTCOME = GATE.outcome


class Hospital(Decided):
    """A site with a gate in some units: what each speaks for, and each weighed on a day."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.gates: tuple[Gate, ...] = (MEDICAL,)
        self.signed: dict[str, list[Approved]] = {}

    def sign(self, gate: Gate, day: int) -> None:
        moment = START + timedelta(days=day)
        self.signed.setdefault(gate.digest, [])
        self.signed[gate.digest] += [Approved("Ada", "CMIO", moment), Approved("Ben", "Nursing", moment)]

    def weighed(self, day: int, asked: State = State.ACTIVE) -> dict[str, Reading]:
        self.now = START + timedelta(days=day)
        signed = {gate.digest: tuple(self.signed.get(gate.digest, ())) for gate in self.gates}
        told = {"tenant": "north", "zone": UTC, "clock": lambda: self.now}
        found = weigh(self.memory, SiteGates(self.gates, signed, ()), {VENTILATION: asked}, **told)  # type: ignore[arg-type]
        return {each.care_unit: each for each in found}

    def speaks(self, unit: str, asked: State = State.ACTIVE) -> Speaker:
        return speaker(self.memory.readings, "north", VENTILATION, OUTCOME, unit, asked)

    def reopen(self) -> None:
        """Open the gate in the medical unit, suspend the model, and open it again."""
        self.told.ward(0, 60, 0.95, State.SILENT)
        self.sign(MEDICAL, 60)
        assert self.weighed(61)["medical"].state is State.ACTIVE
        self.decide(70, SUSPEND, model=VENTILATION)
        self.told.ward(71, 131, 0.96, State.SUSPENDED)
        self.sign(MEDICAL, 131)


@pytest.fixture
def house(store: Store) -> Hospital:
    return Hospital(store)


def test_a_units_own_gate_speaks_for_it_else_the_sites_else_none(house: Hospital) -> None:
    assert house.speaks("medical").whose == NONE
    house.weighed(1)
    assert (house.speaks("medical").whose, house.speaks("coronary").whose, house.speaks("").whose) == (OWN, NONE, NONE)
    house.gates = (MEDICAL, GATE)
    house.weighed(2)
    assert (house.speaks("medical").whose, house.speaks("coronary").whose, house.speaks("").whose) == (OWN, SITE, SITE)
    assert speaker(house.memory.readings, "north", VENTILATION, "another", "medical", State.ACTIVE).whose == NONE
    assert speaker(house.memory.readings, "south", VENTILATION, OUTCOME, "medical", State.ACTIVE).whose == NONE


def test_a_decision_stands_in_units_without_a_gate_too_until_a_gate_of_the_outcome_has_ended_it(
    house: Hospital,
) -> None:
    house.reopen()
    for unit in ("medical", "coronary", ""):
        assert house.speaks(unit).stands
    opened = house.weighed(132)["medical"]
    assert opened.state is State.ACTIVE
    for unit in ("coronary", ""):
        for asked in (State.ACTIVE, State.SILENT):
            found = house.speaks(unit, asked)
            assert (found.whose, found.stands, found.suspension) == (NONE, False, None)
            assert found.ended_by is not None
            assert found.ended_by.gate_name == MEDICAL.name
    elsewhere = speaker(house.memory.readings, "north", VENTILATION, "another", "coronary", State.ACTIVE)
    assert elsewhere.stands  # a gate of another outcome has ended nothing here


def test_weighing_without_ending_it_ends_it_nowhere(house: Hospital) -> None:
    house.reopen()
    house.signed.clear()
    assert house.weighed(132)["medical"].state is State.SUSPENDED
    assert house.speaks("coronary").stands


def test_what_would_show_answers_again_waits_for_a_gate_that_speaks_for_the_unit(house: Hospital) -> None:
    demonstration = State.DEMONSTRATION
    house.weighed(1, demonstration)
    house.decide(2, SUSPEND)
    house.sign(MEDICAL, 3)
    assert house.weighed(4, demonstration)["medical"].state is demonstration
    assert not house.speaks("medical", demonstration).stands
    assert house.speaks("coronary", demonstration).stands
    house.gates = (MEDICAL, GATE)
    house.sign(GATE, 5)
    assert house.weighed(6, demonstration)[""].state is demonstration
    assert not house.speaks("coronary", demonstration).stands


def test_the_next_decision_stands_everywhere_again(house: Hospital) -> None:
    house.reopen()
    house.weighed(132)
    house.decide(133, SUSPEND)
    assert all(house.speaks(unit).stands for unit in ("medical", "coronary", ""))


def test_a_gate_configured_after_the_end_begins_silent_and_counts_from_the_decision(house: Hospital) -> None:
    house.reopen()
    house.weighed(132)
    house.gates = (MEDICAL, CORONARY)
    house.sign(CORONARY, 65)  # before the decision: counts for nothing
    first = house.weighed(133)["coronary"]
    assert (first.state, codes(first)) == (State.SILENT, ["approvals"])
    assert first.body["from"] == (START + timedelta(days=71)).date().isoformat()
    again = house.weighed(134)["coronary"]
    assert again.body["from"] == first.body["from"]
    house.sign(CORONARY, 134)
    assert house.weighed(135)["coronary"].state is State.ACTIVE


def test_a_gate_configured_while_the_decision_stands_begins_suspended(house: Hospital) -> None:
    house.reopen()
    house.gates = (CORONARY,)
    assert house.weighed(132)["coronary"].state is State.SUSPENDED
