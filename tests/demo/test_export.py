"""The stand-in hospital's bulk export: what is promised, who may have it, and that it is one Group's."""

from __future__ import annotations

import json
from typing import Any

import httpx

from tests.demo.standing_hospital import App

SYSTEM = "system/Group.rs system/Patient.rs system/Observation.rs"
ASYNC = {"Prefer": "respond-async"}


def grouped(app: App) -> None:
    members = [{"entity": {"reference": "Patient/ann"}}]
    app.hospital._rows["Group"] = {"ward": {"resourceType": "Group", "id": "ward", "member": members, "meta": {}}}


def begun(app: App, query: str = "", scope: str = SYSTEM, **headers: str) -> httpx.Response:
    grouped(app)
    url = f"{app.base}/Group/ward/$export{query}"
    return app.http.get(url, headers={**app.bearer(scope, "", ""), **(headers or ASYNC)})


def finished(app: App, place: str, scope: str = SYSTEM) -> httpx.Response:
    while True:
        answer = app.http.get(place, headers=app.bearer(scope, "", ""))
        if answer.status_code != 202:
            return answer
        assert answer.headers["Retry-After"] == "1"


def rows(app: App, one: dict[str, Any]) -> list[dict[str, Any]]:
    answer = app.http.get(one["url"], headers=app.bearer(SYSTEM, "", ""))
    assert answer.headers["Content-Type"].startswith("application/fhir+ndjson")
    found = [json.loads(line) for line in answer.text.splitlines()]
    assert len(found) == one["count"]
    return found


def test_an_export_is_one_groups_rows_by_type_and_is_deleted(app: App) -> None:
    answer = begun(app)
    assert answer.status_code == 202
    place = answer.headers["Content-Location"]
    manifest = finished(app, place).json()
    assert manifest["requiresAccessToken"] is True
    assert {one["type"] for one in manifest["output"]} == {"Patient", "Observation"}
    for one in manifest["output"]:
        for row in rows(app, one):
            assert row["resourceType"] == one["type"]
            if one["type"] == "Observation":
                assert row["subject"]["reference"] == "Patient/ann"
    assert app.http.delete(place, headers=app.bearer(SYSTEM, "", "")).status_code == 202
    assert finished(app, place).status_code == 404


def test_types_and_filters_narrow_it(app: App) -> None:
    asked = "?_type=Observation&_typeFilter=Observation%3Fcode%3D67151-1"
    manifest = finished(app, begun(app, asked).headers["Content-Location"]).json()
    (only,) = manifest["output"]
    assert [row["code"]["coding"][0]["code"] for row in rows(app, only)] == ["67151-1"]


def test_what_is_not_asked_as_it_should_be_is_refused(app: App) -> None:
    assert begun(app, Accept="application/fhir+json").status_code == 400
    assert begun(app, "?_outputFormat=text/csv").status_code == 400
    assert begun(app, "?_type=Claim").status_code == 400
    assert begun(app, "?_type=Claim", Prefer="respond-async, handling=lenient").status_code == 202
    assert begun(app, "?_type=Encounter").status_code == 403
    assert begun(app, scope="system/Patient.rs").status_code == 403
    assert begun(app, scope="patient/*.rs").status_code in (202, 403)


def test_files_and_status_are_the_clients_own(app: App) -> None:
    place = begun(app).headers["Content-Location"]
    url = finished(app, place).json()["output"][0]["url"]
    other = app.hospital.tokens.issue("ordertime-backend", SYSTEM, "", "", 300)
    assert app.http.get(url).status_code == app.http.get(place).status_code == 401
    for each in (url, place):
        assert app.http.get(each, headers={"Authorization": f"Bearer {other}"}).status_code == 404


def test_a_part_of_a_file_can_be_had(app: App) -> None:
    manifest = finished(app, begun(app).headers["Content-Location"]).json()
    url = manifest["output"][-1]["url"]
    plain = {**app.bearer(SYSTEM, "", ""), "Accept-Encoding": "identity"}
    whole = app.http.get(url, headers=plain)
    part = {"Range": "bytes=10-", "If-Range": whole.headers["ETag"]}
    rest = app.http.get(url, headers={**plain, **part})
    assert (rest.status_code, rest.content) == (206, whole.content[10:])
    other = app.http.get(url, headers={**plain, **part, "If-Range": '"another"'})
    assert (other.status_code, other.content) == (200, whole.content)
    packed = app.http.get(url, headers={**plain, "Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.content == whole.content


def test_the_capability_statement_promises_it(app: App) -> None:
    resources = app.http.get(f"{app.base}/metadata").json()["rest"][0]["resource"]
    (group,) = (one for one in resources if one["type"] == "Group")
    assert group["operation"][0]["name"] == "export"
