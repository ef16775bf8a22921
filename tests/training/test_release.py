"""A release: the same bytes twice, nothing pickled, and nothing left behind that cannot be explained."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from inference.assessment import TROPONIN, VENTILATION
from inference.errors import GraphUnfit
from inference.model import MANIFEST, PARTS, load, sha256_of
from tests.artefacts import release
from training.release import Release, ReleaseUnsound, prove, write


@pytest.fixture
def whole() -> Release:
    """A release with everything it may have."""
    return replace(
        release(TROPONIN, "0.2.0"),
        before_first=True,
        assays=("troponin_t", "troponin_i"),
        plots={"ranking.svg": "<svg/>"},
        texts={"card.md": "# Troponin, ≥ 20 %\n"},
        trained={"first.weight": np.eye(3, dtype=np.float32), "step": np.arange(4)},
    )


def test_everything_released_is_listed_with_its_checksum(whole: Release, tmp_path: Path) -> None:
    folder = write(whole, tmp_path)
    manifest = json.loads((folder / MANIFEST).read_text())
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert set(manifest["files"]) | {MANIFEST} == files
    extra = {"encoder.onnx", "plots/ranking.svg", "card.md", "weights.npz"}
    assert set(manifest["files"]) == {*PARTS, *extra}
    assert (folder / "card.md").read_text(encoding="utf-8") == "# Troponin, ≥ 20 %\n"
    assert manifest["before_first"] is True
    assert manifest["assays"] == ["troponin_t", "troponin_i"]
    assert list(manifest["codes"]) == list(load(folder, "cpu").layout.players)


def test_the_same_release_gives_the_same_bytes(whole: Release, tmp_path: Path) -> None:
    one, other = write(whole, tmp_path / "one"), write(whole, tmp_path / "other")
    assert (one / MANIFEST).read_bytes() == (other / MANIFEST).read_bytes()
    with zipfile.ZipFile(one / "weights.npz") as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    moved = replace(whole, trained={"first.weight": np.eye(3, dtype=np.float32) * 2, "step": np.arange(4)})
    third = write(moved, tmp_path / "third")
    assert sha256_of(third / "weights.npz") != sha256_of(one / "weights.npz")


def test_further_training_starts_from_arrays_and_nothing_pickled(whole: Release, tmp_path: Path) -> None:
    found = np.load(write(whole, tmp_path) / "weights.npz", allow_pickle=False)
    np.testing.assert_array_equal(found["first.weight"], np.eye(3))
    with pytest.raises(ValueError, match=r"[Oo]bject"):
        write(replace(whole, trained={"it": np.array([object()])}), tmp_path / "other")


def test_a_released_version_is_not_written_over_unless_told(whole: Release, tmp_path: Path) -> None:
    folder = write(whole, tmp_path)
    with pytest.raises(FileExistsError, match="raise the version"):
        write(whole, tmp_path)
    write(replace(whole, texts={}), tmp_path, replace=True)
    assert not (folder / "card.md").exists()


def test_an_encoder_that_lets_players_into_each_others_codes_is_not_released(tmp_path: Path) -> None:
    made = release(VENTILATION, "0.2.0")
    assert made.encoder is not None
    graph = onnx.load_from_string(made.encoder)
    width = graph.graph.output[0].type.tensor_type.shape.dim[1].dim_value
    blend = np.eye(width, dtype=np.float32)
    blend[3, 4] = 0.01  # a little of one column in another's code
    graph.graph.node[-1].output[0] = "pure"
    graph.graph.node.append(helper.make_node("MatMul", ["pure", "blend"], ["codes"]))
    graph.graph.initializer.append(numpy_helper.from_array(blend, "blend"))
    same = replace(made, encoder=graph.SerializeToString())
    inner = load(write(made, tmp_path / "sound"), "cpu").codes
    within = next(columns for columns in inner.values() if 3 in columns)
    assert 4 in within  # both of the heart rate: mixing cannot tell, and need not
    write(same, tmp_path / "within")
    blend[3, 40] = 0.01
    graph.graph.initializer[-1].CopyFrom(numpy_helper.from_array(blend, "blend"))
    with pytest.raises(ReleaseUnsound, match="another's columns"):
        write(replace(made, encoder=graph.SerializeToString()), tmp_path / "across")
    assert not list((tmp_path / "across").rglob(MANIFEST))


def test_a_release_that_would_not_load_leaves_no_manifest(whole: Release, tmp_path: Path) -> None:
    assert whole.codes is not None
    short = {player: tuple(columns)[:1] for player, columns in whole.codes.items()}
    with pytest.raises(GraphUnfit):
        write(replace(whole, codes=short), tmp_path)
    assert not list(tmp_path.rglob(MANIFEST))


@pytest.mark.parametrize("lacking", ["codes", "encoder"])
def test_an_encoder_and_the_owners_of_its_codes_come_together(
    whole: Release, tmp_path: Path, lacking: str
) -> None:
    with pytest.raises(ReleaseUnsound, match="together"):
        write(replace(whole, **{lacking: None}), tmp_path)


def test_a_sound_encoder_is_proven_exactly(whole: Release, tmp_path: Path) -> None:
    assert prove(load(write(whole, tmp_path), "cpu")) == 0.0
