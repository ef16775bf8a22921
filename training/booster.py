"""A LightGBM booster as one node of an ONNX graph, answering its raw score.

ONNX Runtime's TreeEnsembleRegressor walks a row down 200 trees of 12 leaves in five to nine microseconds on one
core; written out as comparisons and matrix products the same trees take five times as long. The node has no
CUDA kernel: in a session on a GPU it runs on the processor, with its rows copied there and back.

LightGBM compares in float64 and the node in float32. A threshold therefore becomes the largest float32 that is
not above it: every float32 input then turns the way it turned in training. Leaf values are rounded to float32.

Refuses (BoosterUnsuitable) what it would have to guess at: categories, linear leaves, several classes, averaged
forests, and zero taken for missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import lightgbm
import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper

BATCHES: Final = (1, 7, 512)
TOLERANCE: Final = 1e-5
DOMAIN: Final = "ai.onnx.ml"
DOMAIN_OPSET: Final = 3
OPSET: Final = 20
IR: Final = 10
HIGHEST: Final = float(np.finfo(np.float32).max)
ZERO: Final = float(np.float32(1e-35))  # LightGBM takes anything this close to 0 for 0


class BoosterUnsuitable(ValueError):
    """A booster that this node cannot answer for, or a graph it does not fit in."""


@dataclass(frozen=True, slots=True)
class _Place:
    """One node of one tree: a split if it has a feature, else a leaf."""

    tree: int
    number: int
    feature: int = 0
    threshold: float = 0.0
    left: int = 0
    right: int = 0
    missing_left: bool = False
    value: float | None = None


def attributes(booster: lightgbm.Booster, columns: Sequence[int] = ()) -> dict[str, Any]:
    """Attributes of a TreeEnsembleRegressor [N,C] -> [N,1] with the booster's raw score (its best iteration).

    `columns[i]` is the column of the tensor that holds the booster's feature i; left out, i itself.
    Raises BoosterUnsuitable.
    """
    said = booster.dump_model()
    if said["num_tree_per_iteration"] != 1 or said["average_output"]:
        raise BoosterUnsuitable("one raw score a row is wanted: no classes, no averaged forest")
    if columns and len(columns) != booster.num_feature():
        raise BoosterUnsuitable(f"{len(columns)} columns for a booster of {booster.num_feature()} features")
    places = [
        place
        for number, tree in enumerate(said["tree_info"])
        for place in _places(tree["tree_structure"], number, tree["num_leaves"] - 1)
    ]
    leaves = [place for place in places if place.value is not None]
    return {
        "n_targets": 1,
        "aggregate_function": "SUM",
        "post_transform": "NONE",
        "nodes_treeids": [p.tree for p in places],
        "nodes_nodeids": [p.number for p in places],
        "nodes_modes": ["BRANCH_LEQ" if p.value is None else "LEAF" for p in places],
        "nodes_featureids": [
            columns[p.feature] if columns and p.value is None else p.feature for p in places
        ],
        "nodes_values": [p.threshold for p in places],
        "nodes_truenodeids": [p.left for p in places],
        "nodes_falsenodeids": [p.right for p in places],
        "nodes_missing_value_tracks_true": [int(p.missing_left) for p in places],
        "target_treeids": [p.tree for p in leaves],
        "target_nodeids": [p.number for p in leaves],
        "target_ids": [0] * len(leaves),
        "target_weights": [p.value for p in leaves],
    }


def splice(
    graph: onnx.ModelProto,
    inputs: str,
    booster: lightgbm.Booster,
    output: str,
    columns: Sequence[int] = (),
) -> onnx.ModelProto:
    """A copy of `graph` in which the tensor `output` [N,1] is the booster's raw score of `inputs` [N,C].

    Nodes may already read `output`; where it was an input of the graph, it no longer is one. `columns` as in
    `attributes`. Raises BoosterUnsuitable if `inputs` is not there, or something else makes `output`.
    """
    made = onnx.ModelProto()
    made.CopyFrom(graph)
    after = _after(made.graph, inputs)
    if any(output in node.output for node in made.graph.node):
        raise BoosterUnsuitable(f"the graph already makes '{output}'")
    _fits(made.graph, inputs, booster, columns)
    for index, given in enumerate(made.graph.input):
        if given.name == output:
            del made.graph.input[index]
            break
    node = helper.make_node(
        "TreeEnsembleRegressor", [inputs], [output], domain=DOMAIN, **attributes(booster, columns)
    )
    made.graph.node.insert(after, node)
    if not any(known.domain == DOMAIN for known in made.opset_import):
        made.opset_import.append(helper.make_opsetid(DOMAIN, DOMAIN_OPSET))
    return made


def alone(booster: lightgbm.Booster) -> onnx.ModelProto:
    """A graph of nothing but the trees: "x" [N,C] -> "raw" [N,1]."""
    empty = helper.make_graph(
        [],
        "trees",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", booster.num_feature()])],
        [helper.make_tensor_value_info("raw", TensorProto.FLOAT, ["batch", 1])],
    )
    bare = helper.make_model(empty, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)
    return splice(bare, "x", booster, "raw")


def prove(booster: lightgbm.Booster, x: NDArray[np.float32]) -> float:
    """Largest difference to LightGBM's own raw score over all batch sizes of rows like `x` [N,C].

    Raises BoosterUnsuitable above TOLERANCE.
    """
    session = onnxruntime.InferenceSession(
        alone(booster).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    worst = 0.0
    for size in BATCHES:
        rows = np.resize(x, (size, x.shape[1]))
        ours = session.run(["raw"], {"x": rows})[0][:, 0]
        theirs = np.asarray(booster.predict(rows, raw_score=True))
        worst = max(worst, float(np.abs(ours - theirs).max()))
    if not worst <= TOLERANCE:
        raise BoosterUnsuitable(f"the node differs from LightGBM by {worst:.2g}")
    return worst


def _places(root: Mapping[str, Any], tree: int, splits: int) -> Iterator[_Place]:
    """Every node of one tree, its root first. Splits keep LightGBM's numbers; leaves are numbered after them."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if "leaf_value" in node:
            yield _leaf(node, tree, splits)
            continue
        left, right = node["left_child"], node["right_child"]
        waiting += [right, left]
        yield _Place(
            tree,
            node["split_index"],
            feature=node["split_feature"],
            missing_left=_missing_left(node),
            threshold=_not_above(node["threshold"]),
            left=_number(left, splits),
            right=_number(right, splits),
        )


