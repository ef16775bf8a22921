"""`python -m demo.up`, which is `make demo`: the hospital and the app, both on loopback, until Ctrl-C.

Says "ready" and the address to open once both answer. Refuses to start anything while a port is taken,
naming the port and the variable to change; when one of the two dies it says which, shows its last words,
stops the other and exits with 1.
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import Final

import httpx

from demo.config import ConfigError, Settings, from_environment
from demo.gates import write_gates
from demo.tenant import write_tenant

ROOT: Final = Path(__file__).resolve().parent.parent
VAR: Final = ROOT / "var" / "demo"
PATIENCE: Final = 120.0  # seconds for both to answer; the first start reads the models from a cold disk
LAST_LINES: Final = 20
WORKER_LOST: Final = b"exited with code"  # gunicorn's words for a worker that ended by itself


class NotStarted(Exception):
    """Why the demonstration is not up: words for the terminal."""


@dataclass(frozen=True, slots=True)
class Server:
    """One of the two: how it is started, in what environment, and the address that says it is up."""

    name: str
    port: int
    variable: str  # the environment variable that moves it to another port
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    health: str
    log: Path


def gunicorn(config: str, port: int, target: str) -> tuple[str, ...]:
    """A gunicorn on loopback, in this interpreter; no access log, since addresses name patients."""
    return (sys.executable, "-m", "gunicorn", "--config", str(ROOT / config), "--bind", f"127.0.0.1:{port}",
            "--no-control-socket", target)


def hospital_command(port: int) -> tuple[str, ...]:
    """The hospital, on `port`."""
    return gunicorn("demo/serving.py", port, "demo.app:application()")


def app_environment(settings: Settings, var: Path) -> dict[str, str]:
    """What the app is told for the demonstration."""
    return {
        "ORDERTIME_MODE": "demonstration",
        "ORDERTIME_PUBLIC_URL": settings.app_url,
        "ORDERTIME_TENANTS": str(var / "tenants"),
        "ORDERTIME_SECRET_KEY": kept_secret(var / "secret"),
        "DATABASE_URL": f"sqlite:///{var / 'ordertime.db'}",
        "ORDERTIME_GATES": str(var / "gates"),
        "ORDERTIME_APPROVERS": str(var / "gates" / "approvers.toml"),
        "ORDERTIME_SIMULATED": str(var / "simulated"),
    }


def kept_secret(path: Path) -> str:
    """The app's secret: random, made once, readable by its owner only, so that a restart keeps sessions."""
    if not path.exists():
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(32))
    return path.read_text(encoding="ascii").strip()


def servers(settings: Settings, environment: Mapping[str, str], var: Path) -> tuple[Server, Server]:
    """The two processes of the demonstration."""
    ehr, app = settings.port, settings.app_port
    told = {**environment, **app_environment(settings, var)}
    return (
        Server("hospital", ehr, "EHR_PORT", hospital_command(ehr), dict(environment),
               f"http://127.0.0.1:{ehr}/healthz", var / "hospital.log"),
        Server("app", app, "APP_PORT", gunicorn("gunicorn.conf.py", app, "wsgi:app"), told,
               f"http://127.0.0.1:{app}/readyz", var / "app.log"),
    )


