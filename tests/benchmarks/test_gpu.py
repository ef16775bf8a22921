"""The benchmark of a GPU runs anywhere, and says what it ran on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import gpu
from inference.assessment import VENTILATION
from inference.model import load, newest
from tests.artefacts import build_both

FEW = ["--moments", "300", "--explained", "3", "--repeats", "2", "--date", "2026-11-24"]


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_both(tmp_path_factory.mktemp("models"))


def run(artifacts: Path, out: Path) -> Path:
    return gpu.main([*FEW, "--artifacts", str(artifacts), "--out", str(out)])


def test_it_measures_both_models_and_writes_what_it_measured_on(
    artifacts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = run(artifacts, tmp_path / "results")
    found = json.loads(path.read_text())
    assert found["date"] == "2026-11-24"
    assert found["hardware"]["processor"]
    assert found["onnxruntime"][0].isdecimal()
    for models in found["devices"].values():
        assert list(models) == ["ventilation-need 0.0.1", "troponin-trend 0.0.1"]
        for figures in models.values():
            assert all(figure > 0 for figure in figures.values())
            assert (figures["moments"], figures["explained"]) == (300, 3)
    said = capsys.readouterr().out
    assert "explanations per second" in said
    assert "cpu: ventilation-need 0.0.1" in said


def test_without_a_gpu_it_says_so_and_measures_the_processor(
    artifacts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if load(newest(artifacts, VENTILATION), "auto").device == "CUDAExecutionProvider":
        pytest.skip("this machine has one")
    found = json.loads(run(artifacts, tmp_path).read_text())
    assert list(found["devices"]) == ["cpu"]
    assert found["note"] == gpu.NO_CUDA
    assert gpu.NO_CUDA in capsys.readouterr().out


def test_the_file_is_named_after_the_hardware(
    artifacts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu, "_gpu", lambda: "Some GPU (80 GB)")
    assert run(artifacts, tmp_path).name == "some-gpu-80-gb.json"


def test_its_patients_are_like_the_background_and_not_the_same(artifacts: Path) -> None:
    model = load(newest(artifacts, VENTILATION), "cpu")
    rows = gpu.patients(model, 500)
    assert rows.shape == (500, len(model.layout.names))
    np.testing.assert_array_equal(rows, gpu.patients(model, 500))
    assert len(np.unique(rows[:, 0])) > 400
    assert np.isnan(rows).any()
    low, high = np.nanmin(model.background, axis=0), np.nanmax(model.background, axis=0)
    reach = 3 * np.nanstd(model.background, axis=0) + 1e-6
    inside = (rows >= low - reach) & (rows <= high + reach)
    assert inside[~np.isnan(rows)].mean() > 0.99
