"""The patient's page is the stored answer: whatever becomes of models, chart and hospital, it says what was said."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, NoReturn

import pytest
from pypdf import PdfReader

from inference.assessment import State
from tests.webapp import pages
from tests.webapp.house import APP, House, standing
from tests.webapp.test_doors import form
from webapp import create_app, handout
from webapp.rooms import Rooms

SICK = "pneumonia-worsening"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    yield from standing(tmp_path_factory.mktemp("stored"))


class Nobody:
    """A model that must not be asked."""

    def __getattr__(self, name: str) -> NoReturn:
        raise AssertionError(f"the patient's page asked the model for '{name}'")


def given(house: House, language: str = "en") -> tuple[Any, str, str]:
    client, _, page = house.result(SICK)
    action, fields = form(page, "/release")
    sent = client.post(action, data=fields | {"language": language, "read": "yes"}, base_url=APP)
    return client, sent.headers["Location"], action.split("/")[2]


def told(client: Any, address: str) -> str:
    answer = client.get(address, base_url=APP)
    assert answer.status_code == 200
    html = answer.get_data(as_text=True)
    return pages.text(html[html.index("<main>") :])


def test_without_models_and_without_the_hospital_it_says_the_same(house: House) -> None:
    client, address, key = given(house)
    before = told(client, address)
    answers = house.rooms.ledger.counts()["assessments"]
    rooms = Rooms(house.rooms.settings, clock=house.clock, models=dict.fromkeys(house.rooms.models, Nobody()))  # type: ignore[arg-type]
    client.application = create_app(rooms.settings, rooms)
    house.weather("error", match="/fhir")
    try:
        assert told(client, address) == before
        handout.engine()
        paper = client.get(address.replace(f"/handout/{key}", f"/handout/{key}.pdf"), base_url=APP)
        assert paper.status_code == 200
    finally:
        house.fair()
        rooms.http.close()
    assert house.rooms.ledger.counts()["assessments"] == answers


def test_days_of_another_clock_change_nothing(house: House) -> None:
    client, address, _ = given(house)
    before = told(client, address)
    house.clock.ahead += timedelta(hours=3)
    try:
        assert told(client, address) == before
    finally:
        house.clock.ahead = timedelta(0)


def test_the_state_it_was_given_in_is_the_state_it_is_told_in(house: House) -> None:
    client, address, key = given(house)
    (tenant,) = house.rooms.tenants
    recorded = house.rooms.ledger.recall(key, tenant=tenant.id, patient=SICK)
    assert recorded is not None
    before = told(client, address)
    view = handout.view(
        recorded.assessment, language="en", state=recorded.state, zone=tenant.time_zone, name="A"
    )
    assert view.lead in before
    silent = handout.view(
        recorded.assessment, language="en", state=State.SILENT, zone=tenant.time_zone, name="A"
    )
    assert silent.lead not in before


def test_paper_says_what_the_screen_says_word_for_word(house: House) -> None:
    handout.engine()
    for language in ("en", "es"):
        client, address, key = given(house, language)
        screen = re.sub(r"\[[^\]]*\]", "", told(client, address)).split()
        answer = client.get(address.replace(f"/handout/{key}", f"/handout/{key}.pdf"), base_url=APP)
        paper = " ".join(page.extract_text() for page in PdfReader(io.BytesIO(answer.data)).pages).split()
        assert not [word for word in screen if word not in paper]


def test_a_page_given_in_one_language_is_a_draft_in_the_others(house: House) -> None:
    client, address, _ = given(house, "es")
    assert "Borrador" not in told(client, address)
    assert "Draft." in told(client, address.replace("language=es", "language=en"))


def test_the_language_is_the_patients_until_the_clinician_chooses_another(house: House) -> None:
    speaker = next(
        key
        for key in (row["id"] for row in house.hospital.search("Patient", {}))
        if "Spanish" in str(house.hospital.read("Patient", key).get("communication"))
    )
    client, _, page = house.result(speaker)
    text = page.get_data(as_text=True)
    assert re.search(r'<option value="es" selected>\s*Español', text)
    assert re.search(r'<option value="en">\s*English', text)
    link = re.findall(r'href="(/handout/[^".]+\?[^"]+)"', text)[0].replace("&amp;", "&")
    assert '<html lang="es"' in client.get(link, base_url=APP).get_data(as_text=True)
    action, fields = form(page, "/release")
    sent = client.post(action, data=fields | {"language": "en", "read": "yes"}, base_url=APP)
    assert '<html lang="en"' in client.get(sent.headers["Location"], base_url=APP).get_data(as_text=True)


def test_a_language_without_words_is_named_to_the_clinician(house: House) -> None:
    client, address, _ = given(house)
    visit = re.findall(r"visit=([^&]+)", address)[0]
    kept = house.rooms.vault.get("visit", visit)
    assert kept is not None
    house.rooms.vault.put("visit", visit, kept | {"about": kept["about"] | {"language": "vi"}}, 600)
    html = client.get(address.replace("language=en", ""), base_url=APP).get_data(as_text=True)
    assert '<html lang="en"' in html
    assert "another language for this patient (vi)" in html
    assert "interpreter" in html
