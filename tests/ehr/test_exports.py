"""Bulk export as a server may speak it: answers of every kind, and files that break off or lead away."""

from __future__ import annotations

import gzip
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from ehr.downloads import TRIES, Downloads
from ehr.errors import (
    AnswerTooLarge,
    BudgetSpent,
    EhrError,
    EhrUnavailable,
    ExportFailed,
    ForeignAddress,
    MalformedAnswer,
    MalformedRequest,
    NotFound,
    NotPermitted,
    NotUnderstood,
    Throttled,
    Unauthorised,
)
from ehr.exports import MOST_FILES, Manifest, Output, Pending, ask_after, delete, kick_off
from ehr.transport import Budget, FhirHttp
from tests.ehr.peer import BASE, NOW, Peer, Watch, listening, outcome, sequence

ROOT = "/fhir/r4"
STATUS = f"{BASE}/jobs/1"
SAID = {
    "transactionTime": "2026-11-23T07:29:00.5Z",
    "requiresAccessToken": True,
    "output": [{"type": "Patient", "url": f"{BASE}/files/1", "count": 2}, {"type": "Claim", "url": f"{BASE}/files/2"}],
    "error": [{"type": "OperationOutcome", "url": f"{BASE}/files/3"}],
}


def http(peer: Peer, quirks: frozenset[str] = frozenset(), budget: Budget | None = None) -> FhirHttp:
    return FhirHttp(BASE, "tok", peer.client(), budget or Budget(60, Watch()), clock=lambda: NOW, quirks=quirks)


def begun(peer: Peer, group: str = "icu") -> str:
    return kick_off(http(peer), group, {"Patient", "Observation"}, since=NOW, now=NOW)


def after(reply: httpx.Response, *listed: str) -> Manifest | Pending:
    return ask_after(http(Peer(**{f"{ROOT}/jobs/1": reply})), STATUS, listed, now=NOW)


# --- kick-off


def test_an_export_is_asked_for_asynchronously_and_of_the_types_that_are_read() -> None:
    peer = Peer(**{f"{ROOT}/Group/icu/$export": httpx.Response(202, headers={"Content-Location": STATUS})})
    assert begun(peer) == STATUS
    (sent,) = peer.asked
    assert sent.headers["Prefer"].startswith("respond-async")
    assert sent.headers["Accept"] == "application/fhir+json"
    assert sent.headers["Authorization"] == "Bearer tok"
    assert sent.url.params["_type"] == "Observation,Patient"
    assert sent.url.params["_outputFormat"] == "application/fhir+ndjson"
    assert sent.url.params["_typeFilter"] == "Observation?date=ge2026-11-23T07:30:00+00:00"


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (httpx.Response(202), ExportFailed),
        (httpx.Response(200, json={}), ExportFailed),
        (httpx.Response(202, headers={"Content-Location": "https://else.example.org/jobs/1"}), ForeignAddress),
        (httpx.Response(202, headers={"Content-Location": "https://ehr.example.org/jobs/1"}), ForeignAddress),
        (httpx.Response(401), Unauthorised),
        (httpx.Response(403), NotPermitted),
        (httpx.Response(404), NotFound),
        (httpx.Response(400), NotUnderstood),
        (httpx.Response(429, headers={"Retry-After": "9"}), Throttled),
        (httpx.Response(500), EhrUnavailable),
    ],
)
def test_what_is_no_beginning_is_named(reply: httpx.Response, error: type[EhrError]) -> None:
    with pytest.raises(error):
        begun(Peer(**{f"{ROOT}/Group/icu/$export": reply}))


def test_a_job_beside_the_base_is_asked_after_where_the_site_says_that_links_lead_there() -> None:
    beside = {"Content-Location": "https://ehr.example.org/BulkRequest/1"}
    peer = Peer(**{f"{ROOT}/Group/icu/$export": httpx.Response(202, headers=beside)})
    site = http(peer, frozenset({"links-outside-base"}))
    assert kick_off(site, "icu", {"Patient"}, since=NOW, now=NOW) == beside["Content-Location"]


