"""The door of the reviewers: what waits for a person, the stored answer, and the label a person gives it.

Needs a visit, and a user whom the tenant file names as a reviewer: what waits is of any patient of the site, so each
look is noted under the patient it was about. A label is kept once; nothing is changed or removed. Nothing identifying
stands in an address.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from flask import Blueprint, Flask, Response, g, make_response, redirect, render_template, request, url_for

from ehr.errors import NotFound, NotPermitted
from governance.entries import FollowUp, Recorded
from governance.errors import OutcomeDisputed, OutcomeRefusal
from governance.waiting import Waiting
from webapp import labelling, queue_view, result, security, visits, words
from webapp.errors import FormRefused
from webapp.labelling import Unsaid
from webapp.rooms import Rooms, here
from webapp.visits import Visit

door = Blueprint("queue", __name__)
OPENED: Final = ("GET", "POST")  # posted by a frame without cookies, which has its secret in the body
LOOKED_BACK: Final = timedelta(days=35)  # what waits longer is counted, and listed apart
OLDER: Final[dict[str, Any]] = {"older": "1"}
PAGE: Final = 50
LONGEST: Final = 2000


def install(app: Flask) -> None:
    """Open the door, and show the way to it on the pages of those who may go through."""
    app.register_blueprint(door)
    app.context_processor(lambda: {"queue_url": _way})


@door.route("/queue", methods=OPENED)
def waiting() -> Response:
    """What waits, oldest first, a page at a time: of the last weeks, or what is older."""
    rooms = here()
    visit, older = _reviewer(rooms), bool(request.values.get("older"))
    cut, zone = rooms.clock() - LOOKED_BACK, words.zone_of(visit.tenant.time_zone)
    found = rooms.waiting.page(visit.tenant.id, (None, cut) if older else (cut, None), after=_place(), most=PAGE)
    before, since = rooms.waiting.counts(visit.tenant.id, cut)
    rooms.audit.note("viewed", door="/queue", tenant=visit.tenant.id, user=visit.grant.user)
    lines = [
        queue_view.line(
            each.assessment_id,
            each.model,
            each.as_of,
            queue_view.reasons(each.status, each.reason, None, each.why),
            zone,
            url_for("queue.item", key=each.assessment_id, visit=visit.id),
        )
        for each in found
    ]
    page = render_template(
        "queue.html",
        language="en",
        say=words.say,
        site=visit.tenant.name,
        lines=lines,
        lead="queue.lead-older" if older else "queue.lead",
        days=LOOKED_BACK.days,
        count=before if older else since,
        others=since if older else before,
        other_text="queue.newer" if older else "queue.older",
        other_url=url_for("queue.waiting", visit=visit.id, **({} if older else OLDER)),
        next_url=_next(found, visit, OLDER if older else {}),
        back_url=url_for("pages.stored", visit=visit.id),
        look_url="",
    )
    return make_response(page)


@door.route("/queue/<key>", methods=OPENED)
def item(key: str) -> Response:
    """One answer that waits: whose, what it said, why it waits, and the form."""
    rooms = here()
    visit = _reviewer(rooms)
    told, whose, recorded = _opened(rooms, visit, key)
    _note(rooms, visit, "viewed", whose, key)
    zone = words.zone_of(visit.tenant.time_zone)
    shown = result.view([result.Shown(key, recorded.assessment, recorded.state)], zone=zone, opened=visit.opened)
    view = queue_view.item(
        key,
        told.model,
        told.as_of,
        patient=f"Patient/{whose.patient}",
        why=queue_view.reasons(told.status, told.reason, recorded.assessment.reason, told.why),
        settled=rooms.outcomes.settled(key),
        plain=shown.sections[0].plain,
        zone=zone,
        zone_name=visit.tenant.time_zone,
        label_url=url_for("queue.label", key=key),
    )
    page = render_template(
        "queue_item.html",
        language="en",
        say=words.say,
        view=view,
        csrf=visit.form_token,
        visit=visit.id,
        back_url=url_for("queue.waiting", visit=visit.id),
    )
    return make_response(page)


@door.post("/queue/<key>/label")
def label(key: str) -> Response:
    """Keep what a person says became of it, once."""
    rooms = here()
    visit = _reviewer(rooms)
    security.check_form_token(visit.secret, visit.id, request.form.get("csrf_token", ""))
    told, whose, _ = _opened(rooms, visit, key)
    back = url_for("queue.item", key=key, visit=visit.id)
    sentence = request.form.get("sentence", "").strip()
    if not sentence or len(sentence) > LONGEST:
        raise FormRefused("form-label-sentence", f"a label has a sentence, of at most {LONGEST} characters", back)
    try:
        kept = rooms.outcomes.record_all(
            labelling.outcomes(
                key,
                told.model,
                told.as_of,
                rooms.waiting.open(key),
                request.form.get("label", ""),
                labelling.moment(request.form.get("happened_at", ""), visit.tenant.time_zone),
                reviewer=rooms.ledger.user_pseudonym(visit.tenant.id, visit.grant.user),
                now=rooms.clock(),
            )
        )
    except Unsaid as error:
        raise FormRefused(error.key, str(error), back) from None
    refused = next((each for each in kept if not isinstance(each, bool)), None)
    if refused is not None:
        disputed = isinstance(refused, OutcomeDisputed)
        code = refused.code if isinstance(refused, OutcomeRefusal) else "unknown"
        raise FormRefused(
            "form-label-known" if disputed else "form-label-refused",
            f"the ledger refuses it: {code}",
            back,
            409 if disputed else 400,
        )
    said = {"label": request.form.get("label", ""), "sentence": sentence}
    rooms.ledger.event("labelled", assessment=key, user=visit.grant.user, detail=said)
    _note(rooms, visit, "labelled", whose, key)
    return make_response(redirect(url_for("queue.waiting", visit=visit.id), code=303))


def _reviewer(rooms: Rooms) -> Visit:
    """The visit, if its user may label here. Raises NotPermitted."""
    visit = visits.current(rooms)
    if not visit.clinician or visit.grant.user not in visit.tenant.follow_up.reviewers:
        raise NotPermitted("what waits for a person is shown to the reviewers named in the site's file alone")
    return visit


def _opened(rooms: Rooms, visit: Visit, key: str) -> tuple[Waiting, FollowUp, Recorded]:
    """An answer that waits at this site, whose it was, and as it was given. Raises NotFound."""
    told = rooms.waiting.one(visit.tenant.id, key)
    if told is None:
        raise NotFound("no answer of that id waits for a person here; it may have been labelled meanwhile")
    whose = rooms.ledger.follow_up(key)
    recorded = rooms.ledger.recall(key, tenant=visit.tenant.id, patient=whose.patient)
    if recorded is None:
        raise NotFound("no answer of that id is in the ledger")
    return told, whose, recorded


def _note(rooms: Rooms, visit: Visit, kind: str, whose: FollowUp, key: str) -> None:
    """For the auditor: who looked at, or labelled, whose answer."""
    rooms.audit.note(
        kind,
        door=request.url_rule.rule if request.url_rule else "",
        tenant=visit.tenant.id,
        user=visit.grant.user,
        patient=whose.patient,
        assessment=key,
    )


def _place() -> tuple[datetime, str] | None:
    """Where the page before ended, as its link says; a link that cannot be read starts anew."""
    at, _, key = request.values.get("after", "").partition("|")
    try:
        moment = datetime.fromisoformat(at)
    except ValueError:
        return None
    return (moment, key) if moment.tzinfo is not None else None


def _next(found: tuple[Waiting, ...], visit: Visit, how: dict[str, Any]) -> str:
    if len(found) < PAGE:
        return ""
    last = found[-1]
    after = f"{last.as_of.isoformat()}|{last.assessment_id}"
    return url_for("queue.waiting", visit=visit.id, after=after, **how)


def _way(visit: str) -> str:
    """The queue's address for a user of this visit who may see it, else ""."""
    tenant_id, user, _ = getattr(g, "caller", ("", "", ""))
    if not tenant_id or not visit:
        return ""
    rooms = here()
    known: Any = {tenant.id: tenant.follow_up.reviewers for tenant in rooms.tenants}
    return url_for("queue.waiting", visit=visit) if user in known.get(tenant_id, ()) else ""
