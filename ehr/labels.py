"""A person's label as a row of the hospital's own export: what began, or did not, as a Procedure. For the workshop.

"yes" is a completed procedure at its moment, which every reader reads like the hospital's own; "no" is one that was not
done, over the hours that the person was asked about, which every other reader passes over; "cannot be known" is over
those hours too and neither: it is written as one that no reader may take for anything. Refuses to read a row without
our tag as a label: hospitals too say what was not done.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

from ehr.codes import code_table
from ehr.moments import NotUsed, instant

SYSTEM: Final = "urn:ordertime:label"
NOT_DONE: Final = "not-done"
NO_STATEMENT: Final = "entered-in-error"  # FHIR: to be disregarded; "unknown" would be a procedure that took place
PREFIX: Final = "label-"
Resource = Mapping[str, Any]


def began(patient: str, moment: datetime) -> dict[str, Any]:
    """Ventilation of `patient` (a bare id) began at `moment`, a person says."""
    at = moment.astimezone(UTC).isoformat()
    return _procedure(patient, "yes", at) | {"status": "completed", "performedDateTime": at}


def began_not(patient: str, start: datetime, end: datetime) -> dict[str, Any]:
    """No ventilation of `patient` (a bare id) began after `start` and until `end`, a person says."""
    return _over(patient, "no", NOT_DONE, "A person has looked: it did not begin in these hours", start, end)


def not_to_be_known(patient: str, start: datetime, end: datetime) -> dict[str, Any]:
    """Whether it began of `patient` (a bare id) after `start` and until `end` cannot be known, a person says."""
    said = "A person has looked: whether it began in these hours cannot be known"
    return _over(patient, "unknown", NO_STATEMENT, said, start, end)


def said_no(row: Resource) -> tuple[datetime, datetime] | None:
    """The hours in which, a person says, none began; None for any other row."""
    return _hours(row, "no", NOT_DONE)


def said_unknown(row: Resource) -> tuple[datetime, datetime] | None:
    """The hours of which, a person says, it cannot be known; None for any other row."""
    return _hours(row, "unknown", NO_STATEMENT)


def _over(patient: str, label: str, status: str, said: str, start: datetime, end: datetime) -> dict[str, Any]:
    period = {"start": start.astimezone(UTC).isoformat(), "end": end.astimezone(UTC).isoformat()}
    more = {"status": status, "statusReason": {"text": said}, "performedPeriod": period}
    return _procedure(patient, label, "|".join(period.values())) | more


def _hours(row: Resource, label: str, status: str) -> tuple[datetime, datetime] | None:
    try:
        tags = {(tag["system"], tag["code"]) for tag in row["meta"]["tag"]}
        period = row["performedPeriod"]
        if row["resourceType"] != "Procedure" or row["status"] != status or (SYSTEM, label) not in tags:
            return None
        return instant(period["start"]), instant(period["end"])
    except (KeyError, TypeError, AttributeError, NotUsed):
        return None


def said_yes(resource: str) -> bool:
    """Whether an event's source, as "Procedure/id", is a person's label."""
    return resource.startswith(f"Procedure/{PREFIX}")


def _procedure(patient: str, label: str, when: str) -> dict[str, Any]:
    """A procedure as the reader reads one: the first SNOMED CT code that begins ventilation."""
    table = code_table()
    snomed = table.systems["snomed"]
    code = next(code for (system, code), kind in table.events.items() if (system, kind) == (snomed, "ventilation"))
    name = sha256(f"{patient}|{label}|{when}".encode()).hexdigest()[:32]
    return {
        "resourceType": "Procedure",
        "id": f"{PREFIX}{name}",
        "meta": {"tag": [{"system": SYSTEM, "code": label}]},
        "code": {"coding": [{"system": snomed, "code": code}]},
        "subject": {"reference": f"Patient/{patient}"},
    }
