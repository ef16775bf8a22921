"""A synthetic year at a synthetic hospital: patients, what the model said, what happened. Nobody in it is real.

What goes on in it is known because it was written here: more patients in winter (no alarm), a new lactate analyser
in May that reads high under another code (until the laboratory corrects it in June and sends it under a code of its
own, which the site puts into its map), a new monitor in August that counts breaths
high under the old code, and patients on the ward who speak Spanish whose worsening is charted late, so that the
model misses them all year; in intensive care the monitors chart, and nobody is missed for a language. From one seed
the same year comes again. The models of this year are formulas, none of the released: the one for ventilation is
better than any that was published, so that there is something to open; the one for troponin is not good enough.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from math import cos, exp, pi, sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

from governance.daily import Answered
from governance.keys import Pseudonym
from governance.outcomes import NO, RULE, YES, Labelled
from inference.assessment import (
    TROPONIN,
    VENTILATION,
    Assessment,
    Explanation,
    Phrase,
    Prediction,
    Reason,
    Status,
    SystemPush,
)
from inference.chart import Measurement, Source

OUTCOME: Final = "ventilation-24h"
VERSION: Final = "simulated"
SITE: Final = "simulated"
RISE: Final = "troponin-rise-24h"
THRESHOLD: Final = 0.1
RISE_THRESHOLD: Final = 0.3
BASE, WEIGHT = -12.0, 8.0  # log-odds of an average patient, and for one standard deviation of being ill
RISE_BASE, RISE_WEIGHT = -1.2, 0.8
OLD_CODE: Final = "http://loinc.org|2524-7"
NEW_CODE: Final = "http://loinc.org|32693-4"
SITE_CODE: Final = "urn:simulated:laboratory|LAC2"  # the analyser's corrected values, once they are mapped
INPUTS: Final = ("rr", "spo2", "lactate")
SYSTEMS: Final = {"rr": "respiratory", "spo2": "respiratory", "lactate": "metabolic", "troponin_i": "heart"}
LABELS: Final = {
    "rr": "Respiratory rate",
    "spo2": "Oxygen saturation",
    "lactate": "Lactate",
    "troponin_i": "Troponin I (conventional)",
}
MIDDLE: Final = {"rr": 19.0, "spo2": 95.5, "lactate": float(np.log(1.8)), "troponin_i": float(np.log(60.0))}
SPREAD: Final = {"rr": 3.0, "spo2": -1.5, "lactate": 0.3, "troponin_i": 0.8}  # of one standard deviation of being ill
ERROR: Final = {"rr": 0.37, "spo2": 0.47, "lactate": 0.25}  # of a reading, in standard deviations of being ill
AGES: Final = ("18-39", "40-64", "65-79", "80+")
OLDER: Final = (0.15, 0.5, 0.82)  # share of patients younger than each age band but the first
HEAVY: Final = 0.55  # how much of a Spanish-speaking patient's illness is in the ward's chart


@dataclass(frozen=True, slots=True)
class Year:
    """What is played, and when. A day given as None does not happen."""

    seed: int = 10
    first: date = date(2026, 1, 1)
    days: int = 365
    daily: float = 60.0  # patients, averaged over the year
    assay: date | None = date(2026, 5, 11)
    mapped: date | None = date(2026, 6, 8)  # the laboratory corrects what it sends; its own code comes into the map
    monitor: date | None = date(2026, 8, 10)
    missed: bool = True  # whether patients on the ward who speak Spanish are missed
    draws: float = 12.0  # patients a day about whose next troponin is asked


@dataclass(frozen=True, slots=True)
class Reading:
    """One input as the hospital sent it."""

    variable: str
    value: float
    code: str
    unit: str


@dataclass(frozen=True, slots=True)
class Bedside:
    """One patient on one day: what was read, what was said, and what came of it."""

    patient: str
    at: datetime
    readings: tuple[Reading, ...]
    probability: float
    happened_at: datetime | None
    sex: str
    language: str
    age_band: str
    care_unit: str
    latency_ms: float
    overridden: bool | None  # None: no card was shown, or nobody answered it
    model: str = VENTILATION
    outcome: str = OUTCOME
    threshold: float = THRESHOLD

    @property
    def doubted(self) -> bool:
        """Whether the model does not stand behind its number: on the ward, and breathing alone was measured."""
        return self.model == VENTILATION and self.care_unit == "ward" and len(self.readings) == 1


def play(year: Year) -> Iterator[Bedside]:
    """The year, day by day. Each day has randomness of its own: moving one event leaves other days as they were."""
    for number in range(year.days):
        day = year.first + timedelta(days=number)
        rng = np.random.default_rng((year.seed, number))
        load = year.daily * (1.0 + 0.35 * cos(2 * pi * number / 365.0))
        mood = rng.normal(0.0, 0.12, 2)  # days differ among themselves
        for bed in range(int(rng.poisson(load))):
            yield _bedside(year, day, f"simulated-{number}-{bed}", rng, mood)


def play_troponin(year: Year) -> Iterator[Bedside]:
    """The same year's questions about the next troponin, day by day: a weak model, and nothing happens to it."""
    for number in range(year.days):
        day = year.first + timedelta(days=number)
        rng = np.random.default_rng((year.seed, number, 3))
        for bed in range(int(rng.poisson(year.draws))):
            yield _draw(day, f"simulated-t-{number}-{bed}", rng)


