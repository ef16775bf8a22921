"""The SMART door: /launch (and /standalone) to the hospital's authorisation server, /callback back, 303 to /result.

Refuses an issuer that is not on the list before any request goes out; a state that is missing, used, expired or
another browser's; and everything the hospital's answer gets wrong. Tokens go into the encrypted vault, never into
a cookie, a page, a log or an address.
"""

from __future__ import annotations

import secrets
from datetime import timedelta

import httpx
from flask import (
    Blueprint,
    Flask,
    Response,
    g,
    jsonify,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)

from ehr import smart
from ehr.errors import LaunchRefused
from ehr.tenants import Tenant
from webapp import audit, cookieless, limits, security, words
from webapp.rooms import Rooms, here

door = Blueprint("launch", __name__)
LAUNCH = timedelta(minutes=10)
DENIED = "access_denied"  # somebody said no: nothing begins again
OWN_WINDOW = "own"  # of `window`: a launch begun again outside the frame that kept no cookie
UNKNOWN = "this launch is not known here, was used before, or took longer than ten minutes"


def install(app: Flask) -> None:
    """Open the door."""
    app.register_blueprint(door)


@door.get("/launch")
def launch() -> Response:
    """EHR launch: both `iss` and `launch` are the EHR's to send; `window` is ours, where a frame kept no cookie."""
    token = request.args.get("launch", "")
    if not request.args.get("iss") or not token:
        raise LaunchRefused("a launch from the EHR carries both 'iss' and 'launch'; one is missing")
    return _begin(token, own_window=request.args.get("window") == OWN_WINDOW)


@door.get("/standalone")
def standalone() -> Response:
    """Standalone launch: the hospital's server asks which patient."""
    if not request.args.get("iss"):
        raise LaunchRefused("a standalone launch names the hospital's FHIR address in 'iss'")
    return _begin(None)


def _begin(launch_token: str | None, *, own_window: bool = False) -> Response:
    rooms = here()
    tenant = rooms.tenants.by_issuer(request.args["iss"])
    g.caller, g.frame_ancestors = (tenant.id, "", ""), tenant.frame_ancestors
    limits.within(rooms, "launches", tenant.id, limits.address())
    endpoints = smart.discover(rooms.http, tenant)
    pending = smart.begin(
        tenant, endpoints, redirect_uri=_redirect_uri(rooms), launch=launch_token, iss=request.args["iss"]
    )
    secret = security.fresh()
    framed = cookieless.framed()
    kept = {
        "pending": pending.to_dict(),
        "browser": security.digest(secret),
        "framed": framed,
        "own_window": own_window,
    }
    rooms.vault.put("launch", pending.state, kept, LAUNCH.total_seconds())
    url = smart.authorise_url(tenant, endpoints, pending)
    name = cookieless.name_of("launch", pending.state)
    if smart.posts(tenant, endpoints, url):
        answer = _posted(tenant, pending, name, secret if framed else "")
    else:
        answer = cookieless.leaving(url, name, secret) if framed else _see_other(url)
    security.set_cookie(answer, security.cookie_name("launch", pending.state), secret, LAUNCH)
    return answer


def _posted(tenant: Tenant, pending: smart.Pending, name: str, keep: str) -> Response:
    """A page that posts what is too long for an address; the hospital's login may lie on any server of its own.

    `keep`: the launch's secret, where a frame may lose its cookie; it is kept under `name` in this tab.
    """
    address = httpx.URL(pending.endpoints.authorization)
    here_too = () if address.scheme == "https" else (f"http://{address.netloc.decode()}",)  # loopback alone
    g.form_targets, g.frame_ancestors = ("https:", *here_too), tenant.frame_ancestors
    told = {part: words.say("en", f"small.authorise-{part}") for part in ("title", "text", "button")}
    fields = smart.authorise_fields(tenant, pending)
    return make_response(
        render_template(
            "authorise.html", action=str(address), fields=fields, name=name, keep=keep, language="en", **told
        )
    )


