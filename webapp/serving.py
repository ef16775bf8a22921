"""The worker gunicorn runs: threads, and a request that has to arrive.

gunicorn waits for ever for the rest of a header or a body that has begun: sixteen connections that send one byte each
would be all the threads there are. Here the reading half of a connection is shut once a request has not arrived in
ARRIVAL seconds; an answer that is being written is not disturbed.
"""

from __future__ import annotations

import contextlib
import socket
import time
from typing import Any, Final

from gunicorn.workers.gthread import ThreadWorker

ARRIVAL: Final = 20.0  # seconds: eight megabytes over a slow line take ten


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn is not typed
    """gthread, with an end to waiting."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._arriving: dict[Any, float] = {}

    def handle(self, conn: Any) -> Any:
        """One request, by a thread of the pool; watched meanwhile."""
        self._arriving[conn] = time.monotonic()
        try:
            return super().handle(conn)
        finally:
            self._arriving.pop(conn, None)

    def murder_pending(self) -> None:
        """Called by the main loop every second or so: end what waits too long, in either place."""
        super().murder_pending()
        now = time.monotonic()
        for conn, began in list(self._arriving.items()):
            if now - began > ARRIVAL:
                with contextlib.suppress(OSError):  # the client has gone already
                    conn.sock.shutdown(socket.SHUT_RD)
