"""Stories that puzzle a reader: chronic injury, two assays, two units, next to nothing, a child, noise."""

from __future__ import annotations

from datetime import datetime

from demo.patients.codes import (
    ARCHITECT,
    BEDSIDE_I,
    ELECSYS,
    LOCAL_LAB,
    LOINC,
    MEASURES,
    UCUM,
    coding,
    concept,
)
from demo.patients.flowsheet import chart, coma_score, keep, reading, row
from demo.patients.laboratory import gas, laboratory, result, results, troponin
from demo.patients.marks import instant, synthetic
from demo.patients.story import Dialect, Oxygen, Person, Stay, Story


def kidney(now: datetime) -> Story:
    """Flat and high in kidney disease: 68, 66, 69 ng/L over six hours, a missed dialysis, potassium 5.9."""
    story = Story(
        now,
        "kidney-flat-high",
        Person("100393", "Lenore", "Batiste", "female", 70),
        Stay(9.0, "medical-4", "okafor", ("267036007", "Dyspnea"), ((9.0, "emergency"), (3.5, "medical-4"))),
        Dialect(local_codes=True),
    )
    story.allergy("91936005", "Allergy to penicillin")
    story.condition("433146000", "Chronic kidney disease stage 5")
    story.condition("44054006", "Diabetes mellitus type 2")
    story.condition("267036007", "Dyspnea", onset=20)
    story.procedure("302497006", "Hemodialysis", 100.0, 96.0)
    story.oxygen(Oxygen(8.8, "room air", percent=21), Oxygen(6.0, "nasal cannula", 2))
    reading(story, "weight", 8.0, 83.9)
    chart(
        story,
        since=8.7,
        every=0.5,
        hr=[(9, 92), (0, 88)],
        rr=[(9, 22), (0, 21)],
        spo2=[(9, 92), (6.1, 91), (5.5, 95), (0, 95)],
        sbp=[(9, 176), (0, 164)],
        dbp=[(9, 92), (0, 86)],
        temp=36.6,
        gcs=15,
    )
    for hours, creatinine, potassium in ((8.4, 8.70, 5.9), (2.6, 8.84, 5.6)):
        results(
            story,
            hours,
            panel="metabolic",
            creatinine=creatinine,
            bun=84,
            sodium=135,
            potassium=potassium,
            chloride=99,
            bicarbonate=18,
            glucose=166,
            calcium=8.3,
        )
        results(story, hours, egfr=5, phosphate=6.8, magnesium=2.5)
    results(story, 8.4, panel="blood count", wbc=6.9, haemoglobin=9.8, haematocrit=29, platelets=188)
    results(story, 8.4, back_after=1.0, nt_probnp=21400)
    for hours, value in ((8.4, 68), (7.35, 66), (2.6, 69)):
        troponin(story, hours, value, ELECSYS, limit=14)
    return story


def two_assays(now: datetime) -> Story:
    """Two assays mixed: transferred with an hs-troponin I, a bedside I on the way, hs-troponin T here."""
    story = Story(
        now,
        "two-assays",
        Person("100408", "Noor", "Haddad", "female", 61),
        Stay(5.0, "cardiac", "lindgren", ("29857009", "Chest pain")),
    )
    story.allergy()
    story.condition("29857009", "Chest pain", onset=11)
    story.oxygen(Oxygen(4.9, "room air", percent=21))
    chart(
        story,
        since=4.8,
        every=0.5,
        hr=[(5, 90), (0, 84)],
        rr=17,
        spo2=96,
        sbp=[(5, 144), (0, 134)],
        dbp=80,
        temp=36.7,
        gcs=15,
    )
    outside = troponin(story, 9.1, 31, ARCHITECT, limit=16)
    outside["performer"] = [{"reference": "Organization/elsewhere", "display": "Valley Clinic laboratory"}]
    troponin(story, 7.4, 0.09, BEDSIDE_I, unit="ng/mL", limit=0.08, back_after=0.2)
    troponin(story, 4.2, 24, ELECSYS, limit=14)
    troponin(story, 1.5, 39, ELECSYS, limit=14)
    results(
        story,
        4.2,
        panel="metabolic",
        creatinine=0.81,
        bun=14,
        sodium=140,
        potassium=4.0,
        chloride=104,
        bicarbonate=25,
        glucose=109,
        calcium=9.4,
    )
    return story


