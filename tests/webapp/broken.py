"""What breaks on our own side, for the table of refusals: each part is broken for real and mended afterwards."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import text

from inference.assessment import VENTILATION
from inference.model import newest
from tests.ehr.wire import dialled
from tests.webapp.house import APP, House
from tests.webapp.refused import MARK, SICK, Desk
from webapp import create_app
from webapp.rooms import Rooms
from webapp.settings import Settings

Act = Callable[[Desk], Any]


@contextmanager
def told(house: House, **changed: Any) -> Iterator[None]:
    """The app with other settings."""
    before: Settings = house.rooms.settings
    house.rooms.settings = replace(before, **changed)
    try:
        yield
    finally:
        house.rooms.settings = before


def flooded(door: str, act: Act) -> Act:
    """`act` once more than the door takes in a minute."""

    def again(desk: Desk) -> Any:
        with told(desk.house, limits={**desk.house.rooms.settings.limits, door: 1}):
            act(desk)
            return act(desk)

    return again


def late(desk: Desk) -> Any:
    with told(desk.house, hook_deadline=1e-9):
        return desk.hook()


def unwritten(act: Act, table: str = "assessments") -> Act:
    """`act` while the database has lost one of its tables."""

    def broken(desk: Desk) -> Any:
        def renamed(old: str, new: str) -> None:
            with desk.house.rooms.store.engine.connect() as connection:
                connection.execute(text(f"ALTER TABLE {old} RENAME TO {new}"))
                connection.commit()

        renamed(table, "elsewhere")
        try:
            return act(desk)
        finally:
            renamed("elsewhere", table)

    return broken


def faulty(act: Act) -> Act:
    """`act` while what carries our calls to the hospital fails as nobody foresaw."""

    def broken(desk: Desk) -> Any:
        def fault(_: httpx.Request) -> httpx.Response:
            raise RuntimeError(f"{MARK}: a fault nobody foresaw")

        real = desk.house.rooms.http
        with dialled(fault) as line:
            desk.house.rooms.http = line
            try:
                return act(desk)
            finally:
                desk.house.rooms.http = real

    return broken


def without_pango(desk: Desk) -> Any:
    """The PDF on a machine where WeasyPrint is installed and the library it loads is not."""
    kept = {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] == "weasyprint"}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "weasyprint").mkdir()
        loads = "import ctypes\nctypes.CDLL('libpango-1.0.so.nowhere')\n"
        (Path(folder) / "weasyprint" / "__init__.py").write_text(loads)
        sys.path.insert(0, folder)
        try:
            return desk.seen(f"/handout/{desk.key}.pdf")
        finally:
            sys.path.remove(folder)
            sys.modules.pop("weasyprint", None)
            sys.modules.update(kept)


def unreleased(act: Act) -> Act:
    """`act` at an app whose ventilation model is not the one that was released: a byte of its graph differs."""

    def broken(desk: Desk) -> Any:
        house = desk.house
        with tempfile.TemporaryDirectory() as folder:
            artifacts = Path(folder) / "artifacts"
            shutil.copytree(house.rooms.settings.artifacts, artifacts)
            graph = next(newest(artifacts, VENTILATION).glob("*.onnx"))
            graph.write_bytes(graph.read_bytes()[:-1] + b"\x00")
            rooms = Rooms(replace(house.rooms.settings, artifacts=artifacts), clock=house.clock)
            app = create_app(rooms.settings, rooms)
            try:
                return act(replace(desk, house=replace(house, app=app, rooms=rooms)))
            finally:
                rooms.http.close()

    return broken


def hooked(desk: Desk) -> Any:
    return desk.hook()


def unfetched(desk: Desk) -> Any:
    return desk.hook(prefetch=False)


def fed_back(desk: Desk) -> Any:
    return desk.told()


def printed(desk: Desk) -> Any:
    return desk.seen(f"/handout/{desk.key}.pdf")


def launched(desk: Desk) -> Any:
    return desk.get("/launch", iss=desk.house.hospital.settings.fhir, launch="x")


def arriving(desk: Desk) -> Any:
    browser = desk.house.browser()
    return browser.get(desk.house.callback(browser, SICK), base_url=APP)


def opened(desk: Desk) -> Any:
    browser, address = desk.house.launched(SICK)
    return browser.get(address, base_url=APP)
