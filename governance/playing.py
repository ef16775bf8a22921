"""The synthetic year played into an empty ledger, through the doors that real answers come by.

Every row is labelled: the site, its name and the models' version are "simulated". Each midnight what happened is
recorded of the day before last; each Monday the round is gone and the gates are weighed, and again on the day after
somebody signed. The site's code map is noted as every hospital's is, at a start and before each round. The people in
it follow rules: two approve a gate that lacks nothing else, the laboratory puts a code of its own into the site's map
in June, and somebody then answers the alarms that stand; clinicians, readers and the reviewer of the queue
are in `simulated_people`, who decides about the weeks in `simulated_reviews`. Refuses a ledger that holds anything
(LedgerRefusal).
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

from sqlalchemy import select

from governance import rounds, simulated, tables
from governance.alarms import Alarm
from governance.approvals import read_approvers, read_gates
from governance.code_maps import CodeMaps
from governance.entries import Entry, Recorded
from governance.errors import LedgerRefusal
from governance.gate import Gate
from governance.outcomes import NO, YES, Outcome
from governance.readings import Reading
from governance.rounds import EQUITY, Watched
from governance.simulated import SITE, VERSION, Bedside, Year, answered, play, play_troponin, traits
from governance.simulated_books import Hands, books, ids, midnight
from governance.simulated_gates import approve, write_files, write_site
from governance.simulated_people import USERS, Clinicians, Reviewer, moved, number_of, user_of
from governance.simulated_reviews import Committee
from governance.store import Store
from governance.together import Together
from governance.weekly import Why
from governance.weighing import Memory, weigh
from inference.assessment import TROPONIN, VENTILATION, State

FINISHED: Final = "year.json"  # written into the folder when all is played
DAY: Final = timedelta(days=1)
LATE: Final = timedelta(days=2)  # from a day's end to when what happened is recorded: its hours must be over
PATIENCE: Final = 4  # weighings at which a gate lacked nothing else, before anybody signs
WATCHED: Final = (
    Watched(
        SITE, VENTILATION, VERSION, simulated.OUTCOME, 24, simulated.THRESHOLD, simulated.INPUTS, UTC
    ),
    Watched(SITE, TROPONIN, VERSION, simulated.RISE, 24, simulated.RISE_THRESHOLD, ("troponin_i",), UTC),
)
Note = Callable[[CodeMaps, str], object]  # a book of code maps, and who notes in it
ASKED: Final = {VENTILATION: State.ACTIVE, TROPONIN: State.ACTIVE}


def play_into(
    store: Store, folder: Path, year: Year, why: Why = lambda _: (), note: Note = lambda _, __: None
) -> Iterator[date]:
    """Play `year` into the empty `store`, its gate files into `folder`; yields each day as it ends.

    `why` puts the reasons of an answer into sentences, for the reviews; `note` keeps what the site's file in `folder`
    maps now, in that book and by that author. Raises LedgerRefusal where the ledger holds anything.
    """
    for name in ("assessments", "changes", "readings", "clarity"):
        with store.reading() as connection:
            if connection.execute(select(tables.metadata.tables[name]).limit(1)).first() is not None:
                raise LedgerRefusal(f"this ledger holds {name}: a simulated year is played into an empty one")
    write_files(folder)
    kept = Together(store.url, store.patience)
    site = _Site(kept, folder, year, why, note)
    try:
        for day, beds in _days(year):
            with kept.together():
                site.night(day)
                site.day(day, beds)
            yield day
        with kept.together():
            site.night(year.first + year.days * DAY)
    finally:
        kept.close()


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

    def __init__(self, store: Store, folder: Path, year: Year, why: Why, note: Note) -> None:
        self._folder, self._year, self._note = folder, year, note
        self._hands = Hands(midnight(year.first))
        self._books = books(store, self._hands, ids(year.seed))
        self._clinicians = Clinicians(self._books, self._hands, year.seed)
        self._reviewer = Reviewer(self._books, self._hands)
        self._committee = Committee(self._books, self._hands, folder, year, why)
        self._states: dict[tuple[str, str], State] = {}
        self._open: dict[date, list[tuple[Recorded, Bedside]]] = defaultdict(list)
        self._ready: Counter[str] = Counter()
        self._weigh_again = False

    # --- the night: what happened, the round, the gates

    def night(self, day: date) -> None:
        """Midnight before `day`."""
        self._hands.now = midnight(day)
        self._follow_up(day - LATE)
        monday = day.weekday() == 0
        if day == self._year.first:
            self._note(self._books.rounds.maps, "start")
        if monday:
            self._note(self._books.rounds.maps, "watch")
            for what in WATCHED:
                rounds.go(self._books.rounds, what, self._hands.now)
        if day == self._year.mapped:
            write_site(self._folder, simulated.SITE_CODE)
            self._note(self._books.rounds.maps, "start")
        if self._year.mapped and day > self._year.mapped and (monday or day == self._year.mapped + DAY):
            self._answer(day)
        if monday or self._weigh_again:
            self._weigh()
        self._committee.night(day)

    def _follow_up(self, day: date) -> None:
        due = self._open.pop(day, [])
        self._books.outcomes.record_all(
            [_became(answer, bed, self._hands.now) for answer, bed in due if not moved(bed)]
        )
        self._reviewer.refer([(answer, bed) for answer, bed in due if moved(bed)])

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
        self._reviewer.day(day, self._open[day])
        self._clinicians.day(day, self._open[day])

    def _state(self, bed: Bedside) -> State:
        """The state by the gate of the patient's unit, else of the site, as the doors go by it."""
        site = self._states.get((bed.model, ""), State.SILENT)
        return self._states.get((bed.model, bed.care_unit), site)

    def _shows(self, bed: Bedside) -> bool:
        return self._state(bed) is State.ACTIVE and bed.probability >= bed.threshold and not bed.doubted

    def _entries(self, beds: list[Bedside]) -> Iterator[Entry]:
        """Each with the clock at its moment, since the ledger asks the clock as it reads them."""
        for bed in beds:
            self._hands.now = bed.at
            yield Entry(
                answered(bed).assessment,
                tenant=SITE,
                patient=bed.patient,
                door="hook",
                state=self._state(bed),
                shown_at=bed.at if self._shows(bed) else None,
                hook="order-sign",
                hook_instance=f"simulated-{number_of(bed):x}"[:40],
                user=user_of(bed),
                encounter=f"{bed.patient}-stay",
                threshold=bed.threshold,
                latency_ms=bed.latency_ms,
            )


def _became(answer: Recorded, bed: Bedside, now: datetime) -> Outcome:
    return Outcome(
        assessment_id=answer.id,
        outcome=bed.outcome,
        label=YES if bed.happened_at else NO,
        known_at=now,
        happened_at=bed.happened_at,
        traits=traits(bed),
    )


def _of_the_analyser(alarm: Alarm) -> bool:
    """Whether an alarm is one that the new analyser explains."""
    return alarm.finding.cause == "codes-changed"


def told_of(year: Year) -> str:
    """What was played, as JSON: the folder's own label."""
    ends = midnight(year.first + year.days * DAY)
    days = {name: str(getattr(year, name)) for name in ("first", "assay", "mapped", "monitor")}
    return json.dumps({"simulated": True, "seed": year.seed, "ends": ends.isoformat(), **days}, indent=1)
