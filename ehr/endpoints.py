"""SMART discovery: what a tenant's own `.well-known/smart-configuration` says, and nothing else's.

The deprecated CapabilityStatement extension is not read. Refuses endpoints on plain http (loopback
excepted, for a tenant on loopback) and servers that offer PKCE without S256.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Self
from urllib.parse import urljoin, urlsplit

import httpx

from ehr.errors import LaunchRefused, NotFound
from ehr.site import Tenant
from ehr.tables import loopback, server_fault
from ehr.transport import Budget, FhirHttp

DISCOVERY: Final = ".well-known/smart-configuration"
DISCOVERY_SECONDS: Final = 8.0


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where a site's authorisation happens. `issuer` is the FHIR base whose configuration this is."""

    issuer: str
    token: str
    authorization: str = ""
    jwks: str = ""
    identity_issuer: str = ""  # the `iss` of its id_tokens
    revocation: str = ""
    capabilities: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {**asdict(self), "capabilities": list(self.capabilities)}

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> Self:
        """What `to_dict` wrote."""
        return cls(**{**kept, "capabilities": tuple(kept["capabilities"])})


def discover(client: httpx.Client, tenant: Tenant, *, budget: Budget | None = None) -> Endpoints:
    """The tenant's endpoints. Raises LaunchRefused for a configuration that cannot be used, EhrUnavailable."""
    http = FhirHttp(tenant.issuer, None, client, budget or Budget(DISCOVERY_SECONDS), quirks=tenant.quirks)
    try:
        document = http.get(DISCOVERY, accept="application/json")
    except NotFound:
        raise LaunchRefused("the hospital's server publishes no SMART configuration", DISCOVERY) from None
    methods = document.get("code_challenge_methods_supported")
    if isinstance(methods, list) and methods and "S256" not in methods:
        raise LaunchRefused(
            "the hospital's server offers PKCE, but not S256", "code_challenge_methods_supported"
        )
    token = endpoint(document, "token_endpoint", tenant.issuer)
    if not token:
        raise LaunchRefused("the hospital's SMART configuration names no token_endpoint", DISCOVERY)
    identity, listed = document.get("issuer"), document.get("capabilities")
    return Endpoints(
        issuer=tenant.issuer,
        token=token,
        authorization=endpoint(document, "authorization_endpoint", tenant.issuer),
        jwks=endpoint(document, "jwks_uri", tenant.issuer),
        identity_issuer=identity if isinstance(identity, str) else "",
        revocation=endpoint(document, "revocation_endpoint", tenant.issuer),
        capabilities=tuple(map(str, listed)) if isinstance(listed, list) else (),
    )


def endpoint(document: Mapping[str, Any], key: str, base: str) -> str:
    """The URL under `key`, resolved against the FHIR base; "" when absent. Raises LaunchRefused when
    unsafe.
    """
    value = document.get(key)
    if not isinstance(value, str) or not value:
        return ""
    try:
        url = urljoin(f"{base.rstrip('/')}/", value)
    except ValueError:
        raise LaunchRefused(f"the hospital's {key} is not a URL", DISCOVERY) from None
    address = url.split("?")[0]  # authorisation endpoints may carry a query (RFC 6749 3.1)
    fault = server_fault(address, production=base.startswith("https:"))
    if (
        not fault
        and loopback(urlsplit(address).hostname or "")
        and not loopback(urlsplit(base).hostname or "")
    ):
        fault = "it would be this machine, and the hospital's server is another"
    if fault or "#" in url:
        raise LaunchRefused(f"the hospital's {key} cannot be used: {fault or 'it has a fragment'}", DISCOVERY)
    return url
