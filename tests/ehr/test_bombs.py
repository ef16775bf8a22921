"""Answers of a hospital's server that are meant to hurt: each is refused early, by name, and holds little."""

from __future__ import annotations

import gzip
import socket
import time
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from ehr.documents import NotJson, NotUnpacked, TooManyParts, read_json, unpacked
from ehr.errors import AnswerTooLarge, EhrUnavailable, MalformedAnswer
from ehr.hooks import concerns, planned_draw, read_request
from ehr.pace import PacedTransport
from ehr.reader import read_record
from ehr.records import read_patient
from ehr.transport import Budget, FhirHttp, ask
from tests.ehr.peer import BASE, NOW, Peer, listening

MEGABYTE = 1024 * 1024


def served(body: bytes, packing: str) -> Callable[[socket.socket], None]:
    head = (
        f"HTTP/1.1 200 OK\r\nContent-Type: application/fhir+json\r\nContent-Encoding: {packing}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return lambda peer: peer.sendall(head.encode() + body)


def fetched(body: bytes, packing: str, largest: int = 4 * MEGABYTE) -> bytes:
    with listening(served(body, packing)) as (url, _), httpx.Client() as client:
        return ask(client, "GET", url, budget=Budget(10), where="Observation", largest=largest).body


def test_a_packed_answer_is_unpacked() -> None:
    assert fetched(gzip.compress(b'{"a": 1}'), "gzip") == b'{"a": 1}'
    assert fetched(b'{"a": 1}', "identity") == b'{"a": 1}'


def test_a_bomb_of_a_gigabyte_is_found_out_after_a_few_megabytes() -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    zeros = bytes(MEGABYTE)
    bomb = b"".join(packer.compress(zeros) for _ in range(1024)) + packer.flush()
    assert len(bomb) < 2 * MEGABYTE
    tracemalloc.start()
    try:
        with pytest.raises(AnswerTooLarge, match="more than 4194304 bytes"):
            fetched(bomb, "gzip")
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 20 * MEGABYTE, f"{most / MEGABYTE:.0f} MB were held"


@pytest.mark.parametrize("packing", ["gzip, gzip", "deflate", "br", "zstd", "x-unheard-of"])
def test_packings_that_were_not_asked_for_and_packings_within_packings_are_refused(packing: str) -> None:
    twice = gzip.compress(gzip.compress(bytes(MEGABYTE)))
    with pytest.raises(MalformedAnswer, match="not asked for"):
        fetched(twice, packing)


def test_damaged_and_broken_off_packings_are_refused() -> None:
    good = gzip.compress(b'{"a": 1}')
    with pytest.raises(MalformedAnswer, match="damaged"):
        fetched(b"no gzip at all", "gzip")
    with pytest.raises(MalformedAnswer, match="breaks off"):
        fetched(good[:-6], "gzip")


def test_only_gzip_is_asked_for() -> None:
    with listening(served(b"{}", "identity")) as (url, arrived), httpx.Client() as client:
        ask(client, "GET", url, budget=Budget(5), where="Observation")
    assert b"accept-encoding: gzip\r\n" in arrived[0].lower()


@pytest.mark.parametrize(
    "body",
    [
        b"[" + b"[]," * 1_000_001 + b"[]]",
        b'{"entry":[' + b'{"a":0},' * 1_100_000 + b"{}]}",
        b'{"a":"' + b"[" * 2_100_000 + b'"}',  # inside a text: stricter than need be, never laxer
    ],
)
def test_json_of_millions_of_tiny_values_is_counted_before_it_is_built(body: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(TooManyParts, match="more than 2000000"):
            read_json(body)
        assert tracemalloc.get_traced_memory()[1] < MEGABYTE
    finally:
        tracemalloc.stop()
    peer = Peer(**{"/fhir/r4/Patient/1": httpx.Response(200, content=body)})
    with pytest.raises(AnswerTooLarge, match="fewer rows"):
        FhirHttp(BASE, None, peer.client(), Budget(10)).get("Patient/1")


def test_json_deeper_than_the_parser_goes_is_no_json() -> None:
    assert read_json(b"[" * 1000 + b"]" * 1000)
    with pytest.raises(NotJson):
        read_json(b"[" * 1100 + b"]" * 1100)


@pytest.mark.parametrize("number", ["1e999", "-1e999", "NaN", "Infinity", "0x10"])
def test_numbers_that_are_none_are_no_json(number: str) -> None:
    with pytest.raises(NotJson):
        read_json(f'{{"value": {number}}}'.encode())


def test_a_packing_is_unpacked_a_piece_at_a_time() -> None:
    bomb = gzip.compress(bytes(10 * MEGABYTE))
    pieces = list(unpacked("gzip", [bomb]))
    assert max(map(len, pieces)) <= 64 * 1024
    assert sum(map(len, pieces)) == 10 * MEGABYTE
    with pytest.raises(NotUnpacked):
        list(unpacked("gzip,gzip", [bomb]))


@pytest.mark.parametrize(
    "odd",
    [
        {"link": 5},
        {"link": "next"},
        {"link": {"relation": "next", "url": "x"}},
        {"link": [{"relation": "next"}]},
        {"link": [{"relation": "next"}], "total": True},
        {"link": [None, 7, {"relation": ["next"]}], "total": 1e300},
        {"entry": [None, 5, [], {"resource": []}, {"resource": {"resourceType": {}}}], "total": -1},
        {"entry": [{"resource": {"resourceType": "OperationOutcome", "issue": 7}, "search": 3}]},
    ],
)
def test_a_bundle_with_nonsense_around_its_rows_is_read_as_far_as_it_can_be(odd: dict[str, object]) -> None:
    bundle = {"resourceType": "Bundle", "type": "searchset", **odd}
    peer = Peer(**{"/fhir/r4/Patient/1": httpx.Response(200, json={"resourceType": "Patient", "id": "1"})})
    for kind in ("Observation", "Encounter", "Procedure", "DeviceUseStatement", "Device", "Condition"):
        peer[f"/fhir/r4/{kind}"] = httpx.Response(200, json=bundle)
    reading = read_patient(FhirHttp(BASE, None, peer.client(), Budget(10)), "1", as_of=NOW)
    assert [row["resourceType"] for row in reading.resources] == ["Patient"]


def test_a_server_that_sends_its_header_a_byte_at_a_time_does_not_hold_us_beyond_the_budget() -> None:
    def drip(peer: socket.socket) -> None:
        peer.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        for _ in range(60):
            peer.sendall(b"h")
            time.sleep(0.05)

    with listening(drip) as (url, _), httpx.Client(transport=PacedTransport()) as client:
        began = time.monotonic()
        with pytest.raises(EhrUnavailable, match="ReadTimeout"):
            ask(client, "GET", url, budget=Budget(0.5), where="Observation")
        assert time.monotonic() - began < 1.0


def test_connections_are_kept_and_used_again_after_a_slow_one() -> None:
    with listening(served(b"{}", "identity")) as (url, _), httpx.Client(transport=PacedTransport()) as client:
        for _ in range(3):
            assert ask(client, "GET", url, budget=Budget(5), where="Observation").body == b"{}"


# --- texts that make a pattern search for ever


LONG = 20_000  # signs: enough for the square of it to be seen, and for a red test to end
TEXTS = {
    "spaces": " " * LONG,
    "tabs and a digit": "\t" * LONG + "5",
    "spaces behind a number": "5" + " " * LONG + "x",
    "a unit with gaps": "5 a" + " a" * (LONG // 2) + "\u00a0" * LONG + "5",
    "digits": "1" * LONG,
    "numbers": "1." * (LONG // 2),
    "words": "high " * (LONG // 5),
    "words that begin": "high-" * (LONG // 5) + "-" * LONG,
    "dates": "2026-11-23T" * (LONG // 11),
    "references": "Patient/" * (LONG // 8),
    "brackets": "<" * LONG,
}


def said_in_every_place(text: str) -> list[dict[str, Any]]:
    row = {
        "resourceType": "Observation",
        "status": "final",
        "subject": {"reference": "Patient/1"},
        "effectiveDateTime": "2026-11-23T06:00:00Z",
        "code": {"coding": [{"system": "http://loinc.org", "code": "67151-1"}]},
    }
    quantity = {"value": 80, "unit": text, "code": text, "system": "http://unitsofmeasure.org"}
    changes: list[dict[str, Any]] = [
        {"valueString": text},
        {"valueQuantity": quantity},
        {"valueQuantity": {"value": 80, "unit": "ng/L"}, "effectiveDateTime": text},
        {"valueQuantity": {"value": 80, "unit": "ng/L"}, "referenceRange": [{"text": text}], "method": {"text": text}},
        {"valueQuantity": {"value": 80, "unit": "ng/L"}, "device": {"display": text}, "note": [{"text": text}]},
        {"valueString": text, "code": {"coding": [{"system": "http://loinc.org", "code": "9267-6"}]}},
        {"valueString": text, "code": {"coding": [{"system": "http://loinc.org", "code": "20124-4"}]}},
        {"valueString": text, "code": {"text": text, "coding": [{"code": text, "display": text}]}},
        {"subject": {"reference": text}},
        {"status": text},
    ]
    rows = [row | {"id": f"o{number}"} | change for number, change in enumerate(changes)]
    use = {"resourceType": "DeviceUseStatement", "id": "u", "status": "active", "device": {"display": text}}
    stay = {"resourceType": "Encounter", "id": "e", "status": "in-progress"}
    stay["location"] = [{"location": {"display": text}}]  # type: ignore[assignment]
    return [*rows, *(each | {"subject": {"reference": "Patient/1"}} for each in (use, stay))]


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_no_text_of_a_chart_or_an_order_keeps_a_worker_busy(text: str) -> None:
    draft = {"resourceType": "MedicationRequest", "id": "m", "medicationCodeableConcept": {"text": text}}
    context = {"userId": "Practitioner/1", "patientId": "1"}
    context |= {"draftOrders": {"resourceType": "Bundle", "entry": [{"resource": draft}]}}  # type: ignore[dict-item]
    body = {"hook": "order-sign", "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea", "context": context}
    began = time.thread_time()
    asked = read_request(body, "ventilation-need")
    for model in ("ventilation-need", "troponin-trend"):
        concerns(asked, model)
        planned_draw(asked, model)
    record = read_record("1", said_in_every_place(text))
    assert time.thread_time() - began < 0.5
    assert all(len(row.detail) <= 200 for row in record.refused)  # what is kept and shown of it
