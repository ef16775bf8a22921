"""An answer of this visit's patient, recalled from the ledger for whoever shows it or acts on it.

What was said stays as it was said; whether it is still shown is the doors' to say now: an answer given before the
model was suspended by decision counts as suspended from then on.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from ehr.errors import NotFound
from governance.entries import Recorded
from governance.resolutions import Resolution
from inference.assessment import State
from webapp import standing
from webapp.rooms import Rooms
from webapp.visits import Visit


def recorded(rooms: Rooms, visit: Visit, key: str) -> Recorded:
    """The answer `key`, if it was given about this visit's patient here. Raises NotFound."""
    found = rooms.ledger.recall(key, tenant=visit.tenant.id, patient=visit.grant.patient)
    if found is None:
        raise NotFound("no answer of that id was given about this patient here")
    if _decided(rooms, visit, found, found.made_at):
        return replace(found, state=State.SUSPENDED)
    return found


def suspension(rooms: Rooms, visit: Visit, found: Recorded) -> Resolution | None:
    """The decision by which the model of a suspended answer is suspended here; None for any other answer."""
    if found.state is not State.SUSPENDED:
        return None
    return _decided(rooms, visit, found, standing.EVER)


def _decided(rooms: Rooms, visit: Visit, found: Recorded, moment: datetime) -> Resolution | None:
    """A decision after `moment` that stands; no model is asked, so that a stored page needs none."""
    head = found.assessment.headline
    outcome = "" if head is None else head.outcome
    return standing.suspended_since(rooms.readings, visit.tenant, found.assessment.model, outcome, moment)
