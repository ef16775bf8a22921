"""Breathing stories: getting worse, tiring, on high-flow, on a ventilator, and one who settles."""

from __future__ import annotations

from datetime import datetime

from demo.patients.codes import ELECSYS, SNOMED, concept
from demo.patients.flowsheet import chart, coma_score, consciousness, keep, reading, row
from demo.patients.laboratory import gas, results, troponin
from demo.patients.story import Dialect, Oxygen, Person, Stay, Story


def pneumonia(now: datetime) -> Story:
    """Pneumonia getting worse: from room air to a non-rebreather in 30 hours, breathing 34 a minute."""
    story = Story(
        now,
        "pneumonia-worsening",
        Person("100231", "Harriet", "Ashdown", "female", 71),
        Stay(
            30.5,
            "medical-4",
            "okafor",
            ("233604007", "Pneumonia"),
            ((30.5, "emergency"), (26.0, "medical-4")),
        ),
    )
    story.allergy()
    story.condition("233604007", "Pneumonia", onset=78)
    story.condition("38341003", "Hypertensive disorder")
    story.condition("44054006", "Diabetes mellitus type 2")
    story.medicine("2193", "ceftriaxone", "2 g IV every 24 hours", 28.5)
    story.oxygen(
        Oxygen(30.3, "room air", percent=21),
        Oxygen(29.0, "nasal cannula", 2),
        Oxygen(14.2, "nasal cannula", 5),
        Oxygen(7.4, "Venturi mask", 10, 40),
        Oxygen(2.3, "non-rebreather", 15, 80),
    )
    reading(story, "weight", 30.0, 68.4)
    reading(story, "height", 30.0, 162)
    chart(
        story,
        since=30.2,
        hr=[(30, 104), (20, 98), (10, 108), (4, 118), (0, 126)],
        rr=[(30, 24), (22, 22), (12, 25), (6, 29), (0, 35)],
        spo2=[(30, 90), (28.8, 94), (15, 91), (14, 94), (7.6, 90), (7, 93), (2.6, 88), (2, 92), (0, 90)],
        sbp=[(30, 138), (12, 124), (0, 102)],
        dbp=[(30, 78), (12, 68), (0, 56)],
        temp=[(30, 38.7), (20, 38.1), (8, 38.9), (0, 39.2)],
        gcs=[(30, 15), (3, 15), (0, 14)],
        urine=[(30, 220), (0, 90)],
    )
    consciousness(story, 20.0, "alert")
    consciousness(story, 0.2, "confused")
    for hours, wbc, neutrophils, platelets, crp, procalcitonin in (
        (29.8, 16.2, 84, 214, 188, 2.1),
        (18.1, 18.9, 87, 193, 246, 3.4),
        (5.9, 21.6, 91, 168, 318, 6.2),
    ):
        results(
            story,
            hours,
            panel="blood count",
            wbc=wbc,
            haemoglobin=12.4,
            haematocrit=37,
            platelets=platelets,
            neutrophils=neutrophils,
            lymphocytes=95 - neutrophils,
        )
        results(story, hours, back_after=1.2, crp=crp, procalcitonin=procalcitonin)
    for hours, creatinine, bun, sodium, bicarbonate in (
        (29.8, 1.08, 24, 134, 23),
        (18.1, 1.22, 29, 133, 22),
        (5.9, 1.61, 38, 132, 20),
    ):
        results(
            story,
            hours,
            panel="metabolic",
            creatinine=creatinine,
            bun=bun,
            sodium=sodium,
            potassium=4.2,
            chloride=99,
            bicarbonate=bicarbonate,
            glucose=164,
            calcium=8.4,
        )
    results(story, 29.8, albumin=3.1, bilirubin=0.9, ast=34, alt=28, inr=1.2)
    gas(story, 7.5, ph=7.46, pco2=32, po2=57, hco3=22, base_excess=-0.8, sao2=90, lactate=1.9)
    gas(story, 1.4, ph=7.37, pco2=42, po2=58, hco3=22, base_excess=-2.4, sao2=89, lactate=2.8)
    troponin(story, 29.8, 17, ELECSYS, limit=14)
    return story


