"""Who is at the screen, proven by an id_token; and the forgeries that end a launch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx
import pytest

from ehr import smart
from ehr.errors import LaunchRefused
from ehr.trust import KeySource
from tests.ehr.launches import (
    CONFIGURATION,
    GIVEN,
    TENANT,
    begun,
    finished,
    hospital,
    without,
)
from tests.ehr.peer import (
    BASE,
    ES,
    NOW,
    OTHER,
    RS,
    Peer,
    Watch,
    jwks,
    later,
    seconds,
    signed,
    unsigned,
)


def identity(pending: smart.Pending, **changed: Any) -> dict[str, Any]:
    return without(
        {
            "iss": "https://ehr.example.org/auth",
            "aud": "ordertime",
            "sub": "u-1",
            "iat": seconds(NOW),
            "exp": seconds(later(minutes=5)),
            "nonce": pending.nonce,
            "fhirUser": f"{BASE}/Practitioner/7",
        },
        **changed,
    )


def test_the_user_comes_from_a_proven_id_token() -> None:  # CONFORMANCE 29
    peer = hospital()
    pending = begun(peer)
    for token in (
        signed(identity(pending), RS, "RS256"),
        signed(identity(pending, aud=["other", "ordertime"], azp="ordertime"), ES),
        signed(identity(pending), RS, "RS256", kid=None),  # one RSA key published, and no name given
    ):
        peer["/auth/token"] = httpx.Response(200, json={**GIVEN, "id_token": token})
        assert finished(peer, pending).user == "Practitioner/7"


def test_an_older_servers_profile_claim_names_the_user_too() -> None:
    peer = hospital()
    pending = begun(peer)
    token = signed(identity(pending, fhirUser=None, profile="Practitioner/8"), RS, "RS256")
    peer["/auth/token"] = httpx.Response(200, json={**GIVEN, "id_token": token})
    assert finished(peer, pending).user == "Practitioner/8"


def test_without_an_id_token_nobody_is_named() -> None:  # CONFORMANCE 21
    peer = hospital()
    assert finished(peer, begun(peer)).user == ""


PAST = {"iat": seconds(later(hours=-2)), "exp": seconds(later(hours=-1))}
FORGED: list[tuple[str, Any, str]] = [
    ("alg none", lambda c: unsigned({"alg": "none"}, c), "alg"),
    ("HS256", lambda c: unsigned({"alg": "HS256", "kid": "rs-1"}, c, b"x" * 32), "alg"),
    ("unlisted algorithm", lambda c: signed(c, RS, "PS256"), "alg"),
    ("another key", lambda c: signed(c, OTHER), "signature"),
    ("unknown kid", lambda c: signed(c, RS, "RS256", kid="rs-9"), "kid"),
    ("wrong aud", lambda c: signed({**c, "aud": "another"}, RS, "RS256"), "aud"),
    ("another app's azp", lambda c: signed({**c, "aud": ["ordertime", "x"], "azp": "x"}, RS, "RS256"), "azp"),
    ("wrong iss", lambda c: signed({**c, "iss": "https://evil.example.net"}, RS, "RS256"), "iss"),
    ("wrong nonce", lambda c: signed({**c, "nonce": "n"}, RS, "RS256"), "nonce"),
    ("no nonce", lambda c: signed(without(c, nonce=None), RS, "RS256"), "nonce"),
    ("expired", lambda c: signed({**c, **PAST}, RS, "RS256"), "exp"),
    ("no exp", lambda c: signed(without(c, exp=None), RS, "RS256"), "exp"),
    ("no token", lambda c: "opaque", "token"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "make", "where"), FORGED, ids=[row[0] for row in FORGED])
def test_an_id_token_that_proves_nothing_ends_the_launch(
    name: str, make: Any, where: str
) -> None:  # CONFORMANCE 29
    peer = hospital()
    pending = begun(peer)
    peer["/auth/token"] = httpx.Response(200, json={**GIVEN, "id_token": make(identity(pending))})
    with pytest.raises(LaunchRefused, match=f"^{where}: the hospital's id_token"):
        finished(peer, pending)


def test_an_unknown_kid_costs_one_fresh_fetch() -> None:  # CONFORMANCE 29
    peer = hospital()
    pending = begun(peer)
    token = signed(identity(pending), RS, "RS256")
    peer["/auth/token"] = httpx.Response(200, json={**GIVEN, "id_token": token})
    watch = Watch()
    keys = KeySource(peer.client(), clock=watch)
    peer["/auth/jwks.json"] = jwks(ES)
    back = {"code": "c-1", "state": pending.state}
    with pytest.raises(LaunchRefused, match="kid"):
        smart.finish(peer.client(), TENANT, pending, back, keys=keys, now=NOW)
    peer["/auth/jwks.json"] = jwks(ES, RS)
    watch.seconds += 6
    assert smart.finish(peer.client(), TENANT, pending, back, keys=keys, now=NOW).user == "Practitioner/7"
    assert sum(request.url.path == "/auth/jwks.json" for request in peer.asked) == 2


def test_another_issuer_of_the_hospitals_own_counts_where_the_sites_file_says_so() -> None:  # CONFORMANCE 29
    quirky = replace(TENANT, quirks=frozenset({"identity-issuer-elsewhere"}))
    for iss, tenant, good in (
        ("https://ehr.example.org/auth/fhir", quirky, True),
        ("https://ehr.example.org/auth/fhir", TENANT, False),
        ("https://evil.example.net/auth", quirky, False),
        ("https://ehr.example.org.evil.net/auth", quirky, False),
        ("http://ehr.example.org/auth", quirky, False),
        ("https://ehr.example.org:8443/auth", quirky, False),
    ):
        peer = hospital()
        pending = begun(peer, tenant)
        token = signed(identity(pending, iss=iss), RS, "RS256")
        peer["/auth/token"] = httpx.Response(200, json={**GIVEN, "id_token": token})
        if good:
            assert finished(peer, pending, tenant).user == "Practitioner/7"
        else:
            with pytest.raises(LaunchRefused, match=r"^iss: .*"):
                finished(peer, pending, tenant)
        peer["/auth/token"] = httpx.Response(200, json={**GIVEN, "id_token": signed(identity(pending, iss=iss), OTHER)})
        with pytest.raises(LaunchRefused):
            finished(peer, pending, tenant)  # whoever is named, the keys are the configuration's


def openid_hospital(**configuration: Any) -> tuple[Peer, smart.Pending]:
    """One whose issuer and keys stand in its OpenID configuration alone, not in the SMART one."""
    peer = hospital(without(CONFIGURATION, issuer=None, jwks_uri=None))
    pending = begun(peer)
    document = {
        "issuer": "https://ehr.example.org/auth",
        "jwks_uri": "https://ehr.example.org/auth/jwks.json",
    }
    peer["/auth/.well-known/openid-configuration"] = httpx.Response(
        200, json=without(document, **configuration)
    )
    token = signed(identity(pending), RS, "RS256")
    peer["/auth/token"] = httpx.Response(200, json={**GIVEN, "id_token": token})
    return peer, pending


def test_keys_are_found_by_the_issuers_openid_configuration() -> None:  # CONFORMANCE 29
    peer, pending = openid_hospital()
    assert finished(peer, pending).user == "Practitioner/7"


@pytest.mark.parametrize("changed", [{"issuer": "https://evil.example.net"}, {"jwks_uri": None},
                                     {"jwks_uri": "http://evil.example.net/jwks"}])  # fmt: skip
def test_an_openid_configuration_that_does_not_fit_is_refused(changed: dict[str, Any]) -> None:
    peer, pending = openid_hospital(**changed)
    with pytest.raises(LaunchRefused):
        finished(peer, pending)


def test_an_issuer_outside_the_hospital_is_not_asked_for_its_keys() -> None:  # CONFORMANCE 4
    peer, pending = openid_hospital()
    token = signed(identity(pending, iss="https://evil.example.net/auth"), OTHER)
    peer["/auth/token"] = httpx.Response(200, json={**GIVEN, "id_token": token})
    with pytest.raises(LaunchRefused, match="iss"):
        finished(peer, pending)
    assert {request.url.host for request in peer.asked} == {"ehr.example.org"}
