"""One network, several sites: what is averaged, what leaves a site, and what happens when a site goes."""

from __future__ import annotations

import argparse
import os
import re
import signal
import time
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("lightgbm", reason="training needs requirements-train.txt")

from inference.chart import Event, Measurement, Person, Record, Source
from training.federation import audit, command, flower, home, learner, report, rounds, scaling, sites
from training.federation.averaging import Disagreement, weighted_mean
from training.federation.experiment import ALONE, FEDERATED, POOLED, Experiment, Flower, run
from training.federation.recipe import Recipe, read, recipe_for
from training.federation.rounds import Answer, Question, Reach
from training.matrix import Table, collect, joined
from training.network import Shape
from training.readers import CHALLENGE_2012, EICU, START, Stay
from training.tasks import task

ROOT = Path(__file__).resolve().parents[2]
TOLERANCE = 1e-6  # of a weight, between two runs with one seed
NOWHERE = Source("", "", "", "", "")
TASK = replace(
    task("ventilation"), inputs=("hr", "sbp", "creatinine", "course"),
    shape=Shape(members=2, wide=8, narrow=4, epochs=4, batch=256, rate=1e-2),
)  # fmt: skip
RECIPE = recipe_for(TASK, rounds=2, epochs=1)


def cohort(data_set: str, count: int, seed: int) -> list[Stay]:
    """Stays in which a fast heart is ventilated, in seven hospitals."""
    rng = np.random.default_rng(seed)
    stays = []
    for number in range(count):
        fast = bool(rng.random() < 0.4)
        charted = [("hr", float(h), rng.normal(120 if fast else 80, 8)) for h in range(30)]
        charted += [("sbp", float(h), rng.normal(120, 10)) for h in range(0, 30, 3)]
        rows = [
            Measurement(name, float(value), when, when, NOWHERE)
            for name, hour, value in charted
            for when in [START + timedelta(hours=hour)]
        ]
        person = Person(age_years=40.0 + number, sex="female" if number % 2 else "male")
        record = Record(str(number), person, tuple(rows), (Event("admission", START, None, NOWHERE),))
        onset = START + timedelta(hours=20 + 10 * float(rng.random())) if fast else None
        end = START + timedelta(hours=48)
        stays.append(Stay(data_set, record, str(number), f"h{number % 7}", end, onset))
    return stays


@pytest.fixture(scope="module")
def rows() -> Table:
    return joined([collect(TASK, cohort(CHALLENGE_2012, 40, 1)), collect(TASK, cohort(EICU, 70, 2))])


@pytest.fixture
def homes(rows: Table, tmp_path: Path) -> list[Path]:
    """Three sites, with a fold of each held back."""
    names = sites.sites_of(rows, 2)
    sites.split(rows, names, sites.folds(rows, names, 3), tmp_path / "sites")
    return list(sites.homes(tmp_path / "sites"))


def plainly(homes: list[Path], gone: Callable[[str, int], bool] = lambda site, turn: False) -> Reach:
    """Sites reached by a plain call; `gone` says who does not answer which round."""

    def reach(question: Question) -> list[Answer]:
        return [_answer(place, question) for place in homes if not gone(place.name, question.turn)]

    return reach


def _answer(place: Path, question: Question) -> Answer:
    recipe, turn, agreed, arrays = question
    if turn > 0:
        return Answer(place.name, *home.train(place, recipe, turn, agreed, arrays))
    return Answer(place.name, home.sums(place, recipe, turn, agreed))


def federated(
    homes: list[Path], folder: Path, recipe: Recipe = RECIPE, reach: Reach | None = None
) -> dict[str, np.ndarray]:
    weights, _ = rounds.load(rounds.federate(recipe, reach or plainly(homes), folder, lambda turn, who: None))
    return weights


# What is averaged


