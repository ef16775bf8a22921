"""The hospital's list of who lies in a unit: a FHIR Group of its patients, as an EHR keeps one for a census."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from demo.patients.marks import instant, synthetic

MONITORED = "monitored"


def monitored(now: datetime, patients: Iterable[str]) -> dict[str, Any]:
    """The Group of everybody in a monitored bed, in the order given."""
    members = [{"entity": {"reference": f"Patient/{one}"}} for one in patients]
    group = {
        "resourceType": "Group",
        "id": MONITORED,
        "active": True,
        "type": "person",
        "actual": True,
        "name": "Monitored beds",
        "quantity": len(members),
        "member": members,
    }
    return synthetic(group, instant(now))
