"""Two boosters as one, and trees that see a troponin's course alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("lightgbm", reason="training needs requirements-train.txt")

import lightgbm
import torch

from inference.features import layout_for
from training.adaptation.ways import shifted
from training.booster import prove
from training.forest import grow
from training.forest_text import forest_of, texts
from training.learning import Examples
from training.mixing import mixed
from training.network import Ensemble, Shape, raw_columns
from training.tasks import Growth

ROWS = 1200
TROPONINS = ("troponin_t", "troponin_i", "hs_troponin_t", "hs_troponin_i")
LAYOUT = layout_for((*TROPONINS, "hr", "creatinine", "course"), "troponin-trend")
NARROW = Growth(rounds=7, least=20, leaves=6, columns=1.0)


def booster(seed: int, columns: int = 5, rounds: int = 6) -> lightgbm.Booster:
    """Trees of some rows, a fifth of whose values are missing."""
    rng = np.random.default_rng(seed)
    data = lightgbm.Dataset(rows(rng, columns), rng.random(ROWS) < 0.3)
    return lightgbm.train({"objective": "binary", "verbose": -1, "num_threads": 1}, data, rounds)


def rows(rng: np.random.Generator, columns: int = 5) -> Any:
    """Values [ROWS,columns], a fifth of them missing."""
    x = rng.normal(size=(ROWS, columns)).astype(np.float32)
    x[rng.random(x.shape) < 0.2] = np.nan
    return x


def grown(growth: Growth, kind: str = "trend") -> tuple[Any, Ensemble, Any]:
    """A forest, its model, and the raw columns it was grown on."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(ROWS, len(LAYOUT.names))).astype(np.float32)
    y = x[:, LAYOUT.column("troponin_t")] + rng.normal(size=ROWS) > 1
    torch.manual_seed(1)
    model = Ensemble(LAYOUT, x, Shape(members=2, wide=8, narrow=4), kind)
    nothing = np.full(ROWS, np.nan, np.float32)
    aim = rng.normal(size=ROWS).astype(np.float32)
    patient = np.array([f"p{number % 100}" for number in range(ROWS)])
    examples = Examples(x, y, nothing, aim, nothing, patient, np.full(ROWS, "one"))
    return grow(model, examples, LAYOUT, 1, 1, lambda: None, growth), model, raw_columns(model, x)


def split_on(booster: lightgbm.Booster, first: int) -> set[int]:
    """Columns that the trees from number `first` on are split on."""
    frame = booster.trees_to_dataframe()
    named = frame[frame.tree_index >= first].split_feature.dropna()
    return {int(name.removeprefix("Column_")) for name in named}


@pytest.mark.parametrize("share", [0.0, 0.35, 1.0])
def test_a_mixture_answers_the_weighted_mean(share: float) -> None:
    first, second = booster(1), booster(2, rounds=9)
    x = rows(np.random.default_rng(9))
    wanted = (1 - share) * first.predict(x, raw_score=True) + share * second.predict(x, raw_score=True)
    made = mixed(first, second, share)
    assert made.num_trees() == 15
    assert np.abs(made.predict(x, raw_score=True) - wanted).max() < 1e-12


def test_a_mixture_is_a_booster_like_any_other() -> None:
    made, x = mixed(booster(1), booster(2), 0.4), rows(np.random.default_rng(9))
    assert prove(made, x[:600]) <= 1e-5
    moved = shifted(made, 0.7).predict(x, raw_score=True) - made.predict(x, raw_score=True)
    assert np.allclose(moved, 0.7, atol=1e-12)
    data = lightgbm.Dataset(x, np.random.default_rng(4).random(ROWS) < 0.3)
    further = lightgbm.train({"objective": "binary", "verbose": -1}, data, 3, init_model=made)
    assert further.num_trees() == made.num_trees() + 3


def test_boosters_of_other_columns_do_not_mix() -> None:
    with pytest.raises(ValueError, match="5 and 6 columns"):
        mixed(booster(1), booster(1, columns=6), 0.5)
    with pytest.raises(ValueError, match=r"1\.2"):
        mixed(booster(1), booster(2), 1.2)


def test_narrow_trees_are_split_on_the_troponins_course_and_the_hours_in_the_stay_alone() -> None:
    forest, model, raw = grown(Growth(rounds=5, least=20, bootstrap=False, narrow=NARROW, share=0.5))
    own = set(range(model.course, raw.shape[1])) | {model.rest.index(LAYOUT.column("hours_in_stay"))}
    for member in forest.members:
        assert member.num_trees() == 12
        assert split_on(member, 5) <= own
        assert split_on(member, 5) & set(range(model.course, raw.shape[1]))
        assert not split_on(member, 0) <= own


def test_a_mixed_forest_is_kept_as_text_and_read_again() -> None:
    forest, _, raw = grown(Growth(rounds=5, least=20, narrow=NARROW, share=0.35))
    kept = texts(forest)
    again = forest_of(kept, forest.offset)
    assert np.array_equal(again.logits(raw), forest.logits(raw))
    assert not any("leaf_count" in text or "tree_sizes" in text for text in kept.values())


def test_a_model_without_a_troponin_has_no_narrow_trees() -> None:
    with pytest.raises(ValueError, match="troponin"):
        grown(Growth(rounds=5, least=20, narrow=NARROW, share=0.35), "onset")
