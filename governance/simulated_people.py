"""What people do at the simulated hospital with what the model says: they follow rules and a seed, and nobody is real.

Clinicians answer some cards, hand out some patients' pages (few of a model that is silent or suspended, whose page has
no number), and are told once a day that a model is suspended; some readers say how clear a page was; a reviewer goes
through the queue on Mondays and Thursdays and labels what waits there from the chart. Everything goes through the
ledger's own doors.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

import numpy as np

from governance.clarity import PageKind
from governance.entries import SUSPENSION_SAID, Feedback, Recorded
from governance.outcomes import NO, REVIEW, UNKNOWN, YES, Outcome
from governance.simulated import SITE, VERSION, Bedside, traits
from governance.simulated_books import Books, Hands, midnight
from governance.waiting import Referral
from inference.assessment import State

USERS: Final = tuple(f"simulated-user-{number}" for number in range(12))
REVIEWER: Final = "simulated-reviewer"
REASONS: Final = ("already-managed", "goals-of-care", "data-wrong", "do-not-agree", "not-my-decision")
WORDS: Final = (
    "Simulated: on high flow since noon, plan stands.",
    "Simulated: the lactate is from the old sample.",
    "Simulated: family meeting tonight.",
    "Simulated: breathing rate on the new monitor is too high.",
)
HANDED, ANSWERED = 0.8, 0.5  # of shown answers, whose page is handed out; of those pages, whose reader answers
UNNUMBERED: Final = 0.006  # of answers that were not shown, whose page without a number is handed out
SCORES, CLEAR = (1, 2, 3, 4, 5), (0.03, 0.07, 0.2, 0.4, 0.3)
LOOKS_BACK: Final = timedelta(days=35)  # of the queue
QUEUE_DAYS: Final = (0, 3)  # Monday and Thursday
MOVED: Final = 150  # one patient of the ward in so many leaves for another hospital before the hours are over


def number_of(bed: Bedside) -> int:
    """A number that is the patient's own."""
    return int(hashlib.sha256(bed.patient.encode()).hexdigest(), 16)


def user_of(bed: Bedside) -> str:
    """Who ordered for the patient."""
    return USERS[number_of(bed) % len(USERS)]


def moved(bed: Bedside) -> bool:
    """Whether the patient was transferred, so that no rule can tell what happened."""
    return bed.care_unit == "ward" and number_of(bed) // len(USERS) % MOVED == 0


class Clinicians:
    """Those who order, and those who read the patient's page."""

    def __init__(self, books: Books, hands: Hands, seed: int) -> None:
        self._books, self._hands, self._seed = books, hands, seed

    def day(self, day: date, told: Sequence[tuple[Recorded, Bedside]]) -> None:
        """What they did on `day` with the answers `told`."""
        rng = np.random.default_rng((self._seed, day.toordinal(), 2))
        shown = [(answer, bed) for answer, bed in told if answer.shown_at is not None]
        said = [self._card(answer, bed, rng) for answer, bed in shown]
        self._suspended(told, rng)
        self._hands.now = _late(day)
        self._books.ledger.feedback([each for each in said if each], tenant=SITE, service="simulated")
        self._pages(shown, HANDED, np.random.default_rng((self._seed, day.toordinal(), 4)))
        held = [(answer, bed) for answer, bed in told if answer.state in (State.SILENT, State.SUSPENDED)]
        self._pages(held, UNNUMBERED, np.random.default_rng((self._seed, day.toordinal(), 6)))

    def _card(self, answer: Recorded, bed: Bedside, rng: np.random.Generator) -> Feedback | None:
        """The card of an answer that was shown, and what somebody did with it (None: nothing was told)."""
        card, summary = _uuid(rng), f"Simulated: {bed.outcome} {bed.probability:.0%}"
        self._books.ledger.card(
            card, answer.id, summary, indicator="warning", hook="order-sign", shown_at=bed.at
        )
        if bed.overridden is None:
            return None
        at = min(bed.at + timedelta(minutes=5), _late(bed.at.date()))
        if not bed.overridden:
            return Feedback(card, "accepted", at)
        words = str(rng.choice(WORDS)) if rng.random() < 0.2 else ""
        return Feedback(card, "overridden", at, override_code=str(rng.choice(REASONS)), comment=words)

    def _suspended(self, told: Sequence[tuple[Recorded, Bedside]], rng: np.random.Generator) -> None:
        """One information card a user and day, so that silence is not read as low risk."""
        heard: set[tuple[str, str]] = set()
        for answer, bed in told:
            who = (user_of(bed), bed.model)
            if answer.state is State.SUSPENDED and who not in heard:
                heard.add(who)
                summary = f"Simulated: {bed.outcome} is suspended"
                self._books.ledger.card(
                    _uuid(rng), answer.id, summary, indicator="info", hook="order-sign", shown_at=bed.at
                )
                self._books.ledger.event(SUSPENSION_SAID, assessment=answer.id, user=who[0], at=bed.at)

    def _pages(
        self, told: Sequence[tuple[Recorded, Bedside]], handed: float, rng: np.random.Generator
    ) -> None:
        """The patients' pages that were handed out, a share of these answers', and what some readers answered."""
        for answer, bed in told:
            if rng.random() < handed:
                at = min(bed.at + timedelta(minutes=10), _late(bed.at.date()))
                self._books.ledger.release(answer.id, user_of(bed), bed.language, at)
                if rng.random() < ANSWERED:
                    kind = "assessed" if answer.state is State.ACTIVE else answer.state.value
                    page = PageKind(SITE, bed.model, VERSION, kind, bed.language, "simulated")
                    self._books.clarity.keep(page, int(rng.choice(SCORES, p=CLEAR)))


class Reviewer:
    """Who goes through the queue and labels what waits there."""

    def __init__(self, books: Books, hands: Hands) -> None:
        self._books, self._hands = books, hands
        self._known: dict[str, Bedside] = {}

    def refer(self, told: Sequence[tuple[Recorded, Bedside]]) -> None:
        """What no rule could settle waits from now on."""
        self._books.waiting.refer(Referral(answer.id, bed.outcome, "transferred") for answer, bed in told)

    def day(self, day: date, told: Sequence[tuple[Recorded, Bedside]]) -> None:
        """Remember whose answers may wait, and on a day for it label what does."""
        self._known |= {answer.id: bed for answer, bed in told if bed.doubted or moved(bed)}
        if day.weekday() not in QUEUE_DAYS:
            return
        self._hands.now = midnight(day) + timedelta(hours=15)
        who = self._books.ledger.user_pseudonym(SITE, REVIEWER)
        for waits in self._books.waiting.page(SITE, (self._hands.now - LOOKS_BACK, None)):
            bed = self._known[waits.assessment_id]
            if bed.at + timedelta(hours=24) <= self._hands.now:
                del self._known[waits.assessment_id]
                lost = moved(bed) and number_of(bed) // len(USERS) // MOVED % 3 == 0  # no word from the other hospital
                label = UNKNOWN if lost else YES if bed.happened_at else NO
                self._books.outcomes.record(
                    Outcome(
                        waits.assessment_id,
                        bed.outcome,
                        label,
                        known_at=self._hands.now,
                        happened_at=bed.happened_at if label == YES else None,
                        reason="reviewed",
                        source=REVIEW,
                        reviewer=who,
                        traits=traits(bed),
                    )
                )


def _late(day: date) -> datetime:
    return midnight(day) + timedelta(hours=23)


def _uuid(rng: np.random.Generator) -> str:
    return str(UUID(bytes=rng.bytes(16), version=4))
