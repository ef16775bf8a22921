"""Assessment <-> JSON, without loss: what is recalled equals what was shown, byte for byte.

Works from the types themselves (frozen dataclasses, NamedTuples, StrEnums, datetimes, tuples, mappings), so
that a new field needs nothing here. A field that a stored document lacks takes its default; a field this
version does not know, a number that is not finite, a time without a zone or a value of another type is
refused with the place of it (CodecError, never the value). The document names its format; an older one is
lifted by `LIFTS` step by step.
"""

from __future__ import annotations

import json
import math
import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any, Final, NamedTuple, Union, cast, get_args, get_origin, get_type_hints

from governance.errors import CodecError
from inference.assessment import Assessment

FORMAT: Final = 1
LIFTS: Final[
    Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]]
] = {}  # format n -> document of format n + 1

Step = Callable[[Any], Any]
_SCALARS: Final = (str, int, float, bool)


class _Codec(NamedTuple):
    encode: Step
    decode: Step


def dump(assessment: Assessment) -> bytes:
    """`assessment` as ASCII JSON; the same assessment is always the same bytes. Raises CodecError."""
    document = {"format": FORMAT, "assessment": _codec(Assessment).encode(assessment)}
    return json.dumps(document, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode()


def load(document: bytes) -> Assessment:
    """The assessment in `document`. Raises CodecError naming the field that is wrong."""
    try:
        data = json.loads(document)
    except ValueError:
        raise CodecError("a stored assessment is not JSON") from None
    if not isinstance(data, dict) or set(data) != {"format", "assessment"}:
        raise CodecError("a stored assessment lacks its format or its body")
    return cast(Assessment, _codec(Assessment).decode(_lifted(data["format"], data["assessment"])))


def _lifted(form: object, body: Any) -> Any:
    if type(form) is not int or not 1 <= form <= FORMAT:
        raise CodecError(
            f"a stored assessment has a format this version does not read (it reads 1 to {FORMAT})"
        )
    for step in range(form, FORMAT):
        body = LIFTS[step](body)
    return body


@cache
def _codec(kind: Any) -> _Codec:
    """How values of type `kind` are written and read. Raises CodecError where there is no lossless form."""
    if kind is str:
        return _Codec(_text, _exact(str))
    if kind in (float, int, bool, type(None)):
        return _Codec(*_number(kind))
    if kind is datetime:
        return _Codec(_write_time, _read_time)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return _enumeration(kind)
    if is_dataclass(kind) or (
        isinstance(kind, type) and issubclass(kind, tuple) and hasattr(kind, "_fields")
    ):
        return _fields_of(cast(type, kind))
    return _composed(kind)


def _composed(kind: Any) -> _Codec:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _union(arguments)
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        return _series(arguments[0])
    if origin is tuple:
        return _row(arguments)
    if origin in (Mapping, dict) and arguments[0] is str:
        return _mapping(arguments[1])
    raise CodecError(f"the type {kind} has no lossless form; add one to governance/codec.py")


def _refusal(expected: str, value: object) -> CodecError:
    return CodecError(f"expected {expected}, found {type(value).__name__}")


def _text(value: Any) -> str:
    if type(value) is str:
        return value
    if isinstance(value, str):
        return str(value)
    raise _refusal("text", value)


def _exact(kind: type) -> Step:
    def read(value: Any) -> Any:
        if type(value) is not kind:
            raise _refusal(kind.__name__, value)
        return value

    return read


def _number(kind: type) -> tuple[Step, Step]:
    """Integers stay integers in a float's field: 5 and 5.0 are equal and each comes back as it went in."""
    if kind in (bool, type(None)):
        return _exact(kind), _exact(kind)
    allowed = (int, bool) if kind is int else (float, int, bool)

    def write(value: Any) -> Any:
        if type(value) not in allowed:
            if kind is not float or not isinstance(
                value, float
            ):  # numpy's float64 is a float, its float32 is not
                raise _refusal(kind.__name__, value)
            value = float(value)
        if type(value) is float and not math.isfinite(value):
            raise CodecError("a number is not finite")
        return value

    return write, write


def _write_time(value: Any) -> str:
    if not isinstance(value, datetime):
        raise _refusal("a time", value)
    if value.utcoffset() is None:
        raise CodecError("a time has no zone")
    return value.isoformat()


def _read_time(value: Any) -> datetime:
    try:
        time = datetime.fromisoformat(_text(value))
    except ValueError:
        raise CodecError("a time is not ISO 8601") from None
    if time.utcoffset() is None:
        raise CodecError("a time has no zone")
    return time


def _enumeration(kind: type[StrEnum]) -> _Codec:
    def write(value: Any) -> str:
        if type(value) is not kind:
            raise _refusal(kind.__name__, value)
        return str(value.value)

    def read(value: Any) -> StrEnum:
        try:
            return kind(_text(value))
        except ValueError:
            raise CodecError(f"a value is none of {kind.__name__}'s") from None

    return _Codec(write, read)


def _fields_of(kind: type) -> _Codec:
    """Dataclasses and NamedTuples: an object of their fields, in their order."""
    hints = get_type_hints(kind)
    names = tuple(f.name for f in fields(kind)) if is_dataclass(kind) else cast(Any, kind)._fields
    writers = [(name, _codec(hints[name]).encode) for name in names]
    readers = {name: _codec(hints[name]).decode for name in names}
    required = _required(kind, names)

    def write(value: Any) -> dict[str, Any]:
        if type(value) is not kind:
            raise _refusal(kind.__name__, value)
        written = {}
        for name, encode in writers:
            try:
                written[name] = encode(getattr(value, name))
            except CodecError as error:
                raise CodecError(f"{kind.__name__}.{name}: {error}") from None
        return written

    def read(value: Any) -> Any:
        if type(value) is not dict:
            raise _refusal(f"an object of {kind.__name__}", value)
        if not required <= value.keys() <= readers.keys():
            raise CodecError(f"{kind.__name__} lacks a field, or has one this version does not know")
        known = {}
        for name, item in value.items():
            try:
                known[name] = readers[name](item)
            except CodecError as error:
                raise CodecError(f"{kind.__name__}.{name}: {error}") from None
        return kind(**known)

    return _Codec(write, read)


def _required(kind: type, names: tuple[str, ...]) -> frozenset[str]:
    if is_dataclass(kind):
        return frozenset(
            f.name for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING
        )
    return frozenset(names) - frozenset(cast(Any, kind)._field_defaults)


def _union(arguments: tuple[Any, ...]) -> _Codec:
    """`X | None`, or a union of JSON's own scalars, which need no tag."""
    others = tuple(a for a in arguments if a is not type(None))
    if len(others) == 1:
        inner = _codec(others[0])
        return _Codec(
            lambda value: None if value is None else inner.encode(value),
            lambda value: None if value is None else inner.decode(value),
        )
    if not set(others) <= set(_SCALARS):
        raise CodecError(f"a union of {arguments} has no lossless form; add one to governance/codec.py")
    number, optional = _codec(float if float in others else int), len(others) < len(arguments)

    def step(value: Any) -> Any:
        if isinstance(value, str) and str in others:
            return _text(value)
        if value is None and optional:
            return None
        return number.encode(value)

    return _Codec(step, step)


def _series(kind: Any) -> _Codec:
    encode, decode = _codec(kind)

    def write(value: Any) -> list[Any]:
        if not isinstance(value, tuple):
            raise _refusal("a tuple", value)
        return [encode(item) for item in value]

    def read(value: Any) -> tuple[Any, ...]:
        if type(value) is not list:
            raise _refusal("a list", value)
        return tuple([decode(item) for item in value])

    return _Codec(write, read)


def _row(kinds: tuple[Any, ...]) -> _Codec:
    columns = [_codec(kind) for kind in kinds]

    def write(value: Any) -> list[Any]:
        if not isinstance(value, tuple) or len(value) != len(columns):
            raise _refusal(f"a tuple of {len(columns)}", value)
        return [column.encode(item) for column, item in zip(columns, value, strict=True)]

    def read(value: Any) -> tuple[Any, ...]:
        if type(value) is not list or len(value) != len(columns):
            raise _refusal(f"a list of {len(columns)}", value)
        return tuple(column.decode(item) for column, item in zip(columns, value, strict=True))

    return _Codec(write, read)


def _mapping(kind: Any) -> _Codec:
    encode, decode = _codec(kind)

    def write(value: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise _refusal("a mapping", value)
        return {_text(key): encode(item) for key, item in value.items()}

    def read(value: Any) -> dict[str, Any]:
        if type(value) is not dict:
            raise _refusal("an object", value)
        return {key: decode(item) for key, item in value.items()}

    return _Codec(write, read)
