"""The order desk's addresses: choosing, signing, answering a card, opening the app beside the chart.

Each answers with the desk as an HTML fragment. Hooks are called from here, never by the browser. An app opens
only at its registered address. Refuses an order, a card or a link that is not on the desk (404).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode, urlsplit

from flask import Blueprint, Response, abort, jsonify, render_template, request

from demo.advice import (
    actions_of,
    details_of,
    feedback,
    in_catalogue,
    in_words,
    moment_of,
    smart_links,
)
from demo.cds_client import CdsClient, Occasion, ServiceProblem
from demo.chart import Banner
from demo.desk import Desk, Shown
from demo.orders import BY_KEY, Order, draft_orders, resource
from demo.records import Hospital

Resource = dict[str, Any]
APP_NAME = "Ordertime"
NOTHING: Mapping[str, Any] = MappingProxyType({})
Opened = Callable[
    [str], tuple[Banner, Desk, Occasion]
]  # a patient's id -> who, the desk, who is at the screen


def install(page: Blueprint, hospital: Hospital, cds: CdsClient, opened: Opened) -> None:
    """Put the desk's addresses on the page; `opened` aborts for a patient that is not here."""
    settings = hospital.settings

    def shown_desk(who: Banner, desk: Desk) -> str:
        return render_template("entry/_desk.html", who=who, desk=desk)

    def drafts(desk: Desk) -> Resource:
        return draft_orders(tuple(desk.orders.values()), hospital.clock())

    @page.get("/chart/<patient>/advice")
    def advice(patient: str) -> str:
        """What decision support says on opening the chart (patient-view); not while orders lie unsigned."""
        who, desk, at = opened(patient)
        if not desk.orders:
            desk.take(cds.ask("patient-view", at))
        return shown_desk(who, desk)

    @page.post("/chart/<patient>/orders")
    def choose(patient: str) -> str:
        """Choosing an order: it becomes a draft, and order-select is fired with it selected."""
        who, desk, at = opened(patient)
        item = BY_KEY.get(request.form.get("item", ""))
        if item is None:
            abort(404)
        order = _new(desk, item.key, at)
        context = {"selections": [order.reference], "draftOrders": drafts(desk)}
        desk.take(cds.ask("order-select", at, **context))
        return shown_desk(who, desk)

    @page.post("/chart/<patient>/orders/<draft>/remove")
    def remove(patient: str, draft: str) -> str:
        who, desk, _ = opened(patient)
        if not desk.remove(draft):
            abort(404)
        return shown_desk(who, desk)

    @page.post("/chart/<patient>/sign")
    def sign(patient: str) -> str:
        """Signing: order-sign is fired; with advice or a problem the clinician looks first."""
        who, desk, at = opened(patient)
        if not desk.orders:
            abort(400, "there is nothing to sign")
        desk.orders = {key: with_details(order, request.form) for key, order in desk.orders.items()}
        desk.take(cds.ask("order-sign", at, draftOrders=drafts(desk)))
        if desk.cards or desk.problems:
            desk.step = "review"
            return shown_desk(who, desk)
        return store(who, desk)

    @page.post("/chart/<patient>/sign/confirm")
    def confirm(patient: str) -> str:
        who, desk, _ = opened(patient)
        if desk.step != "review" or not desk.orders:
            abort(400, "there is nothing to confirm")
        return store(who, desk)

    @page.post("/chart/<patient>/sign/back")
    def back(patient: str) -> str:
        who, desk, _ = opened(patient)
        desk.step = ""
        return shown_desk(who, desk)

    def store(who: Banner, desk: Desk) -> str:
        lines = [f"{order.item.title}: {order.line}" for order in desk.orders.values()]
        for order in desk.orders.values():
            hospital.keep(resource(order, hospital.clock(), "active"))
        desk.done(lines)
        return shown_desk(who, desk)

    @page.post("/chart/<patient>/cards/<uuid>")
    def answer(patient: str, uuid: str) -> str:
        """Accept or override a card, and tell the service so."""
        who, desk, at = opened(patient)
        shown = desk.find(uuid)
        if shown is None:
            abort(404)
        row = feedback(shown, request.form, hospital.clock())
        suggestion = request.form.get("suggestion", "")
        if row["outcome"] == "accepted" and suggestion:
            if suggestion not in {one.get("uuid") for one in shown.left}:
                abort(404)
            _carry_out(desk, at, shown, suggestion)
            shown.taken.append(suggestion)
        told = (shown.reason, in_words(shown, request.form))
        shown.reason = ", ".join(one for one in told if one)
        shown.outcome = "" if shown.taken and shown.left and row["outcome"] == "accepted" else row["outcome"]
        try:
            cds.feedback(shown.service, [row])
            shown.trouble = ""
        except ServiceProblem as problem:
            shown.trouble = f"status {problem.status}: {problem}" if problem.status else str(problem)
        return shown_desk(who, desk)

    @page.post("/chart/<patient>/launch")
    def launch(patient: str) -> Response:
        """Mint a launch for a card's SMART link, or for the app from the menu: the address for the frame."""
        who, desk, at = opened(patient)
        link = _link(desk, request.form, f"{settings.app_url}/launch")
        url = str(link.get("url", ""))
        if not same_site(url, settings.app_url):
            abort(400, "that app is not registered here")
        context = link.get("appContext")
        minted = hospital.launches.mint(
            patient=who.id, encounter=who.encounter, user=at.practitioner, app_context=context
        )
        joint = "&" if urlsplit(url).query else "?"
        src = f"{url}{joint}{urlencode({'iss': settings.fhir, 'launch': minted})}"
        return jsonify(src=src, title=str(link.get("label", APP_NAME)))


