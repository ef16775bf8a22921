"""The stand-in hospital, for its patients, and the app's answers about them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.webapp.house import House, standing


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    yield from standing(tmp_path_factory.mktemp("house"))
