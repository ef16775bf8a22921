"""A visit's chart read now, and both models asked: once at the launch, again for another planned draw.

What is remembered of a reading is sealed in the vault until the visit ends. A planned draw is remembered as a
moment, so that a later reading asks for what is left of the way to it; once it is too near to be asked about,
it is not stated any more.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from ehr import smart
from ehr.errors import MalformedRequest, NotPermitted, Unauthorised
from ehr.identity import Identity, identity
from ehr.reader import read_record
from ehr.records import Reading, read_patient
from ehr.transport import Budget, FhirHttp
from governance.entries import Recorded
from inference import gates
from inference.chart import Record
from webapp import audit, visits
from webapp.consult import Consultation, Occasion, consult, draw_of, hours_to
from webapp.ops import FOREIGN, STAGES
from webapp.rooms import Rooms
from webapp.visits import Visit


def planned(rooms: Rooms, visit: Visit) -> datetime | None:
    """The draw this visit asks about: what was chosen on its page, else that of the card that led here."""
    if "planned" in visit.kept:
        chosen = visit.about("planned")
        return datetime.fromisoformat(chosen) if chosen else None
    card = _followed(rooms, visit)
    return None if card is None else draw_of(card.assessment)


@dataclass(frozen=True, slots=True)
class Seen:
    """A chart as it was read: whose, at which moment, the record, and how many rows of others were dropped."""

    visit: Visit
    moment: datetime
    who: Identity
    record: Record = field(repr=False)
    foreign: int


def consulted(rooms: Rooms, visit: Visit, draw: datetime | None) -> tuple[Consultation, ...]:
    """The chart read now, both models asked, the ledger written, the visit remembering it.

    `draw`: when the next troponin is planned, None where nobody says. Raises NotPermitted, and what reading
    the chart and writing the ledger raise.
    """
    return asked(rooms, seen(rooms, visit), draw)


def seen(rooms: Rooms, visit: Visit) -> Seen:
    """The chart read now, and ledger and trail told so: what cannot be written is found out before anything is said.

    Raises NotPermitted, and what reading the chart and writing the ledger raise.
    """
    _check(visit)
    reading, visit = _read(rooms, visit)
    record = read_record(
        visit.grant.patient,
        reading.resources,
        local_codes=visit.tenant.local_codes,
        care_units=visit.tenant.care_units,
        zone=ZoneInfo(visit.tenant.time_zone),
        base=visit.tenant.issuer,
        truncated=reading.truncated,
    )
    who = identity(visit.grant.patient, reading.resources)
    rooms.ledger.event(
        "chart-read", tenant=visit.tenant.id, patient=visit.grant.patient, user=visit.grant.user
    )
    audit.seen(rooms, "viewed", visit)
    return Seen(visit, rooms.clock(), who, record, reading.foreign)


def asked(rooms: Rooms, chart: Seen, draw: datetime | None) -> tuple[Consultation, ...]:
    """Both models asked about the chart, the ledger written, the visit remembering it."""
    visit = chart.visit
    with STAGES.labels("consult").time():
        occasion = Occasion(
            visit.tenant,
            visit.grant.patient,
            chart.moment,
            "launch",
            user=visit.grant.user,
            encounter=visit.grant.encounter or "",
            hours_ahead=hours_to(draw, chart.moment),
        )
        found = consult(chart.record, rooms.models.values(), rooms.ledger, rooms.readings, occasion)
    visits.remember(rooms, visit, _about(rooms, visit, chart.who, found, chart.foreign, draw))
    for each in found:
        rooms.ledger.viewed(each.id, user=visit.grant.user, where="result")
        audit.seen(rooms, "viewed", visit, each.id)
    return found


def _check(visit: Visit) -> None:
    if not visit.grant.for_clinician:
        raise NotPermitted(
            "this page is written for clinicians; ask your care team for the page made for you"
        )
    if not smart.permissions(visit.grant.scope).may("Observation", "s"):
        raise NotPermitted("this launch did not grant reading observations, so there is no chart to assess")


def _about(
    rooms: Rooms,
    visit: Visit,
    who: Identity,
    found: tuple[Consultation, ...],
    foreign: int,
    draw: datetime | None,
) -> dict[str, Any]:
    """What the visit's pages need until it ends."""
    card = _followed(rooms, visit)
    return {
        "name": who.name,
        "born": who.born.isoformat() if who.born else "",
        "language": who.language,
        "sex": who.sex,
        "mrn": who.record_number,
        "answers": [each.id for each in found],
        "foreign": foreign,
        "focus": card.assessment.model if card else "",
        "planned": draw.isoformat() if draw else "",
    }


def _followed(rooms: Rooms, visit: Visit) -> Recorded | None:
    """The answer whose card led here, if it was given at this hospital about this patient, and not long ago.

    A link may be followed again: its context opens nothing that the launch itself did not grant.
    """
    if not visit.app_context:
        return None
    found = rooms.ledger.recall(visit.app_context, tenant=visit.tenant.id, patient=visit.grant.patient)
    lasting = timedelta(hours=rooms.settings.visit_hours)
    return found if found is not None and visit.opened - found.made_at <= lasting else None


def _read(rooms: Rooms, visit: Visit) -> tuple[Reading, Visit]:
    """The patient's resources. A token the hospital no longer takes is renewed once, and then that is that."""
    try:
        return _reading(rooms, visit), visit
    except Unauthorised:
        visit = visits.renew(rooms, visit)
        return _reading(rooms, visit), visit


def _reading(rooms: Rooms, visit: Visit) -> Reading:
    budget = Budget(rooms.settings.read_budget)
    http = FhirHttp(
        visit.tenant.issuer,
        visit.grant.access_token,
        rooms.http,
        budget,
        clock=rooms.clock,
        quirks=visit.tenant.quirks,
    )
    with STAGES.labels("read").time():
        reading = read_patient(
            http,
            visit.grant.patient,
            as_of=rooms.clock(),
            quirks=visit.tenant.quirks,
            local_codes=visit.tenant.local_codes,
        )
    FOREIGN.labels("launch").inc(reading.foreign)
    return reading


def stated(hours: str) -> float | None:
    """Hours to the planned draw as a form sent them, None where it left them out.

    Raises MalformedRequest for what is no number, QuestionError for a draw that cannot be asked about.
    """
    if not hours.strip():
        return None
    try:
        number = float(hours)
    except ValueError:
        raise MalformedRequest(
            "is no number of hours; leave it out where no draw is planned", "hours_ahead"
        ) from None
    return gates.draw_ahead(number)
