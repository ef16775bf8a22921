"""The authorisation server over real HTTP: launches, tokens, keys, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

from demo.app import create_hospital, fetch_json
from demo.records import Hospital
from tests.demo.standing_hospital import CALLBACK, App, AppKeys, small_ward


def test_the_smart_configuration_names_everything_an_app_needs(app: App) -> None:
    # CONFORMANCE 1, 3
    answer = app.http.get(f"{app.base}/.well-known/smart-configuration")
    said = answer.json()
    assert answer.headers["Content-Type"].startswith("application/json")
    assert said["issuer"] == app.base
    assert said["code_challenge_methods_supported"] == ["S256"]
    assert said["token_endpoint"] == app.hospital.settings.token_url
    assert {"launch-ehr", "launch-standalone", "permission-v2"} <= {*said["capabilities"]}
    assert app.http.get(said["jwks_uri"]).json()["keys"][0]["kty"] == "RSA"


def test_an_ehr_launch_ends_with_a_token_for_its_patient(app: App) -> None:
    answer = app.launch()
    assert answer["patient"] == "ann"
    assert answer["encounter"] == "stay-ann"
    assert answer["token_type"] == "Bearer"
    assert answer["need_patient_banner"] is True
    assert answer["expires_in"] == app.hospital.settings.access_token_seconds
    assert "patient/*.cruds" in answer["scope"].split()
    assert app.http.get(answer["smart_style_url"]).json()["color_text"].startswith("#")
    assert app.with_token(answer["access_token"], "Patient/ann").status_code == 200


def test_the_authorize_answer_carries_the_state_unchanged_and_needs_no_cookie(app: App) -> None:
    # CONFORMANCE 10
    answer = app.authorize(state="a b&c=%2F")
    assert parse_qs(urlsplit(answer.headers["Location"]).query)["state"] == ["a b&c=%2F"]
    assert "Set-Cookie" not in answer.headers


def test_authorize_takes_a_posted_form_too(app: App) -> None:
    # CONFORMANCE 13
    launch = app.hospital.launches.mint(patient="ann", user="doc")
    answer = app.http.post(f"{app.hospital.settings.url}/auth/authorize", data=app.request(launch=launch))
    assert "code=" in answer.headers["Location"]


def test_a_wrong_verifier_is_refused_and_spends_the_code(app: App) -> None:
    # CONFORMANCE 11
    code = app.back()["code"]
    wrong = app.redeem(code, verifier="w" * 64)
    assert (wrong.status_code, wrong.json()["error"]) == (400, "invalid_grant")
    assert app.redeem(code).json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    "changes",
    [
        {"code_challenge": None, "code_challenge_method": None},
        {"code_challenge_method": "plain"},
        {"code_challenge_method": None},
    ],
)
@pytest.mark.parametrize("client", ["ordertime", "ordertime-secret", "ordertime-asymmetric"])
def test_no_client_is_launched_without_an_s256_challenge(
    app: App, changes: dict[str, Any], client: str
) -> None:
    back = app.back(client_id=client, **changes)
    assert back["error"] == "invalid_request"
    assert "S256" in back["error_description"]


def test_a_missing_verifier_is_refused(app: App) -> None:
    code = app.back()["code"]
    data = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}
    assert app.token(data | {"client_id": "ordertime"}).status_code == 400


def test_a_code_serves_once_and_its_second_use_takes_the_token_back(app: App) -> None:
    code = app.back()["code"]
    token = app.redeem(code).json()["access_token"]
    assert app.redeem(code).json()["error"] == "invalid_grant"
    assert app.with_token(token, "Patient/ann").status_code == 401


def test_a_code_is_refused_with_another_redirect_uri(app: App) -> None:
    answer = app.redeem(app.back()["code"], more={"redirect_uri": "http://127.0.0.1:8000/other"})
    assert answer.json()["error"] == "invalid_grant"


@pytest.mark.parametrize("aud", ["{base}/", "{base}x", "http://elsewhere/fhir", None])
def test_another_aud_is_refused_to_the_redirect_uri(app: App, aud: str | None) -> None:
    # CONFORMANCE 9
    back = app.back(aud=aud.format(base=app.base) if aud else None)
    assert back["error"] == "invalid_request"
    assert back["state"] == "a-state"


def test_a_missing_state_is_refused(app: App) -> None:
    assert app.back(state=None)["error"] == "invalid_request"


def test_a_launch_id_serves_once(app: App) -> None:
    launch = app.hospital.launches.mint(patient="ann", user="doc")
    assert "code" in app.back(launch=launch)
    assert app.back(launch=launch)["error"] == "invalid_request"
    assert app.back(launch="never-minted")["error"] == "invalid_request"


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "a-stranger"},
        {"redirect_uri": "http://evil.example/<script>"},
        {"redirect_uri": None},
        {"client_id": '"<b>'},
    ],
)
def test_an_unregistered_address_gets_a_page_and_never_a_redirect(app: App, changes: dict[str, Any]) -> None:
    answer = app.authorize(**changes)
    assert answer.status_code == 400
    assert "Location" not in answer.headers
    assert "<script>" not in answer.text
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("response_type", ["token", '"quoted"', "code id_token"])
def test_only_the_code_flow_is_spoken(app: App, response_type: str) -> None:
    answer = app.authorize(response_type=response_type)
    assert answer.status_code in (302, 400)
    assert "code=" not in answer.headers.get("Location", "")


def test_the_scope_granted_leaves_out_what_is_unknown_malformed_or_not_for_this_app(app: App) -> None:
    # CONFORMANCE 21, 22
    asked = "launch patient/Patient.rs patient/Observation.read patient/Foo.dr system/*.rs weather openid"
    assert app.launch(scope=asked)["scope"] == "launch patient/Patient.rs patient/Observation.read openid"


def test_a_scope_of_which_nothing_is_left_is_refused(app: App) -> None:
    assert app.back(scope="system/*.rs weather")["error"] == "invalid_scope"


def test_scopes_can_be_withheld_for_a_test_of_less_than_was_asked(app: App) -> None:
    app.hospital.faults.withheld = frozenset({"patient/Observation.rs"})
    assert app.launch(scope="launch patient/Patient.rs patient/Observation.rs")["scope"] == (
        "launch patient/Patient.rs"
    )


def test_the_id_token_is_signed_for_this_client_and_names_the_user(app: App) -> None:
    # CONFORMANCE 29, 30
    answer = app.launch(nonce="n-123")
    openid = app.http.get(f"{app.base}/.well-known/openid-configuration").json()
    keys = KeySet.import_key_set(app.http.get(openid["jwks_uri"]).json())
    token = jwt.decode(answer["id_token"], keys, algorithms=["RS256"])
    assert token.header["kid"] == keys.keys[0].kid
    assert token.claims["iss"] == openid["issuer"] == app.base
    assert token.claims["aud"] == "ordertime"
    assert token.claims["nonce"] == "n-123"
    assert token.claims["fhirUser"] == f"{app.base}/Practitioner/doc"
    assert token.claims["exp"] > token.claims["iat"]


def test_no_id_token_comes_without_openid(app: App) -> None:
    assert "id_token" not in app.launch(scope="launch patient/Patient.r")


def test_a_refresh_token_comes_only_where_lasting_access_was_granted(app: App) -> None:
    # CONFORMANCE 31
    assert "refresh_token" in app.launch()
    assert "refresh_token" not in app.launch(scope="launch patient/Patient.r")


def refreshed(app: App, token: str, **more: str) -> httpx.Response:
    return app.token({"grant_type": "refresh_token", "refresh_token": token, "client_id": "ordertime"} | more)


def test_a_refresh_gives_a_new_pair_with_the_same_patient(app: App) -> None:
    first = app.launch()
    second = refreshed(app, first["refresh_token"]).json()
    assert second["patient"] == "ann"
    assert second["refresh_token"] != first["refresh_token"]
    assert second["scope"] == first["scope"]
    assert refreshed(app, second["refresh_token"]).status_code == 200


def test_a_refresh_token_used_twice_takes_everything_back(app: App) -> None:
    first = app.launch()
    second = refreshed(app, first["refresh_token"]).json()
    assert refreshed(app, first["refresh_token"]).json()["error"] == "invalid_grant"
    assert refreshed(app, second["refresh_token"]).json()["error"] == "invalid_grant"
    assert app.with_token(second["access_token"], "Patient/ann").status_code == 401


def test_a_refresh_may_narrow_the_scope_but_not_widen_it(app: App) -> None:
    first = app.launch(scope="launch online_access patient/Patient.r patient/Observation.rs")
    wide = refreshed(app, first["refresh_token"], scope="patient/*.cruds")
    assert wide.json()["error"] == "invalid_scope"
    narrow = refreshed(app, first["refresh_token"], scope="patient/Patient.r")
    assert narrow.json()["scope"] == "patient/Patient.r"


def test_a_refresh_token_serves_only_the_client_it_was_given_to(app: App, secret: tuple[str, str]) -> None:
    token = app.launch()["refresh_token"]
    stolen = app.token({"grant_type": "refresh_token", "refresh_token": token}, auth=secret)
    assert stolen.json()["error"] == "invalid_grant"


def test_a_revoked_token_opens_nothing(app: App) -> None:
    # CONFORMANCE 35
    first = app.launch()
    app.http.post(
        f"{app.hospital.settings.url}/auth/revoke",
        data={"token": first["refresh_token"], "client_id": "ordertime"},
    )
    assert refreshed(app, first["refresh_token"]).status_code == 400
    assert app.with_token(first["access_token"], "Patient/ann").status_code == 401


def test_a_client_with_a_secret_proves_itself_with_basic(app: App, secret: tuple[str, str]) -> None:
    # CONFORMANCE 17
    code = app.back(client_id="ordertime-secret")["code"]
    assert app.redeem(code, client_id=None, auth=secret).json()["patient"] == "ann"


@pytest.mark.parametrize("auth", [("ordertime-secret", "wrong"), None])
def test_a_wrong_or_missing_secret_is_refused(app: App, auth: tuple[str, str] | None) -> None:
    code = app.back(client_id="ordertime-secret")["code"]
    answer = app.redeem(code, client_id=None if auth else "ordertime-secret", auth=auth)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize("alg", ["RS384", "ES384"])
def test_a_client_with_keys_proves_itself_with_an_assertion(app: App, keys: AppKeys, alg: str) -> None:
    # CONFORMANCE 18
    code = app.back(client_id="ordertime-asymmetric")["code"]
    proof = keys.assertion(alg, app.hospital.settings.token_url)
    answer = app.redeem(code, client_id=None, more=proof)
    assert answer.status_code == 200, answer.text
    assert keys.fetched[-1] == "http://127.0.0.1:8000/.well-known/jwks.json"


def test_the_same_jti_is_refused_the_second_time(app: App, keys: AppKeys) -> None:
    proof = keys.assertion("ES384", app.hospital.settings.token_url, "ordertime-backend")
    asked = {"grant_type": "client_credentials", "scope": "system/Observation.rs"} | proof
    assert app.token(asked).status_code == 200
    again = app.token(asked)
    assert again.status_code in (400, 401)
    assert (again.json()["error"], "jti" in again.text) == ("invalid_client", True)


@pytest.mark.parametrize(
    ("alg", "how"),
    [
        ("ES384", {"life": 3600}),
        ("ES384", {"life": -60}),
        ("ES384", {"aud": "http://elsewhere/token"}),
        ("ES384", {"iss": "somebody"}),
        ("ES384", {"sub": "a-stranger"}),
        ("ES384", {"header": {"jku": "http://evil.example/jwks.json"}}),
        ("RS256", {}),
        ("ES384", {"key": ECKey.generate_key("P-384", auto_kid=True)}),
        ("ES384", {"jti": ""}),
        ("ES384", {"jti": None}),
    ],
)
def test_an_assertion_that_is_not_as_smart_wants_it_is_refused(
    app: App, keys: AppKeys, alg: str, how: dict[str, Any]
) -> None:
    proof = keys.assertion(alg, app.hospital.settings.token_url, "ordertime-backend", **how)
    answer = app.token({"grant_type": "client_credentials", "scope": "system/*.rs"} | proof)
    assert answer.status_code in (400, 401), answer.text
    assert answer.json()["error"] == "invalid_client"


def test_an_assertion_with_a_rotated_key_makes_the_hospital_fetch_the_keys_again(
    app: App, keys: AppKeys
) -> None:
    # CONFORMANCE 19
    url = app.hospital.settings.token_url
    new = ECKey.generate_key("P-384", auto_kid=True)
    keys.published = [keys.rsa, keys.ec, new]
    try:
        proof = keys.assertion("ES384", url, "ordertime-backend", key=new)
        answer = app.token({"grant_type": "client_credentials", "scope": "system/*.rs"} | proof)
    finally:
        keys.published = []
    assert answer.status_code == 200


def test_a_backend_service_reads_every_patient_and_gets_no_refresh_token(app: App, keys: AppKeys) -> None:
    # CONFORMANCE 34
    proof = keys.assertion("RS384", app.hospital.settings.token_url, "ordertime-backend")
    answer = app.token({"grant_type": "client_credentials", "scope": "system/Observation.rs"} | proof).json()
    assert "refresh_token" not in answer
    assert answer["expires_in"] <= 300
    found = app.with_token(answer["access_token"], "Observation?code=8867-4&_count=100").json()
    subjects = {row["resource"]["subject"]["reference"] for row in found["entry"]}
    assert subjects == {"Patient/ann", "Patient/ben"}


def test_a_backend_service_cannot_ask_for_user_scopes_nor_a_public_client_for_client_credentials(
    app: App, keys: AppKeys
) -> None:
    proof = keys.assertion("RS384", app.hospital.settings.token_url, "ordertime-backend")
    asked = {"grant_type": "client_credentials", "scope": "user/*.rs"}
    assert app.token(asked | proof).json()["error"] == "invalid_scope"
    assert app.token(asked | {"client_id": "ordertime"}).json()["error"] == "invalid_client"


STANDALONE = "launch/patient openid fhirUser patient/*.rs"


def picked(app: App, page: httpx.Response, patient: str = "ben") -> httpx.Response:
    """The picker's form, filled in as a browser would."""

    class Hidden(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.fields: dict[str, str] = {}

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            told = dict(attrs)
            if tag == "input" and told.get("type") == "hidden":
                self.fields[str(told["name"])] = str(told["value"])

    form = Hidden()
    form.feed(page.text)
    filled = form.fields | {"chosen_patient": patient, "chosen_practitioner": "doc"}
    return app.http.post(f"{app.hospital.settings.url}/auth/authorize", data=filled)


def standalone(app: App, scope: str = STANDALONE) -> httpx.Response:
    return app.http.get(f"{app.hospital.settings.url}/auth/authorize", params=app.request(scope=scope))


def test_a_standalone_launch_shows_the_patients_and_opens_for_the_one_picked(app: App) -> None:
    # CONFORMANCE 7
    page = standalone(app)
    assert page.status_code == 200
    assert "Adams" in page.text
    answer = picked(app, page)
    code = parse_qs(urlsplit(answer.headers["Location"]).query)["code"][0]
    token = app.redeem(code).json()
    assert token["patient"] == "ben"
    assert "encounter" not in token  # launch/encounter was not asked for


def test_launch_encounter_adds_the_stay_the_patient_is_in(app: App) -> None:
    answer = picked(app, standalone(app, STANDALONE + " launch/encounter"))
    code = parse_qs(urlsplit(answer.headers["Location"]).query)["code"][0]
    assert app.redeem(code).json()["encounter"] == "stay-ben"


def test_the_pickers_form_serves_once_and_an_unknown_patient_brings_the_page_back(app: App) -> None:
    page = standalone(app)
    assert picked(app, page, patient="nobody").status_code == 200
    assert picked(app, page).status_code == 200  # its ticket is spent


def test_a_standalone_launch_without_a_patient_gets_no_patient_scopes(app: App) -> None:
    answer = picked(app, standalone(app, "openid fhirUser launch patient/*.rs user/Patient.rs"))
    code = parse_qs(urlsplit(answer.headers["Location"]).query)["code"][0]
    token = app.redeem(code).json()
    assert "patient" not in token
    assert token["scope"] == "openid fhirUser user/Patient.rs"


def test_a_token_issued_for_a_cds_service_reaches_its_patient_until_it_expires(hospital: Hospital) -> None:
    token = hospital.tokens.issue("ordertime", "patient/*.rs", "ann", "doc", ttl=60)
    grant = hospital.tokens.grant(token)
    assert grant is not None
    assert (grant.context.patient, grant.context.user) == ("ann", "Practitioner/doc")
    spent = hospital.tokens.issue("ordertime", "patient/*.rs", "ann", "doc", ttl=0)
    assert hospital.tokens.grant(spent) is None


def test_the_cds_clients_keys_are_published_without_private_members_and_verify_its_token(app: App) -> None:
    # CONFORMANCE 19
    url = f"{app.hospital.settings.url}/cds-client/jwks.json"
    published = fetch_json(url)
    assert not {"d", "p", "q", "dp", "dq", "qi"} & {name for key in published["keys"] for name in key}
    signed = app.hospital.keys.cds_token(
        issuer=app.hospital.settings.url, jwks_url=url, audience="http://app/x", now=app.hospital.clock()
    )
    token = jwt.decode(signed, KeySet.import_key_set(published), algorithms=["ES384"])
    assert token.claims["aud"] == "http://app/x"
    assert token.claims["exp"] - token.claims["iat"] <= 300


def test_who_is_signed_in_at_the_hospital_is_not_asked_who_they_are(app: App) -> None:
    site = create_hospital(replace(app.hospital.settings, patients=small_ward))
    asked = app.request(scope=STANDALONE)
    browser, stranger = site.test_client(), site.test_client()
    with browser.session_transaction() as session:
        session["clinician"] = "doc"
    known = browser.get("/auth/authorize", query_string=asked).get_data(as_text=True)
    unknown = stranger.get("/auth/authorize", query_string=asked).get_data(as_text=True)
    assert "Adams" in known
    assert ("Who are you?" in known, "Who are you?" in unknown) == (False, True)