def test_the_average_is_the_mean_weighted_by_examples() -> None:
    one = {"a": np.array([1.0, 2.0], np.float32), "b": np.array([[3.0]], np.float32)}
    other = {"a": np.array([5.0, -2.0], np.float32), "b": np.array([[7.0]], np.float32)}
    found = weighted_mean([(one, 300), (other, 100)])
    assert found["a"].tolist() == [2.0, 1.0]  # (300 x 1 + 100 x 5) / 400, (300 x 2 - 100 x 2) / 400
    assert found["b"].tolist() == [[4.0]]
    assert found["a"].dtype == np.float32


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"b": np.zeros(2, np.float32)}, r"names differ in \['a', 'b'\]"),
        ({"a": np.zeros(3, np.float32)}, r"a is \(3,\) here, \(2,\) there"),
        ({"a": np.array([np.nan, 0], np.float32)}, "not finite"),
    ],
)
def test_weights_that_do_not_fit_are_not_averaged(other: dict[str, np.ndarray], said: str) -> None:
    with pytest.raises(Disagreement, match=said):
        weighted_mean([({"a": np.zeros(2, np.float32)}, 1), (other, 1)])


def test_nothing_trained_on_is_no_average() -> None:
    with pytest.raises(Disagreement, match="no site trained"):
        weighted_mean([({"a": np.zeros(2, np.float32)}, 0)])


def test_a_round_is_the_mean_of_what_the_sites_sent(homes: list[Path], tmp_path: Path) -> None:
    sent: list[Answer] = []

    def reach(question: Question) -> list[Answer]:
        answers = plainly(homes)(question)
        sent.extend(answers if question.turn == 1 else [])
        return answers

    found = federated(homes, tmp_path / "run", replace(RECIPE, rounds=1), reach)
    total = sum(answer.examples for answer in sent)
    assert len(sent) == len(homes) == 3
    for name, array in found.items():
        expected = sum(answer.arrays[name].astype(float) * answer.examples for answer in sent) / total
        np.testing.assert_allclose(array, expected, atol=TOLERANCE)


def test_sums_of_all_sites_scale_as_all_rows_in_one_place_would() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal([5.0, -300.0], [0.1, 40.0], size=(6000, 2))
    values[rng.random(values.shape) < 0.3] = np.nan
    patient = np.arange(6000).astype(str)
    parts = [scaling.sums(values[part], patient[part]) for part in (slice(0, 1000), slice(1000, 6000))]
    centre, step = scaling.moments({name: parts[0][name] + parts[1][name] for name in parts[0]})
    np.testing.assert_allclose(centre, np.nanmean(values, axis=0), rtol=1e-6)
    np.testing.assert_allclose(step, np.nanstd(values, axis=0), rtol=1e-4)
    z = (values - centre) / step
    found = scaling.percentiles(scaling.histogram(z, patient), (10.0, 50.0, 90.0))
    np.testing.assert_allclose(found, np.nanpercentile(z, [10, 50, 90], axis=0).T, atol=0.08)


def test_the_pull_of_fedprox_keeps_a_site_nearer_to_where_the_round_began(rows: Table) -> None:
    def moved(proximal: float) -> float:
        one = learner.learner(RECIPE, in_agreement(rows))
        before = one.parameters()
        one.fit(rows, 1, 2, 1e-2, proximal)
        return float(sum(np.abs(array - before[name]).sum() for name, array in one.parameters().items()))

    assert moved(5.0) < 0.8 * moved(0.0)


def in_agreement(rows: Table) -> learner.Agreed:
    agreed: learner.Agreed = {}
    for _ in range(learner.PASSES):
        agreed = learner.agree(agreed, learner.told(rows, RECIPE, agreed))
    return agreed


def test_what_sites_agreed_on_is_in_the_network_after_training(rows: Table) -> None:
    agreed = in_agreement(rows)
    one = learner.learner(RECIPE, agreed)
    before = one.ask(rows.x[:5])
    one.fit(rows.where(rows.y[:, -1]), 1, 1, 1e-12, 0.0)  # a rate of nothing, on rows of another frequency
    np.testing.assert_allclose(one.ask(rows.x[:5]), before, atol=1e-5)


