"""Who calls the hooks: a token proves it, or the refusal says what was wrong with the token."""

from __future__ import annotations

import base64
import hmac
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc.jwk import ECKey, RSAKey

from ehr.errors import EhrUnavailable, UntrustedCaller
from ehr.tenants import CdsClient, Tenant, Tenants
from ehr.trust import KeySource, VerifiedCaller, verify_caller
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
    sequence,
    signed,
    unsigned,
)

URL = "https://app.example.org/cds-services/ventilation-need"
ISS = "https://ehr.example.org"
JWKS = "https://ehr.example.org/jwks.json"
CALLER = CdsClient(ISS, JWKS)
TENANT = Tenant("general", "General", BASE, "ordertime", cds_clients=(CALLER,))


def claims(**changed: Any) -> dict[str, Any]:
    """A good token's claims; None leaves one out."""
    good = {
        "iss": ISS,
        "aud": URL,
        "iat": seconds(NOW),
        "exp": seconds(later(minutes=5)),
        "jti": "j-1",
        "sub": "ehr",
    }
    return {name: value for name, value in {**good, **changed}.items() if value is not None}


class Door:
    """The app's side: tenants, keys, and the store of used tokens that all workers share."""

    def __init__(self, *clients: CdsClient, published: httpx.Response | None = None) -> None:
        tenant = replace(TENANT, cds_clients=clients or (CALLER,))
        self.tenants = Tenants((tenant,))
        self.peer = Peer()
        self.peer["/jwks.json"] = published or jwks(ES, RS)
        self.watch = Watch()
        self.keys = KeySource(self.peer.client(), clock=self.watch)
        self.used: dict[tuple[str, str], datetime] = {}

    def seen(self, iss: str, jti: str, until: datetime) -> bool:
        known = (iss, jti) in self.used
        self.used.setdefault((iss, jti), until)
        return known

    def opens(
        self, token: str, *, now: datetime = NOW, url: str = URL, scheme: str = "Bearer "
    ) -> VerifiedCaller:
        return verify_caller(
            scheme + token, url=url, tenants=self.tenants, keys=self.keys, seen=self.seen, now=now
        )


# --- what is trusted


@pytest.mark.parametrize(("key", "alg"), [(ES, "ES384"), (RS, "RS384")])
def test_a_token_signed_by_a_key_on_file_is_trusted(key: ECKey | RSAKey, alg: str) -> None:  # CONFORMANCE 86
    caller = Door().opens(signed(claims(), key, alg, jku=JWKS))
    assert (caller.tenant.id, caller.iss, caller.sub) == ("general", ISS, "ehr")


def test_the_audience_may_be_a_list_that_holds_the_url_called() -> None:  # CONFORMANCE 86
    Door().opens(signed(claims(aud=["https://elsewhere.example.org", URL])))


def test_the_audience_of_feedback_is_the_feedback_address() -> None:  # CONFORMANCE 86
    Door().opens(signed(claims(aud=f"{URL}/feedback")), url=f"{URL}/feedback")
    with pytest.raises(UntrustedCaller, match="aud"):
        Door().opens(signed(claims()), url=f"{URL}/feedback")


def test_a_site_may_have_typed_its_own_audience() -> None:  # CONFORMANCE 87
    door = Door(replace(CALLER, audiences=("sand_man",)))
    assert door.opens(signed(claims(aud="sand_man"))).iss == ISS
    with pytest.raises(UntrustedCaller, match="aud"):
        Door().opens(signed(claims(aud="sand_man")))


def test_clocks_may_differ_by_a_minute() -> None:  # CONFORMANCE 87
    ahead = claims(
        iat=seconds(later(seconds=50)), exp=seconds(later(minutes=5)), nbf=seconds(later(seconds=50))
    )
    Door().opens(signed(ahead))
    behind = claims(iat=seconds(later(minutes=-6)), exp=seconds(later(seconds=-50)))
    Door().opens(signed(behind))


def test_a_life_of_fifteen_minutes_is_the_longest() -> None:  # CONFORMANCE 87
    Door().opens(signed(claims(exp=seconds(later(minutes=15)))))


def test_algorithms_are_the_tenants_choice() -> None:  # CONFORMANCE 86
    es256 = ECKey.generate_key("P-256", {"kid": "es256"})
    token = signed(claims(), es256, "ES256")
    Door(replace(CALLER, algorithms=("ES256",)), published=jwks(es256)).opens(token)
    with pytest.raises(UntrustedCaller, match="alg: is not one of ES384, RS384"):
        Door(published=jwks(es256)).opens(token)


