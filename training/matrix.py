"""A cohort -> numbers: one row a moment, made by inference.features, kept under var/ to resume from.

The cache is keyed by the code that makes it and the files it was made from; a change of either makes it anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

import inference.chart
import inference.features
import training.cohorts
import training.labels
import training.readers
from inference.assays import assay_table
from inference.assessment import VENTILATION, Score
from inference.chart import Chart
from inference.features import Layout, features, layout_for
from inference.scores import news2, rox
from inference.troponin import rules
from training import labels
from training.cohorts import Moment, troponin_moments, ventilation_moments
from training.readers import Stay, Tally, readers
from training.tasks import Task

HOUR: Final = timedelta(hours=1)
NOT: Final = np.float32("nan")
SHORTEST: Final = 0.5  # hours: the nearest planned draw that can be asked about
TEXTS: Final = frozenset({"data_set", "stay", "patient", "site", "sex", "ethnicity", "analyte", "rule"})
Texts = NDArray[np.str_]
Advance = Callable[[str, int], None]
Readers = Mapping[str, Callable[[Path, Tally], Iterator[Stay]]]


@dataclass(frozen=True, slots=True)
class Table:
    """N rows, times in hours. `y` [N,H]: by the end of each horizon; rows `too_soon` train nothing.

    `x` never holds `ahead`, which is the future unless somebody states it.
    """

    x: NDArray[np.float32]
    y: NDArray[np.bool_]
    too_soon: NDArray[np.bool_]
    reported: NDArray[np.bool_]
    landmark: NDArray[np.float32]
    change: NDArray[np.float32]  # log(next / latest) troponin, or NaN
    value: NDArray[np.float32]  # log of the latest draw, ng/L, or NaN
    aim: NDArray[np.float32]  # log of the draw that is forecast, ng/L, or NaN
    ahead: NDArray[np.float32]  # to that draw, or NaN
    first: NDArray[np.bool_]  # asked before the first result
    onset: NDArray[np.float32]  # to ventilation, or NaN
    end: NDArray[np.float32]  # until sight of the stay is lost
    news2: NDArray[np.float32]  # points, or NaN
    rox: NDArray[np.float32]
    data_set: Texts
    stay: Texts
    patient: Texts
    site: Texts
    sex: Texts
    ethnicity: Texts
    analyte: Texts
    rule: Texts  # "rise", "no-rise" or "": the universal definition at that moment

    def __len__(self) -> int:
        return len(self.x)

    def where(self, keep: NDArray[Any]) -> Table:
        """The rows of a mask or an index."""
        return Table(**{item.name: getattr(self, item.name)[keep] for item in fields(self)})

    def columns(self, keep: list[int]) -> Table:
        """The same rows with these features only."""
        return replace(self, x=self.x[:, keep])

    @property
    def age(self) -> NDArray[np.float32]:
        """Age in years: the first column of every layout."""
        return self.x[:, 0]


def table(
    task: Task, data: Path, cache: Path, advance: Advance, known: Readers | None = None
) -> tuple[Table, dict[str, Tally]]:
    """All rows of a task and what the readers refused, cached where that holds. Raises DataMissing."""
    parts, tallies = [], {}
    for data_set in task.data_sets:
        path = cache / f"{task.name}-{data_set}-{code_key(task, data_set, data)}.npz"
        if not path.exists():
            tally = Tally()
            stays = (known or readers())[data_set](data, tally)
            made = collect(task, _told(stays, data_set, advance))
            _save(path, made, tally)
        part, tallies[data_set] = _load(path)
        parts.append(part)
        advance(f"{data_set}: {len(part):,} moments", 0)
    return joined(parts), tallies


def collect(task: Task, stays: Iterable[Stay]) -> Table:
    """The rows of these stays."""
    layout = layout_for(task.inputs, task.name)
    make = _ventilation_rows if task.name == VENTILATION else _troponin_rows
    rows = [row for stay in stays for row in make(stay, layout)]
    return Table(
        **{
            item.name: np.array([row[item.name] for row in rows], dtype=str if item.name in TEXTS else None)
            for item in fields(Table)
        }
    )


def joined(parts: list[Table]) -> Table:
    """Tables one under the other."""
    return Table(
        **{item.name: np.concatenate([getattr(part, item.name) for part in parts]) for item in fields(Table)}
    )


def _ventilation_rows(stay: Stay, layout: Layout) -> Iterator[dict[str, Any]]:
    for moment in ventilation_moments(stay):
        label = labels.ventilation(stay, moment)
        if label is None:
            continue
        scored = {"news2": _points(news2(moment.chart)), "rox": _points(rox(moment.chart))}
        onset = NOT if stay.onset is None else np.float32((stay.onset - moment.chart.as_of) / HOUR)
        yield _row(stay, moment, layout) | {
            "y": label.within,
            "too_soon": label.too_soon,
            "onset": onset,
            **(scored if moment.reported else {}),
        }


def _troponin_rows(stay: Stay, layout: Layout) -> Iterator[dict[str, Any]]:
    for moment in troponin_moments(stay):
        trend = labels.troponin(stay, moment)
        if trend is not None and moment.draw is not None:
            known = NOT if moment.first else np.float32(np.log(labels.floored(stay, moment.draw)))
            yield _row(stay, moment, layout) | {
                "y": (trend.rise,),
                "change": np.float32(trend.change),
                "value": known,
                "aim": np.float32(trend.aim),
                "ahead": np.float32(max(trend.hours, SHORTEST)),
                "first": moment.first,
                "analyte": moment.draw.variable,
                "rule": _rule(moment.chart) if moment.reported else "",
            }


def _row(stay: Stay, moment: Moment, layout: Layout) -> dict[str, Any]:
    numbers = ("change", "value", "aim", "ahead", "onset", "news2", "rox")
    return {
        **dict.fromkeys(numbers, NOT),
        "x": features(moment.chart, layout),
        "too_soon": False,
        "first": False,
        "reported": moment.reported,
        "landmark": np.float32(moment.landmark),
        "end": np.float32((stay.end - moment.chart.as_of) / HOUR),
        "data_set": stay.data_set,
        "stay": stay.record.patient,
        "patient": f"{stay.data_set}/{stay.patient}",
        "site": f"{stay.data_set}/{stay.site}",
        "sex": stay.record.person.sex,
        "ethnicity": stay.groups.get("ethnicity", "unknown"),
        "analyte": "",
        "rule": "",
    }


def _points(score: Score) -> np.float32:
    return NOT if score.value is None else np.float32(score.value)


def _rule(chart: Chart) -> str:
    """The universal definition's pattern: rising, or any other it could tell."""
    found = next((r for r in rules(chart, assay_table(), frozenset()) if r.rule == "udmi-4"), None)
    if found is None or found.pattern == "unknown":
        return ""
    return "rise" if found.pattern == "rising" else "no-rise"


