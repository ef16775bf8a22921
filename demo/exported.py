"""The bulk exports that the hospital keeps, in memory: what each holds, whose it is, how often it was asked after.

Refuses (404) one that was deleted, or given up for newer ones.
"""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from demo.outcome import Refused

POLLS: Final = 2  # times an export is asked after before it is done
MOST_KEPT: Final = 20


@dataclass
class Job:
    """One export: what it holds, whose it is, how often it was asked after."""

    client: str
    at: datetime
    asked: str
    files: dict[str, bytes] = field(repr=False)
    left: int = POLLS


class Jobs:
    """The exports that are kept, the newest MOST_KEPT. Without `files_need_token` a file's address is enough."""

    def __init__(self) -> None:
        self.files_need_token = True
        self._lock = threading.Lock()
        self._held: dict[str, Job] = {}

    def add(self, job: Job) -> str:
        """Keep it; its id."""
        key = secrets.token_urlsafe(24)
        with self._lock:
            self._held[key] = job
            for old in list(self._held)[:-MOST_KEPT]:
                del self._held[old]
        return key

    def of(self, key: str) -> Job:
        """The export with this id. Raises Refused (404)."""
        job = self._held.get(key)
        if job is None:
            raise Refused(404, "not-found", "there is no such export, or it was deleted")
        return job

    def drop(self, key: str) -> None:
        """Forget it."""
        with self._lock:
            self._held.pop(key, None)

    def __len__(self) -> int:
        return len(self._held)
