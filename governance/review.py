"""Weekly reviews as they are kept: sealed, the newest of a week the week's, each with the digest that is signed.

A page opens what was kept and computes nothing, so it answers at once however large the ledger is. Refuses to keep
another review of a week that is decided.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, func, insert, select, update

from governance.errors import ReviewRefusal
from governance.keys import Seal
from governance.store import Store
from governance.tables import changes, decisions, reviews
from governance.weeks import Week


@dataclass(frozen=True, slots=True)
class Review:
    """A kept review. `digest` is of its body, and is what is signed."""

    tenant: str
    week: Week
    at: datetime
    digest: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Listed:
    """A reviewed week of the list: when it was last made, and whether it is decided."""

    week: Week
    at: datetime
    decided: bool


@dataclass(frozen=True, slots=True)
class Redaction:
    """A kept review with somebody left out of its `body`; `name` is its week's."""

    id: str
    name: str
    at: datetime
    body: Mapping[str, Any] = field(repr=False)


class Reviews:
    """The reviews in `store`, sealed under a key derived from `key`; `clock` tells a zoned time."""

    def __init__(
        self,
        store: Store,
        key: bytes,
        *,
        clock: Callable[[], datetime],
        new_id: Callable[[], str] = lambda: str(uuid4()),
    ) -> None:
        self._store, self._clock, self._new_id = store, clock, new_id
        self._seal = Seal(key, "ledger/review")

    def keep(self, tenant: str, week: Week, body: Mapping[str, Any]) -> Review:
        """Keep one, with where the change log stands; the newest of a week is the week's.

        Raises ReviewRefusal for a decided week.
        """
        d, key = decisions.c, self._new_id()
        with self._store.writing() as connection:
            written = json.dumps({**body, "log": _stands(connection)}, sort_keys=True, ensure_ascii=False).encode()
            review = Review(tenant, week, self._clock(), hashlib.sha256(written).hexdigest(), json.loads(written))
            sealed = self._seal.close(zlib.compress(written), place=key, at=review.at)
            row = {"id": key, "tenant": tenant, "week": week.name, "at": review.at, "digest": review.digest}
            decided = select(d.id).where(d.tenant == tenant, d.week == week.name)
            if connection.scalar(decided) is not None:
                raise ReviewRefusal(f"week {week.name} of {tenant} is decided: its review stays as it was signed")
            connection.execute(insert(reviews).values(row | {"body": sealed}))
        return review

    def last(self, tenant: str, week: Week) -> Review | None:
        """The week's review; None before it was made. Raises Unreadable."""
        r = reviews.c
        query = (
            select(reviews)
            .where(r.tenant == tenant, r.week == week.name)
            .order_by(r.at.desc(), r.id.desc())
            .limit(1)
        )
        with self._store.reading() as connection:
            row = connection.execute(query).mappings().first()
        if row is None:
            return None
        return Review(tenant, week, row["at"], row["digest"], self._opened(row))

    def logs(self) -> Iterator[tuple[str, str, int, str]]:
        """Every kept review's tenant and week, and the lines and last digest that the change log had when it was kept.

        Those that were kept before this was are passed over. Raises Unreadable, ReviewRefusal.
        """
        r = reviews.c
        with self._store.reading() as connection:
            keys = connection.scalars(select(r.id).order_by(r.at, r.week, r.id)).all()
        for key in keys:
            with self._store.reading() as connection:
                row = connection.execute(select(reviews).where(r.id == key)).mappings().one()
            log = self._opened(row).get("log")
            if log is not None:
                yield row["tenant"], row["week"], log["lines"], log["head"]

    def _opened(self, row: Any) -> Mapping[str, Any]:
        """The body of a row. Raises Unreadable; ReviewRefusal where it is not the one its digest is of."""
        written = zlib.decompress(self._seal.open(row["body"], place=row["id"]))
        if hashlib.sha256(written).hexdigest() != (row["redacted"] or row["digest"]):
            raise ReviewRefusal(f"the review of week {row['week']} does not have its digest: it was changed")
        told: Mapping[str, Any] = json.loads(written)
        return told

    def about(
        self, connection: Connection, tenant: str, ids: frozenset[str], told: frozenset[str]
    ) -> tuple[Redaction, ...]:
        """Kept reviews that tell of an answer of `ids`, or what was said at a moment of `told`, with that left out."""
        found, r = [], reviews.c
        for key in connection.scalars(select(r.id).where(r.tenant == tenant).order_by(r.week)).all():
            row = connection.execute(select(reviews).where(r.id == key)).mappings().one()
            body = json.loads(zlib.decompress(self._seal.open(row["body"], place=row["id"])))
            if left := _without(body, ids, told):
                found.append(Redaction(row["id"], row["week"], row["at"], left))
        return tuple(found)

    def redact(self, connection: Connection, what: Redaction, line: int) -> None:
        """Keep a review with somebody left out; its digest stays the one that was signed, `line` says when."""
        body = {**what.body, "erased": [*what.body.get("erased", []), line]}
        written = json.dumps(body, sort_keys=True, ensure_ascii=False).encode()
        sealed = self._seal.close(zlib.compress(written), place=what.id, at=what.at)
        changed = {"body": sealed, "redacted": hashlib.sha256(written).hexdigest()}
        connection.execute(update(reviews).where(reviews.c.id == what.id).values(changed))

    def weeks(self, tenant: str) -> tuple[Listed, ...]:
        """Every week that was reviewed, newest first."""
        r, d = reviews.c, decisions.c
        query = (
            select(r.week, func.max(r.at), func.count(d.id))
            .outerjoin_from(reviews, decisions, (d.tenant == r.tenant) & (d.week == r.week))
            .where(r.tenant == tenant)
            .group_by(r.week)
            .order_by(r.week.desc())
        )
        with self._store.reading() as connection:
            found = connection.execute(query).all()
        return tuple(Listed(Week.read(week), at, bool(many)) for week, at, many in found)

    def undecided(self, tenant: str, before: Week) -> tuple[str, ...]:
        """Weeks earlier than `before` that were reviewed and not decided, oldest first."""
        return tuple(
            each.week.name for each in reversed(self.weeks(tenant)) if each.week < before and not each.decided
        )


def _stands(connection: Connection) -> dict[str, Any]:
    """How many lines the change log has, and the digest of the last: what finds its end cut off."""
    c = changes.c
    last = connection.execute(select(c.number, c.digest).order_by(c.number.desc()).limit(1)).first()
    return {"lines": 0, "head": ""} if last is None else {"lines": last[0], "head": last[1]}


def _without(body: Mapping[str, Any], ids: frozenset[str], told: frozenset[str]) -> dict[str, Any] | None:
    """The body without examples of `ids` and remarks made at a moment of `told`; None where it has none of them."""
    left: dict[str, Any] = _left(dict(body), ids)
    if "remarks" in left:
        left["remarks"] = [each for each in left["remarks"] if each["at"] not in told]
    return left if left != dict(body) else None


def _left(part: Any, ids: frozenset[str]) -> Any:
    """`part` of a body, without what is told of one of these answers, wherever it stands."""
    if isinstance(part, Mapping):
        return {name: _left(each, ids) for name, each in part.items()}
    if isinstance(part, list):
        return [_left(each, ids) for each in part if not (isinstance(each, dict) and each.get("assessment") in ids)]
    return part
