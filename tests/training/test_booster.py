"""Trees of LightGBM, spliced into a graph, answer as LightGBM does."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, checker, helper

lightgbm = pytest.importorskip("lightgbm", reason="training needs requirements-train.txt")

from training.booster import BoosterUnsuitable, alone, attributes, prove, splice  # noqa: E402

WIDTH = 12
Rows = NDArray[np.float32]


def rows(count: int, *, seed: int = 0, absent: float = 0.3) -> Rows:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, WIDTH)).astype(np.float32)
    x[:, 3] = np.round(x[:, 3] * 4) / 4  # steps: many equal values, and values on the thresholds
    x[:, 4:][rng.random((count, WIDTH - 4)) < absent] = np.nan  # columns 0..3 are always measured
    return x


def booster(objective: str = "binary", *, trees: int = 60, seed: int = 0, **given: Any) -> Any:
    x = rows(3000, seed=seed)
    rng = np.random.default_rng(seed)
    score = x[:, 0] + np.nan_to_num(x[:, 4:8]).sum(axis=1) * x[:, 3] + 2 * np.isnan(x[:, 5])
    y = score + rng.normal(size=len(x))
    y = (y > 0.5).astype(float) if objective == "binary" else y
    told = {"objective": objective, "num_leaves": 12, "min_data_in_leaf": 20, "verbose": -1, "num_threads": 1,
            "seed": seed, "deterministic": True, "force_row_wise": True}  # fmt: skip
    return lightgbm.train(told | given, lightgbm.Dataset(x, y), trees)


def answers(graph: onnx.ModelProto, x: Rows, output: str = "raw", name: str = "x") -> NDArray[np.float32]:
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    found: NDArray[np.float32] = session.run([output], {name: x})[0]
    return found


def splits(found: Any) -> list[dict[str, Any]]:
    """Every split of every tree, as LightGBM tells of it."""
    waiting = [tree["tree_structure"] for tree in found.dump_model()["tree_info"]]
    seen = []
    while waiting:
        node = waiting.pop()
        if "split_index" in node:
            seen.append(node)
            waiting += [node["left_child"], node["right_child"]]
    return seen


@pytest.mark.parametrize(
    ("objective", "given"), [("binary", {}), ("regression", {}), ("quantile", {"alpha": 0.9})]
)
@pytest.mark.parametrize("size", [1, 7, 512])
def test_the_node_answers_as_lightgbm_does(objective: str, given: dict[str, Any], size: int) -> None:
    found = booster(objective, **given)
    x = rows(size, seed=9)
    expected = found.predict(x, raw_score=True)
    assert answers(alone(found), x)[:, 0] == pytest.approx(expected, abs=1e-5)
    assert np.ptp(found.predict(rows(512, seed=9), raw_score=True)) > 1  # there is something to agree on


def test_what_was_not_measured_goes_the_way_it_went_in_training() -> None:
    found = booster()
    kinds = {(split["missing_type"], split["default_left"]) for split in splits(found)}
    assert {kind for kind, _ in kinds} == {"None", "NaN"}
    assert {left for kind, left in kinds if kind == "NaN"} == {True, False}
    x = rows(400, seed=5, absent=0.6)
    x[::3, :4] = np.nan  # columns that training never saw unmeasured: LightGBM reads 0 there
    x[0] = np.nan
    assert answers(alone(found), x)[:, 0] == pytest.approx(found.predict(x, raw_score=True), abs=1e-5)


def test_values_on_and_beside_every_threshold_turn_as_they_did_in_training() -> None:
    found = booster(trees=25)
    base, tried = rows(1, seed=2, absent=0.0)[0], []
    real = [split for split in splits(found) if abs(split["threshold"]) < 1e38]
    for split in real:
        on = np.float32(split["threshold"])
        for value in (on, np.nextafter(on, np.float32(-np.inf)), np.nextafter(on, np.float32(np.inf))):
            tried.append(base.copy())
            tried[-1][split["split_feature"]] = value
    x = np.stack(tried)
    above = np.array([float(np.float32(split["threshold"])) > split["threshold"] for split in real])
    assert above.any()  # rounding to the nearest would turn some of them the other way
    assert answers(alone(found), x)[:, 0] == pytest.approx(found.predict(x, raw_score=True), abs=1e-5)


def test_thresholds_beyond_float32_are_no_thresholds() -> None:
    x = np.linspace(-1, 1, 400, dtype=np.float64)[:, None]
    x[x > 0.5] = 1e300
    found = lightgbm.train(
        {"objective": "regression", "verbose": -1, "min_data_in_leaf": 5, "num_leaves": 4},
        lightgbm.Dataset(x, (x[:, 0] > 0.5).astype(float)),
        3,
    )
    asked = np.array([[-1], [0.4], [3.4e38], [np.inf], [-np.inf]], np.float32)
    expected = found.predict(asked.astype(np.float64), raw_score=True)
    assert answers(alone(found), asked)[:, 0] == pytest.approx(expected, abs=1e-5)


def test_a_booster_that_never_split_answers_its_constant() -> None:
    found = booster(trees=2, min_data_in_leaf=5000)
    x = rows(7)
    assert answers(alone(found), x)[:, 0] == pytest.approx(found.predict(x, raw_score=True), abs=1e-5)


def test_the_batch_axis_stays_open() -> None:
    graph = alone(booster(trees=3))
    checker.check_model(graph)
    for value in (*graph.graph.input, *graph.graph.output):
        assert value.type.tensor_type.shape.dim[0].dim_param
    assert answers(graph, rows(0)).shape == (0, 1)


def test_the_proof_is_of_all_batch_sizes_and_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    found = booster(trees=20)
    assert prove(found, rows(100)) <= 1e-5
    other = booster(trees=20, seed=1)
    monkeypatch.setattr("training.booster.alone", lambda _: alone(other))
    with pytest.raises(BoosterUnsuitable, match="differs from LightGBM"):
        prove(found, rows(100))


# --- in a larger graph


def blend() -> onnx.ModelProto:
    """codes [N,20] -> twice them -> half of each of two scores that are still to come, and a network's."""
    nodes = [
        helper.make_node("Add", ["codes", "codes"], ["twice"]),
        helper.make_node("Add", ["trees", "other"], ["said"]),
    ]
    graph = helper.make_graph(
        nodes,
        "blend",
        [
            helper.make_tensor_value_info("codes", TensorProto.FLOAT, ["batch", 20]),
            helper.make_tensor_value_info("trees", TensorProto.FLOAT, ["batch", 1]),
            helper.make_tensor_value_info("other", TensorProto.FLOAT, ["batch", 1]),
        ],
        [helper.make_tensor_value_info("said", TensorProto.FLOAT, ["batch", 1])],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def test_trees_stand_where_a_graph_left_room_for_them() -> None:
    one, other = booster(trees=10), booster(trees=10, seed=1)
    columns = [19 - i for i in range(WIDTH)]
    before = blend()
    untouched = before.SerializeToString()
    graph = splice(before, "twice", one, "trees", columns)
    graph = splice(graph, "codes", other, "other", columns)
    assert before.SerializeToString() == untouched
    checker.check_model(graph, full_check=True)
    assert [value.name for value in graph.graph.input] == ["codes"]
    x = rows(50)
    codes = np.zeros((50, 20), np.float32)
    codes[:, columns] = x
    expected = one.predict(2 * x, raw_score=True) + other.predict(x, raw_score=True)
    assert answers(graph, codes, "said", "codes")[:, 0] == pytest.approx(expected, abs=1e-5)
    assert [known.domain for known in graph.opset_import] == ["", "ai.onnx.ml"]


def test_a_graph_the_trees_do_not_fit_in_is_refused() -> None:
    found = booster(trees=2)
    with pytest.raises(BoosterUnsuitable, match="no tensor 'nothing'"):
        splice(blend(), "nothing", found, "trees")
    with pytest.raises(BoosterUnsuitable, match="already makes 'twice'"):
        splice(blend(), "codes", found, "twice", range(WIDTH))
    with pytest.raises(BoosterUnsuitable, match="20 columns, the booster reads 12"):
        splice(blend(), "codes", found, "trees")
    with pytest.raises(BoosterUnsuitable, match="3 columns for a booster of 12"):
        attributes(found, (1, 2, 3))
    with pytest.raises(BoosterUnsuitable, match="20 columns, the booster reads 31"):
        splice(blend(), "codes", found, "trees", [30, *range(WIDTH - 1)])


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"linear_tree": True}, "linear"),
        ({"zero_as_missing": True}, "zero"),
        ({"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5}, "averaged"),
        ({"categorical_feature": [3]}, "category"),
    ],
)
def test_what_it_would_have_to_guess_at_is_refused(given: dict[str, Any], why: str) -> None:
    x = rows(2000)
    x[:, 3] = np.abs(x[:, 3] * 4)
    y = (x[:, 3] % 3 == 1).astype(float) + x[:, 0] + np.nan_to_num(x[:, 5])
    told = {"objective": "regression", "verbose": -1, "num_leaves": 12, "num_threads": 1} | given
    categories = told.pop("categorical_feature", "auto")
    found = lightgbm.train(told, lightgbm.Dataset(x, y, categorical_feature=categories), 5)
    with pytest.raises(BoosterUnsuitable, match=why):
        attributes(found)


def test_several_classes_are_refused() -> None:
    x = rows(500)
    y = np.digitize(x[:, 0], [-0.5, 0.5])
    told = {"objective": "multiclass", "num_class": 3, "verbose": -1, "num_threads": 1}
    with pytest.raises(BoosterUnsuitable, match="one raw score"):
        attributes(lightgbm.train(told, lightgbm.Dataset(x, y), 2))
