"""A SMART launch step by step: what goes out, what may come back, and what ends it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import httpx
import pytest
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from ehr import smart
from ehr.errors import EhrUnavailable, LaunchRefused, MalformedAnswer, Throttled, Unauthorised
from ehr.grant import read_grant
from ehr.tenants import Client
from tests.ehr.launches import (
    CONFIGURATION,
    GIVEN,
    REDIRECT,
    SCOPES,
    TENANT,
    TOKEN,
    WELL_KNOWN,
    asked,
    begun,
    finished,
    granted,
    hospital,
    without,
)
from tests.ehr.peer import (
    BASE,
    ES,
    NOW,
    RS,
    Peer,
    later,
    outcome,
    seconds,
)

# --- discovery


def test_discovery_reads_the_well_known_document_and_nothing_else() -> None:  # CONFORMANCE 1
    peer = hospital()
    endpoints = smart.discover(peer.client(), TENANT)
    assert [(r.method, r.url.path) for r in peer.asked] == [("GET", WELL_KNOWN)]
    assert peer.asked[0].headers["accept"] == "application/json"
    assert "authorization" not in peer.asked[0].headers
    assert endpoints.token == TOKEN
    assert endpoints.authorization == "https://ehr.example.org/auth/authorize"


def test_a_relative_endpoint_is_below_the_fhir_base() -> None:  # CONFORMANCE 2
    peer = hospital(without(CONFIGURATION, token_endpoint="oauth/token", authorization_endpoint="/authorize"))
    endpoints = smart.discover(peer.client(), TENANT)
    assert endpoints.token == f"{BASE}/oauth/token"
    assert endpoints.authorization == "https://ehr.example.org/authorize"


def test_a_server_that_does_not_list_pkce_gets_it_all_the_same() -> None:  # CONFORMANCE 3
    pending = begun(hospital(without(CONFIGURATION, code_challenge_methods_supported=None)))
    assert asked(pending)["code_challenge_method"] == ["S256"]


def test_a_server_that_offers_plain_pkce_alone_is_refused() -> None:  # CONFORMANCE 3
    peer = hospital(without(CONFIGURATION, code_challenge_methods_supported=["plain"]))
    with pytest.raises(LaunchRefused, match="S256"):
        smart.discover(peer.client(), TENANT)


@pytest.mark.parametrize(
    "endpoint",
    ["http://ehr.example.org/token", "http://127.0.0.1/token", "https://u:p@ehr.example.org/token", "ftp://x/t",
     "https://ehr.example.org/token#x", "javascript:alert(1)", "//[::1"],
)  # fmt: skip
def test_an_endpoint_without_tls_or_with_oddities_is_refused(endpoint: str) -> None:  # CONFORMANCE 33
    peer = hospital(without(CONFIGURATION, token_endpoint=endpoint))
    with pytest.raises(LaunchRefused, match="token_endpoint"):
        smart.discover(peer.client(), TENANT)


def test_a_hospital_on_loopback_may_name_endpoints_on_loopback_only() -> None:
    tenant = replace(TENANT, issuer="http://localhost:8090/fhir")
    peer = Peer()
    for endpoint, good in (
        ("http://localhost:8090/auth/token", True),
        ("http://ehr.example.org/token", False),
    ):
        peer["/fhir/.well-known/smart-configuration"] = httpx.Response(200, json={"token_endpoint": endpoint})
        if good:
            assert smart.discover(peer.client(), tenant).token == endpoint
        else:
            with pytest.raises(LaunchRefused):
                smart.discover(peer.client(), tenant)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (httpx.Response(404), LaunchRefused),
        (httpx.Response(200, content=b"<html>"), MalformedAnswer),
        (httpx.Response(200, json={}), LaunchRefused),
        (httpx.Response(200, json={"token_endpoint": 5}), LaunchRefused),
        (httpx.Response(500), EhrUnavailable),
    ],
)
def test_a_hospital_without_a_usable_configuration_is_named_so(
    answer: httpx.Response, kind: type[Exception]
) -> None:
    peer = Peer()
    peer[WELL_KNOWN] = answer
    with pytest.raises(kind):
        smart.discover(peer.client(), TENANT)


# --- the authorisation request


def test_an_ehr_launch_asks_with_the_full_set_of_parameters() -> None:  # CONFORMANCE 8
    pending = begun(hospital())
    assert asked(pending) == {
        "response_type": ["code"],
        "client_id": ["ordertime"],
        "redirect_uri": [REDIRECT],
        "scope": [" ".join(SCOPES)],
        "state": [pending.state],
        "aud": [BASE],
        "code_challenge": [create_s256_code_challenge(pending.verifier)],
        "code_challenge_method": ["S256"],
        "nonce": [pending.nonce],
        "launch": ["xyz"],
    }


def test_a_standalone_launch_asks_for_a_patient_and_sends_no_launch() -> None:  # CONFORMANCE 7
    sent = asked(begun(hospital(), launch=None))
    assert "launch" not in sent
    scopes = sent["scope"][0].split()
    assert "launch/patient" in scopes
    assert "launch" not in scopes


def test_an_ehr_launch_asks_for_launch_whether_or_not_it_is_configured() -> None:  # CONFORMANCE 6
    tenant = replace(TENANT, scopes=("patient/Patient.r", "launch/patient"))
    assert asked(begun(hospital(), tenant))["scope"] == ["launch patient/Patient.r"]


def test_the_launch_value_is_echoed_byte_for_byte() -> None:  # CONFORMANCE 6
    opaque = "a b+/=&?#%25é☃" * 150
    assert asked(begun(hospital(), launch=opaque))["launch"] == [opaque]


@pytest.mark.parametrize("iss", [BASE, BASE + "/", "https://EHR.example.org/fhir/r4"])
def test_aud_is_what_the_ehr_called_itself(iss: str) -> None:  # CONFORMANCE 9
    assert asked(begun(hospital(), iss=iss))["aud"] == [iss]


def test_state_nonce_and_verifier_are_long_and_new_every_time() -> None:  # CONFORMANCE 10, 11
    pendings = [begun(hospital()) for _ in range(3)]
    for values in zip(*((p.state, p.nonce, p.verifier) for p in pendings), strict=True):
        assert len(set(values)) == 3
        assert all(len(value) >= 43 for value in values)  # 256 bits in base64url
    assert all(43 <= len(p.verifier) <= 128 for p in pendings)


def test_a_login_is_asked_for_anew_where_an_earlier_ones_patient_would_come() -> None:
    assert "prompt" not in asked(begun(hospital()))
    quirky = replace(TENANT, quirks=frozenset({"fresh-login"}))
    assert asked(begun(hospital(), quirky), quirky)["prompt"] == ["login"]


def test_a_query_the_endpoint_has_is_kept() -> None:
    peer = hospital(without(CONFIGURATION, authorization_endpoint="https://ehr.example.org/auth?tenant=7"))
    sent = asked(begun(peer))
    assert sent["tenant"] == ["7"]
    assert sent["client_id"] == ["ordertime"]


def test_a_long_request_may_go_by_post_where_the_server_takes_it() -> None:  # CONFORMANCE 13
    many = tuple(f"patient/Observation.rs?category=http://example.org|{n:04}" for n in range(160))
    tenant = replace(TENANT, scopes=many)
    pending = begun(hospital(), tenant)
    url = smart.authorise_url(tenant, pending.endpoints, pending)
    assert len(url) > 8000
    assert smart.posts(tenant, pending.endpoints, url)
    assert smart.authorise_fields(tenant, pending)["scope"].count("category") == 160
    silent = replace(pending.endpoints, capabilities=())
    assert not smart.posts(tenant, silent, url)
    assert smart.posts(replace(tenant, quirks=frozenset({"authorize-post"})), silent, url)
    assert not smart.posts(tenant, pending.endpoints, "https://short.example.org")


def test_a_pending_launch_survives_json_and_hides_its_secrets() -> None:
    pending = begun(hospital())
    assert smart.Pending.from_dict(json.loads(json.dumps(pending.to_dict()))) == pending
    assert pending.verifier not in repr(pending)
    assert pending.state not in repr(pending)


# --- the way back


def test_the_code_is_exchanged_with_the_same_redirect_and_the_verifier() -> None:  # CONFORMANCE 16, 11
    peer = hospital()
    pending = begun(peer)
    finished(peer, pending)
    request = peer.asked[-1]
    assert (request.method, str(request.url)) == ("POST", TOKEN)
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert "authorization" not in request.headers
    assert peer.form() == {
        "grant_type": "authorization_code",
        "code": "c-1",
        "redirect_uri": REDIRECT,
        "code_verifier": pending.verifier,
        "client_id": "ordertime",
    }


def test_a_confidential_client_uses_basic_and_keeps_its_id_out_of_the_body() -> None:  # CONFORMANCE 17, 16
    peer = hospital()
    tenant = replace(TENANT, auth="secret", client_secret="s3cret:&+ ")
    finished(peer, begun(peer, tenant), tenant)
    expected = httpx.BasicAuth("ordertime", "s3cret:&+ ")
    sent = next(expected.auth_flow(httpx.Request("POST", TOKEN))).headers["authorization"]
    assert peer.asked[-1].headers["authorization"] == sent
    assert "client_id" not in peer.form()
    assert "s3cret" not in peer.asked[-1].content.decode()


@pytest.mark.parametrize(
    ("key", "alg"),
    [
        (RSAKey.generate_key(2048, {"kid": "k-rs"}), "RS384"),
        (ECKey.generate_key("P-384", {"kid": "k-es"}), "ES384"),
    ],
    ids=["RS384", "ES384"],
)
def test_an_asymmetric_client_signs_a_new_short_assertion_every_time(
    key: RSAKey | ECKey, alg: str
) -> None:  # CONFORMANCE 18, 20
    peer = hospital()
    tenant = replace(TENANT, auth="private_key_jwt", signing_key=key)
    seen = set()
    for _ in range(2):
        finished(peer, begun(peer, tenant), tenant)
        form = peer.form()
        assert form["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        assert "client_id" not in form
        token = jwt.decode(form["client_assertion"], key, algorithms=[alg])
        assert token.header == {"alg": alg, "kid": key.kid, "typ": "JWT"}
        claims = token.claims
        assert claims["iss"] == claims["sub"] == "ordertime"
        assert claims["aud"] == TOKEN
        assert claims["iat"] == seconds(NOW)
        assert 0 < claims["exp"] - claims["iat"] <= 300
        seen.add(claims["jti"])
    assert len(seen) == 2


def test_keys_are_published_for_every_site_old_ones_too_without_private_members() -> None:  # CONFORMANCE 19
    old = ECKey.generate_key("P-384", {"kid": "2025"})
    sites = [
        replace(TENANT, signing_key=ES, previous_keys=(old,)),
        replace(TENANT, id="second", signing_key=RS, backend=Client("b", "private_key_jwt", signing_key=ES)),
        replace(TENANT, id="third"),
    ]
    published = smart.public_keys(sites)["keys"]
    assert sorted(key["kid"] for key in published) == ["2025", "es-1", "rs-1"]
    assert not {"d", "p", "q", "dp", "dq", "qi", "k"} & {name for key in published for name in key}


def test_an_assertion_is_provable_with_the_published_key() -> None:  # CONFORMANCE 19
    who = Client("ordertime", "private_key_jwt", signing_key=ES)
    (published,) = smart.public_keys([replace(TENANT, signing_key=ES)])["keys"]
    jwt.decode(smart.client_assertion(who, TOKEN, now=NOW), ECKey.import_key(published), algorithms=["ES384"])


@pytest.mark.parametrize("state", [None, "", "wrong", "é"])
def test_a_wrong_state_makes_no_token_call(state: str | None) -> None:  # CONFORMANCE 10
    peer = hospital()
    pending = begun(peer)
    before = len(peer.asked)
    with pytest.raises(LaunchRefused, match="state"):
        finished(peer, pending, answer=without({"code": "c-1"}, state=state))
    assert len(peer.asked) == before


def test_another_launchs_state_does_not_open_this_one() -> None:  # CONFORMANCE 14
    peer = hospital()
    one, other = begun(peer), begun(peer)
    with pytest.raises(LaunchRefused, match="state"):
        finished(peer, one, answer={"code": "c-1", "state": other.state})


def test_the_hospitals_refusal_ends_the_launch_with_its_code_and_not_its_words() -> None:  # CONFORMANCE 12
    peer = hospital()
    pending = begun(peer)
    words = "<script>alert(1)</script> Jane Public"
    back = {"state": pending.state, "error": "access_denied", "error_description": words}
    with pytest.raises(LaunchRefused, match="access_denied") as refused:
        finished(peer, pending, answer=back)
    assert refused.value.said == words
    assert refused.value.causes == ("access_denied",)
    assert "script" not in str(refused.value)
    with pytest.raises(LaunchRefused, match="no reason given"):
        finished(peer, pending, answer={**back, "error": words})


def test_an_answer_without_code_or_error_is_refused() -> None:
    peer = hospital()
    pending = begun(peer)
    with pytest.raises(LaunchRefused, match="code"):
        finished(peer, pending, answer={"state": pending.state})


def test_an_answer_from_another_authorisation_server_is_refused() -> None:  # RFC 9207
    peer = hospital()
    pending = begun(peer)
    back = {"state": pending.state, "code": "c-1"}
    finished(peer, pending, answer={**back, "iss": "https://ehr.example.org/auth"})
    with pytest.raises(LaunchRefused, match="iss"):
        finished(peer, pending, answer={**back, "iss": "https://evil.example.net"})


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (httpx.Response(400, json={"error": "invalid_grant", "error_description": "Jane"}), LaunchRefused),
        (httpx.Response(401, json={"error": "invalid_client"}), LaunchRefused),
        (httpx.Response(403, content=b"<html>Jane"), LaunchRefused),
        (httpx.Response(302, headers={"location": "https://evil.example.net/"}), LaunchRefused),
        (httpx.Response(200, content=b"<html>"), MalformedAnswer),
        (httpx.Response(200, json={}), LaunchRefused),
        (httpx.Response(500), EhrUnavailable),
        (httpx.Response(429, headers={"retry-after": "7"}, json=outcome("throttled")), Throttled),
    ],
)
def test_a_failed_exchange_is_asked_once_and_named(reply: httpx.Response, kind: type[Exception]) -> None:
    peer = hospital()
    pending = begun(peer)
    peer["/auth/token"] = reply
    before = len(peer.asked)
    with pytest.raises(kind) as refused:
        finished(peer, pending)
    assert len(peer.asked) == before + 1
    assert "Jane" not in str(refused.value)


def test_a_token_endpoint_of_another_hospital_is_not_asked() -> None:  # CONFORMANCE 36
    peer = hospital()
    pending = begun(peer)
    other = replace(TENANT, id="other", issuer="https://other.example.org/fhir")
    before = len(peer.asked)
    with pytest.raises(LaunchRefused, match="own server"):
        finished(peer, pending, other)
    with pytest.raises(LaunchRefused):
        smart.refresh(peer.client(), other, pending.endpoints, read_grant(GIVEN, asked="", now=NOW), now=NOW)
    with pytest.raises(LaunchRefused):
        smart.begin(other, pending.endpoints, redirect_uri=REDIRECT, launch="x")
    assert len(peer.asked) == before


# --- refresh, backend, revocation


def renewed(grant: smart.Grant, **given: Any) -> tuple[Peer, smart.Grant]:
    peer = hospital(**given)
    endpoints = smart.discover(peer.client(), TENANT)
    return peer, smart.refresh(peer.client(), TENANT, endpoints, grant, now=later(minutes=5))


def test_a_refresh_sends_the_refresh_token_and_takes_the_new_one() -> None:  # CONFORMANCE 31
    peer, grant = renewed(granted(), access_token="at-2", refresh_token="rt-2", patient=None)
    assert peer.form() == {"grant_type": "refresh_token", "refresh_token": "rt-1", "client_id": "ordertime"}
    assert (grant.access_token, grant.refresh_token, grant.patient) == ("at-2", "rt-2", "p1")
    assert grant.expires_at == later(minutes=10)


def test_a_refresh_without_a_new_refresh_token_keeps_the_old_one() -> None:  # CONFORMANCE 31
    user = replace(granted(), user="Practitioner/1", app_context="a")
    _, grant = renewed(user, access_token="at-2", refresh_token=None, scope=None, token_type="bearer")
    assert grant.refresh_token == "rt-1"
    assert grant.scope == user.scope
    assert (grant.user, grant.app_context, grant.encounter) == ("Practitioner/1", "a", "e1")


def test_a_refresh_uses_the_same_client_authentication() -> None:  # CONFORMANCE 31
    peer = hospital()
    tenant = replace(TENANT, auth="private_key_jwt", signing_key=ES)
    endpoints = smart.discover(peer.client(), tenant)
    smart.refresh(peer.client(), tenant, endpoints, granted(), now=NOW)
    assert "client_assertion" in peer.form()


def test_a_refresh_that_names_another_patient_is_refused() -> None:  # CONFORMANCE 36
    with pytest.raises(Unauthorised):
        renewed(granted(), patient="p2")


def test_without_a_refresh_token_the_app_is_to_be_opened_again_and_nothing_is_sent() -> (
    None
):  # CONFORMANCE 31
    peer = hospital()
    endpoints = smart.discover(peer.client(), TENANT)
    with pytest.raises(Unauthorised, match="open the app again"):
        smart.refresh(peer.client(), TENANT, endpoints, granted(refresh_token=None), now=NOW)
    assert len(peer.asked) == 1


def test_a_refresh_token_that_is_no_longer_taken_ends_the_visit_without_a_loop() -> (
    None
):  # CONFORMANCE 31, 32
    peer = hospital()
    endpoints = smart.discover(peer.client(), TENANT)
    peer["/auth/token"] = httpx.Response(400, json={"error": "invalid_grant"})
    with pytest.raises(Unauthorised, match="open the app again"):
        smart.refresh(peer.client(), TENANT, endpoints, granted(), now=NOW)
    assert len(peer.asked) == 2
    peer["/auth/token"] = httpx.Response(503)
    with pytest.raises(EhrUnavailable):
        smart.refresh(peer.client(), TENANT, endpoints, granted(), now=NOW)


def test_a_backend_service_asks_with_its_own_client_and_system_scopes() -> None:  # CONFORMANCE 34
    peer = hospital(scope="system/Observation.rs", patient=None, refresh_token=None)
    backend = Client(
        "ordertime-backend", "private_key_jwt", signing_key=ES, scopes=("system/Observation.rs",)
    )
    tenant = replace(TENANT, backend=backend)
    endpoints = smart.discover(peer.client(), tenant)
    grant = smart.backend_token(peer.client(), tenant, endpoints, now=NOW)
    form = peer.form()
    assert form["grant_type"] == "client_credentials"
    assert form["scope"] == "system/Observation.rs"
    claims = jwt.decode(form["client_assertion"], ES, algorithms=["ES384"]).claims
    assert claims["iss"] == claims["sub"] == "ordertime-backend"
    assert (grant.patient, grant.refresh_token) == ("", "")
    with pytest.raises(LaunchRefused, match="backend"):
        smart.backend_token(peer.client(), TENANT, endpoints, now=NOW)


def test_tokens_are_given_back_where_the_server_takes_them() -> None:  # CONFORMANCE 35
    peer = hospital({**CONFIGURATION, "revocation_endpoint": "https://ehr.example.org/auth/revoke"})
    peer["/auth/revoke"] = httpx.Response(200)
    endpoints = smart.discover(peer.client(), TENANT)
    assert smart.revoke(peer.client(), TENANT, endpoints, granted(), now=NOW)
    assert peer.form() == {"token": "rt-1", "token_type_hint": "refresh_token", "client_id": "ordertime"}
    assert smart.revoke(peer.client(), TENANT, endpoints, granted(refresh_token=None), now=NOW)
    assert peer.form()["token"] == "at-1"
    silent = replace(endpoints, revocation="")
    assert not smart.revoke(peer.client(), TENANT, silent, granted(), now=NOW)
