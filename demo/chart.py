"""A patient's chart as the hospital's own screen shows it: banner, tiles, flowsheet, results, problems.

Reads FHIR resources and makes rows for the templates. It shows what was charted, as it was charted: rows
entered in error are left out, corrected and preliminary ones are marked, a value without a number keeps its
words.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from demo.records import Hospital

Resource = dict[str, Any]
ZONE = ZoneInfo("America/New_York")  # the clock on the hospital's walls
GONE = frozenset({"entered-in-error", "cancelled"})
MARKS = {"preliminary": "prelim", "amended": "amended", "corrected": "corrected"}
VITALS = (  # LOINC, label, unit as printed, low and high that the screen flags
    ("8867-4", "Heart rate", "/min", 50, 110),
    ("9279-1", "Respiratory rate", "/min", 10, 24),
    ("59408-5", "SpO₂", "%", 92, 101),
    ("8480-6", "Systolic", "mmHg", 95, 170),
    ("8462-4", "Diastolic", "mmHg", 45, 105),
    ("8478-0", "Mean", "mmHg", 65, 115),
    ("8310-5", "Temperature", "°C", 35.5, 38.2),
    ("8329-5", "Core temperature", "°C", 35.5, 38.2),
    ("107117-4", "Oxygen by", "", None, None),
    ("3151-8", "O₂ flow", "L/min", None, None),
    ("3150-0", "FiO₂", "%", None, 60),
    ("9269-2", "GCS", "", 14.5, 16),
    ("80288-4", "ACVPU", "", None, None),
    ("19889-5", "EtCO₂", "mmHg", 30, 50),
    ("9187-6", "Urine (4 h)", "mL", 100, None),
    ("20077-4", "PEEP", "cmH₂O", None, None),
    ("19994-3", "Vent. FiO₂", "%", None, 60),
)
TILES = ("8867-4", "9279-1", "59408-5", "8480-6", "8310-5")
GROUPS = (  # heading, LOINC codes in the order they are printed
    ("Heart", ("67151-1", "89579-7", "10839-9", "42757-5", "2157-6", "13969-1", "33762-6")),
    (
        "Arterial gas",
        ("2744-1", "2019-8", "2703-7", "1960-4", "1925-7", "2708-6", "2518-9", "2746-6", "2021-4"),
    ),
    (
        "Chemistry",
        (
            "2951-2",
            "2823-3",
            "2075-0",
            "2028-9",
            "3094-0",
            "2160-0",
            "14682-9",
            "98979-8",
            "2345-7",
            "17861-6",
            "19123-9",
            "2777-1",
            "2524-7",
            "1751-7",
            "1975-2",
            "1920-8",
            "1742-6",
        ),
    ),
    (
        "Blood count and clotting",
        ("6690-2", "770-8", "736-9", "718-7", "4544-3", "777-3", "6301-6", "14979-9", "48065-7"),
    ),
    ("Inflammation", ("1988-5", "33959-8")),
)
SHORT = {
    "67151-1": "hs-Troponin T",
    "89579-7": "hs-Troponin I",
    "10839-9": "Troponin I (conventional)",
    "42757-5": "Troponin I (bedside)",
    "2157-6": "CK",
    "13969-1": "CK-MB",
    "33762-6": "NT-proBNP",
    "2744-1": "pH",
    "2019-8": "pCO₂",
    "2703-7": "pO₂",
    "1960-4": "HCO₃⁻",
    "1925-7": "Base excess",
    "2708-6": "SaO₂",
    "2518-9": "Lactate (arterial)",
    "2746-6": "pH (venous)",
    "2021-4": "pCO₂ (venous)",
    "2951-2": "Sodium",
    "2823-3": "Potassium",
    "2075-0": "Chloride",
    "2028-9": "CO₂, total",
    "3094-0": "Urea nitrogen",
    "2160-0": "Creatinine",
    "14682-9": "Creatinine",
    "98979-8": "eGFR",
    "2345-7": "Glucose",
    "17861-6": "Calcium",
    "19123-9": "Magnesium",
    "2777-1": "Phosphate",
    "2524-7": "Lactate (venous)",
    "1751-7": "Albumin",
    "1975-2": "Bilirubin",
    "1920-8": "AST",
    "1742-6": "ALT",
    "6690-2": "White cells",
    "770-8": "Neutrophils",
    "736-9": "Lymphocytes",
    "718-7": "Haemoglobin",
    "4544-3": "Haematocrit",
    "777-3": "Platelets",
    "6301-6": "INR",
    "14979-9": "aPTT",
    "48065-7": "D-dimer",
    "1988-5": "CRP",
    "33959-8": "Procalcitonin",
}


@dataclass(frozen=True, slots=True)
class Reading:
    """One value as charted: `text` is what is printed, `value` the number where there is one."""

    time: datetime
    code: str
    text: str
    unit: str
    value: float | None = None
    flag: str = ""  # "H", "L" or ""
    mark: str = ""  # "prelim", "amended", "corrected" or ""
    reference: str = ""
    method: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the flowsheet or the results: a label and a cell per column (None: nothing charted)."""

    label: str
    unit: str
    cells: tuple[Reading | None, ...]
    reference: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Sheet:
    """Columns (moments, oldest first) and lines."""

    columns: tuple[datetime, ...]
    lines: tuple[Line, ...]
    heading: str = ""


