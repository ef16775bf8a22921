"""Bad weather on demand: each fault falls where and as often as it was asked to, and never otherwise."""

from __future__ import annotations

import time
from typing import Any

import pytest

from demo.app import create_hospital
from demo.config import settings_for
from demo.faults import Fault
from tests.demo.standing_hospital import App, small_ward


def bundle(app: App, query: str = "patient=ann&code=8867-4&_count=5") -> dict[str, Any]:
    return dict(app.get(f"Observation?{query}").json())


def test_an_error_falls_as_often_as_asked(app: App) -> None:
    app.hospital.faults.add("error", match="/fhir/Observation", status=503, times=2)
    assert [app.get("Observation?code=8867-4").status_code for _ in range(3)] == [503, 503, 200]
    assert app.get("Patient/ann").status_code == 200


def test_a_throttle_says_when_to_come_back_in_the_way_asked(app: App) -> None:
    # CONFORMANCE 52
    app.hospital.faults.add("throttle", times=1, retry_after="2")
    app.hospital.faults.add("throttle", times=1, rate_limit=51)
    app.hospital.faults.add("throttle", times=1)
    answers = [app.get("Patient/ann") for _ in range(3)]
    assert [one.status_code for one in answers] == [429, 429, 429]
    assert [one.headers.get("Retry-After") for one in answers] == ["2", None, None]
    assert [one.headers.get("RateLimit") for one in answers] == [None, '"requests";r=0;t=51', None]


def test_a_stall_answers_late(app: App) -> None:
    app.hospital.faults.add("stall", seconds=0.3, times=1)
    before = time.monotonic()
    assert app.get("Patient/ann").status_code == 200
    assert time.monotonic() - before >= 0.3


def test_malformed_json_a_proxys_page_and_a_redirect_are_what_they_say(app: App) -> None:
    app.hospital.faults.add("malformed", times=1)
    with pytest.raises(ValueError, match="Unterminated"):
        app.get("Patient/ann").json()
    app.hospital.faults.add("gateway", times=1)
    assert app.get("Patient/ann").headers["Content-Type"].startswith("text/html")
    app.hospital.faults.add("redirect", times=1, to="http://127.0.0.1:9/fhir/Patient/ann")
    assert app.get("Patient/ann").headers["Location"] == "http://127.0.0.1:9/fhir/Patient/ann"


def test_a_searchset_is_bent_without_losing_its_other_rows(app: App) -> None:
    fair = bundle(app)
    rows = [one["resource"]["id"] for one in fair["entry"]]
    for kind, added in (("foreign", ["foreign-row"]), ("odd-row", ["odd-row"])):
        app.hospital.faults.add(kind, times=1)
        bent = bundle(app)
        assert [one["resource"]["id"] for one in bent["entry"]] == rows + added
    app.hospital.faults.add("unsorted", times=1)
    assert [one["resource"]["id"] for one in bundle(app)["entry"]] == rows[::-1]
    app.hospital.faults.add("elsewhere", times=1, to="http://127.0.0.1:9/next")
    assert bundle(app)["link"][-1]["url"] == "http://127.0.0.1:9/next"
    app.hospital.faults.add("loop", times=1)
    assert bundle(app)["link"][-1]["url"] == fair["link"][0]["url"]


def test_a_foreign_row_belongs_to_somebody_else(app: App) -> None:
    app.hospital.faults.add("foreign", times=1)
    assert bundle(app)["entry"][-1]["resource"]["subject"]["reference"] != "Patient/ann"


def test_a_hospital_that_wants_a_category_refuses_a_search_without(app: App) -> None:
    # CONFORMANCE 45
    app.hospital.faults.add("require-category")
    assert app.get("Observation?patient=ann").status_code == 400
    assert app.get("Observation?patient=ann&category=laboratory").status_code == 200
    posted = app.http.post(
        f"{app.base}/Observation/_search", data={"code": "8867-4"}, headers=app.bearer("patient/*.rs")
    )
    assert posted.status_code == 200


def test_faults_are_set_listed_and_cleared_over_http_and_what_was_seen_holds_no_token(app: App) -> None:
    url = f"{app.hospital.settings.url}/_faults"
    app.http.post(url, json={"kind": "error", "match": "/fhir/Patient", "status": 500})
    assert app.get("Patient/ann?x=%7C").status_code == 500
    listed = app.http.get(url)
    assert listed.json()["seen"][-1] == {
        "method": "GET",
        "path": "/fhir/Patient/ann",
        "query": "x=%7C",
        "authorized": True,
    }
    assert "Bearer" not in listed.text
    assert app.http.delete(url).json() == {"faults": [], "withheld": [], "seen": []}
    assert app.get("Patient/ann").status_code == 200
    assert app.http.post(url, json={"kind": "weather"}).status_code == 400


def test_an_unknown_kind_of_fault_is_refused() -> None:
    with pytest.raises(ValueError, match="known are"):
        Fault("weather")


def test_a_hospital_started_without_faults_has_no_such_address() -> None:
    from dataclasses import replace

    client = create_hospital(replace(settings_for(8090, 8000), patients=small_ward)).test_client()
    assert client.get("/_faults").status_code == 404
    assert client.get("/healthz").get_json() == {"status": "ok"}
