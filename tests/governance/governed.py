"""Four weeks of both models in a small ledger: gates that open, stay open, close, and one that nobody approved.

Played through the ledger's own doors, for those who count everything again from its export.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import numpy as np

from governance import simulated
from governance.approvals import SiteGates
from governance.changes import Changes
from governance.clarity import PageKind
from governance.entries import Entry, Feedback, Recorded, Suggestion
from governance.gate import Approved, Gate
from governance.measures import Measure, Measures, Question
from governance.outcomes import EARLY, NO, REVIEW, UNKNOWN, YES, Outcome
from governance.simulated import OUTCOME, RISE, VERSION, Bedside, Year, answered, play, play_troponin, traits
from governance.store import Store
from governance.weekly import Asked, Books, compiled
from governance.weeks import Week
from governance.weighing import Memory, weigh
from inference.assessment import TROPONIN, VENTILATION, Phrase, State, Status
from tests.governance.played import FIRST, TENANT, Hands, books

YEAR: Final = Year(days=28, daily=25, draws=12, first=FIRST, assay=None, mapped=None, monitor=None)
WEEKS: Final = (Week.of(FIRST + timedelta(days=7)), Week.of(FIRST + timedelta(days=21)))
THRESHOLDS: Final = {VENTILATION: simulated.THRESHOLD, TROPONIN: simulated.RISE_THRESHOLD}
HEADS: Final = {VENTILATION: OUTCOME, TROPONIN: RISE}
EASY: Final = {"positives": 5, "days": 5, "smallest": 5, "window": 12} | {
    "sensitivity": 0.01, "false_alarms": 0.99, "margin": 0.9
}  # fmt: skip
OPENS, CLOSES, ENDS = 10, 18, 31  # days after the first on whose midnight the gates are weighed


@dataclass
class Governed:
    """What was kept of it: reviews by week, and the models' cards."""

    reviews: Mapping[str, Mapping[str, Any]]
    cards: tuple[Measure, ...]
    states: Mapping[tuple[str, str], list[State]]  # by model and unit, as the gates were weighed
    ends: datetime


def gate(model: str, unit: str = "", **changes: Any) -> Gate:
    """A gate that a month of a small ward can open."""
    return Gate(TENANT, model, HEADS[model], VERSION, THRESHOLDS[model], unit, **(EASY | changes))


def governed(store: Store) -> Governed:
    """Play it into `store`."""
    clock = Hands(datetime(2026, 1, 1, tzinfo=UTC))
    made, changes = books(store, clock), Changes(store, clock=clock)
    days: dict[date, list[Bedside]] = {}
    for bed in sorted([*play(YEAR), *play_troponin(YEAR)], key=lambda bed: (bed.at, bed.patient)):
        days.setdefault(bed.at.date(), []).append(bed)
    states: dict[tuple[str, str], list[State]] = {}
    waiting: list[tuple[Recorded, Bedside]] = []
    for number in range(ENDS + 1):
        day = FIRST + timedelta(days=number)
        clock.at = datetime.combine(day, datetime.min.time(), UTC)
        due = [each for each in waiting if each[1].at < clock.at - timedelta(days=1)]
        waiting = [each for each in waiting if each not in due]
        _follow_up(made, clock, due)
        if number in (OPENS, CLOSES, ENDS):
            _weigh(made, changes, clock, closing=number >= CLOSES, states=states)
        now = {model: said[-1] for (model, unit), said in states.items() if not unit}
        waiting += _day(made, clock, days.get(day, []), now)
    reviews = {week.name: _review(made, week, clock) for week in WEEKS}
    measures = Measures(store, made.outcomes, clock=clock)
    asked = [Question(TENANT, model, VERSION, outcome, THRESHOLDS[model]) for model, outcome in HEADS.items()]
    cards = tuple(measures.take(each, UTC, days=20) for each in asked)
    return Governed(reviews, cards, states, clock.at)


def _weigh(
    made: Books, changes: Changes, clock: Hands, *, closing: bool, states: dict[tuple[str, str], list[State]]
) -> None:
    """Ventilation's gate opens and stays; troponin's is signed with a limit it leaves; intensive care's is unsigned."""
    strict = {"false_alarms": 0.001} if closing else {}
    gates = (gate(VENTILATION), gate(VENTILATION, "icu"), gate(TROPONIN, **strict))
    signed = tuple(Approved(name, "role", clock.at - timedelta(hours=1)) for name in ("A", "B"))
    approved = {each.digest: () if each.care_unit else signed for each in gates}
    memory, asked = Memory(made.outcomes, made.readings, changes), dict.fromkeys(HEADS, State.ACTIVE)
    found = weigh(memory, SiteGates(gates, approved, ()), asked, tenant=TENANT, zone=UTC, clock=clock)
    for each in found:
        states.setdefault((each.model, each.care_unit), []).append(each.state)


