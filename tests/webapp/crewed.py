"""The app as it is run: two workers of gunicorn on loopback, at a standing house, stopped by process id."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers import free_port
from tests.webapp.house import APP, SECRET, House

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def two_workers(
    house: House, folder: Path, *options: str, app: str = "wsgi:app", **told: str
) -> Iterator[int]:
    """The port they listen on, at once: a call waits until a worker is warm. `told` is more of the environment."""
    port = free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "WEB_CONCURRENCY": "2",
        "ORDERTIME_MODE": "demonstration",
        "ORDERTIME_PUBLIC_URL": APP,
        "ORDERTIME_SECRET_KEY": SECRET,
        "ORDERTIME_TENANTS": str(house.rooms.settings.tenants),
        "ORDERTIME_ARTIFACTS": str(house.rooms.settings.artifacts),
        "DATABASE_URL": f"sqlite:///{folder / 'ledger.db'}",
    } | told
    command = [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "-b", f"127.0.0.1:{port}"]
    server = subprocess.Popen(
        [*command, *options, app],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield port
    finally:
        server.terminate()
        server.wait(15)
