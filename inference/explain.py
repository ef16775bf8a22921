"""Why: the score of one chart as a sum of pushes, first by organ system, then by variable.

The pushes are Owen values of the headline outcome's calibrated log-odds (see `owen`): exact Shapley values
over organ systems, sampled within a system and moved onto it, so that every row on the page adds up to the
shown score. They say what the model leaned on, compared with its background patients. They do not say what
caused anything.

Patients are mixed in codes, not in columns: a code belongs to one player, so both give the same numbers, and
only the second of the model's graphs has to be asked. What belongs to the question (how far ahead it looks) is
no reason: the background patients are asked the patient's question.

Refuses to explain a model that answers NaN (UnsoundOutput).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from inference.assessment import Explanation, Reason, SystemPush
from inference.chart import Chart, Measurement
from inference.features import (
    ASKED,
    ASKED_LABELS,
    BEFORE_UNIT,
    CARE_UNIT,
    CARE_UNITS,
    LOOK_BACK,
    PERSONAL,
    hours_before_unit,
    hours_in_stay,
)
from inference.owen import Game, Owen, owen_many
from inference.vocabulary import vocabulary

METHOD: Final = "owen: exact over organ systems, sampled within"
PAIRS: Final = 16  # permutation pairs a system: mean error below 0.02 log-odds, see tests/inference/test_explain.py
EARLIER: Final = timedelta(hours=12)
SPARK_POINTS: Final = 72
OLDEST: Final = 90  # years: the models are told of nobody older
PERSON: Final = "person"

Floats = NDArray[np.float64]
Rows = NDArray[np.float32]


class Explainable(Protocol):
    """What explaining needs of a model. `Model` has it; so has any function with a background."""

    @property
    def outcomes(self) -> tuple[str, ...]: ...
    @property
    def codes(self) -> Mapping[str, tuple[int, ...]]: ...
    @property
    def background_codes(self) -> Rows: ...
    @property
    def background_weights(self) -> Floats: ...
    @property
    def rows_at_once(self) -> int: ...
    @property
    def encode(self) -> Callable[[NDArray[np.floating[Any]]], Rows]: ...
    @property
    def headline_of(self) -> Callable[[Rows], Floats]: ...


def explain(x: Rows, model: Explainable, chart: Chart, *, seed: int) -> Explanation:
    """Pushes of the headline outcome for the model input `x` [F] that was made of `chart`. Log-odds.

    Same input, model and seed: same numbers, bit for bit. Raises UnsoundOutput.
    """
    (said,) = explain_many(np.asarray(x)[None, :], model, [chart], [seed])
    return said


def explain_many(
    x: Rows, model: Explainable, charts: Iterable[Chart], seeds: Iterable[int]
) -> Iterator[Explanation]:
    """The same for many patients: rows `x` [N,F], the charts they were made of, and a seed each.

    On a GPU, one question to the model holds the rows of several patients. Raises UnsoundOutput.
    """
    names = tuple(player for player in model.codes if player not in ASKED)
    systems = tuple(dict.fromkeys(system_of(name) for name in names))
    group = np.array([systems.index(system_of(name)) for name in names], dtype=np.intp)
    drawn = tuple(seeds)
    # A row is encoded alone: in company, its codes may differ in the last bit.
    codes = (model.encode(row[None, :])[0] for row in x)
    games = ((_game(code, model, names, group), seed) for code, seed in zip(codes, drawn, strict=True))
    played = owen_many(model.headline_of, games, PAIRS, model.rows_at_once)
    for chart, seed, found in zip(charts, drawn, played, strict=True):
        yield _explanation(found, model, names, systems, chart, seed)


def _game(codes: Rows, model: Explainable, names: Sequence[str], group: NDArray[np.intp]) -> Game:
    """The patient's codes [Z] before the background's, who are asked the patient's question."""
    asked = [column for player in ASKED for column in model.codes.get(player, ())]
    background = model.background_codes
    if asked:
        background = background.copy()
        background[:, asked] = codes[asked]
    weights = np.asarray(model.background_weights, dtype=np.float64)
    columns = tuple(model.codes[name] for name in names)
    return Game(codes, background, weights / weights.sum(), columns, group)


