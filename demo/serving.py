"""How gunicorn runs the hospital: one worker that is never replaced, since its records are in its memory."""

from __future__ import annotations

worker_class = "gthread"
workers = 1
threads = 8
graceful_timeout = 5
control_socket_disable = True
