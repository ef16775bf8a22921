"""The trained model -> ONNX bytes, proven to answer as torch and LightGBM do before anybody gets them.

Three graphs: the encoder, the model, and the headline alone for explaining. The boosters become nodes of the
latter two. Refuses (ExportUnsound) a graph whose batch axis is not symbolic, or that differs at any batch size.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Final

import lightgbm
import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from training.booster import splice
from training.forest import Forest, base
from training.network import Ensemble, ask, raw_columns

BATCHES: Final = (1, 7, 512)
TOLERANCE: Final = 1e-5  # float32: trees and network are summed in another order
RAW: Final = "raw_columns"
Rows = NDArray[np.float32]


class ExportUnsound(RuntimeError):
    """An exported graph is not the trained model."""


@dataclass(frozen=True, slots=True)
class Blend:
    """The released model: the network, its forest, and the forest's share of the log-odds and of the median."""

    model: Ensemble
    forest: Forest
    share: float

    def answer(self, x: Rows) -> tuple[Rows, Rows]:
        """Raw logits [N,M,K] and forecast [N,3] or [N,0] for rows [N,F]."""
        logits, values = ask(self.model, x)
        raw = raw_columns(self.model, x)
        moved = self.forest.moved(raw) + base(self.model, x) if self.model.trend else None
        return mix(logits, values, self.forest.logits(raw), moved, self.share)


@dataclass(frozen=True, slots=True)
class Exported:
    """Serialised graphs."""

    encoder: bytes
    model: bytes
    headline: bytes


def mix(logits: Rows, values: Rows, trees: Rows, middle: Rows | None, share: float) -> tuple[Rows, Rows]:
    """Network and trees together. `trees` [N,M] log-odds; `middle` [N] the trees' median, log ng/L."""
    logits = logits.copy()
    logits[:, :, -1] = (1 - share) * logits[:, :, -1] + share * trees
    if middle is not None:
        values = values + share * (middle[:, None] - values[:, 1:2])
    return logits, values


class _Whole(nn.Module):
    """codes and the boosters' raw scores -> logits, values, and the raw columns the boosters read."""

    def __init__(self, blend: Blend) -> None:
        super().__init__()
        self.model, self.share, self.offset = blend.model, blend.share, blend.forest.offset

    def forward(self, codes: Tensor, *raw: Tensor) -> tuple[Tensor, ...]:
        members = self.model.shape.members
        logits, values = self.model(codes)
        trees = torch.cat(raw[:members], dim=1).unsqueeze(2) + self.offset
        headline = (1 - self.share) * logits[:, :, -1:] + self.share * trees
        logits = torch.cat([logits[:, :, :-1], headline], dim=2)
        if self.model.trend:
            moved = raw[members] + self.model.latest(codes)
            values = values + self.share * (moved - values[:, 1:2])
        return logits, values, self.model.plain(codes)


class _Headline(nn.Module):
    """The members' mean headline log-odds [N] alone."""

    def __init__(self, blend: Blend) -> None:
        super().__init__()
        self.model, self.share, self.offset = blend.model, blend.share, blend.forest.offset

    def forward(self, codes: Tensor, *raw: Tensor) -> tuple[Tensor, ...]:
        network = self.model.body(codes)[:, :, 0].mean(dim=1) + self.model.offset
        trees = torch.cat(raw, dim=1).mean(dim=1) + self.offset
        return (1 - self.share) * network + self.share * trees, self.model.plain(codes)


def export(blend: Blend, x: Rows) -> Exported:
    """The graphs, with `x` [>=512,F] as the rows parity is proven on."""
    model, members = blend.model.eval(), list(blend.forest.members)
    with torch.no_grad():
        codes = model.encoder(torch.from_numpy(x[:3]))
    encoder = _graph(model.encoder, [torch.from_numpy(x[:3])], ["x"], ["codes"])
    everyone = [*members, blend.forest.median] if blend.forest.median else members
    whole = _spliced(_Whole(blend), codes, everyone, ["logits", "values"])
    headline = _spliced(_Headline(blend), codes, members, ["headline"])
    made = Exported(*(_bare(graph) for graph in (encoder, whole, headline)))
    for graph in (made.encoder, made.model, made.headline):
        _symbolic(graph)
    prove(made, blend, x)
    return made


def prove(made: Exported, blend: Blend, x: Rows) -> float:
    """Largest difference to torch and LightGBM over all batch sizes. Raises ExportUnsound above TOLERANCE."""
    encoder, model, headline = (
        onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
        for graph in (made.encoder, made.model, made.headline)
    )
    worst = 0.0
    for size in BATCHES:
        rows = np.resize(x, (size, x.shape[1]))
        codes = encoder.run(["codes"], {"x": rows})[0]
        logits, values = blend.answer(rows)
        expected = (logits, values, logits[:, :, -1].mean(axis=1))
        given = (*model.run(["logits", "values"], {"codes": codes}), *headline.run(["headline"], {"codes": codes}))
        for ours, theirs in zip(given, expected, strict=True):
            if ours.shape != theirs.shape:
                raise ExportUnsound(f"batch {size}: shape {ours.shape}, trained {theirs.shape}")
            away = np.abs(ours - theirs) / np.maximum(1.0, np.abs(theirs))
            worst = max(worst, float(away.max(initial=0.0)))
    if not worst <= TOLERANCE:
        raise ExportUnsound(f"the graph differs from what was trained by {worst:.2g}")
    return worst


def _spliced(module: nn.Module, codes: Tensor, boosters: list[lightgbm.Booster], outputs: list[str]) -> onnx.ModelProto:
    names = [f"trees_{index}" for index in range(len(boosters))]
    blank = [torch.zeros(len(codes), 1) for _ in boosters]
    graph = _graph(module, [codes, *blank], ["codes", *names], [*outputs, RAW])
    for booster, name in zip(boosters, names, strict=True):
        graph = splice(graph, RAW, booster, name)
    for index, output in enumerate(graph.graph.output):
        if output.name == RAW:
            del graph.graph.output[index]
            break
    onnx.checker.check_model(graph)
    return graph


def _graph(module: nn.Module, given: list[Tensor], inputs: list[str], outputs: list[str]) -> onnx.ModelProto:
    batch = torch.export.Dim("batch")
    axes: Any = ({0: batch}, tuple({0: batch} for _ in given[1:])) if len(given) > 1 else ({0: batch},)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own notices; what matters is checked below
        program = torch.onnx.export(
            module.eval(),
            tuple(given),
            input_names=inputs,
            output_names=outputs,
            dynamic_shapes=axes,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    if program is None:
        raise ExportUnsound("torch.onnx.export returned nothing")
    made: onnx.ModelProto = program.model_proto
    return made


def _bare(model: onnx.ModelProto) -> bytes:
    """The graph without the exporter's notes on it: they hold paths of the machine it was made on."""
    del model.metadata_props[:], model.graph.metadata_props[:], model.graph.value_info[:]
    for part in (*model.graph.node, *model.graph.initializer, *model.graph.input, *model.graph.output):
        del part.metadata_props[:]
        part.doc_string = ""
    model.doc_string = model.graph.doc_string = ""
    stripped: bytes = model.SerializeToString()
    return stripped


def _symbolic(graph: bytes) -> None:
    read = onnx.load_from_string(graph)
    for value in (*read.graph.input, *read.graph.output):
        if not value.type.tensor_type.shape.dim[0].dim_param:
            raise ExportUnsound(f"the batch axis of '{value.name}' is frozen")
