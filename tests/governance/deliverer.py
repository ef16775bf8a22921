"""A process of its own that posts what is owed: `python -m tests.governance.deliverer URL HOOK [MINUTES]`.

Says "ready", waits for a line, posts, and says how many the hook took. Its clock is MINUTES ahead.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta

import httpx

from governance.alarms import Alarms
from governance.store import open_store
from webapp.webhook import Webhook


def main() -> None:
    """Post what the site "north" owes, once told to."""
    store = open_store(sys.argv[1], patience=20)
    ahead = timedelta(minutes=float(sys.argv[3]) if len(sys.argv) > 3 else 0.0)
    alarms = Alarms(store, clock=lambda: datetime.now(UTC) + ahead)
    with httpx.Client() as client:
        hook = Webhook(client, sys.argv[2])
        print("ready", flush=True)
        sys.stdin.readline()
        print(alarms.deliver("north", hook), flush=True)
    store.close()


if __name__ == "__main__":
    main()
