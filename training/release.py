"""Writes an artefact folder: the files, then a manifest with the checksum of each, then proof that it can be run.

The same release gives the same bytes, so that a training run again can be compared by checksum. Refuses to
write over a released version whose manifest is already there, unless told to replace it; and to leave a folder
behind that does not load, or whose encoder lets one player's columns into another's codes (ReleaseUnsound).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from inference.artefact import ENCODER, HEADLINE, MANIFEST, MODEL, sha256_of, spans
from inference.features import layout_for
from inference.model import Model, load
from inference.vocabulary import vocabulary

MIXES: Final = 64  # coalitions of players on which the encoder is proven
MIX_TOLERANCE: Final = 1e-5


class ReleaseUnsound(RuntimeError):
    """What was to be released cannot be asked, or not explained."""


@dataclass(frozen=True, slots=True)
class Release:
    """Everything one version of a model consists of.

    `graph`, `encoder` and `headline` are serialised ONNX models: codes -> answer, columns -> codes, codes ->
    headline; without an encoder, `graph` takes the columns. `codes` are the code columns of each player.
    `weights` are those of the `background` rows. `trained` is what further training starts from, by name.
    `plots` maps a file name to SVG text, `texts` one to its text. `assays`: the troponin variables it learned.
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
    encoder: bytes | None = None
    headline: bytes | None = None
    codes: Mapping[str, Sequence[int]] | None = None
    before_first: bool = False
    assays: tuple[str, ...] = ()
    trained: Mapping[str, NDArray[Any]] | None = None
    plots: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)


def write(release: Release, artifacts: Path, *, replace: bool = False) -> Path:
    """Write `artifacts/<name>/<version>/` and return it.

    Raises FileExistsError unless `replace`, ReleaseUnsound, and ArtifactError as loading it does; then no
    manifest is left behind.
    """
    if (release.encoder is None) != (release.codes is None):
        raise ReleaseUnsound("an encoder and who owns its codes are released together")
    folder = artifacts / release.name / release.version
    if (folder / MANIFEST).exists():
        if not replace:
            raise FileExistsError(
                f"{folder} is released; raise the version, or replace it before anybody runs it"
            )
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    parts = sorted(_parts(release, folder))
    _json(folder / MANIFEST, _manifest(release, folder, parts))
    try:
        prove(load(folder, "cpu"))
    except BaseException:
        (folder / MANIFEST).unlink()
        raise
    return folder


def prove(model: Model) -> float:
    """Largest difference between the codes of mixed rows and mixed codes, over random coalitions of players.

    Raises ReleaseUnsound above MIX_TOLERANCE: its explanations would not be of the model.
    """
    rng = np.random.default_rng(0)
    patient, other = rng.integers(0, len(model.background), (2, MIXES))
    member = rng.random((MIXES, len(model.codes))) < 0.5
    columns = _mixed(model.background, patient, other, member, list(model.layout.players.values()))
    codes = _mixed(model.background_codes, patient, other, member, list(model.codes.values()))
    found = model.encode(columns)
    same = (found == codes) | (np.isnan(found) & np.isnan(codes))
    worst = float(np.abs(np.where(same, 0.0, found - codes)).max(initial=0.0))
    if not worst <= MIX_TOLERANCE:
        raise ReleaseUnsound(f"codes of one player depend on another's columns (by {worst:.2g})")
    return worst


def _mixed(
    rows: NDArray[np.float32],
    patient: NDArray[np.intp],
    other: NDArray[np.intp],
    member: NDArray[np.bool_],
    columns: Sequence[Sequence[int]],
) -> NDArray[np.float32]:
    mixed = rows[other]
    for player, owned in enumerate(columns):
        mixed[:, list(owned)] = np.where(
            member[:, [player]], rows[patient][:, list(owned)], mixed[:, list(owned)]
        )
    return mixed


def _parts(release: Release, folder: Path) -> Iterator[str]:
    """Write every file but the manifest; their names, as they are written."""
    for part, graph in ((MODEL, release.graph), (ENCODER, release.encoder), (HEADLINE, release.headline)):
        if graph is not None:
            (folder / part).write_bytes(graph)
            yield part
    yield _arrays(folder, "background.npz", {"rows": release.background, "weights": release.weights})
    if release.trained is not None:
        yield _arrays(folder, "weights.npz", release.trained)
    for part in ("calibration", "envelope", "evaluation", "leaks", "card"):
        _json(folder / f"{part}.json", getattr(release, part))
        yield f"{part}.json"
    for name, text in {
        **release.texts,
        **{f"plots/{name}": svg for name, svg in release.plots.items()},
    }.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        yield name


def _arrays(folder: Path, part: str, arrays: Mapping[str, NDArray[Any]]) -> str:
    """numpy dates what it writes to 1980: the same arrays give the same file. Objects raise ValueError."""
    np.savez(folder / part, allow_pickle=False, **arrays)
    return part


def _manifest(release: Release, folder: Path, parts: Sequence[str]) -> dict[str, Any]:
    said: dict[str, Any] = {
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
    }
    if release.codes is not None:
        said["codes"] = {player: spans(columns) for player, columns in release.codes.items()}
    if release.before_first:
        said["before_first"] = True
    if release.assays:
        said["assays"] = release.assays
    return said | {"files": {part: sha256_of(folder / part) for part in parts}}


def _json(path: Path, data: Any) -> None:
    path.write_text(json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
