"""The doors, in good weather and bad: every fault has a status and a sentence, none is a silent empty answer."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from inference.assessment import TROPONIN, VENTILATION
from tests.webapp.house import APP, House, standing, visit_of

SICK = "pneumonia-worsening"
SERVICE = f"/cds-services/{VENTILATION}"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    yield from standing(tmp_path_factory.mktemp("house"))


@pytest.fixture(autouse=True)
def _fair(house: House) -> Iterator[None]:
    yield
    house.fair()
    house.clock.ahead = timedelta(0)


def refused(answer: Any, status: int, *words: str) -> str:
    """An OperationOutcome with that status, that says these words and shows no insides."""
    text = answer.get_data(as_text=True)
    assert answer.status_code == status, text
    assert answer.get_json()["resourceType"] == "OperationOutcome"
    assert "Traceback" not in text
    assert "cards" not in answer.get_json()
    for word in words:
        assert word.lower() in text.lower(), f"'{word}' is not in {text}"
    return text


def empty_attributes(value: Any, at: str = "$") -> list[str]:
    """Where `null`, "", [] or {} stand, `cards: []` aside."""
    if isinstance(value, dict):
        return [x for k, v in value.items() for x in empty_attributes(v, f"{at}.{k}")] or (
            [] if value else [at]
        )
    if isinstance(value, list):
        inner = [x for n, v in enumerate(value) for x in empty_attributes(v, f"{at}[{n}]")]
        return inner or ([] if value or at == "$.cards" else [at])
    return [at] if value in (None, "") else []


# --- the hook


def test_discovery_offers_both_services_on_three_hooks_without_an_empty_attribute(house: House) -> None:
    # CONFORMANCE 67, 68, 88
    answer = house.app.test_client().get("/cds-services")
    body = answer.get_json()
    assert {(one["id"], one["hook"]) for one in body["services"]} == {
        (name, hook)
        for name in (VENTILATION, TROPONIN)
        for hook in ("patient-view", "order-select", "order-sign")
    }
    assert empty_attributes(body) == []


def test_a_sick_patient_brings_one_card_that_passes_the_specification(house: House) -> None:
    # CONFORMANCE 68, 79, 84
    answer = house.post(SERVICE, house.asked(SICK))
    assert answer.status_code == 200, answer.get_data(as_text=True)
    (card,) = answer.get_json()["cards"]
    assert len(card["summary"]) < 140
    assert "%" in card["summary"]
    assert card["links"][0]["type"] == "smart"
    assert card["links"][0]["url"] == f"{APP}/launch"
    assert empty_attributes(answer.get_json()) == []


def test_the_same_hook_instance_is_answered_alike_and_remembered_once(house: House) -> None:
    # CONFORMANCE 74
    body = house.asked(SICK)
    before = house.rooms.ledger.counts()["assessments"]
    first, second = house.post(SERVICE, body), house.post(SERVICE, body)
    assert first.get_json() == second.get_json()
    assert house.rooms.ledger.counts()["assessments"] == before + 1


def test_what_the_prefetch_left_out_is_fetched_and_the_answer_is_the_same(house: House) -> None:
    # CONFORMANCE 71
    sent = house.post(SERVICE, house.asked(SICK))
    fetched = house.post(SERVICE, house.asked(SICK, prefetch=False))
    assert fetched.status_code == 200, fetched.get_data(as_text=True)
    first, second = (
        re.search(r"\d+ ?\u00a0?%", a.get_json()["cards"][0]["summary"]) for a in (sent, fetched)
    )
    assert first is not None
    assert second is not None
    assert first[0] == second[0]


def test_missing_data_without_leave_to_fetch_is_412(house: House) -> None:
    # CONFORMANCE 71, 91
    refused(house.post(SERVICE, house.asked(SICK, prefetch=False, authorised=False)), 412)


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"{not json", "JSON"),
        (b"[]", "object"),
        (b'"text"', "object"),
        (b"", "JSON"),
        (b"\xff\xfe", "JSON"),
        (b"[" * 100_000, "JSON"),
    ],
)
def test_a_body_that_is_not_a_json_object_is_400_and_says_so(house: House, body: bytes, word: str) -> None:
    refused(house.post(SERVICE, body), 400, word)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"hook": "medication-prescribe"}, "hook"),
        ({"hookInstance": "x"}, "hookInstance"),
        ({"hookInstance": None}, "hookInstance"),
        ({"context": {}}, "context"),
        ({"context": "Patient/1"}, "context"),
        ({"prefetch": []}, "prefetch"),
        ({"fhirAuthorization": {"token_type": "Bearer"}}, "fhirAuthorization"),
    ],
)
def test_a_request_that_breaks_the_specification_is_400_and_names_the_element(
    house: House, change: dict[str, Any], word: str
) -> None:
    # CONFORMANCE 73
    refused(house.post(SERVICE, house.asked(SICK) | change), 400, word)


def test_wrong_resource_types_and_unknown_units_lose_only_themselves(house: House) -> None:
    # CONFORMANCE 38, 57
    body = house.asked(SICK)
    bundle = next(
        v for v in body["prefetch"].values() if v.get("resourceType") == "Bundle" and v.get("entry")
    )
    odd = [{"resourceType": "Spaceship", "id": "1"}, {"resourceType": "Observation"}, {}, {"resourceType": 7}]
    bundle["entry"] += [{"resource": one} for one in odd]
    strange = json.loads(json.dumps(bundle["entry"][0]["resource"]))
    strange |= {"id": "strange-unit", "valueQuantity": {"value": 3, "unit": "furlong", "code": "[fur_us]"}}
    bundle["entry"].append({"resource": strange})
    answer = house.post(SERVICE, body)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    assert answer.get_json()["cards"]


def test_nobody_without_a_good_token_gets_in(house: House) -> None:
    # CONFORMANCE 86
    body, now = house.asked(SICK), int(house.clock().timestamp())
    token = house.token(SERVICE)
    assert house.post(SERVICE, body, token=token).status_code == 200
    refused(house.post(SERVICE, house.asked(SICK), token=token), 401, "jti")  # replayed
    refused(house.post(SERVICE, body, token=""), 401)
    refused(house.post(SERVICE, body, token="a.b.c"), 401)
    refused(house.post(SERVICE, body, token=house.token(SERVICE, aud=f"{APP}/elsewhere")), 401, "aud")
    refused(house.post(SERVICE, body, token=house.token(SERVICE, iss="https://evil.example")), 401, "iss")
    refused(house.post(SERVICE, body, token=house.token(SERVICE, iat=now - 900, exp=now - 600)), 401, "exp")


def test_a_fhir_server_that_is_not_on_the_list_is_never_called(house: House) -> None:
    # CONFORMANCE 75
    body = house.asked(SICK, prefetch=False) | {"fhirServer": "http://127.0.0.1:9/fhir"}
    answer = house.post(SERVICE, body)
    refused(answer, 403, "list")


@pytest.mark.parametrize("kind", ["error", "gateway", "malformed", "throttle", "redirect"])
def test_a_hospital_that_answers_badly_is_a_fault_and_not_an_empty_list(house: House, kind: str) -> None:
    house.weather(kind, match="/fhir/Observation")
    answer = house.post(SERVICE, house.asked(SICK, prefetch=False))
    assert answer.status_code in (502, 503), answer.get_data(as_text=True)
    refused(answer, answer.status_code, "hospital")


def test_an_unknown_patient_is_named_as_such(house: House) -> None:
    body = house.asked(SICK, prefetch=False)
    body["context"]["patientId"] = body["fhirAuthorization"]["patient"] = "nobody-of-that-name"
    answer = house.post(SERVICE, body)
    assert answer.status_code in (403, 404, 412, 502), answer.get_data(as_text=True)
    refused(answer, answer.status_code)


def test_an_order_that_concerns_nobody_is_answered_with_no_card(house: House) -> None:
    # CONFORMANCE 72
    order = {
        "resourceType": "MedicationRequest",
        "id": "m1",
        "status": "draft",
        "intent": "order",
        "subject": {"reference": f"Patient/{SICK}"},
        "medicationCodeableConcept": {
            "coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "161"}],
            "text": "Paracetamol",
        },
    }
    answer = house.post(SERVICE, house.asked(SICK, hook="order-sign", orders=[order]))
    assert answer.get_json() == {"cards": []}


def test_feedback_is_kept_once_and_joined_to_its_card(house: House) -> None:
    # CONFORMANCE 90
    (card,) = house.post(SERVICE, house.asked(SICK)).get_json()["cards"]
    told = {
        "feedback": [
            {
                "card": card["uuid"],
                "outcome": "overridden",
                "outcomeTimestamp": house.clock().isoformat(),
                "overrideReason": {
                    "reason": {"code": "data-wrong", "system": "urn:x"},
                    "userComment": "cuff off",
                },
            }
        ]
    }
    path = f"{SERVICE}/feedback"
    assert house.post(path, told).get_json() == {"received": 1, "recorded": 1}
    assert house.post(path, told).get_json() == {"received": 1, "recorded": 0}
    refused(house.post(path, {"feedback": "fine"}), 400, "feedback")
    refused(house.post(path, told, token=house.token(SERVICE)), 401, "aud")


def test_an_unknown_service_is_404(house: House) -> None:
    refused(house.post("/cds-services/sepsis", house.asked(SICK)), 404, "service")


def test_a_ledger_that_cannot_write_is_503_and_nothing_is_said(house: House) -> None:
    from sqlalchemy import text

    with house.rooms.store.engine.connect() as connection:
        connection.execute(text("ALTER TABLE assessments RENAME TO elsewhere"))
        connection.commit()
    try:
        refused(house.post(SERVICE, house.asked(SICK)), 503)
    finally:
        with house.rooms.store.engine.connect() as connection:
            connection.execute(text("ALTER TABLE elsewhere RENAME TO assessments"))
            connection.commit()


# --- the launch


def test_a_launch_ends_at_the_result_with_the_patient_and_both_models(house: House) -> None:
    _, _, page = house.result(SICK)
    text = page.get_data(as_text=True)
    assert page.status_code == 200, text
    assert VENTILATION in text
    assert TROPONIN in text
    assert "Demonstration" in text


def test_an_unknown_issuer_gets_403_and_no_request_goes_out(house: House) -> None:
    # CONFORMANCE 4
    house.fair()
    answer = house.browser().get(
        "/launch", query_string={"iss": "https://evil.example/fhir", "launch": "x"}, base_url=APP
    )
    assert answer.status_code == 403
    assert "not on" in answer.get_data(as_text=True) or "list" in answer.get_data(as_text=True)


@pytest.mark.parametrize("query", [{}, {"iss": "here"}, {"launch": "x"}])
def test_a_launch_without_issuer_or_launch_is_400(house: House, query: dict[str, str]) -> None:
    # CONFORMANCE 5
    if "iss" in query:
        query = {"iss": house.hospital.settings.fhir}
    assert house.browser().get("/launch", query_string=query, base_url=APP).status_code == 400


def test_a_state_is_used_once_and_only_in_the_browser_it_was_made_for(house: House) -> None:
    # CONFORMANCE 10
    client = house.browser()
    back = house.callback(client, SICK)
    assert house.browser().get(back, base_url=APP).status_code == 400  # another browser
    again = house.browser()
    back = house.callback(again, SICK)
    assert again.get(back, base_url=APP).status_code == 303
    assert again.get(back, base_url=APP).status_code == 400  # a second time
    assert again.get("/callback?code=x&state=made-up", base_url=APP).status_code == 400


def test_an_error_from_the_hospital_is_shown_escaped(house: House) -> None:
    # CONFORMANCE 12
    client = house.browser()
    back = house.callback(client, SICK)
    state = re.search(r"state=([^&]+)", back)
    assert state is not None
    answer = client.get(
        "/callback",
        query_string={"state": state[1], "error": "access_denied", "error_description": "<script>x</script>"},
        base_url=APP,
    )
    assert answer.status_code == 400
    assert "<script>x" not in answer.get_data(as_text=True)


def test_two_patients_in_two_tabs_are_never_mixed(house: House) -> None:
    # CONFORMANCE 14
    client = house.browser()
    first_back = house.callback(client, SICK)
    second_back = house.callback(client, "sepsis")
    first = client.get(first_back, base_url=APP).headers["Location"]
    second = client.get(second_back, base_url=APP).headers["Location"]
    names = [house.hospital.read("Patient", key)["name"][0]["family"] for key in (SICK, "sepsis")]
    pages = [client.get(address, base_url=APP).get_data(as_text=True) for address in (second, first)]
    assert names[0] in pages[1]
    assert names[1] not in pages[1]
    assert names[1] in pages[0]
    assert names[0] not in pages[0]


def test_an_address_without_its_cookie_opens_nothing(house: House) -> None:
    _, address = house.launched(SICK)
    answer = house.browser().get(address, base_url=APP)
    assert answer.status_code == 401
    assert "again" in answer.get_data(as_text=True)


def test_a_visit_that_is_over_says_so(house: House) -> None:
    client, address = house.launched(SICK)
    house.clock.ahead = timedelta(hours=9)
    answer = client.get(address, base_url=APP)
    assert answer.status_code == 401
    assert "over" in answer.get_data(as_text=True)


@pytest.mark.parametrize("kind", ["error", "malformed", "throttle"])
def test_a_hospital_that_fails_during_a_launch_has_its_own_page(house: House, kind: str) -> None:
    client, address = house.launched(SICK)
    house.weather(kind, match="/fhir/Observation")
    answer = client.get(address, base_url=APP)
    assert answer.status_code in (502, 503)
    text = answer.get_data(as_text=True)
    assert "hospital" in text.lower()
    assert "Traceback" not in text


def test_rows_of_another_patient_are_dropped_and_counted(house: House) -> None:
    # CONFORMANCE 37
    client, address = house.launched(SICK)
    house.weather("foreign", match="/fhir/Observation")
    answer = client.get(address, base_url=APP)
    assert answer.status_code == 200
    assert "another patient" in answer.get_data(as_text=True) or "other patient" in answer.get_data(
        as_text=True
    )


def test_no_token_is_in_a_page_a_cookie_or_an_address(house: House) -> None:
    # CONFORMANCE 33, 96
    _, address, page = house.result(SICK)
    held = house.rooms.vault.get("grant", visit_of(address))
    assert held is not None
    secrets = [held["access_token"], held["refresh_token"]]
    cookies = " ".join(page.headers.getlist("Set-Cookie"))
    for secret in filter(None, secrets):
        assert secret not in page.get_data(as_text=True)
        assert secret not in cookies
        assert secret not in address
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert "unsafe-inline" not in page.headers["Content-Security-Policy"]
    assert f"frame-ancestors {house.hospital.settings.url}" in page.headers["Content-Security-Policy"]


def test_the_cookie_survives_in_a_cross_site_frame_and_nowhere_else(house: House) -> None:
    # CONFORMANCE 93
    client = house.browser()
    launch = house.hospital.launches.mint(patient=SICK, encounter="", user="Practitioner/okafor")
    answer = client.get(
        "/launch", query_string={"iss": house.hospital.settings.fhir, "launch": launch}, base_url=APP
    )
    (cookie,) = answer.headers.getlist("Set-Cookie")
    assert cookie.startswith("__Host-")
    for part in ("Secure", "HttpOnly", "SameSite=None", "Partitioned", "Path=/"):
        assert part in cookie


def test_an_expired_token_is_renewed_once_and_the_page_comes(house: House) -> None:
    # CONFORMANCE 31, 32
    client, address = house.launched(SICK)
    house.clock.ahead = timedelta(minutes=20)
    assert client.get(address, base_url=APP).status_code == 200


# --- the patient's page


def form(page: Any, action: str) -> tuple[str, dict[str, str]]:
    """The address and hidden fields of the first form whose action contains `action`."""
    text = page.get_data(as_text=True)
    found = re.search(rf'<form method="post" action="([^"]*{action}[^"]*)">(.*?)</form>', text, re.DOTALL)
    assert found, f"no form for {action}"
    fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', found[2]))
    return found[1].replace("&amp;", "&"), fields


def test_the_patients_page_is_a_draft_until_a_clinician_gives_it(house: House) -> None:
    # CONFORMANCE 100
    client, _, page = house.result(SICK)
    action, fields = form(page, "/release")
    key = action.split("/")[2]
    visit = fields["visit"]
    draft = client.get(f"/handout/{key}?visit={visit}&language=en", base_url=APP).get_data(as_text=True)
    assert "draft" in draft.lower()
    unread = client.post(action, data=fields | {"language": "en", "read": ""}, base_url=APP)
    assert unread.status_code == 400
    given = client.post(action, data=fields | {"language": "en", "read": "yes"}, base_url=APP)
    assert given.status_code == 303
    text = client.get(given.headers["Location"], base_url=APP).get_data(as_text=True)
    assert "draft" not in text.lower()
    assert "not a diagnosis" in text.lower()
    spanish = client.get(f"/handout/{key}?visit={visit}&language=es", base_url=APP).get_data(as_text=True)
    assert 'lang="es"' in spanish


def test_a_form_from_elsewhere_changes_nothing(house: House) -> None:
    client, _, page = house.result(SICK)
    action, fields = form(page, "/release")
    answer = client.post(
        action, data=fields | {"csrf_token": "0" * 64, "language": "en", "read": "yes"}, base_url=APP
    )
    assert answer.status_code == 401
    assert not house.rooms.ledger.released(action.split("/")[2])


def test_the_pdf_is_one_sheet_of_the_stored_answer(house: House) -> None:
    import io

    from pypdf import PdfReader

    from webapp import handout

    handout.engine()
    client, _, page = house.result(SICK)
    action, fields = form(page, "/release")
    key = action.split("/")[2]
    before = house.rooms.ledger.counts()["assessments"]
    for paper in ("letter", "a4"):
        answer = client.get(
            f"/handout/{key}.pdf?visit={fields['visit']}&language=en&paper={paper}", base_url=APP
        )
        assert answer.mimetype == "application/pdf"
        assert len(PdfReader(io.BytesIO(answer.data)).pages) == 1
    assert house.rooms.ledger.counts()["assessments"] == before


def test_another_patients_answer_cannot_be_opened_from_this_visit(house: House) -> None:
    _, _, theirs = house.result("sepsis")
    action, _ = form(theirs, "/release")
    client, address = house.launched(SICK)
    answer = client.get(
        f"{action.replace('/assessments/', '/handout/').removesuffix('/release')}?visit={visit_of(address)}",
        base_url=APP,
    )
    assert answer.status_code == 404


def test_an_opinion_is_remembered_and_shown(house: House) -> None:
    client, _, page = house.result(SICK)
    action, fields = form(page, "/opinion")
    answer = client.post(
        action, data=fields | {"opinion": "disagree", "comment": "cuff was off"}, base_url=APP
    )
    assert answer.status_code == 303
    shown = client.get(answer.headers["Location"], base_url=APP)
    assert shown.status_code == 200
    assert "/opinion" not in shown.get_data(as_text=True).split('id="troponin-trend"')[0]


# --- for the people who run it


def test_health_readiness_and_metrics_answer_and_name_nobody(house: House) -> None:
    client = house.app.test_client()
    assert client.get("/healthz").get_json() == {"status": "ok"}
    ready = client.get("/readyz").get_json()
    assert ready["status"] == "ready"
    assert ready["models"][VENTILATION]["device"] == "CPUExecutionProvider"
    text = client.get("/metrics").get_data(as_text=True)
    assert "ordertime_answers_total" in text
    assert SICK not in text


def test_the_about_page_shows_the_models(house: House) -> None:
    answer = house.app.test_client().get("/about")
    assert answer.status_code == 200
    assert httpx.URL(APP).host not in answer.get_data(as_text=True)


def test_a_machine_without_pango_says_what_is_missing_and_how_to_print_all_the_same() -> None:
    from webapp import handout, words

    def nothing_to_draw_with() -> Any:
        raise handout.PrintingUnavailable("install libpango")

    with pytest.raises(handout.PrintingUnavailable, match="libpango"):
        handout.pdf("<p>x</p>", draws=nothing_to_draw_with)
    assert "browser" in words.say("en", "error.no-printing.remedy")


def test_a_closed_visit_opens_nothing_any_more(house: House) -> None:
    # CONFORMANCE 35
    client, address, page = house.result(SICK)
    _, fields = form(page, "/release")
    sent = {"visit": visit_of(address), "csrf_token": fields["csrf_token"]}
    assert client.post("/close", data=sent | {"csrf_token": "0" * 64}, base_url=APP).status_code == 401
    assert client.post("/close", data=sent, base_url=APP).status_code == 200
    assert client.get(address, base_url=APP).status_code == 401
