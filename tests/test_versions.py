"""Two lines of versions that agree everywhere: the application's, and each model's."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from inference.assessment import TROPONIN, VENTILATION
from inference.model import load, newest
from inference.vocabulary import vocabulary

ROOT = Path(__file__).resolve().parent.parent
ARTIFACTS = ROOT / "inference" / "artifacts"
CHANGELOG = (ROOT / "CHANGELOG.md").read_text()


def test_the_applications_version_is_in_the_changelog() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"\n### {version} (" in CHANGELOG


@pytest.mark.parametrize("name", [VENTILATION, TROPONIN])
def test_a_released_model_loads_and_its_version_is_in_the_changelog(name: str) -> None:
    model = load(newest(ARTIFACTS, name), "cpu")
    assert model.version == newest(ARTIFACTS, name).name
    assert f"\n### {name} {model.version} (" in CHANGELOG
    assert model.manifest["vocabulary"] == vocabulary().fingerprint


@pytest.mark.parametrize("name", [VENTILATION, TROPONIN])
def test_a_released_model_says_where_a_baseline_is_better_and_passed_its_leak_scan(name: str) -> None:
    folder = newest(ARTIFACTS, name)
    assert json.loads((folder / "leaks.json").read_text())
    card = (folder / "card.json").read_text()
    assert "baseline" in card.lower() or "trees" in card.lower()
    assert "PhysioNet" in (ROOT / "NOTICE").read_text()


@pytest.mark.parametrize("name", [VENTILATION, TROPONIN])
def test_a_released_model_names_no_machine(name: str) -> None:
    graph = (newest(ARTIFACTS, name) / "model.onnx").read_bytes()
    for trace in (b"/home/", b"/root/", b"/work/", b"/usr/", b"site-packages"):
        assert trace not in graph
