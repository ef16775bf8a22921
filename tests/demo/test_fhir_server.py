"""The FHIR server over real HTTP: read, search, pages, scopes, create, and its words when it says no."""

from __future__ import annotations

import base64
from datetime import datetime, timedelta, timezone
from typing import Any

import httpx
import pytest
from fhirclient.models.bundle import Bundle
from fhirclient.models.capabilitystatement import CapabilityStatement

from demo.records import Hospital
from tests.demo.standing_hospital import App

LOINC = "http://loinc.org"


def ids(bundle: dict[str, Any], mode: str = "match") -> list[str]:
    return [one["resource"]["id"] for one in bundle.get("entry", []) if one["search"]["mode"] == mode]


def said(answer: httpx.Response, status: int, code: str) -> str:
    """The words of a refusal, after checking that it is one: status, OperationOutcome, issue code."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"].startswith("application/fhir+json")
    body = answer.json()
    assert body["resourceType"] == "OperationOutcome"
    assert body["issue"][0]["code"] == code
    return str(body["issue"][0]["diagnostics"])


def test_the_capability_statement_is_valid_r4_and_needs_no_token(app: App) -> None:
    answer = app.http.get(f"{app.base}/metadata")
    statement = CapabilityStatement(answer.json())
    assert statement.fhirVersion == "4.0.1"
    created = {
        one.type for one in statement.rest[0].resource if "create" in {verb.code for verb in one.interaction}
    }
    assert created == {"RiskAssessment", "DocumentReference", "Communication", "GuidanceResponse"}


def test_what_the_capability_statement_promises_the_server_keeps(app: App) -> None:
    for one in app.http.get(f"{app.base}/metadata").json()["rest"][0]["resource"]:
        answer = app.get(one["type"], "user/*.rs")
        assert answer.status_code == 200
        for parameter in one["searchParam"]:
            value = {"date": "2020", "reference": "Patient/ann"}.get(parameter["type"], "x")
            query = f"{parameter['name']}={value}&_sort={parameter['name']}"
            found = app.get(f"{one['type']}?{query}", "user/*.rs")
            assert found.status_code == 200, (one["type"], parameter)


def test_a_resource_is_read_with_its_version(app: App) -> None:
    answer = app.get("Patient/ann")
    assert answer.json()["name"][0]["family"] == "Adams"
    assert answer.headers["ETag"] == f'W/"{answer.json()["meta"]["versionId"]}"'
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer made-up"}, {"Authorization": "Basic eDp5"}])
def test_without_a_living_token_nothing_is_read(app: App, header: dict[str, str]) -> None:
    answer = app.http.get(f"{app.base}/Patient/ann", headers=header)
    said(answer, 401, "expired" if "made-up" in str(header) else "login")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_what_is_not_known_is_said_in_an_operation_outcome(app: App) -> None:
    said(app.get("Patient/nobody"), 404, "not-found")
    said(app.get("Wombat/1", "user/*.cruds"), 404, "not-supported")
    said(app.get("Wombat", "user/*.cruds"), 404, "not-supported")
    said(app.get("a/b/c/d"), 404, "not-found")
    assert "wobble" in said(app.get("Observation?wobble=1"), 400, "not-supported")
    said(app.get("Observation?code:fuzzy=1"), 400, "not-supported")
    said(app.get("Observation?_revinclude=Provenance:target"), 400, "not-supported")
    said(app.get("Observation?_sort=wobble"), 400, "not-supported")
    said(app.get("Observation?_include=Patient:organization"), 400, "not-supported")
    said(app.get("Observation?date=yesterday"), 400, "invalid")
    said(app.get("Observation?date=xx2020"), 400, "invalid")
    said(app.get("Observation?date=2020-13"), 400, "invalid")
    said(app.get("Observation?_count=many"), 400, "invalid")
    said(app.get("Observation?code="), 400, "invalid")
    said(app.get("Observation?_format=xml"), 406, "not-supported")
    said(app.http.put(f"{app.base}/Patient/ann", headers=app.bearer("patient/*.cruds")), 405, "not-supported")


def test_only_json_is_spoken(app: App) -> None:
    headers = app.bearer("patient/*.rs") | {"Accept": "application/fhir+xml"}
    said(app.http.get(f"{app.base}/Patient/ann", headers=headers), 406, "not-supported")
    for accepted in ("application/fhir+json", "application/json", "*/*", "application/*"):
        headers["Accept"] = accepted
        assert app.http.get(f"{app.base}/Patient/ann", headers=headers).status_code == 200


def test_lenient_handling_ignores_an_unknown_parameter_and_says_so(app: App) -> None:
    # CONFORMANCE 41
    headers = app.bearer("patient/*.rs") | {"Prefer": "handling=lenient"}
    bundle = app.http.get(f"{app.base}/Patient?wobble=1&gender=female", headers=headers).json()
    assert ids(bundle) == ["ann"]
    outcome = [one["resource"] for one in bundle["entry"] if one["search"]["mode"] == "outcome"]
    assert "wobble" in outcome[0]["issue"][0]["diagnostics"]
    assert "wobble" not in bundle["link"][0]["url"]


def test_thirty_rows_at_ten_a_page_are_three_pages_behind_opaque_links(app: App) -> None:
    # CONFORMANCE 39
    headers = app.bearer("patient/Observation.rs")
    url: str | None = f"{app.base}/Observation?patient=ann&code={LOINC}%7C8867-4&_count=10&_sort=date"
    pages: list[dict[str, Any]] = []
    while url:
        bundle = app.http.get(url, headers=headers).json()
        Bundle(bundle)
        pages.append(bundle)
        url = next((one["url"] for one in bundle["link"] if one["relation"] == "next"), None)
        assert url is None or ("ann" not in url and "8867" not in url and url.startswith(app.base))
    assert [len(one["entry"]) for one in pages] == [10, 10, 10]
    assert [one["total"] for one in pages] == [30, 30, 30]
    rows = [row for one in pages for row in ids(one)]
    assert len({*rows}) == 30
    assert rows == [f"ann-8867-4-{i}" for i in range(29, -1, -1)]


def test_a_page_is_given_only_to_whom_it_was_made_for(app: App) -> None:
    bundle = app.get("Observation?_count=10&code=8867-4").json()
    url = bundle["link"][-1]["url"]
    assert app.http.get(url, headers=app.bearer("patient/*.rs")).status_code == 200
    said(app.http.get(url, headers=app.bearer("patient/*.rs", patient="ben")), 404, "not-found")
    said(app.http.get(url, headers=app.bearer("patient/Patient.rs")), 403, "forbidden")
    said(app.http.get(url), 401, "login")
    said(app.get("_page/made-up"), 410, "expired")


def test_count_is_a_ceiling_the_server_lowers_and_zero_asks_only_how_many(app: App) -> None:
    assert len(app.get("Observation?_count=5000").json()["entry"]) == 31
    nothing = app.get("Observation?_count=0").json()
    assert (nothing["total"], "entry" in nothing) == (31, False)
    assert [one["relation"] for one in nothing["link"]] == ["self"]
    assert app.get("Observation?_summary=count").json()["total"] == 31
    assert "total" not in app.get("Observation?_total=none").json()


def test_a_posted_search_finds_what_a_get_finds(app: App) -> None:
    # CONFORMANCE 46
    asked = {"patient": "ann", "code": f"{LOINC}|8867-4,{LOINC}|67151-1", "_sort": "-date", "_count": "20"}
    by_get = app.http.get(f"{app.base}/Observation", params=asked, headers=app.bearer("patient/*.rs")).json()
    by_post = app.http.post(f"{app.base}/Observation/_search", data=asked, headers=app.bearer("patient/*.rs"))
    assert ids(by_post.json()) == ids(by_get)
    assert len(ids(by_get)) == 20
    split = app.http.post(
        f"{app.base}/Observation/_search?patient=ann",
        headers=app.bearer("patient/*.rs"),
        data={key: value for key, value in asked.items() if key != "patient"},
    )
    assert ids(split.json()) == ids(by_get)
    wrong = app.http.post(f"{app.base}/Observation/_search", json=asked, headers=app.bearer("patient/*.rs"))
    said(wrong, 415, "not-supported")


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("code=8867-4", 30),
        (f"code={LOINC}%7C8867-4", 30),
        (f"code={LOINC}%7C", 31),
        ("code=http%3A%2F%2Fsnomed.info%2Fsct%7C8867-4", 0),
        ("code=%7C8867-4", 0),
        ("code=8867-4,67151-1", 31),
        ("code=8867-4&code=67151-1", 0),
        ("category=vital-signs", 30),
        ("category=laboratory", 1),
        ("status=final", 30),
        ("status:not=entered-in-error", 30),
        ("status=entered-in-error", 1),
        ("patient=ann&encounter:missing=true", 31),
        ("patient=Patient/ann", 31),
        ("subject=Patient/ann", 31),
        ("subject:Patient=ann", 31),
        ("_id=ann-8867-4-3", 1),
        ("value-concept:missing=false", 0),
    ],
)
def test_a_search_finds_what_its_parameters_say(app: App, query: str, count: int) -> None:
    assert app.get(f"Observation?{query}&_count=100").json()["total"] == count


def test_a_patient_is_found_by_name_birth_date_and_number(app: App) -> None:
    def found(query: str) -> list[str]:
        return ids(app.get(f"Patient?{query}&_sort=family", "user/*.rs").json())

    assert found("") == ["ann", "ben"]
    assert found("family=ada") == found("name=ADAMS") == found("family:exact=Adams") == ["ann"]
    assert found("family:contains=row") == ["ben"]
    assert found("family:exact=adams") == []
    assert found("birthdate=1950-02") == ["ann", "ben"]
    assert found("identifier=urn:mrn%7CMRN-ben") == ["ben"]
    assert ids(app.get("Patient?_sort=-family", "user/*.rs").json()) == ["ben", "ann"]


def test_dates_are_compared_as_the_prefix_says(app: App) -> None:
    row = app.get("Observation/ann-8867-4-12").json()
    exact = row["effectiveDateTime"]

    def count(*dates: str) -> int:
        asked = [("code", "8867-4"), ("_count", "0"), *(("date", one) for one in dates)]
        return int(app.get("Observation", params=asked).json()["total"])

    assert count(f"eq{exact}") == count(exact) == 1
    assert count(f"ne{exact}") == 29
    assert (count(f"gt{exact}"), count(f"ge{exact}"), count(f"sa{exact}")) == (12, 13, 12)
    assert (count(f"lt{exact}"), count(f"le{exact}"), count(f"eb{exact}")) == (17, 18, 17)
    assert count(f"gt{exact}", f"lt{app.get('Observation/ann-8867-4-8').json()['effectiveDateTime']}") == 3
    assert count(f"ap{exact}") > 1
    assert count("ge2000") == 30
    assert count("lt2000-01-01") == 0


def test_the_same_instant_in_another_zone_is_the_same_instant(app: App) -> None:
    # CONFORMANCE 47
    moment = datetime.fromisoformat(app.hospital.read("Observation", "ann-8867-4-12")["effectiveDateTime"])
    east = moment.astimezone(timezone(timedelta(hours=5))).isoformat()
    assert east.endswith("+05:00")
    found = app.get("Observation", params={"date": east, "code": "8867-4"}).json()
    assert ids(found) == ["ann-8867-4-12"]


def test_included_rows_are_marked_and_come_once(app: App) -> None:
    # CONFORMANCE 41
    bundle = app.get("Observation?code=8867-4&_include=Observation:subject&_count=5").json()
    assert len(ids(bundle)) == 5
    assert ids(bundle, "include") == ["ann"]
    assert (
        ids(
            app.get("Observation?_include=Observation:patient&_count=1", "patient/Observation.rs").json(),
            "include",
        )
        == []
    )


def test_a_patients_token_sees_that_patient_only(app: App) -> None:
    # CONFORMANCE 37
    bundle = app.get("Observation?_count=100").json()
    assert {one["resource"]["subject"]["reference"] for one in bundle["entry"]} == {"Patient/ann"}
    said(app.get("Observation?patient=ben"), 403, "forbidden")
    said(app.get("Observation/ben-8867-4-0"), 403, "forbidden")
    said(app.get("Patient/ben"), 403, "forbidden")
    assert app.get("Observation/ben-8867-4-0", "user/Observation.r").status_code == 200
    assert app.get("Practitioner/doc").status_code == 200


@pytest.mark.parametrize(
    ("scope", "path", "status"),
    [
        ("patient/Observation.rs", "Patient/ann", 403),
        ("patient/Patient.r", "Patient/ann", 200),
        ("patient/Patient.r", "Patient?_id=ann", 403),
        ("patient/Patient.s", "Patient?_id=ann", 200),
        ("patient/Patient.s", "Patient/ann", 403),
        ("patient/Patient.read", "Patient?_id=ann", 200),
        ("patient/Patient.write", "Patient/ann", 403),
        ("patient/*.read", "Observation?code=8867-4", 200),
        ("user/Patient.rs", "Patient/ben", 200),
        ("openid fhirUser", "Patient/ann", 403),
    ],
)
def test_each_type_and_interaction_needs_its_scope(app: App, scope: str, path: str, status: int) -> None:
    # CONFORMANCE 22
    assert app.get(path, scope).status_code == status


def test_a_scope_limited_by_a_query_shows_only_what_the_query_finds(app: App) -> None:
    category = "http://terminology.hl7.org/CodeSystem/observation-category"
    scope = f"patient/Observation.rs?category={category}|laboratory"
    assert ids(app.get("Observation", scope).json()) == ["ann-67151-1-0"]
    said(app.get("Observation/ann-8867-4-0", scope), 403, "forbidden")


def risk(**changes: Any) -> dict[str, Any]:
    resource = {
        "resourceType": "RiskAssessment",
        "status": "final",
        "subject": {"reference": "Patient/ann"},
        "identifier": [{"system": "urn:test", "value": "one"}],
        "prediction": [{"outcome": {"text": "ventilation"}, "probabilityDecimal": 31.0}],
    } | changes
    return {name: value for name, value in resource.items() if value is not None}


def write(app: App, resource: Any, scope: str = "patient/*.cruds", **headers: str) -> httpx.Response:
    type_ = resource.get("resourceType", "RiskAssessment") if isinstance(resource, dict) else "RiskAssessment"
    told = app.bearer(scope) | {"Content-Type": "application/fhir+json"} | headers
    return app.http.post(f"{app.base}/{type_}", json=resource, headers=told)


DOCUMENT = {
    "resourceType": "DocumentReference",
    "status": "current",
    "subject": {"reference": "Patient/ann"},
    "content": [{"attachment": {"contentType": "text/plain", "data": base64.b64encode(b"hello").decode()}}],
}
MESSAGE = {
    "resourceType": "Communication",
    "status": "completed",
    "subject": {"reference": "Patient/ann"},
    "payload": [{"contentString": "hello"}],
}
GUIDANCE = {
    "resourceType": "GuidanceResponse",
    "status": "success",
    "subject": {"reference": "Patient/ann"},
    "moduleUri": "http://app/cds-services/x",
}


@pytest.mark.parametrize("resource", [risk(), DOCUMENT, MESSAGE, GUIDANCE])
def test_the_four_types_are_created_and_read_back(app: App, resource: dict[str, Any]) -> None:
    # CONFORMANCE 102, 103, 104
    answer = write(app, resource)
    assert answer.status_code == 201, answer.text
    stored = answer.json()
    type_ = resource["resourceType"]
    assert answer.headers["Location"] == f"{app.base}/{type_}/{stored['id']}/_history/1"
    assert app.get(f"{type_}/{stored['id']}").json() == stored
    assert stored["id"] in ids(app.get(f"{type_}?patient=ann&_count=100").json())


@pytest.mark.parametrize(
    ("resource", "code"),
    [
        (risk(status=None), "required"),
        (risk(subject=None), "required"),
        (risk(status="done"), "code-invalid"),
        (risk(prediction=[{"probabilityDecimal": 131}]), "invariant"),
        (risk(prediction=[{"probabilityDecimal": "31"}]), "value"),
        (risk(prediction={"probabilityDecimal": 31}), "structure"),
        (risk(colour="red"), "structure"),
        (risk(note=[]), "structure"),
        (risk(method={"text": ""}), "structure"),
        (risk(occurrenceDateTime="tomorrow"), "value"),
        (risk(subject={"reference": "Patient/nobody"}), "not-found"),
        (risk(encounter={"reference": "Encounter/nowhere"}), "not-found"),
        (DOCUMENT | {"content": [{"attachment": {"contentType": "text/plain"}}]}, "required"),
        (DOCUMENT | {"content": [{"attachment": {"url": "http://x"}}]}, "required"),
        (DOCUMENT | {"content": [{"format": {"code": "x"}}]}, "required"),
        (DOCUMENT | {"content": [{"attachment": {"contentType": "text/plain", "data": "%%%"}}]}, "value"),
        ({name: value for name, value in DOCUMENT.items() if name != "content"}, "required"),
        (MESSAGE | {"payload": [{"id": "x"}]}, "required"),
        ({name: value for name, value in MESSAGE.items() if name != "status"}, "required"),
        ({name: value for name, value in GUIDANCE.items() if name != "moduleUri"}, "required"),
        (GUIDANCE | {"moduleCanonical": "http://x"}, "required"),
    ],
)
def test_a_resource_that_lacks_something_is_refused_and_not_stored(
    app: App, resource: dict[str, Any], code: str
) -> None:
    type_ = resource["resourceType"]
    before = app.get(f"{type_}?_count=0", "user/*.rs").json()["total"]
    said(write(app, resource, "user/*.cruds"), 400, code)
    assert app.get(f"{type_}?_count=0", "user/*.rs").json()["total"] == before


def test_what_is_not_a_resource_of_that_type_is_refused(app: App) -> None:
    said(write(app, [1, 2]), 400, "structure")
    said(write(app, {"resourceType": "Wombat"}, "user/*.cruds"), 404, "not-supported")
    said(write(app, {"resourceType": "Patient"}, "user/*.cruds"), 405, "not-supported")
    headers = app.bearer("user/*.cruds") | {"Content-Type": "application/fhir+json"}
    for body in (b"{", b'{"resourceType": "Communication"}', b"\xff", b'{"resourceType": NaN}'):
        said(app.http.post(f"{app.base}/RiskAssessment", content=body, headers=headers), 400, "structure")
    headers["Content-Type"] = "text/plain"
    said(app.http.post(f"{app.base}/RiskAssessment", content=b"{}", headers=headers), 415, "not-supported")


def test_a_write_needs_its_scope_and_stays_with_the_launch_patient(app: App) -> None:
    # CONFORMANCE 101
    said(write(app, risk(), "patient/*.rs"), 403, "forbidden")
    said(write(app, risk(subject={"reference": "Patient/ben"})), 403, "forbidden")
    said(write(app, {name: value for name, value in GUIDANCE.items() if name != "subject"}), 403, "forbidden")
    assert write(app, risk(), "patient/RiskAssessment.c").status_code == 201
    assert write(app, risk(), "patient/RiskAssessment.write").status_code == 201


def test_if_none_exist_makes_a_second_press_of_the_button_harmless(app: App) -> None:
    # CONFORMANCE 105
    once = risk(identifier=[{"system": "urn:test", "value": "only-once"}])
    same = {"If-None-Exist": "identifier=urn:test|only-once"}
    first, second = write(app, once, **same), write(app, once, **same)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    write(app, once)
    said(write(app, once, **same), 412, "multiple-matches")
    said(write(app, once, **{"If-None-Exist": "wobble=1"}), 400, "not-supported")
    said(write(app, once, **{"If-None-Exist": "?"}), 400, "invalid")


def test_the_pages_of_the_hospital_itself_search_without_a_token(hospital: Hospital) -> None:
    asked = {"patient": "ann", "code": "8867-4", "_sort": "-date", "_count": "2"}
    rows = hospital.search("Observation", asked)
    assert [row["id"] for row in rows] == ["ann-8867-4-0", "ann-8867-4-1"]
    rows[0]["status"] = "changed by the caller"
    assert hospital.read("Observation", "ann-8867-4-0")["status"] == "final"


def test_a_prefetch_bundle_holds_what_its_token_may_see_and_pages_under_the_same_token(app: App) -> None:
    # CONFORMANCE 70
    token = app.hospital.tokens.issue("ordertime", "patient/Observation.rs", "ann", "doc")
    bundle = app.hospital.bundle(f"Observation?patient=ann&code={LOINC}%7C8867-4&_count=20", token)
    assert (bundle["type"], len(bundle["entry"]), bundle["total"]) == ("searchset", 20, 30)
    rest = app.http.get(bundle["link"][-1]["url"], headers={"Authorization": f"Bearer {token}"}).json()
    assert len(rest["entry"]) == 10
