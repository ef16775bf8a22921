"""The clinical vocabulary: every quantity the product knows, read once from `variables.toml`.

Refuses a file in which a unit, a range or an organ system is missing or contradicts itself.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from inference.errors import VocabularyError

VOCABULARY_FILE: Final = Path(__file__).with_name("variables.toml")
KINDS: Final = frozenset({"vital", "lab", "score", "volume", "body", "category"})


@dataclass(frozen=True, slots=True)
class Variable:
    """One clinical quantity: its name here, what clinicians call it, its one inner unit and what is plausible."""

    name: str
    label: str
    system: str
    unit: str
    kind: str
    low: float
    high: float
    levels: tuple[str, ...]
    absent: str
    source: str

    def plausible(self, value: float) -> bool:
        """Whether `value`, in this variable's unit, can have come from a living adult."""
        return self.low <= value <= self.high


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """All variables by name, in file order, with the organ systems they are explained under."""

    variables: Mapping[str, Variable]
    systems: Mapping[str, str]
    fingerprint: str

    def __getitem__(self, name: str) -> Variable:
        return self.variables[name]

    def __contains__(self, name: object) -> bool:
        return name in self.variables


@cache
def vocabulary(path: Path = VOCABULARY_FILE) -> Vocabulary:
    """The vocabulary in `path`. Raises VocabularyError naming the variable and the key that is wrong."""
    with path.open("rb") as file:
        data = tomllib.load(file)
    systems = {str(key): str(label) for key, label in data["systems"].items()}
    variables = {name: _variable(name, row, systems) for name, row in data["variables"].items()}
    return Vocabulary(MappingProxyType(variables), MappingProxyType(systems), _fingerprint(variables))


def _variable(name: str, row: Mapping[str, Any], systems: Mapping[str, str]) -> Variable:
    for key in ("label", "system", "unit", "kind", "absent", "source"):
        if key not in row:
            raise VocabularyError(f"variables.toml: [{name}] has no '{key}'")
    if row["system"] not in systems:
        raise VocabularyError(f"variables.toml: [{name}] system '{row['system']}' is not listed under [systems]")
    if row["kind"] not in KINDS:
        raise VocabularyError(f"variables.toml: [{name}] kind '{row['kind']}' is none of {sorted(KINDS)}")
    levels = tuple(str(level) for level in row.get("levels", ()))
    if (row["kind"] == "category") != bool(levels):
        raise VocabularyError(f"variables.toml: [{name}] a category, and only a category, lists its levels")
    low, high = (0.0, float(len(levels) - 1)) if levels else map(float, row["plausible"])
    if not low < high:
        raise VocabularyError(f"variables.toml: [{name}] plausible range {low}..{high} is empty")
    return Variable(
        name, row["label"], row["system"], row["unit"], row["kind"], low, high, levels, row["absent"], row["source"]
    )


def _fingerprint(variables: Mapping[str, Variable]) -> str:
    """sha256 over what changes a model's meaning: names, order, units, ranges and levels; labels may be reworded."""
    meaning = [[v.name, v.unit, v.kind, v.low, v.high, v.levels] for v in variables.values()]
    return hashlib.sha256(json.dumps(meaning).encode()).hexdigest()
