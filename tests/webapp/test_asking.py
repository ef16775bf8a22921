"""From the hospital's records to the page: asked before the first troponin, and for a draw that is planned."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from ehr.reader import read_record
from inference.assess import assess
from inference.assessment import TROPONIN, VENTILATION, Assessment, Status
from tests.planned import build_planned
from tests.webapp import pages
from tests.webapp.house import APP, House, standing, visit_of

UNDRAWN = "sepsis"  # no troponin in the chart
DRAWN = "conventional-rising"
SERVICE = f"/cds-services/{TROPONIN}"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    yield from standing(tmp_path_factory.mktemp("asking"), build_planned)


@pytest.fixture(autouse=True)
def _now(house: House) -> Iterator[None]:
    yield
    house.fair()
    house.clock.ahead = timedelta(0)


def kept(house: House, client_address: str, patient: str, model: str = TROPONIN) -> Assessment:
    """The answer of `model` that the visit holds now, as the ledger has it."""
    told = house.rooms.vault.get("visit", visit_of(client_address))
    assert told is not None
    found = [
        house.rooms.ledger.recall(key, tenant="demo", patient=patient) for key in told["about"]["answers"]
    ]
    return next(each.assessment for each in found if each is not None and each.assessment.model == model)


def asking(page: Any) -> tuple[str, dict[str, str]]:
    """The address and the hidden fields of the form that asks again."""
    found = re.search(
        r'<form class="asking" method="post" action="([^"]+)">(.*?)</form>', page.text, re.DOTALL
    )
    assert found, "no form to ask again"
    hidden = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', found[2])
    return found[1].replace("&amp;", "&"), dict(hidden)


def ask_again(house: House, client: Any, page: Any, hours: str, **changed: str) -> Any:
    action, fields = asking(page)
    return client.post(action, data=fields | {"hours_ahead": hours} | changed, base_url=APP)


def said(page: Any) -> str:
    assert page.status_code == 200, page.text
    return pages.text(page.text)


# --- the page


def test_a_patient_without_a_troponin_gets_a_page_about_the_first(house: House) -> None:
    _, address, page = house.result(UNDRAWN)
    text = said(page)
    found = kept(house, address, UNDRAWN)
    assert (found.status, found.before_first, found.hours_ahead) == (Status.ASSESSED, True, None)
    assert "Before the first result: for a first draw at any time within 24 h." in text
    assert "Expected first value about" in text
    assert text.count("nothing to apply the rule to") == 4  # each rule, and the same in the plain table
    assert "above the latest" not in text
    assert "First draw planned in" in text


def test_asked_for_another_draw_the_page_shows_another_answer_of_its_own(house: House) -> None:
    client, address, page = house.result(DRAWN)
    first = kept(house, address, DRAWN)
    before = house.rooms.ledger.counts()["assessments"]
    answer = ask_again(house, client, page, "3")
    assert answer.status_code == 303
    assert answer.headers["Location"].endswith(f"#{TROPONIN}")
    text = said(client.get(answer.headers["Location"], base_url=APP))
    second = kept(house, address, DRAWN)
    assert house.rooms.ledger.counts()["assessments"] == before + 2  # both models, at one moment
    assert (first.hours_ahead, second.hours_ahead) == (None, 3.0)
    assert first.headline is not None
    assert second.headline is not None
    assert first.headline.probability != second.headline.probability
    assert "For a draw 3 h from now" in text
    assert "For a draw at any time" not in text
    assert kept(house, address, DRAWN, VENTILATION).hours_ahead is None


def test_the_answer_in_the_ledger_can_be_made_again_with_its_question(house: House) -> None:
    client, address, page = house.result(DRAWN)
    ask_again(house, client, page, "6")
    found = kept(house, address, DRAWN)
    rows = [house.hospital.read("Patient", DRAWN)]
    for kind in ("Encounter", "Observation", "Condition", "Procedure", "Device", "DeviceUseStatement"):
        rows += house.hospital.search(kind, {"patient": DRAWN})
    chart = read_record(DRAWN, rows).at(found.as_of)
    model = house.rooms.models[TROPONIN]
    again = assess(chart, model, seed=found.seed, hours_ahead=found.hours_ahead, explain=False)
    assert again.inputs_digest == found.inputs_digest
    assert again.predictions == found.predictions


def test_read_again_later_the_page_asks_for_what_is_left_of_the_way(house: House) -> None:
    client, address, page = house.result(DRAWN)
    ask_again(house, client, page, "2")
    house.clock.ahead = timedelta(minutes=30)
    said(client.get(address, base_url=APP))
    assert kept(house, address, DRAWN).hours_ahead == pytest.approx(1.5, abs=0.02)
    house.clock.ahead = timedelta(hours=1, minutes=45)
    said(client.get(address, base_url=APP))
    assert kept(house, address, DRAWN).hours_ahead is None  # too near to be asked about


def test_a_plan_can_be_taken_back(house: House) -> None:
    client, address, page = house.result(DRAWN)
    moved = ask_again(house, client, page, "12")
    page = client.get(moved.headers["Location"], base_url=APP)
    assert '<option value="12" selected>' in page.text
    ask_again(house, client, page, "")
    assert kept(house, address, DRAWN).hours_ahead is None


@pytest.mark.parametrize(
    ("hours", "words"),
    [
        ("0", "0.5 to 24 hours ahead, not 0"),
        ("25", "0.5 to 24 hours ahead, not 25"),
        ("nan", "0.5 to 24 hours ahead, not nan"),
        ("-2", "0.5 to 24 hours ahead, not -2"),
        ("inf", "0.5 to 24 hours ahead, not inf"),
        ("abc", "is no number of hours"),
        ("3 h", "is no number of hours"),
    ],
)
def test_a_draw_that_cannot_be_asked_about_is_refused_in_words_and_nothing_is_written(
    house: House, hours: str, words: str
) -> None:
    client, address, page = house.result(DRAWN)
    before, first = house.rooms.ledger.counts()["assessments"], kept(house, address, DRAWN)
    answer = ask_again(house, client, page, hours)
    assert answer.status_code == 400
    assert words in answer.text
    assert "Traceback" not in answer.text
    assert house.rooms.ledger.counts()["assessments"] == before
    assert kept(house, address, DRAWN) == first


def test_a_form_from_elsewhere_asks_nothing(house: House) -> None:
    client, _, page = house.result(DRAWN)
    before = house.rooms.ledger.counts()["assessments"]
    assert ask_again(house, client, page, "3", csrf_token="0" * 64).status_code == 401
    assert house.rooms.ledger.counts()["assessments"] == before
    action, _ = asking(page)
    assert client.get(action, base_url=APP).status_code == 405


def test_the_model_that_hears_of_no_draw_is_not_asked_about_one(house: House) -> None:
    client, address, page = house.result(DRAWN)
    action, fields = asking(page)
    told = house.rooms.vault.get("visit", visit_of(address))
    assert told is not None
    other = action.replace(action.split("/")[2], told["about"]["answers"][0])
    answer = client.post(other, data=fields | {"hours_ahead": "3"}, base_url=APP)
    assert answer.status_code == 400
    assert "not asked about a planned draw" in answer.text
    assert page.text.count('class="asking"') == 1


def test_the_patients_page_is_for_the_question_of_the_answer_it_shows(house: House) -> None:
    client, _, page = house.result(UNDRAWN)
    moved = ask_again(house, client, page, "6")
    shown = client.get(moved.headers["Location"], base_url=APP).text
    link = re.findall(r'href="(/handout/[^".]+\?[^"]+)"', shown)[-1].replace("&amp;", "&")
    for language, words in (
        ("en", "Your first test is planned for"),
        ("es", "La hora de su primer análisis"),
    ):
        leaflet = client.get(re.sub(r"language=\w+", f"language={language}", link), base_url=APP)
        assert words in said(leaflet)


# --- the hook


def order(house: House, hours: float | None) -> dict[str, Any]:
    made: dict[str, Any] = {
        "resourceType": "ServiceRequest",
        "id": "d1",
        "status": "draft",
        "intent": "order",
        "code": {"coding": [{"system": "http://loinc.org", "code": "10839-9"}], "text": "Troponin I"},
    }
    if hours is not None:
        made["occurrenceDateTime"] = (house.clock() + timedelta(hours=hours)).isoformat()
    return made


def through_the_hook(house: House, patient: str, hours: float | None) -> tuple[Any, Any]:
    body = house.asked(patient, TROPONIN, "order-sign", orders=[order(house, hours)])
    answer = house.post(SERVICE, body)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    found = house.rooms.ledger.answered(
        tenant="demo", patient=patient, hook_instance=body["hookInstance"], model=TROPONIN
    )
    return answer.get_json()["cards"], found


@pytest.mark.parametrize(
    ("planned", "told"), [(3.0, 3.0), (24.0, 24.0), (None, None), (0.1, None), (30, None)]
)
def test_an_order_that_says_when_is_answered_for_that_draw(
    house: House, planned: float | None, told: float | None
) -> None:
    house.clock.stopped = house.clock()
    try:
        _, found = through_the_hook(house, DRAWN, planned)
    finally:
        house.clock.stopped = None
    assert found.assessment.hours_ahead == told


def test_a_first_troponin_ordered_for_later_gets_a_card_about_the_first(house: House) -> None:
    cards, found = through_the_hook(house, UNDRAWN, 2.0)
    assert found.assessment.before_first
    assert found.assessment.hours_ahead == pytest.approx(2.0, abs=0.02)
    (card,) = cards
    text = (card["summary"] + card["detail"]).replace("\u00a0", " ")
    assert "No troponin is back yet; planned in 2 h. Second at least 20 % above the first" in text
    assert "for a first draw 2 h from now" in text
    assert "latest" not in text


def test_the_page_behind_a_card_answers_the_cards_question(house: House) -> None:
    _, found = through_the_hook(house, DRAWN, 6.0)
    client, address = house.launched(DRAWN, app_context=found.id)
    said(client.get(address, base_url=APP))
    assert kept(house, address, DRAWN).hours_ahead == pytest.approx(6.0, abs=0.02)
