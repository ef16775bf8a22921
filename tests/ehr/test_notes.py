"""What is written back: what R4 asks for, in percent, once, and only where everybody allows it."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from ehr.errors import MalformedRequest, MissingData
from ehr.notes import Chapter, document_reference, may_create, once, risk_assessment
from ehr.tenants import Tenant
from ehr.transport import Budget, FhirHttp
from inference.assessment import Assessment, Prediction, State, Status
from inference.chart import Measurement, Source
from tests.ehr.peer import BASE, Peer

AS_OF = datetime(2026, 11, 23, 7, 30, 12, 345678, tzinfo=UTC)
CHAPTER = Chapter("p1", "e1", "Practitioner/7")
PAGE = "<!doctype html><html lang='es'><p>Su corazón. Once = one time.</p></html>".encode()
PDF = b"%PDF-1.7\n..."


def measured(resource: str, minutes_ago: int) -> Measurement:
    moment = AS_OF - timedelta(minutes=minutes_ago)
    return Measurement("rr", 28.0, moment, moment, Source(resource, "1", "x|y", "28", "/min"))


def assessment(**changed: Any) -> Assessment:
    good = Assessment(
        model="ventilation-need",
        version="2026.11.1",
        as_of=AS_OF,
        status=Status.ASSESSED,
        reason=None,
        predictions=(
            Prediction("ventilation-6h", 6, 0.1234567, 0.05, 0.21),
            Prediction("ventilation-24h", 24, 0.31, 0.2, 0.42),
        ),
        inputs=(measured("Observation/b", 5), measured("Observation/a", 60), measured("Observation/b", 5)),
    )
    return replace(good, **changed)


def risk(found: Assessment | None = None, *, state: State = State.ACTIVE, **more: Any) -> dict[str, Any]:
    return risk_assessment(found or assessment(), CHAPTER, identifier="a-1", state=state, **more)


def document(
    page: bytes = PAGE, kind: str = "text/html", chapter: Chapter = CHAPTER, **more: Any
) -> dict[str, Any]:
    return document_reference(
        page,
        kind,
        chapter,
        identifier="a-1/handout/es",
        title="For you",
        created=AS_OF,
        loinc="11506-3",
        **more,
    )


def empties(value: Any) -> list[Any]:
    """Every null, empty string, list and object inside."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    own = [value] if value is None or value in ("", [], {}) else []
    return own + [found for one in inner for found in empties(one)]


# --- RiskAssessment


def test_a_probability_is_written_in_percent() -> None:  # CONFORMANCE 102
    written = [p["probabilityDecimal"] for p in risk()["prediction"]]
    assert written == [12.35, 31.0]


def test_a_prediction_says_what_until_when_and_how_sure() -> None:  # CONFORMANCE 102
    _, last = risk(outcomes={"ventilation-24h": "Ventilator within 24 hours"})["prediction"]
    assert last["outcome"]["text"] == "Ventilator within 24 hours"
    assert last["outcome"]["coding"][0]["code"] == "ventilation-24h"
    assert last["whenPeriod"] == {"start": "2026-11-23T07:30:12+00:00", "end": "2026-11-24T07:30:12+00:00"}
    assert last["rationale"] == "31 %, 95 % interval 20 to 42 %"


def test_it_names_the_model_with_its_version_and_what_it_used() -> None:  # CONFORMANCE 102
    written = risk()
    assert written["performer"] == {"type": "Device", "display": "ventilation-need 2026.11.1"}
    assert written["method"]["coding"][0]["version"] == "2026.11.1"
    assert [row["reference"] for row in written["basis"]] == ["Observation/a", "Observation/b"]
    assert written["subject"] == {"reference": "Patient/p1"}
    assert written["encounter"] == {"reference": "Encounter/e1"}


@pytest.mark.parametrize(
    ("status", "state", "written"),
    [
        (Status.ASSESSED, State.ACTIVE, "final"),
        (Status.INDETERMINATE, State.ACTIVE, "preliminary"),
        (Status.ASSESSED, State.DEMONSTRATION, "preliminary"),
        (Status.ASSESSED, State.SILENT, "preliminary"),
        (Status.ASSESSED, State.SUSPENDED, "preliminary"),
    ],
)
def test_only_an_active_model_that_stands_behind_its_answer_writes_a_final_one(
    status: Status, state: State, written: str
) -> None:
    assert risk(assessment(status=status), state=state)["status"] == written


def test_a_demonstration_says_so_in_the_record() -> None:
    notes = risk(state=State.DEMONSTRATION, note="Two oxygen devices conflict.")["note"]
    assert "Not for care" in notes[0]["text"]
    assert notes[1]["text"] == "Two oxygen devices conflict."
    assert "note" not in risk()


@pytest.mark.parametrize("status", [Status.EXCLUDED, Status.INSUFFICIENT])
def test_without_a_probability_there_is_nothing_to_write(status: Status) -> None:
    with pytest.raises(MissingData):
        risk(assessment(status=status, predictions=()))


@pytest.mark.parametrize("probability", [1.31, -0.1, float("nan")])
def test_what_is_no_probability_is_refused(probability: float) -> None:  # CONFORMANCE 102
    odd = Prediction("ventilation-24h", 24, probability)
    with pytest.raises(MalformedRequest):
        risk(assessment(predictions=(odd,)))


