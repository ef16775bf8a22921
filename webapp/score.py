"""Batch scoring: a bulk export and a list of moments in, one row per patient, moment and outcome out.

The spine without a browser: the same reader, charts and assessments as at the doors, without explanations.
Memory is bounded by one bucket of patients a process. The output is in the order of the CSV, and is there only
when it is whole.

Refuses to be silent: lines that cannot be read, moments that cannot be understood and rows nobody could place
are counted in the Summary and named by file and line through `say`; a patient who is not in the export gets
rows that say so. No text of a patient's chart is ever said.
"""

from __future__ import annotations

import csv
import heapq
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Final

import orjson
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from ehr import bulk
from inference import gates
from inference.assessment import TROPONIN, VENTILATION
from inference.errors import QuestionError
from inference.model import load, newest
from webapp.asked import Moment, ScoreError, read_moments, spool_moments
from webapp.crew import Crew, Row, Setup

__all__ = ["COLUMNS", "ScoreError", "Summary", "score"]

TEXTS: Final = ("patient", "as_of", "model", "version", "outcome", "status")
NUMBERS: Final = ("probability", "low", "high", "value", "value_low", "value_high")
QUESTION: Final = (
    "hours_ahead",
    "troponin",
)  # the planned draw it is for; whether that is the "first" or the "next"
COLUMNS: Final = (*TEXTS, *NUMBERS, "unit", "reason", *QUESTION)
FLOATS: Final = (*NUMBERS, "hours_ahead")
MODELS: Final = (VENTILATION, TROPONIN)
NAMED: Final = 1000  # bad lines that are named one by one; the rest are counted
MOMENTS: Final = 20_000  # of one bucket
BATCH: Final = 10_000  # rows written at a time


@dataclass(slots=True)
class Summary:
    """What was read, answered and left out."""

    moments: int = 0
    patients: int = 0
    rows: int = 0
    seconds: float = 0.0
    statuses: Counter[str] = field(default_factory=Counter)  # "ventilation-need assessed": moments
    bad_lines: int = 0
    bad_moments: int = 0
    lines: Counter[str] = field(
        default_factory=Counter
    )  # "spooled", "others", "unassigned", "aside", "unread"
    refused: Counter[str] = field(default_factory=Counter)  # rows read and not used, by the reader's reason
    not_read: tuple[str, ...] = ()  # files of types that no model looks at

    def __str__(self) -> str:
        rate = self.moments / self.seconds if self.seconds else 0.0
        told = [
            f"{self.moments} moments of {self.patients} patients: {self.rows} rows in {self.seconds:.1f} s "
            f"({rate:.0f} moments a second)",
            *(f"{name}: {count}" for name, count in sorted(self.statuses.items())),
            f"skipped: {self.bad_lines} bad lines, {self.bad_moments} bad moments, "
            f"{self.lines['unassigned']} rows that name no patient",
        ]
        if self.not_read:
            told.append(f"not read, files of other types: {', '.join(self.not_read)}")
        if self.refused:
            reasons = ", ".join(f"{reason} {count}" for reason, count in self.refused.most_common())
            told.append(f"read and not used: {reasons}")
        return "\n".join(told)


def score(
    export: Path,
    moments: Path,
    out: Path,
    *,
    artifacts: Path,
    workers: int = 2,
    device: str = "cpu",
    models: Sequence[str] = MODELS,
    hours_ahead: float | None = None,
    progress: bool = True,
    say: Callable[[str], None] | None = None,
) -> Summary:
    """Score every moment of the CSV `moments` on the export in folder `export` into `out` (.csv or .parquet).

    `hours_ahead`: to the planned draw, at every moment (0.5 to 24; None: not stated). `say` gets a line for each
    thing to know (default: standard error). Raises ScoreError, and ArtifactError
    for a model that must not be used; then, as when interrupted, nothing is left behind.
    """
    began, summary = time.perf_counter(), Summary()
    console = Console(stderr=True)
    tell = say or (lambda line: console.print(line, markup=False, highlight=False, soft_wrap=True))
    read = _check(export, out, summary)
    ahead = _ahead(hours_ahead)
    for name in models:
        model = load(newest(artifacts, name), device)  # refused before hours of work, not after
        if ahead is not None and name == TROPONIN and not gates.hears_draw(model.layout):
            tell(
                f"{name} {model.version} does not take the time of a planned draw: its numbers are for any draw"
            )
    with (
        tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.absolute().parent) as place,
        ExitStack() as stack,
    ):
        folder = Path(place)  # only its owner may look into it: tempfile makes it 0700
        count = _prepare(moments, read, folder, workers, summary, tell)
        bar = stack.enter_context(_bar(console, progress))
        crew = stack.enter_context(
            Crew(workers, Setup(folder, count, artifacts, device, tuple(models), ahead))
        )
        _spool(crew, read, summary, bar, tell)
        bulk.gather_aside(folder)
        results = _score(crew, count, summary, bar)
        part = folder / f"whole{out.suffix}"
        WRITERS[out.suffix](part, _rows(results))
        os.replace(part, out)
    summary.seconds = time.perf_counter() - began
    return summary


