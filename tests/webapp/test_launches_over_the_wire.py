"""SMART App Launch as a browser meets it: what is asked of the hospital, and what goes with every page, over HTTP."""

from __future__ import annotations

import html
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.webapp.house import APP, House, visit_of
from tests.webapp.wired import Caller

pytestmark = pytest.mark.usefixtures("fair")
SICK = "pneumonia-worsening"
NASTY = "a b+/=&?#%25é☃;,\"'"  # all that an encoder might spoil
OPAQUE = NASTY * 12


@pytest.fixture(scope="module")
def line(caller: Caller) -> httpx.Client:
    return caller.line


def begun(line: httpx.Client, path: str = "/launch", **query: str) -> dict[str, list[str]]:
    """What the browser is sent on with."""
    answer = line.get(path, params=query)
    assert answer.status_code == 303, answer.text
    return parse_qs(urlsplit(answer.headers["location"]).query, keep_blank_values=True, strict_parsing=True)


def test_a_launch_asks_with_the_whole_set_and_echoes_what_it_was_given(line: httpx.Client, house: House) -> None:
    # CONFORMANCE 3, 6, 8, 9
    issuer = house.hospital.settings.fhir
    for iss in (issuer, f"{issuer}/"):
        asked = begun(line, iss=iss, launch=OPAQUE)
        assert asked.pop("launch") == [OPAQUE]
        assert asked.pop("aud") == [iss]
        assert "launch" in asked.pop("scope")[0].split()
        assert (asked.pop("response_type"), asked.pop("code_challenge_method")) == (["code"], ["S256"])
        assert asked.pop("redirect_uri") == [f"{APP}/callback"]
        assert asked.pop("client_id") == ["ordertime"]
        assert [len(asked.pop(name)[0]) >= 43 for name in ("state", "code_challenge", "nonce")] == [True] * 3
        assert asked == {}


def test_what_is_too_long_for_an_address_is_posted_byte_for_byte(line: httpx.Client, house: House) -> None:
    # CONFORMANCE 6, 13
    page = line.get("/launch", params={"iss": house.hospital.settings.fhir, "launch": NASTY * 160})
    assert page.status_code == 200
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page.text))
    assert html.unescape(fields["launch"]) == NASTY * 160  # above two thousand bytes
    assert len(fields) == 10


def test_a_standalone_launch_asks_for_the_patient_and_sends_no_launch(line: httpx.Client, house: House) -> None:
    # CONFORMANCE 7
    asked = begun(line, "/standalone", iss=house.hospital.settings.fhir)
    assert "launch" not in asked
    scopes = asked["scope"][0].split()
    assert "launch/patient" in scopes
    assert "launch" not in scopes


@pytest.mark.parametrize("query", [{}, {"iss": ""}, {"launch": "x"}, {"iss": "?"}, {"iss": "?", "launch": ""}])
def test_half_a_launch_is_400_and_leads_nowhere(line: httpx.Client, house: House, query: dict[str, str]) -> None:
    # CONFORMANCE 5
    told = {name: house.hospital.settings.fhir if value == "?" else value for name, value in query.items()}
    answer = line.get("/launch", params=told)
    assert answer.status_code == 400
    assert "location" not in answer.headers
    assert "set-cookie" not in answer.headers


def test_an_issuer_is_listed_or_hears_nothing_however_it_is_spelled(line: httpx.Client, house: House) -> None:
    # CONFORMANCE 4
    base = house.hospital.settings.fhir
    host = urlsplit(base).netloc
    house.fair()
    for iss in (
        base.replace("http://", "https://"),
        base.replace("http://", "http://someone@"),
        base.replace("http://", "http://u:p@"),
        base.replace(":", ".:").replace("http.:", "http:"),
        base.replace(host, host.replace("127.0.0.1", "2130706433").replace("localhost", "2130706433")),
        base.replace(host, host.replace("127.0.0.1", "[::1]").replace("localhost", "[::ffff:127.0.0.1]")),
        base.replace(host, host.replace("127.0.0.1", "127.1").replace("localhost", "0x7f.1")),
        base.replace(host, host.replace("127.0.0.1", "①27.0.0.1").replace("localhost", "ⓛocalhost")),
        f"{base}/../fhir2",
        f"{base}#x",
        f"{base}\u2024evil.example",
    ):
        for path in ("/launch", "/standalone"):
            answer = line.get(path, params={"iss": iss, "launch": "x"})
            assert answer.status_code == 403, iss
            assert "location" not in answer.headers
    assert list(house.hospital.faults.seen) == []


def visited(line: httpx.Client, house: House) -> tuple[str, dict[str, str]]:
    """The result's address, and the cookie that opens it; it is Secure, so a plain line carries it by hand."""
    stay = next(iter(house.hospital.search("Encounter", {"patient": SICK})))
    launch = house.hospital.launches.mint(patient=SICK, encounter=stay["id"], user="Practitioner/okafor")
    going = line.get("/launch", params={"iss": house.hospital.settings.fhir, "launch": launch})
    back = httpx.get(going.headers["location"], trust_env=False).headers["location"].removeprefix(APP)
    answer = line.get(back, headers=cookie(going))
    assert answer.status_code == 303
    assert "code=" not in answer.headers["location"]
    assert "state=" not in answer.headers["location"]
    return answer.headers["location"], cookie(answer)


def cookie(answer: httpx.Response) -> dict[str, str]:
    made = [each for each in answer.headers.get_list("set-cookie") if "Max-Age=0" not in each]
    return {"Cookie": "; ".join(each.split(";")[0] for each in made)}


def test_every_page_and_paper_about_a_patient_is_kept_nowhere_on_its_way(line: httpx.Client, house: House) -> None:
    # CONFORMANCE 96
    address, held = visited(line, house)
    visit = visit_of(address)
    page = line.get(address, headers=held)
    key = house.rooms.vault.get("visit", visit)["about"]["answers"][0]  # type: ignore[index]
    seen: list[Any] = [page]
    for path in (f"/handout/{key}", f"/handout/{key}.pdf", f"/assessments/{key}/values", "/result/stored"):
        seen.append(line.get(path, params={"visit": visit}, headers=held))
    seen.append(line.get(address))
    assert [each.status_code for each in seen] == [200] * 5 + [401]
    for each in seen:
        assert each.headers["cache-control"] == "no-store", each.url
        assert each.headers["referrer-policy"] == "no-referrer"
        assert "default-src" in each.headers["content-security-policy"]
    assert seen[2].headers["content-type"] == "application/pdf"
