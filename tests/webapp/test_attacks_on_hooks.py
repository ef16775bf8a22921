"""The hooks' door, attacked: each attack has its status and its sentence, and none gets a card it should not."""

from __future__ import annotations

import base64
import copy
import gzip
import hashlib
import hmac
import json
import re
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import ECKey

from inference.assessment import TROPONIN, VENTILATION
from tests.ehr.peer import listening, signed
from tests.webapp.card_lint import RAW_HTML
from tests.webapp.house import APP, House, standing
from webapp import create_app
from webapp.rooms import Rooms

SICK = "pneumonia-worsening"
SERVICE = f"/cds-services/{VENTILATION}"
FEEDBACK = f"{SERVICE}/feedback"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    yield from standing(tmp_path_factory.mktemp("house"))


@pytest.fixture(autouse=True)
def _fair(house: House) -> Iterator[None]:
    yield
    house.fair()
    house.clock.ahead = timedelta(0)


def refused(answer: Any, status: int, *words: str) -> None:
    text = answer.get_data(as_text=True)
    assert answer.status_code == status, text
    body = answer.get_json()
    assert body["resourceType"] == "OperationOutcome"
    assert "cards" not in body
    assert "Traceback" not in text
    for word in words:
        assert word.lower() in body["issue"][0]["diagnostics"].lower(), text


def encoded(part: Any) -> bytes:
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def claims(house: House, **changed: Any) -> dict[str, Any]:
    now = int(house.clock().timestamp())
    return {
        "iss": house.hospital.settings.url,
        "aud": APP + SERVICE,
        "iat": now,
        "exp": now + 300,
        "jti": str(time.monotonic_ns()),
    } | changed


# --- algorithm confusion


def test_a_token_signed_with_the_public_key_as_a_shared_secret_is_refused(house: House) -> None:
    # CONFORMANCE 86
    key = house.keys.cds
    public = (
        key.as_pem(private=False),
        json.dumps(key.as_dict(private=False)).encode(),
        key.as_dict(private=False)["x"].encode(),
    )
    for algorithm, digest in (
        ("HS256", hashlib.sha256),
        ("HS384", hashlib.sha384),
        ("hs256", hashlib.sha256),
    ):
        for secret in public:
            head = {"alg": algorithm, "kid": key.kid, "typ": "JWT"}
            proven = encoded(head) + b"." + encoded(claims(house))
            mark = encoded(hmac.new(secret, proven, digest).digest())
            answer = house.post(SERVICE, house.asked(SICK), token=(proven + b"." + mark).decode())
            refused(answer, 401, "alg", "shared secret")


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", "", None, 7, ["ES384"], {"a": 1}])
def test_a_token_that_nobody_signed_is_refused(house: House, algorithm: Any) -> None:
    # CONFORMANCE 86
    head = {"alg": algorithm, "kid": house.keys.cds.kid, "typ": "JWT"}
    for mark in (b"", encoded(b"x" * 96)):
        token = b".".join([encoded(head), encoded(claims(house)), mark]).decode()
        refused(house.post(SERVICE, house.asked(SICK), token=token), 401, "alg")


def test_a_token_that_brings_its_own_key_is_refused(house: House) -> None:
    # CONFORMANCE 86
    mine = ECKey.generate_key("P-384", {"kid": house.keys.cds.kid})
    for more in ({"jwk": mine.as_dict(private=False)}, {"x5c": ["MII"]}, {"x5u": "https://evil.example"}, {}):
        token = signed(claims(house), mine, **more)
        refused(house.post(SERVICE, house.asked(SICK), token=token), 401, "signature", "key on file")


# --- requests forged on our side


def test_no_address_of_a_token_or_a_body_is_ever_called(house: House) -> None:
    # CONFORMANCE 4, 36, 75, 86
    with listening(lambda peer: None) as (trap, arrived):
        mine = ECKey.generate_key("P-384", {"kid": "mine"})
        for head in (
            {"jku": f"{trap}/jwks.json"},
            {"jku": f"{house.hospital.settings.url}@{trap.removeprefix('http://')}/"},
            {"x5u": f"{trap}/chain"},
        ):
            token = signed(claims(house), mine, **head)
            assert house.post(SERVICE, house.asked(SICK), token=token).status_code == 401
        refused(house.post(SERVICE, house.asked(SICK), token=house.token(SERVICE, iss=trap)), 401, "iss")
        for server in (
            trap,
            f"{trap}/fhir",
            f"{house.hospital.settings.fhir}@{trap.removeprefix('http://')}",
            f"{house.hospital.settings.fhir}/../..",
            f"{house.hospital.settings.fhir}#@{trap}",
            f"{house.hospital.settings.fhir}?x={trap}",
            f"{house.hospital.settings.fhir}\\@{trap}",
            house.hospital.settings.fhir.replace("localhost", "localhost."),
            "http://[::ffff:127.0.0.1]:1/fhir",
            "file:///etc/passwd",
            "gopher://127.0.0.1:70/_x",
            "http://169.254.169.254/latest/meta-data",
        ):
            body = house.asked(SICK, prefetch=False) | {"fhirServer": server}
            answer = house.post(SERVICE, body)
            assert answer.status_code in (400, 403), (server, answer.get_data(as_text=True))
            refused(answer, answer.status_code)
        assert arrived == []


