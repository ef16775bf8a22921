"""How the hospital writes a moment, and how it says that a resource is made up.

Every resource carries the HL7 test-data security label and our own tag, so that nothing here can be mistaken
for a person's record once it has left this machine.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

HTEST = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ActReason",
    "code": "HTEST",
    "display": "test health data",
}
SYNTHETIC = {
    "system": "https://stand-in-hospital.example/tags",
    "code": "synthetic",
    "display": "Synthetic: authored for demonstration, no real person",
}
NOTICE = "Synthetic record, authored for demonstration. No real person."


def instant(moment: datetime) -> str:
    """A FHIR instant in UTC: `2026-11-23T10:04:00.000Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def synthetic(resource: dict[str, Any], updated: str, version: str = "1") -> dict[str, Any]:
    """The same resource with its version, time of last change and the two labels in `meta`."""
    resource["meta"] = {
        "versionId": version,
        "lastUpdated": updated,
        "security": [dict(HTEST)],
        "tag": [dict(SYNTHETIC)],
    }
    return resource