def answered(bed: Bedside) -> Answered:
    """What the model said, as a ledger keeps it and a day's summary reads it."""
    rows = tuple(
        Measurement(
            each.variable, each.value, bed.at, bed.at,
            Source("Observation/simulated", "1", each.code, str(each.value), each.unit),
        )
        for each in bed.readings
    )  # fmt: skip
    said = Prediction(bed.outcome, 24, bed.probability, 0.5 * bed.probability, min(1.0, 1.5 * bed.probability))
    assessment = Assessment(
        model=bed.model, version=VERSION, as_of=bed.at, status=_status(bed),
        reason=Phrase("members-disagree") if bed.doubted else None,
        predictions=(said,), explanation=_explained(bed, rows), inputs=rows, seed=0, inputs_digest="",
    )  # fmt: skip
    return Answered(assessment, bed.outcome, bed.threshold, bed.latency_ms)


def labelled(bed: Bedside) -> Labelled:
    """What became of it, as figures read it."""
    return Labelled(
        id=bed.patient, assessment_id=bed.patient, outcome=bed.outcome, source=RULE, reason="", value=None,
        label=YES if bed.happened_at else NO, happened_at=bed.happened_at, pseudonym=Pseudonym(bed.patient),
        version=VERSION, state="active", status=_status(bed).value, as_of=bed.at, hours=24,
        probability=bed.probability, care_unit=bed.care_unit, sex=bed.sex, age_band=bed.age_band, race="",
        ethnicity="", language=bed.language, site=SITE, insurance="",
    )  # fmt: skip


def traits(bed: Bedside) -> Mapping[str, str]:
    """What outcomes are told apart by, as far as it is known here."""
    told = {name: getattr(bed, name) for name in ("care_unit", "sex", "age_band", "language")}
    return told | {"site": SITE}


def _status(bed: Bedside) -> Status:
    return Status.INDETERMINATE if bed.doubted else Status.ASSESSED


def _bedside(
    year: Year, day: date, patient: str, rng: np.random.Generator, mood: NDArray[np.float64]
) -> Bedside:
    spanish = bool(rng.random() < 0.10)
    unit = "icu" if rng.random() < 0.4 else "ward"
    ill = float(rng.normal())
    late = spanish and year.missed and unit == "ward" and ill > 0
    readings = _readings(year, day, ill * HEAVY if late else ill, rng, mood)
    probability = _believed(readings)
    happened = bool(rng.random() < _logistic(BASE + WEIGHT * ill))
    at = _moment(day, rng)
    shown = probability >= THRESHOLD and rng.random() < 0.7
    return Bedside(
        patient=patient,
        at=at,
        readings=readings,
        probability=probability,
        happened_at=at + timedelta(hours=float(rng.uniform(2, 23))) if happened else None,
        sex="female" if rng.random() < 0.48 else "male",
        language="es" if spanish else "en",
        age_band=_age(rng),
        care_unit=unit,
        latency_ms=float(rng.lognormal(4.2, 0.4)),
        overridden=bool(rng.random() < 0.35) if shown else None,
    )


