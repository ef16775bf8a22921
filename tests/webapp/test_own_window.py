"""A frame that keeps nothing: its window of its own begins at the same launch, so nobody picks the patient again."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.webapp.house import APP
from tests.webapp.scripted import Frame, Scripted, artefacts, framed, scripted

FRAMED = {"Sec-Fetch-Dest": "iframe"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return artefacts(tmp_path_factory.mktemp("scripted"))


@pytest.fixture
def there() -> Iterator[Scripted]:
    with scripted() as hospital:
        yield hospital


@pytest.fixture
def frame(folder: Path, there: Scripted) -> Frame:
    return framed(folder, there)


def offered(frame: Frame, door: str = "/launch", launch: str = "xyz &=?") -> str:
    """Where the page leads that a frame without a cookie comes back to."""
    query = {"iss": f"{frame.there.url}/fhir"} | ({"launch": launch} if door == "/launch" else {})
    going = frame.browser.get(door, query_string=query, base_url=APP, headers=FRAMED)
    address = re.findall(r'data-leave="([^"]+)"', going.get_data(as_text=True))[0]
    state = parse_qs(urlsplit(html.unescape(address)).query)["state"][0]
    bare = frame.browser.application.test_client()  # its cookie is lost
    page = bare.get("/callback", query_string={"code": "c-1", "state": state}, base_url=APP, headers=FRAMED)
    assert page.status_code == 200
    (link,) = set(re.findall(r'<a [^>]*href="([^"]+)" target="_blank"', page.get_data(as_text=True)))
    return html.unescape(link)


def test_the_window_begins_at_the_launch_that_names_the_patient(frame: Frame) -> None:
    # CONFORMANCE 94
    going = frame.browser.get(offered(frame), base_url=APP)
    assert going.status_code == 303
    asked = parse_qs(urlsplit(going.location).query)
    assert asked["launch"] == ["xyz &=?"]
    assert "launch" in asked["scope"][0].split()
    assert "launch/patient" not in asked["scope"][0].split()  # nobody is asked for the patient
    back = frame.browser.get(
        "/callback", query_string={"code": "c", "state": asked["state"][0]}, base_url=APP
    )
    assert back.status_code == 303
    assert back.location.startswith("/result?visit=")


def test_a_standalone_launch_has_no_patient_to_keep(frame: Frame) -> None:
    # CONFORMANCE 94
    assert offered(frame, "/standalone").startswith("/standalone?iss=")


def test_a_hospital_that_takes_a_launch_once_only_is_asked_for_the_patient(frame: Frame) -> None:
    # CONFORMANCE 94
    state = frame.begun(window="own")["state"]
    query = {"error": "invalid_request", "error_description": "spent", "state": state}
    answer = frame.browser.get("/callback", query_string=query, base_url=APP)
    assert answer.status_code == 303
    assert answer.location == f"/standalone?iss={frame.there.url}/fhir"
    going = frame.browser.get(answer.location, base_url=APP)
    asked = parse_qs(urlsplit(going.location).query)
    assert "launch/patient" in asked["scope"][0].split()
    again = {"error": "invalid_request", "state": asked["state"][0]}
    assert frame.browser.get("/callback", query_string=again, base_url=APP).status_code == 400  # no circle


@pytest.mark.parametrize(("window", "error"), [("own", "access_denied"), ("", "invalid_request")])
def test_where_somebody_said_no_or_in_a_frame_nothing_begins_again(
    frame: Frame, window: str, error: str
) -> None:
    # CONFORMANCE 94
    state = frame.begun(window=window)["state"]
    answer = frame.browser.get("/callback", query_string={"error": error, "state": state}, base_url=APP)
    assert answer.status_code == 400
