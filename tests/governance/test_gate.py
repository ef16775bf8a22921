"""The gate: refuses, opens, closes by itself, and says what is missing with figure, interval and limit."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from governance.figures import Figures, Group
from governance.gate import (
    BY_ALARM,
    PER_100,
    Approved,
    Gate,
    Shortfall,
    decided,
    left_while_live,
    missing_approvals,
    missing_to_open,
)
from governance.intervals import BOOTSTRAP, NONE, Rate
from inference.assessment import State

GATE = Gate("north", "ventilation-need", "ventilation-24h", "0.2.0", 0.2)
THEN = datetime(2026, 5, 1, tzinfo=UTC)
ADA, BEN = Approved("Ada", "CMIO", THEN), Approved("Ben", "Nursing", THEN)


def rate(value: float, low: float, high: float) -> Rate:
    return Rate(value * 100, 100, 100, value, low, high, BOOTSTRAP)


def found(**changes: Any) -> Figures:
    """Figures that are good enough, unless changed."""
    standard: dict[str, Any] = {
        "threshold": 0.2, "patients": 900, "patient_days": 2000, "days": 60, "positives": 120, "answers": 4000,
        "indeterminate": 200, "early": 3, "unknown": 5, "sensitivity": rate(0.92, 0.86, 0.96),
        "false_by_day": rate(0.06, 0.05, 0.08), "false_by_alarm": rate(0.5, 0.4, 0.6),
        "alarms": rate(0.12, 0.1, 0.14), "groups": (), "seed": 1,
    }  # fmt: skip
    return Figures(**(standard | changes))


def codes(short: tuple[Shortfall, ...]) -> list[str]:
    return [each.code for each in short]


def test_good_figures_lack_nothing() -> None:
    assert missing_to_open(GATE, found()) == ()


@pytest.mark.parametrize(
    ("changes", "short"),
    [
        ({"sensitivity": rate(0.95, 0.849, 0.99)}, Shortfall("sensitivity", 0.95, 0.849, 0.99, 0.85)),
        ({"false_by_day": rate(0.09, 0.08, 0.101)}, Shortfall("false-alarms", 0.09, 0.08, 0.101, 0.10)),
        ({"positives": 49}, Shortfall("positives", 49, None, None, 50)),
        ({"days": 29}, Shortfall("days", 29, None, None, 30)),
    ],
)
def test_a_bound_past_its_limit_is_missing_however_good_the_figure(
    changes: dict[str, Any], short: Shortfall
) -> None:
    assert missing_to_open(GATE, found(**changes)) == (short,)


def test_bounds_exactly_at_their_limits_are_within_them() -> None:
    at = found(sensitivity=rate(0.9, 0.85, 0.95), false_by_day=rate(0.05, 0.01, 0.10), positives=50, days=30)
    assert missing_to_open(GATE, at) == ()


def test_figures_that_do_not_exist_open_nothing() -> None:
    none = Rate(0, 0, 0, None, None, None, NONE)
    short = missing_to_open(GATE, found(sensitivity=none, false_by_day=none, positives=0, days=0))
    assert codes(short) == ["sensitivity", "false-alarms", "positives", "days"]


@pytest.mark.parametrize("definition", [BY_ALARM, PER_100])
def test_the_configured_definition_of_a_false_alarm_is_the_one_weighed(definition: str) -> None:
    assert codes(missing_to_open(replace(GATE, definition=definition), found())) == ["false-alarms"]


def test_a_subgroup_far_behind_the_rest_is_named_with_its_rate() -> None:
    groups = (Group("sex", "female", rate(0.19, 0.1, 0.3)), Group("sex", "male", rate(0.17, 0.1, 0.3)))
    (short,) = missing_to_open(GATE, found(groups=groups))
    assert (short.code, short.subject, short.figure) == ("subgroup", "sex: female", 0.19)
    assert short.limit == pytest.approx(0.18)


def test_two_different_people_approve_and_after_a_suspension_again() -> None:
    assert missing_approvals((ADA, BEN), None) == ()
    assert missing_approvals((ADA, ADA), None) == (Shortfall("approvals", 1, None, None, 2),)
    later = THEN + timedelta(days=1)
    assert codes(missing_approvals((ADA, BEN), later)) == ["approvals"]
    assert (
        missing_approvals(
            (replace(ADA, at=later + timedelta(1)), replace(BEN, at=later + timedelta(1))), later
        )
        == ()
    )


def test_live_figures_close_it_by_the_figure_not_by_the_bound() -> None:
    assert left_while_live(GATE, found(sensitivity=rate(0.86, 0.78, 0.92))) == ()
    assert codes(left_while_live(GATE, found(sensitivity=rate(0.84, 0.78, 0.9)))) == ["sensitivity"]
    assert codes(left_while_live(GATE, found(false_by_day=rate(0.11, 0.09, 0.13)))) == ["false-alarms"]


def test_a_few_live_outcomes_do_not_close_it_and_none_at_all_do() -> None:
    assert left_while_live(GATE, found(positives=9, sensitivity=rate(0.5, 0.2, 0.8))) == ()
    assert codes(left_while_live(GATE, found(patient_days=0))) == ["blind"]


LACKING = (Shortfall("days", 1, None, None, 30),)


@pytest.mark.parametrize(
    ("asked", "before", "missing", "after"),
    [
        (State.SILENT, State.ACTIVE, (), State.SILENT),  # never more than the site asks for
        (State.DEMONSTRATION, State.SILENT, LACKING, State.DEMONSTRATION),
        (State.ACTIVE, State.SILENT, LACKING, State.SILENT),
        (State.ACTIVE, State.SILENT, (), State.ACTIVE),
        (State.ACTIVE, State.ACTIVE, (), State.ACTIVE),
        (State.ACTIVE, State.ACTIVE, LACKING, State.SUSPENDED),
        (State.ACTIVE, State.SUSPENDED, LACKING, State.SUSPENDED),
        (State.ACTIVE, State.SUSPENDED, (), State.ACTIVE),
        (State.SUSPENDED, State.ACTIVE, (), State.SUSPENDED),
    ],
)
def test_a_state_follows_from_what_is_asked_what_was_and_what_is_missing(
    asked: State, before: State, missing: tuple[Shortfall, ...], after: State
) -> None:
    assert decided(asked, before, missing) is after


@pytest.mark.parametrize(
    "changes", [{"threshold": 0.21}, {"version": "0.3.0"}, {"margin": 0.2}, {"care_unit": "ICU"}]
)
def test_another_limit_threshold_version_or_unit_is_another_gate_to_sign(changes: dict[str, Any]) -> None:
    assert replace(GATE, **changes).digest != GATE.digest
