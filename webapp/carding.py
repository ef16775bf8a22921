"""A live model card put together: the artefact's own files, the site's configuration, and what its ledger came to.

What the cards' door, the command and the weekly jobs share. Refuses nothing: who asks has found the model and the site.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from flask import render_template, url_for

from ehr.tenants import Tenant
from governance.equity import SMALLEST
from governance.measures import WINDOW, Glance, Measure, Question
from governance.weeks import Week
from webapp import applied_card, live_card, standing, words
from webapp.rooms import Rooms
from webapp.words import say


@dataclass(frozen=True, slots=True)
class Card:
    """One model's card at one site, or at none: the page's view, and the document for programs."""

    view: live_card.CardView
    document: applied_card.AppliedCard


def questions(rooms: Rooms, tenant: Tenant, model: str) -> tuple[Question, ...]:
    """What is measured of `model` at a site: each outcome, headline first, at its gate's or the site's threshold."""
    known = rooms.models[model]
    headline = known.outcomes[-1]
    return tuple(
        Question(tenant.id, model, known.version, outcome, _threshold(rooms, tenant, model, outcome)[0])
        for outcome in (headline, *known.outcomes[:-1])
    )


def glances(rooms: Rooms, tenant: Tenant, model: str) -> tuple[Glance, ...]:
    """What a page may say at once of each outcome, in the order of `questions`."""
    zone = words.zone_of(tenant.time_zone)
    return tuple(rooms.measures.glance(asked, zone) for asked in questions(rooms, tenant, model))


def kept_up(rooms: Rooms, tenant: Tenant) -> tuple[Measure, ...]:
    """Measure what pages do not, once a week: for the jobs that run anyway. Raises LedgerUnavailable."""
    zone = words.zone_of(tenant.time_zone)
    monday = Week.of(rooms.clock().astimezone(zone).date()).begins(zone)
    asked = (each for model in rooms.models for each in questions(rooms, tenant, model))
    taken = (rooms.measures.keep_up(each, zone, monday) for each in asked)
    return tuple(each for each in taken if each is not None)


def made(rooms: Rooms, model: str, tenant: Tenant | None, found: Sequence[Glance]) -> Card:
    """The card of `model` at `tenant`; `found` is what its outcomes came to, in the order of `questions`."""
    known, now = rooms.models[model], rooms.clock()
    files = rooms.cards[model]
    site = None if tenant is None else _here(rooms, tenant, model, found)
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


def _threshold(rooms: Rooms, tenant: Tenant, model: str, outcome: str) -> tuple[float, bool]:
    """The operating threshold of an outcome, and whether a gate of its own sets it."""
    reading = rooms.readings.last(tenant.id, model, outcome)
    if reading is not None and reading.version == rooms.models[model].version:
        return float(reading.body["gate"]["threshold"]), True
    return tenant.models[model].threshold, False


def _here(rooms: Rooms, tenant: Tenant, model: str, found: Sequence[Glance]) -> live_card.Here:
    asked, now = questions(rooms, tenant, model), rooms.clock()
    reading = rooms.readings.last(tenant.id, model, asked[0].outcome)
    gate = (asked[0].outcome, "")
    return live_card.Here(
        id=tenant.id,
        name=tenant.name,
        zone=words.zone_of(tenant.time_zone),
        state=standing.at_site(rooms.readings, tenant, model, asked[0].version, gate, now),
        outcomes=tuple(
            _outcome(rooms, tenant, model, each, glance) for each, glance in zip(asked, found, strict=True)
        ),
        gate=None if reading is None else reading.body["gate"],
        weighed=None if reading is None else reading.at,
        stale_days=standing.STALE.days,
        smallest=SMALLEST,
    )


def _outcome(rooms: Rooms, tenant: Tenant, model: str, asked: Question, found: Glance) -> live_card.Came:
    known, measure = rooms.models[model], found.measure
    return live_card.Came(
        outcome=asked.outcome,
        hours=known.hours[known.outcomes.index(asked.outcome)],
        gated=_threshold(rooms, tenant, model, asked.outcome)[1],
        body=None if measure is None else measure.body,
        measured=None if measure is None else measure.at,
        later=found.later,
        due=found.due,
        window=WINDOW if measure is None else int(measure.body["window"]),
    )


def page(card: Card, base: str = "") -> str:
    """The card's page; `base` is where its style is, for a page that is kept as a file."""
    return render_template("card.html", view=card.view, base=base, say=say)


def xml(card: Card) -> str:
    """The card's document."""
    return render_template("card.xml", card=card.document)
