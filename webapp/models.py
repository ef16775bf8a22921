"""The models' page: what each is, limits first, with the drawings that ship with it. It needs no visit."""

from __future__ import annotations

from flask import Blueprint, Flask, Response, make_response, render_template, url_for

from ehr.errors import NotFound
from inference.assessment import State
from webapp import about as card_face
from webapp import standing, suspended, words
from webapp.rooms import Rooms, here
from webapp.words import say

door = Blueprint("models", __name__)


def install(app: Flask) -> None:
    """Open the door."""
    app.register_blueprint(door)


@door.get("/about")
def about() -> Response:
    """What the models are, limits first: the card that ships with each artefact, and its state here."""
    rooms = here()
    states = {name: _states(rooms, name) for name in rooms.models}
    manifests = {name: model.manifest for name, model in rooms.models.items()}
    view = card_face.view(
        manifests,
        rooms.cards,
        states,
        lambda model, plot: url_for("models.drawing", model=model, plot=plot),
        lambda model: url_for("model_cards.of_no_site", model=model),
        {name: _suspended(rooms, name) for name in rooms.models},
    )
    return make_response(render_template("about.html", view=view))


def _states(rooms: Rooms, name: str) -> list[State]:
    """The states that the doors go by, over all sites and units; a tenant's file alone opens nothing."""
    model, now = rooms.models[name], rooms.clock()
    found = {
        state
        for tenant in rooms.tenants
        for state in standing.states(
            rooms.readings, tenant, name, model.outcomes[-1], model.version, now
        ).values()
    }
    return sorted(found) or [State.SILENT]


def _suspended(rooms: Rooms, name: str) -> list[str]:
    """Who suspended the model where, when and why: the decisions that stand, by site."""
    told, outcome = [], rooms.models[name].outcomes[-1]
    for tenant in rooms.tenants:
        made = standing.suspended_since(rooms.readings, tenant, name, outcome, standing.EVER)
        if made is not None:
            said = suspended.brief(made, words.zone_of(tenant.time_zone))
            told.append(say("en", "suspension.at-site", site=tenant.name, said=said))
    return told


@door.get("/about/<model>/<plot>.svg")
def drawing(model: str, plot: str) -> Response:
    """A drawing that ships with a model: one that its manifest lists, and whose checksum was so checked, or none."""
    rooms = here()
    asked = rooms.models.get(model)
    if asked is None or plot not in card_face.drawings(asked.manifest):
        raise NotFound("no model here has a drawing of that name")
    path = rooms.settings.artifacts / model / asked.version / card_face.PLOTS / f"{plot}.svg"
    answer = make_response(path.read_bytes())
    answer.mimetype = "image/svg+xml"
    return answer
