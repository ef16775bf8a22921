"""Every refusal, at every door: its status, a sentence that says what was wrong, a remedy, and nobody's data."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from inference.assessment import VENTILATION
from tests.webapp.house import APP, House, standing, visit_of

SICK = "pneumonia-worsening"
SERVICE = f"/cds-services/{VENTILATION}"
TOKEN = "a-token-nobody-may-see"
Act = Callable[[House], Any]


@dataclass(frozen=True)
class Refusal:
    """What somebody does, the status they get, and words that must stand in what they are told."""

    name: str
    act: Act
    status: int
    says: str  # what was wrong
    remedy: str  # how to mend it


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    yield from standing(tmp_path_factory.mktemp("house"))


@pytest.fixture(autouse=True)
def _fair(house: House) -> Iterator[None]:
    yield
    house.fair()
    house.clock.ahead = timedelta(0)


def asked(house: House, **change: Any) -> Any:
    """A hook call, sound but for `change`; "context.x" changes one element of the context, None removes it."""
    body = house.asked(SICK, hook=change.pop("hook_", "patient-view"))
    for path, value in change.items():
        node, name = (body["context"], path[8:]) if path.startswith("context_") else (body, path)
        node.pop(name, None)
        if value is not None:
            node[name] = value
    return house.post(SERVICE, body)


def read(house: House, weather: str, **more: Any) -> Any:
    """A hook call whose chart has to be fetched, in bad weather."""
    house.weather(weather, match="/fhir/Observation", **more)
    return house.post(SERVICE, house.asked(SICK, prefetch=False))


def page(house: House, weather: str, **more: Any) -> Any:
    """The result of a launch, in bad weather."""
    client, address = house.launched(SICK)
    house.weather(weather, match="/fhir/Observation", **more)
    return client.get(address, base_url=APP)


def get(path: str, **query: str) -> Act:
    return lambda house: house.browser().get(path, query_string=query, base_url=APP)


def launch(house: House, iss: str = "", launch: str = "x") -> Any:
    query = {"iss": iss or house.hospital.settings.fhir, "launch": launch}
    return house.browser().get("/launch", query_string={k: v for k, v in query.items() if v != "-"}, base_url=APP)


def callback(house: House, **more: str) -> Any:
    client = house.browser()
    back = house.callback(client, SICK)
    state = back.partition("state=")[2].partition("&")[0]
    return client.get("/callback", query_string={"state": state} | more, base_url=APP)


def aged(house: House, act: Act) -> Any:
    client, address = house.launched(SICK)
    house.clock.ahead = timedelta(hours=9)
    return client.get(address, base_url=APP)


def form(house: House, path: str, **fields: str) -> Any:
    client, address = house.launched(SICK)
    client.get(address, base_url=APP)
    return client.post(path, data={"visit": visit_of(address)} | fields, base_url=APP)


def feedback(house: House, body: Any) -> Any:
    return house.post(f"{SERVICE}/feedback", body)


def bearer(**claims: Any) -> Act:
    return lambda house: house.post(SERVICE, house.asked(SICK), token=house.token(SERVICE, **claims))


SEND = "send the prefetch"
AT_HOOKS = (
    Refusal("no token", lambda h: h.post(SERVICE, {}, token=""), 401, "Authorization", "Bearer"),
    Refusal("no JWT", lambda h: h.post(SERVICE, {}, token="abc"), 401, "JWT", "signed"),
    Refusal("foreign aud", bearer(aud="https://elsewhere.example"), 401, "aud", APP),
    Refusal("foreign iss", bearer(iss="https://elsewhere.example"), 401, "iss", "cds_clients"),
    Refusal("old token", bearer(iat=1, exp=2), 401, "exp", "clock"),
    Refusal("no jti", bearer(jti=""), 401, "jti", "must carry it"),
    Refusal("no JSON", lambda h: h.post(SERVICE, b"{"), 400, "JSON", "line 1"),
    Refusal("no object", lambda h: h.post(SERVICE, []), 400, "object", "JSON"),
    Refusal("another hook", lambda h: asked(h, hook="encounter-start"), 400, "hook", "patient-view"),
    Refusal("no instance", lambda h: asked(h, hookInstance=None), 400, "hookInstance", "UUID"),
    Refusal("no context", lambda h: asked(h, context=None), 400, "context", "object"),
    Refusal("no patient", lambda h: asked(h, context_patientId=None), 400, "context.patientId", "FHIR id"),
    Refusal("no user", lambda h: asked(h, context_userId=None), 400, "context.userId", "Practitioner"),
    Refusal("odd prefetch", lambda h: asked(h, prefetch={"vitals": 7}), 400, "prefetch.vitals", "FHIR resource"),
    Refusal("no server", lambda h: asked(h, fhirServer=None), 400, "fhirServer", "required beside"),
    Refusal("foreign server", lambda h: asked(h, fhirServer="https://elsewhere.example/fhir"), 403, "list", "tenant"),
    Refusal("no data", lambda h: h.post(SERVICE, h.asked(SICK, prefetch=False, authorised=False)), 412,
            "needed data was not sent", SEND),
    Refusal("no service", lambda h: h.post("/cds-services/sepsis", {}), 404, "no such service", VENTILATION),
    Refusal("no site", lambda h: h.app.test_client().get("/sites/nowhere/cds-services"), 404, "site", "configured"),
    Refusal("too big", lambda h: h.post(SERVICE, b'{"a":"' + b"x" * 8_400_000 + b'"}'), 413, "capacity", "limit"),
    Refusal("packed", lambda h: h.post(SERVICE, b"x", **{"Content-Encoding": "gzip"}), 415, "packed", "as it is"),
    Refusal("hospital down", lambda h: read(h, "error"), 502, "hospital", "nothing is advised"),
    Refusal("hospital odd", lambda h: read(h, "malformed"), 502, "hospital", "nothing is advised"),
    Refusal("hospital busy", lambda h: read(h, "throttle", retry_after="30"), 503, "hospital", "30"),
    Refusal("sent elsewhere", lambda h: read(h, "redirect"), 502, "outside", "hospital"),
    Refusal("no feedback", lambda h: feedback(h, {}), 400, "feedback", "list"),
    Refusal("odd outcome", lambda h: feedback(h, {"feedback": [{"card": "c", "outcome": "x"}]}), 400,
            "outcome", "accepted"),
)  # fmt: skip

AT_PAGES = (
    Refusal("no launch", lambda h: launch(h, launch="-"), 400, "'launch'", "What to do"),
    Refusal("no iss", get("/standalone"), 400, "'iss'", "What to do"),
    Refusal("unknown hospital", lambda h: launch(h, iss="https://elsewhere.example/fhir"), 403, "list", "What to do"),
    Refusal("unknown state", get("/callback", state="x", code="y"), 400, "not known here", "What to do"),
    Refusal("hospital refused", lambda h: callback(h, error="access_denied", error_description=TOKEN), 400,
            "access_denied", "What to do"),
    Refusal("no code", lambda h: callback(h), 400, "code", "What to do"),
    Refusal("spent code", lambda h: callback(h, code="spent"), 400, "hospital", "What to do"),
    Refusal("no visit", get("/result"), 401, "over", "What to do"),
    Refusal("unknown visit", get("/result", visit="x" * 43), 401, "over", "What to do"),
    Refusal("old visit", lambda h: aged(h, launch), 401, "over", "What to do"),
    Refusal("forged form", lambda h: form(h, "/close", csrf_token="0" * 64), 401, "not sent from this visit",
            "What to do"),
    Refusal("unknown paper", lambda h: form(h, "/assessments/none/release", csrf_token="0" * 64), 401,
            "not sent from this visit", "What to do"),
    Refusal("nowhere", get("/nowhere"), 404, "not", "What to do"),
    Refusal("another method", lambda h: h.browser().post("/about", base_url=APP), 405, "not", "What to do"),
    Refusal("hospital down", lambda h: page(h, "error"), 502, "hospital", "What to do"),
    Refusal("hospital odd", lambda h: page(h, "malformed"), 502, "hospital", "What to do"),
    Refusal("hospital busy", lambda h: page(h, "throttle", retry_after="30"), 503, "busy", "What to do"),
    Refusal("not permitted", lambda h: page(h, "error", status=403), 403, "not", "What to do"),
)  # fmt: skip


def identifiers(house: House) -> list[str]:
    """What would give the patient or a token away."""
    row = house.hospital.read("Patient", SICK)
    numbers = [each["value"] for each in row.get("identifier", ())]
    return [SICK, row["name"][0]["family"], *row["name"][0]["given"], row["birthDate"], *numbers, TOKEN]


def checked(house: House, case: Refusal) -> tuple[Any, str]:
    answer = case.act(house)
    text = answer.get_data(as_text=True)
    assert answer.status_code == case.status, text
    plain = text.replace("&#39;", "'")
    for wanted in (case.says, case.remedy):
        assert wanted.lower() in plain.lower(), f"'{wanted}' is not in: {plain}"
    told = [word for word in identifiers(house) if word in plain or word in str(answer.headers)]
    assert told == [], f"{told} stands in the refusal"
    assert "Traceback" not in text
    return answer, text


@pytest.mark.parametrize("case", AT_HOOKS, ids=lambda case: case.name)
def test_a_refusal_to_a_program_says_what_was_wrong_and_how_to_mend_it(house: House, case: Refusal) -> None:
    # CONFORMANCE 51, 73, 91
    answer, _ = checked(house, case)
    body = json.loads(answer.get_data())
    assert body["resourceType"] == "OperationOutcome"
    (issue,) = body["issue"]
    assert issue["severity"] == "error"
    assert issue["code"]
    assert issue["diagnostics"]
    assert "cards" not in body


@pytest.mark.parametrize("case", AT_PAGES, ids=lambda case: case.name)
def test_a_refusal_to_a_person_is_a_page_with_what_to_do(house: House, case: Refusal) -> None:
    # CONFORMANCE 12, 51
    answer, text = checked(house, case)
    assert answer.mimetype == "text/html"
    assert "<h1>" in text
    assert answer.headers["Cache-Control"] == "no-store"
