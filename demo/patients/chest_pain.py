"""Chest pain stories measured with one high-sensitivity troponin T, each at another place on the curve."""

from __future__ import annotations

from datetime import datetime

from demo.patients.codes import CONVENTIONAL_I, ELECSYS
from demo.patients.flowsheet import chart, reading
from demo.patients.laboratory import results, troponin
from demo.patients.story import Dialect, Oxygen, Person, Stay, Story

CHEST_PAIN = ("29857009", "Chest pain")


def _emergency(
    now: datetime, key: str, person: Person, arrived: float, onset: float, dialect: Dialect | None = None
) -> Story:
    story = Story(now, key, person, Stay(arrived, "emergency", "brandt", CHEST_PAIN), dialect or Dialect())
    story.allergy()
    story.condition(*CHEST_PAIN, onset=onset)
    story.oxygen(Oxygen(arrived - 0.1, "room air", percent=21))
    return story


def _chemistry(story: Story, hours: float, creatinine: float, haemoglobin: float = 13.6) -> None:
    results(
        story,
        hours,
        panel="metabolic",
        creatinine=creatinine,
        bun=17,
        sodium=139,
        potassium=4.2,
        chloride=103,
        bicarbonate=25,
        glucose=121,
        calcium=9.3,
    )
    results(
        story,
        hours,
        panel="blood count",
        wbc=9.1,
        haemoglobin=haemoglobin,
        haematocrit=round(haemoglobin * 3),
        platelets=236,
    )


def infarction(now: datetime) -> Story:
    """Infarction: hs-troponin T 38 then 96 ng/L in 61 minutes; the 0/1 h rule says in."""
    story = _emergency(
        now, "infarction-rising", Person("100331", "Ruth", "Salinger", "female", 63), arrived=3.1, onset=5.2
    )
    story.condition("44054006", "Diabetes mellitus type 2")
    chart(
        story,
        since=3.0,
        every=0.25,
        hr=[(3, 96), (0, 88)],
        rr=[(3, 20), (0, 17)],
        spo2=96,
        sbp=[(3, 152), (0, 138)],
        dbp=[(3, 90), (0, 82)],
        temp=36.8,
        gcs=15,
    )
    _chemistry(story, 2.9, 0.88)
    troponin(story, 2.82, 38, ELECSYS, limit=14)
    troponin(story, 2.82 - 61 / 60, 96, ELECSYS, limit=14)
    return story


def first_draw(now: datetime) -> Story:
    """First draw only, pain two hours old: 4 ng/L is very low, and too early to mean "out"."""
    story = _emergency(
        now, "first-draw", Person("100346", "Kaveh", "Moradi", "male", 46), arrived=1.2, onset=2.0
    )
    chart(
        story,
        since=1.1,
        every=0.25,
        hr=[(1, 84), (0, 78)],
        rr=15,
        spo2=98,
        sbp=136,
        dbp=82,
        temp=36.6,
        gcs=15,
    )
    _chemistry(story, 0.85, 0.97, 15.2)
    troponin(story, 0.85, 4, ELECSYS, limit=14)
    return story


def below_limit(now: datetime) -> Story:
    """`<5` then 9 ng/L: the first value is below the limit of detection, which is not 5 and not missing."""
    story = _emergency(
        now, "below-limit-then-nine", Person("100352", "Petra", "Holub", "female", 52), arrived=3.0, onset=3.6
    )
    chart(
        story,
        since=2.9,
        every=0.5,
        hr=[(3, 92), (0, 76)],
        rr=16,
        spo2=97,
        sbp=[(3, 148), (0, 132)],
        dbp=84,
        temp=36.7,
        gcs=15,
    )
    _chemistry(story, 2.7, 0.74, 12.9)
    troponin(story, 2.6, 5, ELECSYS, limit=14, comparator="<")
    troponin(story, 1.55, 9, ELECSYS, limit=14)
    return story


def ruled_out(now: datetime) -> Story:
    """Low and flat: 6 then 7 ng/L an hour apart, six hours after the pain began; the rule says out."""
    story = _emergency(
        now, "low-and-flat", Person("100367", "Mina", "Castellano", "female", 41), arrived=3.2, onset=6.5
    )
    chart(
        story, since=3.1, every=0.5, hr=[(3, 86), (0, 70)], rr=14, spo2=99, sbp=122, dbp=74, temp=36.5, gcs=15
    )
    _chemistry(story, 3.0, 0.69, 13.1)
    troponin(story, 2.9, 6, ELECSYS, limit=14)
    troponin(story, 1.92, 7, ELECSYS, limit=14)
    return story


