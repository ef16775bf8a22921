"""What signed decisions change: a suspension at once, with the gate's own way back; a threshold once it is signed."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from governance import decisions
from governance.approvals import Approver
from governance.changes import Changes, faults
from governance.decisions import Decision, Decisions, Signature, read, sign, verified
from governance.errors import ReviewRefusal
from governance.readings import Reading, holds
from governance.resolutions import SUSPEND, THRESHOLD
from governance.review import Review
from governance.store import Store
from governance.weeks import Week
from inference.assessment import VENTILATION, State
from tests.governance.test_weighing import GATE, START, House, codes

WEEK = Week.of(START.date())
SIGNERS = tuple(Signature(name, f"{name}'s role", START, "", "") for name in ("Ada", "Ben"))


class Decided(House):
    """The year of the weighing's tests, with reviews whose decisions count."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.store, self.weeks = store, 0

    def decide(self, day: int, kind: str, **more: str) -> int:
        """Record a decision on that day; its line."""
        self.now, self.weeks = START + timedelta(days=day), self.weeks + 1
        made = Decision("north", WEEK.before(-self.weeks).name, "d" * 64, kind, "The new monitor counts high.", **more)
        log = Changes(self.store, clock=lambda: self.now)
        return Decisions(self.store, log, clock=lambda: self.now).record(made, SIGNERS, ())[0].line

    def opened(self) -> Reading:
        self.told.ward(0, 60, 0.95, State.SILENT)
        self.approve(60)
        return self.at(61)

    def lines(self, kind: str) -> list[str]:
        return [line.modification for line in self.memory.changes.lines() if line.kind == kind]


@pytest.fixture
def house(store: Store) -> Decided:
    return Decided(store)


# --- to suspend


def test_a_decision_to_suspend_closes_an_open_gate_before_anybody_weighs(house: Decided) -> None:
    reading = house.opened()
    assert reading.state is State.ACTIVE
    line = house.decide(70, SUSPEND, model=VENTILATION)
    made = house.memory.readings.resolutions.suspension("north", VENTILATION)
    assert made is not None
    assert (made.line, made.at, made.people) == (line, house.now, "Ada (Ada's role), Ben (Ben's role)")
    assert holds(made, reading)
    assert house.memory.readings.resolutions.suspension("north", "troponin-trend") is None
    assert house.memory.readings.resolutions.suspension("south", VENTILATION) is None


def test_a_decision_about_all_models_suspends_each(house: Decided) -> None:
    house.decide(70, SUSPEND)
    for model in (VENTILATION, "troponin-trend"):
        assert holds(house.memory.readings.resolutions.suspension("north", model), None)


def test_the_way_back_is_the_gates_own_figures_and_approvals_given_since(house: Decided) -> None:
    house.opened()
    house.decide(70, SUSPEND, model=VENTILATION)
    shut = house.at(71)
    assert (shut.state, shut.since) == (State.SUSPENDED, START + timedelta(days=70))
    assert "sensitivity" in codes(shut)  # what silence showed before does not count again
    house.told.ward(71, 131, 0.96, State.SUSPENDED)
    held = house.at(131)
    assert (held.state, codes(held)) == (State.SUSPENDED, ["approvals"])  # the old ones do not count
    house.approve(131)
    made = house.memory.readings.resolutions.suspension("north", VENTILATION)
    assert holds(made, held)
    back = house.at(132)
    assert back.state is State.ACTIVE
    assert not holds(made, back)
    assert house.lines("state")[-1].endswith("suspended to active.")
    assert faults(house.memory.changes.lines()) == ()


def test_a_second_suspension_asks_for_approvals_given_after_it(house: Decided) -> None:
    house.opened()
    house.decide(70, SUSPEND, model=VENTILATION)
    house.told.ward(71, 131, 0.96, State.SUSPENDED)
    house.approve(130)
    house.decide(131, SUSPEND, model=VENTILATION)
    assert "approvals" in codes(house.at(132))
    assert house.at(132).state is State.SUSPENDED


def test_what_is_asked_for_as_a_demonstration_waits_for_approvals_too(house: Decided) -> None:
    assert house.at(1, State.DEMONSTRATION).state is State.DEMONSTRATION
    house.decide(2, SUSPEND)
    for asked in (State.DEMONSTRATION, State.SILENT):
        assert house.at(3, asked).state is State.SUSPENDED
    house.approve(4)
    assert house.at(5, State.DEMONSTRATION).state is State.DEMONSTRATION
    assert not holds(house.memory.readings.resolutions.suspension("north", VENTILATION), house.at(6, State.SILENT))


def test_a_new_version_does_not_walk_past_a_suspension(house: Decided) -> None:
    house.opened()
    house.decide(70, SUSPEND, model=VENTILATION)
    house.gate = replace(GATE, version="0.2.0")
    house.approved = []
    assert house.at(71).state is State.SUSPENDED


def test_a_later_suspension_by_itself_is_not_laid_at_the_peoples_door(house: Decided) -> None:
    house.opened()
    house.decide(70, SUSPEND, model=VENTILATION)
    house.told.ward(71, 131, 0.96, State.SUSPENDED)
    house.approve(131)
    assert house.at(132).state is State.ACTIVE
    house.told.ward(132, 180, 0.4, State.ACTIVE)
    drifted = house.at(180)
    assert drifted.state is State.SUSPENDED
    assert not holds(house.memory.readings.resolutions.suspension("north", VENTILATION), drifted)


