"""A small valid artefact that was trained on nothing, for tests that need a model and not that model.

Its graph is linear in a few standardised inputs, with known signs: faster breathing, lower saturation, more
oxygen and a faster heart raise the ventilation answer; a rising course raises the troponin answer.

It has two graphs, as a released one: each column becomes two codes (how far from ordinary, and whether it is
missing), and the rest answers from those. The ventilation artefact has its headline in a graph of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, checker, helper, numpy_helper

from inference.assessment import TROPONIN, VENTILATION
from inference.features import ANALYTES, CARE_UNIT, Layout, layout_for
from training.release import Release, write

VENTILATION_INPUTS = ("hr", "rr", "spo2", "fio2", "sbp", "map", "temp", "gcs", "ph", "pco2", "po2", "lactate",
                      "creatinine", "urine", "wbc", "weight", CARE_UNIT)  # fmt: skip
TROPONIN_INPUTS = ("hr", "sbp", "creatinine", *ANALYTES, "ck_mb")
VENTILATION_OUTCOMES = ("ventilation-6h", "ventilation-12h", "ventilation-24h")
MEMBERS = 5
# Raw logits of "within 6 h, given 12", "within 12 h, given 24", "within 24 h": bias, and how strongly pushes count.
BIAS = (0.05, 0.77, -1.85)
STRENGTH = (0.2, 0.2, 1.0)
# player:statistic -> (what is ordinary, by how much it varies, push in log-odds per such step)
PUSHES: dict[str, tuple[float, float, float]] = {
    "age": (60, 15, 0.1), "hr:last": (85, 18, 0.3), "rr:last": (18, 5, 0.6), "spo2:last": (96, 3, -0.7),
    "fio2:last": (3.4, 0.4, 0.6), "sbp:last": (120, 20, -0.2), "ph:last": (7.38, 0.08, -0.4),
    "pco2:last": (3.7, 0.3, 0.2), "lactate:last": (0.6, 0.6, 0.3), "gcs:last": (14, 2, -0.4),
    "creatinine:last": (0.1, 0.6, -0.1), "care_unit:medical": (0, 1, 0.1),
    **{f"{analyte}:change": (0, 0.5, 0.7) for analyte in ANALYTES},
}  # fmt: skip


def build(
    artifacts: Path,
    name: str = VENTILATION,
    version: str = "0.0.1",
    *,
    one_graph: bool = False,
    **calibration: Any,
) -> Path:
    """Write a synthetic artefact of model `name` under `artifacts`.

    `one_graph`: as version 0.1.0 was, with no encoder. Other keywords overrule entries of calibration.json.
    """
    return write(
        release(name, version, one_graph=one_graph, calibration=calibration), artifacts, replace=True
    )


def release(
    name: str, version: str, *, one_graph: bool = False, calibration: Mapping[str, Any] | None = None
) -> Release:
    """What `build` writes."""
    ventilation = name == VENTILATION
    inputs = VENTILATION_INPUTS if ventilation else TROPONIN_INPUTS
    layout = layout_for(inputs, name)
    heads = 3 if ventilation else 1
    encoding, answering = _encoding(layout), _answering(layout, heads, forecast=not ventilation)
    return Release(
        name=name,
        version=version,
        inputs=inputs,
        outcomes=VENTILATION_OUTCOMES if ventilation else ("troponin-rise-24h",),
        hours=(6, 12, 24) if ventilation else (24,),
        important=("rr", "spo2", "fio2", "ph") if ventilation else ("creatinine",),
        graph=_graph(encoding, answering) if one_graph else _graph(answering),
        encoder=None if one_graph else _graph(encoding),
        headline=_graph(_headline(answering)) if ventilation and not one_graph else None,
        codes=None if one_graph else _codes(layout),
        calibration=_calibration(heads) | dict(calibration or {}),
        envelope={"players": _envelope(layout)},
        background=_background(layout),
        weights=np.full(8, 1 / 8),
        evaluation={"synthetic": True},
        leaks={"synthetic": True},
        card={"synthetic": True},
        created=datetime(2026, 1, 1, tzinfo=UTC),
        training={"data": []},
    )


def build_both(artifacts: Path) -> Path:
    """Both models under `artifacts`, which is returned."""
    build(artifacts, VENTILATION)
    build(artifacts, TROPONIN)
    return artifacts


def _calibration(heads: int) -> dict[str, Any]:
    return {
        "slope": [1.0] * heads, "intercept": [0.0] * heads, "nested": heads > 1, "logit_error": 0.1,
        "alpha": 0.3, "negative": 0.0, "positive": 1.0, "widen": [0.0, 0.0, 0.0],
        "base_rate": 0.08,
    }  # fmt: skip


def _envelope(layout: Layout) -> dict[str, tuple[float, float] | None]:
    ranges: dict[str, tuple[float, float] | None] = {player: (-1e6, 1e6) for player in layout.players}
    return ranges | {"age": (18.0, 90.0), "hr": (20.0, 220.0)}


def _background(layout: Layout) -> NDArray[np.float32]:
    """Eight ordinary patients around PUSHES' centres; half their laboratory is not measured."""
    rng = np.random.default_rng(0)
    rows = np.full((8, len(layout.names)), np.nan, dtype=np.float32)
    for index, column in enumerate(layout.names):
        centre, step, _ = PUSHES.get(column, (1.0, 0.2, 0.0))
        rows[:, index] = centre + step * rng.normal(size=8)
        if ":" in column:
            rows[rng.random(8) < 0.3, index] = np.nan
    return rows