@pytest.mark.parametrize("odd", ["", "..", "a/b", "a?b"])
def test_what_is_no_group_is_not_asked_for(odd: str) -> None:
    peer = Peer()
    with pytest.raises(MalformedRequest):
        begun(peer, odd)
    assert not peer.asked


# --- asking after it


def test_an_export_under_way_is_asked_after_when_the_hospital_says() -> None:
    assert after(httpx.Response(202, headers={"Retry-After": "30", "X-Progress": "half"})) == Pending(30.0)
    date = "Mon, 23 Nov 2026 07:31:00 GMT"
    assert after(httpx.Response(202, headers={"Retry-After": date})) == Pending(60.0)
    assert after(httpx.Response(202)) == Pending(None)


def test_a_finished_export_says_what_it_has_and_of_when() -> None:
    found = after(httpx.Response(200, json=SAID))
    assert isinstance(found, Manifest)
    assert found.as_of.isoformat() == "2026-11-23T07:29:00.500000+00:00"
    assert found.outputs == (Output("Patient", f"{BASE}/files/1", 2),)
    assert (len(found.errors), found.skipped, found.needs_token) == (1, 1, True)


def test_what_does_not_say_that_no_token_is_needed_needs_one() -> None:
    found = after(httpx.Response(200, json={**SAID, "requiresAccessToken": "false"}))
    assert isinstance(found, Manifest)
    assert found.needs_token


@pytest.mark.parametrize(
    "bent",
    [
        {"transactionTime": None},
        {"transactionTime": "yesterday"},
        {"transactionTime": "2026-11-23T07:29:00"},
        {"output": None},
        {"output": [{"type": "Patient"}]},
        {"output": [{"url": f"{BASE}/files/1"}]},
        {"output": ["file"]},
        {"error": {}},
        {"output": [{"type": "Patient", "url": f"{BASE}/files/{n}"} for n in range(MOST_FILES + 1)]},
    ],
)
def test_a_manifest_that_says_too_little_is_refused(bent: dict[str, Any]) -> None:
    with pytest.raises(ExportFailed):
        after(httpx.Response(200, json={**SAID, **bent}))


def test_what_is_no_manifest_is_refused() -> None:
    with pytest.raises(ExportFailed):
        after(httpx.Response(200, text="<html>done</html>"))


@pytest.mark.parametrize("key", ["output", "error"])
@pytest.mark.parametrize(
    "place",
    [
        "https://files.example.org/1",
        "http://ehr.example.org/fhir/r4/files/1",
        "https://ehr.example.org:8443/fhir/r4/files/1",
        "https://ehr.example.org.evil.example/fhir/r4/files/1",
        "https://tok@ehr.example.org/fhir/r4/files/1",
        "https://ehr.example.org/other/files/1",
        "file:///etc/passwd",
    ],
)
def test_a_file_that_needs_a_token_is_on_the_hospitals_own_server(key: str, place: str) -> None:
    rows = [{"type": "Patient", "url": place}]
    with pytest.raises(ForeignAddress):
        after(httpx.Response(200, json={**SAID, key: rows}), "https://files.example.org")


def test_a_file_that_needs_no_token_may_be_on_a_server_that_the_site_lists() -> None:
    told = {**SAID, "requiresAccessToken": False, "output": [{"type": "Patient", "url": "https://files.example.org/1"}]}
    assert isinstance(after(httpx.Response(200, json=told), "https://files.example.org"), Manifest)
    for listed in ("http://files.example.org", "https://files.example.org:444", "https://example.org"):
        with pytest.raises(ForeignAddress):
            after(httpx.Response(200, json=told), listed)


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (httpx.Response(500, json=outcome("exception")), ExportFailed),
        (httpx.Response(500), ExportFailed),
        (httpx.Response(400, json=outcome("invalid")), ExportFailed),
        (httpx.Response(403), ExportFailed),
        (httpx.Response(503, json=outcome("exception")), ExportFailed),
        (httpx.Response(500, json=outcome("transient")), EhrUnavailable),
        (httpx.Response(502, text="<html>"), EhrUnavailable),
        (httpx.Response(503, headers={"Retry-After": "7"}), Throttled),
        (httpx.Response(429), Throttled),
        (httpx.Response(401), Unauthorised),
        (httpx.Response(404), NotFound),
        (httpx.Response(410), NotFound),
    ],
)
def test_lasting_and_passing_trouble_are_told_apart(reply: httpx.Response, error: type[EhrError]) -> None:
    with pytest.raises(error) as caught:
        after(reply)
    assert type(caught.value) is error


