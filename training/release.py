"""Writes an artefact folder: the files, then a manifest with the checksum of each.

Refuses to write over a released version whose manifest is already there, unless told to replace it.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.features import layout_for
from inference.model import MANIFEST, PARTS, sha256_of
from inference.vocabulary import vocabulary


@dataclass(frozen=True, slots=True)
class Release:
    """Everything one version of a model consists of.

    `graph` is a serialised ONNX model; the mappings become JSON.
    """

    name: str
    version: str
    inputs: tuple[str, ...]
    outcomes: tuple[str, ...]
    hours: tuple[int, ...]
    important: tuple[str, ...]
    graph: bytes
    calibration: Mapping[str, Any]
    envelope: Mapping[str, Any]
    background: NDArray[np.float32]
    weights: NDArray[np.float64]
    evaluation: Mapping[str, Any]
    leaks: Mapping[str, Any]
    card: Mapping[str, Any]
    created: datetime
    training: Mapping[str, Any]


def write(release: Release, artifacts: Path, *, replace: bool = False) -> Path:
    """Write `artifacts/<name>/<version>/` and return it. Raises FileExistsError unless `replace`."""
    folder = artifacts / release.name / release.version
    if (folder / MANIFEST).exists():
        if not replace:
            raise FileExistsError(
                f"{folder} is released; raise the version, or replace it before anybody runs it"
            )
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(release.graph)
    np.savez(folder / "background.npz", rows=release.background, weights=release.weights)
    for part in ("calibration", "envelope", "evaluation", "leaks", "card"):
        _json(folder / f"{part}.json", getattr(release, part))
    _json(folder / MANIFEST, _manifest(release, folder))
    return folder


def _manifest(release: Release, folder: Path) -> dict[str, Any]:
    return {
        "name": release.name,
        "version": release.version,
        "created": release.created.isoformat(),
        "outcomes": release.outcomes,
        "hours": release.hours,
        "inputs": release.inputs,
        "important": release.important,
        "features": layout_for(release.inputs, release.name).names,
        "vocabulary": vocabulary().fingerprint,
        "training": release.training,
        "files": {part: sha256_of(folder / part) for part in PARTS},
    }


def _json(path: Path, data: Any) -> None:
    path.write_text(json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
