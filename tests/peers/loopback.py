"""Peers on loopback that answer as others' servers are documented to, and an app that has their tenant file alone.

Charts come from the stand-in hospital's patients. The app is told nothing but the template in tenants/templates, its
placeholders filled in and https hosts exchanged for loopback addresses.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from flask.testing import FlaskClient

from tests.webapp.house import APP, SECRET, House
from webapp import create_app
from webapp.rooms import Rooms
from webapp.settings import from_environment

ROOT = Path(__file__).resolve().parents[2]
BLANK = re.compile(r"<([A-Z][A-Z ]+)>")


@dataclass(frozen=True)
class Asked:
    """One request as it came: `told` are the parameters of query and form together."""

    method: str
    path: str
    told: Mapping[str, str]
    headers: Mapping[str, str]


@dataclass
class Peer:
    """A server whose answers a test writes: (status, body), or (status, body, headers)."""

    answer: Callable[[Asked], tuple[Any, ...]] = lambda _: (404, {})
    url: str = ""
    asked: list[Asked] = field(default_factory=list)

    def paths(self) -> list[str]:
        return [each.path for each in self.asked]


@contextmanager
def listening(peer: Peer) -> Iterator[Peer]:
    """The peer, on a port of its own until the end of the block."""

    class Door(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts, sent = urlsplit(self.path), self.rfile.read(int(self.headers.get("Content-Length") or 0))
            form = parse_qsl(sent.decode()) if "json" not in self.headers.get("Content-Type", "") else []
            asked = Asked(self.command, parts.path, dict([*parse_qsl(parts.query), *form]), dict(self.headers))
            peer.asked.append(asked)
            status, body, *more = peer.answer(asked)
            text = json.dumps(body).encode()
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **(more[0] if more else {})}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_POST = do_GET

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: a test's requests are no news."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    peer.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield peer
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def template(name: str, hosts: Mapping[str, str], **filled: str) -> str:
    """The vendor's template with its placeholders filled in and `hosts` exchanged."""
    text = (ROOT / "tenants" / "templates" / f"{name}.toml.txt").read_text(encoding="utf-8")
    text = BLANK.sub(lambda found: filled.get(found[1].replace(" ", "_").lower(), "x1"), text)
    for host, instead in hosts.items():
        text = text.replace(host, instead)
    return text


@contextmanager
def app(folder: Path, tenant: str, house: House) -> Iterator[tuple[FlaskClient, Rooms]]:
    """A browser at an app that knows this tenant alone, with the house's models."""
    (folder / "tenants").mkdir()
    (folder / "tenants" / "peer.toml").write_text(tenant, encoding="utf-8")
    (folder / "tenants" / "peer.secret").write_text("a-secret-of-the-site")
    settings = from_environment(
        {
            "ORDERTIME_MODE": "demonstration",
            "ORDERTIME_PUBLIC_URL": APP,
            "ORDERTIME_SECRET_KEY": SECRET,
            "ORDERTIME_TENANTS": str(folder / "tenants"),
            "ORDERTIME_HOOK_DEADLINE": "20",
            "ORDERTIME_READ_BUDGET": "30",
            "DATABASE_URL": f"sqlite:///{folder / 'ledger.db'}",
        }
    )
    rooms = Rooms(settings, models=house.rooms.models, clock=house.clock)
    try:
        yield create_app(settings, rooms).test_client(), rooms
    finally:
        rooms.http.close()


def chart(house: House, patient: str) -> list[dict[str, Any]]:
    """Every resource of one of the stand-in hospital's patients that a chart is made of."""
    kinds = ("Encounter", "Observation", "Condition", "Procedure", "DeviceUseStatement")
    rows = [row for kind in kinds for row in house.hospital.search(kind, {"patient": patient})]
    return [house.hospital.read("Patient", patient), *rows]


def packed(told: Any) -> str:
    """JSON in base64url without padding, as SMART's launcher writes its options."""
    return base64.urlsafe_b64encode(json.dumps(told, separators=(",", ":")).encode()).rstrip(b"=").decode()
