"""The gate's figures: counted by patient-day, with intervals that hold what they promise."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from governance.figures import figures
from governance.intervals import BOOTSTRAP, EXACT, NONE, Rate, exact, rates
from governance.keys import Pseudonym
from governance.outcomes import Labelled
from governance.patient_days import Days, days_of

DAY = datetime(2026, 3, 1, 12, tzinfo=UTC)


def row(patient: str, label: str, probability: float | None, day: float = 0, **changes: Any) -> Labelled:
    """One settled answer, `day` days after the first of March at noon."""
    standard: dict[str, Any] = {
        "id": "", "assessment_id": "", "outcome": "ventilation-24h", "label": label, "source": "rule",
        "reason": "", "happened_at": None, "value": None, "pseudonym": Pseudonym(patient), "version": "0.1.0",
        "state": "silent", "status": "assessed", "as_of": DAY + timedelta(days=day), "hours": 24,
        "probability": probability, "care_unit": "", "sex": "", "age_band": "", "race": "", "ethnicity": "",
        "language": "", "site": "", "insurance": "",
    }  # fmt: skip
    return Labelled(**(standard | changes))


def ward(
    patients: int, *, caught: float, false: float, positive: float = 0.3, seed: int = 1
) -> list[Labelled]:
    """Patients of one to three days, whose days resemble each other."""
    random, rows = np.random.default_rng(seed), []
    for patient in range(patients):
        sick, right = random.random() < positive, random.random()
        said = 0.9 if right < (caught if sick else false) else 0.1
        sex = "female" if patient % 2 else "male"
        for day in range(int(random.integers(1, 4))):
            rows.append(row(f"p{patient}", "yes" if sick else "no", said, day, sex=sex))
    return rows


def width(rate: Rate) -> float:
    """How long the interval is."""
    assert rate.low is not None
    assert rate.high is not None
    return rate.high - rate.low


def days(rows: list[Labelled]) -> Days:
    return days_of(rows, UTC)


def test_every_patient_day_counts_once_whatever_its_answers() -> None:
    found = figures(
        days(
            [
                row(
                    "a", "no", 0.9
                ),  # a day is positive if any answer was followed: this one raised no false alarm
                row("a", "yes", 0.8, 0.1),
                row("b", "yes", 0.1),  # missed
                row("b", "no", 0.9, 1),  # a false alarm, said twice
                row("b", "no", 0.7, 1.1),
                row("c", "no", 0.2),
                row("d", "early", 0.9),
                row("e", "unknown", 0.9),
            ]
        ),
        0.5,
    )
    assert (found.patient_days, found.patients, found.positives, found.days) == (4, 3, 2, 2)
    assert (found.sensitivity.count, found.sensitivity.of) == (1, 2)
    assert (found.false_by_day.count, found.false_by_day.of) == (1, 2)
    assert (found.false_by_alarm.count, found.false_by_alarm.of) == (1, 2)
    assert (found.alarms.count, found.alarms.of) == (4, 4)
    assert (found.early, found.unknown) == (1, 1)


def test_an_alarm_before_the_hours_of_the_outcome_caught_nothing() -> None:
    found = figures(days([row("a", "no", 0.9), row("a", "yes", 0.1, 0.1)]), 0.5)
    assert (found.sensitivity.count, found.false_by_alarm.count) == (0, 1)


def test_an_answer_nobody_stands_behind_raises_no_alarm_and_is_a_miss() -> None:
    found = figures(days([row("a", "yes", 0.9, status="indeterminate"), row("b", "no", None)]), 0.0)
    assert (found.sensitivity.count, found.sensitivity.of, found.indeterminate) == (0, 1, 2)
    assert found.alarms.count == 0


def test_a_day_ends_at_the_sites_midnight() -> None:
    rows = [row("a", "no", 0.1, 0.45), row("a", "no", 0.1, 0.55)]  # 22:48 and 01:12 in UTC
    assert figures(days_of(rows, UTC), 0.5).patient_days == 2
    assert figures(days_of(rows, ZoneInfo("America/New_York")), 0.5).patient_days == 1


def test_nothing_at_all_has_no_rate_rather_than_a_good_one() -> None:
    found = figures(days([]), 0.5)
    assert found.sensitivity.value is found.alarms.low is None
    assert found.sensitivity.method == NONE


def test_few_patients_or_all_alike_get_the_exact_interval() -> None:
    all_caught = figures(days(ward(200, caught=1, false=0.1)), 0.5).sensitivity
    assert all_caught.value == 1
    assert all_caught.method == EXACT
    assert all_caught.low == pytest.approx(0.025 ** (1 / all_caught.patients))  # n of n, Clopper-Pearson
    assert figures(days(ward(40, caught=0.8, false=0.1)), 0.5).sensitivity.method == EXACT
    assert figures(days(ward(400, caught=0.8, false=0.1)), 0.5).sensitivity.method == BOOTSTRAP


@pytest.mark.parametrize(
    ("seen", "of", "low", "high"), [(5, 12, 0.151652, 0.723330), (170, 200, 0.792841, 0.896450)]
)
def test_the_exact_interval_is_that_of_the_tables(seen: int, of: int, low: float, high: float) -> None:
    assert exact(seen / of, of) == pytest.approx((low, high), abs=1e-6)


def test_the_bootstrap_draws_patients_and_so_is_wider_than_days_would_be() -> None:
    alike = np.repeat([[0.0], [10.0]], 50, axis=0)  # ten days each that all say the same
    (by_patient,) = rates(alike, np.full((100, 1), 10.0), seed=3)
    (by_day,) = rates(np.repeat([[0.0], [1.0]], 500, axis=0), np.ones((1000, 1)), seed=3)
    assert width(by_patient) > 2.5 * width(by_day)


def test_the_same_seed_gives_the_same_figures_and_order_does_not_matter() -> None:
    rows = ward(300, caught=0.8, false=0.2)
    assert figures(days(rows), 0.5) == figures(days(rows), 0.5)
    back, forth = figures(days(rows[::-1]), 0.5), figures(days(rows), 0.5)
    assert (back.sensitivity, back.groups) == (forth.sensitivity, forth.groups)
    assert figures(days(rows), 0.5, seed=2).sensitivity != forth.sensitivity


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    held = [
        rate.low <= 0.8 <= rate.high
        for seed in range(100)
        if (rate := figures(days(ward(250, caught=0.8, false=0.1, seed=seed)), 0.5).sensitivity)
        and rate.low is not None
        and rate.high is not None
    ]
    assert np.mean(held) >= 0.87  # 95 of 100 promised; fewer than 87 has a chance below 1 in 1000


def test_subgroups_are_counted_by_patient_and_small_ones_left_out() -> None:
    rows = [*ward(200, caught=0.8, false=0.1), row("z", "yes", 0.1, sex="other")]
    found = {(group.trait, group.value): group for group in figures(days(rows), 0.5).groups}
    assert set(found) == {("sex", "female"), ("sex", "male")}
    missed = [each for each in rows if each.sex == "male" and each.label == "yes" and each.probability == 0.1]
    assert found["sex", "male"].missed.count == len(missed)
