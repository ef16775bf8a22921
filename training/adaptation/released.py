"""A released artefact, opened for further training: its network, its trees and what they are blended with.

Refuses (AdaptationRefused) one that was released without its weights or its trees, and one whose weights and trees do
not answer as its graph does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from inference.artefact import ENCODER, HEADLINE, MANIFEST, MODEL, sha256_of
from inference.model import Model, load
from training.adaptation import AdaptationRefused
from training.export import Blend, Exported
from training.forest_text import FOLDER, forest_of
from training.network import BASES, Ensemble, Shape
from training.tasks import Task, task

WEIGHTS: Final = "weights.npz"
SHARE: Final = "trees_share_of_log_odds"
TOLERANCE: Final = 1e-3  # of calibrated log-odds


@dataclass(frozen=True, slots=True)
class Released:
    """One version of a model. `said` are its JSON files by name without the ending."""

    folder: Path
    model: Model
    task: Task
    blend: Blend
    said: Mapping[str, Mapping[str, Any]]

    @property
    def graphs(self) -> Exported:
        """The graphs as they were released."""
        parts = ((self.folder / part).read_bytes() for part in (ENCODER, MODEL, HEADLINE))
        return Exported(*parts)

    @property
    def digest(self) -> str:
        """sha256 of its manifest, which holds those of all other files."""
        return sha256_of(self.folder / MANIFEST)


def opened(folder: Path) -> Released:
    """Raises AdaptationRefused, and ArtifactError as loading it does."""
    model = load(folder, "cpu")
    parts = set(model.manifest["files"])
    forest = sorted(part for part in parts if part.startswith(f"{FOLDER}/"))
    for part, what in (
        (WEIGHTS, "the network's weights"),
        (f"{FOLDER}/0.txt", "its trees"),
        (HEADLINE, "its headline"),
    ):
        if part not in parts:
            raise AdaptationRefused(
                f"{folder} has no {part}: it was released without {what}; release it again"
            )
    said = {name: json.loads((folder / f"{name}.json").read_text()) for name in (
        "calibration", "envelope", "evaluation", "card"
    )}  # fmt: skip
    if SHARE not in said["evaluation"]:
        raise AdaptationRefused(
            f"{folder / 'evaluation.json'} does not say how much of the answer the trees have"
        )
    with np.load(folder / WEIGHTS, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    try:
        one = replace(task(model.name), inputs=tuple(model.manifest["inputs"]), version=model.version)
        network, shape = _network(model, arrays, one)
        texts = {part: (folder / part).read_text(encoding="utf-8") for part in forest}
        blend = Blend(
            network, forest_of(texts, float(network.offset.item())), float(said["evaluation"][SHARE])
        )
    except (KeyError, ValueError, RuntimeError) as wrong:
        raise AdaptationRefused(f"{folder}: {str(wrong)[:200]}; release it again") from None
    _prove(blend, model, folder)
    return Released(folder, model, replace(one, shape=shape), blend, said)


def _network(model: Model, arrays: Mapping[str, NDArray[Any]], one: Task) -> tuple[Ensemble, Shape]:
    """The network of these weights; how it is trained is the task's."""
    members, wide, narrow = arrays["second"].shape
    looks, code = arrays["encoder.keep"].shape[1] // BASES, arrays["encoder.keep"].shape[2]
    shape = replace(one.shape, members=members, wide=wide, narrow=narrow, looks=looks, code=code)
    network = Ensemble(model.layout, model.background, shape, one.kind)
    network.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
    return network.eval(), shape


def _prove(blend: Blend, model: Model, folder: Path) -> None:
    logits, _ = blend.answer(model.background)
    ours = model.calibration.log_odds(logits.astype(np.float64).mean(axis=1))
    away = float(np.abs(ours - model.run(model.background).logit).max())
    if not away <= TOLERANCE:
        raise AdaptationRefused(f"{folder}: weights and trees answer otherwise than the graph, by {away:.2g}")