def _readings(
    year: Year, day: date, charted: float, rng: np.random.Generator, mood: NDArray[np.float64]
) -> tuple[Reading, ...]:
    """What the hospital sends of a patient who is as ill as is `charted`, by that day's analyser and monitor."""
    assay_on = year.assay is not None and day >= year.assay
    mapped = year.mapped is not None and day >= year.mapped
    monitor_on = year.monitor is not None and day >= year.monitor
    said = {name: charted + ERROR[name] * float(rng.normal()) for name in INPUTS}
    rr = _value("rr", said["rr"]) + mood[1] + (3.0 if monitor_on else 0.0)
    lactate = exp(_value("lactate", said["lactate"]) + 0.03 * mood[0]) * (1.35 if assay_on and not mapped else 1)
    readings = [Reading("rr", rr, "http://loinc.org|9279-1", "/min")]
    if rng.random() > 0.05:
        spo2 = min(100.0, _value("spo2", said["spo2"]))
        readings.append(Reading("spo2", spo2, "http://loinc.org|59408-5", "%"))
    if rng.random() > 0.3:
        code = OLD_CODE if not assay_on else SITE_CODE if mapped else NEW_CODE
        readings.append(Reading("lactate", lactate, code, "mmol/L"))
    return tuple(readings)


def _draw(day: date, patient: str, rng: np.random.Generator) -> Bedside:
    grave = float(rng.normal())
    at = _moment(day, rng)
    value = exp(_value("troponin_i", grave))
    happened = bool(rng.random() < _logistic(RISE_BASE + RISE_WEIGHT * grave))
    return Bedside(
        patient=patient,
        at=at,
        readings=(Reading("troponin_i", value, "http://loinc.org|10839-9", "ng/L"),),
        probability=_logistic(RISE_BASE + RISE_WEIGHT * grave),
        happened_at=at + timedelta(hours=float(rng.uniform(2, 23))) if happened else None,
        sex="female" if rng.random() < 0.44 else "male",
        language="es" if rng.random() < 0.10 else "en",
        age_band=_age(rng),
        care_unit="ward",
        latency_ms=float(rng.lognormal(4.2, 0.4)),
        overridden=None,
        model=TROPONIN,
        outcome=RISE,
        threshold=RISE_THRESHOLD,
    )


def _moment(day: date, rng: np.random.Generator) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(minutes=int(rng.integers(0, 1440)))


def _age(rng: np.random.Generator) -> str:
    return AGES[bisect_right(OLDER, rng.random())]


def _value(name: str, ill: float) -> float:
    """The reading of a patient `ill` standard deviations from the average; a logarithm for laboratory values."""
    return MIDDLE[name] + SPREAD[name] * ill


def _says(reading: Reading) -> float:
    """How ill one reading says that the patient is."""
    value = float(np.log(reading.value)) if reading.variable in ("lactate", "troponin_i") else reading.value
    return (value - MIDDLE[reading.variable]) / SPREAD[reading.variable]


def _believed(readings: tuple[Reading, ...]) -> float:
    """The model: the probability that what was measured speaks for, its errors taken into account."""
    return _logistic(sum(_pushes(readings).values()) + _base(readings))


def _pushes(readings: tuple[Reading, ...]) -> dict[str, float]:
    """The log-odds that each reading adds."""
    error, shrunk = _certainty(readings)
    return {each.variable: WEIGHT / error / shrunk / len(readings) * _says(each) for each in readings}


def _base(readings: tuple[Reading, ...]) -> float:
    return BASE / _certainty(readings)[0]


def _certainty(readings: tuple[Reading, ...]) -> tuple[float, float]:
    """By how much the readings' errors flatten the log-odds, and shrink what they say towards the average."""
    noise = sum(ERROR[each.variable] ** 2 for each in readings) / len(readings) ** 2
    left = noise / (1 + noise)  # variance of being ill, once the readings are known
    return sqrt(1 + pi / 8 * WEIGHT**2 * left), 1 + noise


def _explained(bed: Bedside, rows: tuple[Measurement, ...]) -> Explanation:
    """Why: the formula is a sum, and so is its explanation."""
    if bed.model == TROPONIN:
        base, pushes = RISE_BASE, {"troponin_i": RISE_WEIGHT * _says(bed.readings[0])}
    else:
        base, pushes = _base(bed.readings), _pushes(bed.readings)
    reasons = tuple(
        Reason(row.variable, LABELS[row.variable], SYSTEMS[row.variable], pushes[row.variable], True, row, None)
        for row in rows
    )
    systems = dict.fromkeys(SYSTEMS[name] for name in pushes)
    summed = tuple(
        SystemPush(name, name, sum(each.push for each in reasons if each.system == name)) for name in systems
    )
    return Explanation(bed.outcome, base, base + sum(pushes.values()), summed, reasons, 0, "exact: a sum", 0)


def _logistic(value: float) -> float:
    return 1.0 / (1.0 + exp(-value))
