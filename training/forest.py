"""The trees beside the network: one LightGBM booster a member, grown on that member's bootstrap of patients.

They see what the network's second half sees raw: engineered columns, ratios, the newest troponin's course; not the
codes. Each data set enters with its own log-odds, so that how common the outcome was there teaches nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import lightgbm
import numpy as np
from numpy.typing import NDArray

from inference.features import Layout
from training.learning import Examples, bootstrap, stated
from training.mixing import mixed
from training.network import Ensemble, raw_columns
from training.tasks import Growth

Rows = NDArray[np.float32]
BINS: Final = 63
USUAL: Final = Growth()
MEDIAN: Final = Growth(least=60)


def settings(growth: Growth, objective: str = "binary") -> dict[str, Any]:
    """LightGBM's parameters; the same rows and seed give the same trees."""
    return {
        "objective": objective,
        "learning_rate": growth.rate,
        "num_leaves": growth.leaves,
        "min_child_samples": growth.least,
        "extra_trees": growth.chance,
        "bagging_fraction": growth.rows,
        "bagging_freq": 1,
        "feature_fraction": growth.columns,
        "reg_lambda": 20.0,
        "max_bin": BINS,
        "verbose": -1,
        "deterministic": True,
        "force_row_wise": True,
    }


GROWN: Final[Mapping[str, Any]] = settings(USUAL)
MOVED: Final[Mapping[str, Any]] = settings(MEDIAN, "regression_l1")


@dataclass(frozen=True, slots=True)
class Forest:
    """A booster a member for the headline, and for a trend one for the median of log(next / latest)."""

    members: tuple[lightgbm.Booster, ...]
    median: lightgbm.Booster | None
    offset: float

    def logits(self, raw: Rows) -> NDArray[np.float32]:
        """[N,M] log-odds for raw columns [N,C]."""
        found = [np.asarray(b.predict(raw, raw_score=True)) for b in self.members]
        return (np.stack(found, axis=1) + self.offset).astype(np.float32)

    def moved(self, raw: Rows) -> NDArray[np.float32]:
        """[N] log(next / latest)."""
        if self.median is None:
            raise ValueError("this forest forecasts nothing")
        return np.asarray(self.median.predict(raw), dtype=np.float32)


def grow(
    model: Ensemble,
    rows: Examples,
    layout: Layout,
    seed: int,
    threads: int,
    tick: Callable[[], None],
    growth: Growth = USUAL,
) -> Forest:
    """Trees on the rows the network was trained on, with its bootstraps (or all rows) and the same draws stated.

    Raises ValueError where a narrow growth is asked for and the model follows no troponin.
    """
    rng = np.random.default_rng(seed)
    weight = bootstrap(rows.patient, model.shape.members, rng)
    weight = weight if growth.bootstrap else np.ones_like(weight)
    x = stated(rows, layout, rng)
    raw, offsets = raw_columns(model, x), offsets_of(rows)
    members = []
    for member in range(model.shape.members):
        drawn = weight[:, member] > 0
        given = (rows.y[drawn], weight[drawn, member], offsets[drawn], seed + member, threads)
        booster = _booster(raw[drawn], *given, growth)
        if growth.narrow is not None:
            alone = _booster(_of_the_course(raw[drawn], model), *given, growth.narrow)
            booster = mixed(booster, alone, growth.share)
        members.append(booster)
        tick()
    median = None
    if model.trend:
        there = ~np.isnan(rows.aim)
        data = lightgbm.Dataset(raw[there], rows.aim[there] - base(model, x[there]), params={"max_bin": BINS})
        median = lightgbm.train({**MOVED, "seed": seed, "num_threads": threads}, data, MEDIAN.rounds)
    return Forest(tuple(members), median, float(model.offset.item()))


def _booster(
    raw: Rows,
    y: NDArray[np.bool_],
    weight: Rows,
    offset: NDArray[np.float64],
    seed: int,
    threads: int,
    growth: Growth,
) -> lightgbm.Booster:
    data = lightgbm.Dataset(raw, y, weight=weight, init_score=offset, params={"max_bin": BINS})
    wanted = {**settings(growth), "seed": seed, "num_threads": threads}
    return lightgbm.train(wanted, data, growth.rounds)


def _of_the_course(raw: Rows, model: Ensemble) -> Rows:
    """The same rows in which nothing but the newest troponin's course and the hours in the stay is known."""
    if not model.trend:
        raise ValueError("narrow trees follow a troponin's course, and this model knows of none")
    kept = [*range(model.course, raw.shape[1]), model.rest.index(model.names.index("hours_in_stay"))]
    found = np.full_like(raw, np.nan)
    found[:, kept] = raw[:, kept]
    return found


def base(model: Ensemble, x: Rows) -> NDArray[np.float32]:
    """What a forecast starts from [N]: the log of the newest troponin, or what is usual."""
    import torch

    with torch.no_grad():
        found: NDArray[np.float32] = model.latest(torch.from_numpy(x[:, model.encoder.columns]))[:, 0].numpy()
    return found


def offsets_of(rows: Examples) -> NDArray[np.float64]:
    """Log-odds of the outcome in each row's data set."""
    found = np.zeros(len(rows.y))
    for data_set in np.unique(rows.data_set):
        mine = rows.data_set == data_set
        events = rows.y[mine].sum() + 0.5
        found[mine] = np.log(events / ((~rows.y[mine]).sum() + 0.5))
    return found