def _day(
    made: Books, clock: Hands, beds: list[Bedside], states: Mapping[str, State]
) -> list[tuple[Recorded, Bedside]]:
    rng = np.random.default_rng(clock.at.toordinal())
    clock.at += timedelta(hours=23)
    entries = [_entry(bed, states.get(bed.model, State.SILENT), bool(rng.random() < 0.06)) for bed in beds]
    told = list(zip(made.ledger.record_all(entries), beds, strict=True))
    heard = [_card(made, answer, bed, rng) for answer, bed in told if answer.shown_at is not None]
    made.ledger.feedback([each for each in heard if each], tenant=TENANT, service="simulated")
    for answer, bed in told:
        if answer.shown_at is not None and rng.random() < 0.5:
            made.ledger.release(answer.id, "Practitioner/1", bed.language, bed.at)
    suspended = [(answer, bed) for answer, bed in told if answer.state is State.SUSPENDED][:1]
    for answer, bed in suspended:
        made.ledger.card(_uuid(rng), answer.id, "x", indicator="info", shown_at=bed.at)
    if told and rng.random() < 0.9:
        page = PageKind(TENANT, VENTILATION, VERSION, "assessed", "es" if rng.random() < 0.2 else "en", "edition")
        made.clarity.keep(page, int(rng.integers(1, 6)))
    return told


def _entry(bed: Bedside, state: State, unsure: bool) -> Entry:
    found = answered(bed).assessment
    if unsure:
        found = replace(found, status=Status.INDETERMINATE, reason=Phrase("both-labels"))
    shows = state is State.ACTIVE and bed.probability >= bed.threshold and found.status is Status.ASSESSED
    return Entry(
        found, tenant=TENANT, patient=bed.patient, door="hook", state=state, user="Practitioner/1",
        shown_at=bed.at if shows else None, threshold=bed.threshold, latency_ms=bed.latency_ms,
    )  # fmt: skip


def _card(made: Books, answer: Recorded, bed: Bedside, rng: np.random.Generator) -> Feedback | None:
    card, offer = _uuid(rng), _uuid(rng)
    made.ledger.show(
        card, answer.id, "x", indicator="info", since=bed.at, said_already=lambda _: None, shown_at=bed.at,
        suggestions=(Suggestion(offer, "troponin"),) if bed.model == TROPONIN else (),
    )  # fmt: skip
    luck = rng.random()
    if luck < 0.4:
        return Feedback(card, "accepted", bed.at, accepted=(offer,) if bed.model == TROPONIN and luck < 0.3 else ())
    return Feedback(card, "overridden", bed.at, "data-wrong" if luck < 0.6 else "") if luck < 0.8 else None


def _uuid(rng: np.random.Generator) -> str:
    return str(UUID(bytes=rng.bytes(16), version=4))


def _follow_up(made: Books, clock: Hands, due: list[tuple[Recorded, Bedside]]) -> None:
    """Most are settled by the rule; some are early or unknown; a person contradicts or adds a few."""
    rng = np.random.default_rng(clock.at.toordinal() + 1)
    told = [_outcome(answer.id, bed, clock.at, float(rng.random())) for answer, bed in due if rng.random() > 0.03]
    assert all(each is True for each in made.outcomes.record_all(told))
    who = made.ledger.user_pseudonym(TENANT, "Practitioner/r")
    for each in told:
        if rng.random() < 0.04:
            label = NO if each.label == UNKNOWN else each.label
            seen = replace(each, source=REVIEW, reviewer=who, label=label, reason="reviewed", traits={})
            made.outcomes.record(replace(seen, happened_at=seen.happened_at if label in (YES, EARLY) else None))


def _outcome(answer: str, bed: Bedside, now: datetime, luck: float) -> Outcome:
    label = UNKNOWN if luck < 0.02 else EARLY if bed.happened_at and luck < 0.06 else YES if bed.happened_at else NO
    return Outcome(
        answer, bed.outcome, label, known_at=now, happened_at=bed.happened_at if label in (YES, EARLY) else None,
        reason="transferred" if label == UNKNOWN else "", traits=traits(bed),
    )  # fmt: skip


def _review(made: Books, week: Week, clock: Hands) -> Mapping[str, Any]:
    asked = Asked(TENANT, week, UTC, tuple(HEADS), {TROPONIN: {RISE: THRESHOLDS[TROPONIN]}}, THRESHOLDS)
    return compiled(made, asked, now=clock.at, why=lambda _: ())
