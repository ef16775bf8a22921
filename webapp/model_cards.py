"""The live model cards: a model's 31 source attributes at one site, as a page and for programs. Needs no visit.

Holds no patient's data: figures with fewer patients behind them than may be shown are not given. What is measured at
a site comes from its ledger, quickly or as a job last kept it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from typing import Any

from flask import Blueprint, Flask, Response, make_response, render_template, url_for

from ehr.errors import NotFound, UnknownIssuer
from ehr.tenants import Tenant
from governance.equity import SMALLEST
from governance.measures import WINDOW, Measure, Question
from webapp import applied_card, live_card, standing, words
from webapp.rooms import Rooms, here
from webapp.words import say

door = Blueprint("model_cards", __name__)
XML = "application/xml"


@dataclass(frozen=True, slots=True)
class Card:
    """One model's card at one site, or at none: the page's view, and the document for programs."""

    view: live_card.CardView
    document: applied_card.AppliedCard


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


def question(rooms: Rooms, tenant: Tenant, model: str) -> Question:
    """What is measured of `model` at a site: its headline outcome, at the gate's threshold, else the site's."""
    known = rooms.models[model]
    reading = rooms.readings.last(tenant.id, model, known.outcomes[-1])
    weighed = reading is not None and reading.version == known.version
    threshold = reading.body["gate"]["threshold"] if reading and weighed else tenant.models[model].threshold
    return Question(tenant.id, model, known.version, known.outcomes[-1], float(threshold))


def made(rooms: Rooms, model: str, tenant: Tenant | None, measure: Measure | None) -> Card:
    """The card of `model` at `tenant`, as measured."""
    known, now = rooms.models[model], rooms.clock()
    files = rooms.cards[model]
    site = None if tenant is None else _here(rooms, tenant, model, measure)
    address: dict[str, Any] = {"model": model} | ({} if tenant is None else {"site": tenant.id})
    sites = [] if tenant is not None else [
        (each.name, url_for("model_cards.of_site", model=model, site=each.id)) for each in rooms.tenants
    ]  # fmt: skip
    view = live_card.view(
        model,
        known.manifest,
        files["card"],
        site,
        now,
        zone=UTC if site is None else site.zone,
        xml_url=url_for("model_cards.of_no_site_xml" if tenant is None else "model_cards.of_site_xml", **address),
        sites=sites,
    )
    return Card(view, applied_card.applied(view, known.manifest, files["card"], files["evaluation"], site))


def _here(rooms: Rooms, tenant: Tenant, model: str, measure: Measure | None) -> live_card.Here:
    asked, now = question(rooms, tenant, model), rooms.clock()
    reading = rooms.readings.last(tenant.id, model, asked.outcome)
    return live_card.Here(
        id=tenant.id,
        name=tenant.name,
        zone=words.zone_of(tenant.time_zone),
        state=standing.state(tenant.models[model].state, reading, asked.version, now),
        outcome=asked.outcome,
        threshold=asked.threshold,
        measure=None if measure is None else measure.body,
        measured=None if measure is None else measure.at,
        gate=None if reading is None else reading.body["gate"],
        weighed=None if reading is None else reading.at,
        stale_days=standing.STALE.days,
        window=WINDOW if measure is None else int(measure.body["window"]),
        smallest=SMALLEST,
    )


def _card(rooms: Rooms, model: str, tenant: Tenant | None) -> Card:
    if model not in rooms.models:
        raise NotFound("no model of this name is here", "model")
    if tenant is None:
        return made(rooms, model, None, None)
    zone = words.zone_of(tenant.time_zone)
    return made(rooms, model, tenant, rooms.measures.glance(question(rooms, tenant, model), zone))


def _tenant(rooms: Rooms, site: str) -> Tenant:
    try:
        return rooms.tenants.by_id(site)
    except UnknownIssuer:
        raise NotFound("no site of this id is configured here", "card") from None


def page(card: Card, base: str = "") -> str:
    """The card's page; `base` is where its style is, for a page that is kept as a file."""
    return render_template("card.html", view=card.view, base=base, say=say)


def xml(card: Card) -> str:
    """The card's document."""
    return render_template("card.xml", card=card.document)


def _page(card: Card) -> Response:
    return make_response(page(card))


def _xml(card: Card) -> Response:
    answer = make_response(xml(card))
    answer.mimetype = XML
    return answer