@pytest.mark.parametrize("kind", ["redirect", "elsewhere"])
def test_where_the_hospital_sends_us_outside_itself_no_token_goes(house: House, kind: str) -> None:
    # CONFORMANCE 36, 40, 54
    with listening(lambda peer: None) as (trap, arrived):
        house.weather(kind, match="/fhir/Observation", to=f"{trap}/fhir/Observation")
        answer = house.post(SERVICE, house.asked(SICK, prefetch=False))
        if kind == "redirect":
            refused(answer, 502, "hospital", "outside")
        assert arrived == []


@pytest.mark.parametrize(
    "patient",
    ["..", ".", "../../auth", "a/b", "a%2fb", "a?b", "x" * 65, "", None, 7, "1\n2", "Patient/", "é"],
)
def test_an_id_that_would_lead_elsewhere_is_400(house: House, patient: Any) -> None:
    body = house.asked(SICK, prefetch=False)
    body["context"]["patientId"] = patient
    refused(house.post(SERVICE, body), 400, "context.patientId")


# --- bombs


def test_a_packed_body_is_415_and_not_unpacked(house: House) -> None:
    bomb = gzip.compress(bytes(4_000_000))
    for packing in ("gzip", "deflate", "br", "gzip, gzip"):
        answer = house.post(SERVICE, bomb, **{"Content-Encoding": packing})
        refused(answer, 415, "send the body as it is")


def test_a_body_of_millions_of_tiny_values_is_413(house: House) -> None:
    body = b'{"hook":"patient-view","prefetch":[' + b"[]," * 2_000_000 + b"0]}"
    refused(house.post(SERVICE, body), 413, "2000000 values")


def test_a_body_above_eight_megabytes_is_413(house: House) -> None:
    refused(house.post(SERVICE, b'{"a":"' + b"x" * 8 * 1024 * 1024 + b'"}'), 413)


def test_nobody_makes_us_read_a_body_without_a_token(house: House) -> None:
    answer = house.post(SERVICE, b"{" * 7_000_000, token="")
    refused(answer, 401, "Bearer")


def nested(depth: int, inner: Any) -> Any:
    for _ in range(depth):
        inner = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": inner}]}
    return inner


def test_bundles_within_bundles_lose_themselves_and_no_stack_overflows(house: House) -> None:
    body = house.asked(SICK)
    body["prefetch"]["vitals"]["entry"].append({"resource": nested(300, {"resourceType": "Observation"})})
    answer = house.post(SERVICE, body)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    assert answer.get_json()["cards"]
    body = house.asked(SICK) | {"deep": 0}
    text = json.dumps(body).replace('"deep": 0', '"deep": ' + "[" * 2000 + "]" * 2000)
    refused(house.post(SERVICE, text.encode()), 400, "JSON")


@pytest.mark.parametrize(
    "number",
    [
        "1e308",
        "-1e308",
        "1e-320",
        "9" * 400,
        "0." + "0" * 400 + "1",
        "-0.0",
        "123456789012345678901234567890",
    ],
)
def test_numbers_beyond_all_measure_are_not_used(house: House, number: str) -> None:
    body = house.asked(SICK)
    for entry in body["prefetch"]["vitals"]["entry"]:
        if "valueQuantity" in entry["resource"]:
            entry["resource"]["valueQuantity"]["value"] = "@"
    answer = house.post(SERVICE, json.dumps(body).replace('"@"', number).encode())
    assert answer.status_code in (200, 400), answer.get_data(as_text=True)
    assert "nan" not in answer.get_data(as_text=True).lower().replace("ordinance", "")


def test_long_texts_and_long_lists_stay_within_the_card(house: House) -> None:
    body = house.asked(SICK)
    for entry in body["prefetch"]["vitals"]["entry"]:
        entry["resource"]["code"] = {"text": "x" * 5000, "coding": [{"system": "s", "code": "c"}] * 500}
        entry["resource"]["note"] = [{"text": "y" * 5000}]
    answer = house.post(SERVICE, body)
    assert answer.status_code in (200, 413), answer.get_data(as_text=True)
    assert len(answer.get_data()) < 50_000


# --- injection


HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[press](javascript:alert(1))",
    "![x](https://evil.example/?leak)",
    "</p><iframe src=https://evil.example>",
    "# heading\n\n* list\n\n```\ncode",
    "https://evil.example",
    "‮evil‬\u200b\x1b[31m",
    "Ann\u202e0591 naJ 7 nrob\u2066 \u2067x\u2068\u0007\u0085\u009b31m",
    "{{ 7*7 }}{% raw %}",
    "\r\nX-Injected: yes",
)


