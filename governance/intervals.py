"""Intervals of rates whose days belong to patients: by patient bootstrap, or exact where that says too little.

Patients are drawn, not days, since one patient's days resemble each other. Where every patient says the same, or
there are fewer than FEWEST of them, a bootstrap is too sure of itself: then the exact binomial interval
(Clopper and Pearson 1934) over as many independent trials as there are patients, which is wider. Ends are those
of the two-sided 95 % interval: a one-sided bound would be kinder.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

FEWEST: Final = 30  # patients below which a bootstrap is not believed
DRAWS: Final = 2000
TAIL: Final = 0.025
AT_ONCE: Final = 200_000  # numbers drawn together: what is held in memory
LARGEST: Final = 2**20  # different rows that are told by their number
BOOTSTRAP: Final = "patient-bootstrap"
EXACT: Final = "exact-binomial"
NONE: Final = "none"
Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rate:
    """`count` of `of`, with its 95 % interval; None throughout where `of` is 0. `patients` stand behind `of`."""

    count: float
    of: float
    patients: int
    value: float | None
    low: float | None
    high: float | None
    method: str  # BOOTSTRAP, EXACT, NONE


def rates(counts: Array, of: Array, *, seed: int, bounded: bool = True) -> list[Rate]:
    """The rate of each column: `counts` and `of` have one row a patient. `bounded`: none can exceed 1."""
    found = [_exactly(counts[:, column], of[:, column], bounded) for column in range(counts.shape[1])]
    if all(each.method != BOOTSTRAP for each in found):
        return found
    width, drawn = counts.shape[1], _drawn(np.hstack([counts, of]), seed)
    asked = [column for column, each in enumerate(found) if each.method == BOOTSTRAP]
    for column, (low, high) in zip(asked, _between(drawn[:, asked], drawn[:, width:][:, asked]), strict=True):
        found[column] = replace(found[column], low=low, high=high)
    return found


@lru_cache(maxsize=4096)
def exact(share: float, trials: int) -> tuple[float, float]:
    """Clopper and Pearson's interval of `share` (0..1) seen in `trials`; a share between two counts is allowed."""
    seen = share * trials
    if seen <= 0:
        return 0.0, -math.expm1(math.log(TAIL) / trials)
    if seen >= trials:
        return math.exp(math.log(TAIL) / trials), 1.0
    return _beta_quantile(TAIL, seen, trials - seen + 1), _beta_quantile(1 - TAIL, seen + 1, trials - seen)


def _exactly(count: Array, of: Array, bounded: bool) -> Rate:
    """The rate of one column; of BOOTSTRAP, and without its interval yet, where that is to be drawn."""
    total, trials, patients = float(count.sum()), float(of.sum()), int((of > 0).sum())
    if trials == 0:
        return Rate(total, trials, 0, None, None, None, NONE)
    value = total / trials
    if bounded and (patients < FEWEST or value in (0.0, 1.0)):
        return Rate(total, trials, patients, value, *exact(value, patients), EXACT)
    if total == 0:  # a count that never was: Poisson's upper end over as many trials as patients
        return Rate(total, trials, patients, value, 0.0, -math.log(TAIL) / patients, EXACT)
    return Rate(total, trials, patients, value, None, None, BOOTSTRAP)


def _between(counts: Array, of: Array) -> list[tuple[float, float]]:
    """Where all but the tails of what was drawn lie, by column; draws with nothing to count are left out."""
    ends = [TAIL, 1 - TAIL]
    if (of > 0).all():
        low, high = np.quantile(counts / of, ends, axis=0)
        return list(zip(low.tolist(), high.tolist(), strict=True))
    some = [of[:, column] > 0 for column in range(of.shape[1])]
    each = [np.quantile(counts[kept, column] / of[kept, column], ends) for column, kept in enumerate(some)]
    return [(float(low), float(high)) for low, high in each]


def _drawn(rows: Array, seed: int) -> Array:
    """Column sums of DRAWS samples of as many patients, with replacement.

    Patients with the same row are interchangeable: how often each kind is drawn is multinomial.
    """
    kinds, alike = _kinds(rows)
    people, random = int(alike.sum()), np.random.default_rng(seed)
    if not people:
        return np.zeros((DRAWS, rows.shape[1]))
    left, some = DRAWS, []
    while left:
        size = min(left, max(1, AT_ONCE // len(alike)))
        some.append(random.multinomial(people, alike / people, size=size) @ kinds)
        left -= size
    return np.vstack(some)


def _kinds(rows: Array) -> tuple[Array, NDArray[np.int64]]:
    """The different rows in their order, and how often each is there. Rows of small counts are told by one number."""
    whole = rows.astype(np.int64)
    most = whole.max(axis=0, initial=0)
    if whole.min(initial=0) < 0 or (whole != rows).any() or np.prod(most + 1.0) > LARGEST:
        return np.unique(rows, axis=0, return_counts=True)
    alike = np.bincount(np.ravel_multi_index(tuple(whole.T), tuple(most + 1)))
    there = np.flatnonzero(alike)
    return np.column_stack(np.unravel_index(there, tuple(most + 1))).astype(float), alike[there]


def _beta_quantile(level: float, a: float, b: float) -> float:
    """Where I_x(a, b) is `level`: regula falsi, each end that stays twice halved (the Illinois rule)."""
    low, high = 0.0, 1.0
    under, over, last = -level, 1.0 - level, 0
    for _ in range(200):
        middle = low - under * (high - low) / (over - under)
        found = _beta_below(middle, a, b) - level
        if abs(found) < 1e-14 or high - low < 1e-15:
            return middle
        if found < 0:
            low, under, over, last = middle, found, over / 2 if last < 0 else over, -1
        else:
            high, over, under, last = middle, found, under / 2 if last > 0 else under, 1
    return (low + high) / 2


def _beta_below(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function I_x(a, b), by its continued fraction (DLMF 8.17.22)."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - _beta_below(1 - x, b, a)
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )
    fraction = 0.0
    terms = 30 + int(8 * math.sqrt(max(a, b)))  # it converges in about sqrt(max(a, b)) of them
    for m in range(terms, 0, -1):  # from the inside out
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        fraction = even / (1 + odd / (1 + fraction))
    return front / a / (1 + (-(a + b) * x / (a + 1)) / (1 + fraction))
