"""Bedside scores beside the model: NEWS2 and ROX, each with the inputs it used, their times and their points.

A score is a number only when every input is in the chart and young enough; otherwise `value` is None and
`notices` says what is missing. A missing input is never scored as normal. A censored input ("<70") is scored
only where every value it may stand for gives the same points.

Sources: NEWS2, Royal College of Physicians 2017, chart 1. ROX: Roca et al., AJRCCM 2019;199:1368 (patients
with pneumonia on high-flow nasal oxygen, read at 2, 6 and 12 hours).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from math import floor, inf
from typing import Final

from inference.assessment import Phrase, Score, ScorePart
from inference.chart import Chart, Measurement
from inference.vocabulary import vocabulary

NEWS2_HOURS: Final = 6.0  # older observations are not the patient's present state
NEWS2_APART_HOURS: Final = 2.0  # a NEWS2 is one set of observations; wider than this is said aloud
NEWS2_AGE: Final = 16  # not for under 16 (RCP 2017)
PREGNANCY_AGES: Final = (16.0, 55.0)
ROX_HOURS: Final = 2.0  # the three inputs belong to one moment
ROX_SUCCESS: Final = 4.88
ROX_FAILURE: Final = ((2.0, 2.85), (6.0, 3.47), (12.0, 3.85))  # from these hours on high-flow: failure below
ROX_STUDIED_HOURS: Final = 24.0

HIGH_FLOW: Final = "high-flow nasal cannula"
ROOM_AIR: Final = "room air"
HYPERCAPNIC: Final = "hypercapnic-failure"  # Person.conditions: confirmed, target 88-92 % prescribed

Band = tuple[float, int]  # (upper edge, inclusive, in the charted resolution; points)
RATE: Final[tuple[Band, ...]] = ((8, 3), (11, 1), (20, 0), (24, 2), (inf, 3))
SPO2_SCALE_1: Final[tuple[Band, ...]] = ((91, 3), (93, 2), (95, 1), (inf, 0))
SPO2_SCALE_2_AIR: Final[tuple[Band, ...]] = ((83, 3), (85, 2), (87, 1), (inf, 0))
SPO2_SCALE_2_OXYGEN: Final[tuple[Band, ...]] = (*SPO2_SCALE_2_AIR[:3], (92, 0), (94, 1), (96, 2), (inf, 3))
SYSTOLIC: Final[tuple[Band, ...]] = ((90, 3), (100, 2), (110, 1), (219, 0), (inf, 3))
PULSE: Final[tuple[Band, ...]] = ((40, 3), (50, 1), (90, 0), (110, 1), (130, 2), (inf, 3))
TEMPERATURE: Final[tuple[Band, ...]] = ((35.0, 3), (36.0, 1), (38.0, 0), (39.0, 1), (inf, 2))


def points(bands: tuple[Band, ...], row: Measurement, resolution: float = 1.0) -> int | None:
    """Points of `row` under `bands`; None where a censored value could fall in bands of different points.

    A plain value is first rounded, half up, to the resolution the bands are written in.
    """
    if not row.bound:
        steps = floor(round(row.value / resolution, 6) + 0.5)
        return next(score for upper, score in bands if upper == inf or steps <= round(upper / resolution))
    lowers = (-inf, *(upper for upper, _ in bands))
    if row.bound.startswith("<"):
        possible = {score for lower, (_, score) in zip(lowers, bands, strict=False) if lower < row.value}
    else:
        possible = {score for upper, score in bands if upper > row.value}
    return possible.pop() if len(possible) == 1 else None


# --- NEWS2


def news2(chart: Chart) -> Score:
    """NEWS2 of the newest observations no older than `NEWS2_HOURS`.

    SpO2 scale 2 is used only for a patient whose chart says confirmed hypercapnic respiratory failure; COPD
    alone keeps scale 1, and a notice says so with what scale 2 would give. Bands: "high" >= 7, "medium" 5-6,
    "low-medium" for any single 3, else "low". Not for under 16 or in pregnancy: value None.
    """
    oxygen = _oxygen_part(chart)
    parts = (
        _part(chart, "rr", RATE),
        _saturation_part(chart, oxygen),
        oxygen,
        _part(chart, "sbp", SYSTOLIC),
        _part(chart, "hr", PULSE),
        _consciousness_part(chart),
        _part(chart, "temp", TEMPERATURE, resolution=0.1),
    )
    barred = _not_for(chart)
    if barred is not None:
        return Score("NEWS2", None, "", parts, (barred,))
    notices = _missing("NEWS2", parts, NEWS2_HOURS) + _news2_notices(chart, parts)
    known = [part.points for part in parts if part.points is not None]
    if len(known) < len(parts):
        floor_of = (Phrase("news2-at-least", {"points": sum(known)}),) if any(known) else ()
        return Score("NEWS2", None, "", parts, notices + floor_of)
    return Score("NEWS2", float(sum(known)), _news2_band(known), parts, notices)


def _news2_band(scored: list[int]) -> str:
    total = sum(scored)
    if total >= 7:
        return "high"
    if total >= 5:
        return "medium"
    return "low-medium" if max(scored) == 3 else "low"


def _part(chart: Chart, name: str, bands: tuple[Band, ...], resolution: float = 1.0) -> ScorePart:
    row = chart.latest(name, timedelta(hours=NEWS2_HOURS))
    label = vocabulary()[name].label
    return ScorePart(name, label, row, None if row is None else points(bands, row, resolution))


def _saturation_part(chart: Chart, oxygen: ScorePart) -> ScorePart:
    if HYPERCAPNIC not in chart.person.conditions:
        return _part(chart, "spo2", SPO2_SCALE_1)
    if oxygen.points is None:  # scale 2 depends on it: scored only where air and oxygen give the same
        air, given = (_part(chart, "spo2", bands) for bands in (SPO2_SCALE_2_AIR, SPO2_SCALE_2_OXYGEN))
        return air if air.points == given.points else ScorePart("spo2", air.label, air.measurement, None)
    return _part(chart, "spo2", SPO2_SCALE_2_OXYGEN if oxygen.points else SPO2_SCALE_2_AIR)


def _oxygen_part(chart: Chart) -> ScorePart:
    """Air or oxygen, from the newest of device, inspired fraction and flow; on a tie any that says oxygen."""
    within = timedelta(hours=NEWS2_HOURS)
    found = (chart.latest(name, within) for name in ("oxygen_device", "fio2", "o2_flow"))
    rows = [row for row in found if row is not None]
    if not rows:
        return ScorePart("oxygen_device", "Supplemental oxygen", None, None)
    newest = max(row.time for row in rows)
    together = [row for row in rows if row.time == newest]
    deciding = max(together, key=lambda row: _oxygen_points(row) or 0)
    return ScorePart(deciding.variable, "Supplemental oxygen", deciding, _oxygen_points(deciding))


def _oxygen_points(row: Measurement) -> int | None:
    """2 on oxygen, 0 on air, None where a censored value leaves it open."""
    if row.variable == "oxygen_device":
        return 0 if vocabulary()["oxygen_device"].levels[int(row.value)] == ROOM_AIR else 2
    air = 21.0 if row.variable == "fio2" else 0.0
    if row.bound.startswith("<"):
        return None if row.value > air else 0
    return 2 if row.value > air or row.bound else 0


def _consciousness_part(chart: Chart) -> ScorePart:
    """ACVPU, or the Glasgow Coma Scale where it is newer; on a tie the worse of the two."""
    within = timedelta(hours=NEWS2_HOURS)
    rows = [row for row in (chart.latest("avpu", within), chart.latest("gcs", within)) if row is not None]
    if not rows:
        return ScorePart("avpu", "Consciousness", None, None)
    newest = max(rows, key=lambda row: (row.time, _awareness(row)))
    return ScorePart(newest.variable, "Consciousness", newest, _awareness(newest))


def _awareness(row: Measurement) -> int:
    if row.variable == "avpu":
        return 3 if row.value > 0 else 0
    return 3 if row.value < 15 or row.bound.startswith("<") else 0


def _not_for(chart: Chart) -> Phrase | None:
    age = chart.age_years
    if age is not None and age < NEWS2_AGE:
        return Phrase("news2-not-under-16", {"age": floor(age), "limit": NEWS2_AGE})
    return Phrase("news2-not-in-pregnancy") if "pregnancy" in chart.person.conditions else None


def _news2_notices(chart: Chart, parts: tuple[ScorePart, ...]) -> tuple[Phrase, ...]:
    notices = [*_apart("NEWS2", parts, NEWS2_APART_HOURS), *_scale_notice(chart, parts)]
    if chart.age_years is None:
        notices.append(Phrase("news2-age-unknown", {"limit": NEWS2_AGE}))
    elif chart.person.sex != "male" and PREGNANCY_AGES[0] <= chart.age_years < PREGNANCY_AGES[1]:
        notices.append(Phrase("news2-if-not-pregnant"))
    consciousness = parts[5].measurement
    if consciousness is not None and consciousness.variable == "gcs" and parts[5].points:
        notices.append(Phrase("news2-consciousness-from-gcs", {"gcs": int(consciousness.value)}))
    return tuple(notices)


def _scale_notice(chart: Chart, parts: tuple[ScorePart, ...]) -> tuple[Phrase, ...]:
    """Which SpO2 scale was used, wherever the other one could have been meant."""
    if HYPERCAPNIC in chart.person.conditions:
        return (Phrase("news2-scale-2"),)
    row, oxygen = parts[1].measurement, parts[2].points
    if "copd" not in chart.person.conditions or row is None or oxygen is None:
        return (Phrase("news2-scale-1"),) if "copd" in chart.person.conditions else ()
    other = points(SPO2_SCALE_2_OXYGEN if oxygen else SPO2_SCALE_2_AIR, row)
    if other is None or parts[1].points is None:
        return (Phrase("news2-scale-1"),)
    return (Phrase("news2-scale-1-compared", {"points": parts[1].points, "scale_2_points": other}),)


# --- ROX


def rox(chart: Chart) -> Score:
    """ROX = (SpO2 % / FiO2 as a fraction) / respiratory rate, from inputs no older than `ROX_HOURS`.

    Interpreted only on high-flow oxygen and from two hours on: "success" >= 4.88, "failure" below 2.85 / 3.47
    / 3.85 from 2 / 6 / 12 hours, else "watch". Elsewhere the value stands without a band; a notice says why.
    """
    parts = tuple(_rox_part(chart, name) for name in ("spo2", "fio2", "rr"))
    notices = _missing("ROX", parts, ROX_HOURS) + _apart("ROX", parts, 1.0)
    rows = [part.measurement for part in parts]
    if any(row is None or row.bound for row in rows):
        return Score("ROX", None, "", parts, notices)
    saturation, oxygen, rate = (row.value for row in rows if row is not None)
    value = saturation / (oxygen / 100.0) / rate
    band, said = _rox_band(value, high_flow_since(chart), chart)
    return Score("ROX", value, band, parts, notices + said)


def _rox_part(chart: Chart, name: str) -> ScorePart:
    row = chart.latest(name, timedelta(hours=ROX_HOURS))
    return ScorePart(name, vocabulary()[name].label, row, None)


def _rox_band(value: float, since: datetime | None, chart: Chart) -> tuple[str, tuple[Phrase, ...]]:
    if since is None:
        return "", (Phrase("rox-not-on-high-flow"),)
    hours = chart.hours_ago(since)
    if hours < ROX_FAILURE[0][0]:
        return "", (Phrase("rox-too-early", {"hours": round(hours, 1), "limit": ROX_FAILURE[0][0]}),)
    failure = next(limit for start, limit in reversed(ROX_FAILURE) if hours >= start)
    said = Phrase("rox-thresholds", {"hours": round(hours, 1), "failure": failure, "success": ROX_SUCCESS})
    late = (Phrase("rox-beyond-study", {"hours": floor(hours)}),) if hours > ROX_STUDIED_HOURS else ()
    if value >= ROX_SUCCESS:
        return "success", (said, *late)
    return ("failure" if value < failure else "watch"), (said, *late)


def high_flow_since(chart: Chart) -> datetime | None:
    """When the present run of high-flow nasal oxygen began; None if the patient is not on it now.

    From events that have not ended and from the charted device; a later device row that names another device
    ends a run, whatever an unclosed event says.
    """
    level = vocabulary()["oxygen_device"].levels.index(HIGH_FLOW)
    devices = chart.measurements.get("oxygen_device", ())
    events = [event for event in chart.events if event.kind == "high-flow"]
    begun = [event.start for event in events if event.end is None]
    begun += [row.time for row in devices if row.value == level]
    left = [event.end for event in events if event.end is not None]
    left += [row.time for row in devices if row.value != level]
    last_left = max(left, default=None)
    return min((start for start in begun if last_left is None or start >= last_left), default=None)


# --- what both say


def _missing(score: str, parts: tuple[ScorePart, ...], hours: float) -> tuple[Phrase, ...]:
    """One notice for each input that is absent, too old, or censored where that leaves its points open."""
    notices = []
    for part in parts:
        row = part.measurement
        said: dict[str, str | float | int] = {"score": score, "variable": part.variable, "label": part.label}
        if row is None:
            notices.append(Phrase("score-input-missing", {**said, "hours": hours}))
        elif row.bound and part.points is None:
            notices.append(Phrase("score-input-unclear", {**said, "value": f"{row.bound}{row.value:g}"}))
    return tuple(notices)


def _apart(score: str, parts: tuple[ScorePart, ...], hours: float) -> tuple[Phrase, ...]:
    times = [part.measurement.time for part in parts if part.measurement is not None]
    spread = (max(times) - min(times)) / timedelta(hours=1) if times else 0.0
    if spread <= hours:
        return ()
    return (Phrase("score-inputs-apart", {"score": score, "hours": round(spread, 1)}),)
