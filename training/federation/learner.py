"""The network that sites train together: what they agree on first, what of it travels, and how it learns.

Everything here that knows training.network. Another network is trained across sites by changing this file alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, Final, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.hooks import RemovableHandle

import training.network
from inference.assessment import VENTILATION
from inference.features import Layout, layout_for
from training.federation import scaling
from training.federation.recipe import Recipe
from training.matrix import Table
from training.network import BENDS, Ensemble, Shape, ask, fit, hazards

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
    with torch.no_grad():
        plain = model._plain(torch.from_numpy(rows.x)).numpy()
    if "centre" not in agreed:
        return scaling.sums(plain, rows.patient) | _events(rows)
    columns = model.bent
    z = (plain[:, columns] - agreed["centre"][columns]) / agreed["step"][columns]
    return {"histogram": scaling.histogram(z, rows.patient)}


def agree(agreed: Agreed, total: dict[str, NDArray[Any]]) -> Agreed:
    """What is agreed once every site's sums of this pass are added up."""
    if "centre" not in agreed:
        centre, step = scaling.moments(total)
        happened, risk = total["events"] + 0.5, total["at_risk"] + 1.0
        offset = np.log(happened / (risk - happened)).astype(np.float32)
        return {"centre": centre, "step": step, "offset": offset}
    return {**agreed, "bends": scaling.percentiles(total["histogram"], BENDS)}


def learner(recipe: Recipe, agreed: Agreed) -> Learner:
    """The untrained network, the same everywhere: its start is the recipe's seed."""
    return _Network(_blank(recipe, agreed), _layout(recipe))


def sources() -> list[Path]:
    """The files that decide what a trained network is: when they change, nothing is resumed."""
    modules: tuple[ModuleType, ...] = (training.network, scaling)
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
        model, offset = self._model, self._model.offset.clone()
        model.shape = replace(model.shape, epochs=epochs, rate=rate)
        pulls = [_pulled(parameter, proximal) for parameter in model.parameters()]
        try:
            fit(model, rows.x, rows.y, rows.change, rows.patient, rows.data_set, self._layout, seed)
        finally:
            for pull in pulls:
                pull.remove()
        model.offset.copy_(offset)  # agreed by all sites; fitting had set the site's own
        return len(rows)

    def ask(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        logits, _ = ask(self._model, x)
        return _headline(logits.astype(np.float64))


def _pulled(parameter: Tensor, proximal: float) -> RemovableHandle:
    towards = partial(_pull, parameter, parameter.detach().clone(), proximal)
    handle: RemovableHandle = parameter.register_hook(towards)  # type: ignore[no-untyped-call]  # torch's own
    return handle


def _pull(parameter: Tensor, start: Tensor, proximal: float, gradient: Tensor) -> Tensor:
    """The gradient of FedProx's term, proximal / 2 times the squared distance from where the round began, added."""
    return gradient + proximal * (parameter.detach() - start)


def _headline(logits: NDArray[np.float64]) -> NDArray[np.float32]:
    """Hazards of successive windows [N,M,K] -> log-odds of the event by the end of the last, members' mean [N]."""
    free = np.logaddexp(0.0, logits.mean(axis=1)).sum(axis=1)  # minus the log of "never"
    odds: NDArray[np.float32] = (free + np.log1p(-np.exp(-free))).astype(np.float32)
    return odds


def _events(rows: Table) -> dict[str, NDArray[Any]]:
    """Events and rows at risk by window [H]; both nothing where fewer than ten patients had the event."""
    events, at_risk = hazards(rows.y)
    shown = scaling.patients(events > 0, rows.patient) >= scaling.FEWEST
    return {"events": events.sum(0) * shown * 1.0, "at_risk": at_risk.sum(0) * shown * 1.0}


def _layout(recipe: Recipe) -> Layout:
    return layout_for(recipe.inputs, recipe.task)


def _blank(recipe: Recipe, agreed: Agreed) -> Ensemble:
    """An untrained ensemble with what is agreed in its buffers."""
    torch.manual_seed(recipe.seed)
    layout = _layout(recipe)
    nothing = np.full((1, len(layout.names)), np.nan, np.float32)
    shape = Shape(**recipe.shape)
    model = Ensemble(layout, nothing, recipe.heads, shape, forecast=recipe.task != VENTILATION)
    for name, value in agreed.items():
        model.get_buffer(name).copy_(torch.from_numpy(np.array(value, np.float32)))
    return model
