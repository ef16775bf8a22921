"""What one site does when it is asked, with its own rows and nobody else's.

Both answers leave through the door (audit.py): only names and shapes that were asked for, and each is listed in
the site's own `left.jsonl` before it goes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from training.federation import audit, learner
from training.federation.averaging import Arrays
from training.federation.learner import Agreed
from training.federation.recipe import Recipe
from training.federation.sites import LEFT, home_rows

COUNT = "examples"


class Trained(NamedTuple):
    """A site's answer to one round."""

    arrays: dict[str, NDArray[np.float32]]
    examples: int


def sums(home: Path, recipe: Recipe, turn: int, agreed: Agreed) -> dict[str, NDArray[Any]]:
    """The site's sums of one pass before training. `turn` 0 is the first pass, -1 the second."""
    still()
    rows = home_rows(home, recipe.held)
    said = learner.told(rows, recipe, agreed)
    nobody = learner.told(rows.where(np.zeros(len(rows), bool)), recipe, agreed)
    _out(home, recipe, turn, "sums", said, {name: array.shape for name, array in nobody.items()})
    return said


def train(home: Path, recipe: Recipe, turn: int, agreed: Agreed, arrays: Arrays) -> Trained:
    """The weights after this site's epochs of round `turn`, and how many rows they saw."""
    still()
    one = learner.learner(recipe, agreed)
    one.set_parameters(arrays)
    seed = recipe.seed_of(home.name, turn)
    rows = home_rows(home, recipe.held)
    seen = one.fit(rows, seed, recipe.epochs, recipe.rate_in(turn), recipe.proximal)
    found = one.parameters()
    _out(home, recipe, turn, "weights", found, {name: array.shape for name, array in arrays.items()})
    _out(home, recipe, turn, "count", {COUNT: np.array(seen)}, {COUNT: ()})
    return Trained(found, seen)


def still() -> None:
    """One thread and no choice of algorithm: the same seed gives the same weights."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)


def _out(
    home: Path,
    recipe: Recipe,
    turn: int,
    kind: str,
    arrays: Mapping[str, NDArray[Any]],
    shapes: Mapping[str, tuple[int, ...]],
) -> None:
    audit.permit(arrays, shapes)
    audit.write(home / LEFT, audit.passages(recipe.digest, turn, home.name, kind, arrays))
