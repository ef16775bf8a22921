"""A process of its own that writes to a ledger: `python -m tests.governance.writer URL INSTANCES...`

Each argument after the address is a hook instance to record; "forever" records without end. Prints every id
as soon as the ledger has acknowledged it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count

from governance.ledger import Ledger
from governance.store import open_store
from inference.assessment import State
from tests.governance.answers import SECRET, answer


def instances(asked: list[str]) -> Iterator[str]:
    """The hook instances asked for."""
    if asked == ["forever"]:
        yield from (f"instance-{number}" for number in count())
    yield from asked


def main() -> None:
    """Record and say so, one at a time."""
    store = open_store(sys.argv[1], patience=20)
    ledger = Ledger(store, SECRET, clock=lambda: datetime.now(UTC))
    for instance in instances(sys.argv[2:]):
        kept = ledger.record(
            answer(seed=sum(instance.encode())),
            tenant="north",
            patient="p",
            door="hook",
            hook_instance=instance,
            state=State.ACTIVE,
        )
        print(kept.id, flush=True)
    store.close()


if __name__ == "__main__":
    main()
