"""Reading a chart over FHIR from servers that page, wander, withhold, stumble and mix up patients."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest

from ehr.errors import (
    EhrUnavailable,
    MalformedAnswer,
    MalformedRequest,
    NotFound,
    NotPermitted,
    NotUnderstood,
    Unauthorised,
)
from ehr.records import MOST_PAGES, read_patient
from ehr.transport import Budget, FhirHttp
from tests.ehr.wire import dialled

BASE = "https://ehr.example/fhir"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
Resource = dict[str, Any]


def observation(hours: float, key: str = "", patient: str = "1") -> Resource:
    taken = (NOW - timedelta(hours=hours)).isoformat()
    return {
        "resourceType": "Observation",
        "id": key or f"o{hours:g}",
        "subject": {"reference": f"Patient/{patient}"},
        "effectiveDateTime": taken,
    }


def entry(row: Resource, mode: str = "match") -> Resource:
    return {"resource": row, "search": {"mode": mode}}


class Hospital:
    """A FHIR server of a few rows: pages by ten, answers what `answers` says first."""

    def __init__(self, vitals: list[Resource] | None = None, page: int = 10) -> None:
        self.vitals, self.page = vitals or [], page
        self.answers: dict[str, Callable[[httpx.Request], httpx.Response]] = {}
        self.asked: list[httpx.Request] = []
        self.busy = self.busiest = 0
        self.lock = threading.Lock()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        with self.lock:
            self.asked.append(request)
            self.busy += 1
            self.busiest = max(self.busiest, self.busy)
        try:
            return self.answer(request)
        finally:
            with self.lock:
                self.busy -= 1

    def answer(self, request: httpx.Request) -> httpx.Response:
        kind = request.url.path.removeprefix("/fhir/").split("/")[0]
        params = {
            **dict(request.url.params),
            **{k: v[0] for k, v in parse_qs(request.content.decode()).items()},
        }
        special = self.answers.get(f"{kind}:{params.get('category', '')}".rstrip(":"))
        if special:
            return special(request)
        if kind == "Patient":
            return self.send({"resourceType": "Patient", "id": "1"})
        if params.get("category") != "vital-signs":
            return self.bundle([])
        start = int(params.get("start", "0"))
        rows = self.vitals[start : start + self.page]
        more = start + self.page < len(self.vitals)
        following = f"{BASE}/Observation?patient=1&category=vital-signs&start={start + self.page}"
        return self.bundle([entry(row) for row in rows], following if more else "")

    @staticmethod
    def send(body: Resource, status: int = 200) -> httpx.Response:
        return httpx.Response(status, json=body)

    def bundle(self, entries: list[Any], following: str = "", **more: Any) -> httpx.Response:
        link = [{"relation": "self", "url": BASE}] + (
            [{"relation": "next", "url": following}] if following else []
        )
        return self.send(
            {"resourceType": "Bundle", "type": "searchset", "link": link, "entry": entries} | more
        )

    def fails(self, status: int) -> Callable[[httpx.Request], httpx.Response]:
        body = {"resourceType": "OperationOutcome", "issue": [{"code": "x", "diagnostics": "Mrs Secret"}]}
        return lambda _: self.send(body, status)

    def http(self, **options: Any) -> FhirHttp:
        client = dialled(self)
        return FhirHttp(
            BASE, "token", client, Budget(30), sleep=lambda _: None, jitter=lambda: 0.0, **options
        )

    def read(self, **options: Any) -> Any:
        return read_patient(self.http(), "1", as_of=NOW, **options)


def ids(reading: Any) -> list[str]:
    return [row["id"] for row in reading.resources if row["resourceType"] == "Observation"]


def test_thirty_rows_by_ten_come_in_three_pages() -> None:
    hospital = Hospital([observation(i) for i in range(30)])  # CONFORMANCE 39
    reading = hospital.read()
    assert len(ids(reading)) == 30
    assert (reading.truncated, reading.foreign, reading.problems) == (False, 0, ())


def test_every_search_carries_a_category_or_a_code_and_encodes_its_systems() -> None:
    hospital = Hospital()  # CONFORMANCE 44, 45
    hospital.read()
    queries = [r.url.query.decode() for r in hospital.asked if r.url.path.endswith("/Observation")]
    assert len(queries) == 3
    assert all("category=" in query or "code=" in query for query in queries)
    assert any("code=http%3A%2F%2Floinc.org%7C29463-7" in query for query in queries)
    assert all("patient=1" in query for query in queries)


def test_reading_stops_where_the_look_back_is_covered() -> None:
    hospital = Hospital([observation(i * 3) for i in range(500)])
    reading = hospital.read()
    assert len(ids(reading)) == 30
    assert not reading.truncated


def test_an_unsorted_server_is_read_to_its_end() -> None:
    rows = [observation(i * 3) for i in range(100)]  # CONFORMANCE 43
    assert len(ids(Hospital(rows[::-1]).read())) == 100


def test_more_pages_than_we_read_is_said() -> None:
    hospital = Hospital([observation(i / 100, f"o{i}") for i in range(10 * MOST_PAGES + 1)])  # CONFORMANCE 39
    reading = hospital.read()
    assert len(ids(reading)) == 10 * MOST_PAGES
    assert reading.truncated
    assert reading.problems == (f"Observation: more than {10 * MOST_PAGES} rows",)


def test_pages_that_go_in_a_circle_end() -> None:
    hospital = Hospital()  # CONFORMANCE 39
    circle = f"{BASE}/Observation?patient=1&category=vital-signs&again=1"
    hospital.answers["Observation:vital-signs"] = lambda _: hospital.bundle([entry(observation(1))], circle)
    reading = hospital.read()
    assert reading.truncated
    assert reading.problems == ("Observation: pages go in a circle",)


def test_a_next_page_on_another_server_is_not_followed() -> None:
    hospital = Hospital()  # CONFORMANCE 36, 40
    away = "https://elsewhere.example/fhir/Observation?page=2"
    hospital.answers["Observation:vital-signs"] = lambda _: hospital.bundle([entry(observation(1))], away)
    reading = hospital.read()
    assert {request.url.host for request in hospital.asked} == {"ehr.example"}
    assert ids(reading) == ["o1"]
    assert reading.truncated


def test_matches_includes_and_outcomes_are_told_apart() -> None:
    hospital = Hospital()  # CONFORMANCE 41
    device = {"resourceType": "Device", "id": "d"}
    warning = {
        "resourceType": "OperationOutcome",
        "issue": [{"code": "processing", "diagnostics": "Mrs Secret"}],
    }
    stray = {"resourceType": "Device", "id": "stray"}
    rows = [entry(observation(1)), entry(device, "include"), entry(warning, "outcome"), entry(stray)]
    hospital.answers["Observation:vital-signs"] = lambda _: hospital.bundle(rows)
    reading = hospital.read()
    assert [row["id"] for row in reading.resources if row["id"] != "1"] == ["o1", "d"]
    assert reading.problems == ("Observation: the server says processing",)


def test_another_patients_rows_are_dropped_and_counted() -> None:
    rows = [observation(1), observation(2, patient="2"), {"resourceType": "Observation", "id": "x"}]
    reading = Hospital(rows).read()  # CONFORMANCE 37
    assert ids(reading) == ["o1"]
    assert reading.foreign == 2


def test_another_patient_in_place_of_ours_is_dropped() -> None:
    hospital = Hospital()
    hospital.answers["Patient"] = lambda _: hospital.send({"resourceType": "Patient", "id": "2"})
    reading = hospital.read()
    assert (reading.resources, reading.foreign) == ((), 1)


@pytest.mark.parametrize(
    "junk", [None, 3, {}, {"resource": None}, {"resource": {"resourceType": "Observation"}}]
)
def test_a_hole_in_a_bundle_loses_nothing_else(junk: Any) -> None:
    hospital = Hospital()  # CONFORMANCE 38
    hospital.answers["Observation:vital-signs"] = lambda _: hospital.bundle([junk, entry(observation(1))])
    assert ids(hospital.read()) == ["o1"]


@pytest.mark.parametrize(
    ("status", "error"), [(403, NotPermitted), (400, NotUnderstood), (500, EhrUnavailable)]
)
def test_without_observations_there_is_no_chart(status: int, error: type[Exception]) -> None:
    hospital = Hospital()  # CONFORMANCE 51
    hospital.answers["Observation:laboratory"] = hospital.fails(status)
    with pytest.raises(error) as caught:
        hospital.read()
    assert "Secret" not in str(caught.value)


@pytest.mark.parametrize("kind", ["Patient", "Procedure", "Observation:vital-signs"])
def test_a_session_that_is_over_is_always_said(kind: str) -> None:
    hospital = Hospital()
    hospital.answers[kind] = hospital.fails(401)
    with pytest.raises(Unauthorised):
        hospital.read()


def test_a_patient_the_hospital_does_not_have_is_said() -> None:
    hospital = Hospital()
    hospital.answers["Patient"] = hospital.fails(404)
    with pytest.raises(NotFound):
        hospital.read()


@pytest.mark.parametrize(("status", "cut"), [(403, False), (404, False), (500, True)])
def test_a_type_that_cannot_be_read_is_named_and_the_rest_is_used(status: int, cut: bool) -> None:
    hospital = Hospital([observation(1)])
    hospital.answers["Procedure"] = hospital.fails(status)
    reading = hospital.read()
    assert ids(reading) == ["o1"]
    assert reading.truncated is cut
    assert [problem.split(":")[0] for problem in reading.problems] == ["Procedure"]
    assert "Secret" not in repr(reading)


def test_a_withheld_person_is_named_and_the_rest_is_used() -> None:
    hospital = Hospital([observation(1)])  # CONFORMANCE 21
    hospital.answers["Patient"] = hospital.fails(403)
    reading = hospital.read()
    assert ids(reading) == ["o1"]
    assert reading.problems == ("Patient: NotPermitted",)


def test_a_later_page_that_fails_cuts_short_and_says_so() -> None:
    hospital = Hospital([observation(i) for i in range(30)])

    def second_fails(request: httpx.Request) -> httpx.Response:
        if "start" in request.url.params:
            return hospital.send({}, 500)
        del hospital.answers["Observation:vital-signs"]
        first = hospital.answer(request)
        hospital.answers["Observation:vital-signs"] = second_fails
        return first

    hospital.answers["Observation:vital-signs"] = second_fails
    reading = hospital.read()
    assert len(ids(reading)) == 10
    assert reading.truncated
    assert reading.problems == ("Observation: a further page: EhrUnavailable",)


def test_a_server_that_knows_no_sort_is_asked_again_plainly() -> None:
    hospital = Hospital([observation(1)])  # CONFORMANCE 42

    def strict(request: httpx.Request) -> httpx.Response:
        if "_sort" in request.url.params:
            return hospital.send({"resourceType": "OperationOutcome"}, 400)
        return hospital.bundle([entry(observation(1))])

    hospital.answers["Observation:vital-signs"] = strict
    reading = hospital.read()
    assert ids(reading) == ["o1"]
    assert reading.problems == ("Observation: asked again without _count, _sort",)


def test_long_searches_go_in_the_body_where_the_site_wants_it() -> None:
    hospital = Hospital([observation(1)])  # CONFORMANCE 46
    reading = hospital.read(quirks=frozenset({"post-search"}))
    assert ids(reading) == ids(hospital.read()) == ["o1"]
    posted = [request for request in hospital.asked if request.method == "POST"]
    assert posted
    assert all(request.url.path.endswith("/_search") and not request.url.query for request in posted)


def test_searches_run_side_by_side_and_never_more_than_four() -> None:
    hospital = Hospital([observation(1)])
    plain = hospital.answer

    def slow(request: httpx.Request) -> httpx.Response:
        time.sleep(0.02)
        return plain(request)

    hospital.answer = slow  # type: ignore[method-assign]
    hospital.read()
    assert 2 <= hospital.busiest <= 4


@pytest.mark.parametrize("patient", ["", "1/../2", "1?x", "Patient/1", "a" * 65])
def test_what_is_no_id_is_not_asked_for(patient: str) -> None:
    hospital = Hospital()
    with pytest.raises(MalformedRequest):
        read_patient(hospital.http(), patient, as_of=NOW)
    assert hospital.asked == []


def test_an_answer_that_is_no_bundle_is_refused() -> None:
    hospital = Hospital()
    hospital.answers["Observation:vital-signs"] = lambda _: hospital.send({"resourceType": "Observation"})
    with pytest.raises(MalformedAnswer):
        hospital.read()


def test_a_total_above_what_came_is_said() -> None:
    hospital = Hospital()
    hospital.answers["Observation:vital-signs"] = lambda _: hospital.bundle([entry(observation(1))], total=7)
    assert hospital.read().truncated
