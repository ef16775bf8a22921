"""The synthetic year played into an empty ledger, through the doors that real answers come by.

Every row is labelled: the site, its name and the models' version are "simulated". Each midnight what happened is
recorded of the day before last; each Monday the round is gone and the gates are weighed, and again on the day after
somebody signed. The people in it follow rules: two approve a gate that lacks nothing else, a clinician answers some
of the cards, the laboratory maps its new code in June, and somebody then answers the alarms that stand. Refuses a
ledger that holds anything (LedgerRefusal).
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

import numpy as np
from sqlalchemy import select

from governance import rounds, simulated, tables
from governance.alarms import Alarm, Alarms
from governance.approvals import read_approvers, read_gates
from governance.audits import Audits
from governance.changes import Change, Changes
from governance.clarity import ClarityBook, PageKind
from governance.daily import Daily
from governance.entries import Entry, Feedback, Recorded
from governance.errors import LedgerRefusal
from governance.gate import Gate
from governance.ledger import Ledger
from governance.outcomes import NO, YES, Outcome, Outcomes
from governance.readings import Reading, Readings
from governance.recalled import Recalled
from governance.rounds import EQUITY, Watched
from governance.simulated import SITE, VERSION, Bedside, Year, answered, play, play_troponin
from governance.simulated_gates import approve, write_files
from governance.spoken import Spoken
from governance.store import Store
from governance.weighing import Memory, weigh
from inference.assessment import TROPONIN, VENTILATION, State

KEY: Final = hashlib.sha256(b"a simulated year has nothing to hide").digest()
FINISHED: Final = "year.json"  # written into the folder when all is played
DAY: Final = timedelta(days=1)
LATE: Final = timedelta(days=2)  # from a day's end to when what happened is recorded: its hours must be over
PATIENCE: Final = 4  # weighings at which a gate lacked nothing else, before anybody signs
REASONS: Final = ("already-managed", "goals-of-care", "data-wrong", "do-not-agree", "not-my-decision")
WORDS: Final = (
    "Simulated: on high flow since noon, plan stands.",
    "Simulated: the lactate is from the old sample.",
    "Simulated: family meeting tonight.",
    "Simulated: breathing rate on the new monitor is too high.",
)
USERS: Final = tuple(f"simulated-user-{number}" for number in range(12))
WATCHED: Final = (
    Watched(
        SITE, VENTILATION, VERSION, simulated.OUTCOME, 24, simulated.THRESHOLD, simulated.INPUTS, UTC
    ),
    Watched(SITE, TROPONIN, VERSION, simulated.RISE, 24, simulated.RISE_THRESHOLD, ("troponin_i",), UTC),
)
ASKED: Final = {VENTILATION: State.ACTIVE, TROPONIN: State.ACTIVE}


class Hands:
    """The simulated clock: it stands where it is put."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


@dataclass(frozen=True, slots=True)
class Books:
    """Everything that is written to, all of one ledger."""

    ledger: Ledger
    outcomes: Outcomes
    readings: Readings
    changes: Changes
    clarity: ClarityBook
    alarms: Alarms
    rounds: rounds.Memory


def books(store: Store, hands: Hands) -> Books:
    """The books of `store`, under the simulated year's own key and clock."""
    outcomes, changes = Recalled(store, clock=hands), Changes(store, clock=hands)
    alarms = Alarms(store, clock=hands)
    return Books(
        ledger=Ledger(store, KEY, clock=hands),
        outcomes=outcomes,
        readings=Readings(store),
        changes=changes,
        clarity=ClarityBook(store, clock=hands),
        alarms=alarms,
        rounds=rounds.Memory(
            Spoken(store, KEY), Daily(store), outcomes, alarms, Audits(store, clock=hands), changes
        ),
    )


def play_into(store: Store, folder: Path, year: Year) -> Iterator[date]:
    """Play `year` into the empty `store`, its gate files into `folder`; yields each day as it ends.

    Raises LedgerRefusal where the ledger holds anything.
    """
    for name in ("assessments", "changes", "readings", "clarity"):
        with store.reading() as connection:
            if connection.execute(select(tables.metadata.tables[name]).limit(1)).first() is not None:
                raise LedgerRefusal(f"this ledger holds {name}: a simulated year is played into an empty one")
    write_files(folder)
    site = _Site(store, folder, year)
    for day, beds in _days(year):
        site.night(day)
        site.day(day, beds)
        yield day
    site.night(year.first + year.days * DAY)


