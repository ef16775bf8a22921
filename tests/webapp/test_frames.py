"""The app in the hospital's frame, in Chromium: cookies kept, cookies lost, who may frame it, print, policy, CORS."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from ehr.tenants import Tenants
from inference.assessment import VENTILATION
from tests.conftest import CHROMIUM
from tests.webapp.framing import SANDBOX, Street, inner, street
from tests.webapp.house import APP, House, standing, visit_of

pytestmark = pytest.mark.browser
SICK = "pneumonia-worsening"
SERVICE = f"/cds-services/{VENTILATION}"
BLOCKED = "--test-third-party-cookie-phaseout"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    yield from standing(tmp_path_factory.mktemp("house"))


@pytest.fixture(scope="module")
def playwright(chromium: Any) -> Any:
    """The driver that the run's browser came from: one process has one."""
    return chromium.browser_type


@pytest.fixture(scope="module")
def road(house: House, playwright: Any) -> Iterator[Street]:
    """A browser that blocks third-party cookies."""
    with street(house, playwright, CHROMIUM, BLOCKED) as found:
        yield found


@pytest.fixture
def context(road: Street, house: House) -> Iterator[Any]:
    tenants = house.rooms.tenants
    fresh = road.browser.new_context(accept_downloads=True)
    yield fresh
    fresh.close()
    road.deaf.off = False
    road.complaints.clear()
    house.rooms.tenants = tenants


def changed(house: House, **more: Any) -> None:
    """The one tenant with other settings."""
    (tenant,) = house.rooms.tenants
    house.rooms.tenants = Tenants((replace(tenant, **more),))


def shown(page: Any) -> Any:
    """The app's frame, once it shows its answer."""
    page.frame_locator("iframe[name=app]").locator("article.model").first.wait_for(timeout=20_000)
    return inner(page)


# --- cookies


def test_only_partitioned_cookies_survive_where_third_parties_are_blocked_and_ours_is_one(
    road: Street, context: Any
) -> None:
    # CONFORMANCE 93
    frame = shown(road.framed(context, SICK))
    (cookie,) = context.cookies()
    assert cookie["name"].startswith("__Host-visit-")
    assert cookie["partitionKey"] == "http://localhost"
    assert cookie["httpOnly"]
    assert cookie["secure"]
    assert cookie["sameSite"] == "None"
    kept = "(more) => { document.cookie = `probe=1; SameSite=None; Secure; Path=/${more}`; return document.cookie }"
    assert frame.evaluate(kept, "") == ""  # the browser does block what is not partitioned
    assert frame.evaluate(kept, "; Partitioned") == "probe=1"
    assert not any(name.startswith("visit:") for name in frame.evaluate("Object.keys(sessionStorage)"))
    assert road.complaints == []


def test_where_no_cookie_survives_the_visit_goes_on_with_what_the_frame_keeps(
    road: Street, context: Any, house: House
) -> None:
    # CONFORMANCE 94
    road.deaf.off = True
    page = road.framed(context, SICK)
    frame = shown(page)
    assert context.cookies() == []
    visit = visit_of(frame.url)
    secret = frame.evaluate("(id) => sessionStorage.getItem(`visit:${id}`)", visit)
    assert secret
    token = house.rooms.vault.get("grant", visit)["access_token"]  # type: ignore[index]
    for place in (frame.url, frame.content(), json.dumps(frame.evaluate("({...sessionStorage})"))):
        assert token not in place
    assert secret not in frame.url
    assert secret not in frame.content().replace(f'value="{secret}"', "")  # its forms carry it, nothing else

    frame.locator("button[value=agree]").first.click()  # a form, and its way back
    frame.locator("p.done").first.wait_for()
    frame.get_by_role("link", name="Read it").first.click()  # a link
    frame.locator("text=/not a diagnosis/i").first.wait_for()
    assert "code=" not in frame.url
    assert context.cookies() == []


def test_an_address_of_a_visit_without_cookies_opens_nothing_in_another_tab(
    road: Street, context: Any, house: House
) -> None:
    # CONFORMANCE 94
    road.deaf.off = True
    address = shown(road.framed(context, SICK)).url
    other = road.browser.new_context()
    page = road.page(other, f'<iframe name="app" src="{address}"></iframe>')
    lost = page.frame_locator("iframe[name=app]").locator("[data-lost]")
    lost.wait_for(state="visible")
    assert "Ashdown" not in inner(page).content()
    other.close()
    client = house.browser()
    made_up = client.post(address.removeprefix(APP), data={"handle": "made-up"}, base_url=APP)
    assert made_up.status_code == 401
    assert client.post(address.removeprefix(APP), base_url=APP).status_code == 401