def copd(now: datetime) -> Story:
    """COPD with CO2 retention: on a Venturi mask, tiring and drowsy as the gases (in kPa) turn acid."""
    story = Story(
        now,
        "copd-retention",
        Person("100244", "Walter", "Prideaux", "male", 68),
        Stay(
            26.4,
            "medical-4",
            "okafor",
            ("195951007", "Acute exacerbation of chronic obstructive airways disease"),
            ((26.4, "emergency"), (22.5, "medical-4")),
        ),
        Dialect(device_as="use", local_codes=True, concentration="fio2_fraction"),
    )
    story.allergy()
    story.condition("195951007", "Acute exacerbation of chronic obstructive airways disease", onset=60)
    story.condition("13645005", "Chronic obstructive lung disease")
    story.medicine("435", "albuterol", "2.5 mg nebulised every 4 hours", 25.9)
    story.oxygen(
        Oxygen(26.2, "nasal cannula", 4),
        Oxygen(24.0, "Venturi mask", 4, 28),
        Oxygen(4.1, "Venturi mask", 2, 24),
    )
    reading(story, "weight", 25.0, 61.2)
    chart(
        story,
        since=26.1,
        hr=[(26, 112), (16, 102), (6, 108), (0, 116)],
        rr=[(26, 30), (16, 26), (8, 28), (3, 27), (0, 21)],
        spo2=[(26, 86), (24, 93), (20, 91), (4, 92), (0, 87)],
        sbp=[(26, 158), (10, 146), (0, 151)],
        dbp=[(26, 88), (10, 82), (0, 84)],
        temp=[(26, 37.6), (10, 37.2), (0, 37.1)],
        gcs=[(26, 15), (4.2, 15), (4, 14), (1, 14), (0, 13)],
    )
    consciousness(story, 12.0, "alert")
    consciousness(story, 0.3, "voice")
    for hours, ph, pco2, po2, hco3 in (
        (25.5, 7.34, 7.5, 7.4, 29),
        (20.3, 7.33, 7.9, 8.3, 30),
        (9.0, 7.30, 8.6, 8.2, 30),
        (1.1, 7.24, 10.1, 7.3, 31),
    ):
        gas(story, hours, ph=ph, pco2_kpa=pco2, po2_kpa=po2, hco3=hco3, base_excess=4.1, lactate=1.3)
    for hours, creatinine, wbc, crp in ((25.6, 88, 12.9, 64), (7.2, 93, 13.8, 71)):
        results(story, hours, creatinine_umol=creatinine, sodium=137, potassium=4.4, bicarbonate=33, bun=19)
        results(story, hours, panel="blood count", wbc=wbc, haemoglobin=16.1, haematocrit=49, platelets=286)
        results(story, hours, back_after=1.3, crp=crp)
    return story


def heart_failure(now: datetime) -> Story:
    """Heart failure that settles: from a non-rebreather to room air in 40 hours of diuresis."""
    story = Story(
        now,
        "heart-failure-settling",
        Person("100259", "Edith", "Marlowe", "female", 79),
        Stay(
            41.0,
            "cardiac",
            "lindgren",
            ("42343007", "Congestive heart failure"),
            ((41.0, "emergency"), (36.2, "cardiac")),
        ),
        Dialect(utc=True),
    )
    story.allergy("91936005", "Allergy to penicillin")
    story.condition("42343007", "Congestive heart failure", onset=90)
    story.condition("49436004", "Atrial fibrillation")
    story.condition("38341003", "Hypertensive disorder")
    story.medicine("4603", "furosemide", "40 mg IV every 12 hours", 40.2)
    story.oxygen(
        Oxygen(40.8, "non-rebreather", 15, 80),
        Oxygen(36.0, "Venturi mask", 8, 35),
        Oxygen(27.0, "nasal cannula", 4),
        Oxygen(15.0, "nasal cannula", 2),
        Oxygen(5.5, "room air", percent=21),
    )
    reading(story, "weight", 39.0, 82.7)
    reading(story, "weight", 6.0, 79.1)
    reading(story, "height", 39.0, 158)
    chart(
        story,
        since=40.6,
        hr=[(40, 128), (30, 104), (16, 88), (0, 80)],
        rr=[(40, 32), (34, 26), (22, 20), (0, 16)],
        spo2=[(40, 88), (38, 94), (20, 95), (5.6, 97), (5, 94), (0, 95)],
        sbp=[(40, 182), (32, 150), (16, 132), (0, 126)],
        dbp=[(40, 98), (32, 84), (16, 74), (0, 70)],
        temp=36.7,
        gcs=15,
        urine=[(40, 120), (36, 640), (24, 480), (0, 260)],
    )
    for hours, creatinine, bun, potassium in (
        (40.1, 1.42, 33, 4.6),
        (28.0, 1.51, 36, 4.1),
        (8.2, 1.38, 34, 3.8),
    ):
        results(
            story,
            hours,
            panel="metabolic",
            creatinine=creatinine,
            bun=bun,
            sodium=136,
            potassium=potassium,
            chloride=101,
            bicarbonate=26,
            glucose=118,
            calcium=9.0,
        )
        results(story, hours, magnesium=1.9)
    results(story, 40.1, panel="blood count", wbc=8.8, haemoglobin=11.9, haematocrit=36, platelets=231)
    results(story, 8.2, panel="blood count", wbc=7.4, haemoglobin=12.1, haematocrit=37, platelets=238)
    results(story, 40.1, back_after=1.1, nt_probnp=8420, albumin=3.6, inr=2.3)
    results(story, 8.2, back_after=1.1, nt_probnp=3960)
    gas(story, 40.0, ph=7.33, pco2=46, po2=61, hco3=24, base_excess=-1.7, sao2=90, lactate=2.2)
    troponin(story, 40.1, 31, ELECSYS, limit=14)
    troponin(story, 38.9, 33, ELECSYS, limit=14)
    return story