@pytest.mark.parametrize(("status", "agreed"), [(202, True), (204, True), (404, True), (405, False), (500, False)])
def test_an_export_is_deleted_and_a_refusal_is_known(status: int, agreed: bool) -> None:
    peer = Peer(**{f"{ROOT}/jobs/1": httpx.Response(status)})
    assert delete(http(peer), STATUS) is agreed
    assert peer.asked[0].method == "DELETE"


# --- the files


def fetched(
    peer: Peer | httpx.Client, folder: Path, *, token: bool = True, url: str = f"{BASE}/files/1", **how: Any
) -> tuple[bytes, list[float], list[bool]]:
    """A file's bytes, what was waited for, and whether each token was a new one."""
    watch, renewed = Watch(), list[bool]()
    client = peer.client() if isinstance(peer, Peer) else peer
    listed = how.pop("listed", ())
    base = how.pop("base", BASE)

    def site(anew: bool) -> FhirHttp:
        renewed.append(anew)
        return FhirHttp(base, "new" if True in renewed else "tok", client, Budget(60, watch), clock=lambda: NOW)

    path = folder / "rows.ndjson"
    Downloads(client, site, token, listed, Budget(600, watch), watch.sleep, **how).fetch(url, path)
    return path.read_bytes(), watch.slept, renewed


def files(reply: Callable[[httpx.Request], httpx.Response] | httpx.Response) -> Peer:
    return Peer(**{f"{ROOT}/files/1": reply})


def test_a_file_is_fetched_with_the_token_where_one_is_needed_and_without_where_none_is(tmp_path: Path) -> None:
    peer = files(httpx.Response(200, content=b"{}\n"))
    assert fetched(peer, tmp_path)[0] == b"{}\n"
    assert fetched(peer, tmp_path, token=False)[0] == b"{}\n"
    assert [one.headers.get("Authorization") for one in peer.asked] == ["Bearer tok", None]
    assert peer.asked[0].headers["Accept"] == "application/fhir+ndjson"


def test_a_packed_file_is_unpacked_within_the_limit(tmp_path: Path) -> None:
    body = b'{"a": 1}\n' * 1000
    packed = httpx.Response(200, content=gzip.compress(body), headers={"Content-Encoding": "gzip"})
    assert fetched(files(packed), tmp_path, largest=len(body))[0] == body
    with pytest.raises(AnswerTooLarge):
        fetched(files(packed), tmp_path, largest=len(body) - 1)


def test_all_files_together_have_one_limit(tmp_path: Path) -> None:
    peer, watch = files(httpx.Response(200, content=b"12345678")), Watch()
    site = http(peer)
    downloads = Downloads(peer.client(), lambda _: site, True, (), Budget(60, watch), watch.sleep, 15)
    downloads.fetch(f"{BASE}/files/1", tmp_path / "a")
    with pytest.raises(AnswerTooLarge):
        downloads.fetch(f"{BASE}/files/1", tmp_path / "b")


def test_a_redirect_within_the_server_is_followed_and_one_away_is_not_asked(tmp_path: Path) -> None:
    peer = files(httpx.Response(307, headers={"Location": f"{BASE}/files/9"}))
    peer[f"{ROOT}/files/9"] = httpx.Response(200, content=b"{}")
    assert fetched(peer, tmp_path)[0] == b"{}"
    away = files(httpx.Response(307, headers={"Location": "https://files.example.org/9"}))
    with pytest.raises(ForeignAddress):
        fetched(away, tmp_path, listed=("https://files.example.org",))
    assert len(away.asked) == 1
    round_and_round = files(httpx.Response(302, headers={"Location": f"{BASE}/files/1"}))
    with pytest.raises(MalformedAnswer):
        fetched(round_and_round, tmp_path)


