"""What pretraining learns from: moments of every stay, labelled or not, and what was measured in the hours after.

No outcome is read here. A moment is made by inference.features like any other; beside it stands the mean of each
variable over the next hours, which the network is asked to foretell from a chart with whole variables hidden.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from math import log
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from inference.features import LOG_FLOOR, LOGGED, Layout, features
from inference.vocabulary import vocabulary
from training.cohorts import adult
from training.matrix import Readers, code_key
from training.readers import CHALLENGE_2012, CHALLENGE_2019, EICU, START, Stay, Tally, readers
from training.tasks import SEED, Task

SETS: Final = (CHALLENGE_2012, CHALLENGE_2019, EICU)
AHEAD: Final = timedelta(hours=6)
MOMENTS: Final = {CHALLENGE_2012: 4, CHALLENGE_2019: 2, EICU: 4}  # a stay
LATEST: Final = 42  # hours since admission
Advance = Callable[[str, int], None]


@dataclass(frozen=True, slots=True)
class Outlook:
    """N moments: `x` [N,F]; `after` [N,V] means of the next hours, as features have them (log where skewed)."""

    x: NDArray[np.float32]
    after: NDArray[np.float32]
    data_set: NDArray[np.str_]
    patient: NDArray[np.str_]
    site: NDArray[np.str_]

    def where(self, keep: NDArray[Any]) -> Outlook:
        """The rows of a mask or an index."""
        return Outlook(self.x[keep], self.after[keep], self.data_set[keep], self.patient[keep], self.site[keep])


def foretold(layout: Layout) -> tuple[str, ...]:
    """The variables whose near future is foretold: all that are measured over time."""
    known = vocabulary()
    return tuple(name for name in layout.players if name in known and known[name].kind != "body")


def outlook(task: Task, layout: Layout, data: Path, cache: Path, advance: Advance, known: Readers | None) -> Outlook:
    """All moments of all sets, cached. Raises DataMissing."""
    parts = []
    for data_set in SETS:
        path = cache / f"{task.name}-outlook-{data_set}-{_key(task, data_set, data)}.npz"
        if not path.exists():
            stays = (known or readers())[data_set](data, Tally())
            _save(path, list(_rows(_told(stays, data_set, advance), layout)), data_set)
        with np.load(path, allow_pickle=False) as file:
            parts.append([file[name] for name in ("x", "after", "data_set", "patient", "site")])
    return Outlook(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _rows(stays: Iterable[Stay], layout: Layout) -> Iterator[tuple[Any, ...]]:
    rng = np.random.default_rng(SEED)
    names = foretold(layout)
    for stay in stays:
        last = min(LATEST, int((stay.end - START) / timedelta(hours=1)) - 1)
        if last < 1:
            continue
        for hour in sorted(rng.choice(np.arange(1, last + 1), min(MOMENTS[stay.data_set], last), replace=False)):
            chart = stay.record.at(START + timedelta(hours=int(hour)))
            if adult(chart):
                after = _after(stay, chart.as_of, names)
                yield features(chart, layout), after, f"{stay.data_set}/{stay.patient}", f"{stay.data_set}/{stay.site}"


def _after(stay: Stay, moment: Any, names: tuple[str, ...]) -> NDArray[np.float32]:
    found: dict[str, list[float]] = {name: [] for name in names}
    for row in stay.record.measurements:
        if row.variable in found and moment < row.time <= moment + AHEAD:
            value = log(max(row.value, LOG_FLOOR)) if row.variable in LOGGED else row.value
            found[row.variable].append(value)
    return np.array([np.mean(v) if v else np.nan for v in found.values()], dtype=np.float32)


def _told(stays: Iterable[Stay], data_set: str, advance: Advance) -> Iterator[Stay]:
    for stay in stays:
        advance(f"{data_set}: reading for pretraining", 1)
        yield stay


def _key(task: Task, data_set: str, data: Path) -> str:
    own = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    return hashlib.sha256(f"{code_key(task, data_set, data)} {own}".encode()).hexdigest()[:16]


def _save(path: Path, rows: list[tuple[Any, ...]], data_set: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    x, after, patient, site = zip(*rows, strict=True)
    partial = path.with_suffix(".partial.npz")
    np.savez(
        partial,
        x=np.stack(x),
        after=np.stack(after),
        patient=np.array(patient, dtype=str),
        site=np.array(site, dtype=str),
        data_set=np.full(len(x), data_set),
    )
    partial.rename(path)
