"""An end to waiting for an answer as a whole, not only for its next byte; and connections to judged addresses alone.

httpx limits each read; a server that sends one byte of its header now and then is never late. Here every read of a
thread also ends when that thread's time is over, whatever part of the answer it is in. A name is resolved here, once,
and the address that `ehr.reach` lets pass is the one connected to; Host and TLS name stay the name's.
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

from ehr.reach import Reach

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
    """httpx's own transport, over connections that know `ending` and go where `reach` lets them."""

    def __init__(self, reach: Reach | None = None, **options: Any) -> None:
        super().__init__(**options)
        self._pool._network_backend = _Backend(self._pool._network_backend, reach or Reach())


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
    def __init__(self, inner: httpcore.NetworkBackend, reach: Reach) -> None:
        self._inner, self._reach = inner, reach

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """A connection to the first address of `host` that takes one. Raises ForeignAddress and ConnectError."""
        try:
            addresses = self._reach.addresses(host, port)
        except OSError as error:
            raise httpcore.ConnectError(f"the name is unknown ({type(error).__name__})") from None
        missed: httpcore.ConnectError | httpcore.ConnectTimeout = httpcore.ConnectError("the name has no address")
        for address in addresses:
            try:
                return _Stream(self._inner.connect_tcp(address, port, timeout, local_address, socket_options))
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                missed = error
        raise missed

    def sleep(self, seconds: float) -> None:
        self._inner.sleep(seconds)
