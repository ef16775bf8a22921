"""From a hospital's export to a release of its own, and what is refused on the way."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("lightgbm", reason="training needs requirements-train.txt")

import torch

from inference.artefact import newest
from inference.assessment import TROPONIN, VENTILATION
from inference.features import layout_for
from inference.model import load
from tests.training import exports
from training.adaptation import AdaptationRefused
from training.adaptation.adapt import Outcome, Site, adapt, next_version
from training.adaptation.export_reader import Export, Found, stays
from training.adaptation.judging import (
    AS_IS,
    INTERCEPT,
    RECALIBRATED,
    SCRATCH,
    TUNED,
    WAYS,
    Way,
    choose,
    intercept,
    intercepts,
    judged,
    moved,
)  # fmt: skip
from training.adaptation.released import Released, opened
from training.adaptation.rows import Needed, known, rows_of
from training.adaptation.ways import TUNING, Tuning, fine_tuned, heard, shifted
from training.calibrate import Judged
from training.cohorts import REPORTED_LANDMARKS
from training.export import Blend, export
from training.forest import grow
from training.forest_text import texts
from training.labels import REPORTING_LIMIT
from training.leaks import Leak
from training.learning import Examples, fit
from training.matrix import Table
from training.network import Ensemble, Shape, ask, weights
from training.readers import START, Stay
from training.release import Release, write
from training.tasks import Task, task

TINY = Shape(members=3, wide=8, narrow=4, epochs=2, batch=256)
INPUTS = {
    VENTILATION: ("hr", "sbp", "creatinine", "course"),
    TROPONIN: ("troponin_t", "troponin_i", "hs_troponin_t", "hs_troponin_i", "hr", "course", "hours_ahead"),
}
FEW = Needed(stays=20, patients=5)
QUICK = Tuning(epochs=1, rounds=3, steps=10)
WHEN = datetime(2026, 1, 1, tzinfo=UTC)
RELEASED = task(VENTILATION).version


def small(name: str = VENTILATION) -> Task:
    return replace(task(name), inputs=INPUTS[name], important=("hr",), shape=TINY)


def read(folder: Path, site: str = "st-elsewhere", **export: Any) -> tuple[list[Stay], Found]:
    found = Found()
    return list(stays(Export(folder, site, **export), found, folder.parent / "work")), found


def table_of(folder: Path, chosen: Task, site: str = "elsewhere") -> Table:
    made, _ = read(folder, site)
    return rows_of(made, site, chosen, layout_for(chosen.inputs, chosen.name), {}).table


def released(artifacts: Path, chosen: Task, table: Table, **other: Any) -> Path:
    """A small release, trained on the stays of another made hospital."""
    layout, heads = layout_for(chosen.inputs, chosen.name), table.y.shape[1]
    torch.manual_seed(1)
    network = Ensemble(layout, table.x, chosen.shape, chosen.kind)
    examples = Examples.of(table.where(~table.too_soon))
    fit(network, examples, layout, 1)
    blend = Blend(network, grow(network, examples, layout, 1, 1, lambda: None), 0.5)
    graphs = export(blend, table.x[:512])
    calibration = {
        "slope": [1.0] * heads, "intercept": [-1.5] * heads, "chained": False, "nested": heads > 1, "logit_error": 0.1,
        "widen": [0.0] * 3, "base_rate": 0.2, "alpha": 0.3, "negative": 0.3, "positive": 0.2,
    }  # fmt: skip
    release = Release(
        name=chosen.name, version=chosen.version, inputs=chosen.inputs, outcomes=chosen.outcomes, hours=chosen.hours,
        important=("hr",), graph=graphs.model, encoder=graphs.encoder, headline=graphs.headline,
        codes=network.encoder.owners(layout), before_first=chosen.name == TROPONIN, calibration=calibration,
        envelope={"players": {player: [-1e3, 1e3] for player in layout.players}}, background=table.x[::400][:8],
        weights=np.full(len(table.x[::400][:8]), 1 / len(table.x[::400][:8])), leaks={}, card={}, created=WHEN,
        evaluation={"trees_share_of_log_odds": 0.5}, training={"data": []}, trained=weights(network),
        texts=texts(blend.forest),
    )  # fmt: skip
    return write(replace(release, **other), artifacts)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("site")


@pytest.fixture(scope="module")
def export_folder(place: Path) -> Path:
    return exports.write(place / "export", exports.hospital())


@pytest.fixture(scope="module")
def elsewhere(place: Path) -> Path:
    return exports.write(place / "elsewhere", exports.hospital(40, seed=8))


@pytest.fixture(scope="module")
def base(place: Path, elsewhere: Path) -> Released:
    chosen = small()
    return opened(released(place / "released", chosen, table_of(elsewhere, chosen)))


@pytest.fixture(scope="module")
def rows(export_folder: Path) -> Table:
    return table_of(export_folder, small(), "st-elsewhere")


def site(export_folder: Path, artifacts: Path, **other: Any) -> Site:
    settings: dict[str, Any] = {"needed": FEW, "tuning": QUICK, "work": artifacts.parent / "work"}
    return Site(Export(export_folder, "st-elsewhere"), artifacts, **{**settings, **other})


@pytest.fixture(scope="module")
def made(place: Path, base: Released, export_folder: Path) -> Outcome:
    said: list[str] = []
    outcome = adapt(base, site(export_folder, place / "own"), created=WHEN, say=said.append)
    assert any(line.startswith(outcome.choice.name) for line in said)
    return outcome


# --- The export ----------------------------------------------------------------------------------------------------


def test_a_stay_is_told_from_its_own_beginning(export_folder: Path) -> None:
    made, found = read(export_folder)
    assert len(made) == found.tally.taken == 60
    assert {stay.data_set for stay in made} == {"st-elsewhere"}
    assert all(stay.end - START == timedelta(hours=40) for stay in made)
    chart = made[0].record.at(START + timedelta(hours=5))
    assert chart.admitted == START
    assert chart.latest("hr", timedelta(hours=2)) is not None
    assert chart.age_years == pytest.approx(64.9, abs=0.5)
    assert found.period == ("2025-03", "2025-04")
    assert not (export_folder.parent / "work").exists() or not list((export_folder.parent / "work").iterdir())


def test_ventilation_begins_where_the_chart_says_so(export_folder: Path) -> None:
    made, _ = read(export_folder)
    waits = [(stay.onset - START) / timedelta(hours=1) for stay in made if stay.onset]
    assert 15 < len(waits) < 40
    assert all(12 <= wait <= 30 for wait in waits)


def test_children_and_stays_without_an_end_are_refused_and_counted(tmp_path: Path) -> None:
    start = exports.ADMITTED
    rows = [
        exports.patient("child", "2015-01-01"), exports.encounter("child", start, start + timedelta(hours=9)),
        exports.patient("young", None), exports.encounter("young", start, start + timedelta(hours=9)),
        exports.patient("here"), exports.encounter("here", start, None),
        exports.patient("odd"), exports.encounter("odd", start, start),
        exports.patient("well"), exports.encounter("well", start, start + timedelta(hours=9)),
    ]  # fmt: skip
    made, found = read(exports.write(tmp_path / "export", rows))
    assert [stay.patient for stay in made] == ["well"]
    assert {why: count for why, count in found.tally.refused.items() if why.startswith("stay")} == {
        "stay: a child": 1, "stay: age not known": 1, "stay: without an end": 1, "stay: ends before it begins": 1,
    }  # fmt: skip


def test_admissions_that_overlap_are_one_stay_and_later_ones_another(tmp_path: Path) -> None:
    start, hour = exports.ADMITTED, timedelta(hours=1)
    rows = [
        exports.patient("p"),
        exports.encounter("p", start, start + 6 * hour, "emergency"),
        exports.encounter("p", start + 5 * hour, start + 40 * hour, "ward"),
        exports.encounter("p", start + 900 * hour, start + 940 * hour, "later"),
        exports.ventilation("p", start + 910 * hour),
        exports.observation("p", "hr", 80.0, start + 4 * hour),
        exports.observation("p", "hr", 99.0, start + 905 * hour),
    ]
    first, second = read(exports.write(tmp_path / "export", rows))[0]
    assert (first.end - START, second.end - START) == (40 * hour, 40 * hour)
    assert (first.onset, second.onset) == (None, START + 10 * hour)
    assert [row.value for row in first.record.measurements] == [80.0]
    assert [row.value for row in second.record.measurements] == [99.0]
    assert first.patient == second.patient
    assert first.record.patient != second.record.patient


def test_ventilation_without_a_time_leaves_the_stay_without_a_label(tmp_path: Path) -> None:
    start = exports.ADMITTED
    rows = [
        exports.patient("p"),
        exports.encounter("p", start, start + timedelta(hours=30)),
        exports.ventilation("p", None),
    ]
    ((stay,), _) = read(exports.write(tmp_path / "export", rows))
    assert not stay.labelled


def test_cohorts_and_labels_know_the_site_no_longer_than_its_rows_are_made() -> None:
    with known("st-elsewhere", {"troponin_t": 14.0}):
        assert REPORTED_LANDMARKS["st-elsewhere"]
        assert REPORTING_LIMIT["st-elsewhere", "troponin_t"] == 14.0
    assert "st-elsewhere" not in REPORTED_LANDMARKS
    assert ("st-elsewhere", "troponin_t") not in REPORTING_LIMIT
    with pytest.raises(AdaptationRefused, match="published set"), known("eicu-demo", {}):
        pass


# --- The ways ------------------------------------------------------------------------------------------------------


def test_a_release_is_opened_as_it_answers(base: Released) -> None:
    x = base.model.background
    logits, _ = base.blend.answer(x)
    shown = base.model.calibration.log_odds(logits.astype(np.float64).mean(axis=1))
    np.testing.assert_allclose(shown, base.model.run(x).logit, atol=1e-4)


def test_held_fast_a_network_stays_where_it_began_and_let_go_it_moves(base: Released, rows: Table) -> None:
    layout, some = base.model.layout, rows.where(np.arange(len(rows)) % 3 == 0)
    began = heard(base.blend.model, some.x, layout)

    def away(pull: float) -> float:
        tuned = fine_tuned(
            base.blend, some, layout, 1, 1, replace(QUICK, pull=pull, rate=1e-2, epochs=8)
        ).model
        pairs = zip(tuned.parameters(), began.parameters(), strict=True)
        return sum(float(((now - then).detach() ** 2).sum()) for now, then in pairs) ** 0.5

    assert away(1e4) < 0.2 * away(0.0)


def test_fine_tuning_leaves_the_release_as_it_was(base: Released, rows: Table) -> None:
    before = weights(base.blend.model)
    trees = texts(base.blend.forest)
    tuned = fine_tuned(base.blend, rows.where(~rows.too_soon), base.model.layout, 1, 1, QUICK)
    assert all((before[name] == now).all() for name, now in weights(base.blend.model).items())
    assert texts(base.blend.forest) == trees
    assert tuned.forest.members[0].num_trees() == base.blend.forest.members[0].num_trees() + QUICK.rounds


def test_the_same_seed_tunes_alike(base: Released, rows: Table) -> None:
    some = rows.where(~rows.too_soon)
    first, again = (
        fine_tuned(base.blend, some, base.model.layout, 4, 1, QUICK).answer(some.x[:30])[0] for _ in "ab"
    )
    np.testing.assert_array_equal(first, again)


def test_trees_moved_there_and_back_answer_as_before(base: Released, rows: Table) -> None:
    booster = base.blend.forest.members[0]
    raw = np.random.default_rng(0).normal(size=(50, booster.num_feature()))
    there = shifted(booster, 2.5)
    np.testing.assert_allclose(there.predict(raw, raw_score=True), booster.predict(raw, raw_score=True) + 2.5)
    np.testing.assert_allclose(shifted(there, -2.5).predict(raw), booster.predict(raw))


def test_what_was_never_measured_starts_unheard_and_is_learned_of(rows: Table) -> None:
    chosen = small()
    layout = layout_for(chosen.inputs, chosen.name)
    blind = rows.x.copy()
    blind[:, list(layout.players["hr"])] = np.nan
    torch.manual_seed(0)
    model = Ensemble(layout, blind, chosen.shape, chosen.kind)
    fit(model, Examples.of(replace(rows, x=blind)), layout, 1)
    open_eared = heard(model, rows.x, layout)
    expected, _ = ask(model, blind)
    np.testing.assert_allclose(ask(open_eared, rows.x)[0], expected, atol=1e-5)
    np.testing.assert_allclose(ask(open_eared, blind)[0], expected, atol=1e-5)
    fit(open_eared, Examples.of(rows), layout, 1, epochs=3, rate=1e-2)
    assert np.abs(ask(open_eared, rows.x)[0] - ask(open_eared, blind)[0]).max() > 0.05


# --- The judgement -------------------------------------------------------------------------------------------------


def test_an_intercept_of_the_sites_own_mends_a_shifted_one() -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(-1.0, 1.0, 4000)
    y = rng.random(4000) < 1 / (1 + np.exp(-z))
    assert intercept(z - 1.5, y) == pytest.approx(1.5, abs=0.15)
    assert intercept(z, np.zeros(4000, bool)) == 0.0


def test_limits_move_with_the_intercept(base: Released, rows: Table) -> None:
    logits, values = base.blend.answer(rows.x)
    calibration = base.said["calibration"]
    told = rows.reported & ~rows.too_soon
    by = intercepts(logits.astype(np.float64).mean(axis=1)[told], rows.y[told], calibration)
    ours = moved(calibration, by, rows, 0.3)
    shift = np.tile(by, (len(rows), 1))
    one = judged(rows, logits, values, calibration, shift)
    other = judged(rows, logits, values, ours, np.zeros_like(shift))
    np.testing.assert_allclose(one.probability, other.probability)
    np.testing.assert_array_equal(one.doubtful, other.doubtful)
    assert one.probability[told, -1].mean() == pytest.approx(rows.y[told, -1].mean(), abs=1e-3)
    assert ours["logit_error"] == pytest.approx(np.hypot(0.1, 0.3))


def way(rows: Table, right: float | np.ndarray) -> Way:
    """Answers that are right by so many log-odds, of all rows or of each."""
    by = np.broadcast_to(right, len(rows))[:, None]
    z = np.where(rows.y[:, -1:], by, -by)
    p = 1 / (1 + np.exp(-z))
    said = Judged(np.tile(p, (1, rows.y.shape[1])), np.zeros((len(rows), 0)), np.zeros(len(rows), bool), {})
    return Way(np.zeros((len(rows), 1, 3), np.float32), {}, said)


def test_the_least_loss_is_taken_and_of_equals_the_least_change(rows: Table) -> None:
    same = {name: way(rows, 1.0) for name in WAYS}
    assert choose(rows, same).name == AS_IS
    better = choose(rows, {**same, TUNED: way(rows, 3.0), SCRATCH: way(rows, 3.0)})
    assert better.name == TUNED
    assert "least log loss" in better.why
    assert better.losses[TUNED] < better.losses[AS_IS]


def test_training_anew_has_to_lead_by_more_than_luck(rows: Table) -> None:
    same = {name: way(rows, 1.0) for name in WAYS}
    assert choose(rows, {**same, SCRATCH: way(rows, 3.0)}).name == SCRATCH
    one = np.where(rows.patient == rows.patient[rows.reported & ~rows.too_soon][0], 3.0, 1.0)
    lucky = choose(rows, {**same, SCRATCH: way(rows, one)})
    assert lucky.losses[SCRATCH] < lucky.losses[AS_IS]
    assert lucky.name == AS_IS
    assert "less than 2 standard errors" in lucky.why


# --- The release ---------------------------------------------------------------------------------------------------


def test_an_adapted_release_loads_and_is_the_newest_of_the_site(
    made: Outcome, place: Path, base: Released
) -> None:
    model = load(newest(place / "own", VENTILATION), "cpu")
    assert model.version == made.version == f"{RELEASED}.1"
    assert made.folder == newest(place / "own", VENTILATION)
    assert np.isfinite(model.run(base.model.background).logit).all()


def test_it_says_what_it_was_made_from_on_whom_and_why(made: Outcome, base: Released) -> None:
    said = json.loads((made.folder / "manifest.json").read_text())["training"]["adapted"]
    assert said["from"] == {"name": VENTILATION, "version": RELEASED, "manifest_sha256": base.digest}
    assert (said["site"], said["period"]) == ("st-elsewhere", ["2025-03", "2025-04"])
    assert (said["stays_read"], said["stays"], said["patients"]) == (60, 60, 60)
    assert said["chosen"] == made.choice.name
    assert said["why"]
    assert said["state"].startswith("silent")
    card = (made.folder / "card.md").read_text()
    assert f"Adapted from ventilation-need {RELEASED} to st-elsewhere on 60 stays" in card


def test_all_ways_are_reported_with_their_intervals(made: Outcome) -> None:
    evaluation = json.loads((made.folder / "evaluation.json").read_text())
    assert (
        set(evaluation["adaptation"]["ways"]) == set(WAYS) == {AS_IS, INTERCEPT, RECALIBRATED, TUNED, SCRATCH}
    )
    assert all(len(found["auroc_95"]) == 2 for found in made.figures.values())
    contenders = evaluation["data_sets"]["st-elsewhere"]["contenders"]
    assert {"model", *WAYS} - {made.choice.name} <= set(contenders)
    assert evaluation["readers"]["st-elsewhere"]["taken"] == 60


def test_nothing_that_is_written_holds_a_patients_row(made: Outcome, base: Released, rows: Table) -> None:
    np.testing.assert_array_equal(load(made.folder, "cpu").background, base.model.background)
    for path in made.folder.rglob("*"):
        if path.suffix in (".json", ".md", ".txt", ".svg"):
            assert "p17" not in path.read_text()


def test_an_adapted_release_can_be_adapted_again(made: Outcome, place: Path) -> None:
    again = opened(made.folder)
    assert next_version(again, place / "own") == f"{RELEASED}.2"
    assert next_version(again, place / "nowhere") == f"{RELEASED}.1"


@pytest.mark.slow
@pytest.mark.parametrize("name", [TUNED, SCRATCH])
def test_whatever_is_chosen_is_what_serves(
    name: str, base: Released, export_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training.adaptation import adapt as room

    monkeypatch.setattr(room, "choose", lambda rows, ways: replace(choose(rows, ways), name=name))
    done = adapt(base, site(export_folder, tmp_path / "own"), created=WHEN)
    again = opened(done.folder)  # proves weights and trees against the graph
    assert again.model.manifest["training"]["adapted"]["chosen"] == name


@pytest.mark.slow
def test_a_trend_is_adapted_alike(elsewhere: Path, export_folder: Path, tmp_path: Path) -> None:
    chosen = small(TROPONIN)
    folder = released(tmp_path / "released", chosen, table_of(elsewhere, chosen))
    done = adapt(opened(folder), site(export_folder, tmp_path / "own"), created=WHEN)
    evaluation = json.loads((done.folder / "evaluation.json").read_text())
    assert "rise" in evaluation["before_the_first_result"]["st-elsewhere"]
    assert load(done.folder, "cpu").manifest["before_first"]


# --- What is refused -----------------------------------------------------------------------------------------------


def refused(base: Released, given: Site, match: str) -> None:
    with pytest.raises(AdaptationRefused, match=match):
        adapt(base, given, created=WHEN)
    assert not given.artifacts.exists()


def test_an_empty_folder_is_named(base: Released, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    refused(base, site(tmp_path / "empty", tmp_path / "own"), "empty holds no Patient")
    refused(base, site(tmp_path / "nowhere", tmp_path / "own"), "nowhere is no folder")


def test_too_few_stays_and_too_few_with_the_outcome_are_counted(
    base: Released, export_folder: Path, tmp_path: Path
) -> None:
    own = tmp_path / "own"
    refused(
        base,
        site(export_folder, own, needed=Needed()),
        "60 stays that can be asked about, at least 100 are needed",
    )
    needed = Needed(stays=20, patients=50)
    refused(
        base,
        site(export_folder, own, needed=needed),
        r"patients with the outcome ventilation-24h, at least 50",
    )


def test_codes_of_the_hospitals_own_are_asked_for_and_then_read(base: Released, tmp_path: Path) -> None:
    folder = exports.write(tmp_path / "export", exports.hospital(12, local=True))
    refused(
        base,
        site(folder, tmp_path / "own"),
        r"no hr was read in 12 stays.*'urn:oid:1.2.3\|PULSE' \(216 rows\)",
    )
    _, found = read(folder, local_codes={"urn:oid:1.2.3|PULSE": "hr"})
    assert found.variables["hr"] == 216
    assert not found.unknown


@pytest.mark.parametrize(
    ("left_out", "match"), [({"trained": None}, "no weights.npz"), ({"texts": {}}, "no forest/0.txt")]
)
def test_a_release_without_its_weights_or_trees_is_named(
    base: Released, tmp_path: Path, left_out: dict[str, Any], match: str
) -> None:
    graphs = base.graphs
    release = Release(
        name=VENTILATION, version=RELEASED, inputs=base.task.inputs, outcomes=base.model.outcomes,
        hours=base.model.hours,
        important=("hr",), graph=graphs.model, encoder=graphs.encoder, headline=graphs.headline,
        codes=base.model.codes, calibration=base.said["calibration"], envelope=base.said["envelope"], leaks={}, card={},
        background=base.model.background, weights=base.model.background_weights, evaluation=base.said["evaluation"],
        training={"data": []}, created=WHEN, trained=weights(base.blend.model), texts=texts(base.blend.forest),
    )  # fmt: skip
    with pytest.raises(AdaptationRefused, match=match):
        opened(write(replace(release, **left_out), tmp_path))


def test_weights_that_are_not_the_graphs_are_refused(
    base: Released, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training.adaptation import released as room

    texts_of: Callable[..., Any] = room.forest_of
    monkeypatch.setattr(room, "forest_of", lambda kept, offset: texts_of(kept, offset + 3.0))
    with pytest.raises(AdaptationRefused, match="answer otherwise than the graph"):
        opened(base.folder)


def test_an_input_whose_presence_tells_the_outcome_stops_the_adaptation(
    base: Released, tmp_path: Path
) -> None:
    def betrayed() -> Any:
        rows = list(exports.hospital())
        ill = {row["subject"]["reference"] for row in rows if row["resourceType"] == "Procedure"}
        keep = [
            row
            for row in rows
            if row["resourceType"] != "Observation"
            or not row["id"].startswith("sbp")
            or row["subject"]["reference"] in ill
        ]
        return iter(keep)

    folder = exports.write(tmp_path / "export", betrayed())
    with pytest.raises(Leak, match="sbp in st-elsewhere"):
        adapt(base, site(folder, tmp_path / "own"), created=WHEN)
    assert not (tmp_path / "own").exists()


def test_the_sites_versions_do_not_go_beside_the_release(
    base: Released, export_folder: Path, place: Path
) -> None:
    with pytest.raises(AdaptationRefused, match="give the site a folder of its own"):
        adapt(base, site(export_folder, place / "released"), created=WHEN)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "--export is missing"),
        (["--export", "x", "--artifacts", "y"], "--tenant is missing"),
        (["--export", "x", "--artifacts", "y", "--site", "A b"], "no name of a site"),
        (["--export", "x", "--artifacts", "y", "--site", "a", "--argue", "fio2"], "write it as NAME=VALUE"),
        (
            ["--export", "x", "--artifacts", "y", "--site", "a", "--limit", "hr=1"],
            "one of troponin_t, troponin_i",
        ),
        (
            ["--export", "x", "--artifacts", "y", "--site", "a", "--limit", "troponin_t=low"],
            "no number of ng/L",
        ),
    ],
)
def test_a_command_that_lacks_something_says_what(
    given: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from training.__main__ import main

    assert main(["adapt", "--task", "ventilation", *given]) == 1
    assert said in capsys.readouterr().err


def test_the_usual_tuning_is_gentler_than_training() -> None:
    assert TUNING.rate < task(VENTILATION).shape.rate / 2
    assert TUNING.pull > 0
