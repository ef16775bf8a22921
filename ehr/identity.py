"""Who the patient is, for the banner on the screen and the name on the paper: nothing of it enters a chart.

Tolerates what hospitals send: several names, a birth date of a year alone, identifiers without a type.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

RECORD_NUMBER: Final = "MR"  # HL7 v2-0203: medical record number
USES: Final = ("official", "usual", "")  # in order of preference


@dataclass(frozen=True, slots=True)
class Identity:
    """Name as the hospital writes it, birth date, sex ("female", "male", "unknown"), record number, language tag."""

    name: str = ""
    born: date | None = None
    sex: str = "unknown"
    record_number: str = ""
    language: str = ""


def identity(patient: str, resources: Iterable[Mapping[str, Any]]) -> Identity:
    """The identity of `patient` (a bare id) among `resources`; empty when their Patient was not read."""
    for resource in resources:
        if resource.get("resourceType") == "Patient" and resource.get("id") == patient:
            sex = resource.get("gender")
            return Identity(
                name=_name(resource.get("name")),
                born=_date(resource.get("birthDate")),
                sex=sex if sex in ("female", "male") else "unknown",
                record_number=_record_number(resource.get("identifier")),
                language=_language(resource.get("communication")),
            )
    return Identity()


def _rows(value: object) -> list[Mapping[str, Any]]:
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, list) else []


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _name(value: object) -> str:
    named = sorted(
        _rows(value), key=lambda row: USES.index(use) if (use := _text(row.get("use"))) in USES else len(USES)
    )
    for row in named:
        if text := _text(row.get("text")):
            return text
        given = row.get("given")
        parts = [_text(part) for part in given] if isinstance(given, list) else []
        if full := " ".join(filter(None, [*parts, _text(row.get("family"))])):
            return full
    return ""


def _date(value: object) -> date | None:
    try:
        return date.fromisoformat(_text(value))
    except ValueError:
        return None


def _record_number(value: object) -> str:
    rows = _rows(value)
    for row in rows:
        kind = row.get("type")
        codings = _rows(kind.get("coding")) if isinstance(kind, Mapping) else []
        if any(coding.get("code") == RECORD_NUMBER for coding in codings):
            return _text(row.get("value"))
    return _text(rows[0].get("value")) if len(rows) == 1 else ""


def _language(value: object) -> str:
    """The preferred language, else the only one: "es", "es-MX"."""
    rows = _rows(value)
    chosen = next((row for row in rows if row.get("preferred") is True), rows[0] if len(rows) == 1 else {})
    spoken = chosen.get("language")
    if not isinstance(spoken, Mapping):
        return ""
    codes = [_text(coding.get("code")) for coding in _rows(spoken.get("coding"))]
    return next(filter(None, codes), "")
