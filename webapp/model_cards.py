"""The live model cards: a model's 31 source attributes at one site, as a page and for programs. Needs no visit.

Holds no patient's data: figures with fewer patients behind them than may be shown are not given. What is measured at
a site comes from its ledger, at once or as the weekly job last kept it.
"""

from __future__ import annotations

from flask import Blueprint, Flask, Response, make_response

from ehr.errors import NotFound, UnknownIssuer
from ehr.tenants import Tenant
from webapp import carding
from webapp.carding import Card, glances, made
from webapp.rooms import Rooms, here

door = Blueprint("model_cards", __name__)
XML = "application/xml"


def install(app: Flask) -> None:
    """Open the door."""
    app.register_blueprint(door)


@door.get("/models/<model>/card")
def of_no_site(model: str) -> Response:
    """The card as it ships, with the way to each site's own."""
    return _page(_card(here(), model, None))


@door.get("/models/<model>/card.xml")
def of_no_site_xml(model: str) -> Response:
    """The same for programs."""
    return _xml(_card(here(), model, None))


@door.get("/models/<model>/card/<site>")
def of_site(model: str, site: str) -> Response:
    """The card at one site, from its live ledger."""
    rooms = here()
    return _page(_card(rooms, model, _tenant(rooms, site)))


@door.get("/models/<model>/card/<site>.xml")
def of_site_xml(model: str, site: str) -> Response:
    """The same for programs."""
    rooms = here()
    return _xml(_card(rooms, model, _tenant(rooms, site)))


def _card(rooms: Rooms, model: str, tenant: Tenant | None) -> Card:
    if model not in rooms.models:
        raise NotFound("no model of this name is here", "model")
    if tenant is None:
        return made(rooms, model, None, ())
    return made(rooms, model, tenant, glances(rooms, tenant, model))


def _tenant(rooms: Rooms, site: str) -> Tenant:
    try:
        return rooms.tenants.by_id(site)
    except UnknownIssuer:
        raise NotFound("no site of this id is configured here", "card") from None


def _page(card: Card) -> Response:
    return make_response(carding.page(card))


def _xml(card: Card) -> Response:
    answer = make_response(carding.xml(card))
    answer.mimetype = XML
    return answer
