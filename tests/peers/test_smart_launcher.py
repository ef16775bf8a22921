"""SMART's launcher, version 2, imitated from its source (backend/, 2023 to 2025): options in the launch value or in the
base, its token response, its id_token, its links.

The launcher itself cannot be had as a package and was not run. An EHR launch comes from the one base /v/r4/fhir with
the options in `launch`; a standalone one has them in its base. PKCE and redirect address are checked, `aud` is compared
with the base, scopes are refused whole where the options list fewer; an id_token names <base>/auth/fhir as its issuer
and no kid; a refreshed one names nobody; the key set has no `use`; `appContext` is dropped; the next page lies at
/v/r4/fhir, outside a standalone launch's base; FHIR wants a token of its own, or none.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
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
BASE, STANDALONE = "/v/r4", f"/v/r4/sim/{SIM}"
PLACE = re.compile(r"(/v/r4(?:/sim/([^/]+))?)/(fhir|auth)(/.*)?")
STYLE = {
    "color_background": "#edeae3",
    "color_error": "#9e2d2d",
    "color_modal_backdrop": "",
    "color_text": "#303030",
    "dim_font_size": "13px",
    "font_family_heading": "'HelveticaNeue-Light', Helvetica, Arial, 'Lucida Grande', sans-serif;",
}


class Launcher(Peer):
    """Its codes and tokens hold what it must know again: it remembers nothing but what the tests ask of it."""

    def __init__(self, house: House) -> None:
        super().__init__(self.say)
        self.house, self.logins, self.given = house, dict[str, dict[str, str]](), set[str]()
        self.rows, self.allowed, self.error = chart(house, SICK), "", ""

    def say(self, asked: Asked) -> tuple[Any, ...]:
        if asked.path == "/keys":
            key = {name: value for name, value in KEY.as_dict(private=False).items() if name != "use"}
            return 200, {"keys": [key | {"key_ops": ["verify"]}]}
        if asked.path == "/smart-style.json":
            return 200, STYLE
        found = PLACE.fullmatch(asked.path)
        if found is None:
            return 404, {}
        prefix, _, room, rest = found.groups()
        match room, rest:
            case "fhir", "/.well-known/smart-configuration":
                return 200, self.configuration(prefix)
            case "auth", "/authorize":
                return self.authorize(asked, prefix)
            case "auth", "/token":
                return self.token(asked, prefix)
            case "fhir", _:
                bearer = asked.headers.get("Authorization", "").removeprefix("Bearer ")
                return self.read(asked) if bearer in self.given else (401, {"error": "Invalid token: jwt malformed"})
        return 404, {}

    def configuration(self, prefix: str) -> dict[str, Any]:
        base = f"{self.url}{prefix}"
        return {
            "issuer": f"{base}/fhir",
            "jwks_uri": f"{self.url}/keys",
            "authorization_endpoint": f"{base}/auth/authorize",
            "grant_types_supported": ["authorization_code", "client_credentials"],
            "token_endpoint": f"{base}/auth/token",
            "introspection_endpoint": f"{base}/auth/introspect",
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "private_key_jwt"],
            "capabilities": ["launch-ehr", "launch-standalone", "client-public", "context-passthrough-banner",
                             "context-passthrough-style", "sso-openid-connect", "permission-v1", "permission-v2",
                             "authorize-post"],
        }  # fmt: skip

    def authorize(self, asked: Asked, prefix: str) -> tuple[Any, ...]:
        """Straight to the code: one patient and one provider are chosen, and the approval is taken as given."""
        if asked.told["aud"] != f"{self.url}{prefix}/fhir":
            return self.back(asked, error="invalid_request", error_description="Bad audience value")
        if self.error:
            return self.back(asked, error=self.error, error_description="Simulated <b>error</b>")
        if self.allowed and set(asked.told["scope"].split()) - set(self.allowed.split()):
            return self.back(asked, error="invalid_scope", error_description="Scopes could not be granted")
        code = packed({"context": {"patient": SICK}, "code": len(self.logins)})
        self.logins[code] = dict(asked.told)
        return self.back(asked, code=code)

    def back(self, asked: Asked, **more: str) -> tuple[Any, ...]:
        query = "&".join(f"{name}={html.escape(value)}" for name, value in more.items())
        return 302, {}, {"Location": f"{asked.told['redirect_uri']}?{query}&state={asked.told['state']}"}

    def token(self, asked: Asked, prefix: str) -> tuple[Any, ...]:
        if asked.told["grant_type"] == "refresh_token":
            if asked.told["refresh_token"] not in self.given:
                return 401, {"error": "invalid_grant", "error_description": "Invalid refresh token"}
            return self.tokens(prefix, {"scope": next(iter(self.logins.values()))["scope"]})
        login = self.logins.get(asked.told.get("code", ""), {})
        digest = hashlib.sha256(asked.told.get("code_verifier", "").encode()).digest()
        if login.get("code_challenge") != base64.urlsafe_b64encode(digest).rstrip(b"=").decode():
            return 401, {"error": "invalid_grant", "error_description": "Invalid grant or Invalid PKCE Verifier"}
        if login["redirect_uri"] != asked.told.get("redirect_uri"):
            return 401, {"error": "invalid_request", "error_description": "Invalid redirect_uri parameter"}
        return self.tokens(prefix, login)

    def tokens(self, prefix: str, login: Mapping[str, str]) -> tuple[Any, ...]:
        """A token response; after a refresh the id_token has neither audience nor nonce."""
        now = int(self.house.clock().timestamp())
        told = {
            "profile": "Practitioner/okafor",
            "fhirUser": "Practitioner/okafor",
            "sub": "a-hash-of-the-user",
            "iss": f"{self.url}{prefix}/auth/fhir",
            "iat": now,
            "exp": now + 3600,
        } | {name: login[key] for name, key in (("aud", "client_id"), ("nonce", "nonce")) if key in login}
        fresh = [packed({"a": kind, "number": len(self.given)}) for kind in ("token", "refresh")]
        self.given.update(fresh)
        given = {
            "access_token": fresh[0],
            "token_type": "Bearer",
            "expires_in": 3600,
            "scope": login["scope"],
            "id_token": jwt.encode({"alg": "RS256", "typ": "JWT"}, told, KEY, algorithms=["RS256"]),
            "refresh_token": fresh[1],
            "need_patient_banner": True,
            "smart_style_url": f"{self.url}/smart-style.json",
            "patient": SICK,
            "encounter": next(row["id"] for row in self.rows if row["resourceType"] == "Encounter"),
        }
        return 200, given, {"Cache-Control": "no-store", "Pragma": "no-cache"}

    def read(self, asked: Asked) -> tuple[Any, ...]:
        """A HAPI behind the launcher: pages of fifty, and links to the next that lack the options in the path."""
        kind = asked.path.rpartition("/fhir/")[2]
        if kind == f"Patient/{SICK}":
            return 200, self.rows[0]
        if asked.path == f"{BASE}/fhir":
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
    """The app with the template as it stands, for EHR launches."""
    with app(tmp_path, tenant(launcher), house) as (found, _):
        yield found


def tenant(there: Launcher) -> str:
    return template("smart-launcher", {"https://launch.smarthealthit.org": there.url})


def launched(browser: FlaskClient, there: Launcher, door: str = "/launch") -> Any:
    """As far as the launcher's answer: where it sends the browser, and what the app says to that."""
    ehr = door == "/launch"
    query = {"iss": f"{there.url}{BASE}/fhir", "launch": SIM} if ehr else {"iss": f"{there.url}{STANDALONE}/fhir"}
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
    pages = [each for each in launcher.asked if each.path == f"{BASE}/fhir"]
    assert pages
    assert {each.headers.get("Authorization") for each in pages} <= {f"Bearer {one}" for one in launcher.given}
    assert f"frame-ancestors {launcher.url}" in page.headers["Content-Security-Policy"]
    look = browser.get(f"/result/look.css{back.location.removeprefix('/result')}", base_url=APP)
    assert look.status_code == 200
    assert "sans-serif;" not in look.get_data(as_text=True)  # a value that is no list of fonts is left out


