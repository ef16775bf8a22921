"""Writing to the chart: an answer as RiskAssessment, the patient's page as DocumentReference, by a button.

Offered only where the site wants it, the launch granted it and the hospital's server says it can be created; to
clinicians alone; and only what this visit may see. Once: the ledger knows what was written, one worker writes at
a time, and the server is told to make it only where it is not there yet. What the hospital refuses is kept and
said with its own sentence. Nothing is written by looking.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from ehr import notes
from ehr.errors import EhrError, EhrUnavailable, MalformedRequest, NotPermitted, Unauthorised
from ehr.scopes import permissions
from ehr.site import WRITABLE
from ehr.transport import Budget, Created, FhirHttp
from governance.entries import Event, Recorded
from inference.assessment import Assessment, State, Status
from webapp import filing, handout, visits
from webapp.answer import WITHHELD
from webapp.filing import RISK, Note, Render
from webapp.rooms import Rooms
from webapp.visits import Visit
from webapp.writes import Write

SECONDS: Final = 8.0  # one write may take; another click waits as long for the first
STEP: Final = 0.2
SENTENCES: Final[Mapping[int, str]] = {
    400: "write-not-understood",
    403: "write-not-permitted",
    405: "write-not-offered",
    409: "write-conflict",
    412: "write-several",
    422: "write-not-understood",
}


class NotWritten(Exception):
    """The hospital did not take it, or may have: `key` names the sentence, `status` is ours to answer with."""

    def __init__(self, key: str, status: int, error: EhrError) -> None:
        super().__init__(str(error))
        self.key, self.status = key, status


def offered(rooms: Rooms, visit: Visit, recorded: Recorded, url: str) -> tuple[Write, ...]:
    """What can be written of this answer, and what was; nothing where there is no leave at all."""
    history = rooms.ledger.history(recorded.id)
    made = []
    for kind in reversed(WRITABLE):
        note = _note(rooms, visit, recorded, kind)
        done = _written(history, note.identifier)
        if done is None and _may(rooms, visit, recorded, kind):
            made.append(Write(kind, url, note.draft, note.language))
        elif done is not None:
            told = done.detail
            made.append(
                Write(
                    kind,
                    "",
                    note.draft,
                    note.language,
                    told.get("by", ""),
                    done.at,
                    told.get("reference", ""),
                )
            )
    return tuple(made)


def write(rooms: Rooms, visit: Visit, recorded: Recorded, kind: str, render: Render) -> None:
    """Write it once. Raises NotWritten, MalformedRequest, and what the ledger raises."""
    if kind not in WRITABLE:
        raise MalformedRequest(f"what can be written is {', '.join(WRITABLE)}", "type")
    if not _may(rooms, visit, recorded, kind):
        said = "writing this to the chart is not offered here, was not granted, or not to this user"
        raise NotWritten("write-not-permitted", 403, NotPermitted(said))
    note = _note(rooms, visit, recorded, kind)
    if _written(rooms.ledger.history(recorded.id), note.identifier) is not None:
        return None
    if not rooms.vault.once("writing", note.identifier, SECONDS):
        return _wait_for_the_other(rooms, recorded, note)
    resource = filing.resource(rooms, visit, recorded, note, render)
    began = rooms.clock()
    try:
        created = _create(rooms, visit, resource)
    except EhrError as error:
        told = {
            "type": kind,
            "identifier": note.identifier,
            "status": str(error.status),
            "by": visit.grant.user,
        }
        rooms.ledger.event(
            "write-refused", assessment=recorded.id, user=visit.grant.user, detail=told, at=began
        )
        raise _not_written(error) from error
    told = {
        "type": kind,
        "identifier": note.identifier,
        "reference": f"{kind}/{created.id}" if created.id else kind,
        "version": created.version,
        "there already": "yes" if created.existed else "no",
        "by": visit.grant.user,
    }
    return _keep(rooms, visit, recorded, told)


def _keep(rooms: Rooms, visit: Visit, recorded: Recorded, told: Mapping[str, str]) -> None:
    rooms.ledger.event("written", assessment=recorded.id, user=visit.grant.user, detail=told)


def _create(rooms: Rooms, visit: Visit, resource: Mapping[str, Any]) -> Created:
    """A token the hospital no longer takes is renewed once: what it refused was not written."""
    visit = visits.with_fresh_token(rooms, visit)
    try:
        return _http(rooms, visit).create(resource, if_none_exist=notes.once(resource))
    except Unauthorised:
        visit = visits.renew(rooms, visit)
        return _http(rooms, visit).create(resource, if_none_exist=notes.once(resource))


def _http(rooms: Rooms, visit: Visit) -> FhirHttp:
    token, quirks = visit.grant.access_token, visit.tenant.quirks
    return FhirHttp(visit.tenant.issuer, token, rooms.http, Budget(SECONDS), clock=rooms.clock, quirks=quirks)


def _not_written(error: EhrError) -> NotWritten:
    if isinstance(error, EhrUnavailable) or not error.status:
        return NotWritten("write-unknown", 502, error)
    status = error.status if error.status in (403, 409, 412) else 502
    return NotWritten(SENTENCES.get(error.status, "write-refused"), status, error)


def _wait_for_the_other(rooms: Rooms, recorded: Recorded, note: Note) -> None:
    """Another click is writing it: what becomes of that becomes of this."""
    since = rooms.clock() - timedelta(seconds=SECONDS)
    for _ in range(int(SECONDS / STEP)):
        history = rooms.ledger.history(recorded.id)
        if _written(history, note.identifier) is not None:
            return
        if any(_is(event, "write-refused", note.identifier) and event.at >= since for event in history):
            break
        rooms.wait(STEP)
    raise NotWritten("write-again", 409, EhrError("an attempt was made a moment ago and has not succeeded"))


def _may(rooms: Rooms, visit: Visit, recorded: Recorded, kind: str) -> bool:
    """Whether there is leave: of the site, of the launch, of the server; and something to write."""
    asked = visit.clinician and kind in visit.tenant.write_back
    if not asked or not permissions(visit.grant.scope).may(kind, "c"):
        return False
    if kind == RISK and not _stands(recorded.assessment, recorded.state):
        return False
    capability = rooms.capabilities.of(visit.tenant)
    return notes.may_create(kind, visit.tenant, visit.grant.scope, capability)


def _stands(found: Assessment, state: State) -> bool:
    """Whether there is a number that somebody stands behind and that may be seen here."""
    return state not in WITHHELD and found.status is Status.ASSESSED and found.headline is not None


def _note(rooms: Rooms, visit: Visit, recorded: Recorded, kind: str) -> Note:
    if kind == RISK:
        return Note(kind, recorded.id, "", recorded.state is not State.ACTIVE)
    given = rooms.ledger.released(recorded.id)
    language = handout.spoken_language(given[-1].language if given else visit.about("language") or "en")
    standing = "given" if given else "draft"
    identifier = f"{recorded.id}/patient-page/{language}/{standing}"
    return Note(kind, identifier, language, not given or recorded.state is not State.ACTIVE)


def _written(history: tuple[Event, ...], identifier: str) -> Event | None:
    return next((event for event in history if _is(event, "written", identifier)), None)


def _is(event: Event, kind: str, identifier: str) -> bool:
    return event.kind == kind and event.detail.get("identifier") == identifier
