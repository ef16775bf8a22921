"""A made bulk export: stays with a coded heart rate, pressure and ventilation, as a hospital saves them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

ADMITTED = datetime(2025, 3, 1, 6, 0, tzinfo=UTC)
CODES = {"hr": ("8867-4", "/min"), "sbp": ("8480-6", "mm[Hg]"), "troponin_t": ("6598-7", "ug/L")}
VENTILATED = {"system": "http://snomed.info/sct", "code": "40617009"}
Resource = dict[str, Any]


def write(folder: Path, rows: Iterator[Resource] | list[Resource]) -> Path:
    """One NDJSON file a type."""
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, list[str]] = {}
    for row in rows:
        files.setdefault(row["resourceType"], []).append(json.dumps(row))
    for kind, lines in files.items():
        (folder / f"{kind}.ndjson").write_text("\n".join(lines) + "\n")
    return folder


def hospital(count: int = 60, *, local: bool = False, seed: int = 3) -> Iterator[Resource]:
    """Patients whose fast hearts are ventilated; `local`: the heart rate under a code of the hospital's own."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        key, fast = f"p{number}", bool(rng.random() < 0.4)
        admitted = ADMITTED + timedelta(days=number)
        yield patient(key)
        yield encounter(key, admitted, admitted + timedelta(hours=40))
        for hour in range(0, 36, 2):
            when = admitted + timedelta(hours=hour)
            yield observation(key, "hr", float(rng.normal(118 if fast else 84, 9)), when, local=local)
            yield observation(key, "sbp", float(rng.normal(120, 10)), when)
        for draw, hour in enumerate((3, 9, 15)):
            value = 0.02 * (1.8 if fast else 0.8) ** draw * float(rng.uniform(0.8, 1.2))
            yield observation(key, "troponin_t", value, admitted + timedelta(hours=hour))
        if fast:
            yield ventilation(key, admitted + timedelta(hours=float(rng.uniform(12, 30))))


def patient(key: str, born: str | None = "1960-05-05") -> Resource:
    row = {"resourceType": "Patient", "id": key, "gender": "female"}
    return row if born is None else row | {"birthDate": born}


def encounter(key: str, start: datetime, end: datetime | None, name: str = "e") -> Resource:
    period = {"start": start.isoformat()} | ({} if end is None else {"end": end.isoformat()})
    return {
        "resourceType": "Encounter", "id": f"{name}-{key}", "status": "finished" if end else "in-progress",
        "class": {"code": "IMP"}, "subject": {"reference": f"Patient/{key}"}, "period": period,
    }  # fmt: skip


def observation(key: str, variable: str, value: float, when: datetime, *, local: bool = False) -> Resource:
    code, unit = CODES[variable]
    coding = (
        {"system": "urn:oid:1.2.3", "code": "PULSE"}
        if local
        else {"system": "http://loinc.org", "code": code}
    )
    return {
        "resourceType": "Observation", "id": f"{variable}-{key}-{when:%d%H}", "status": "final",
        "subject": {"reference": f"Patient/{key}"}, "code": {"coding": [coding]},
        "effectiveDateTime": when.isoformat(), "issued": when.isoformat(),
        "valueQuantity": {"value": round(value, 4), "unit": unit, "system": "http://unitsofmeasure.org", "code": unit},
    }  # fmt: skip


def ventilation(key: str, start: datetime | None) -> Resource:
    row: Resource = {
        "resourceType": "Procedure", "id": f"v-{key}", "status": "completed",
        "subject": {"reference": f"Patient/{key}"}, "code": {"coding": [VENTILATED]},
    }  # fmt: skip
    return row if start is None else row | {"performedPeriod": {"start": start.isoformat()}}