def test_a_token_that_ended_meanwhile_is_renewed_once(tmp_path: Path) -> None:
    peer = files(sequence(httpx.Response(401), httpx.Response(200, content=b"{}")))
    assert fetched(peer, tmp_path)[0] == b"{}"
    assert [one.headers["Authorization"] for one in peer.asked] == ["Bearer tok", "Bearer new"]
    with pytest.raises(Unauthorised):
        fetched(files(httpx.Response(401)), tmp_path)


def test_a_busy_server_of_files_is_given_its_time_and_a_lasting_fault_ends_it(tmp_path: Path) -> None:
    busy = httpx.Response(503, headers={"Retry-After": "20"})
    assert fetched(files(sequence(busy, httpx.Response(200, content=b"{}"))), tmp_path)[1] == [20.0]
    peer = files(httpx.Response(500))
    with pytest.raises(EhrUnavailable):
        fetched(peer, tmp_path)
    assert len(peer.asked) == TRIES
    with pytest.raises(Throttled):  # longer than the job has
        fetched(files(httpx.Response(429, headers={"Retry-After": "9000"})), tmp_path)
    with pytest.raises(NotFound):
        fetched(files(httpx.Response(404)), tmp_path)


BODY = b"".join(b'{"row": %d}\n' % n for n in range(2000))


def breaking(*, tag: str = 'ETag: "v1"\r\n', answer: str = "rest") -> Callable[[socket.socket], None]:
    """A server that breaks off packed, then plainly, then sends the rest, or what `answer` says."""
    seen: list[int] = []

    def serve(peer: socket.socket) -> None:
        seen.append(1)
        half = len(BODY) // 2
        if len(seen) == 1:
            sent = gzip.compress(BODY)
            head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(sent)}\r\n{tag}\r\n"
            peer.sendall(head.encode() + sent[: len(sent) // 2])
        elif len(seen) == 2:
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(BODY)}\r\n{tag}\r\n"
            peer.sendall(head.encode() + BODY[:half])
        elif answer == "rest":
            ends = f"Content-Range: bytes {half}-{len(BODY) - 1}/{len(BODY)}\r\nContent-Length: {len(BODY) - half}\r\n"
            peer.sendall(f"HTTP/1.1 206 Partial Content\r\n{ends}\r\n".encode() + BODY[half:])
        elif answer == "another part" and len(seen) == 3:
            peer.sendall(f"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-9/{len(BODY)}\r\n\r\n".encode())
        else:
            peer.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {len(BODY)}\r\n\r\n".encode() + BODY)

    return serve


@pytest.mark.parametrize(
    ("tag", "answer", "ranged"),
    [
        ('ETag: "v1"\r\n', "rest", True),
        ('ETag: "v1"\r\n', "all", True),
        ('ETag: "v1"\r\n', "another part", True),
        ('ETag: W/"v1"\r\n', "all", False),
        ("", "all", False),
    ],
)
def test_a_transfer_that_breaks_off_is_gone_on_with_if_it_is_the_very_same_file(
    tmp_path: Path, tag: str, answer: str, ranged: bool
) -> None:
    with listening(breaking(tag=tag, answer=answer)) as (base, arrived), httpx.Client() as client:
        found, _, _ = fetched(client, tmp_path, url=f"{base}/files/1", base=base)
    assert found == BODY
    third = arrived[2].decode().lower()
    assert (f"range: bytes={len(BODY) // 2}-" in third and 'if-range: "v1"' in third) is ranged


def test_a_file_has_no_longer_than_the_job(tmp_path: Path) -> None:
    watch = Watch()
    peer = files(httpx.Response(200, content=b"{}"))
    budget = Budget(10, watch)
    watch.sleep(11)
    with pytest.raises(BudgetSpent):
        Downloads(peer.client(), lambda _: http(peer), True, (), budget, watch.sleep).fetch(
            f"{BASE}/files/1", tmp_path / "rows"
        )
    assert not peer.asked
