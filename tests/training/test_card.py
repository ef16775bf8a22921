"""The card: beaten first, limits before figures, 31 attributes of which the figures are never typed."""

from __future__ import annotations

import copy
import json
import re
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sklearn", reason="training needs requirements-train.txt")

from inference.errors import ArtifactError
from inference.features import layout_for
from inference.model import load, newest
from tests.training.moments import moments
from training import attributes as source
from training.card import beaten, card, markdown, provenance, status
from training.evaluate import evaluate
from training.intended import INTENDED
from training.reword import reword
from training.tasks import TASKS, Task, task

VENTILATION = replace(task("ventilation"), inputs=("hr", "gcs"))
ARTIFACTS = Path(__file__).resolve().parents[2] / "inference" / "artifacts"
LAYOUT = layout_for(VENTILATION.inputs, VENTILATION.name)


@pytest.fixture(scope="module")
def told() -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """Rows, their evaluation, in which trees are better, and the card."""
    rows, said = moments(LAYOUT, stays=400)
    better = said.probability[:, -1]
    worse = replace(said, probability=said.probability[::-1].copy())
    given = {"model": worse.probability[:, -1], "trees": better}
    report = evaluate(rows, given, worse, {}, VENTILATION, LAYOUT).report
    return rows, report, card(VENTILATION, report, rows)


def gap(auroc: float, low: float, high: float, auprc: float = 0.0) -> dict[str, Any]:
    return {"rows": 100, "auroc": auroc, "auroc_95": [low, high], "auprc": auprc, "auprc_95": [-0.1, 0.1]}


def report(difference: dict[str, Any], rows: int = 100) -> dict[str, Any]:
    figures = {"rows": rows, "positive": 20, "auroc": 0.71, "auprc": 0.25}
    of_set = {
        "rows": rows,
        "contenders": {"model": figures, "line": figures | {"rows": 100, "auroc": 0.72}},
        "differences": {"line": difference},
        "model_on_their_rows": {} if rows == 100 else {"line": figures | {"rows": 100, "auroc": 0.70}},
    }
    return {"data_sets": {"eicu-demo": of_set}}


def test_a_better_baseline_is_said_with_both_figures_and_the_interval_of_the_difference() -> None:
    said = beaten(report(gap(-0.01, -0.02, 0.003)))
    assert said == (
        "A baseline does better than this model. eICU demo: Logistic regression, AUROC 0.720 against 0.710 of this "
        "model (difference -0.010, 95 % -0.020 to +0.003)."
    )


def test_where_a_baseline_is_known_of_some_rows_the_model_is_quoted_on_those() -> None:
    said = beaten(report(gap(-0.02, -0.05, 0.01), rows=500))
    assert "on the 100 moments where it is known" in said
    assert "against 0.700 of this model" in said


def test_a_difference_within_noise_is_no_defeat_unless_it_is_sure() -> None:
    assert beaten(report(gap(-0.004, -0.02, 0.01))).startswith("No baseline")
    assert beaten(report(gap(-0.004, -0.006, -0.002))).startswith("A baseline does better")
    assert beaten(report(gap(0.05, 0.01, 0.09))).startswith("No baseline")
    assert "AUPRC" in beaten(report(gap(0.0, -0.01, 0.01, auprc=-0.03)))
    assert beaten(report({"rows": 3, "withheld": "few"})).startswith("No baseline")


def test_a_forecast_worse_than_no_change_is_said() -> None:
    evaluation = report(gap(0.05, 0.01, 0.09))
    found = {"mae": 0.36, "mae_no_change": 0.35, "mae_difference": 0.01, "mae_difference_95": [-0.01, 0.03]}
    evaluation["data_sets"]["eicu-demo"]["forecast"] = {"all": found}
    assert "no change forecasts better, mean error of the log 0.350 against 0.360" in beaten(evaluation)
    found["mae_difference"] = -0.01
    assert beaten(evaluation).startswith("No baseline")


