from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from tests.demo_entry.peers import Pair, pair


@pytest.fixture
def peers() -> Iterator[Pair]:
    """A hospital and a decision support service, both up on loopback."""
    with pair() as both:
        yield both


@pytest.fixture
def page(peers: Pair) -> FlaskClient:
    """The hospital's pages as Dr Okafor sees them, signed in."""
    client = peers.app.test_client()
    client.post("/sign-in", data={"clinician": "okafor"})
    return client
