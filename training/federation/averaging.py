"""Many sites' weights -> one network's: the mean, weighted by how many examples each site trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[np.float32]]


class Disagreement(ValueError):
    """Sites sent weights that cannot be averaged; the message says which and why."""


def weighted_mean(parts: Sequence[tuple[Arrays, float]]) -> dict[str, NDArray[np.float32]]:
    """Mean of arrays of the same names and shapes, summed in double precision in the order given.

    Raises Disagreement when names or shapes differ, a number is not finite, or the weights add up to nothing.
    """
    total = sum(weight for _, weight in parts)
    if not parts or total <= 0 or any(weight < 0 for _, weight in parts):
        raise Disagreement("federated averaging: no site trained on anything")
    first = parts[0][0]
    for arrays, _ in parts:
        _same(first, arrays)
    return {
        name: np.sum(
            [arrays[name].astype(np.float64) * (weight / total) for arrays, weight in parts], axis=0
        ).astype(np.float32)
        for name in first
    }


def _same(first: Arrays, arrays: Arrays) -> None:
    if set(arrays) != set(first):
        raise Disagreement(f"federated averaging: names differ in {sorted(set(arrays) ^ set(first))}")
    for name, array in arrays.items():
        if array.shape != first[name].shape:
            raise Disagreement(
                f"federated averaging: {name} is {array.shape} here, {first[name].shape} there"
            )
        if not np.isfinite(array).all():
            raise Disagreement(f"federated averaging: {name} holds a number that is not finite")