@dataclass(frozen=True, slots=True)
class Tile:
    """A vital sign at a glance: the latest reading and its last twelve hours as a polyline, 100 by 28."""

    label: str
    unit: str
    latest: Reading
    points: str
    abnormal: bool


@dataclass(frozen=True, slots=True)
class Banner:
    """Who the patient is and where."""

    id: str
    name: str
    age: str
    sex: str
    born: date
    mrn: str
    language: str
    interpreter: bool
    place: str
    attending: str
    reason: str
    arrived: datetime
    encounter: str


def banner(hospital: Hospital, patient: str) -> Banner:
    """The banner of one patient. Raises the hospital's Refused (404) for nobody."""
    person = hospital.read("Patient", patient)
    stay = hospital.search("Encounter", {"patient": patient, "_sort": "-date"})[0]
    name, born = person["name"][0], date.fromisoformat(person["birthDate"])
    today = hospital.clock().astimezone(ZONE).date()
    years = today.year - born.year - ((today.month, today.day) < (born.month, born.day))
    return Banner(
        id=patient,
        name=f"{name['family']}, {' '.join(name['given'])}",
        age=f"{years} y",
        sex=person["gender"],
        born=born,
        mrn=person["identifier"][0]["value"],
        language=person["communication"][0]["language"]["text"],
        interpreter=any(one.get("valueBoolean") for one in person.get("extension", ())),
        place=stay["location"][-1]["location"]["display"],
        attending=stay["participant"][0]["individual"]["display"],
        reason=stay["reasonCode"][0]["text"],
        arrived=datetime.fromisoformat(stay["period"]["start"]),
        encounter=stay["id"],
    )


def readings(observations: Iterable[Resource]) -> list[Reading]:
    """Every charted value, components included, in order of time; what was withdrawn is left out."""
    found: list[Reading] = []
    for row in observations:
        if row.get("status") in GONE:
            continue
        time = _time(row)
        if time is None:
            continue
        found += _of(row, row, time)
        for part in row.get("component", ()):
            found += _of(row, part, time)
        score = _coma_total(row)
        if score is not None:
            found.append(Reading(time, "9269-2", str(score), "", score))
    return sorted(found, key=lambda one: one.time)


def _coma_total(row: Resource) -> int | None:
    parts = {code: part for part in row.get("component", ()) for code in _codes(part)}
    wanted = ("9267-6", "9270-0", "9268-4")
    if not all(code in parts for code in wanted):
        return None
    return sum(int(parts[code]["valueQuantity"]["value"]) for code in wanted)


def _time(row: Resource) -> datetime | None:
    told = row.get("effectiveDateTime") or row.get("effectivePeriod", {}).get("end")
    return datetime.fromisoformat(told) if told else None


def _codes(part: Resource) -> list[str]:
    return [one["code"] for one in part["code"].get("coding", ()) if one.get("system") == "http://loinc.org"]


def _of(row: Resource, part: Resource, time: datetime) -> list[Reading]:
    text, unit, value = _printed(part)
    codes = _codes(part)
    if not text or not codes:
        return []
    limits = part.get("referenceRange", [{}])[0]
    return [
        Reading(
            time,
            codes[0],
            text,
            unit,
            value,
            part.get("interpretation", [{"text": ""}])[0]["text"][:1],
            MARKS.get(row.get("status", ""), ""),
            _limits(limits),
            row.get("method", {}).get("text", ""),
        )
    ]


