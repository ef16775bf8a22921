"""A CDS client's JWT -> VerifiedCaller (CDS Hooks 2.0, Trusting CDS Clients).

Refuses, saying which part was wrong: no token, `none` and HMAC, an `iss` on no tenant's list (before
anything is fetched), a `jku` other than the one on file, an unknown `kid`, a wrong signature, a wrong
`aud`, missing or failed times, a life above 15 minutes, and a `jti` that was used before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ehr.errors import UnknownIssuer, UntrustedCaller
from ehr.tenants import CdsClient, Tenant, Tenants
from ehr.tokens import SKEW, Claimed, KeySource, TokenFault, check_algorithm, check_times, peek, prove

__all__ = ["LONGEST_LIFE", "KeySource", "VerifiedCaller", "verify_caller"]

# Vendors' samples live 5 to 15 minutes. A used `jti` has to be remembered this long.
LONGEST_LIFE: Final = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class VerifiedCaller:
    """Who calls, proven. Only `verify_caller` makes one."""

    tenant: Tenant
    iss: str
    sub: str = ""


def verify_caller(
    authorization: str,
    *,
    url: str,
    tenants: Tenants,
    keys: KeySource,
    seen: Callable[[str, str, datetime], bool],
    now: datetime,
) -> VerifiedCaller:
    """Who sent `authorization` (the header's value) to `url` (under our configured public address).

    `seen(iss, jti, until)` says whether the pair was seen before, and remembers it until then, for all.
    Raises UntrustedCaller, and EhrUnavailable when the caller's keys cannot be fetched.
    """
    try:
        token = peek(_bearer(authorization))
        tenant, client = _known(token, tenants)
        algorithm = check_algorithm(token, client.algorithms)
        _check_key_address(token, client)
        expires = check_times(token, now, LONGEST_LIFE)
        jti = token.text("jti")
        if not {url, *client.audiences} & {*token.audiences()}:
            remedy = f"name {url}, or list what it names in the site's `audiences`"
            raise TokenFault(f"names neither the address called nor an audience on file: {remedy}", "aud")
        prove(token, algorithm, keys.find(client.jwks_url, token.kid, algorithm))
        if seen(client.iss, jti, expires + SKEW):
            raise TokenFault("was used before: every call needs a new token", "jti")
    except TokenFault as fault:
        raise UntrustedCaller(fault.message, fault.where) from None
    sub = token.claims.get("sub")
    return VerifiedCaller(tenant, client.iss, sub if isinstance(sub, str) else "")


def _bearer(authorization: str) -> str:
    scheme, _, token = authorization.strip().partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise TokenFault("holds no 'Bearer' token", "Authorization")
    return token.strip()


def _known(token: Claimed, tenants: Tenants) -> tuple[Tenant, CdsClient]:
    claim = token.claims.get("tenant")
    try:
        return tenants.by_cds_issuer(token.text("iss"), claim if isinstance(claim, str) else "")
    except UnknownIssuer as error:
        raise TokenFault(error.message, "iss") from None


def _check_key_address(token: Claimed, client: CdsClient) -> None:
    """`kid` is there; `jku`, where given, is the address on file: a token never says where its own key is."""
    if not token.kid:
        raise TokenFault("is missing", "kid")
    if token.header.get("jku", client.jwks_url) != client.jwks_url:
        raise TokenFault("is not the key set's address on file", "jku")
