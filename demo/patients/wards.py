"""Ward and emergency stories in which breathing is at stake for another reason, or is not at stake at all."""

from __future__ import annotations

from datetime import datetime

from demo.patients.codes import ARCHITECT, ELECSYS
from demo.patients.flowsheet import chart, coma_score, consciousness, reading
from demo.patients.laboratory import gas, results, troponin
from demo.patients.story import Dialect, Oxygen, Person, Stay, Story


def post_operative(now: datetime) -> Story:
    """Post-operative and stable: the first day after a hip replacement, on room air."""
    story = Story(
        now,
        "postoperative-stable",
        Person("100282", "Tomas", "Lindqvist", "male", 64),
        Stay(29.0, "surgical-2", "reyes", ("239872002", "Osteoarthritis of hip")),
        Dialect(local_codes=True),
    )
    story.allergy("300916003", "Latex allergy")
    story.condition("239872002", "Osteoarthritis of hip", onset=9000)
    story.procedure("52734007", "Total replacement of hip", 25.0, 23.4)
    story.medicine("161", "acetaminophen", "1 g by mouth every 6 hours", 22.0)
    story.oxygen(Oxygen(23.2, "nasal cannula", 2), Oxygen(17.0, "room air", percent=21))
    reading(story, "weight", 28.5, 88.0)
    reading(story, "height", 28.5, 181)
    chart(
        story,
        since=23.1,
        hr=[(23, 88), (12, 78), (0, 74)],
        rr=[(23, 16), (0, 14)],
        spo2=[(23, 97), (0, 97)],
        sbp=[(23, 118), (12, 126), (0, 128)],
        dbp=[(23, 66), (0, 74)],
        temp=[(23, 36.4), (10, 37.2), (0, 36.9)],
        gcs=15,
        urine=[(23, 260), (0, 340)],
    )
    for hours, haemoglobin in ((28.2, 13.9), (20.0, 11.4), (5.5, 10.9)):
        results(
            story,
            hours,
            panel="blood count",
            wbc=9.8,
            haemoglobin=haemoglobin,
            haematocrit=round(haemoglobin * 3),
            platelets=224,
        )
        results(
            story,
            hours,
            panel="metabolic",
            creatinine=0.94,
            bun=15,
            sodium=139,
            potassium=4.1,
            chloride=104,
            bicarbonate=26,
            glucose=122,
            calcium=8.9,
        )
    results(story, 28.2, inr=1.0, ptt=29)
    return story


def sepsis(now: datetime) -> Story:
    """Sepsis from the urinary tract: falling pressure, rising lactate, temperature in degrees Fahrenheit."""
    story = Story(
        now,
        "sepsis",
        Person("100297", "Miriam", "Adeyemi", "female", 58),
        Stay(15.0, "medical-4", "brandt", ("91302008", "Sepsis"), ((15.0, "emergency"), (9.0, "medical-4"))),
        Dialect(bp_panel=False, oxygen_in_spo2=False, temperature="temp_f"),
    )
    story.allergy()
    story.condition("91302008", "Sepsis", onset=20)
    story.condition("45816000", "Pyelonephritis", onset=70)
    story.medicine("2193", "ceftriaxone", "2 g IV every 24 hours", 13.5)
    story.oxygen(
        Oxygen(14.8, "room air", percent=21),
        Oxygen(8.0, "nasal cannula", 3),
        Oxygen(2.5, "simple mask", 8, 50),
    )
    reading(story, "weight", 14.5, 71.0)
    chart(
        story,
        since=14.7,
        every=0.75,
        hr=[(15, 118), (10, 112), (4, 126), (0, 138)],
        rr=[(15, 24), (8, 25), (0, 31)],
        spo2=[(15, 95), (8.2, 91), (7, 95), (2.7, 90), (0, 93)],
        sbp=[(15, 104), (11, 112), (5, 96), (0, 82)],
        dbp=[(15, 60), (5, 52), (0, 42)],
        temp=[(15, 39.1), (8, 38.4), (0, 39.6)],
        gcs=[(15, 15), (3, 15), (2.8, 14), (0, 13)],
        urine=[(15, 160), (6, 60), (0, 20)],
    )
    consciousness(story, 10.0, "alert")
    consciousness(story, 0.3, "confused")
    for hours, lactate, creatinine, wbc, platelets, bicarbonate in (
        (14.4, 2.8, 1.24, 18.4, 156, 21),
        (7.9, 3.3, 1.72, 21.9, 121, 19),
        (1.9, 5.2, 2.61, 24.6, 84, 15),
    ):
        results(story, hours, back_after=0.4, lactate_venous=lactate)
        results(
            story,
            hours,
            panel="metabolic",
            creatinine=creatinine,
            bun=round(creatinine * 17),
            sodium=133,
            potassium=4.7,
            chloride=103,
            bicarbonate=bicarbonate,
            glucose=188,
            calcium=8.0,
        )
        results(
            story,
            hours,
            panel="blood count",
            wbc=wbc,
            haemoglobin=11.2,
            haematocrit=34,
            platelets=platelets,
            neutrophils=92,
            lymphocytes=4,
        )
    results(story, 14.4, back_after=1.3, procalcitonin=18.6, crp=274, bilirubin=1.6, albumin=2.7, inr=1.4)
    gas(story, 1.2, ph=7.29, pco2=28, po2=68, hco3=14, base_excess=-10.4, sao2=92, lactate=5.4)
    return story


