"""The assay table: each troponin platform's guideline cut-offs, where they were read, who stands behind them.

Read once from `assays.toml`. Refuses a table with a missing or impossible number (AssayTableError). A row two
sources do not agree on is "unverified" and stays off until a site confirms it with its laboratory.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from inference.errors import AssayTableError

ASSAY_FILE: Final = Path(__file__).with_name("assays.toml")
INTERVALS: Final[Mapping[str, int]] = MappingProxyType({"esc-0-1h": 60, "esc-0-2h": 120})
"""Minutes between the two draws each ESC rule is written for."""


@dataclass(frozen=True, slots=True)
class CutOffs:
    """One ESC rule, ng/L. Rule-out: below `very_low`, `low`, `no_delta`; rule-in: from `high`, `delta`."""

    rule: str
    very_low: float
    low: float
    no_delta: float
    high: float
    delta: float
    source: str
    verified: bool


@dataclass(frozen=True, slots=True)
class Assay:
    """One platform: its rules and, where read, its 99th percentiles ("all", "female", "male"; ng/L)."""

    name: str
    label: str
    variable: str
    rules: tuple[CutOffs, ...]
    limits: Mapping[str, float]
    limits_source: str
    limits_verified: bool
    only: bool  # the one platform an unnamed result of this variable can be taken for

    def limit(self, sex: str) -> float | None:
        """The 99th percentile for this sex, else the one for all, ng/L."""
        return self.limits.get(sex, self.limits.get("all"))


@dataclass(frozen=True, slots=True)
class AssayTable:
    """All assays by name, with the version a site's confirmation is for."""

    version: str
    assays: Mapping[str, Assay]

    def named(self, name: str) -> Assay | None:
        """The assay of this name, if the table has it."""
        return self.assays.get(name)

    def standing_for(self, variable: str) -> Assay | None:
        """The assay an unnamed result of `variable` is taken for, if there is only one it can be."""
        return next((a for a in self.assays.values() if a.only and a.variable == variable), None)


@cache
def assay_table(path: Path = ASSAY_FILE) -> AssayTable:
    """The table in `path`. Raises AssayTableError naming the assay and what is wrong with it."""
    with path.open("rb") as file:
        data = tomllib.load(file)
    if not data.get("version"):
        raise AssayTableError(f"{path.name}: no version; a site's confirmation needs one to refer to")
    assays = {name: _assay(name, row) for name, row in data["assays"].items()}
    return AssayTable(str(data["version"]), MappingProxyType(assays))


def _assay(name: str, row: Mapping[str, Any]) -> Assay:
    limits = {str(key): float(value) for key, value in row.get("limits", {}).items()}
    if limits and not row.get("limits_source"):
        raise AssayTableError(f"assays.toml: {name} gives limits without limits_source")
    return Assay(
        name=name,
        label=str(row["label"]),
        variable=str(row["variable"]),
        rules=tuple(_cut_offs(name, rule) for rule in row.get("rules", ())),
        limits=MappingProxyType(limits),
        limits_source=str(row.get("limits_source", "")),
        limits_verified=bool(row.get("limits_verified", False)),
        only=bool(row.get("only", False)),
    )


def _cut_offs(name: str, row: Mapping[str, Any]) -> CutOffs:
    where = f"assays.toml: {name} {row.get('rule', '(no rule)')}"
    missing = [key for key in CutOffs.__slots__ if key not in row]
    if missing:
        raise AssayTableError(f"{where} has no {', '.join(missing)}")
    if row["rule"] not in INTERVALS:
        raise AssayTableError(f"{where}: a rule is one of {', '.join(INTERVALS)}")
    if not (0 < row["very_low"] <= row["low"] < row["high"] and 0 < row["no_delta"] <= row["delta"]):
        raise AssayTableError(f"{where}: needs very_low <= low < high and no_delta <= delta, all above 0")
    return CutOffs(**{key: row[key] for key in CutOffs.__slots__})
