"""Discrimination and calibration, and how sure they are: against scikit-learn and against the formulas."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="training needs requirements-train.txt")

from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from training import measure
from training.resample import Draws, interval


def cohort(rows: int = 600, patients: int = 200, seed: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Outcomes, honest probabilities and patients, three rows each."""
    rng = np.random.default_rng(seed)
    p = 1 / (1 + np.exp(-rng.normal(-1.5, 1.2, rows)))
    patient = np.char.add("p", (np.arange(rows) % patients).astype(str))
    return rng.random(rows) < p, p, patient


def test_every_draw_of_patients_ranks_as_scikit_learn_does_with_weights_ties_and_all() -> None:
    y, p, patient = cohort()
    p = np.round(p, 2)  # ties
    draws = Draws.of(patient, count=60)
    found = draws.ranking(y, p)
    for draw in range(60):
        weight = draws.counts[:, draw][draws.owner]
        assert found[draw, 0] == pytest.approx(roc_auc_score(y, p, sample_weight=weight), abs=1e-6)
        assert found[draw, 1] == pytest.approx(average_precision_score(y, p, sample_weight=weight), abs=1e-6)


def test_a_score_of_two_values_and_a_score_that_says_nothing_rank_as_scikit_learn_says() -> None:
    y, p, patient = cohort()
    draws = Draws.of(patient, count=3)
    for score in ((p > 0.4) * 1.0, np.zeros(len(y)), -p):
        weight = draws.counts[:, 2][draws.owner]
        expected = roc_auc_score(y, score, sample_weight=weight)
        assert draws.ranking(y, score)[2, 0] == pytest.approx(expected, abs=1e-6)


def test_a_draw_draws_patients_with_all_their_rows() -> None:
    patient = np.array(["a", "a", "b", "c", "c", "c"])
    draws = Draws.of(patient, count=40)
    assert draws.counts.sum(axis=0).tolist() == [3] * 40
    assert draws.patients == 3
    np.testing.assert_array_equal(
        draws.total(np.ones(6)), 2 * draws.counts[0] + draws.counts[1] + 3 * draws.counts[2]
    )


def test_the_interval_of_a_mean_covers_the_truth_about_as_often_as_it_says() -> None:
    """Each patient is always alike: a bootstrap of rows would be far too sure, and cover about half as often."""
    rng = np.random.default_rng(0)
    patient = np.repeat(np.arange(80).astype(str), 6)
    held = 0
    for trial in range(120):
        values = np.repeat(rng.normal(0.3, 1.0, 80), 6)
        low, high = interval(Draws.of(patient, count=300, seed=trial).mean(values)) or (0.0, 0.0)
        held += low <= 0.3 <= high
    assert 0.88 <= held / 120 <= 0.99


def test_an_interval_that_most_draws_could_not_give_is_not_given() -> None:
    assert interval(np.array([0.5, np.nan, np.nan])) is None
    assert interval(np.array([0.5, 0.5, np.nan])) == [0.5, 0.5]
    y = np.zeros(4, dtype=bool)
    assert np.isnan(Draws.of(np.array(list("abcd")), count=5).ranking(y, np.arange(4.0))).all()


def test_figures_are_scikit_learns_and_the_formulas() -> None:
    y, p, patient = cohort()
    found = measure.figures(y, p, Draws.of(patient))
    assert found["auroc"] == pytest.approx(roc_auc_score(y, p), abs=1e-4)
    assert found["auprc"] == pytest.approx(average_precision_score(y, p), abs=1e-4)
    assert found["brier"] == pytest.approx(brier_score_loss(y, p), abs=1e-4)
    assert (found["rows"], found["positive"], found["patients"]) == (600, int(y.sum()), 200)
    for name in ("auroc", "auprc", "brier", "calibration_slope", "calibration_intercept"):
        low, high = found[f"{name}_95"]
        assert low < found[name] < high
    assert found["calibration_slope"] == pytest.approx(1, abs=0.25)  # honest probabilities


def test_a_patient_per_row_may_stand_in_for_the_draws() -> None:
    y, p, patient = cohort()
    assert measure.figures(y, p, patient) == measure.figures(y, p, Draws.of(patient))


def test_calibration_slope_and_intercept_undo_what_was_done_to_the_log_odds() -> None:
    rng = np.random.default_rng(1)
    z = rng.normal(-1, 1.2, 40_000)
    y = rng.random(40_000) < 1 / (1 + np.exp(-z))
    too_bold = 1 / (1 + np.exp(-(2 * z + 1)))
    found = measure.figures(y, too_bold)
    assert found["calibration_slope"] == pytest.approx(0.5, abs=0.03)
    assert found["calibration_intercept"] == pytest.approx(-0.5, abs=0.05)


