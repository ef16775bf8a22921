"""private_key_jwt: an app proves itself with a JWT signed by a key from its registered JWKS (SMART, RFC
7523).

Refuses (invalid_client) any algorithm but RS384 and ES384, a `jku` other than the registered one, a life
over five minutes, a `jti` seen before, a wrong audience, and an app whose keys cannot be fetched.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final

from authlib.oauth2.rfc6749 import InvalidClientError
from authlib.oauth2.rfc7523 import JWTBearerClientAssertion
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from demo.capability import ASSERTION_ALGORITHMS
from demo.clients import Client
from demo.grants import Clock

FetchJson = Callable[[str], Any]
LONGEST_LIFE: Final = 300
SKEW: Final = 30  # seconds of difference between two clocks


class ClientAssertion(JWTBearerClientAssertion):  # type: ignore[misc]  # authlib has no types
    """Authlib's client assertion, held to what SMART asks."""

    CLIENT_AUTH_METHOD = "private_key_jwt"

    def __init__(self, token_url: str, fetch: FetchJson, clock: Clock) -> None:
        super().__init__(validate_jti=True, leeway=SKEW)
        self._audience, self._fetch, self._clock = token_url, fetch, clock
        self._lock = threading.Lock()
        self._keys: dict[str, KeySet] = {}
        self._seen: dict[tuple[str, str], float] = {}

    def get_audiences(self) -> list[str]:
        """The token endpoint's URL, and nothing else."""
        return [self._audience]

    def resolve_client_public_key(self, client: Client) -> Client:
        """The client itself: `process_assertion_claims` reads from the header which of its keys is meant."""
        return client

    def process_assertion_claims(self, assertion: str, resolve_key: Client) -> Any:
        """The verified claims. Raises InvalidClientError."""
        header, _ = self.extract_assertion(assertion)
        jwks_uri = resolve_key.known.jwks_uri
        if header.get("jku", jwks_uri) != jwks_uri or not jwks_uri:
            raise InvalidClientError(description="jku is not the registered JWKS URL")
        try:
            keys = self._keys_of(jwks_uri, header.get("kid"))
            token = jwt.decode(assertion, keys, algorithms=list(ASSERTION_ALGORITHMS))
        except (JoseError, ValueError, TypeError) as error:
            raise InvalidClientError(description="the assertion is not signed by a registered key") from error
        self.verify_claims(token.claims)
        return token.claims

    def verify_claims(self, claims: Any) -> None:
        """What RFC 7523 asks, by the hospital's clock, and a life of five minutes at most."""
        now = int(self._clock().timestamp())
        registry = jwt.JWTClaimsRegistry(
            now=now, leeway=SKEW, iss={"essential": True}, sub={"essential": True}, exp={"essential": True},
            jti={"essential": True}, aud={"essential": True, "values": self.get_audiences()},
        )
        try:
            registry.validate(claims)
        except JoseError as error:
            raise InvalidClientError(description=f"the claims are refused: {error.error}") from error
        if claims["sub"] != claims["iss"]:
            raise InvalidClientError(description="iss and sub differ")
        if claims["exp"] > now + LONGEST_LIFE + SKEW:
            raise InvalidClientError(description="exp is more than five minutes ahead")
        if not self.validate_jti(claims, claims["jti"]):
            raise InvalidClientError(description="this jti has been used")

    def validate_jti(self, claims: Any, jti: str) -> bool:
        """True the first time this client sends this jti."""
        now = self._clock().timestamp()
        key = (str(claims["sub"]), str(jti))
        with self._lock:
            self._seen = {one: until for one, until in self._seen.items() if until > now}
            if key in self._seen:
                return False
            self._seen[key] = float(claims["exp"]) + SKEW
        return True

    def _keys_of(self, jwks_uri: str, kid: str | None) -> KeySet:
        """The client's keys, fetched again when `kid` is not among those already known."""
        keys = self._keys.get(jwks_uri)
        if keys is None or kid not in {key.kid for key in keys.keys}:
            keys = self._keys[jwks_uri] = KeySet.import_key_set(self._fetch(jwks_uri))
        if kid not in {key.kid for key in keys.keys}:
            raise ValueError("the assertion's kid is not in the client's JWKS")
        return keys