def test_the_status_says_how_far_the_gate_is(told: Any) -> None:
    _, evaluation, made = told
    points = evaluation["data_sets"]["challenge-2012"]["operating"]
    rate = next(p["false_alarm_rate"] for p in points if p["at"] == "sensitivity 0.85")
    assert f"{rate:.2f} in Challenge 2012" in made["status"]
    assert status({"data_sets": {}}) == (
        "silent or demonstration only; a site's gate asks for at most 0.10 on its own outcomes"
    )


def test_there_are_31_attributes_in_order_each_with_a_known_source(told: Any) -> None:
    _, _, made = told
    listed = made["attributes"]
    assert [one["number"] for one in listed] == list(range(1, 32))
    sources = {source.EVALUATION, source.TRAINING, source.WRITTEN, source.LEDGER, source.NOT_YET}
    assert {one["source"] for one in listed} <= sources
    assert all(one["title"] and len(one["text"]) > 15 for one in listed)
    by = {one["number"]: one for one in listed}
    assert all(by[n]["source"] == source.EVALUATION for n in (21, 22, 23, 24))
    assert all(by[n]["source"] == source.LEDGER and "empty until" in by[n]["text"] for n in (27, 29))
    assert by[25]["source"] == source.NOT_YET


def test_figures_in_the_attributes_change_with_the_evaluation_and_nothing_else_does(told: Any) -> None:
    rows, evaluation, made = told
    other = copy.deepcopy(evaluation)
    model = other["data_sets"]["challenge-2012"]["contenders"]["model"]
    model |= {"auroc": 0.123, "auroc_95": [0.1, 0.2]}
    other["data_sets"]["eicu-demo"]["fairness"]["sex"]["lowest_auroc"] = 0.111
    changed = card(VENTILATION, other, rows)["attributes"]
    differ = {a["number"] for a, b in zip(changed, made["attributes"], strict=True) if a != b}
    assert differ == {21, 22}
    assert "AUROC 0.123 (0.10 to 0.20)" in changed[20]["text"]
    assert "AUROC 0.111 to" in changed[21]["text"]


# Numbers that define: of horizons, cohorts, names and years. Whatever is counted or measured is in the evaluation.
DEFINING = {
    "6", "12", "24 hours", "24 h", "18 years", "2 hours", "60 minutes", "day 1", "00:00", "80 % interval", "20 %",
    "1 to 24 hours", "90", "Challenge 2012", "Challenge 2019", "2001-2015", "SpO2", "FiO2", "1 hour",
}  # fmt: skip


def unnamed(text: str) -> list[str]:
    """Numbers of a text that define nothing."""
    for known in sorted(DEFINING, key=len, reverse=True):
        text = re.sub(rf"(?<![\w.]){re.escape(known)}(?![\w])", "", text)
    return re.findall(r"\d[\d.,]*", text)


def test_no_figure_in_a_written_sentence_was_measured() -> None:
    assert unnamed("1,400 stays, 98 of 100, 0.7; within 24 hours") == ["1,400", "98", "100,", "0.7"]
    for one in TASKS:
        about = INTENDED[one.name]
        sentences = [text for text, _ in source.written(one).values()]
        for text in (*sentences, about.use, *about.limits, *about.not_for):
            assert not unnamed(text), text


@pytest.mark.parametrize("one", TASKS, ids=lambda one: one.name)
def test_the_shipped_card_says_what_is_written_now(one: Task) -> None:
    folder = newest(ARTIFACTS, one.name)
    kept = json.loads((folder / "card.json").read_text())
    assert kept["version"] == one.version == folder.name
    assert kept["limits"] == list(INTENDED[one.name].limits)
    by = {said["number"]: said for said in kept["attributes"]}
    for number, (text, where) in source.written(one).items():
        assert (by[number]["text"], by[number]["source"]) == (text, where)


