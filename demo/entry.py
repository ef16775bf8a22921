"""The hospital's own pages: sign in, patient list, chart; the order desk is `ordering`.

Server-rendered; the browser only swaps fragments. Every page is kept out of caches and frames, and may
frame the registered app only. Refuses a form sent from another site (403) and a patient unknown here (404).
"""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any

import httpx
from flask import Blueprint, Response, abort, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response as Answered

from demo import chart, markdown, ordering
from demo.advice import identity
from demo.cds_client import SECONDS, CdsClient, Occasion
from demo.desk import Desk, Desks
from demo.orders import CATALOGUE
from demo.outcome import Refused
from demo.records import Hospital

Resource = dict[str, Any]
Body = str | Response | Answered
SANDBOX = (  # as athenahealth lists it for embedded apps
    "allow-forms allow-modals allow-popups allow-popups-to-escape-sandbox allow-same-origin allow-scripts "
    "allow-downloads"
)
OPEN_TO_ALL = frozenset({"entry.home", "entry.sign_in", "entry.static"})


def blueprint(hospital: Hospital, http: httpx.Client | None = None) -> Blueprint:
    """The pages over this hospital; `http` calls the decision support services (5 s, no redirects)."""
    page = Blueprint(
        "entry", __name__, template_folder="templates", static_folder="static", static_url_path="/static"
    )
    settings, desks = hospital.settings, Desks()
    client = http or httpx.Client(timeout=SECONDS, trust_env=False, follow_redirects=False)
    cds = CdsClient(client, f"{settings.app_url}/cds-services", identity(hospital), hospital.clock)
    page.add_app_template_filter(clock_time, "clock")
    page.add_app_template_filter(day_time, "day")
    page.add_app_template_filter(markdown.render, "markdown")
    _guard(page, settings.app_url)

    @page.context_processor
    def shared() -> Resource:
        people = {one["id"]: one for one in hospital.search("Practitioner")}
        me = people.get(_clinician())
        said = {"me": me, "now": hospital.clock(), "sandbox": SANDBOX, "app_name": ordering.APP_NAME}
        return said | {"app_url": settings.app_url}

    def opened(patient: str) -> tuple[chart.Banner, Desk, Occasion]:
        try:
            who = chart.banner(hospital, patient)
        except Refused:
            abort(404)
        desk = desks.of(str(session.get("desk", "")), patient)
        return who, desk, Occasion(who.id, who.encounter, _clinician())

    @page.get("/")
    def home() -> Body:
        if _clinician():
            return redirect(url_for("entry.patients"))
        return render_template("entry/sign_in.html", people=hospital.search("PractitionerRole"))

    @page.post("/sign-in")
    def sign_in() -> Body:
        chosen = request.form.get("clinician", "")
        if not any(one["id"] == chosen for one in hospital.search("Practitioner")):
            abort(400, "choose who you are")
        session.clear()
        session["clinician"], session["desk"] = chosen, secrets.token_urlsafe(16)
        return redirect(url_for("entry.patients"), 303)

    @page.post("/sign-out")
    def sign_out() -> Body:
        session.clear()
        return redirect(url_for("entry.home"), 303)

    @page.get("/patients")
    def patients() -> Body:
        rows = []
        for person in hospital.search("Patient"):
            found = chart.charted(hospital, person["id"])
            rows.append((chart.banner(hospital, person["id"]), chart.tiles(found, hospital.clock())))
        rows.sort(key=lambda row: (row[0].place, row[0].name))
        return render_template("entry/patients.html", rows=rows)

    @page.get("/chart/<patient>")
    def chart_of(patient: str) -> Body:
        who, desk, _ = opened(patient)
        now, of = hospital.clock(), {"patient": patient}
        found = chart.charted(hospital, patient)
        if desk.step == "signed":
            desk.step, desk.signed = "", []
        return render_template(
            "entry/chart.html",
            who=who,
            desk=desk,
            tiles=chart.tiles(found, now),
            oxygen=chart.oxygen(found, hospital.search("DeviceUseStatement", of), now),
            allergies=hospital.search("AllergyIntolerance", of),
            sheet=chart.flowsheet(found, now),
            results=chart.results(found),
            problems=hospital.search("Condition", of),
            medicines=hospital.search("MedicationRequest", {**of, "status": "active"}),
            procedures=hospital.search("Procedure", of),
            orders=chart.orders(hospital, patient),
            catalogue=CATALOGUE,
        )

    ordering.install(page, hospital, cds, opened)
    return page


def _clinician() -> str:
    return str(session.get("clinician", ""))


def _guard(page: Blueprint, app_url: str) -> None:
    @page.before_request
    def signed_in() -> Body | None:
        if request.method == "POST" and request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
            abort(403)
        return None if _clinician() or request.endpoint in OPEN_TO_ALL else redirect(url_for("entry.home"))

    @page.after_request
    def fenced(response: Response) -> Response:
        if request.endpoint != "entry.static":
            response.headers["Cache-Control"] = "no-store"
        response.headers["Content-Security-Policy"] = (
            f"default-src 'self'; frame-src 'self' {app_url}; frame-ancestors 'none'; form-action 'self'; "
            "base-uri 'none'; object-src 'none'"
        )
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response


def clock_time(moment: datetime) -> str:
    """A time of day on the hospital's clock: "14:05"."""
    return moment.astimezone(chart.ZONE).strftime("%H:%M")


def day_time(moment: datetime | str) -> str:
    """A day and time on the hospital's clock: "23 Nov 14:05"."""
    told = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return told.astimezone(chart.ZONE).strftime("%-d %b %H:%M")
