"""Observation.value[x] -> a number in the vocabulary's unit, with its bound, or the reason why there is none.

"<5" stays a bound, "Hemolyzed" is no number, a level nobody mapped is unknown, a number outside what can be
survived is refused and never clipped. FHIR's comparators and a laboratory's own strings are read alike.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import isfinite
from typing import Any, Final, NamedTuple

from ehr.lexicon import Lexicon
from ehr.moments import NotUsed
from inference.vocabulary import Variable

BOUNDS: Final = {None: "", "": "", "<": "<", "<=": "<", "≤": "<", ">": ">", ">=": ">", "≥": ">"}
# Comma for a decimal point only where it cannot be a thousand's: "6,2" is 6.2; "1,200" is not read.
WRITTEN: Final = re.compile(r"\s*(<=|>=|<|>|≤|≥)?\s*([-+]?\d+(?:\.\d+|,\d{1,2}(?!\d))?)\s*([^\d\s,.].*?)?\s*")
LONGEST_WRITTEN: Final = 200  # characters: what is longer is a report, and a search in it may take its square
POINTS: Final = re.compile(r"\s*(\d{1,2})\s*(T)?(?:\b|\s|\().*", re.IGNORECASE | re.DOTALL)
OTHER_FORMS: Final = (
    "valueRange",
    "valueRatio",
    "valueBoolean",
    "valueSampledData",
    "valueTime",
    "valueDateTime",
    "valuePeriod",
)


class Value(NamedTuple):
    """A number in the vocabulary's unit, and how it was sent."""

    number: float
    bound: str
    value_sent: str
    unit_sent: str


def read_value(holder: Mapping[str, Any], variable: Variable, loinc: str, lexicon: Lexicon) -> Value:
    """The value of an Observation or component. Raises NotUsed,
    or TypeError and its like where it is malformed.
    """
    quantity = holder.get("valueQuantity")
    if quantity is not None and not variable.levels:  # nine rows of ten
        return _quantity(quantity, variable, loinc, lexicon)
    if variable.levels:
        return _level(holder, variable, lexicon)
    if variable.name == "gcs":
        total, mark = points(holder, lexicon)
        return Value(_checked(float(total), variable, f"{total}{mark}", ""), "", f"{total}{mark}", "")
    if "valueString" in holder:
        return _written(holder, variable, loinc, lexicon)
    if "valueInteger" in holder:
        number = _number(holder["valueInteger"])
        lexicon.conversion(
            variable.name, loinc, None, None, None
        )  # NotUsed unless the quantity needs no unit
        return Value(_checked(number, variable, str(number), ""), "", str(holder["valueInteger"]), "")
    raise _no_value(holder)


def converted(quantity: Mapping[str, Any], variable: Variable, loinc: str, lexicon: Lexicon) -> float:
    """A Quantity's number in the vocabulary's unit, unchecked. Raises NotUsed where its unit says nothing."""
    get = quantity.get
    convert = lexicon.conversion(variable.name, loinc, get("system"), get("code"), get("unit"))
    return convert(_number(quantity["value"]))


def points(holder: Mapping[str, Any], lexicon: Lexicon) -> tuple[int, str]:
    """Points of a coma score or one of its parts,
    and "T" where the patient was intubated when it was taken.
    """
    quantity = holder.get("valueQuantity")
    if quantity is not None:
        return _whole(quantity["value"]), ""
    if "valueInteger" in holder:
        return _whole(holder["valueInteger"]), ""
    text = holder.get("valueString")
    concept = holder.get("valueCodeableConcept")
    if concept is not None:
        for coding in concept.get("coding") or ():
            if coding.get("code") in lexicon.table.coma_answers:
                return lexicon.table.coma_answers[coding["code"]], ""
        text = concept.get("text")
    if text is None:
        raise _no_value(holder)
    found = POINTS.fullmatch(text[:LONGEST_WRITTEN])
    if found is None:
        raise NotUsed("not-a-number", text[:40])
    return int(found[1]), "T" if found[2] else ""


