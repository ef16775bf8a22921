"""Ten thousand cases nobody thought of: every one a chart, an answer or a named refusal, none an unhandled error.

Documents are valid ones, changed; addresses and forms are made from docs/openapi.json. The cases are the same in every
run, so that a red one can be seen again; FUZZ_WILD=1 makes new ones.
"""

from __future__ import annotations

import json
import os
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Final
from zoneinfo import ZoneInfo

import orjson
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.generation import GenerationMode
from werkzeug.serving import make_server

from ehr.hooks import HOOKS
from ehr.reader import read_record
from inference.assess import assess
from inference.assessment import TROPONIN, VENTILATION
from inference.chart import Chart
from tests.demo.standing_hospital import Quiet
from tests.fuzz.mutations import changed, changes, places
from tests.webapp.house import APP, House, standing, visit_of
from webapp.settings import ROOT

pytestmark = pytest.mark.slow
WILD = os.environ.get("FUZZ_WILD") == "1"
PROMISED: Final = 10_000
PATIENTS: Final = {VENTILATION: "pneumonia-worsening", TROPONIN: "infarction-rising"}
REFUSALS: Final = frozenset({400, 403, 404, 412, 413, 415, 502})
tally: Counter[str] = Counter()
answered: Counter[str] = Counter()


def cases(many: int) -> Callable[[Any], Any]:
    """Exactly so many, the same each time, without a limit of their own."""
    return settings(
        max_examples=many,
        derandomize=not WILD,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    yield from standing(tmp_path_factory.mktemp("house"))


def small(house: House, service: str, hook: str = "patient-view") -> dict[str, Any]:
    """A valid request whose bundles hold a few rows of every kind."""
    order = {
        "resourceType": "ServiceRequest",
        "id": "o1",
        "status": "draft",
        "intent": "order",
        "subject": {"reference": f"Patient/{PATIENTS[service]}"},
        "code": {
            "coding": [{"system": "http://loinc.org", "code": "67151-1"}],
            "text": "Troponin T, high sensitivity",
        },
        "occurrenceDateTime": "2026-11-23T10:00:00Z",
    }
    body = house.asked(PATIENTS[service], service, authorised=False, orders=[order])
    body["hook"], body["context"]["selections"] = hook, ["ServiceRequest/o1"]
    for bundle in body["prefetch"].values():
        rows = bundle.get("entry", [])
        bundle["entry"] = rows[:: max(1, len(rows) // 8)][:8] if bundle["resourceType"] == "Bundle" else rows
        if bundle["resourceType"] != "Bundle":
            del bundle["entry"]
    return body


@pytest.mark.parametrize("service", list(PATIENTS))
def test_any_mutation_of_a_valid_bundle_gives_a_chart(house: House, service: str) -> None:
    # CONFORMANCE 38
    body, now, patient = small(house, service), house.clock(), PATIENTS[service]
    rows = [
        each
        for sent in body["prefetch"].values()
        for each in ([entry["resource"] for entry in sent.get("entry", [])] or [sent])
    ]
    raw, where, model = orjson.dumps(rows), places(rows), house.rooms.models[service]

    @cases(3500)
    @given(changes(rows))
    def one(told: list[Any]) -> None:
        tally["bundles"] += 1
        record = read_record(patient, changed(raw, where, told), zone=ZoneInfo("America/New_York"))
        chart = record.at(now)
        assert isinstance(chart, Chart)
        answered["charts with values" if chart.measurements else "charts without"] += 1
        if tally["bundles"] % 5 == 0:
            assert assess(chart, model, explain=False).status

    one()


@pytest.mark.parametrize("service", list(PATIENTS))
@pytest.mark.parametrize("hook", HOOKS)
def test_any_mutation_of_a_hook_request_gives_an_answer_or_a_named_refusal(
    house: House, service: str, hook: str
) -> None:
    # CONFORMANCE 73, 91
    body = small(house, service, hook)
    raw, where, path = orjson.dumps(body), places(body), f"/cds-services/{service}"

    @cases(200)
    @given(changes(body, 3), st.booleans())
    def one(told: list[Any], fresh: bool) -> None:
        tally["hooks"] += 1
        sent = changed(raw, where, told)
        if fresh and isinstance(sent.get("hookInstance"), str):
            sent["hookInstance"] = str(uuid.uuid4())
        answer = house.post(path, json.dumps(sent).encode())
        said = answer.get_json()
        answered[f"hooks {answer.status_code // 100}xx"] += 1
        if answer.status_code == 200:
            assert isinstance(said["cards"], list)
        else:
            assert answer.status_code in REFUSALS, answer.get_data(as_text=True)
            assert said["issue"][0]["diagnostics"]

    one()


def test_any_body_at_all_gives_an_answer_or_a_named_refusal(house: House) -> None:
    # CONFORMANCE 73, 90, 91
    told = {"feedback": [{"card": "c", "outcome": "overridden", "outcomeTimestamp": "2026-11-23T00:00:00Z"}]}
    raw, where = orjson.dumps(told), places(told)
    bent = changes(told).map(lambda each: json.dumps(changed(raw, where, each)).encode())
    texts = st.one_of(st.binary(max_size=300), bent)

    @cases(400)
    @given(texts, st.sampled_from(("", "/feedback")))
    def one(sent: bytes, end: str) -> None:
        tally["bodies"] += 1
        answer = house.post(f"/cds-services/{VENTILATION}{end}", sent)
        assert answer.status_code == 200 or answer.status_code in REFUSALS, answer.get_data(as_text=True)
        assert answer.is_json

    one()


# --- the whole app, over HTTP


@pytest.fixture(scope="module")
def running(house: House) -> Iterator[str]:
    """The app on loopback."""
    server = make_server("127.0.0.1", 0, house.app, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def inside(house: House) -> dict[str, str]:
    """A real visit: its id, its cookie, one of its answers."""
    client = house.browser()
    landed = client.get(house.callback(client, PATIENTS[VENTILATION]), base_url=APP)
    address, cookie = landed.headers["Location"], landed.headers.getlist("Set-Cookie")[-1].split(";")[0]
    page = client.get(address, base_url=APP)
    assert page.status_code == 200
    visit = visit_of(address)
    kept = house.rooms.vault.get("visit", visit)
    assert kept is not None
    token = page.get_data(as_text=True).split('name="csrf_token" value="')[1].split('"')[0]
    return {"visit": visit, "cookie": cookie, "key": kept["about"]["answers"][0], "csrf": token}


DESCRIBED = schemathesis.openapi.from_dict(orjson.loads((ROOT / "docs" / "openapi.json").read_bytes()))
OPERATIONS = {each.ok().label: each.ok() for each in DESCRIBED.get_all_operations()}
SLOW: Final = {"GET /result": 15, "POST /result": 15, "GET /handout/{key}.pdf": 15, "POST /handout/{key}.pdf": 15,
               "POST /assessments/{key}/ask": 25}  # fmt: skip  # each reads the chart or draws a sheet
PLAIN: Final = frozenset({"GET /", "GET /about", "GET /healthz", "GET /readyz", "GET /metrics", "GET /cds-services",
                          "GET /.well-known/jwks.json"})  # fmt: skip  # nothing to vary but what is not described


@pytest.mark.parametrize("label", sorted(OPERATIONS))
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["good", "bad"])
def test_every_operation_answers_as_it_is_described(
    house: House, running: str, inside: dict[str, str], label: str, mode: GenerationMode
) -> None:
    operation = OPERATIONS[label]
    if mode is GenerationMode.NEGATIVE and label in PLAIN:
        pytest.skip("takes nothing that could be wrong")
    many = 5 if label in PLAIN else SLOW.get(label, 90)
    parameters = {each["name"] for each in operation.definition.raw.get("parameters", [])}
    session = requests.Session()
    session.trust_env = False

    @cases(many)
    @given(
        operation.as_strategy(generation_mode=mode), st.sampled_from(("nobody", "there", "there with a form"))
    )
    def one(case: Any, who: str) -> None:
        tally["operations"] += 1
        if who != "nobody":  # as somebody who is really there would ask
            if "visit" in parameters:
                case.query = {**_mapping(case.query), "visit": inside["visit"]}
            if "key" in (case.path_parameters or {}):
                case.path_parameters["key"] = inside["key"]
            if isinstance(case.body, dict) and "csrf_token" in case.body:
                case.body["visit"] = inside["visit"]
                case.body["csrf_token"] = inside["csrf"] if who.endswith("form") else case.body["csrf_token"]
            if label == "POST /close":
                case.body = {"visit": inside["visit"], "csrf_token": "0" * 64}  # the visit is needed yet
        path = case.formatted_path
        heads = {"Cookie": inside["cookie"]} if who != "nobody" else {}
        if path.startswith("/cds-services/"):
            heads["Authorization"] = f"Bearer {house.token(path)}"
        answer = case.call(
            base_url=running, headers=heads, session=session, allow_redirects=False, timeout=30
        )
        answered[f"operations {answer.status_code // 100}xx"] += 1
        assert answer.status_code != 500, (case.as_curl_command(), answer.text[:500])
        described = {int(code) for code in operation.definition.raw["responses"]}
        assert answer.status_code in described | {404, 405, 408}, (answer.status_code, case.as_curl_command())
        if answer.status_code >= 400 and path.startswith("/cds-services/"):
            assert answer.json()["resourceType"] == "OperationOutcome"

    one()


def _mapping(query: Any) -> dict[str, Any]:
    return dict(query) if isinstance(query, dict) else {}


def test_all_that_was_promised_was_tried() -> None:
    """Last in this file: how many cases there were."""
    if len(tally) < 4:
        pytest.skip("only a part of the cases was asked for")
    print(dict(tally), dict(answered))
    assert sum(tally.values()) >= PROMISED, tally
    for many in ("charts with values", "hooks 2xx", "hooks 4xx", "operations 2xx", "operations 4xx"):
        assert answered[many] >= 100, answered  # no kind of answer was left untried
