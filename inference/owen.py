"""Owen values: Shapley values for players that come in groups, against weighted background rows.

The worth of a coalition is the weighted mean of the model over the background rows, with the coalition's
columns taken from the patient. Groups get their exact Shapley value: every coalition of groups is asked. A
player's share of its group is sampled with paired permutations (each order with its reverse, each coalition
of other groups with its complement), then moved onto the exact value of its group, so that the players of a
group add up to it.

Rows that would repeat are not asked twice: a player whose columns equal the background row's adds nothing
there, and both ends of every permutation are already in the table of group coalitions. A column that no player
has must be alike in the patient and in every background row.

Everything to be asked is known before the first answer, so that one question may hold the rows of many games.

Theory: Owen 1977; the multilinear form of its sampling, Okhrati and Lipani 2020. Same seed, same numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from math import comb
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.errors import UnsoundOutput
from inference.orders import Floats, Mask, Sample, sample

AT_ONCE: Final = 512  # rows in one question to the model: enough to be fast, few enough to stay in cache
Rows = NDArray[np.float32]
Value = Callable[[Rows], Floats]  # [N,F] -> [N]; the rows are overwritten once it has answered


@dataclass(frozen=True, slots=True)
class Owen:
    """`base + groups.sum() = base + players.sum() = score`; `rows` were sent through the model."""

    base: float
    score: float
    groups: Floats
    players: Floats
    rows: int


@dataclass(frozen=True, slots=True)
class Game:
    """Who plays: the patient's row [F], background [K,F] and its weights [K], players' columns and groups."""

    x: Rows
    background: Rows
    weights: Floats
    columns: Sequence[Sequence[int]]
    group: NDArray[np.intp]  # [P] -> 0..G-1

    @property
    def n_groups(self) -> int:
        return int(self.group.max()) + 1


def owen(value: Value, game: Game, seed: int, pairs: int, at_once: int = AT_ONCE) -> Owen:
    """Owen values of the game, from `pairs` permutation pairs a group. Raises UnsoundOutput."""
    (found,) = owen_many(value, [(game, seed)], pairs, at_once)
    return found


def owen_many(
    value: Value, games: Iterable[tuple[Game, int]], pairs: int, at_once: int = AT_ONCE
) -> Iterator[Owen]:
    """Owen values of games with their seeds, in order; up to `at_once` rows of several games in one question.

    A game of that many rows and more is asked on its own, and then as `owen` asks it, bit for bit.
    """
    waiting: list[_Plan] = []
    for game, seed in games:
        waiting.append(_Plan.of(game, seed, pairs))
        if sum(len(plan.which) for plan in waiting) >= at_once:
            yield from _settled(value, waiting, at_once)
            waiting = []
    yield from _settled(value, waiting, at_once)


@cache
def shapley_matrix(n: int) -> Floats:
    """[n, 2^n]: times the worth of every coalition (bit i set = player i in) gives the Shapley values."""
    coalitions = np.arange(1 << n)
    member = (coalitions[None, :] >> np.arange(n)[:, None]) & 1  # [n, 2^n]
    size = member.sum(axis=0)
    joins = np.array([1.0 / (n * comb(n - 1, s)) for s in range(n)] + [0.0])  # weight of joining s others
    matrix: Floats = np.where(member == 1, joins[size - 1], -joins[size])
    matrix.flags.writeable = False
    return matrix


@dataclass(frozen=True, slots=True)
class _Plan:
    """All that must be asked of one game: background row `which` [N], columns of `member` [N,P] from the patient.

    First the coalitions of groups, then those within the groups, sample after sample.
    """

    game: Game
    table: _Table
    samples: Sequence[Sample]
    which: NDArray[np.intp]
    member: Mask
    owner: NDArray[np.intp]  # [F] player of each column

    @staticmethod
    def of(game: Game, seed: int, pairs: int) -> _Plan:
        table, rng = _Table.of(game), np.random.default_rng(seed)
        samples = [
            sample(group, game.group, game.weights, table.differs, rng, pairs)
            for group in range(game.n_groups)
        ]
        which, coalition = np.nonzero(table.ask)
        member = ((coalition[:, None] >> game.group[None, :]) & 1).astype(bool)
        return _Plan(
            game,
            table,
            samples,
            np.concatenate([which, *(s.which[s.need.nonzero()[0]] for s in samples)]),
            np.concatenate([member, *(s.member[s.need] for s in samples)]),
            _owners(game),
        )

    def mix(self, part: slice, rows: Rows) -> None:
        """Write the rows of `part` of the questions into `rows`."""
        game, which = self.game, self.which[part]
        game.background.take(which, axis=0, out=rows, mode="clip")  # "raise" would go through a copy
        np.copyto(rows, game.x, where=self.member[part].take(self.owner, axis=1))

    def settle(self, score: float, answers: Floats) -> Owen:
        """The values, from what was answered to the questions in order."""
        game, start = self.game, int(self.table.ask.sum())
        worth = self.table.worth(score, answers[:start])
        exact = (shapley_matrix(game.n_groups) @ worth.T) @ game.weights
        players = np.zeros(len(game.columns))
        for group, within in enumerate(self.samples):
            stop = start + int(within.need.sum())
            players[within.players] = within.shares(worth, answers[start:stop], game.weights, exact[group])
            start = stop
        return Owen(float(worth[:, 0] @ game.weights), score, exact, players, len(answers) + 1)


def _settled(value: Value, plans: Sequence[_Plan], at_once: int) -> Iterator[Owen]:
    if not plans:
        return
    scores = _finite(value(np.stack([plan.game.x for plan in plans])))
    answers, start = _answers(value, plans, at_once), 0
    for plan, score in zip(plans, scores, strict=True):
        stop = start + len(plan.which)
        yield plan.settle(float(score), answers[start:stop])
        start = stop


def _answers(value: Value, plans: Sequence[_Plan], at_once: int) -> Floats:
    """The model's answers to all questions of all plans, in order; one buffer of rows is filled and asked."""
    total = sum(len(plan.which) for plan in plans)
    buffer = np.empty((min(at_once, total), len(plans[0].game.x)), dtype=np.float32)
    answers, filled, asked = np.empty(total), 0, 0
    for plan in plans:
        done = 0
        while done < len(plan.which):
            stop = min(len(plan.which), done + len(buffer) - filled)
            plan.mix(slice(done, stop), buffer[filled : filled + stop - done])
            filled, done = filled + stop - done, stop
            if filled == len(buffer) or asked + filled == total:
                answers[asked : asked + filled] = _finite(value(buffer[:filled]))
                asked, filled = asked + filled, 0
    return answers


