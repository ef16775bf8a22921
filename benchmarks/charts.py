"""Invented charts as FHIR JSON, of any size, for the benchmarks and the load they make."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

UCUM = "http://unitsofmeasure.org"
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
VITALS = (
    ("8867-4", "Heart rate", "/min", 92.0, 9.0),
    ("9279-1", "Respiratory rate", "/min", 22.0, 4.0),
    ("59408-5", "Oxygen saturation", "%", 93.0, 2.5),
    ("8310-5", "Body temperature", "Cel", 37.6, 0.6),
    ("8480-6", "Systolic blood pressure", "mm[Hg]", 118.0, 14.0),
    ("8462-4", "Diastolic", "mm[Hg]", 66.0, 9.0),
    ("3150-0", "Inhaled oxygen concentration", "%", 38.0, 8.0),
    ("9269-2", "Glasgow coma score", "{score}", 14.0, 0.5),
)
LABS = (
    ("2160-0", "Creatinine", "mg/dL", 1.3, 0.3),
    ("3094-0", "Urea nitrogen", "mg/dL", 26.0, 6.0),
    ("2823-3", "Potassium", "mmol/L", 4.1, 0.4),
    ("2951-2", "Sodium", "mmol/L", 138.0, 3.0),
    ("2345-7", "Glucose", "mg/dL", 140.0, 30.0),
    ("6690-2", "Leukocytes", "10*3/uL", 12.0, 3.0),
    ("718-7", "Hemoglobin", "g/dL", 11.5, 1.2),
    ("777-3", "Platelets", "10*3/uL", 210.0, 50.0),
    ("2744-1", "pH arterial", "[pH]", 7.36, 0.05),
    ("2019-8", "pCO2 arterial", "mm[Hg]", 44.0, 6.0),
    ("2703-7", "pO2 arterial", "mm[Hg]", 72.0, 9.0),
    ("2524-7", "Lactate", "mmol/L", 2.1, 0.7),
    ("10839-9", "Troponin I", "ng/mL", 0.9, 0.4),
)


def patient(key: str, *, moment: datetime, rng: random.Random) -> list[dict[str, Any]]:
    """The person and the stay: Patient and Encounter."""
    age = rng.randint(30, 90)
    return [
        {
            "resourceType": "Patient",
            "id": key,
            "gender": rng.choice(["female", "male"]),
            "birthDate": f"{moment.year - age}-06-01",
        },
        {
            "resourceType": "Encounter",
            "id": f"{key}-stay",
            "status": "in-progress",
            "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
            "subject": {"reference": f"Patient/{key}"},
            "period": {"start": (moment - timedelta(hours=30)).isoformat()},
        },
    ]


def observations(key: str, count: int, *, moment: datetime, rng: random.Random) -> list[dict[str, Any]]:
    """`count` Observations over the last day, four in five of them vital signs."""
    rows = []
    for number in range(count):
        lab = number % 5 == 4
        code, name, unit, mean, spread = (LABS if lab else VITALS)[
            (number // 5 if lab else number) % len(LABS if lab else VITALS)
        ]
        hours = 24.0 * (1 - (number + 1) / count) + rng.random() * 0.2
        at = (moment - timedelta(hours=hours)).isoformat()
        value = round(max(0.01, rng.gauss(mean, spread)), 2)
        rows.append(
            {
                "resourceType": "Observation",
                "id": f"{key}-{number}",
                "status": "final",
                "meta": {"versionId": "1"},
                "category": [
                    {"coding": [{"system": CATEGORY, "code": "laboratory" if lab else "vital-signs"}]}
                ],
                "code": {
                    "coding": [{"system": "http://loinc.org", "code": code, "display": name}],
                    "text": name,
                },
                "subject": {"reference": f"Patient/{key}"},
                "effectiveDateTime": at,
                "issued": at,
                "valueQuantity": {
                    "value": min(value, 15.0) if code == "9269-2" else value,
                    "unit": unit,
                    "system": UCUM,
                    "code": unit,
                },
            }
        )
    return rows


def bundle(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """A searchset as a CDS client prefetches it."""
    return {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": len(rows),
        "entry": [{"resource": row, "search": {"mode": "match"}} for row in rows],
    }
