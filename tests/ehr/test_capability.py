"""What a server takes: read from its own statement, kept a while, and nothing where it cannot be read."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest

from ehr.capability import Capabilities, creatable
from ehr.notes import may_create
from ehr.tenants import Tenant
from tests.ehr.peer import BASE, NOW, Peer

TENANT = Tenant("general", "General", BASE, "ordertime", write_back=frozenset({"RiskAssessment"}))
SCOPE = "launch patient/RiskAssessment.c"
METADATA = "/fhir/r4/metadata"


def statement(*verbs: str, mode: str = "server") -> dict[str, Any]:
    rows = [{"type": "RiskAssessment", "interaction": [{"code": verb} for verb in verbs]}]
    return {"resourceType": "CapabilityStatement", "rest": [{"mode": mode, "resource": rows}]}


@pytest.mark.parametrize(
    ("said", "may"),
    [
        (statement("read", "create"), True),
        (statement("read"), False),
        (statement("create", mode="client"), False),
        ({"rest": None}, False),
        ({"rest": [{"resource": [None, 3, {"type": "RiskAssessment", "interaction": "create"}]}]}, False),
        ({}, False),
    ],
)
def test_only_what_the_statement_says_can_be_created_may_be(said: dict[str, Any], may: bool) -> None:
    # CONFORMANCE 101
    assert may_create("RiskAssessment", TENANT, SCOPE, creatable(said)) is may


def test_a_statement_is_read_without_a_token_and_kept_a_while() -> None:
    peer, moment = Peer(), [NOW]
    peer[METADATA] = httpx.Response(200, json=statement("create"))
    held = Capabilities(peer.client(), lambda: moment[0])
    for _ in range(3):
        assert may_create("RiskAssessment", TENANT, SCOPE, held.of(TENANT))
    assert len(peer.asked) == 1
    assert "authorization" not in peer.asked[0].headers
    moment[0] += timedelta(minutes=11)
    held.of(TENANT)
    assert len(peer.asked) == 2


@pytest.mark.parametrize("status", [401, 404, 500])
def test_a_server_that_tells_nothing_is_asked_again_soon_and_offers_nothing(status: int) -> None:
    peer, moment = Peer(), [NOW]
    peer[METADATA] = httpx.Response(status)
    held = Capabilities(peer.client(), lambda: moment[0])
    assert not may_create("RiskAssessment", TENANT, SCOPE, held.of(TENANT))
    asked = len(peer.asked)
    held.of(TENANT)
    assert len(peer.asked) == asked
    moment[0] += timedelta(seconds=31)
    held.of(TENANT)
    assert len(peer.asked) > asked
