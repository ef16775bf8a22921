"""The hospital's signing keys, made fresh at every start: one for id_tokens, one for its calls to CDS
services.

Only public members are ever published. Refuses to keep a key on disk.
"""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

CDS_TOKEN_SECONDS = 300


class Keys:
    """`identity` signs id_tokens (RS256); `cds` signs the CDS client's JWT (ES384)."""

    def __init__(self) -> None:
        self.identity = RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256"}, auto_kid=True)
        self.cds = ECKey.generate_key("P-384", {"use": "sig", "alg": "ES384"}, auto_kid=True)

    def identity_jwks(self) -> dict[str, Any]:
        """The public JWKS at /auth/jwks.json."""
        return dict(KeySet([self.identity]).as_dict(private=False))

    def cds_jwks(self) -> dict[str, Any]:
        """The public JWKS at /cds-client/jwks.json."""
        return dict(KeySet([self.cds]).as_dict(private=False))

    def cds_token(self, *, issuer: str, jwks_url: str, audience: str, now: datetime) -> str:
        """A JWT for one call to exactly the URL `audience` (CDS Hooks 2.0, Trusting CDS Clients)."""
        moment = int(now.timestamp())
        header = {"alg": "ES384", "typ": "JWT", "kid": self.cds.kid, "jku": jwks_url}
        claims = {"iss": issuer, "aud": audience, "iat": moment, "exp": moment + CDS_TOKEN_SECONDS,
                  "jti": secrets.token_urlsafe(24)}
        return jwt.encode(header, claims, self.cds, algorithms=["ES384"])