def _leaf(node: Mapping[str, Any], tree: int, splits: int) -> _Place:
    if "leaf_coeff" in node:
        raise BoosterUnsuitable("linear leaves")
    return _Place(tree, _number(node, splits), value=float(node["leaf_value"]))


def _number(node: Mapping[str, Any], splits: int) -> int:
    number: int = splits + node.get("leaf_index", 0) if "leaf_value" in node else node["split_index"]
    return number


def _missing_left(split: Mapping[str, Any]) -> bool:
    """Which way NaN goes: where training saw none of it, LightGBM takes it for 0."""
    if split["decision_type"] != "<=":
        raise BoosterUnsuitable("a split by category")
    if split["missing_type"] == "NaN":
        return bool(split["default_left"])
    if split["missing_type"] != "None":
        raise BoosterUnsuitable("zero taken for missing")
    return bool(split["threshold"] >= 0.0)


def _not_above(threshold: float) -> float:
    """The largest float32 that turns left at `threshold`: as a rule, the largest that is not above it."""
    if abs(threshold) > HIGHEST:
        return HIGHEST if threshold > 0 else -np.inf
    if abs(threshold) <= ZERO:
        return ZERO if threshold >= 0 else float(np.nextafter(np.float32(-ZERO), np.float32(-np.inf)))
    near = np.float32(threshold)
    return float(near if float(near) <= threshold else np.nextafter(near, np.float32(-np.inf)))


def _after(graph: onnx.GraphProto, name: str) -> int:
    """Where a reader of tensor `name` may stand: behind the node that makes it."""
    for index, node in enumerate(graph.node):
        if name in node.output:
            return index + 1
    if any(name == given.name for given in (*graph.input, *graph.initializer)):
        return 0
    raise BoosterUnsuitable(f"the graph has no tensor '{name}'")


def _fits(graph: onnx.GraphProto, inputs: str, booster: lightgbm.Booster, columns: Sequence[int]) -> None:
    """Raises BoosterUnsuitable where the graph states a width of `inputs` that the booster cannot read."""
    needed = max(columns) + 1 if columns else booster.num_feature()
    for known in (*graph.input, *graph.value_info):
        dims = known.type.tensor_type.shape.dim
        if known.name != inputs or len(dims) != 2 or not dims[1].HasField("dim_value"):
            continue
        width = dims[1].dim_value
        if width < needed or (not columns and width != needed):
            raise BoosterUnsuitable(f"'{inputs}' has {width} columns, the booster reads {needed}")
