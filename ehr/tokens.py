"""Somebody else's signed token: looked at first, then proven, with keys from the address we have on file.

`peek` reads what a token claims, so that the key can be found; nothing of it is true until `prove` has
checked the signature. Refuses `none`, every HMAC, critical extensions, keys that come with the token, keys
too short.
"""

from __future__ import annotations

import base64
import binascii
import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx
import orjson
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, RSAKey

from ehr.errors import EhrError, EhrUnavailable, MalformedAnswer
from ehr.transport import Budget, ask

PublicKey = RSAKey | ECKey

LONGEST_TOKEN: Final = 16 * 1024  # characters
LARGEST_JWKS: Final = 256 * 1024  # bytes
JWKS_SECONDS: Final = 5.0
SKEW: Final = timedelta(seconds=60)  # how far two honest clocks may differ
SHORTEST_RSA: Final = 2048  # bits
KINDS: Final[Mapping[str, str]] = {
    "RS256": "RSA", "RS384": "RSA", "RS512": "RSA", "ES256": "P-256", "ES384": "P-384", "ES512": "P-521",
}  # fmt: skip


class TokenFault(ValueError):
    """What is wrong with a token; `where` is the part or claim. Whoever asked says what it refuses."""

    def __init__(self, message: str, where: str) -> None:
        super().__init__(message)
        self.message = message
        self.where = where


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a token says of itself. Unproven."""

    raw: str = field(repr=False)
    header: Mapping[str, Any]
    claims: Mapping[str, Any] = field(repr=False)

    @property
    def kid(self) -> str:
        """The key's name; "" when the header has none."""
        kid = self.header.get("kid")
        return kid if isinstance(kid, str) else ""

    def text(self, claim: str) -> str:
        """A claim that must be a text. Raises TokenFault."""
        value = self.claims.get(claim)
        if not isinstance(value, str) or not value:
            raise TokenFault("is missing, or not a text: the token must carry it", claim)
        return value

    def moment(self, claim: str) -> datetime:
        """A claim that must be a time in seconds since 1970 (RFC 7519 NumericDate). Raises TokenFault."""
        value = self.claims.get(claim)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise TokenFault("is missing, or not a number of seconds", claim)
        try:
            return datetime.fromtimestamp(value, UTC)
        except (ValueError, OverflowError, OSError):
            raise TokenFault("is no time anybody lives in", claim) from None

    def audiences(self) -> tuple[str, ...]:
        """`aud` as a list. Raises TokenFault."""
        value = self.claims.get("aud")
        listed = value if isinstance(value, list) else [value]
        if not listed or not all(isinstance(one, str) and one for one in listed):
            raise TokenFault("is missing, or neither a text nor a list of texts", "aud")
        return tuple(listed)


def peek(raw: str) -> Claimed:
    """Header and claims of a compact JWS, unproven. Raises TokenFault."""
    if len(raw) > LONGEST_TOKEN:
        raise TokenFault(f"is longer than {LONGEST_TOKEN} characters", "token")
    parts = raw.split(".")
    if len(parts) != 3:
        raise TokenFault("is not a signed JWT: header.claims.signature", "token")
    return Claimed(raw, _object(parts[0], "header"), _object(parts[1], "claims"))


def check_algorithm(token: Claimed, allowed: tuple[str, ...]) -> str:
    """The token's `alg`, if it is among `allowed`. Raises TokenFault."""
    name = token.header.get("alg")
    if not isinstance(name, str):
        raise TokenFault("is missing", "alg")
    if name.lower() == "none":
        raise TokenFault("is 'none': an unsigned token proves nothing", "alg")
    if name.upper().startswith("HS"):
        raise TokenFault("is an HMAC; a shared secret proves nothing here", "alg")
    if name not in allowed or name not in KINDS:
        raise TokenFault(f"is not one of {', '.join(allowed)}", "alg")
    if "crit" in token.header:
        raise TokenFault("names extensions that are not understood here", "crit")
    return name


def check_times(token: Claimed, now: datetime, longest: timedelta | None = None) -> datetime:
    """`exp`, once `exp`, `iat` and `nbf` (where given) hold at `now`, give or take SKEW. Raises TokenFault.

    `longest` bounds exp - iat, so that "used once" has to be remembered for a bounded time only.
    """
    exp, iat = token.moment("exp"), token.moment("iat")
    if exp + SKEW <= now:
        raise TokenFault("has passed: send a new token, and compare the clocks", "exp")
    if iat - SKEW > now:
        raise TokenFault("lies ahead: compare the clocks", "iat")
    if exp <= iat:
        raise TokenFault("is not after iat", "exp")
    if longest is not None and exp - iat > longest:
        raise TokenFault(f"is more than {longest.total_seconds() / 60:g} minutes after iat", "exp")
    if "nbf" in token.claims and token.moment("nbf") - SKEW > now:
        raise TokenFault("lies ahead", "nbf")
    return exp


