"""One patient's story, told in hours before now and written down as FHIR.

A story module says what a clinician would say ("oxygen needs went from 2 to 15 litres over a day") and this
room turns it into the rows a hospital would hold: the person, the stay, problems, procedures and what gave
the oxygen. `flowsheet` adds the bedside rows and `laboratory` the results.

All times are hours before `now`. Nothing is dated after `now`: asking for it is an error.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from typing import Any

from demo.patients.codes import DEVICES, LOCAL_FLOWSHEET, OURS, SNOMED, coding, concept
from demo.patients.marks import NOTICE, instant, synthetic
from demo.patients.staff import CLINICIANS, PLACES

Resource = dict[str, Any]
Course = Sequence[tuple[float, float]] | float  # (hours before now, value), oldest first; or one steady value
ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
LANGUAGES = {"en": "English", "es": "Spanish"}
NAMES = {who.id: who.name for who in CLINICIANS}


@dataclass(frozen=True)
class Person:
    """Who the patient is. `zone` is the ward clock's offset from UTC in hours: rows are written with it."""

    mrn: str
    given: str
    family: str
    sex: str
    age: int
    language: str = "en"
    zone: float = -5
    interpreter: bool = False


@dataclass(frozen=True)
class Stay:
    """Why and where: arrival in hours before now, the place now, who is responsible, the reason as SNOMED."""

    arrived: float
    place: str
    physician: str
    reason: tuple[str, str]
    moves: tuple[tuple[float, str], ...] = ()  # (hours before now, place) of transfers, oldest first


@dataclass(frozen=True)
class Dialect:
    """How this ward charts: the same facts leave different hospitals in different FHIR."""

    bp_panel: bool = True  # False: systolic, diastolic and mean each on their own
    oxygen_in_spo2: bool = True  # flow and concentration as components of the pulse-oximetry row
    device_as: str = "observation"  # or "use": DeviceUseStatement with a Device
    local_codes: bool = False  # the hospital's own code beside LOINC
    utc: bool = False  # times written in UTC
    concentration: str = "fio2"  # or "fio2_fraction": 0.40 instead of 40 %
    temperature: str = "temp"  # or "temp_f", "temp_core"


@dataclass(frozen=True)
class Oxygen:
    """From `hours` before now on: the device, with litres per minute and percent where they are charted."""

    hours: float
    device: str
    flow: float | None = None
    percent: float | None = None