def test_unknown_headers_and_claims_are_passed_over() -> None:
    Door().opens(signed(claims(tenant="north", other={"a": 1}), x5c=["MIIB" * 400], ver="2"))


def test_sites_of_one_vendor_are_told_apart_by_the_tenant_claim() -> None:  # CONFORMANCE 87
    north = replace(TENANT, id="north", cds_clients=(replace(CALLER, tenant_claim="n"),))
    south = replace(TENANT, id="south", cds_clients=(replace(CALLER, tenant_claim="s"),))
    door = Door()
    door.tenants = Tenants((north, south))
    assert door.opens(signed(claims(tenant="s"))).tenant.id == "south"
    with pytest.raises(UntrustedCaller, match="iss"):
        door.opens(signed(claims(jti="j-2")))


# --- what is not


def hmac_of(key: bytes, kid: str) -> str:
    """A token signed with a shared secret, which may be the public key everybody can read."""
    head, body, _ = unsigned({"alg": "HS256", "kid": kid}, claims()).split(".")
    signature = hmac.new(key, f"{head}.{body}".encode(), "sha256").digest()
    return f"{head}.{body}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def tampered() -> str:
    head, _, signature = signed(claims()).split(".")
    _, body, _ = unsigned({}, claims(sub="somebody else")).split(".")
    return f"{head}.{body}.{signature}"


def with_own_key() -> str:
    return signed(claims(), OTHER, jwk=OTHER.as_dict(private=False))


P256 = ECKey.generate_key("P-256", {"kid": "p256"})
NEGATIVE: list[tuple[str, Callable[[], str], str]] = [
    ("alg none", lambda: unsigned({"alg": "none", "kid": "es-1"}, claims()), "alg: is 'none'"),
    ("alg NONE", lambda: unsigned({"alg": "NoNe", "kid": "es-1"}, claims()), "alg: is 'none'"),
    ("no alg", lambda: unsigned({"kid": "es-1"}, claims(), b"x"), "alg: is missing"),
    ("HMAC", lambda: hmac_of(b"a secret", "es-1"), "alg: is an HMAC"),
    ("HMAC with the public key", lambda: hmac_of(RS.as_pem(private=False), "rs-1"), "alg: is an HMAC"),
    ("alg not listed", lambda: signed(claims(), RS, "RS256"), "alg: is not one of"),
    ("ES384 named, RSA key", lambda: unsigned({"alg": "ES384", "kid": "rs-1"}, claims(), b"x" * 96), "kid"),
    ("another key of the same name", lambda: signed(claims(), OTHER), "signature"),
    ("the key comes along", with_own_key, "signature"),
    ("claims changed", tampered, "signature"),
    ("signature cut", lambda: signed(claims())[:-20], "signature"),
    ("no signature", lambda: signed(claims()).rpartition(".")[0] + ".", "signature"),
    ("unknown kid", lambda: signed(claims(), kid="es-9"), "kid: names no ES384 key"),
    ("no kid", lambda: signed(claims(), kid=None), "kid: is missing"),
    (
        "a kid that is a number",
        lambda: unsigned({"alg": "ES384", "kid": 1}, claims(), b"x"),
        "kid: is missing",
    ),
    ("foreign jku", lambda: signed(claims(), jku="https://evil.example.net/jwks.json"), "jku"),
    ("jku with a slash more", lambda: signed(claims(), jku=JWKS + "/"), "jku"),
    (
        "critical extension",
        lambda: unsigned({"alg": "ES384", "kid": "es-1", "crit": ["b64"]}, claims()),
        "crit",
    ),
    ("unknown iss", lambda: signed(claims(iss="https://other.example.org")), "iss: no tenant lists"),
    ("no iss", lambda: signed(claims(iss=None)), "iss: is missing"),
    ("iss is a list", lambda: signed(claims(iss=[ISS])), "iss: is missing"),
    (
        "wrong aud",
        lambda: signed(claims(aud="https://app.example.org/cds-services/troponin-trend")),
        "aud: names",
    ),
    ("aud of the host alone", lambda: signed(claims(aud="https://app.example.org")), "aud: names"),
    ("no aud", lambda: signed(claims(aud=None)), "aud: is missing"),
    ("empty aud", lambda: signed(claims(aud=[])), "aud: is missing"),
    ("aud of a number", lambda: signed(claims(aud=[URL, 5])), "aud"),
    (
        "expired",
        lambda: signed(claims(iat=seconds(later(minutes=-9)), exp=seconds(later(seconds=-61)))),
        "exp: has",
    ),
    ("no exp", lambda: signed(claims(exp=None)), "exp: is missing"),
    ("exp is a text", lambda: signed(claims(exp=str(seconds(later(minutes=5))))), "exp: is missing"),
    (
        "exp is true",
        lambda: unsigned({"alg": "ES384", "kid": "es-1"}, claims(exp=True), b"x"),
        "exp: is missing",
    ),
    ("exp beyond time", lambda: signed(claims(exp=10**18)), "exp: is no time"),
    ("no iat", lambda: signed(claims(iat=None)), "iat: is missing"),
    ("iat ahead", lambda: signed(claims(iat=seconds(later(seconds=61)))), "iat: lies ahead"),
    ("nbf ahead", lambda: signed(claims(nbf=seconds(later(seconds=61)))), "nbf: lies ahead"),
    ("exp before iat", lambda: signed(claims(exp=seconds(NOW))), "exp: is not after"),
    ("a day long", lambda: signed(claims(exp=seconds(later(days=1)))), "exp: is more than 15 minutes"),
    ("no jti", lambda: signed(claims(jti=None)), "jti: is missing"),
    ("empty jti", lambda: signed(claims(jti="")), "jti: is missing"),
    ("too long", lambda: signed(claims(pad="x" * 20000)), "token: is longer"),
    ("two parts", lambda: "a.b", "token: is not a signed JWT"),
    ("five parts", lambda: "a.b.c.d.e", "token: is not a signed JWT"),
    ("no JSON", lambda: "!!.??.x", "header: cannot be read"),
    (
        "claims are a list",
        lambda: signed(claims()).replace(".", ".WzFd.", 1).rpartition(".")[0],
        "token|claims",
    ),
]


