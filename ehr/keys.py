"""Our own signing keys, read from PEM or JWK files and published without their private members.

Refuses public halves, RSA below 2048 bits and curves other than P-384: SMART asks for RS384 and ES384.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

import orjson
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, RSAKey

SigningKey = RSAKey | ECKey


class UnusableKey(ValueError):
    """A key file that cannot sign for us; the message says why and what would."""


def read_key(path: Path) -> SigningKey:
    """The private key in `path`, with a `kid` (its thumbprint where none is given). Raises UnusableKey."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UnusableKey(f"cannot be read ({error.strerror}); check '{path.name}'") from None
    key = _imported(raw)
    if key is None or not key.is_private:
        raise UnusableKey(f"'{path.name}' holds no private RSA or EC key; give PEM or a JWK")
    if isinstance(key, ECKey) and key.curve_name != "P-384":
        raise UnusableKey(f"'{path.name}' is on {key.curve_name}; SMART asks for P-384 (ES384)")
    if isinstance(key, RSAKey) and key.raw_value.key_size < 2048:
        raise UnusableKey(f"'{path.name}' has {key.raw_value.key_size} bits; 2048 or more are needed (RS384)")
    key.ensure_kid()
    return key


def algorithm(key: SigningKey) -> str:
    """The algorithm SMART has for this kind of key: "ES384" or "RS384"."""
    return "ES384" if isinstance(key, ECKey) else "RS384"


def public_jwks(keys: Iterable[SigningKey]) -> dict[str, list[dict[str, Any]]]:
    """A JWKS of the public members, each key once, with use and alg."""
    keys = tuple(keys)
    for key in keys:
        key.ensure_kid()
    public = [cast("dict[str, Any]", k.as_dict(private=False, use="sig", alg=algorithm(k))) for k in keys]
    return {"keys": list({row["kid"]: row for row in public}.values())}


def _imported(raw: bytes) -> SigningKey | None:
    if raw.lstrip().startswith(b"{"):
        try:
            key = JWKRegistry.import_key(orjson.loads(raw))
        except (JoseError, ValueError, TypeError, KeyError):
            return None
        return key if isinstance(key, RSAKey | ECKey) else None
    kinds: tuple[type[RSAKey] | type[ECKey], ...] = (RSAKey, ECKey)
    for kind in kinds:
        try:
            return kind.import_key(raw)
        except (JoseError, ValueError, TypeError):
            continue
    return None
