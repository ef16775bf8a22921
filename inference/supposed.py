"""The same model asked about the same chart with one thing otherwise: what would move its number.

One value more than the chart has, taken now: for what was measured the patient's own earlier value, for what was not
every value over the range training saw. And for the troponin the same question for other times of the draw. It says
what the model answers to other charts; it says nothing of what would help the patient, and no more.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.assessment import Ahead, Assessment, Reason, Supposed
from inference.calibration import sigmoid
from inference.chart import Chart, Measurement, Source
from inference.features import ASKED, LOG_FLOOR, LOGGED, features, with_series
from inference.model import Model
from inference.vocabulary import vocabulary

MOST: Final = 4  # of each kind
STEPS: Final = 9  # values an unmeasured variable is tried at
SMALLEST: Final = 0.1  # log-odds: weaker pushes are not supposed away
AHEAD: Final = (1.0, 2.0, 3.0, 6.0, 12.0, 24.0)  # hours to the draw
HOUR: Final = timedelta(hours=1)
KINDS: Final = frozenset({"vital", "lab", "score"})  # a volume is a rate, a category has no distances
NOWHERE: Final = Source("", "", "", "", "")
Rows = NDArray[np.float32]


def supposed(chart: Chart, model: Model, found: Assessment) -> tuple[Supposed, ...]:
    """What other values would make of `found`'s headline: the strongest pushes, then the gaps. Raises UnsoundOutput."""
    if found.explanation is None:
        return ()
    x = features(chart, model.layout, found.hours_ahead)
    backs = [each for each in found.explanation.reasons if _told(each)][:MOST]
    gaps = [name for name in found.missing if _open(name, model)][:MOST]
    rows = [_with(x, chart, model, each.variable, each.earlier.value) for each in backs if each.earlier]
    tried = {name: _range(name, model) for name in gaps}
    rows += [_with(x, chart, model, name, value) for name, values in tried.items() for value in values]
    if not rows:
        return ()
    shown = [float(p) for p in sigmoid(model.headline(np.stack(rows)))]
    said = [_back(reason, p) for reason, p in zip(backs, shown, strict=False)]
    ends = range(len(backs), len(shown), STEPS)
    return (
        *said,
        *(_gap(name, tried[name], shown[at : at + STEPS]) for name, at in zip(gaps, ends, strict=True)),
    )


def ahead(chart: Chart, model: Model, found: Assessment) -> tuple[Ahead, ...]:
    """`found`'s question for other times of the draw; () for a model that is deaf to them, or without a number."""
    columns = [column for name in ASKED for column in model.layout.players.get(name, ())]
    if not columns or found.headline is None:
        return ()
    rows = np.repeat(features(chart, model.layout)[None, :], len(AHEAD), axis=0)
    rows[:, columns] = np.array(AHEAD, np.float32)[:, None]
    answer = model.run(rows)
    if not answer.values.shape[1]:
        return ()
    made = []
    for row, hours in enumerate(AHEAD):
        shown, (low, high) = float(answer.probability[row, -1]), model.interval(answer, row, -1)
        smallest, middle, largest = sorted(float(value) for value in answer.values[row])
        made.append(Ahead(hours, shown, min(low, shown), max(high, shown), middle, smallest, largest))
    return tuple(made)


def _told(reason: Reason) -> bool:
    """Whether a push can be supposed away: measured plainly, strong enough, and once otherwise."""
    latest, earlier = reason.latest, reason.earlier
    if latest is None or earlier is None or latest.bound or earlier.bound:
        return False
    known = vocabulary()[reason.variable]
    return known.kind in KINDS and abs(reason.push) >= SMALLEST and earlier.value != latest.value


def _open(name: str, model: Model) -> bool:
    tried = name in vocabulary() and vocabulary()[name].kind in KINDS
    return tried and name in model.layout.players and model.envelope.get(name) is not None


def _with(x: Rows, chart: Chart, model: Model, name: str, value: float) -> Rows:
    """The input with `value` as the newest of variable `name`, in place of what the last hour brought."""
    old = tuple(row for row in chart.measurements.get(name, ()) if chart.as_of - row.time >= HOUR)
    new = Measurement(name, value, chart.as_of, chart.as_of, NOWHERE)
    return with_series(x, model.layout, chart, name, (*old, new))


def _range(name: str, model: Model) -> list[float]:
    """Values from the lowest to the highest that training saw, as far as a living adult can have them."""
    known, logged = vocabulary()[name], name in LOGGED
    bounds = np.array(model.envelope[name] or (0.0, 0.0))
    floor = max(known.low, LOG_FLOOR)
    edges = np.log([floor, known.high]) if logged else np.array([known.low, known.high])
    first, last = np.clip(bounds, edges[0], edges[1])
    steps = np.linspace(first, last, STEPS)
    return [float(value) for value in (np.exp(steps) if logged else steps)]


def _back(reason: Reason, shown: float) -> Supposed:
    return Supposed(reason.variable, reason.label, reason.earlier, shown, shown)


def _gap(name: str, values: list[float], shown: list[float]) -> Supposed:
    least, most = int(np.argmin(shown)), int(np.argmax(shown))
    label = vocabulary()[name].label
    return Supposed(name, label, None, shown[least], shown[most], values[least], values[most])