# What leaves a site


def test_only_weights_counts_and_sums_leave_and_each_is_listed(homes: list[Path], tmp_path: Path) -> None:
    weights = federated(homes, tmp_path / "run")
    left = [line for place in homes for line in audit.read(place / sites.LEFT)]
    arrived = audit.read(tmp_path / "run" / rounds.ARRIVED)
    assert audit.unexplained(arrived, left) == []
    passes = told_by(homes[0])
    assert len(arrived) == len(left) == 3 * (len(passes) + RECIPE.rounds * (len(weights) + 1))
    shapes = {name: array.shape for name, array in weights.items()}
    assert all(line.shape == shapes[line.name] for line in left if line.kind == "weights")
    assert {line.name: line.shape for line in left if line.kind == "sums"} == passes
    assert {line.name for line in left if line.kind == "count"} == {home.COUNT}
    assert {line.kind for line in left} == {"sums", "weights", "count"}
    for place in homes:
        training = len(sites.home_rows(place, RECIPE.held))
        assert all(training not in line.shape for line in left)


def told_by(place: Path) -> dict[str, tuple[int, ...]]:
    """Names and shapes of what a site says in both passes."""
    rows, agreed, found = sites.home_rows(place, RECIPE.held), {}, {}
    for _ in range(learner.PASSES):
        said = learner.told(rows, RECIPE, agreed)
        found |= {name: array.shape for name, array in said.items()}
        agreed = learner.agree(agreed, said)
    return found


def test_what_leaves_has_the_same_shape_however_many_rows_there_are(rows: Table) -> None:
    few, many = (learner.told(rows.where(np.arange(len(rows)) < count), RECIPE, {}) for count in (50, 900))
    assert {name: array.shape for name, array in few.items()} == {n: a.shape for n, a in many.items()}


def test_rows_do_not_pass_the_door(rows: Table) -> None:
    shapes = {"first": (2, 2)}
    with pytest.raises(audit.Refused, match=r"not asked for, or missing: \['x'\]"):
        audit.permit({"first": np.zeros((2, 2)), "x": rows.x}, shapes)
    with pytest.raises(audit.Refused, match="first is"):
        audit.permit({"first": rows.x}, shapes)
    with pytest.raises(audit.Refused, match="plain finite numbers"):
        audit.permit({"first": np.array([["a", "b"], ["c", "d"]])}, shapes)


def test_an_arrival_that_is_on_no_sites_list_is_found() -> None:
    said = audit.passages("run", 1, "a", "weights", {"first": np.zeros(3, np.float32)})
    smuggled = audit.passages("run", 1, "a", "weights", {"first": np.ones(3, np.float32)})
    assert audit.unexplained(said, said) == []
    assert audit.unexplained(said + smuggled, said) == smuggled
    assert audit.unexplained(said + said, said) == said


def test_a_number_that_rests_on_fewer_than_ten_patients_stays() -> None:
    values = np.full((40, 2), np.nan)
    values[:, 0] = 7.0
    values[:36, 1] = 9.0  # nine patients, four rows each
    patient = np.repeat(np.arange(10), 4).astype(str)
    said = scaling.sums(values, patient)
    assert said["count"].tolist() == [40, 0]
    assert said["sum"].tolist() == [280, 0]
    assert scaling.histogram(values - 7, patient).sum(axis=1).tolist() == [40, 0]


def test_a_site_trains_on_neither_the_held_back_nor_what_is_too_soon(rows: Table, homes: list[Path]) -> None:
    names = sites.sites_of(rows, 2)
    fold = sites.folds(rows, names, 3)
    for place in homes:
        mine = sites.home_rows(place, 1)
        assert set(mine.patient) == set(rows.patient[(names == place.name) & (fold != 1) & ~rows.too_soon])
        assert not mine.too_soon.any()


# Who is a site