def _printed(part: Resource) -> tuple[str, str, float | None]:
    if "valueQuantity" in part:
        sent = part["valueQuantity"]
        value, unit = float(sent["value"]), str(sent.get("unit", ""))
        if unit == "degF":
            value, unit = round((value - 32) / 1.8, 1), "°C"
        if sent.get("code") == "{fraction}":
            value, unit = round(value * 100), "%"
        return f"{sent.get('comparator', '')}{value:g}", unit, value
    if "valueCodeableConcept" in part:
        told = part["valueCodeableConcept"]
        return str(told.get("text") or told["coding"][0]["display"]), "", None
    if "valueString" in part:
        return str(part["valueString"]), "", None
    return ("–", "", None) if "dataAbsentReason" in part else ("", "", None)


def _limits(limits: Mapping[str, Any]) -> str:
    low, high = limits.get("low", {}).get("value"), limits.get("high", {}).get("value")
    if low is not None and high is not None:
        return f"{low:g}–{high:g}"
    return f"≤ {high:g}" if high is not None else f"≥ {low:g}" if low is not None else ""


def _flagged(one: Reading, low: float | None, high: float | None) -> Reading:
    if one.value is None:
        return one
    flag = (
        "H" if high is not None and one.value > high else "L" if low is not None and one.value < low else ""
    )
    return Reading(
        one.time, one.code, one.text, one.unit, one.value, flag, one.mark, one.reference, one.method
    )


def flowsheet(found: list[Reading], now: datetime, columns: int = 24) -> Sheet:
    """Vital signs by time: an hour a column, or less for a short stay; the last reading of each slot."""
    vital = [one for one in found if one.code in {row[0] for row in VITALS}]
    if not vital:
        return Sheet((), ())
    span = now - vital[0].time
    width = next(w for w in (15, 30, 60) if w == 60 or span <= timedelta(minutes=w * columns))
    slots: dict[datetime, dict[str, Reading]] = {}
    for one in vital:
        slots.setdefault(_slot(one.time, width), {})[one.code] = one
    times = tuple(sorted(slots))[-columns:]
    lines = []
    for code, label, unit, low, high in VITALS:
        cells = [slots[time].get(code) for time in times]
        if any(cells):
            lines.append(Line(label, unit, tuple(_flagged(one, low, high) if one else None for one in cells)))
    return Sheet(times, tuple(lines))


def _slot(time: datetime, minutes: int) -> datetime:
    local = time.astimezone(ZONE)
    return local.replace(minute=local.minute // minutes * minutes, second=0, microsecond=0)


def tiles(found: list[Reading], now: datetime) -> list[Tile]:
    """The latest of the five classical vital signs with their last twelve hours."""
    made = []
    for code, label, unit, low, high in VITALS:
        recent = [one for one in found if one.code == code and one.value is not None]
        if code not in TILES or not recent:
            continue
        latest = _flagged(recent[-1], low, high)
        made.append(Tile(label, unit, latest, _polyline(recent, now), bool(latest.flag)))
    return made


def _polyline(recent: list[Reading], now: datetime, hours: float = 12) -> str:
    shown = [one for one in recent if now - one.time <= timedelta(hours=hours) and one.value is not None]
    values = [one.value for one in shown if one.value is not None]
    if len(values) < 2:
        return ""
    low, width = min(values), max(max(values) - min(values), 1.0)
    points = []
    for one, value in zip(shown, values, strict=True):
        across = 100 * (1 - (now - one.time) / timedelta(hours=hours))
        points.append(f"{across:.1f},{25 - 22 * (value - low) / width:.1f}")
    return " ".join(points)


def results(found: list[Reading], columns: int = 8) -> list[Sheet]:
    """Laboratory results by group: a line for each test, unit and method, a column for each draw."""
    sheets = []
    for heading, codes in GROUPS:
        mine = [one for one in found if one.code in codes]
        times = tuple(sorted({one.time for one in mine}))[-columns:]
        lines = []
        for code in codes:
            for unit, method in dict.fromkeys((one.unit, one.method) for one in mine if one.code == code):
                rows = {
                    one.time: one for one in mine if (one.code, one.unit, one.method) == (code, unit, method)
                }
                cells = tuple(rows.get(time) for time in times)
                if any(cells):
                    reference = next(iter(rows.values())).reference
                    lines.append(Line(SHORT[code], unit, cells, reference, method.split(" (")[0]))
        if lines:
            sheets.append(Sheet(times, tuple(lines), heading))
    return sheets


def orders(hospital: Hospital, patient: str) -> list[Resource]:
    """What has been ordered, newest first."""
    kinds = ("ServiceRequest", "DeviceRequest", "MedicationRequest")
    found = [row for kind in kinds for row in hospital.search(kind, {"patient": patient})]
    return sorted(found, key=lambda row: str(row.get("authoredOn", "")), reverse=True)
