"""The door of those who govern: whether each model may answer at a site, and what is still missing.

Holds no patient's data and so needs no visit: that everybody can see a model's state is a law of the house.
"""

from __future__ import annotations

from datetime import tzinfo

from flask import Blueprint, Flask, Response, make_response, render_template

from ehr.errors import NotFound, UnknownIssuer
from ehr.tenants import Tenant
from governance.approvals import written
from governance.history import Past, by_week
from governance.readings import Reading
from webapp import deciding, gate_view, history_view, speaker_view, standing, suspended, words
from webapp.rooms import Rooms, here
from webapp.words import say

door = Blueprint("governing", __name__)


def install(app: Flask) -> None:
    """Open the door."""
    app.register_blueprint(door)


@door.get("/gate/<site>")
def gate(site: str) -> Response:
    """The gates of one site as they were last weighed, what people decided over them, and how they stood by week."""
    rooms = here()
    try:
        tenant = rooms.tenants.by_id(site)
    except UnknownIssuer:
        raise NotFound("no site of this id is configured here", "gate") from None
    weighed = {name: _readings(rooms, tenant, name) for name in rooms.models}
    views = [_view(rooms, tenant, reading) for found in weighed.values() for reading in found]
    names = {reading.gate_name for found in weighed.values() for reading in found}
    zone = words.zone_of(tenant.time_zone)
    others = [
        deciding.waiting(rooms, tenant, made, None, zone)
        for made in rooms.readings.resolutions.open(tenant.id)
        if made.gate not in names
    ]
    ungated = [_ungated(rooms, tenant, name) for name, found in weighed.items() if not found]
    speakers = [_speakers(rooms, tenant, name, zone) for name in weighed]
    told = {"gates": views, "ungated": ungated, "speakers": speakers, "others": others}
    return make_response(render_template("gate.html", site=tenant.name, **told, say=say))


def _speakers(rooms: Rooms, tenant: Tenant, model: str, zone: tzinfo) -> speaker_view.SpeakerView:
    """Which gate speaks for which unit, of the headline's gates: those that the doors go by."""
    known, policy, now = rooms.models[model], tenant.models[model], rooms.clock()
    headline = known.outcomes[-1]
    units = sorted({"", *(unit for of, unit in rooms.readings.gates(tenant.id, model) if of == headline)})
    told = []
    for unit in units:
        speaks = standing.of_unit(rooms.readings, tenant, model, headline, unit)
        told.append((unit, speaks, standing.state(policy.state, speaks, known.version, now)))
    new = written(deciding.new(rooms, tenant, f"{model}/{headline}", policy.threshold))
    return speaker_view.view(tenant.id, model, policy.state, told, new, zone)


def _readings(rooms: Rooms, tenant: Tenant, model: str) -> list[Reading]:
    """The last reading of each gate of a model."""
    gates = rooms.readings.gates(tenant.id, model)
    found = (rooms.readings.last(tenant.id, model, outcome, unit) for outcome, unit in gates)
    return [each for each in found if each is not None]


def _view(rooms: Rooms, tenant: Tenant, reading: Reading) -> gate_view.GateView:
    """One gate; the state is what the doors go by now, which may be stricter than what was weighed."""
    zone, now = words.zone_of(tenant.time_zone), rooms.clock()
    where = (reading.outcome, reading.care_unit)
    made = standing.suspension(rooms.readings, tenant, reading.model, where)
    state = standing.at_site(rooms.readings, tenant, reading.model, rooms.models[reading.model].version, where, now)
    waits = [
        deciding.waiting(rooms, tenant, each, reading, zone)
        for each in rooms.readings.resolutions.open(tenant.id)
        if each.gate == reading.gate_name
    ]
    past = by_week(rooms.readings, (tenant.id, reading.model, *where), zone, now, stale=standing.STALE)
    return gate_view.view(
        reading.body,
        state,
        reading.since if made is None else made.at,
        reading.at,
        zone,
        decided="" if made is None else suspended.gate(made, zone),
        waiting=waits,
        history=history_view.view([_week(each, zone) for each in past]),
    )


def _week(past: Past, zone: tzinfo) -> history_view.Week:
    return history_view.week(
        past.week.name,
        past.week.monday,
        past.week.sunday,
        past.state,
        past.reading.body,
        zone,
        weighed=past.weighed,
        stale=past.stale,
        decision=past.suspension,
        moves=[(each.at, each.state) for each in past.moves],
    )


def _ungated(rooms: Rooms, tenant: Tenant, model: str) -> str:
    """A model without a gate: what it may do, and who suspended it where somebody did."""
    known = rooms.models[model]
    gate, now = (known.outcomes[-1], ""), rooms.clock()
    state = standing.at_site(rooms.readings, tenant, model, known.version, gate, now)
    made = standing.suspension(rooms.readings, tenant, model, gate)
    return say(
        "en", "gate.ungated", model=say("en", f"models.{model}.name"), state=say("en", f"states.{state.value}.short")
    ) + ("" if made is None else f" {suspended.brief(made, words.zone_of(tenant.time_zone))}")
