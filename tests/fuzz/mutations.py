"""What may have become of a document on its way: places in it changed, lost, doubled, wrapped or swapped."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import orjson
from hypothesis import strategies as st

ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 7, 1e308, -1e-320, 2**63 - 1, "",
    " ", "x", "é‮\u200b", "\x00", "9" * 400, "<5", "<", ">= 1e400",
    "NaN", "null", "2026-11-23", "2026",
    "2026-11-23T24:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00",
    "2026-02-30T00:00:00Z", "2026-11-23T10:00:60Z",
    "Patient/../x", "../..", "http://evil.example", "#", "Patient/", "/",
    "entered-in-error", "http://loinc.org", "8867-4", "%",
    "mm[Hg]", [], {}, [[]], [None], [{}], {"": None}, {"value": "1,5"},
    {"resourceType": "Bundle", "entry": [{}]},
    {"resourceType": []}, {"reference": 5}, {"coding": "x"}, {"start": 1},
)  # fmt: skip
JUNK = st.one_of(
    st.sampled_from(ODD),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
    st.dictionaries(st.text(max_size=5), st.sampled_from(ODD), max_size=2),
)
DEEDS = st.sampled_from(("put", "put", "put", "lose", "double", "wrap", "swap", "rename"))
Change = tuple[int, str, Any, int]


def places(document: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path to every value below `document`."""
    found: list[tuple[Any, ...]] = []
    listed = enumerate(document) if isinstance(document, list) else ()
    steps = document.items() if isinstance(document, dict) else listed
    for key, value in steps:
        found += [(*at, key), *places(value, (*at, key))]
    return found


def changes(document: Any, most: int = 4) -> st.SearchStrategy[list[Change]]:
    """One to `most` changes of a document of this size."""
    many = st.integers(0, len(places(document)) - 1)
    return st.lists(st.tuples(many, DEEDS, JUNK, many), min_size=1, max_size=most)


def changed(raw: bytes, where: list[tuple[Any, ...]], told: list[Change]) -> Any:
    """The document in `raw`, changed; a change whose place is gone by then is left out."""
    document = orjson.loads(raw)
    for index, deed, junk, other in told:
        holder, key = _at(document, where[index])
        if holder is None:
            continue
        value = holder[key]
        if deed == "lose":
            del holder[key]
        elif deed == "double" and isinstance(holder, list):
            holder += [value] * 3
        elif deed == "wrap":
            holder[key] = [value]
        elif deed == "rename" and isinstance(holder, dict):
            holder[str(junk)[:20]] = holder.pop(key)
        elif deed == "swap":
            there, name = _at(document, where[other])
            holder[key] = deepcopy(there[name]) if there is not None else junk
        else:
            holder[key] = junk
    return document


def _at(document: Any, path: tuple[Any, ...]) -> tuple[Any, Any]:
    holder = document
    for step in path[:-1]:
        if not _there(holder, step):
            return None, None
        holder = holder[step]
    return (holder, path[-1]) if _there(holder, path[-1]) else (None, None)


def _there(holder: Any, step: Any) -> bool:
    if isinstance(holder, dict):
        return step in holder
    return isinstance(holder, list) and isinstance(step, int) and step < len(holder)
