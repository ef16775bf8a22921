"""The tenant file the demonstration writes is one the app accepts, and describes this hospital."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from demo.config import settings_for
from demo.patients import STORIES, everyone
from demo.patients.staff import CLINICIANS
from demo.tenant import write_tenant
from ehr.tenants import load_tenants


def test_the_app_reads_the_tenant_file_and_finds_this_hospital_in_it(tmp_path: Path) -> None:
    settings = settings_for(18090, 18000)
    write_tenant(settings, tmp_path / "tenants")
    tenant = load_tenants(tmp_path / "tenants", production=False).by_issuer(settings.fhir)
    assert tenant.issuer == "http://localhost:18090/fhir"
    assert tenant.client_id in {one.client_id for one in settings.clients if one.auth == "none"}
    assert tenant.frame_ancestors == ("http://localhost:18090",)
    assert {policy.state for policy in tenant.models.values()} == {"demonstration"}
    (caller,) = tenant.cds_clients
    assert tenant.backend is not None
    assert tenant.backend.client_id in {one.client_id for one in settings.clients if not one.redirect_uris}
    assert tenant.follow_up.reviewers == {"Practitioner/okafor", "Practitioner/iyer"}
    key = tmp_path / "tenants" / "keys" / "demo-backend.pem"
    assert key.stat().st_mode & 0o077 == 0
    assert (caller.iss, caller.jwks_url) == (settings.url, f"{settings.url}/cds-client/jwks.json")


def test_writing_it_again_leaves_one_whole_file(tmp_path: Path) -> None:
    keys = set()
    for ports in ((18090, 18000), (18091, 18001)):
        write_tenant(settings_for(*ports), tmp_path)
        keys.add((tmp_path / "keys" / "demo-backend.pem").read_bytes())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["demo.toml", "keys"]
    assert len(keys) == 1
    assert (tmp_path / "keys" / "demo-backend.pem").stat().st_mode & 0o077 == 0
    assert len(load_tenants(tmp_path, production=False)) == 1


def test_it_has_a_client_without_a_user_and_a_unit_board_of_everybody_here(tmp_path: Path) -> None:
    settings = settings_for(18090, 18000)
    write_tenant(settings, tmp_path)
    (tenant,) = load_tenants(tmp_path, production=False)
    assert tenant.backend is not None
    (known,) = (one for one in settings.clients if one.client_id == tenant.backend.client_id)
    assert known.auth == tenant.backend.auth == "private_key_jwt"
    (unit,) = tenant.board.units
    groups = [one for one in everyone(datetime.now(UTC)) if one["resourceType"] == "Group"]
    assert [group["id"] for group in groups] == [unit.group]
    assert len(groups[0]["member"]) == groups[0]["quantity"] == len(STORIES)
    assert tenant.board.people <= {f"Practitioner/{one.id}" for one in CLINICIANS}