def test_one_newton_step_a_draw_is_close_to_fitting_the_draw() -> None:
    y, p, patient = cohort(3000, 1000)
    z, draws = measure.logit(p), Draws.of(patient, count=20)
    slope, intercept = measure.platt(z, y)
    stepped = draws.calibration(y, z, slope, intercept)
    for draw in range(20):
        fitted = measure.platt(z, y, draws.counts[:, draw][draws.owner])
        np.testing.assert_allclose(stepped[draw], fitted, atol=0.02)


def test_expected_calibration_error_by_hand() -> None:
    """Twenty rows in ten pairs; each pair is off by 0.1 but the last, which is off by 0.4."""
    p = np.repeat(np.arange(10) / 10 + 0.05, 2)
    y = np.zeros(20, dtype=bool)
    y[10:] = True
    by_hand = sum(abs(p[2 * i] - y[2 * i]) for i in range(10)) / 10
    assert measure.figures(y, p)["ece"] == pytest.approx(by_hand, abs=1e-4)


def test_reliability_points_partition_the_rows() -> None:
    y, p, patient = cohort()
    points = measure.reliability(y, p, Draws.of(patient))
    assert len(points) == 10
    assert sum(point["rows"] for point in points) == 600
    assert sum(point["positive"] for point in points) == y.sum()
    assert [point["predicted"] for point in points] == sorted(point["predicted"] for point in points)
    low, high = points[5]["observed_95"]
    assert low <= points[5]["observed"] <= high
    ordered = np.argsort(p)[:60]
    assert points[0]["predicted"] == pytest.approx(p[ordered].mean(), abs=1e-4)
    assert len(measure.reliability(y[:71], p[:71])) == 3  # of few rows fewer points


def test_a_difference_of_two_models_is_paired_and_surer_than_either() -> None:
    y, p, patient = cohort(3000, 1000)
    draws = Draws.of(patient)
    near = 1 / (1 + np.exp(-(measure.logit(p) + np.random.default_rng(9).normal(0, 0.3, len(p)))))
    found = measure.difference(y, p, near, draws)
    assert found["auroc"] == pytest.approx(roc_auc_score(y, p) - roc_auc_score(y, near), abs=1e-4)
    width = found["auroc_95"][1] - found["auroc_95"][0]
    alone = measure.figures(y, p, draws)["auroc_95"]
    assert width < 0.6 * (alone[1] - alone[0])
    same = measure.difference(y, p, p, draws)
    assert (same["auroc"], same["auroc_95"], same["auprc_95"]) == (0, [0, 0], [0, 0])
    assert measure.difference(y, near, p, draws)["auroc"] == -found["auroc"]


def test_few_of_one_outcome_are_withheld_everywhere() -> None:
    y = np.array([True] * 9 + [False] * 30)
    p, draws = np.linspace(0, 1, 39), Draws.of(np.arange(39).astype(str))
    for found in (measure.figures(y, p, draws), measure.ranking(y, p), measure.difference(y, p, p, draws)):
        assert found["withheld"] == measure.WITHHELD
        assert "auroc" not in found
    y[9] = True
    assert "withheld" not in measure.figures(y, p)


def test_subgroups_say_whom_the_model_misses_and_withhold_small_ones() -> None:
    y, p, patient = cohort()
    sex = np.where(np.arange(600) % 2, "female", "male").astype("U7")
    sex[:5] = "unknown"
    found = measure.subgroups(y, p, {"sex": sex}, Draws.of(patient), threshold=0.3)["sex"]
    assert found["unknown"] == {
        "rows": 5,
        "positive": int(y[:5].sum()),
        "patients": 5,
        "withheld": measure.WITHHELD,
    }
    women = sex == "female"
    missed = (p[women & y] < 0.3).mean()
    assert found["female"]["false_negative_rate"] == pytest.approx(missed, abs=1e-4)
    assert found["female"]["false_alarm_rate"] == pytest.approx((p[women & ~y] >= 0.3).mean(), abs=1e-4)
    low, high = found["female"]["false_negative_rate_95"]
    assert low < missed < high


def test_a_site_that_sets_its_intercept_loses_the_error_its_frequency_made() -> None:
    y, p, _ = cohort(6000, 6000)
    shifted = 1 / (1 + np.exp(-(measure.logit(p) - 1)))
    assert measure.figures(y, shifted)["ece"] > 0.08
    assert measure.site_ece(y, shifted) < 0.03


def test_age_bands_have_no_gap() -> None:
    ages = np.array([17.9, 18, 44.9, 45, 64, 65, 79.9, 80, 90, np.nan])
    assert measure.age_band(ages).tolist() == [
        *("unknown", "18-44", "18-44", "45-64", "45-64", "65-79", "65-79", "80+", "80+", "unknown")
    ]
