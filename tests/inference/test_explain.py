"""Reasons: they add up to the shown score, can be made again, and are the values theory asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import permutations

import numpy as np
import pytest
from numpy.typing import NDArray

from inference.assessment import VENTILATION, Explanation
from inference.chart import Person
from inference.errors import UnsoundOutput
from inference.explain import EARLIER, SPARK_POINTS, explain, explain_many, label_of, stated, system_of
from inference.features import BEFORE_UNIT, CARE_UNIT, HOURS, PERSONAL, Layout, features, layout_for
from inference.owen import Game, owen, shapley_matrix
from inference.vocabulary import vocabulary
from tests.inference.charts import chart, event, row, vitals

Floats = NDArray[np.float64]
Rows = NDArray[np.float32]
ALL_INPUTS = tuple(v.name for v in vocabulary().variables.values() if v.kind != "category")
FORTY = ALL_INPUTS[:40]
SMALL_INPUTS = ("hr", "sbp", "rr", "spo2", "fio2", "lactate")


@dataclass(frozen=True)
class Network:
    """A random network on values and "was it measured": nonlinear, with interactions, mild answers."""

    layout: Layout
    background: Rows
    background_weights: Floats
    headline: Callable[[Rows], Floats]
    outcomes: tuple[str, ...] = ("ventilation-6h", "ventilation-24h")
    rows_at_once: int = 1000

    @property
    def codes(self) -> Mapping[str, tuple[int, ...]]:
        return self.layout.players

    @property
    def background_codes(self) -> Rows:
        return self.background

    @property
    def headline_of(self) -> Callable[[Rows], Floats]:
        return self.headline

    def encode(self, x: Rows) -> Rows:
        return x


def network(inputs: tuple[str, ...], *, seed: int = 0, background: int = 10) -> Network:
    rng = np.random.default_rng(seed)
    layout = layout_for(inputs, VENTILATION)
    width = len(layout.names)
    first = (2 * rng.normal(size=(2 * width, 24)) / np.sqrt(width)).astype(np.float32)
    second = rng.normal(size=(24, 8)) / np.sqrt(24)
    last = 0.7 * rng.normal(size=8)

    def headline(x: Rows) -> Floats:
        absent = np.isnan(x)
        filled = np.where(absent, np.float32(0), x)
        hidden = np.maximum(filled @ first[:width] + absent.astype(np.float32) @ first[width:], 0)
        answer: Floats = np.tanh(hidden @ second) @ last
        return answer

    rows = np.stack([sample(layout, rng) for _ in range(background)])
    return Network(layout, rows, rng.dirichlet(np.full(background, 4.0)), headline)


def sample(layout: Layout, rng: np.random.Generator) -> Rows:
    """A row in which whole variables, not columns, are unmeasured."""
    x = rng.normal(size=len(layout.names)).astype(np.float32)
    for columns in layout.players.values():
        if rng.random() < 0.4:
            x[list(columns)] = np.nan
    return x


def patient(model: Network, seed: int = 1) -> Rows:
    return sample(model.layout, np.random.default_rng(seed))


def game_of(model: Network, x: Rows) -> Game:
    names = tuple(model.layout.players)
    systems = list(dict.fromkeys(system_of(name) for name in names))
    return Game(
        x=x,
        background=model.background,
        weights=model.background_weights,
        columns=tuple(model.layout.players.values()),
        group=np.array([systems.index(system_of(name)) for name in names], dtype=np.intp),
    )


def pushes(of: Explanation) -> dict[str, float]:
    return {reason.variable: reason.push for reason in of.reasons}


def walk(value: Callable[[Rows], Floats], game: Game, *orders: list[int]) -> Floats:
    """Contributions [P] of players joining in an order, over all background rows and orders; no shortcuts."""
    players = len(game.columns)
    rows = np.tile(game.background, (len(orders), players + 1, 1, 1))  # [orders, P+1, K, F]
    for walked, order in zip(rows, orders, strict=True):
        for step, player in enumerate(order):
            walked[step + 1 :, :, list(game.columns[player])] = game.x[list(game.columns[player])]
    worth = value(rows.reshape(-1, rows.shape[3])).reshape(len(orders), players + 1, -1) @ game.weights
    gains = np.zeros((len(orders), players))
    np.put_along_axis(gains, np.array(orders), np.diff(worth, axis=1), axis=1)
    mean: Floats = gains.mean(axis=0)
    return mean


def random_order(game: Game, rng: np.random.Generator) -> list[int]:
    """A random order in which the players of a group stay together."""
    order: list[int] = []
    for group in rng.permutation(game.n_groups):
        order += rng.permutation(np.flatnonzero(game.group == group)).tolist()
    return order


# --- adding up


@pytest.mark.parametrize("seed", range(4))
def test_reasons_and_systems_add_up_to_the_shown_score(seed: int) -> None:
    model = network(ALL_INPUTS, seed=seed)
    x = patient(model, seed + 10)
    said = explain(x, model, chart(), seed=seed)
    background = float(model.headline(model.background) @ model.background_weights)
    assert said.score == float(model.headline(x[None])[0])
    assert said.base == pytest.approx(background, abs=1e-6)
    assert said.base + sum(s.push for s in said.systems) == pytest.approx(said.score, abs=1e-6)
    assert said.base + sum(r.push for r in said.reasons) == pytest.approx(said.score, abs=1e-6)


def test_the_reasons_of_each_system_add_up_to_that_system() -> None:
    model = network(ALL_INPUTS)
    said = explain(patient(model), model, chart(), seed=3)
    for system in said.systems:
        within = sum(reason.push for reason in said.reasons if reason.system == system.system)
        assert within == pytest.approx(system.push, abs=1e-9)


def test_every_player_has_one_reason_the_largest_push_first() -> None:
    model = network(ALL_INPUTS)
    said = explain(patient(model), model, chart(), seed=3)
    assert sorted(r.variable for r in said.reasons) == sorted(model.layout.players)
    sizes = [abs(r.push) for r in said.reasons]
    assert sizes == sorted(sizes, reverse=True)


# --- made again


def test_the_same_seed_gives_the_same_numbers_bit_for_bit() -> None:
    model = network(ALL_INPUTS)
    x = patient(model)
    assert explain(x, model, chart(), seed=5) == explain(x, model, chart(), seed=5)


def test_another_seed_moves_the_reasons_a_little_and_the_systems_not_at_all() -> None:
    model = network(ALL_INPUTS)
    x = patient(model)
    one, other = explain(x, model, chart(), seed=5), explain(x, model, chart(), seed=6)
    assert one.systems == other.systems
    assert pushes(one) != pushes(other)
    assert np.mean([abs(pushes(one)[v] - pushes(other)[v]) for v in pushes(one)]) < 0.05


def test_the_global_generator_of_numpy_is_neither_read_nor_moved() -> None:
    model = network(SMALL_INPUTS)
    before = np.random.get_state()[1].copy()
    explain(patient(model), model, chart(), seed=5)
    assert (np.random.get_state()[1] == before).all()


# --- what theory asks for


def test_systems_get_their_exact_shapley_values() -> None:
    model = network(SMALL_INPUTS)
    game = game_of(model, patient(model))
    whole = [list(np.flatnonzero(game.group == g)) for g in range(game.n_groups)]
    expected = np.zeros(game.n_groups)
    orders = list(permutations(range(game.n_groups)))
    for order in orders:
        gains = walk(model.headline, game, [player for group in order for player in whole[group]])
        expected += [gains[members].sum() for members in whole]
    found = owen(model.headline, game, seed=0, pairs=8)
    assert found.groups == pytest.approx(expected / len(orders), abs=1e-6)


def test_sampling_converges_to_the_owen_values_of_every_order() -> None:
    model = network(SMALL_INPUTS, background=3)
    game = game_of(model, patient(model))
    whole = [np.flatnonzero(game.group == g).tolist() for g in range(game.n_groups)]
    expected = np.zeros(len(game.columns))
    for group_order in permutations(range(game.n_groups)):
        head = [whole[g] for g in group_order]
        expected += np.mean([walk(model.headline, game, o) for o in _orders_within(head)], axis=0) / 24
    found = owen(model.headline, game, seed=0, pairs=4000)
    assert game.n_groups == 4
    assert found.players == pytest.approx(expected, abs=0.01)


def _orders_within(groups: list[list[int]]) -> list[list[int]]:
    if not groups:
        return [[]]
    tails = _orders_within(groups[1:])
    return [list(head) + tail for head in permutations(groups[0]) for tail in tails]


@pytest.mark.parametrize("seed", range(2))
def test_the_default_is_within_three_hundredths_of_a_thousand_permutations(seed: int) -> None:
    model = network(FORTY, seed=seed, background=6)
    x = patient(model, seed + 20)
    game = game_of(model, x)
    rng = np.random.default_rng(99)
    tens = [[random_order(game, rng) for _ in range(10)] for _ in range(100)]
    truth = np.mean([walk(model.headline, game, *ten) for ten in tens], axis=0)
    said = pushes(explain(x, model, chart(), seed=seed))
    errors = [abs(said[name] - truth[index]) for index, name in enumerate(model.layout.players)]
    assert np.abs(truth).mean() > 0.05  # there is something to be wrong about
    assert np.mean(errors) <= 0.03


def test_a_linear_model_is_explained_exactly_whatever_the_seed() -> None:
    layout = layout_for(SMALL_INPUTS, VENTILATION)
    rng = np.random.default_rng(0)
    weights = rng.normal(size=len(layout.names))
    model = Network(
        layout,
        rng.normal(size=(5, len(layout.names))).astype(np.float32),
        np.full(5, 0.2),
        lambda x: x.astype(np.float64) @ weights,
    )
    x = rng.normal(size=len(layout.names)).astype(np.float32)
    moved = (x - model.background.mean(axis=0)) * weights
    for seed in (1, 2):
        said = pushes(explain(x, model, chart(), seed=seed))
        for name, columns in layout.players.items():
            assert said[name] == pytest.approx(moved[list(columns)].sum(), abs=1e-5)


def test_a_player_the_model_does_not_use_gets_nothing() -> None:
    model = network(SMALL_INPUTS)
    columns = list(model.layout.players["spo2"])

    def blind(x: Rows) -> Floats:
        held = x.copy()
        held[:, columns] = 0
        return model.headline(held)

    deaf = Network(model.layout, model.background, model.background_weights, blind)
    assert pushes(explain(patient(model), deaf, chart(), seed=0))["spo2"] == pytest.approx(0, abs=1e-6)


def test_a_player_as_in_the_background_gets_nothing_and_costs_nothing() -> None:
    model = network(SMALL_INPUTS)
    x = patient(model)
    everywhere = explain(x, model, chart(), seed=0)
    same = model.background.copy()
    for name in ("rr", "lactate"):
        same[:, list(model.layout.players[name])] = x[list(model.layout.players[name])]
    said = explain(x, Network(model.layout, same, model.background_weights, model.headline), chart(), seed=0)
    assert pushes(said)["rr"] == 0
    assert pushes(said)["lactate"] == pytest.approx(0, abs=1e-12)
    assert said.model_rows < everywhere.model_rows


def test_the_only_variable_of_a_system_gets_all_of_it() -> None:
    model = network(SMALL_INPUTS)
    said = explain(patient(model), model, chart(), seed=0)
    gases = next(s.push for s in said.systems if s.system == "gases")
    assert pushes(said)["lactate"] == pytest.approx(gases, abs=1e-12)


def test_a_patient_like_every_background_row_has_no_reasons() -> None:
    model = network(SMALL_INPUTS)
    x = patient(model)
    alike = Network(model.layout, np.repeat(x[None], 4, axis=0), np.full(4, 0.25), model.headline)
    said = explain(x, alike, chart(), seed=0)
    assert said.base == pytest.approx(said.score, abs=1e-9)
    assert [r.push for r in said.reasons] == pytest.approx([0] * len(said.reasons), abs=1e-12)


def test_the_shapley_matrix_shares_a_game_of_three_as_the_textbook_does() -> None:
    worth = np.array([0, 12, 6, 18, 0, 15, 9, 24.0])  # coalitions in binary: a=1, b=2, c=4
    assert shapley_matrix(3) @ worth == pytest.approx([13.5, 7.5, 3.0])


def test_the_rows_asked_are_counted_truly() -> None:
    model = network(ALL_INPUTS)
    asked = [0]

    def counting(x: Rows) -> Floats:
        asked[0] += len(x)
        return model.headline(x)

    counted = Network(model.layout, model.background, model.background_weights, counting)
    said = explain(patient(model), counted, chart(), seed=0)
    assert said.model_rows == asked[0]
    assert said.model_rows < 16_000  # all of it is meant to take a tenth of a second on one core


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_model_that_answers_nan_is_not_explained(bad: float) -> None:
    model = network(SMALL_INPUTS)

    def broken(x: Rows) -> Floats:
        answers = model.headline(x)
        answers[-1] = bad
        return answers

    unsound = Network(model.layout, model.background, model.background_weights, broken)
    with pytest.raises(UnsoundOutput):
        explain(patient(model), unsound, chart(), seed=0)


# --- the question


def test_the_question_is_no_reason_and_the_background_is_asked_the_same() -> None:
    model = network((*SMALL_INPUTS, "hours_ahead"))
    x = patient(model)
    (column,) = model.layout.players["hours_ahead"]
    for asked in (6.0, 1.0, np.nan):
        x[column] = asked
        same = model.background.copy()
        same[:, column] = asked
        said = explain(x, model, chart(), seed=0)
        assert "hours_ahead" not in pushes(said)
        assert said.base == pytest.approx(float(model.headline(same) @ model.background_weights), abs=1e-6)
        assert said.base + sum(pushes(said).values()) == pytest.approx(said.score, abs=1e-6)
    assert np.isnan(model.background[:, column]).all() or (model.background[:, column] != 1.0).all()


def test_what_the_question_is_called_and_where_it_stands() -> None:
    assert system_of("hours_ahead") == "person"
    assert label_of("hours_ahead") == "Hours until the planned draw"


# --- many at once


def test_many_are_explained_as_each_alone_however_many_rows_a_question_holds() -> None:
    model = network(SMALL_INPUTS)
    x = np.stack([patient(model, seed) for seed in range(5)])
    alone = [explain(each, model, chart(), seed=seed) for seed, each in enumerate(x)]
    for at_once in (1, 7, 100_000):
        together = explain_many(x, replace(model, rows_at_once=at_once), [chart()] * 5, range(5))
        for one, other in zip(together, alone, strict=True):
            assert (one.base, one.score) == pytest.approx((other.base, other.score), abs=1e-6)
            assert pushes(one) == pytest.approx(pushes(other), abs=1e-6)


def test_many_are_asked_in_few_questions() -> None:
    model = network(SMALL_INPUTS)
    x = np.stack([patient(model, seed) for seed in range(6)])
    asked: list[int] = []

    def counting(rows: Rows) -> Floats:
        asked.append(len(rows))
        return model.headline(rows)

    counted = replace(model, headline=counting, rows_at_once=100_000)
    said = list(explain_many(x, counted, [chart()] * 6, range(6)))
    assert asked == [6, sum(each.model_rows - 1 for each in said)]  # the scores, then everything else


def test_rows_and_charts_of_different_number_are_not_paired_up() -> None:
    model = network(SMALL_INPUTS)
    x = np.stack([patient(model), patient(model, 2)])
    with pytest.raises(ValueError, match="zip"):
        list(explain_many(x, model, [chart()], range(2)))
    with pytest.raises(ValueError, match="zip"):
        list(explain_many(x, model, [chart()] * 2, range(3)))
    assert list(explain_many(x[:0], model, [], [])) == []


# --- what stands beside each push


def test_a_reason_carries_the_latest_value_the_patients_own_earlier_one_and_the_course() -> None:
    model = network(SMALL_INPUTS)
    seen = chart(row("rr", 18, 30), row("rr", 20, 13), row("rr", 24, 6), row("rr", 30, 1), *vitals()[1:])
    said = explain(features(seen, model.layout), model, seen, seed=0)
    rate = next(r for r in said.reasons if r.variable == "rr")
    assert rate.measured
    assert rate.latest is not None
    assert rate.earlier is not None
    assert (rate.latest.value, rate.earlier.value) == (30, 20)
    assert seen.as_of - rate.earlier.time >= EARLIER
    assert rate.series == ((30.0, 18), (13.0, 20), (6.0, 24), (1.0, 30))
    assert (rate.label, rate.system) == ("Respiratory rate", "breathing")


def test_without_a_value_12_hours_old_the_earlier_one_is_the_first_there_is() -> None:
    model = network(SMALL_INPUTS)
    seen = chart(row("rr", 24, 6), row("rr", 26, 3), row("rr", 30, 1))
    rate = next(r for r in explain(patient(model), model, seen, seed=0).reasons if r.variable == "rr")
    assert rate.earlier is not None
    assert rate.earlier.value == 24


def test_one_value_is_not_its_own_earlier_value() -> None:
    model = network(SMALL_INPUTS)
    reasons = explain(patient(model), model, chart(row("rr", 30, 20)), seed=0).reasons
    rate = next(reason for reason in reasons if reason.variable == "rr")
    assert rate.latest is not None
    assert rate.earlier is None


def test_what_was_not_measured_in_the_look_back_says_so_and_still_has_its_push() -> None:
    model = network(SMALL_INPUTS)
    seen = chart(row("lactate", 4, 60))
    reason = next(r for r in explain(patient(model), model, seen, seed=0).reasons if r.variable == "lactate")
    assert not reason.measured
    assert reason.latest is None
    assert reason.series == ()


def test_the_person_is_a_system_whose_players_are_known_or_not() -> None:
    model = network(SMALL_INPUTS)
    person = Person(age_years=70)
    seen = chart(person=person, events=(event("admission", 20),))
    found = {r.variable: r for r in explain(patient(model), model, seen, seed=0).reasons}
    assert {found[name].system for name in ("age", "sex", "hours_in_stay")} == {"person"}
    assert found["age"].measured
    assert found["hours_in_stay"].measured
    assert not found["sex"].measured


def test_a_row_of_the_person_states_what_the_model_was_told() -> None:
    model = network((*SMALL_INPUTS, CARE_UNIT, BEFORE_UNIT))
    person = Person(age_years=70.9, sex="female", care_unit="cardiac surgery")
    seen = chart(person=person, events=(event("admission", 30.5), event("icu", 6.456)))
    found = {r.variable: r for r in explain(patient(model), model, seen, seed=0).reasons}
    told = {name: found[name].stated for name in (*PERSONAL, "hr")}
    assert told == {
        "age": 70,
        "sex": "female",
        "hours_in_stay": 6.46,
        CARE_UNIT: "cardiac surgery",
        BEFORE_UNIT: 24.04,
        "hr": None,
    }
    assert all(found[name].measured for name in PERSONAL)
    assert label_of(CARE_UNIT) == "Kind of care unit"


def test_what_is_not_known_of_the_person_is_not_stated() -> None:
    model = network((*SMALL_INPUTS, CARE_UNIT, BEFORE_UNIT))
    seen = chart(person=Person(care_unit="burns"))
    found = {r.variable: r for r in explain(patient(model), model, seen, seed=0).reasons}
    assert {(found[name].stated, found[name].measured) for name in PERSONAL} == {(None, False)}


@pytest.mark.parametrize(
    ("born", "years"),
    [((1956, 3, 1), 70), ((1956, 3, 2), 69), ((1956, 2, 29), 70), ((1936, 3, 1), 90), ((1925, 1, 1), 90)],
)
def test_age_is_stated_in_completed_years_and_nobody_is_older_than_the_models_know(
    born: tuple[int, int, int], years: int
) -> None:
    person = Person(birth_date=datetime(*born, tzinfo=UTC), age_years=1.0)
    assert stated("age", chart(person=person)) == years


def test_a_long_stay_is_stated_as_the_longest_the_models_know() -> None:
    assert stated("hours_in_stay", chart(events=(event("admission", 300),))) == HOURS


def test_a_monitors_minutes_are_thinned_for_the_sparkline_and_keep_both_ends() -> None:
    model = network(SMALL_INPUTS)
    seen = chart(*[row("hr", 60 + n % 40, 40 - n / 60) for n in range(2000)])
    pulse = next(r for r in explain(patient(model), model, seen, seed=0).reasons if r.variable == "hr")
    assert len(pulse.series) == SPARK_POINTS
    assert pulse.series[0][0] == 40.0
    assert pulse.latest is not None
    assert pulse.series[-1][1] == pulse.latest.value
