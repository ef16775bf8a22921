"""How a release is trained on at a site, and how a model is trained there from nothing.

Fine-tuned: the network goes on from its weights at a low rate, pulled back towards where it began, and each booster
gets further trees. What the release never saw measured, and this site charts, starts unheard: scaled by the site's
rows, with no weight. From scratch: the same network and trees, by the same recipe, with as many steps as few rows need.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Final

import lightgbm
import numpy as np
import torch
from numpy.typing import NDArray

from inference.features import INTERVALS, Layout
from training.export import Blend
from training.forest import GROWN, MOVED, Forest, base, grow, offsets_of
from training.forest_text import copied
from training.learning import Examples, bootstrap, fit, stated
from training.matrix import Table
from training.network import BENDS, Ensemble, moments, raw_columns
from training.tasks import Task

Rows = NDArray[np.float32]
Train = Callable[[Table, int], Blend]
"""Trains on rows, with a seed."""


@dataclass(frozen=True, slots=True)
class Tuning:
    """How far a release may move. `pull`: how strongly weights are held; `rounds`: further trees of each booster."""

    epochs: int = 6
    rate: float = 3e-4
    pull: float = 5.0
    rounds: int = 30
    learning_rate: float = 0.03
    steps: int = 400  # of the network from scratch, at least


TUNING: Final = Tuning()


def fine_tuned(
    begun: Blend, rows: Table, layout: Layout, seed: int, threads: int, tuning: Tuning = TUNING
) -> Blend:
    """The release, trained on with these rows; the release itself is left as it is."""
    examples = Examples.of(rows)
    model = heard(begun.model, rows.x, layout)
    fit(model, examples, layout, seed, epochs=tuning.epochs, rate=tuning.rate, pull=tuning.pull)
    return Blend(model, grown_on(begun.forest, model, examples, layout, seed, threads, tuning), begun.share)


def from_scratch(
    rows: Table, task: Task, layout: Layout, share: float, seed: int, threads: int, tuning: Tuning = TUNING
) -> Blend:
    """Network and trees of these rows alone."""
    batch = min(task.shape.batch, 256)
    epochs = max(task.shape.epochs, -(-tuning.steps * batch // max(len(rows), 1)))
    torch.manual_seed(seed)
    model = Ensemble(layout, rows.x, replace(task.shape, batch=batch), task.kind)
    examples = Examples.of(rows)
    fit(model, examples, layout, seed, epochs=epochs)
    return Blend(model, grow(model, examples, layout, seed, threads, lambda: None, task.growth), share)


def out_of_fold(rows: Table, fold: NDArray[np.int_], train: Train, seed: int) -> tuple[Rows, Rows]:
    """Raw logits [N,M,K] and forecasts [N,3] or [N,0], each row by a model that did not see its patient."""
    logits: list[Rows] = []
    values: list[Rows] = []
    for part in np.unique(fold):
        blend = train(rows.where((fold != part) & ~rows.too_soon), seed + int(part))
        found = blend.answer(rows.x[fold == part])
        logits.append(found[0])
        values.append(found[1])
    back = np.argsort(np.concatenate([np.flatnonzero(fold == part) for part in np.unique(fold)]))
    return np.concatenate(logits)[back], np.concatenate(values)[back]


def heard(model: Ensemble, x: Rows, layout: Layout) -> Ensemble:
    """A copy that can learn of columns it never saw measured: scaled by rows [N,F], and with no weight yet.

    It answers as the model does where those columns are not measured. A column was never measured in training when its
    centre is 0 and its step 1.
    """
    made = deepcopy(model)
    plain = raw_columns(made, x)
    blank = (made.centre == 0) & (made.step == 1)
    with torch.no_grad():
        width = len(made.centre)
        into = made.first.weight
        centre, step = (torch.from_numpy(found) for found in moments(plain))
        made.centre[blank], made.step[blank] = centre[blank], step[blank]
        into[:, :width][:, blank] = 0.0
        for place, column in enumerate(made.asked):
            if blank[column]:  # it was always absent: that flag was a part of the bias
                made.first.bias.add_(into[:, width + place])
                into[:, width + place] = 0.0
        beyond = width + len(made.asked)
        for place, column in enumerate(made.bent):
            if blank[column]:
                made.bends[place] = torch.from_numpy(_bends(plain[:, column], made, column))
                into[:, beyond + place * len(BENDS) : beyond + (place + 1) * len(BENDS)] = 0.0
        _hear_courses(made, x, beyond + len(made.bent) * len(BENDS))
    return made


def _hear_courses(model: Ensemble, x: Rows, first: int) -> None:
    """The same for courses; `first` is the first column of their codes in what the networks see."""
    encoder, span = model.encoder, len(INTERVALS)
    for place in range(len(encoder.variables)):
        if encoder.centre[0, place, 0] == 0 and encoder.step[0, place, 0] == 1:
            columns = encoder.courses[place * span : (place + 1) * span]
            centre, step = moments(x[:, columns].reshape(-1, 1))
            encoder.centre[0, place, 0], encoder.step[0, place, 0] = float(centre[0]), float(step[0])
            codes = first + place * model.shape.code
            model.first.weight[:, codes : codes + model.shape.code] = 0.0


def _bends(column: Rows, model: Ensemble, index: int) -> Rows:
    there = column[~np.isnan(column)]
    if not len(there):
        return np.zeros(len(BENDS), np.float32)
    z = (there - float(model.centre[index])) / float(model.step[index])
    return np.asarray(np.percentile(z, BENDS), dtype=np.float32)


def grown_on(
    forest: Forest, model: Ensemble, rows: Examples, layout: Layout, seed: int, threads: int, tuning: Tuning
) -> Forest:
    """The same trees and further ones, on the draws of patients that the network's members had."""
    rng = np.random.default_rng(seed)
    weight = bootstrap(rows.patient, model.shape.members, rng)
    x = stated(rows, layout, rng)
    raw, offset = raw_columns(model, x), float(offsets_of(rows)[0])
    common = {"learning_rate": tuning.learning_rate, "num_threads": threads}
    members = []
    for member, booster in enumerate(forest.members):
        drawn = weight[:, member] > 0
        data = lightgbm.Dataset(
            raw[drawn], rows.y[drawn], weight=weight[drawn, member], params={"max_bin": 63}
        )
        # A booster that is trained on starts from its own score alone, so the site's log-odds go into its first tree.
        settings = {**GROWN, **common, "seed": seed + member}
        grown = lightgbm.train(settings, data, tuning.rounds, init_model=shifted(booster, offset))
        members.append(shifted(grown, -offset))
    median = forest.median
    if median is not None:
        there = ~np.isnan(rows.aim)
        data = lightgbm.Dataset(raw[there], rows.aim[there] - base(model, x[there]), params={"max_bin": 63})
        median = copied(
            lightgbm.train({**MOVED, **common, "seed": seed}, data, tuning.rounds, init_model=median)
        )
    return Forest(tuple(members), median, float(model.offset.item()))


def shifted(booster: lightgbm.Booster, by: float) -> lightgbm.Booster:
    """The same trees, every raw score higher by so much."""
    made = copied(booster)
    leaves = made.dump_model(num_iteration=1)["tree_info"][0]["num_leaves"]
    for leaf in range(leaves):
        made.set_leaf_output(0, leaf, made.get_leaf_output(0, leaf) + by)
    return made