def _codes(layout: Layout) -> dict[str, list[int]]:
    width = len(layout.names)
    return {player: [*columns, *(width + c for c in columns)] for player, columns in layout.players.items()}


@dataclass(frozen=True)
class Piece:
    """Nodes from one tensor to others, with the widths of all of them and the constants they read."""

    nodes: list[NodeProto]
    takes: tuple[str, list[Any]]
    gives: dict[str, list[Any]]
    constants: dict[str, NDArray[Any]]


def _encoding(layout: Layout) -> Piece:
    """x [N,F] -> codes [N,2F]: the distance from what is ordinary, 0 where missing; then whether it is missing."""
    nodes = [
        helper.make_node("IsNaN", ["x"], ["absent"]),
        helper.make_node("Sub", ["x", "centre"], ["moved"]),
        helper.make_node("Where", ["absent", "zero", "moved"], ["filled"]),
        helper.make_node("Cast", ["absent"], ["flag"], to=TensorProto.FLOAT),
        helper.make_node("Concat", ["filled", "flag"], ["codes"], axis=1),
    ]
    width = len(layout.names)
    constants = {"centre": _centre(layout), "zero": np.zeros(1, np.float32)}
    return Piece(nodes, ("x", [width]), {"codes": [2 * width]}, constants)


def _answering(layout: Layout, heads: int, *, forecast: bool) -> Piece:
    """codes [N,2F] -> logits [N,M,K] by weights and bias; the forecast is the latest troponin."""
    width, centre, quantiles = len(layout.names), _centre(layout), 3 if forecast else 0
    push = np.zeros(width, np.float32)
    for index, column in enumerate(layout.names):
        if column in PUSHES:
            push[index] = PUSHES[column][2] / PUSHES[column][1]
    sway = np.random.default_rng(1).normal(1.0, 0.1, size=(MEMBERS, heads)) * STRENGTH[-heads:]
    weights = np.zeros((2 * width, MEMBERS * heads), np.float32)
    weights[:width] = (push[:, None, None] * sway[None]).reshape(width, MEMBERS * heads)
    bias = np.tile(np.array(BIAS if heads > 1 else [-1.0], np.float32), MEMBERS)
    measured = np.zeros((2 * width, quantiles), np.float32)
    start = np.array([-0.4, 0.0, 0.4][:quantiles], np.float32)
    if forecast:
        latest = [layout.column(analyte) for analyte in ANALYTES]
        measured[latest] = 1.0
        measured[[width + column for column in latest]] = -centre[latest, None]
        start = start + centre[latest].sum()
    nodes = [
        helper.make_node("Gemm", ["codes", "weights", "bias"], ["flat"]),
        helper.make_node("Reshape", ["flat", "shape"], ["logits"]),
        helper.make_node("Gemm", ["codes", "measured", "start"], ["values"]),
    ]
    constants = {"weights": weights, "bias": bias, "measured": measured, "start": start,
                 "shape": np.array([-1, MEMBERS, heads])}  # fmt: skip
    return Piece(
        nodes, ("codes", [2 * width]), {"logits": [MEMBERS, heads], "values": [quantiles]}, constants
    )


def _headline(answering: Piece) -> Piece:
    """codes [N,2F] -> the members' mean raw logit of the last outcome, [N]."""
    heads = answering.gives["logits"][1]
    constants = {
        "weights": answering.constants["weights"][:, heads - 1 :: heads].mean(axis=1, keepdims=True),
        "bias": answering.constants["bias"][heads - 1 : heads],
        "last": np.array([1]),
    }
    nodes = [
        helper.make_node("Gemm", ["codes", "weights", "bias"], ["column"]),
        helper.make_node("Squeeze", ["column", "last"], ["headline"]),
    ]
    return Piece(nodes, answering.takes, {"headline": []}, constants)


def _centre(layout: Layout) -> NDArray[np.float32]:
    return np.array([PUSHES.get(column, (0.0, 1.0, 0.0))[0] for column in layout.names], np.float32)


def _graph(*pieces: Piece) -> bytes:
    """The pieces one after another, as one serialised graph."""
    takes, width = pieces[0].takes
    graph = helper.make_graph(
        [node for piece in pieces for node in piece.nodes],
        "synthetic",
        [helper.make_tensor_value_info(takes, TensorProto.FLOAT, ["batch", *width])],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *shape])
            for name, shape in pieces[-1].gives.items()
        ],
        [
            numpy_helper.from_array(np.asarray(value), key)
            for piece in pieces
            for key, value in piece.constants.items()
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    checker.check_model(model)
    payload: bytes = model.SerializeToString()
    return payload
