"""The books that a simulated year is written into: a whole ledger's, under a key of its own and a clock that is set."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Final

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


def books(store: Store, hands: Hands) -> Books:
    """The books of `store`, under the simulated year's own key and clock."""
    ledger, changes = Ledger(store, KEY, clock=hands), Changes(store, clock=hands)
    outcomes = Recalled(store, clock=hands)
    readings, alarms = Readings(store), Alarms(store, clock=hands)
    audits, clarity = Audits(store, clock=hands), ClarityBook(store, clock=hands)
    return Books(
        ledger=ledger,
        outcomes=outcomes,
        readings=readings,
        changes=changes,
        clarity=clarity,
        alarms=alarms,
        rounds=rounds.Memory(
            *(Spoken(store, KEY), Daily(store), outcomes, alarms, audits, changes),
            CodeMaps(store, changes, clock=hands),
        ),
        waiting=WaitingList(store, clock=hands),
        decisions=Decisions(store, changes, clock=hands),
        weekly=weekly.Books(
            store, ledger, outcomes, readings, alarms, clarity, audits, Reviews(store, KEY, clock=hands)
        ),
    )


def midnight(day: date) -> datetime:
    """The first moment of `day` at the simulated hospital."""
    return datetime.combine(day, time(), ZONE)
