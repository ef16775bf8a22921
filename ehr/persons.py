"""Patient and Condition -> who the patient is, as far as medicine needs it. No name,
address or number is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from ehr.lexicon import Lexicon
from ehr.moments import NotUsed
from inference.chart import Person

NOT_SO: Final = frozenset({"refuted", "entered-in-error"})
MIDDLE: Final = {
    4: "-07-02",
    7: "-15",
}  # a partial birth date is taken in its middle: the error in age is smallest


def read_person(row: Mapping[str, Any], conditions: frozenset[str]) -> Person:
    """Birth date, sex, language. Raises NotUsed for a birth date that cannot be read."""
    sex = row.get("gender")
    return Person(
        birth_date=_birth_date(row.get("birthDate")),
        sex=sex if sex in ("female", "male") else "unknown",
        language=_language(row.get("communication") or ()),
        conditions=conditions,
    )


def condition_of(row: Mapping[str, Any], lexicon: Lexicon) -> str:
    """The name of a condition the rules caution on, "" if it is none of them or was ruled out."""
    if ruled_out(row):
        return ""
    table = lexicon.table
    icd = (table.systems["icd10"], table.systems["icd10cm"])
    for coding in (row.get("code") or {}).get("coding") or ():
        system, code = table.system(coding.get("system") or ""), str(coding.get("code"))
        found = table.conditions.get((system, code))
        if found is None and system in icd:
            found = next(
                (name for stem, name in table.condition_stems.items() if code.startswith(stem)), None
            )
        if found:
            return found
    return ""


def ruled_out(row: Mapping[str, Any]) -> bool:
    """Whether a Condition was refuted or entered in error."""
    status = (row.get("verificationStatus") or {}).get("coding") or ()
    return any(coding.get("code") in NOT_SO for coding in status)


def _birth_date(text: Any) -> datetime | None:
    if text is None:
        return None
    if not isinstance(text, str):
        raise NotUsed("birth-date-unreadable")
    try:
        return datetime.fromisoformat(text + MIDDLE.get(len(text), "")).replace(tzinfo=UTC)
    except ValueError:
        raise NotUsed("birth-date-unreadable") from None


def _language(spoken: Iterable[Mapping[str, Any]]) -> str:
    """Primary subtag of the preferred language, else of the first: "es" of "es-MX"."""
    for row in sorted(spoken, key=lambda row: row.get("preferred") is not True):
        for coding in (row.get("language") or {}).get("coding") or ():
            if coding.get("code"):
                return str(coding["code"]).split("-")[0].split("_")[0].lower()[:8]
    return ""
