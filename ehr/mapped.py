"""What a site's codes and assays stand for, as entries that can be compared: the shipped tables, and a site's own map.

An entry is a place in a file ("variables.lactate.loinc", "local_codes.urn:x|LAC") with its values as texts and the
variables it bears on. Nothing of a patient and no secret of the site's file is in it. Refuses nothing: the tables are
checked where they are read for use.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from ehr.codes import CODES_FILE
from ehr.site import Tenant
from inference.assays import ASSAY_FILE
from inference.vocabulary import vocabulary

CARE_UNIT: Final = "care_unit"  # what a change of the map of places bears on
_ENDS: Final = re.compile(r"[@=:]")  # what follows a variable in a site's map


class Mapped(NamedTuple):
    """One entry: what it holds, and the variables it bears on."""

    values: tuple[str, ...]
    variables: tuple[str, ...]


def shipped(codes: Path = CODES_FILE, assays: Path = ASSAY_FILE) -> Mapping[str, Mapped]:
    """The tables that ship: codes, units, assays."""
    tables = {"codes": _read(codes), "assays": _read(assays)}
    scales: dict[str, list[str]] = {}
    for name, row in tables["codes"].get("variables", {}).items():
        scales.setdefault(str(row.get("scale", "")), []).append(name)
    platforms = {name: str(row.get("variable", "")) for name, row in tables["assays"].get("assays", {}).items()}
    found = {}
    for table, data in tables.items():
        for path, values in _flat(data):
            found[f"{table}: {'.'.join(path)}"] = Mapped(values, tuple(_concerned(path, scales, platforms)))
    return found


def own(tenant: Tenant) -> Mapping[str, Mapped]:
    """What the site's file adds: its own codes, its places, its laboratory's assays and those it confirmed."""
    found = {
        f"local_codes.{code}": Mapped((target,), tuple(_known([_ENDS.split(target)[0]])))
        for code, target in tenant.local_codes.items()
    }
    found |= {f"care_units.{place}": Mapped((kind,), (CARE_UNIT,)) for place, kind in tenant.care_units.items()}
    for variable, assay in tenant.assays.items():
        limits = tuple(f"{sex} {limit:g}" for sex, limit in sorted(assay.limits.items()))
        found[f"assays.{variable}"] = Mapped((assay.platform or "platform not said", *limits), (variable,))
    if tenant.confirmed_assays:
        troponins = tuple(name for name in vocabulary().variables if "troponin" in name)
        found["confirmed_assays"] = Mapped(tuple(sorted(tenant.confirmed_assays)), troponins)
    return found


def _read(path: Path) -> Mapping[str, Any]:
    with path.open("rb") as file:
        return tomllib.load(file)


def _flat(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Every leaf of a table, by its path; a list of plain values is one leaf."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(inner, (*path, str(key)))
    elif isinstance(value, list) and any(isinstance(each, Mapping) for each in value):
        for number, each in enumerate(value):
            name = str(each.get("rule", number)) if isinstance(each, Mapping) else str(number)
            yield from _flat(each, (*path, name))
    else:
        yield path, tuple(map(str, value)) if isinstance(value, list) else (str(value),)


def _concerned(
    path: tuple[str, ...], scales: Mapping[str, list[str]], platforms: Mapping[str, str]
) -> Iterator[str]:
    """The variables that a place in the shipped tables bears on."""
    if path[0] == "scales" and len(path) > 1:
        yield from scales.get(path[1], ())
    elif path[0] == "assays" and len(path) > 1:
        yield from _known([platforms.get(path[1], "")])
    elif path[0] == "care_units":
        yield CARE_UNIT
    else:
        yield from _known(path)


def _known(names: Iterable[str]) -> Iterator[str]:
    known = vocabulary().variables
    return (name for name in names if name in known)
