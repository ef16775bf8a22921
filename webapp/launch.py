"""The SMART door: /launch (and /standalone) to the hospital's authorisation server, /callback back, 303 to /result.

Refuses an issuer that is not on the list before any request goes out; a state that is missing, used, expired or
another browser's; and everything the hospital's answer gets wrong. Tokens go into the encrypted vault, never into
a cookie, a page, a log or an address.
"""

from __future__ import annotations

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
from webapp import security, words
from webapp.rooms import Rooms, here

door = Blueprint("launch", __name__)
LAUNCH = timedelta(minutes=10)


def install(app: Flask) -> None:
    """Open the door."""
    app.register_blueprint(door)


@door.get("/launch")
def launch() -> Response:
    """EHR launch: both `iss` and `launch` are the EHR's to send."""
    token = request.args.get("launch", "")
    if not request.args.get("iss") or not token:
        raise LaunchRefused("a launch from the EHR carries both 'iss' and 'launch'; one is missing")
    return _begin(token)


@door.get("/standalone")
def standalone() -> Response:
    """Standalone launch: the hospital's server asks which patient."""
    if not request.args.get("iss"):
        raise LaunchRefused("a standalone launch names the hospital's FHIR address in 'iss'")
    return _begin(None)


def _begin(launch_token: str | None) -> Response:
    rooms = here()
    tenant = rooms.tenants.by_issuer(request.args["iss"])
    endpoints = smart.discover(rooms.http, tenant)
    pending = smart.begin(
        tenant, endpoints, redirect_uri=_redirect_uri(rooms), launch=launch_token, iss=request.args["iss"]
    )
    secret = security.fresh()
    kept = {"pending": pending.to_dict(), "browser": security.digest(secret)}
    rooms.vault.put("launch", pending.state, kept, LAUNCH.total_seconds())
    url = smart.authorise_url(tenant, endpoints, pending)
    answer = _posted(tenant, pending) if smart.posts(tenant, endpoints, url) else _see_other(url)
    security.set_cookie(answer, security.cookie_name("launch", pending.state), secret, LAUNCH)
    return answer


def _posted(tenant: Tenant, pending: smart.Pending) -> Response:
    """A page that posts what is too long for an address; the hospital's login may lie on any server of its own."""
    address = httpx.URL(pending.endpoints.authorization)
    here_too = () if address.scheme == "https" else (f"http://{address.netloc.decode()}",)  # loopback alone
    g.form_targets, g.frame_ancestors = ("https:", *here_too), tenant.frame_ancestors
    told = {part: words.say("en", f"small.authorise-{part}") for part in ("title", "text", "button")}
    fields = smart.authorise_fields(tenant, pending)
    return make_response(
        render_template("authorise.html", action=str(address), fields=fields, language="en", **told)
    )


@door.get("/callback")
def callback() -> Response:
    """The way back: state proven ours, code redeemed, a new visit begun, and on to an address without secrets."""
    rooms, state = here(), request.args.get("state", "")
    kept = rooms.vault.take("launch", state) if state else None
    if kept is None:
        raise LaunchRefused("this launch is not known here, was used before, or took longer than ten minutes")
    name = security.cookie_name("launch", state)
    if security.digest(request.cookies.get(name, "")) != kept["browser"]:
        raise LaunchRefused("the launch was begun in another browser, or the browser kept no cookie")
    pending = smart.Pending.from_dict(kept["pending"])
    tenant = rooms.tenants.by_id(pending.tenant)
    grant = smart.finish(rooms.http, tenant, pending, request.args, keys=rooms.keys, now=rooms.clock())
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
    }
    rooms.vault.put("visit", visit, opened, lasting.total_seconds())
    rooms.vault.put("grant", visit, grant.to_dict(), lasting.total_seconds())
    rooms.ledger.event("launched", tenant=tenant.id, patient=grant.patient, user=grant.user)
    answer = _see_other(url_for("pages.result", visit=visit))
    security.drop_cookie(answer, name)
    security.set_cookie(answer, security.cookie_name("visit", visit), secret, lasting)
    return answer


@door.get("/.well-known/jwks.json")
def jwks() -> Response:
    """The public halves of the keys we sign client assertions with."""
    return jsonify(smart.public_keys(here().tenants))


def _redirect_uri(rooms: Rooms) -> str:
    return f"{rooms.settings.public_url}/callback"


def _see_other(url: str) -> Response:
    return make_response(redirect(url, code=303))
