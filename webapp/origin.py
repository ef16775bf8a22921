"""One value's way back: as used, as sent, when it was taken and when it was known, under which resource and code."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, tzinfo
from typing import Final

from inference.chart import Measurement
from inference.features import BEFORE_UNIT, CARE_UNIT
from webapp import words
from webapp.words import say

LOINC: Final = "http://loinc.org|"
READ_FROM: Final = {
    **dict.fromkeys(("age", "sex"), "Patient"),
    **dict.fromkeys(("hours_in_stay", CARE_UNIT, BEFORE_UNIT), "Encounter"),
}


@dataclass(frozen=True, slots=True)
class Origin:
    """Where one input came from: as used, as sent, when, which resource; of the person, only which type of it."""

    label: str
    used: str
    sent: str
    time: str
    known: str
    resource: str
    code: str


def origin(row: Measurement, zone: tzinfo, as_of: datetime) -> Origin:
    """Where one measurement came from; times in `zone`."""
    return Origin(
        label=words.capital(words.label_of(row.variable)),
        used=words.measured(row),
        sent=sent(row),
        time=f"{words.clock(row.time, zone, as_of)} ({words.offset(row.time, zone)})",
        known=words.clock(row.known, zone, as_of),
        resource=resource(row),
        code=coded(row.source.code),
    )


def sent(row: Measurement) -> str:
    """Value and unit as the hospital sent them."""
    return f"{row.source.value_sent}{words.glued(row.source.unit_sent)}"


def coded(code: str) -> str:
    """A code as people write it: "LOINC 8867-4"; another system's with its address."""
    return f"LOINC {code[len(LOINC) :]}" if code.startswith(LOINC) else code


def resource(row: Measurement) -> str:
    """ "Observation/123 v2"."""
    return f"{row.source.resource}{f' v{row.source.version}' if row.source.version else ''}"


def traced(row: Measurement, zone: tzinfo, as_of: datetime) -> str:
    """The same as one line, for the place where the number stands."""
    told = asdict(origin(row, zone, as_of))
    return say("en", "origin.row", **{part: told[part] for part in told if part != "label"})
