"""The app under gunicorn, against slow and oversized requests: a few bad clients do not stop it for the others."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.conftest import free_port
from webapp.settings import ROOT

CONFIG = """
from webapp import serving
serving.ARRIVAL = 1.5
exec(open({path!r}).read())
workers, threads = 1, 4
"""


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder, port = tmp_path_factory.mktemp("serving"), free_port()
    config = folder / "gunicorn.conf.py"
    config.write_text(CONFIG.format(path=str(ROOT / "gunicorn.conf.py")))
    told = {k: v for k, v in os.environ.items() if k != "PROMETHEUS_MULTIPROC_DIR"}
    told |= {"DATABASE_URL": f"sqlite:///{folder / 'x.db'}", "ORDERTIME_TENANTS": str(folder)}
    command = [sys.executable, "-m", "gunicorn", "-c", str(config), "--bind", f"127.0.0.1:{port}", "wsgi:app"]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [*command, "--no-control-socket"], cwd=ROOT, env=told, stdout=log, stderr=log
        )
    try:
        for _ in range(300):
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=2).status_code == 200:
                    break
            assert server.poll() is None, Path(folder, "log").read_text()
            time.sleep(0.1)
        yield port
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)


def talk(port: int, sent: bytes) -> socket.socket:
    peer = socket.create_connection(("127.0.0.1", port), timeout=10)
    peer.sendall(sent)
    return peer


@pytest.mark.parametrize(
    "begun",
    [
        b"G",
        b"GET /about HTTP/1.1\r\nHost: x\r\nX-Slow: ",
        b"POST /close HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n"
        b"Content-Type: application/x-www-form-urlencoded\r\n\r\nvis",
        b"POST /callback HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
        b"Content-Type: application/x-www-form-urlencoded\r\n\r\n5\r\nab",
    ],
    ids=["line", "header", "body", "chunk"],
)
def test_requests_that_never_arrive_give_their_threads_back(port: int, begun: bytes) -> None:
    slow = [talk(port, begun) for _ in range(12)]  # three times the threads there are
    time.sleep(0.3)
    try:
        began = time.monotonic()
        answer = httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=30)
        assert answer.status_code == 200
        assert time.monotonic() - began < 12
    finally:
        for peer in slow:
            peer.close()


@pytest.mark.parametrize(
    ("request_", "statuses"),
    [
        (b"GET /about HTTP/1.1\r\nHost: x\r\nX-Big: " + b"a" * 25_000 + b"\r\n\r\n", {400, 431}),
        (
            b"GET /about HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: a\r\n" % n for n in range(80)) + b"\r\n",
            {400, 431},
        ),
        (b"GET /about?" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", {400, 414}),
        (b"GET /about HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", {400}),
        (
            b"POST /close HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            {400},
        ),
        (b"POST /close HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n", {400}),
        (b"GET /about HTTP/1.1\r\nHost: x\r\nX: a\r\n b: c\r\n\r\n", {400}),
    ],
    ids=["long header", "many headers", "long line", "two hosts", "smuggling", "negative", "folded"],
)
def test_requests_that_are_oversized_or_ambiguous_are_refused(
    port: int, request_: bytes, statuses: set[int]
) -> None:
    with talk(port, request_) as peer:
        status = peer.recv(4096).split(b" ")[1]
    assert int(status) in statuses
    assert httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=10).status_code == 200


@pytest.mark.parametrize(
    "header", ["PATH_INFO: /about", "SCRIPT_NAME: /healthz", "Path-Info: /about", "X-Original-URL: /about",
               "X-Rewrite-URL: /about", "X-Forwarded-Prefix: /about", "X-HTTP-Method-Override: POST"],
)  # fmt: skip
def test_no_header_says_which_page_is_asked_for(port: int, header: str) -> None:
    """The peer here is 127.0.0.1, as a proxy on the same machine would be: what it lets through is believed."""
    plain, bent = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n", header.encode() + b"\r\n"
    answers = []
    for sent in (plain + b"\r\n", plain + bent + b"\r\n"):
        with talk(port, sent) as peer:
            answers.append(b"".join(iter(lambda: peer.recv(65536), b"")).partition(b"\r\n\r\n")[2])
    assert answers[0] == answers[1]
    assert b"ok" in answers[0]


def test_a_token_as_long_as_we_read_fits_into_a_header(port: int) -> None:
    answer = httpx.post(
        f"http://127.0.0.1:{port}/cds-services/ventilation-need",
        headers={"Authorization": "Bearer " + "a" * 16_000},
        timeout=10,
    )
    assert answer.status_code == 401
    assert answer.json()["issue"][0]["diagnostics"].startswith("token: is not a signed JWT")