def test_a_card_is_worded_anew_under_a_version_of_its_own(tmp_path: Path) -> None:
    before = newest(ARTIFACTS, VENTILATION.name)
    shutil.copytree(before, tmp_path / VENTILATION.name / before.name)
    anew = replace(VENTILATION, version="9.0.0")
    with pytest.raises(FileExistsError, match="raise the version"):
        reword(VENTILATION, tmp_path, created=datetime(2026, 1, 1, tzinfo=UTC))
    folder = reword(anew, tmp_path, created=datetime(2026, 1, 1, tzinfo=UTC))
    assert load(folder, "cpu").version == "9.0.0"
    assert (folder / "card.md").read_text().startswith(f"# {VENTILATION.name} 9.0.0\n")
    files = [path for path in folder.rglob("*") if path.is_file()]
    changed = {path.name for path in files if path.read_bytes() != (before / path.relative_to(folder)).read_bytes()}
    assert changed == {"card.json", "card.md", "manifest.json"}
    (tmp_path / VENTILATION.name / "9.0.0" / "model.onnx").write_bytes(b"broken")
    with pytest.raises(ArtifactError):
        reword(replace(VENTILATION, version="9.0.1"), tmp_path, created=datetime(2026, 1, 1, tzinfo=UTC))
    assert not (tmp_path / VENTILATION.name / "9.0.1").exists()


def test_every_kind_of_personal_data_is_answered_for(told: Any) -> None:
    text = told[2]["attributes"][11]["text"]
    for kind in ("Race", "Ethnicity", "Language", "Sexual orientation", "Gender identity", "Sex", "Date of birth",
                 "Social determinants of health", "Health-status assessments"):  # fmt: skip
        assert f"{kind}:" in text
    assert "Glasgow" in text
    assert "Glasgow" not in source._person(replace(VENTILATION, inputs=("hr",)))


def test_whom_the_data_represent_is_counted_from_the_rows(told: Any) -> None:
    rows, _, made = told
    text = made["attributes"][12]["text"]
    mine = rows.where(rows.data_set == "eicu-demo")
    assert f"eICU demo: {len(set(mine.patient))} patients of 3 hospitals" in text
    fewer = rows.where(rows.sex == "female")
    assert "sex female 100.0 %" in source._represented(fewer)


def test_external_attributes_say_there_is_none_until_there_is(told: Any) -> None:
    rows, evaluation, made = told
    assert all("no figure" in made["attributes"][n]["text"] for n in (16, 17, 18, 19))
    assert "saw none of its patients, AUROC" in made["attributes"][22]["text"]
    outside = {"external": {"elsewhere": evaluation["data_sets"]["eicu-demo"]}}
    changed = card(VENTILATION, evaluation | outside, rows)["attributes"]
    assert changed[16]["text"] == "elsewhere."
    assert changed[22]["text"].startswith("elsewhere, ")
    assert "by sex" in changed[23]["text"]


def test_the_page_puts_defeat_and_limits_before_every_figure(told: Any) -> None:
    _, evaluation, made = told
    text = markdown(made, evaluation)
    order = [
        text.index(part) for part in (made["first"], "## Not for", "## Limits", "## For", "## How it did")
    ]
    assert order == sorted(order)
    assert "AUROC" not in text[text.index("## Not for") : text.index("## How it did")]
    assert text.startswith("# ventilation-need ")
    assert all(limit in text for limit in made["limits"])
    model = evaluation["data_sets"]["challenge-2012"]["contenders"]["model"]
    assert f"| This model | {model['rows']:,} | {model['auroc']:.3f} (" in text
    assert re.findall(r"^(\d+)\. \*\*", text, re.M) == [str(n) for n in range(1, 32)]
    assert "](plots/challenge-2012-reliability.svg)" in text
    widths = {line.count("|") for line in text.splitlines() if line.startswith("|")}
    assert widths == {8, 9}


def test_provenance_counts_rows_and_patients_of_each_set(told: Any) -> None:
    rows, _, _ = told
    found = provenance(VENTILATION, rows)["data"]
    assert [one["set"] for one in found] == list(VENTILATION.data_sets)
    assert sum(one["rows"] for one in found) == len(rows)
