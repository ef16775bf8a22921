"""Our side of the wire against the stand-in hospital, which shares no line with it, on loopback."""

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
from demo.tenant import write_tenant
from ehr import smart
from ehr.errors import ForeignAddress, LaunchRefused, NotPermitted, Unauthorised, UntrustedCaller
from ehr.notes import Chapter, document_reference, may_create, once, risk_assessment
from ehr.site import WRITABLE
from ehr.tenants import Client, Tenant, Tenants, load_tenants
from ehr.transport import Budget, FhirHttp
from ehr.trust import KeySource, verify_caller
from inference.assessment import Assessment, Prediction, State, Status
from tests.demo.standing_hospital import served

REDIRECT = "http://127.0.0.1:8000/callback"
KEYS = {"RS384": RSAKey.generate_key(2048), "ES384": ECKey.generate_key("P-384")}


def published(_: str) -> Any:
    """What the hospital would find at the app's JWKS address."""
    sites = [Tenant("t", "T", "https://x.example.org", "c", signing_key=key) for key in KEYS.values()]
    return smart.public_keys(sites)


@pytest.fixture(scope="module")
def hospital() -> Iterator[Hospital]:
    yield from served(fetch=published)


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False, timeout=5.0) as client:
        yield client


@pytest.fixture
def tenants(hospital: Hospital, tmp_path: Path) -> Tenants:
    """The file the demonstration writes, read as the app reads it."""
    write_tenant(hospital.settings, tmp_path)
    return load_tenants(tmp_path, production=False)


@pytest.fixture
def tenant(tenants: Tenants, hospital: Hospital) -> Tenant:
    return tenants.by_issuer(hospital.settings.fhir)


def now() -> datetime:
    return datetime.now(UTC)


def launched(http: httpx.Client, hospital: Hospital, tenant: Tenant, **context: Any) -> smart.Grant:
    launch = hospital.launches.mint(patient="ann", encounter="stay-ann", user="Practitioner/doc", **context)
    endpoints = smart.discover(http, tenant)
    pending = smart.begin(tenant, endpoints, redirect_uri=REDIRECT, launch=launch)
    answer = http.get(smart.authorise_url(tenant, endpoints, pending))
    assert answer.status_code == 302, answer.text
    back = dict(parse_qsl(urlsplit(answer.headers["location"]).query))
    return smart.finish(http, tenant, pending, back, keys=KeySource(http), now=now())


def reader(http: httpx.Client, tenant: Tenant, grant: smart.Grant) -> FhirHttp:
    return FhirHttp(tenant.issuer, grant.access_token, http, Budget(10))


CLIENTS: dict[str, dict[str, Any]] = {
    "public": {},
    "secret": {"client_id": "ordertime-secret", "auth": "secret", "client_secret": CLIENT_SECRET},
    "RS384": {"client_id": "ordertime-asymmetric", "auth": "private_key_jwt", "signing_key": KEYS["RS384"]},
    "ES384": {"client_id": "ordertime-asymmetric", "auth": "private_key_jwt", "signing_key": KEYS["ES384"]},
}


@pytest.mark.parametrize("client", CLIENTS)
def test_a_launch_ends_in_a_grant_that_reads_the_patient_and_can_be_renewed(
    http: httpx.Client, hospital: Hospital, tenant: Tenant, client: str
) -> None:  # CONFORMANCE 8, 16, 17, 18, 29, 31
    site = replace(tenant, **CLIENTS[client])
    grant = launched(http, hospital, site, app_context="opaque-1")
    assert (grant.patient, grant.encounter, grant.user) == ("ann", "stay-ann", "Practitioner/doc")
    assert grant.app_context == "opaque-1"
    assert smart.permissions(grant.scope).may("Observation", "s")
    assert reader(http, site, grant).get("Patient/ann")["id"] == "ann"

    fresh = smart.refresh(http, site, smart.discover(http, site), grant, now=now())
    assert fresh.access_token != grant.access_token
    assert fresh.refresh_token != grant.refresh_token
    assert fresh.patient == "ann"
    assert reader(http, site, fresh).get("Patient/ann")["id"] == "ann"
    with pytest.raises(Unauthorised, match="open the app again"):
        smart.refresh(http, site, smart.discover(http, site), grant, now=now())


def test_a_code_works_once(http: httpx.Client, hospital: Hospital, tenant: Tenant) -> None:
    launch = hospital.launches.mint(patient="ann", user="Practitioner/doc")
    endpoints = smart.discover(http, tenant)
    pending = smart.begin(tenant, endpoints, redirect_uri=REDIRECT, launch=launch)
    location = http.get(smart.authorise_url(tenant, endpoints, pending)).headers["location"]
    back = dict(parse_qsl(urlsplit(location).query))
    keys = KeySource(http)
    smart.finish(http, tenant, pending, back, keys=keys, now=now())
    with pytest.raises(LaunchRefused, match="invalid_grant"):
        smart.finish(http, tenant, pending, back, keys=keys, now=now())


