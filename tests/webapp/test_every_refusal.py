"""Every refusal at every door: its status, what was wrong, how to mend it, and nothing about a patient.

One table: a row is what somebody does, and what they are told. Whatever is sent is marked, so that a refusal that
repeats it is found out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from flask import Flask, request, request_started

from inference.assessment import VENTILATION
from tests.planned import build_planned
from tests.webapp.broken import (
    arriving,
    faulty,
    fed_back,
    flooded,
    hooked,
    late,
    launched,
    opened,
    printed,
    unfetched,
    unreleased,
    unwritten,
    without_pango,
)
from tests.webapp.house import House, standing, visit_of
from tests.webapp.refused import (
    FEEDBACK,
    MARK,
    SERVICE,
    Desk,
    Row,
    again,
    launch,
    listed,
    nobody,
    prefetched,
    shows_nobody,
    told_to_a_person,
    told_to_a_program,
    unsent,
    untaken,
    yesterday,
)

WITHOUT_REFUSAL = {
    "healthz",
    "readyz",
    "metrics",
    "static",
    "models.about",
    "pages.home",
    "launch.jwks",
    "gallery.wall",
}
IN_THEIR_OWN_WORDS = {"clear.asked", "clear.said"}  # a patient's phone: test_clear.py has what it is told


ELEMENT, CLAIM, FETCH = "the element named", "the claim named", "prefetch that /cds-services asks for"
FRESH, HELPLESS, CHART = "Open Ordertime again", "trying again will hardly help", "tell your IT desk"
PROGRAMS = (
    # --- a body that is none
    Row("half JSON", lambda d: d.house.post(SERVICE, b"{x" + MARK.encode()), 400, "body: ", ELEMENT),
    Row("a list", lambda d: d.house.post(SERVICE, [MARK]), 400, "not an object", ELEMENT),
    Row("a bomb", lambda d: d.house.post(SERVICE, b"[" + b"[]," * 2_000_001), 413, "values", "fewer rows"),
    Row(
        "a flood",
        lambda d: d.house.post(SERVICE, b'{"a":"' + MARK.encode() * 700_000 + b'"}'),
        413,
        "capacity",
        "fewer rows",
    ),
    Row(
        "a packing",
        lambda d: d.house.post(SERVICE, b"x", **{"Content-Encoding": "gzip"}),
        415,
        "not unpacked",
        "plain JSON",
    ),
    Row("a wrong method", lambda d: d.get(SERVICE), 405, "method", "Allow"),
    Row(
        "an unknown service", lambda d: d.hook(f"/cds-services/{MARK}"), 404, "services are", "/cds-services"
    ),
    Row("an unknown site", lambda d: d.get(f"/sites/{MARK}/cds-services"), 404, "no site", "/cds-services"),
    Row("an unknown address", lambda d: d.get(f"/cds-services/x/{MARK}"), 404, "not found", "/cds-services"),
    Row(
        "another site's service",
        lambda d: d.hook(f"/sites/{MARK}{SERVICE}"),
        401,
        "another site than the address",
        CLAIM,
    ),
    # --- elements
    Row("another hook", lambda d: d.hook(hook=MARK), 400, "hook: ", ELEMENT),
    Row("no instance", lambda d: d.hook(hookInstance=MARK), 400, "hookInstance: ", ELEMENT),
    Row("no context", lambda d: d.hook(context=MARK), 400, "context: ", ELEMENT),
    Row("no address", lambda d: d.hook(fhirServer=MARK), 400, "fhirServer: ", ELEMENT),
    Row("no patient", lambda d: d.context(patientId=f"../{MARK}"), 400, "context.patientId: ", ELEMENT),
    Row("no user", lambda d: d.context(userId=MARK), 400, "context.userId: ", ELEMENT),
    Row("no encounter", lambda d: d.context(encounterId={"id": MARK}), 400, "context.encounterId: ", ELEMENT),
    Row(
        "no drafts", lambda d: d.orders("order-sign", draftOrders=MARK), 400, "context.draftOrders: ", ELEMENT
    ),
    Row(
        "drafts of another type",
        lambda d: d.orders("order-sign", draftOrders={"resourceType": MARK}),
        400,
        "context.draftOrders.resourceType: ",
        ELEMENT,
    ),
    Row(
        "a draft that is none",
        lambda d: d.orders("order-sign", draftOrders={"resourceType": "Bundle", "entry": [MARK]}),
        400,
        "context.draftOrders.entry[0]: ",
        ELEMENT,
    ),
    Row(
        "no selections",
        lambda d: d.orders("order-select", selections=MARK),
        400,
        "context.selections: ",
        ELEMENT,
    ),
    Row(
        "a prefetch of another type",
        lambda d: prefetched(d, {"resourceType": MARK}),
        400,
        "prefetch.vitals: ",
        ELEMENT,
    ),
    Row("a prefetch that is none", lambda d: prefetched(d, MARK), 400, "prefetch.vitals: ", ELEMENT),
    Row(
        "entries that are none",
        lambda d: prefetched(d, {"resourceType": "Bundle", "entry": MARK}),
        400,
        "prefetch.vitals: ",
        ELEMENT,
    ),
    Row("a prefetch that is a list", listed, 400, "prefetch: ", ELEMENT),
    Row("no token", lambda d: d.granted(access_token=7), 400, "fhirAuthorization.access_token: ", ELEMENT),
    Row("no bearer", lambda d: d.granted(token_type=MARK), 400, "fhirAuthorization.token_type: ", ELEMENT),
    Row("no scope", lambda d: d.granted(scope=[MARK]), 400, "fhirAuthorization.scope: ", ELEMENT),
    Row("another's token", lambda d: d.granted(patient=MARK), 400, "fhirAuthorization.patient: ", ELEMENT),
    Row("a hook of another address", lambda d: d.hook(f"{SERVICE}-order-sign"), 400, "hook: ", ELEMENT),
    Row("no server", lambda d: d.hook(fhirServer=None), 400, "fhirServer: ", ELEMENT),
    Row(
        "another server",
        lambda d: d.hook(fhirServer=f"https://{MARK}.example/fhir"),
        403,
        "nothing was sent",
        "the site's tenant file",
    ),
    # --- who calls
    Row("nobody", lambda d: d.house.post(SERVICE, d.body(), token=""), 401, "Authorization: ", CLAIM),
    Row("no JWT", lambda d: d.house.post(SERVICE, {}, token=MARK), 401, "token: ", CLAIM),
    Row("an issuer", lambda d: d.claimed(iss=f"https://{MARK}.example"), 401, "iss: ", CLAIM),
    Row("an audience", lambda d: d.claimed(aud=MARK), 401, "aud: ", CLAIM),
    Row("an old token", lambda d: d.claimed(exp=1, iat=0), 401, "exp: ", CLAIM),
    Row("a token to come", lambda d: d.claimed(iat=9_999_999_999, exp=9_999_999_999), 401, "iat: ", CLAIM),
    Row("no jti", lambda d: d.claimed(jti=7), 401, "jti: ", CLAIM),
    Row("feedback of nobody", lambda d: d.house.post(FEEDBACK, {}, token=""), 401, "Authorization: ", CLAIM),
    # --- data that cannot be had
    Row(
        "nothing sent and no leave",
        lambda d: d.hook(prefetch=False, fhirServer=None, fhirAuthorization=None),
        412,
        "no fhirAuthorization",
        FETCH,
    ),
    Row(
        "an outcome where data should be",
        lambda d: prefetched(d, {"resourceType": "OperationOutcome", "issue": [{"diagnostics": MARK}]}),
        412,
        "could not read",
        FETCH,
    ),
    Row(
        "a patient nobody knows",
        nobody,
        412,
        "not to be fetched",
        FETCH,
    ),
    Row("a token the server does not take", untaken, 412, "not to be fetched", FETCH),
    Row(
        "a silent hospital",
        lambda d: d.stormy("error", unsent),
        502,
        "hospital's server",
        "Ask again in a minute",
    ),
    Row("a throttled one", lambda d: d.stormy("throttle", unsent), 503, "slow down", "Retry-After"),
    Row("half an answer", lambda d: d.stormy("malformed", unsent), 502, "not JSON", "FHIR R4"),
    Row("a redirect", lambda d: d.stormy("redirect", unsent), 502, "hospital's", "FHIR R4"),
    # --- what breaks on our side
    Row("too many calls", flooded("hooks", hooked), 429, "come back in", "administrator can raise it"),
    Row("too much feedback", flooded("feedback", fed_back), 429, "more than 1 a minute", "Retry-After"),
    Row("a ledger that is down", unwritten(hooked), 503, "ledger", "/readyz"),
    Row("feedback to none", unwritten(fed_back, "feedback"), 503, "ledger", "Ask again in a minute"),
    Row("an answer too late", late, 503, "too late", "look at its load"),
    Row("an internal fault", faulty(unfetched), 500, "reference", "finds the fault by it in the log"),
    Row("a model that cannot be opened", unreleased(hooked), 500, "reference", "restores the model's folder"),
    # --- feedback
    Row("no feedback", lambda d: d.house.post(FEEDBACK, {"feedback": MARK}), 400, "feedback: ", ELEMENT),
    Row(
        "a row that is none",
        lambda d: d.house.post(FEEDBACK, {"feedback": [MARK]}),
        400,
        "feedback[0]: ",
        ELEMENT,
    ),
    Row("another outcome", lambda d: d.told(outcome=MARK), 400, "feedback[0].outcome: ", ELEMENT),
    Row("no time", lambda d: d.told(outcomeTimestamp=MARK), 400, "feedback[0].outcomeTimestamp: ", ELEMENT),
    Row("no reason", lambda d: d.told(overrideReason=MARK), 400, "feedback[0].overrideReason: ", ELEMENT),
    Row("a card of no text", lambda d: d.told(card=[MARK]), 400, "feedback[0].card: ", ELEMENT),
    Row("no suggestions", lambda d: d.told(acceptedSuggestions=MARK), 400, "acceptedSuggestions: ", ELEMENT),
    Row("feedback by GET", lambda d: d.get(FEEDBACK), 405, "method", "Allow"),
    Row(
        "feedback to nothing",
        lambda d: d.hook(f"/cds-services/{MARK}/feedback"),
        404,
        "services are",
        "services",
    ),
)
PEOPLE = (
    # --- the launch
    Row("no issuer", lambda d: d.get("/launch", launch=MARK), 400, "'iss'", CHART),
    Row("no launch", lambda d: d.get("/launch", iss=d.house.hospital.settings.fhir), 400, "'launch'", CHART),
    Row("standing alone without", lambda d: d.get("/standalone"), 400, "'iss'", CHART),
    Row(
        "an unknown issuer",
        lambda d: d.get("/launch", iss=f"https://{MARK}.example", launch="x"),
        403,
        "list",
        "FHIR address added",
    ),
    Row(
        "unknown and alone",
        lambda d: d.get("/standalone", iss=f"https://{MARK}.example"),
        403,
        "list",
        "FHIR address added",
    ),
    Row(
        "no configuration",
        lambda d: d.stormy("error", launch, "/fhir/.well-known"),
        502,
        "hospital",
        "Try again",
    ),
    Row(
        "a state of nobody", lambda d: d.get("/callback", state=MARK, code=MARK), 400, "not known here", CHART
    ),
    Row("no state", lambda d: d.get("/callback"), 400, "not known here", CHART),
    Row("no code", lambda d: d.back(), 400, "neither a code nor an error", CHART),
    Row("an error", lambda d: d.back(error="access_denied", error_description=MARK), 400, "hospital", CHART),
    Row("a made-up error", lambda d: d.back(error=MARK, error_description=MARK), 400, "hospital", CHART),
    Row("a made-up code", lambda d: d.back(code=MARK), 400, "hospital", CHART),
    # --- the visit
    Row("no visit", lambda d: d.get("/result"), 401, "ended", FRESH),
    Row("a visit of nobody", lambda d: d.get("/result/stored", visit=MARK), 401, "ended", FRESH),
    Row("a look for nobody", lambda d: d.get("/result/look.css", visit=MARK), 401, "ended", FRESH),
    Row(
        "another browser",
        lambda d: d.get("/result", visit=visit_of(d.address)),
        401,
        "another browser",
        FRESH,
    ),
    Row("paper of nobody", lambda d: d.seen(f"/handout/{MARK}"), 404, "no answer of that id", FRESH),
    Row("a PDF of nobody", lambda d: d.seen(f"/handout/{MARK}.pdf"), 404, "no answer of that id", FRESH),
    Row(
        "values of nobody",
        lambda d: d.seen(f"/assessments/{MARK}/values"),
        404,
        "no answer of that id",
        FRESH,
    ),
    Row("a picture of nothing", lambda d: d.get(f"/gallery/{MARK}/{MARK}"), 404, "no plate", FRESH),
    Row("a board elsewhere", lambda d: d.seen(f"/board/{MARK}"), 403, "another hospital", "Go back to the result"),
    Row(
        "a board for others",
        lambda d: Desk(d.house).open("Practitioner/brandt").seen("/board/demo"),
        403,
        "not on the hospital's list",
        "ask whoever runs Ordertime",
    ),
    Row("a card of nothing", lambda d: d.get(f"/models/{MARK}/card"), 404, "no model of this name", FRESH),
    Row("a card of nothing, XML", lambda d: d.get(f"/models/{MARK}/card.xml"), 404, "no model of", FRESH),
    Row("a card of no site", lambda d: d.get(f"/models/{VENTILATION}/card/{MARK}"), 404, "no site of", FRESH),
    Row(
        "a card of no site, XML",
        lambda d: d.get(f"/models/{VENTILATION}/card/{MARK}.xml"),
        404,
        "no site of",
        FRESH,
    ),
    Row("a gate of no site", lambda d: d.get(f"/gate/{MARK}"), 404, "no site of this id", FRESH),
    Row("audits of no site", lambda d: d.get(f"/audits/{MARK}"), 404, "no site of this id", FRESH),
    Row("another's reviews", lambda d: d.seen(f"/review/{MARK}"), 404, "another hospital", FRESH),
    Row("the queue of nobody's visit", lambda d: d.get("/queue", visit=MARK), 401, "ended", FRESH),
    Row("an answer that waits for nobody", lambda d: d.seen(f"/queue/{MARK}"), 404, "waits for a person", FRESH),
    Row("a label for it", lambda d: d.labelled(MARK), 404, "waits for a person", FRESH),
    Row("a week of none", lambda d: d.seen(f"/review/demo/{MARK}"), 404, "2026-W21", FRESH),
    Row("paper of no week", lambda d: d.seen(f"/review/demo/{MARK}.pdf"), 404, "2026-W21", FRESH),
    Row("a drawing of nothing", lambda d: d.get(f"/about/{MARK}/{MARK}.svg"), 404, "no model here", FRESH),
    Row("a page of nothing", lambda d: d.get(f"/{MARK}"), 404, "does not exist", FRESH),
    Row("a form by GET", lambda d: d.seen(f"/assessments/{d.key}/opinion"), 405, "button", FRESH),
    # --- the forms
    Row(
        "no form token",
        lambda d: d.sent("opinion", csrf_token=MARK),
        401,
        "not sent from this visit's page",
        FRESH,
    ),
    Row(
        "closing without",
        lambda d: d.sent("close", csrf_token=MARK),
        401,
        "not sent from this visit's page",
        FRESH,
    ),
    Row("closing nothing", lambda d: d.sent("close", visit=MARK), 401, "ended", FRESH),
    Row(
        "no opinion",
        lambda d: d.sent("opinion", opinion=MARK),
        400,
        "agree, disagree",
        "choose whether you agree",
    ),
    Row(
        "a long comment",
        lambda d: d.sent("opinion", opinion="agree", comment=MARK * 999),
        400,
        "2000",
        "shorten it",
    ),
    Row(
        "an unread page",
        lambda d: d.sent("release", read=MARK),
        400,
        "having been read",
        "tick that you have",
    ),
    Row("hours of no number", lambda d: d.sent("ask", hours_ahead=MARK), 400, "no number", "as a number"),
    Row("hours far ahead", lambda d: d.sent("ask", hours_ahead="9999"), 400, "draw", "as a number"),
    Row("another type", lambda d: d.sent("write", type=MARK), 400, "RiskAssessment", FRESH),
    # --- the hospital
    Row(
        "a silent hospital", lambda d: d.stormy("error", again), 502, "hospital", "Try again in a few minutes"
    ),
    Row("one that withholds", lambda d: d.stormy("error", again, status=403), 403, "permitted", "which permissions"),
    Row("a throttled one", lambda d: d.stormy("throttle", again), 503, "slow down", "Try again in a minute"),
    Row("half an answer", lambda d: d.stormy("malformed", again), 502, "not JSON", HELPLESS),
    Row("a redirect", lambda d: d.stormy("redirect", again), 502, "hospital", HELPLESS),
    # --- what breaks on our side
    Row("too many launches", flooded("launches", launched), 429, "Too many requests", "Try again in a minute"),
    Row("too much paper", flooded("papers", printed), 429, "Too many requests", "Try again in a minute"),
    Row("a ledger that is down", unwritten(again, "audit"), 503, "could not be recorded", "Go on without Ordertime"),
    Row("no trail of a launch", unwritten(arriving, "audit"), 503, "could not be recorded", "in a few minutes"),
    Row("an internal fault", faulty(again), 500, "has a fault", "Give the reference below"),
    Row("a machine without Pango", without_pango, 503, "libpango", "browser"),
    Row("a visit of yesterday", yesterday, 401, "ended", FRESH),  # last: every visit of before is over then
)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    yield from standing(tmp_path_factory.mktemp("house"), build_planned)


@pytest.fixture(scope="module")
def desk(house: House) -> Desk:
    return Desk(house).open()


@pytest.fixture(autouse=True)
def _fair(house: House) -> Iterator[None]:
    yield
    house.fair()
    house.clock.ahead = timedelta(0)


@pytest.mark.parametrize("row", PROGRAMS, ids=[row.name for row in PROGRAMS])
def test_a_program_is_told_what_was_wrong_and_what_mends_it(house: House, desk: Desk, row: Row) -> None:
    # CONFORMANCE 51, 73, 91
    answer = row.act(desk)
    assert answer.status_code == row.status, answer.get_data(as_text=True)
    wrong, mend = told_to_a_program(answer)
    assert row.wrong in wrong
    assert row.mend in mend
    assert ("WWW-Authenticate" in answer.headers) == (row.status == 401)
    assert ("Allow" in answer.headers) == (row.status == 405)
    shows_nobody(house, answer)


@pytest.mark.parametrize("row", PEOPLE, ids=[row.name for row in PEOPLE])
def test_a_person_is_told_what_was_wrong_and_what_to_do(house: House, desk: Desk, row: Row) -> None:
    # CONFORMANCE 12, 51
    answer = row.act(desk)
    assert answer.status_code == row.status, answer.get_data(as_text=True)
    wrong, mend = told_to_a_person(answer)
    assert row.wrong in wrong
    assert row.mend in mend
    shows_nobody(house, answer)


@pytest.mark.parametrize(
    ("what", "fields", "wrong", "mend"),
    [
        ("release", {"read": "yes"}, "no clinician", "Ask a clinician"),
        ("write", {"type": "RiskAssessment"}, "did not permit writing", "Ask your IT desk"),
    ],
)
def test_who_is_no_clinician_is_told_whom_to_ask_and_led_back(
    house: House, what: str, fields: dict[str, str], wrong: str, mend: str
) -> None:
    relative = Desk(house).open("Person/relative")
    answer = relative.sent(what, **fields)
    assert answer.status_code == 403, answer.get_data(as_text=True)
    told, remedy = told_to_a_person(answer)
    assert wrong in told
    assert mend in remedy
    assert "Back to the result" in answer.get_data(as_text=True)
    shows_nobody(house, answer)


def test_a_model_that_cannot_be_opened_is_said_on_the_page_and_nothing_is_computed(desk: Desk) -> None:
    answer = unreleased(opened)(desk)  # the page has begun when a model is first asked: its status stands
    said = answer.get_data(as_text=True)
    assert "A model cannot be opened here" in said
    assert "Tell your IT desk" in said
    assert re.search(r"Reference <code>\w{12}</code>", said)
    assert 'class="model"' not in said
    assert "%" not in said.partition("<main")[2]
    assert ".onnx" not in said


# --- the table is whole


def test_every_route_that_can_refuse_stands_in_the_table(house: House, desk: Desk) -> None:
    met: set[str] = set()

    def meet(app: Flask, **_: object) -> None:
        met.add(request.endpoint or "")

    routes = {rule.endpoint for rule in house.app.url_map.iter_rules()}
    with request_started.connected_to(meet, house.app):
        for row in (*PROGRAMS, *PEOPLE):
            if row.status < 500:  # the hospital's weather takes its time, and needs no route of its own
                row.act(desk)
    assert routes - met == WITHOUT_REFUSAL | IN_THEIR_OWN_WORDS
