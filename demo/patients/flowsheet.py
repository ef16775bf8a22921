"""The bedside flowsheet: a story's vital signs as Observations, hour by hour.

Noise is drawn from the story's own dice, so a chart is the same each time it is told. Saturation never
passes 100.
"""

from __future__ import annotations

from demo.patients.codes import (
    CONSCIOUSNESS,
    LOCAL_FLOWSHEET,
    LOINC,
    MEASURES,
    SNOMED,
    UCUM,
    Measure,
    coding,
    concept,
)
from demo.patients.marks import instant
from demo.patients.story import Course, Oxygen, Resource, Story, hours_between, value_at, vital_signs

CHARTED_LATER = 0.04  # hours between reading and charting
CEILING = {"spo2": 100.0, "gcs": 15.0}


def chart(
    story: Story, *, since: float, until: float | None = None, every: float = 1.0, **courses: Course
) -> None:
    """Vital signs from `since` to `until` hours before now (the ward's last round unless told).

    Keys are MEASURES names; sbp and dbp go together.
    Temperature, coma score and urine are charted every four hours (or at `every`, if that is longer).
    """
    seldom = {"temp", "gcs", "urine"}
    last = story.last_round if until is None else until
    for index, hours in enumerate(hours_between(since, last, every)):
        slow = index % max(1, round(4 / every)) == 0 or hours == last
        for key, course in courses.items():
            if key in seldom and not slow:
                continue
            if key == "dbp" and "sbp" in courses:
                continue
            _one(story, key, hours, course, courses)


def _one(story: Story, key: str, hours: float, course: Course, courses: dict[str, Course]) -> None:
    if key == "sbp":
        _pressure(story, hours, course, courses.get("dbp", 70))
    elif key == "spo2":
        _saturation(story, hours, course)
    elif key == "gcs":
        coma_score(story, hours, round(value_at(course, hours)))
    elif key == "temp":
        _temperature(story, hours, course)
    else:
        reading(story, key, hours, _noisy(story, key, value_at(course, hours)))


def _noisy(story: Story, key: str, value: float) -> float:
    measure = MEASURES[key]
    noisy = value + (story.dice.gauss(0, measure.spread) if measure.spread else 0)
    return round(max(0.0, min(noisy, CEILING.get(key, noisy))), measure.digits)


def quantity(measure: Measure, value: float) -> Resource:
    """A FHIR Quantity in UCUM; whole numbers where the measure has no decimals."""
    number = int(value) if measure.digits == 0 else round(value, measure.digits)
    made: Resource = {"value": number, "system": UCUM, "code": measure.ucum}
    if measure.unit:
        made["unit"] = measure.unit
    return made


def row(story: Story, key: str, hours: float) -> Resource:
    """A vital-signs Observation of MEASURES[key] without its value."""
    measure = MEASURES[key]
    codes = [coding(LOINC, measure.loinc, measure.display)]
    if key == "spo2":
        codes.append(coding(LOINC, "2708-6", "Oxygen saturation in Arterial blood"))
    if story.dialect.local_codes:
        codes.insert(0, coding(LOCAL_FLOWSHEET, measure.local, measure.display))
    return {
        "resourceType": "Observation",
        "id": story.name(key),
        "status": "final",
        "category": [vital_signs()],
        "code": {"coding": codes, "text": measure.display},
        "subject": story.subject,
        "encounter": story.encounter,
        "effectiveDateTime": story.when(hours),
        "issued": instant(story.at(max(0.0, hours - CHARTED_LATER))),
    }


def keep(story: Story, made: Resource, hours: float, version: str = "1") -> Resource:
    """Store a charted row, last changed when it was charted."""
    return story.add(made, max(0.0, hours - CHARTED_LATER), version)


def reading(story: Story, key: str, hours: float, value: float) -> Resource:
    """One single reading, exactly as given."""
    made = row(story, key, hours)
    made["valueQuantity"] = quantity(MEASURES[key], value)
    return keep(story, made, hours)


def _temperature(story: Story, hours: float, course: Course) -> None:
    key, celsius = story.dialect.temperature, value_at(course, hours)
    reading(story, key, hours, _noisy(story, key, celsius * 1.8 + 32 if key == "temp_f" else celsius))


def _component(key: str, value: float) -> Resource:
    measure = MEASURES[key]
    return {"code": concept(LOINC, measure.loinc, measure.display), "valueQuantity": quantity(measure, value)}


def _pressure(story: Story, hours: float, upper: Course, lower: Course) -> None:
    systolic = _noisy(story, "sbp", value_at(upper, hours))
    diastolic = min(_noisy(story, "dbp", value_at(lower, hours)), systolic - 8)
    if not story.dialect.bp_panel:
        reading(story, "sbp", hours, systolic)
        reading(story, "dbp", hours, diastolic)
        reading(story, "map", hours, round((systolic + 2 * diastolic) / 3))
        return
    made = row(story, "sbp", hours)
    made["id"] = story.name("bp")
    codes = [coding(LOINC, "85354-9", "Blood pressure panel with all children optional")]
    if story.dialect.local_codes:
        codes.insert(0, coding(LOCAL_FLOWSHEET, "BP", "Blood pressure"))
    made["code"] = {"coding": codes, "text": "Blood pressure"}
    made["component"] = [_component("sbp", systolic), _component("dbp", diastolic)]
    keep(story, made, hours)


def _saturation(story: Story, hours: float, course: Course) -> None:
    made = row(story, "spo2", hours)
    made["valueQuantity"] = quantity(MEASURES["spo2"], _noisy(story, "spo2", value_at(course, hours)))
    step = story.oxygen_at(hours)
    if step is not None:
        given = oxygen_values(story, step)
        if story.dialect.oxygen_in_spo2:
            if given:
                made["component"] = [_component(key, value) for key, value in given.items()]
        else:
            for key, value in given.items():
                reading(story, key, hours, value)
    keep(story, made, hours)


def oxygen_values(story: Story, step: Oxygen) -> dict[str, float]:
    """Flow and concentration of an oxygen step, in this ward's way of writing a concentration."""
    given: dict[str, float] = {}
    if step.flow is not None:
        given["o2_flow"] = step.flow
    if step.percent is not None:
        fraction = story.dialect.concentration == "fio2_fraction"
        given[story.dialect.concentration] = step.percent / 100 if fraction else step.percent
    return given


def coma_score(story: Story, hours: float, total: int, *, parts: tuple[int, int, int] | None = None) -> None:
    """Glasgow coma score: the total, or (with `parts`: eye, verbal, motor) a panel of three components."""
    made = row(story, "gcs", hours)
    made["valueQuantity"] = quantity(MEASURES["gcs"], total)
    if parts is not None:
        names = ("gcs_eye", "gcs_verbal", "gcs_motor")
        made["component"] = [_component(key, part) for key, part in zip(names, parts, strict=True)]
        del made["valueQuantity"]
    keep(story, made, hours)


def consciousness(story: Story, hours: float, level: str) -> None:
    """ACVPU as SNOMED: "alert", "confused", "voice", "pain" or "unresponsive"."""
    made = row(story, "gcs", hours)
    made["id"] = story.name("acvpu")
    made["code"] = concept(LOINC, "80288-4", "Level of consciousness")
    made["valueCodeableConcept"] = concept(SNOMED, *CONSCIOUSNESS[level])
    keep(story, made, hours)
