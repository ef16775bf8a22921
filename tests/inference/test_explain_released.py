"""The released models' explanations: near the truth, adding up, the same twice, and little dearer than asking."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from inference.chart import Chart, Person
from inference.explain import explain, explain_many, system_of
from inference.features import ASKED, features
from inference.model import MANIFEST, Model, load
from inference.vocabulary import vocabulary
from tests.inference.charts import chart, event, row

ARTIFACTS = Path(__file__).parents[2] / "inference" / "artifacts"
RELEASED = sorted(path.parent for path in ARTIFACTS.glob(f"*/*/{MANIFEST}"))
ORDERS = 1000
Floats = NDArray[np.float64]
Rows = NDArray[np.float32]

# variable -> (ordinary, by how much patients differ, how many values in a day)
COURSES: dict[str, tuple[float, float, int]] = {
    "hr": (92, 16, 24), "sbp": (118, 18, 24), "dbp": (64, 10, 24), "map": (80, 12, 24), "rr": (21, 5, 24),
    "spo2": (94, 3, 24), "temp": (37.4, 0.7, 8), "gcs": (13, 2, 8), "fio2": (45, 15, 6), "urine": (70, 40, 12),
    "ph": (7.36, 0.06, 3), "pco2": (42, 8, 3), "po2": (85, 20, 3), "lactate": (2.2, 1.2, 3), "bicarbonate": (23, 4, 2),
    "creatinine": (1.3, 0.6, 2), "bun": (26, 12, 2), "potassium": (4.2, 0.5, 2), "sodium": (138, 4, 2),
    "glucose": (140, 40, 3), "wbc": (12, 4, 2), "platelets": (210, 70, 2), "haematocrit": (33, 5, 2),
    "troponin_i": (900, 500, 3), "ck_mb": (12, 8, 2), "weight": (80, 15, 1), "height": (170, 9, 1),
}  # fmt: skip


def patient(seed: int, measured: float) -> Chart:
    """Somebody of whom about this share of the variables was measured over the last day."""
    rng = np.random.default_rng(seed)
    rows = []
    for name, (ordinary, spread, count) in COURSES.items():
        if name not in vocabulary() or (name != "hr" and rng.random() > measured):
            continue
        own, drift = ordinary + spread * rng.normal(), spread * rng.normal()
        for hours in np.linspace(23.5, 0.5, count):
            value = own - drift * hours / 24 + 0.2 * spread * rng.normal()
            low, high = vocabulary()[name].low, vocabulary()[name].high
            rows.append(row(name, float(np.clip(value, low, high)), float(hours)))
    person = Person(age_years=float(rng.integers(30, 90)), sex="female" if seed % 2 else "male")
    return chart(*rows, person=person, events=(event("admission", 26),))


PATIENTS = {"much measured": patient(1, 1.0), "half measured": patient(2, 0.5), "little": patient(3, 0.25)}


@pytest.fixture(scope="module", params=RELEASED, ids=lambda path: f"{path.parent.name}-{path.name}")
def model(request: pytest.FixtureRequest) -> Model:
    return load(request.param, "cpu")


@pytest.fixture(params=PATIENTS.values(), ids=PATIENTS.keys())
def seen(request: pytest.FixtureRequest) -> Chart:
    found: Chart = request.param
    return found


def truth(model: Model, x: Rows, seed: int = 99) -> dict[str, float]:
    """Contributions over a thousand orders in which the players of a system stay together; no shortcuts.

    Columns are mixed, not codes. Each order is walked before one background row, all of them by weight.
    """
    rng = np.random.default_rng(seed)
    players = [player for player in model.layout.players if player not in ASKED]
    background = model.background.copy()
    for player in set(model.layout.players) & set(ASKED):
        columns = list(model.layout.players[player])
        background[:, columns] = x[columns]
    share = model.background_weights.cumsum() / model.background_weights.sum()
    before = np.searchsorted(share, (np.arange(ORDERS) + 0.5) / ORDERS)
    gains = np.zeros(len(players))
    for part in np.split(before, ORDERS // 50):
        orders = [_order(players, rng) for _ in part]
        rows = np.repeat(background[part][:, None], len(players) + 1, axis=1)  # [O,P+1,F]
        for walked, order in zip(rows, orders, strict=True):
            for step, player in enumerate(order):
                columns = list(model.layout.players[players[player]])
                walked[step + 1 :, columns] = x[columns]
        worth = model.headline(rows.reshape(-1, rows.shape[2])).reshape(len(part), -1)
        for order, gain in zip(orders, np.diff(worth, axis=1), strict=True):
            gains[order] += gain
    return dict(zip(players, gains / ORDERS, strict=True))


def _order(players: list[str], rng: np.random.Generator) -> list[int]:
    systems = sorted({system_of(player) for player in players})
    order: list[int] = []
    for system in rng.permutation(systems):
        order += rng.permutation([i for i, p in enumerate(players) if system_of(p) == system]).tolist()
    return order


def test_reasons_are_within_three_hundredths_of_a_thousand_orders(model: Model, seen: Chart) -> None:
    x = features(seen, model.layout, hours_ahead=6.0)
    expected = truth(model, x)
    said = {reason.variable: reason.push for reason in explain(x, model, seen, seed=1).reasons}
    assert set(said) == set(expected)
    assert sum(map(abs, expected.values())) > 0.3  # there is something to be wrong about
    assert np.mean([abs(said[player] - expected[player]) for player in said]) <= 0.03


def test_reasons_and_systems_add_up_to_the_shown_score(model: Model, seen: Chart) -> None:
    x = features(seen, model.layout, hours_ahead=6.0)
    said = explain(x, model, seen, seed=1)
    assert said.base + sum(system.push for system in said.systems) == pytest.approx(said.score, abs=1e-6)
    assert said.base + sum(reason.push for reason in said.reasons) == pytest.approx(said.score, abs=1e-6)
    assert said.score == pytest.approx(model.run(x[None]).logit[0, -1], abs=1e-5)
    assert not {reason.variable for reason in said.reasons} & set(ASKED)


def test_twice_explained_is_the_same_to_the_last_bit(model: Model, seen: Chart) -> None:
    x = features(seen, model.layout, hours_ahead=6.0)
    assert explain(x, model, seen, seed=1) == explain(x, model, seen, seed=1)


def test_many_patients_are_explained_as_each_alone(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    charts = list(PATIENTS.values())
    x = np.stack([features(seen, model.layout, hours_ahead=6.0) for seen in charts])
    alone = [explain(row, model, seen, seed=i) for i, (row, seen) in enumerate(zip(x, charts, strict=True))]
    assert list(explain_many(x, model, charts, range(3))) == alone
    monkeypatch.setattr(model, "rows_at_once", 65_536)  # as on a GPU: the rows of all three in one question
    together = list(explain_many(x, model, charts, range(3)))
    for one, other in zip(together, alone, strict=True):
        assert one.model_rows == other.model_rows
        pushes = {reason.variable: reason.push for reason in other.reasons}
        for reason in one.reasons:
            assert reason.push == pytest.approx(pushes[reason.variable], abs=1e-5)


def test_explaining_costs_little_more_than_asking_for_its_rows(model: Model) -> None:
    seen = PATIENTS["much measured"]
    x = features(seen, model.layout, hours_ahead=6.0)
    rows = explain(x, model, seen, seed=1).model_rows
    codes = np.resize(model.background_codes, (model.rows_at_once, model.background_codes.shape[1]))
    graph = model._graphs.headline or model._graphs.model

    def bare() -> None:
        for _ in range(-(-rows // len(codes))):
            graph.session.run(None, {graph.takes: codes})

    ratios = [_seconds(lambda: explain(x, model, seen, seed=1)) / _seconds(bare) for _ in range(9)]
    assert rows > 2000
    assert min(ratios) < 2.5


def _seconds(do: Callable[[], object]) -> float:
    start = time.perf_counter()
    do()
    return time.perf_counter() - start
