"""Settled predictions as a folder that Epic's open-source seismometer reads: predictions, events, configuration.

Layout of seismometer 0.5: `config.yml` names the rest; `predictions.parquet` has one row a prediction with its
score and cohorts; `events.parquet` one row for what became of it (Value 1 or 0, joined by patient and
prediction, so that its labels are ours and not a window's); both have a dictionary. The YAML is written as JSON,
which is YAML. Times are UTC without a zone, as seismometer casts them. Patients are the ledger's pseudonyms. The
folder appears whole or not at all; refuses a folder that is there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from governance.outcomes import NO, YES, Labelled
from governance.tables import TRAITS

VERSION: Final = "0.5"  # of seismometer, whose layout this is
AT_ONCE: Final = 10_000  # rows in memory
TIME: Final = pa.timestamp("ns")
PREDICTIONS: Final = pa.schema(
    [
        ("patient", pa.string()),
        ("prediction", pa.string()),
        ("PredictTime", TIME),
        ("Score", pa.float64()),
        ("version", pa.string()),
        ("status", pa.string()),
        *((trait, pa.string()) for trait in TRAITS),
    ]
)
EVENTS: Final = pa.schema(
    [
        ("patient", pa.string()),
        ("prediction", pa.string()),
        ("Type", pa.string()),
        ("EventTime", TIME),
        ("Value", pa.float64()),
    ]
)


class FolderThere(Exception):
    """The folder to write is there already; an export is never mixed with another."""


def write(folder: Path, rows: Iterable[Labelled], *, model: str, outcome: str, threshold: float) -> int:
    """Write `rows` with a probability and a label to `folder`; how many. Raises FolderThere, OSError."""
    if folder.exists():
        raise FolderThere(f"{folder.name} is there already: name a new folder")
    part = folder.with_name(f".{folder.name}.part")
    part.mkdir(parents=True)
    count = _tables(part, (row for row in rows if row.label in (YES, NO) and row.probability is not None))
    for name, content in _configuration(model, outcome, threshold).items():
        (part / name).write_text(json.dumps(content, indent=1), encoding="utf-8")
    part.rename(folder)
    return count


def _tables(folder: Path, rows: Iterable[Labelled]) -> int:
    count, said, became = 0, [], []
    with (
        pq.ParquetWriter(folder / "predictions.parquet", PREDICTIONS) as predictions,
        pq.ParquetWriter(folder / "events.parquet", EVENTS) as events,
    ):
        for row in rows:
            count += 1
            said.append(_prediction(row))
            became.append(_event(row))
            if len(said) == AT_ONCE:
                _flush(predictions, events, said, became)
        _flush(predictions, events, said, became)
    return count


def _flush(predictions: Any, events: Any, said: list[dict[str, Any]], became: list[dict[str, Any]]) -> None:
    predictions.write_table(pa.Table.from_pylist(said, PREDICTIONS))
    events.write_table(pa.Table.from_pylist(became, EVENTS))
    said.clear()
    became.clear()


def _prediction(row: Labelled) -> dict[str, Any]:
    told = {trait: getattr(row, trait) or "not known" for trait in TRAITS}
    return {
        "patient": row.pseudonym,
        "prediction": row.assessment_id,
        "PredictTime": _bare(row.as_of),
        "Score": row.probability,
        "version": row.version,
        "status": row.status,
        **told,
    }


def _event(row: Labelled) -> dict[str, Any]:
    """What became of one prediction: when it happened, or when its hours were over without it."""
    happened = row.label == YES
    at = row.happened_at if happened and row.happened_at else row.as_of + timedelta(hours=row.hours)
    return {
        "patient": row.pseudonym,
        "prediction": row.assessment_id,
        "Type": row.outcome,
        "EventTime": _bare(at),
        "Value": float(happened),
    }


def _bare(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)


def _configuration(model: str, outcome: str, threshold: float) -> dict[str, Any]:
    usage = {
        "entity_id": "patient",
        "context_id": "prediction",
        "primary_output": "Score",
        "primary_target": outcome,
        "predict_time": "PredictTime",
        "event_table": {"type": "Type", "time": "EventTime", "value": "Value"},
        "cohorts": [{"source": trait, "display_name": trait.replace("_", " ")} for trait in TRAITS],
        "events": [{"source": outcome, "display_name": outcome, "usage": "target"}],
        "censor_min_count": 10,
    }
    paths = {
        "usage_config": "usage_config.yml",
        "prediction_definition": "predictions.yml",
        "event_definition": "events.yml",
        "prediction_path": "predictions.parquet",
        "event_path": "events.parquet",
        "metadata_path": "metadata.json",
        "data_dir": ".",
        "info_dir": ".",
    }
    return {
        "config.yml": {"other_info": paths},
        "usage_config.yml": {"data_usage": usage},
        "predictions.yml": {"predictions": _dictionary(PREDICTIONS)},
        "events.yml": {"events": [{"name": outcome, "dtype": "float", "definition": f"{outcome}: 1 or 0"}]},
        "metadata.json": {"modelname": model, "thresholds": [threshold]},
    }


def _dictionary(schema: pa.Schema) -> list[dict[str, str]]:
    kinds = {pa.string(): "object", pa.float64(): "float", TIME: "datetime64[ns]"}
    return [{"name": field.name, "dtype": kinds[field.type]} for field in schema]