def test_a_forecast_value_is_no_probability() -> None:
    forecast = Prediction("troponin-next", 3, value=40.0, value_low=30.0, value_high=60.0, unit="ng/L")
    rise = Prediction("troponin-rise-24h", 24, 0.5)
    (written,) = risk(assessment(predictions=(forecast, rise)))["prediction"]
    assert written["outcome"]["coding"][0]["code"] == "troponin-rise-24h"
    assert "rationale" not in written


def test_an_input_without_a_reference_of_its_own_is_no_basis() -> None:
    found = assessment(inputs=(measured("#contained", 5), measured("", 5), measured("urn:uuid:1", 5)))
    assert "basis" not in risk(found)


# --- DocumentReference


def test_a_page_is_written_whole_with_its_type_time_author_and_encounter() -> None:  # CONFORMANCE 104
    written = document(language="es")
    (content,) = written["content"]
    attachment = content["attachment"]
    assert base64.b64decode(attachment["data"]) == PAGE
    assert attachment["contentType"] == "text/html; charset=utf-8"
    assert attachment["size"] == len(PAGE)
    assert base64.b64decode(attachment["hash"]) == hashlib.sha1(PAGE, usedforsecurity=False).digest()
    assert attachment["language"] == "es"
    assert attachment["creation"] == "2026-11-23T07:30:12+00:00"
    assert written["status"] == "current"
    assert written["docStatus"] == "final"
    assert written["type"]["coding"] == [{"system": "http://loinc.org", "code": "11506-3"}]
    assert written["context"] == {"encounter": [{"reference": "Encounter/e1"}]}
    assert written["author"] == [{"reference": "Practitioner/7"}]
    assert "encounter" not in written


def test_a_pdf_is_written_as_one_and_a_draft_as_a_draft() -> None:  # CONFORMANCE 104
    written = document(PDF, "application/pdf", final=False)
    assert written["content"][0]["attachment"]["contentType"] == "application/pdf"
    assert written["docStatus"] == "preliminary"


def test_a_document_without_encounter_or_author_leaves_them_out() -> None:  # CONFORMANCE 104
    written = document(chapter=Chapter("p1"))
    assert "context" not in written
    assert "author" not in written


@pytest.mark.parametrize(
    ("page", "kind"),
    [
        (b"", "text/html"),
        (b"plain", "text/plain"),
        (b"no pdf", "application/pdf"),
        (b" " * (5 * 1024 * 1024 + 1), "text/html"),
        (b"<p>a</p><SCRIPT>x</SCRIPT>", "text/html"),
        (b"<img src=x\nonerror=alert(1)>", "text/html"),
        (b"<a href='javascript:x'>", "text/html"),
    ],
)
def test_what_is_no_page_is_refused(page: bytes, kind: str) -> None:
    with pytest.raises(MalformedRequest):
        document(page, kind)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(MalformedRequest):
        document_reference(
            PDF,
            "application/pdf",
            CHAPTER,
            identifier="a",
            title="t",
            created=AS_OF.replace(tzinfo=None),
            loinc="11506-3",
        )


# --- both


def test_nothing_empty_is_written_and_all_of_it_is_json() -> None:  # CONFORMANCE 68
    for written in (risk(), risk(assessment(inputs=())), document(), document(chapter=Chapter("p1"))):
        assert empties(written) == []
        assert json.loads(json.dumps(written)) == written


def test_pressing_twice_writes_once() -> None:  # CONFORMANCE 105
    held: dict[str, str] = {}

    def create(request: httpx.Request) -> httpx.Response:
        condition = request.headers["if-none-exist"]
        status = 200 if condition in held else 201
        name = held.setdefault(condition, str(len(held) + 1))
        return httpx.Response(status, json={"resourceType": "RiskAssessment", "id": name})

    peer = Peer()
    peer["/fhir/r4/RiskAssessment"] = create
    http = FhirHttp(BASE, "t", peer.client(), Budget(5))
    first, second = (http.create(risk(), if_none_exist=once(risk())) for _ in range(2))
    assert (first.id, second.id, len(held)) == ("1", "1", 1)
    assert not first.existed
    assert second.existed
    other = risk_assessment(assessment(), CHAPTER, identifier="a-2", state=State.ACTIVE)
    assert http.create(other, if_none_exist=once(other)).id == "2"


def offering(resource_type: str, *interactions: str) -> dict[str, Any]:
    """A CapabilityStatement."""
    rows = [{"code": code} for code in interactions]
    return {"rest": [{"resource": [{"type": resource_type, "interaction": rows}]}]}


OFFERED = offering("DocumentReference", "read", "create")
WANTED = Tenant("t", "T", BASE, "c", write_back=frozenset({"DocumentReference"}))


@pytest.mark.parametrize(
    ("tenant", "scope", "capability", "may"),
    [
        (WANTED, "patient/DocumentReference.c", OFFERED, True),
        (WANTED, "patient/DocumentReference.write", OFFERED, True),
        (WANTED, "patient/DocumentReference.rs", OFFERED, False),
        (WANTED, "patient/Observation.c", OFFERED, False),
        (replace(WANTED, write_back=frozenset()), "patient/DocumentReference.c", OFFERED, False),
        (WANTED, "patient/DocumentReference.c", {}, False),
        (WANTED, "patient/DocumentReference.c", offering("DocumentReference", "read"), False),
        (WANTED, "patient/DocumentReference.c", offering("RiskAssessment", "create"), False),
    ],
)  # fmt: skip
def test_writing_needs_the_site_the_grant_and_the_server(
    tenant: Tenant, scope: str, capability: dict[str, Any], may: bool
) -> None:  # CONFORMANCE 101
    assert may_create("DocumentReference", tenant, scope, capability) is may
