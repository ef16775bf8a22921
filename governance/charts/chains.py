"""Run lengths of sums that remember: the mean number of steps until a walk on a grid leaves its limits.

Brook and Evans' Markov chain: the chart's value is put on a grid, the chance of each step from each cell is
written down, and the mean time to leave is one linear system. Grids stay below 200 cells: larger ones are solved
on several threads, which on a busy machine takes longer.
"""

from __future__ import annotations

from collections.abc import Callable
from math import log
from typing import Final

import numpy as np
from numpy.typing import NDArray

CLOSE: Final = 1e-3  # of a limit found, relative: far finer than any baseline is known
ROUNDS: Final = 40

Floats = NDArray[np.float64]


def mean_exit(steps: Floats, start: int) -> float:
    """Mean steps until the chain leaves; `steps[i, j]` is the chance from cell i to j, rows below 1 leave."""
    times = np.linalg.solve(np.eye(len(steps)) - steps, np.ones(len(steps)))
    return float(times[start])


def solve_limit(length: Callable[[float], float], wanted: float, least: float, most: float) -> float:
    """The smallest limit in `least`..`most` whose run length reaches `wanted` (lengths grow with limits).

    The logarithm of a run length is nearly straight in the limit, so the search walks along it. Raises ValueError
    where even `most` does not reach it.
    """
    low, high = least, 1.5 * least
    short, enough = log(length(low)), log(length(high))
    target = log(wanted)
    while enough < target:
        if high >= most:
            raise ValueError(f"no limit up to {most} holds a run length of {wanted}")
        low, short, high = high, enough, min(most, 1.5 * high)
        enough = log(length(high))
    for _ in range(ROUNDS):
        if high - low < CLOSE * high:
            break
        along = (target - short) / (enough - short) if enough > short else 0.5
        middle = low + (high - low) * min(max(along, 0.05), 0.95)
        found = log(length(middle))
        if found >= target:
            high, enough = middle, found
        else:
            low, short = middle, found
    return high
