"""What somebody did, as a FHIR R4 AuditEvent: for the hospital's own audit repository.

Names nobody: people and patients are pseudonyms under systems of our own. Codes are DICOM's (DCM), the record
lifecycle's (ISO 21089) where one fits, and our own word for the deed.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

OURS: Final = "urn:ordertime:"
DCM: Final = "http://dicom.nema.org/resources/ontology/DCM"
LIFECYCLE: Final = "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle"
ENTITY: Final = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
ROLE: Final = "http://terminology.hl7.org/CodeSystem/object-role"
SOURCE: Final = "http://terminology.hl7.org/CodeSystem/security-source-type"
RECORD: Final = ("110110", "Patient Record")
# deed -> DCM type, action (C create, R read, U update, E execute), its code among ISO 21089 or DCM
DEEDS: Final[Mapping[str, tuple[tuple[str, str], str, tuple[str, str, str] | None]]] = MappingProxyType(
    {
        "launched": (("110114", "User Authentication"), "E", (DCM, "110122", "Login")),
        "closed": (("110114", "User Authentication"), "E", (DCM, "110123", "Logout")),
        "viewed": (RECORD, "R", (LIFECYCLE, "access", "Access/View Record Lifecycle Event")),
        "printed": (RECORD, "R", (LIFECYCLE, "report", "Report (output) Record Lifecycle Event")),
        "released": (RECORD, "R", (LIFECYCLE, "disclose", "Disclose Record Lifecycle Event")),
        "written": (RECORD, "C", (LIFECYCLE, "transmit", "Transmit Record Lifecycle Event")),
        "opinion": (RECORD, "U", None),
        "labelled": (RECORD, "U", None),
        "hook": (RECORD, "R", (LIFECYCLE, "access", "Access/View Record Lifecycle Event")),
        "feedback": (RECORD, "U", None),
        "board": (RECORD, "R", (LIFECYCLE, "access", "Access/View Record Lifecycle Event")),
        "refused": (("110113", "Security Alert"), "E", None),
    }
)


def audit_event(
    key: str,
    at: datetime,
    deed: str,
    *,
    tenant: str,
    door: str,
    status: int,
    reason: str = "",
    user: str = "",
    patient: str = "",
    assessment: str | None = None,
) -> dict[str, Any]:
    """One row of the trail. `user`, `patient` are pseudonyms; `status` is HTTP's: 4xx and 5xx are failures."""
    (code, display), action, also = DEEDS[deed]
    event: dict[str, Any] = {
        "resourceType": "AuditEvent",
        "id": key,
        "type": {"system": DCM, "code": code, "display": display},
        "subtype": [{"system": f"{OURS}deed", "code": deed}, *([_coding(*also)] if also else [])],
        "action": action,
        "recorded": at.isoformat(timespec="milliseconds"),
        "outcome": "0" if status < 400 else "4" if status < 500 else "8",
        "agent": [_agent(user)],
        "source": {
            "site": tenant or "unknown",
            "observer": {
                "identifier": {"system": f"{OURS}app", "value": "ordertime"},
                "display": "Ordertime",
            },
            "type": [{"system": SOURCE, "code": "4", "display": "Application Server"}],
        },
        "entity": [*_patient(patient), *_answer(assessment), _asked(door, status)],
    }
    if reason or status >= 400:
        event["outcomeDesc"] = f"{status} {reason}".strip()
    return event


def _coding(system: str, code: str, display: str) -> dict[str, str]:
    return {"system": system, "code": code, "display": display}


def _agent(user: str) -> dict[str, Any]:
    """The person, as their pseudonym; where the hospital named none, its software."""
    who = (
        {"system": f"{OURS}user", "value": user} if user else {"system": f"{OURS}caller", "value": "unnamed"}
    )
    return {"who": {"identifier": who}, "requestor": True}


def _patient(pseudonym: str) -> list[dict[str, Any]]:
    if not pseudonym:
        return []
    return [
        {
            "what": {"identifier": {"system": f"{OURS}patient", "value": pseudonym}},
            "type": {"system": ENTITY, "code": "1", "display": "Person"},
            "role": {"system": ROLE, "code": "1", "display": "Patient"},
        }
    ]


def _answer(assessment: str | None) -> list[dict[str, Any]]:
    if not assessment:
        return []
    return [
        {
            "what": {"identifier": {"system": f"{OURS}assessment", "value": assessment}},
            "type": {"system": ENTITY, "code": "2", "display": "System Object"},
            "role": {"system": ROLE, "code": "4", "display": "Domain Resource"},
        }
    ]


def _asked(door: str, status: int) -> dict[str, Any]:
    """Which door was used, by its route: never the address, which names a visit."""
    return {
        "type": {"system": ENTITY, "code": "2", "display": "System Object"},
        "name": door or "(none)",
        "detail": [{"type": "status", "valueString": str(status)}],
    }