def _quantity(quantity: Mapping[str, Any], variable: Variable, loinc: str, lexicon: Lexicon) -> Value:
    get = quantity.get
    sent = get("value")
    if sent is None:
        raise NotUsed("no-value")
    code, unit, comparator = get("code"), get("unit"), get("comparator")
    number = lexicon.conversion(variable.name, loinc, get("system"), code, unit)(_number(sent))
    unit_sent = unit or code or ""
    if variable.name == "fio2":
        low, high = lexicon.table.room_air
        number = high if low <= number <= high else number
    if comparator is None:
        bound, value_sent = "", str(sent)
    elif comparator in BOUNDS:
        bound, value_sent = BOUNDS[comparator], f"{comparator}{sent}"
    else:
        raise NotUsed("comparator-unknown", str(comparator)[:10])
    if not variable.low <= number <= variable.high:
        raise NotUsed("implausible", f"{value_sent[:40]} {unit_sent}".strip())
    return Value(number, bound, value_sent, unit_sent)


def _written(holder: Mapping[str, Any], variable: Variable, loinc: str, lexicon: Lexicon) -> Value:
    """A result as a string: "<6", "6,2 ng/L". Its unit stands in it, or beside it in the reference range."""
    text = holder["valueString"]
    found = WRITTEN.fullmatch(text) if len(text) <= LONGEST_WRITTEN else None
    if found is None:
        raise NotUsed("not-a-number", text[:40])
    sign, digits, unit = found.groups()
    if unit is None:
        unit = _unit_of_range(holder)
    number = lexicon.conversion(variable.name, loinc, None, None, unit)(float(digits.replace(",", ".")))
    return Value(_checked(number, variable, text, unit or ""), BOUNDS[sign], text.strip()[:40], unit or "")


def _unit_of_range(holder: Mapping[str, Any]) -> str | None:
    """A string result is in the unit of the limits printed beside it, where these agree on one."""
    units = {
        end.get("code") or end.get("unit")
        for row in holder.get("referenceRange") or ()
        for end in (row.get("low"), row.get("high"))
        if end
    }
    return units.pop() if len(units) == 1 else None


def _level(holder: Mapping[str, Any], variable: Variable, lexicon: Lexicon) -> Value:
    concept = holder.get("valueCodeableConcept")
    text = holder.get("valueString")
    if concept is not None:
        level = lexicon.level(variable.name, concept)
        shown = (coding.get("display") or coding.get("code") for coding in concept.get("coding") or ())
        text = concept.get("text") or next(shown, "")
    elif text is not None:
        level = lexicon.named_level(variable.name, text)
    else:
        raise _no_value(holder)
    if level is None:
        raise NotUsed("level-unknown", str(text)[:60])
    return Value(float(level), "", str(text or variable.levels[level])[:60], "")


def _checked(number: float, variable: Variable, value_sent: str, unit_sent: str) -> float:
    if not variable.low <= number <= variable.high:
        raise NotUsed("implausible", f"{value_sent[:40]} {unit_sent}".strip())
    return number


def _number(sent: Any) -> float:
    """A JSON number as float. NaN, infinity, true and "5" are not numbers."""
    if type(sent) not in (int, float) or not isfinite(sent):
        raise NotUsed("not-a-number", str(sent)[:40])
    return float(sent)


def _whole(sent: Any) -> int:
    number = _number(sent)
    if not number.is_integer():
        raise NotUsed("not-a-number", str(sent)[:40])
    return int(number)


def _no_value(holder: Mapping[str, Any]) -> NotUsed:
    absent = holder.get("dataAbsentReason")
    if absent is not None:
        codes = [coding.get("code", "") for coding in absent.get("coding") or ()] or [absent.get("text", "")]
        return NotUsed("no-value", str(codes[0])[:40])
    form = next((name for name in OTHER_FORMS if name in holder), "")
    if not form and "valueCodeableConcept" in holder:
        form = "valueCodeableConcept"
    return NotUsed("form-not-read" if form else "no-value", form)
