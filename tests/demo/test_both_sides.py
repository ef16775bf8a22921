"""The app's SMART and FHIR against this hospital, over real HTTP: two readings of one specification."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from joserfc.jwk import ECKey, RSAKey

from demo.config import CLIENT_SECRET
from demo.records import Hospital
from demo.tenant import BACKEND_KEY, tenant_file, write_tenant
from ehr import smart
from ehr.errors import EhrError, LaunchRefused, NotPermitted, Unauthorised
from ehr.tenants import Tenant, load_tenants
from ehr.tokens import KeySource
from ehr.transport import Budget, FhirHttp
from ehr.trust import verify_caller
from tests.demo.standing_hospital import CALLBACK, AppKeys


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=5.0, trust_env=False) as client:
        yield client


def tenant_of(hospital: Hospital, folder: Path, auth: str, key: ECKey | RSAKey | None = None) -> Tenant:
    """The demonstration's tenant file, with the client changed to one of the other registrations."""
    write_tenant(hospital.settings, folder).unlink()  # the key it names stays
    text = tenant_file(hospital.settings)
    public = 'client_id = "ordertime"\nauth = "public"'
    assert public in text
    if auth == "secret":
        proof = f'client_id = "ordertime-secret"\nauth = "secret"\nclient_secret = "{CLIENT_SECRET}"'
        text = text.replace(public, proof)
    if key is not None:
        (folder / "app.pem").write_bytes(key.as_pem(private=True))
        (folder / "app.pem").chmod(0o600)
        text = text.replace(
            public,
            'client_id = "ordertime-asymmetric"\nauth = "private_key_jwt"\nsigning_key_file = "app.pem"',
        )
        text = text.replace(BACKEND_KEY, "app.pem")
    (folder / "site.toml").write_text(text)
    return load_tenants(folder, production=False).by_id("demo")


def launched(hospital: Hospital, tenant: Tenant, http: httpx.Client) -> tuple[smart.Endpoints, smart.Grant]:
    """A whole EHR launch: what the app does, and what the browser does between."""
    endpoints = smart.discover(http, tenant)
    minted = hospital.launches.mint(patient="ann", encounter="stay-ann", user="doc", app_context="opaque")
    pending = smart.begin(tenant, endpoints, redirect_uri=CALLBACK, launch=minted)
    answer = http.get(smart.authorise_url(tenant, endpoints, pending))
    assert answer.status_code == 302, answer.text
    back = dict(parse_qsl(urlsplit(answer.headers["Location"]).query))
    return endpoints, smart.finish(http, tenant, pending, back, keys=KeySource(http), now=datetime.now(UTC))


def ways(keys: AppKeys) -> dict[str, tuple[str, Any]]:
    return {
        "public": ("public", None),
        "secret": ("secret", None),
        "ES384": ("keys", keys.ec),
        "RS384": ("keys", keys.rsa),
    }


@pytest.mark.parametrize("way", ["public", "secret", "ES384", "RS384"])
def test_every_way_of_proving_who_we_are_launches_refreshes_and_gives_back(
    hospital: Hospital, keys: AppKeys, http: httpx.Client, tmp_path: Path, way: str
) -> None:
    # CONFORMANCE 16, 17, 18, 24, 29, 31, 35
    tenant = tenant_of(hospital, tmp_path, *ways(keys)[way])
    endpoints, grant = launched(hospital, tenant, http)
    assert (grant.patient, grant.encounter, grant.user) == ("ann", "stay-ann", "Practitioner/doc")
    assert grant.app_context == "opaque"
    again = smart.refresh(http, tenant, endpoints, grant, now=datetime.now(UTC))
    assert again.access_token != grant.access_token
    assert again.patient == "ann"
    with pytest.raises(Unauthorised):
        smart.refresh(http, tenant, endpoints, grant, now=datetime.now(UTC))


def test_a_revoked_grant_reads_nothing_more(hospital: Hospital, http: httpx.Client, tmp_path: Path) -> None:
    tenant = tenant_of(hospital, tmp_path, "public")
    endpoints, grant = launched(hospital, tenant, http)
    fhir = FhirHttp(tenant.issuer, grant.access_token, http, Budget(10))
    assert fhir.get("Patient/ann")["id"] == "ann"
    assert smart.revoke(http, tenant, endpoints, grant, now=datetime.now(UTC))
    with pytest.raises(Unauthorised):
        fhir.get("Patient/ann")


