"""Launches and pages, attacked: sessions, forms, redirects, headers, and what a chart may smuggle into a page."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import structlog

from ehr.style import read_style
from ehr.transport import Budget
from tests.ehr.peer import listening
from tests.ehr.wire import dialled
from tests.webapp.house import APP, House, standing, visit_of
from tests.webapp.test_attacks_on_hooks import HOSTILE, TURNING, poisoned

SICK = "pneumonia-worsening"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    yield from standing(tmp_path_factory.mktemp("house"))


@pytest.fixture(autouse=True)
def _fair(house: House) -> Iterator[None]:
    yield
    house.fair()
    house.clock.ahead = timedelta(0)


def refused(answer: Any, status: int, *words: str) -> None:
    """A page with that status, which says these words and shows no insides."""
    text = answer.get_data(as_text=True)
    assert answer.status_code == status, text
    assert "Traceback" not in text
    assert "What to do" in text
    for word in words:
        assert word.lower() in text.lower(), text


def launching(house: House, client: Any, **query: str) -> Any:
    told = {"iss": house.hospital.settings.fhir, "launch": "x"} | query
    return client.get("/launch", query_string=told, base_url=APP)


# --- whose session


def test_a_launch_begun_by_somebody_else_cannot_be_ended_in_my_browser(house: House) -> None:
    # CONFORMANCE 10, 14
    attacker, victim = house.browser(), house.browser()
    back = house.callback(attacker, SICK)
    house.launched("sepsis", victim)
    answer = victim.get(back, base_url=APP)
    assert answer.status_code in (200, 400)
    assert "visit=" not in answer.headers.get("Location", "")
    assert not any("visit" in each for each in answer.headers.getlist("Set-Cookie"))


def test_a_cookie_planted_before_the_launch_is_not_the_visits(house: House) -> None:
    client = house.browser()
    for name in ("__Host-launch-0000000000", "__Host-visit-0000000000", "session"):
        client.set_cookie(name, "planted", domain="127.0.0.1", secure=True)
    _, address = house.launched(SICK, client)
    other = house.browser()
    other.set_cookie(f"__Host-visit-{'0' * 10}", "planted", domain="127.0.0.1", secure=True)
    refused(other.get(address, base_url=APP), 401, "another browser")


def test_every_launch_has_a_secret_of_its_own(house: House) -> None:
    first = [launching(house, house.browser()).headers["Set-Cookie"] for _ in range(5)]
    assert len({each.split(";")[0] for each in first}) == 5
    assert all(len(each.split("=")[1].split(";")[0]) >= 40 for each in first)


# --- forms


def form(page: Any, action: str) -> tuple[str, dict[str, str]]:
    text = page.get_data(as_text=True)
    found = re.search(
        rf'<form[^>]*? method="post" action="([^"]*{action}[^"]*)">(.*?)</form>', text, re.DOTALL
    )
    assert found
    return found[1].replace("&amp;", "&"), dict(re.findall(r'name="(\w+)" value="([^"]*)"', found[2]))


@pytest.mark.parametrize("token", ["", "0" * 64, "é", "‮", "\x00", "a" * 70_000])
def test_a_form_with_another_token_changes_nothing(house: House, token: str) -> None:
    client, address, page = house.result(SICK)
    for action, more in (("/opinion", {"opinion": "agree"}), ("/release", {"read": "yes"})):
        target, fields = form(page, action)
        answer = client.post(target, data=fields | more | {"csrf_token": token}, base_url=APP)
        refused(answer, 401, "not sent from this visit")
    sent = {"visit": visit_of(address), "csrf_token": token}
    assert client.post("/close", data=sent, base_url=APP).status_code == 401
    assert client.get(address, base_url=APP).status_code == 200


def test_a_form_of_one_visit_does_not_work_in_another(house: House) -> None:
    client, _, first = house.result(SICK)
    _, fields = form(first, "/opinion")
    _, address = house.launched(SICK, client)
    page = client.get(address, base_url=APP)
    target, mine = form(page, "/opinion")
    answer = client.post(
        target, data=mine | {"opinion": "agree", "csrf_token": fields["csrf_token"]}, base_url=APP
    )
    refused(answer, 401)


@pytest.mark.parametrize("method", ["get", "head", "put", "patch", "delete"])
def test_nothing_is_changed_by_any_other_method_than_post(house: House, method: str) -> None:
    client, _, page = house.result(SICK)
    target, fields = form(page, "/release")
    answer = getattr(client, method)(f"{target}&read=yes&csrf_token={fields['csrf_token']}", base_url=APP)
    assert answer.status_code == 405
    assert not house.rooms.ledger.released(target.split("/")[2])


# --- where a browser is sent


@pytest.mark.parametrize(
    "path",
    ["//evil.example", "//evil.example/launch", "/\\evil.example", "//evil.example//about", "/%2f%2fevil.example",
     "/about/", "//about", "/./launch", "/callback//"],
)  # fmt: skip
def test_no_path_makes_the_app_send_a_browser_elsewhere(house: House, path: str) -> None:
    answer = house.browser().open("/", base_url=APP, environ_overrides={"PATH_INFO": path, "RAW_URI": path})
    assert answer.status_code in (200, 404), answer.headers
    assert "Location" not in answer.headers


@pytest.mark.parametrize("name", ["next", "redirect", "redirect_uri", "url", "return_to", "error_uri"])
def test_no_parameter_names_where_to_go(house: House, name: str) -> None:
    # CONFORMANCE 12
    evil = "https://evil.example/"
    client = house.browser()
    back = house.callback(client, SICK)
    answer = client.get(f"{back}&{name}={evil}", base_url=APP)
    assert urlsplit(answer.headers["Location"]).netloc in ("", urlsplit(APP).netloc)
    going = launching(house, house.browser(), **{name: evil})
    assert urlsplit(going.headers["Location"]).netloc == urlsplit(house.hospital.settings.url).netloc
    assert parse_qs(urlsplit(going.headers["Location"]).query)["redirect_uri"] == [f"{APP}/callback"]


def test_a_host_header_stands_in_no_answer(house: House) -> None:
    client = house.browser()
    for path in ("/", "/about", "/launch", "/nowhere"):
        answer = client.get(path, headers={"Host": "evil.example"})
        assert "evil.example" not in answer.get_data(as_text=True)
        assert "evil.example" not in answer.headers.get("Location", "")


# --- headers and error pages


@pytest.mark.parametrize("evil", ["x\r\nX-Injected: yes", "x\nSet-Cookie: a=b", "x\x00y", "é‮"])
def test_what_comes_in_an_address_breaks_no_header(house: House, evil: str) -> None:
    client, address, _ = house.result(SICK)
    visit = visit_of(address)
    key = house.rooms.vault.get("visit", visit)["about"]["answers"][0]  # type: ignore[index]
    answers = [
        launching(house, client, launch=evil),
        launching(house, client, iss=evil),
        client.get("/callback", query_string={"state": evil, "code": evil}, base_url=APP),
        client.get("/result", query_string={"visit": evil}, base_url=APP),
        client.get(
            f"/handout/{key}", query_string={"visit": visit, "language": evil, "paper": evil}, base_url=APP
        ),
        client.get("/about", headers={"Origin": "https://evil.example", "X-Forwarded-Host": "evil.example"}),
    ]
    for answer in answers:
        assert answer.status_code < 500, answer.get_data(as_text=True)
        assert "X-Injected" not in answer.headers
        assert not any(each.startswith("a=b") for each in answer.headers.getlist("Set-Cookie"))


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_of_an_error_description_reaches_a_page(house: House, text: str) -> None:
    # CONFORMANCE 12
    client = house.browser()
    state = parse_qs(urlsplit(house.callback(client, SICK)).query)["state"][0]
    told = {"state": state, "error": text, "error_description": text, "error_uri": text}
    answer = client.get("/callback", query_string=told, base_url=APP)
    refused(answer, 400, "refused: no reason given")
    assert text not in answer.get_data(as_text=True)
    assert "evil.example" not in answer.get_data(as_text=True)


def test_a_refusal_can_be_read_inside_the_hospitals_frame_and_no_other(house: House) -> None:
    # CONFORMANCE 95
    ours = house.hospital.settings.url
    for path in ("/launch", "/callback?state=x", "/result?visit=x"):
        inside = house.browser().get(path, headers={"Referer": f"{ours}/chart/1"}, base_url=APP)
        assert f"frame-ancestors {ours}" in inside.headers["Content-Security-Policy"], path
        elsewhere = house.browser().get(path, headers={"Referer": "https://evil.example/"}, base_url=APP)
        assert "frame-ancestors 'none'" in elsewhere.headers["Content-Security-Policy"], path
        assert ours not in elsewhere.headers["Content-Security-Policy"]


# --- what a chart smuggles in


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_of_a_chart_becomes_html_of_a_page(house: House, text: str) -> None:
    """The hospital's server answers with hostile texts in every place for words: names, units, codes, notes."""
    real = house.rooms.http

    def poison(request: httpx.Request) -> httpx.Response:
        answer = real.send(request)
        if "/fhir/" not in request.url.path or "well-known" in request.url.path:
            return httpx.Response(answer.status_code, headers=_plain(answer), content=answer.content)
        return httpx.Response(answer.status_code, json=poisoned(answer.json(), text))

    client, address = house.launched(SICK)
    house.rooms.http = dialled(poison)
    try:
        pages = [client.get(address, base_url=APP)]
        key = house.rooms.vault.get("visit", visit_of(address))["about"]["answers"][0]  # type: ignore[index]
        pages += [client.get(f"/handout/{key}?visit={visit_of(address)}", base_url=APP)]
        pages += [client.get(f"/assessments/{key}/values?visit={visit_of(address)}", base_url=APP)]
    finally:
        house.rooms.http = real
    for page in pages:
        html = page.get_data(as_text=True)
        assert page.status_code == 200, html
        assert "<script>alert" not in html
        assert "<img src=x" not in html
        assert "<iframe" not in html
        assert not re.search(r'(?:href|src|action)="(?:javascript:|https?://evil)', html)
        assert not TURNING.search(html)
        assert "49" not in re.findall(r"patient-name\">([^<]*)<", html)[:1]


