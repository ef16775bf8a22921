"""The vendors' templates: filled in they are tenants, and not filled in they stop the start."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from joserfc.jwk import RSAKey

from ehr.errors import TenantError
from ehr.tenants import Tenant, load_tenants
from inference.assessment import State

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = ROOT / "tenants" / "templates"
NAMES = sorted(path.name.partition(".")[0] for path in TEMPLATES.glob("*.toml.txt"))
BLANK = re.compile(r"<([A-Z][A-Z ]+)>")
FILLED = {
    "SITE": "general",
    "KEY FILE": "key.pem",
    "SECRET FILE": "general.secret",
    "TIME ZONE": "America/Chicago",
    "CDS ISSUER": "https://ehr.example.org",
    "FRAME ORIGIN": "https://ehr.example.org",
    "FHIR SERVER": "ehr.example.org/fhir",
    "JWKS PATH": "jwks.json",
}
SPEAKING = {"smart-launcher", "cds-hooks-sandbox"}  # where patients are invented


def text_of(name: str) -> str:
    return (TEMPLATES / f"{name}.toml.txt").read_text(encoding="utf-8")


def fill(text: str, leaving: str = "") -> str:
    """The template with every placeholder filled in, `leaving` aside."""

    def value(found: re.Match[str]) -> str:
        blank = found[1]
        if blank == leaving:
            return found[0]
        return FILLED.get(blank, "ehr.example.org" if blank.endswith("HOST") else "x1")

    return BLANK.sub(value, text)


def load(folder: Path, text: str) -> Tenant:
    (folder / "key.pem").write_bytes(RSAKey.generate_key(2048).as_pem(private=True))
    (folder / "general.secret").write_text("a-secret-of-the-site")
    (folder / "general.toml").write_text(text, encoding="utf-8")
    (tenant,) = load_tenants(folder, production=True)
    return tenant


def test_the_vendors_the_documents_name_have_a_template_each() -> None:
    assert {"epic", "oracle-health", "athenahealth", "medplum", "smart-launcher"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_filled_in_template_is_a_tenant_in_production(tmp_path: Path, name: str) -> None:
    # CONFORMANCE 23, 36
    tenant = load(tmp_path, fill(text_of(name)))
    assert tenant.frame_ancestors
    assert {policy.state for policy in tenant.models.values()} == {
        State.DEMONSTRATION if name in SPEAKING else State.SILENT
    }
    assert not any("*" in scope for scope in tenant.scopes)
    assert not any(scope.endswith((".read", ".write")) for scope in tenant.scopes)  # v2 everywhere


@pytest.mark.parametrize("name", NAMES)
def test_a_template_loads_nowhere_as_it_lies(tmp_path: Path, name: str) -> None:
    with pytest.raises(TenantError, match=r"general\.toml, key '\w+': is still the template's"):
        load(tmp_path, text_of(name))
    assert load_tenants(TEMPLATES, production=False).all == ()


@pytest.mark.parametrize("name", NAMES)
def test_one_placeholder_left_is_named_with_its_key(tmp_path: Path, name: str) -> None:
    text = text_of(name)
    settings = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for blank in sorted(set(BLANK.findall(settings))):
        with pytest.raises(TenantError, match=f"template's <{blank}>") as refused:
            load(tmp_path, fill(text, leaving=blank))
        assert re.match(r"general\.toml.*, key '\w+'", str(refused.value))


def test_epic_wants_a_category_and_names_callers_as_the_hospital_typed_them(tmp_path: Path) -> None:
    tenant = load(tmp_path, fill(text_of("epic")))
    assert "category-required" in tenant.quirks
    assert tenant.cds_clients[0].algorithms[0] == "RS384"
    assert tenant.auth == "private_key_jwt"


def test_oracle_health_is_told_apart_by_the_tenant_in_path_and_token(tmp_path: Path) -> None:
    tenant = load(tmp_path, fill(text_of("oracle-health")))
    assert tenant.issuer.endswith("/r4/x1")
    assert (tenant.cds_clients[0].iss, tenant.cds_clients[0].tenant_claim) == (
        "https://cds-hooks.cerner.com",
        "x1",
    )
    assert {"patient-view-only", "no-app-context"} <= tenant.quirks


def test_the_sandbox_may_call_from_its_browser(tmp_path: Path) -> None:
    tenant = load(tmp_path, fill(text_of("cds-hooks-sandbox")))
    assert tenant.cors_origins == ("https://sandbox.cds-hooks.org",)


def test_the_templates_are_found_beside_the_example() -> None:
    example = (ROOT / "tenants" / "example.toml.txt").read_text(encoding="utf-8")
    assert "tenants/templates/" in example
