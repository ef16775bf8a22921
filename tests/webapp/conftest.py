"""One house for a whole file of tests, on a socket where it is asked for; a file with its own `house` has that."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from tests.webapp.house import House, standing
from tests.webapp.wired import Caller, wired


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The app and the stand-in hospital."""
    yield from standing(tmp_path_factory.mktemp("house"))


@pytest.fixture(scope="module")
def caller(house: House) -> Iterator[Caller]:
    """A CDS client on a line to the app."""
    with wired(house) as found:
        yield found


@pytest.fixture
def fair(house: House) -> Iterator[None]:
    """Tenants, the hospital's weather and the clock are as they were after a test that uses this."""
    tenants = house.rooms.tenants
    yield
    house.rooms.tenants = tenants
    house.fair()
    house.clock.ahead = timedelta(0)
