"""The books that a simulated year is written into: a whole ledger's, under a key of its own and a clock that is set."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Final
from uuid import UUID, uuid4

import numpy as np

from governance import rounds, weekly
from governance.alarms import Alarms
from governance.audits import Audits
from governance.changes import Changes
from governance.clarity import ClarityBook
from governance.code_maps import CodeMaps
from governance.daily import Daily
from governance.decisions import Decisions
from governance.ledger import Ledger
from governance.outcomes import Outcomes
from governance.readings import Readings
from governance.recalled import Recalled
from governance.review import Reviews
from governance.spoken import Spoken
from governance.store import Store
from governance.waiting import WaitingList

KEY: Final = hashlib.sha256(b"a simulated year has nothing to hide").digest()
ZONE: Final = UTC


class Hands:
    """The simulated clock: it stands where it is put."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


@dataclass(frozen=True, slots=True)
class Books:
    """Everything that is written to, all of one ledger."""

    ledger: Ledger
    outcomes: Outcomes
    readings: Readings
    changes: Changes
    clarity: ClarityBook
    alarms: Alarms
    rounds: rounds.Memory
    waiting: WaitingList
    decisions: Decisions
    weekly: weekly.Books


def books(store: Store, hands: Hands, new_id: Callable[[], str] = lambda: str(uuid4())) -> Books:
    """The books of `store`, under the simulated year's own key and clock."""
    ledger, changes = Ledger(store, KEY, clock=hands, new_id=new_id), Changes(store, clock=hands)
    outcomes, readings = Recalled(store, clock=hands, new_id=new_id), Readings(store, new_id=new_id)
    alarms, audits = Alarms(store, clock=hands, new_id=new_id), Audits(store, clock=hands, new_id=new_id)
    clarity = ClarityBook(store, clock=hands, new_id=new_id)
    reviews = Reviews(store, KEY, clock=hands, new_id=new_id)
    return Books(
        ledger=ledger,
        outcomes=outcomes,
        readings=readings,
        changes=changes,
        clarity=clarity,
        alarms=alarms,
        rounds=rounds.Memory(
            *(Spoken(store, KEY), Daily(store), outcomes, alarms, audits, changes),
            CodeMaps(store, changes, clock=hands, new_id=new_id),
        ),
        waiting=WaitingList(store, clock=hands),
        decisions=Decisions(store, changes, clock=hands, new_id=new_id),
        weekly=weekly.Books(store, ledger, outcomes, readings, alarms, clarity, audits, reviews),
    )


def ids(seed: int) -> Callable[[], str]:
    """Ids of rows, from a seed: what lies at one moment is read in their order, so that the year comes again."""
    rng = np.random.default_rng((seed, 5))
    return lambda: str(UUID(bytes=rng.bytes(16), version=4))


def midnight(day: date) -> datetime:
    """The first moment of `day` at the simulated hospital."""
    return datetime.combine(day, time(), ZONE)
