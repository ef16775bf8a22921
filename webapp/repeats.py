"""Whether a card would say anything new: two answers about one patient compared, the last shown and today's.

News is what changes what a physician would do: another state or version of the model, another status, band or
verdict of a rule, another question, a result that was not there, a probability that moved by more than the
site's amount. The passing of time alone is no news, nor is a row that has left the look-back. Pure; refuses
nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from inference.assessment import Assessment, Prediction
from inference.chart import Measurement

SAME_DRAW = timedelta(
    minutes=5
)  # two planned draws this close are one: hours ahead are told to the hundredth
ROUNDING = 1e-9


def news(last: Assessment, now: Assessment, *, within: float) -> tuple[str, ...]:
    """What is new, as codes; () when `now` says what `last` said. `within` is 0..1: a move up to it is none."""
    step = moved(last, now)
    found = {
        "version": last.version != now.version,
        "status": (last.status, _code(last)) != (now.status, _code(now)),
        "question": not _same_question(last, now),
        "probability": step is not None and step > within + ROUNDING,
        "outcome": _outcomes(last) != _outcomes(now),
        "rule": _verdicts(last) != _verdicts(now) or last.agreement != now.agreement,
        "band": _bands(last) != _bands(now),
        "result": bool(_rows(now) - _rows(last)),
    }
    return tuple(name for name, holds in found.items() if holds)


def moved(last: Assessment, now: Assessment) -> float | None:
    """How far the probability that moved most has moved, 0..1; None where the answers share none."""
    steps = [
        abs(each.probability - before.probability)
        for each in now.predictions
        if each.probability is not None
        and (before := last.prediction(each.outcome)) is not None
        and before.probability is not None
    ]
    return max(steps, default=None)


def _code(found: Assessment) -> str:
    return "" if found.reason is None else found.reason.code


def _outcomes(found: Assessment) -> set[str]:
    return {p.outcome for p in found.predictions if _said(p)}


def _said(p: Prediction) -> bool:
    return p.probability is not None or p.value is not None


def _same_question(last: Assessment, now: Assessment) -> bool:
    if last.before_first != now.before_first:
        return False
    before, after = _draw(last), _draw(now)
    if before is None or after is None:
        return before is after
    return abs(after - before) <= SAME_DRAW


def _draw(found: Assessment) -> datetime | None:
    ahead = found.draw_in
    return None if ahead is None else found.as_of + timedelta(hours=ahead)


def _verdicts(found: Assessment) -> set[tuple[str, ...]]:
    return {(rule.rule, rule.assay, rule.verdict, rule.pattern) for rule in found.rules}


def _bands(found: Assessment) -> set[tuple[str, str, bool]]:
    return {(score.name, score.band, score.value is None) for score in found.scores}


def _rows(found: Assessment) -> set[tuple[object, ...]]:
    """Every row the answer used, by what it says: an amended value is another row."""
    return {(row.variable, row.time, row.value, row.bound, row.source.resource) for row in _used(found)}


def _used(found: Assessment) -> Iterator[Measurement]:
    yield from found.inputs
    yield from (draw.measurement for draw in found.draws)
    yield from (
        part.measurement for score in found.scores for part in score.parts if part.measurement is not None
    )
