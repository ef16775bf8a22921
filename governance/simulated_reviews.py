"""The simulated hospital's weekly reviews: put together on some Mondays, decided by both signers the day after.

Reviewed are the first week of a month and the weeks about the year's events. What is decided follows from what the
review says: an alarm of the analyser is for the laboratory, a suspended gate with an input that moved for those who
train, a missed group for the ward; else all goes on. Decisions go the way of every hospital's: signed, verified, one
line of the change log.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

from governance import simulated
from governance.approvals import read_approvers
from governance.daily import INPUT
from governance.decisions import CONTINUE, OTHER, RETRAIN, Decision, read, sign, verified
from governance.review import Review
from governance.rounds import EQUITY
from governance.simulated import SITE, Year
from governance.simulated_books import ZONE, Books, Hands, midnight
from governance.simulated_gates import APPROVERS, RISE, ROLES, key_of
from governance.weekly import Asked, Why, compiled
from governance.weeks import Week
from inference.assessment import TROPONIN, VENTILATION

NEAR: Final = timedelta(days=14)  # after an event
THRESHOLDS: Final = {VENTILATION: simulated.THRESHOLD, TROPONIN: simulated.RISE_THRESHOLD}
Said = tuple[str, str]  # kind of decision, and its sentence


class Committee:
    """Those who review the week."""

    def __init__(self, books: Books, hands: Hands, folder: Path, year: Year, why: Why) -> None:
        self._books, self._hands, self._folder, self._year, self._why = books, hands, folder, year, why
        self._open: Review | None = None

    def night(self, day: date) -> None:
        """Midnight before `day`: on a Monday the week's review, on a Wednesday the decision about it."""
        if day.weekday() == 0 and self._due(day):
            week = Week.of(day).before(1)
            asked = Asked(
                SITE, week, ZONE, tuple(THRESHOLDS), {TROPONIN: {RISE.outcome: RISE.threshold}}, THRESHOLDS
            )
            body = compiled(self._books.weekly, asked, now=self._hands.now, why=self._why)
            self._open = self._books.weekly.reviews.keep(SITE, week, body)
        if day.weekday() == 2 and self._open is not None:
            self._decide(self._open, day)
            self._open = None

    def _due(self, day: date) -> bool:
        events = [each for each in (self._year.assay, self._year.mapped, self._year.monitor) if each is not None]
        return day.day <= 7 or any(timedelta(0) <= day - event <= NEAR for event in events)

    def _decide(self, review: Review, day: date) -> None:
        kind, sentence = decided(review.body)
        decision = Decision(SITE, review.week.name, review.digest, kind, sentence)
        hours = (timedelta(hours=hour) for hour in (-14, -9))
        signed = read(
            sign(decision, name, midnight(day) + before, key_of(name))
            for (name, _), before in zip(APPROVERS, hours, strict=True)
        )
        approvers = read_approvers(self._folder / "gates" / "approvers.toml")
        found, signatures = verified(signed, review, approvers, self._hands.now)
        self._books.decisions.record(found, signatures, ROLES)


def decided(body: Mapping[str, Any]) -> Said:
    """What the committee decides on a review's body: the first of its questions that somebody must act on."""
    standing = [alarm for alarm in body["alarms"] if alarm["answered_at"] is None]
    if any(alarm["cause"] == "codes-changed" for alarm in standing):
        return OTHER, "Simulated: the laboratory corrects its new analyser; alarms stay open until its code is mapped."
    if any(gate["state"] == "suspended" for gate in body["gates"]):
        if any(alarm["chart"] == INPUT for alarm in standing):
            return RETRAIN, "Simulated: stays suspended; the model is trained anew on what changed, and weighed again."
        return CONTINUE, "Simulated: stays suspended until what is recorded since holds the limits, and two approve."
    missed = [alarm["subject"] for alarm in standing if alarm["chart"] == EQUITY]
    if missed:
        said = ", ".join(missed)
        return OTHER, f"Simulated: the ward looks at when worsening is charted for {said}; its gate stays shut."
    return CONTINUE, "Simulated: nothing of this week asks for a change."
