"""The audit trail: one event for every deed and every refusal, in FHIR's shape, that names nobody."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from fhirclient.models.auditevent import AuditEvent

from governance.audit import KINDS, AuditEntry, AuditTrail
from governance.errors import LedgerRefusal
from inference.assessment import VENTILATION
from tests.webapp.house import APP, House, standing, visit_of
from webapp.audit import MOST_REFUSALS

SICK = "pneumonia-worsening"
SERVICE = f"/cds-services/{VENTILATION}"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    yield from standing(tmp_path_factory.mktemp("house"))


@pytest.fixture
def since(house: House) -> list[AuditEntry]:
    """What stood in the trail before this test."""
    return list(house.rooms.audit.read())


def new(house: House, since: list[AuditEntry]) -> list[AuditEntry]:
    before = {row.id for row in since}
    return [row for row in house.rooms.audit.read() if row.id not in before]


def kinds(house: House, since: list[AuditEntry]) -> list[tuple[str, str]]:
    return [(row.kind, row.door) for row in new(house, since)]


def exported(house: House, *words: str) -> list[dict[str, Any]]:
    found = house.app.test_cli_runner().invoke(args=["audit", "export", *words])
    assert found.exit_code == 0, found.output
    return [json.loads(line) for line in found.stdout.splitlines() if line.startswith('{"resourceType"')]


def form(page: Any, action: str) -> tuple[str, dict[str, str]]:
    text = page.get_data(as_text=True)
    found = re.search(
        rf'<form[^>]*? method="post" action="([^"]*{action}[^"]*)">(.*?)</form>', text, re.DOTALL
    )
    assert found
    return found[1].replace("&amp;", "&"), dict(re.findall(r'name="(\w+)" value="([^"]*)"', found[2]))


def test_every_step_of_a_visit_is_noted_once(house: House, since: list[AuditEntry]) -> None:
    client, address, page = house.result(SICK)
    visit, (action, fields) = visit_of(address), form(page, "/release")
    key = action.split("/")[2]
    client.get(f"/handout/{key}?visit={visit}", base_url=APP)
    assert client.get(f"/handout/{key}.pdf?visit={visit}", base_url=APP).status_code == 200
    client.post(action, data=fields | {"read": "yes", "language": "en"}, base_url=APP)
    client.post(action.replace("/release", "/opinion"), data=fields | {"opinion": "agree"}, base_url=APP)
    client.get(f"/result/stored?visit={visit}", base_url=APP)
    client.post("/close", data=fields, base_url=APP)
    assert kinds(house, since) == [
        ("launched", "/callback"),
        ("viewed", "/result"),  # the chart
        ("viewed", "/result"),
        ("viewed", "/result"),  # two models, two answers
        ("viewed", "/handout/<key>"),
        ("printed", "/handout/<key>.pdf"),
        ("released", "/assessments/<key>/release"),
        ("opinion", "/assessments/<key>/opinion"),
        ("viewed", "/result/stored"),
        ("viewed", "/result/stored"),
        ("closed", "/close"),
    ]
    rows = new(house, since)
    assert len({row.user for row in rows}) == 1
    assert {row.patient for row in rows} == {house.rooms.ledger.pseudonym("demo", SICK)}
    assert rows[5].assessment == key


def test_every_hook_call_is_noted_for_its_user_and_patient(house: House, since: list[AuditEntry]) -> None:
    body = house.asked(SICK)
    assert house.post(SERVICE, body).status_code == house.post(SERVICE, body).status_code == 200
    told = {"feedback": [{"card": "c", "outcome": "accepted", "outcomeTimestamp": "2026-11-23T00:00:00Z"}]}
    house.post(f"{SERVICE}/feedback", told)
    rows = new(house, since)
    assert [(row.kind, row.reason) for row in rows] == [("hook", "card"), ("hook", "again"), ("feedback", "")]
    assert rows[0].patient == house.rooms.ledger.pseudonym("demo", SICK)
    assert rows[0].user == house.rooms.ledger.user_pseudonym("demo", "Practitioner/okafor")


def test_every_refusal_is_noted_with_its_status_and_its_reason(house: House, since: list[AuditEntry]) -> None:
    client, browser = house.app.test_client(), house.browser()
    house.post(SERVICE, house.asked(SICK), token="a.b.c")
    house.post(SERVICE, b"{no")
    house.post(SERVICE, house.asked(SICK, prefetch=False, authorised=False))
    client.get("/launch?iss=https://evil.example&launch=x")
    client.get("/callback?state=x&code=y")
    browser.get("/result?visit=nobody", base_url=APP)
    client.get("/nowhere")  # no door
    client.get("/about/none/none.svg")  # an open one
    assert [(row.kind, row.status, row.reason, row.tenant) for row in new(house, since)] == [
        ("refused", 401, "not-trusted", ""),
        ("refused", 400, "malformed", "demo"),
        ("refused", 412, "missing-data", "demo"),
        ("refused", 403, "unknown-hospital", ""),
        ("refused", 400, "launch-refused", ""),
        ("refused", 401, "session-expired", ""),
    ]


def test_a_flood_of_refusals_does_not_fill_the_disk(house: House, since: list[AuditEntry]) -> None:
    house.clock.stopped = house.clock() + timedelta(hours=2)
    for _ in range(MOST_REFUSALS + 30):
        assert house.post(SERVICE, b"{}", token="").status_code == 401
    noted = len(new(house, since))
    house.clock.stopped = None
    assert noted == MOST_REFUSALS


def test_the_export_is_fhir_and_names_nobody(house: House, since: list[AuditEntry]) -> None:
    house.result(SICK)
    house.post(SERVICE, house.asked(SICK))
    house.post(SERVICE, b"{no")
    events = exported(house)
    assert len(events) == len(since) + len(new(house, since))
    for event in events:
        assert (
            AuditEvent(event).as_json()["type"] == event["type"]
        )  # fhirclient's R4 model takes it, strictly
    text = json.dumps(events)
    for name in (
        SICK,
        "okafor",
        "Practitioner/",
        "Ashdown",
        "Harriet",
        house.hospital.settings.url,
        "127.0.0.1",
    ):
        assert name not in text, name
    assert {event["outcome"] for event in events} == {"0", "4"}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_of_deed_has_its_fhir_event(kind: str) -> None:
    from ehr.audit import DEEDS, audit_event
    from tests.governance.answers import NOON

    assert set(DEEDS) == KINDS
    for status, user in ((200, "a" * 64), (403, ""), (503, "")):
        event = audit_event(
            "k", NOON, kind, tenant="t", door="/x", status=status, user=user, patient="b" * 64
        )
        AuditEvent(event)
        assert event["outcome"] == {200: "0", 403: "4", 503: "8"}[status]


def test_the_export_can_be_limited_to_a_time_and_a_hospital(house: House) -> None:
    house.post(SERVICE, house.asked(SICK))
    everything = exported(house)
    assert exported(house, "--tenant", "elsewhere") == []
    assert all(event["source"]["site"] == "demo" for event in exported(house, "--tenant", "demo"))
    middle = everything[len(everything) // 2]["recorded"]
    later = exported(house, "--since", re.sub(r"\.\d+", "", middle))
    assert 0 < len(later) <= len(everything)
    assert exported(house, "--until", "2000-01-01") == []


def test_what_is_no_code_is_not_kept(house: House) -> None:
    trail: AuditTrail = house.rooms.audit
    for wrong in ({"kind": "eaten"}, {"door": "Harriet; Ashdown"}, {"reason": "x" * 101}, {"reason": "<b>é"}):
        with pytest.raises(LedgerRefusal):
            trail.note(**{"kind": "viewed", "door": "/x", **wrong})  # type: ignore[arg-type]


def test_a_view_that_cannot_be_noted_is_not_shown(house: House) -> None:
    from sqlalchemy import text

    client, address = house.launched(SICK)
    with house.rooms.store.engine.begin() as connection:
        connection.execute(text("ALTER TABLE audit RENAME TO elsewhere"))
    try:
        answer = client.get(address, base_url=APP)
    finally:
        with house.rooms.store.engine.begin() as connection:
            connection.execute(text("ALTER TABLE elsewhere RENAME TO audit"))
    assert answer.status_code == 503
    assert "Ashdown" not in answer.get_data(as_text=True)
