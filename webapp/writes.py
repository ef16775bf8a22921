"""What can be written to the chart from the page, and what was: a button, or when, by whom and where it lies.

Nothing is written by looking. Refuses nothing: the door has decided what may be offered.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, tzinfo

from webapp.words import say


@dataclass(frozen=True, slots=True)
class Write:
    """One resource for the chart. `url` is "" where no button may be; the rest is of what was written.

    `draft`: a page no clinician has given out yet, or a model in demonstration: it goes in as preliminary.
    """

    kind: str  # "RiskAssessment", "DocumentReference"
    url: str = ""
    draft: bool = False
    language: str = ""
    by: str = ""
    at: datetime | None = None
    reference: str = ""


@dataclass(frozen=True, slots=True)
class WriteView:
    """The same in words."""

    kind: str
    url: str
    label: str
    draft: str
    done: str
    reference: str


def view(write: Write, zone: tzinfo) -> WriteView:
    """One button, or one line of what was written; times in `zone`."""
    written = write.at is not None
    return WriteView(
        kind=write.kind,
        url="" if written else write.url,
        label=say("en", f"write.{write.kind}.label"),
        draft=say("en", f"write.{write.kind}.draft") if write.draft else "",
        done=say(
            "en", f"write.{write.kind}.done", zone=zone, at=write.at, by=write.by or say("en", "write.nobody")
        )
        if write.at is not None
        else "",
        reference=write.reference,
    )
