"""Assessments for the memory's tests: one authored, and any at all, built from the types themselves."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from typing import Any, Union, get_args, get_origin, get_type_hints
from zoneinfo import ZoneInfo

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from inference.assessment import VENTILATION, Assessment, Phrase, Prediction, Status
from inference.chart import Measurement, Source

KOLKATA = ZoneInfo("Asia/Kolkata")
NOON = datetime(2026, 11, 23, 12, 0, 0, 123456, tzinfo=KOLKATA)
SECRET = b"a secret of at least thirty-two bytes, for tests"


def answer(**changes: Any) -> Assessment:
    """An assessed answer of the ventilation model, with one input as the hospital sent it."""
    source = Source("Observation/obs-4711", "3", "http://loinc.org|9279-1", "<27,5 geheim", "/min")
    row = Measurement("rr", 27.5, NOON - timedelta(hours=1), NOON, source, "<")
    standard: dict[str, Any] = {
        "model": VENTILATION,
        "version": "0.1.0",
        "as_of": NOON,
        "status": Status.ASSESSED,
        "reason": None,
        "predictions": (
            Prediction("ventilation-6h", 6, 0.1, 0.05, 0.2, members=(0.1, 0.11)),
            Prediction("ventilation-24h", 24, 0.31, 0.2, 0.45, members=(0.3, 0.32)),
        ),
        "cautions": (Phrase("stale", {"hours": 5, "share": 5.0, "what": "rr"}),),
        "inputs": (row,),
        "seed": 20260901,
        "inputs_digest": "ab" * 32,
    }
    return Assessment(**(standard | changes))


def anything(kind: Any) -> SearchStrategy[Any]:
    """Every value of the type `kind` that can be kept: finite numbers, zoned times, any text at all."""
    leaves: dict[Any, SearchStrategy[Any]] = {
        str: st.text(st.characters(), max_size=8),  # lone surrogates and NUL are among them
        float: st.floats(allow_nan=False, allow_infinity=False) | st.integers(-5, 5),
        int: st.integers(),
        bool: st.booleans(),
        datetime: _times(),
        type(None): st.none(),
    }
    if kind in leaves:
        return leaves[kind]
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return st.sampled_from(list(kind))
    if is_dataclass(kind) or hasattr(kind, "_fields"):
        return _built(kind)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return st.one_of([anything(argument) for argument in arguments])
    if origin is tuple and arguments[-1] is Ellipsis:
        return st.lists(anything(arguments[0]), max_size=2).map(tuple)
    if origin is tuple:
        return st.tuples(*map(anything, arguments))
    if origin is Mapping:
        return st.dictionaries(anything(arguments[0]), anything(arguments[1]), max_size=2)
    raise AssertionError(f"no strategy for {kind}")


def _built(kind: Any) -> SearchStrategy[Any]:
    hints = get_type_hints(kind)
    names = [field.name for field in fields(kind)] if is_dataclass(kind) else kind._fields
    return st.builds(kind, **{name: anything(hints[name]) for name in names})


def _times() -> SearchStrategy[datetime]:
    offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
    zoned = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC) | offsets)  # noqa: DTZ001
    return zoned.map(lambda moment: moment.replace(fold=0))  # an offset has no hour that comes twice
