"""The pages of a visit: the result, the patient's page, what clinicians tell us, and what the models are.

Everything but /about needs a visit: its id in the address and its cookie in the browser. What is shown is what the
ledger holds; the patient's page is never computed again, and is a draft until a clinician releases it.
"""

from __future__ import annotations

from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, Flask, Response, make_response, redirect, render_template, request, url_for

from ehr import smart
from ehr.errors import MalformedRequest, NotFound, NotPermitted, Unauthorised
from ehr.identity import Identity, identity
from ehr.reader import read_record
from ehr.records import Reading, read_patient
from ehr.transport import Budget, FhirHttp
from governance.entries import Recorded
from inference.assessment import State
from webapp import about as card_face
from webapp import errors, handout, security, visits, words
from webapp import result as face
from webapp.consult import Occasion, consult
from webapp.ops import FOREIGN, STAGES
from webapp.rooms import Rooms, here
from webapp.visits import Visit

door = Blueprint("pages", __name__)
OPINIONS = ("agree", "disagree")
LONGEST_COMMENT = 2000


def install(app: Flask) -> None:
    """Open the door."""
    app.register_blueprint(door)


@door.get("/result")
def result() -> Response:
    """The chart read now, both models asked, the ledger written, and the page."""
    rooms = here()
    visit = visits.with_fresh_token(rooms, visits.current(rooms))
    if not visit.grant.for_clinician:
        raise NotPermitted(
            "this page is written for clinicians; ask your care team for the page made for you"
        )
    if not smart.permissions(visit.grant.scope).may("Observation", "s"):
        raise NotPermitted("this launch did not grant reading observations, so there is no chart to assess")
    reading, visit = _read(rooms, visit)
    who = identity(visit.grant.patient, reading.resources)
    moment = rooms.clock()
    with STAGES.labels("consult").time():
        record = read_record(
            visit.grant.patient,
            reading.resources,
            local_codes=visit.tenant.local_codes,
            zone=ZoneInfo(visit.tenant.time_zone),
            truncated=reading.truncated,
        )
        occasion = Occasion(
            visit.tenant,
            visit.grant.patient,
            moment,
            "launch",
            user=visit.grant.user,
            encounter=visit.grant.encounter or "",
        )
        found = consult(record, rooms.models.values(), rooms.ledger, occasion)
    visits.remember(
        rooms,
        visit,
        {
            "name": who.name,
            "born": who.born.isoformat() if who.born else "",
            "language": who.language,
            "sex": who.sex,
            "mrn": who.record_number,
            "answers": [each.id for each in found],
            "foreign": reading.foreign,
            "focus": _focus(rooms, visit),
        },
    )
    for each in found:
        rooms.ledger.viewed(each.id, user=visit.grant.user, where="result")
    return _result(rooms, visits.current(rooms))


@door.get("/result/stored")
def stored() -> Response:
    """The answers of this visit as they were given: where the forms lead back to. Nothing is computed again."""
    rooms = here()
    return _result(rooms, visits.current(rooms))


@door.post("/assessments/<key>/opinion")
def opinion(key: str) -> Response:
    """A clinician agrees, or disagrees and says why."""
    rooms = here()
    visit, recorded = _asked(rooms, key)
    chosen = request.form.get("opinion", "")
    comment = request.form.get("comment", "").strip()
    if chosen not in OPINIONS:
        raise MalformedRequest(f"an opinion is one of {', '.join(OPINIONS)}", "opinion")
    if len(comment) > LONGEST_COMMENT:
        raise MalformedRequest(f"a comment has at most {LONGEST_COMMENT} characters", "comment")
    rooms.ledger.event(
        "opinion",
        assessment=recorded.id,
        user=visit.grant.user,
        detail={"opinion": chosen, "comment": comment},
    )
    return _back(visit, recorded)


@door.post("/assessments/<key>/release")
def release(key: str) -> Response:
    """A clinician gives the patient's page out, in a language."""
    rooms = here()
    visit, recorded = _asked(rooms, key)
    language = handout.spoken_language(request.form.get("language") or visit.about("language") or "en")
    if not visit.clinician:
        raise NotPermitted(
            "a page for the patient is released by a clinician; the hospital says this user is none"
        )
    if request.form.get("read") != "yes":
        raise MalformedRequest("read the patient's page first, and say that you have", "read")
    rooms.ledger.release(recorded.id, visit.grant.user, language, rooms.clock())
    return _see(url_for("pages.patient_page", key=recorded.id, visit=visit.id, language=language))


@door.get("/handout/<key>")
def patient_page(key: str) -> Response:
    """The patient's page on the screen: the stored assessment in plain words."""
    rooms = here()
    visit = visits.current(rooms)
    recorded = _recorded(rooms, visit, key)
    rooms.ledger.viewed(recorded.id, user=visit.grant.user, where="handout")
    return make_response(render_template("handout.html", view=_handout(rooms, visit, recorded)))


@door.get("/handout/<key>.pdf")
def patient_pdf(key: str) -> Response:
    """The same page as PDF, on Letter or A4."""
    rooms = here()
    visit = visits.current(rooms)
    recorded = _recorded(rooms, visit, key)
    html = render_template("handout.html", view=_handout(rooms, visit, recorded))
    rooms.ledger.event("printed", assessment=recorded.id, user=visit.grant.user, detail={"where": "handout"})
    answer = make_response(handout.pdf(html))
    answer.mimetype = "application/pdf"
    answer.headers["Content-Disposition"] = f'inline; filename="ordertime-{recorded.id[:8]}.pdf"'
    return answer


