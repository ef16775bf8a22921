"""Settings: what the app refuses to start with, and that each is described."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ehr.errors import EhrUnavailable, ForeignAddress
from ehr.transport import Budget, FhirHttp
from tests.ehr.peer import listening, stall
from webapp.rooms import Rooms
from webapp.settings import ROOT, VARIABLES, SettingsError, from_environment

GOOD_SECRET = "kV9x0pQ2mN7bL4cZ8wR1tY6uJ3hG5fDs"
LIVE = {
    "ORDERTIME_MODE": "production",
    "ORDERTIME_PUBLIC_URL": "https://ordertime.hospital.example",
    "ORDERTIME_SECRET_KEY": GOOD_SECRET,
    "DATABASE_URL": "postgresql://ledger@db/ordertime",
}


def test_nothing_set_starts_a_development_machine_and_says_which_stand_ins_serve() -> None:
    settings = from_environment({})
    assert settings.mode == "development"
    for variable in ("ORDERTIME_MODE", "ORDERTIME_SECRET_KEY", "DATABASE_URL"):
        assert any(variable in warning for warning in settings.warnings)


def test_a_stand_in_secret_is_refused_in_every_mode_and_not_repeated() -> None:
    with pytest.raises(SettingsError, match="openssl rand") as refused:
        from_environment({"ORDERTIME_SECRET_KEY": "Mountain-Password-Mountain-Password"})
    assert "Mountain" not in str(refused.value)


def test_a_development_machine_that_others_reach_is_said() -> None:
    there = from_environment({"ORDERTIME_PUBLIC_URL": "https://ordertime.hospital.example"})
    assert any("ORDERTIME_PUBLIC_URL" in warning for warning in there.warnings)
    assert not any("ORDERTIME_PUBLIC_URL" in warning for warning in from_environment({}).warnings)


def test_production_starts_when_everything_is_set(tmp_path: Path) -> None:
    settings = from_environment({**LIVE, "ORDERTIME_TENANTS": str(tmp_path)})
    assert settings.production
    assert settings.warnings == ()


def test_private_networks_are_read_one_by_one(tmp_path: Path) -> None:
    told = {**LIVE, "ORDERTIME_TENANTS": str(tmp_path), "ORDERTIME_PRIVATE_NETWORKS": "10.20.0.0/16, fd12:3456::/48,"}
    assert list(map(str, from_environment(told).networks)) == ["10.20.0.0/16", "fd12:3456::/48"]


def test_in_production_a_hospitals_name_that_leads_inside_is_not_called(tmp_path: Path) -> None:
    # CONFORMANCE 36
    told = {**LIVE, "ORDERTIME_TENANTS": str(tmp_path)}
    with listening(stall) as (url, arrived):
        rooms = Rooms(from_environment(told))
        with pytest.raises(ForeignAddress, match="ORDERTIME_PRIVATE_NETWORKS"):
            FhirHttp(f"{url}/fhir", "token", rooms.http, Budget(2)).get("Patient/1")
        assert arrived == []
        listed = Rooms(from_environment(told | {"ORDERTIME_PRIVATE_NETWORKS": "127.0.0.0/8"}))
        with pytest.raises(EhrUnavailable):
            FhirHttp(f"{url}/fhir", "token", listed.http, Budget(0.3)).get("Patient/1")
        assert len(arrived) == 1
    for each in (rooms, listed):
        each.http.close()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ORDERTIME_MODE", "prod"),
        ("ORDERTIME_PRIVATE_NETWORKS", "10.20.0.0/16, the hospital"),
        ("ORDERTIME_PRIVATE_NETWORKS", "10.20.0.1/16"),
        ("ORDERTIME_PRIVATE_NETWORKS", "0.0.0.0/0"),
        ("ORDERTIME_PRIVATE_NETWORKS", "169.254.0.0/16"),
        ("ORDERTIME_PRIVATE_NETWORKS", "fd00::/8"),
        ("ORDERTIME_PUBLIC_URL", "http://ordertime.hospital.example"),
        ("ORDERTIME_PUBLIC_URL", "http://127.0.0.1:8000"),
        ("ORDERTIME_PUBLIC_URL", "ordertime"),
        ("ORDERTIME_SECRET_KEY", ""),
        ("ORDERTIME_SECRET_KEY", "short"),
        ("ORDERTIME_SECRET_KEY", "a" * 40),
        ("ORDERTIME_SECRET_KEY", "changeme-changeme-changeme-changeme"),
        ("ORDERTIME_SECRET_KEY", "the-default-key-of-this-application"),
        ("ORDERTIME_SECRET_KEY", "Ordertime-2026-Ordertime-2026-Ordertime"),
        ("ORDERTIME_LOG_LEVEL", "debug"),
        ("ORDERTIME_TENANTS", "/nowhere/at/all"),
        ("DATABASE_URL", "sqlite:///:memory:"),
        ("DATABASE_URL", ""),
        ("INFERENCE_DEVICE", "gpu"),
        ("ORDERTIME_HOOK_DEADLINE", "soon"),
        ("ORDERTIME_HOOK_DEADLINE", "-1"),
        ("FLASK_DEBUG", "1"),
    ],
)
def test_production_refuses_to_start_half_configured_and_names_the_variable(
    variable: str, value: str, tmp_path: Path
) -> None:
    environment = {**LIVE, "ORDERTIME_TENANTS": str(tmp_path), variable: value}
    with pytest.raises(SettingsError, match=variable):
        from_environment(environment)


def test_the_secret_and_the_database_are_not_in_the_settings_repr() -> None:
    shown = repr(
        from_environment({"ORDERTIME_SECRET_KEY": GOOD_SECRET, "DATABASE_URL": "postgresql://u:pw@db/x"})
    )
    assert GOOD_SECRET not in shown
    assert "pw@db" not in shown


def test_every_setting_is_described() -> None:
    described = set(re.findall(r"^\| `([A-Z_]+)` \|", (ROOT / "docs/settings.md").read_text(), re.MULTILINE))
    assert described == set(VARIABLES)


# --- the process itself

SITE = """
id = "general"
name = "General"
issuer = "https://ehr.example.org/fhir/r4"
client_id = "ordertime"
scopes = ["launch", "patient/Observation.rs"]
time_zone = "America/New_York"
"""


def started(folder: Path, site: str, **changed: str) -> subprocess.CompletedProcess[str]:
    """A process that opens the app as gunicorn would, told this, with one site."""
    (folder / "general.toml").write_text(site)
    told = {**LIVE, "ORDERTIME_TENANTS": str(folder), "DATABASE_URL": f"sqlite:///{folder / 'ledger.db'}"}
    environment = {"PATH": os.environ["PATH"]} | {k: v for k, v in (told | changed).items() if v}
    return subprocess.run(
        [sys.executable, "-c", "import wsgi; print('started', wsgi.app.name)"],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_production_starts_with_a_site_that_can_be_trusted_and_says_nothing(tmp_path: Path) -> None:
    done = started(tmp_path, SITE)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "started ordertime", "")


@pytest.mark.parametrize(
    ("site", "changed", "named"),
    [
        (SITE, {"ORDERTIME_SECRET_KEY": ""}, ["ORDERTIME_SECRET_KEY", "openssl rand"]),
        (SITE, {"FLASK_DEBUG": "1"}, ["FLASK_DEBUG", "unset it"]),
        (SITE.replace("https", "http"), {}, ["general.toml", "'issuer'", "production needs https"]),
        (SITE + "require_jwt = false\n", {}, ["general.toml", "'require_jwt'", "is not a setting"]),
        (
            SITE + '[[cds_clients]]\niss = "x"\njwks_url = "https://x.example/k"\nalgorithms = ["none"]\n',
            {},
            ["general.toml", "'algorithms'", "ES384"],
        ),
    ],
    ids=["no-secret", "debug", "http-issuer", "open-tenant", "unsigned-callers"],
)
def test_production_does_not_start_and_says_why_in_one_line(
    tmp_path: Path, site: str, changed: dict[str, str], named: list[str]
) -> None:
    done = started(tmp_path, site, **changed)
    assert (done.returncode, done.stdout) == (3, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("ordertime does not start: ")
    assert all(word in line for word in named), line
    assert GOOD_SECRET not in line


def test_stand_ins_are_announced_on_standard_error_at_every_log_level(tmp_path: Path) -> None:
    site = SITE.replace("https://ehr.example.org", "http://127.0.0.1:8090")
    there = {"ORDERTIME_MODE": "development", "ORDERTIME_PUBLIC_URL": "", "ORDERTIME_SECRET_KEY": ""}
    done = started(tmp_path, site, ORDERTIME_LOG_LEVEL="ERROR", **there)
    assert done.returncode == 0, done.stderr
    for said in ("ORDERTIME_MODE is development", "ORDERTIME_SECRET_KEY is not set", "site general"):
        assert said in done.stderr
    assert all('"stand-in"' in line and '"critical"' in line for line in done.stderr.splitlines())