def test_a_wrong_aud_comes_back_as_the_hospitals_refusal(
    http: httpx.Client, hospital: Hospital, tenant: Tenant
) -> None:  # CONFORMANCE 9, 12
    endpoints = smart.discover(http, tenant)
    launch = hospital.launches.mint(patient="ann", user="Practitioner/doc")
    pending = smart.begin(tenant, endpoints, redirect_uri=REDIRECT, launch=launch, iss=tenant.issuer + "/")
    location = http.get(smart.authorise_url(tenant, endpoints, pending)).headers["location"]
    back = dict(parse_qsl(urlsplit(location).query))
    with pytest.raises(LaunchRefused, match="invalid_request"):
        smart.finish(http, tenant, pending, back, keys=KeySource(http), now=now())


def test_pages_are_followed_to_the_end(
    http: httpx.Client, hospital: Hospital, tenant: Tenant
) -> None:  # CONFORMANCE 39
    fhir = reader(http, tenant, launched(http, hospital, tenant))
    params = {"patient": "ann", "category": "vital-signs", "_count": "10"}
    page, rows, pages = fhir.search("Observation", params), [], 1
    rows += page["entry"]
    while (url := fhir.next_url(page)) is not None:
        page = fhir.get(url)
        rows += page["entry"]
        pages += 1
    assert pages >= 3
    assert len({row["resource"]["id"] for row in rows}) == 30
    by_post = fhir.search("Observation", params, post=True)
    assert [row["resource"]["id"] for row in by_post["entry"]] == [r["resource"]["id"] for r in rows[:10]]


def test_another_patients_chart_is_not_permitted(
    http: httpx.Client, hospital: Hospital, tenant: Tenant
) -> None:
    fhir = reader(http, tenant, launched(http, hospital, tenant))
    with pytest.raises(NotPermitted):
        fhir.get("Patient/ben")
    with pytest.raises(ForeignAddress):
        fhir.get(hospital.settings.url.replace("localhost", "127.0.0.1") + "/fhir/Patient/ann")


def test_a_revoked_token_is_refused(
    http: httpx.Client, hospital: Hospital, tenant: Tenant
) -> None:  # CONFORMANCE 35
    grant = launched(http, hospital, tenant)
    assert smart.revoke(http, tenant, smart.discover(http, tenant), grant, now=now())
    with pytest.raises(Unauthorised):
        smart.refresh(http, tenant, smart.discover(http, tenant), grant, now=now())


def test_a_backend_service_gets_a_system_token(
    http: httpx.Client, hospital: Hospital, tenant: Tenant
) -> None:  # CONFORMANCE 34
    backend = Client(
        "ordertime-backend", "private_key_jwt", signing_key=KEYS["ES384"], scopes=("system/Patient.rs",)
    )
    site = replace(tenant, backend=backend)
    grant = smart.backend_token(http, site, smart.discover(http, site), now=now())
    assert reader(http, site, grant).get("Patient/ben")["id"] == "ben"


def test_the_hospitals_cds_client_is_trusted_once(
    http: httpx.Client, hospital: Hospital, tenants: Tenants
) -> None:  # CONFORMANCE 86
    url = "http://127.0.0.1:8000/cds-services/ventilation-need"
    base = hospital.settings.url
    token = hospital.keys.cds_token(
        issuer=base, jwks_url=f"{base}/cds-client/jwks.json", audience=url, now=now()
    )
    used: set[str] = set()

    def seen(_: str, jti: str, __: datetime) -> bool:
        return jti in used or used.add(jti) is not None

    keys = KeySource(http)
    for address, told in ((f"{url}/feedback", "aud"), (url, None), (url, "jti")):
        if told is None:
            caller = verify_caller(
                f"Bearer {token}", url=address, tenants=tenants, keys=keys, seen=seen, now=now()
            )
            assert caller.tenant.id == "demo"
            continue
        with pytest.raises(UntrustedCaller, match=told):
            verify_caller(f"Bearer {token}", url=address, tenants=tenants, keys=keys, seen=seen, now=now())


def test_what_we_write_the_hospital_takes_and_takes_once(
    http: httpx.Client, hospital: Hospital, tenant: Tenant
) -> None:  # CONFORMANCE 101, 102, 104, 105, 106
    site = replace(tenant, write_back=frozenset({"RiskAssessment", "DocumentReference"}))
    grant = launched(http, hospital, site)
    fhir, chapter = reader(http, site, grant), Chapter("ann", "stay-ann", grant.user)
    capability = fhir.get("metadata")
    found = Assessment(
        "ventilation-need",
        "1",
        now(),
        Status.ASSESSED,
        None,
        (Prediction("ventilation-24h", 24, 0.31, 0.2, 0.4),),
    )
    risk = risk_assessment(found, chapter, identifier="a-1", state=State.DEMONSTRATION)
    page = document_reference(
        b"%PDF-1.7", "application/pdf", chapter, identifier="a-1", title="For you", created=now(),
        loinc=site.note_type,
    )  # fmt: skip
    assert {resource["resourceType"] for resource in (risk, page)} == set(WRITABLE)  # all there is, one port
    for resource in (risk, page):
        assert may_create(resource["resourceType"], site, grant.scope, capability)
        first = fhir.create(resource, if_none_exist=once(resource))
        second = fhir.create(resource, if_none_exist=once(resource))
        assert first.id == second.id
        assert (first.existed, second.existed) == (False, True)
