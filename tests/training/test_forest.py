"""How trees are grown: by a task's own settings, on a bootstrap of patients or on everybody."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("lightgbm", reason="training needs requirements-train.txt")

import torch

from inference.features import layout_for
from training.booster import prove
from training.forest import Forest, grow
from training.learning import Examples
from training.network import Ensemble, Shape, raw_columns
from training.tasks import Growth

ROWS, PATIENTS = 3000, 300
LAYOUT = layout_for(("hr", "sbp", "creatinine", "course"), "ventilation-need")


def grown(growth: Growth) -> tuple[Forest, Any]:
    """A forest, and the raw columns it was grown on."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(ROWS, len(LAYOUT.names))).astype(np.float32)
    y = x[:, 3] + rng.normal(size=ROWS) > 1
    nothing = np.full(ROWS, np.nan, np.float32)
    patient = np.array([f"p{number % PATIENTS}" for number in range(ROWS)])
    torch.manual_seed(1)
    model = Ensemble(LAYOUT, x, Shape(members=3, wide=8, narrow=4), "onset")
    examples = Examples(x, y, nothing, nothing, nothing, patient, np.full(ROWS, "one"))
    return grow(model, examples, LAYOUT, 1, 1, lambda: None, growth), raw_columns(model, x)


def seen(booster: Any) -> int:
    """Rows that the first tree was grown on."""
    return int(booster.dump_model(num_iteration=1)["tree_info"][0]["tree_structure"]["internal_count"])


def test_on_everybody_each_booster_sees_its_share_of_all_rows_and_only_chance_sets_them_apart() -> None:
    forest, raw = grown(Growth(rounds=5, least=20, bootstrap=False, rows=0.5))
    assert [seen(booster) for booster in forest.members] == pytest.approx([ROWS / 2] * 3, rel=0.03)
    first, second, _ = forest.logits(raw).T
    assert not np.array_equal(first, second)


def test_on_a_bootstrap_a_third_of_the_patients_is_not_drawn() -> None:
    forest, _ = grown(Growth(rounds=5, least=20, rows=0.5))
    drawn = [seen(booster) / (ROWS / 2) for booster in forest.members]
    assert drawn == pytest.approx([1 - np.exp(-1)] * 3, abs=0.08)


def test_drawn_thresholds_are_answered_by_the_graph_as_sought_ones_are() -> None:
    sought, raw = grown(Growth(rounds=5, least=20))
    by_chance, _ = grown(Growth(rounds=5, least=20, chance=True))
    assert not np.array_equal(sought.logits(raw), by_chance.logits(raw))
    assert prove(by_chance.members[0], raw[:600]) <= 1e-5


def test_the_same_seed_grows_the_same_trees() -> None:
    growth = Growth(rounds=5, least=20, chance=True, bootstrap=False)
    np.testing.assert_array_equal(*(forest.logits(raw) for forest, raw in (grown(growth), grown(growth))))
