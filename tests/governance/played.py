"""A synthetic hospital's weeks as a ledger holds them: answers with reasons, cards, feedback, outcomes, an alarm.

Made from `governance.simulated`, through the ledger's own doors, so that what reads it reads what serving writes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import numpy as np

from governance import simulated
from governance.alarms import Alarms
from governance.approvals import SiteGates
from governance.audits import Audits
from governance.causes import Finding
from governance.changes import Changes
from governance.clarity import ClarityBook, PageKind
from governance.entries import Entry, Feedback, Suggestion
from governance.gate import Gate
from governance.ledger import Ledger
from governance.outcomes import EARLY, NO, REVIEW, UNKNOWN, YES, Outcome, Outcomes
from governance.readings import Readings
from governance.review import Reviews
from governance.simulated import Bedside, Year, answered, play
from governance.store import Store
from governance.weekly import Asked, Books
from governance.weeks import Week
from governance.weighing import Memory, weigh
from inference.assessment import (
    VENTILATION,
    Assessment,
    Explanation,
    Phrase,
    Prediction,
    Reason,
    State,
    Status,
    SystemPush,
)
from inference.chart import Measurement
from inference.vocabulary import vocabulary
from tests.governance.answers import SECRET

TENANT = "north"
FIRST = date(2026, 1, 5)  # a Monday
WEEK = Week.of(FIRST)
SHORT = Year(days=14, daily=30, first=FIRST, assay=None, mapped=None, monitor=None)


@dataclass
class Hands:
    """A clock that is set."""

    at: datetime

    def __call__(self) -> datetime:
        return self.at


@dataclass
class Played:
    """The books of the ledger that was played, and its clock."""

    books: Books
    clock: Hands
    changes: Changes

    def asked(self, week: Week) -> Asked:
        """The question of a week's review."""
        return Asked(TENANT, week, UTC, (VENTILATION,), {}, {VENTILATION: simulated.THRESHOLD})

    def gate(self, **changes: object) -> Gate:
        """A gate of this ledger's model."""
        told: dict[str, object] = {"positives": 5, "days": 5, "smallest": 5} | changes
        return Gate(TENANT, VENTILATION, simulated.OUTCOME, simulated.VERSION, simulated.THRESHOLD, **told)  # type: ignore[arg-type]

    def weighed(self, *others: Gate) -> None:
        """Weigh that gate, and `others`."""
        gates = (self.gate(), *others)
        site = SiteGates(gates, {gate.digest: () for gate in gates}, ())
        memory = Memory(self.books.outcomes, self.books.readings, self.changes)
        weigh(memory, site, {VENTILATION: State.ACTIVE}, tenant=TENANT, zone=UTC, clock=self.clock)


def books(store: Store, clock: Hands, key: bytes = SECRET) -> Books:
    """Books of an empty ledger."""
    return Books(
        store=store,
        ledger=Ledger(store, key, clock=clock, new_id=_ids(1)),
        outcomes=Outcomes(store, clock=clock),
        readings=Readings(store),
        alarms=Alarms(store, clock=clock),
        clarity=ClarityBook(store, clock=clock),
        audits=Audits(store, clock=clock),
        reviews=Reviews(store, key, clock=clock),
    )


def played(store: Store, year: Year = SHORT, key: bytes = SECRET, tenant: str = TENANT) -> Played:
    """A ledger that holds `year`."""
    clock = Hands(datetime(2026, 1, 1, tzinfo=UTC))
    made = books(store, clock, key)
    days: dict[date, list[Bedside]] = {}
    for bed in play(year):
        days.setdefault(bed.at.date(), []).append(bed)
    for number, (day, beds) in enumerate(sorted(days.items())):
        _day(made, clock, tenant, number, day, beds)
    _around(made, clock, tenant, year)
    clock.at = datetime.combine(year.first, datetime.min.time(), UTC) + timedelta(days=year.days + 3)
    return Played(made, clock, Changes(store, clock=clock))


def _day(made: Books, clock: Hands, tenant: str, number: int, day: date, beds: list[Bedside]) -> None:
    """One day: answered as they came, followed up two days later."""
    rng = np.random.default_rng(number)
    clock.at = datetime.combine(day, datetime.min.time(), UTC) + timedelta(hours=23, minutes=30)
    entries = [_entry(bed, tenant, bool(rng.random() < 0.08)) for bed in beds]
    kept, heard = made.ledger.record_all(entries), []
    for bed, entry, recorded in zip(beds, entries, kept, strict=True):
        if bed.overridden is not None and entry.assessment.status is Status.ASSESSED:
            heard.append(_card(made.ledger, recorded.id, bed, rng))
    made.ledger.feedback(heard, tenant=tenant, service=VENTILATION)
    clock.at += timedelta(days=2)
    told = [
        _outcome(bed, recorded.id, rng)
        for bed, recorded in zip(beds, kept, strict=True)
        if rng.random() > 0.03  # what follow-up has not found yet
    ]
    assert all(answer is True for answer in made.outcomes.record_all(told))
    reviewed = next(each for each in told if each.label == NO)
    seen = replace(reviewed, source=REVIEW, reviewer=made.ledger.user_pseudonym(tenant, "Practitioner/r"), traits={})
    made.outcomes.record(seen)