def test_a_backend_service_gets_its_token_with_a_signed_assertion(
    hospital: Hospital, keys: AppKeys, http: httpx.Client, tmp_path: Path
) -> None:
    # CONFORMANCE 34
    tenant = tenant_of(hospital, tmp_path, "keys", keys.ec)
    grant = smart.backend_token(http, tenant, smart.discover(http, tenant), now=datetime.now(UTC))
    fhir = FhirHttp(tenant.issuer, grant.access_token, http, Budget(10))
    assert fhir.search("Patient", {"_count": "10"})["total"] == 2


def test_the_apps_reader_follows_the_hospitals_pages_and_sees_its_refusals(
    hospital: Hospital, http: httpx.Client
) -> None:
    # CONFORMANCE 39, 46
    token = hospital.tokens.issue("ordertime", "patient/Observation.rs", "ann", "doc")
    fhir = FhirHttp(hospital.settings.fhir, token, http, Budget(10))
    for post in (False, True):
        bundle: dict[str, Any] = fhir.search(
            "Observation", {"patient": "ann", "code": "http://loinc.org|8867-4", "_count": "10"}, post=post
        )
        rows = [bundle]
        while url := fhir.next_url(bundle):
            bundle = fhir.get(url)
            rows.append(bundle)
        assert [len(one["entry"]) for one in rows] == [10, 10, 10]
    with pytest.raises(NotPermitted):
        fhir.get("Patient/ann")
    with pytest.raises(EhrError, match="not-supported"):
        fhir.search("Observation", {"wobble": "1"})


def test_the_apps_writer_makes_one_resource_of_two_presses(hospital: Hospital, http: httpx.Client) -> None:
    # CONFORMANCE 105
    token = hospital.tokens.issue("ordertime", "patient/*.cruds", "ann", "doc")
    fhir = FhirHttp(hospital.settings.fhir, token, http, Budget(10))
    risk = {
        "resourceType": "RiskAssessment",
        "status": "final",
        "subject": {"reference": "Patient/ann"},
        "identifier": [{"system": "urn:both-sides", "value": "1"}],
    }
    first, second = (fhir.create(risk, if_none_exist={"identifier": "urn:both-sides|1"}) for _ in range(2))
    assert (first.existed, second.existed) == (False, True)
    assert first.id == second.id


def test_the_hospitals_cds_token_is_one_the_app_trusts_once(
    hospital: Hospital, http: httpx.Client, tmp_path: Path
) -> None:
    # CONFORMANCE 86
    tenant_of(hospital, tmp_path, "public")
    tenants, url = (
        load_tenants(tmp_path, production=False),
        "http://127.0.0.1:8000/cds-services/troponin-trend",
    )
    home = hospital.settings.url
    token = hospital.keys.cds_token(
        issuer=home, jwks_url=f"{home}/cds-client/jwks.json", audience=url, now=hospital.clock()
    )
    caller = verify_caller(
        f"Bearer {token}",
        url=url,
        tenants=tenants,
        keys=KeySource(http),
        seen=lambda *_: False,
        now=datetime.now(UTC),
    )
    assert caller.tenant.id == "demo"


def test_a_spent_launch_is_a_refusal_the_app_understands(
    hospital: Hospital, http: httpx.Client, tmp_path: Path
) -> None:
    # CONFORMANCE 12
    tenant = tenant_of(hospital, tmp_path, "public")
    endpoints = smart.discover(http, tenant)
    pending = smart.begin(tenant, endpoints, redirect_uri=CALLBACK, launch="spent")
    answer = http.get(smart.authorise_url(tenant, endpoints, pending))
    back = dict(parse_qsl(urlsplit(answer.headers["Location"]).query))
    with pytest.raises(LaunchRefused):
        smart.finish(http, tenant, replace(pending), back, keys=KeySource(http), now=datetime.now(UTC))
