"""A kept review as a page, on the screen and on paper: with what was decided about it, or how it is decided."""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from contextlib import suppress
from typing import Final

from flask import current_app, render_template

from ehr.tenants import Tenant
from governance.charts.stated import STATED
from governance.decisions import IMPACT, KINDS, Decided
from governance.review import Review
from webapp import handout, review_view, reviewing, words
from webapp.report import Section
from webapp.review_view import ReviewView
from webapp.rooms import Rooms
from webapp.sessions import VaultUnavailable
from webapp.words import say

HELD: Final = 92 * 86_400.0  # seconds that a drawn paper is held: a quarter
PART: Final = 40_000  # bytes of it in one place of the vault


def view(rooms: Rooms, tenant: Tenant, kept: Review) -> ReviewView:
    """The review in words."""
    zone = words.zone_of(tenant.time_zone)
    decided = decision(rooms, tenant, kept)
    return review_view.view(kept.body, kept.digest, decided, site=tenant.name, zone=zone, stated=STATED)


def paper(rooms: Rooms, tenant: Tenant, kept: Review) -> str:
    """The review as HTML that paper is made of."""
    return render_template("review_paper.html", view=view(rooms, tenant, kept), say=say)


def printed(rooms: Rooms, site: str, week: str, html: str) -> bytes:
    """The paper of that week as PDF. Drawing ten sheets takes a second of processor, so what was drawn last is held,
    sealed, in the week's one place, and given while words and style are the same to the letter; another is drawn over
    it. Raises PrintingUnavailable.
    """
    style = (handout.STATIC / "review.css").read_text(encoding="utf-8")
    drawing, place = hashlib.sha256(f"{style}\0{html}".encode()).hexdigest(), f"{site}|{week}"
    held = _held(rooms, place, drawing)
    if held is not None:
        return held
    made = handout.sheets(html)
    parts = [made[start : start + PART] for start in range(0, len(made), PART)]
    for number, part in enumerate(parts):
        sealed = {"pdf": b64encode(part).decode(), "of": drawing}
        rooms.vault.put("paper", f"{place}|{number}", sealed, HELD)
    rooms.vault.put("paper", place, {"parts": len(parts), "of": drawing}, HELD)
    return made


def _held(rooms: Rooms, place: str, drawing: str) -> bytes | None:
    """That drawing, whole; None where another one or a part of it is held, or nothing any more."""
    head = rooms.vault.get("paper", place)
    if head is None or head["of"] != drawing:
        return None
    parts = [rooms.vault.get("paper", f"{place}|{number}") for number in range(head["parts"])]
    whole = [b64decode(part["pdf"]) for part in parts if part is not None and part["of"] == drawing]
    return b"".join(whole) if parts and len(whole) == len(parts) else None


def thrown_away(rooms: Rooms, site: str, week: str) -> None:
    """Delete what is held of the week's paper: somebody who was named on it was erased. Raises VaultUnavailable."""
    place = f"{site}|{week}"
    head = rooms.vault.get("paper", place)
    rooms.vault.delete("paper", place)
    for number in range(head["parts"] if head else 0):
        rooms.vault.delete("paper", f"{place}|{number}")


def drawn(rooms: Rooms, tenant: Tenant, kept: Review) -> None:
    """Draw the paper of a review, for who made or decided it: nobody waits for it then. Where it cannot be drawn or
    held now, its page tries when it is asked for.
    """
    with current_app.test_request_context(), suppress(handout.PrintingUnavailable, VaultUnavailable):
        printed(rooms, tenant.id, kept.week.name, paper(rooms, tenant, kept))


def alone(html: str) -> str:
    """The same as a file that needs no other: its style inside it."""
    style = (handout.STATIC / "review.css").read_text(encoding="utf-8")
    return html.replace('<link rel="stylesheet" href="/static/review.css">', f"<style>\n{style}</style>")


def decision(rooms: Rooms, tenant: Tenant, kept: Review) -> Section:
    """The decision with its signers, proven again; or what has to be decided, by whom and how."""
    found = reviewing.decisions(rooms).of(tenant.id, kept.week.name)
    title = say("en", "review.decision.title")
    if found is None:
        roles = tenant.review.roles
        kinds = ", ".join(say("en", f"review.decision.kind-{kind}") for kind in KINDS)
        named = say("en", "review.decision.roles", roles=words.listed(roles))
        who = named if roles else say("en", "review.decision.people")
        how = say("en", "review.decision.how", site=tenant.id, week=kept.week.name)
        opened = say("en", "review.decision.open", kinds=kinds)
        return Section("decision", title, (opened, who, how, say("en", "review.decision.open-sentence")))
    return Section("decision", title, _decided(found, tenant), _signers(found, tenant), after=_proof(found, kept))


def _decided(found: Decided, tenant: Tenant) -> tuple[str, ...]:
    made = found.decision
    head = say(
        "en",
        "review.decision.decided",
        at=words.moment(found.at, words.zone_of(tenant.time_zone)),
        kind=say("en", f"review.decision.kind-{made.kind}"),
        model=words.model_name(made.model) if made.model else say("en", "review.all-models"),
    )
    meant = (say("en", "review.decision.meant", gate=made.gate, threshold=made.threshold),) if made.gate else ()
    return (head, *meant, made.sentence, say("en", "review.decision.impact", impact=made.impact or IMPACT[made.kind]))


def _signers(found: Decided, tenant: Tenant) -> tuple[str, ...]:
    zone = words.zone_of(tenant.time_zone)
    return tuple(
        say("en", "review.decision.signed", name=each.name, role=each.role, at=words.moment(each.at, zone))
        for each in found.signatures
    )


def _proof(found: Decided, kept: Review) -> tuple[str, ...]:
    doubts = list(found.doubts)
    if found.decision.review != kept.digest:
        doubts.append("it was made on another review than this one")
    said = tuple(say("en", "review.decision.doubt", doubt=doubt) for doubt in doubts)
    return (*said, say("en", "review.decision.line", line=found.line))