def prove(token: Claimed, algorithm: str, keys: tuple[PublicKey, ...]) -> None:
    """Raises TokenFault unless one of `keys` has signed `token` with `algorithm`."""
    registry = _Registry(algorithms=[algorithm], strict_check_header=False)
    for key in keys:
        try:
            jws.deserialize_compact(token.raw, key, algorithms=[algorithm], registry=registry)
        except (JoseError, ValueError, TypeError):
            continue
        return
    raise TokenFault("does not fit the key on file", "signature")


class _Registry(jws.JWSRegistry):
    max_header_length = 8 * 1024  # certificates in the header are ignored, not refused


class KeySource:
    """Public keys by address, fetched when needed, kept for a while, shared by all threads of a process.

    An unknown `kid` makes one fresh fetch, at most one every `pause` seconds an address: a flood of made-up
    tokens must not become a flood at the hospital. While the address is down, keys up to `stale` seconds old
    serve on.
    """

    def __init__(
        self,
        client: httpx.Client,
        *,
        clock: Callable[[], float] = time.monotonic,
        keep: float = 600.0,
        pause: float = 5.0,
        stale: float = 3600.0,
    ) -> None:
        self._client = client
        self._clock = clock
        self._keep = keep
        self._pause = pause
        self._stale = stale
        self._lock = threading.Lock()
        self._held: dict[str, _Held] = {}

    def find(self, url: str, kid: str, algorithm: str) -> tuple[PublicKey, ...]:
        """The keys at `url` called `kid` that can verify `algorithm`; all that can, where `kid` is "".

        Raises TokenFault for a `kid` that is not there, EhrUnavailable when the address gives no key set.
        """
        with self._lock:
            held = self._held.setdefault(url, _Held())
        with held.lock:
            now = self._clock()
            if now - held.fetched > self._keep:
                self._fetch(url, held, now)
            found = _fitting(held.keys, kid, algorithm)
            if not found:
                self._fetch(url, held, now)
                found = _fitting(held.keys, kid, algorithm)
            unreachable = now - held.fetched > self._stale
        if unreachable:
            raise EhrUnavailable("the signer's keys cannot be fetched just now; try again shortly", "jwks")
        if not found:
            raise TokenFault(f"names no {algorithm} key of the key set on file", "kid")
        return found

    def _fetch(self, url: str, held: _Held, now: float) -> None:
        """Replace what is held, or keep it when the address fails; at most once a `pause`."""
        if now - held.tried < self._pause:
            return
        held.tried = now
        try:
            keys = read_jwks(self._client, url, Budget(JWKS_SECONDS, self._clock))
        except EhrError:
            return
        held.keys, held.fetched = keys, now


@dataclass(slots=True)
class _Held:
    lock: threading.Lock = field(default_factory=threading.Lock)
    keys: tuple[PublicKey, ...] = ()
    fetched: float = -math.inf
    tried: float = -math.inf


def read_jwks(client: httpx.Client, url: str, budget: Budget) -> tuple[PublicKey, ...]:
    """The signature keys published at `url`; an unreadable one loses itself alone. Raises EhrUnavailable."""
    answer = ask(
        client,
        "GET",
        url,
        budget=budget,
        where="jwks",
        headers={"Accept": "application/json"},
        largest=LARGEST_JWKS,
    )
    if not answer.good:
        raise EhrUnavailable(f"the key set was not given [{answer.status}]", "jwks")
    rows = answer.document("jwks").get("keys")
    if not isinstance(rows, list):
        raise MalformedAnswer("is not a JSON Web Key Set", "jwks")
    return tuple(key for key in map(_public_key, rows) if key is not None)


def _public_key(row: object) -> PublicKey | None:
    if not isinstance(row, dict) or row.get("use", "sig") != "sig" or row.get("kty") not in ("RSA", "EC"):
        return None
    if row["kty"] == "RSA" and len(str(row.get("n", ""))) * 6 < SHORTEST_RSA:
        return None
    try:
        key = JWKRegistry.import_key(row)
        key.ensure_kid()
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return key if isinstance(key, RSAKey | ECKey) else None


def _fitting(keys: tuple[PublicKey, ...], kid: str, algorithm: str) -> tuple[PublicKey, ...]:
    return tuple(key for key in keys if (not kid or key.kid == kid) and _fits(key, algorithm))


def _fits(key: PublicKey, algorithm: str) -> bool:
    if key.alg not in (None, algorithm):
        return False
    if isinstance(key, ECKey):
        return KINDS[algorithm] == key.curve_name
    return KINDS[algorithm] == "RSA" and key.raw_value.key_size >= SHORTEST_RSA


def _object(part: str, where: str) -> Mapping[str, Any]:
    try:
        value = orjson.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (binascii.Error, ValueError):
        raise TokenFault("cannot be read as base64url JSON", where) from None
    if not isinstance(value, dict):
        raise TokenFault("is not a JSON object", where)
    return value
