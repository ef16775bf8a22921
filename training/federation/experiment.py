"""Is it worth it? Every site alone, all rows in one place, and federated, on the same held-back patients.

Each fold of each way is kept as it is done, so that a run that was stopped goes on where it was. Nothing is chosen
on the rows it is judged on: all three learn by the same recipe, for as many epochs in all.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, fields
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from training.federation import averaging, flower, home, learner, rounds, sites
from training.federation.learner import PASSES, Agreed, Learner
from training.federation.recipe import Recipe
from training.federation.sites import Site
from training.matrix import Table

ALONE, POOLED, FEDERATED = "alone", "pooled", "federated"
WAYS: Final = (ALONE, POOLED, FEDERATED)
Say = Callable[[str], None]
Across = Callable[[Recipe, Path, Say], Path]
"""Trains by a recipe over the sites, keeping rounds in a folder to resume from; gives the file of the weights."""

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Experiment:
    """What is compared, and where it is kept. `fold` [N]: when a row is held back; `names` [N]: each row's site."""

    rows: Table
    names: NDArray[np.str_]
    fold: NDArray[np.int_]
    recipe: Recipe
    folds: int  # how many of them are run
    work: Path

    @cached_property
    def folder(self) -> Path:
        """Named after all that decides the outcome, so that nothing stale is resumed."""
        digest = hashlib.sha256(self.recipe.text().encode())
        modules = (averaging, home, rounds, sites)
        for path in (*learner.sources(), *(Path(str(module.__file__)) for module in modules), Path(__file__)):
            digest.update(path.read_bytes())
        for item in fields(Table):
            digest.update(np.ascontiguousarray(getattr(self.rows, item.name)).tobytes())
        digest.update(np.ascontiguousarray(self.names).tobytes() + self.fold.tobytes())
        return self.work.resolve() / f"{self.recipe.task}-{digest.hexdigest()[:12]}"

    @property
    def homes(self) -> list[Path]:
        """Every site's folder."""
        return list(sites.homes(self.folder / "sites"))

    def training(self, fold: int, name: str | None = None) -> Table:
        """What trains while `fold` is held back, at one site or at all; in the order in which sites have it."""
        keep = (self.fold != fold) & ~self.rows.too_soon
        return self.rows.where(keep & (self.names == name) if name else keep)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Log-odds by way [N], NaN where the fold was not run; seconds of training by way; who the sites are."""

    answers: Mapping[str, Floats]
    seconds: Mapping[str, float]
    sites: list[Site]


def run(experiment: Experiment, across: Across, say: Say) -> Outcome:
    """All folds of all ways. Raises what `across` raises."""
    home.still()
    found = split(experiment, say)
    answers = {way: np.full(len(experiment.rows), np.nan, np.float32) for way in WAYS}
    seconds = dict.fromkeys(WAYS, 0.0)
    for fold in range(experiment.folds):
        held = experiment.fold == fold
        for way in WAYS:
            at = partial(_at, say, f"fold {fold + 1} of {experiment.folds}, {way}")
            kept = _kept(experiment, way, fold, across, at)
            answers[way][held] = kept["answers"]
            seconds[way] += float(kept["seconds"])
    return Outcome(answers, seconds, found)


def split(experiment: Experiment, say: Say) -> list[Site]:
    """Gives every site its own rows, once."""
    say("splitting the rows by site")
    folder = experiment.folder / "sites"
    if not (folder / sites.LIST).exists():
        return sites.split(experiment.rows, experiment.names, experiment.fold, folder)
    return sites.listed(folder)


def in_one_place(rows: Table, recipe: Recipe) -> Learner:
    """The same network by the same recipe, from rows that are all here."""
    agreed: Agreed = {}
    for _ in range(PASSES):
        agreed = learner.agree(agreed, learner.told(rows, recipe, agreed))
    one = learner.learner(recipe, agreed)
    one.fit(rows, recipe.seed, recipe.rounds * recipe.epochs, recipe.rate, 0.0)
    return one


class Flower:
    """Across sites by Flower, whose processes are started when they are first needed and stopped on leaving."""

    def __init__(self, experiment: Experiment, environment: Path) -> None:
        self._experiment, self._environment = experiment, environment
        self._stack = ExitStack()
        self.running: flower.Processes | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def __call__(self, recipe: Recipe, folder: Path, say: Say) -> Path:
        if self.running is None:
            one = self._experiment
            started = flower.processes(one.homes, one.folder / "work", self._environment)
            self.running = self._stack.enter_context(started)
        return flower.run(self.running, recipe, folder, say)


def _at(say: Say, where: str, text: str) -> None:
    say(f"{where}: {text}")


def _kept(
    experiment: Experiment, way: str, fold: int, across: Across, say: Say
) -> Mapping[str, NDArray[Any]]:
    """The answers to the held-back rows, made unless they are there."""
    path = experiment.folder / "answers" / f"{way}-{fold}.npz"
    if not path.exists():
        say("training")
        begun, found = time.monotonic(), np.full(len(experiment.rows), np.nan, np.float32)
        for here, model in _models(experiment, way, fold, across, say):
            found[here] = model.ask(experiment.rows.x[here])
        path.parent.mkdir(parents=True, exist_ok=True)
        spent = np.array(time.monotonic() - begun)
        rounds.save(path, {"answers": found[experiment.fold == fold], "seconds": spent})
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def _models(
    experiment: Experiment, way: str, fold: int, across: Across, say: Say
) -> Iterator[tuple[NDArray[np.bool_], Learner]]:
    """Trained networks, each with the held-back rows it is asked about."""
    held = experiment.fold == fold
    if way == POOLED:
        yield held, in_one_place(experiment.training(fold), experiment.recipe)
    elif way == ALONE:
        for name in map(str, np.unique(experiment.names)):
            say(f"training {name}")
            yield (
                held & (experiment.names == name),
                in_one_place(experiment.training(fold, name), experiment.recipe),
            )
    else:
        recipe = experiment.recipe.holding(fold)
        place = experiment.folder / "federated" / f"fold-{fold}"
        weights, agreed = rounds.load(across(recipe, place, say))
        one = learner.learner(recipe, agreed)
        one.set_parameters(weights)
        yield held, one
