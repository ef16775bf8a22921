"""The spine of the medicine: assess(chart, model) -> Assessment.

In this order: does the question apply to this patient (EXCLUDED), is there enough for a number
(INSUFFICIENT), and can the model stand behind the number (INDETERMINATE: the number is kept, and goes to a
person). The scores and rules that need no model are there in every case.

Refuses to let NaN or infinity out (UnsoundOutput). Draws no random number of its own: the seed comes in and
is stored, so that the answer in the ledger can be made again.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference import explain as explaining
from inference import gates
from inference.assays import assay_table
from inference.assessment import (
    TROPONIN,
    Assessment,
    Phrase,
    Prediction,
    RuleResult,
    Status,
)
from inference.chart import Chart, Measurement
from inference.errors import QuestionError, UnsoundOutput
from inference.explain import label_of
from inference.features import PERSONAL, features, used
from inference.model import Answer, Model
from inference.scores import news2, rox
from inference.troponin import no_draw, rules, series

FORECAST: Final = "troponin-next"
ORDER_TOLERANCE: Final = 1e-6
OUTSIDE_PLAYERS: Final = 3  # that many inputs beyond the training envelope: another kind of patient


def assess(
    chart: Chart,
    model: Model,
    *,
    confirmed_assays: frozenset[str] = frozenset(),
    seed: int = 0,
    explain: bool = True,
    stale_hours: float = gates.STALE_HOURS,
    hours_ahead: float | None = None,
) -> Assessment:
    """One model's answer about one chart. Pure: same chart, model, seed and question, same assessment.

    `confirmed_assays`: troponin cut-offs this site confirmed ("<assay>" or "<assay>/<rule>").
    `stale_hours`: how old the newest vital sign besides heart rate may be. `hours_ahead`: hours to the planned
    troponin draw, 0.5 to 24, None where none is stated. Raises QuestionError, UnsoundOutput.
    """
    draw = _planned_draw(model.name, hours_ahead)
    said = _beside(chart, model, confirmed_assays, seed, draw)
    excluded = gates.excluded(chart, model.name)
    if excluded is not None:
        return replace(said, status=Status.EXCLUDED, reason=excluded)
    rows = used(chart, model.layout)
    x = features(chart, model.layout, draw)
    cautions = (*said.cautions, *_row_cautions(rows))
    said = replace(
        said, missing=_missing(chart, model, rows), inputs=rows, inputs_digest=digest(x), cautions=cautions
    )
    may_be_first = gates.learned_first(model.manifest)
    insufficient = gates.insufficient(chart, model.name, rows, may_be_first=may_be_first)
    if insufficient is not None:
        return replace(said, status=Status.INSUFFICIENT, reason=insufficient)
    return _answered(said, chart, model, x, explain, stale_hours)


def digest(x: NDArray[np.float32]) -> str:
    """sha256 of a feature vector, alike on every machine: little-endian float32, one NaN, one zero."""
    plain = np.where(np.isnan(x), np.float32(np.nan), x + np.float32(0.0))
    return hashlib.sha256(plain.astype("<f4").tobytes()).hexdigest()


def _planned_draw(name: str, hours_ahead: float | None) -> float | None:
    """The question's own part. Raises QuestionError."""
    if hours_ahead is not None and name != TROPONIN:
        raise QuestionError(f"{name} is not asked about a draw: hours_ahead is for {TROPONIN} alone")
    return None if hours_ahead is None else gates.draw_ahead(hours_ahead)


def _beside(
    chart: Chart, model: Model, confirmed: frozenset[str], seed: int, hours_ahead: float | None
) -> Assessment:
    """What is said whatever the model may answer: the comparators, and the identity of the answer.

    The base rate is of the usual question, any draw after a first: beside another question it is left out.
    """
    troponin = model.name == TROPONIN
    first = troponin and gates.learned_first(model.manifest) and gates.unseen(chart)
    unapplied = no_draw() if first else ()
    usual = not first and (hours_ahead is None or not gates.hears_draw(model.layout))
    return Assessment(
        model=model.name,
        version=model.version,
        as_of=chart.as_of,
        status=Status.ASSESSED,
        reason=None,
        scores=() if troponin else (news2(chart), rox(chart)),
        rules=(rules(chart, assay_table(), confirmed) or unapplied) if troponin else (),
        draws=series(chart) if troponin else (),
        cautions=gates.chart_cautions(chart, model.name),
        refused=chart.refused,
        truncated=chart.truncated,
        seed=seed,
        base_rate=model.base_rate if usual else None,
        hours_ahead=hours_ahead,
    )


