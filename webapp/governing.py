"""The door of those who govern: whether each model may answer at a site, and what is still missing.

Holds no patient's data and so needs no visit: that everybody can see a model's state is a law of the house.
"""

from __future__ import annotations

from flask import Blueprint, Flask, Response, make_response, render_template

from ehr.errors import NotFound, UnknownIssuer
from ehr.tenants import Tenant
from inference.assessment import State
from webapp import gate_view, standing, words
from webapp.rooms import Rooms, here
from webapp.words import say

door = Blueprint("governing", __name__)


def install(app: Flask) -> None:
    """Open the door."""
    app.register_blueprint(door)


@door.get("/gate/<site>")
def gate(site: str) -> Response:
    """The gates of one site as they were last weighed."""
    rooms = here()
    try:
        tenant = rooms.tenants.by_id(site)
    except UnknownIssuer:
        raise NotFound("no site of this id is configured here", "gate") from None
    views = [view for model in rooms.models for view in _views(rooms, tenant, model)]
    ungated = [
        say(
            "en",
            "gate.ungated",
            model=say("en", f"models.{name}.name"),
            state=_state(tenant.models[name].state),
        )
        for name in rooms.models
        if not rooms.readings.gates(tenant.id, name)
    ]
    return make_response(
        render_template("gate.html", site=tenant.name, gates=views, ungated=ungated, say=say)
    )


def _views(rooms: Rooms, tenant: Tenant, model: str) -> list[gate_view.GateView]:
    """One view a gate; the state is what the doors go by now, which may be stricter than what was weighed."""
    zone, views = words.zone_of(tenant.time_zone), []
    for outcome, unit in rooms.readings.gates(tenant.id, model):
        reading = rooms.readings.last(tenant.id, model, outcome, unit)
        if reading is not None:
            now = standing.state(
                tenant.models[model].state, reading, rooms.models[model].version, rooms.clock()
            )
            views.append(gate_view.view(reading.body, now, reading.since, reading.at, zone))
    return views


def _state(asked: State) -> str:
    return say("en", f"states.{(State.SILENT if asked is State.ACTIVE else asked).value}.short")
