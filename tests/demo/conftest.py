"""A hospital on a real loopback port, and an app that knocks at its door."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from demo.config import CLIENT_SECRET
from demo.records import Hospital
from tests.demo.standing_hospital import App, AppKeys, served


@pytest.fixture(scope="session")
def keys() -> AppKeys:
    return AppKeys()


@pytest.fixture(scope="session")
def open_hospital(keys: AppKeys) -> Iterator[Hospital]:
    yield from served(fetch=keys.fetch)


@pytest.fixture
def hospital(open_hospital: Hospital) -> Hospital:
    open_hospital.faults.clear()
    return open_hospital


@pytest.fixture
def app(hospital: Hospital) -> Iterator[App]:
    with httpx.Client(follow_redirects=False, timeout=5.0) as http:
        yield App(hospital, http)


@pytest.fixture
def secret() -> tuple[str, str]:
    return ("ordertime-secret", CLIENT_SECRET)
