"""The door of those who review: the weeks of a site, one week's review and its PDF; and, for everybody, its audits.

A review is about patients, by pseudonym, and holds words that clinicians wrote: it opens for the people the hospital
names as its reviewers, in a visit of theirs, and is noted for the auditor. Audits hold rates of groups, small cells
suppressed, and need no visit, like the gates. Whoever runs the house reads reviews at the command line.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Flask, Response, current_app, g, make_response, render_template, request, url_for

from ehr.errors import NotFound, UnknownIssuer
from ehr.scopes import permissions
from ehr.tenants import Tenant
from governance.equity import AUDITED
from governance.errors import ReviewRefusal
from governance.review import Review
from governance.weeks import Week
from webapp import equity_view, limits, review_page, reviewing, visits, words
from webapp.errors import FormRefused
from webapp.rooms import Rooms, here
from webapp.words import say

door = Blueprint("review", __name__)
groups = Blueprint("equity", __name__)
OPENED = ("GET", "POST")  # posted by a frame without cookies, which has its secret in the body


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads a site's reviews, in which visit; both "" where everybody may."""

    tenant: Tenant
    user: str = ""
    visit: str = ""

    @property
    def address(self) -> dict[str, Any]:
        """What every further address carries."""
        return {"site": self.tenant.id} | ({"visit": self.visit} if self.visit else {})


def install(app: Flask) -> None:
    """Open both doors, and show the way to the reviews on the pages of those who may read them."""
    app.register_blueprint(door)
    app.register_blueprint(groups)
    app.context_processor(lambda: {"review_url": _way})


@door.route("/review/<site>", methods=OPENED)
def weeks(site: str) -> Response:
    """The weeks of a site that were reviewed."""
    rooms = here()
    reader = _reader(rooms, site)
    zone = words.zone_of(reader.tenant.time_zone)
    listed = [
        {
            "name": each.week.name,
            "url": url_for("review.week", week=each.week.name, **reader.address),
            "said": say("en", "review.list-made", at=words.moment(each.at, zone)),
            "decided": say("en", f"review.list-{'decided' if each.decided else 'undecided'}"),
        }
        for each in reviewing.reviews(rooms).weeks(reader.tenant.id)
    ]
    _note(rooms, reader, "viewed")
    return make_response(render_template("reviews.html", site=reader.tenant.name, weeks=listed, say=say))


@door.route("/review/<site>/<week>", methods=OPENED)
def week(site: str, week: str) -> Response:
    """One week's review, as it was kept."""
    rooms = here()
    reader = _reader(rooms, site)
    kept = _kept(rooms, reader.tenant, week, url_for("review.weeks", **reader.address))
    _note(rooms, reader, "viewed")
    return make_response(
        render_template(
            "review.html",
            view=review_page.view(rooms, reader.tenant, kept),
            pdf_url=url_for("review.week_pdf", week=week, **reader.address),
            back_url=url_for("review.weeks", **reader.address),
            audits_url=url_for("equity.audits", site=site),
            gate_url=url_for("governing.gate", site=site),
            say=say,
        )
    )


@door.route("/review/<site>/<week>.pdf", methods=OPENED)
def week_pdf(site: str, week: str) -> Response:
    """The same on paper."""
    rooms = here()
    reader = _reader(rooms, site)
    limits.within(rooms, "papers", reader.visit)
    kept = _kept(rooms, reader.tenant, week, url_for("review.weeks", **reader.address))
    _note(rooms, reader, "printed")
    html = review_page.paper(rooms, reader.tenant, kept)
    answer = make_response(review_page.printed(rooms, reader.tenant.id, kept.week.name, html))
    answer.mimetype = "application/pdf"
    answer.headers["Content-Disposition"] = f'inline; filename="ordertime-review-{kept.week.name}.pdf"'
    return answer


@groups.get("/audits/<site>")
def audits(site: str) -> Response:
    """The newest audit of each version's outcome at a site."""
    rooms = here()
    tenant = _site(rooms, site, "audits")
    zone, lacks = words.zone_of(tenant.time_zone), _lacks(tenant)
    sections = [
        equity_view.section(
            f"audit-{number}",
            {"model": words.model_name(each.model), "version": each.version, "outcome": each.outcome},
            each.body,
            (equity_view.period(each.since, each.until, each.at, each.threshold, zone),),
            lacks,
        )
        for number, each in enumerate(reviewing.audits(rooms).last(tenant.id))
    ]
    return make_response(render_template("audits.html", site=tenant.name, sections=sections, say=say))


def _lacks(tenant: Tenant) -> dict[str, str]:
    """Every trait of an audit, and what of the site's own file keeps it from being known."""
    scopes = permissions(" ".join(tenant.backend.scopes if tenant.backend else ()))
    mine = {"site": "" if tenant.audits.sites else "lacks-site"}
    mine["insurance"] = "" if scopes.may("Coverage", "s") else "lacks-insurance"
    return dict.fromkeys(AUDITED, "") | mine


def _reader(rooms: Rooms, site: str) -> Reader:
    """A named reviewer of `site`, in a visit. Raises SessionExpired, NotFound, FormRefused."""
    if current_app.config.get(reviewing.EVERYBODY):
        return Reader(_site(rooms, site, "review"))
    visit = visits.current(rooms)
    if visit.tenant.id != site:
        raise NotFound("this visit is of another hospital", "review")
    if visit.grant.user not in visit.tenant.follow_up.reviewers:
        said = "the hospital's file does not name this user among its reviewers"
        raise FormRefused("not-a-reviewer", said, url_for("pages.stored", visit=visit.id), 403)
    return Reader(visit.tenant, visit.grant.user, visit.id)


def _site(rooms: Rooms, site: str, where: str) -> Tenant:
    try:
        return rooms.tenants.by_id(site)
    except UnknownIssuer:
        raise NotFound("no site of this id is configured here", where) from None


def _note(rooms: Rooms, reader: Reader, kind: str) -> None:
    """For the auditor: who read what of many patients, and of none in particular."""
    door_of = request.url_rule.rule if request.url_rule else ""
    rooms.audit.note(kind, door=door_of, tenant=reader.tenant.id, user=reader.user)


def _kept(rooms: Rooms, tenant: Tenant, written: str, back: str) -> Review:
    """The review of a week as it is written in the address; `back` is the list. Raises NotFound, FormRefused."""
    try:
        week = Week.read(written)
    except ReviewRefusal:
        raise NotFound("no week is written so; one is written as 2026-W21", "week") from None
    kept = reviewing.reviews(rooms).last(tenant.id, week)
    if kept is None:
        said = say("en", "review.none-yet", site=tenant.id, week=week.name)
        raise FormRefused("week-not-reviewed", said, back, 404)
    return kept


def _way(visit: str) -> str:
    """The reviews' address for a user of this visit who may read them, else ""."""
    site, user, _ = getattr(g, "caller", ("", "", ""))
    named: Any = {tenant.id: tenant.follow_up.reviewers for tenant in here().tenants} if site and visit else {}
    return url_for("review.weeks", site=site, visit=visit) if user in named.get(site, ()) else ""
