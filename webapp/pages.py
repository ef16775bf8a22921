"""The pages of a visit: the result, the patient's page, and what clinicians tell us.

Everything needs a visit: its id in the address and its cookie in the browser. What is shown is what the
ledger holds; the patient's page is never computed again, and is a draft until a clinician releases it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from flask import (
    Blueprint,
    Flask,
    Response,
    make_response,
    redirect,
    render_template,
    request,
    stream_template,
    url_for,
)

from ehr.errors import MalformedRequest
from ehr.identity import Identity
from ehr.style import read_style
from ehr.transport import Budget
from governance.entries import Recorded
from inference import gates
from inference.errors import QuestionError
from webapp import (
    audit,
    errors,
    handout,
    limits,
    look,
    peers,
    reading,
    recall,
    security,
    slips,
    streaming,
    visits,
    words,
    writing,
)
from webapp import result as face
from webapp.errors import FormRefused
from webapp.rooms import Rooms, here
from webapp.visits import Visit

door = Blueprint("pages", __name__)
OPINIONS = ("agree", "disagree")
DISAGREEMENTS = face.DISAGREEMENTS
LONGEST_COMMENT = 2000
STYLE_SECONDS = 2.0
STYLE_KEPT = timedelta(minutes=10)
OPENED = ("GET", "POST")  # posted by a frame without cookies, which has its secret in the body


def install(app: Flask) -> None:
    """Open the door."""
    app.register_blueprint(door)


@door.route("/result", methods=OPENED)
def result() -> Response:
    """The chart read now, and the page begun at once; the models are asked while its head is on the way.

    What the hospital or the ledger refuse has its own status. A fault after the first byte is said in the page.
    """
    rooms = here()
    if request.method == "HEAD":  # nobody looks: no chart is read for it
        visits.current(rooms)
        return make_response("")
    visit = visits.with_fresh_token(rooms, visits.current(rooms))
    draw, chart = reading.planned(rooms, visit), reading.seen(rooms, visit)
    states = [policy.state for policy in chart.visit.tenant.models.values()]
    head = face.head(states, chart.moment, **_around(rooms, chart.visit, chart.who, chart.foreign))

    def rest() -> face.ResultView:
        try:
            reading.asked(rooms, chart, draw)
            return _view(rooms, visits.current(rooms))
        except Exception as error:
            # The status is sent: the page says what happened, and shows nothing in its place.
            key, reference = errors.noted(error)
            return face.in_trouble(head, key, reference)

    page = stream_template("result.html", view=head, rest=rest, language="en")
    return streaming.answer(page)


@door.route("/result/stored", methods=OPENED)
def stored() -> Response:
    """The answers of this visit as they were given: where the forms lead back to. Nothing is computed again."""
    rooms = here()
    visit = visits.current(rooms)
    for key in visit.answers:
        audit.seen(rooms, "viewed", visit, key)
    return _result(rooms, visit)


@door.post("/assessments/<key>/ask")
def ask(key: str) -> Response:
    """The same asked for another planned draw: the chart read anew, and an answer of its own in the ledger."""
    rooms = here()
    visit, recorded = _asked(rooms, key)
    if not _hears_draw(rooms, recorded):
        raise _form_refused(visit, recorded, "form-hours", "this model is not asked about a planned draw")
    try:
        hours = reading.stated(request.form.get("hours_ahead", ""))
    except (MalformedRequest, QuestionError) as error:
        raise _form_refused(visit, recorded, "form-hours", str(error)) from None
    draw = None if hours is None else rooms.clock() + timedelta(hours=hours)
    reading.consulted(rooms, visits.with_fresh_token(rooms, visit), draw)
    told = "not stated" if hours is None else f"{hours:g}"
    rooms.ledger.event(
        "asked-again", assessment=recorded.id, user=visit.grant.user, detail={"hours_ahead": told}
    )
    return _back(visit, recorded)


@door.post("/assessments/<key>/opinion")
def opinion(key: str) -> Response:
    """A clinician agrees, or disagrees and says why."""
    rooms = here()
    visit, recorded = _asked(rooms, key)
    chosen = request.form.get("opinion", "")
    reason, comment = (request.form.get(part, "").strip() for part in ("reason", "comment"))
    if chosen not in OPINIONS:
        said = f"an opinion is one of {', '.join(OPINIONS)}"
        raise _form_refused(visit, recorded, "form-opinion", said)
    if reason not in ("", *DISAGREEMENTS) or (chosen == "disagree" and not (reason or comment)):
        said = f"who disagrees says why: one of {', '.join(DISAGREEMENTS)}, or in words"
        raise _form_refused(visit, recorded, "form-reason", said)
    if len(comment) > LONGEST_COMMENT:
        said = f"a comment has at most {LONGEST_COMMENT} characters"
        raise _form_refused(visit, recorded, "form-comment", said)
    rooms.ledger.event(
        "opinion",
        assessment=recorded.id,
        user=visit.grant.user,
        detail={"opinion": chosen, "reason": reason if chosen == "disagree" else "", "comment": comment},
    )
    audit.seen(rooms, "opinion", visit, recorded.id)
    return _back(visit, recorded, "-doing")


@door.post("/assessments/<key>/release")
def release(key: str) -> Response:
    """A clinician gives the patient's page out, in a language."""
    rooms = here()
    visit, recorded = _asked(rooms, key)
    language = handout.spoken_language(request.form.get("language") or visit.about("language") or "en")
    if not visit.clinician:
        said = "the hospital's system says that this user is no clinician"
        raise _form_refused(visit, recorded, "form-not-clinician", said, 403)
    if request.form.get("read") != "yes":
        said = "the form says nothing of the page having been read"
        raise _form_refused(visit, recorded, "form-unread", said)
    rooms.ledger.release(recorded.id, visit.grant.user, language, rooms.clock())
    slips.lay(rooms, recorded, language)
    audit.seen(rooms, "released", visit, recorded.id)
    return _see(url_for("pages.patient_page", key=recorded.id, visit=visit.id, language=language))