def test_hospitals_are_dealt_out_evenly_and_always_the_same(rows: Table) -> None:
    names = sites.sites_of(rows, 2)
    assert set(names) == {CHALLENGE_2012, f"{EICU}-1", f"{EICU}-2"}
    ill = [len(np.unique(rows.patient[(names == f"{EICU}-{g}") & rows.y[:, -1]])) for g in (1, 2)]
    assert abs(ill[0] - ill[1]) <= 4
    again = np.random.default_rng(0).permutation(len(rows))
    assert (sites.sites_of(rows.where(again), 2) == names[again]).all()


def test_hospitals_without_the_outcome_even_out_the_patients(rows: Table) -> None:
    eicu = rows.where(rows.data_set == EICU)
    ill = np.isin(eicu.patient, np.unique(eicu.patient[eicu.y[:, -1]]))
    spread = np.where(ill, np.where(eicu.stay.astype(int) % 5 == 0, "a", "b"), "")
    hospital = np.where(ill, spread, np.char.add("well-", eicu.stay))  # the well each in a hospital of one
    names = sites.sites_of(replace(eicu, site=hospital), 2)
    counts = [len(np.unique(eicu.patient[names == name])) for name in np.unique(names)]
    assert len(counts) == 2
    assert abs(counts[0] - counts[1]) <= 1


def test_a_patient_who_moved_keeps_both_hospitals_at_one_site(rows: Table) -> None:
    patient = rows.patient.copy()
    eicu = np.flatnonzero(rows.data_set == EICU)
    for stay in ("0", "1", "2"):  # in three hospitals
        patient[eicu[rows.stay[eicu] == stay]] = f"{EICU}/one"
    moved = replace(rows, patient=patient)
    names = sites.sites_of(moved)
    assert len(set(names[patient == f"{EICU}/one"])) == 1
    assert len(set(sites.folds(moved, names, 3)[patient == f"{EICU}/one"])) == 1


def test_too_few_patients_with_the_outcome_make_fewer_sites(rows: Table) -> None:
    ill = np.unique(rows.patient[(rows.data_set == EICU) & rows.y[:, -1]])
    kept = rows.where(~np.isin(rows.patient, ill[12:]))
    assert set(sites.sites_of(kept)) == {CHALLENGE_2012, f"{EICU}-1"}


# When a site goes, and when a run stops


def test_a_site_that_drops_out_of_a_round_does_not_lose_the_run(homes: list[Path], tmp_path: Path) -> None:
    heard: dict[int, list[str]] = {}
    reach = plainly(homes, lambda site, turn: site == homes[0].name and turn == 1)
    path = rounds.federate(RECIPE, reach, tmp_path / "run", heard.__setitem__)
    assert heard[1] == [place.name for place in homes[1:]]
    assert heard[2] == [place.name for place in homes]
    assert all(np.isfinite(array).all() for array in rounds.load(path)[0].values())


def test_one_hospital_alone_is_no_federation(homes: list[Path], tmp_path: Path) -> None:
    reach = plainly(homes, lambda site, turn: site != homes[0].name and turn == 2)
    with pytest.raises(rounds.TooFew, match=f"round 2: {homes[0].name} answered, 2 sites are needed"):
        federated(homes, tmp_path / "run", reach=reach)


def test_a_stopped_run_goes_on_where_it_was_and_ends_the_same(homes: list[Path], tmp_path: Path) -> None:
    asked: list[int] = []

    def reach(question: Question) -> list[Answer]:
        asked.append(question.turn)
        if question.turn == 2 and asked.count(2) == 1:
            raise ConnectionError
        return plainly(homes)(question)

    with pytest.raises(ConnectionError):
        federated(homes, tmp_path / "run", reach=reach)
    found = federated(homes, tmp_path / "run", reach=reach)
    assert asked == [0, -1, 1, 2, 2]
    same(found, federated(homes, tmp_path / "other"))