def two_units(now: datetime) -> Story:
    """One assay in three spellings: 0.021 ng/mL, then 27 ng/L, then 0.033 µg/L with no UCUM code."""
    story = Story(
        now,
        "two-units",
        Person("100415", "Silas", "Vandermeer", "male", 66, zone=1),
        Stay(5.6, "emergency", "brandt", ("29857009", "Chest pain")),
        Dialect(oxygen_in_spo2=False),
    )
    story.allergy()
    story.condition("29857009", "Chest pain", onset=8)
    story.oxygen(Oxygen(5.5, "room air", percent=21))
    chart(
        story, since=5.4, every=0.5, hr=[(5, 80), (0, 76)], rr=16, spo2=97, sbp=140, dbp=82, temp=36.8, gcs=15
    )
    troponin(story, 5.0, 0.021, ELECSYS, unit="ng/mL", limit=0.014)
    troponin(story, 3.95, 27, ELECSYS, limit=14)
    troponin(story, 1.6, 0.033, ELECSYS, unit="µg/L", limit=0.014)
    results(story, 5.0, creatinine_umol=84, sodium=141, potassium=4.3)
    return story


def almost_empty(now: datetime) -> Story:
    """Almost no data: a temperature and a blood pressure, five hours old, and nothing since."""
    story = Story(
        now,
        "almost-empty",
        Person("100427", "Joan", "Tilley", "female", 83),
        Stay(5.5, "surgical-2", "reyes", ("263225007", "Fracture of hip")),
    )
    story.condition("263225007", "Fracture of hip", onset=8)
    chart(story, since=5.2, until=5.2, temp=36.1, sbp=134, dbp=70)
    return story


def child(now: datetime) -> Story:
    """A child of nine with asthma on a mask: out of scope for both models, and the page must say so."""
    story = Story(
        now,
        "child-asthma",
        Person("100439", "Leo", "Marchetti", "male", 9),
        Stay(7.0, "paediatric", "brandt", ("195967001", "Asthma"), ((7.0, "emergency"), (3.0, "paediatric"))),
    )
    story.allergy()
    story.condition("195967001", "Asthma")
    story.medicine("435", "albuterol", "2.5 mg nebulised every hour", 6.5)
    story.oxygen(Oxygen(6.8, "simple mask", 6), Oxygen(2.0, "simple mask", 8))
    reading(story, "weight", 6.5, 29.5)
    reading(story, "height", 6.5, 134)
    chart(
        story,
        since=6.7,
        every=0.5,
        hr=[(7, 128), (0, 142)],
        rr=[(7, 34), (0, 40)],
        spo2=[(7, 89), (6.5, 94), (0, 92)],
        sbp=104,
        dbp=62,
        temp=37.2,
        gcs=15,
    )
    results(story, 5.0, back_after=0.1, ph_venous=7.36, pco2_venous=44)
    return story


def conflicting(now: datetime) -> Story:
    """Conflicting rows: two readings in one minute, entered in error, corrected, haemolysed, impossible."""
    story = Story(
        now,
        "conflicting-rows",
        Person("100446", "Ambrose", "Fairweather", "male", 70),
        Stay(22.0, "medical-4", "okafor", ("68566005", "Urinary tract infectious disease")),
        Dialect(local_codes=True),
    )
    story.allergy("91936005", "Allergy to penicillin")
    story.condition("68566005", "Urinary tract infectious disease", onset=40)
    story.oxygen(Oxygen(21.5, "room air", percent=21), Oxygen(9.0, "nasal cannula", 2))
    reading(story, "weight", 21.0, 81.0)
    chart(
        story,
        since=21.4,
        until=0.15,
        hr=[(21, 96), (0, 90)],
        rr=[(21, 19), (0, 18)],
        spo2=[(21, 94), (9.1, 91), (0, 95)],
        sbp=[(21, 118), (0, 124)],
        dbp=[(21, 68), (0, 72)],
        temp=[(21, 38.2), (0, 37.5)],
        gcs=15,
    )
    _bedside_errors(story)
    _laboratory_errors(story)
    return story