@pytest.mark.parametrize(("name", "token", "told"), NEGATIVE, ids=[row[0] for row in NEGATIVE])
def test_a_bad_token_is_refused_with_what_was_wrong(
    name: str, token: Callable[[], str], told: str
) -> None:  # CONFORMANCE 86
    door = Door()
    with pytest.raises(UntrustedCaller, match=told):
        door.opens(token())
    assert door.used == {}


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic abc", "bearer"])
def test_a_call_without_a_bearer_token_is_refused(header: str) -> None:  # CONFORMANCE 86
    with pytest.raises(UntrustedCaller, match="Authorization"):
        Door().opens("", scheme=header)


def test_a_token_is_used_once_across_workers() -> None:  # CONFORMANCE 86
    one, other = Door(), Door()
    other.used = one.used
    token = signed(claims())
    one.opens(token)
    for door in (one, other):
        with pytest.raises(UntrustedCaller, match="jti: was used before"):
            door.opens(token, now=later(minutes=4))


def test_a_used_token_is_remembered_for_as_long_as_it_would_be_taken() -> None:  # CONFORMANCE 86
    door = Door()
    door.opens(signed(claims()))
    assert door.used[ISS, "j-1"] == later(minutes=6)  # exp, and the minute that clocks may differ


def test_an_issuer_nobody_lists_costs_no_request() -> None:  # CONFORMANCE 86
    door = Door()
    for changed in ({"iss": "https://evil.example.net"}, {"iss": JWKS}):
        with pytest.raises(UntrustedCaller):
            door.opens(signed(claims(**changed), jku="https://evil.example.net/jwks.json"))
    with pytest.raises(UntrustedCaller):
        door.opens(signed(claims(), jku="https://evil.example.net/jwks.json"))
    assert door.peer.asked == []


def test_a_refusal_repeats_nothing_of_the_token() -> None:
    with pytest.raises(UntrustedCaller) as refused:
        Door().opens(signed(claims(iss="https://evil.example.net/<script>", sub="Jane Public")))
    assert "evil" not in str(refused.value)
    assert refused.value.__suppress_context__


# --- keys


def test_keys_are_fetched_once_and_kept() -> None:
    door = Door()
    for number in range(5):
        door.opens(signed(claims(jti=f"j-{number}")))
    assert len(door.peer.asked) == 1
    door.watch.seconds += 601
    door.opens(signed(claims(jti="later")))
    assert len(door.peer.asked) == 2


