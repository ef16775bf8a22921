"""A process of its own that takes from a vault: `python -m tests.webapp.vault_user DATABASE REDIS DEED COUNT`

Says it is ready, waits for a line, then takes or marks keys "0" to COUNT; prints those it got.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime

from governance.store import open_store
from tests.governance.answers import SECRET
from webapp.sessions import Vault


def main() -> None:
    """Take or mark what there is."""
    _, database, redis_url, deed, count = sys.argv
    store = open_store(database, patience=20)
    vault = Vault(store, SECRET, clock=lambda: datetime.now(UTC), redis_url=redis_url)
    print("ready", flush=True)
    sys.stdin.readline()
    for key in map(str, range(int(count))):
        if vault.take("launch", key) if deed == "take" else vault.once("token", key, 60):
            print(key, flush=True)
    store.close()


if __name__ == "__main__":
    main()
