"""What is filed in the chart: the resource for an answer, or for the patient's page as it was given.

A page goes in as PDF; where none can be made, as itself with its style and without script. Refuses nothing by
itself; `ehr.notes` refuses what R4 would not have.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from ehr import notes
from ehr.notes import Chapter
from governance.entries import Recorded
from webapp import handout, question, slips, visits, words
from webapp.answer import family
from webapp.rooms import Rooms
from webapp.visits import Visit
from webapp.words import say

RISK: Final = "RiskAssessment"
PAGE: Final = "DocumentReference"
Render = Callable[[handout.HandoutView], str]  # the patient's page as HTML


@dataclass(frozen=True, slots=True)
class Note:
    """One thing to be filed: where it is found again, in which language, and whether it is a draft."""

    kind: str
    identifier: str
    language: str
    draft: bool


def resource(rooms: Rooms, visit: Visit, recorded: Recorded, note: Note, render: Render) -> dict[str, Any]:
    chapter = Chapter(visit.grant.patient, visit.grant.encounter or "", visit.grant.user)
    if note.kind == RISK:
        found = recorded.assessment
        zone = words.zone_of(visit.tenant.time_zone)
        told = {
            p.outcome: say(
                "en",
                f"outcomes.{family(p.outcome)}{question.suffix(found)}",
                hours=p.hours,
                **question.fields(found, zone),
            )
            for p in found.predictions
            if p.probability is not None
        }
        return notes.risk_assessment(
            found,
            chapter,
            identifier=note.identifier,
            state=recorded.state,
            outcomes=told,
            note=say("en", "write.association"),
        )
    view, made_at = _patients_page(rooms, visit, recorded, note.language)
    page, kind = on_paper(render(view))
    return notes.document_reference(
        page,
        kind,
        chapter,
        identifier=note.identifier,
        title=view.title,
        created=made_at,
        loinc=visit.tenant.note_type,
        language=note.language,
        final=not note.draft,
    )


def _patients_page(
    rooms: Rooms, visit: Visit, recorded: Recorded, language: str
) -> tuple[handout.HandoutView, datetime]:
    """The page as it was given, or as it would be, without links; and the moment it is of."""
    given = [each for each in rooms.ledger.released(recorded.id) if each.language == language]
    who = visits.identity_of(visit)
    view = handout.view(
        recorded.assessment,
        language=language,
        state=recorded.state,
        zone=visit.tenant.time_zone,
        name=who.name,
        born=who.born,
        released_by=visit.tenant.name if given else "",
        released_at=given[0].at if given else None,
        slip=slips.of(rooms, recorded, language) if given else None,
    )
    return view, given[0].at if given else recorded.assessment.as_of


def on_paper(html: str) -> tuple[bytes, str]:
    """The page for the chart: PDF; where none can be made, the page itself with its style and without script."""
    try:
        return handout.pdf(html), "application/pdf"
    except handout.PrintingUnavailable:
        style = (handout.STATIC / "handout.css").read_text(encoding="utf-8")
        bare = re.sub(r"<script\b[^>]*></script>\s*", "", html)
        return re.sub(r"<link\b[^>]*>", lambda _: f"<style>\n{style}</style>", bare).encode(), "text/html"
