"""A live model card put together: the artefact's own files, the site's configuration, and what its ledger came to.

What the cards' door and the command share. Refuses nothing: who asks has found the model and the site.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from typing import Any

from flask import render_template, url_for

from ehr.tenants import Tenant
from governance.equity import SMALLEST
from governance.measures import WINDOW, Measure, Question
from webapp import applied_card, live_card, standing, words
from webapp.rooms import Rooms
from webapp.words import say


@dataclass(frozen=True, slots=True)
class Card:
    """One model's card at one site, or at none: the page's view, and the document for programs."""

    view: live_card.CardView
    document: applied_card.AppliedCard


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
        state=standing.at_site(rooms.readings, tenant, model, asked.version, (asked.outcome, ""), now),
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


def page(card: Card, base: str = "") -> str:
    """The card's page; `base` is where its style is, for a page that is kept as a file."""
    return render_template("card.html", view=card.view, base=base, say=say)


def xml(card: Card) -> str:
    """The card's document."""
    return render_template("card.xml", card=card.document)
