"""The hospital's pages: who gets in, what the list and the chart show, what the browser is told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from demo.patients import STORIES
from tests.demo_entry.peers import Pair, pair


@pytest.fixture(scope="module")
def peers() -> Iterator[Pair]:
    """One hospital for all pages: none of these tests changes it."""
    with pair() as both:
        yield both


def text(client: FlaskClient, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return answer.get_data(as_text=True)


@pytest.mark.parametrize("path", ["/patients", "/chart/sepsis", "/chart/sepsis/advice"])
def test_nothing_is_shown_before_signing_in(peers: Pair, path: str) -> None:
    answer = peers.app.test_client().get(path)
    assert answer.status_code == 302
    assert answer.headers["Location"] == "/"
    assert not peers.service.calls


def test_every_clinician_is_offered_and_only_they_get_in(peers: Pair) -> None:
    client = peers.app.test_client()
    page = text(client, "/")
    assert page.count('name="clinician"') == 5
    assert client.post("/sign-in", data={"clinician": "mallory"}).status_code == 400
    assert client.post("/sign-in", data={"clinician": "iyer"}).status_code == 303
    assert "Dr Meera Iyer" in text(client, "/patients")
    client.post("/sign-out")
    assert client.get("/patients").status_code == 302


def test_the_list_holds_every_patient_and_says_they_are_invented(page: FlaskClient) -> None:
    shown = text(page, "/patients")
    assert shown.count("data-row") == len(STORIES)
    assert "every patient here is invented" in shown


@pytest.mark.parametrize("patient", sorted(STORIES))
def test_every_chart_opens(page: FlaskClient, patient: str) -> None:
    assert "Demonstration" in text(page, f"/chart/{patient}")


def test_a_chart_shows_values_as_they_were_reported(page: FlaskClient) -> None:
    assert "&lt;5" in text(page, "/chart/below-limit-then-nine")
    conflicting = text(page, "/chart/conflicting-rows")
    assert "Hemolyzed" in conflicting
    assert "amended" in conflicting
    assert "prelim" in conflicting
    assert ">2400<" not in conflicting  # entered in error
    units = text(page, "/chart/two-units")
    assert all(value in units for value in ("0.021", ">27<", "0.033"))


def test_fahrenheit_fractions_and_device_uses_are_read_too(page: FlaskClient) -> None:
    assert "Venturi mask, 2.0 L/min, FiO₂ 24 %" in text(page, "/chart/copd-retention").replace(
        "2 L/min", "2.0 L/min"
    )
    assert "39." in text(page, "/chart/sepsis")


def test_an_empty_chart_says_so(page: FlaskClient) -> None:
    shown = text(page, "/chart/almost-empty")
    assert "No laboratory results" in shown
    assert "Not asked yet" in shown


def test_an_unknown_patient_is_not_found(page: FlaskClient) -> None:
    assert page.get("/chart/nobody").status_code == 404
    assert page.post("/chart/nobody/orders", data={"item": "oxygen"}).status_code == 404


def test_a_form_from_another_site_is_refused(page: FlaskClient, peers: Pair) -> None:
    for site in ("cross-site", "same-site"):
        answer = page.post("/chart/sepsis/orders", data={"item": "oxygen"}, headers={"Sec-Fetch-Site": site})
        assert answer.status_code == 403
    assert not peers.service.calls


def test_pages_are_kept_out_of_caches_and_frames_and_may_frame_the_app_only(
    page: FlaskClient, peers: Pair
) -> None:
    headers = page.get("/chart/sepsis").headers
    assert headers["Cache-Control"] == "no-store"
    policy = headers["Content-Security-Policy"]
    assert f"frame-src 'self' {peers.service.url};" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe-inline" not in policy


def test_the_frame_is_sandboxed_as_large_systems_do_it(page: FlaskClient) -> None:  # CONFORMANCE 97
    shown = text(page, "/chart/sepsis")
    for token in (
        "allow-forms", "allow-modals", "allow-popups", "allow-popups-to-escape-sandbox", "allow-same-origin",
        "allow-scripts", "allow-downloads",
    ):  # fmt: skip
        assert token in shown
    assert "allow-top-navigation" not in shown
