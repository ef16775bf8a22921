"""The app on a socket: what a CDS client sends and is answered crosses HTTP, headers and all."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from werkzeug.serving import make_server

from tests.demo.standing_hospital import Quiet
from tests.webapp.card_lint import lint
from tests.webapp.house import House
from tests.webapp.test_doors import empty_attributes


class Caller:
    """A hospital's CDS client, on a line to the app."""

    def __init__(self, house: House, line: httpx.Client) -> None:
        self.house, self.line = house, line

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.line.get(path, headers=headers)

    def options(self, path: str, **headers: str) -> httpx.Response:
        return self.line.options(path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    def post(self, path: str, body: Any, *, token: str | None = None, **headers: str) -> httpx.Response:
        """A call with a token of its own; with `token=""`, with none."""
        bearer = self.house.token(path) if token is None else token
        proof = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        told = {"Content-Type": "application/json", **proof, **headers}
        return self.line.post(path, content=json.dumps(body).encode(), headers=told)


@contextmanager
def wired(house: House) -> Iterator[Caller]:
    """The house's app on a loopback port."""
    server = make_server("127.0.0.1", 0, house.app, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", trust_env=False, timeout=60) as line:
            yield Caller(house, line)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def cards(answer: httpx.Response) -> list[dict[str, Any]]:
    """The cards of an answer that holds nothing the specification forbids."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert empty_attributes(answer.json()) == []
    found = answer.json()["cards"]
    assert [fault for card in found for fault in lint(card)] == []
    return list(found)


def refused(answer: httpx.Response, status: int, *words: str) -> None:
    """An OperationOutcome of that status, whose diagnostics hold these words."""
    assert answer.status_code == status, answer.text
    assert answer.json()["resourceType"] == "OperationOutcome"
    assert empty_attributes(answer.json()) == []
    assert "cards" not in answer.json()
    for word in words:
        assert word in answer.json()["issue"][0]["diagnostics"]