def _answered(
    said: Assessment, chart: Chart, model: Model, x: NDArray[np.float32], explain: bool, stale_hours: float
) -> Assessment:
    answer = _sound(model.run(x[None, :]), model)
    predictions = _predictions(answer, model)
    outside = model.outside(x[None, :])
    doubts = doubts_of(chart, model, answer, outside, stale_hours)
    beyond = () if len(outside) >= OUTSIDE_PLAYERS else _beyond("outside-training-some", outside)
    return replace(
        said,
        status=Status.INDETERMINATE if doubts else Status.ASSESSED,
        reason=doubts[0] if doubts else None,
        predictions=predictions,
        explanation=explaining.explain(x, model, chart, seed=said.seed) if explain else None,
        agreement="" if doubts else agreement(predictions, said.rules, said.base_rate),
        cautions=(*_cautions(chart, model, said.hours_ahead), *said.cautions, *beyond, *doubts[1:]),
    )


def _cautions(chart: Chart, model: Model, hours_ahead: float | None) -> tuple[Phrase, ...]:
    """What must be said beside this number, and of the question it answers."""
    trained = gates.trained_assays(model.manifest)
    return (
        *gates.number_cautions(chart, model.name, trained),
        *gates.question_cautions(model.layout, hours_ahead),
    )


def doubts_of(
    chart: Chart, model: Model, answer: Answer, outside: tuple[str, ...], stale_hours: float, row: int = 0
) -> tuple[Phrase, ...]:
    """Everything the number of this row cannot be stood behind for, the weightiest first."""
    trained = gates.trained_assays(model.manifest)
    beyond = _beyond("outside-training", outside) if len(outside) >= OUTSIDE_PLAYERS else ()
    own = model.doubtful(answer, row)
    return (*gates.doubts(chart, model.name, trained, stale_hours), *beyond, *((own,) if own else ()))


def _predictions(answer: Answer, model: Model) -> tuple[Prediction, ...]:
    shown = np.exp(-np.logaddexp(0.0, -answer.logit[0]))
    if (np.diff(shown) < -ORDER_TOLERANCE).any():
        raise UnsoundOutput(
            f"{model.name} {model.version}: a longer horizon is less likely than a shorter one"
        )
    shown = np.maximum.accumulate(shown)
    found = [
        _probability(answer, model, head, outcome, float(shown[head]))
        for head, outcome in enumerate(model.outcomes)
    ]
    if answer.values.shape[1]:
        low, middle, high = sorted(float(value) for value in answer.values[0])
        hours = model.hours[-1]
        found.append(Prediction(FORECAST, hours, value=middle, value_low=low, value_high=high, unit="ng/L"))
    return tuple(found)


def _probability(answer: Answer, model: Model, head: int, outcome: str, shown: float) -> Prediction:
    low, high = model.interval(answer, 0, head)
    return Prediction(
        outcome=outcome,
        hours=model.hours[head],
        probability=shown,
        low=min(low, shown),
        high=max(high, shown),
        members=tuple(float(member) for member in answer.members[0, :, head]),
    )


def agreement(
    predictions: tuple[Prediction, ...], results: tuple[RuleResult, ...], base_rate: float | None
) -> str:
    """Whether model and guideline point the same way about a further rise: "agree", "disagree" or "".

    They answer different questions, so both must have something to say of a rise. The model does where a
    rise is more likely than not, or less likely than among comparable patients; between, or where no such
    patients are known, it leans nowhere.
    The rules do where an acute, rising pattern is ruled in, or where acute injury is ruled out or the
    course is flat or falling.
    """
    expected = {call for call in map(_rule_call, results) if call is not None}
    headline = next((p.probability for p in reversed(predictions) if p.probability is not None), None)
    if headline is None or len(expected) != 1:
        return ""
    if headline >= 0.5:
        call = True
    elif base_rate is not None and headline < min(base_rate, 0.5):
        call = False
    else:
        return ""
    return "agree" if call in expected else "disagree"


def _rule_call(result: RuleResult) -> bool | None:
    """Whether this rule speaks for a further rise; None where it does not speak."""
    if result.verdict == "not-applied":
        return None
    if result.verdict == "rule-in" and result.pattern == "rising":
        return True
    if result.verdict == "rule-out" or result.pattern in ("falling", "flat-high", "flat-normal"):
        return False
    return None


def _missing(chart: Chart, model: Model, rows: tuple[Measurement, ...]) -> tuple[str, ...]:
    measured = {row.variable for row in rows} | {p for p in PERSONAL if explaining.known(p, chart)}
    return tuple(name for name in model.important if name not in measured)


def _row_cautions(rows: tuple[Measurement, ...]) -> tuple[Phrase, ...]:
    count = sum(row.preliminary for row in rows)
    return (Phrase("preliminary-values", {"count": count}),) if count else ()


def _beyond(code: str, players: tuple[str, ...]) -> tuple[Phrase, ...]:
    if not players:
        return ()
    return (Phrase(code, {"variables": ", ".join(map(label_of, players)), "n": len(players)}),)


def _sound(answer: Answer, model: Model) -> Answer:
    """The answer, if every number in it is one. The explanation checks its own."""
    if not all(np.isfinite(part).all() for part in (answer.logit, answer.members, answer.values)):
        raise UnsoundOutput(
            f"{model.name} {model.version} answered NaN or infinity: nothing is shown instead"
        )
    return answer
