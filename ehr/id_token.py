"""An id_token, proven: who is at the screen (OpenID Connect Core 3.1.3.7, SMART App Launch 2.2 `fhirUser`).

Refuses `none` and HMAC, another issuer or audience, an expired token, a missing or wrong nonce, an unknown
key.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import httpx

from ehr.endpoints import Endpoints, endpoint
from ehr.errors import LaunchRefused
from ehr.tokens import Claimed, KeySource, TokenFault, check_algorithm, check_times, peek, prove
from ehr.transport import Budget, ask, origin

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "ES256", "ES384")
LARGEST_CONFIGURATION: Final = 256 * 1024  # bytes


def verify_id_token(
    raw: str,
    *,
    client_id: str,
    nonce: str,
    endpoints: Endpoints,
    http: httpx.Client,
    keys: KeySource,
    now: datetime,
    budget: Budget,
    elsewhere: bool = False,
) -> Mapping[str, Any]:
    """The claims, once everything about the token holds. Raises LaunchRefused naming the claim.

    `elsewhere`: the site's server names in its tokens another issuer of its own than in its configuration.
    """
    try:
        token = peek(raw)
        algorithm = check_algorithm(token, ALGORITHMS)
        issuer = _issuer(token, endpoints, elsewhere)
        check_times(token, now)
        _check_audience(token, client_id)
        sent = token.claims.get("nonce")
        if not isinstance(sent, str) or not hmac.compare_digest(sent.encode(), nonce.encode()):
            raise TokenFault("is not the one this launch sent", "nonce")
        address = endpoints.jwks or _jwks_of(issuer, endpoints, http, budget)
        prove(token, algorithm, keys.find(address, token.kid, algorithm))
    except TokenFault as fault:
        raise LaunchRefused(
            f"the hospital's id_token cannot be trusted: {fault.message}", fault.where
        ) from None
    return token.claims


def _issuer(token: Claimed, endpoints: Endpoints, elsewhere: bool) -> str:
    """`iss`: the one the SMART configuration names; where it names none, or the site's file says that it names
    another (`elsewhere`), one on the hospital's own servers.
    """
    issuer = token.text("iss")
    if issuer == endpoints.identity_issuer:
        return issuer
    if endpoints.identity_issuer and not elsewhere:
        raise TokenFault(
            "is not the issuer of the hospital's SMART configuration; where its server does so, "
            "'identity-issuer-elsewhere' is the quirk for the site's tenant file",
            "iss",
        )
    ours = {origin(url) for url in (endpoints.issuer, endpoints.authorization, endpoints.token) if url}
    if not issuer.startswith(("https://", "http://")) or _origin(issuer) not in ours:
        raise TokenFault("is none of the hospital's own servers", "iss")
    return issuer


def _origin(url: str) -> tuple[str, str, int | None]:
    try:
        return origin(url)
    except httpx.InvalidURL:
        return "", "", None


def _check_audience(token: Claimed, client_id: str) -> None:
    audiences = token.audiences()
    if client_id not in audiences:
        raise TokenFault("does not name this app", "aud")
    if token.claims.get("azp", client_id) != client_id:
        raise TokenFault("names another app", "azp")


def _jwks_of(issuer: str, endpoints: Endpoints, http: httpx.Client, budget: Budget) -> str:
    """The key set's address in the issuer's OpenID configuration."""
    url = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
    answer = ask(
        http,
        "GET",
        url,
        budget=budget,
        where="openid-configuration",
        headers={"Accept": "application/json"},
        largest=LARGEST_CONFIGURATION,
    )
    document = answer.document("openid-configuration") if answer.good else {}
    if document.get("issuer") != issuer:
        raise TokenFault("publishes no OpenID configuration of its own", "iss")
    address = endpoint(document, "jwks_uri", endpoints.issuer)
    if not address:
        raise TokenFault("publishes no key set", "iss")
    return address
