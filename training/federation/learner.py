"""The network that sites train together: what they agree on first, what of it travels, and how it learns.

All that knows training.network and training.learning is here: another network is trained across sites by changing
this file alone. Left out of what is shared: pretraining, and the trees that the released model is blended with.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Final, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

import training.learning
import training.network
from inference.features import INTERVALS, Layout, layout_for
from training.federation import scaling
from training.federation.recipe import Recipe
from training.learning import Examples, fit
from training.matrix import Table
from training.network import BENDS, Ensemble, Shape, ask, raw_columns

PASSES: Final = (
    2  # times that sites are asked for sums before training: centre and step first, then the bends
)
Arrays = Mapping[str, NDArray[np.float32]]
Agreed = Mapping[str, NDArray[Any]]
"""What all sites have in common before they train: nothing before the first pass, more after each."""


class Learner(Protocol):
    """A network that learns from rows of one place and travels as named arrays."""

    def parameters(self) -> dict[str, NDArray[np.float32]]:
        """A copy of every trained number."""

    def set_parameters(self, arrays: Arrays) -> None:
        """Puts them back. Raises ValueError when names or shapes are not this network's."""

    def fit(self, rows: Table, seed: int, epochs: int, rate: float, proximal: float) -> int:
        """Trains in place from where it is; gives how many rows it saw. `proximal`: FedProx's pull, 0 for none."""

    def ask(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Log-odds of the headline outcome [N], for ranking."""


def told(rows: Table, recipe: Recipe, agreed: Agreed) -> dict[str, NDArray[Any]]:
    """What a site says of its rows before training: sums and counts that add up over sites. No row's values."""
    model = _blank(recipe, agreed)
    plain = raw_columns(model, rows.x)
    if "centre" in agreed:
        columns = model.bent
        z = (plain[:, columns] - agreed["centre"][columns]) / agreed["step"][columns]
        return {"histogram": scaling.histogram(z, rows.patient)}
    read = model.encoder
    course = rows.x[:, read.courses].reshape(len(rows), len(read.variables), len(INTERVALS))
    return {
        **{f"columns/{name}": total for name, total in scaling.sums(plain, rows.patient).items()},
        **{f"courses/{name}": total for name, total in scaling.sums(course, rows.patient).items()},
        **_outcomes(rows),
    }


def agree(agreed: Agreed, total: dict[str, NDArray[Any]]) -> Agreed:
    """What is agreed once every site's sums of this pass are added up."""
    if "centre" in agreed:
        return {**agreed, "bends": scaling.percentiles(total["histogram"], BENDS)}
    centre, step = scaling.moments(scaling.named(total, "columns/"))
    course_centre, course_step = scaling.moments(scaling.named(total, "courses/"))
    offset = np.log((total["with_outcome"] + 0.5) / (total["without"] + 0.5))
    return {
        "centre": centre,
        "step": step,
        "encoder.centre": course_centre.reshape(1, -1, 1),
        "encoder.step": course_step.reshape(1, -1, 1),
        "offset": offset.astype(np.float32),
    }


def learner(recipe: Recipe, agreed: Agreed) -> Learner:
    """The untrained network, the same everywhere: its start is the recipe's seed."""
    return _Network(_blank(recipe, agreed), _layout(recipe))


def sources() -> list[Path]:
    """The files that decide what a trained network is: when they change, nothing is resumed."""
    modules: tuple[ModuleType, ...] = (training.network, training.learning, scaling)
    return [Path(str(module.__file__)) for module in modules] + [Path(__file__)]


class _Network:
    """training.network.Ensemble as a Learner."""

    def __init__(self, model: Ensemble, layout: Layout) -> None:
        self._model, self._layout = model, layout

    def parameters(self) -> dict[str, NDArray[np.float32]]:
        return {name: p.detach().numpy().copy() for name, p in self._model.named_parameters()}

    def set_parameters(self, arrays: Arrays) -> None:
        own = dict(self._model.named_parameters())
        wrong = set(own) ^ set(arrays) or {n for n, p in own.items() if tuple(p.shape) != arrays[n].shape}
        if wrong:
            raise ValueError(f"weights are not of this network: {sorted(wrong)}")
        with torch.no_grad():
            for name, parameter in own.items():
                parameter.copy_(torch.from_numpy(np.array(arrays[name], np.float32)))

    def fit(self, rows: Table, seed: int, epochs: int, rate: float, proximal: float) -> int:
        offset = self._model.offset.clone()
        examples = Examples.of(rows)
        fit(self._model, examples, self._layout, seed, epochs=epochs, rate=rate, pull=proximal)
        self._model.offset.copy_(offset)  # agreed by all sites; fitting had set the site's own
        return len(rows)

    def ask(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        logits, _ = ask(self._model, x)
        headline: NDArray[np.float32] = logits[:, :, -1].mean(axis=1)
        return headline


def _outcomes(rows: Table) -> dict[str, NDArray[Any]]:
    """Rows with and without the headline outcome, each [1]; both nothing where fewer than ten patients had it."""
    y = rows.y[:, -1:]
    shown = scaling.patients(y, rows.patient) >= scaling.FEWEST
    return {"with_outcome": y.sum(0) * shown * 1.0, "without": (~y).sum(0) * shown * 1.0}


def _layout(recipe: Recipe) -> Layout:
    return layout_for(recipe.inputs, recipe.task)


def _blank(recipe: Recipe, agreed: Agreed) -> Ensemble:
    """An untrained ensemble with what is agreed in its buffers."""
    torch.manual_seed(recipe.seed)
    layout = _layout(recipe)
    nothing = np.full((1, len(layout.names)), np.nan, np.float32)
    model = Ensemble(layout, nothing, Shape(**recipe.shape), recipe.kind)
    for name, value in agreed.items():
        model.get_buffer(name).copy_(torch.from_numpy(np.array(value, np.float32)))
    return model
