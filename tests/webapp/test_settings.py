"""Settings: what the app refuses to start with, and that each is described."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

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
    assert any("ORDERTIME_SECRET_KEY" in warning for warning in settings.warnings)


def test_production_starts_when_everything_is_set(tmp_path: Path) -> None:
    settings = from_environment({**LIVE, "ORDERTIME_TENANTS": str(tmp_path)})
    assert settings.production
    assert settings.warnings == ()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ORDERTIME_MODE", "prod"),
        ("ORDERTIME_PUBLIC_URL", "http://ordertime.hospital.example"),
        ("ORDERTIME_PUBLIC_URL", "http://127.0.0.1:8000"),
        ("ORDERTIME_PUBLIC_URL", "ordertime"),
        ("ORDERTIME_SECRET_KEY", ""),
        ("ORDERTIME_SECRET_KEY", "short"),
        ("ORDERTIME_SECRET_KEY", "a" * 40),
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
