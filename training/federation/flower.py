"""Flower's own processes on one machine: a SuperLink that asks, and a SuperNode per site that answers.

All listen on 127.0.0.1 and nowhere else, without TLS for that reason; telemetry and update checks are off, and no
process is given this one's environment. They are stopped by their process ids.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from training.federation.recipe import Recipe
from training.federation.rounds import FINISHED

ROOT: Final = Path(__file__).resolve().parents[2]
APP: Final = Path(__file__).resolve().parent / "app"
ENVIRONMENT: Final = ROOT / ".venv-federated"
PATIENCE: Final = 900.0  # seconds a round may last before it goes on without who has not answered
STARTING: Final = 90.0  # seconds
LEAVING: Final = 20.0  # seconds
_POLL: Final = 0.5
_LAST: Final = 20  # lines of a log that an error shows

Say = Callable[[str], None]


class EnvironmentMissing(RuntimeError):
    """Flower is not installed; the message says how it is."""


class FederationFailed(RuntimeError):
    """A process ended, or the run did; the message says which and shows the end of its log."""


@dataclass(frozen=True, slots=True)
class Processes:
    """A running federation. `sites`: SuperNode of each site, by name."""

    link: subprocess.Popen[bytes]
    sites: Mapping[str, subprocess.Popen[bytes]]
    logs: Path
    programs: Path
    environment: Mapping[str, str]


def programs(environment: Path = ENVIRONMENT) -> Path:
    """The folder of Flower's programs. Raises EnvironmentMissing."""
    found = environment / "bin"
    if not (found / "flower-superlink").exists():
        raise EnvironmentMissing(
            f"Flower is not installed in {environment.name}/. Make it with 'make .venv-federated/.ready', or: "
            f"python3.11 -m venv {environment.name} && "
            f"{environment.name}/bin/pip install -r requirements-federated.txt"
        )
    return found


@contextmanager
def processes(homes: list[Path], work: Path, environment: Path = ENVIRONMENT) -> Iterator[Processes]:
    """One SuperLink and one SuperNode per home, for as long as the block lasts. Raises FederationFailed."""
    bin_ = programs(environment)
    logs, flower = work / "logs", work / "flower"
    logs.mkdir(parents=True, exist_ok=True)
    flower.mkdir(parents=True, exist_ok=True)
    given, (port, *ports) = _environment(bin_, flower), _free_ports(len(homes) + 1)
    (flower / "config.toml").write_text(
        f'[superlink]\ndefault = "here"\n[superlink.here]\naddress = "127.0.0.1:{port}"\ninsecure = true\n'
    )
    started: list[subprocess.Popen[bytes]] = []

    def start(name: str, program: str, *said: str) -> subprocess.Popen[bytes]:
        with (logs / f"{name}.log").open("wb") as log:
            started.append(subprocess.Popen(  # noqa: S603  # Flower's programs, with our own words
                [str(bin_ / program), "--insecure", *said], cwd=work, env=given, stdout=log, stderr=log,
                stdin=subprocess.DEVNULL, start_new_session=True,
            ))  # fmt: skip
        return started[-1]

    try:
        link = start("superlink", "flower-superlink", "--host", "127.0.0.1", "--port", str(port),
                     "--disable-runtime-dependency-installation")  # fmt: skip
        _listening(link, port, logs / "superlink.log")
        nodes = {
            home.name: start(
                home.name, "flower-supernode", "--superlink", f"127.0.0.1:{port}",
                "--host", "127.0.0.1", "--port", str(own), "--node-config", f"home={json.dumps(str(home))}",
            )
            for home, own in zip(homes, ports, strict=True)
        }  # fmt: skip
        yield Processes(link, nodes, logs, bin_, given)
    finally:
        stop(started)


def run(running: Processes, recipe: Recipe, folder: Path, say: Say, *, patience: float = PATIENCE) -> Path:
    """Trains as the recipe says; gives the file of the weights. `folder` holds rounds to resume from.

    Raises FederationFailed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("failed.txt", "progress.jsonl"):
        (folder / name).unlink(missing_ok=True)
    if (folder / FINISHED).exists():
        return folder / FINISHED
    _submit(running, recipe, folder, patience)
    seen, heard, finished = 0, time.monotonic(), False
    while not finished:
        finished = (folder / FINISHED).exists()  # before the lines are read, so that none is missed
        lines = _lines(folder / "progress.jsonl")
        for line in lines[seen:]:
            say(_told(json.loads(line), recipe, len(running.sites)))
            heard = time.monotonic()
        seen = len(lines)
        if not finished:
            _alive(running, folder)
            if time.monotonic() - heard > 2 * patience + STARTING:
                raise FederationFailed(_ended("the run", running.logs / "superlink.log"))
            time.sleep(_POLL)
    return folder / FINISHED


def stop(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Ends processes that were started here, each with those it started, its session's: politely, and then not."""
    for process in processes:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
    end = time.monotonic() + LEAVING
    for process in processes:
        try:
            process.wait(max(0.0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _submit(running: Processes, recipe: Recipe, folder: Path, patience: float) -> None:
    said: dict[str, Any] = {
        "recipe": recipe.text(), "folder": str(folder), "sites": len(running.sites), "patience": int(patience),
    }  # fmt: skip
    asked = folder / "run.toml"
    asked.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in said.items()))
    done = subprocess.run(  # noqa: S603
        [str(running.programs / "flwr"), "run", str(APP), "here", "--run-config", str(asked)],
        env=running.environment, capture_output=True, text=True, timeout=STARTING, check=False,
    )  # fmt: skip
    if done.returncode:
        raise FederationFailed(f"Flower would not take the run: {(done.stderr or done.stdout).strip()}")


def _alive(running: Processes, folder: Path) -> None:
    """A site may go; without the SuperLink, or with the run ended badly, there is nothing to wait for."""
    if (folder / "failed.txt").exists():
        said = (folder / "failed.txt").read_text(encoding="utf-8")
        raise FederationFailed(f"{said}. Each site's own log is under {running.logs}")
    if running.link.poll() is not None:
        raise FederationFailed(_ended("the SuperLink", running.logs / "superlink.log"))


def _told(line: Mapping[str, Any], recipe: Recipe, sites: int) -> str:
    stage = f"round {line['turn']} of {recipe.rounds}" if line["turn"] > 0 else "agreeing on scaling"
    return f"{stage}: {len(line['sites'])} of {sites} sites answered"


def _lines(path: Path) -> list[str]:
    """Whole lines only: the last may be being written."""
    return path.read_text(encoding="utf-8").split("\n")[:-1] if path.exists() else []


def _environment(bin_: Path, flower: Path) -> dict[str, str]:
    """All that Flower's processes know of this machine."""
    return {
        "PATH": f"{bin_}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(flower),
        "FLWR_HOME": str(flower),
        "FLWR_TELEMETRY_ENABLED": "0",
        "FLWR_DISABLE_UPDATE_CHECK": "1",
        "FLWR_SUPEREXEC_TASK_POLL_INTERVAL": "0.3",  # seconds
        "PYTHONPATH": str(ROOT),
        "PYTHONUTF8": "1",
        "OMP_NUM_THREADS": "1",
        "NO_PROXY": "127.0.0.1",
    }


def _free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def _listening(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + STARTING
    while time.monotonic() < end and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(_POLL)
    raise FederationFailed(_ended("the SuperLink", log))


def _ended(name: str, log: Path) -> str:
    last = "\n".join(log.read_text(errors="replace").splitlines()[-_LAST:])
    return f"{name} ended or never answered. The end of its log:\n{last}"
