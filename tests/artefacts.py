"""A small valid artefact that was trained on nothing, for tests that need a model and not that model.

Its graph is linear in a few standardised inputs, with known signs: faster breathing, lower saturation, more
oxygen and a faster heart raise the ventilation answer; a rising course raises the troponin answer.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, checker, helper, numpy_helper

from inference.assessment import TROPONIN, VENTILATION
from inference.features import ANALYTES, Layout, layout_for
from training.release import Release, write

VENTILATION_INPUTS = ("hr", "rr", "spo2", "fio2", "sbp", "map", "temp", "gcs", "ph", "pco2", "po2", "lactate",
                      "creatinine", "urine", "wbc", "weight")  # fmt: skip
TROPONIN_INPUTS = ("hr", "sbp", "creatinine", *ANALYTES, "ck_mb")
VENTILATION_OUTCOMES = ("ventilation-6h", "ventilation-12h", "ventilation-24h")
MEMBERS = 5
# player:statistic -> (what is ordinary, by how much it varies, push in log-odds per such step)
PUSHES: dict[str, tuple[float, float, float]] = {
    "age": (60, 15, 0.1), "hr:last": (85, 18, 0.3), "rr:last": (18, 5, 0.6), "spo2:last": (96, 3, -0.7),
    "fio2:last": (3.4, 0.4, 0.6), "sbp:last": (120, 20, -0.2), "ph:last": (7.38, 0.08, -0.4),
    "pco2:last": (3.7, 0.3, 0.2), "lactate:last": (0.6, 0.6, 0.3), "gcs:last": (14, 2, -0.4),
    "creatinine:last": (0.1, 0.6, -0.1), **{f"{analyte}:change": (0, 0.5, 0.7) for analyte in ANALYTES},
}  # fmt: skip


def build(artifacts: Path, name: str = VENTILATION, version: str = "0.0.1", **calibration: Any) -> Path:
    """Write a synthetic artefact of model `name` under `artifacts`;

    keywords overrule entries of calibration.json.
    """
    ventilation = name == VENTILATION
    inputs = VENTILATION_INPUTS if ventilation else TROPONIN_INPUTS
    layout = layout_for(inputs, name)
    heads = 3 if ventilation else 1
    return write(
        Release(
            name=name,
            version=version,
            inputs=inputs,
            outcomes=VENTILATION_OUTCOMES if ventilation else ("troponin-rise-24h",),
            hours=(6, 12, 24) if ventilation else (24,),
            important=("rr", "spo2", "fio2", "ph") if ventilation else ("creatinine",),
            graph=_graph(layout, heads, forecast=not ventilation),
            calibration=_calibration(heads) | calibration,
            envelope={"players": _envelope(layout)},
            background=_background(layout),
            weights=np.full(8, 1 / 8),
            evaluation={"synthetic": True},
            leaks={"synthetic": True},
            card={"synthetic": True},
            created=datetime(2026, 1, 1, tzinfo=UTC),
            training={"data": []},
        ),
        artifacts,
        replace=True,
    )


def build_both(artifacts: Path) -> Path:
    """Both models under `artifacts`, which is returned."""
    build(artifacts, VENTILATION)
    build(artifacts, TROPONIN)
    return artifacts


def _calibration(heads: int) -> dict[str, Any]:
    return {
        "slope": [1.0] * heads, "intercept": [0.0] * heads, "chained": heads > 1, "logit_error": 0.1,
        "spread_limit": 1.5, "alpha": 0.3, "negative": 0.0, "positive": 1.0, "widen": [0.0, 0.0, 0.0],
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


def _graph(layout: Layout, heads: int, *, forecast: bool) -> bytes:
    """x [N,F] -> where measured, standardised @ weights + bias -> logits [N,M,K];

    forecast is the latest troponin.
    """
    width = len(layout.names)
    centre, push = np.zeros(width, np.float32), np.zeros(width, np.float32)
    for index, column in enumerate(layout.names):
        if column in PUSHES:
            middle, step, weight = PUSHES[column]
            centre[index], push[index] = middle, weight / step
    sway = np.random.default_rng(1).normal(1.0, 0.1, size=(MEMBERS, heads)).astype(np.float32)
    weights = (push[:, None, None] * sway[None]).reshape(width, MEMBERS * heads)
    bias = np.full(MEMBERS * heads, -3.0 if heads > 1 else -1.0, np.float32)
    measured = np.zeros((width, 3 if forecast else 0), np.float32)
    start = np.zeros(3 if forecast else 0, np.float32)
    if forecast:
        for analyte in ANALYTES:
            measured[layout.column(analyte)] = 1.0
        start = np.array([-0.4, 0.0, 0.4], np.float32)
    constants = {"centre": centre, "weights": weights, "bias": bias, "measured": measured, "start": start,
                 "zero": np.zeros(1, np.float32), "shape": np.array([-1, MEMBERS, heads])}  # fmt: skip
    nodes = [
        helper.make_node("IsNaN", ["x"], ["absent"]),
        helper.make_node("Sub", ["x", "centre"], ["moved"]),
        helper.make_node("Where", ["absent", "zero", "moved"], ["filled"]),
        helper.make_node("Gemm", ["filled", "weights", "bias"], ["flat"]),
        helper.make_node("Reshape", ["flat", "shape"], ["logits"]),
        helper.make_node("Where", ["absent", "zero", "x"], ["plain"]),
        helper.make_node("Gemm", ["plain", "measured", "start"], ["values"]),
    ]
    graph = helper.make_graph(
        nodes,
        "synthetic",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", width])],
        [
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", MEMBERS, heads]),
            helper.make_tensor_value_info("values", TensorProto.FLOAT, ["batch", measured.shape[1]]),
        ],
        [numpy_helper.from_array(value, key) for key, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    checker.check_model(model)
    payload: bytes = model.SerializeToString()
    return payload
