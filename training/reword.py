"""A release with its card's sentences written anew: the same graphs and figures under a version of its own.

A released artefact is never changed, and a sentence is no reason to train again.
"""

from __future__ import annotations

import json
import shutil
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inference.artefact import MANIFEST, sha256_of
from inference.errors import ArtifactError
from inference.model import load, newest
from training.attributes import written
from training.card import markdown
from training.intended import INTENDED

if TYPE_CHECKING:
    from training.tasks import Task


def reword(task: Task, artifacts: Path, *, created: datetime) -> Path:
    """Write `artifacts/<name>/<task.version>/` from the newest release and return it; every graph stays as it is.

    Raises FileExistsError where that version is released, ArtifactError as loading does; then nothing is left.
    """
    before, folder = newest(artifacts, task.name), artifacts / task.name / task.version
    if folder.exists():
        raise FileExistsError(f"{folder} is released; raise the version")
    load(before, "cpu")
    shutil.copytree(before, folder)
    try:
        card = _read(folder / "card.json") | _said(task, _read(before / "card.json"))
        _write(folder / "card.json", card)
        (folder / "card.md").write_text(markdown(card, _read(folder / "evaluation.json")), encoding="utf-8")
        manifest = _read(folder / MANIFEST) | {"version": task.version, "created": created.isoformat()}
        manifest["files"] = {part: sha256_of(folder / part) for part in manifest["files"]}
        _write(folder / MANIFEST, manifest)
        load(folder, "cpu")
    except (ArtifactError, OSError):
        shutil.rmtree(folder)
        raise
    return folder


def _said(task: Task, card: dict[str, Any]) -> dict[str, Any]:
    """What a person wrote on the card, as it is written now."""
    about, anew = INTENDED[task.name], written(task)
    return {
        "version": task.version,
        "intended_use": about.use,
        "not_for": list(about.not_for),
        "limits": list(about.limits),
        "attributes": [
            one | ({"text": anew[one["number"]][0]} if one["number"] in anew else {}) for one in card["attributes"]
        ],
    }


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _write(path: Path, data: dict[str, Any]) -> None:
    path.write_text(json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
