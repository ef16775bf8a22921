"""A story in which the muscles tire while the lungs are clear."""

from __future__ import annotations

from datetime import datetime

from demo.patients.flowsheet import chart, consciousness, reading
from demo.patients.laboratory import gas, results
from demo.patients.story import Dialect, Oxygen, Person, Stay, Story


def myasthenia(now: datetime) -> Story:
    """Myasthenic crisis, four hours on non-invasive ventilation: the saturation is fine, the CO2 is not."""
    story = Story(
        now,
        "myasthenia-tiring",
        Person("100452", "Signe", "Dahl", "female", 38, zone=0),
        Stay(
            18.0,
            "intensive",
            "iyer",
            ("91637004", "Myasthenia gravis"),
            ((18.0, "emergency"), (14.0, "medical-4"), (4.5, "intensive")),
        ),
        Dialect(device_as="use"),
    )
    story.allergy()
    story.condition("91637004", "Myasthenia gravis", onset=40)
    story.oxygen(
        Oxygen(17.8, "room air", percent=21),
        Oxygen(9.0, "nasal cannula", 2),
        Oxygen(4.0, "non-invasive ventilation", percent=35),
    )
    story.procedure("428311008", "Noninvasive ventilation", 4.0)
    reading(story, "weight", 17.0, 63.0)
    reading(story, "height", 17.0, 170)
    chart(
        story,
        since=17.7,
        hr=[(18, 84), (5, 104), (0, 112)],
        rr=[(18, 18), (8, 24), (4, 30), (0, 33)],
        spo2=[(18, 98), (9, 94), (4.2, 92), (3, 97), (0, 95)],
        sbp=[(18, 122), (0, 144)],
        dbp=[(18, 74), (0, 86)],
        temp=36.8,
        gcs=15,
    )
    consciousness(story, 0.5, "alert")
    for hours, ph, pco2, po2 in ((16.0, 7.42, 38, 88), (4.4, 7.34, 52, 66), (0.8, 7.29, 61, 79)):
        gas(story, hours, ph=ph, pco2=pco2, po2=po2, hco3=26, base_excess=1.0, lactate=1.1)
    for hours in (17.0, 3.0):
        results(
            story,
            hours,
            panel="metabolic",
            creatinine=0.66,
            bun=11,
            sodium=140,
            potassium=3.9,
            chloride=103,
            bicarbonate=27,
            glucose=104,
            calcium=9.2,
        )
        results(story, hours, panel="blood count", wbc=7.2, haemoglobin=13.0, haematocrit=39, platelets=262)
    return story
