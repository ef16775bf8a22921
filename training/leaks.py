"""What betrays the answer: the scan that every run passes before it trains, and ships with the artefact.

Asks of each input and data set how well its mere presence by the landmark tells the outcome. Above the limit
the run stops, unless the input is left out or argued for in writing (tasks.py). Also counts stays that are in
the data twice, patients that straddle two folds, and rows dated after their landmark.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from inference.features import PERSON_PLAYERS, Layout, used
from training.cohorts import Moment
from training.matrix import Table
from training.readers import Stay
from training.tasks import LEAK_LIMIT, Task


class Leak(ValueError):
    """An input betrays the outcome by being charted, and nobody has argued for it in writing."""


def presence(table: Table, layout: Layout) -> dict[str, dict[str, dict[str, float]]]:
    """data set -> input -> "auroc" of presence alone, either way round, and "charted": share of rows."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for data_set in np.unique(table.data_set):
        rows = table.where((table.data_set == data_set) & table.reported & ~table.too_soon)
        found[str(data_set)] = {
            player: _presence(rows.y[:, -1], ~np.isnan(rows.x[:, columns[0]]))
            for player, columns in layout.players.items()
            if player not in PERSON_PLAYERS
        }
    return found


def _presence(y: NDArray[np.bool_], there: NDArray[np.bool_]) -> dict[str, float]:
    auroc = 0.5
    if there.any() and not there.all() and y.any() and not y.all():
        auroc = float(roc_auc_score(y, there))
    return {"auroc": round(max(auroc, 1 - auroc), 4), "charted": round(float(there.mean()), 4)}


def refuse_leaks(found: Mapping[str, Mapping[str, Mapping[str, float]]], task: Task) -> list[str]:
    """Inputs above the limit that are argued for. Raises Leak, naming each that is not."""
    above = {
        f"{name} in {data_set} ({scan['auroc']:.3f})": name
        for data_set, inputs in found.items()
        for name, scan in inputs.items()
        if scan["auroc"] > LEAK_LIMIT
    }
    silent = [shown for shown, name in above.items() if name not in task.argued]
    if silent:
        raise Leak(
            f"presence alone tells the outcome: {', '.join(silent)}; leave it out or argue for it in tasks.py"
        )
    return list(above)


def twins(table: Table) -> dict[str, int]:
    """Pairs of stays whose features are the same at every shared landmark: one patient published twice."""
    prints: dict[str, Any] = defaultdict(hashlib.sha256)
    for row in range(len(table)):
        prints[f"{table.data_set[row]}/{table.stay[row]}"].update(table.x[row].tobytes())
    seen = Counter(digest.hexdigest() for digest in prints.values())
    return {"stays": len(prints), "duplicates": sum(count - 1 for count in seen.values())}


def straddling(table: Table, fold: NDArray[np.int_]) -> int:
    """Patients with rows in more than one fold: must be 0."""
    folds: dict[str, set[int]] = defaultdict(set)
    for patient, where in zip(table.patient, fold, strict=True):
        folds[str(patient)].add(int(where))
    return sum(len(where) > 1 for where in folds.values())


def rows_after(moments: Iterable[tuple[Stay, Moment]], layout: Layout) -> int:
    """Rows used at a moment that were dated, or known, after it: must be 0."""
    return sum(
        row.time > moment.chart.as_of or row.known > moment.chart.as_of
        for _, moment in moments
        for row in used(moment.chart, layout)
    )
