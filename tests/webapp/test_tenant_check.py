"""`flask tenant check`: what a hospital publishes, read over real HTTP, and said in plain lines with remedies."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc.jwk import ECKey

from ehr.finding import Finding, Weight, launches
from ehr.survey import survey
from ehr.tenants import Tenant, load_tenants
from ehr.transport import Budget
from tests.webapp.house import House, standing

ROOT = Path(__file__).resolve().parents[2]
SMART = "/fhir/.well-known/smart-configuration"
GOOD: dict[str, Any] = {
    "authorization_endpoint": "/auth/authorize",
    "token_endpoint": "/auth/token",
    "revocation_endpoint": "/auth/revoke",
    "code_challenge_methods_supported": ["S256"],
    "grant_types_supported": ["authorization_code", "refresh_token"],
    "token_endpoint_auth_methods_supported": ["none", "client_secret_basic", "private_key_jwt"],
    "token_endpoint_auth_signing_alg_values_supported": ["RS384", "ES384"],
    "capabilities": [
        "launch-ehr", "launch-standalone", "client-public", "context-ehr-patient", "permission-online",
        "permission-v2", "sso-openid-connect",
    ],
}  # fmt: skip
READ = ("Patient", "Encounter", "Observation", "Procedure", "DeviceUseStatement", "Device", "Condition")
CAPABLE: dict[str, Any] = {
    "resourceType": "CapabilityStatement",
    "fhirVersion": "4.0.1",
    "rest": [
        {
            "mode": "server",
            "resource": [
                {
                    "type": kind,
                    "interaction": [{"code": "read"}, {"code": "search-type"}],
                    "searchParam": [{"name": name} for name in ("patient", "category", "code")],
                }
                for kind in READ
            ],
        }
    ],
}
FILE = """
id = "small"
name = "Small"
issuer = "{issuer}"
client_id = "ordertime"
scopes = ["launch", "openid", "fhirUser", "online_access", "patient/Patient.r", "patient/Observation.rs"]
time_zone = "America/New_York"
"""
Replies = dict[str, tuple[int, dict[str, str], bytes]]


def page(document: Any, status: int = 200) -> tuple[int, dict[str, str], bytes]:
    return status, {"Content-Type": "application/json"}, json.dumps(document).encode()


def without(row: dict[str, Any], *keys: str, **changed: Any) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in keys} | changed


def capable(but: str) -> dict[str, Any]:
    """A CapabilityStatement without one type."""
    kept = [row for row in CAPABLE["rest"][0]["resource"] if row["type"] != but]
    return without(CAPABLE, rest=[{"resource": kept}])


@contextmanager
def peer(replies: Replies) -> Iterator[tuple[str, list[str]]]:
    """A small server on loopback: its FHIR base, and the paths it was asked for."""
    asked: list[str] = []

    class Small(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            status, headers, body = replies.get(self.path, page({}, 404))
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: a test's requests are no news."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Small)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/fhir", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def found(replies: Replies, folder: Path | None = None, lines: str = "") -> list[Finding]:
    """The survey of a peer with these replies; with `folder`, as a configured site with these lines more."""
    with peer(replies) as (issuer, _), httpx.Client(trust_env=False) as client:
        tenant = configured(folder, FILE.format(issuer=issuer) + lines) if folder else None
        return list(survey(client, issuer, production=False, tenant=tenant, budget=Budget(5)))


def configured(folder: Path, text: str) -> Tenant:
    (folder / "small.toml").write_text(text)
    (tenant,) = load_tenants(folder, production=False)
    return tenant


def smart(**changed: Any) -> Replies:
    """A peer that has everything, with changes to its SMART configuration; None takes a member away."""
    gone = [name for name, value in changed.items() if value is None]
    kept = {name: value for name, value in changed.items() if value is not None}
    return {SMART: page(without(GOOD, *gone, **kept)), "/fhir/metadata": page(CAPABLE)}


def told(findings: list[Finding], weight: Weight) -> str:
    return "\n".join(str(finding) for finding in findings if finding.weight is weight)


# --- a good hospital


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    yield from standing(tmp_path_factory.mktemp("house"))


@pytest.mark.parametrize("how", ["by-id", "by-url"])
def test_the_stand_in_hospital_passes_by_id_and_by_address(house: House, how: str) -> None:
    # CONFORMANCE 1
    site = "demo" if how == "by-id" else house.hospital.settings.fhir
    answer = house.app.test_cli_runner().invoke(args=["tenant", "check", site])
    assert answer.exit_code == 0, answer.output
    for line in ("PKCE S256", "launch from the EHR, and standalone", 'auth = "public"', "scopes v1, v2",
                 "revocation_endpoint is named", "refresh:", "id_token:", "FHIR 4.0.1", "key set of",
                 "writing back DocumentReference, by a button", "a launch can work"):  # fmt: skip
        assert line in answer.output
    assert "blocks" not in answer.output


def test_a_site_nobody_configured_is_an_error_that_names_those_who_are(house: House) -> None:
    answer = house.app.test_cli_runner().invoke(args=["tenant", "check", "elsewhere"])
    assert answer.exit_code == 1
    assert "configured: demo" in answer.output


def test_every_finding_that_is_not_good_has_a_remedy(tmp_path: Path) -> None:
    bad = found({SMART: page({}), "/fhir/metadata": page({})}, tmp_path)
    assert [
        finding.text for finding in bad if finding.weight is not Weight.WORKS and not finding.remedy
    ] == []
    assert not launches(bad)


def test_a_small_peer_that_has_everything_passes(tmp_path: Path) -> None:
    findings = found(smart(), tmp_path)
    assert told(findings, Weight.BLOCKS) == told(findings, Weight.LIMITS) == ""


def test_nothing_but_the_two_documents_is_asked_for() -> None:
    with peer(smart()) as (issuer, asked), httpx.Client(trust_env=False) as client:
        list(survey(client, issuer, production=False))
    assert asked == [SMART, "/fhir/metadata"]


# --- faults


HTML = (200, {"Content-Type": "text/html"}, b"<html>sign in</html>")
AWAY = (302, {"Location": "http://127.0.0.1:9/elsewhere"}, b"")


@pytest.mark.parametrize(
    ("reply", "said", "remedy"),
    [
        (page({}, 404), "(404)", "path included"),
        (HTML, "not JSON", "path included"),
        (AWAY, "redirects to another address", "write the address it leads to"),
        (page({}, 401), "(401)", "before any token"),
        (page({}, 403), "(403)", "firewall"),
        (page([]), "not JSON", "path included"),
        (page({}, 500), "no usable answer", "network"),
        (page({}, 429), "(429)", "later"),
    ],
    ids=["404", "html", "redirect", "401", "403", "not-an-object", "500", "429"],
)
def test_a_configuration_that_cannot_be_read_blocks_and_says_why(
    reply: tuple[int, dict[str, str], bytes], said: str, remedy: str
) -> None:
    blocked = told(found({SMART: reply, "/fhir/metadata": page(CAPABLE)}), Weight.BLOCKS)
    assert said in blocked
    assert remedy in blocked


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"code_challenge_methods_supported": ["plain"]}, "without S256"),
        ({"token_endpoint": None}, "names no token_endpoint"),
        (
            {"authorization_endpoint": "http://ehr.example.org/authorize"},
            "authorization_endpoint cannot be used",
        ),
        ({"capabilities": ["permission-v2", "client-public"]}, "neither launch-ehr nor launch-standalone"),
        ({"capabilities": ["launch-ehr", "permission-v1", "client-public"]}, 'scope_style = "v1"'),
        (
            {"token_endpoint_auth_methods_supported": ["client_secret_post"], "capabilities": ["launch-ehr"]},
            'auth = "public" is not offered',
        ),
    ],
    ids=["no-s256", "no-token", "plain-http", "no-launch", "v1-only", "no-public-client"],
)
def test_what_no_launch_survives_blocks(tmp_path: Path, changed: dict[str, Any], said: str) -> None:
    findings = found(smart(**changed), tmp_path)
    assert said in told(findings, Weight.BLOCKS)
    assert not launches(findings)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"code_challenge_methods_supported": None}, "sent with S256 all the same"),
        ({"revocation_endpoint": None}, "no revocation_endpoint"),
        ({"grant_types_supported": ["authorization_code"],
          "capabilities": [one for one in GOOD["capabilities"] if one != "permission-online"]}, "no refresh"),
        ({"capabilities": [one for one in GOOD["capabilities"] if one != "sso-openid-connect"]}, "no id_token"),
        ({"capabilities": [one for one in GOOD["capabilities"] if one != "launch-ehr"]}, "only standalone"),
        ({"scopes_supported": ["launch", "openid", "fhirUser", "online_access", "patient/Patient.rs"]},
         "not listed: patient/Observation.rs"),
    ],
    ids=["pkce-unsaid", "no-revocation", "no-refresh", "no-id-token", "standalone", "scope-missing"],
)  # fmt: skip
def test_what_will_be_missing_is_said_and_blocks_nothing(
    tmp_path: Path, changed: dict[str, Any], said: str
) -> None:
    # CONFORMANCE 3
    findings = found(smart(**changed), tmp_path)
    assert said in told(findings, Weight.LIMITS)
    assert launches(findings)


def test_a_key_the_server_does_not_take_blocks(tmp_path: Path) -> None:
    # CONFORMANCE 18
    (tmp_path / "key.pem").write_bytes(ECKey.generate_key("P-384").as_pem(private=True))
    lines = 'auth = "private_key_jwt"\nsigning_key_file = "key.pem"\n'
    taken = {"token_endpoint_auth_signing_alg_values_supported": ["RS384"]}
    assert "makes ES384, and the server takes RS384" in told(
        found(smart(**taken), tmp_path, lines), Weight.BLOCKS
    )
    assert launches(found(smart(), tmp_path, lines))


@pytest.mark.parametrize(
    ("statement", "weight", "said"),
    [
        (without(CAPABLE, fhirVersion="3.0.2"), Weight.BLOCKS, "says 3.0.2"),
        (without(CAPABLE, "rest"), Weight.LIMITS, "not listed"),
        (without(CAPABLE, rest=[{"resource": 7}, 8]), Weight.LIMITS, "not listed"),
        (capable(but="Observation"),
         Weight.BLOCKS, "Observation cannot be read"),
        (capable(but="Procedure"),
         Weight.LIMITS, "an intubation charted as a procedure is not seen"),
        (without(CAPABLE, rest=[{"resource": [r | {"searchParam": [{"name": "patient"}, {"name": "code"}]}
                                              for r in CAPABLE["rest"][0]["resource"]]}]),
         Weight.LIMITS, "searches by category are not listed"),
    ],
    ids=["stu3", "silent", "nonsense", "no-observation", "no-procedure", "no-category"],
)  # fmt: skip
def test_what_cannot_be_read_is_said_with_what_is_lost(
    tmp_path: Path, statement: dict[str, Any], weight: Weight, said: str
) -> None:
    replies = {SMART: page(GOOD), "/fhir/metadata": page(statement)}
    assert said in told(found(replies, tmp_path), weight)


def test_a_statement_that_cannot_be_read_is_no_reason_not_to_launch(tmp_path: Path) -> None:
    findings = found({SMART: page(GOOD), "/fhir/metadata": HTML}, tmp_path)
    assert "CapabilityStatement" in told(findings, Weight.LIMITS)
    assert launches(findings)


def test_writing_back_that_the_server_or_the_scopes_do_not_allow_is_said(tmp_path: Path) -> None:
    # CONFORMANCE 101
    lines = 'write_back = ["DocumentReference"]\n'
    assert "does not offer it" in told(found(smart(), tmp_path, lines), Weight.LIMITS)
    row = {"type": "DocumentReference", "interaction": [{"code": "create"}]}
    capable = without(CAPABLE, rest=[{"mode": "server", "resource": [*CAPABLE["rest"][0]["resource"], row]}])
    replies = {SMART: page(GOOD), "/fhir/metadata": page(capable)}
    assert 'add "patient/DocumentReference.c"' in told(found(replies, tmp_path, lines), Weight.LIMITS)


def test_callers_whose_keys_cannot_be_read_are_said(tmp_path: Path) -> None:
    caller = '\n[[cds_clients]]\niss = "https://cds.example"\njwks_url = "http://127.0.0.1:9/jwks"\n'
    assert "calls are refused with 401" in told(found(smart(), tmp_path, caller), Weight.LIMITS)


def test_an_address_spelled_otherwise_than_in_the_file_is_said(tmp_path: Path) -> None:
    # CONFORMANCE 9
    with peer(smart()) as (issuer, _), httpx.Client(trust_env=False) as client:
        tenant = configured(tmp_path, FILE.format(issuer=issuer))
        findings = list(survey(client, f"{issuer}/", production=False, tenant=tenant))
    assert "byte for byte" in told(findings, Weight.LIMITS)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8090/fhir", "https://user@ehr.example.org/fhir", "ehr://x/y"]
)
def test_an_address_that_production_forbids_is_not_asked(url: str) -> None:
    # CONFORMANCE 4
    def nothing_goes_out(request: httpx.Request) -> httpx.Response:
        raise AssertionError(request.url)

    with httpx.Client(transport=httpx.MockTransport(nothing_goes_out)) as client:
        (finding,) = survey(client, url, production=True)
    assert finding.weight is Weight.BLOCKS
    assert finding.remedy


def test_the_command_itself_ends_with_one_where_no_launch_can_work(tmp_path: Path) -> None:
    replies = smart(code_challenge_methods_supported=["plain"])
    with peer(replies) as (issuer, _):
        environment = {"PATH": os.environ["PATH"], "ORDERTIME_TENANTS": str(tmp_path)}
        done = subprocess.run(
            [sys.executable, "-m", "flask", "--app", "wsgi", "tenant", "check", issuer],
            cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "blocks  PKCE is offered without S256" in done.stdout
    assert "not a configured site" in done.stdout
    assert "a launch cannot work" in done.stdout
