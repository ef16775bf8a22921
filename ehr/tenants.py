"""Whom we trust and how: one annotated TOML file a site (`tenants/example.toml.txt` describes every key).

A server that is on no tenant's list is never talked to. Refuses what `tenant_file` refuses, and two sites
that claim the same id, server or caller.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from ehr.errors import TenantError, UnknownIssuer
from ehr.site import Auth, CdsClient, Client, ModelPolicy, Tenant
from ehr.tenant_file import load_tenant

__all__ = [
    "Auth",
    "CdsClient",
    "Client",
    "ModelPolicy",
    "Tenant",
    "Tenants",
    "canonical",
    "load_tenant",
    "load_tenants",
]


UNLISTED: Final = (
    "this FHIR server is not on the list; nothing was sent to it: whoever runs Ordertime adds it to the tenant's file"
)


@dataclass(frozen=True, slots=True)
class Tenants:
    """All sites, in file order."""

    all: tuple[Tenant, ...]

    def __iter__(self) -> Iterator[Tenant]:
        return iter(self.all)

    def __len__(self) -> int:
        return len(self.all)

    def by_id(self, tenant_id: str) -> Tenant:
        """The site with this id. Raises UnknownIssuer."""
        return self._only((t for t in self.all if t.id == tenant_id), "this site is no longer configured")

    def by_issuer(self, iss: str) -> Tenant:
        """The site whose FHIR base is `iss`, case of host and a final slash aside. Raises UnknownIssuer."""
        name = canonical(iss)
        found = (t for t in self.all if name and name == canonical(t.issuer))
        return self._only(found, "this hospital's server is not on the list; nothing was sent to it")

    def by_fhir_server(self, url: str) -> Tenant:
        """The site whose CDS client may name `url` as its FHIR server. Raises UnknownIssuer."""
        name = canonical(url)
        found = (t for t in self.all if name and name in map(canonical, (t.issuer, *t.fhir_servers)))
        return self._only(found, UNLISTED)

    def by_cds_issuer(self, iss: str, tenant_claim: str = "") -> tuple[Tenant, CdsClient]:
        """The site and client whose tokens say `iss` (and `tenant`). Raises UnknownIssuer."""
        for tenant in self.all:
            for client in tenant.cds_clients:
                if client.iss == iss and client.tenant_claim in ("", tenant_claim):
                    return tenant, client
        raise UnknownIssuer("no tenant lists this caller under [[cds_clients]]", "iss")

    @staticmethod
    def _only(found: Iterator[Tenant], message: str) -> Tenant:
        tenant = next(found, None)
        if tenant is None:
            raise UnknownIssuer(message)
        return tenant


def canonical(url: str) -> str:
    """`url` in the form in which servers are compared; "" when it can be no server's address.

    Scheme and host in lower case, the scheme's own port and one final slash left out; the path byte for byte.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return ""
    plain = parts.username is None and parts.password is None and not re.search(r"[\s\\?#\x00-\x1f]", url)
    if parts.scheme.lower() not in ("http", "https") or not host or not plain:
        return ""
    scheme = parts.scheme.lower()
    shown = "" if port in (None, {"http": 80, "https": 443}[scheme]) else f":{port}"
    return f"{scheme}://{host.lower()}{shown}{parts.path.removesuffix('/')}"


def load_tenants(folder: Path, *, production: bool) -> Tenants:
    """All sites of `folder`, one `*.toml` each. Raises TenantError on the first thing that is wrong.

    Outside production a missing or empty folder means no site yet; in production it is an error.
    """
    files = sorted(folder.glob("*.toml"))
    if not files and production:
        raise TenantError("no *.toml file; copy tenants/example.toml.txt and fill it in", str(folder))
    tenants = {path.name: load_tenant(path, production=production) for path in files}
    _distinct(tenants)
    return Tenants(tuple(tenants.values()))


def _distinct(tenants: Mapping[str, Tenant]) -> None:
    """Raises TenantError when two files claim the same id, server or caller."""
    claimed: dict[tuple[str, str], str] = {}
    for name, tenant in tenants.items():
        servers = {canonical(url) for url in (tenant.issuer, *tenant.fhir_servers)}
        callers = [f"{client.iss}|{client.tenant_claim}" for client in tenant.cds_clients]
        claims = [
            ("id", tenant.id),
            *(("issuer", s) for s in servers),
            *(("cds_clients", c) for c in callers),
        ]
        for claim in claims:
            if claim in claimed:
                where = f"{name}, key '{claim[0]}'"
                raise TenantError(
                    f"claims '{claim[1].rstrip('|')}' as {claimed[claim]} does; keep one", where
                )
            claimed[claim] = name