@door.post("/close")
def close() -> Response:
    """End the visit: the page can no longer be opened, and the vault forgets the hospital's tokens."""
    rooms = here()
    visit = visits.current(rooms)
    security.check_form_token(visit.secret, visit.id, request.form.get("csrf_token", ""))
    visits.close(rooms, visit)
    answer = errors.page(200, "closed")
    security.drop_cookie(answer, security.cookie_name("visit", visit.id))
    return answer


@door.get("/about")
def about() -> Response:
    """What the models are, limits first: the card that ships with each artefact, and its state here."""
    rooms = here()
    states = {
        name: sorted({tenant.models[name].state for tenant in rooms.tenants}) or [State.SILENT]
        for name in rooms.models
    }
    view = card_face.view({name: model.manifest for name, model in rooms.models.items()}, rooms.cards, states)
    return make_response(render_template("about.html", view=view))


@door.get("/")
def home() -> Response:
    """Nothing lives here: the app is opened from the chart."""
    return _see(url_for("pages.about"))


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
        reading = read_patient(http, visit.grant.patient, as_of=rooms.clock(), quirks=visit.tenant.quirks)
    FOREIGN.labels("launch").inc(reading.foreign)
    return reading


def _focus(rooms: Rooms, visit: Visit) -> str:
    """The model whose card led here, if the card was of this hospital, this patient and used for the first time."""
    recorded = (
        rooms.ledger.recall(visit.app_context, tenant=visit.tenant.id, patient=visit.grant.patient)
        if visit.app_context
        else None
    )
    return recorded.assessment.model if recorded else ""


def _result(rooms: Rooms, visit: Visit) -> Response:
    kept = [_recorded(rooms, visit, key) for key in visit.answers]
    if not kept:
        return _see(url_for("pages.result", visit=visit.id))
    shown = [_shown(rooms, visit, recorded) for recorded in kept]
    focus = next((r.id for r in kept if r.assessment.model == visit.about("focus")), "")
    view = face.view(
        shown,
        zone=visit.tenant.time_zone,
        opened=visit.opened,
        banner=_banner(visit),
        foreign=int(visit.about("foreign") or 0),
        csrf=visit.form_token,
        visit=visit.id,
        focus=focus,
        about_url=url_for("pages.about"),
        again_url=url_for("pages.result", visit=visit.id),
    )
    return make_response(render_template("result.html", view=view))


def _shown(rooms: Rooms, visit: Visit, recorded: Recorded) -> face.Shown:
    address: dict[str, Any] = {"key": recorded.id, "visit": visit.id}
    said = [event for event in rooms.ledger.history(recorded.id) if event.kind == "opinion"]
    released = rooms.ledger.released(recorded.id)
    language = handout.spoken_language(released[-1].language if released else visit.about("language") or "en")
    return face.Shown(
        id=recorded.id,
        assessment=recorded.assessment,
        state=recorded.state,
        threshold=visit.tenant.models[recorded.assessment.model].threshold,
        opinion=said[-1].detail.get("opinion", "") if said else "",
        released_by=visit.grant.user if released else "",
        released_at=released[-1].at if released else None,
        feedback_url=url_for("pages.opinion", **address),
        release_url=url_for("pages.release", **address) if visit.clinician else "",
        handout_url=url_for("pages.patient_page", **address, language=language),
        pdf_url=url_for("pages.patient_pdf", **address, language=language),
        language=language,
    )


def _banner(visit: Visit) -> face.Banner | None:
    """The identity, unless the EHR says that it shows it already (SMART: need_patient_banner is false)."""
    if visit.grant.need_patient_banner is False:
        return None
    who = _who(visit)
    return face.Banner(who.name, who.born, who.sex, who.record_number)


def _who(visit: Visit) -> Identity:
    born = visit.about("born")
    return Identity(
        visit.about("name"),
        date.fromisoformat(born) if born else None,
        visit.about("sex") or "unknown",
        visit.about("mrn"),
        visit.about("language"),
    )


def _handout(rooms: Rooms, visit: Visit, recorded: Recorded) -> handout.HandoutView:
    language = handout.spoken_language(request.args.get("language") or visit.about("language") or "en")
    paper = request.args.get("paper", "letter")
    released = [each for each in rooms.ledger.released(recorded.id) if each.language == language]
    who = _who(visit)

    def address(endpoint: str, spoken: str) -> str:
        return url_for(endpoint, key=recorded.id, visit=visit.id, language=spoken, paper=paper)

    return handout.view(
        recorded.assessment,
        language=language,
        state=recorded.state,
        zone=visit.tenant.time_zone,
        name=who.name,
        born=who.born,
        paper=paper,
        released_by=visit.tenant.name if released else "",
        released_at=released[0].at if released else None,
        pdf_url=address("pages.patient_pdf", language),
        back_url=url_for("pages.stored", visit=visit.id),
        languages={code: address("pages.patient_page", code) for code in words.LANGUAGES if code != language},
    )


def _asked(rooms: Rooms, key: str) -> tuple[Visit, Recorded]:
    """The visit and the answer a form is about, the form proven this visit's own."""
    visit = visits.current(rooms)
    security.check_form_token(visit.secret, visit.id, request.form.get("csrf_token", ""))
    return visit, _recorded(rooms, visit, key)


def _recorded(rooms: Rooms, visit: Visit, key: str) -> Recorded:
    recorded = rooms.ledger.recall(key, tenant=visit.tenant.id, patient=visit.grant.patient)
    if recorded is None:
        raise NotFound("no answer of that id was given about this patient here")
    return recorded


def _back(visit: Visit, recorded: Recorded) -> Response:
    return _see(url_for("pages.stored", visit=visit.id, _anchor=recorded.assessment.model))


def _see(url: str) -> Response:
    return make_response(redirect(url, code=303))