def require_free(server: Server) -> None:
    """Raise NotStarted when something listens on this server's port already."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", server.port))
        except OSError as error:
            raise NotStarted(
                f"port {server.port}, meant for the {server.name}, is in use; stop what uses it, or choose "
                f"another: make demo {server.variable}={server.port + 1}"
            ) from error


def start(server: Server) -> subprocess.Popen[bytes]:
    """The server as a child in its own session: a Ctrl-C reaches this process alone, which stops both."""
    with server.log.open("wb") as log:
        return subprocess.Popen(server.command, cwd=ROOT, env=dict(server.environment), stdout=log,
                                stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True)


def require_alive(running: Mapping[str, tuple[Server, subprocess.Popen[bytes]]]) -> None:
    """Raise NotStarted with the last words of a server that has died."""
    for name, (server, child) in running.items():
        if child.poll() is not None:
            raise NotStarted(f"the {name} stopped with code {child.returncode}; {last_words(server)}")


def require_workers(server: Server) -> None:
    """Raise NotStarted when a worker did not survive its start: gunicorn would try again for ever."""
    if WORKER_LOST in server.log.read_bytes():
        raise NotStarted(f"the {server.name} cannot start; {last_words(server)}")


def last_words(server: Server) -> str:
    """The end of a server's log, for the terminal; gunicorn's own lines left out where others are."""
    lines = server.log.read_text(encoding="utf-8", errors="replace").splitlines()
    said = [line for line in lines if "[INFO]" not in line and WORKER_LOST.decode() not in line] or lines
    return "\n  ".join([f"the end of {server.log}:", *dict.fromkeys(said[-LAST_LINES:])])


def answers(client: httpx.Client, url: str) -> bool:
    """Whether `url` answers 200."""
    try:
        return client.get(url).status_code == 200
    except httpx.HTTPError:
        return False


def stop(children: list[subprocess.Popen[bytes]], patience: float = 10.0) -> None:
    """Ask each to end, wait, and end what has not."""
    for child in children:
        if child.poll() is None:
            child.terminate()
    deadline = time.monotonic() + patience
    for child in children:
        try:
            child.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def run(
    settings: Settings,
    environment: Mapping[str, str],
    stopped: threading.Event,
    var: Path = VAR,
    year: int = 365,
) -> None:
    """The hospital and the app, everything they write below `var`, `year` days of the simulated one beside them.

    Raises NotStarted; see `keep_up`.
    """
    var.mkdir(parents=True, exist_ok=True)
    write_tenant(settings, var / "tenants")
    write_gates(ROOT / "inference" / "artifacts", var / "gates")
    chore = (sys.executable, "-m", "demo.chores", str(var), str(year))
    keep_up(servers(settings, environment, var), f"{settings.url}/", stopped, chore)


def keep_up(
    both: Sequence[Server], opens: str, stopped: threading.Event, chore: Sequence[str] = ()
) -> None:
    """Start both, say ready once they answer, wait for `stopped`. Raises NotStarted; leaves no child.

    `chore` is begun once they answer, in the last server's environment; it may end, well or not, as it likes.
    """
    for server in both:
        require_free(server)
    running: dict[str, tuple[Server, subprocess.Popen[bytes]]] = {}
    beside: list[subprocess.Popen[bytes]] = []
    try:
        for server in both:
            running[server.name] = (server, start(server))
        if _up(running, stopped):
            print(f"ready: open {opens}", flush=True)
            if chore:
                last, log = both[-1], both[-1].log.with_name("chores.log")
                beside.append(start(replace(last, name="chores", command=tuple(chore), log=log)))
        while not stopped.wait(0.5):
            require_alive(running)
    finally:
        stop([*beside, *(child for _, child in running.values())])


def _up(running: Mapping[str, tuple[Server, subprocess.Popen[bytes]]], stopped: threading.Event) -> bool:
    deadline = time.monotonic() + PATIENCE
    waiting = [server for server, _ in running.values()]
    with httpx.Client(timeout=5.0, trust_env=False) as client:
        while waiting and not stopped.wait(0.2):
            require_alive(running)
            for server in waiting:
                require_workers(server)
            waiting = [server for server in waiting if not answers(client, server.health)]
            if waiting and time.monotonic() > deadline:
                late = waiting[0]
                raise NotStarted(f"the {late.name} has not answered at {late.health} for {PATIENCE:.0f} s; "
                                 f"see {late.log}")
    return not waiting


def main(environment: Mapping[str, str]) -> int:
    """The exit status: 0 after Ctrl-C or SIGTERM, 1 when it could not start or stay up."""
    stopped = threading.Event()

    def asked(number: int, frame: FrameType | None) -> None:
        stopped.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, asked)
    try:
        run(from_environment(environment), environment, stopped)
    except (ConfigError, NotStarted) as error:
        print(f"not started: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(os.environ))
