"""How gunicorn runs the app: threads in a few workers, models opened in each worker after the fork.

Scale by workers: one intra-op thread a session (two halved the throughput of a busy machine). Never --preload:
ONNX sessions made before a fork abort their workers on stop.
"""

from __future__ import annotations

import os
import sys
import tempfile
from typing import Any

NOT_TO_BE_TRIED_AGAIN = 3  # gunicorn's WORKER_BOOT_ERROR: the master stops instead of forking for ever

worker_class = "webapp.serving.Worker"  # gthread, with an end to waiting for a request to arrive
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
threads = 8
timeout = 60
graceful_timeout = 20
keepalive = 5
max_requests = 20_000
max_requests_jitter = 2_000
limit_request_line = 8190
limit_request_fields = 60
limit_request_field_size = 20_000  # a caller's JWT may have 16 kB
forwarder_headers = ""  # no SCRIPT_NAME from outside: it would lead past what a proxy keeps inside by its path
forwarded_allow_ips = os.environ.get("FORWARDED_ALLOW_IPS", "127.0.0.1")

# Counters of all workers are added up by /metrics.
os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", tempfile.mkdtemp(prefix="ordertime-metrics-"))


def post_worker_init(worker: Any) -> None:
    """Open the rooms before the first request: no physician waits for a model to load."""
    rooms = getattr(worker.app.callable, "extensions", {}).get("ordertime")
    if rooms is None:  # the stand-in hospital is run from this folder too, and has none
        return
    from governance.errors import GovernanceError
    from inference.errors import OrdertimeError

    try:
        rooms.warm()
    except (OrdertimeError, GovernanceError) as error:
        print(f"ordertime does not start: {error}", file=sys.stderr, flush=True)  # noqa: T201  there is no log yet
        sys.exit(NOT_TO_BE_TRIED_AGAIN)


def child_exit(server: Any, worker: Any) -> None:
    """A worker that went away no longer counts as alive."""
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
