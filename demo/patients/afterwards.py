"""What becomes of some of the patients in the hours after the moment their stories are told at.

The hospital keeps it hidden until its time has come, so that an app that answered a question can find out what
happened: who was intubated, whose next troponin rose, who went home, and rows that leave it open (taken back, a day
without a time, another laboratory's method, a transfer). Who is not named here stays as they are.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from demo.patients import chest_pain, lungs, nerves, wards
from demo.patients.codes import ARCHITECT, DEVICES, SNOMED, concept
from demo.patients.marks import instant, synthetic
from demo.patients.story import Story

Resource = dict[str, Any]
Happening = tuple[datetime, Resource]
TUBE = ("112798008", "Insertion of endotracheal tube")
DISPOSITION = "http://terminology.hl7.org/CodeSystem/discharge-disposition"


def later(now: datetime) -> list[Happening]:
    """Everything that happens after `now`, with the moment it can first be seen."""
    pneumonia, sepsis, opioid = lungs.pneumonia(now), wards.sepsis(now), wards.opioid(now)
    copd, tiring = lungs.copd(now), nerves.myasthenia(now)
    return [
        _procedure(pneumonia, 3.0),
        _ventilator(pneumonia, 3.2),
        *_tube(sepsis, 9.0),
        _procedure(opioid, 2.0, status="entered-in-error"),
        _procedure(copd, 5.0, performedDateTime=_after(copd, 5.0).date().isoformat()),
        _procedure(tiring, 0.5),
        _left(lungs.heart_failure(now), 20.0, "home", "Home"),
        _left(lungs.high_flow(now), 10.0, "other-hcf", "Other healthcare facility"),
        _draw(chest_pain.conventional(now), 4.0, 1.6),
        _draw(chest_pain.falling(now), 5.0, 0.5),
        _other_assay(chest_pain.infarction(now), 3.0),
    ]


def _after(story: Story, hours: float) -> datetime:
    return story.at(0) + timedelta(hours=hours)


def _happening(story: Story, hours: float, resource: Resource) -> Happening:
    seen = _after(story, hours) + timedelta(minutes=5)
    return seen, synthetic(resource, instant(seen), "2")


def _procedure(story: Story, hours: float, **changes: Any) -> Happening:
    made = {
        "resourceType": "Procedure",
        "id": f"{story.key}-intubation",
        "status": "completed",
        "code": concept(SNOMED, *TUBE),
        "subject": story.subject,
        "encounter": story.encounter,
        "performedDateTime": _after(story, hours).isoformat(),
    }
    return _happening(story, hours, made | changes)


def _ventilator(story: Story, hours: float) -> Happening:
    made = {
        "resourceType": "Observation",
        "id": f"{story.key}-ventilation-mode",
        "status": "final",
        "category": [_category("vital-signs")],
        "code": concept("http://loinc.org", "20124-4", "Ventilation mode Ventilator"),
        "subject": story.subject,
        "effectiveDateTime": _after(story, hours).isoformat(),
        "valueCodeableConcept": {"text": "Volume control, assist"},
    }
    return _happening(story, hours, made)


def _tube(story: Story, hours: float) -> Iterator[Happening]:
    """The tube as a Device, and its use."""
    code, display = DEVICES["endotracheal tube"]
    device: Resource = {
        "resourceType": "Device",
        "id": f"{story.key}-tube",
        "status": "active",
        "type": concept(SNOMED, code, display),
        "patient": story.subject,
    }
    use: Resource = {
        "resourceType": "DeviceUseStatement",
        "id": f"{story.key}-tube-use",
        "status": "active",
        "subject": story.subject,
        "timingPeriod": {"start": _after(story, hours).isoformat()},
        "device": {"reference": f"Device/{story.key}-tube", "display": display},
    }
    yield _happening(story, hours, device)
    yield _happening(story, hours, use)


def _left(story: Story, hours: float, code: str, display: str) -> Happening:
    """The end of the stay, and where to."""
    stay = copy.deepcopy(next(row for row in story.resources if row["resourceType"] == "Encounter"))
    end = _after(story, hours).isoformat()
    stay["status"], stay["period"]["end"] = "finished", end
    stay["location"][-1]["status"], stay["location"][-1]["period"]["end"] = "completed", end
    stay["hospitalization"] = {"dischargeDisposition": concept(DISPOSITION, code, display)}
    return _happening(story, hours, stay)


def _draw(story: Story, hours: float, times: float) -> Happening:
    """The next troponin of the same assay: the last one `times` over."""
    row = _last_troponin(story)
    row["valueQuantity"]["value"] = round(row["valueQuantity"]["value"] * times, 3)
    return _drawn(story, row, hours)


def _other_assay(story: Story, hours: float) -> Happening:
    """The next troponin by another method, which nothing before it can be compared with."""
    row = _last_troponin(story)
    row["code"] = concept("http://loinc.org", ARCHITECT.loinc, ARCHITECT.display)
    row["method"] = {"text": ARCHITECT.method}
    row["device"] = {"reference": f"Device/{ARCHITECT.device}"}
    row.pop("referenceRange", None)
    return _drawn(story, row, hours)


def _drawn(story: Story, row: Resource, hours: float) -> Happening:
    row["id"] = f"{story.key}-troponin-after"
    row["effectiveDateTime"] = _after(story, hours).isoformat()
    row["issued"] = instant(_after(story, hours + 0.5))
    return _happening(story, hours + 0.5, row)


def _last_troponin(story: Story) -> Resource:
    rows = [row for row in story.resources if "-troponin-" in row["id"] and "valueQuantity" in row]
    return copy.deepcopy(max(rows, key=lambda row: str(row["effectiveDateTime"])))


def _category(code: str) -> Resource:
    return concept("http://terminology.hl7.org/CodeSystem/observation-category", code, code)