def test_the_same_seed_gives_the_same_weights_and_another_gives_others(
    homes: list[Path], tmp_path: Path
) -> None:
    first = federated(homes, tmp_path / "a")
    same(first, federated(list(reversed(homes)), tmp_path / "b"))
    other = federated(homes, tmp_path / "c", replace(RECIPE, seed=1))
    assert any(np.abs(first[name] - other[name]).max() > 0.01 for name in first)


def same(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> None:
    assert set(first) == set(second)
    for name in first:
        np.testing.assert_allclose(first[name], second[name], rtol=0, atol=TOLERANCE)


# The comparison


def experiment(rows: Table, work: Path) -> Experiment:
    names = sites.sites_of(rows, 2)
    return Experiment(rows, names, sites.folds(rows, names, 3), RECIPE, 2, work)


def test_three_ways_answer_the_same_held_back_rows_and_are_not_trained_twice(
    rows: Table, tmp_path: Path
) -> None:
    planned, trained = experiment(rows, tmp_path), []

    def across(recipe: Recipe, folder: Path, say: Callable[[str], None]) -> Path:
        trained.append(recipe.held)
        return rounds.federate(recipe, plainly(planned.homes), folder, lambda turn, who: None)

    outcome = run(planned, across, lambda text: None)
    again = run(planned, across, lambda text: None)
    assert trained == [0, 1]
    for way in (ALONE, POOLED, FEDERATED):
        assert (np.isfinite(outcome.answers[way]) == (planned.fold < 2)).all()
        np.testing.assert_array_equal(outcome.answers[way], again.answers[way])
    said = report.report(planned, outcome, {"flwr": "0"})
    assert said["figures"][CHALLENGE_2012][POOLED]["auroc"] > 0.7
    assert said["left_the_sites"]["kinds"]["count"]["times"] == 2 * 3 * RECIPE.rounds
    shown = report.table("ventilation-need", said)
    assert f"| {CHALLENGE_2012} | 40 (" in shown
    assert "mean of the sites" in shown


def test_no_report_is_made_of_a_run_in_which_something_passed_unlisted(rows: Table, tmp_path: Path) -> None:
    planned = experiment(rows, tmp_path)
    stranger = audit.passages("run", 1, "a", "weights", {"rows": rows.x})
    audit.write(planned.folder / "federated" / "fold-0" / rounds.ARRIVED, stranger)
    with pytest.raises(flower.FederationFailed, match="1 arrivals are on no site's list"):
        report.departures(planned)


def test_another_recipe_resumes_nothing_of_the_first(rows: Table, tmp_path: Path) -> None:
    first = experiment(rows, tmp_path)
    assert replace(first, recipe=replace(RECIPE, proximal=0.1)).folder != first.folder
    assert replace(first, fold=first.fold[::-1].copy()).folder != first.folder
    assert experiment(rows, tmp_path).folder == first.folder


def test_a_recipe_reads_back_as_it_was_written() -> None:
    held = RECIPE.holding(2)
    assert read(held.text()) == held
    assert held.digest != RECIPE.digest
    assert [round(RECIPE.rate_in(turn) / RECIPE.rate, 3) for turn in (1, 2)] == [1.0, 0.5]


# Flower


def test_a_missing_environment_says_how_it_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = argparse.ArgumentParser()
    command.add(parser.add_subparsers())
    options = parser.parse_args(["federate", "--task", "troponin", "--environment", str(tmp_path / ".none")])
    assert options.main(options) == 1
    said = capsys.readouterr().err
    assert "Flower is not installed in .none/. Make it with 'make .venv-federated/.ready'" in said
    assert "pip install -r requirements-federated.txt" in said


def test_a_request_to_end_leaves_by_the_way_on_which_processes_are_stopped() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit, match="143"), command._leaving():
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) == before


