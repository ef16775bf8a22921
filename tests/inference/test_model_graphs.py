"""An artefact's graphs: columns to codes, codes to answer, and what is refused of either."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from inference.assessment import TROPONIN, VENTILATION
from inference.calibration import chain
from inference.errors import ArtifactMissing, ChecksumMismatch, GraphUnfit, UnsoundOutput, VocabularyError
from inference.explain import explain
from inference.model import MANIFEST, Model, load, sha256_of
from tests.artefacts import build, release
from tests.inference.charts import chart
from training.release import write

Rows = NDArray[np.float32]
GRAPHS = ("encoder.onnx", "model.onnx", "headline.onnx")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return build(tmp_path, VENTILATION)


def rows(model: Model, count: int = 40, *, seed: int = 0) -> Rows:
    """Patients around the background, some of whom were not measured."""
    rng = np.random.default_rng(seed)
    x = model.background[rng.integers(0, len(model.background), count)]
    x = x + rng.normal(0, 0.3, size=x.shape).astype(np.float32)
    x[rng.random(x.shape) < 0.3] = np.nan
    return x


def resign(folder: Path, change: Callable[[dict[str, Any]], object] | None = None) -> None:
    """The manifest again, after a change to it or to the files."""
    manifest = json.loads((folder / MANIFEST).read_text())
    if change is not None:
        change(manifest)
    manifest["files"] = {part: sha256_of(folder / part) for part in manifest["files"]}
    (folder / MANIFEST).write_text(json.dumps(manifest))


def one_node(kind: str, width: int) -> bytes:
    """An encoder of one operation on every column."""
    graph = helper.make_graph(
        [helper.make_node(kind, ["x"], ["codes"])],
        "one",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", width])],
        [helper.make_tensor_value_info("codes", TensorProto.FLOAT, ["batch", width])],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    payload: bytes = made.SerializeToString()
    return payload


class Columnwise:
    """A model asked in columns, as if it had no codes: what explaining in codes must agree with."""

    def __init__(self, model: Model) -> None:
        self.outcomes, self.codes = model.outcomes, model.layout.players
        self.background_codes, self.background_weights = model.background, model.background_weights
        self.rows_at_once = 700
        self.headline_of = model.headline

    def encode(self, x: Rows) -> Rows:
        return x


# --- the same numbers


@pytest.mark.parametrize("name", [VENTILATION, TROPONIN])
def test_mixing_codes_is_mixing_columns(tmp_path: Path, name: str) -> None:
    model = load(build(tmp_path, name), "cpu")
    one, other = rows(model, seed=1), rows(model, seed=2)
    rng = np.random.default_rng(3)
    member = rng.random((len(one), len(model.codes))) < 0.5
    columns, codes = other.copy(), model.encode(other)
    ours = model.encode(one)
    for index, player in enumerate(model.layout.players):
        joins = member[:, index]
        for mixed, source, owned in (
            (columns, one, model.layout.players[player]),
            (codes, ours, model.codes[player]),
        ):
            mixed[np.ix_(joins, list(owned))] = source[np.ix_(joins, list(owned))]
    np.testing.assert_array_equal(model.encode(columns), codes)
    assert not np.array_equal(codes, ours)


@pytest.mark.parametrize("name", [VENTILATION, TROPONIN])
def test_an_explanation_in_codes_is_the_explanation_in_columns(tmp_path: Path, name: str) -> None:
    model = load(build(tmp_path, name), "cpu")
    for x in rows(model, 3):
        ours, theirs = (explain(x, asked, chart(), seed=4) for asked in (model, Columnwise(model)))
        assert ours.model_rows >= theirs.model_rows / 2
        pushes = {reason.variable: reason.push for reason in theirs.reasons}
        for reason in ours.reasons:
            assert reason.push == pytest.approx(pushes[reason.variable], abs=1e-5)
        assert (ours.base, ours.score) == pytest.approx((theirs.base, theirs.score), abs=1e-5)


@pytest.mark.parametrize("name", [VENTILATION, TROPONIN])
def test_one_graph_answers_and_explains_as_the_two_it_was_split_into(tmp_path: Path, name: str) -> None:
    two, one = load(build(tmp_path, name), "cpu"), load(build(tmp_path / "one", name, one_graph=True), "cpu")
    assert one.codes == one.layout.players
    x = rows(two)
    np.testing.assert_array_equal(one.encode(x), x)
    for ours, theirs in zip(_parts(one, x), _parts(two, x), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    said, told = (explain(x[0], model, chart(), seed=4) for model in (one, two))
    assert [r.variable for r in said.reasons[:5]] == [r.variable for r in told.reasons[:5]]


def _parts(model: Model, x: Rows) -> tuple[NDArray[np.float64], ...]:
    answer = model.run(x)
    return answer.logit, answer.members, np.log(answer.values), model.headline(x)


def test_an_artefact_of_one_graph_may_still_chain_hazards(tmp_path: Path) -> None:
    hazards = {"nested": False, "chained": True}
    model = load(build(tmp_path, one_graph=True, **hazards), "cpu")
    nested = load(build(tmp_path / "other", one_graph=True), "cpu")
    x = rows(model)
    session = model._graphs.model.session
    raw = session.run(["logits"], {"x": x})[0].astype(np.float64)
    np.testing.assert_allclose(model.run(x).logit, chain(raw.mean(axis=1)), atol=1e-9)
    assert (model.headline(x) != nested.headline(x)).any()


def test_many_rows_answer_in_parts_as_they_do_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load(folder, "cpu")
    x = rows(model, 50)
    whole, headline = model.run(x), model.headline(x)
    monkeypatch.setattr("inference.model.ROWS", 7)
    np.testing.assert_allclose(model.run(x).logit, whole.logit, atol=1e-6)
    np.testing.assert_allclose(model.headline(x), headline, atol=1e-6)
    assert model.run(x[:0]).logit.shape == (0, 3)
    assert model.headline(x[:0]).shape == (0,)


def test_codes_of_the_background_are_made_once(folder: Path) -> None:
    model = load(folder, "cpu")
    np.testing.assert_array_equal(model.background_codes, model.encode(model.background))
    assert model.background_codes.shape[1] == 2 * len(model.layout.names)


# --- not measured, and not sound


def identity(tmp_path: Path, kind: str) -> Path:
    """An artefact whose codes are one operation on its columns."""
    whole = release(VENTILATION, "0.0.1", one_graph=True)
    model = onnx.load_from_string(whole.graph)
    model.graph.input[0].name = "codes"
    for node in model.graph.node:
        node.input[:] = ["codes" if name == "x" else name for name in node.input]
        node.output[:] = ["inner" if name == "codes" else name for name in node.output]
    for node in model.graph.node[5:]:
        node.input[:] = ["inner" if name == "codes" else name for name in node.input]
    width = model.graph.input[0].type.tensor_type.shape.dim[1].dim_value
    layout = load(build(tmp_path / "layout"), "cpu").layout
    return write(
        replace(
            whole,
            graph=model.SerializeToString(),
            encoder=one_node(kind, width),
            codes=dict(layout.players),
            background=np.abs(whole.background) + 1,
        ),
        tmp_path,
    )


def test_what_was_not_measured_may_stay_so_in_the_codes(tmp_path: Path) -> None:
    model = load(identity(tmp_path, "Identity"), "cpu")
    x = rows(model)
    assert np.isnan(model.encode(x)).any()
    assert np.isfinite(model.run(x).logit).all()
    assert explain(x[0], model, chart(), seed=1).model_rows > 10


def test_codes_that_are_lost_or_infinite_are_unsound(tmp_path: Path) -> None:
    model = load(identity(tmp_path, "Log"), "cpu")
    x = np.full((2, len(model.layout.names)), 3.0, np.float32)
    model.encode(x)
    for value in (-1.0, 0.0, np.inf):  # NaN, -infinity, infinity
        x[1, model.layout.column("hr")] = value
        for ask in (model.encode, model.run, model.headline):
            with pytest.raises(UnsoundOutput):
                ask(x)


def test_codes_of_another_width_are_refused(folder: Path) -> None:
    with pytest.raises(VocabularyError, match="codes, got"):
        load(folder, "cpu").headline_of(np.zeros((1, 3), np.float32))


def test_infinite_codes_do_not_become_a_headline(folder: Path) -> None:
    model = load(folder, "cpu")
    codes = model.background_codes.copy()
    codes[1] = np.inf
    with pytest.raises(UnsoundOutput):
        model.headline_of(codes)


# --- what is refused of a folder


@pytest.mark.parametrize("part", GRAPHS)
def test_a_frozen_batch_axis_is_refused(folder: Path, part: str) -> None:
    graph = onnx.load(folder / part)
    for value in (*graph.graph.input, *graph.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 1
    onnx.save(graph, folder / part)
    resign(folder)
    with pytest.raises(GraphUnfit, match=f"{part}: the batch axis of .* is frozen"):
        load(folder, "cpu")


@pytest.mark.parametrize("part", GRAPHS)
def test_a_graph_that_does_not_give_what_is_asked_for_is_refused(folder: Path, part: str) -> None:
    swapped = GRAPHS[GRAPHS.index(part) - 1]
    (folder / part).write_bytes((folder / swapped).read_bytes())
    resign(folder)
    with pytest.raises(GraphUnfit, match=f"{part} does not give"):
        load(folder, "cpu")


def test_an_encoder_of_other_columns_is_refused(folder: Path) -> None:
    (folder / "encoder.onnx").write_bytes(one_node("Identity", 9))
    resign(folder)
    with pytest.raises(GraphUnfit, match="takes 9 columns"):
        load(folder, "cpu")


def test_an_encoder_that_makes_fewer_codes_than_the_model_takes_is_refused(folder: Path) -> None:
    width = len(load(folder, "cpu").layout.names)
    (folder / "encoder.onnx").write_bytes(one_node("Identity", width))
    resign(folder)
    with pytest.raises(GraphUnfit, match=f"{width} codes where the model takes {2 * width}"):
        load(folder, "cpu")


@pytest.mark.parametrize("spans", [[], [[0, 1]], [[0, 5]], [[0, 1], [400, 401]]])
def test_a_code_with_no_owner_or_two_is_refused(folder: Path, spans: list[list[int]]) -> None:
    resign(folder, lambda manifest: manifest["codes"].update(age=spans))
    with pytest.raises(GraphUnfit, match="codes has one owner"):
        load(folder, "cpu")


def test_codes_of_a_stranger_or_of_too_few_are_refused(folder: Path) -> None:
    resign(folder, lambda manifest: manifest["codes"].update(ferritin=manifest["codes"].pop("hr")))
    with pytest.raises(GraphUnfit, match="ferritin, hr"):
        load(folder, "cpu")


def test_a_player_with_one_span_may_be_written_without_the_list(tmp_path: Path) -> None:
    folder = identity(tmp_path, "Identity")
    resign(folder, lambda manifest: manifest.update(codes={p: s[0] for p, s in manifest["codes"].items()}))
    model = load(folder, "cpu")
    assert model.codes == model.layout.players


def test_an_encoder_without_owners_and_owners_without_an_encoder_are_refused(folder: Path) -> None:
    whole = (folder / MANIFEST).read_text()
    resign(folder, lambda manifest: manifest.pop("codes"))
    with pytest.raises(GraphUnfit, match="who owns its codes"):
        load(folder, "cpu")
    (folder / MANIFEST).write_text(whole)
    resign(folder, lambda manifest: manifest["files"].pop("encoder.onnx"))
    with pytest.raises(ArtifactMissing, match=r"encoder\.onnx"):
        load(folder, "cpu")


def test_a_headline_that_is_not_the_models_is_refused(folder: Path, tmp_path: Path) -> None:
    other = release(VENTILATION, "0.0.1")
    graph = onnx.load_from_string(other.headline)
    for constant in graph.graph.initializer:
        if constant.name == "bias":
            constant.CopyFrom(onnx.numpy_helper.from_array(np.full(1, -1.84, np.float32), "bias"))
    (folder / "headline.onnx").write_bytes(graph.SerializeToString())
    resign(folder)
    with pytest.raises(GraphUnfit, match="answers otherwise"):
        load(folder, "cpu")


def test_a_headline_of_chained_hazards_does_not_stand_alone(folder: Path) -> None:
    path = folder / "calibration.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"nested": False, "chained": True}))
    resign(folder)
    with pytest.raises(GraphUnfit, match="chained"):
        load(folder, "cpu")


@pytest.mark.parametrize(
    "part", ["encoder.onnx", "headline.onnx", "plots/ranking.svg", "weights.npz", "card.md"]
)
def test_every_file_the_manifest_lists_is_compared(tmp_path: Path, part: str) -> None:
    made = replace(
        release(VENTILATION, "0.0.1"),
        plots={"ranking.svg": "<svg/>"},
        texts={"card.md": "# Card"},
        trained={"first": np.ones(3, np.float32)},
    )
    folder = write(made, tmp_path)
    load(folder, "cpu")
    (folder / part).write_bytes((folder / part).read_bytes() + b" ")
    with pytest.raises(ChecksumMismatch, match=part):
        load(folder, "cpu")
    (folder / part).unlink()
    with pytest.raises(ArtifactMissing, match=Path(part).name):
        load(folder, "cpu")
