"""How sure a figure is: whole patients are drawn again, never rows.

A patient's landmarks are not independent of one another. All figures of one data set share the same draws, so
the interval of a difference of two models is paired: both are judged on the same drawn patients.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
DRAWS: Final = 500
_CHUNK: Final = 50  # draws worked on at a time: what fits a processor's cache


@dataclass(frozen=True, slots=True)
class Draws:
    """`counts` [P,B]: how often each of P patients is in each of B draws; `owner` [N]: each row's patient."""

    counts: NDArray[np.float32]
    owner: NDArray[np.intp]

    @classmethod
    def of(cls, patient: NDArray[np.str_], count: int = DRAWS, seed: int = 0) -> Draws:
        """`count` draws of as many patients as there are, with replacement."""
        names, owner = np.unique(patient, return_inverse=True)
        share = np.full(len(names), 1 / len(names))
        drawn = np.random.default_rng(seed).multinomial(len(names), share, size=count)
        return cls(np.ascontiguousarray(drawn.T, dtype=np.float32), owner)

    def where(self, keep: NDArray[Any]) -> Draws:
        """The same draws of patients, over the rows of a mask or an index."""
        return Draws(self.counts, self.owner[keep])

    @property
    def patients(self) -> int:
        """Patients with at least one row."""
        return len(np.unique(self.owner))

    def total(self, values: Floats) -> NDArray[np.float64]:
        """Sum of row values [N] in each draw, [B]."""
        summed = np.bincount(self.owner, weights=values, minlength=len(self.counts))
        return np.asarray(summed @ self.counts, dtype=np.float64)

    def ratio(self, above: Floats, below: Floats) -> NDArray[np.float64]:
        """Sum of `above` over sum of `below` in each draw, [B]; NaN where the latter is nothing."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.total(above) / self.total(below)

    def mean(self, values: Floats) -> NDArray[np.float64]:
        """Mean of row values [N] in each draw, [B]."""
        return self.ratio(values, np.ones(len(values)))

    def ranking(self, y: NDArray[np.bool_], score: Floats) -> NDArray[np.float64]:
        """AUROC and average precision of each draw, [B,2]; NaN where a draw lacks one of the outcomes."""
        if not y.any():
            return np.full((self.counts.shape[1], 2), np.nan)
        order = np.argsort(-score, kind="stable")
        y, owner = y[order], self.owner[order]
        segment = _segments(y, score[order])
        starts = np.flatnonzero(np.r_[True, segment[1:] != segment[:-1]])
        held = segment[y]  # segment of each positive, sorted
        first = np.flatnonzero(np.r_[True, held[1:] != held[:-1]])
        return np.concatenate([_curves(w, y, starts, held[first], first) for w in self._weights(owner)])

    def calibration(self, y: NDArray[np.bool_], z: Floats, slope: float, intercept: float) -> Floats:
        """Calibration slope and intercept [B,2] of each draw: one Newton step from the fit to all rows."""
        p = 1 / (1 + np.exp(-(slope * z + intercept)))
        rest, weight = y - p, p * (1 - p)
        g1, g0 = self.total(rest * z), self.total(rest)
        h11, h10, h00 = self.total(weight * z * z), self.total(weight * z), self.total(weight)
        with np.errstate(divide="ignore", invalid="ignore"):
            det = h11 * h00 - h10 * h10
            steps = np.stack([(h00 * g1 - h10 * g0) / det, (h11 * g0 - h10 * g1) / det], axis=1)
        return np.array([slope, intercept]) + steps

    def _weights(self, owner: NDArray[np.intp]) -> Iterator[NDArray[np.float32]]:
        for start in range(0, self.counts.shape[1], _CHUNK):
            yield np.ascontiguousarray(self.counts[:, start : start + _CHUNK])[owner]


def interval(drawn: Floats) -> list[float] | None:
    """95 % interval of the draws [B] that could be computed; None where most could not."""
    sound = drawn[np.isfinite(drawn)]
    if 2 * len(sound) <= len(drawn):
        return None
    low, high = np.percentile(sound, [2.5, 97.5])
    return [round(float(low), 4), round(float(high), 4)]


def _segments(y: NDArray[np.bool_], score: Floats) -> NDArray[np.intp]:
    """Segment of each row, highest score first: ties stay together, runs of negatives alone count as one."""
    new = np.r_[True, score[1:] != score[:-1]]
    group = np.cumsum(new) - 1
    holds = np.bincount(group, weights=y) > 0
    opens = holds | np.r_[True, holds[:-1]]
    segment: NDArray[np.intp] = (np.cumsum(opens) - 1)[group]
    return segment


def _curves(
    weight: NDArray[np.float32],
    y: NDArray[np.bool_],
    starts: NDArray[np.intp],
    held: NDArray[np.intp],
    first: NDArray[np.intp],
) -> NDArray[np.float64]:
    """AUROC and average precision [b,2] of rows sorted from the highest score, weighted [N,b]."""
    rows = np.add.reduceat(weight, starts, axis=0).astype(np.float64)
    hits = np.add.reduceat(weight[y], first, axis=0).astype(np.float64)  # of segments that hold a positive
    rows_by = np.cumsum(rows, axis=0)
    hits_by = np.cumsum(hits, axis=0)
    misses_by = rows_by[held] - hits_by  # negatives down to the end of the segment
    misses = rows[held] - hits
    positives, negatives = hits_by[-1], rows_by[-1] - hits_by[-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        auroc = 1 - (hits * (misses_by - misses / 2)).sum(axis=0) / (positives * negatives)
        precision = np.divide(hits_by, rows_by[held], out=np.zeros_like(hits), where=rows_by[held] > 0)
        auprc = (hits * precision).sum(axis=0) / positives
    return np.stack([auroc, np.where(negatives > 0, auprc, np.nan)], axis=1)
