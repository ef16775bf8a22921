"""The trained ensemble -> ONNX bytes, proven to answer as torch does before anybody gets them.

Refuses (ExportUnsound) a graph whose batch axis is not symbolic, or that differs from torch at any of three
batch sizes.
"""

from __future__ import annotations

import warnings
from typing import Final

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray

from training.network import Ensemble, ask

BATCHES: Final = (1, 7, 512)
TOLERANCE: Final = 1e-5


class ExportUnsound(RuntimeError):
    """The exported graph is not the trained model."""


def export(model: Ensemble, x: NDArray[np.float32]) -> bytes:
    """Serialised graph "x" -> "logits", "values", with `x` [>=512,F] as the rows parity is proven on."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own notices; what matters is checked below
        program = torch.onnx.export(
            model.eval(),
            (torch.from_numpy(x[:3]),),
            input_names=["x"],
            output_names=["logits", "values"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    if program is None:
        raise ExportUnsound("torch.onnx.export returned nothing")
    graph = _bare(program.model_proto)
    _symbolic(graph)
    prove(graph, model, x)
    return graph


def _bare(model: onnx.ModelProto) -> bytes:
    """The graph without the exporter's notes on it: they hold paths of the machine it was made on."""
    del model.metadata_props[:], model.graph.metadata_props[:], model.graph.value_info[:]
    for part in (*model.graph.node, *model.graph.initializer, *model.graph.input, *model.graph.output):
        del part.metadata_props[:]
        part.doc_string = ""
    model.doc_string = model.graph.doc_string = ""
    stripped: bytes = model.SerializeToString()
    return stripped


def prove(graph: bytes, model: Ensemble, x: NDArray[np.float32]) -> float:
    """Largest difference to torch over all batch sizes. Raises ExportUnsound above TOLERANCE."""
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    worst = 0.0
    for size in BATCHES:
        rows = np.resize(x, (size, x.shape[1]))
        answered = session.run(["logits", "values"], {"x": rows})
        for ours, theirs in zip(answered, ask(model, rows), strict=True):
            if ours.shape != theirs.shape:
                raise ExportUnsound(f"batch {size}: shape {ours.shape}, torch {theirs.shape}")
            worst = max(worst, float(np.abs(ours - theirs).max(initial=0.0)))
    if not worst <= TOLERANCE:
        raise ExportUnsound(f"the graph differs from torch by {worst:.2g}")
    return worst


def _symbolic(graph: bytes) -> None:
    read = onnx.load_from_string(graph)
    for value in (*read.graph.input, *read.graph.output):
        if not value.type.tensor_type.shape.dim[0].dim_param:
            raise ExportUnsound(f"the batch axis of '{value.name}' is frozen")