# What turns the words after it, and what a terminal obeys; line ends and tabs aside.
TURNING = re.compile("[\u202a-\u202e\u2066-\u2069\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def poisoned(value: Any, text: str, at: str = "") -> Any:
    """`value` with every free text of a hospital's resources replaced."""
    if isinstance(value, dict):
        return {key: poisoned(each, text, key) for key, each in value.items()}
    if isinstance(value, list):
        return [poisoned(each, text, at) for each in value]
    return (
        text if at in ("text", "display", "family", "given", "unit", "div", "valueString", "line") else value
    )


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("service", [VENTILATION, TROPONIN])
def test_no_text_of_a_chart_becomes_markdown_or_html_of_a_card(house: House, service: str, text: str) -> None:
    # CONFORMANCE 79
    patient = SICK if service == VENTILATION else "infarction-rising"
    body = house.asked(patient, service)
    body["prefetch"] = poisoned(body["prefetch"], text)
    answer = house.post(f"/cds-services/{service}", body)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    for card in answer.get_json()["cards"]:
        said = " ".join(str(card.get(name, "")) for name in ("summary", "detail"))
        assert not RAW_HTML.search(said), said
        assert "](javascript:" not in said
        assert "](http" not in said
        assert not TURNING.search(said + json.dumps(card, ensure_ascii=False)), said
    assert "X-Injected" not in answer.headers


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "https://evil.example\r\nX-Injected: yes"]
)
def test_an_origin_that_is_not_listed_is_not_let_in(house: House, origin: str) -> None:
    # CONFORMANCE 89
    clean = origin.split("\r")[0]
    for path in ("/cds-services", SERVICE, FEEDBACK):
        answer = house.app.test_client().options(path, headers={"Origin": clean})
        assert "Access-Control-Allow-Origin" not in answer.headers


# --- replay


def test_a_token_used_at_one_worker_is_refused_at_every_other(house: House, tmp_path: Path) -> None:
    # CONFORMANCE 86
    other = Rooms(house.rooms.settings, clock=house.clock, models=house.rooms.models)
    second = create_app(other.settings, other).test_client()
    token, body = house.token(SERVICE), json.dumps(house.asked(SICK)).encode()
    told = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    assert house.post(SERVICE, body, token=token).status_code == 200
    refused(second.post(SERVICE, data=body, headers=told), 401, "jti", "used before")
    other.http.close()


def test_an_instance_that_is_used_for_two_patients_answers_each_about_themselves(house: House) -> None:
    # CONFORMANCE 74
    first, second = house.asked(SICK), house.asked("sepsis")
    second["hookInstance"] = first["hookInstance"]
    one, two = house.post(SERVICE, first), house.post(SERVICE, second)
    assert one.status_code == two.status_code == 200
    assert one.get_json() != two.get_json()
    alone = house.post(SERVICE, house.asked("sepsis")).get_json()["cards"]
    assert [card["summary"] for card in two.get_json()["cards"]] == [card["summary"] for card in alone]


def test_a_token_for_one_service_opens_no_other(house: House) -> None:
    # CONFORMANCE 86
    token = house.token(SERVICE)
    body = {"feedback": [{"card": "x", "outcome": "accepted", "outcomeTimestamp": "2026-11-23T00:00:00Z"}]}
    refused(house.post(FEEDBACK, body, token=token), 401, "aud")
    other = f"/cds-services/{TROPONIN}"
    refused(house.post(other, house.asked(SICK, TROPONIN), token=house.token(SERVICE)), 401, "aud")


def test_a_host_header_does_not_change_whom_a_token_must_name(house: House) -> None:
    # CONFORMANCE 87
    evil = f"https://evil.example{SERVICE}"
    answer = house.post(SERVICE, house.asked(SICK), token=house.token(SERVICE, aud=evil), Host="evil.example")
    refused(answer, 401, "aud")


def test_hostile_feedback_is_kept_or_named_and_never_a_fault(house: House) -> None:
    # CONFORMANCE 90
    row = {"card": "c", "outcome": "overridden", "outcomeTimestamp": "2026-11-23T00:00:00Z"}
    for change in (
        {"card": "\x00' OR 1=1 --"},
        {"overrideReason": {"userComment": "<script>" * 500}},
        {"outcomeTimestamp": "0001-01-01T00:00:00+14:00"},
        {"outcomeTimestamp": "9999-12-31T23:59:59-14:00"},
        {"outcomeTimestamp": 5},
        {"card": ["x"]},
        {"acceptedSuggestions": [{"id": {"a": 1}}]},
    ):
        answer = house.post(FEEDBACK, {"feedback": [copy.deepcopy(row) | change]})
        assert answer.status_code in (200, 400), (change, answer.get_data(as_text=True))
    many = {"feedback": [row] * 1001}
    refused(house.post(FEEDBACK, many), 400, "1000 rows")