def test_flower_is_handed_no_code_and_the_version_that_is_pinned() -> None:
    app = tomllib.loads((flower.APP / "pyproject.toml").read_text())
    pins = dict(re.findall(r"^(\w+)==([\w.]+)", (ROOT / "requirements-federated.txt").read_text(), re.M))
    shared = dict(re.findall(r"^(\w+)==([\w.]+)", (ROOT / "requirements.txt").read_text(), re.M))
    assert app["project"]["dependencies"] == [f"flwr=={pins['flwr']}"]
    assert [path.name for path in flower.APP.iterdir()] == ["pyproject.toml"]
    assert (pins["torch"], pins["numpy"]) == (shared["torch"], shared["numpy"])


@pytest.fixture
def environment() -> Path:
    """Flower's environment; without it the test is skipped and says why, and fails where CI=true."""
    try:
        flower.programs()
    except flower.EnvironmentMissing as missing:
        if os.environ.get("CI") == "true":
            pytest.fail(str(missing))
        pytest.skip(str(missing))
    return flower.ENVIRONMENT


@pytest.mark.slow
def test_real_processes_on_loopback_end_with_the_weights_a_plain_call_gives(
    rows: Table, homes: list[Path], tmp_path: Path, environment: Path
) -> None:
    planned = replace(experiment(rows, tmp_path / "flower"), folds=1)
    said: list[str] = []
    with Flower(planned, environment) as across:
        outcome = run(planned, across, said.append)
        running = across.running
        assert running is not None
        processes = [running.link, *running.sites.values()]
        assert {address for one in processes for address in listening(one.pid)} == {"0100007F"}  # 127.0.0.1
        assert b"FLWR_TELEMETRY_ENABLED=0" in Path(f"/proc/{running.link.pid}/environ").read_bytes()
        pids = [pid for one in processes for pid in family(one.pid)]
    end = time.monotonic() + flower.LEAVING
    while (left := [pid for pid in pids if alive(pid)]) and time.monotonic() < end:
        time.sleep(0.2)
    assert not left
    assert "fold 1 of 1, federated: round 2 of 2: 3 of 3 sites answered" in said
    place = planned.folder / "federated" / "fold-0"
    same(rounds.load(place / rounds.FINISHED)[0], federated(homes, tmp_path / "plain", RECIPE.holding(0)))
    found = report.report(planned, outcome, {})
    assert found["left_the_sites"]["on_no_sites_list"] == 0


@pytest.mark.slow
def test_real_sites_that_die_or_fail_are_gone_on_without_and_tell_nothing(
    homes: list[Path], tmp_path: Path, environment: Path
) -> None:
    broken = tmp_path / "sites" / "a-broken-site"
    broken.mkdir()
    (broken / sites.ROWS).write_text("a secret")
    said: list[str] = []
    with flower.processes([broken, *homes], tmp_path / "work", environment) as running:
        killed = running.sites[homes[0].name]

        def say(text: str) -> None:
            said.append(text)
            if text.startswith("round 1"):
                killed.kill()

        path = flower.run(running, RECIPE, tmp_path / "run", say, patience=120)
        assert running.sites[homes[1].name].poll() is None
    assert "round 1 of 2: 3 of 4 sites answered" in said
    assert set(line.site for line in audit.read(tmp_path / "run" / rounds.ARRIVED) if line.turn == 2) == {
        place.name for place in homes[1:]
    }
    assert rounds.load(path)[0]
    assert "could not answer" in (tmp_path / "work" / "logs" / "a-broken-site.log").read_text()
    told = (tmp_path / "work" / "logs" / "superlink.log").read_text()
    assert "pickle" not in told
    assert str(broken) not in told


def listening(pid: int) -> Iterator[str]:
    """Addresses, as the kernel writes them, of the listening TCP sockets of a process."""
    mine = {os.readlink(link)[8:-1] for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()}
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            cells = line.split()
            if cells[3] == "0A" and cells[9] in mine:
                yield cells[1].split(":")[0]


def family(pid: int) -> list[int]:
    """A process and all that it started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(one for child in children for one in family(int(child)))]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
