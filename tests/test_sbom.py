"""The bill of materials that `make sbom` writes: valid CycloneDX, what the app runs on, and nothing else."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tests.test_architecture import ROOT

pytestmark = pytest.mark.slow  # cyclonedx-bom reads the whole environment
PINNED = re.compile(r"^([A-Za-z0-9_.\-]+)(?:\[[a-z,]+\])?==([^\s;#]+)", re.MULTILINE)
ELSEWHERE = "onnxruntime"  # the same folder as onnxruntime-gpu, for the machines that have no such wheel


@pytest.fixture(scope="module")
def bill(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Made by the command that stands in the Makefile."""
    recipe = re.search(r"^sbom:.*\n\t(.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert recipe is not None
    assert recipe[1].split() == ["$(BIN)/python", ".ci/sbom.py", "$(BIN)/python", "build/sbom.json"]
    out = tmp_path_factory.mktemp("sbom") / "sbom.json"
    made = subprocess.run(
        [sys.executable, str(ROOT / ".ci" / "sbom.py"), sys.executable, str(out)],
        capture_output=True,
        text=True,
    )
    assert made.returncode == 0, made.stderr
    return dict(json.loads(Path(out).read_text(encoding="utf-8")))


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_it_is_valid_cyclonedx(bill: dict[str, Any]) -> None:
    assert bill["bomFormat"] == "CycloneDX"
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(bill)) is None


def test_every_pinned_requirement_is_on_it_with_its_version(bill: dict[str, Any]) -> None:
    listed = {plain(one["name"]): one.get("version", "").partition("+")[0] for one in bill["components"]}
    pinned = {plain(n): v for n, v in PINNED.findall((ROOT / "requirements.txt").read_text(encoding="utf-8"))}
    if "onnxruntime-gpu" in listed:
        pinned.pop(ELSEWHERE)
    assert len(pinned) > 20
    assert {name: listed.get(name) for name in pinned} == pinned


def test_what_they_bring_is_on_it_and_what_only_tests_need_is_not(bill: dict[str, Any]) -> None:
    listed = {plain(one["name"]) for one in bill["components"]}
    assert {"markupsafe", "click", "httpcore", "cffi"} <= listed
    assert not listed & {"pytest", "hypothesis", "schemathesis", "playwright", "lightgbm", "ruff", "mypy"}
    refs = {one["bom-ref"] for one in bill["components"]} | {bill["metadata"]["component"]["bom-ref"]}
    assert {ref for edge in bill["dependencies"] for ref in [edge["ref"], *edge["dependsOn"]]} <= refs
