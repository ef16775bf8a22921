"""Thresholds, alarms, lead time and net benefit, on examples small enough to work out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="training needs requirements-train.txt")

from training import operating
from training.operating import Watch, watch
from training.resample import Draws

NAN = np.nan


def ward() -> Watch:
    """Two stays: `a` is ventilated 14 h after its first landmark, `b` never and is lost to sight 2 h after its last.

    a at 4, 6, 12 h: onset 14, 12, 6 h later. b at 4, 12, 24 h: out of sight 22, 14, 2 h later.
    """
    return watch(
        y=np.array([True, True, True, False, False, False]),
        stay=np.array(["a", "a", "a", "b", "b", "b"]),
        hour=np.array([4.0, 6, 12, 4, 12, 24]),
        onset=np.array([14.0, 12, 6, NAN, NAN, NAN]),
        end=np.array([40.0, 38, 32, 22, 14, 2]),
        horizon=24.0,
        longest=6.0,
    )


def draws(seen: Watch) -> Draws:
    return Draws.of(seen.stay, count=50)


def test_a_landmark_stands_for_the_hours_to_the_next_one_to_onset_or_to_the_end_of_sight() -> None:
    assert (ward().days * 24).tolist() == [2, 6, 6, 6, 6, 2]


def test_rows_in_any_order_make_the_same_courses() -> None:
    seen = ward()
    mixed = np.array([5, 2, 0, 3, 1, 4])
    again = watch(
        seen.y[mixed], seen.stay[mixed], seen.hour[mixed], seen.onset[mixed],
        np.array([40.0, 38, 32, 22, 14, 2])[mixed], 24.0, 6.0,
    )  # fmt: skip
    np.testing.assert_array_equal(again.days, seen.days[mixed])
    fires = np.array([1, 1, 1, 0, 1, 1], dtype=bool)
    assert operating.alarms(again, fires[mixed]) == operating.alarms(seen, fires)


def test_an_alarm_silences_its_own_stay_for_eight_hours_and_no_other() -> None:
    seen = ward()
    everywhere = np.ones(6, dtype=bool)
    assert operating.alarms(seen, everywhere) == 5  # a at 4 and 12; b at 4, 12 and 24
    assert operating.alarms(seen, everywhere, silence=0) == 6
    assert (
        operating.alarms(seen, everywhere, silence=9) == 3
    )  # a at 4; b at 4 and 24: 12 is within nine hours of 4
    assert operating.alarms(seen, ~everywhere) == 0


def test_lead_time_runs_from_the_first_alarm_to_onset() -> None:
    seen = ward()
    found = operating.lead(seen, np.array([0, 1, 1, 1, 1, 1], dtype=bool))
    assert found == {
        "patients_to_find": 1,
        "patients_found": 1.0,
        "lead_hours": 12.0,
        "lead_hours_quartiles": [12.0, 12.0],
    }
    nobody = operating.lead(seen, np.array([0, 0, 0, 1, 1, 1], dtype=bool))
    assert (nobody["patients_found"], nobody["lead_hours"]) == (0.0, None)


def test_an_alarm_more_than_a_day_ahead_or_within_the_last_hour_finds_nobody() -> None:
    seen = replace(ward(), onset=np.array([30.0, 28, 0.9, NAN, NAN, NAN]))
    assert operating.lead(seen, np.ones(6, dtype=bool))["patients_to_find"] == 0
    near = replace(ward(), onset=np.array([24.0, 22, 1.0, NAN, NAN, NAN]))
    assert operating.lead(near, np.array([0, 0, 1, 0, 0, 0], dtype=bool))["lead_hours"] == 1.0


def test_quartiles_of_the_lead_are_over_patients_each_once() -> None:
    hours = np.array([2.0, 4, 6, 8, 10])
    seen = watch(
        np.ones(10, dtype=bool), np.repeat(list("abcde"), 2), np.tile([4.0, 5], 5),
        np.repeat(hours, 2) + np.tile([0.0, -1], 5), np.full(10, 48.0), 24.0, 6.0,
    )  # fmt: skip
    found = operating.lead(seen, np.ones(10, dtype=bool))
    assert found["lead_hours"] == 6
    assert found["lead_hours_quartiles"] == [4, 8]


def test_rates_at_a_threshold_by_hand() -> None:
    seen = ward()
    score = np.array([0.1, 0.6, 0.9, 0.2, 0.7, 0.1])
    found = operating.point(seen, score, 0.6, draws(seen))
    assert found["sensitivity"] == pytest.approx(2 / 3, abs=1e-4)
    assert found["ppv"] == pytest.approx(2 / 3, abs=1e-4)
    assert found["false_alarm_rate"] == pytest.approx(1 / 3, abs=1e-4)
    assert found["alarms_per_patient_day"] == pytest.approx(3 / (28 / 24), abs=1e-4)
    assert found["spaced_alarms_per_patient_day"] == pytest.approx(2 / (28 / 24), abs=1e-4)
    assert (found["patients_found"], found["lead_hours"]) == (1.0, 12.0)


def test_a_threshold_nothing_reaches_raises_no_alarm_and_is_none_in_json() -> None:
    seen = ward()
    found = operating.point(seen, np.zeros(6), np.inf, draws(seen))
    assert (found["threshold"], found["sensitivity"], found["ppv"], found["ppv_95"]) == (None, 0, None, None)


def test_the_threshold_of_a_false_alarm_rate_is_the_lowest_that_keeps_it_ties_included() -> None:
    y = np.array([False] * 10 + [True] * 3)
    score = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.9, 0.55, 0.85, 0.95])
    assert operating.at_false_alarm_rate(y, score, 0.20) == 0.85  # two negatives at 0.9
    assert operating.at_false_alarm_rate(y, score, 0.10) == 0.95  # one of the two would be one too many
    assert operating.at_false_alarm_rate(y, score, 0.25) == 0.85
    assert operating.at_false_alarm_rate(y, score, 1.0) == 0.1
    assert operating.at_false_alarm_rate(y, np.zeros(13), 0.10) == np.inf
    rng = np.random.default_rng(0)
    many, outcome = np.round(rng.random(4000), 2), rng.random(4000) < 0.2
    for rate in operating.FALSE_ALARMS:
        threshold = operating.at_false_alarm_rate(outcome, many, rate)
        below = many[many < threshold].max()
        assert (many[~outcome] >= threshold).mean() <= rate < (many[~outcome] >= below).mean()


def test_the_threshold_of_a_sensitivity_is_the_highest_that_reaches_it() -> None:
    y = np.array([True] * 4 + [False])
    score = np.array([0.2, 0.4, 0.6, 0.8, 0.9])
    assert operating.at_sensitivity(y, score, 0.5) == 0.6
    assert operating.at_sensitivity(y, score, 0.51) == 0.4
    assert operating.at_sensitivity(y, score, 1.0) == 0.2


def test_a_budget_of_alarms_is_spent_and_not_overdrawn() -> None:
    rng = np.random.default_rng(1)
    stays, hours = np.repeat(np.arange(60).astype(str), 9), np.tile([4.0, 6, 8, 10, 12, 15, 18, 21, 24], 60)
    seen = watch(
        rng.random(540) < 0.2, stays, hours, np.full(540, NAN), np.full(540, 48.0), 24.0, 3.0,
    )  # fmt: skip
    score, days = rng.random(540), 60 * 23 / 24
    assert seen.days.sum() == pytest.approx(days)
    for budget in operating.BUDGETS:
        threshold = operating.at_budget(seen, score, budget)
        assert operating.alarms(seen, score >= threshold) <= budget * days
        lower = score[score < threshold].max()
        assert operating.alarms(seen, score >= lower) > budget * days
    assert operating.at_budget(seen, score, 0.0) == np.inf
    assert operating.at_budget(seen, score, 100.0) == score.min()


def test_every_wish_has_its_point_and_only_patients_with_an_onset_have_a_lead() -> None:
    rng = np.random.default_rng(2)
    y = np.arange(400) % 5 == 0
    seen = watch(
        y, np.repeat(np.arange(200).astype(str), 2), np.tile([4.0, 8.0], 200),
        np.full(400, NAN), np.full(400, 48.0), 24.0, 4.0,
    )  # fmt: skip
    score = rng.random(400) + y * 0.3
    found = operating.points(seen, score, Draws.of(seen.stay, count=80))
    assert [row["at"] for row in found] == [
        *("false-alarm rate 0.05", "false-alarm rate 0.10", "false-alarm rate 0.20", "sensitivity 0.85"),
        *(f"alarms per patient-day {budget}" for budget in ("0.1", "0.25", "0.5", "1")),
    ]
    assert found[3]["sensitivity"] >= 0.85
    assert all("lead_hours" not in row for row in found)
    low, high = found[1]["sensitivity_95"]
    assert low < found[1]["sensitivity"] < high
    some = seen.where(y | (rng.random(400) < 0.5))
    assert some.days.sum() < seen.days.sum()
    assert len(some.course) <= len(seen.course)


def test_the_curve_of_alarms_only_climbs() -> None:
    rng = np.random.default_rng(2)
    seen = watch(
        rng.random(540) < 0.2, np.repeat(np.arange(60).astype(str), 9), np.tile(np.arange(9) * 2.0, 60),
        rng.random(540) * 30, np.full(540, 48.0), 24.0, 3.0,
    )  # fmt: skip
    found = operating.curve(seen, rng.random(540))
    for name in ("alarms", "sensitivity", "patients_found"):
        values = [row[name] for row in found]
        assert values == sorted(values)
    assert found[-1]["sensitivity"] == 1


def test_net_benefit_is_what_its_definition_says() -> None:
    rng = np.random.default_rng(4)
    p = rng.random(500)
    y = rng.random(500) < p
    found = operating.decisions(y, {"model": p, "nobody": np.zeros(500)})
    for index, threshold in enumerate(np.arange(1, 41) / 100):
        odds = threshold / (1 - threshold)
        by_hand = np.mean((p >= threshold) & y) - np.mean((p >= threshold) & ~y) * odds
        assert found["model"][index] == pytest.approx(by_hand, abs=1e-5)
        assert found["treat all"][index] == pytest.approx(y.mean() - (~y).mean() * odds, abs=1e-5)
    assert found["nobody"] == [0.0] * 40
    assert len(found["threshold"]) == 40
    assert operating.useful(found, "nobody") is None
    low, high = operating.useful(found, "model") or (0, 0)
    assert 0.01 <= low < high == 0.40
