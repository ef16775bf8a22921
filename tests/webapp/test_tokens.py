"""A launch's tokens, from the hospital's answer to the end of the visit: kept close, renewed once, given back."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from tests.servers import free_port
from tests.webapp.house import APP
from tests.webapp.scripted import Frame, Scripted, artefacts, environment, framed, scripted

ROOT = Path(__file__).resolve().parents[2]


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


def opened(frame: Frame) -> str:
    """The result's address after a whole launch."""
    answer = frame.back()
    assert answer.status_code == 303, answer.get_data(as_text=True)
    return str(answer.location)


def shown(frame: Frame, address: str) -> int:
    return frame.browser.get(address, base_url=APP).status_code


# --- what comes with the code


def test_a_token_of_six_kilobytes_is_in_no_cookie_page_address_or_log(
    capsys: pytest.CaptureFixture[str], folder: Path, there: Scripted
) -> None:
    # CONFORMANCE 24, 33
    frame = framed(folder, there)  # its log goes where this test looks
    frame.there.given |= {"access_token": "A" * 6000, "refresh_token": "R" * 3000}
    answer = frame.back()
    page = frame.browser.get(answer.location, base_url=APP)
    assert page.status_code == 200
    assert frame.there.reads[0] == "A" * 6000
    for each in (answer, page):
        cookies = each.headers.getlist("Set-Cookie")
        assert all(len(cookie) < 4093 for cookie in cookies)
        everything = str(each.headers) + each.get_data(as_text=True) + " ".join(cookies)
        assert "A" * 100 not in everything
        assert "R" * 100 not in everything
    said = "".join(capsys.readouterr())
    assert "answered" in said  # the log was there to be looked at
    assert "A" * 100 not in said
    assert "R" * 100 not in said


def test_without_a_patient_the_launch_ends_with_what_to_do(frame: Frame) -> None:
    # CONFORMANCE 25
    del frame.there.given["patient"]
    answer = frame.back()
    assert answer.status_code == 400
    assert "open a chart first" in answer.get_data(as_text=True)
    assert "visit" not in " ".join(answer.headers.getlist("Set-Cookie"))
    assert frame.there.reads == []


def test_without_an_encounter_the_page_comes_all_the_same(frame: Frame) -> None:
    # CONFORMANCE 25
    del frame.there.given["encounter"]
    assert shown(frame, opened(frame)) == 200


@pytest.mark.parametrize("state", ["made-up", "A" * 43])
def test_a_state_that_is_not_ours_redeems_no_code(frame: Frame, state: str) -> None:
    # CONFORMANCE 10
    frame.begun()
    assert frame.back(state=state).status_code == 400
    assert frame.there.forms == []


def test_no_address_in_a_query_is_followed(frame: Frame) -> None:
    # CONFORMANCE 12
    away = "https://evil.example/x"
    names = ("redirect_uri", "next", "url", "iss", "error_uri", "return_to")
    answer = frame.back(**dict.fromkeys(names, away))
    assert answer.status_code in (303, 400)
    assert "evil.example" not in answer.headers.get("Location", "")
    refused = frame.back(error="access_denied", error_uri=away)
    assert refused.status_code == 400
    assert f'href="{away}' not in refused.get_data(as_text=True)


# --- renewal


def test_a_token_is_renewed_before_it_ends(frame: Frame) -> None:
    # CONFORMANCE 32
    address = opened(frame)
    frame.clock.ahead = timedelta(seconds=240)
    assert shown(frame, address) == 200
    assert frame.there.renewals() == []
    frame.clock.ahead = timedelta(seconds=270)  # half a minute before its end
    assert shown(frame, address) == 200
    assert frame.there.renewals() == ["rt-0"]
    assert frame.there.reads[-1] == "at-1"


def test_a_hospital_that_takes_no_token_costs_one_renewal_and_then_the_page_says_so(frame: Frame) -> None:
    # CONFORMANCE 32
    address = opened(frame)
    frame.there.takes = "none of ours"
    answer = frame.browser.get(address, base_url=APP)
    assert answer.status_code == 401
    assert "again" in answer.get_data(as_text=True)
    assert frame.there.renewals() == ["rt-0"]


def test_many_requests_at_once_that_meet_401_make_one_renewal(frame: Frame) -> None:
    # CONFORMANCE 31, 32
    address = opened(frame)
    frame.there.takes, frame.there.slow = "at-1", 0.3
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: shown(frame, address), range(8))) == {200}
    assert frame.there.renewals() == ["rt-0"]


