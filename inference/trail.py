"""The headline hour by hour over the last day: the same model asked at each full hour back, from what was known then.

A row drawn before an hour and reported after it was not known at that hour. Refuses a number where the model would
have refused it then; one it would not have stood behind keeps its status.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference import gates
from inference.assess import doubts_of
from inference.assessment import Assessment, Hourly, Status
from inference.chart import Chart, Record
from inference.features import features, used
from inference.model import Answer, Model

HOURS: Final = 24
Row = NDArray[np.float32]


def trail(record: Record, model: Model, found: Assessment) -> tuple[Hourly, ...]:
    """The course of `found`'s headline, oldest first; the last is `found` itself. Raises UnsoundOutput."""
    charts = [record.at(found.as_of - timedelta(hours=back)) for back in range(HOURS, 0, -1)]
    states = [_status(chart, model) for chart in charts]
    asked = [chart for chart, status in zip(charts, states, strict=True) if status is Status.ASSESSED]
    rows = [features(chart, model.layout) for chart in asked]
    answer = model.run(np.stack(rows)) if rows else None
    told = iter(range(len(asked)))
    hours = [
        Hourly(chart.as_of, status)
        if status is not Status.ASSESSED or answer is None
        else _told(chart, model, answer, next(told), rows)
        for chart, status in zip(charts, states, strict=True)
    ]
    return (*hours, _now(found))


def _status(chart: Chart, model: Model) -> Status:
    """Whether the model could have been asked: EXCLUDED, INSUFFICIENT, or ASSESSED for yes."""
    if gates.excluded(chart, model.name) is not None:
        return Status.EXCLUDED
    lacking = gates.insufficient(chart, model.name, used(chart, model.layout))
    return Status.ASSESSED if lacking is None else Status.INSUFFICIENT


def _told(chart: Chart, model: Model, answer: Answer, row: int, rows: list[Row]) -> Hourly:
    shown = float(answer.probability[row, -1])
    low, high = model.interval(answer, row, -1)
    doubts = doubts_of(chart, model, answer, model.outside(rows[row]), gates.STALE_HOURS, row)
    status = Status.INDETERMINATE if doubts else Status.ASSESSED
    return Hourly(chart.as_of, status, shown, min(low, shown), max(high, shown))


def _now(found: Assessment) -> Hourly:
    p = found.headline
    if p is None:
        return Hourly(found.as_of, found.status)
    return Hourly(found.as_of, found.status, p.probability, p.low, p.high)
