"""An answer of this visit's patient, recalled from the ledger for whoever shows it or acts on it."""

from __future__ import annotations

from ehr.errors import NotFound
from governance.entries import Recorded
from webapp.rooms import Rooms
from webapp.visits import Visit


def recorded(rooms: Rooms, visit: Visit, key: str) -> Recorded:
    """The answer `key`, if it was given about this visit's patient here. Raises NotFound."""
    found = rooms.ledger.recall(key, tenant=visit.tenant.id, patient=visit.grant.patient)
    if found is None:
        raise NotFound("no answer of that id was given about this patient here")
    return found
