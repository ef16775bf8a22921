"""Who is compared on the same rows: the model, what it must beat, and what is at the bedside anyway.

A contender is a number a row, NaN where it cannot be computed. Probabilities are judged by calibration too;
bedside scores and the guideline's rule only by how they rank, on the rows where they exist.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Texts = NDArray[np.str_]
MODEL: Final = "model"
NO_CHANGE: Final = "no-change"  # the forecast's contender: log ng/L, not a score of the outcome
SCORES: Final[Mapping[str, float]] = {"news2": 1.0, "rox": -1.0, "rule": 1.0}
"""What is no probability, and which way up it ranks: a low ROX is a bad sign."""

TITLES: Final[Mapping[str, str]] = {
    MODEL: "This model",
    "sequence": "Sequence model alone",
    "trees": "Gradient-boosted trees",
    "trees without FiO2": "Trees without FiO2",
    "line": "Logistic regression",
    "news2": "NEWS2",
    "rox": "ROX",
    "rule": "Universal-definition rule",
    NO_CHANGE: "No change",
}
SETS: Final[Mapping[str, str]] = {
    "challenge-2012": "Challenge 2012",
    "challenge-2019": "Challenge 2019, hospital B",
    "eicu-demo": "eICU demo",
}


class Rows(Protocol):
    """What the comparison reads of a table of N moments; times in hours, NaN or "" where there is nothing."""

    @property
    def x(self) -> NDArray[np.float32]: ...
    @property
    def y(self) -> NDArray[np.bool_]: ...
    @property
    def too_soon(self) -> NDArray[np.bool_]: ...
    @property
    def reported(self) -> NDArray[np.bool_]: ...
    @property
    def landmark(self) -> NDArray[np.float32]: ...
    @property
    def change(self) -> NDArray[np.float32]: ...
    @property
    def value(self) -> NDArray[np.float32]: ...
    @property
    def data_set(self) -> Texts: ...
    @property
    def stay(self) -> Texts: ...
    @property
    def patient(self) -> Texts: ...
    @property
    def site(self) -> Texts: ...
    @property
    def sex(self) -> Texts: ...
    @property
    def ethnicity(self) -> Texts: ...
    @property
    def analyte(self) -> Texts: ...
    @property
    def onset(self) -> NDArray[np.float32]: ...
    @property
    def end(self) -> NDArray[np.float32]: ...
    @property
    def ahead(self) -> NDArray[np.float32]: ...
    @property
    def first(self) -> NDArray[np.bool_]: ...
    @property
    def news2(self) -> NDArray[np.float32]: ...
    @property
    def rox(self) -> NDArray[np.float32]: ...
    @property
    def rule(self) -> Texts: ...
    @property
    def age(self) -> NDArray[np.float32]: ...
    def where(self, keep: NDArray[Any]) -> Self: ...
    def __len__(self) -> int: ...


def bedside(rows: Rows) -> dict[str, Floats]:
    """NEWS2, ROX and the guideline's rule (1 rise, 0 none), each where any row has it."""
    rule = np.where(rows.rule == "rise", 1.0, np.where(rows.rule == "no-rise", 0.0, np.nan))
    found: dict[str, Floats] = {"news2": rows.news2, "rox": rows.rox, "rule": rule}
    return {name: values for name, values in found.items() if np.isfinite(values).any()}


def upright(name: str, values: Floats) -> NDArray[np.float64]:
    """The contender's numbers such that higher means more likely."""
    turned: NDArray[np.float64] = np.asarray(values, dtype=np.float64) * SCORES.get(name, 1.0)
    return turned


def titled(name: str) -> str:
    """A contender's name as a person reads it."""
    return TITLES.get(name, name.capitalize())


def place(name: str) -> str:
    """A data set's name as a person reads it."""
    return SETS.get(name, name)
