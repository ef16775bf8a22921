"""An end to waiting for an answer as a whole, not only for its next byte.

httpx limits each read; a server that sends one byte of its header now and then is never late. Here every read of a
thread also ends when that thread's time is over, whatever part of the answer it is in.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import httpcore
import httpx

_thread = threading.local()


@contextmanager
def ending(seconds: float) -> Iterator[None]:
    """Reads of this thread raise ReadTimeout once `seconds` are over."""
    before = getattr(_thread, "end", None)
    _thread.end = time.monotonic() + seconds
    try:
        yield
    finally:
        _thread.end = before


class PacedTransport(httpx.HTTPTransport):
    """httpx's own transport, over connections that know `ending`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._pool._network_backend = _Backend(self._pool._network_backend)


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        end = getattr(_thread, "end", None)
        if end is not None:
            left = end - time.monotonic()
            if left <= 0:
                raise httpcore.ReadTimeout("the time for the whole answer is over")
            timeout = left if timeout is None else min(timeout, left)
        return self._inner.read(max_bytes, timeout)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, timeout)

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Backend(httpcore.NetworkBackend):
    def __init__(self, inner: httpcore.NetworkBackend) -> None:
        self._inner = inner

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        return _Stream(self._inner.connect_tcp(host, port, timeout, local_address, socket_options))

    def sleep(self, seconds: float) -> None:
        self._inner.sleep(seconds)
