"""What several rooms' tests share: the running demonstration, a browser, a place for pictures.

A missing browser leaves the browser tests out and says so; in CI (`CI=true`) it is a failure.
"""

from __future__ import annotations

import os
import shutil
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).resolve().parent.parent
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass(frozen=True)
class Demonstration:
    """Hospital and app, answering on loopback."""

    hospital: str
    app: str
    var: Path


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """A test that prints is left out, by name, where Pango is not installed; in CI it fails."""
    from webapp.handout import PrintingUnavailable

    try:
        return (yield)
    except PrintingUnavailable as missing:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(missing))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def demonstration(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demonstration]:
    """What `make demo` starts, on free ports, with a ledger of its own."""
    from demo import up
    from demo.config import from_environment

    var = tmp_path_factory.mktemp("demonstration")
    environment = {**os.environ, "EHR_PORT": str(free_port()), "APP_PORT": str(free_port())}
    environment.pop("PROMETHEUS_MULTIPROC_DIR", None)
    stopped, trouble = threading.Event(), []

    def run() -> None:
        try:
            up.run(from_environment(environment), environment, stopped, var=var, year=12)
        except up.NotStarted as error:
            trouble.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    there = Demonstration(
        f"http://localhost:{environment['EHR_PORT']}", f"http://127.0.0.1:{environment['APP_PORT']}", var
    )
    try:
        for _ in range(600):
            if trouble:
                raise trouble[0]
            if _answers(f"{there.app}/readyz") and _answers(f"{there.hospital}/healthz"):
                break
            stopped.wait(0.2)
        yield there
    finally:
        stopped.set()
        thread.join(30)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """Debian's chromium under Playwright."""
    if not CHROMIUM:
        reason = "no chromium: install Debian's package 'chromium' to run the browser tests"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def pictures() -> Path:
    """Where screenshots are kept to be looked at."""
    folder = ROOT / "var" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
