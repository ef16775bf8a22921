"""Alarms go to the configured webhook and nowhere else, over real HTTP on loopback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import httpx
import pytest

from webapp.webhook import Webhook, WebhookRefused

NOTICE = {"id": "a-1", "chart": "input", "subject": "lactate", "cause": "codes-changed"}


class Hook(BaseHTTPRequestHandler):
    """A webhook that keeps what it hears and answers as it is told: /take, /fail, /elsewhere."""

    heard: list[tuple[str, Any, str]]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        type(self).heard.append((self.path, body, self.headers["Idempotency-Key"]))
        self.send_response({"/take": 204, "/fail": 500, "/elsewhere": 307}[self.path])
        self.send_header("Location", "/take")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def base() -> Iterator[str]:
    Hook.heard = []
    server = HTTPServer(("127.0.0.1", 0), Hook)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False) as opened:
        yield opened


def test_an_alarm_is_posted_as_json_under_its_id(base: str, client: httpx.Client) -> None:
    assert Webhook(client, f"{base}/take")(NOTICE)
    assert Hook.heard == [("/take", NOTICE, "a-1")]


def test_a_hook_that_fails_or_sends_us_elsewhere_has_not_taken_it(base: str, client: httpx.Client) -> None:
    assert not Webhook(client, f"{base}/fail")(NOTICE)
    assert not Webhook(client, f"{base}/elsewhere")(NOTICE)
    assert [path for path, _, _ in Hook.heard] == ["/fail", "/elsewhere"]  # no redirect was followed


def test_a_hook_that_is_not_there_has_not_taken_it(client: httpx.Client) -> None:
    assert not Webhook(client, "http://127.0.0.1:9/take")(NOTICE)


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("http://hooks.example.org/a", "not https"),
        ("file:///etc/passwd", "no host"),
        ("ftp://hooks.example.org/", "not https"),
        ("https://user:secret@hooks.example.org/", "a user or a password"),
        ("https://hooks.example.org:x/", "cannot be read"),
        ("http://169.254.169.254/latest", "not https"),
        ("", "no host"),
    ],
)
def test_an_address_alarms_must_not_go_to_is_refused(address: str, why: str, client: httpx.Client) -> None:
    with pytest.raises(WebhookRefused, match=why) as refused:
        Webhook(client, address)
    assert "secret" not in str(refused.value)
