"""The simulated hospital beside the real app: its governance pages under /simulated, in a demonstration.

The year has a ledger of its own (`flask simulate`), a clock that stands at its end, and models that are formulas; no
page of patients, no hook and no launch is reached there, and every page says that all of it is simulated. A year that
is still being played is said to be so (503). Refuses, in the settings, to be there in production.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from threading import Lock
from types import MappingProxyType, SimpleNamespace
from typing import Any, Final

from flask import Flask
from werkzeug.wrappers import Response

from governance.playing import FINISHED, WATCHED
from governance.simulated import SITE
from governance.simulated_books import KEY
from webapp import reviewing
from webapp.rooms import Rooms
from webapp.settings import Settings
from webapp.words import say

AT: Final = "/simulated"
OPEN: Final = ("/gate/", "/review/", "/audits/", "/static/")  # what is shown of it
PAGES: Final = ("gate", "review", "audits")  # where one begins
Create = Callable[[Settings, Rooms], Flask]


def install(app: Flask, settings: Settings, create: Create) -> None:
    """Put the simulated hospital beside `app`, where the settings name its folder."""
    if settings.simulated is not None:
        app.wsgi_app = _Beside(app.wsgi_app, settings, settings.simulated, create)  # type: ignore[assignment, method-assign]


class _Beside:
    """What answers below AT; everything else goes where it went. The year is opened when first asked for."""

    def __init__(self, inner: Any, settings: Settings, folder: Path, create: Create) -> None:
        self._inner, self._settings, self._folder, self._create = inner, settings, folder, create
        self._lock, self._app = Lock(), None

    def __call__(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if not path.startswith(AT + "/"):
            return self._answered(self._inner, environ, start)
        rest = path[len(AT) :]
        if not rest.startswith(OPEN):
            return self._answered(Response(say("en", "simulated.closed"), 404), environ, start)
        app = self._opened()
        if app is None:
            waiting = Response(say("en", "simulated.waiting"), 503, {"Retry-After": "20"})
            return self._answered(waiting, environ, start)
        below = environ | {"SCRIPT_NAME": environ.get("SCRIPT_NAME", "") + AT, "PATH_INFO": rest}
        return self._answered(app, below, start)

    @staticmethod
    def _answered(app: Any, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        answer: Iterable[bytes] = app(environ, start)
        return answer

    def _opened(self) -> Any:
        with self._lock:
            if self._app is None and (self._folder / FINISHED).is_file():
                self._app = self._made()
            return self._app

    def _made(self) -> Any:
        told = json.loads((self._folder / FINISHED).read_text(encoding="utf-8"))
        ends = datetime.fromisoformat(told["ends"])
        rooms = rooms_of(self._folder, self._settings, lambda: ends)
        app = self._create(rooms.settings, rooms)
        app.config[reviewing.EVERYBODY] = True  # nobody in that ledger is real
        app.jinja_env.globals["simulated"] = say("en", "simulated.banner")
        app.jinja_env.globals["simulated_pages"] = _pages()
        return app


def _pages() -> dict[str, Any]:
    """The way from each of its pages to the others: nobody comes here by a visit, which would have it."""
    links = [{"path": f"/{name}/{SITE}", "said": say("en", f"simulated.{name}")} for name in PAGES]
    return {"label": say("en", "simulated.pages"), "links": links}


def rooms_of(folder: Path, settings: Settings, clock: Callable[[], datetime]) -> Rooms:
    """What the simulated hospital's pages and commands stand on."""
    gates = folder / "gates"
    own = replace(
        settings,
        simulated=None,
        public_url=settings.public_url + AT,
        tenants=folder / "tenants",
        secret=KEY,
        database_url=f"sqlite:///{folder / 'ledger.db'}",
        redis_url="",
        gates=gates,
        approvers=gates / "approvers.toml",
        warnings=(),
    )
    return Rooms(own, clock=clock, models=_formulas())


def _formulas() -> Any:
    """The simulated models as far as governance's pages ask: name, version, outcomes and inputs."""
    return MappingProxyType(
        {
            what.model: SimpleNamespace(
                name=what.model,
                version=what.version,
                outcomes=(what.outcome,),
                hours=(what.hours,),
                manifest={"inputs": list(what.variables), "outcomes": [what.outcome], "version": what.version},
            )
            for what in WATCHED
        }
    )