@door.post("/assessments/<key>/write")
def write(key: str) -> Response:
    """Write the answer, or the patient's page, to the chart: once, where everybody allows it."""
    rooms = here()
    visit, recorded = _asked(rooms, key)
    try:
        writing.write(rooms, visit, recorded, request.form.get("type", ""), _on_paper)
    except writing.NotWritten as error:
        return errors.page(error.status, error.key, error, back_url=_page_of(visit, recorded))
    audit.seen(rooms, "written", visit, recorded.id)
    return _back(visit, recorded, "-writing")


@door.get("/result/look.css")
def hospitals_look() -> Response:
    """The EHR's fonts and colours, as far as they are harmless and readable; fetched by us, from its own servers."""
    rooms = here()
    visit = visits.current(rooms)
    answer = make_response(look.sheet(_style(rooms, visit)))
    answer.mimetype = "text/css"
    return answer


@door.route("/handout/<key>", methods=OPENED)
def patient_page(key: str) -> Response:
    """The patient's page on the screen: the stored assessment in plain words."""
    rooms = here()
    visit = visits.current(rooms)
    recorded = recall.recorded(rooms, visit, key)
    rooms.ledger.viewed(recorded.id, user=visit.grant.user, where="handout")
    audit.seen(rooms, "viewed", visit, recorded.id)
    return make_response(render_template("handout.html", view=_handout(rooms, visit, recorded)))


@door.route("/handout/<key>.pdf", methods=OPENED)
def patient_pdf(key: str) -> Response:
    """The same page as PDF, on Letter or A4."""
    rooms = here()
    visit = visits.current(rooms)
    limits.within(rooms, "papers", visit.id)
    recorded = recall.recorded(rooms, visit, key)
    html = render_template("handout.html", view=_handout(rooms, visit, recorded))
    rooms.ledger.event("printed", assessment=recorded.id, user=visit.grant.user, detail={"where": "handout"})
    audit.seen(rooms, "printed", visit, recorded.id)
    answer = make_response(handout.pdf(html))
    answer.mimetype = "application/pdf"
    answer.headers["Content-Disposition"] = f'inline; filename="ordertime-{recorded.id[:8]}.pdf"'
    return answer


@door.post("/close")
def close() -> Response:
    """End the visit: the page can no longer be opened, the vault forgets the tokens, the hospital withdraws them."""
    rooms = here()
    visit = visits.current(rooms)
    security.check_form_token(visit.secret, visit.id, request.form.get("csrf_token", ""))
    audit.seen(rooms, "closed", visit)
    told = visits.close(rooms, visit)
    rooms.ledger.event(
        "closed",
        tenant=visit.tenant.id,
        patient=visit.grant.patient,
        user=visit.grant.user,
        detail={"permission": told or "kept by the hospital"},
    )
    answer = errors.page(200, f"closed-{told}" if told else "closed")
    security.drop_cookie(answer, security.cookie_name("visit", visit.id))
    return answer


@door.get("/")
def home() -> Response:
    """Nothing lives here: the app is opened from the chart."""
    return _see(url_for("models.about"))


def _result(rooms: Rooms, visit: Visit) -> Response:
    if not visit.answers:
        return _see(url_for("pages.result", visit=visit.id))
    return make_response(render_template("result.html", view=_view(rooms, visit), language="en"))


def _view(rooms: Rooms, visit: Visit) -> face.ResultView:
    """The page of the visit's answers as the ledger holds them."""
    kept = [recall.recorded(rooms, visit, key) for key in visit.answers]
    shown = [_shown(rooms, visit, recorded) for recorded in kept]
    focus = next((r.id for r in kept if r.assessment.model == visit.about("focus")), "")
    who, foreign = visits.identity_of(visit), int(visit.about("foreign") or 0)
    return face.view(shown, focus=focus, **_around(rooms, visit, who, foreign))


