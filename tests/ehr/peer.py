"""The other side of the wire, for the tests of transport, launches and trust: a hospital that records what
it is asked, a clock that moves when told to, and tokens signed as somebody else would sign them.
"""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from joserfc import jws, jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

from tests.ehr.wire import Reply, dialled

NOW = datetime(2026, 11, 23, 7, 30, tzinfo=UTC)
BASE = "https://ehr.example.org/fhir/r4"


@dataclass
class Watch:
    """A monotonic clock; `sleep` moves it and remembers how long."""

    seconds: float = 1000.0
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds


class Peer:
    """A server on loopback: `replies` by path, `asked` in order."""

    def __init__(self, **replies: httpx.Response | Reply) -> None:
        self.replies: dict[str, httpx.Response | Reply] = dict(replies)
        self.asked: list[httpx.Request] = []

    def __setitem__(self, path: str, reply: httpx.Response | Reply) -> None:
        self.replies[path] = reply

    def client(self) -> httpx.Client:
        """A client that reaches this peer, whatever the host."""
        return dialled(self._answer)

    def form(self, number: int = -1) -> dict[str, str]:
        """The form of a request that was asked."""
        return dict(httpx.QueryParams(self.asked[number].content.decode()))

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        reply = self.replies.get(request.url.path, httpx.Response(404))
        return reply(request) if callable(reply) else reply


def sequence(*replies: httpx.Response) -> Reply:
    """One reply after the other; the last one stays."""
    left = list(replies)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


def outcome(code: str, words: str = "") -> dict[str, Any]:
    """An OperationOutcome."""
    return {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": "error", "code": code, "diagnostics": words}],
    }


ES = ECKey.generate_key("P-384", {"use": "sig", "alg": "ES384", "kid": "es-1"})
RS = RSAKey.generate_key(2048, {"use": "sig", "kid": "rs-1"})
OTHER = ECKey.generate_key("P-384", {"use": "sig", "kid": "es-1"})  # the same name, another key


def jwks(*keys: ECKey | RSAKey) -> httpx.Response:
    """A key set as a server publishes it."""
    return httpx.Response(200, json=dict(KeySet([*keys]).as_dict(private=False)))


def seconds(moment: datetime) -> int:
    """NumericDate."""
    return int(moment.timestamp())


def signed(claims: dict[str, Any], key: ECKey | RSAKey = ES, alg: str = "ES384", **header: Any) -> str:
    """A JWT; a header given as None is left out."""
    full = {"alg": alg, "kid": key.kid, "typ": "JWT", **header}
    kept = {name: value for name, value in full.items() if value is not None}
    return jwt.encode(
        kept, claims, key, algorithms=[alg], registry=_Lenient(algorithms=[alg], strict_check_header=False)
    )


class _Lenient(jws.JWSRegistry):
    max_header_length = 100_000


def unsigned(header: dict[str, Any], claims: dict[str, Any], signature: bytes = b"") -> str:
    """A JWT put together by hand."""
    parts = [json.dumps(header).encode(), json.dumps(claims).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def later(**passed: float) -> datetime:
    """NOW and some."""
    return NOW + timedelta(**passed)


@contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[tuple[str, list[bytes]]]:
    """A real server on loopback: its address, and what arrived. `serve` answers one connection."""
    arrived: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        done = threading.Event()

        def run() -> None:
            while not done.is_set():
                try:
                    peer, _ = server.accept()
                except TimeoutError:
                    continue
                with peer:
                    peer.settimeout(2)
                    arrived.append(peer.recv(65536))
                    with contextlib.suppress(OSError):  # the client has hung up, which some tests want
                        serve(peer)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}", arrived
        finally:
            done.set()
            thread.join(5)


def stall(peer: socket.socket) -> None:
    """Say nothing until the client gives up."""
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline:
        if not peer.recv(1):
            return


def drip(peer: socket.socket) -> None:
    """Answer one byte at a time, each within the read timeout, for ever."""
    peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/fhir+json\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(200):
        peer.sendall(b" ")
        time.sleep(0.05)
