"""Why a unit's board has no newer look: the hospital is still at an export, or the last try failed.

Kept beside the look, for as long as one can be of use; codes and moments alone, nothing of a patient.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ehr.errors import EhrError
from webapp.boarding import USEFUL
from webapp.rooms import Rooms

KIND = "board-fault"


@dataclass(frozen=True, slots=True)
class Unlooked:
    """When an export was begun that is not there yet, and when the last look failed and by what; None without."""

    export_since: datetime | None = None
    failed_at: datetime | None = None
    fault: str = ""


def failed(rooms: Rooms, tenant: str, unit: str, fault: EhrError) -> None:
    """Keep that a look failed now, by the kind of its fault."""
    told = {"at": rooms.clock().isoformat(), "fault": type(fault).__name__}
    rooms.vault.put(KIND, f"{tenant}|{unit}", told, USEFUL.total_seconds())


def looked(rooms: Rooms, tenant: str, unit: str) -> None:
    """Forget it: there is a newer look."""
    rooms.vault.delete(KIND, f"{tenant}|{unit}")


def why(rooms: Rooms, tenant: str, unit: str) -> Unlooked:
    """What there is to say beside the look that stands."""
    place = f"{tenant}|{unit}"
    export, fault = rooms.vault.get("export", place), rooms.vault.get(KIND, place)
    return Unlooked(
        None if export is None else datetime.fromisoformat(export["since"]),
        None if fault is None else datetime.fromisoformat(fault["at"]),
        "" if fault is None else str(fault["fault"]),
    )