def _plain(answer: httpx.Response) -> dict[str, str]:
    return {"content-type": answer.headers.get("content-type", "application/json")}


# --- requests forged on our side


@pytest.mark.parametrize(
    "shape",
    ["{trap}/fhir", "{fhir}@{bare}", "{fhir}\\@{bare}", "{fhir}#@{bare}", "{fhir}?{trap}", "{fhir}/../../{bare}",
     "//{bare}/fhir", " {trap}", "{fhir}%00", "file:///etc/passwd", "http://169.254.169.254/latest/meta-data"],
)  # fmt: skip
def test_no_issuer_but_a_listed_one_is_asked_anything(house: House, shape: str) -> None:
    # CONFORMANCE 4
    with listening(lambda peer: None) as (trap, arrived):
        bare = trap.removeprefix("http://")
        iss = shape.format(trap=trap, bare=bare, fhir=house.hospital.settings.fhir)
        for path in ("/launch", "/standalone"):
            answer = house.browser().get(path, query_string={"iss": iss, "launch": "x"}, base_url=APP)
            refused(answer, 403, "not on the list")
        assert arrived == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("token_endpoint", "http://evil.example/token"),
        ("authorization_endpoint", "javascript:alert(1)"),
        ("jwks_uri", "file:///etc/passwd"),
        ("token_endpoint", "https://user:pw@evil.example/token"),
        ("authorization_endpoint", "https://evil.example/\r\nX-Injected: yes"),
        ("token_endpoint", "https://169.254.169.254/latest/meta-data"),
        ("jwks_uri", "https://[fe80::1]/jwks"),
        ("revocation_endpoint", "https://0.0.0.0/revoke"),
    ],
)
def test_a_configuration_that_names_an_impossible_server_ends_the_launch(
    house: House, key: str, value: str
) -> None:
    # CONFORMANCE 1, 2
    real = house.rooms.http

    def bend(request: httpx.Request) -> httpx.Response:
        answer = real.send(request).json()
        return httpx.Response(200, json=answer | {key: value})

    house.rooms.http = dialled(bend)
    try:
        answer = launching(house, house.browser())
    finally:
        house.rooms.http = real
    refused(answer, 400, key, "cannot be used")