def test_a_launch_without_cookies_is_still_the_browsers_that_began_it(house: House) -> None:
    # CONFORMANCE 10, 94
    def begun() -> tuple[str, str]:
        launch = house.hospital.launches.mint(patient=SICK, encounter="", user="Practitioner/okafor")
        query = {"iss": house.hospital.settings.fhir, "launch": launch}
        page = house.browser().get(
            "/launch", query_string=query, base_url=APP, headers={"Sec-Fetch-Dest": "iframe"}
        )
        text = page.get_data(as_text=True)
        found = re.search(r'data-keep="([^"]+)" data-leave="([^"]+)"', text)
        assert found
        back = httpx.get(html.unescape(found[2])).headers["Location"].removeprefix(APP)
        return found[1], back

    secret, back = begun()
    stranger = house.browser()
    asked = stranger.get(back, base_url=APP)
    assert asked.status_code == 200
    assert "data-onward" in asked.get_data(as_text=True)
    assert secret not in asked.get_data(as_text=True)
    other, _ = begun()
    for wrong in ("", "made-up", other):
        assert stranger.post(back, data={"handle": wrong}, base_url=APP).status_code in (400, 401)
    given = stranger.post(back, data={"handle": secret}, base_url=APP)
    assert given.status_code == 200
    assert "data-keep" in given.get_data(as_text=True)
    assert stranger.post(back, data={"handle": secret}, base_url=APP).status_code == 400  # used


def test_a_visit_that_has_a_cookie_is_opened_by_nothing_else(house: House) -> None:
    # CONFORMANCE 94
    client = house.browser()
    answer = client.get(house.callback(client, SICK), base_url=APP)
    address = answer.headers["Location"]
    (secret,) = re.findall(r"__Host-visit-\w+=([^;]+);", " ".join(answer.headers.getlist("Set-Cookie")))
    assert house.browser().post(address, data={"handle": secret}, base_url=APP).status_code == 401
    assert client.get(address, base_url=APP).status_code == 200


def test_a_browser_that_keeps_nothing_at_all_offers_a_window_of_its_own(
    road: Street, house: House, playwright: Any, tmp_path: Path
) -> None:
    # CONFORMANCE 94, 98
    folder = tmp_path / "profile" / "Default"
    folder.mkdir(parents=True)
    off = {"profile": {"default_content_setting_values": {"cookies": 2}}}  # the switch in Chromium's settings
    (folder / "Preferences").write_text(json.dumps(off))
    keeper = playwright.launch_persistent_context(
        folder.parent,
        executable_path=CHROMIUM,
        args=[each for each in road.flags if each != BLOCKED],
        headless=True,
    )
    try:
        page = road.framed(keeper, SICK)
        offer = page.frame_locator("iframe[name=app]").get_by_role("link", name="Open in a new window")
        offer.wait_for(timeout=15_000)
        assert offer.get_attribute("target") == "_blank"
        assert offer.get_attribute("href").startswith("/launch?iss=")
        assert "launch=" in offer.get_attribute("href")  # the same launch: it names the patient
        assert keeper.cookies(APP) == []
        with pytest.raises(Exception, match="denied"):
            inner(page).evaluate("sessionStorage.length")
    finally:
        keeper.close()


# --- who may frame us


def test_the_listed_origin_may_frame_us_and_no_other(road: Street, context: Any, house: House) -> None:
    # CONFORMANCE 95
    listed = house.hospital.settings.url
    assert shown(road.framed(context, SICK)).url.startswith(f"{APP}/result")
    for ancestors, origin in (((listed,), "http://other.localhost:8090"), ((), listed)):
        changed(house, frame_ancestors=ancestors)
        page = road.framed(context, SICK, origin=origin)
        page.wait_for_timeout(500)
        assert inner(page).url == "chrome-error://chromewebdata/"
        assert any("frame-ancestors" in line for line in road.complaints)
        road.complaints.clear()


# --- policy


