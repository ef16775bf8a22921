"""SMART's launcher, version 2, imitated: options written into address and launch value, its token response, its links.

The launcher itself cannot be had as a package and was not run. What is imitated is what its documentation and its
answers are known by: the FHIR base carries the options in base64url; PKCE is checked (401 invalid_grant) and nothing
else of the token is; `appContext` is dropped; the next page lies outside the base that was asked.
"""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask.testing import FlaskClient
from joserfc import jwt
from joserfc.jwk import RSAKey

from inference.assessment import VENTILATION
from tests.peers.loopback import Asked, Peer, app, chart, listening, packed, template
from tests.webapp.house import APP, House

SICK = "pneumonia-worsening"
KEY = RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256", "kid": "launcher-1"})
# launch type, patient, provider, encounter, skip login, skip auth, sim_ehr, scopes, redirect URIs, client id, ...
OPTIONS = [0, SICK, "okafor", "AUTO", 0, 0, 0, "", "", "", "", "", "", "", 0, 1, ""]
SIM = packed(OPTIONS)
FHIR = f"/v/r4/sim/{SIM}/fhir"
AUTH = f"/v/r4/sim/{SIM}/auth"


class Launcher(Peer):
    """Remembers each login's challenge and nonce, as the launcher puts them into its code."""

    def __init__(self, house: House) -> None:
        super().__init__(self.say)
        self.house, self.logins = house, dict[str, dict[str, str]]()
        self.rows, self.scope, self.error = chart(house, SICK), "", ""

    def say(self, asked: Asked) -> tuple[Any, ...]:
        if asked.path == f"{FHIR}/.well-known/smart-configuration":
            return 200, self.configuration()
        if asked.path == f"{FHIR}/.well-known/openid-configuration":
            return 200, {"issuer": f"{self.url}{FHIR}", "jwks_uri": f"{self.url}/keys"}
        if asked.path == "/keys":
            return 200, {"keys": [KEY.as_dict(private=False)]}
        if asked.path == f"{AUTH}/authorize":
            return self.authorize(asked)
        if asked.path == f"{AUTH}/token":
            return self.token(asked)
        return self.read(asked)

    def configuration(self) -> dict[str, Any]:
        base = f"{self.url}{AUTH}"
        return {
            "issuer": f"{self.url}{FHIR}",
            "jwks_uri": f"{self.url}/keys",
            "authorization_endpoint": f"{base}/authorize",
            "token_endpoint": f"{base}/token",
            "introspection_endpoint": f"{base}/introspect",
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "private_key_jwt"],
            "capabilities": ["launch-ehr", "launch-standalone", "client-public", "context-passthrough-banner",
                             "context-passthrough-style", "sso-openid-connect", "permission-v1", "permission-v2"],
        }  # fmt: skip

    def authorize(self, asked: Asked) -> tuple[Any, ...]:
        if asked.told["aud"] != f"{self.url}{FHIR}":
            return self.back(asked, error="invalid_request", error_description="Bad audience value")
        if self.error:
            return self.back(asked, error=self.error, error_description="Simulated <b>error</b>")
        code = packed({"context": {"patient": SICK}, "code": len(self.logins)})
        self.logins[code] = dict(asked.told)
        return self.back(asked, code=code)

    def back(self, asked: Asked, **more: str) -> tuple[Any, ...]:
        query = "&".join(f"{name}={html.escape(value)}" for name, value in more.items())
        return 302, {}, {"Location": f"{asked.told['redirect_uri']}?{query}&state={asked.told['state']}"}

    def token(self, asked: Asked) -> tuple[Any, ...]:
        login = self.logins.get(asked.told.get("code", ""), {})
        digest = hashlib.sha256(asked.told.get("code_verifier", "").encode()).digest()
        if login.get("code_challenge") != base64.urlsafe_b64encode(digest).rstrip(b"=").decode():
            return 401, {"error": "invalid_grant", "error_description": "Invalid grant or Invalid PKCE Verifier"}
        now = int(self.house.clock().timestamp())
        told = {
            "profile": "Practitioner/okafor",
            "fhirUser": "Practitioner/okafor",
            "sub": "a-hash-of-the-user",
            "iss": f"{self.url}{FHIR}",
            "aud": login["client_id"],
            "nonce": login["nonce"],
            "iat": now,
            "exp": now + 3600,
        }
        given = {
            "need_patient_banner": True,
            "smart_style_url": f"{self.url}/smart-style.json",
            "patient": SICK,
            "refresh_token": packed({"a": "refresh"}),
            "token_type": "Bearer",
            "scope": self.scope or login["scope"],
            "client_id": login["client_id"],
            "expires_in": 3600,
            "id_token": jwt.encode({"alg": "RS256", "kid": KEY.kid, "typ": "JWT"}, told, KEY, algorithms=["RS256"]),
            "access_token": packed({"alg": "HS256", "a": "token"}),
        }
        return 200, given, {"Cache-Control": "no-store"}

    def read(self, asked: Asked) -> tuple[Any, ...]:
        """A HAPI behind the launcher: pages of fifty, and links to the next that lack the options in the path."""
        kind = asked.path.rpartition("/fhir/")[2]
        if kind == f"Patient/{SICK}":
            return 200, self.rows[0]
        if asked.path == "/v/r4/fhir":
            kind, wanted, start = "Observation", asked.told["category"], int(asked.told["_getpagesoffset"])
        else:
            wanted, start = asked.told.get("category", ""), 0
        rows = [
            row
            for row in self.rows
            if row["resourceType"] == kind and (not wanted or wanted in str(row.get("category")))
        ]
        rows.sort(key=lambda row: str(row.get("effectiveDateTime", "")), reverse=True)
        link = [{"relation": "self", "url": f"{self.url}{asked.path}"}]
        if start + 50 < len(rows):
            query = f"_getpages=8d6f3a3e&_getpagesoffset={start + 50}&_count=50&category={wanted}&_bundletype=searchset"
            link.append({"relation": "next", "url": f"{self.url}/v/r4/fhir?{query}"})
        entries = [{"resource": row, "search": {"mode": "match"}} for row in rows[start : start + 50]]
        return 200, {"resourceType": "Bundle", "type": "searchset", "total": len(rows), "link": link, "entry": entries}