def test_a_new_key_is_found_by_one_fresh_fetch() -> None:  # CONFORMANCE 86
    door = Door()
    door.peer["/jwks.json"] = sequence(jwks(RS), jwks(RS, ES))
    door.opens(signed(claims(jti="a"), RS, "RS384"))
    door.watch.seconds += 6
    door.opens(signed(claims(jti="b"), ES))
    assert len(door.peer.asked) == 2


def test_a_flood_of_unknown_kids_is_no_flood_at_the_hospital() -> None:
    door = Door()
    for number in range(50):
        with pytest.raises(UntrustedCaller, match="kid"):
            door.opens(signed(claims(), kid=f"made-up-{number}"))
    assert len(door.peer.asked) == 1
    door.watch.seconds += 6
    for number in range(50):
        with pytest.raises(UntrustedCaller, match="kid"):
            door.opens(signed(claims(), kid=f"made-up-{number}"))
    assert len(door.peer.asked) == 2


@pytest.mark.parametrize(
    "answer",
    [httpx.Response(500), httpx.Response(404), httpx.Response(302, headers={"location": "https://evil.net/"}),
     httpx.Response(200, content=b"<html>"), httpx.Response(200, json={"keys": "none"}),
     httpx.Response(200, content=b" " * 300_000)],
)  # fmt: skip
def test_keys_that_cannot_be_fetched_are_the_hospitals_fault_not_the_callers(answer: httpx.Response) -> None:
    door = Door()
    door.peer["/jwks.json"] = sequence(answer, jwks(ES))
    with pytest.raises(EhrUnavailable):
        door.opens(signed(claims()))
    with pytest.raises(EhrUnavailable):  # not asked again at once
        door.opens(signed(claims()))
    assert len(door.peer.asked) == 1
    door.watch.seconds += 6
    assert door.opens(signed(claims())).iss == ISS


def test_known_keys_serve_on_for_an_hour_while_their_address_is_down() -> None:
    door = Door()
    door.peer["/jwks.json"] = sequence(jwks(ES), httpx.Response(503))
    door.opens(signed(claims(jti="a")))
    door.watch.seconds += 3000
    door.opens(signed(claims(jti="b")))
    door.watch.seconds += 1000
    with pytest.raises(EhrUnavailable):
        door.opens(signed(claims(jti="c")))


def test_one_odd_key_in_a_set_loses_itself_alone() -> None:
    odd = [
        {"kty": "EC", "crv": "P-384", "kid": "x"},
        {"kty": "ML-DSA", "kid": "post-quantum"},
        {"kid": "nothing"},
        "text",
        None,
        {"kty": "oct", "k": "c2VjcmV0", "kid": "es-1"},
        dict(ES.as_dict(private=False)),
    ]
    Door(published=httpx.Response(200, json={"keys": odd})).opens(signed(claims()))


def test_an_encryption_key_and_a_short_key_verify_nothing() -> None:
    sealing = ES.as_dict(private=False) | {"use": "enc"}
    with pytest.raises(UntrustedCaller, match="kid"):
        Door(published=httpx.Response(200, json={"keys": [sealing]})).opens(signed(claims()))
    raw = rsa.generate_private_key(65537, 1024)  # noqa: S505  short on purpose
    numbers = raw.public_key().public_numbers()
    short = {"kty": "RSA", "kid": "rs-1", "e": "AQAB", "n": _base64url(numbers.n)}
    with pytest.raises(UntrustedCaller, match="kid"):
        Door(published=httpx.Response(200, json={"keys": [short]})).opens(signed(claims(), RS, "RS384"))


def test_a_key_verifies_only_what_it_was_made_for() -> None:
    for row in (RS.as_dict(private=False) | {"alg": "RS256"}, P256.as_dict(private=False)):
        door = Door(published=httpx.Response(200, json={"keys": [row]}))
        for token in (
            signed(claims(), RS, "RS384"),
            unsigned({"alg": "ES384", "kid": "p256"}, claims(), b"x"),
        ):
            with pytest.raises(UntrustedCaller, match="kid"):
                door.opens(token)


def test_threads_that_need_the_same_keys_share_one_fetch() -> None:
    door, trouble = Door(), []

    def call(number: int) -> None:
        try:
            door.opens(signed(claims(jti=f"t-{number}")))
        except Exception as error:  # reported by the assertion below
            trouble.append(error)

    threads = [threading.Thread(target=call, args=(n,)) for n in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert trouble == []
    assert len(door.peer.asked) == 1


def _base64url(number: int) -> str:
    return (
        base64.urlsafe_b64encode(number.to_bytes((number.bit_length() + 7) // 8, "big")).rstrip(b"=").decode()
    )