def _entry(bed: Bedside, tenant: str, unsure: bool) -> Entry:
    found = _explained(answered(bed).assessment)
    if unsure:
        found = replace(found, status=Status.INDETERMINATE, reason=Phrase("members-disagree", {}))
    return Entry(
        found, tenant=tenant, patient=bed.patient, door="hook", state=State.SILENT, user="Practitioner/1",
        shown_at=bed.at if bed.overridden is not None else None, threshold=simulated.THRESHOLD,
        latency_ms=bed.latency_ms,
    )  # fmt: skip


def _explained(found: Assessment) -> Assessment:
    """The answer with reasons: a push for each input that was measured."""
    said = tuple(_reason(row) for row in found.inputs)
    total = sum(each.push for each in said)
    why = Explanation(
        simulated.OUTCOME, -3.0, -3.0 + total, (SystemPush("respiratory", "Breathing", total),), said, 0, "owen", 1
    )
    soon = Prediction("ventilation-6h", 6, (found.predictions[0].probability or 0.0) / 3, 0.0, 0.5)
    return replace(found, explanation=why, predictions=(soon, *found.predictions))


def _reason(row: Measurement) -> Reason:
    usual = {"rr": (19.0, 3.0), "spo2": (95.5, -1.5), "lactate": (1.8, 0.6)}[row.variable]
    push = 0.4 * (row.value - usual[0]) / usual[1]
    known = vocabulary().variables[row.variable]
    return Reason(row.variable, known.label, known.system, push, True, row, None)


def _card(ledger: Ledger, answer: str, bed: Bedside, rng: np.random.Generator) -> Feedback:
    """Show one, and return what was said of it."""
    uuid = str(UUID(int=int(rng.integers(1, 2**62)), version=4))
    offer = Suggestion(str(UUID(int=int(rng.integers(1, 2**62)), version=4)), "arterial-blood-gas")
    ledger.show(
        uuid, answer, "x", indicator="info", since=bed.at, said_already=lambda _: None, shown_at=bed.at,
        suggestions=(offer,),
    )  # fmt: skip
    code = str(rng.choice(["data-wrong", "already-managed", ""])) if bed.overridden else ""
    taken = (offer.id,) if not bed.overridden and rng.random() < 0.5 else ()
    comment = "Already on high flow, and better." if code and rng.random() < 0.2 else ""
    said = "overridden" if bed.overridden else "accepted"
    return Feedback(uuid, said, bed.at, code, "", comment, taken)


def _outcome(bed: Bedside, answer: str, rng: np.random.Generator) -> Outcome:
    luck, happened = rng.random(), bed.happened_at
    label = UNKNOWN if luck < 0.02 else EARLY if happened and luck < 0.06 else YES if happened else NO
    return Outcome(
        answer, simulated.OUTCOME, label, known_at=bed.at + timedelta(days=1),
        happened_at=happened if label in (YES, EARLY) else None, reason="transferred" if label == UNKNOWN else "",
        traits={"sex": bed.sex, "language": bed.language, "age_band": bed.age_band, "care_unit": bed.care_unit},
    )  # fmt: skip


def _around(made: Books, clock: Hands, tenant: str, year: Year) -> None:
    """An alarm in the last whole week, and what readers said of the page."""
    last = year.first + timedelta(days=year.days - 4)
    clock.at = datetime.combine(last, datetime.min.time(), UTC)
    began = last - timedelta(days=3)
    cause = ("codes-changed", "lactate", began, ("a",), ("b",))
    found = Finding("input", "lactate", 1, last, began, 2.4, 1.8, 540.0, *cause)
    made.alarms.raise_all(tenant, VENTILATION, simulated.OUTCOME, [found])
    page = PageKind(tenant, VENTILATION, simulated.VERSION, "assessed", "en", "0123456789ab")
    for score in (5, 4, 5, 3, 4, 5, 5, 2, 4, 5, 4):
        made.clarity.keep(page, score)


def _ids(seed: int) -> Callable[[], str]:
    numbers = iter(range(seed, 10**9))
    return lambda: str(UUID(int=next(numbers) + (4 << 76) + (8 << 60)))