@pytest.fixture
def launcher(house: House) -> Iterator[Launcher]:
    there = Launcher(house)
    with listening(there):
        yield there


@pytest.fixture
def browser(launcher: Launcher, house: House, tmp_path: Path) -> Iterator[FlaskClient]:
    hosts = {"https://launch.smarthealthit.org": launcher.url}
    with app(tmp_path, template("smart-launcher", hosts, launcher_options=SIM), house) as (found, _):
        yield found


def launched(browser: FlaskClient, there: Launcher, door: str = "/launch") -> Any:
    """As far as the launcher's answer: where it sends the browser, and what the app says to that."""
    query = {"iss": f"{there.url}{FHIR}"} | ({"launch": SIM} if door == "/launch" else {})
    going = browser.get(door, query_string=query, base_url=APP)
    assert going.status_code == 303, going.get_data(as_text=True)
    parts = urlsplit(going.location)
    told = {name: values[0] for name, values in parse_qs(parts.query).items()}
    _, _, head = there.say(Asked("GET", parts.path, told, {}))
    return browser.get(head["Location"].removeprefix(APP), base_url=APP)


def test_a_launch_ends_at_the_result_with_all_pages_read(browser: FlaskClient, launcher: Launcher) -> None:
    back = launched(browser, launcher)
    assert back.status_code == 303, back.get_data(as_text=True)
    page = browser.get(back.location, base_url=APP)
    text = page.get_data(as_text=True)
    assert page.status_code == 200, text
    assert launcher.rows[0]["name"][0]["family"] in text
    assert VENTILATION in text
    assert "/v/r4/fhir" in launcher.paths()  # the next page, outside the base, as the template allows
    bearers = {each.headers.get("Authorization") for each in launcher.asked if each.path.startswith(f"{FHIR}/Obs")}
    assert len(bearers) == 1
    assert f"frame-ancestors {launcher.url}" in page.headers["Content-Security-Policy"]


def test_a_standalone_launch_ends_there_too(browser: FlaskClient, launcher: Launcher) -> None:
    back = launched(browser, launcher, "/standalone")
    assert back.status_code == 303
    login = next(iter(launcher.logins.values()))
    assert "launch/patient" in login["scope"].split()
    assert "launch" not in login


@pytest.mark.parametrize("error", ["invalid_client", "invalid_scope", "invalid_request"])
def test_a_simulated_error_is_a_page_with_a_remedy(browser: FlaskClient, launcher: Launcher, error: str) -> None:
    launcher.error = error
    page = launched(browser, launcher)
    text = page.get_data(as_text=True)
    assert page.status_code == 400
    assert "What to do" in text
    assert "<b>error</b>" not in text


def test_a_launch_with_other_options_is_another_site_and_unknown(browser: FlaskClient, launcher: Launcher) -> None:
    other = packed([*OPTIONS[:1], "somebody", *OPTIONS[2:]])
    iss = f"{launcher.url}/v/r4/sim/{other}/fhir"
    answer = browser.get("/launch", query_string={"iss": iss, "launch": SIM}, base_url=APP)
    assert answer.status_code == 403
    assert launcher.asked == []


def test_a_scope_the_launcher_cut_down_is_said(browser: FlaskClient, launcher: Launcher) -> None:
    launcher.scope = "launch openid fhirUser patient/Patient.r"
    page = browser.get(launched(browser, launcher).location, base_url=APP)
    assert page.status_code == 403
    assert "did not grant reading observations" in page.get_data(as_text=True)
