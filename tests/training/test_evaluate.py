"""The comparison as a whole: the same rows for everybody, what cannot be computed judged where it can be."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="training needs requirements-train.txt")

from sklearn.metrics import average_precision_score, roc_auc_score

from inference.features import layout_for
from tests.training.moments import Moments, Said, moments
from training import audit
from training.contenders import bedside
from training.evaluate import DEFINITIONS, Evaluation, evaluate
from training.readers import Tally
from training.tasks import task

VENTILATION = replace(task("ventilation"), inputs=("hr", "sbp"))
TREND = replace(task("troponin"), inputs=("troponin_t", "troponin_i", "hs_troponin_t", "hs_troponin_i", "hr"))
LAYOUT = layout_for(VENTILATION.inputs, VENTILATION.name)
TREND_LAYOUT = layout_for(TREND.inputs, TREND.name)


def contenders(rows: Moments, said: Said, seed: int = 1) -> dict[str, Any]:
    """The model, and a poorer copy of it."""
    rng = np.random.default_rng(seed)
    p = said.probability[:, -1]
    z = np.log(p / (1 - p)) + rng.normal(0, 1.0, len(p))
    return {"model": p, "trees": 1 / (1 + np.exp(-z))}


@pytest.fixture(scope="module")
def ventilation() -> tuple[Moments, Said, Evaluation]:
    rows, said = moments(LAYOUT)
    each = np.stack([said.probability[:, -1]] * 3, axis=1)
    found = evaluate(
        rows, contenders(rows, said), said, {"challenge-2012": Tally(3)}, VENTILATION, LAYOUT, members=each,
        extra={"mortality": {"auroc": 0.8}},
    )  # fmt: skip
    return rows, said, found


@pytest.fixture(scope="module")
def trend() -> tuple[Moments, Said, Evaluation]:
    rows, said = moments(TREND_LAYOUT, trend=True)
    aim = np.where(rows.first, 4.0, rows.value + rows.change)
    found = evaluate(rows, contenders(rows, said), said, {}, TREND, TREND_LAYOUT, aim=aim)
    return rows, said, found


def keep(rows: Moments, name: str) -> Any:
    return (rows.data_set == name) & rows.reported & ~rows.too_soon


def test_everybody_is_judged_on_the_reported_rows_of_one_data_set(ventilation: Any) -> None:
    rows, said, found = ventilation
    assert set(found.report["data_sets"]) == {"challenge-2012", "eicu-demo"}
    for name, of_set in found.report["data_sets"].items():
        here = keep(rows, name)
        y, p = rows.y[here, -1], said.probability[here, -1]
        assert (of_set["rows"], of_set["positive"]) == (here.sum(), y.sum())
        assert of_set["contenders"]["model"]["auroc"] == pytest.approx(roc_auc_score(y, p), abs=1e-4)
        assert of_set["contenders"]["trees"]["rows"] == of_set["rows"]
        gap = of_set["differences"]["trees"]
        assert gap["auroc"] == pytest.approx(
            of_set["contenders"]["model"]["auroc"] - of_set["contenders"]["trees"]["auroc"], abs=2e-4
        )
        assert gap["auroc_95"][0] < gap["auroc"] < gap["auroc_95"][1]
        assert of_set["outcomes"]["ventilation-6h"]["positive"] == rows.y[here, 0].sum()


def test_bedside_scores_only_rank_and_the_model_stands_beside_them_on_their_rows(ventilation: Any) -> None:
    rows, said, found = ventilation
    of_set = found.report["data_sets"]["challenge-2012"]
    rox = of_set["contenders"]["rox"]
    here = keep(rows, "challenge-2012") & np.isfinite(rows.rox)
    assert rox["rows"] == here.sum() < of_set["rows"]
    assert rox["auroc"] == pytest.approx(roc_auc_score(rows.y[here, -1], -rows.rox[here]), abs=1e-4)
    assert rox["auroc"] > 0.5  # low is bad: flipped
    assert not {"brier", "ece", "calibration_slope"} & set(rox)
    beside = of_set["model_on_their_rows"]["rox"]
    y, p = rows.y[here, -1], said.probability[here, -1]
    assert beside["auprc"] == pytest.approx(average_precision_score(y, p), abs=1e-4)
    assert beside["rows"] == rox["rows"] == of_set["differences"]["rox"]["rows"]
    assert "news2" not in of_set["model_on_their_rows"]  # known of every row
    assert list(of_set["contenders"]) == ["model", "trees", "news2", "rox"]  # nobody has the rule here


def test_the_rule_counts_where_it_says_something(trend: Any) -> None:
    rows, _, found = trend
    assert set(bedside(rows)) == {"rule"}
    of_set = found.report["data_sets"]["challenge-2012"]
    assert of_set["contenders"]["rule"]["rows"] == (keep(rows, "challenge-2012") & (rows.rule != "")).sum()
    others = [row for row in of_set["operating_of_others"] if row["contender"] == "Universal-definition rule"]
    assert [row["at"] for row in others][1] == "false-alarm rate 0.10"
    assert all(row["false_alarm_rate"] <= 0.10 for row in others[:2])


def test_every_part_of_the_report_is_there_and_is_json(ventilation: Any) -> None:
    _, _, found = ventilation
    report = json.loads(json.dumps(found.report, allow_nan=False))
    assert {"split", "headline", "definitions", "readers", "population", "indeterminate", "plots"} < set(
        report
    )
    assert report["mortality"] == {"auroc": 0.8}
    of_set = report["data_sets"]["challenge-2012"]
    assert {
        *("reliability", "operating", "operating_of_others", "decision_curve", "decision_useful", "fairness"),
        *("indeterminate", "subgroups", "ece_with_site_intercept", "onset_within_60_min", "patient_days"),
    } < set(of_set)
    assert len(of_set["decision_curve"]) == 40
    assert list(of_set["decision_curve"][9]) == ["threshold", "treat all", "model", "trees"]
    assert of_set["members"]["auroc_of_each"] == [of_set["contenders"]["model"]["auroc"]] * 3
    assert all("lead_hours" in row for row in of_set["operating"])
    for part in ("alarm", "patient_days", "patients_found", "lead_hours"):
        assert DEFINITIONS[part]


def test_subgroups_come_in_order_and_small_hospitals_are_only_counted(ventilation: Any) -> None:
    rows, _, found = ventilation
    of_set = found.report["data_sets"]["eicu-demo"]
    assert list(of_set["subgroups"]["landmark"]) == ["4", "8", "12", "24"]
    assert set(of_set["subgroups"]["ethnicity"]) == {"A", "unknown"}
    shown = of_set["subgroups"]["hospital"]
    assert len(shown) + of_set["hospitals_too_small_to_show"] == 3
    assert all("withheld" not in cell for cell in shown.values())
    assert "hospital" not in found.report["data_sets"]["challenge-2012"]["subgroups"]
    women = of_set["subgroups"]["sex"]["female"]
    here = keep(rows, "eicu-demo") & (rows.sex == "female")
    assert women["rows"] == here.sum()
    assert 0 <= women["false_negative_rate"] <= 1


def test_fairness_names_who_is_missed_most_and_leaves_the_unknown_out() -> None:
    cell = {"auroc": 0.7}
    cells = {
        "sex": {
            "female": cell | {"false_negative_rate": 0.6},
            "male": cell | {"false_negative_rate": 0.5},
            "unknown": cell | {"false_negative_rate": 0.9},
        },
        "age": {"18-44": {"withheld": "few"}, "45-64": cell | {"false_negative_rate": 0.5}},
    }
    found = audit.fairness(cells)
    assert found["sex"]["most_missed"] == "female"
    assert found["sex"]["ratio_of_sensitivities"] == 0.8
    assert "age" not in found


def test_doubtful_answers_are_counted_apart_and_the_rest_is_judged(ventilation: Any) -> None:
    rows, said, found = ventilation
    doubt = found.report["data_sets"]["challenge-2012"]["indeterminate"]
    here = keep(rows, "challenge-2012")
    assert doubt["share"] == pytest.approx(said.doubtful[here].mean(), abs=1e-4)
    rest = here & ~said.doubtful
    stood = doubt["answers"]["stood behind"]
    assert stood["rows"] == rest.sum()
    assert stood["auroc"] == pytest.approx(
        roc_auc_score(rows.y[rest, -1], said.probability[rest, -1]), abs=1e-4
    )
    assert doubt["answers"]["indeterminate"]["rows"] == here.sum() - rest.sum()


def test_an_onset_too_near_to_act_on_is_apart_from_every_figure(ventilation: Any) -> None:
    rows, _, found = ventilation
    of_set = found.report["data_sets"]["challenge-2012"]
    near = (rows.data_set == "challenge-2012") & rows.reported & rows.too_soon
    assert of_set["onset_within_60_min"]["positive"] == near.sum() > 0
    assert of_set["rows"] == keep(rows, "challenge-2012").sum()


def test_the_population_counts_each_patient_once(ventilation: Any) -> None:
    rows, _, found = ventilation
    who = found.report["population"]["eicu-demo"]
    mine = rows.where((rows.data_set == "eicu-demo") & ~rows.too_soon)
    assert who["patients"] == len(np.unique(mine.patient))
    assert who["rows"] == len(mine)
    assert who["hospitals"] == 3
    assert sum(who["sex"].values()) == pytest.approx(1, abs=1e-3)
    assert who["age_quartiles"][0] < who["age_median"] < who["age_quartiles"][1]


def test_a_forecast_is_compared_with_no_change_where_there_was_a_value(trend: Any) -> None:
    rows, said, found = trend
    forecast = found.report["data_sets"]["challenge-2012"]["forecast"]
    here = keep(rows, "challenge-2012") & ~rows.first
    assert forecast["draws"].keys() == {"first", "second", "third or later"}
    aim = rows.value + rows.change
    assert forecast["all"]["mae"] == pytest.approx(np.abs(aim - said.forecast[:, 1])[here].mean(), abs=1e-4)
    assert forecast["all"]["mae_no_change"] == pytest.approx(np.abs(rows.change[here]).mean(), abs=1e-4)
    held = (aim >= said.forecast[:, 0]) & (aim <= said.forecast[:, 2])
    assert forecast["all"]["coverage_80"] == pytest.approx(held[here].mean(), abs=1e-4)
    assert forecast["all"]["mean_width_log"] == pytest.approx(0.8, abs=1e-4)
    assert set(forecast) == {"all", "analyte", "draws", "hours_ahead"}
    assert list(forecast["hours_ahead"]) == ["0-4 h ahead", "4-8 h ahead", "8-12 h ahead", "12-24 h ahead"]


def test_before_the_first_result_there_is_no_change_to_compare_with() -> None:
    rows, said = moments(TREND_LAYOUT, trend=True)
    rows = replace(rows, reported=np.ones(len(rows), dtype=bool))
    aim = np.where(rows.first, 4.0, rows.value + rows.change)
    of_set = evaluate(rows, contenders(rows, said), said, {}, TREND, TREND_LAYOUT, aim=aim).report[
        "data_sets"
    ]
    first = of_set["challenge-2012"]["forecast"]["draws"][audit.BEFORE_FIRST]
    assert first["coverage_80"] > 0
    assert "mae_no_change" not in first
    assert audit.BEFORE_FIRST in of_set["challenge-2012"]["subgroups"]["draws"]
    given = contenders(rows, said) | {"no-change": np.where(rows.first, 4.0, rows.value)}
    again = evaluate(rows, given, said, {}, TREND, TREND_LAYOUT, aim=aim).report["data_sets"]
    assert again["challenge-2012"]["forecast"]["draws"][audit.BEFORE_FIRST]["mae_no_change"] == 0
    assert "no-change" not in again["challenge-2012"]["contenders"]


def test_a_data_set_with_few_outcomes_says_so_and_gives_no_figure() -> None:
    rows, said = moments(LAYOUT, stays=24)
    found = evaluate(rows, contenders(rows, said), said, {}, VENTILATION, LAYOUT)
    scarce = found.report["data_sets"]["eicu-demo"]
    assert scarce["withheld"]
    assert "withheld" in scarce["contenders"]["model"]
    assert not [name for name in found.plots if name.startswith("eicu-demo")]
    json.dumps(found.report, allow_nan=False)


def test_a_comparison_without_a_model_or_with_holes_in_it_is_refused() -> None:
    rows, said = moments(LAYOUT, stays=40)
    with pytest.raises(ValueError, match='"model"'):
        evaluate(rows, {"trees": said.probability[:, -1]}, said, {}, VENTILATION, LAYOUT)
    holes = said.probability[:, -1].copy()
    holes[rows.reported] = np.nan
    with pytest.raises(ValueError, match="no answer"):
        evaluate(rows, {"model": holes}, said, {}, VENTILATION, LAYOUT)
    with pytest.raises(ValueError, match="headline"):
        evaluate(
            rows, contenders(rows, said), said, {}, VENTILATION, LAYOUT, extra={"headline": "another"}
        )  # fmt: skip


def test_there_is_a_drawing_of_every_kind_and_the_report_says_what_each_shows(
    ventilation: Any, trend: Any
) -> None:
    kinds = {"reliability", "ranking", "decision", "alarms", "landmarks"}
    for found, more in ((ventilation[2], set()), (trend[2], {"forecast"})):
        names = {f"{name}-{kind}.svg" for name in found.report["data_sets"] for kind in kinds | more}
        assert set(found.plots) == set(found.report["plots"]) == names
        assert all(entry["title"] and entry["text"] for entry in found.report["plots"].values())
