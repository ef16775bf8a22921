"""HTTP to a hospital: bounded, patient, and never careless with a token."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest

from ehr.answers import patience
from ehr.errors import (
    AnswerTooLarge,
    BudgetSpent,
    Conflict,
    EhrError,
    EhrUnavailable,
    ForeignAddress,
    MalformedAnswer,
    NotFound,
    NotPermitted,
    NotUnderstood,
    Throttled,
    Unauthorised,
)
from ehr.transport import Budget, FhirHttp
from tests.ehr.peer import BASE, NOW, Peer, Watch, drip, listening, outcome, sequence, stall
from tests.ehr.wire import Dialled

TOKEN = "opaque-" + "x" * 4000  # vendors' tokens are long, and no JWT
PATH = "/fhir/r4/Observation"
BUNDLE = {"resourceType": "Bundle", "type": "searchset"}
SECRET_WORDS = "Jane Q. Public, MRN 445566"


def over(
    peer: Peer, watch: Watch | None = None, seconds: float = 30.0, base: str = BASE, **more: Any
) -> FhirHttp:
    watch = watch or Watch()
    return FhirHttp(
        base, TOKEN, peer.client(), Budget(seconds, watch),
        clock=lambda: NOW, sleep=watch.sleep, jitter=lambda: 0.5, **more,
    )  # fmt: skip


def peer_with(*replies: httpx.Response) -> Peer:
    peer = Peer()
    peer[PATH] = sequence(*replies)
    return peer


def good() -> httpx.Response:
    return httpx.Response(200, json=BUNDLE)


# --- what is sent


def test_a_search_sends_the_token_and_asks_for_fhir_json_handled_strictly() -> None:  # CONFORMANCE 38, 42
    peer = peer_with(good())
    assert over(peer).search("Observation", {"patient": "1"}) == BUNDLE
    sent = peer.asked[0].headers
    assert sent["authorization"] == f"Bearer {TOKEN}"
    assert sent["accept"] == "application/fhir+json"
    assert sent["prefer"] == "handling=strict"


def test_a_site_that_refuses_strict_handling_is_not_asked_for_it() -> None:
    peer = peer_with(good())
    over(peer, quirks=frozenset({"no-strict-search"})).search("Observation", {})
    assert "prefer" not in peer.asked[0].headers


def test_the_system_of_a_code_is_percent_encoded() -> None:  # CONFORMANCE 44
    peer = peer_with(good())
    over(peer).search("Observation", {"code": "http://loinc.org|67151-1,http://loinc.org|89579-7"})
    raw = peer.asked[0].url.raw_path.decode()
    assert "code=http%3A%2F%2Floinc.org%7C67151-1%2Chttp%3A%2F%2Floinc.org%7C89579-7" in raw


def test_a_search_by_post_sends_the_same_parameters_in_the_body() -> None:  # CONFORMANCE 46
    params = [("code", "http://loinc.org|67151-1"), ("date", "ge2026-11-20"), ("date", "le2026-11-23")]
    peer = peer_with(good())
    peer["/fhir/r4/Observation/_search"] = good()
    http = over(peer)
    http.search("Observation", params)
    http.search("Observation", params, post=True)
    by_get, by_post = peer.asked
    assert by_post.method == "POST"
    assert not by_post.url.query
    assert parse_qsl(by_post.content.decode()) == parse_qsl(by_get.url.query.decode()) == params


def test_an_open_server_is_asked_without_a_token() -> None:
    peer = peer_with(good())
    FhirHttp(BASE, None, peer.client(), Budget(5)).get("Observation")
    assert "authorization" not in peer.asked[0].headers


# --- where a token goes


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example.net/fhir/r4/Observation?page=2",
        "http://ehr.example.org/fhir/r4/Observation?page=2",
        "https://ehr.example.org:8443/fhir/r4/Observation?page=2",
        "https://ehr.example.org.evil.net/fhir/r4/Observation",
        "https://ehr.example.org@evil.example.net/fhir/r4/Observation",
        "https://user:pass@ehr.example.org/fhir/r4/Observation",
        "//evil.example.net/fhir/r4/Observation",
        "https://ehr.example.org/fhir/other-hospital/Observation",
        "https://ehr.example.org/fhir/r4x/Observation",
        "https://ehr.example.org/fhir/r4/../other-hospital/Observation",
        "https://ehr.example.org/fhir/r4/%2e%2e/other-hospital/Observation",
        "https://ehr.example.org\\@evil.example.net/fhir/r4/",
        "file:///etc/passwd",
        "http://[::1",
    ],
)
def test_a_next_link_to_another_server_is_refused_before_anything_is_sent(
    link: str,
) -> None:  # CONFORMANCE 40, 36
    peer = Peer()
    http = over(peer)
    with pytest.raises(ForeignAddress):
        http.next_url({**BUNDLE, "link": [{"relation": "next", "url": link}]})
    with pytest.raises(ForeignAddress):
        http.get(link)
    assert peer.asked == []


@pytest.mark.parametrize(
    ("link", "asked"),
    [
        ("https://ehr.example.org/fhir/r4/Observation?_getpages=a%7Cb&n=2", "/fhir/r4/Observation"),
        ("https://EHR.example.org:443/fhir/r4?_getpages=abc", "/fhir/r4"),
        ("Observation?page=2", "/fhir/r4/Observation"),
    ],
)
def test_the_hospitals_own_next_link_is_followed_as_it_is(link: str, asked: str) -> None:  # CONFORMANCE 39
    peer = Peer()
    peer[asked] = good()
    http = over(peer)
    url = http.next_url(
        {**BUNDLE, "link": [{"relation": "self", "url": "x"}, {"relation": "next", "url": link}]}
    )
    assert url is not None
    assert http.get(url) == BUNDLE
    assert peer.asked[0].url.path == asked
    assert peer.asked[0].url.query.decode() == link.partition("?")[2]


def test_the_last_page_has_no_next_link() -> None:
    assert over(Peer()).next_url({**BUNDLE, "link": [{"relation": "self", "url": "x"}]}) is None
    assert over(Peer()).next_url(BUNDLE) is None


def test_a_site_whose_pages_lie_beside_its_base_needs_the_quirk() -> None:
    link = {"link": [{"relation": "next", "url": "https://ehr.example.org/paging/abc"}]}
    assert over(Peer(), quirks=frozenset({"links-outside-base"})).next_url(link)
    elsewhere = {"link": [{"relation": "next", "url": "https://evil.example.net/paging/abc"}]}
    with pytest.raises(ForeignAddress):
        over(Peer(), quirks=frozenset({"links-outside-base"})).next_url(elsewhere)


def test_a_redirect_to_another_host_is_not_followed() -> None:  # CONFORMANCE 54
    peer = peer_with(
        httpx.Response(302, headers={"location": "https://evil.example.net/fhir/r4/Observation"})
    )
    with pytest.raises(ForeignAddress):
        over(peer).search("Observation", {})
    assert [request.url.host for request in peer.asked] == ["ehr.example.org"]


def test_a_redirect_is_not_followed_by_a_client_that_would() -> None:  # CONFORMANCE 54
    peer = peer_with(httpx.Response(302, headers={"location": "https://evil.example.net/"}))
    eager = httpx.Client(transport=Dialled(peer._answer), follow_redirects=True)
    with pytest.raises(ForeignAddress):
        FhirHttp(BASE, TOKEN, eager, Budget(5)).search("Observation", {})
    assert len(peer.asked) == 1


def test_a_redirect_within_the_server_is_followed_a_few_times_only() -> None:
    peer = peer_with(httpx.Response(307, headers={"location": "/fhir/r4/elsewhere"}))
    peer["/fhir/r4/elsewhere"] = good()
    assert over(peer).search("Observation", {}) == BUNDLE
    peer["/fhir/r4/elsewhere"] = httpx.Response(307, headers={"location": "/fhir/r4/elsewhere"})
    with pytest.raises(MalformedAnswer):
        over(peer).search("Observation", {})


def test_neither_the_token_nor_the_patient_stands_in_a_repr_a_message_or_a_log(
    caplog: pytest.LogCaptureFixture,
) -> None:  # CONFORMANCE 33
    caplog.set_level(logging.DEBUG)
    peer = peer_with(httpx.Response(400, json=outcome("invalid", SECRET_WORDS)))
    http = over(peer)
    with pytest.raises(NotUnderstood) as refused:
        http.search("Observation", {"patient": "patient-4711"})
    told = f"{http!r} {refused.value} {refused.value!r} {caplog.text}"
    assert TOKEN not in told
    assert "4711" not in told
    assert "Jane" not in told
    assert refused.value.said == SECRET_WORDS


def test_a_dropped_connection_leaves_no_address_in_the_error() -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError(f"cannot reach {request.url}", request=request)

    peer = Peer()
    peer[PATH] = fail
    with pytest.raises(EhrUnavailable) as refused:
        over(peer).search("Observation", {"patient": "4711"})
    assert "4711" not in f"{refused.value} {refused.value.__cause__}"
    assert refused.value.__suppress_context__


# --- what comes back


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, NotUnderstood), (401, Unauthorised), (403, NotPermitted), (404, NotFound), (405, NotUnderstood),
        (409, Conflict), (410, NotFound), (412, Conflict), (418, NotUnderstood), (422, NotUnderstood),
        (500, EhrUnavailable), (503, EhrUnavailable), (429, Throttled),
    ],
)  # fmt: skip
def test_each_status_is_its_own_error_with_the_issue_code_and_not_the_words(
    status: int, kind: type[EhrError]
) -> None:  # CONFORMANCE 51
    peer = peer_with(httpx.Response(status, json=outcome("required", SECRET_WORDS)))
    with pytest.raises(kind) as refused:
        over(peer).search("Observation", {})
    assert type(refused.value) is kind
    assert refused.value.causes == ("required",)
    assert "required" in str(refused.value)
    assert str(status) in str(refused.value)
    assert "Observation" in str(refused.value)


def test_a_code_that_is_no_code_does_not_reach_the_message() -> None:
    peer = peer_with(httpx.Response(400, json=outcome(SECRET_WORDS)))
    with pytest.raises(NotUnderstood) as refused:
        over(peer).search("Observation", {})
    assert "Jane" not in str(refused.value)


@pytest.mark.parametrize(
    "body", [b"<html>sign in</html>", b"", b'{"resourceType":', b"[1]", b"null", b"\xff\xfe", b'{"a": NaN}']
)
def test_an_answer_that_is_not_a_json_object_is_named_so(body: bytes) -> None:
    peer = peer_with(httpx.Response(200, content=body, headers={"content-type": "text/html; charset=x"}))
    with pytest.raises(MalformedAnswer) as refused:
        over(peer).search("Observation", {})
    assert isinstance(refused.value, EhrUnavailable)
    assert "sign in" not in str(refused.value)


@pytest.mark.parametrize("body", [b"oops", b"[]", b'{"issue": 5}', b'{"issue": [null, {"details": 3}]}'])
def test_a_refusal_with_an_odd_body_is_still_the_refusal(body: bytes) -> None:
    with pytest.raises(NotPermitted):
        over(peer_with(httpx.Response(403, content=body))).search("Observation", {})


def test_a_body_above_the_limit_is_not_read_to_its_end() -> None:
    taken = []

    def endless() -> Any:
        for _ in range(1000):
            taken.append(1)
            yield b" " * 100_000

    peer = Peer()
    peer[PATH] = lambda _: httpx.Response(200, content=endless())
    with pytest.raises(AnswerTooLarge):
        over(peer, largest=5000).search("Observation", {})
    assert len(taken) < 200  # of 100 MB: what the sockets hold, and no more


# --- patience


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_read_is_asked_again_twice_with_jitter_and_then_given_up(status: int) -> None:  # CONFORMANCE 51
    watch = Watch()
    peer = peer_with(httpx.Response(status))
    with pytest.raises(EhrUnavailable):
        over(peer, watch).search("Observation", {})
    assert len(peer.asked) == 3
    assert watch.slept == pytest.approx([0.15, 0.3])  # 0.1 and 0.2 s, and half of each as jitter


def test_the_second_try_may_succeed() -> None:
    peer = peer_with(httpx.Response(503), good())
    assert over(peer).search("Observation", {}) == BUNDLE


def test_a_dropped_connection_is_tried_again() -> None:
    tries = []

    def flaky(request: httpx.Request) -> httpx.Response:
        tries.append(1)
        if len(tries) < 3:
            raise httpx.RemoteProtocolError("closed", request=request)
        return good()

    peer = Peer()
    peer[PATH] = flaky
    assert over(peer).search("Observation", {}) == BUNDLE


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_a_refusal_is_not_asked_again(status: int) -> None:
    peer = peer_with(httpx.Response(status))
    with pytest.raises(EhrError):
        over(peer).search("Observation", {})
    assert len(peer.asked) == 1


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"Retry-After": "3"}, 3.0),
        ({"Retry-After": "Mon, 23 Nov 2026 07:30:04 GMT"}, 4.0),
        ({"Retry-After": "Mon, 23 Nov 2026 07:30:04 -0000"}, 4.0),
        ({"RateLimit": '"requests";r=0;t=5'}, 5.0),
        ({"RateLimit": "limit=100, remaining=0, reset=6"}, 6.0),
        ({"Retry-After": "soon", "RateLimit": '"requests";r=0;t=7'}, 7.0),
    ],
)
def test_a_throttled_read_waits_as_long_as_the_server_says(
    headers: dict[str, str], wait: float
) -> None:  # CONFORMANCE 52
    watch = Watch()
    peer = peer_with(httpx.Response(429, headers=headers, json=outcome("throttled")), good())
    assert over(peer, watch).search("Observation", {}) == BUNDLE
    assert watch.slept == [wait]


def test_a_wait_beyond_the_budget_is_reported_and_not_waited() -> None:  # CONFORMANCE 52
    watch = Watch()
    peer = peer_with(
        httpx.Response(429, headers={"RateLimit": '"requests";r=0;t=51'}, json=outcome("throttled"))
    )
    with pytest.raises(Throttled) as refused:
        over(peer, watch, seconds=8.0).search("Observation", {})
    assert refused.value.retry_after == 51.0
    assert watch.slept == []
    assert len(peer.asked) == 1


def test_a_throttle_without_a_time_backs_off() -> None:  # CONFORMANCE 52
    watch = Watch()
    with pytest.raises(Throttled) as refused:
        over(peer_with(httpx.Response(429)), watch).search("Observation", {})
    assert refused.value.retry_after == 0.0
    assert watch.slept == pytest.approx([0.15, 0.3])


def test_a_date_that_has_passed_asks_for_no_wait() -> None:
    assert patience({"retry-after": "Mon, 23 Nov 2026 07:00:00 GMT"}, NOW) == 0.0
    assert patience({}, NOW) is None


# --- the budget


def test_a_spent_budget_sends_nothing_more() -> None:  # CONFORMANCE 53
    watch = Watch()
    peer = peer_with(good())
    http = over(peer, watch, seconds=2.0)
    http.search("Observation", {})
    watch.seconds += 2.5
    with pytest.raises(BudgetSpent):
        http.search("Observation", {})
    assert len(peer.asked) == 1


def test_the_timeouts_are_two_and_five_seconds_and_never_more_than_what_is_left() -> None:  # CONFORMANCE 53
    watch, wire = Watch(), Dialled(peer_with(good())._answer)
    http = FhirHttp(BASE, TOKEN, httpx.Client(transport=wire), Budget(10.0, watch))
    http.search("Observation", {})
    watch.seconds += 9.0
    http.search("Observation", {})
    first, second = wire.limits
    assert (first["connect"], first["read"]) == (2.0, 5.0)
    assert (second["connect"], second["read"]) == (1.0, 1.0)


def test_a_server_that_says_nothing_costs_no_more_than_the_budget() -> None:  # CONFORMANCE 53
    with listening(stall) as (url, _), httpx.Client(trust_env=False) as client:
        began = time.monotonic()
        with pytest.raises(EhrUnavailable):
            FhirHttp(f"{url}/fhir", TOKEN, client, Budget(0.4)).get("Patient/1")
        assert time.monotonic() - began < 1.5


def test_a_server_that_drips_costs_no_more_than_the_budget() -> None:  # CONFORMANCE 53
    with listening(drip) as (url, _), httpx.Client(trust_env=False) as client:
        began = time.monotonic()
        with pytest.raises(EhrUnavailable):
            FhirHttp(f"{url}/fhir", TOKEN, client, Budget(0.5)).get("Patient/1")
        assert time.monotonic() - began < 1.5


def test_a_port_nobody_listens_on_is_an_unavailable_hospital() -> None:
    with listening(stall) as (url, _):
        pass
    with httpx.Client(trust_env=False) as client, pytest.raises(EhrUnavailable, match="did not answer"):
        FhirHttp(f"{url}/fhir", None, client, Budget(5)).get("Patient/1")


def test_many_threads_share_one_reader() -> None:
    peer = Peer()
    peer[PATH] = lambda request: httpx.Response(200, json={**BUNDLE, "id": request.url.params["n"]})
    http, found = over(peer), {}

    def read(number: int) -> None:
        found[number] = http.search("Observation", {"n": str(number)})["id"]

    threads = [threading.Thread(target=read, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {n: str(n) for n in range(20)}


# --- writing


def written(status: int, **more: Any) -> Callable[[httpx.Request], httpx.Response]:
    return lambda _: httpx.Response(status, **more)


def test_a_create_is_conditional_and_tells_whether_it_was_there() -> None:  # CONFORMANCE 105
    peer = Peer()
    peer["/fhir/r4/RiskAssessment"] = sequence(
        httpx.Response(201, headers={"location": f"{BASE}/RiskAssessment/7/_history/2"}),
        httpx.Response(200, json={"resourceType": "RiskAssessment", "id": "7", "meta": {"versionId": "3"}}),
    )
    http = over(peer)
    condition = {"identifier": "urn:ordertime:assessment|a-1"}
    first = http.create({"resourceType": "RiskAssessment"}, if_none_exist=condition)
    second = http.create({"resourceType": "RiskAssessment"}, if_none_exist=condition)
    assert (first.id, first.version, first.existed) == ("7", "2", False)
    assert (second.id, second.version, second.existed) == ("7", "3", True)
    assert peer.asked[0].headers["if-none-exist"] == "identifier=urn%3Aordertime%3Aassessment%7Ca-1"
    assert peer.asked[0].headers["content-type"] == "application/fhir+json"


@pytest.mark.parametrize(
    ("status", "kind"), [(403, NotPermitted), (405, NotUnderstood), (412, Conflict), (503, EhrUnavailable)]
)
def test_a_write_is_never_repeated_by_itself(
    status: int, kind: type[EhrError]
) -> None:  # CONFORMANCE 51, 101
    peer = Peer()
    peer["/fhir/r4/RiskAssessment"] = httpx.Response(status, json=outcome("processing"))
    with pytest.raises(kind):
        over(peer).create({"resourceType": "RiskAssessment"})
    assert len(peer.asked) == 1


def test_an_update_names_the_version_it_was_read_at() -> None:  # CONFORMANCE 105
    peer = Peer()
    peer["/fhir/r4/RiskAssessment/7"] = sequence(
        httpx.Response(200, json={"resourceType": "RiskAssessment", "id": "7", "meta": {"versionId": "4"}}),
        httpx.Response(409),
    )
    http = over(peer)
    assert http.update({"resourceType": "RiskAssessment", "id": "7"}, version="3").version == "4"
    assert peer.asked[0].headers["if-match"] == 'W/"3"'
    with pytest.raises(Conflict):
        http.update({"resourceType": "RiskAssessment", "id": "7"}, version="3")
