"""What every site is asked to do, in a text small enough to read before agreeing to it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from math import cos, pi
from typing import Any, Final

from training.tasks import SEED, Task

ROUNDS: Final = 10
NOBODY: Final = -1  # as `held`: every row trains


@dataclass(frozen=True, slots=True)
class Recipe:
    """One federated training. `epochs` are those of one site in one round; `proximal` 0 is FedAvg, more FedProx."""

    task: str
    inputs: tuple[str, ...]
    kind: str  # of the network's head, as training.tasks has it
    shape: Mapping[str, Any]  # of the network, as training.tasks has it
    rounds: int
    epochs: int
    rate: float
    proximal: float
    seed: int
    held: int = NOBODY  # the fold that no site trains on

    def rate_in(self, turn: int) -> float:
        """Learning rate of round `turn`, 1 .. rounds: falls as half a cosine, never to nothing."""
        return self.rate * (1 + cos(pi * (turn - 1) / self.rounds)) / 2

    def seed_of(self, site: str, turn: int) -> int:
        """A site's own seed in a round: the same in every run of this recipe."""
        said = f"{self.seed} {site} {turn}".encode()
        return int.from_bytes(hashlib.sha256(said).digest()[:4], "big")

    def text(self) -> str:
        """JSON, always the same for the same recipe."""
        return json.dumps(asdict(self), sort_keys=True)

    @property
    def digest(self) -> str:
        """Short name of this recipe, for folders and audit lines."""
        return hashlib.sha256(self.text().encode()).hexdigest()[:12]

    def holding(self, fold: int) -> Recipe:
        """The same, with another fold held back."""
        return replace(self, held=fold)


def read(text: str) -> Recipe:
    """The recipe of a JSON text. Raises ValueError or TypeError when it is none."""
    said = json.loads(text)
    return Recipe(**said | {"inputs": tuple(said["inputs"])})


def recipe_for(
    task: Task, *, rounds: int = ROUNDS, epochs: int | None = None, proximal: float = 0.0, seed: int = SEED
) -> Recipe:
    """As many epochs in all as the task trains for in one place, unless `epochs` a round are given."""
    return Recipe(
        task=task.name,
        inputs=task.inputs,
        kind=task.kind,
        shape=asdict(task.shape),
        rounds=rounds,
        epochs=epochs or max(1, round(task.shape.epochs / rounds)),
        rate=task.shape.rate,
        proximal=proximal,
        seed=seed,
    )
