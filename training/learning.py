"""How the network learns: first to foretell what will be measured, on every stay; then the outcome.

Nothing here may teach it which data set a stay came from. Whole variables are hidden at random; some rows are
charted as another set would chart them; each set has an intercept of its own in training, dropped afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from inference.features import ANALYTES, ASKED, Layout
from training.matrix import Table
from training.network import HELD, QUANTILES, Ensemble, Shape, moments, onset_part
from training.outlook import Outlook, foretold

FORECAST_WEIGHT: Final = 0.5
ONSET_WEIGHT: Final = 0.3
FORETOLD_HIDDEN: Final = 0.3  # chance that a variable is hidden while the future is foretold
STATED: Final = 0.5  # share of training rows in which the time of the next draw is stated
CLIP: Final = 2.0
Tick = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Examples:
    """Rows to learn from. `y` [N]: the headline; `onset` [N] hours or NaN; `aim` [N] log ng/L or NaN; `ahead` hours."""

    x: NDArray[np.float32]
    y: NDArray[np.bool_]
    onset: NDArray[np.float32]
    aim: NDArray[np.float32]
    ahead: NDArray[np.float32]
    patient: NDArray[np.str_]
    data_set: NDArray[np.str_]

    @staticmethod
    def of(rows: Table) -> Examples:
        """The rows of a table."""
        y = rows.y[:, -1]
        onset = np.where(y, rows.onset, np.nan).astype(np.float32)
        return Examples(rows.x, y, onset, rows.aim, rows.ahead, rows.patient, rows.data_set)


class Hiding:
    """Which columns each player hides, and how often each data set charts each player."""

    def __init__(self, layout: Layout, x: NDArray[np.float32], of_set: NDArray[np.intp], sets: int) -> None:
        together = [p for p in layout.players if p in ANALYTES]
        alone = [(p,) for p in layout.players if p not in together and p not in ASKED]
        players = [*alone, tuple(together)] if together else alone
        columns = torch.zeros(len(players), x.shape[1])
        for index, names in enumerate(players):
            columns[index, [c for name in names for c in layout.players[name]]] = 1.0
        self.columns = columns
        firsts = [[layout.players[name][0] for name in names] for names in players]
        there = np.stack([~np.isnan(x[:, first]).all(axis=1) for first in firsts], axis=1)
        charted = np.stack([there[of_set == s].mean(0) if (of_set == s).any() else there.mean(0) for s in range(sets)])
        self.charted = torch.from_numpy(charted.astype(np.float32))

    def gone(self, own: Tensor, hidden: float, dressed: float) -> Tensor:
        """[B,F]: what rows of data sets `own` [B] do not show this time."""
        hide = torch.full((len(own), self.columns.shape[0]), hidden)
        other = torch.randint(len(self.charted), own.shape)
        ratio = 1.0 - torch.clamp(self.charted[other] / torch.clamp(self.charted[own], min=1e-6), max=1.0)
        hide = torch.where(torch.rand(len(own), 1) < dressed, torch.maximum(hide, ratio), hide)
        return (torch.rand_like(hide) < hide).float() @ self.columns > 0


def pretrain(model: Ensemble, seen: Outlook, layout: Layout, seed: int, tick: Tick) -> Ensemble:
    """Learn to foretell the means of the next hours with variables hidden. In place; no outcome is used."""
    torch.manual_seed(seed)
    shape = model.shape
    sets, of_set = np.unique(seen.data_set, return_inverse=True)
    hiding = Hiding(layout, seen.x, of_set, len(sets))
    centre, step = moments(seen.after)
    goal = np.clip((seen.after - centre) / step, -HELD, HELD)
    there = torch.from_numpy(~np.isnan(goal))
    target = torch.from_numpy(np.nan_to_num(goal).astype(np.float32))
    x, own = torch.from_numpy(seen.x), torch.from_numpy(of_set)
    head = torch.nn.Parameter(torch.randn(shape.members, shape.narrow, len(foretold(layout))) * 0.1)
    learner = _Learner([*model.parameters(), head], shape, shape.foretelling, len(seen.x))
    model.train()
    for part in learner.batches(len(seen.x), tick):
        gone = hiding.gone(own[part], FORETOLD_HIDDEN, shape.dressed)
        guess = torch.matmul(model.trunk(model.encoder(x[part].masked_fill(gone, float("nan")))), head)
        miss = functional.huber_loss(guess, target[part].expand_as(guess), reduction="none")
        learner.step((miss * there[part]).sum() / (there[part].sum() * shape.members + 1))
    return model.eval()


def fit(
    model: Ensemble,
    rows: Examples,
    layout: Layout,
    seed: int,
    tick: Tick = lambda: None,
    *,
    epochs: int | None = None,
    rate: float | None = None,
    pull: float = 0.0,
) -> Ensemble:
    """Train in place from where the model is. `pull`: how strongly weights are held where they began.

    After each step at rate r a weight's distance from where it began shrinks by 1 + r pull: the proximal step of
    (pull / 2) distance^2, which no optimiser's scaling can undo.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    shape = model.shape
    sets, of_set = np.unique(rows.data_set, return_inverse=True)
    hiding = Hiding(layout, rows.x, of_set, len(sets))
    rates = np.array([_log_odds(rows.y[of_set == s]) for s in range(len(sets))], dtype=np.float32)
    model.offset.fill_(_log_odds(rows.y))
    intercepts, own = torch.from_numpy(rates), torch.from_numpy(of_set)
    weight = torch.from_numpy(bootstrap(rows.patient, shape.members, rng))
    x = torch.from_numpy(stated(rows, layout, rng))
    y = torch.from_numpy(rows.y.astype(np.float32))
    part_of = torch.from_numpy(onset_part(rows.onset))
    aim = torch.from_numpy(rows.aim)
    learner = _Learner(list(model.parameters()), shape, epochs or shape.epochs, len(x), rate)
    began = [p.detach().clone() for p in model.parameters()] if pull else []
    model.train()
    for part in learner.batches(len(x), tick):
        gone = hiding.gone(own[part], shape.hidden, shape.dressed)
        codes = model.encoder(x[part].masked_fill(gone, float("nan")))
        out, w = model.body(codes), weight[part]
        headline = out[:, :, 0] + intercepts[own[part]].unsqueeze(1)
        loss = functional.binary_cross_entropy_with_logits(
            headline, y[part].unsqueeze(1).expand_as(headline), reduction="none"
        )
        total = (loss * w).mean()
        if model.kind == "onset":
            total = total + ONSET_WEIGHT * _onset_loss(out[:, :, 1:], part_of[part], w)
        if model.trend:
            moved = aim[part] - model.latest(codes)[:, 0]
            total = total + FORECAST_WEIGHT * (_pinball(model.quantiles(out), moved) * w).mean()
        by = 1.0 / (1.0 + pull * learner.rate)
        learner.step(total)
        with torch.no_grad():
            for now, then in zip(model.parameters(), began, strict=bool(pull)):
                now.copy_(then + (now - then) * by)
    return model.eval()