def _around(rooms: Rooms, visit: Visit, who: Identity, foreign: int) -> dict[str, Any]:
    """What the page says around the answers."""
    return {
        "zone": visit.tenant.time_zone,
        "opened": visit.opened,
        "banner": _banner(visit, who),
        "foreign": foreign,
        "csrf": visit.form_token,
        "visit": visit.id,
        "about_url": url_for("models.about"),
        "again_url": url_for("pages.result", visit=visit.id),
        "look_url": url_for("pages.hospitals_look", visit=visit.id) if visit.grant.style_url else "",
        "close_url": url_for("pages.close"),
        "board_url": url_for("boards.board", site=visit.tenant.id, visit=visit.id) if visit.on_board else "",
    }


def _style(rooms: Rooms, visit: Visit) -> Mapping[str, str]:
    """The properties at the launch's `smart_style_url`, kept a while: a page is never slower for it."""
    url, tenant = visit.grant.style_url, visit.tenant
    if not url:
        return {}
    kept = rooms.vault.get("style", f"{tenant.id}|{url}")
    if kept is None:
        kept = dict(read_style(rooms.http, tenant, url, Budget(STYLE_SECONDS)))
        rooms.vault.put("style", f"{tenant.id}|{url}", kept, STYLE_KEPT.total_seconds())
    return kept


def _on_paper(view: handout.HandoutView) -> str:
    return render_template("handout.html", view=view)


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
        ask_url=url_for("pages.ask", **address) if _hears_draw(rooms, recorded) else "",
        release_url=url_for("pages.release", **address) if visit.clinician else "",
        handout_url=url_for("pages.patient_page", **address, language=language),
        pdf_url=url_for("pages.patient_pdf", **address, language=language),
        values_url=url_for("sources.values", **address),
        peers=_peers(rooms, recorded),
        language=language,
        writes=writing.offered(rooms, visit, recorded, url_for("pages.write", **address)),
        suspension=recall.suspension(rooms, visit, recorded),
    )


def _peers(rooms: Rooms, recorded: Recorded) -> tuple[peers.PeerSet, ...]:
    """Whom the model was tried on, as far as the evaluation here is of the version that answered."""
    found = recorded.assessment
    same = rooms.models[found.model].version == found.version
    return peers.peers(rooms.cards[found.model]["evaluation"]) if same else ()


def _hears_draw(rooms: Rooms, recorded: Recorded) -> bool:
    return gates.hears_draw(rooms.models[recorded.assessment.model].layout)


def _banner(visit: Visit, who: Identity) -> face.Banner | None:
    """The identity, unless the EHR shows it around this page (SMART: need_patient_banner is false in its frame)."""
    if visit.grant.need_patient_banner is False and not visit.alone:
        return None
    return face.Banner(who.name, who.born, who.sex, who.record_number)


def _handout(rooms: Rooms, visit: Visit, recorded: Recorded) -> handout.HandoutView:
    language = handout.spoken_language(request.args.get("language") or visit.about("language") or "en")
    paper = request.args.get("paper", "letter")
    released = [each for each in rooms.ledger.released(recorded.id) if each.language == language]
    who = visits.identity_of(visit)

    def address(endpoint: str, spoken: str, sheet: str = paper) -> str:
        return url_for(endpoint, key=recorded.id, visit=visit.id, language=spoken, paper=sheet)

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
        slip=slips.of(rooms, recorded, language) if released else None,
        papers={sheet: address("pages.patient_pdf", language, sheet) for sheet in ("letter", "a4")},
        unspoken=handout.unspoken(visit.about("language")),
        back_url=url_for("pages.stored", visit=visit.id),
        languages={code: address("pages.patient_page", code) for code in words.LANGUAGES if code != language},
    )


def _asked(rooms: Rooms, key: str) -> tuple[Visit, Recorded]:
    """The visit and the answer a form is about, the form proven this visit's own."""
    visit = visits.current(rooms)
    security.check_form_token(visit.secret, visit.id, request.form.get("csrf_token", ""))
    return visit, recall.recorded(rooms, visit, key)


def _page_of(visit: Visit, recorded: Recorded, place: str = "") -> str:
    """Where the answer stands, or the `place` in its details that a form stood in."""
    return url_for("pages.stored", visit=visit.id, _anchor=f"{recorded.assessment.model}{place}")


def _form_refused(visit: Visit, recorded: Recorded, key: str, said: str, status: int = 400) -> FormRefused:
    return FormRefused(key, said, _page_of(visit, recorded), status)


def _back(visit: Visit, recorded: Recorded, place: str = "") -> Response:
    return _see(_page_of(visit, recorded, place))


def _see(url: str) -> Response:
    return make_response(redirect(url, code=303))