def _told(stays: Iterable[Stay], data_set: str, advance: Advance) -> Iterator[Stay]:
    for stay in stays:
        advance(f"{data_set}: reading", 1)
        yield stay


def code_key(task: Task, data_set: str, data: Path) -> str:
    """Changes when the rows would: the code on the way, the inputs, the sizes of the files."""
    digest = hashlib.sha256(json.dumps([task.inputs, data_set]).encode())
    reader = Path(training.readers.__file__).parent
    modules = (inference.chart, inference.features, training.cohorts, training.labels, training.readers)
    code = [Path(str(module.__file__)) for module in modules]
    for path in (*code, *sorted(reader.glob("*.py")), Path(__file__)):
        digest.update(path.read_bytes())
    for path in sorted(data.rglob("*.*z")) + sorted(data.rglob("*.parquet")):
        digest.update(f"{path.name} {path.stat().st_size}".encode())
    return digest.hexdigest()[:16]


def _save(path: Path, made: Table, tally: Tally) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial.npz")
    arrays = {item.name: getattr(made, item.name) for item in fields(made)}
    np.savez(partial, **arrays, _tally=np.array(json.dumps([tally.taken, tally.refused])))
    partial.rename(path)


def _load(path: Path) -> tuple[Table, Tally]:
    with np.load(path, allow_pickle=False) as file:
        taken, refused = json.loads(str(file["_tally"]))
        tally = Tally(taken)
        tally.refused.update(refused)
        return Table(**{item.name: file[item.name] for item in fields(Table)}), tally