def _new(desk: Desk, item: str, at: Occasion, wanted: Mapping[str, Any] = NOTHING) -> Order:
    """A draft of the catalogue's order; where advice `wanted` it at a moment or with a priority, so drafted."""
    details = {one.name: one.default for one in BY_KEY[item].details} | details_of(wanted, BY_KEY[item])
    when = moment_of(wanted)
    order = Order(desk.number(), BY_KEY[item], at.patient, at.encounter, at.practitioner, details, when)
    desk.add(order)
    return order


def _carry_out(desk: Desk, at: Occasion, shown: Shown, suggestion: str) -> None:
    """A suggestion, as far as this hospital can: orders of its own catalogue, and taking a draft back."""
    for action in actions_of(shown, suggestion):
        if action.get("type") == "create":
            wanted = action.get("resource", {})
            item = in_catalogue(wanted)
            if item:
                _new(desk, item, at, wanted)
        elif action.get("type") == "delete":
            desk.orders.pop(str(action.get("resourceId", "")).rpartition("/")[2], None)


def _link(desk: Desk, form: Mapping[str, str], menu: str) -> Mapping[str, Any]:
    uuid = form.get("card", "")
    if not uuid:
        return {"url": menu, "label": APP_NAME}
    shown = desk.find(uuid)
    links = smart_links(shown) if shown else []
    place = form.get("link", "0")
    if not place.isdecimal() or int(place) >= len(links):
        abort(404)
    return links[int(place)]


def with_details(order: Order, form: Mapping[str, str]) -> Order:
    """The order with what the form says of it ("draft-1.flow"); choices stay within their list."""
    told = dict(order.details)
    for one in order.asked:
        value = form.get(f"{order.id}.{one.name}", told.get(one.name, one.default)).strip()[:40]
        told[one.name] = value if not one.choices or value in one.choices else one.default
    return replace(order, details=told)


def same_site(url: str, registered: str) -> bool:
    """Whether `url` lies on the registered app's origin."""
    asked, known = urlsplit(url), urlsplit(registered)
    return (asked.scheme, asked.netloc) == (known.scheme, known.netloc)
