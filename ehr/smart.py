"""A SMART launch as steps without a web framework: discover, begin, authorise, finish, refresh; backend
services.

Each step takes the tenant, the HTTP client, the clock's time and randomness from outside, and gives frozen
data back. PKCE S256 always; `aud` is the FHIR base byte for byte; `state` is never sent to the token
endpoint; a token endpoint is asked only if the tenant's own server named it.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Self

import httpx
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from ehr.client_auth import Fresh, client_assertion, oauth_refusal, post_form
from ehr.endpoints import Endpoints, discover
from ehr.errors import LaunchRefused, Unauthorised
from ehr.grant import Grant, person, read_grant, renewed
from ehr.id_token import verify_id_token
from ehr.keys import public_jwks
from ehr.scopes import Permissions, asked, permissions
from ehr.tenants import Tenant
from ehr.tokens import KeySource
from ehr.transport import Budget

__all__ = [
    "Endpoints",
    "Grant",
    "Pending",
    "Permissions",
    "authorise_fields",
    "authorise_url",
    "backend_token",
    "begin",
    "client_assertion",
    "discover",
    "finish",
    "permissions",
    "public_keys",
    "refresh",
    "revoke",
    "verify_id_token",
]

EXCHANGE_SECONDS: Final = 10.0
LONGEST_URL: Final = 2000  # characters; above, authorise by POST where the server takes it


@dataclass(frozen=True, slots=True)
class Pending:
    """A launch that was begun and has not come back: what the callback will be compared with."""

    tenant: str
    state: str = field(repr=False)
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)
    redirect_uri: str
    scope: str
    aud: str
    endpoints: Endpoints
    launch: str | None = field(default=None, repr=False)  # None: standalone

    def to_dict(self) -> dict[str, Any]:
        """For an encrypted vault: it holds the PKCE verifier."""
        return {**asdict(self), "endpoints": self.endpoints.to_dict()}

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> Self:
        """What `to_dict` wrote."""
        return cls(**{**kept, "endpoints": Endpoints.from_dict(kept["endpoints"])})


def begin(
    tenant: Tenant,
    endpoints: Endpoints,
    *,
    redirect_uri: str,
    launch: str | None,
    iss: str = "",
    fresh: Fresh = secrets.token_urlsafe,
) -> Pending:
    """A new launch: 256 bits of state and of nonce, a 64-character verifier. `launch` None means standalone.

    `iss` is what the EHR sent, for `aud`; without it the tenant's issuer. Raises LaunchRefused when the
    hospital offers no authorisation endpoint.
    """
    if not endpoints.authorization or endpoints.issuer != tenant.issuer:
        raise LaunchRefused("the hospital's SMART configuration names no authorization_endpoint")
    return Pending(
        tenant=tenant.id,
        state=fresh(32),
        nonce=fresh(32),
        verifier=fresh(48),
        redirect_uri=redirect_uri,
        scope=asked(tenant.scopes, from_ehr=launch is not None),
        aud=iss or tenant.issuer,
        endpoints=endpoints,
        launch=launch,
    )


def authorise_fields(tenant: Tenant, pending: Pending) -> dict[str, str]:
    """The parameters of the authorisation request (SMART App Launch 2.2, obtain authorization code)."""
    fields = {
        "response_type": "code",
        "client_id": tenant.client_id,
        "redirect_uri": pending.redirect_uri,
        "scope": pending.scope,
        "state": pending.state,
        "aud": pending.aud,
        "code_challenge": create_s256_code_challenge(pending.verifier),
        "code_challenge_method": "S256",
        "nonce": pending.nonce,
    }
    if "fresh-login" in tenant.quirks:
        fields["prompt"] = "login"  # OpenID Connect Core 3.1.2.1
    return fields if pending.launch is None else {**fields, "launch": pending.launch}


def authorise_url(tenant: Tenant, endpoints: Endpoints, pending: Pending) -> str:
    """Where the browser goes next; a query the endpoint already has is kept."""
    fields = authorise_fields(tenant, pending)
    return str(prepare_grant_uri(endpoints.authorization, **fields))


def posts(tenant: Tenant, endpoints: Endpoints, url: str) -> bool:
    """Whether `url` is too long and the server takes the same fields by POST instead (SMART `authorize-
    post`).
    """
    offered = "authorize-post" in endpoints.capabilities or "authorize-post" in tenant.quirks
    return offered and len(url) > LONGEST_URL


def finish(
    client: httpx.Client,
    tenant: Tenant,
    pending: Pending,
    answer: Mapping[str, str],
    *,
    keys: KeySource,
    now: datetime,
    budget: Budget | None = None,
    fresh: Fresh = secrets.token_urlsafe,
) -> Grant:
    """The grant behind the query the hospital sent the browser back with.

    Raises LaunchRefused when the hospital refused, when `answer` is not this launch's, or when its tokens
    cannot be trusted; EhrUnavailable when its server does not answer.
    """
    budget = budget or Budget(EXCHANGE_SECONDS)
    response = redeem(client, tenant, pending, _code(pending, answer), now=now, budget=budget, fresh=fresh)
    grant = read_grant(response, asked=pending.scope, now=now)
    raw = response.get("id_token")
    if not isinstance(raw, str) or not raw:
        return grant
    claims = verify_id_token(
        raw,
        client_id=tenant.client_id,
        nonce=pending.nonce,
        endpoints=pending.endpoints,
        http=client,
        keys=keys,
        now=now,
        budget=budget,
        elsewhere="identity-issuer-elsewhere" in tenant.quirks,
    )
    return replace(grant, user=person(claims.get("fhirUser") or claims.get("profile")))


def redeem(
    client: httpx.Client,
    tenant: Tenant,
    pending: Pending,
    code: str,
    *,
    now: datetime,
    budget: Budget,
    fresh: Fresh = secrets.token_urlsafe,
) -> dict[str, Any]:
    """The raw token response for `code`. Raises LaunchRefused, EhrUnavailable."""
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": pending.redirect_uri,
        "code_verifier": pending.verifier,
    }
    url = _token_endpoint(tenant, pending.endpoints)
    return post_form(client, url, tenant.client, form, now=now, budget=budget, fresh=fresh)


def refresh(
    client: httpx.Client,
    tenant: Tenant,
    endpoints: Endpoints,
    grant: Grant,
    *,
    now: datetime,
    budget: Budget | None = None,
    fresh: Fresh = secrets.token_urlsafe,
) -> Grant:
    """`grant` with new tokens; a refresh token is used once, and the new one, if any, replaces it.

    Raises Unauthorised when there is none or the hospital no longer takes it: the app must be opened again.
    """
    if not grant.refresh_token:
        raise Unauthorised("the hospital's permission has run out: open the app again from the chart")
    form = {"grant_type": "refresh_token", "refresh_token": grant.refresh_token}
    url, limit = _token_endpoint(tenant, endpoints), budget or Budget(EXCHANGE_SECONDS)
    try:
        response = post_form(client, url, tenant.client, form, now=now, budget=limit, fresh=fresh)
        return renewed(grant, response, now=now)
    except LaunchRefused as error:
        raise Unauthorised(
            "the hospital's permission could not be renewed: open the app again from the chart",
            said=error.said,
            causes=error.causes,
        ) from None


def backend_token(
    client: httpx.Client,
    tenant: Tenant,
    endpoints: Endpoints,
    *,
    now: datetime,
    budget: Budget | None = None,
    fresh: Fresh = secrets.token_urlsafe,
) -> Grant:
    """A system token by client credentials (SMART backend services). Raises LaunchRefused, EhrUnavailable."""
    if tenant.backend is None:
        raise LaunchRefused("this site has no [backend] client; add the table to its tenant file", tenant.id)
    scope = " ".join(tenant.backend.scopes)
    form = {"grant_type": "client_credentials", "scope": scope}
    url, limit = _token_endpoint(tenant, endpoints), budget or Budget(EXCHANGE_SECONDS)
    response = post_form(client, url, tenant.backend, form, now=now, budget=limit, fresh=fresh)
    return read_grant(response, asked=scope, now=now)


def revoke(
    client: httpx.Client,
    tenant: Tenant,
    endpoints: Endpoints,
    grant: Grant,
    *,
    now: datetime,
    budget: Budget | None = None,
    fresh: Fresh = secrets.token_urlsafe,
) -> bool:
    """Give the tokens back (RFC 7009), the longest-lived first; False where the server has no place for
    that.
    """
    if not endpoints.revocation or endpoints.issuer != tenant.issuer:
        return False
    lasting = bool(grant.refresh_token)
    form = {
        "token": grant.refresh_token if lasting else grant.access_token,
        "token_type_hint": "refresh_token" if lasting else "access_token",
    }
    limit = budget or Budget(EXCHANGE_SECONDS)
    post_form(client, endpoints.revocation, tenant.client, form, now=now, budget=limit, fresh=fresh)
    return True


def public_keys(tenants: Iterable[Tenant]) -> dict[str, list[dict[str, Any]]]:
    """The JWKS we publish: every site's keys, and those that are being rotated out; public members only."""
    keys = []
    for tenant in tenants:
        backend = tenant.backend.signing_key if tenant.backend else None
        keys += [key for key in (tenant.signing_key, *tenant.previous_keys, backend) if key is not None]
    return public_jwks(keys)


def _code(pending: Pending, answer: Mapping[str, str]) -> str:
    """The authorisation code in a redirect that is this launch's. Raises LaunchRefused."""
    if not hmac.compare_digest(answer.get("state", "").encode(), pending.state.encode()):
        raise LaunchRefused("the answer belongs to another launch", "state")
    if "error" in answer:
        raise oauth_refusal(answer["error"], answer.get("error_description"))
    identity = pending.endpoints.identity_issuer
    if identity and answer.get("iss", identity) != identity:  # RFC 9207: another server's answer
        raise LaunchRefused("the answer comes from another authorisation server", "iss")
    if not answer.get("code"):
        raise LaunchRefused("the hospital sent neither a code nor an error", "code")
    return answer["code"]


def _token_endpoint(tenant: Tenant, endpoints: Endpoints) -> str:
    """The token endpoint, if this tenant's own server named it. Raises LaunchRefused."""
    if endpoints.issuer != tenant.issuer:
        raise LaunchRefused("the token endpoint was not named by this hospital's own server", tenant.id)
    return endpoints.token