@door.route("/callback", methods=["GET", "POST"])
def callback() -> Response:
    """The way back: state proven ours, code redeemed, a new visit begun, and on to an address without secrets."""
    rooms, state = here(), request.values.get("state", "")
    limits.within(rooms, "launches", "callback", limits.address())
    cookie = security.cookie_name("launch", state)
    by_cookie = cookie in request.cookies
    tenant, pending, own_window = _proven(rooms, state, request.cookies.get(cookie, ""))
    if own_window and request.values.get("error", DENIED) != DENIED:
        return _without_launch(tenant, cookie)
    grant = smart.finish(rooms.http, tenant, pending, request.values, keys=rooms.keys, now=rooms.clock())
    if not grant.patient:
        raise LaunchRefused("the hospital named no patient: open a chart first and launch from there")
    visit, secret = security.fresh(), security.fresh()
    lasting = timedelta(hours=rooms.settings.visit_hours)
    opened = {
        "tenant": tenant.id,
        "browser": security.digest(secret),
        "opened": rooms.clock().isoformat(),
        "app_context": grant.app_context,
        "about": {},
        "cookieless": not by_cookie,
        "alone": own_window or pending.launch is None,
    }
    rooms.vault.put("visit", visit, opened, lasting.total_seconds())
    rooms.vault.put("grant", visit, grant.to_dict(), lasting.total_seconds())
    rooms.ledger.event("launched", tenant=tenant.id, patient=grant.patient, user=grant.user)
    audit.called(rooms, "launched", tenant.id, grant.user, grant.patient)
    url = url_for("pages.result", visit=visit)
    if not by_cookie:
        return cookieless.arriving(url, cookieless.name_of("visit", visit), secret)
    answer = _see_other(url)
    security.drop_cookie(answer, cookie)
    security.set_cookie(answer, security.cookie_name("visit", visit), secret, lasting)
    return answer


def _without_launch(tenant: Tenant, cookie: str) -> Response:
    """The hospital takes a launch once only, and the frame has used it: it is asked for the patient instead."""
    answer = _see_other(url_for("launch.standalone", iss=tenant.issuer))
    security.drop_cookie(answer, cookie)
    return answer


def _again(tenant: Tenant, pending: smart.Pending) -> str:
    """Where a window of its own begins: at the same launch, which names the patient; without one, at the hospital."""
    if pending.launch is None:
        return url_for("launch.standalone", iss=tenant.issuer)
    return url_for("launch.launch", iss=pending.aud, launch=pending.launch, window=OWN_WINDOW)


def _proven(rooms: Rooms, state: str, secret: str) -> tuple[Tenant, smart.Pending, bool]:
    """The launch of `state`, if this browser began it, and whether in a window of its own; from now on it is used.

    Raises LaunchRefused, and HandleNeeded where a frame lost the cookie: the launch then stays as it is.
    """
    kept = rooms.vault.get("launch", state) if state else None
    if kept is None:
        raise LaunchRefused(UNKNOWN)
    pending = smart.Pending.from_dict(kept["pending"])
    tenant = rooms.tenants.by_id(pending.tenant)
    g.caller, g.frame_ancestors = (tenant.id, "", ""), tenant.frame_ancestors
    if not secret and kept["framed"]:
        secret = cookieless.sent(cookieless.name_of("launch", state), _again(tenant, pending))
    if not secrets.compare_digest(security.digest(secret), kept["browser"]):
        raise LaunchRefused("the launch was begun in another browser, or the browser kept no cookie")
    if rooms.vault.take("launch", state) is None:  # somebody came in between
        raise LaunchRefused(UNKNOWN)
    return tenant, pending, kept.get("own_window", False)


@door.get("/.well-known/jwks.json")
def jwks() -> Response:
    """The public halves of the keys we sign client assertions with."""
    return jsonify(smart.public_keys(here().tenants))


def _redirect_uri(rooms: Rooms) -> str:
    return f"{rooms.settings.public_url}/callback"


def _see_other(url: str) -> Response:
    return make_response(redirect(url, code=303))
