"""What one day of answers looked like, in a few narrow rows: what the charts read instead of every document.

A share (answers that alert, cards overridden, inputs missing, answers sent to a person) keeps its events and its
size; a quantity (an input, the latency) its size, mean and sum of squares about the mean; an input also the codes
and assays it came under. A finished day is summarised once: what is told again of it is not kept, and what arrives
later belongs to the day it arrived on. Nothing here belongs to one patient's row; no value is kept by itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any, Final

import numpy as np
from sqlalchemy import func, select

from governance.charts.means import summarised
from governance.store import Store
from governance.tables import daily
from inference.assessment import Assessment, Status
from inference.chart import Measurement

ALERTS: Final = "alert-rate"  # answers at or above the site's threshold, of those with a number
OVERRIDES: Final = "override-rate"  # of the feedback received that day
PERSONS: Final = "indeterminate-share"  # answers the model does not stand behind
MISSING: Final = "missing"  # by input: answers without it
INPUT: Final = "input"  # by input: the latest value of each answer
LATENCY: Final = "latency"  # log of milliseconds: a delay is a factor
SHARES: Final = frozenset({ALERTS, OVERRIDES, PERSONS, MISSING})
_ONCE: Final = ("tenant", "model", "day", "kind", "subject")


@dataclass(frozen=True, slots=True)
class Answered:
    """One answer of the day, with the site's threshold for `outcome` then and how long it took."""

    assessment: Assessment
    outcome: str
    threshold: float | None
    latency_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """One row: one kind of thing about one subject ("" or an input) on one day. `codes` are the row's sources'."""

    day: date
    kind: str
    subject: str
    size: int
    events: int = 0
    mean: float = 0.0
    squares: float = 0.0
    codes: tuple[str, ...] = ()


def summaries(
    day: date, answers: Iterable[Answered], variables: Iterable[str], feedback: Iterable[str] = ()
) -> tuple[Summary, ...]:
    """The day's rows. `variables` are the model's inputs; `feedback` is each card's "accepted" or "overridden"."""
    kept = tuple(answers)
    said = tuple(feedback)
    found = [
        _share(day, ALERTS, "", [each for each in map(_alerts, kept) if each is not None]),
        _share(day, OVERRIDES, "", [word == "overridden" for word in said]),
        _share(day, PERSONS, "", [each.assessment.status is Status.INDETERMINATE for each in kept]),
        _quantity(day, LATENCY, "", [np.log(ms) for each in kept if (ms := each.latency_ms) and ms > 0]),
    ]
    latest = [_latest(each.assessment) for each in kept]
    for name in variables:
        rows = [inputs[name] for inputs in latest if name in inputs]
        found.append(_share(day, MISSING, name, [name not in inputs for inputs in latest]))
        codes = sorted({_code(row) for row in rows})
        found.append(_quantity(day, INPUT, name, [row.value for row in rows], tuple(codes)))
    return tuple(found)


class Daily:
    """The summaries kept in `store`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def keep(self, tenant: str, model: str, rows: Iterable[Summary]) -> int:
        """Keep a day's rows in one transaction; how many were new. A day is told once. Raises LedgerUnavailable."""
        told = [_row(tenant, model, each) for each in rows]
        with self._store.writing() as connection:
            return len(self._store.insert_new(connection, daily, told, _ONCE, "kind"))

    def last(self, tenant: str, model: str) -> date | None:
        """The newest day that was told; None before the first."""
        d = daily.c
        with self._store.reading() as connection:
            newest: date | None = connection.scalar(
                select(func.max(d.day)).where(d.tenant == tenant, d.model == model)
            )
        return newest

    def between(self, tenant: str, model: str, since: date, until: date) -> tuple[Summary, ...]:
        """The rows of the days `since` <= day < `until`, in the order of the days."""
        d = daily.c
        query = (
            select(*(d[name] for name in Summary.__dataclass_fields__))
            .where(d.tenant == tenant, d.model == model, d.day >= since, d.day < until)
            .order_by(d.day, d.kind, d.subject)
        )
        with self._store.reading() as connection:
            found = connection.execute(query).mappings().all()
        return tuple(Summary(**{**row, "codes": _codes(row["codes"])}) for row in found)


@lru_cache(maxsize=1024)
def _codes(written: str) -> tuple[str, ...]:
    """Codes as a row has them: the same for many days."""
    return tuple(json.loads(written))


def _row(tenant: str, model: str, each: Summary) -> dict[str, Any]:
    told = {name: getattr(each, name) for name in Summary.__dataclass_fields__}
    return {"tenant": tenant, "model": model} | told | {"codes": json.dumps(each.codes)}


def _alerts(each: Answered) -> bool | None:
    """Whether an answer reaches the threshold; None without a number the model stands behind, or a threshold."""
    if each.threshold is None or each.assessment.status is not Status.ASSESSED:
        return None
    numbers = {p.outcome: p.probability for p in each.assessment.predictions}
    probability = numbers.get(each.outcome)
    return None if probability is None else probability >= each.threshold


def _latest(answer: Assessment) -> Mapping[str, Measurement]:
    """The last row of each input."""
    return {row.variable: row for row in sorted(answer.inputs, key=lambda row: row.time)}


def _code(row: Measurement) -> str:
    """Where a value came from, as far as its meaning may hang on it: code, unit as sent, and assay where told."""
    return " ".join(part for part in (row.source.code, row.source.unit_sent, row.assay) if part)


def _share(day: date, kind: str, subject: str, flags: list[bool]) -> Summary:
    return Summary(day, kind, subject, len(flags), events=sum(flags))


def _quantity(
    day: date, kind: str, subject: str, values: list[float], codes: tuple[str, ...] = ()
) -> Summary:
    found = summarised(day, values)
    return Summary(day, kind, subject, found.size, mean=found.mean, squares=found.squares, codes=codes)