def opioid(now: datetime) -> Story:
    """Opioid over-sedation: a morphine pump after surgery, seven breaths a minute, end-tidal CO2 rising."""
    story = Story(
        now,
        "opioid-sedation",
        Person("100304", "Gareth", "Pell", "male", 55),
        Stay(20.0, "surgical-2", "reyes", ("74400008", "Appendicitis")),
    )
    story.allergy()
    story.condition("74400008", "Appendicitis", onset=40)
    story.condition("78275009", "Obstructive sleep apnea syndrome")
    story.procedure("80146002", "Excision of appendix", 13.0, 11.4)
    story.medicine("7052", "morphine", "Patient-controlled: 1 mg IV bolus, 8 minute lock-out", 10.5)
    story.oxygen(
        Oxygen(19.5, "room air", percent=21),
        Oxygen(11.2, "nasal cannula", 2),
        Oxygen(1.3, "nasal cannula", 4),
    )
    reading(story, "weight", 19.0, 118.0)
    reading(story, "height", 19.0, 176)
    chart(
        story,
        since=19.4,
        hr=[(19, 96), (8, 82), (0, 64)],
        rr=[(19, 18), (10, 14), (5, 11), (2, 9), (0, 7)],
        spo2=[(19, 96), (6, 95), (2, 92), (1.4, 89), (0, 90)],
        sbp=[(19, 142), (6, 124), (0, 108)],
        dbp=[(19, 82), (0, 60)],
        temp=[(19, 37.9), (0, 36.6)],
    )
    chart(story, since=9.0, every=0.5, etco2=[(9, 38), (4, 46), (1, 60), (0, 66)])
    for hours, total, parts in (
        (18, 15, (4, 5, 6)),
        (8, 14, (3, 5, 6)),
        (3, 12, (3, 4, 5)),
        (0.4, 10, (2, 3, 5)),
    ):
        coma_score(story, hours, total, parts=parts)
    consciousness(story, 8.1, "alert")
    consciousness(story, 0.4, "pain")
    results(
        story,
        18.8,
        panel="metabolic",
        creatinine=1.02,
        bun=16,
        sodium=138,
        potassium=4.0,
        chloride=102,
        bicarbonate=27,
        glucose=130,
        calcium=9.1,
    )
    results(
        story,
        5.0,
        panel="metabolic",
        creatinine=1.31,
        bun=21,
        sodium=137,
        potassium=4.5,
        chloride=101,
        bicarbonate=29,
        glucose=141,
        calcium=8.8,
    )
    results(story, 18.8, panel="blood count", wbc=15.1, haemoglobin=14.4, haematocrit=43, platelets=248)
    gas(story, 0.6, ph=7.23, pco2=72, po2=66, hco3=30, base_excess=1.2, sao2=90, lactate=0.9)
    return story


