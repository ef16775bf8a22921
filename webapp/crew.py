"""The workers of a batch: processes that spool the export and assess buckets of patients.

Each loads its own models (sessions do not cross processes). Refuses nothing by itself: what a row or a chart
cannot give is a status or a count.
"""

from __future__ import annotations

import gc
import multiprocessing
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, closing
from functools import cached_property
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import orjson

from ehr import bulk
from ehr.reader import read_record
from inference.assess import FORECAST, assess
from inference.assessment import TROPONIN, Assessment, Phrase, Status
from inference.chart import Record
from inference.model import Model, load, newest
from webapp import words
from webapp.asked import Moment, ScoreError, spooled_moments

NOT_THERE: Final = "This patient is not in the export."
Row = tuple[Any, ...]
Done = TypeVar("Done")


class Setup(NamedTuple):
    """What a worker is told when it starts."""

    folder: Path
    buckets: int
    artifacts: Path
    device: str
    models: tuple[str, ...]
    hours_ahead: float | None = None  # to the planned draw, of every moment


class Scored(NamedTuple):
    """What one bucket came to. `results` is a file of one JSON array a moment, in the CSV's order."""

    results: Path
    moments: int
    patients: int
    rows: int
    statuses: dict[str, int]
    refused: dict[str, int]


class Worker:
    """One process: its models and the spool."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup

    @cached_property
    def models(self) -> list[Model]:
        """The models, loaded by the process that uses them."""
        setup = self.setup
        return [load(newest(setup.artifacts, name), setup.device) for name in setup.models]

    @cached_property
    def wanted(self) -> frozenset[str]:
        """The patients asked for."""
        return frozenset((self.setup.folder / "wanted").read_text(encoding="utf-8").split("\n"))

    def spool(self, piece: bulk.Piece, number: int) -> bulk.Tally:
        """Read one piece of the export."""
        return bulk.spool(piece, self.wanted, self.setup.folder, self.setup.buckets, f"{number:06d}")

    def score(self, bucket: int) -> Scored:
        """Assess every moment of one bucket's patients."""
        folder, asked = self.setup.folder, spooled_moments(self.setup.folder, bucket)
        patients, answers, tally = len(asked), _Answers(), Counter[str]()
        with closing(bulk.Aside(folder / "aside.db")) as aside:
            for spooled in bulk.spooled(folder, bucket):
                record = read_record(spooled.patient, spooled.resources(aside), in_order=True)
                tally.update(refusal.reason for refusal in record.refused)
                for moment in asked.pop(spooled.patient, ()):
                    self._answer(moment, record, answers)
        for moment in (moment for left in asked.values() for moment in left):
            self._answer(moment, None, answers)
        path = folder / f"results-{bucket}"
        answers.write(path)
        gc.collect()
        return Scored(path, len(answers.lines), patients, answers.rows, dict(answers.statuses), dict(tally))

    def _answer(self, moment: Moment, record: Record | None, answers: _Answers) -> None:
        chart = record.at(moment.instant) if record is not None else None
        rows: list[Row] = []
        for model in self.models:
            if chart is None:
                rows += _absent(moment, model)
                answers.statuses[f"{model.name} {Status.EXCLUDED} (not in the export)"] += 1
            else:
                ahead = self.setup.hours_ahead if model.name == TROPONIN else None
                found = assess(chart, model, explain=False, hours_ahead=ahead)
                rows += rows_of(moment, found, model)
                answers.statuses[f"{model.name} {found.status}"] += 1
        answers.add(moment, rows)


class _Answers:
    """The answers of one bucket, as lines."""

    def __init__(self) -> None:
        self.lines: list[tuple[int, bytes]] = []
        self.rows = 0
        self.statuses: Counter[str] = Counter()

    def add(self, moment: Moment, rows: list[Row]) -> None:
        self.rows += len(rows)
        self.lines.append((moment.place, orjson.dumps([moment.place, rows])))

    def write(self, path: Path) -> None:
        self.lines.sort()
        with path.open("wb") as out:
            out.writelines(line + b"\n" for _, line in self.lines)


def outcomes(model: Model) -> tuple[str, ...]:
    """The outcomes a model answers, its forecast last."""
    return (*model.outcomes, FORECAST) if model.name == TROPONIN else model.outcomes


def rows_of(moment: Moment, found: Assessment, model: Model) -> list[Row]:
    """One row for each outcome of `model`, whether or not there is a number, and the question it is for."""
    which = "first" if found.before_first else "next" if model.name == TROPONIN else ""
    asked = (found.draw_in, which) if found.predictions else (None, "")
    reason = "" if found.reason is None else sentence(found.reason)
    rows: list[Row] = []
    for outcome in outcomes(model):
        head = (moment.patient, moment.as_of, found.model, found.version, outcome, str(found.status))
        said = found.prediction(outcome)
        if said is None:
            rows.append((*head, None, None, None, None, None, None, "", reason, *asked))
        else:
            numbers = (said.probability, said.low, said.high, said.value, said.value_low, said.value_high)
            rows.append((*head, *numbers, said.unit, reason, *asked))
    return rows


def _absent(moment: Moment, model: Model) -> list[Row]:
    """Rows for a patient of whom the export says nothing."""
    head = (moment.patient, moment.as_of, model.name, model.version)
    left = (str(Status.EXCLUDED), *[None] * 6, "", NOT_THERE, None, "")
    return [(*head, outcome, *left) for outcome in outcomes(model)]


def sentence(reason: Phrase) -> str:
    """A reason in words; one that has none yet is written as its code and values."""
    if words.knows("en", f"phrases.{reason.code}"):
        return words.say("en", reason)
    return f"{reason.code} {dict(reason.values)}"


_worker: Worker | None = None


def _start(setup: Setup) -> None:
    """Make this process a worker. Charts hold no cycles: collecting is left for the end of a bucket."""
    global _worker
    _worker = Worker(setup)
    gc.disable()


def _spool(piece: bulk.Piece, number: int) -> bulk.Tally:
    assert _worker is not None  # noqa: S101 - `_start` ran first in this process
    return _worker.spool(piece, number)


def _score(bucket: int) -> Scored:
    assert _worker is not None  # noqa: S101 - `_start` ran first in this process
    return _worker.score(bucket)


class Crew(AbstractContextManager["Crew"]):
    """Several worker processes; with one, this process does the work itself."""

    def __init__(self, workers: int, setup: Setup) -> None:
        self._alone = Worker(setup)
        # Spawned, not forked: the threads of a progress bar or of ONNX Runtime do not survive a fork.
        spawn = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(workers, spawn, _start, (setup,)) if workers > 1 else None

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def spool(self, pieces: Sequence[bulk.Piece]) -> Iterator[bulk.Tally]:
        """Tallies of all pieces, as they are done."""
        if self._pool is None:
            return (self._alone.spool(piece, number) for number, piece in enumerate(pieces))
        return _as_done([self._pool.submit(_spool, piece, number) for number, piece in enumerate(pieces)])

    def score(self, buckets: Iterable[int]) -> Iterator[Scored]:
        """What all buckets come to, as they are done."""
        if self._pool is None:
            return (self._alone.score(bucket) for bucket in buckets)
        return _as_done([self._pool.submit(_score, bucket) for bucket in buckets])


def _as_done(futures: list[Future[Done]]) -> Iterator[Done]:
    try:
        for future in as_completed(futures):
            yield future.result()
    except BrokenProcessPool:
        raise ScoreError("a worker process ended; was there memory enough? Try fewer --workers") from None
