"""Batch scoring: patient-moments a second and peak memory, with parsing the same files beside it.

python -m benchmarks.batch [--patients 2000] [--observations 400]
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.charts import observations, patient

MOMENT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def write(folder: Path, patients: int, count: int) -> Path:
    """A bulk export of invented patients, and the CSV of moments: one each."""
    rng = random.Random(7)
    files = {kind: (folder / f"{kind}.ndjson").open("w") for kind in ("Patient", "Encounter", "Observation")}
    rows = ["patient,as_of"]
    for number in range(patients):
        key = f"p{number:06d}"
        for row in (*patient(key, moment=MOMENT, rng=rng), *observations(key, count, moment=MOMENT, rng=rng)):
            files[row["resourceType"]].write(json.dumps(row) + "\n")
        rows.append(f"{key},{MOMENT.isoformat()}")
    for file in files.values():
        file.close()
    moments = folder / "moments.csv"
    moments.write_text("\n".join(rows) + "\n")
    return moments


def parsed(folder: Path) -> float:
    """The floor: seconds to parse every line with orjson, and nothing else."""
    import orjson

    began = time.perf_counter()
    for path in folder.glob("*.ndjson"):
        with path.open("rb") as file:
            for line in file:
                orjson.loads(line)
    return time.perf_counter() - began


def main() -> None:
    """Write the export, score it in a process of its own, print rate and memory."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--patients", type=int, default=2000)
    ask.add_argument("--observations", type=int, default=400)
    ask.add_argument("--workers", type=int, default=2)
    told = ask.parse_args()
    with tempfile.TemporaryDirectory(prefix="ordertime-batch-") as name:
        folder = Path(name)
        moments = write(folder, told.patients, told.observations)
        floor = parsed(folder)
        began = time.perf_counter()
        subprocess.run(
            [
                sys.executable,
                "-m",
                "flask",
                "--app",
                "wsgi",
                "score",
                "--bulk-export",
                name,
                "--as-of",
                str(moments),
                "--out",
                str(folder / "out.csv"),
                "--workers",
                str(told.workers),
            ],
            check=True,
        )
        seconds = time.perf_counter() - began
        answers = sum(1 for _ in (folder / "out.csv").open()) - 1
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(
        f"patient-moments      {told.patients}  ({told.observations} Observations each, {answers} rows out)"
    )
    print(
        f"seconds              {seconds:.1f}  (parsing alone, one core: {floor:.1f}; ratio {seconds / floor:.1f})"
    )
    print(f"patient-moments / s  {told.patients / seconds:.0f}   aim >= 200")
    print(f"peak memory          {peak:.0f} MB for the largest process; aim < 2,048 for all")


if __name__ == "__main__":
    main()
