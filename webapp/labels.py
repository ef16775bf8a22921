"""Labels as data: what became of each prediction, one a line, for whoever learns from it.

Two forms. The pseudonymous one (JSON Lines or Parquet) names nobody and holds every label that stands, a person's
before a rule's. The other is a file for a FHIR bulk export's folder, which `python -m training adapt` reads with the
rest: what persons found of ventilation, its beginnings, the hours in which there was none and those of which it cannot
be known, as Procedures of the hospital's own patients. It names patients, as the export does, and is readable by its
owner only. Both are written whole or not at all.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, Final

from ehr.labels import NO_STATEMENT, NOT_DONE, began, began_not, not_to_be_known
from governance.errors import GovernanceError, UnknownAssessment
from governance.ledger import Ledger
from governance.outcomes import NO, REVIEW, UNKNOWN, Labelled, Outcomes
from inference.assessment import VENTILATION

BATCH: Final = 10_000
NUMBERS: Final = {"value": float, "probability": float, "hours": int}
MOMENTS: Final = ("as_of", "happened_at")
NAMES: Final = {"pseudonym": "patient"}
OF_LABEL: Final = tuple(NAMES.get(name, name) for name in Labelled.__dataclass_fields__ if name != "id")
COLUMNS: Final = ("tenant", "model", *OF_LABEL)


class LabelsError(Exception):
    """Why nothing was written: the file, and what to do."""


@dataclass(frozen=True, slots=True)
class Told:
    """One label, of which site and model."""

    tenant: str
    model: str
    label: Labelled


@dataclass(frozen=True, slots=True)
class Found:
    """What went into a file of Procedures: beginnings, answers without one, and those of which it cannot be known; what
    has no row there, by model.
    """

    beginnings: int
    without_one: int
    not_to_be_known: int
    no_row: Mapping[str, int]
    unreadable: int


def standing(outcomes: Outcomes, tenants: Iterable[str], since: datetime | None = None) -> Iterator[Told]:
    """Every label that stands, site by site and outcome by outcome, oldest first."""
    for tenant in tenants:
        for model, outcome in outcomes.told_of(tenant):
            for label in outcomes.labelled(tenant, model, outcome, since=since):
                yield Told(tenant, model, label)


def export(labels: Iterable[Told], out: Path) -> int:
    """Write the pseudonymous form to `out` (.jsonl or .parquet); how many labels. Raises LabelsError."""
    if out.suffix not in WRITERS:
        raise LabelsError(f"{out.name}: write to a file that ends in {' or '.join(WRITERS)}")
    count = Counter[str]()

    def rows() -> Iterator[dict[str, Any]]:
        for told in labels:
            count["labels"] += 1
            yield _row(told)

    _whole(out, lambda draft: WRITERS[out.suffix](draft, rows()))
    return count["labels"]


def procedures(labels: Iterable[Told], ledger: Ledger, out: Path) -> Found:
    """Write what persons found of ventilation to `out` (Procedure*.ndjson). Raises LabelsError.

    Of one answer a beginning counts, else the longest of its hours without one, else the longest of which a person says
    that it cannot be known: the workshop leaves those out, which the chart's own silence would else call a "no". The
    next troponin has no row: the workshop reads the draws themselves.
    """
    if not out.name.startswith("Procedure") or out.suffix != ".ndjson":
        raise LabelsError(f"{out.name}: call it Procedure-labels.ndjson, in the folder of the bulk export")
    no_row, begun = Counter[str](), dict[str, datetime]()
    longest: dict[str, dict[str, Labelled]] = {NO: {}, UNKNOWN: {}}  # by label and answer
    for told in labels:
        label = told.label
        if label.source != REVIEW:
            continue
        if told.model != VENTILATION:
            no_row[told.model] += 1
        elif label.label in longest:
            before = longest[label.label].get(label.assessment_id)
            if before is None or label.hours > before.hours:
                longest[label.label][label.assessment_id] = label
        elif label.happened_at is not None:
            begun[label.assessment_id] = label.happened_at
    rows, lost = dict[str, dict[str, Any]](), 0
    for key in {**begun, **longest[NO], **longest[UNKNOWN]}:
        try:
            patient = ledger.follow_up(key).patient
        except UnknownAssessment:  # erased: whose it was is not here any more
            no_row["erased"] += 1
            continue
        except GovernanceError:
            lost += 1
            continue
        row = _procedure(patient, begun.get(key), longest[NO].get(key), longest[UNKNOWN].get(key))
        rows[row["id"]] = row
    _whole(out, lambda draft: draft.write_text("".join(f"{json.dumps(row)}\n" for row in rows.values())))
    no, unknown = (sum(row["status"] == each for row in rows.values()) for each in (NOT_DONE, NO_STATEMENT))
    return Found(len(rows) - no - unknown, no, unknown, dict(no_row), lost)


def _procedure(
    patient: str, begun: datetime | None, without: Labelled | None, unknown: Labelled | None
) -> dict[str, Any]:
    """The row of one answer, of what is known of it."""
    if begun is not None:
        return began(patient, begun)
    hours = without or unknown
    if hours is None:
        raise ValueError("an answer without a label has no row")
    write = not_to_be_known if without is None else began_not
    return write(patient, hours.as_of, hours.as_of + timedelta(hours=hours.hours))


def _row(told: Told) -> dict[str, Any]:
    row = {NAMES.get(name, name): value for name, value in asdict(told.label).items() if name != "id"}
    moments = {name: row[name] and row[name].astimezone(UTC).isoformat() for name in MOMENTS}
    return {"tenant": told.tenant, "model": told.model, **row, **moments}


def _whole(out: Path, write: Callable[[Path], object]) -> None:
    """`out` written whole or not at all, readable by its owner only."""
    draft = out.with_name(f".{out.name}.draft")
    try:
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
        write(draft)
        draft.replace(out)
    except OSError as error:
        raise LabelsError(f"{out} cannot be written ({error.strerror}); give another place") from None
    finally:
        draft.unlink(missing_ok=True)


def _write_lines(path: Path, rows: Iterator[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(f"{json.dumps(row)}\n" for row in rows)


def _write_parquet(path: Path, rows: Iterator[dict[str, Any]]) -> None:
    import pyarrow as pa  # half a second that lines need not wait for
    import pyarrow.parquet as pq

    kinds = {float: pa.float64(), int: pa.int64()}
    schema = pa.schema([(name, kinds.get(NUMBERS.get(name, str), pa.string())) for name in COLUMNS])
    with pq.ParquetWriter(path, schema) as out:
        while batch := list(islice(rows, BATCH)):
            out.write_batch(pa.RecordBatch.from_pylist(batch, schema=schema))


WRITERS: Final = {".jsonl": _write_lines, ".parquet": _write_parquet}
