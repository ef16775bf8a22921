"""Five months of a ledger in which every kind of chart alarms, watched each Monday as a hospital is.

Two weeks after the baseline answers are too high for four weeks, then too low for those whom the outcome follows;
intensive care fills, lactate is told less often, then comes under another code and higher, and patients who speak
Spanish are missed from the first day. One alarm is answered and its chart begins anew. Played through the ledger's own
doors.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import numpy as np

from governance import rounds, simulated
from governance.changes import Changes
from governance.code_maps import CodeMaps
from governance.daily import Daily
from governance.entries import Entry, Recorded
from governance.outcomes import EARLY, NO, UNKNOWN, YES, Outcome
from governance.simulated import Bedside, Reading, answered, traits
from governance.spoken import Spoken
from governance.store import Store
from governance.weekly import Asked, Books, compiled
from governance.weeks import Week
from inference.assessment import VENTILATION, Phrase, State, Status
from tests.governance.answers import SECRET
from tests.governance.played import FIRST, TENANT, Hands, books

DAYS, DAILY, BASELINE = 147, 18, 60
HIGH, LOW, MIX, CODE = 67, 95, 81, 102  # days after the first on which something changes
OLD, NEW = "http://loinc.org|2524-7", "http://loinc.org|32693-4"
REVIEWED: Final = (84, DAYS)  # Mondays: when the first alarms stand, and at the end
THRESHOLD: Final = 0.2
WHAT: Final = rounds.Watched(
    TENANT, VENTILATION, simulated.VERSION, simulated.OUTCOME, 24, THRESHOLD, ("rr", "lactate"), UTC
)  # fmt: skip
DAY: Final = timedelta(days=1)


@dataclass
class Alarmed:
    """The books, the reviews of two weeks in which alarms stand, and when it ended."""

    books: Books
    reviews: dict[str, Any]
    ends: datetime


def alarmed(store: Store) -> Alarmed:
    """Play it into `store`."""
    clock = Hands(datetime(2026, 1, 1, tzinfo=UTC))
    made, log = books(store, clock), Changes(store, clock=clock)
    watch = rounds.Memory(
        Spoken(store, SECRET), Daily(store), made.outcomes, made.alarms, made.audits, log,
        CodeMaps(store, log, clock=clock),
    )  # fmt: skip
    waiting: list[tuple[Recorded, Bedside]] = []
    reviews: dict[str, Any] = {}
    for number in range(DAYS + 1):
        day = FIRST + number * DAY
        clock.at = datetime.combine(day, datetime.min.time(), UTC)
        due = [each for each in waiting if each[1].at < clock.at - DAY]
        waiting = [each for each in waiting if each[1].at >= clock.at - DAY]
        _settle(made, clock, due)
        if day.weekday() == 0 and number > BASELINE:
            rounds.go(watch, WHAT, clock.at)
            _answer(made)
        if number in REVIEWED:
            week = Week.of(day - 7 * DAY)
            asked = Asked(TENANT, week, UTC, (VENTILATION,), {}, {VENTILATION: THRESHOLD})
            clock.at += timedelta(hours=8)
            reviews[week.name] = compiled(made, asked, now=clock.at, why=lambda _: ())
        rng = np.random.default_rng((5, number))
        beds = sorted((_bed(number, day, place, rng) for place in range(_many(rng))), key=lambda bed: bed.at)
        clock.at = datetime.combine(day, datetime.min.time(), UTC) + timedelta(hours=23, minutes=59)
        entries = [_entry(bed, number, rng) for bed in beds]
        waiting += zip(made.ledger.record_all(entries), beds, strict=True)
    return Alarmed(made, reviews, clock.at)


def _many(rng: np.random.Generator) -> int:
    return int(rng.poisson(DAILY)) + 1


def _bed(number: int, day: date, place: int, rng: np.random.Generator) -> Bedside:
    """One patient, some of them asked about every few days; a sixth get worse."""
    spanish, happens = bool(rng.random() < 0.2), bool(rng.random() < 0.17)
    risk = float(rng.beta(6, 5) if happens else rng.beta(1.2, 16))
    if spanish and happens:
        risk *= 0.33
    if HIGH <= number < LOW:
        risk = min(0.95, risk + float(rng.uniform(0.0, 0.5)))
    elif number >= LOW and happens:
        risk = min(risk, float(rng.uniform(0.01, 0.35)))
    at = datetime.combine(day, datetime.min.time(), UTC) + timedelta(minutes=int(rng.integers(0, 1439)))
    readings = [Reading("rr", float(rng.normal(20.0, 3.0)), "http://loinc.org|9279-1", "/min")]
    if rng.random() < (0.7 if number < MIX else 0.35):
        lactate = float(rng.normal(1.9 if number < CODE else 3.1, 0.5))
        readings.append(Reading("lactate", lactate, OLD if number < CODE else NEW, "mmol/L"))
    return Bedside(
        patient=f"p-{number - number % 3}-{place}", at=at, readings=tuple(readings), probability=risk,
        happened_at=at + timedelta(hours=float(rng.uniform(1, 20))) if happens else None,
        sex="female" if rng.random() < 0.5 else "male", language="es" if spanish else "en", age_band="40-64",
        care_unit="icu" if rng.random() < (0.3 if number < MIX else 0.6) else "ward",
        latency_ms=float(rng.lognormal(4.2, 0.4)), overridden=None, threshold=THRESHOLD,
    )  # fmt: skip


def _entry(bed: Bedside, number: int, rng: np.random.Generator) -> Entry:
    """Another version speaks on the first days."""
    found = answered(bed).assessment
    found = replace(found, version="before") if number < 4 else found
    if rng.random() < 0.05:
        found = replace(found, status=Status.INDETERMINATE, reason=Phrase("both-labels"))
    return Entry(
        found, tenant=TENANT, patient=bed.patient, door="hook", state=State.SILENT, user="Practitioner/1",
        threshold=bed.threshold, latency_ms=bed.latency_ms,
    )  # fmt: skip


def _settle(made: Books, clock: Hands, due: list[tuple[Recorded, Bedside]]) -> None:
    rng = np.random.default_rng(clock.at.toordinal())
    told = [_outcome(answer.id, bed, clock.at, float(rng.random())) for answer, bed in due]
    assert all(each is True for each in made.outcomes.record_all(told))


def _outcome(answer: str, bed: Bedside, now: datetime, luck: float) -> Outcome:
    label = UNKNOWN if luck < 0.02 else EARLY if bed.happened_at and luck < 0.05 else YES if bed.happened_at else NO
    return Outcome(
        answer, bed.outcome, label, known_at=now, happened_at=bed.happened_at if label in (YES, EARLY) else None,
        reason="transferred" if label == UNKNOWN else "", traits=traits(bed),
    )  # fmt: skip


def _answer(made: Books) -> None:
    """The first alarm about false alarms is answered: its chart begins anew a week later, and alarms again."""
    told = [each for each in made.alarms.listed(TENANT) if each.finding.chart == "false-alarms"]
    if len(told) == 1 and told[0].answered_at is None:
        who = made.ledger.user_pseudonym(TENANT, "Practitioner/r")
        made.alarms.answer(TENANT, told[0].id, user=who, decision="looked-at", from_day=FIRST + 7 * DAY)
