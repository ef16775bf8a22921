"""The app for gunicorn with a clock that a test can move: hours ahead of now, in a file that every worker reads."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from webapp import create_app
from webapp.rooms import Rooms
from webapp.settings import from_environment

AHEAD = "TESTS_HOURS_AHEAD"  # of the environment: the file's place


def _now() -> datetime:
    return datetime.now(UTC) + timedelta(hours=float(Path(os.environ[AHEAD]).read_text(encoding="ascii")))


_settings = from_environment(os.environ)
app = create_app(_settings, Rooms(_settings, clock=_now))