@dataclass(frozen=True, slots=True)
class _Table:
    """Coalitions of groups before each background row: which of them the model must be asked for."""

    reduced: NDArray[np.intp]  # [K, 2^G]: the smallest coalition that gives the same row
    ask: Mask  # [K, 2^G]
    differs: Mask  # [K,P]: whether the player can change anything there

    @staticmethod
    def of(game: Game) -> _Table:
        same = (game.background == game.x) | (np.isnan(game.background) & np.isnan(game.x))  # [K,F]
        differs = np.stack([~same[:, list(columns)].all(axis=1) for columns in game.columns], axis=1)
        active = np.zeros(len(game.background), dtype=np.intp)  # bits: groups that differ from this row
        for player, group in enumerate(game.group):
            active |= differs[:, player].astype(np.intp) << group
        everyone = np.arange(1 << game.n_groups)
        reduced = everyone[None, :] & active[:, None]
        ask = (reduced == everyone[None, :]) & (everyone[None, :] != active[:, None])
        return _Table(reduced, ask, differs)

    def worth(self, score: float, answers: Floats) -> Floats:
        """Worth [K, 2^G] of every coalition; that of all who differ is the score."""
        worth = np.full(self.reduced.shape, score)
        worth[self.ask] = answers
        return np.take_along_axis(worth, self.reduced, axis=1)


def _owners(game: Game) -> NDArray[np.intp]:
    owner = np.zeros(game.x.shape[0], dtype=np.intp)
    for player, columns in enumerate(game.columns):
        owner[list(columns)] = player
    return owner


def _finite(answers: Floats) -> Floats:
    if not np.isfinite(answers).all():
        raise UnsoundOutput("the model answered NaN or infinity while it was being explained")
    return answers
