"""In which order the players of one group join: paired samples, and what they tell of each player's share.

Each order comes with its reverse, and each coalition of other groups with its complement, so that much of the
sampling error cancels. Shares are then moved onto the exact value of the group, in proportion to how uncertain
each is. Draws from the generator it is given, and from no other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Sample:
    """S paired orders of one group's n players: order r and order r + S/2 are each other's reverse."""

    players: NDArray[np.intp]  # [n]
    which: NDArray[np.intp]  # [S] background row
    order: NDArray[np.intp]  # [S,n] index into players
    need: Mask  # [S,n] prefixes the model must be asked for
    moves: Mask  # [S,n] whether the player that joins changes the row at all
    member: Mask  # [S,n,P] who is in the coalition once this player has joined
    before: NDArray[np.intp]  # [S] the coalition of groups that is joined
    after: NDArray[np.intp]  # [S] the same with the whole group

    def shares(self, table: Floats, answers: Floats, weights: Floats, exact: float) -> Floats:
        """The players' values [n], adding up to `exact`."""
        worth = np.repeat(table[self.which, self.after][:, None], len(self.players), axis=1)
        worth[self.need] = answers
        before = table[self.which, self.before]
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


def sample(
    group: int,
    group_of: NDArray[np.intp],
    weights: Floats,
    differs: Mask,
    rng: np.random.Generator,
    pairs: int,
) -> Sample:
    """About `pairs` paired orders of one group's players, spread over the background rows by weight.

    `group_of` [P], `weights` [K] of the background rows, `differs` [K,P]: whether a player can change anything
    before a background row.
    """
    players = np.flatnonzero(group_of == group)
    which = _allocate(weights, pairs)
    n, total, groups = len(players), len(which), int(group_of.max()) + 1
    # Position of the group among the others: even steps of the unit interval within each background row. A
    # group before that position is in the coalition (Owen's multilinear form); the partner takes the
    # complement.
    position = _even_steps(which, rng)
    others = rng.random((total, groups)) < position[:, None]
    order = np.argsort(rng.random((total, n)), axis=1)
    which, order = np.concatenate([which, which]), np.concatenate([order, order[:, ::-1]])
    others = np.concatenate([others, ~others])
    others[:, group] = False
    bits = (others << np.arange(groups)).sum(axis=1)
    moves = differs[which[:, None], players[order]]
    count = moves.cumsum(axis=1)
    joined = np.zeros((len(which), n, n), dtype=bool)  # [S, step, index of player]
    for step in range(n):
        joined[:, step:, :] |= (order[:, step, None] == np.arange(n))[:, None, :]
    member = np.repeat(others[:, None, group_of], n, axis=1)
    member[:, :, players] = joined
    return Sample(
        players=players,
        which=which,
        order=order,
        need=moves & (count < count[:, -1:]),
        moves=moves,
        member=member,
        before=bits,
        after=bits | (1 << group),
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
