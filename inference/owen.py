"""Owen values: Shapley values for players that come in groups, against weighted background rows.

The worth of a coalition is the weighted mean of the model over the background rows, with the coalition's
columns taken from the patient. Groups get their exact Shapley value: every coalition of groups is asked. A
player's share of its group is sampled with paired permutations (each order with its reverse, each coalition
of other groups with its complement), then moved onto the exact value of its group, so that the players of a
group add up to it.

Rows that would repeat are not asked twice: a player whose columns equal the background row's adds nothing
there, and both ends of every permutation are already in the table of group coalitions.

Theory: Owen 1977; the multilinear form of its sampling, Okhrati and Lipani 2020. Same seed, same numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from math import comb
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.errors import UnsoundOutput

CHUNK: Final = 1024  # rows in one question to the model: enough to be fast, few enough to stay in cache
Floats = NDArray[np.float64]
Rows = NDArray[np.float32]
Mask = NDArray[np.bool_]
Value = Callable[[Rows], Floats]  # [N,F] -> [N]


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

    value: Value
    x: Rows
    background: Rows
    weights: Floats
    columns: Sequence[Sequence[int]]
    group: NDArray[np.intp]  # [P] -> 0..G-1

    @property
    def n_groups(self) -> int:
        return int(self.group.max()) + 1


def owen(game: Game, seed: int, pairs: int) -> Owen:
    """Owen values of the game, from `pairs` permutation pairs a group. Raises UnsoundOutput."""
    table = _Table.of(game)
    pushes = shapley_matrix(game.n_groups) @ table.worth.T  # [G,K]
    exact = pushes @ game.weights
    players, rows = _within(game, table, exact, np.random.default_rng(seed), pairs)
    base = float(table.worth[:, 0] @ game.weights)
    return Owen(base, table.score, exact, players, table.rows + rows)


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
class _Table:
    """Worth [K, 2^G] of all coalitions of groups before each background row, and who can change it there."""

    worth: Floats
    differs: Mask  # [K,P]
    score: float
    rows: int

    @staticmethod
    def of(game: Game) -> _Table:
        same = (game.background == game.x) | (np.isnan(game.background) & np.isnan(game.x))  # [K,F]
        differs = np.stack([~same[:, list(columns)].all(axis=1) for columns in game.columns], axis=1)
        active = np.zeros(
            len(game.background), dtype=np.intp
        )  # bits: groups that differ from this background row
        for player, group in enumerate(game.group):
            active |= differs[:, player].astype(np.intp) << group
        everyone = np.arange(1 << game.n_groups)
        reduced = everyone[None, :] & active[:, None]  # [K, 2^G]: the coalition that gives the same row
        ask = (reduced == everyone[None, :]) & (everyone[None, :] != active[:, None])
        score = float(_finite(game.value(game.x[None, :]))[0])
        worth = np.full(reduced.shape, score)
        which, coalition = np.nonzero(ask)
        member = ((coalition[:, None] >> game.group[None, :]) & 1).astype(bool)  # [N,P]
        worth[which, coalition] = ask_model(game, which, member)
        return _Table(np.take_along_axis(worth, reduced, axis=1), differs, score, len(which) + 1)


def ask_model(game: Game, which: NDArray[np.intp], member: Mask) -> Floats:
    """The model's answers [N]: background row `which` [N], columns of `member` [N,P] from the patient."""
    owner = np.zeros(game.x.shape[0], dtype=np.intp)
    for player, columns in enumerate(game.columns):
        owner[list(columns)] = player
    answers = np.empty(len(which))
    for start in range(0, len(which), CHUNK):
        part = slice(start, start + CHUNK)
        rows = np.where(member[part].take(owner, axis=1), game.x, game.background[which[part]])
        answers[part] = _finite(game.value(rows))
    return answers


def _within(
    game: Game, table: _Table, exact: Floats, rng: np.random.Generator, pairs: int
) -> tuple[Floats, int]:
    """Each player's share of its group's exact value [P], and the rows asked for it."""
    samples = [_sample(game, table, group, rng, pairs) for group in range(game.n_groups)]
    which = np.concatenate([s.which[s.need.nonzero()[0]] for s in samples])
    member = np.concatenate([s.member[s.need] for s in samples])
    answers = ask_model(game, which, member)
    players, start = np.zeros(len(game.columns)), 0
    for group, sample in enumerate(samples):
        stop = start + int(sample.need.sum())
        players[sample.players] = sample.shares(answers[start:stop], game.weights, exact[group])
        start = stop
    return players, len(which)