def high_flow(now: datetime) -> Story:
    """On high-flow oxygen for seven hours: the ROX index applies and sinks."""
    story = Story(
        now,
        "high-flow",
        Person("100263", "Benedict", "Osei", "male", 49),
        Stay(
            31.0,
            "intensive",
            "iyer",
            ("233604007", "Pneumonia"),
            ((31.0, "emergency"), (27.0, "medical-4"), (7.5, "intensive")),
        ),
    )
    story.allergy()
    story.condition(
        "840539006", "Disease caused by severe acute respiratory syndrome coronavirus 2", onset=190
    )
    story.condition("233604007", "Pneumonia", onset=60)
    story.medicine("3264", "dexamethasone", "6 mg IV once a day", 26.0)
    story.oxygen(
        Oxygen(30.8, "nasal cannula", 3),
        Oxygen(18.0, "nasal cannula", 6),
        Oxygen(11.0, "non-rebreather", 15, 80),
        Oxygen(7.1, "high-flow", 50, 60),
        Oxygen(2.0, "high-flow", 60, 70),
    )
    story.procedure("870533002", "Heated and humidified high flow oxygen therapy", 7.1)
    reading(story, "weight", 29.0, 96.0)
    reading(story, "height", 29.0, 178)
    chart(
        story,
        since=30.6,
        hr=[(30, 98), (12, 104), (6, 100), (0, 112)],
        rr=[(30, 22), (12, 28), (7, 32), (5, 27), (0, 31)],
        spo2=[(30, 91), (17, 93), (11.2, 88), (10, 93), (6.5, 94), (2.2, 90), (0, 91)],
        sbp=[(30, 128), (0, 118)],
        dbp=[(30, 74), (0, 66)],
        temp=[(30, 38.4), (0, 37.9)],
        gcs=15,
    )
    consciousness(story, 0.4, "alert")
    gas(story, 11.2, ph=7.47, pco2=31, po2=54, hco3=22, base_excess=-0.6, sao2=88, lactate=1.6)
    gas(story, 6.0, ph=7.45, pco2=34, po2=72, hco3=23, base_excess=0.1, sao2=94, lactate=1.4)
    gas(story, 0.9, ph=7.42, pco2=38, po2=60, hco3=24, base_excess=0.3, sao2=90, lactate=1.7)
    for hours, creatinine, wbc, crp in (
        (30.0, 0.96, 6.1, 122),
        (17.5, 1.01, 7.3, 168),
        (4.8, 1.04, 9.9, 191),
    ):
        results(
            story,
            hours,
            panel="metabolic",
            creatinine=creatinine,
            bun=18,
            sodium=135,
            potassium=4.0,
            chloride=100,
            bicarbonate=24,
            glucose=176,
            calcium=8.5,
        )
        results(
            story,
            hours,
            panel="blood count",
            wbc=wbc,
            haemoglobin=13.8,
            haematocrit=41,
            platelets=198,
            neutrophils=86,
            lymphocytes=8,
        )
        results(story, hours, back_after=1.2, crp=crp)
    results(story, 30.0, back_after=1.5, d_dimer=880, ast=52, alt=61)
    return story