def test_each_renewal_uses_the_token_the_last_one_brought(frame: Frame) -> None:
    # CONFORMANCE 31
    address = opened(frame)
    for minutes in (5, 10, 15):
        frame.clock.ahead = timedelta(minutes=minutes)
        assert shown(frame, address) == 200
    assert frame.there.renewals() == ["rt-0", "rt-1", "rt-2"]


def test_what_one_request_remembers_does_not_bring_an_old_token_back(frame: Frame) -> None:
    # CONFORMANCE 31
    from webapp import visits

    address = opened(frame)
    with frame.browser.application.test_request_context(address, headers=_cookies(frame)):
        early = visits.current(frame.rooms)
        late = visits.renew(frame.rooms, early)
        visits.remember(frame.rooms, early, {"name": "x"})
        assert visits.current(frame.rooms).grant.access_token == late.grant.access_token == "at-1"
        frame.clock.ahead = timedelta(minutes=1)  # long after the renewal itself
        assert visits.renew(frame.rooms, early).grant.access_token == "at-1"  # not exchanged a second time
    assert frame.there.renewals() == ["rt-0"]


def _cookies(frame: Frame) -> dict[str, str]:
    jar = frame.browser._cookies or {}
    return {"Cookie": "; ".join(f"{cookie.key}={cookie.value}" for cookie in jar.values())}


def test_without_a_refresh_token_the_page_asks_to_be_opened_again_and_asks_nobody(frame: Frame) -> None:
    # CONFORMANCE 31
    del frame.there.given["refresh_token"]
    address = opened(frame)
    frame.clock.ahead = timedelta(minutes=6)
    for _ in range(2):
        answer = frame.browser.get(address, base_url=APP)
        assert answer.status_code == 401
        assert "again from the chart" in answer.get_data(as_text=True)
    assert [path for path, _ in frame.there.forms] == ["/auth/token"]  # the code's exchange alone


def test_two_processes_renew_one_visits_token_once(folder: Path, there: Scripted) -> None:
    # CONFORMANCE 31
    frame = framed(folder, there)
    there.given["expires_in"] = 20  # within the time in which a token is renewed early
    address = opened(frame)
    there.slow, there.takes = 0.5, "at-1"
    ports = [free_port(), free_port()]
    told = environment(folder, there, PATH=os.environ["PATH"], ORDERTIME_READ_BUDGET="20")
    workers = [
        subprocess.Popen(
            [sys.executable, "-m", "flask", "--app", "wsgi", "run", "--port", str(port)],
            cwd=ROOT, env=told, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        for port in ports
    ]  # fmt: skip
    try:
        for port in ports:
            ready(f"http://127.0.0.1:{port}/readyz")

        def asked(port: int) -> int:
            url = f"http://127.0.0.1:{port}{address}"
            return httpx.get(url, headers=_cookies(frame), timeout=40, trust_env=False).status_code

        with ThreadPoolExecutor(6) as pool:
            assert set(pool.map(asked, ports * 3)) == {200}
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.wait(10)
    assert there.renewals() == ["rt-0"]


def ready(url: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if httpx.get(url, timeout=20, trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    pytest.fail(f"{url} did not answer")


# --- the end


def closing(frame: Frame, address: str) -> int:
    page = frame.browser.get(address, base_url=APP).get_data(as_text=True)
    form = re.search(r'action="/close">(.*?)</form>', page, re.DOTALL)
    assert form is not None
    sent = dict(re.findall(r'name="(\w+)" value="([^"]*)"', form[1]))
    return frame.browser.post("/close", data=sent, base_url=APP).status_code


def test_closing_gives_the_hospital_its_tokens_back(frame: Frame) -> None:
    # CONFORMANCE 35
    address = opened(frame)
    assert closing(frame, address) == 200
    path, form = frame.there.forms[-1]
    assert (path, form["token"], form["client_id"]) == ("/auth/revoke", "rt-0", "ordertime")
    assert shown(frame, address) == 401


def test_closing_is_closing_where_the_hospital_does_not_take_tokens_back(frame: Frame) -> None:
    # CONFORMANCE 35
    address = opened(frame)
    frame.there.configuration["revocation_endpoint"] = "http://127.0.0.1:9/revoke"
    assert closing(frame, address) == 200
    assert shown(frame, address) == 401
