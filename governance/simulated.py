"""A synthetic year at a synthetic hospital: patients, what the model said, what happened. Nobody in it is real.

What goes on in it is known because it was written here: more patients in winter (no alarm), a new lactate analyser
in May that reads high under another code (until it is mapped in June), a new monitor in August that counts breaths
high under the old code, and patients who speak Spanish whose worsening is charted late, so that the model misses
them all year. From one seed the same year comes again. The model of this year is a formula, none of the released.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from math import cos, exp, pi
from typing import Final

import numpy as np
from numpy.typing import NDArray

from governance.daily import Answered
from governance.keys import Pseudonym
from governance.outcomes import NO, RULE, YES, Labelled
from inference.assessment import VENTILATION, Assessment, Prediction, Status
from inference.chart import Measurement, Source

OUTCOME: Final = "ventilation-24h"
VERSION: Final = "simulated"
SITE: Final = "simulated"
THRESHOLD: Final = 0.2
BASE, WEIGHT = -3.1, 1.25  # log-odds of an average patient, and for one standard deviation of being ill
OLD_CODE: Final = "http://loinc.org|2524-7"
NEW_CODE: Final = "http://loinc.org|32693-4"
INPUTS: Final = ("rr", "spo2", "lactate")
HEAVY: Final = 0.55  # how much less of a Spanish-speaking patient's illness is in the chart


@dataclass(frozen=True, slots=True)
class Year:
    """What is played, and when. A day given as None does not happen."""

    seed: int = 20260105
    first: date = date(2026, 1, 1)
    days: int = 365
    daily: float = 60.0  # patients, averaged over the year
    assay: date | None = date(2026, 5, 11)
    mapped: date | None = date(2026, 6, 8)  # the site puts the new code and its factor into its map
    monitor: date | None = date(2026, 8, 10)
    missed: bool = True  # whether patients who speak Spanish are missed


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


def play(year: Year) -> Iterator[Bedside]:
    """The year, day by day. Each day has randomness of its own: moving one event leaves other days as they were."""
    for number in range(year.days):
        day = year.first + timedelta(days=number)
        rng = np.random.default_rng((year.seed, number))
        load = year.daily * (1.0 + 0.35 * cos(2 * pi * number / 365.0))
        mood = rng.normal(0.0, 0.12, 2)  # days differ among themselves
        for bed in range(int(rng.poisson(load))):
            yield _bedside(year, day, f"simulated-{number}-{bed}", rng, mood)


def answered(bed: Bedside) -> Answered:
    """What the model said, as a ledger keeps it and a day's summary reads it."""
    rows = tuple(
        Measurement(
            each.variable, each.value, bed.at, bed.at,
            Source("Observation/simulated", "1", each.code, str(each.value), each.unit),
        )
        for each in bed.readings
    )  # fmt: skip
    said = Prediction(OUTCOME, 24, bed.probability, 0.5 * bed.probability, min(1.0, 1.5 * bed.probability))
    assessment = Assessment(
        model=VENTILATION, version=VERSION, as_of=bed.at, status=Status.ASSESSED, reason=None,
        predictions=(said,), inputs=rows, seed=0, inputs_digest="",
    )  # fmt: skip
    return Answered(assessment, OUTCOME, THRESHOLD, bed.latency_ms)


def labelled(bed: Bedside) -> Labelled:
    """What became of it, as figures read it."""
    return Labelled(
        id=bed.patient, assessment_id=bed.patient, outcome=OUTCOME, source=RULE, reason="", value=None,
        label=YES if bed.happened_at else NO, happened_at=bed.happened_at, pseudonym=Pseudonym(bed.patient),
        version=VERSION, state="active", status=Status.ASSESSED.value, as_of=bed.at, hours=24,
        probability=bed.probability, care_unit=bed.care_unit, sex=bed.sex, age_band=bed.age_band, race="",
        ethnicity="", language=bed.language, site=SITE, insurance="",
    )  # fmt: skip


def _bedside(
    year: Year, day: date, patient: str, rng: np.random.Generator, mood: NDArray[np.float64]
) -> Bedside:
    spanish = bool(rng.random() < 0.15)
    ill = float(rng.normal())
    charted = ill * (HEAVY if spanish and year.missed and ill > 0 else 1.0)
    noise = rng.normal(size=3)
    assay_on = year.assay is not None and day >= year.assay
    mapped = year.mapped is not None and day >= year.mapped
    monitor_on = year.monitor is not None and day >= year.monitor
    lactate = (
        1.8 * exp(0.3 * charted + 0.1 * noise[0] + 0.03 * mood[0]) * (1.35 if assay_on and not mapped else 1)
    )
    rr = 19.0 + 3.0 * charted + 1.5 * noise[1] + mood[1] + (3.0 if monitor_on else 0.0)
    spo2 = min(100.0, 95.5 - 1.5 * charted + noise[2])
    readings = [Reading("rr", rr, "http://loinc.org|9279-1", "/min")]
    if rng.random() > 0.05:
        readings.append(Reading("spo2", spo2, "http://loinc.org|59408-5", "%"))
    measured = bool(rng.random() > 0.3)
    if measured:
        readings.append(Reading("lactate", lactate, NEW_CODE if assay_on else OLD_CODE, "mmol/L"))
    believed = _believed(rr, spo2, lactate if measured else None)
    probability = _logistic(BASE + WEIGHT * believed)
    happened = bool(rng.random() < _logistic(BASE + WEIGHT * ill))
    at = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(minutes=int(rng.integers(0, 1440)))
    shown = probability >= THRESHOLD and rng.random() < 0.7
    return Bedside(
        patient=patient,
        at=at,
        readings=tuple(readings),
        probability=probability,
        happened_at=at + timedelta(hours=float(rng.uniform(2, 23))) if happened else None,
        sex="female" if rng.random() < 0.48 else "male",
        language="es" if spanish else "en",
        age_band=str(rng.choice(["18-39", "40-64", "65-79", "80+"], p=[0.15, 0.35, 0.32, 0.18])),
        care_unit=str(rng.choice(["icu", "ward"], p=[0.4, 0.6])),
        latency_ms=float(rng.lognormal(4.2, 0.4)),
        overridden=bool(rng.random() < 0.35) if shown else None,
    )


def _believed(rr: float, spo2: float, lactate: float | None) -> float:
    """How ill the inputs say the patient is, in standard deviations: the mean of what was measured."""
    parts = [(rr - 19.0) / 3.0, (95.5 - spo2) / 1.5]
    if lactate is not None:
        parts.append(float(np.log(lactate / 1.8)) / 0.3)
    return sum(parts) / len(parts)


def _logistic(value: float) -> float:
    return 1.0 / (1.0 + exp(-value))
