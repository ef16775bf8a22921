"""One secret, many keys: pseudonyms and seals.

Every key is derived from the one secret by HKDF-SHA256 (RFC 5869) under its own label, so that what one
purpose reveals helps nobody with another. Refuses a secret shorter than 32 bytes. Losing the secret loses the
sealed assessments; changing it starts new pseudonyms.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import urlsafe_b64encode
from datetime import datetime
from typing import Final, NewType

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from governance.errors import SetupError, Unreadable

SHORTEST_SECRET: Final = 32  # bytes
_SALT: Final = b"ordertime/1"
_PLACE_BYTES: Final = 16

Pseudonym = NewType("Pseudonym", str)  # 64 hex digits; made by Pseudonyms only


def derive(secret: bytes, label: str) -> bytes:
    """32 bytes for `label`. Raises SetupError if `secret` is shorter than 32 bytes."""
    if len(secret) < SHORTEST_SECRET:
        raise SetupError(
            f"the secret has {len(secret)} bytes; at least {SHORTEST_SECRET} random ones are needed, "
            "for example from `openssl rand -hex 32`"
        )
    return HKDF(SHA256(), length=32, salt=_SALT, info=label.encode()).derive(secret)


class Pseudonyms:
    """Keyed, one-way names: the same person at the same site is the same, at another site somebody else."""

    def __init__(self, secret: bytes, label: str) -> None:
        self._key = derive(secret, label)

    def of(self, *parts: str) -> Pseudonym:
        """HMAC-SHA256 over `parts`, written so that no two lists of parts can be mistaken for each other."""
        message = json.dumps(parts, ensure_ascii=True).encode()
        return Pseudonym(hmac.new(self._key, message, hashlib.sha256).hexdigest())


class Seal:
    """Authenticated encryption (Fernet) of what may not lie open, bound to the row it lies in."""

    def __init__(self, secret: bytes, label: str) -> None:
        self._fernet = Fernet(urlsafe_b64encode(derive(secret, label)))

    def close(self, data: bytes, *, place: str, at: datetime) -> bytes:
        """`data`, sealed for `place` (a row's id): opened anywhere else it is refused."""
        return self._fernet.encrypt_at_time(_mark(place) + data, int(at.timestamp()))

    def open(self, sealed: bytes, *, place: str) -> bytes:
        """What was sealed for `place`. Raises Unreadable: another secret, another place, or damage."""
        try:
            data = self._fernet.decrypt(sealed)
        except InvalidToken:
            raise Unreadable("a sealed row does not open: another secret made it, or it is damaged") from None
        if not hmac.compare_digest(data[:_PLACE_BYTES], _mark(place)):
            raise Unreadable("a sealed row lies in another place than the one it was made for")
        return data[_PLACE_BYTES:]


def _mark(place: str) -> bytes:
    return hashlib.sha256(place.encode()).digest()[:_PLACE_BYTES]
