"""The gallery in Chromium: the app answers by hand, so that no request leaves the machine and all its headers count."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient

from webapp import create_app
from webapp.settings import from_environment

HOUSE = "http://gallery.example"
PASSED = ("content-type", "content-security-policy")


def client(folder: Path) -> FlaskClient:
    """The app as a demonstration, with no site and a ledger of its own."""
    told = {
        "ORDERTIME_MODE": "demonstration",
        "DATABASE_URL": f"sqlite:///{folder / 'x.db'}",
        "ORDERTIME_SECRET_KEY": "kV9x0pQ2mN7bL4cZ8wR1tY6uJ3hG5fDs",
        "ORDERTIME_TENANTS": str(folder),
    }
    return create_app(from_environment(told)).test_client()


class Visitor:
    """Somebody with a browser who walks through the gallery."""

    def __init__(self, browser: Any, app: FlaskClient) -> None:
        self.browser, self.app = browser, app
        self.complaints: list[str] = []

    @contextmanager
    def before(self, plate: str, width: int, **more: Any) -> Iterator[Any]:
        """A plate ("result/assessed") in a window of that width; its policy is obeyed unless `bypass_csp`."""
        context = self.browser.new_context(viewport={"width": width, "height": 900}, **more)
        shown = context.new_page()
        shown.on("console", lambda line: self.complaints.append(line.text) if line.type == "error" else None)
        shown.route("**/*", self._serve)
        try:
            shown.goto(f"{HOUSE}/gallery/{plate}" if plate else f"{HOUSE}/gallery")
            yield shown
        finally:
            context.close()

    def _serve(self, route: Any) -> None:
        path = route.request.url.removeprefix(HOUSE).split("#")[0]
        if route.request.method != "GET" or path == "/favicon.ico":
            route.fulfill(status=204)
            return
        with self.app.get(path) as answer:
            headers = {name: value for name, value in answer.headers.items() if name.lower() in PASSED}
            route.fulfill(status=answer.status_code, body=answer.get_data(), headers=headers)