def _bedside_errors(story: Story) -> None:
    for key, hours, value in (("hr", 6.15, 188), ("spo2", 3.15, 9), ("weight", 4.0, 8.1)):
        wrong = reading(story, key, hours, value)
        wrong["status"] = "entered-in-error"
    reading(story, "hr", 1.15, 61)  # the monitor and the cuff disagree within the same minute
    reading(story, "rr", 1.15, 31)
    reading(story, "temp", 5.0, 98.8)  # Fahrenheit typed into a Celsius field
    flow = reading(story, "fio2", 2.0, 6)  # a flow charted under the code of the concentration
    flow["valueQuantity"] = {"value": 6, "unit": "L/min", "system": UCUM, "code": "L/min"}
    reading(story, "fio2", 1.9, 400)
    bare = reading(story, "spo2", 0.6, 95)
    del bare["valueQuantity"]
    bare["dataAbsentReason"] = concept(
        "http://terminology.hl7.org/CodeSystem/data-absent-reason", "unknown", "Probe off"
    )
    period = reading(story, "rr", 2.6, 18)
    period["effectivePeriod"] = {"start": story.when(2.62), "end": story.when(2.6)}
    del period["effectiveDateTime"]
    local = row(story, "hr", 1.0)
    local["id"] = story.name("local")
    local["code"] = concept(
        "https://stand-in-hospital.example/codes/flowsheet", "EWS-OLD", "Early warning, old form"
    )
    local["valueQuantity"] = {"value": 4, "unit": "points"}
    keep(story, local, 1.0)
    coma_score(story, 7.5, 15, parts=(4, 5, 6))


def _laboratory_errors(story: Story) -> None:
    haemolysed = result(story, MEASURES["potassium"], "potassium", 12.0)
    haemolysed["valueString"] = "Hemolyzed"
    story.add(haemolysed, 11.2)
    amended = results(story, 11.0, potassium=4.4)[0]
    amended["status"] = "amended"
    synthetic(amended, instant(story.at(9.0)), "3")
    corrected = results(story, 11.0, sodium=137)[0]
    corrected["status"] = "corrected"
    synthetic(corrected, instant(story.at(8.5)), "2")
    results(story, 11.0, creatinine=1.24, bun=26, glucose=133)
    results(story, 11.0, creatinine_umol=1.24)  # mg/dL typed under µmol/L
    below = result(story, MEASURES["crp"], "crp", 11.0)
    below["valueString"] = "<0.6 mg/L"
    story.add(below, 10.2)
    gas(story, 6.0, ph=7.41, pco2=38, po2=71)
    results(story, 0.9, back_after=0.5, status="preliminary", wbc=13.4, platelets=204, haemoglobin=13.0)
    cancelled = results(story, 8.0, lactate_venous=2.0)[0]
    cancelled["status"] = "cancelled"
    del cancelled["valueQuantity"]
    troponin(story, 11.0, 22, ELECSYS, limit=14)
    troponin(story, 7.9, 2400, ELECSYS, limit=14, status="entered-in-error")
    troponin(story, 2.0, 23, ELECSYS, limit=14, status="preliminary")
    wrong_unit = troponin(story, 5.0, 0.024, ELECSYS, limit=14)  # ng/mL sent as ng/L
    wrong_unit["note"] = [{"text": "Unit under query with the laboratory"}]
    _contained_panel(story)


def _contained_panel(story: Story) -> None:
    inside = {
        "resourceType": "Observation",
        "id": "mg",
        "status": "final",
        "category": [laboratory()],
        "code": {
            "coding": [
                coding(LOCAL_LAB, "MG", "Magnesium"),
                coding(LOINC, MEASURES["magnesium"].loinc, MEASURES["magnesium"].display),
            ]
        },
        "subject": story.subject,
        "effectiveDateTime": story.when(11.0),
        "valueQuantity": {"value": 1.9, "unit": "mg/dL", "system": UCUM, "code": "mg/dL"},
    }
    story.add(
        {
            "resourceType": "DiagnosticReport",
            "id": story.name("report"),
            "status": "final",
            "contained": [inside],
            "category": [concept("http://terminology.hl7.org/CodeSystem/v2-0074", "LAB", "Laboratory")],
            "code": {"text": "Reference laboratory letter"},
            "subject": story.subject,
            "encounter": story.encounter,
            "effectiveDateTime": story.when(11.0),
            "issued": instant(story.at(10.0)),
            "result": [{"reference": "#mg"}],
        },
        10.0,
    )
