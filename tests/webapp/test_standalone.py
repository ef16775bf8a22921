"""Standing alone, outside the EHR's frame: the hospital asks for the patient, and the page says whose it is.

In Chromium, over real HTTP: app and hospital lie on different sites. Whatever fails on the way has its own page.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.conftest import CHROMIUM
from tests.webapp.framing import Street, street
from tests.webapp.house import APP, House, standing, visit_of
from tests.webapp.test_gallery_in_a_browser import MOVED, WIDER, barriers

pytestmark = pytest.mark.browser
SICK = "pneumonia-worsening"
WIDTHS = (400, 1280)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    yield from standing(tmp_path_factory.mktemp("house"))


@pytest.fixture(scope="module")
def road(house: House, chromium: Any) -> Iterator[Street]:
    with street(house, chromium.browser_type, CHROMIUM) as found:
        yield found


@pytest.fixture(params=WIDTHS)
def shown(request: pytest.FixtureRequest, road: Street, house: House) -> Iterator[Any]:
    """A window of a panel's width, and of a desk's."""
    context = road.browser.new_context(viewport={"width": request.param, "height": 900}, bypass_csp=True)
    yield context.new_page()
    context.close()
    house.fair()


def at_the_picker(house: House, page: Any) -> None:
    """The hospital's page that asks for the patient."""
    page.goto(f"{APP}/standalone?iss={house.hospital.settings.fhir}")
    page.get_by_role("heading", name="asks to be opened").wait_for()


def sound(page: Any) -> None:
    """Nothing is cut off and no barrier stands."""
    assert page.evaluate(WIDER) == []
    assert barriers(page) == []


def test_it_asks_for_the_patient_and_for_no_launch(house: House) -> None:
    # CONFORMANCE 7
    going = house.browser().get("/standalone", query_string={"iss": house.hospital.settings.fhir}, base_url=APP)
    asked = parse_qs(urlsplit(going.headers["Location"]).query)
    assert going.status_code == 303
    assert "launch" not in asked
    assert "launch/patient" in asked["scope"][0].split()
    assert "launch" not in asked["scope"][0].split()


def test_the_patient_who_was_chosen_is_named_and_answered_about(house: House, shown: Any) -> None:
    # CONFORMANCE 25, 27
    at_the_picker(house, shown)
    shown.locator(f"input[value='{SICK}']").check()
    shown.get_by_role("button").click()
    shown.locator("article.model").first.wait_for(timeout=20_000)
    assert shown.locator(".patient-name").inner_text() == "Harriet Ashdown"
    assert shown.locator(".patient dt").all_inner_texts() == ["Born", "Sex", "MRN"]
    assert shown.locator("article.model").count() == 2
    assert "code=" not in shown.url
    assert shown.evaluate(MOVED) == 0  # it came in two pieces, and nothing moved
    sound(shown)


def spared(house: House, address: str) -> None:
    """From now on the hospital of this visit says that it draws the banner itself."""
    key = visit_of(address)
    kept = house.rooms.vault.get("grant", key)
    assert kept is not None
    house.rooms.vault.put("grant", key, kept | {"need_patient_banner": False}, 600)


def test_outside_the_frame_the_patient_is_named_whatever_the_hospital_says_of_its_banner(
    house: House, shown: Any
) -> None:
    # CONFORMANCE 27
    at_the_picker(house, shown)
    shown.locator(f"input[value='{SICK}']").check()
    shown.get_by_role("button").click()
    shown.locator("article.model").first.wait_for(timeout=20_000)
    spared(house, shown.url)
    shown.reload()
    assert shown.locator(".patient-name").inner_text() == "Harriet Ashdown"


def test_within_the_frame_the_hospitals_own_banner_is_enough(house: House) -> None:
    # CONFORMANCE 27
    client, address = house.launched(SICK)
    spared(house, address)
    assert 'class="patient-name"' not in client.get(address, base_url=APP).get_data(as_text=True)


def test_who_says_no_at_the_picker_reads_what_happened_and_no_chart_was_read(house: House, shown: Any) -> None:
    # CONFORMANCE 12
    at_the_picker(house, shown)
    sent = parse_qs(urlsplit(shown.url).query)
    before = house.rooms.ledger.counts()["assessments"]
    said = {"error": "access_denied", "error_description": "<b>nobody</b> was chosen", "state": sent["state"][0]}
    back = httpx.Request("GET", sent["redirect_uri"][0], params=said)  # what a server says that was told no
    shown.goto(str(back.url))
    assert "Ordertime was not opened" in shown.locator("h1").inner_text()
    assert "no patient was chosen" in shown.locator("main").inner_text()
    assert shown.locator(".said b").count() == 0
    assert house.rooms.ledger.counts()["assessments"] == before
    sound(shown)


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("/standalone", "The launch did not work"),
        ("/standalone?iss=https://elsewhere.example/fhir", "hospital"),
        ("/callback?state=none&code=none", "The launch did not work"),
    ],
)
def test_what_cannot_begin_says_so_and_what_to_do(shown: Any, address: str, says: str) -> None:
    shown.goto(f"{APP}{address}")
    assert says in shown.locator("h1").inner_text()
    assert shown.locator(".remedy").is_visible()
    sound(shown)


def test_a_hospital_that_does_not_answer_is_said_before_anybody_chooses(house: House, shown: Any) -> None:
    house.weather("error", match="/fhir/.well-known", status=500)
    shown.goto(f"{APP}/standalone?iss={house.hospital.settings.fhir}")
    assert "hospital" in shown.locator("h1").inner_text()
    assert shown.locator(".remedy").is_visible()
    sound(shown)
