"""The side that asks: agree on scaling, then train in turns and average whoever answered.

How sites are reached is passed in (`Reach`): Flower in server.py, a plain call in tests. A site that does not answer
a round is left out of that round's mean and asked again in the next.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.federation import audit, learner
from training.federation.averaging import weighted_mean
from training.federation.home import COUNT
from training.federation.learner import PASSES, Agreed
from training.federation.recipe import Recipe

FEWEST: Final = 2  # sites without which a round is no federation
ARRIVED: Final = "arrived.jsonl"
FINISHED: Final = "weights.npz"


class TooFew(RuntimeError):
    """So few sites answered a round that its mean would be one hospital's weights."""


class Answer(NamedTuple):
    """What one site sent in one round. `examples` is 0 in the passes before training."""

    site: str
    arrays: Mapping[str, NDArray[Any]]
    examples: int = 0


class Question(NamedTuple):
    """What every site is sent. `turn` 1.. trains; 0 and below are the passes before it, with no weights."""

    recipe: Recipe
    turn: int
    agreed: Agreed
    arrays: Mapping[str, NDArray[np.float32]]


Reach = Callable[[Question], list[Answer]]
Told = Callable[[int, list[str]], None]
"""Called after each round with its number and the sites that answered."""


def federate(recipe: Recipe, reach: Reach, folder: Path, told: Told, *, fewest: int = FEWEST) -> Path:
    """Trains as the recipe says and gives the file of the final weights, with what was agreed beside them.

    Goes on where an earlier run in this folder stopped. Raises TooFew, and Disagreement when answers do not fit.
    """
    folder.mkdir(parents=True, exist_ok=True)
    agreed = _agreed(recipe, reach, folder, told, fewest)
    done, arrays = _latest(folder, recipe, agreed)
    for turn in range(done + 1, recipe.rounds + 1):
        answers = _answers(Question(recipe, turn, agreed, arrays), reach, folder, fewest)
        arrays = weighted_mean([(answer.arrays, answer.examples) for answer in answers])
        save(_round(folder, turn), arrays)
        told(turn, [answer.site for answer in answers])
    save(folder / FINISHED, {f"weights/{n}": a for n, a in arrays.items()} | agreed_names(agreed))
    return folder / FINISHED


def load(path: Path) -> tuple[dict[str, NDArray[np.float32]], dict[str, NDArray[Any]]]:
    """Weights and what was agreed, of a finished training."""
    with np.load(path, allow_pickle=False) as file:
        parts: dict[str, dict[str, NDArray[Any]]] = {"weights": {}, "agreed": {}}
        for key in file.files:
            part, _, name = key.partition("/")
            parts[part][name] = file[key]
    return parts["weights"], parts["agreed"]


def save(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Whole or not at all: a run that is stopped while it writes leaves no half file."""
    partial = path.with_suffix(".partial.npz")
    np.savez(partial, **arrays)  # type: ignore[arg-type]  # numpy's stub takes no mapping of keywords
    partial.rename(path)


def agreed_names(agreed: Agreed) -> dict[str, NDArray[Any]]:
    """Under the names that `load` knows."""
    return {f"agreed/{name}": array for name, array in agreed.items()}


def _agreed(recipe: Recipe, reach: Reach, folder: Path, told: Told, fewest: int) -> Agreed:
    path = folder / "agreed.npz"
    if path.exists():
        return load(path)[1]
    agreed: Agreed = {}
    for step in range(PASSES):
        answers = _answers(Question(recipe, -step, agreed, {}), reach, folder, fewest)
        total = {
            name: np.sum([answer.arrays[name] for answer in answers], axis=0) for name in answers[0].arrays
        }
        agreed = learner.agree(agreed, total)
        told(-step, [answer.site for answer in answers])
    save(path, agreed_names(agreed))
    return agreed


def _answers(question: Question, reach: Reach, folder: Path, fewest: int) -> list[Answer]:
    """Sorted by site, so that who was quickest changes no digit; each is listed as it arrives."""
    answers = sorted(reach(question), key=lambda answer: answer.site)
    for answer in answers:
        kind = "weights" if question.turn > 0 else "sums"
        lines = audit.passages(question.recipe.digest, question.turn, answer.site, kind, answer.arrays)
        if question.turn > 0:
            counted = {COUNT: np.array(answer.examples)}
            lines += audit.passages(question.recipe.digest, question.turn, answer.site, "count", counted)
        audit.write(folder / ARRIVED, lines)
    if len(answers) < fewest:
        heard = ", ".join(answer.site for answer in answers) or "no site"
        raise TooFew(f"round {question.turn}: {heard} answered, {fewest} sites are needed")
    return answers


def _latest(folder: Path, recipe: Recipe, agreed: Agreed) -> tuple[int, dict[str, NDArray[np.float32]]]:
    """The last finished round and its weights; 0 and the untrained network's where there is none."""
    done = max((t for t in range(1, recipe.rounds + 1) if _round(folder, t).exists()), default=0)
    if not done:
        return 0, learner.learner(recipe, agreed).parameters()
    with np.load(_round(folder, done), allow_pickle=False) as file:
        return done, {name: file[name] for name in file.files}


def _round(folder: Path, turn: int) -> Path:
    return folder / f"round-{turn:03d}.npz"
