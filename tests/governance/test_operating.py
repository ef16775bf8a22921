"""The search for an operating threshold: every point is the gate's own arithmetic, and the choice is the strictest."""

from __future__ import annotations

from datetime import UTC
from itertools import pairwise

import numpy as np

from governance.figures import figures
from governance.gate import DEFINITIONS, Gate
from governance.operating import proposed, trade_off
from governance.patient_days import Days, days_of
from tests.governance.test_figures import row

GATE = Gate("north", "ventilation-need", "ventilation-24h", "0.2.0", 0.5)


def days(apart: float) -> Days:
    """400 patients of one day each, a third of them positive and `apart` higher."""
    random = np.random.default_rng(7)
    rows = []
    for patient in range(400):
        sick = patient % 3 == 0
        said = float(np.clip(random.normal(0.3 + apart * sick, 0.1), 0, 1))
        rows.append(row(f"p{patient}", "yes" if sick else "no", said))
    return days_of(rows, UTC)


def test_every_point_is_what_the_gate_would_find_at_that_threshold() -> None:
    found = days(0.3)
    for point in trade_off(found, 0.5)[::8]:
        at = figures(found, point.threshold)
        assert point.sensitivity == at.sensitivity
        assert (point.by_day, point.by_alarm, point.alarms) == (at.false_by_day, at.false_by_alarm, at.alarms)


def test_a_higher_threshold_never_catches_more_nor_alarms_more_often() -> None:
    points = trade_off(days(0.2), 0.5)
    assert [p.threshold for p in points] == sorted(p.threshold for p in points)
    assert 0.5 in [p.threshold for p in points]
    for lower, higher in pairwise(points):
        assert lower.sensitivity.count >= higher.sensitivity.count
        assert all(lower.false(d).count >= higher.false(d).count for d in DEFINITIONS)


def test_the_highest_threshold_with_proven_sensitivity_is_proposed() -> None:
    points = trade_off(days(0.5), 0.5)
    best = proposed(points, GATE)
    assert best is not None
    assert best.sensitivity.low is not None
    assert best.sensitivity.low >= 0.85
    later = [p for p in points if p.threshold > best.threshold]
    assert all(p.sensitivity.low is not None and p.sensitivity.low < 0.85 for p in later)


def test_without_data_nothing_is_proposed() -> None:
    assert proposed(trade_off(days_of([], UTC), 0.5), GATE) is None