def falling(now: datetime) -> Story:
    """Falling after the peak: a day after the culprit artery was opened."""
    story = Story(
        now,
        "falling-after-peak",
        Person("100371", "Hugh", "Penhallow", "male", 59),
        Stay(
            28.0,
            "cardiac",
            "lindgren",
            ("401303003", "Acute ST segment elevation myocardial infarction"),
            ((28.0, "emergency"), (26.5, "cardiac")),
        ),
    )
    story.allergy()
    story.condition("401303003", "Acute ST segment elevation myocardial infarction", onset=30)
    story.condition("53741008", "Coronary arteriosclerosis")
    story.procedure("415070008", "Percutaneous coronary intervention", 27.0, 25.9)
    story.oxygen(Oxygen(27.8, "nasal cannula", 2), Oxygen(20.0, "room air", percent=21))
    reading(story, "weight", 25.0, 84.6)
    chart(
        story,
        since=27.6,
        hr=[(28, 104), (20, 84), (0, 68)],
        rr=[(28, 20), (0, 15)],
        spo2=[(28, 94), (0, 97)],
        sbp=[(28, 106), (0, 118)],
        dbp=[(28, 64), (0, 72)],
        temp=[(28, 36.6), (12, 37.6), (0, 37.0)],
        gcs=15,
    )
    for hours, creatinine in ((27.4, 1.02), (14.2, 1.11), (2.3, 1.06)):
        _chemistry(story, hours, creatinine, 14.1)
    for hours, value, ck, ck_mb in (
        (27.4, 212, 380, 31.0),
        (20.1, 3480, 2240, 214.0),
        (14.2, 2910, 1760, 148.0),
        (8.1, 2120, 1190, 71.0),
        (2.3, 1530, 720, 30.0),
    ):
        troponin(story, hours, value, ELECSYS, limit=14)
        results(story, hours, ck=ck, ck_mb=ck_mb)
    return story


def conventional(now: datetime) -> Story:
    """Conventional troponin I in ng/mL, four draws rising: the assay the model was trained on."""
    story = Story(
        now,
        "conventional-rising",
        Person("100388", "Everett", "Quill", "male", 74),
        Stay(
            19.0,
            "cardiac",
            "lindgren",
            ("401314000", "Acute non-ST segment elevation myocardial infarction"),
            ((19.0, "emergency"), (16.0, "cardiac")),
        ),
    )
    story.allergy()
    story.condition("401314000", "Acute non-ST segment elevation myocardial infarction", onset=24)
    story.condition("53741008", "Coronary arteriosclerosis")
    story.condition("38341003", "Hypertensive disorder")
    story.medicine("5224", "heparin", "IV infusion by weight", 17.0)
    story.oxygen(Oxygen(18.8, "nasal cannula", 3), Oxygen(10.0, "nasal cannula", 2))
    reading(story, "weight", 18.0, 79.0)
    reading(story, "height", 18.0, 174)
    chart(
        story,
        since=18.6,
        hr=[(19, 108), (10, 96), (0, 102)],
        rr=[(19, 22), (0, 20)],
        spo2=[(19, 92), (0, 95)],
        sbp=[(19, 104), (0, 98)],
        dbp=[(19, 62), (0, 56)],
        temp=[(19, 36.5), (0, 37.3)],
        gcs=15,
        urine=[(19, 240), (0, 130)],
    )
    for hours, creatinine, haemoglobin in ((18.2, 1.31, 12.6), (11.8, 1.44, 12.2), (4.4, 1.58, 11.9)):
        _chemistry(story, hours, creatinine, haemoglobin)
        results(story, hours, magnesium=1.8, lactate_venous=1.9)
    for hours, value, ck, ck_mb in (
        (17.5, 0.42, 310, 14.0),
        (11.8, 1.06, 520, 29.0),
        (6.2, 2.31, 840, 52.0),
        (1.6, 3.74, 1120, 74.0),
    ):
        troponin(story, hours, value, CONVENTIONAL_I, unit="ng/mL", limit=0.04)
        results(story, hours, ck=ck, ck_mb=ck_mb)
    return story