def type_two(now: datetime) -> Story:
    """Type 2 injury: a bleeding ulcer, haemoglobin 6.8, heart rate 132 and hs-troponin I that creeps up."""
    story = Story(
        now,
        "type-two-injury",
        Person("100318", "Amos", "Greville", "male", 77),
        Stay(10.0, "emergency", "brandt", ("74474003", "Gastrointestinal hemorrhage")),
        Dialect(local_codes=True),
    )
    story.allergy()
    story.condition("74474003", "Gastrointestinal hemorrhage", onset=16)
    story.condition("53741008", "Coronary arteriosclerosis")
    story.oxygen(Oxygen(9.8, "room air", percent=21), Oxygen(5.0, "nasal cannula", 2))
    chart(
        story,
        since=9.7,
        every=0.5,
        hr=[(10, 132), (5, 124), (0, 108)],
        rr=[(10, 24), (0, 20)],
        spo2=[(10, 95), (5, 94), (0, 97)],
        sbp=[(10, 88), (5, 98), (0, 112)],
        dbp=[(10, 48), (0, 60)],
        temp=36.3,
        gcs=15,
    )
    for hours, haemoglobin, bun in ((9.6, 6.8, 52), (4.6, 7.6, 49), (1.7, 8.4, 46)):
        results(
            story,
            hours,
            panel="blood count",
            wbc=11.8,
            haemoglobin=haemoglobin,
            haematocrit=round(haemoglobin * 3),
            platelets=201,
        )
        results(
            story,
            hours,
            panel="metabolic",
            creatinine=1.18,
            bun=bun,
            sodium=138,
            potassium=4.4,
            chloride=106,
            bicarbonate=20,
            glucose=148,
            calcium=8.4,
        )
    results(story, 9.6, back_after=0.4, lactate_venous=3.4, inr=1.2)
    results(story, 1.7, back_after=0.4, lactate_venous=1.8)
    for hours, value in ((9.5, 48), (7.4, 71), (1.8, 92)):
        troponin(story, hours, value, ARCHITECT, limit=34)
    return story


def embolism(now: datetime) -> Story:
    """Pulmonary embolism in a woman who speaks Spanish: more oxygen every few hours, a strained heart."""
    story = Story(
        now,
        "spanish-embolism",
        Person("100325", "Rosa María", "Quiñones Vega", "female", 68, language="es", interpreter=True),
        Stay(
            13.0,
            "medical-4",
            "okafor",
            ("59282003", "Pulmonary embolism"),
            ((13.0, "emergency"), (6.5, "medical-4")),
        ),
        Dialect(utc=True),
    )
    story.allergy()
    story.condition("59282003", "Pulmonary embolism", onset=18)
    story.condition("38341003", "Hypertensive disorder")
    story.medicine("5224", "heparin", "IV infusion by weight", 10.2)
    story.oxygen(
        Oxygen(12.8, "nasal cannula", 2), Oxygen(8.0, "nasal cannula", 5), Oxygen(3.5, "Venturi mask", 12, 50)
    )
    reading(story, "weight", 12.0, 77.3)
    reading(story, "height", 12.0, 156)
    chart(
        story,
        since=12.7,
        every=0.75,
        hr=[(13, 112), (6, 116), (0, 124)],
        rr=[(13, 24), (6, 26), (0, 31)],
        spo2=[(13, 89), (12, 94), (8.2, 90), (7, 94), (3.7, 89), (3, 93), (0, 91)],
        sbp=[(13, 124), (0, 106)],
        dbp=[(13, 76), (0, 66)],
        temp=37.1,
        gcs=15,
    )
    results(story, 12.5, back_after=1.0, d_dimer=6400, nt_probnp=2910, inr=1.1, ptt=31)
    for hours, creatinine in ((12.5, 0.92), (2.4, 1.07)):
        results(
            story,
            hours,
            panel="metabolic",
            creatinine=creatinine,
            bun=20,
            sodium=138,
            potassium=4.1,
            chloride=103,
            bicarbonate=22,
            glucose=139,
            calcium=9.0,
        )
        results(story, hours, panel="blood count", wbc=11.2, haemoglobin=12.8, haematocrit=38, platelets=242)
    gas(story, 11.9, ph=7.48, pco2=30, po2=60, hco3=22, base_excess=-1.0, sao2=91, lactate=2.0)
    gas(story, 1.0, ph=7.46, pco2=31, po2=57, hco3=21, base_excess=-1.8, sao2=90, lactate=2.6)
    troponin(story, 12.5, 33, ELECSYS, limit=14)
    troponin(story, 9.4, 47, ELECSYS, limit=14)
    return story