def test_who_is_at_the_screen_is_known_though_the_id_token_names_another_issuer(
    browser: FlaskClient, launcher: Launcher
) -> None:
    page = browser.get(launched(browser, launcher).location, base_url=APP)
    assert "value=\"agree\"" in page.get_data(as_text=True)  # a clinician's form


def test_the_page_is_read_again_with_a_new_token_after_an_hour(
    browser: FlaskClient, launcher: Launcher, house: House
) -> None:
    back = launched(browser, launcher)
    house.clock.ahead += timedelta(minutes=61)
    try:
        page = browser.get(back.location, base_url=APP)
        assert page.status_code == 200
    finally:
        house.clock.ahead -= timedelta(minutes=61)
    forms = [each.told["grant_type"] for each in launcher.asked if each.path.endswith("/token")]
    assert forms == ["authorization_code", "refresh_token"]


def test_a_standalone_launch_ends_there_too_with_a_file_of_its_own(
    launcher: Launcher, house: House, tmp_path: Path
) -> None:
    alone = tenant(launcher).replace(f"{launcher.url}{BASE}/fhir", f"{launcher.url}{STANDALONE}/fhir")
    with app(tmp_path, alone, house) as (browser, _):
        back = launched(browser, launcher, "/standalone")
        assert back.status_code == 303, back.get_data(as_text=True)
        page = browser.get(back.location, base_url=APP)
    assert page.status_code == 200
    assert f"{BASE}/fhir" in launcher.paths()  # the next page, outside the base, as the template allows
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


def test_a_base_with_options_in_it_is_another_site_and_unknown(browser: FlaskClient, launcher: Launcher) -> None:
    query = {"iss": f"{launcher.url}{STANDALONE}/fhir", "launch": SIM}
    answer = browser.get("/launch", query_string=query, base_url=APP)
    assert answer.status_code == 403
    assert launcher.asked == []


def test_scopes_that_the_options_do_not_list_are_refused_whole_and_said(
    browser: FlaskClient, launcher: Launcher
) -> None:
    launcher.allowed = "launch openid fhirUser patient/Patient.r"
    page = launched(browser, launcher)
    assert page.status_code == 400
    assert "invalid_scope" in page.get_data(as_text=True)
