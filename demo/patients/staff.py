"""The people, places and machines of the stand-in hospital that no single patient owns."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from demo.patients.codes import OURS, SNOMED, concept
from demo.patients.marks import instant, synthetic

Resource = dict[str, Any]


class Clinician(NamedTuple):
    """Somebody who may sign in at the order entry page. `id` is the Practitioner's id."""

    id: str
    prefix: str
    given: str
    family: str
    specialty: str
    specialty_code: str  # SNOMED
    suffix: str = "MD"

    @property
    def name(self) -> str:
        """As it stands on a badge."""
        return " ".join(part for part in (self.prefix, self.given, self.family) if part)


CLINICIANS = (
    Clinician("okafor", "Dr", "Adaeze", "Okafor", "Internal medicine", "419192003"),
    Clinician("brandt", "Dr", "Lukas", "Brandt", "Emergency medicine", "773568002"),
    Clinician("iyer", "Dr", "Meera", "Iyer", "Critical care medicine", "408478003"),
    Clinician("lindgren", "Dr", "Signe", "Lindgren", "Cardiology", "394579002"),
    Clinician("reyes", "", "Mateo", "Reyes", "Acute care nurse practitioner", "224571005", "NP"),
)
PLACES = {  # location id: name, kind of unit as v3-RoleCode, and as HSLOC where this hospital reports it to the CDC
    "emergency": ("Emergency department", "ER", "1108-0"),
    "medical-4": ("Medical ward 4", "HU", "1060-3"),
    "surgical-2": ("Surgical ward 2", "HU", "1062-9"),
    "cardiac": ("Cardiac care unit", "CCU", "1028-0"),
    "intensive": ("Medical intensive care unit", "ICU", "1027-2"),
    "paediatric": ("Children's ward", "PEDU", ""),
}
ANALYSERS = {  # device id: device name, maker, model
    "analyser-cobas": ("Elecsys Troponin T hs", "Roche Diagnostics", "cobas e 801"),
    "analyser-architect": ("ARCHITECT STAT High Sensitive Troponin-I", "Abbott", "ARCHITECT i2000SR"),
}
ROLE_CODE = "http://terminology.hl7.org/CodeSystem/v3-RoleCode"
HSLOC = "https://www.cdc.gov/nhsn/cdaportal/terminology/codesystem/hsloc.html"


def everybody(now: datetime) -> list[Resource]:
    """The hospital itself: Organizations, Locations, Practitioners with their roles, analysers."""
    made = [
        _organization("stand-in", "Stand-in General Hospital"),
        _organization("elsewhere", "Valley Clinic"),
    ]
    made += [_location(key, *row) for key, row in PLACES.items()]
    for clinician in CLINICIANS:
        made += [_practitioner(clinician), _role(clinician)]
    made += [_analyser(key, *row) for key, row in ANALYSERS.items()]
    return [synthetic(resource, instant(now)) for resource in made]


def _organization(key: str, name: str) -> Resource:
    return {"resourceType": "Organization", "id": key, "active": True, "name": name}


def _location(key: str, name: str, role: str, reported: str) -> Resource:
    kinds = [concept(ROLE_CODE, role, name)] + ([concept(HSLOC, reported, name)] if reported else [])
    return {
        "resourceType": "Location",
        "id": key,
        "status": "active",
        "name": name,
        "mode": "instance",
        "type": kinds,
        "managingOrganization": {"reference": "Organization/stand-in"},
    }


def _practitioner(who: Clinician) -> Resource:
    name: Resource = {"use": "official", "text": who.name, "family": who.family, "given": [who.given]}
    if who.prefix:
        name["prefix"] = [who.prefix]
    name["suffix"] = [who.suffix]
    return {
        "resourceType": "Practitioner",
        "id": who.id,
        "active": True,
        "name": [name],
        "identifier": [{"system": f"{OURS}/staff", "value": f"S-{who.id.upper()}"}],
    }


def _role(who: Clinician) -> Resource:
    return {
        "resourceType": "PractitionerRole",
        "id": f"{who.id}-role",
        "active": True,
        "practitioner": {"reference": f"Practitioner/{who.id}", "display": who.name},
        "organization": {"reference": "Organization/stand-in"},
        "specialty": [concept(SNOMED, who.specialty_code, who.specialty)],
    }


def _analyser(key: str, name: str, maker: str, model: str) -> Resource:
    return {
        "resourceType": "Device",
        "id": key,
        "status": "active",
        "manufacturer": maker,
        "modelNumber": model,
        "deviceName": [{"name": name, "type": "user-friendly-name"}],
    }
