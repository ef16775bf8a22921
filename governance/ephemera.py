"""A shelf for what must be gone soon: the one table that forgets, shared by all workers.

Knows neither what lies on it nor whose it is: slots are hashes, bodies are sealed (`webapp.sessions`). Every
step is one statement, so that of several workers at once exactly one takes a body or leaves a mark.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import case, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from governance.store import Store
from governance.tables import ephemera


class Shelf:
    """The table `ephemera` in `store`. Times carry their zone; what is past its end counts as gone."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def put(self, slot: str, body: bytes, *, until: datetime, now: datetime) -> None:
        """Lay `body` in `slot`, over whatever lay there."""
        insert = self._insert(slot, body, until)
        changed = {"body": insert.excluded.body, "expires_at": insert.excluded.expires_at}
        with self._store.writing() as connection:
            connection.execute(insert.on_conflict_do_update(index_elements=["slot"], set_=changed))

    def get(self, slot: str, *, now: datetime) -> bytes | None:
        """What lies in `slot`."""
        e = ephemera.c
        with self._store.reading() as connection:
            body: bytes | None = connection.scalar(select(e.body).where(e.slot == slot, e.expires_at > now))
        return body

    def take(self, slot: str, *, now: datetime) -> bytes | None:
        """What lies in `slot`, which is empty afterwards: of several takers one gets it."""
        e = ephemera.c
        statement = delete(ephemera).where(e.slot == slot).returning(e.body, e.expires_at)
        with self._store.writing() as connection:
            row = connection.execute(statement).one_or_none()
        return row.body if row is not None and row.expires_at > now else None

    def once(self, slot: str, *, until: datetime, now: datetime) -> bool:
        """Leave a mark in `slot` until `until`; False when one is there already."""
        insert = self._insert(slot, None, until)
        renewed = insert.on_conflict_do_update(
            index_elements=["slot"],
            set_={"expires_at": insert.excluded.expires_at},
            where=ephemera.c.expires_at <= now,
        )
        with self._store.writing() as connection:
            return connection.execute(renewed.returning(ephemera.c.slot)).first() is not None

    def count(self, slot: str, *, until: datetime, now: datetime) -> tuple[int, datetime]:
        """One more in `slot`, which starts anew `until` then once its time is over: how many, and when it is over."""
        e, insert = ephemera.c, self._insert(slot, None, until).values(tally=1)
        over, new = e.expires_at <= now, insert.excluded
        more = insert.on_conflict_do_update(
            index_elements=["slot"],
            set_={
                "tally": case((over, 1), else_=e.tally + 1),
                "expires_at": case((over, new.expires_at), else_=e.expires_at),
            },
        )
        with self._store.writing() as connection:
            row = connection.execute(more.returning(e.tally, e.expires_at)).one()
        return row.tally, row.expires_at

    def delete(self, slot: str) -> None:
        """Empty `slot`."""
        with self._store.writing() as connection:
            connection.execute(delete(ephemera).where(ephemera.c.slot == slot))

    def sweep(self, *, now: datetime) -> int:
        """Remove what is past its end; how much that was."""
        with self._store.writing() as connection:
            return connection.execute(delete(ephemera).where(ephemera.c.expires_at <= now)).rowcount

    def ready(self) -> bool:
        """Whether something could be laid down now."""
        return self._store.ready()

    def _insert(self, slot: str, body: bytes | None, until: datetime) -> sqlite.Insert | postgresql.Insert:
        insert = sqlite.insert(ephemera) if self._store.is_sqlite else postgresql.insert(ephemera)
        return insert.values(slot=slot, body=body, expires_at=until)
