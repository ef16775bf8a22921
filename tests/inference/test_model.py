"""Artefact folder -> runnable model."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from inference.assessment import TROPONIN, VENTILATION
from inference.errors import (
    ArtifactMissing,
    ChecksumMismatch,
    DeviceUnavailable,
    UnsoundOutput,
    VocabularyError,
)
from inference.model import MANIFEST, PARTS, load, newest, sha256_of
from tests.artefacts import build

ARTIFACTS = Path(__file__).parents[2] / "inference" / "artifacts"
RELEASED = sorted(path.parent for path in ARTIFACTS.glob(f"*/*/{MANIFEST}"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return build(tmp_path, VENTILATION)


def resign(folder: Path, **changes: object) -> None:
    manifest = json.loads((folder / MANIFEST).read_text()) | changes
    manifest["files"] = {part: sha256_of(folder / part) for part in manifest["files"]}
    (folder / MANIFEST).write_text(json.dumps(manifest))


def test_outcomes_within_longer_windows_are_never_less_likely(folder: Path) -> None:
    model = load(folder, "cpu")
    rng = np.random.default_rng(3)
    x = rng.normal(0, 500, size=(400, len(model.layout.names))).astype(np.float32)
    x[rng.random(x.shape) < 0.4] = np.nan
    answer = model.run(x)
    for p in (answer.probability, *np.moveaxis(answer.members, 1, 0)):
        assert (np.diff(p, axis=1) >= -1e-12).all()
        assert ((p >= 0) & (p <= 1)).all()


def test_the_explained_score_is_the_shown_score(folder: Path) -> None:
    model = load(folder, "cpu")
    shown = model.run(model.background).logit[:, -1]
    np.testing.assert_allclose(model.headline(model.background), shown, atol=1e-6)


def test_a_row_answers_alone_as_it_does_in_company(folder: Path) -> None:
    model = load(folder, "cpu")
    alone = np.concatenate([model.headline(row[None]) for row in model.background])
    np.testing.assert_allclose(alone, model.headline(model.background), atol=1e-6)


def test_a_forecast_is_in_order_and_in_nanograms(tmp_path: Path) -> None:
    model = load(build(tmp_path, TROPONIN), "cpu")
    x = np.full((1, len(model.layout.names)), np.nan, np.float32)
    x[0, model.layout.column("troponin_t")] = np.log(120.0)
    low, median, high = model.run(x).values[0]
    assert low < median < high
    assert median == pytest.approx(120, rel=1e-5)


@pytest.mark.parametrize("part", PARTS)
def test_any_changed_file_is_refused_by_name(folder: Path, part: str) -> None:
    path = folder / part
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(ChecksumMismatch, match=part):
        load(folder, "cpu")


@pytest.mark.parametrize("part", [MANIFEST, *PARTS])
def test_any_absent_file_is_refused_by_name(folder: Path, part: str) -> None:
    (folder / part).unlink()
    with pytest.raises(ArtifactMissing, match=part):
        load(folder, "cpu")


def test_a_manifest_that_signs_only_some_files_is_refused(folder: Path) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    del manifest["files"]["calibration.json"]
    (folder / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(ArtifactMissing, match=r"calibration\.json"):
        load(folder, "cpu")


@pytest.mark.parametrize("change", [{"vocabulary": "0" * 64}, {"features": ["age"]}])
def test_another_vocabulary_or_other_features_are_refused(folder: Path, change: dict[str, object]) -> None:
    resign(folder, **change)
    with pytest.raises(VocabularyError, match="train again"):
        load(folder, "cpu")


def test_nan_in_is_an_answer_and_infinity_in_is_unsound(folder: Path) -> None:
    model = load(folder, "cpu")
    x = np.full((1, len(model.layout.names)), np.nan, np.float32)
    assert np.isfinite(model.run(x).logit).all()
    x[0, model.layout.column("hr")] = np.inf
    with pytest.raises(UnsoundOutput):
        model.run(x)


def test_a_row_of_the_wrong_width_is_refused(folder: Path) -> None:
    with pytest.raises(VocabularyError, match="takes"):
        load(folder, "cpu").run(np.zeros((1, 3), np.float32))


def test_a_required_gpu_that_is_not_there_is_refused(folder: Path) -> None:
    if load(folder, "auto").device == "CUDAExecutionProvider":
        pytest.skip("this machine has one")
    with pytest.raises(DeviceUnavailable):
        load(folder, "cuda")


def test_what_lies_beyond_training_is_named_and_what_is_not_measured_is_not(folder: Path) -> None:
    model = load(folder, "cpu")
    x = np.full(len(model.layout.names), np.nan, np.float32)
    assert model.outside(x) == ()
    x[model.layout.column("hr")] = 260
    assert model.outside(x) == ("hr",)


def test_members_that_disagree_are_not_stood_behind(tmp_path: Path) -> None:
    model = load(build(tmp_path), "cpu")
    answer = model.run(model.background)
    each, said = answer.members[0, :, -1], float(answer.probability[0, -1])
    for low, high, code in (
        (said + 1e-6, float(each.max()) - 1e-6, "members-apart"),
        (float(each.min()) + 1e-6, said - 1e-6, "members-apart"),
        (float(each.max()) + 1e-6, 1.0, None),  # all of them on one side, however far apart
        (0.0, float(each.min()) - 1e-6, None),
    ):
        model.calibration = replace(model.calibration, positive=low, negative=high)
        phrase = model.doubtful(answer, 0)
        assert (phrase.code if phrase else None) == code


def test_a_probability_ordinary_for_both_outcomes_is_not_stood_behind(tmp_path: Path) -> None:
    model = load(build(tmp_path, positive=0.0, negative=1.0), "cpu")
    phrase = model.doubtful(model.run(model.background), 0)
    assert phrase is not None
    assert phrase.code == "both-labels"


def test_the_interval_holds_the_shown_probability(folder: Path) -> None:
    model = load(folder, "cpu")
    answer = model.run(model.background)
    for row in range(len(model.background)):
        low, high = model.interval(answer, row, 2)
        assert low < answer.probability[row, 2] < high


def test_the_newest_version_is_by_number_and_not_by_letter(tmp_path: Path) -> None:
    for version in ("0.9.0", "0.10.0"):
        build(tmp_path, VENTILATION, version)
    assert newest(tmp_path, VENTILATION).name == "0.10.0"
    with pytest.raises(ArtifactMissing, match=TROPONIN):
        newest(tmp_path, TROPONIN)


@pytest.mark.parametrize("released", RELEASED, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_a_released_model_is_whole_and_sound(released: Path) -> None:
    model = load(released, "cpu")
    assert np.isfinite(model.run(model.background).logit).all()
    assert model.background_weights.sum() == pytest.approx(1)
    assert 0 < model.base_rate < 1
    assert set(model.important) <= set(model.layout.inputs)


def test_the_released_ventilation_model_puts_the_failing_patient_above_the_stable_one() -> None:
    model = load(newest(ARTIFACTS, VENTILATION), "cpu")
    columns = ("hr", "rr", "spo2", "sbp", "gcs", "fio2")
    rows = []
    for values in ((80, 16, 97, 125, 15, np.nan), (105, 26, 92, 120, 15, 40), (122, 34, 88, 115, 12, 60)):
        x = np.full(len(model.layout.names), np.nan, np.float32)
        for name, value in zip(columns, values, strict=True):
            value = np.log(value) if name == "fio2" else value
            for statistic in {"last", "mean", "low", "high"} & set(_statistics(model, name)):
                x[model.layout.column(name, statistic)] = value
        rows.append(x)
    stable, worse, failing = model.headline(np.stack(rows))
    assert stable < worse < failing


def _statistics(model, player: str) -> list[str]:
    return [model.layout.names[column].split(":")[1] for column in model.layout.players[player]]