@dataclass
class Story:
    """Collects one patient's resources. Build it in a story module, then take `resources`."""

    now: datetime
    key: str
    person: Person
    stay: Stay
    dialect: Dialect = Dialect()
    resources: list[Resource] = field(default_factory=list)
    oxygen_steps: tuple[Oxygen, ...] = ()

    def __post_init__(self) -> None:
        self.dice = random.Random(self.key)  # seeded: a story comes out the same each time
        self.last_round = round(0.08 + 0.2 * random.Random(f"{self.key} round").random(), 3)
        self.counts: dict[str, int] = {}
        self._open()

    # --- time and identity
    def at(self, hours: float) -> datetime:
        """The moment `hours` before now, to the second, on the ward's clock. ValueError for the future."""
        if hours < 0:
            raise ValueError(f"{self.key}: {hours} hours before now lies in the future")
        zone = timezone(timedelta(hours=0 if self.dialect.utc else self.person.zone))
        return (self.now - timedelta(hours=hours)).replace(microsecond=0).astimezone(zone)

    def when(self, hours: float) -> str:
        """`at(hours)` as a FHIR dateTime."""
        return self.at(hours).isoformat().replace("+00:00", "Z")

    def name(self, kind: str) -> str:
        """The next id of this kind: "sepsis-hr-12"."""
        self.counts[kind] = self.counts.get(kind, 0) + 1
        return f"{self.key}-{kind.replace('_', '-')}-{self.counts[kind]}"

    @property
    def subject(self) -> Resource:
        """Reference to the patient."""
        return {"reference": f"Patient/{self.key}"}

    @property
    def encounter(self) -> Resource:
        """Reference to the stay."""
        return {"reference": f"Encounter/{self.key}-stay"}

    def add(self, resource: Resource, hours: float, version: str = "1") -> Resource:
        """Keep a resource, last changed `hours` before now."""
        self.resources.append(synthetic(resource, instant(self.at(hours)), version))
        return resource

    # --- the person and the stay
    def _open(self) -> None:
        person, stay = self.person, self.stay
        born = self.at(0).date() - timedelta(days=round(person.age * 365.2425) + self.dice.randint(20, 340))
        patient: Resource = {
            "resourceType": "Patient",
            "id": self.key,
            "text": {
                "status": "additional",
                "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{NOTICE}</div>',
            },
            "identifier": [
                {
                    "use": "usual",
                    "type": concept(
                        "http://terminology.hl7.org/CodeSystem/v2-0203", "MR", "Medical record number"
                    ),
                    "system": f"{OURS}/mrn",
                    "value": person.mrn,
                }
            ],
            "active": True,
            "name": [{"use": "official", "family": person.family, "given": person.given.split()}],
            "gender": person.sex,
            "birthDate": born.isoformat(),
            "communication": [
                {
                    "language": concept("urn:ietf:bcp:47", person.language, LANGUAGES[person.language]),
                    "preferred": True,
                }
            ],
            "generalPractitioner": [{"reference": "Organization/elsewhere", "display": "Valley Clinic"}],
        }
        if person.interpreter:
            url = "http://hl7.org/fhir/StructureDefinition/patient-interpreterRequired"
            patient["extension"] = [{"url": url, "valueBoolean": True}]
        self.add(patient, stay.arrived)
        self._stay()

    def _stay(self) -> None:
        stay = self.stay
        steps = list(stay.moves) or [(stay.arrived, stay.place)]
        places = []
        for index, (hours, place) in enumerate(steps):
            period = {"start": self.when(hours)}
            if index + 1 < len(steps):
                period["end"] = self.when(steps[index + 1][0])
            last = index + 1 == len(steps)
            places.append(
                {
                    "location": {"reference": f"Location/{place}", "display": PLACES[place][0]},
                    "status": "active" if last else "completed",
                    "physicalType": concept(
                        "http://terminology.hl7.org/CodeSystem/location-physical-type", "wa", "Ward"
                    ),
                    "period": period,
                }
            )
        emergency = steps[-1][1] == "emergency"
        self.add(
            {
                "resourceType": "Encounter",
                "id": f"{self.key}-stay",
                "status": "in-progress",
                "class": coding(
                    ACT_CODE, *(("EMER", "emergency") if emergency else ("IMP", "inpatient encounter"))
                ),
                "subject": self.subject,
                "participant": [
                    {
                        "individual": {
                            "reference": f"Practitioner/{stay.physician}",
                            "display": NAMES[stay.physician],
                        }
                    }
                ],
                "period": {"start": self.when(stay.arrived)},
                "reasonCode": [concept(SNOMED, *stay.reason)],
                "location": places,
                "serviceProvider": {"reference": "Organization/stand-in"},
            },
            stay.arrived,
        )

    def condition(
        self, code: str, display: str, *, onset: float | None = None, category: str = "encounter-diagnosis"
    ) -> None:
        """A problem. `onset` in hours before now, where the story knows it; else it is an older problem."""
        clinical = "http://terminology.hl7.org/CodeSystem/condition-clinical"
        verified = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
        known = category if onset is not None else "problem-list-item"
        made: Resource = {
            "resourceType": "Condition",
            "id": self.name("condition"),
            "clinicalStatus": concept(clinical, "active", "Active"),
            "verificationStatus": concept(verified, "confirmed", "Confirmed"),
            "category": [
                {
                    "coding": [
                        {"system": "http://terminology.hl7.org/CodeSystem/condition-category", "code": known}
                    ]
                }
            ],
            "code": concept(SNOMED, code, display),
            "subject": self.subject,
            "encounter": self.encounter,
            "recordedDate": self.when(self.stay.arrived),
        }
        if onset is not None:
            made["onsetDateTime"] = self.when(onset)
        self.add(made, self.stay.arrived)

    def allergy(self, code: str = "716186003", display: str = "No known allergy") -> None:
        """An allergy, or that none is known."""
        clinical = "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical"
        self.add(
            {
                "resourceType": "AllergyIntolerance",
                "id": self.name("allergy"),
                "clinicalStatus": concept(clinical, "active", "Active"),
                "code": concept(SNOMED, code, display),
                "patient": self.subject,
                "recordedDate": self.when(self.stay.arrived),
            },
            self.stay.arrived,
        )

    def procedure(
        self, code: str, display: str, began: float, ended: float | None = None, *, moment: bool = False
    ) -> None:
        """Something done: a moment, a finished period, or (without `ended`) still going on."""
        made: Resource = {
            "resourceType": "Procedure",
            "id": self.name("procedure"),
            "status": "completed" if moment or ended is not None else "in-progress",
            "code": concept(SNOMED, code, display),
            "subject": self.subject,
            "encounter": self.encounter,
        }
        if moment:
            made["performedDateTime"] = self.when(began)
        else:
            made["performedPeriod"] = {"start": self.when(began)}
            if ended is not None:
                made["performedPeriod"]["end"] = self.when(ended)
        self.add(made, began if ended is None else ended)

    def medicine(self, rxnorm: str, name: str, instruction: str, hours: float) -> None:
        """A running prescription, RxNorm ingredient and plain instruction."""
        self.add(
            {
                "resourceType": "MedicationRequest",
                "id": self.name("medicine"),
                "status": "active",
                "intent": "order",
                "medicationCodeableConcept": concept(
                    "http://www.nlm.nih.gov/research/umls/rxnorm", rxnorm, name
                ),
                "subject": self.subject,
                "encounter": self.encounter,
                "authoredOn": self.when(hours),
                "requester": {"reference": f"Practitioner/{self.stay.physician}"},
                "dosageInstruction": [{"text": instruction}],
            },
            hours,
        )

    # --- oxygen
    def oxygen(self, *steps: Oxygen) -> None:
        """What gave the oxygen, from when on; also read by `chart` for the pulse-oximetry components."""
        self.oxygen_steps = steps
        for index, step in enumerate(steps):
            until = steps[index + 1].hours if index + 1 < len(steps) else None
            if self.dialect.device_as == "use":
                self._device_use(step, until)
            else:
                self._device_rows(step, until)

    def oxygen_at(self, hours: float) -> Oxygen | None:
        """The step in force `hours` before now."""
        return next((step for step in reversed(self.oxygen_steps) if step.hours >= hours), None)

    def _device_rows(self, step: Oxygen, until: float | None) -> None:
        code, display = DEVICES[step.device]
        hours = step.hours
        while hours > (until or 0.0):  # charted on the change and every four hours, as nurses do
            self.add(self._device_row(hours, code, display), hours)
            hours -= 4.0

    def _device_row(self, hours: float, code: str, display: str) -> Resource:
        codes = [coding("http://loinc.org", "107117-4", "Method of oxygen delivery")]
        if self.dialect.local_codes:
            codes.insert(0, coding(LOCAL_FLOWSHEET, "O2DEV", "O2 device"))
        return {
            "resourceType": "Observation",
            "id": self.name("o2_device"),
            "status": "final",
            "category": [vital_signs()],
            "code": {"coding": codes, "text": "Oxygen device"},
            "subject": self.subject,
            "encounter": self.encounter,
            "effectiveDateTime": self.when(hours),
            "issued": instant(self.at(max(0.0, hours - 0.03))),
            "valueCodeableConcept": concept(SNOMED, code, display),
        }

    def _device_use(self, step: Oxygen, until: float | None) -> None:
        code, display = DEVICES[step.device]
        device = self.name("device")
        self.add(
            {
                "resourceType": "Device",
                "id": device,
                "status": "active" if until is None else "inactive",
                "type": concept(SNOMED, code, display),
                "patient": self.subject,
            },
            step.hours,
        )
        period = {"start": self.when(step.hours)}
        if until is not None:
            period["end"] = self.when(until)
        self.add(
            {
                "resourceType": "DeviceUseStatement",
                "id": self.name("device-use"),
                "status": "active" if until is None else "completed",
                "subject": self.subject,
                "timingPeriod": period,
                "recordedOn": self.when(step.hours),
                "device": {"reference": f"Device/{device}", "display": display},
            },
            step.hours,
        )


def vital_signs() -> Resource:
    """The Observation category of bedside rows."""
    return concept("http://terminology.hl7.org/CodeSystem/observation-category", "vital-signs", "Vital Signs")


def value_at(course: Course, hours: float) -> float:
    """The told value `hours` before now: straight lines between the points, level beyond them."""
    if isinstance(course, int | float):
        return float(course)
    points = sorted(course, key=lambda point: -point[0])
    if hours >= points[0][0]:
        return points[0][1]
    for (before, first), (after, second) in pairwise(points):
        if before >= hours >= after:
            return first + (second - first) * (before - hours) / (before - after)
    return points[-1][1]


def hours_between(since: float, until: float, every: float) -> Iterable[float]:
    """Charting times, oldest first, the last one at `until`."""
    count = int((since - until) / every)
    return [until + every * step for step in range(count, -1, -1)]