def ventilated(now: datetime) -> Story:
    """Already ventilated for fourteen hours: the question of who will need a ventilator is behind us."""
    story = Story(
        now,
        "ventilated",
        Person("100278", "Dolores", "Whitfield", "female", 66),
        Stay(
            38.0,
            "intensive",
            "iyer",
            ("67782005", "Acute respiratory distress syndrome"),
            ((38.0, "emergency"), (32.0, "medical-4"), (15.0, "intensive")),
        ),
        Dialect(device_as="use", bp_panel=False, temperature="temp_core"),
    )
    story.allergy()
    story.condition("67782005", "Acute respiratory distress syndrome", onset=16)
    story.condition("233604007", "Pneumonia", onset=70)
    story.oxygen(
        Oxygen(37.5, "nasal cannula", 4),
        Oxygen(20.0, "non-rebreather", 15, 90),
        Oxygen(14.2, "endotracheal tube", percent=70),
        Oxygen(6.0, "endotracheal tube", percent=55),
    )
    story.procedure("112798008", "Insertion of endotracheal tube", 14.2, moment=True)
    story.procedure("40617009", "Artificial respiration", 14.1)
    reading(story, "weight", 36.0, 74.5)
    reading(story, "height", 36.0, 165)
    chart(
        story,
        since=37.4,
        hr=[(37, 106), (15, 128), (12, 104), (0, 92)],
        rr=[(37, 26), (15, 38), (14, 22), (0, 22)],
        spo2=[(37, 92), (20, 90), (15, 84), (13, 94), (0, 96)],
        sbp=[(37, 128), (14, 96), (8, 112), (0, 118)],
        dbp=[(37, 72), (14, 54), (8, 60), (0, 64)],
        temp=[(37, 38.6), (0, 37.8)],
    )
    for hours, fio2, peep in ((14.0, 70, 12), (10.0, 70, 12), (6.0, 55, 10), (2.0, 55, 10)):
        reading(story, "fio2_ventilator", hours, fio2)
        reading(story, "peep", hours, peep)
        reading(story, "tidal_volume", hours, 370)
        mode = row(story, "peep", hours)
        mode["id"] = story.name("mode")
        mode["code"] = concept("http://loinc.org", "20124-4", "Ventilation mode Ventilator")
        mode["valueCodeableConcept"] = {"text": "Volume control, assist"}
        keep(story, mode, hours)
    coma_score(story, 30.0, 14, parts=(4, 4, 6))
    coma_score(story, 3.0, 3, parts=(1, 1, 1))
    gas(story, 15.0, ph=7.28, pco2=49, po2=51, hco3=22, base_excess=-4.2, sao2=82, lactate=3.1)
    gas(story, 12.5, ph=7.33, pco2=44, po2=78, hco3=23, base_excess=-2.1, sao2=94, lactate=2.2)
    gas(story, 2.1, ph=7.39, pco2=40, po2=84, hco3=24, base_excess=-0.4, sao2=96, lactate=1.3)
    for hours, creatinine, wbc in ((37.0, 1.1, 17.2), (13.5, 1.5, 22.8), (3.2, 1.3, 18.1)):
        results(
            story,
            hours,
            panel="metabolic",
            creatinine=creatinine,
            bun=31,
            sodium=139,
            potassium=4.3,
            chloride=104,
            bicarbonate=23,
            glucose=151,
            calcium=8.1,
        )
        results(story, hours, panel="blood count", wbc=wbc, haemoglobin=10.8, haematocrit=33, platelets=156)
    story.add(
        {
            "resourceType": "Observation",
            "id": story.name("prone"),
            "status": "final",
            "code": concept(SNOMED, "1240000", "Prone body position"),
            "subject": story.subject,
            "effectiveDateTime": story.when(11.0),
            "valueBoolean": True,
        },
        11.0,
    )
    return story
