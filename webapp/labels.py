"""Labels as data: what became of each prediction, one a line, for whoever learns from it.

Two forms. The pseudonymous one (JSON Lines or Parquet) names nobody and holds every label that stands, a person's
before a rule's. The other is a file for a FHIR bulk export's folder, which `python -m training adapt` reads with the
rest: the beginnings of ventilation that a person found, as Procedures of the hospital's own patients. It names
patients, as the export does, and is readable by its owner only. Both are written whole or not at all.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any, Final

from ehr.codes import code_table
from governance.errors import GovernanceError
from governance.ledger import Ledger
from governance.outcomes import EARLY, REVIEW, YES, Labelled, Outcomes
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
class Beginnings:
    """What went into a file of Procedures, and which labels have no row there, by label."""

    written: int
    without: Mapping[str, int]
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


def beginnings(labels: Iterable[Told], ledger: Ledger, out: Path) -> Beginnings:
    """Write what persons found of ventilation's beginnings to `out` (Procedure*.ndjson). Raises LabelsError."""
    if not out.name.startswith("Procedure") or out.suffix != ".ndjson":
        raise LabelsError(f"{out.name}: call it Procedure-labels.ndjson, in the folder of the bulk export")
    without, seen, lost = Counter[str](), dict[tuple[str, datetime], dict[str, Any]](), 0
    for told in labels:
        label = told.label
        if label.source != REVIEW or told.model != VENTILATION:
            continue
        if label.label not in (YES, EARLY) or label.happened_at is None:
            without[label.label] += 1
            continue
        try:
            patient = ledger.follow_up(label.assessment_id).patient
        except GovernanceError:
            lost += 1
            continue
        moment = label.happened_at.astimezone(UTC)
        seen[patient, moment] = _procedure(patient, moment)
    _whole(out, lambda draft: draft.write_text("".join(f"{json.dumps(row)}\n" for row in seen.values())))
    return Beginnings(len(seen), dict(without), lost)


def _row(told: Told) -> dict[str, Any]:
    row = {NAMES.get(name, name): value for name, value in asdict(told.label).items() if name != "id"}
    moments = {name: row[name] and row[name].astimezone(UTC).isoformat() for name in MOMENTS}
    return {"tenant": told.tenant, "model": told.model, **row, **moments}


def _procedure(patient: str, moment: datetime) -> dict[str, Any]:
    """A beginning as the reader reads one: the first SNOMED CT code that begins ventilation."""
    table = code_table()
    snomed = table.systems["snomed"]
    code = next(code for (system, code), kind in table.events.items() if (system, kind) == (snomed, "ventilation"))
    name = sha256(f"{patient}|{moment.isoformat()}".encode()).hexdigest()[:32]
    return {
        "resourceType": "Procedure",
        "id": f"label-{name}",
        "status": "completed",
        "code": {"coding": [{"system": snomed, "code": code}]},
        "subject": {"reference": f"Patient/{patient}"},
        "performedDateTime": moment.isoformat(),
    }


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