def _check(export: Path, out: Path, summary: Summary) -> list[Path]:
    """The files to read. Raises ScoreError before anything is begun."""
    if out.suffix not in WRITERS:
        raise ScoreError(f"{out.name}: write to a file that ends in {' or '.join(WRITERS)}")
    if not out.absolute().parent.is_dir():
        raise ScoreError(f"{out.absolute().parent} is no folder")
    read, others = bulk.files(export)
    if not read:
        raise ScoreError(f"{export} holds no Patient*.ndjson, Observation*.ndjson or the like")
    summary.not_read = tuple(path.name for path in others)
    return read


def _ahead(hours: float | None) -> float | None:
    """The planned draw of every moment. Raises ScoreError."""
    try:
        return None if hours is None else gates.draw_ahead(hours)
    except QuestionError as error:
        raise ScoreError(str(error)) from None


def _prepare(
    moments: Path, read: list[Path], folder: Path, workers: int, summary: Summary, tell: Callable[[str], None]
) -> int:
    """Read the CSV twice: who is wanted, then the moments by bucket. Returns how many buckets there are."""
    wanted: set[str] = set()
    for line, moment in read_moments(moments):
        if isinstance(moment, Moment):
            summary.moments += 1
            wanted.add(moment.bare)
        else:
            summary.bad_moments += 1
            if summary.bad_moments <= NAMED:
                tell(f"{moments.name}:{line}: {moment}; skipped")
    (folder / "wanted").write_text("\n".join(sorted(wanted)), encoding="utf-8")
    count = bulk.buckets(read, max(workers * 4, -(-summary.moments // MOMENTS)))
    spool_moments(moments, folder, count)
    return count


def _spool(
    crew: Crew, read: list[Path], summary: Summary, bar: Progress, tell: Callable[[str], None]
) -> None:
    """Read the whole export once; bad lines are named when their file's pieces are all counted."""
    pieces = bulk.pieces(read)
    task = bar.add_task("reading", total=sum(path.stat().st_size for path in read))
    tallies: list[bulk.Tally] = []
    for tally in crew.spool(pieces):
        tallies.append(tally)
        summary.lines.update(tally.rows)
        bar.advance(task, tally.size)
    before: Counter[Path] = Counter()  # lines of a file before the piece at hand
    for tally in sorted(tallies, key=lambda tally: (tally.piece.path, tally.piece.start)):
        for bad in tally.bad:
            summary.bad_lines += 1
            if summary.bad_lines <= NAMED:
                tell(
                    f"{tally.piece.path.name}:{before[tally.piece.path] + bad.number}: {bad.reason}; skipped"
                )
        before[tally.piece.path] += tally.lines
    if summary.bad_lines > NAMED:
        tell(f"and {summary.bad_lines - NAMED} further bad lines")


def _score(crew: Crew, count: int, summary: Summary, bar: Progress) -> list[Path]:
    """Assess every bucket. Returns the files of results."""
    task = bar.add_task("assessing", total=summary.moments)
    results = []
    for scored in crew.score(range(count)):
        results.append(scored.results)
        summary.patients += scored.patients
        summary.rows += scored.rows
        summary.statuses.update(scored.statuses)
        summary.refused.update(scored.refused)
        bar.advance(task, scored.moments)
    return results


def _bar(console: Console, shown: bool) -> Progress:
    columns = (TextColumn("{task.description:>9}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    return Progress(*columns, TimeRemainingColumn(), console=console, disable=not shown)


def _rows(results: Iterable[Path]) -> Iterator[Row]:
    """All rows in the order of the CSV, from files that are each in that order."""
    with ExitStack() as stack:
        lines = [map(orjson.loads, stack.enter_context(path.open("rb"))) for path in results]
        for _, rows in heapq.merge(*lines, key=lambda answer: answer[0]):
            yield from rows


def _write_csv(path: Path, rows: Iterator[Row]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(COLUMNS)
        out.writerows(rows)


def _write_parquet(path: Path, rows: Iterator[Row]) -> None:
    import pyarrow as pa  # half a second that a CSV need not wait for
    import pyarrow.parquet as pq

    kinds: list[tuple[str, Any]] = [
        (name, pa.float64() if name in FLOATS else pa.string()) for name in COLUMNS
    ]
    schema = pa.schema(kinds)
    with pq.ParquetWriter(path, schema) as out:
        while batch := list(islice(rows, BATCH)):
            columns = zip(*batch, strict=True)
            out.write_batch(
                pa.record_batch([pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema)
            )


WRITERS: Final = {".csv": _write_csv, ".parquet": _write_parquet}