def test_a_style_is_fetched_from_the_hospital_alone_and_follows_no_redirect(house: House) -> None:
    # CONFORMANCE 28
    tenant = next(iter(house.rooms.tenants))
    with listening(lambda peer: None) as (trap, arrived):
        assert not read_style(house.rooms.http, tenant, f"{trap}/style.json", Budget(2))
        house.weather("redirect", match="/style.json", to=f"{trap}/style.json")
        assert not read_style(
            house.rooms.http, tenant, f"{house.hospital.settings.url}/style.json", Budget(2)
        )
        assert arrived == []


@pytest.mark.parametrize(
    "value",
    ["red;}body{display:none", "url(https://evil.example)", "expression(alert(1))", "red/**/", "#fff\n}", "\\72 ed",
     "var(--x)", "rgb(0,0,0);x:y", "</style><script>", "a" * 300, "'" * 150, "rgb(" + "1 " * 90 + ")"],
)  # fmt: skip
def test_no_value_of_a_style_breaks_out_of_its_property(house: House, value: str) -> None:
    # CONFORMANCE 28
    tenant = next(iter(house.rooms.tenants))
    names = ("color_text", "color_background", "dim_font_size", "font_family_body")
    body = json.dumps({name: value for name in names} | {"color_error": "#a00"}).encode()
    client = dialled(lambda _: httpx.Response(200, content=body))
    found = read_style(client, tenant, f"{house.hospital.settings.url}/style.json", Budget(2))
    assert dict(found) == {"color_error": "#a00"}


# --- logs


def test_a_faults_words_are_not_in_the_log(house: House) -> None:
    # CONFORMANCE 33
    client, address = house.launched(SICK)
    real = house.rooms.http

    def fault(_: httpx.Request) -> httpx.Response:
        raise RuntimeError("Harriet Ashdown, token abc.def")

    house.rooms.http = dialled(fault)
    before, log = structlog.get_config(), io.StringIO()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(log))
    try:
        answer = client.get(address, base_url=APP)
    finally:
        house.rooms.http = real
        structlog.configure(**before)
    logged = log.getvalue()
    assert answer.status_code == 500
    assert "Ashdown" not in answer.get_data(as_text=True)
    assert "Ashdown" not in logged
    assert "abc.def" not in logged
    assert "RuntimeError" in logged
    assert "test_attacks_on_launches.py" in logged  # where it happened is
