"""A hospital that launches: its configuration, its answers, and the steps up to a grant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from ehr import smart
from ehr.grant import read_grant
from ehr.tenants import Tenant
from ehr.trust import KeySource
from tests.ehr.peer import (
    BASE,
    ES,
    NOW,
    RS,
    Peer,
    Watch,
    jwks,
)

REDIRECT = "https://app.example.org/callback"
WELL_KNOWN = "/fhir/r4/.well-known/smart-configuration"
TOKEN = "https://ehr.example.org/auth/token"
SCOPES = ("launch", "openid", "fhirUser", "online_access", "patient/Patient.r", "patient/Observation.rs")
TENANT = Tenant("general", "General", BASE, "ordertime", scopes=SCOPES)
CONFIGURATION: dict[str, Any] = {
    "issuer": "https://ehr.example.org/auth",
    "jwks_uri": "https://ehr.example.org/auth/jwks.json",
    "authorization_endpoint": "https://ehr.example.org/auth/authorize",
    "token_endpoint": TOKEN,
    "code_challenge_methods_supported": ["S256"],
    "capabilities": ["launch-ehr", "authorize-post", "permission-v2"],
}
GIVEN: dict[str, Any] = {
    "access_token": "at-1",
    "token_type": "Bearer",
    "expires_in": 300,
    "scope": " ".join(SCOPES),
    "patient": "p1",
    "encounter": "e1",
    "need_patient_banner": True,
    "smart_style_url": "https://ehr.example.org/style.json",
    "refresh_token": "rt-1",
}


def without(row: Mapping[str, Any], **changed: Any) -> dict[str, Any]:
    """`row` with changes; what is changed to None is left out."""
    return {name: value for name, value in {**row, **changed}.items() if value is not None}


def hospital(configuration: dict[str, Any] | None = None, **given: Any) -> Peer:
    peer = Peer()
    peer[WELL_KNOWN] = httpx.Response(200, json=CONFIGURATION if configuration is None else configuration)
    peer["/auth/token"] = httpx.Response(200, json=without(GIVEN, **given))
    peer["/auth/jwks.json"] = jwks(RS, ES)
    return peer


def begun(peer: Peer, tenant: Tenant = TENANT, launch: str | None = "xyz", **more: Any) -> smart.Pending:
    endpoints = smart.discover(peer.client(), tenant)
    return smart.begin(tenant, endpoints, redirect_uri=REDIRECT, launch=launch, **more)


def asked(pending: smart.Pending, tenant: Tenant = TENANT) -> dict[str, list[str]]:
    return parse_qs(
        urlsplit(smart.authorise_url(tenant, pending.endpoints, pending)).query, keep_blank_values=True
    )


def finished(
    peer: Peer, pending: smart.Pending, tenant: Tenant = TENANT, answer: dict[str, str] | None = None
) -> smart.Grant:
    back = {"code": "c-1", "state": pending.state} if answer is None else answer
    keys = KeySource(peer.client(), clock=Watch())
    return smart.finish(peer.client(), tenant, pending, back, keys=keys, now=NOW)


def granted(**changed: Any) -> smart.Grant:
    return read_grant(without(GIVEN, **changed), asked="what was asked", now=NOW)
