"""The vault: short-lived state on the server, sealed, shared by all workers.

Launches under way, visits, tokens and the marks of tokens already seen lie here, never in a cookie. In the
ledger's database by default, in Redis where there is one. Values are sealed with a key derived from the app's
secret and bound to their place; the keys they lie under are hashed. Refuses what JSON would change, what is
too large, and to keep anything past its time. A Redis must not evict (`maxmemory-policy noeviction`): a mark
that it dropped early would let a token in twice.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final, Protocol, cast

import redis

from governance.ephemera import Shelf
from governance.errors import GovernanceError, LedgerUnavailable, SetupError
from governance.keys import Pseudonyms, Seal
from governance.store import PATIENCE, Store

LARGEST: Final = (
    64 * 1024
)  # bytes of JSON: an access token, an id token and what a visit needs, many times over
LONGEST: Final = 366 * 86_400.0  # seconds: nothing here outlives a year, whatever a caller's token claims
SWEEP_EVERY: Final = timedelta(minutes=1)
CLOCKS_DIFFER: Final = timedelta(minutes=5)  # well above any leeway given to a token's expiry
_PREFIX: Final = "ordertime:"


class VaultRefusal(GovernanceError):
    """A value that is too large, or that would come back other than it went in."""


class VaultUnavailable(LedgerUnavailable):
    """The vault cannot be reached; nothing was kept or taken. Doors answer 503, as for the ledger."""


class _Place(Protocol):
    def put(self, slot: str, body: bytes, *, until: datetime, now: datetime) -> None: ...
    def get(self, slot: str, *, now: datetime) -> bytes | None: ...
    def take(self, slot: str, *, now: datetime) -> bytes | None: ...
    def once(self, slot: str, *, until: datetime, now: datetime) -> bool: ...
    def count(self, slot: str, *, until: datetime, now: datetime) -> tuple[int, datetime]: ...
    def delete(self, slot: str) -> None: ...
    def sweep(self, *, now: datetime) -> int: ...
    def ready(self) -> bool: ...


class Vault:
    """Sealed values under (kind, key), each with its end. `secret`: 32 bytes or more. A `ttl`: seconds."""

    def __init__(
        self,
        store: Store,
        secret: bytes,
        *,
        clock: Callable[[], datetime],
        redis_url: str = "",
        largest: int = LARGEST,
    ) -> None:
        self._place: _Place = RedisShelf(redis_url) if redis_url else Shelf(store)
        self._slots = Pseudonyms(secret, "vault/slot")
        self._seal = Seal(secret, "vault/value")
        self._clock = clock
        self._largest = largest
        self._swept = clock()

    def put(self, kind: str, key: str, value: dict[str, Any], ttl: float) -> None:
        """Keep `value` for `ttl`, over an earlier one; a `ttl` of nothing removes it. Raises VaultRefusal."""
        now, slot = self._clock(), self._slots.of("value", kind, key)
        if ttl <= 0:
            return self._place.delete(slot)
        until = now + timedelta(seconds=min(ttl, LONGEST))
        body = self._seal.close(self._written(value, until), place=slot, at=now)
        self._sweep_now_and_then(now)
        return self._place.put(slot, body, until=until, now=now)

    def get(self, kind: str, key: str) -> dict[str, Any] | None:
        """The value, which stays; None when there is none or its time is over. Raises Unreadable."""
        now, slot = self._clock(), self._slots.of("value", kind, key)
        return self._read(slot, self._place.get(slot, now=now), now)

    def take(self, kind: str, key: str) -> dict[str, Any] | None:
        """The value, which is gone afterwards: of several takers at once exactly one gets it."""
        now, slot = self._clock(), self._slots.of("value", kind, key)
        return self._read(slot, self._place.take(slot, now=now), now)

    def once(self, kind: str, key: str, ttl: float) -> bool:
        """True for the first caller within `ttl`, False for every other one, in whichever worker.

        A `ttl` of nothing is False: what is already over cannot be the first.
        """
        if ttl <= 0:
            return False
        now, slot = self._clock(), self._slots.of("mark", kind, key)
        self._sweep_now_and_then(now)
        return self._place.once(slot, until=now + timedelta(seconds=min(ttl, LONGEST)), now=now)

    def seen(self, issuer: str, token: str, until: datetime) -> bool:
        """Whether the token `token` of `issuer` was seen before; from now on, and until `until`, it was.

        Kept a while longer than `until`, for callers whose clocks differ from ours. A token whose time is
        over even so counts as seen.
        """
        ttl = (until - self._clock() + CLOCKS_DIFFER) / timedelta(seconds=1)
        return not self.once("token", json.dumps([issuer, token]), ttl)

    def count(self, kind: str, key: str, seconds: float) -> tuple[int, float]:
        """One more of `kind` for `key`: how many in this stretch of `seconds`, in all workers, and how much is left.

        A stretch begins with the first that is counted.
        """
        now, slot = self._clock(), self._slots.of("tally", kind, key)
        self._sweep_now_and_then(now)
        many, end = self._place.count(slot, until=now + timedelta(seconds=seconds), now=now)
        return many, max(0.0, (end - now).total_seconds())

    def delete(self, kind: str, key: str) -> None:
        """Remove the value, if there is one; a mark left by `once` stays."""
        self._place.delete(self._slots.of("value", kind, key))

    def sweep(self) -> int:
        """Remove what is over; how much that was. Happens by itself, about once a minute a busy worker."""
        self._swept = self._clock()
        return self._place.sweep(now=self._swept)

    def ready(self) -> bool:
        """Whether something could be kept now."""
        return self._place.ready()

    def _sweep_now_and_then(self, now: datetime) -> None:
        if now - self._swept >= SWEEP_EVERY:
            self.sweep()

    def _written(self, value: dict[str, Any], until: datetime) -> bytes:
        try:
            text = json.dumps({"until": until.isoformat(), "value": value}, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise VaultRefusal(f"a value is not JSON ({type(error).__name__})") from None
        if json.loads(text)["value"] != value:
            raise VaultRefusal("a value would come back changed: use text for keys, lists rather than tuples")
        if len(text) > self._largest:
            raise VaultRefusal(f"a value has {len(text)} bytes; at most {self._largest} are kept")
        return text.encode()

    def _read(self, slot: str, body: bytes | None, now: datetime) -> dict[str, Any] | None:
        if body is None:
            return None
        kept = json.loads(self._seal.open(body, place=slot))
        if datetime.fromisoformat(kept["until"]) <= now:  # the sealed end counts, whatever the shelf says
            return None
        return cast(dict[str, Any], kept["value"])


class RedisShelf:
    """The same shelf in Redis (6.2 or newer), which forgets by itself. Raises VaultUnavailable."""

    def __init__(self, url: str) -> None:
        try:
            self._redis = redis.Redis.from_url(
                url, socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE, health_check_interval=30
            )
        except ValueError:
            raise SetupError(
                "REDIS_URL is not an address; write redis://host:port/0 or rediss://..."
            ) from None

    def put(self, slot: str, body: bytes, *, until: datetime, now: datetime) -> None:
        """Lay `body` in `slot`, over whatever lay there."""
        self._do("SET", _PREFIX + slot, body, "PX", _milliseconds(until - now))

    def get(self, slot: str, *, now: datetime) -> bytes | None:
        """What lies in `slot`."""
        return cast("bytes | None", self._do("GET", _PREFIX + slot))

    def take(self, slot: str, *, now: datetime) -> bytes | None:
        """What lies in `slot`, which is empty afterwards."""
        return cast("bytes | None", self._do("GETDEL", _PREFIX + slot))

    def once(self, slot: str, *, until: datetime, now: datetime) -> bool:
        """Leave a mark in `slot`; False when one is there already."""
        return bool(self._do("SET", _PREFIX + slot, b"1", "NX", "PX", _milliseconds(until - now)))

    def count(self, slot: str, *, until: datetime, now: datetime) -> tuple[int, datetime]:
        """One more in `slot`, which starts anew once its time is over."""
        name = _PREFIX + slot
        try:
            with self._redis.pipeline(transaction=True) as steps:
                steps.execute_command("SET", name, 0, "NX", "PX", _milliseconds(until - now))  # type: ignore[no-untyped-call]
                steps.execute_command("INCR", name)  # type: ignore[no-untyped-call]
                steps.execute_command("PTTL", name)  # type: ignore[no-untyped-call]
                _, many, left = steps.execute()
        except redis.RedisError as error:
            raise VaultUnavailable(f"Redis cannot be used ({type(error).__name__}); ask again") from None
        return int(many), now + timedelta(milliseconds=max(0, int(left)))

    def delete(self, slot: str) -> None:
        """Empty `slot`."""
        self._do("DEL", _PREFIX + slot)

    def sweep(self, *, now: datetime) -> int:
        """Nothing to do: Redis forgets by itself."""
        return 0

    def ready(self) -> bool:
        """Whether Redis answers, and takes writes."""
        try:
            return bool(self._do("SET", _PREFIX + "ready", b"1", "PX", 1000))
        except VaultUnavailable:
            return False

    def _do(self, *command: str | bytes | int) -> object:
        try:
            return cast(object, self._redis.execute_command(*command))  # type: ignore[no-untyped-call]
        except redis.RedisError as error:
            raise VaultUnavailable(f"Redis cannot be used ({type(error).__name__}); ask again") from None


def _milliseconds(ttl: timedelta) -> int:
    return max(1, ttl // timedelta(milliseconds=1))