def test_a_weighing_that_began_before_the_decision_does_not_end_it(house: Decided) -> None:
    reading = house.opened()
    house.decide(70, SUSPEND, model=VENTILATION)
    late = replace(reading, at=START + timedelta(days=71))  # kept after the decision, and knew nothing of it
    house.memory.readings.keep(late)
    last = house.memory.readings.last("north", VENTILATION, "ventilation-24h")
    assert holds(house.memory.readings.resolutions.suspension("north", VENTILATION), last)


# --- another threshold


def lower(gate: str = GATE.name, threshold: str = "0.4") -> dict[str, str]:
    return {"gate": gate, "threshold": threshold}


def test_a_decided_threshold_changes_nothing_until_the_signed_configuration_has_it(house: Decided) -> None:
    house.opened()
    line = house.decide(70, THRESHOLD, **lower())
    same = house.at(71)
    assert (same.state, same.body["gate"]["threshold"]) == (State.ACTIVE, 0.5)
    (waits,) = house.memory.readings.resolutions.open("north")
    assert (waits.gate, waits.threshold, waits.line) == (GATE.name, 0.4, line)
    house.gate, house.approved = replace(GATE, threshold=0.4), []
    house.at(72)  # in the file, and nobody signed
    assert house.memory.readings.resolutions.open("north") == (waits,)
    assert house.lines("in-force") == []
    house.approve(72)
    house.at(73)
    house.at(74)
    assert house.memory.readings.resolutions.open("north") == ()
    (said,) = house.lines("in-force")
    assert "threshold 0.4 in force, as decided about week" in said
    assert faults(house.memory.changes.lines()) == ()


def test_weighers_that_work_together_say_once_that_it_is_in_force(house: Decided) -> None:
    house.opened()
    house.decide(70, THRESHOLD, **lower())
    house.gate = replace(GATE, threshold=0.4)
    house.approved = []
    house.approve(70)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(house.at, [71] * 4))
    assert len(house.lines("in-force")) == 1


def test_of_two_decided_thresholds_of_a_gate_the_later_is_open_and_other_gates_keep_theirs(house: Decided) -> None:
    house.decide(70, THRESHOLD, **lower())
    house.decide(77, THRESHOLD, **lower(threshold="0.3"))
    house.decide(84, THRESHOLD, **lower(f"{GATE.name}/icu", "0.2"))
    found = house.memory.readings.resolutions.open("north")
    assert [(each.gate, each.threshold) for each in found] == [(GATE.name, 0.3), (f"{GATE.name}/icu", 0.2)]
    assert house.memory.readings.resolutions.open("south") == ()


# --- signatures

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
APPROVERS = {"Ada": Approver("Ada", "CMIO", KEY.public_key(), frozenset({"*"}))}
KEPT = Review("north", WEEK, START, "e" * 64, {})


def made(**changes: str) -> Decision:
    told = {"kind": THRESHOLD, "sentence": "Fewer false alarms.", **lower()} | changes
    return Decision("north", WEEK.name, KEPT.digest, **told)


def test_a_signature_is_of_the_gate_and_of_the_threshold() -> None:
    text = sign(made(), "Ada", START, KEY)
    found, signatures = verified(read([text]), KEPT, APPROVERS, START)
    assert (found.gate, found.threshold, len(signatures)) == (GATE.name, "0.4", 1)
    for before, after in (('"0.4"', '"0.9"'), (GATE.name, f"{GATE.name}/icu")):
        with pytest.raises(ReviewRefusal, match="it is not theirs"):
            verified(read([text.replace(before, after)]), KEPT, APPROVERS, START)


def test_a_decision_signed_before_gates_were_named_still_holds() -> None:
    old = Decision("north", WEEK.name, KEPT.digest, SUSPEND, "Stop.", "", VENTILATION)
    # the message as it was: the seven values in the order of their names
    told = ["", SUSPEND, VENTILATION, KEPT.digest, "Stop.", "north", WEEK.name]
    assert decisions._message(old, "Ada", START) == signed(told)


def signed(told: Iterable[str]) -> bytes:
    import json

    return json.dumps(["ordertime/review/1", *told, "Ada", START.isoformat()]).encode()


@pytest.mark.parametrize(
    "changes",
    [
        {"threshold": "1"}, {"threshold": "0"}, {"threshold": "0.0"}, {"threshold": "nan"}, {"threshold": ""},
        {"gate": ""}, {"gate": VENTILATION}, {"gate": "a//b"}, {"gate": "/a"}, {"model": "troponin-trend"},
        {"gate": f"a/{'b' * 61}"}, {"kind": SUSPEND}, {"kind": "continue", "gate": ""},
    ],
)  # fmt: skip
def test_a_threshold_without_a_gate_or_a_share_is_refused_before_it_is_signed(changes: dict[str, str]) -> None:
    with pytest.raises(ReviewRefusal):
        sign(made(**changes), "Ada", START, KEY)
