"""The unit board's door: for those whom the site names, in a visit of their own, every look noted by patient.

Patient-level, so a launch alone is not enough: the user whom the hospital's id_token names must be on the site's list.
Refuses (FormRefused, 403) everybody else, and a visit of another site; shows nothing that could not be noted.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from flask import Blueprint, Flask, Response, make_response, render_template, url_for

from ehr.board_policy import UnitPolicy
from ehr.tenants import Tenant
from governance import forecasts
from governance.forecasts import NARROW, WIDE, Forecast, Record
from inference.assessment import VENTILATION, State
from webapp import audit, board_view, boarding, standing, unlooked, visits, words
from webapp.board_view import Did, Need, Patient, Told
from webapp.boarding import Row
from webapp.errors import FormRefused
from webapp.rooms import Rooms, here
from webapp.visits import Visit
from webapp.words import say

door = Blueprint("boards", __name__)
OPENED = ("GET", "POST")  # posted by a frame without cookies, which has its secret in the body


def install(app: Flask) -> None:
    """Open the door."""
    app.register_blueprint(door)


@door.route("/board/<site>", methods=OPENED)
def board(site: str) -> Response:
    """Every unit of the visit's site, as last seen."""
    rooms = here()
    visit = visits.current(rooms)
    tenant = _allowed(visit, site)
    looks = {unit.id: boarding.kept(rooms, tenant.id, unit.id) for unit in tenant.board.units}
    seen = [row.patient for look in looks.values() if look is not None for row in look[1]]
    audit.looked(rooms, visit, list(dict.fromkeys(seen)))
    told = [_told(rooms, tenant, unit, looks[unit.id]) for unit in tenant.board.units]
    zone = words.zone_of(tenant.time_zone)
    view = board_view.view(tenant.name, tenant.id, told, rooms.clock(), zone)
    return make_response(render_template("board.html", view=view, say=say))


def _allowed(visit: Visit, site: str) -> Tenant:
    """The visit's site, if its user is named for the board there. Raises FormRefused: there is a way back."""
    back = url_for("pages.stored", visit=visit.id)
    if visit.tenant.id != site:
        raise FormRefused("board-elsewhere", "this visit is of another hospital", back, 403)
    if not visit.on_board:
        raise FormRefused("board-not-named", "this user is not on the hospital's list for it", back, 403)
    return visit.tenant


def _told(rooms: Rooms, tenant: Tenant, unit: UnitPolicy, look: boarding.Kept | None) -> Told:
    model, now = rooms.models[VENTILATION], rooms.clock()
    records = rooms.forecasts.records(tenant.id, unit.id, now, version=model.version)
    at, rows, head = look if look is not None else (None, (), {})
    since = unlooked.why(rooms, tenant.id, unit.id)
    made = rooms.forecasts.of_look(tenant.id, unit.id, at) if at is not None else ()
    by_unit = {
        kind: standing.at_site(rooms.readings, tenant, model.name, model.version, (model.outcomes[-1], kind), now)
        for kind in {"", *(row.care_unit for row in rows)}
    }
    return Told(
        name=unit.name,
        beds=unit.beds,
        owned=unit.ventilators,
        arrivals_a_day=unit.arrivals_a_day,
        mean_hours=unit.mean_hours,
        at=at,
        state=by_unit[""],
        states=frozenset(by_unit[row.care_unit] for row in rows) or frozenset({by_unit[""]}),
        hours=model.hours[-1],
        base_rate=model.base_rate,
        patients=[_patient(row, by_unit[row.care_unit]) for row in rows],
        needs=[_need(each) for each in made if each.look.version == model.version],
        forecast=bool(head.get("forecast")),
        records=[_did(each) for each in records],
        others=int(head.get("others", 0)),
        bad_lines=int(head.get("bad_lines", 0)),
        export_cut=bool(head.get("export_cut", False)),
        days=forecasts.WINDOW.days,
        export_since=since.export_since,
        failed_at=since.failed_at,
        fault=since.fault,
    )


def _patient(row: Row, state: State) -> Patient:
    """A row with its number taken out where the state does not let it be shown: no page can show it then."""
    shown = state in board_view.SHOWING
    return Patient(
        name=row.name,
        record_number=row.record_number,
        counted=row.counted,
        state=state,
        status=row.status,
        reason=row.reason,
        since=datetime.fromisoformat(row.since) if row.since else None,
        probability=row.probability if shown else None,
        low=row.low if shown else None,
        high=row.high if shown else None,
        news2=row.news2,
    )


def _need(each: Forecast) -> Need:
    made = each.demand
    due = each.look.at + timedelta(hours=made.hours)
    return Need(made.hours, due, made.mean, made.intervals[NARROW], made.intervals[WIDE], made.short)


def _did(each: Record) -> Did:
    if each.score is None:
        return Did(each.hours, 0, 0.0, 0.0, 0.0, 0.0, each.unscored)
    score = each.score
    return Did(
        each.hours,
        score.forecasts,
        score.coverage[NARROW],
        score.coverage[WIDE],
        score.error,
        score.error_of_persistence,
        each.unscored,
    )
