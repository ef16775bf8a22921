"""What came after, in the hospital's rows: what cannot be used is a doubt with its reason, how a stay ended is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from ehr import aftermath
from ehr.errors import NotPermitted
from ehr.follow_policy import FollowPolicy
from ehr.records import after_codes, read_after
from ehr.tenants import Tenant, load_tenant
from ehr.transport import Budget, FhirHttp
from inference.chart import Record
from inference.sequel import Course, Doubt, Spell
from tests.ehr.peer import BASE, Peer

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
ZONE = ZoneInfo("America/New_York")
TENANT = Tenant("north", "North", BASE, "ordertime", local_codes={"urn:site|VENT": "event:ventilation"})
TUBE = {"coding": [{"system": "http://snomed.info/sct", "code": "112798008"}]}
DISPOSITION = "http://terminology.hl7.org/CodeSystem/discharge-disposition"


def row(kind: str, key: str = "1", **changes: Any) -> dict[str, Any]:
    return {"resourceType": kind, "id": key, "subject": {"reference": "Patient/p"}} | changes


def procedure(**changes: Any) -> dict[str, Any]:
    return row("Procedure", status="completed", code=TUBE) | changes


def stay(end: str | None = None, code: str = "", **changes: Any) -> dict[str, Any]:
    period = {"start": "2026-11-19T08:00:00Z"} | ({"end": end} if end else {})
    coded = {"dischargeDisposition": {"coding": [{"system": DISPOSITION, "code": code}]}} if code else {}
    status = "finished" if end else "in-progress"
    return row("Encounter", status=status, period=period, hospitalization=coded, **{"class": {"code": "IMP"}}) | changes


def read(*rows: Mapping[str, Any], tenant: Tenant = TENANT) -> Course:
    return aftermath.course(tenant, "p", rows, zone=ZONE, truncated=False)


def doubts(*rows: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(doubt.kind, doubt.reason) for doubt in read(*rows).doubts]


def test_a_procedure_with_a_day_and_no_time_may_lie_anywhere_on_that_day_here() -> None:
    (doubt,) = read(procedure(performedDateTime="2026-11-20")).doubts
    assert doubt == Doubt(
        "ventilation", "day-without-time", "Procedure/1", datetime(2026, 11, 20, 5, tzinfo=UTC),
        datetime(2026, 11, 21, 5, tzinfo=UTC),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"performedDateTime": "2026-11-20T12:00:00Z"}, []),
        ({"performedPeriod": {"start": "2026-11-20"}}, [("ventilation", "day-without-time")]),
        ({}, [("ventilation", "time-missing")]),
        ({"performedDateTime": "2026-11"}, [("ventilation", "time-not-read")]),
        ({"performedDateTime": "2026-11-20T12:00:00"}, [("ventilation", "time-not-read")]),
        (
            {"performedDateTime": "2026-11-20T12:00:00Z", "status": "entered-in-error"},
            [("ventilation", "entered-in-error")],
        ),
        ({"status": "preparation"}, []),
        ({"status": "not-done"}, []),
        ({"status": "entered-in-error", "code": {"coding": [{"system": "urn:x", "code": "1"}]}}, []),
        ({"code": {"coding": [{"system": "urn:site", "code": "VENT"}]}}, [("ventilation", "time-missing")]),
        ({"code": "broken"}, []),
    ],
)
def test_what_a_procedure_leaves_open(changes: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert doubts(procedure(**changes)) == expected


def test_a_device_in_use_without_a_time_of_day_is_a_doubt() -> None:
    device = {"resourceType": "Device", "id": "tube", "type": {"coding": TUBE["coding"]}}
    device["type"] = {"coding": [{"system": "http://snomed.info/sct", "code": "129121000"}]}
    use = row("DeviceUseStatement", status="active", device={"reference": "Device/tube"}, timingDateTime="2026-11-20")
    assert doubts(device, use) == [("ventilation", "day-without-time")]
    assert doubts(device, use | {"timingDateTime": "2026-11-20T12:00:00Z"}) == []


def observation(code: str, **changes: Any) -> dict[str, Any]:
    coded = {"coding": [{"system": "http://loinc.org", "code": code}]}
    return row("Observation", status="final", code=coded, effectiveDateTime="2026-11-20T12:00:00Z") | changes


def test_a_troponin_that_cannot_be_read_is_a_doubt_and_one_never_drawn_is_none() -> None:
    assert doubts(observation("6598-7", valueString="Hemolyzed")) == [("troponin", "draw-not-read")]
    assert doubts(observation("6598-7", status="entered-in-error")) == [("troponin", "entered-in-error")]
    assert doubts(observation("6598-7", status="cancelled")) == []
    sound = {"valueQuantity": {"value": 0.4, "unit": "ng/mL"}}
    assert doubts(observation("6598-7", **sound)) == []
    assert doubts(observation("6598-7", effectiveDateTime="2026-11-20", **sound)) == [
        ("troponin", "day-without-time")
    ]
    assert doubts(observation("8867-4", status="entered-in-error")) == []


@pytest.mark.parametrize(
    ("encounter", "how"),
    [
        (stay("2026-11-20T20:00:00Z", "home"), "home"),
        (stay("2026-11-20T20:00:00Z", "exp"), "died"),
        (stay("2026-11-20T20:00:00Z", "other-hcf"), "transferred"),
        (stay("2026-11-20T20:00:00Z", "oth"), "unsaid"),
        (stay("2026-11-20T20:00:00Z"), "unsaid"),
    ],
)
def test_how_a_stay_ended_is_what_its_disposition_says(encounter: dict[str, Any], how: str) -> None:
    assert [spell.how for spell in read(encounter).spells] == [how]


def test_stays_are_those_of_the_reader() -> None:
    start = datetime(2026, 11, 19, 8, tzinfo=UTC)
    assert read(stay()).spells == (Spell(start, None, ""),)
    assert read(stay(status="cancelled")).spells == ()
    assert read(stay(partOf={"reference": "Encounter/2"})).spells == ()
    assert read(stay(**{"class": {"code": "AMB"}})).spells == ()
    assert read(stay(status="finished")).spells == (Spell(start, None, "unsaid"),)
    assert read(stay(period={"start": "when?"})).spells == ()


def test_a_death_ends_the_stay_it_lies_in() -> None:
    person = {"resourceType": "Patient", "id": "p", "deceasedDateTime": "2026-11-20T15:00:00Z"}
    died = datetime(2026, 11, 20, 15, tzinfo=UTC)
    (spell,) = read(person, stay()).spells
    assert (spell.end, spell.how) == (died, "died")
    (before,) = read(person, stay("2026-11-20T09:00:00Z", "home")).spells
    assert before.how == "home"


def told_apart(record: Record, *rows: dict[str, Any]) -> dict[str, str]:
    return aftermath.traits(record, rows, NOON, ZONE, TENANT.audits)


def test_audits_are_told_race_and_ethnicity_where_one_category_is_given() -> None:
    omb = {"url": "ombCategory", "valueCoding": {"system": "urn:oid:2.16.840.1.113883.6.238", "code": "2106-3"}}
    other = {"url": "ombCategory", "valueCoding": {"system": "urn:oid:2.16.840.1.113883.6.238", "code": "2028-9"}}
    person: dict[str, Any] = {
        "resourceType": "Patient", "id": "p", "gender": "male", "birthDate": "1950-02-03",
        "extension": [{"url": aftermath.RACE, "extension": [omb]}],
    }  # fmt: skip
    record = read(person).record
    told = told_apart(record, person)
    assert told == {"sex": "male", "age_band": "65-79", "race": "White"}
    person["extension"][0]["extension"].append(other)
    assert "race" not in told_apart(record, person)
    person["extension"] = [{"url": aftermath.RACE, "extension": "broken"}]
    assert "race" not in told_apart(record, person)
    assert told_apart(read().record) == {}


def test_what_is_asked_for_by_code_is_ventilators_devices_and_troponins_of_the_table_and_the_site() -> None:
    codes = {code for piece in after_codes({"urn:x|TNT": "troponin_t", "urn:x|HR": "hr"}) for code in piece}
    assert {"http://loinc.org|20124-4", "http://loinc.org|67151-1", "urn:x|TNT"} <= codes
    assert not {"http://loinc.org|8867-4", "urn:x|HR"} & codes


def bundle(*rows: dict[str, Any]) -> httpx.Response:
    return httpx.Response(200, json={"resourceType": "Bundle", "entry": [{"resource": each} for each in rows]})


def test_a_server_without_device_uses_is_done_without_and_one_without_procedures_is_not() -> None:
    peer = Peer()
    for kind in ("Encounter", "Observation", "Procedure", "Device"):
        peer[f"/fhir/r4/{kind}"] = bundle()
    peer["/fhir/r4/Patient/p"] = httpx.Response(200, json={"resourceType": "Patient", "id": "p"})
    peer["/fhir/r4/DeviceUseStatement"] = httpx.Response(404, json={})
    found = asked(peer)
    assert found.problems == ("DeviceUseStatement: NotFound",)
    assert not found.truncated
    spans = {request.url.params.get_list("date")[0] for request in peer.asked if "Observation" in request.url.path}
    assert spans == {f"ge{(NOON - timedelta(days=3)).isoformat()}"}
    peer["/fhir/r4/Procedure"] = httpx.Response(403, json={})
    with pytest.raises(NotPermitted):
        asked(peer)


def asked(peer: Peer, **how: Any) -> Any:
    http = FhirHttp(BASE, "token", peer.client(), Budget(10.0), clock=lambda: NOON)
    return read_after(http, "p", since=NOON - timedelta(days=3), until=NOON, **how)


def test_who_pays_is_asked_for_where_it_may_be_and_its_lack_stops_no_outcome() -> None:
    peer = Peer()
    for kind in ("Encounter", "Observation", "Procedure", "Device", "DeviceUseStatement"):
        peer[f"/fhir/r4/{kind}"] = bundle()
    peer["/fhir/r4/Patient/p"] = httpx.Response(200, json={"resourceType": "Patient", "id": "p"})
    ours = {"resourceType": "Coverage", "id": "1", "beneficiary": {"reference": "Patient/p"}}
    peer["/fhir/r4/Coverage"] = bundle(ours, ours | {"beneficiary": {"reference": "Patient/q"}})
    asked(peer)
    assert not any(request.url.path.endswith("Coverage") for request in peer.asked)
    found = asked(peer, insurance=True)
    assert [row for row in found.resources if row["resourceType"] == "Coverage"] == [ours]
    assert found.foreign == 1
    for status in (403, 404, 500):
        peer["/fhir/r4/Coverage"] = httpx.Response(status, json={})
        lacking = asked(peer, insurance=True)
        assert not lacking.truncated
        assert len(lacking.problems) == 1
        assert lacking.problems[0].startswith("Coverage: ")


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ('reviewers = ["dr-example"]', "Practitioner/123"),
        ('reviewers = ["Patient/1"]', "Practitioner/123"),
        ("wait_hours = -1", "from 0"),
        ("calls_a_minute = 0", "above 0"),
        ("waits = 1", "wait_hours"),
    ],
)
def test_a_sites_wishes_are_read_strictly(tmp_path: Path, told: str, words: str) -> None:
    from ehr.errors import TenantError

    text = 'id = "n"\nname = "N"\nissuer = "http://localhost/fhir"\nclient_id = "o"\ntime_zone = "UTC"\n'
    path = tmp_path / "n.toml"
    path.write_text(f'{text}scopes = ["launch"]\n[follow_up]\n{told}\n')
    with pytest.raises(TenantError, match=words):
        load_tenant(path, production=False)


def test_a_site_that_wishes_nothing_waits_six_hours_and_names_no_reviewer() -> None:
    assert replace(TENANT).follow_up == FollowPolicy(6.0, 14.0, 120.0, frozenset())
