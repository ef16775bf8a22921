"""A FHIR search, read and run: parameters into tests, then filter, sort and include (R4 search).

Refuses what it does not know with 400, as `Prefer: handling=strict` asks and this hospital always does,
unless the caller asked for lenient handling; then what was ignored is said in the result.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from demo.matching import Test, codings, found_at, local, split_or, test_for, texts
from demo.moments import spans_of
from demo.outcome import Refused, invalid, unknown_parameter
from demo.parameters import PARAMETERS, Parameter, parameters_of

Pairs = Iterable[tuple[str, str]]
Resource = dict[str, Any]

FORMATS: Final = ("json", "application/json", "application/fhir+json", "application/fhir json")
UNSAID: Final = frozenset({"_format", "_pretty"})


@dataclass(slots=True)
class Query:
    """One search: `told` is what was understood, in order; `patients` narrows the rows worth looking at."""

    type: str
    tests: list[Test] = field(default_factory=list)
    sort: list[tuple[Parameter, bool]] = field(default_factory=list)  # (what, descending)
    includes: list[Parameter] = field(default_factory=list)
    count: int | None = None
    total: bool = True
    summary: bool = False
    patients: frozenset[str] | None = None
    told: list[tuple[str, str]] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)


def read_query(type_: str, pairs: Pairs, *, base: str, now: datetime, lenient: bool = False) -> Query:
    """The search behind `pairs`. Raises Refused: 404 for the type, 400 for a parameter or a value."""
    if type_ not in PARAMETERS:
        raise Refused(404, "not-supported", f"resource type '{type_}' is not known here")
    query = Query(type_)
    for name, value in pairs:
        try:
            _read(query, name, value, base, now)
        except Refused as refused:
            if not lenient or refused.code != "not-supported":
                raise
            query.ignored.append(refused.text)
        else:
            if name not in UNSAID:
                query.told.append((name, value))
    return query


def _read(query: Query, name: str, value: str, base: str, now: datetime) -> None:
    match name:
        case "_count":
            query.count = _count(value)
        case "_sort":
            query.sort += _sort(query.type, value)
        case "_include":
            query.includes += _include(query.type, value)
        case "_total":
            query.total = _one_of(name, value, ("none", "estimate", "accurate")) != "none"
        case "_summary":
            query.summary = _one_of(name, value, ("false", "count")) == "count"
        case "_format":
            if value not in FORMATS:
                raise Refused(406, "not-supported", f"'{value}' is not spoken here; only JSON is")
        case "_pretty":
            _one_of(name, value, ("true", "false"))
        case _:
            _filter(query, name, value, base, now)


def _filter(query: Query, name: str, value: str, base: str, now: datetime) -> None:
    plain, _, modifier = name.partition(":")
    parameter = parameters_of(query.type).get(plain)
    if parameter is None:
        raise unknown_parameter(f"unknown search parameter '{plain}' for {query.type}")
    query.tests.append(test_for(plain, modifier, value, parameter, base, now))
    if plain == "patient" and not modifier:
        asked = frozenset(local(one, base).removeprefix("Patient/") for one in split_or(value))
        query.patients = asked if query.patients is None else query.patients & asked


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise invalid(f"'{name}' is one of {', '.join(allowed)}, not '{value}'")
    return value


def _count(value: str) -> int:
    if not value.isdecimal() or len(value) > 9:
        raise invalid(f"'_count' is a number of rows, not '{value}'")
    return int(value)


def _sort(type_: str, value: str) -> list[tuple[Parameter, bool]]:
    known, keys = parameters_of(type_), []
    for key in value.split(","):
        if key.removeprefix("-") not in known:
            raise unknown_parameter(f"cannot sort {type_} by '{key}'")
        keys.append((known[key.removeprefix("-")], key.startswith("-")))
    return keys


def _include(type_: str, value: str) -> list[Parameter]:
    known = parameters_of(type_)
    if value == "*":
        return [one for one in known.values() if one.kind == "reference"]
    source, _, rest = value.partition(":")
    name = rest.split(":")[0]
    if source != type_ or name not in known or known[name].kind != "reference":
        raise unknown_parameter(f"cannot include '{value}' in a search of {type_}")
    return [known[name]]


def run(query: Query, rows: Iterable[Resource]) -> list[Resource]:
    """The rows that satisfy every test, in the order asked for; rows without a sort value come last."""
    found = [row for row in rows if all(test(row) for test in query.tests)]
    for parameter, descending in reversed(query.sort):
        keyed = [(key, row) for row in found if (key := _key(row, parameter)) is not None]
        blank = [row for row in found if _key(row, parameter) is None]
        keyed.sort(key=lambda pair: pair[0], reverse=descending)
        found = [row for _, row in keyed] + blank
    return found


def _key(row: Resource, parameter: Parameter) -> Any:
    for value in found_at(row, parameter):
        if parameter.kind == "date":
            for one in spans_of(value):
                return one.start
        elif parameter.kind == "token":
            for system, code, text in codings(value):
                return (code or text, system or "")
        elif parameter.kind == "reference":
            return value.get("reference", "")
        else:
            for text in texts(value):
                return text.casefold()
    return None


def included(query: Query, rows: Iterable[Resource], base: str) -> list[str]:
    """Local references ("Patient/7") that the query's `_include`s name in these rows, each once."""
    wanted: dict[str, None] = {}
    for row in rows:
        for parameter in query.includes:
            for value in found_at(row, parameter):
                if isinstance(value, dict) and isinstance(value.get("reference"), str):
                    wanted[local(value["reference"], base)] = None
    return list(wanted)
