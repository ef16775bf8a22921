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

from demo.labels import DECIMALS, GROUPS, MARKS, TILES, UNITS, VITALS
from demo.records import Hospital

Resource = dict[str, Any]
ZONE = ZoneInfo("America/New_York")  # the clock on the hospital's walls
GONE = frozenset({"entered-in-error", "cancelled"})


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


def charted(hospital: Hospital, patient: str) -> list[Reading]:
    """Every reading of one patient."""
    return readings(hospital.matches(hospital.query("Observation", (("patient", patient),))))


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
    if codes and value is not None and codes[0] in DECIMALS:
        text = f"{value:.{DECIMALS[codes[0]]}f}"
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
        value, unit, text = float(sent["value"]), str(sent.get("unit", "")), str(sent["value"])
        if unit == "degF":
            value, unit = round((value - 32) / 1.8, 1), "°C"
            text = str(value)
        if sent.get("code") == "{fraction}":
            value, unit = round(value * 100), "%"
            text = str(value)
        return sent.get("comparator", "") + text.replace("-", "−"), UNITS.get(unit, unit), value
    if "valueCodeableConcept" in part:
        told = part["valueCodeableConcept"]
        return str(told.get("text") or told["coding"][0]["display"]), "", None
    if "valueString" in part:
        return str(part["valueString"]), "", None
    return ("–", "", None) if "dataAbsentReason" in part else ("", "", None)


def _limits(limits: Mapping[str, Any]) -> str:
    low, high = limits.get("low", {}).get("value"), limits.get("high", {}).get("value")
    if low is not None and high is not None:
        return f"{low:g}–{high:g}" if low >= 0 else f"−{-low:g} to {high:g}"
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
    span = now - shown[0].time
    height = max(max(values) - min(values), 0.05 * max(values), 1e-6)  # a twitch is not drawn as a storm
    base = (max(values) + min(values) - height) / 2
    points = []
    for one, value in zip(shown, values, strict=True):
        across = 100 * (1 - (now - one.time) / span)
        points.append(f"{across:.1f},{25 - 22 * (value - base) / height:.1f}")
    return " ".join(points)


def results(found: list[Reading], columns: int = 8) -> list[Sheet]:
    """Laboratory results by group: a line for each test, unit and method, a column for each draw."""
    sheets = []
    for heading, codes in GROUPS:
        mine = [one for one in found if one.code in codes]
        times = tuple(sorted({one.time for one in mine}))[-columns:]
        lines = []
        for code in codes:
            tests = [one for one in mine if one.code == code]
            kinds = dict.fromkeys((one.unit, one.method) for one in tests if one.value is not None)
            for unit, method in kinds or ({("", ""): None} if tests else {}):
                same = (one for one in tests if one.value is None or (one.unit, one.method) == (unit, method))
                rows = {one.time: one for one in same}
                cells = tuple(rows.get(time) for time in times)
                if any(cells):
                    reference = next((one.reference for one in rows.values() if one.reference), "")
                    lines.append(Line(codes[code], unit, cells, reference, method.split(" (")[0]))
        if lines:
            sheets.append(Sheet(times, tuple(lines), heading))
    return sheets


def orders(hospital: Hospital, patient: str) -> list[Resource]:
    """What has been ordered, newest first."""
    kinds = ("ServiceRequest", "DeviceRequest", "MedicationRequest")
    found = [row for kind in kinds for row in hospital.search(kind, {"patient": patient})]
    return sorted(found, key=lambda row: str(row.get("authoredOn", "")), reverse=True)


def oxygen(found: list[Reading], uses: list[Resource], now: datetime) -> str:
    """What the patient breathes, in a line: the device in use, the last two hours' flow and concentration."""
    devices = [one for one in found if one.code == "107117-4"]
    running = [one["device"]["display"] for one in uses if one.get("status") == "active"]
    told = [devices[-1].text] if devices else running[-1:]
    for code, name in (("3151-8", ""), ("3150-0", "FiO₂ ")):
        recent = [one for one in found if one.code == code and now - one.time <= timedelta(hours=2)]
        if recent:
            told.append(f"{name}{recent[-1].text} {recent[-1].unit}")
    return ", ".join(told)