def _days(year: Year) -> Iterator[tuple[date, list[Bedside]]]:
    """Each day with its patients, in the order they were asked about."""
    streams = (play(year), play_troponin(year))
    waiting = [next(stream, None) for stream in streams]
    for number in range(year.days):
        day, beds = year.first + number * DAY, []
        for place, stream in enumerate(streams):
            bed = waiting[place]
            while bed is not None and bed.at.date() == day:
                beds.append(bed)
                bed = next(stream, None)
            waiting[place] = bed
        yield day, sorted(beds, key=lambda each: (each.at, each.patient))


class _Site:
    """The simulated hospital as the year goes on: what the gates came to, and who is still to be followed up."""

    def __init__(self, store: Store, folder: Path, year: Year) -> None:
        self._folder, self._year = folder, year
        self._hands = Hands(_midnight(year.first))
        self._books = books(store, self._hands)
        self._states: dict[tuple[str, str], State] = {}
        self._open: dict[date, list[tuple[Recorded, Bedside]]] = defaultdict(list)
        self._ready: Counter[str] = Counter()
        self._weigh_again = False

    # --- the night: what happened, the round, the gates

    def night(self, day: date) -> None:
        """Midnight before `day`."""
        self._hands.now = _midnight(day)
        self._follow_up(day - LATE)
        monday = day.weekday() == 0
        if monday:
            for what in WATCHED:
                rounds.go(self._books.rounds, what, self._hands.now)
        if day == self._year.mapped:
            self._mapped(day)
        if self._year.mapped and day > self._year.mapped and (monday or day == self._year.mapped + DAY):
            self._answer(day)
        if monday or self._weigh_again:
            self._weigh()

    def _follow_up(self, day: date) -> None:
        told = [_became(answer, bed, self._hands.now) for answer, bed in self._open.pop(day, ())]
        self._books.outcomes.record_all(told)

    def _weigh(self) -> None:
        now = self._hands.now
        site = read_gates(
            self._folder / "gates" / f"{SITE}.toml",
            SITE,
            read_approvers(self._folder / "gates" / "approvers.toml"),
            now,
        )
        memory = Memory(self._books.outcomes, self._books.readings, self._books.changes)
        found = weigh(memory, site, ASKED, tenant=SITE, zone=UTC, clock=self._hands)
        self._states = {(each.model, each.care_unit): each.state for each in found}
        ready = [gate for gate, each in zip(site.gates, found, strict=True) if self._stood(gate, each)]
        for gate in ready:
            approve(self._folder, gate, now + timedelta(hours=10))
        self._weigh_again = bool(ready)

    def _stood(self, gate: Gate, reading: Reading) -> bool:
        """Whether two sign: the gate lacked nothing but approvals, at PATIENCE weighings in a row the first time,
        and no chart's alarm stands."""
        only = [each["code"] for each in reading.body["missing"]] == ["approvals"]
        self._ready[gate.name] = self._ready[gate.name] + 1 if only else 0
        enough = 1 if reading.state is State.SUSPENDED else PATIENCE
        return self._ready[gate.name] >= enough and not self._alarmed(gate.model)

    def _alarmed(self, model: str) -> bool:
        charts = [each for each in self._books.alarms.listed(SITE) if each.finding.chart != EQUITY]
        return any(each.model == model and each.answered_at is None for each in charts)

    def _mapped(self, day: date) -> None:
        self._books.changes.add(
            Change(
                SITE,
                "code-map",
                "Simulated laboratory",
                f"{simulated.NEW_CODE} mapped to lactate, with the new analyser's factor of 1/1.35.",
                "Twenty samples run on both analysers (simulated).",
                f"Lactate reads from {day} as before May; the charts that alarmed begin anew on that day.",
            )
        )

    def _answer(self, day: date) -> None:
        """Somebody answers the alarms that stand, once the code is mapped and until the monitors come."""
        mapped, monitor = self._year.mapped, self._year.monitor
        if mapped is None or (monitor is not None and day > monitor):
            return
        standing = [each for each in self._books.alarms.listed(SITE) if each.answered_at is None]
        who = self._books.ledger.user_pseudonym(SITE, USERS[0])
        for alarm in standing:
            if _of_the_analyser(alarm):
                self._books.alarms.answer(SITE, alarm.id, user=who, decision="code-mapped", from_day=mapped)

    # --- the day: answers, cards, what people did

    def day(self, day: date, beds: Iterable[Bedside]) -> None:
        """The patients of one day."""
        kept = list(beds)
        told = self._books.ledger.record_all(self._entries(kept))
        self._open[day] = list(zip(told, kept, strict=True))
        rng = np.random.default_rng((self._year.seed, day.toordinal(), 2))
        said = [self._card(answer, bed, rng) for answer, bed in self._open[day] if self._shows(bed)]
        self._hands.now = _midnight(day) + timedelta(hours=23)
        self._books.ledger.feedback([each for each in said if each], tenant=SITE, service="simulated")
        self._clarity(rng)

    def _state(self, bed: Bedside) -> State:
        """The state by the gate of the patient's unit, else of the site, as the doors go by it."""
        site = self._states.get((bed.model, ""), State.SILENT)
        return self._states.get((bed.model, bed.care_unit), site)

    def _shows(self, bed: Bedside) -> bool:
        return self._state(bed) is State.ACTIVE and bed.probability >= bed.threshold

    def _entries(self, beds: list[Bedside]) -> Iterator[Entry]:
        """Each with the clock at its moment, since the ledger asks the clock as it reads them."""
        for bed in beds:
            self._hands.now = bed.at
            number = int(hashlib.sha256(bed.patient.encode()).hexdigest(), 16)
            yield Entry(
                answered(bed).assessment,
                tenant=SITE,
                patient=bed.patient,
                door="hook",
                state=self._state(bed),
                shown_at=bed.at if self._shows(bed) else None,
                hook="order-sign",
                hook_instance=f"simulated-{number:x}"[:40],
                user=USERS[number % len(USERS)],
                encounter=f"{bed.patient}-stay",
                threshold=bed.threshold,
                latency_ms=bed.latency_ms,
            )

    def _card(self, answer: Recorded, bed: Bedside, rng: np.random.Generator) -> Feedback | None:
        """The card of an answer that was shown, and what somebody did with it (None: nothing was told)."""
        card = str(UUID(bytes=rng.bytes(16), version=4))
        summary = f"Simulated: {bed.outcome} {bed.probability:.0%}"
        self._books.ledger.card(
            card, answer.id, summary, indicator="warning", hook="order-sign", shown_at=bed.at
        )
        if bed.overridden is None:
            return None
        at = min(bed.at + timedelta(minutes=5), _midnight(bed.at.date()) + timedelta(hours=23))
        if not bed.overridden:
            return Feedback(card, "accepted", at)
        words = str(rng.choice(WORDS)) if rng.random() < 0.2 else ""
        return Feedback(card, "overridden", at, override_code=str(rng.choice(REASONS)), comment=words)

    def _clarity(self, rng: np.random.Generator) -> None:
        if rng.random() < 0.5:
            language = "es" if rng.random() < 0.2 else "en"
            page = PageKind(SITE, VENTILATION, VERSION, "assessed", language, "simulated")
            self._books.clarity.keep(page, int(rng.choice([1, 2, 3, 4, 5], p=[0.03, 0.07, 0.2, 0.4, 0.3])))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _became(answer: Recorded, bed: Bedside, now: datetime) -> Outcome:
    traits = {name: getattr(bed, name) for name in ("care_unit", "sex", "age_band", "language")}
    return Outcome(
        assessment_id=answer.id,
        outcome=bed.outcome,
        label=YES if bed.happened_at else NO,
        known_at=now,
        happened_at=bed.happened_at,
        traits=traits | {"site": SITE},
    )


def _of_the_analyser(alarm: Alarm) -> bool:
    """Whether an alarm is one that the new analyser explains."""
    return alarm.finding.cause == "codes-changed"


def told_of(year: Year) -> str:
    """What was played, as JSON: the folder's own label."""
    ends = _midnight(year.first + year.days * DAY)
    days = {name: str(getattr(year, name)) for name in ("first", "assay", "mapped", "monitor")}
    return json.dumps({"simulated": True, "seed": year.seed, "ends": ends.isoformat(), **days}, indent=1)
