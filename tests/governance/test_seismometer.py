"""The export is whole, and says what the ledger says; seismometer itself reads it where it is installed."""

from __future__ import annotations

import json
import os
import subprocess
from datetime import UTC, date
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from governance import simulated
from governance.outcomes import Labelled
from governance.seismometer import FolderThere, write
from governance.simulated import Year, labelled, play
from governance.tables import TRAITS

ROOT = Path(__file__).parents[2]
LOADER = Path(__file__).with_name("load_seismometer.py")


@pytest.fixture(scope="module")
def rows() -> list[Labelled]:
    return [labelled(bed) for bed in play(Year(days=20, daily=20, first=date(2026, 1, 1)))]


@pytest.fixture
def folder(tmp_path: Path, rows: list[Labelled]) -> Path:
    there = tmp_path / "export"
    count = write(
        there, rows, model="ventilation-need", outcome=simulated.OUTCOME, threshold=simulated.THRESHOLD
    )
    assert count == len(rows)
    return there


def test_every_settled_prediction_is_there_with_what_became_of_it(folder: Path, rows: list[Labelled]) -> None:
    said = pq.read_table(folder / "predictions.parquet").to_pylist()
    became = {row["prediction"]: row for row in pq.read_table(folder / "events.parquet").to_pylist()}
    assert [each["Score"] for each in said] == [row.probability for row in rows]
    for row, each in zip(rows, said, strict=True):
        assert became[each["prediction"]]["Value"] == (row.label == "yes")
        assert each["PredictTime"].to_pydatetime().replace(tzinfo=UTC) == row.as_of
        assert became[each["prediction"]]["EventTime"] >= each["PredictTime"]


def test_the_configuration_names_every_file_and_column(folder: Path) -> None:
    other = json.loads((folder / "config.yml").read_text())["other_info"]
    assert all((folder / other[name]).exists() for name in other if name.endswith(("path", "definition")))
    usage = json.loads((folder / other["usage_config"]).read_text())["data_usage"]
    columns = set(pq.read_schema(folder / "predictions.parquet").names)
    assert {
        usage["entity_id"],
        usage["context_id"],
        usage["predict_time"],
        usage["primary_output"],
    } <= columns
    assert [cohort["source"] for cohort in usage["cohorts"]] == list(TRAITS)


def test_a_folder_that_is_there_is_refused_and_a_failed_export_leaves_none(
    folder: Path, rows: list[Labelled], tmp_path: Path
) -> None:
    with pytest.raises(FolderThere):
        write(folder, rows, model="m", outcome=simulated.OUTCOME, threshold=0.2)

    def broken() -> object:
        yield rows[0]
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write(tmp_path / "half", broken(), model="m", outcome=simulated.OUTCOME, threshold=0.2)  # type: ignore[arg-type]
    assert not (tmp_path / "half").exists()


def test_seismometer_itself_reads_the_same_predictions_and_labels(folder: Path, rows: list[Labelled]) -> None:
    python = ROOT / ".venv-seismometer" / "bin" / "python"
    if not python.exists():
        reason = "seismometer is not installed in .venv-seismometer: make it with 'make .venv-seismometer/.ready'"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    told = json.loads(subprocess.run([python, LOADER, folder], capture_output=True, check=True).stdout)
    positives = sum(row.label == "yes" for row in rows)
    assert (told["rows"], told["positives"]) == (len(rows), positives)
    assert told["negatives"] == len(rows) - positives
    assert told["scores"] == pytest.approx(sum(row.probability or 0 for row in rows), abs=1e-9)
    assert told["cohorts"] == list(TRAITS)