def _explanation(
    found: Owen,
    model: Explainable,
    names: Sequence[str],
    systems: Sequence[str],
    chart: Chart,
    seed: int,
) -> Explanation:
    return Explanation(
        outcome=model.outcomes[-1],
        base=found.base,
        score=found.score,
        systems=_systems(systems, found.groups),
        reasons=_reasons(names, found.players, chart),
        seed=seed,
        method=METHOD,
        model_rows=found.rows,
    )


def system_of(player: str) -> str:
    """The organ system a player is explained under."""
    return PERSON if player in PERSONAL or player in ASKED else vocabulary()[player].system


def label_of(player: str) -> str:
    """What a clinician calls a player."""
    label = PERSONAL.get(player) or ASKED_LABELS.get(player)
    return label or vocabulary()[player].label


def _systems(systems: Sequence[str], pushes: Floats) -> tuple[SystemPush, ...]:
    labels = vocabulary().systems
    rows = [
        SystemPush(system, labels[system], float(push)) for system, push in zip(systems, pushes, strict=True)
    ]
    return tuple(sorted(rows, key=lambda row: -abs(row.push)))


def _reasons(names: Sequence[str], pushes: Floats, chart: Chart) -> tuple[Reason, ...]:
    """One reason a player, the largest push first; equal pushes keep the layout's order."""
    rows = [_reason(name, float(push), chart) for name, push in zip(names, pushes, strict=True)]
    return tuple(sorted(rows, key=lambda row: -abs(row.push)))


def _reason(name: str, push: float, chart: Chart) -> Reason:
    if name in PERSONAL:
        told = stated(name, chart)
        return Reason(name, label_of(name), PERSON, push, told is not None, None, None, stated=told)
    rows = seen(name, chart)
    latest = rows[-1] if rows else None
    return Reason(
        variable=name,
        label=label_of(name),
        system=system_of(name),
        push=push,
        measured=latest is not None,
        latest=latest,
        earlier=_earlier(rows, chart),
        series=_series(rows, chart),
    )


def known(player: str, chart: Chart) -> bool:
    """Whether the chart knows this of the person."""
    return stated(player, chart) is not None


def stated(player: str, chart: Chart) -> float | str | None:
    """What the chart knows of the person, as far as the models are told; None where it is not known.

    "age": completed years, OLDEST at most; "sex"; "hours_in_stay": hours in intensive care, else since
    admission, HOURS at most; "hours_before_unit"; the kind of care unit, one of CARE_UNITS.
    """
    if player == "age":
        return _years(chart)
    if player == CARE_UNIT:
        return chart.person.care_unit if chart.person.care_unit in CARE_UNITS else None
    if player == "sex":
        return None if chart.person.sex == "unknown" else chart.person.sex
    hours = hours_before_unit(chart) if player == BEFORE_UNIT else hours_in_stay(chart)
    return None if hours is None else round(hours, 2)


def _years(chart: Chart) -> int | None:
    born, now = chart.person.birth_date, chart.as_of
    if born is not None:
        return min(now.year - born.year - ((now.month, now.day) < (born.month, born.day)), OLDEST)
    return None if chart.age_years is None else min(int(chart.age_years), OLDEST)


def seen(name: str, chart: Chart) -> tuple[Measurement, ...]:
    """The rows of a variable the model can have seen: the look-back, and body measures at any age."""
    if vocabulary()[name].kind == "body":
        return chart.measurements.get(name, ())[-1:]
    return chart.since(name, LOOK_BACK)


def _earlier(rows: tuple[Measurement, ...], chart: Chart) -> Measurement | None:
    """The patient's own earlier value: the last one at least 12 h old, else the first in the look-back."""
    before = rows[:-1]
    old = [row for row in before if chart.as_of - row.time >= EARLIER]
    return old[-1] if old else next(iter(before), None)


def _series(rows: tuple[Measurement, ...], chart: Chart) -> tuple[tuple[float, float], ...]:
    """The sparkline, thinned evenly to at most `SPARK_POINTS`; first and last stay."""
    if len(rows) > SPARK_POINTS:
        rows = tuple(rows[i] for i in np.linspace(0, len(rows) - 1, SPARK_POINTS).round().astype(int))
    return tuple((round(chart.hours_ago(row.time), 3), row.value) for row in rows)
