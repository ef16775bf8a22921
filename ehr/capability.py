"""What a hospital's server takes: which types its CapabilityStatement says can be created.

Read without a token, kept a while for each site. A statement that cannot be had, or read, offers nothing: then
there is no button, which is no error. Refuses nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from threading import Lock
from typing import Any, Final

import httpx

from ehr.errors import EhrError
from ehr.site import Tenant
from ehr.transport import Budget, FhirHttp

SECONDS: Final = 3.0  # a page waits no longer for a button
KEPT: Final = timedelta(minutes=10)
ASKED_AGAIN: Final = timedelta(seconds=30)  # after a failure
NOTHING: Final[Mapping[str, Any]] = {}


class Capabilities:
    """Every site's statement, as far as `notes.may_create` reads it. Threads may share one."""

    def __init__(self, client: httpx.Client, clock: Callable[[], datetime]) -> None:
        self._client, self._clock = client, clock
        self._held: dict[str, tuple[datetime, Mapping[str, Any]]] = {}
        self._lock = Lock()

    def of(self, tenant: Tenant) -> Mapping[str, Any]:
        """The statement's creatable types, in its own form; empty when it cannot be had."""
        now = self._clock()
        with self._lock:
            until, held = self._held.get(tenant.id, (now, NOTHING))
        if now < until:
            return held
        found = self._read(tenant)
        with self._lock:
            self._held[tenant.id] = (now + (KEPT if found else ASKED_AGAIN), found)
        return found

    def _read(self, tenant: Tenant) -> Mapping[str, Any]:
        http = FhirHttp(tenant.issuer, None, self._client, Budget(SECONDS), quirks=tenant.quirks)
        try:
            return creatable(http.get("metadata"))
        except EhrError:
            return NOTHING


def creatable(statement: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a CapabilityStatement that says what can be created; what cannot be read is left out."""
    create = [{"code": "create"}]
    kinds = sorted({str(row.get("type")) for row in _resources(statement) if _creates(row)})
    return {"rest": [{"resource": [{"type": kind, "interaction": create} for kind in kinds]}]}


def _resources(statement: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for rest in _objects(statement.get("rest")):
        if rest.get("mode", "server") == "server":
            yield from _objects(rest.get("resource"))


def _creates(row: Mapping[str, Any]) -> bool:
    return any(each.get("code") == "create" for each in _objects(row.get("interaction")))


def _objects(rows: object) -> Iterator[Mapping[str, Any]]:
    return (row for row in (rows if isinstance(rows, list) else ()) if isinstance(row, Mapping))
