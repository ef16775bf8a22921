"""An artefact folder: which files it must hold, and whether they are the ones that were released.

    <folder>/manifest.json   names, versions, inputs, who owns which code, sha256 of every other file
    encoder.onnx             x [N,F] -> codes [N,Z]; each code reads the columns of one player only
    model.onnx               codes [N,Z] -> logits [N,M,K], values [N,3] (log ng/L) or [N,0]
    headline.onnx            optional: codes [N,Z] -> headline [N], model.onnx with nothing but the last outcome
    calibration.json, envelope.json, background.npz
    evaluation.json, leaks.json, card.json, plots/..., weights.npz    not needed to run; checked all the same

A folder without encoder.onnx and without "codes" in its manifest has one graph, that takes x itself: the codes
are then the columns. Refuses a changed or absent file, and another vocabulary than the one of variables.toml.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from inference.errors import ArtifactMissing, ChecksumMismatch, GraphUnfit, VocabularyError
from inference.features import Layout, layout_for
from inference.vocabulary import vocabulary

MANIFEST: Final = "manifest.json"
MODEL: Final = "model.onnx"
ENCODER: Final = "encoder.onnx"
HEADLINE: Final = "headline.onnx"
PARTS: Final = (
    MODEL,
    "calibration.json",
    "background.npz",
    "envelope.json",
    "evaluation.json",
    "leaks.json",
    "card.json",
)
"""What every artefact holds. One whose manifest has "codes" holds ENCODER as well."""

Columns = Mapping[str, tuple[int, ...]]


def checked(folder: Path) -> Mapping[str, Any]:
    """The manifest of a folder, every file it lists read and compared.

    Raises ArtifactMissing, ChecksumMismatch, GraphUnfit, VocabularyError.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise ArtifactMissing(f"{folder} has no {MANIFEST}")
    manifest: Mapping[str, Any] = json.loads(path.read_text())
    if ENCODER in manifest["files"] and "codes" not in manifest:
        raise GraphUnfit(f"{path} lists {ENCODER} and does not say who owns its codes; release it again")
    needed = (*PARTS, ENCODER) if "codes" in manifest else PARTS
    unlisted = [part for part in needed if part not in manifest["files"]]
    if unlisted:
        raise ArtifactMissing(f"{path} does not list {', '.join(unlisted)}")
    for part, digest in manifest["files"].items():
        if sha256_of(folder / part) != digest:
            raise ChecksumMismatch(f"{folder / part} is not the file that was released; restore it")
    if manifest["vocabulary"] != vocabulary().fingerprint:
        raise VocabularyError(
            f"{folder} was trained on another variables.toml; train again or restore that file"
        )
    if manifest["features"] != list(layout_for(tuple(manifest["inputs"]), manifest["name"]).names):
        raise VocabularyError(f"{folder} was trained on other features than features.py makes; train again")
    return manifest


def newest(artifacts: Path, name: str) -> Path:
    """The folder of the highest version of model `name`. Raises ArtifactMissing if there is none."""
    versions = {
        _version(path.name): path for path in (artifacts / name).glob("*") if (path / MANIFEST).is_file()
    }
    known = {version: path for version, path in versions.items() if version is not None}
    if not known:
        raise ArtifactMissing(f"no version of '{name}' under {artifacts}: train one (python -m training run)")
    return known[max(known)]


def sha256_of(path: Path) -> str:
    """Checksum of one file, as the manifest writes it. Raises ArtifactMissing."""
    if not path.is_file():
        raise ArtifactMissing(f"{path.name} is not in {path.parent}; restore the folder from its release")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def codes_of(manifest: Mapping[str, Any], layout: Layout, width: int) -> Columns:
    """Code columns of each player, in the layout's order.

    The manifest's "codes" has a list of spans [first, stop] a player, or one span. Raises GraphUnfit unless
    every player of the layout is there, no other is, and each of the `width` columns has one owner.
    """
    said = manifest.get("codes")
    codes = dict(layout.players) if said is None else {player: _columns(said[player]) for player in said}
    if set(codes) != set(layout.players):
        strangers = sorted(set(codes) ^ set(layout.players))
        raise GraphUnfit(
            f"{manifest['name']}: codes and inputs differ in {', '.join(strangers)}; release it again"
        )
    if sorted(chain.from_iterable(codes.values())) != list(range(width)):
        raise GraphUnfit(
            f"{manifest['name']}: not every one of the {width} codes has one owner; release it again"
        )
    return MappingProxyType({player: codes[player] for player in layout.players})


def spans(columns: Iterable[int]) -> list[list[int]]:
    """Columns as the manifest writes them: spans [first, stop], in order."""
    found: list[list[int]] = []
    for column in sorted(columns):
        if found and found[-1][1] == column:
            found[-1][1] = column + 1
        else:
            found.append([column, column + 1])
    return found


def _columns(said: list[Any]) -> tuple[int, ...]:
    pairs = [said] if said and isinstance(said[0], int) else said
    return tuple(column for first, stop in pairs for column in range(first, stop))


def _version(text: str) -> tuple[int, ...] | None:
    parts = text.split(".")
    return tuple(int(part) for part in parts) if all(part.isdecimal() for part in parts) else None
