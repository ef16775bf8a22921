"""From rows to an artefact: leaks, folds, calibration, export, release."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("lightgbm", reason="training needs requirements-train.txt")

from inference.chart import Event, Measurement, Person, Record, Source
from inference.features import features, layout_for
from inference.model import load
from training import leaks, scan
from training.calibrate import calibrate, doubts, nest
from training.cohorts import ventilation_moments
from training.export import BATCHES, Blend, ExportUnsound, export, prove
from training.folding import folds
from training.forest import grow
from training.learning import Examples, fit, pretrain
from training.matrix import Table, collect, joined
from training.network import Ensemble, Shape, ask, onset_part
from training.outlook import Outlook, outlook
from training.readers import CHALLENGE_2012, CHALLENGE_2019, EICU, START, Stay
from training.run import Bench, envelope, medoids, run
from training.tasks import LEAK_LIMIT, TASKS, Task, task

TINY = Shape(members=3, wide=8, narrow=4, epochs=2, batch=256, foretelling=1)
SMALL = replace(
    task("ventilation"), inputs=("hr", "sbp", "creatinine", "care_unit", "course"), important=("hr",),
    shape=TINY, data_sets=(CHALLENGE_2012, EICU), folds=2,
)  # fmt: skip
SMALL_TREND = replace(
    task("troponin"), important=("hr",), shape=TINY, folds=2, data_sets=(CHALLENGE_2012, EICU), inputs=(
        "troponin_t", "troponin_i", "hs_troponin_t", "hs_troponin_i", "hr", "course", "hours_ahead",
    ),
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
        stays.append(
            Stay(data_set, record, str(number), f"h{number % 7}", START + timedelta(hours=48), onset)
        )
    return stays


@pytest.fixture(scope="module")
def rows() -> Table:
    return joined([collect(SMALL, cohort()), collect(SMALL, cohort(data_set=EICU))])


def made_of(table: Table, chosen: Task) -> Blend:
    """A small network and its forest, trained on these rows."""
    import torch

    layout = layout_for(chosen.inputs, chosen.name)
    torch.manual_seed(1)
    network = Ensemble(layout, table.x, chosen.shape, chosen.kind)
    examples = Examples.of(table)
    fit(network, examples, layout, 1)
    return Blend(network, grow(network, examples, layout, 1, 1, lambda: None), 0.5)


@pytest.fixture(scope="module")
def blend(rows: Table) -> Blend:
    return made_of(rows.where(~rows.too_soon), SMALL)


@pytest.fixture(scope="module")
def model(blend: Blend) -> Ensemble:
    return blend.model


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


def test_a_patient_in_two_folds_is_a_leak(rows: Table, tmp_path: Path) -> None:
    fold = folds(rows, 2)
    assert leaks.straddling(rows, fold) == 0
    with pytest.raises(leaks.Leak, match="more than one fold"):
        scan.report(
            rows, np.arange(len(rows)) % 2, SMALL, layout_for(SMALL.inputs, SMALL.name), bench(tmp_path)
        )


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


def test_longer_horizons_are_never_less_likely() -> None:
    p = nest(np.random.default_rng(0).normal(size=(50, 3)))
    assert (np.diff(p, axis=1) >= 0).all()
    np.testing.assert_allclose(nest(np.array([[0.0, 0.0, 0.0]])), [[0.125, 0.25, 0.5]])


def test_an_onset_falls_in_its_three_hours_and_none_beyond_a_day() -> None:
    hours = np.array([1.5, 3.0, 3.1, 24.0, 24.1, np.nan], np.float32)
    assert onset_part(hours).tolist() == [0, 0, 1, 7, -1, -1]


def test_the_horizons_of_the_network_are_the_sums_of_its_hours(model: Ensemble) -> None:
    import torch

    out = torch.zeros(1, 1, model.outputs)
    out[0, 0, 1:] = torch.log(torch.tensor([1.0, 2, 3, 4, 5, 6, 7, 8]))
    six, twelve, _ = torch.sigmoid(model.logits(out, torch.zeros(1)))[0, 0].tolist()
    assert (six, twelve) == (pytest.approx(3 / 10), pytest.approx(10 / 36))


def test_a_code_reads_its_own_player_alone(rows: Table, model: Ensemble) -> None:
    import torch

    layout = layout_for(SMALL.inputs, SMALL.name)
    owned = model.encoder.owners(layout)
    assert sorted(c for columns in owned.values() for c in columns) == list(
        range(model.encoder(torch.from_numpy(rows.x[:1])).shape[1])
    )
    x = rows.x[:50].copy()
    x[:, list(layout.players["sbp"])] = np.nan
    with torch.no_grad():
        before, after = (model.encoder(torch.from_numpy(part)).numpy() for part in (rows.x[:50], x))
    others = [c for player, columns in owned.items() for c in columns if player != "sbp"]
    np.testing.assert_array_equal(before[:, others], after[:, others])
    assert np.isnan(after[:, list(owned["sbp"])]).all()


def test_pretraining_learns_to_foretell(rows: Table) -> None:
    import torch

    layout = layout_for(SMALL.inputs, SMALL.name)
    x = rows.x[:600]
    after = np.stack([x[:, layout.column("hr")], x[:, layout.column("sbp")], np.full(len(x), np.nan)], 1)
    seen = Outlook(x, after.astype(np.float32), rows.data_set[:600], rows.patient[:600], rows.site[:600])
    torch.manual_seed(0)
    network = Ensemble(layout, x, replace(TINY, foretelling=2), "onset")
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    ticks: list[int] = []
    pretrain(network, seen, layout, 1, lambda: ticks.append(1))
    assert len(ticks) == 2
    assert not torch.equal(before["encoder.keep"], network.encoder.keep)
    assert torch.equal(before["last"], network.last)  # no outcome was learned


def test_the_same_seed_trains_the_same_network(rows: Table) -> None:
    some = rows.where(np.arange(len(rows)) % 3 == 0)
    first, again = (ask(made_of(some, SMALL).model, some.x[:20])[0] for _ in range(2))
    np.testing.assert_allclose(first, again, atol=1e-5)


@pytest.mark.parametrize("chosen", [SMALL, SMALL_TREND], ids=lambda one: one.name)
def test_the_exported_graphs_answer_as_trained_at_every_batch_size(chosen: Task) -> None:
    table = collect(chosen, cohort(30))
    made = made_of(table, chosen)
    graphs = export(made, table.x)
    assert len(BATCHES) == 3
    assert prove(graphs, made, table.x) <= 1e-5
    made.model.first.bias.data += 0.5
    with pytest.raises(ExportUnsound, match="differs"):
        prove(graphs, made, table.x)


def test_a_trend_forecast_starts_from_the_newest_draw_of_any_assay() -> None:
    import torch

    table = collect(SMALL_TREND, cohort(30))
    layout = layout_for(SMALL_TREND.inputs, SMALL_TREND.name)
    made = made_of(table, SMALL_TREND).model
    x = np.full((3, len(layout.names)), np.nan, np.float32)
    x[0, layout.column("troponin_t")], x[0, layout.column("troponin_t", "age")] = 5.0, 3.0
    x[1] = x[0]
    x[1, layout.column("hs_troponin_i")], x[1, layout.column("hs_troponin_i", "age")] = 2.0, 1.0
    codes = made.encoder(torch.from_numpy(x))
    latest = made.latest(codes)[:, 0].detach().numpy()
    assert latest[:2].tolist() == [5.0, 2.0]
    assert np.isfinite(latest[2])
    _, forecast = ask(made, x)
    assert (np.diff(forecast, axis=1) > 0).all()


def test_a_trend_is_also_asked_before_the_first_result() -> None:
    table = collect(SMALL_TREND, cohort(30))
    layout = layout_for(SMALL_TREND.inputs, SMALL_TREND.name)
    first = table.where(table.first)
    assert len(first) == 30
    assert np.isnan(first.x[:, layout.column("troponin_t")]).all()
    factor = np.where(first.y[:, 0], 2.0, 0.8)
    np.testing.assert_allclose(np.exp(first.aim), 20.0 * factor ** (1 / 6), rtol=1e-4)
    np.testing.assert_allclose(first.ahead, 0.5)
    assert not first.reported.any()


def test_what_is_charted_for_the_ventilated_alone_and_without_a_time_is_refused() -> None:
    def stays(ventilated_weighed: float, others_weighed: float) -> list[Stay]:
        made = cohort(300)
        rng = np.random.default_rng(0)
        weighed = []
        for stay in made:
            share = others_weighed if stay.onset is None else ventilated_weighed
            weight = [Measurement("weight", 80.0, START, START, NOWHERE)] if rng.random() < share else []
            record = replace(stay.record, measurements=(*weight, *stay.record.measurements))
            weighed.append(replace(stay, record=record))
        return weighed

    leaking = scan.charted_at_admission(stays(0.98, 0.6))
    assert leaking["weight"]["odds_ratio"] > scan.ODDS_LIMIT
    with pytest.raises(leaks.Leak, match="weight of challenge-2012 has no time"):
        scan.refused(leaking, replace(SMALL, inputs=("hr", "weight")))
    assert scan.refused(leaking, SMALL)["above_limit_and_left_out"] == ["weight"]
    honest = scan.charted_at_admission(stays(0.8, 0.8))
    assert scan.refused(honest, replace(SMALL, inputs=("hr", "weight")))["above_limit_and_left_out"] == []


def test_limits_call_an_honest_share_indeterminate_and_base_rate_is_the_cohorts(rows: Table) -> None:
    rng = np.random.default_rng(0)
    z = np.where(rows.y, 1.0, -1.0)[:, None, :] + rng.normal(0, 1.5, size=(len(rows), 3, 3))
    fold = folds(rows, 2)
    data, judged = calibrate(rows, z.astype(np.float32), np.zeros((len(rows), 0), np.float32), fold, SMALL)
    fitted = rows.reported & ~rows.too_soon
    assert data["base_rate"] == pytest.approx(rows.y[fitted, -1].mean())
    assert judged.probability[fitted, -1].mean() == pytest.approx(data["base_rate"], abs=0.05)
    assert 0 < judged.indeterminate["share_members_disagree"] <= judged.indeterminate["share"] < 0.5


def test_members_far_apart_on_one_side_say_the_same_and_are_not_doubted() -> None:
    each = np.array([[0.3, 0.5, 0.9], [0.01, 0.02, 0.06], [0.01, 0.15, 0.2], [0.09, 0.09, 0.09]])
    both, disagree = doubts(each.mean(axis=1), each, positive=0.08, negative=0.1)
    assert disagree.tolist() == [False, False, True, False]
    assert both.tolist() == [False, False, False, True]


def test_the_background_weighs_every_row_it_stands_for(rows: Table, model: Ensemble) -> None:
    background, weights = medoids(model, rows, 8)
    assert len(background) == len(weights)
    assert weights.sum() == pytest.approx(1)
    assert all((rows.x == row).all(axis=1).any() or np.isnan(row).any() for row in background)


def test_the_envelope_leaves_out_what_was_never_measured(rows: Table) -> None:
    players = envelope(rows, layout_for(SMALL.inputs, SMALL.name))["players"]
    assert players["creatinine"] is None
    assert players["hr"][0] < 80 < players["hr"][1]


def bench(place: Path, say: Callable[[str], None] = lambda text: None) -> Bench:
    """A bench over made stays."""

    def stays(data_set: str) -> Callable[..., Iterator[Stay]]:
        return lambda data, tally: iter(cohort(80, data_set=data_set))

    known = {name: stays(name) for name in (CHALLENGE_2012, CHALLENGE_2019, EICU)}
    (place / "cache").mkdir(exist_ok=True)
    return Bench(place, place / "cache", place / "artifacts", 1, say, lambda text, count: None, known)


@pytest.mark.slow
@pytest.mark.parametrize("chosen", [SMALL, SMALL_TREND], ids=lambda one: one.name)
def test_a_run_writes_a_folder_that_serving_loads(tmp_path: Path, chosen: Task) -> None:
    said: list[str] = []
    when = datetime(2026, 1, 1, tzinfo=UTC)
    folder = run(chosen, bench(tmp_path, said.append), created=when)
    model = load(folder, "cpu")
    assert (model.name, model.outcomes) == (chosen.name, chosen.outcomes)
    assert len(model.run(model.background).logit) == len(model.background)
    assert "fold 2 of 2: network" in said
    with pytest.raises(FileExistsError, match="released"):
        run(chosen, bench(tmp_path), created=when)
    said.clear()
    run(chosen, bench(tmp_path, said.append), created=when, replace=True)
    assert "fold 2 of 2: done" in said
    assert "fold 2 of 2: network" not in said  # it went on where it was


def test_pretraining_sees_every_set_and_never_the_fold_it_is_judged_on(tmp_path: Path) -> None:
    from training.folding import unseen

    layout = layout_for(SMALL.inputs, SMALL.name)
    place = bench(tmp_path)
    seen = outlook(SMALL, layout, place.data, place.cache, place.advance, place.known)
    assert set(seen.data_set) == {CHALLENGE_2012, CHALLENGE_2019, EICU}
    table = collect(SMALL, cohort(80, data_set=EICU))
    asked = table.where(folds(table, 2) == 0)
    left = unseen(seen, asked)
    assert not set(left.patient) & set(asked.patient)
    assert not set(left.site) & set(asked.site)
    assert 0 < len(left.x) < len(seen.x)


def test_every_task_names_inputs_its_layout_knows() -> None:
    for one in TASKS:
        assert set(one.important) <= set(layout_for(one.inputs, one.name).players)
        assert len(one.outcomes) == len(one.hours)


def test_an_exported_graph_says_nothing_of_the_machine_it_was_made_on(rows: Table, blend: Blend) -> None:
    made = export(blend, rows.x)
    for graph in (made.encoder, made.model, made.headline):
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
