"""Centre, step and percentiles of columns that no one place holds: from sums and counts that add up over sites.

A number that rests on fewer than ten patients of a site does not leave it: it is sent as nothing. The tails of small
sites are thereby thinner than they are; percentiles serve only to say where a response may bend.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

FEWEST: Final = 10  # patients
EDGES: Final = np.linspace(-4.0, 4.0, 33)  # standard deviations: 32 bins
Floats = NDArray[np.float64]


def sums(values: NDArray[np.floating[Any]], patient: NDArray[np.str_]) -> dict[str, Floats]:
    """Of columns [N,W], or [N,W,S] with S values a row, NaN where nothing is: count, sum, sum of squares [W]."""
    values = values[:, :, None] if values.ndim == 2 else values
    there = ~np.isnan(values)
    shown = patients(there.any(axis=2), patient) >= FEWEST
    held = np.where(there, values, 0.0)
    return {
        "count": there.sum(axis=(0, 2)) * shown * 1.0,
        "sum": held.sum(axis=(0, 2), dtype=np.float64) * shown,
        "squares": np.einsum("nws,nws->w", held, held, dtype=np.float64) * shown,
    }


def named(total: Mapping[str, Floats], first: str) -> dict[str, Floats]:
    """The parts whose names begin so, without that beginning."""
    return {name.removeprefix(first): part for name, part in total.items() if name.startswith(first)}


def moments(total: dict[str, Floats]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and standard deviation [W] of added-up `sums`; 0 and 1 where nothing is, or nothing varies."""
    count = np.maximum(total["count"], 1.0)
    centre = total["sum"] / count
    spread = np.sqrt(np.maximum(total["squares"] / count - centre**2, 0.0))
    return centre.astype(np.float32), np.where(spread > 1e-3, spread, 1.0).astype(np.float32)


def histogram(z: NDArray[np.floating[Any]], patient: NDArray[np.str_]) -> Floats:
    """Of standardised columns [N,C] with NaN where nothing is: values in each of 32 bins, [C,32]."""
    _, owner = np.unique(patient, return_inverse=True)
    return np.array([_counts(column, owner) for column in z.T]).reshape(z.shape[1], len(EDGES) - 1)


def percentiles(counts: Floats, wanted: tuple[float, ...]) -> NDArray[np.float32]:
    """Percentiles [C,P] of added-up histograms [C,32], straight within a bin; 0 where nothing was counted."""
    found = np.zeros((len(counts), len(wanted)), np.float32)
    for row, column in enumerate(counts):
        if column.sum() > 0:
            below = np.r_[0.0, np.cumsum(column)] / column.sum() * 100
            found[row] = np.interp(wanted, below, EDGES)
    return found


def patients(flags: NDArray[np.bool_], patient: NDArray[np.str_]) -> NDArray[np.int_]:
    """How many patients have at least one row where a column of flags [N,W] is set, [W]."""
    if not len(flags):
        return np.zeros(flags.shape[1], dtype=np.int_)
    order = np.argsort(patient, kind="stable")
    starts = np.flatnonzero(np.r_[True, patient[order][1:] != patient[order][:-1]])
    some: NDArray[np.int_] = (np.add.reduceat(flags[order], starts, axis=0, dtype=np.int_) > 0).sum(axis=0)
    return some


def _counts(column: NDArray[np.floating[Any]], owner: NDArray[np.intp]) -> Floats:
    there = ~np.isnan(column)
    cells = len(EDGES) - 1
    cell = np.digitize(np.clip(column[there], EDGES[0], EDGES[-1]), EDGES[1:-1])
    whose = np.unique(owner[there] * cells + cell) % cells
    shown = np.bincount(whose, minlength=cells) >= FEWEST
    counts: Floats = (np.bincount(cell, minlength=cells) * shown).astype(np.float64)
    return counts
