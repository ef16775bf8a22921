"""The vault: sealed, shared, taken once and gone on time; in SQLite, PostgreSQL and Redis."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
import redis
from sqlalchemy import func, select

from governance.errors import LedgerUnavailable, SetupError, Unreadable
from governance.store import Store, migrate, open_store
from governance.tables import ephemera
from tests.governance.answers import NOON, SECRET
from tests.servers import free_port, postgres_at, postgres_url, redis_at, redis_url  # noqa: F401
from webapp.sessions import CLOCKS_DIFFER, LARGEST, SWEEP_EVERY, Vault, VaultRefusal, VaultUnavailable


@dataclass
class Watch:
    """A clock that is moved by hand."""

    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now

    def passes(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass(frozen=True)
class Where:
    """A place for a vault, by its addresses."""

    database: str
    redis: str = ""

    def raw(self) -> bytes:
        """Everything that lies there, as somebody who broke in would see it."""
        if self.redis:
            with redis.Redis.from_url(self.redis) as client:
                names: Any = client.keys()
                return b"".join(name + bytes(client.get(name) or b"") for name in names)
        store = open_store(self.database)
        with store.reading() as connection:
            rows = [str(row).encode() for row in connection.execute(select(ephemera))]
        store.close()
        return b"".join(rows)


@pytest.fixture(params=["sqlite", "postgres", "redis"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Where:
    if request.param == "postgres":
        return Where(request.getfixturevalue("postgres_url"))
    sqlite = f"sqlite:///{tmp_path}/ledger.db"
    return Where(sqlite, request.getfixturevalue("redis_url") if request.param == "redis" else "")


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def store(where: Where) -> Iterator[Store]:
    opened = open_store(where.database, patience=20)
    migrate(opened)
    yield opened
    opened.close()


@pytest.fixture
def vault(where: Where, store: Store, watch: Watch) -> Vault:
    return Vault(store, SECRET, clock=watch, redis_url=where.redis)


VISIT = {
    "tenant": "north",
    "grant": {"access_token": "ey" * 3000, "scopes": ["a", "b"], "expires": None},
    "n": 1.5,
}


def test_what_is_put_is_got_until_its_time_is_over(vault: Vault, watch: Watch) -> None:
    vault.put("visit", "v-1", VISIT, 60)
    assert vault.get("visit", "v-1") == VISIT
    watch.passes(59.9)
    assert vault.get("visit", "v-1") == VISIT
    watch.passes(0.1)
    assert vault.get("visit", "v-1") is None
    assert vault.take("visit", "v-1") is None


def test_kinds_and_keys_are_kept_apart(vault: Vault) -> None:
    vault.put("visit", "1", {"a": 1}, 60)
    assert vault.get("launch", "1") is None
    assert vault.get("visit", "2") is None
    assert vault.get("visit1", "") is None
    assert vault.once("visit", "1", 60)  # a mark is no value


def test_what_is_put_again_replaces_the_value_and_its_end(vault: Vault, watch: Watch) -> None:
    vault.put("visit", "1", {"a": 1}, 10)
    vault.put("visit", "1", {"a": 2}, 60)
    watch.passes(30)
    assert vault.get("visit", "1") == {"a": 2}


def test_what_is_put_for_no_time_is_gone(vault: Vault) -> None:
    vault.put("visit", "1", {"a": 1}, 60)
    vault.put("visit", "1", {"a": 2}, 0)
    assert vault.get("visit", "1") is None


def test_what_is_taken_or_deleted_is_gone(vault: Vault) -> None:
    # CONFORMANCE 10
    vault.put("launch", "state", {"a": 1}, 60)
    assert vault.take("launch", "state") == {"a": 1}
    assert vault.take("launch", "state") is None
    assert vault.get("launch", "state") is None
    vault.put("launch", "state", {"a": 2}, 60)
    vault.delete("launch", "state")
    vault.delete("launch", "state")
    assert vault.get("launch", "state") is None


def test_once_is_true_for_the_first_only(vault: Vault) -> None:
    assert vault.once("token", "jti", 60)
    assert not vault.once("token", "jti", 60)
    vault.delete("token", "jti")
    assert not vault.once("token", "jti", 60)
    assert vault.once("token", "other", 60)
    assert not vault.once("token", "already over", 0)


@pytest.mark.parametrize("where", ["sqlite", "postgres"], indirect=True)  # Redis keeps its own time
def test_a_mark_lasts_for_its_time_and_no_longer(vault: Vault, watch: Watch) -> None:
    assert vault.once("token", "jti", 60)
    watch.passes(59.9)
    assert not vault.once("token", "jti", 60)
    watch.passes(0.1)
    assert vault.once("token", "jti", 60)
    assert not vault.once("token", "jti", 60)


def test_redis_forgets_by_itself(redis_url: str, tmp_path: Path, watch: Watch) -> None:  # noqa: F811
    vault = Vault(open_store(f"sqlite:///{tmp_path}/x.db"), SECRET, clock=watch, redis_url=redis_url)
    vault.put("visit", "1", {"a": 1}, 60)
    assert vault.once("token", "jti", 30)
    with redis.Redis.from_url(redis_url) as client:
        names: Any = client.keys("ordertime:*")
        left = sorted(int(client.pttl(name)) for name in names)
    assert [round(each / 1000) for each in left] == [30, 60]


def test_a_token_is_seen_once_for_each_issuer_until_well_after_its_end(vault: Vault) -> None:
    # CONFORMANCE 86
    end = NOON + timedelta(minutes=5)
    assert not vault.seen("https://a", "jti", end)
    assert vault.seen("https://a", "jti", end)
    assert not vault.seen("https://b", "jti", end)
    assert not vault.seen("https://a", "late", NOON - CLOCKS_DIFFER / 2)
    assert vault.seen("https://a", "late", NOON - CLOCKS_DIFFER / 2)
    assert vault.seen("https://a", "long over", NOON - CLOCKS_DIFFER)
    assert not vault.seen(
        "https://a", "for ever", datetime.max.replace(tzinfo=NOON.tzinfo) - timedelta(days=2)
    )


def test_nothing_that_lies_there_can_be_read(vault: Vault, where: Where) -> None:
    # CONFORMANCE 33
    vault.put("visit", "key-of-the-visit", {"access_token": "hush-hush"}, 60)
    vault.once("token", "jti-of-a-token", 60)
    raw = where.raw()
    assert raw
    for secret in (b"hush", b"access_token", b"key-of-the-visit", b"jti-of-a-token", b"visit"):
        assert secret not in raw


def test_a_value_moved_to_another_place_does_not_open(tmp_path: Path, watch: Watch) -> None:
    store = open_store(f"sqlite:///{tmp_path}/ledger.db")
    migrate(store)
    vault = Vault(store, SECRET, clock=watch)
    vault.put("visit", "mine", {"patient": "1"}, 60)
    with store.writing() as connection:
        other = connection.scalar(select(ephemera.c.body))
    vault.put("visit", "yours", {"patient": "2"}, 60)
    with store.writing() as connection:
        connection.execute(ephemera.update().values(body=other))
    assert vault.get("visit", "mine") == {"patient": "1"}
    with pytest.raises(Unreadable):
        vault.get("visit", "yours")


def test_the_end_that_was_sealed_counts_not_the_one_written_beside_it(tmp_path: Path, watch: Watch) -> None:
    store = open_store(f"sqlite:///{tmp_path}/ledger.db")
    migrate(store)
    vault = Vault(store, SECRET, clock=watch)
    vault.put("visit", "1", {"a": 1}, 60)
    with store.writing() as connection:
        connection.execute(ephemera.update().values(expires_at=NOON + timedelta(days=1)))
    watch.passes(60)
    assert vault.get("visit", "1") is None


def test_under_another_secret_the_vault_is_empty(
    vault: Vault, store: Store, where: Where, watch: Watch
) -> None:
    vault.put("visit", "1", {"a": 1}, 60)
    other = Vault(store, b"another secret of thirty-two bytes or more", clock=watch, redis_url=where.redis)
    assert other.get("visit", "1") is None
    with pytest.raises(SetupError):
        Vault(store, b"short", clock=watch)


@pytest.mark.parametrize(
    "value",
    [{"at": NOON}, {"n": float("nan")}, {"pair": (1, 2)}, {1: "one"}, {"long": "x" * LARGEST}, {"raw": b"x"}],
)
def test_a_value_that_would_come_back_changed_or_is_too_large_is_refused(
    vault: Vault, value: dict[str, Any]
) -> None:
    with pytest.raises(VaultRefusal):
        vault.put("visit", "1", value, 60)
    assert vault.get("visit", "1") is None


def test_what_is_over_is_swept_away_while_the_vault_is_used(tmp_path: Path, watch: Watch) -> None:
    store = open_store(f"sqlite:///{tmp_path}/ledger.db")
    migrate(store)
    vault = Vault(store, SECRET, clock=watch)

    def there() -> int:
        with store.reading() as connection:
            return connection.scalar(select(func.count()).select_from(ephemera)) or 0

    vault.put("visit", "short", {}, 10)
    vault.once("token", "short", 10)
    vault.put("visit", "long", {"a": 1}, 600)
    watch.passes(SWEEP_EVERY.total_seconds() - 1)
    vault.put("visit", "other", {}, 600)
    assert there() == 4
    watch.passes(1)
    vault.once("token", "other", 600)
    assert there() == 3
    assert vault.get("visit", "long") == {"a": 1}
    watch.passes(1000)
    assert vault.sweep() == 3
    assert there() == 0


def test_threads_that_take_at_once_share_nothing(vault: Vault) -> None:
    keys = [str(number) for number in range(8)]
    for key in keys:
        vault.put("launch", key, {"key": key}, 60)
    start = Barrier(6)

    def grab(_: int) -> tuple[list[str], list[str]]:
        start.wait()
        taken = [found["key"] for key in keys if (found := vault.take("launch", key))]
        return taken, [key for key in keys if vault.once("token", key, 60)]

    with ThreadPoolExecutor(6) as pool:
        hands = list(pool.map(grab, range(6)))
    assert sorted(key for taken, _ in hands for key in taken) == keys
    assert sorted(key for _, marked in hands for key in marked) == keys


@pytest.mark.parametrize("deed", ["take", "once"])
def test_processes_that_take_at_once_share_nothing(store: Store, where: Where, deed: str) -> None:
    count = 40
    vault = Vault(store, SECRET, clock=lambda: datetime.now(NOON.tzinfo), redis_url=where.redis)
    for key in range(count):
        vault.put("launch", str(key), {"a": 1}, 60)
    command = [sys.executable, "-m", "tests.webapp.vault_user", where.database, where.redis, deed, str(count)]
    hands = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    for hand in hands:
        assert hand.stdout is not None
        assert hand.stdout.readline() == "ready\n"
    got = [hand.communicate("go\n", timeout=60)[0].split() for hand in hands]
    assert [hand.returncode for hand in hands] == [0, 0, 0]
    assert sorted(map(int, chain(*got))) == list(range(count))


def test_workers_see_what_another_put(vault: Vault, store: Store, where: Where, watch: Watch) -> None:
    vault.put("visit", "1", {"a": 1}, 60)
    assert Vault(store, SECRET, clock=watch, redis_url=where.redis).get("visit", "1") == {"a": 1}


def test_a_vault_that_can_be_used_is_ready(vault: Vault) -> None:
    assert vault.ready()


def test_a_redis_that_is_not_there_is_unavailable_as_the_ledger_would_be(
    tmp_path: Path, watch: Watch
) -> None:
    nowhere = f"redis://:hush@127.0.0.1:{free_port()}/0"
    vault = Vault(open_store(f"sqlite:///{tmp_path}/x.db"), SECRET, clock=watch, redis_url=nowhere)
    assert not vault.ready()
    with pytest.raises(VaultUnavailable) as trouble:
        vault.once("token", "jti", 60)
    assert isinstance(trouble.value, LedgerUnavailable)
    assert "hush" not in str(trouble.value)


def test_a_database_without_tables_is_unavailable(tmp_path: Path, watch: Watch) -> None:
    vault = Vault(open_store(f"sqlite:///{tmp_path}/x.db"), SECRET, clock=watch)
    assert not vault.ready()
    with pytest.raises(LedgerUnavailable):
        vault.take("launch", "state")


def test_a_redis_address_that_is_none_is_refused_with_the_remedy(tmp_path: Path, watch: Watch) -> None:
    with pytest.raises(SetupError, match="REDIS_URL"):
        Vault(open_store(f"sqlite:///{tmp_path}/x.db"), SECRET, clock=watch, redis_url="not an address")
