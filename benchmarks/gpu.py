"""What a GPU changes: one patient's latency, many patients' throughput, and their explanations.

    python -m benchmarks.gpu --date 2026-11-24 [--moments 100000] [--explained 1000]

Patients are the artefacts' own background rows with noise. The same model is asked on the CPU with one thread,
as a worker of the app does, and on CUDA where a session really gets it; where none does, that is said, and the
CPU alone is measured. Trees have no CUDA kernel in ONNX Runtime: on a GPU their share stays with the processor.
Prints a table and writes benchmarks/results/<hardware>.json.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from inference.assessment import TROPONIN, VENTILATION
from inference.chart import Person, Record
from inference.errors import DeviceUnavailable
from inference.explain import explain, explain_many
from inference.model import Model, load, newest

ROOT = Path(__file__).resolve().parent.parent
NO_CUDA = "no session got CUDA on this machine: the CPU alone was measured"
NOBODY = Record("bench", Person(), (), ()).at(datetime(2026, 1, 1, tzinfo=UTC))  # the numbers need no chart


def patients(model: Model, count: int, seed: int = 0) -> NDArray[np.float32]:
    """Rows [count,F] around the background, each variable measured or not as it was there."""
    rng = np.random.default_rng(seed)
    weights = model.background_weights / model.background_weights.sum()
    rows = model.background[rng.choice(len(weights), count, p=weights)]
    spread = np.ma.masked_invalid(model.background).std(axis=0).filled(0.0)  # 0 where nobody was measured
    noisy: NDArray[np.float32] = (rows + 0.3 * spread * rng.normal(size=rows.shape)).astype(np.float32)
    return noisy


def measure(model: Model, moments: int, explained: int, repeats: int) -> dict[str, float]:
    """Everything measured of one model on one device; milliseconds, or a number a second."""
    one = patients(model, repeats)
    many, few = patients(model, moments, seed=1), patients(model, explained, seed=2)
    model.run(many[:1024])  # the first question to a session also prepares it
    explain(few[0], model, NOBODY, seed=0)
    asked = [_seconds(partial(model.run, row[None])) for row in one]
    reasons = [_seconds(partial(explain, row, model, NOBODY, seed=0)) for row in one]
    throughput = _seconds(lambda: model.run(many))
    rows: list[int] = []
    batch = _seconds(
        lambda: rows.extend(
            said.model_rows for said in explain_many(few, model, [NOBODY] * explained, range(explained))
        )
    )
    return {
        "one_answer_ms_p50": statistics.median(asked) * 1e3,
        "one_answer_ms_p95": float(np.percentile(asked, 95)) * 1e3,
        "one_explanation_ms_p50": statistics.median(reasons) * 1e3,
        "one_explanation_ms_p95": float(np.percentile(reasons, 95)) * 1e3,
        "moments": moments,
        "moments_per_second": moments / throughput,
        "explained": explained,
        "explanations_per_second": explained / batch,
        "explaining_rows_per_second": sum(rows) / batch,
    }


def devices(folder: Path) -> list[str]:
    """ "cpu", and "cuda" if a session gets it: what the build offers says nothing of the hardware."""
    try:
        load(folder, "cuda")
    except DeviceUnavailable:
        return ["cpu"]
    return ["cpu", "cuda"]


def hardware() -> dict[str, Any]:
    """Names of processor and GPU, as the machine tells them."""
    return {"processor": _processor(), "machine": platform.machine(), "gpu": _gpu()}


def report(artifacts: Path, on: date, moments: int, explained: int, repeats: int) -> dict[str, Any]:
    """All figures of the newest version of both models."""
    folders = [newest(artifacts, name) for name in (VENTILATION, TROPONIN)]
    able = devices(folders[0])
    found: dict[str, Any] = {
        "date": on.isoformat(),
        "hardware": hardware(),
        "onnxruntime": onnxruntime.__version__,
        "threads": 1,
        "note": "" if "cuda" in able else NO_CUDA,
        "devices": {},
    }
    for device in able:
        models = [load(folder, device) for folder in folders]
        found["devices"][device] = {
            f"{model.name} {model.version}": measure(model, moments, explained, repeats) for model in models
        }
    return found


def table(found: dict[str, Any]) -> str:
    """The figures side by side, a column for each model on each device."""
    columns = {
        f"{device}: {model}": figures
        for device, models in found["devices"].items()
        for model, figures in models.items()
    }
    width = max(map(len, columns)) + 2
    lines = [" " * 28 + "".join(name.rjust(width) for name in columns)]
    for key in next(iter(columns.values())):
        cells = "".join(f"{figures[key]:,.1f}".rjust(width) for figures in columns.values())
        lines.append(key.replace("_", " ").ljust(28) + cells)
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> Path:
    """Measure, print, write; the path of what was written."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--date", type=date.fromisoformat, required=True)
    ask.add_argument("--moments", type=int, default=100_000)
    ask.add_argument("--explained", type=int, default=1000)
    ask.add_argument("--repeats", type=int, default=200)
    ask.add_argument("--artifacts", type=Path, default=ROOT / "inference" / "artifacts")
    ask.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    told = ask.parse_args(arguments)
    found = report(told.artifacts, told.date, told.moments, told.explained, told.repeats)
    name = found["hardware"]["gpu"] or found["hardware"]["processor"]
    print(f"{name}, ONNX Runtime {found['onnxruntime']}, one thread, {found['date']}\n{table(found)}")
    if found["note"]:
        print(f"\n{found['note']}")
    told.out.mkdir(parents=True, exist_ok=True)
    path: Path = told.out / f"{_slug(name)}.json"
    path.write_text(json.dumps(found, indent=1) + "\n")
    return path


def _processor() -> str:
    listed = Path("/proc/cpuinfo")
    text = listed.read_text() if listed.is_file() else ""
    named = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return named[1].strip() if named else platform.processor() or platform.machine()


def _gpu() -> str:
    """The first GPU's name; empty where there is none to ask."""
    try:
        told = subprocess.run(
            ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return (told.stdout.splitlines() or [""])[0].strip()


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
