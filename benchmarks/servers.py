"""A PostgreSQL of the benchmark's own on loopback, as Debian packages it, with the settings that it comes with."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psycopg

PATIENCE: Final = 60.0  # seconds for it to answer


def there() -> Path | None:
    """The folder of its programs; None where it is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), reverse=True)
    return found[0].parent if found else None


@contextmanager
def postgresql(folder: Path) -> Iterator[str]:
    """The server whose files lie in `folder`, made there if need be; gives its URL, and stops it at the end.

    Runs as the system's user `postgres` where we are root, as it refuses to be root's. Raises SystemExit where it
    is not installed, or does not start.
    """
    programs = there()
    if programs is None:
        raise SystemExit("PostgreSQL is not installed: Debian's package postgresql, or --only-sqlite")
    folder.mkdir(parents=True, exist_ok=True)
    become, data, secret = _become(folder), folder / "data", folder / "password"
    if not data.exists():
        secret.write_text(secrets.token_hex(16))
        if become:
            shutil.chown(secret, "postgres")
        secret.chmod(0o600)
        made = ["-D", str(data), "-U", "ordertime", "-A", "scram-sha-256", f"--pwfile={secret}", "-E", "UTF8"]
        subprocess.run([*become, str(programs / "initdb"), *made, "--locale=C.UTF-8"], check=True, capture_output=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    told = (f"port={port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={folder}")
    command = [*become, str(programs / "postgres"), "-D", str(data), *(part for each in told for part in ("-c", each))]
    url = f"postgresql://ordertime:{secret.read_text().strip()}@127.0.0.1:{port}/postgres"
    with (folder / "log").open("ab") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, start_new_session=True)
    try:
        _wait(url, server)
        yield url
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(PATIENCE)


def _become(folder: Path) -> list[str]:
    if os.geteuid() != 0:
        return []
    shutil.chown(folder, "postgres")
    user = pwd.getpwnam("postgres")
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


def _wait(url: str, server: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            psycopg.connect(url, connect_timeout=2).close()
            return
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > end:
                raise SystemExit("PostgreSQL did not start; its log says why") from None
            time.sleep(0.2)
