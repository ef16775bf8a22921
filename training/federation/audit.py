"""The door of a site: all that passes is written down first, and what was not asked for does not pass.

One line a thing, as JSON: which run and round, which site, its name, shape, bytes and SHA-256. The side that
receives keeps the same lines, so that the two lists can be laid beside each other.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Refused(ValueError):
    """Something would have left a site that was not asked for, or not in that shape."""


@dataclass(frozen=True, slots=True)
class Passage:
    """One thing that left a site. `kind`: "sums" before training, "weights" or "count" after it."""

    run: str
    turn: int
    site: str
    kind: str
    name: str
    shape: tuple[int, ...]
    type: str
    bytes: int
    sha256: str


def passages(run: str, turn: int, site: str, kind: str, arrays: Mapping[str, NDArray[Any]]) -> list[Passage]:
    """What the list says of these arrays."""
    return [
        Passage(run, turn, site, kind, name, array.shape, str(array.dtype), array.nbytes, _digest(array))
        for name, array in sorted(arrays.items())
    ]


def permit(arrays: Mapping[str, NDArray[Any]], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raises Refused unless exactly these names leave, in these shapes, as plain finite numbers."""
    if set(arrays) != set(shapes):
        raise Refused(f"not asked for, or missing: {sorted(set(arrays) ^ set(shapes))}")
    for name, array in arrays.items():
        if array.shape != shapes[name]:
            raise Refused(f"{name} is {array.shape}, and {shapes[name]} was asked for")
        if array.dtype.kind not in "fi" or not np.isfinite(array).all():
            raise Refused(f"{name} is not made of plain finite numbers")


def write(path: Path, said: Iterable[Passage]) -> None:
    """Adds lines to a list."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(asdict(line)) + "\n" for line in said)


def read(path: Path) -> list[Passage]:
    """The lines of a list; none where there is none."""
    if not path.exists():
        return []
    lines = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    return [Passage(**line | {"shape": tuple(line["shape"])}) for line in lines]


def unexplained(arrived: Iterable[Passage], left: Iterable[Passage]) -> list[Passage]:
    """What arrived and is on no site's list: always empty, or something went past a door."""
    return list((Counter(arrived) - Counter(left)).elements())


def _digest(array: NDArray[Any]) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
