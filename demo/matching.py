"""Whether a resource satisfies one search parameter: tokens, references, dates and strings as R4 compares
them.

Refuses a value it cannot read and a modifier it does not know (Refused, 400).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, Final

from demo.moments import holds, spans_of, split_prefix
from demo.outcome import invalid, unknown_parameter
from demo.parameters import Parameter

MODIFIERS: Final = {"token": ("missing", "not", "text"), "reference": ("missing",), "date": ("missing",),
                    "string": ("missing", "exact", "contains")}
Test = Callable[[dict[str, Any]], bool]


def values(resource: Any, path: str) -> Iterator[Any]:
    """Every value at a dotted path, lists on the way walked."""
    head, _, rest = path.partition(".")
    here = resource.get(head) if isinstance(resource, dict) else None
    for one in here if isinstance(here, list) else [here]:
        if one is None:
            continue
        if rest:
            yield from values(one, rest)
        else:
            yield one


def split_or(text: str) -> list[str]:
    r"""The alternatives in "a,b"; a comma written "\," belongs to its value."""
    return [re.sub(r"\\([,|$\\])", r"\1", part) for part in re.split(r"(?<!\\),", text)]


def test_for(name: str, modifier: str, text: str, parameter: Parameter, base: str, now: datetime) -> Test:
    """The predicate behind `name:modifier=text`. Raises Refused for what it cannot read."""
    targeted = parameter.kind == "reference" and modifier[:1].isupper()
    if modifier and not targeted and modifier not in MODIFIERS[parameter.kind]:
        raise unknown_parameter(f"modifier ':{modifier}' is not supported on '{name}'")
    if not text:
        raise invalid(f"'{name}' has no value")
    if modifier == "missing":
        return _missing(name, text, parameter)
    wanted = split_or(text)
    if parameter.kind == "token":
        return _tokens(wanted, modifier, parameter)
    if parameter.kind == "reference":
        return _references(name, wanted, modifier, parameter, base)
    if parameter.kind == "date":
        return _dates(name, wanted, parameter, now)
    return _strings(wanted, modifier, parameter)


def found_at(resource: dict[str, Any], parameter: Parameter) -> Iterator[Any]:
    """Every value the parameter looks at in `resource`."""
    for path in parameter.paths:
        yield from values(resource, path)


def _missing(name: str, text: str, parameter: Parameter) -> Test:
    if text not in ("true", "false"):
        raise invalid(f"'{name}:missing' is true or false, not '{text}'")
    return lambda resource: (next(found_at(resource, parameter), None) is None) == (text == "true")


def codings(value: Any) -> Iterator[tuple[str | None, str | None, str]]:
    """(system, code, text) of a code, boolean, Coding, CodeableConcept or Identifier."""
    if isinstance(value, bool):
        yield None, "true" if value else "false", ""
    elif isinstance(value, str):
        yield None, value, value
    elif isinstance(value, dict) and ("coding" in value or "text" in value):
        for coding in value.get("coding", ()):
            yield coding.get("system"), coding.get("code"), coding.get("display", "")
        yield None, None, value.get("text", "")
    elif isinstance(value, dict):
        yield value.get("system"), value.get("code", value.get("value")), value.get("display", "")


def _tokens(wanted: list[str], modifier: str, parameter: Parameter) -> Test:
    pairs = [tuple(one.split("|", 1)) if "|" in one else (None, one) for one in wanted]

    def matches(system: str | None, code: str | None, text: str, *, plain: bool) -> bool:
        if modifier == "text":
            return any(one.casefold() in text.casefold() for one in wanted if text)
        if code is None:
            return False
        return any(
            (want_system is None or plain or (system or "") == want_system) and want_code in ("", code)
            for want_system, want_code in pairs
        )

    def hit(resource: dict[str, Any]) -> bool:
        return any(
            matches(*coding, plain=not isinstance(value, dict))
            for value in found_at(resource, parameter) for coding in codings(value)
        )

    return (lambda resource: not hit(resource)) if modifier == "not" else hit


def local(reference: str, base: str) -> str:
    """A reference without this server's base and without a version: "Patient/7"."""
    return reference.removeprefix(f"{base}/").split("/_history/")[0]


def _references(name: str, wanted: list[str], modifier: str, parameter: Parameter, base: str) -> Test:
    type_ = modifier or ("Patient" if name == "patient" else "")

    def full(text: str) -> str:
        told = local(text, base)
        return told if "/" in told or not type_ else f"{type_}/{told}"

    targets = {full(one) for one in wanted}
    bare = {one for one in targets if "/" not in one}

    def hit(resource: dict[str, Any]) -> bool:
        for value in found_at(resource, parameter):
            reference = local(str(value.get("reference", "")), base) if isinstance(value, dict) else ""
            if type_ and not reference.startswith(f"{type_}/"):
                continue
            if reference in targets or reference.rpartition("/")[2] in bare:
                return True
        return False

    return hit


def _dates(name: str, wanted: list[str], parameter: Parameter, now: datetime) -> Test:
    try:
        asked = [split_prefix(one) for one in wanted]
    except ValueError as error:
        raise invalid(f"'{name}': {error}") from error

    def hit(resource: dict[str, Any]) -> bool:
        spans = [one for value in found_at(resource, parameter) for one in spans_of(value)]
        return any(holds(prefix, ask, one, now) for prefix, ask in asked for one in spans)

    return hit


def texts(value: Any) -> Iterator[str]:
    """Every string in a HumanName or a plain string."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key in ("text", "family", "given", "prefix", "suffix"):
            yield from values(value, key)


def _strings(wanted: list[str], modifier: str, parameter: Parameter) -> Test:
    def fits(text: str, want: str) -> bool:
        if modifier == "exact":
            return text == want
        text, want = text.casefold(), want.casefold()
        return want in text if modifier == "contains" else text.startswith(want)

    return lambda resource: any(
        fits(text, want)
        for value in found_at(resource, parameter) for text in texts(value) for want in wanted
    )