def test_no_inline_script_runs_in_any_page_and_none_of_ours_needs_one(road: Street, context: Any) -> None:
    # CONFORMANCE 95
    frame = shown(road.framed(context, SICK))
    assert road.complaints == []  # every page on the way kept to its own policy
    ran = frame.evaluate(
        """() => {
          const script = document.createElement("script");
          script.textContent = "window.ran = true";
          document.body.append(script);
          document.body.insertAdjacentHTML("beforeend", "<img src=x onerror='window.ran = true'>");
          document.body.style.cssText = "";
          return new Promise((done) => setTimeout(() => done(Boolean(window.ran)), 300));
        }"""
    )
    assert ran is False
    assert any("script" in line.lower() and "policy" in line.lower() for line in road.complaints)
    road.complaints.clear()


# --- paper


@pytest.mark.parametrize("modals", [True, False])
def test_printing_works_in_a_frame_with_modals_and_says_so_in_one_without(
    road: Street, context: Any, modals: bool
) -> None:
    # CONFORMANCE 97
    bars = f"{SANDBOX} allow-modals" if modals else SANDBOX
    frame = shown(road.framed(context, SICK, sandbox=bars))
    frame.evaluate("window.addEventListener('beforeprint', () => { window.printed = true })")
    frame.locator("[data-print]").first.click()
    blocked = frame.locator("[data-print-blocked]")
    frame.wait_for_timeout(900)
    assert bool(frame.evaluate("window.printed")) is modals
    assert blocked.is_visible() is not modals
    if not modals:
        assert "Use the PDF" in blocked.inner_text()


@pytest.mark.parametrize("cookies", [True, False])
def test_the_pdf_comes_in_a_sandboxed_frame_with_and_without_cookies(
    road: Street, context: Any, cookies: bool
) -> None:
    # CONFORMANCE 94, 97
    road.deaf.off = not cookies
    page = road.framed(context, SICK, sandbox=SANDBOX)
    frame = shown(page)
    types: list[str] = []
    page.on("response", lambda answer: types.append(answer.headers.get("content-type", "")))
    page.on("download", lambda file: types.append(file.suggested_filename))
    frame.get_by_role("link", name="PDF").first.click()
    for _ in range(100):
        if any("pdf" in each for each in types):
            break
        page.wait_for_timeout(100)
    assert any("application/pdf" in each for each in types), types


# --- CORS


CALL = """async ([url, options]) => {
  try { const answer = await fetch(url, options); return [answer.status, await answer.json()] }
  catch (error) { return [0, String(error)] }
}"""


def test_a_listed_origin_may_call_discovery_service_and_feedback_and_no_other_may(
    road: Street, context: Any, house: House
) -> None:
    # CONFORMANCE 89
    ours = house.hospital.settings.url
    changed(house, cors_origins=(ours,))
    body = house.asked(SICK)
    told = {"feedback": [{"card": "c", "outcome": "accepted", "outcomeTimestamp": "2026-11-23T00:00:00Z"}]}

    def options(path: str, sent: Any) -> dict[str, Any]:
        bearer = f"Bearer {house.token(path)}"
        head = {"Content-Type": "application/json", "Authorization": bearer}
        return {"method": "POST", "headers": head, "body": json.dumps(sent)}

    for origin, lets in ((ours, True), ("http://other.localhost:8090", False)):
        page = road.page(context, "EHR", origin)
        calls = {
            "discovery": page.evaluate(CALL, [f"{APP}/cds-services", {}]),
            "service": page.evaluate(CALL, [APP + SERVICE, options(SERVICE, body)]),
            "feedback": page.evaluate(
                CALL, [f"{APP}{SERVICE}/feedback", options(f"{SERVICE}/feedback", told)]
            ),
        }
        assert [each[0] for each in calls.values()] == ([200] * 3 if lets else [0] * 3), calls
    road.complaints.clear()


@pytest.mark.parametrize("path", ["/cds-services", SERVICE, f"{SERVICE}/feedback"])
def test_a_preflight_needs_no_token_names_what_is_allowed_and_never_everybody(
    house: House, path: str
) -> None:
    # CONFORMANCE 89
    before = house.rooms.tenants
    changed(house, cors_origins=("https://ehr.example.org",))
    asks = {
        "Origin": "https://ehr.example.org",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    answer = house.app.test_client().options(path, headers=asks)
    house.rooms.tenants = before
    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Origin"] == "https://ehr.example.org"
    assert {"authorization", "content-type"} <= {
        each.strip() for each in answer.headers["Access-Control-Allow-Headers"].split(",")
    }
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    assert "Access-Control-Allow-Credentials" not in answer.headers
    assert "Origin" in answer.headers["Vary"]
