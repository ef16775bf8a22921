"""A server on loopback, for hospitals whose answers a test writes: every request and every answer crosses a socket.

A client from `dialled` believes it calls https://ehr.example.org; the connection goes to loopback, in the clear
(`test_reach.py` has TLS). What the server's side raises comes back to the caller, an `httpx.HTTPError` as a connection
that is dropped without an answer.
"""

from __future__ import annotations

import atexit
import itertools
import ssl
import threading
from collections.abc import Callable, Iterator
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

Reply = Callable[[httpx.Request], httpx.Response]
WHOSE = "x-peer"  # which hospital a connection is for, and by which scheme it was called: all share one port
_replies: dict[str, Reply] = {}
_faults: dict[str, BaseException] = {}
_number = itertools.count()


class Dialled(httpx.HTTPTransport):
    """httpx's own transport, to loopback whatever host is called. `limits`: the timeouts of each request."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(verify=_trust())
        self.whose = str(next(_number))
        self.limits: list[dict[str, float]] = []
        _replies[self.whose] = reply

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.limits.append(request.extensions.get("timeout", {}))
        there = request.url.copy_with(scheme="http", host="127.0.0.1", port=_port())
        headers = [*request.headers.raw, (WHOSE.encode(), f"{self.whose} {request.url.scheme}".encode())]
        sent = httpx.Request(
            request.method, there, headers=headers, stream=request.stream, extensions=request.extensions
        )
        try:
            return super().handle_request(sent)
        finally:
            if fault := _faults.pop(self.whose, None):
                raise fault


def dialled(reply: Reply) -> httpx.Client:
    """A client whose every request arrives at `reply`."""
    return httpx.Client(transport=Dialled(reply))


class _Door(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet: else each answer waits for the other side to acknowledge

    def do_GET(self) -> None:
        self.close_connection = True
        (whose, scheme), host = self.headers[WHOSE].split(), self.headers["Host"]
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = [(name, value) for name, value in self.headers.items() if name.lower() != WHOSE]
        came = httpx.Request(self.command, f"{scheme}://{host}{self.path}", headers=headers, content=body)
        try:
            answer = _replies[whose](came)
        except httpx.HTTPError:
            return  # hung up without a word
        except BaseException as fault:  # a test's own assertion belongs to the test
            _faults[whose] = fault
            return
        self.send_response_only(answer.status_code)
        for name, value in answer.headers.multi_items():
            if name.lower() not in ("connection", "transfer-encoding"):
                self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()
        try:
            for piece in _pieces(answer):
                self.wfile.write(piece)
        except OSError:
            return  # the client has hung up, which some tests want

    do_POST = do_PUT = do_DELETE = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: a test's requests are no news."""


def _pieces(answer: httpx.Response) -> Iterator[bytes]:
    if isinstance(answer.stream, httpx.SyncByteStream):
        yield from answer.stream


@cache
def _trust() -> ssl.SSLContext:
    """Made once: reading the machine's certificates takes longer than a test."""
    return ssl.create_default_context()


@cache
def _port() -> int:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Door)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    atexit.register(server.server_close)
    return server.server_port
