"""Starting the demonstration: one ready line, clear words when it cannot, and no process left behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from demo import serving
from demo.config import ConfigError, from_environment, settings_for
from demo.gates import gate_file
from demo.up import NotStarted, Server, keep_up, kept_secret, main, servers

ANSWERING = """
import http.server, os, pathlib, sys
class Well(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"{}")
    def log_message(self, *words): pass
pathlib.Path(sys.argv[2]).write_text(str(os.getpid()))
print("listening", flush=True)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Well).serve_forever()
"""
DYING = "import sys, time; print('the disk is full', flush=True); time.sleep(0.3); sys.exit(3)"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def pair(folder: Path, second: str = ANSWERING) -> tuple[Server, Server]:
    made = []
    for name, variable, program in (("hospital", "EHR_PORT", ANSWERING), ("app", "APP_PORT", second)):
        port = free_port()
        command = (sys.executable, "-c", program, str(port), str(folder / f"{name}.pid"))
        made.append(
            Server(
                name,
                port,
                variable,
                command,
                dict(os.environ),
                f"http://127.0.0.1:{port}/",
                folder / f"{name}.log",
            )
        )
    return made[0], made[1]


def wait_for(true: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.05)


def alive(folder: Path, name: str) -> bool:
    try:
        os.kill(int((folder / f"{name}.pid").read_text()), 0)
    except ProcessLookupError:
        return False
    return True


def test_one_ready_line_when_both_answer_and_both_stop_when_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stopped, both = threading.Event(), pair(tmp_path)
    thread = threading.Thread(target=keep_up, args=(both, "http://localhost:8090/", stopped))
    thread.start()
    said = ""

    def ready() -> bool:
        nonlocal said
        said += capsys.readouterr().out
        return "\n" in said

    wait_for(ready)
    assert [httpx.get(one.health).status_code for one in both] == [200, 200]
    stopped.set()
    thread.join(15)
    assert said.splitlines() == ["ready: open http://localhost:8090/"]
    assert not alive(tmp_path, "hospital")
    assert not alive(tmp_path, "app")


def test_a_server_that_dies_is_named_with_its_last_words_and_the_other_is_stopped(tmp_path: Path) -> None:
    with pytest.raises(NotStarted) as refused:
        keep_up(pair(tmp_path, DYING), "http://localhost/", threading.Event())
    assert "the app stopped with code 3" in str(refused.value)
    assert "the disk is full" in str(refused.value)
    assert not alive(tmp_path, "hospital")


def test_a_server_whose_workers_cannot_start_is_named_instead_of_waited_for(tmp_path: Path) -> None:
    hospital, app = pair(tmp_path)
    (tmp_path / "broken.py").write_text("import sys\nsys.exit('the settings are wrong')\n")
    command = (
        sys.executable,
        "-m",
        "gunicorn",
        "--chdir",
        str(tmp_path),
        "--no-control-socket",
        "--bind",
        f"127.0.0.1:{app.port}",
        "broken:app",
    )
    with pytest.raises(NotStarted) as refused:
        keep_up((hospital, replace(app, command=command)), "http://localhost/", threading.Event())
    assert "the app cannot start" in str(refused.value)
    assert "the settings are wrong" in str(refused.value)
    assert not alive(tmp_path, "hospital")


def test_a_port_in_use_is_named_before_anything_starts(tmp_path: Path) -> None:
    both = pair(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", both[1].port))
        taken.listen()
        with pytest.raises(NotStarted) as refused:
            keep_up(both, "http://localhost/", threading.Event())
    assert f"port {both[1].port}" in str(refused.value)
    assert "APP_PORT=" in str(refused.value)
    assert not (tmp_path / "hospital.log").exists()


@pytest.mark.parametrize(
    "environment",
    [
        {"EHR_PORT": "no"},
        {"EHR_PORT": "70000"},
        {"APP_PORT": "0"},
        {"EHR_PORT": "9000", "APP_PORT": "9000"},
    ],
)
def test_a_port_that_cannot_be_is_refused_with_its_variable(environment: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=next(iter(environment))):
        from_environment(environment)


def test_the_secret_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    first = kept_secret(path)
    assert kept_secret(path) == first
    assert len(first) >= 32
    assert path.stat().st_mode & 0o077 == 0


def test_both_servers_listen_on_loopback_and_the_hospital_has_one_lasting_worker(tmp_path: Path) -> None:
    hospital, app = servers(settings_for(18090, 18000), {"PATH": "x"}, tmp_path)
    for server, port in ((hospital, 18090), (app, 18000)):
        assert server.command[server.command.index("--bind") + 1] == f"127.0.0.1:{port}"
    assert serving.workers == 1  # its records and tokens are in that worker's memory
    assert not hasattr(serving, "max_requests")
    assert app.environment["ORDERTIME_MODE"] == "demonstration"
    assert app.environment["ORDERTIME_PUBLIC_URL"] == "http://127.0.0.1:18000"
    assert "ORDERTIME_SECRET_KEY" not in hospital.environment


def test_main_says_why_it_does_not_start(capsys: pytest.CaptureFixture[str]) -> None:
    before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        assert main({"EHR_PORT": "no"}) == 1
    finally:
        for one, doing in before.items():
            signal.signal(one, doing)
    assert "EHR_PORT" in capsys.readouterr().err


def test_the_hospital_alone_starts_under_gunicorn_and_stops_on_a_signal() -> None:
    port = free_port()
    child = subprocess.Popen(
        [sys.executable, "-m", "demo"],
        env=os.environ | {"EHR_PORT": str(port)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:

        def well() -> bool:
            try:
                return httpx.get(f"http://localhost:{port}/healthz").status_code == 200
            except httpx.HTTPError:
                return False

        wait_for(well)
        said = httpx.get(f"http://localhost:{port}/fhir/.well-known/smart-configuration").json()
        assert said["issuer"] == f"http://localhost:{port}/fhir"
    finally:
        child.send_signal(signal.SIGTERM)
        assert child.wait(15) == 0


def test_the_chore_begins_once_both_answer_and_stops_with_them(tmp_path: Path) -> None:
    stopped, both = threading.Event(), pair(tmp_path)
    program = "import os, pathlib, sys, time; pathlib.Path(sys.argv[1]).write_text(str(os.getpid())); time.sleep(99)"
    chore = (sys.executable, "-c", program, str(tmp_path / "chore.pid"))
    thread = threading.Thread(target=keep_up, args=(both, "http://localhost:8090/", stopped, chore))
    thread.start()
    wait_for(lambda: (tmp_path / "chore.pid").exists() and bool((tmp_path / "chore.pid").read_text()))
    assert alive(tmp_path, "chore")
    stopped.set()
    thread.join(15)
    assert not alive(tmp_path, "chore")


def test_the_gates_are_of_the_newest_versions_and_nobody_has_approved_them(tmp_path: Path) -> None:
    for name in ("ventilation-need/0.9.0", "ventilation-need/0.10.0", "troponin-trend/0.1.0"):
        (tmp_path / name).mkdir(parents=True)
    told = tomllib.loads(gate_file(tmp_path))
    assert [gate["version"] for gate in told["gates"]] == ["0.10.0", "0.1.0"]
    assert "approvals" not in told