def bootstrap(patient: NDArray[np.str_], members: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """[N,M]: how often each member draws each row's patient."""
    _, owner = np.unique(patient, return_inverse=True)
    return rng.poisson(1.0, size=(owner.max() + 1, members)).astype(np.float32)[owner]


def stated(rows: Examples, layout: Layout, rng: np.random.Generator) -> NDArray[np.float32]:
    """`x` with the time of the next draw stated in a share of the rows, where the layout asks for it."""
    found = [columns[0] for player, columns in layout.players.items() if player in ASKED]
    if not found:
        return rows.x
    x = rows.x.copy()
    told = rng.random(len(x)) < STATED
    x[told, found[0]] = rows.ahead[told]
    return x


class _Learner:
    """AdamW over one cycle of the learning rate, in shuffled batches."""

    def __init__(
        self, parameters: list[torch.nn.Parameter], shape: Shape, epochs: int, rows: int, rate: float | None = None
    ) -> None:
        self.parameters, self.epochs, self.batch = parameters, epochs, shape.batch
        rate = rate or shape.rate
        self.optimiser = torch.optim.AdamW(parameters, lr=rate, weight_decay=shape.decay)
        steps = epochs * (rows // shape.batch + 1) + 1
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(self.optimiser, rate, total_steps=steps)

    def batches(self, rows: int, tick: Tick):  # type: ignore[no-untyped-def]
        for _ in range(self.epochs):
            yield from torch.split(torch.randperm(rows), self.batch)
            tick()

    @property
    def rate(self) -> float:
        """Learning rate of the next step."""
        return float(self.schedule.get_last_lr()[0])

    def step(self, loss: Tensor) -> None:
        self.optimiser.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(self.parameters, CLIP)
        self.optimiser.step()
        self.schedule.step()


def _onset_loss(parts: Tensor, which: Tensor, weight: Tensor) -> Tensor:
    """Cross entropy of the hour of onset, over rows that have one."""
    has = which >= 0
    if not has.any():
        return parts.sum() * 0.0
    chosen = parts[has]
    target = which[has].unsqueeze(1).expand(-1, chosen.shape[1])
    found = functional.cross_entropy(chosen.transpose(1, 2), target, reduction="none")
    return (found * weight[has]).sum() / len(which)


def _pinball(quantiles: Tensor, moved: Tensor) -> Tensor:
    short = moved.reshape(-1, 1, 1) - quantiles
    level = torch.tensor(QUANTILES)
    return torch.maximum(level * short, (level - 1) * short).sum(dim=2)


def _log_odds(y: NDArray[np.bool_]) -> float:
    """Log-odds of the outcome, half an event added so that none is infinite."""
    return float(np.log((y.sum() + 0.5) / ((~y).sum() + 0.5)))
