"""CDS Hooks feedback: what clinicians did with our cards. Comments are a person's words: kept out of
messages.

Refuses (MalformedRequest) a body that is not the specification's; a card nobody here sent is not for us to
refuse.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from ehr.errors import MalformedRequest
from ehr.moments import NotUsed, instant

OUTCOMES: Final = ("accepted", "overridden")
MOST_ROWS: Final = 1000
LONGEST: Final = {"card": 200, "comment": 10_000, "code": 200}  # characters


@dataclass(frozen=True, slots=True)
class FeedbackRow:
    """One outcome of one card."""

    card: str
    outcome: str
    at: datetime
    override_code: str = ""
    override_system: str = ""
    comment: str = field(default="", repr=False)
    accepted: tuple[str, ...] = ()


def read_feedback(body: Mapping[str, Any]) -> tuple[FeedbackRow, ...]:
    """The rows of a feedback request, in order. Raises MalformedRequest naming the element."""
    rows = body.get("feedback")
    if not isinstance(rows, list) or not rows:
        raise MalformedRequest("is missing, empty or no list", "feedback")
    if len(rows) > MOST_ROWS:
        raise MalformedRequest(f"has more than {MOST_ROWS} rows", "feedback")
    return tuple(_row(row, f"feedback[{index}]") for index, row in enumerate(rows))


def _row(row: Any, where: str) -> FeedbackRow:
    if not isinstance(row, Mapping):
        raise MalformedRequest("is no object", where)
    outcome = row.get("outcome")
    if outcome not in OUTCOMES:
        raise MalformedRequest(f"is none of {', '.join(OUTCOMES)}", f"{where}.outcome")
    try:
        at = instant(row.get("outcomeTimestamp"))
    except NotUsed:
        raise MalformedRequest("is no ISO 8601 instant with a zone", f"{where}.outcomeTimestamp") from None
    override = _object(row.get("overrideReason"), f"{where}.overrideReason")
    reason = _object(override.get("reason"), f"{where}.overrideReason.reason")
    return FeedbackRow(
        card=_text(row.get("card"), "card", f"{where}.card", needed=True),
        outcome=outcome,
        at=at,
        override_code=_text(reason.get("code"), "code", f"{where}.overrideReason.reason.code"),
        override_system=_text(reason.get("system"), "code", f"{where}.overrideReason.reason.system"),
        comment=_text(override.get("userComment"), "comment", f"{where}.overrideReason.userComment"),
        accepted=_suggestions(row.get("acceptedSuggestions"), where),
    )


def _suggestions(rows: Any, where: str) -> tuple[str, ...]:
    if rows is None:
        return ()
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        raise MalformedRequest("is no list of objects", f"{where}.acceptedSuggestions")
    return tuple(_text(row.get("id"), "card", f"{where}.acceptedSuggestions.id", needed=True) for row in rows)


def _object(value: Any, where: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise MalformedRequest("is no object", where)
    return value


def _text(value: Any, kind: str, where: str, *, needed: bool = False) -> str:
    if value is None and not needed:
        return ""
    if not isinstance(value, str) or (needed and not value) or len(value) > LONGEST[kind]:
        raise MalformedRequest(f"is no text of at most {LONGEST[kind]} characters", where)
    return value
