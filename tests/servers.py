"""Real servers for tests: Redis and PostgreSQL, on loopback and free ports, in folders of their own.

A conftest asks for them by importing the fixtures: `from tests.servers import postgres_at, postgres_url`.
Where the program is not installed the test is skipped and says which; with CI=true it fails instead.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
import redis

START_SECONDS = 30.0


def free_port() -> int:
    """A port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def program(name: str, package: str) -> Path:
    """Where `name` is installed; without it the test is skipped, or fails where CI=true."""
    beside = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    found = shutil.which(name) or next((str(path) for path in beside), "")
    if not found:
        reason = f"{name} is not installed (Debian's package {package})"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return Path(found)


@contextmanager
def redis_server() -> Iterator[str]:
    """A Redis of its own; gives its URL."""
    server, port, password = program("redis-server", "redis-server"), free_port(), secrets.token_hex(8)
    with tempfile.TemporaryDirectory(prefix="ordertime-redis-") as folder:
        config = Path(folder, "redis.conf")
        config.write_text(
            f"bind 127.0.0.1\nport {port}\nrequirepass {password}\ndir {folder}\n"
            "save ''\nappendonly no\nmaxmemory-policy noeviction\n"
        )
        url = f"redis://:{password}@127.0.0.1:{port}/0"
        with _running(
            [str(server), str(config)], Path(folder, "log"), lambda: _redis_answers(url), signal.SIGTERM
        ):
            yield url


@contextmanager
def postgres_server() -> Iterator[str]:
    """A PostgreSQL of its own; gives the URL of its first database. Runs as `postgres` where we are root."""
    server, initdb = program("postgres", "postgresql"), program("initdb", "postgresql")
    port, password = free_port(), secrets.token_hex(8)
    with tempfile.TemporaryDirectory(prefix="ordertime-postgres-") as folder:
        secret, data = Path(folder, "password"), Path(folder, "data")
        secret.write_text(password)
        become = _unprivileged(Path(folder), secret)
        prepare = [
            "-D",
            str(data),
            "-U",
            "ordertime",
            "-A",
            "scram-sha-256",
            f"--pwfile={secret}",
            "-E",
            "UTF8",
            "-N",
        ]
        subprocess.run(
            [*become, str(initdb), *prepare, "--locale=C"], check=True, capture_output=True, cwd=folder
        )
        settings = (
            f"port={port}",
            "listen_addresses=127.0.0.1",
            f"unix_socket_directories={folder}",
            "fsync=off",
            "timezone=Asia/Kolkata",  # not UTC: what relies on the server's zone shows
        )
        options = [part for setting in settings for part in ("-c", setting)]
        url = f"postgresql://ordertime:{password}@127.0.0.1:{port}/postgres"
        command = [*become, str(server), "-D", str(data), *options]
        with _running(command, Path(folder, "log"), lambda: _postgres_answers(url), signal.SIGQUIT):
            yield url


@pytest.fixture(scope="session")
def redis_at() -> Iterator[str]:
    """One Redis for the whole run."""
    with redis_server() as url:
        yield url


@pytest.fixture
def redis_url(redis_at: str) -> str:
    """The URL of an empty Redis."""
    with redis.Redis.from_url(redis_at) as client:
        client.flushall()
    return redis_at


@pytest.fixture(scope="session")
def postgres_at() -> Iterator[str]:
    """One PostgreSQL for the whole run."""
    with postgres_server() as url:
        yield url


@pytest.fixture
def postgres_url(postgres_at: str) -> str:
    """The URL of a new, empty schema in PostgreSQL: as good as a database of its own, and made at once."""
    name = f"t{uuid4().hex}"
    with psycopg.connect(postgres_at, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}".encode())
    return f"{postgres_at}?options=-csearch_path%3D{name}"


@pytest.fixture
def postgres_database_url(postgres_at: str) -> str:
    """The URL of a new PostgreSQL database, for a test that changes its settings or cuts its connections."""
    name = f"t{uuid4().hex}"
    with psycopg.connect(postgres_at, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return postgres_at.removesuffix("postgres") + name


@contextmanager
def _running(
    command: list[str], log: Path, answers: Callable[[], bool], stop: signal.Signals
) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, cwd=log.parent)
    try:
        end = time.monotonic() + START_SECONDS
        while not answers():
            if process.poll() is not None or time.monotonic() > end:
                pytest.fail(f"{Path(command[-1]).name} did not start:\n{log.read_text()[-2000:]}")
            time.sleep(0.05)
        yield
    finally:
        process.send_signal(stop)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _unprivileged(*owned: Path) -> list[str]:
    """What to put before a PostgreSQL command, which refuses root: another user, to whom `owned` is given."""
    if os.geteuid() != 0:
        return []
    user = pwd.getpwnam("postgres")
    for path in owned:
        os.chown(path, user.pw_uid, user.pw_gid)
    setpriv = program("setpriv", "util-linux")
    return [str(setpriv), f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


def _redis_answers(url: str) -> bool:
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=1) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


def _postgres_answers(url: str) -> bool:
    try:
        with psycopg.connect(url, connect_timeout=2):
            return True
    except psycopg.OperationalError:
        return False
