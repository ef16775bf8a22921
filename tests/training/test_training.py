"""From rows to an artefact: leaks, folds, calibration, export, release."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("lightgbm", reason="training needs requirements-train.txt")

from inference.assessment import VENTILATION
from inference.chart import Event, Measurement, Person, Record, Source
from inference.features import features, layout_for
from inference.model import load
from training import leaks
from training.calibrate import calibrate, chain
from training.cohorts import ventilation_moments
from training.export import BATCHES, ExportUnsound, export, prove
from training.matrix import Table, collect, joined
from training.network import Ensemble, Shape, ask, hazards
from training.readers import CHALLENGE_2012, EICU, START, Stay
from training.run import envelope, folds, leak_report, medoids, run, trained
from training.tasks import LEAK_LIMIT, TASKS, task

SMALL = replace(
    task("ventilation"), inputs=("hr", "sbp", "creatinine"), important=("hr",),
    shape=Shape(members=3, wide=8, narrow=4, epochs=2, batch=256), data_sets=(CHALLENGE_2012, EICU), folds=2,
)  # fmt: skip
SMALL_TREND = replace(
    task("troponin"), inputs=("troponin_t", "troponin_i", "hs_troponin_t", "hs_troponin_i", "hr"),
    important=("hr",), shape=Shape(members=3, wide=8, narrow=4, epochs=2, batch=256), folds=2,
)  # fmt: skip
NOWHERE = Source("", "", "", "", "")


def cohort(count: int = 60, *, only_the_ventilated: str = "", data_set: str = CHALLENGE_2012) -> list[Stay]:
    """Stays in which a fast heart is ventilated; `only_the_ventilated` is a variable charted in nobody else."""
    rng = np.random.default_rng(5)
    stays = []
    for number in range(count):
        fast = bool(rng.random() < 0.3)
        values = [("hr", h, rng.normal(120 if fast else 80, 8)) for h in range(48)]
        values += [("sbp", h, rng.normal(120, 10)) for h in range(0, 48, 3)]
        values += [("troponin_t", h, 20.0 * (2.0 if fast else 0.8) ** (h / 6)) for h in (1, 7, 13)]
        if only_the_ventilated and fast:
            values += [(only_the_ventilated, 1, 1.0)]
        rows = []
        for name, hour, value in values:
            when = START + timedelta(hours=float(hour))
            rows.append(Measurement(name, float(value), when, when, NOWHERE))
        person = Person(age_years=40.0 + number % 40, sex="female" if number % 2 else "male")
        record = Record(str(number), person, tuple(rows), (Event("admission", START, None, NOWHERE),))
        onset = START + timedelta(hours=20 + float(rng.random() * 10)) if fast else None
        stays.append(Stay(data_set, record, str(number), f"h{number % 7}", START + timedelta(hours=48), onset))
    return stays


@pytest.fixture(scope="module")
def rows() -> Table:
    return joined([collect(SMALL, cohort()), collect(SMALL, cohort(data_set=EICU))])


@pytest.fixture(scope="module")
def model(rows: Table) -> Ensemble:
    return trained(rows, layout_for(SMALL.inputs, SMALL.name), SMALL, 1)


def test_training_rows_are_what_serving_computes(rows: Table) -> None:
    layout = layout_for(SMALL.inputs, SMALL.name)
    stay = cohort()[3]
    mine = [m for m in ventilation_moments(stay)]
    at = (rows.stay == "3") & (rows.data_set == CHALLENGE_2012)
    expected = np.stack([features(m.chart, layout) for m in mine])
    np.testing.assert_array_equal(rows.x[at], expected)


def test_an_input_whose_presence_tells_the_outcome_stops_the_run() -> None:
    layout = layout_for(SMALL.inputs, SMALL.name)
    found = leaks.presence(collect(SMALL, cohort(only_the_ventilated="creatinine")), layout)
    assert found[CHALLENGE_2012]["creatinine"]["auroc"] > LEAK_LIMIT
    with pytest.raises(leaks.Leak, match="creatinine in challenge-2012"):
        leaks.refuse_leaks(found, SMALL)
    argued = replace(SMALL, argued={"creatinine": "because"})
    (shown,) = leaks.refuse_leaks(found, argued)
    assert shown.startswith(f"creatinine in {CHALLENGE_2012} (")


def test_no_input_of_the_shipped_runs_is_a_respiratory_rate_learned_from_challenge_2012() -> None:
    from training.readers.challenge2012 import COLUMNS

    assert "rr" not in {column.variable for column in COLUMNS.values()}


def test_a_patient_in_two_folds_is_a_leak(rows: Table) -> None:
    fold = folds(rows, 2)
    assert leaks.straddling(rows, fold) == 0
    with pytest.raises(leaks.Leak, match="more than one fold"):
        leak_report(rows, np.arange(len(rows)) % 2, {}, [], SMALL)


def test_hospitals_that_share_a_patient_stay_in_one_fold(rows: Table) -> None:
    eicu = rows.where(rows.data_set == EICU)
    moved = eicu.patient.copy()
    moved[eicu.stay == "1"] = moved[eicu.stay == "0"][0]
    assert leaks.straddling(replace(eicu, patient=moved), folds(replace(eicu, patient=moved), 5)) == 0


def test_a_stay_published_twice_is_counted(rows: Table) -> None:
    again = replace(rows, stay=np.char.add("copy-", rows.stay))
    assert leaks.twins(joined([rows, again]))["duplicates"] >= leaks.twins(rows)["stays"]


def test_no_row_used_is_dated_after_its_landmark() -> None:
    layout = layout_for(SMALL.inputs, SMALL.name)
    moments = [(stay, moment) for stay in cohort(5) for moment in ventilation_moments(stay)]
    assert leaks.rows_after(moments, layout) == 0
    stay, moment = moments[0]
    late = replace(moment.chart, as_of=moment.chart.as_of - timedelta(hours=1))
    assert leaks.rows_after([(stay, moment._replace(chart=late))], layout) > 0


def test_hazards_multiply_back_to_the_outcomes_they_came_from() -> None:
    y = np.array([[0, 0, 0], [0, 0, 1], [0, 1, 1], [1, 1, 1]], dtype=bool)
    events, at_risk = hazards(y)
    assert events.tolist() == [[0, 0, 0], [0, 0, 1], [0, 1, 0], [1, 0, 0]]
    assert at_risk.tolist() == [[1, 1, 1], [1, 1, 1], [1, 1, 0], [1, 0, 0]]
    assert (np.diff(chain(np.random.default_rng(0).normal(size=(50, 3))), axis=1) >= 0).all()


def test_a_hidden_variable_leaves_the_answer_it_would_have_had_unmeasured(rows: Table, model: Ensemble) -> None:
    layout = layout_for(SMALL.inputs, SMALL.name)
    x = rows.x[:50].copy()
    x[:, list(layout.players["sbp"])] = np.nan
    import torch

    z, absent = model.standardised(torch.from_numpy(rows.x[:50]))
    gone = model.owners(layout)[list(layout.players).index("sbp")] > 0
    with torch.no_grad():
        out = model.body(model.joined(z * ~gone, absent | gone)) + model.offset
    np.testing.assert_allclose(out.numpy(), ask(model, x)[0], atol=1e-5)


@pytest.mark.parametrize("chosen", [SMALL, SMALL_TREND], ids=lambda one: one.name)
def test_the_exported_graph_answers_as_torch_at_every_batch_size(chosen) -> None:
    table = collect(chosen, cohort(30))
    made = trained(table, layout_for(chosen.inputs, chosen.name), chosen, 1)
    graph = export(made, table.x)
    assert len(BATCHES) == 3
    assert prove(graph, made, table.x) < 1e-5
    made.first.bias.data += 0.5
    with pytest.raises(ExportUnsound, match="differs"):
        prove(graph, made, table.x)


def test_a_trend_forecast_starts_from_the_newest_draw_of_any_assay() -> None:
    import torch

    table = collect(SMALL_TREND, cohort(30))
    layout = layout_for(SMALL_TREND.inputs, SMALL_TREND.name)
    made = trained(table, layout, SMALL_TREND, 1)
    x = np.full((3, len(layout.names)), np.nan, np.float32)
    x[0, layout.column("troponin_t")], x[0, layout.column("troponin_t", "age")] = 5.0, 3.0
    x[1] = x[0]
    x[1, layout.column("hs_troponin_i")], x[1, layout.column("hs_troponin_i", "age")] = 2.0, 1.0
    latest = made.latest(torch.from_numpy(x))[:, 0].numpy()
    assert latest[:2].tolist() == [5.0, 2.0]
    assert np.isfinite(latest[2])
    _, forecast = ask(made, x)
    assert (np.diff(forecast, axis=1) > 0).all()


def test_limits_call_an_honest_share_indeterminate_and_base_rate_is_the_cohorts(rows: Table) -> None:
    rng = np.random.default_rng(0)
    z = np.where(rows.y, 1.0, -1.0)[:, None, :] + rng.normal(0, 1.5, size=(len(rows), 3, 3))
    fold = folds(rows, 2)
    data, judged = calibrate(rows, z.astype(np.float32), np.zeros((len(rows), 0), np.float32), fold, SMALL)
    fitted = rows.reported & ~rows.too_soon
    assert data["base_rate"] == pytest.approx(rows.y[fitted, -1].mean())
    assert judged.probability[fitted, -1].mean() == pytest.approx(data["base_rate"], abs=0.05)
    assert 0 < judged.indeterminate["share_members_disagree"] < 0.06


def test_the_background_weighs_every_row_it_stands_for(rows: Table, model: Ensemble) -> None:
    background, weights = medoids(model, rows)
    assert len(background) == len(weights)
    assert weights.sum() == pytest.approx(1)
    assert all((rows.x == row).all(axis=1).any() or np.isnan(row).any() for row in background)


def test_the_envelope_leaves_out_what_was_never_measured(rows: Table) -> None:
    players = envelope(rows, layout_for(SMALL.inputs, SMALL.name))["players"]
    assert players["creatinine"] is None
    assert players["hr"][0] < 80 < players["hr"][1]


@pytest.mark.slow
def test_a_run_writes_a_folder_that_serving_loads(tmp_path: Path) -> None:
    stays = {
        CHALLENGE_2012: lambda data, tally: iter(cohort(80)),
        EICU: lambda data, tally: iter(cohort(80, data_set=EICU)),
    }
    said: list[str] = []
    folder = run(
        SMALL, tmp_path, tmp_path / "cache", tmp_path / "artifacts",
        created=datetime(2026, 1, 1, tzinfo=UTC), threads=1, say=said.append, advance=lambda text, count: None,
        known=stays,
    )  # fmt: skip
    model = load(folder, "cpu")
    assert (model.name, model.outcomes) == (VENTILATION, SMALL.outcomes)
    assert model.doubtful(model.run(model.background), 0) is None or model.calibration.alpha == SMALL.alpha
    assert "fold 2 of 2: ensemble" in said
    with pytest.raises(FileExistsError, match="released"):
        run(
            SMALL, tmp_path, tmp_path / "cache", tmp_path / "artifacts",
            created=datetime(2026, 1, 1, tzinfo=UTC), threads=1, say=said.append, advance=lambda text, count: None,
        known=stays,
        )  # fmt: skip


def test_every_task_names_inputs_its_layout_knows() -> None:
    for one in TASKS:
        assert set(one.important) <= set(layout_for(one.inputs, one.name).inputs)
        assert len(one.outcomes) == len(one.hours)


def test_an_exported_graph_says_nothing_of_the_machine_it_was_made_on(rows: Table, model: Ensemble) -> None:
    graph = export(model, rows.x)
    assert str(Path(__file__).parents[2]).encode() not in graph
    assert b"site-packages" not in graph


def test_a_run_without_data_says_what_to_download_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from training.__main__ import main

    places = ["--data", str(tmp_path), "--cache", str(tmp_path / "c"), "--artifacts", str(tmp_path / "a")]
    assert main(["run", "--task", "troponin", *places]) == 1
    assert "Download it from https://physionet.org/content/challenge-2012" in capsys.readouterr().err
    assert not (tmp_path / "a").exists()
