"""The code maps and assay tables as this process reads them, noted where they changed since they were last kept.

At every worker's start and before every `watch`: whoever changes a map need not remember to log it. Refuses to stop a
start: a ledger that cannot be written now is told in the log, and the next start or watch notes the change.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import structlog

from ehr import mapped
from ehr.site import Tenant
from governance.changes import Change
from governance.code_maps import SHIPPED, CodeMaps
from governance.errors import GovernanceError

if TYPE_CHECKING:
    from webapp.rooms import Rooms

SOURCE = "ehr/codes.toml and inference/assays.toml"
log = structlog.get_logger()


def noted(rooms: Rooms, by: str) -> tuple[Change, ...]:
    """Note what changed, of what ships and of every site; the lines this call wrote. Raises LedgerUnavailable."""
    return noted_in(CodeMaps(rooms.store, rooms.changes, clock=rooms.clock), rooms.tenants, by)


def noted_in(maps: CodeMaps, tenants: Iterable[Tenant], by: str) -> tuple[Change, ...]:
    """The same, of these sites in that book."""
    lines = [maps.note(SHIPPED, mapped.shipped(), source=SOURCE, by=by)]
    for tenant in tenants:
        lines.append(maps.note(tenant.id, mapped.own(tenant), source=f"tenants/{tenant.id}.toml", by=by))
    return tuple(line for line in lines if line is not None)


def noted_at_start(rooms: Rooms) -> None:
    """The same for a worker that must start whatever the ledger says."""
    try:
        for line in noted(rooms, "start"):
            log.info("code map changed", line=line.number)
    except GovernanceError as error:
        log.warning("code map not noted", error=type(error).__name__)
