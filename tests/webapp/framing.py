"""The app inside a page of the hospital, in Chromium: real HTTP, another site, what the browser allows varied."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from werkzeug.serving import make_server

from tests.conftest import CHROMIUM_FLAGS
from tests.demo.standing_hospital import Quiet
from tests.webapp.house import APP, House

SANDBOX = (
    "allow-forms allow-popups allow-popups-to-escape-sandbox allow-same-origin allow-scripts allow-downloads"
)


class Deaf:
    """The app, as a browser sees it that takes no cookie: `Set-Cookie` never arrives."""

    def __init__(self, app: Any) -> None:
        self.app, self.off = app, False

    def __call__(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        def begin(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            kept = [each for each in headers if not self.off or each[0].lower() != "set-cookie"]
            return start(status, kept, *more)

        answer: Iterable[bytes] = self.app(environ, begin)
        return answer


@dataclass
class Street:
    """House and browser."""

    house: House
    browser: Any
    deaf: Deaf
    flags: list[str]
    complaints: list[str] = field(default_factory=list)

    def page(self, context: Any, body: str, origin: str = "") -> Any:
        """A page of `origin` (the hospital's) with that body."""
        shown = context.new_page()
        shown.on("console", lambda line: self.complaints.append(line.text) if line.type == "error" else None)
        address = f"{origin or self.house.hospital.settings.url}/a-page-of-the-ehr"
        html = f"<!doctype html><title>EHR</title><body>{body}"
        shown.route(address, lambda route: route.fulfill(body=html, content_type="text/html"))
        shown.goto(address)
        return shown

    def framed(self, context: Any, patient: str, *, sandbox: str | None = None, origin: str = "") -> Any:
        """The page with the app launched in a frame."""
        stay = next(iter(self.house.hospital.search("Encounter", {"patient": patient})), {"id": ""})
        launch = self.house.hospital.launches.mint(
            patient=patient, encounter=stay["id"], user="Practitioner/okafor", app_context=None
        )
        address = f"{APP}/launch?iss={self.house.hospital.settings.fhir}&launch={launch}"
        bars = "" if sandbox is None else f' sandbox="{sandbox}"'
        frame = f'<iframe name="app" width="900" height="800"{bars} src="{address}"></iframe>'
        return self.page(context, frame, origin)


@contextmanager
def street(house: House, playwright: Any, chromium: str, *more: str) -> Iterator[Street]:
    """The app on a port of its own, which this browser finds under the app's public address."""
    deaf = Deaf(house.app)
    server = make_server("127.0.0.1", 0, deaf, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    # The hospital may be framed from other sites under test; every name leads to this machine.
    rules = f"MAP 127.0.0.1:8000 127.0.0.1:{server.port}"
    # A page that is made up by the test has no network of its own, so it counts as a public one.
    local = "--disable-features=LocalNetworkAccessChecks"
    flags = [*CHROMIUM_FLAGS, f"--host-resolver-rules={rules}", local, *more]
    browser = playwright.launch(executable_path=chromium, args=flags)
    try:
        yield Street(house, browser, deaf, flags)
    finally:
        browser.close()
        server.shutdown()
        thread.join()
        server.server_close()


def inner(page: Any) -> Any:
    """The app's frame."""
    return next(each for each in page.frames if each.name == "app")