@dataclass(frozen=True, slots=True)
class _Sample:
    """S paired orders of one group's n players: order r and order r + S/2 are each other's reverse."""

    players: NDArray[np.intp]  # [n]
    which: NDArray[np.intp]  # [S] background row
    order: NDArray[np.intp]  # [S,n] index into players
    need: Mask  # [S,n] prefixes the model must be asked for
    moves: Mask  # [S,n] whether the player that joins changes the row at all
    member: Mask  # [S,n,P] who is in the coalition once this player has joined
    start: Floats  # [S] worth before the group
    end: Floats  # [S] worth with the whole group

    def shares(self, answers: Floats, weights: Floats, exact: float) -> Floats:
        """The players' values [n], adding up to `exact`."""
        worth = np.repeat(self.end[:, None], len(self.players), axis=1)
        worth[self.need] = answers
        before = self.start
        gains = np.zeros(self.order.shape)
        for step in range(len(self.players)):
            after = np.where(self.moves[:, step], worth[:, step], before)
            gains[:, step], before = after - before, after
        joined = np.zeros(gains.shape)
        np.put_along_axis(joined, self.order, gains, axis=1)
        half = len(joined) // 2
        paired = 0.5 * (joined[:half] + joined[half:])  # [S/2,n]
        mean, variance = _stratified(paired, self.which[:half], weights)
        return mean + _spread(variance, self.moves, self.order) * (exact - float(mean.sum()))


def _sample(game: Game, table: _Table, group: int, rng: np.random.Generator, pairs: int) -> _Sample:
    players = np.flatnonzero(game.group == group)
    which = _allocate(game.weights, pairs)
    n, total = len(players), len(which)
    # Position of the group among the others: even steps of the unit interval within each background row. A
    # group before that position is in the coalition (Owen's multilinear form); the partner takes the
    # complement.
    position = _even_steps(which, rng)
    others = rng.random((total, game.n_groups)) < position[:, None]
    order = np.argsort(rng.random((total, n)), axis=1)
    which, order = np.concatenate([which, which]), np.concatenate([order, order[:, ::-1]])
    others = np.concatenate([others, ~others])
    others[:, group] = False
    bits = (others << np.arange(game.n_groups)).sum(axis=1)
    moves = table.differs[which[:, None], players[order]]
    count = moves.cumsum(axis=1)
    joined = np.zeros((len(which), n, n), dtype=bool)  # [S, step, index of player]
    for step in range(n):
        joined[:, step:, :] |= (order[:, step, None] == np.arange(n))[:, None, :]
    member = np.repeat(others[:, None, game.group], n, axis=1)
    member[:, :, players] = joined
    return _Sample(
        players=players,
        which=which,
        order=order,
        need=moves & (count < count[:, -1:]),
        moves=moves,
        member=member,
        start=table.worth[which, bits],
        end=table.worth[which, bits | (1 << group)],
    )


def _allocate(weights: Floats, pairs: int) -> NDArray[np.intp]:
    """Background row of each pair: at least one each, the rest in proportion to weight."""
    each = np.maximum(1, np.round(pairs * weights)).astype(np.intp)
    return np.repeat(np.arange(len(weights)), each)


def _even_steps(which: NDArray[np.intp], rng: np.random.Generator) -> Floats:
    count = np.bincount(which)
    rank = np.arange(len(which)) - np.repeat(np.cumsum(count) - count, count)
    steps: Floats = 0.5 * (rank + rng.random(len(which))) / count[which]  # the partner covers the upper half
    return steps


def _stratified(paired: Floats, which: NDArray[np.intp], weights: Floats) -> tuple[Floats, Floats]:
    """Mean [n] over background rows by weight, and the variance [n] of that mean."""
    share = weights / np.bincount(which)  # weight of one pair
    mean = share[which] @ paired
    centres = np.zeros((len(weights), paired.shape[1]))
    np.add.at(centres, which, paired / np.bincount(which)[which, None])
    return mean, (share[which] ** 2) @ (paired - centres[which]) ** 2


def _spread(variance: Floats, moves: Mask, order: NDArray[np.intp]) -> Floats:
    """How a group's sampling error is divided: by variance, else evenly among those who can move anything."""
    if (total := float(variance.sum())) > 0:
        return variance / total
    able = np.zeros(len(variance))
    np.maximum.at(able, order.ravel(), moves.ravel().astype(float))
    count = float(able.sum())
    return able / count if count else np.full(len(able), 1.0 / len(able))


def _finite(answers: Floats) -> Floats:
    if not np.isfinite(answers).all():
        raise UnsoundOutput("the model answered NaN or infinity while it was being explained")
    return answers
