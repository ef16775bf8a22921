"""What the chart keeps of a visit, in a real browser against the running hospital and app.

A physician is told something once and not again; takes up an offer of a card, and signs what it drafted; writes the
assessment to the chart by a button, where another client of the hospital's FHIR server finds it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
import sqlite3
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.conftest import Demonstration
from tests.test_walkthrough import app_frame, open_chart, order, physician  # noqa: F401  a fixture

pytestmark = pytest.mark.browser


def rows(demonstration: Demonstration, query: str) -> list[tuple[Any, ...]]:
    """What the ledger's file answers."""
    with sqlite3.connect(demonstration.var / "ordertime.db") as ledger:
        return ledger.execute(query).fetchall()


def chart_over_fhir(demonstration: Demonstration, patient: str, kind: str) -> list[dict[str, Any]]:
    """This patient's resources, as a client with a launch of its own reads them from the FHIR server."""
    base, verifier = demonstration.hospital, secrets.token_urlsafe(48)
    digest = hashlib.sha256(verifier.encode()).digest()
    back = f"{demonstration.app}/callback"
    asked = {
        "response_type": "code",
        "client_id": "ordertime",
        "redirect_uri": back,
        "scope": f"launch/patient openid fhirUser patient/{kind}.rs",
        "state": "of-this-test",
        "aud": f"{base}/fhir",
        "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
    }
    with httpx.Client(timeout=10, trust_env=False) as client:
        page = client.get(f"{base}/auth/authorize", params=asked).text
        sent = dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', page))
        form = {name: unescape(value) for name, value in sent.items()}
        form |= {"chosen_practitioner": "okafor", "chosen_patient": patient}
        code = parse_qs(urlsplit(client.post(f"{base}/auth/authorize", data=form).headers["Location"]).query)
        grant = client.post(
            f"{base}/auth/token",
            data={
                "grant_type": "authorization_code",
                "code": code["code"][0],
                "redirect_uri": back,
                "code_verifier": verifier,
                "client_id": "ordertime",
            },
        ).json()
        found = client.get(
            f"{base}/fhir/{kind}",
            params={"patient": patient},
            headers={"Authorization": f"Bearer {grant['access_token']}"},
        )
    assert found.status_code == 200, found.text
    return [entry["resource"] for entry in found.json().get("entry", [])]


def test_what_was_said_once_is_not_said_again_while_nothing_is_new(
    physician: Any,  # noqa: F811
    demonstration: Demonstration,
    pictures: Path,
) -> None:
    # CONFORMANCE 84
    page = physician
    open_chart(page, "myasthenia-tiring")
    card = page.locator("article.card[data-service=ventilation-need]")
    card.wait_for(timeout=20_000)
    (uuid,) = [card.get_attribute("data-card")]
    order(page, "paracetamol")
    page.locator("[data-sign]").click()  # concerns no model: signed at once, and the desk is empty
    page.locator("#desk .signed").wait_for(timeout=20_000)
    page.reload()
    page.wait_for_load_state("networkidle")
    page.get_by_text("No unsigned orders.").wait_for(timeout=20_000)
    assert page.locator("article.card").count() == 0
    page.screenshot(path=pictures / "6-nothing-new.png")
    held = rows(demonstration, "select of_card, reason from repeats")
    assert (uuid, "nothing new") in held


def test_an_offer_of_a_card_is_taken_drafted_signed_and_remembered(
    physician: Any,  # noqa: F811
    demonstration: Demonstration,
    pictures: Path,
) -> None:
    # CONFORMANCE 80, 90
    page = physician
    open_chart(page, "conventional-rising")
    card = page.locator("article.card[data-service=ventilation-need]")
    card.wait_for(timeout=20_000)
    uuid = card.get_attribute("data-card")
    assert card.locator("button.accept").count() == 3
    assert page.locator("#drafts").count() == 0  # nothing is drafted by itself
    page.screenshot(path=pictures / "7-offers.png")
    card.get_by_role("button", name="Arterial blood gas").click()
    page.locator("#drafts fieldset", has_text="Arterial blood gas").wait_for(timeout=20_000)
    assert "Acknowledged: Arterial blood gas" in page.locator("article.card .done").first.inner_text()
    page.locator("[data-sign]").click()
    confirm = page.locator("[data-confirm]")
    signed = page.locator("#desk .signed")
    confirm.or_(signed).first.wait_for(timeout=20_000)
    if confirm.count():
        confirm.click()
    signed.wait_for(timeout=20_000)
    assert "Arterial blood gas" in signed.inner_text()
    offered = dict(rows(demonstration, f"select id, kind from suggestions where card_id = '{uuid}'"))  # noqa: S608
    assert set(offered.values()) == {"arterial-blood-gas", "venous-blood-gas", "respiratory-review"}
    ((accepted,),) = rows(demonstration, f"select accepted from feedback where card = '{uuid}'")  # noqa: S608
    assert [offered[key] for key in json.loads(accepted)] == ["arterial-blood-gas"]
    requests = chart_over_fhir(demonstration, "conventional-rising", "ServiceRequest")
    assert any((one["code"]["coding"][0]["code"], one["status"]) == ("24336-0", "active") for one in requests)


def test_a_button_writes_the_assessment_to_the_chart_and_the_fhir_server_finds_it(
    physician: Any,  # noqa: F811
    demonstration: Demonstration,
    pictures: Path,
) -> None:
    # CONFORMANCE 101, 102, 104, 105
    page = physician
    open_chart(page, "copd-retention")
    page.locator("form[data-launch] button.app").click()
    frame = app_frame(page)
    for kind in ("RiskAssessment", "DocumentReference"):
        assert chart_over_fhir(demonstration, "copd-retention", kind) == []  # nothing is written by looking
    section = frame.locator("#ventilation-need-details")
    for button in ("Write this assessment to the chart", "Write the patient's page to the chart"):
        section.get_by_role("button", name=button).click()
        section.get_by_role("button", name=button).wait_for(state="detached", timeout=20_000)
    written = section.locator(".writing").inner_text()
    assert written.count("written to the chart on") == 2
    section.locator(".writing").scroll_into_view_if_needed()
    page.screenshot(path=pictures / "8-written.png")
    (risk,) = chart_over_fhir(demonstration, "copd-retention", "RiskAssessment")
    assert f"RiskAssessment/{risk['id']}" in written
    figure = frame.locator("#ventilation-need .figure").inner_text().replace("\u00a0", " ")
    assert f"{round(risk['prediction'][-1]['probabilityDecimal'])} %" == figure
    (document,) = chart_over_fhir(demonstration, "copd-retention", "DocumentReference")
    content = base64.b64decode(document["content"][0]["attachment"]["data"])
    assert content.startswith((b"%PDF-", b"<!doctype html>"))
    kinds = [kind for (kind,) in rows(demonstration, "select kind from events where kind = 'written'")]
    assert len(kinds) == 2

    frame.get_by_role("button", name="Close this visit").click()
    frame.get_by_text("The visit is closed").wait_for(timeout=20_000)
    assert "withdrawn" in frame.locator("body").inner_text()
