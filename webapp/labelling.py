"""A person's label for one answer -> its outcomes, each with the label that the same facts give it.

A person says once what happened and when; the answer may have predicted it for 6, 12 and 24 hours. Refuses (Unsaid,
with the words' key) what contradicts itself: "yes" without a time, "early" after the first hour.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from governance.keys import Pseudonym
from governance.outcomes import EARLY, LABELS, NO, REVIEW, UNKNOWN, YES, Outcome
from inference import gates
from inference.assessment import VENTILATION
from webapp import words

SOON: Final = timedelta(minutes=gates.EARLY_MINUTES)
REASON: Final = "reviewed"


class Unsaid(Exception):
    """A form that does not say what happened: `key` names the sentence."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


def moment(text: str, zone_name: str) -> datetime | None:
    """A form's local date and time in the site's zone; None for none. Raises Unsaid."""
    if not text.strip():
        return None
    try:
        local = datetime.fromisoformat(text.strip())
    except ValueError:
        raise Unsaid("form-label-time", "the time is none: give date and time") from None
    if local.tzinfo is not None or len(text.strip()) < len("2026-11-23T10:04"):
        raise Unsaid("form-label-time", "the time is to be of the hospital's clock, with hour and minute")
    return local.replace(tzinfo=words.zone_of(zone_name))


def outcomes(
    assessment_id: str,
    model: str,
    as_of: datetime,
    still: tuple[tuple[str, int], ...],
    label: str,
    happened: datetime | None,
    *,
    reviewer: Pseudonym,
    now: datetime,
) -> list[Outcome]:
    """What is kept for each of the outcomes `still` open (name, hours). Raises Unsaid."""
    if label not in LABELS:
        raise Unsaid("form-label", f"a label is one of {', '.join(sorted(LABELS))}")
    if label in (YES, EARLY) and happened is None:
        raise Unsaid("form-label-time", f"'{label}' says when it happened")
    if label in (YES, EARLY) and happened is not None and model == VENTILATION:
        _agree(label, happened, as_of, max(hours for _, hours in still))
    over = [(name, hours) for name, hours in still if label != NO or now >= as_of + timedelta(hours=hours)]
    if not over:
        raise Unsaid("form-label-early", "its hours are not over: that it did not happen cannot be said yet")
    return [
        Outcome(
            assessment_id,
            name,
            said,
            known_at=now,
            happened_at=happened if said in (YES, EARLY) else None,
            reason=REASON,
            source=REVIEW,
            reviewer=reviewer,
        )
        for name, hours in over
        for said in (_of(label, happened, as_of, hours, model),)
    ]


def _agree(label: str, happened: datetime, as_of: datetime, longest: int) -> None:
    """Raises Unsaid where label and time contradict one another; a time before the answer the ledger refuses."""
    after = happened - as_of
    if after > timedelta(hours=longest):
        raise Unsaid("form-label-late", f"that is after the {longest} hours of the answer: it is a 'no'")
    if after >= timedelta(0) and (label == EARLY) != (after <= SOON):
        said = "within the hour it is 'early'" if label == YES else "after the first hour it is a 'yes'"
        raise Unsaid("form-label-soon", said)


def _of(label: str, happened: datetime | None, as_of: datetime, hours: int, model: str) -> str:
    """The label of one outcome: a beginning after its own hours is none of it."""
    if label in (UNKNOWN, NO) or happened is None or model != VENTILATION:
        return label
    return label if happened - as_of <= timedelta(hours=hours) else NO
