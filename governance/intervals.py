"""Intervals of rates whose days belong to patients: by patient bootstrap, or exact where that says too little.

Patients are drawn, not days, since one patient's days resemble each other. Where every patient says the same, or
there are fewer than FEWEST of them, a bootstrap is too sure of itself: then the exact binomial interval
(Clopper and Pearson 1934) over as many independent trials as there are patients, which is wider. Ends are those
of the two-sided 95 % interval: a one-sided bound would be kinder.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

FEWEST: Final = 30  # patients below which a bootstrap is not believed
DRAWS: Final = 2000
TAIL: Final = 0.025
AT_ONCE: Final = 200  # draws made together: what is held in memory
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
    drawn = _drawn(np.hstack([counts, of]), seed)
    width = counts.shape[1]
    return [
        _rate(counts[:, column], of[:, column], drawn[:, column], drawn[:, width + column], bounded)
        for column in range(width)
    ]


def exact(share: float, trials: int) -> tuple[float, float]:
    """Clopper and Pearson's interval of `share` (0..1) seen in `trials`; a share between two counts is allowed."""
    seen = share * trials
    low = 0.0 if seen <= 0 else _beta_quantile(TAIL, seen, trials - seen + 1)
    high = 1.0 if seen >= trials else _beta_quantile(1 - TAIL, seen + 1, trials - seen)
    return low, high


def _rate(count: Array, of: Array, drawn_count: Array, drawn_of: Array, bounded: bool) -> Rate:
    total, trials, patients = float(count.sum()), float(of.sum()), int((of > 0).sum())
    if trials == 0:
        return Rate(total, trials, 0, None, None, None, NONE)
    value = total / trials
    if bounded and (patients < FEWEST or value in (0.0, 1.0)):
        return Rate(total, trials, patients, value, *exact(value, patients), EXACT)
    if total == 0:  # a count that never was: Poisson's upper end over as many trials as patients
        return Rate(total, trials, patients, value, 0.0, -math.log(TAIL) / patients, EXACT)
    some = drawn_of > 0
    low, high = np.quantile(drawn_count[some] / drawn_of[some], [TAIL, 1 - TAIL])
    return Rate(total, trials, patients, value, float(low), float(high), BOOTSTRAP)


def _drawn(rows: Array, seed: int) -> Array:
    """Column sums of DRAWS samples of as many patients, with replacement.

    Patients with the same row are interchangeable: how often each kind is drawn is multinomial.
    """
    kinds, alike = np.unique(rows, axis=0, return_counts=True)
    people, random = int(alike.sum()), np.random.default_rng(seed)
    if not people:
        return np.zeros((DRAWS, rows.shape[1]))
    some = [random.multinomial(people, alike / people, size=AT_ONCE) @ kinds for _ in range(DRAWS // AT_ONCE)]
    return np.vstack(some)


def _beta_quantile(level: float, a: float, b: float) -> float:
    low, high = 0.0, 1.0
    for _ in range(60):  # halvings: beyond the last bit of a double
        middle = (low + high) / 2
        low, high = (middle, high) if _beta_below(middle, a, b) < level else (low, middle)
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
    for m in range(400, 0, -1):  # from the inside out
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        fraction = even / (1 + odd / (1 + fraction))
    return front / a / (1 + (-(a + b) * x / (a + 1)) / (1 + fraction))
