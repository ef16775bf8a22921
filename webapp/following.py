"""Follow-up: what became of those the models answered about, found in the hospital's record and kept, once each.

Patient by patient: all that is due about one is settled from one reading. What a rule cannot settle is referred to a
person with a reason, and so is what the ledger refuses, by the refusal's name. Nothing is remembered between runs but
what the ledger holds, so a run that was killed is simply run again. Names nobody: lines and counts carry codes alone.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from ehr import aftermath
from ehr.errors import EhrError, MalformedRequest, NotFound
from ehr.records import Reading
from ehr.tenants import Tenant
from ehr.transport import Budget
from governance.due import Due, Open
from governance.errors import OutcomeRefusal, UnknownAssessment, Unreadable
from governance.keys import Pseudonym
from governance.outcomes import Outcome
from governance.waiting import Referral
from inference import sequel
from inference.assessment import VENTILATION
from inference.sequel import Course, Sequel
from webapp.backend import INSURANCE, Backend, OutOfTime, SiteFault
from webapp.rooms import Rooms

BEFORE: Final = timedelta(hours=72)  # read before an answer: what had begun by then
AFTER: Final = timedelta(hours=6)  # and after its hours: whether the sources agree
SILENT: Final = 5  # patients in a row whose record does not come, and the hospital is left for today


@dataclass
class Summary:
    """What one run at one site came to."""

    site: str
    patients: int = 0
    settled: Counter[str] = field(default_factory=Counter)  # by label
    referred: Counter[str] = field(default_factory=Counter)  # by reason
    refused: Counter[str] = field(default_factory=Counter)  # by the refusal's code
    known: int = 0  # settled meanwhile by another run
    later: Counter[str] = field(default_factory=Counter)  # patients whose record could not be read, by why
    foreign: int = 0
    payer_unread: Counter[str] = field(default_factory=Counter)  # patients of whom who pays was not read, by why
    stopped: str = ""  # why there is more to do: "limit", "time", "hospital-silent"
    fault: str = ""
    seconds: float = 0.0

    @property
    def status(self) -> int:
        """The exit status: 0 when nothing is left that can be done now, 75 when something is, 1 for a fault."""
        return 1 if self.fault else 75 if self.stopped or self.later else 0

    def __str__(self) -> str:
        told = [
            f"{self.patients} patients read",
            f"settled {_counted(self.settled)}",
            f"for a person {_counted(self.referred)}",
            f"refused {_counted(self.refused)}",
            f"known already {self.known}",
            f"later {_counted(self.later)}",
        ]
        told += [f"{self.foreign} rows of other patients dropped"] if self.foreign else []
        told += [f"insurance not read, for audits: {_counted(self.payer_unread)}"] if self.payer_unread else []
        told += [f"stopped: {self.stopped}, run again"] if self.stopped else []
        told += [f"fault: {self.fault}"] if self.fault else []
        return f"{self.site}: {'; '.join(told)}; {self.seconds:.1f} s"


def _counted(counts: Counter[str]) -> str:
    each = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
    return f"{sum(counts.values())} ({each})" if each else "0"


@dataclass
class Job:
    """One run at one site. `since`: answers older than that are left alone; `limit`: patients at most, 0 for all."""

    rooms: Rooms
    tenant: Tenant
    since: datetime
    limit: int = 0
    seconds: float = 3000.0
    say: Callable[[str], None] = lambda line: None
    step: Callable[[int], None] = lambda total: None  # after each patient, with how many there were at the start

    def run(self) -> Summary:
        """Settle what is due. Raises LedgerUnavailable; what the hospital does stands in the summary."""
        began, summary = time.monotonic(), Summary(self.tenant.id)
        now = self.rooms.clock()
        over = now - timedelta(hours=self.tenant.follow_up.wait_hours)
        due = Due(self.rooms.store, self.tenant.id, since=self.since, over=over)
        backend = Backend(self.rooms, self.tenant, Budget(self.seconds))
        try:
            with backend.paced():
                self._all(due, backend, summary)
        except SiteFault as fault:
            summary.fault = str(fault)
        except OutOfTime:
            summary.stopped = "time"
        summary.seconds = time.monotonic() - began
        return summary

    def _all(self, due: Due, backend: Backend, summary: Summary) -> None:
        total, silent = due.count(), 0
        for number, whose in enumerate(due.patients()):
            if self.limit and number >= self.limit:
                summary.stopped = "limit"
                return
            if backend.budget.left() <= 0:
                raise OutOfTime
            read = self._one(due.of(whose), whose, backend, summary)
            silent = 0 if read else silent + 1
            self.step(total)
            if silent >= SILENT:
                summary.stopped = "hospital-silent"
                return

    def _one(self, due: tuple[Open, ...], whose: Pseudonym, backend: Backend, summary: Summary) -> bool:
        """Settle what is due about one patient; False where the record did not come."""
        if not due:
            return True  # settled meanwhile, by a person or another run
        try:
            patient = self.rooms.ledger.follow_up(due[0].assessment_id).patient
        except (Unreadable, UnknownAssessment):
            patient = ""
        if not patient or self.rooms.ledger.pseudonym(self.tenant.id, patient) != whose:
            self._refer(((one, "whose-not-known") for one in due), summary)
            return True
        known_at = self.rooms.clock()
        try:
            since, until = min(one.as_of for one in due) - BEFORE, max(one.end for one in due) + AFTER
            reading = backend.read(patient, since, until)
        except EhrError as error:
            return self._unread(due, error, known_at, summary)
        faults = [each for each in reading.problems if each.startswith(f"{INSURANCE}: ")]
        summary.payer_unread.update(faults if backend.insured else [f"{INSURANCE} not granted"])
        if any(": a further page: " in problem for problem in reading.problems):
            return self._unread(due, EhrError("a page did not come"), known_at, summary)
        self._settle(due, self._course(patient, reading), reading, known_at, summary)
        summary.patients += 1
        summary.foreign += reading.foreign
        return True

    def _unread(self, due: tuple[Open, ...], error: EhrError, now: datetime, summary: Summary) -> bool:
        """What cannot be read is tried again, and after the site's days goes to a person."""
        summary.later[type(error).__name__] += 1
        end = now - timedelta(days=self.tenant.follow_up.give_up_days)
        gone = isinstance(error, NotFound | MalformedRequest)
        why = "patient-not-found" if gone else "record-not-read"
        self._refer(((one, why) for one in due if one.end < end), summary)
        return gone

    def _course(self, patient: str, reading: Reading) -> Course:
        zone = ZoneInfo(self.tenant.time_zone)
        return aftermath.course(
            self.tenant, patient, reading.resources, zone=zone, truncated=reading.truncated
        )

    def _settle(
        self, due: tuple[Open, ...], course: Course, reading: Reading, known_at: datetime, summary: Summary
    ) -> None:
        found = [(one, became(course, one)) for one in due]
        self._refer(((one, told.reason) for one, told in found if told.label == sequel.OPEN), summary)
        outcomes = [
            Outcome(
                one.assessment_id,
                one.outcome,
                told.label,
                known_at=known_at,
                happened_at=told.happened_at,
                value=told.value,
                reason=told.reason,
                traits=self._traits(course, reading, one),
            )
            for one, told in found
            if told.label != sequel.OPEN
        ]
        said = self.rooms.outcomes.record_all(outcomes) if outcomes else ()
        refused = []
        for outcome, kept in zip(outcomes, said, strict=True):
            if isinstance(kept, bool):
                summary.settled[outcome.label] += kept
                summary.known += not kept
            else:
                code = kept.code if isinstance(kept, OutcomeRefusal) else "unknown-assessment"
                summary.refused[code] += 1
                self.say(f"{self.tenant.id}: refused, {code}: {kept}")
                refused.append((next(o for o in due if _same(o, outcome)), code))
        self._refer(refused, summary)

    def _traits(self, course: Course, reading: Reading, one: Open) -> dict[str, str]:
        zone = ZoneInfo(self.tenant.time_zone)
        return aftermath.traits(course.record, reading.resources, one.as_of, zone, self.tenant.audits)

    def _refer(self, many: Iterable[tuple[Open, str]], summary: Summary) -> None:
        told = [Referral(one.assessment_id, one.outcome, reason) for one, reason in many]
        if self.rooms.waiting.refer(told):
            summary.referred.update(each.reason for each in told)


def became(course: Course, one: Open) -> Sequel:
    """What became of one prediction."""
    rule = sequel.ventilation if one.model == VENTILATION else sequel.troponin
    return rule(course, one.as_of, one.hours)


def _same(one: Open, outcome: Outcome) -> bool:
    return (one.assessment_id, one.outcome) == (outcome.assessment_id, outcome.outcome)
