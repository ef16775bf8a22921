"""Trees as text: the same answers, nothing of the rows."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("lightgbm", reason="training needs requirements-train.txt")

import lightgbm

from training.booster import attributes
from training.forest import GROWN, Forest
from training.forest_text import MEDIAN, copied, forest_of, texts

ROWS = np.random.default_rng(0).normal(size=(3000, 7)).astype(np.float32)
OUTCOME = ROWS[:, 0] + np.random.default_rng(1).normal(size=3000) > 1


def grown(median: bool) -> Forest:
    x = np.where(np.random.default_rng(2).random(ROWS.shape) < 0.2, np.nan, ROWS)
    settings = {**GROWN, "seed": 1, "num_threads": 1}
    made = [lightgbm.train(settings, lightgbm.Dataset(x, OUTCOME), 5) for _ in range(2 + median)]
    return Forest(tuple(made[:2]), made[2] if median else None, -1.5)


@pytest.mark.parametrize("median", [False, True])
def test_a_forest_read_from_its_texts_answers_the_same(median: bool) -> None:
    forest = grown(median)
    kept = texts(forest)
    assert set(kept) == {"forest/0.txt", "forest/1.txt", *([MEDIAN] if median else [])}
    again = forest_of(kept, forest.offset)
    np.testing.assert_array_equal(again.logits(ROWS), forest.logits(ROWS))
    assert attributes(again.members[0]) == attributes(forest.members[0])
    assert (again.median is None) == (not median)
    assert texts(again) == kept


def test_the_texts_tell_nothing_of_the_rows() -> None:
    (text, *_) = texts(grown(False)).values()
    for word in ("leaf_count", "leaf_weight", "internal_", "["):
        assert word not in text


def test_a_copy_may_be_changed_without_the_first() -> None:
    booster = grown(False).members[0]
    other = copied(booster)
    other.set_leaf_output(0, 0, 9.0)
    assert booster.get_leaf_output(0, 0) != 9.0


@pytest.mark.parametrize("kept", [{}, {"forest/1.txt": "tree"}, {MEDIAN: "tree"}])
def test_a_forest_without_a_member_is_refused(kept: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="no whole forest"):
        forest_of(kept, 0.0)


def test_a_text_that_is_no_booster_is_refused(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="no booster can be read"):
        forest_of({"forest/0.txt": "nothing of the kind"}, 0.0)
