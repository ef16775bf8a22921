"""Whose turn it is to post an alarm: of several runs at once one has it, until its lease is over.

A claim is taken and given back in short transactions of their own; none is open while the hook is asked. One who dies
with a claim leaves it behind, and after LEASE the next run has the alarm. Refuses one that was delivered meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, exists, select
from sqlalchemy.dialects import postgresql, sqlite

from governance.store import Store
from governance.tables import alarm_claims, alarm_notices

LEASE: Final = timedelta(minutes=2)  # a hook may take 5 s each to connect, to be written to and to answer


class Claims:
    """The claims in `store`; `clock` tells a zoned time, `new_id` names a claimer."""

    def __init__(self, store: Store, *, clock: Callable[[], datetime], new_id: Callable[[], str]) -> None:
        self._store, self._clock, self._new_id = store, clock, new_id

    @contextmanager
    def held(self, alarm_id: str) -> Iterator[bool]:
        """Whether the alarm is ours to post while this lasts: still owed, and nobody else's turn."""
        claimer = self._new_id()
        ours = self._taken(alarm_id, claimer)
        try:
            yield ours
        finally:
            if ours:
                self._give_back(alarm_id, claimer)

    def _taken(self, alarm_id: str, claimer: str) -> bool:
        now, c = self._clock(), alarm_claims.c
        insert = sqlite.insert(alarm_claims) if self._store.is_sqlite else postgresql.insert(alarm_claims)
        told = insert.values(alarm_id=alarm_id, claimer=claimer, until=now + LEASE)
        claim = told.on_conflict_do_update(
            index_elements=["alarm_id"],
            set_={"claimer": told.excluded.claimer, "until": told.excluded.until},
            where=c.until <= now,
        ).returning(c.alarm_id)
        delivered = select(exists().where(alarm_notices.c.alarm_id == alarm_id))
        with self._store.writing() as connection:
            if connection.execute(claim).first() is None:
                return False
            if not connection.scalar(delivered):  # asked after the claim: a notice comes before its claim goes
                return True
            connection.execute(delete(alarm_claims).where(c.alarm_id == alarm_id))
            return False

    def _give_back(self, alarm_id: str, claimer: str) -> None:
        """Unless the lease was over and somebody else has it."""
        c = alarm_claims.c
        with self._store.writing() as connection:
            connection.execute(delete(alarm_claims).where(c.alarm_id == alarm_id, c.claimer == claimer))
