"""Which gate speaks for a unit, and whether a decision to suspend still stands there.

A unit's own gate speaks for it, else the whole site's; where there is neither, none does, and the model is silent
there whatever opens elsewhere. A decision to suspend is of the model, so it stands in every unit at once; it ends
behind each gate by that gate's own weighing (`governance.readings.holds`). To be silent needs no gate, to show anything
again does: where none speaks it ends with the first gate of the outcome that has ended it, if silence is what follows;
where the site asks for a demonstration it stands until a gate that speaks for the unit has ended it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from governance.readings import Reading, Readings, holds
from governance.resolutions import Resolution
from inference.assessment import State

OWN, SITE, NONE = "own", "site", "none"
EVERYWHERE: Final = ""  # the care unit of a site's gate


@dataclass(frozen=True, slots=True)
class Speaker:
    """What speaks for one unit. `whose`: OWN, SITE or NONE; `reading`: what that gate last came to, None without one.

    `ordered`: the model's newest decision to suspend; `stands`: whether it holds here; `ended_by`: the gate elsewhere
    that ended it for a unit that no gate speaks for.
    """

    whose: str
    reading: Reading | None
    ordered: Resolution | None
    stands: bool
    ended_by: Reading | None = None

    @property
    def suspension(self) -> Resolution | None:
        """The decision that keeps the model suspended here; None where none does."""
        return self.ordered if self.stands else None


def speaker(
    readings: Readings, tenant: str, model: str, outcome: str, care_unit: str, asked: State
) -> Speaker:
    """What speaks for `care_unit` ("" where it is not known); `asked` is the state that the site's file asks for."""
    ordered = readings.resolutions.suspension(tenant, model)
    for unit in dict.fromkeys((care_unit, EVERYWHERE)):
        reading = readings.last(tenant, model, outcome, unit)
        if reading is not None:
            whose = OWN if care_unit and unit == care_unit else SITE
            return Speaker(whose, reading, ordered, holds(ordered, reading))
    if ordered is None:
        return Speaker(NONE, None, None, stands=False)
    ended = None if asked is State.DEMONSTRATION else _ended(readings, tenant, model, outcome, ordered)
    return Speaker(NONE, None, ordered, ended is None, ended)


def _ended(readings: Readings, tenant: str, model: str, outcome: str, ordered: Resolution) -> Reading | None:
    """The first reading of a gate of the outcome that has ended the decision."""
    for of, unit in readings.gates(tenant, model):
        reading = readings.last(tenant, model, of, unit) if outcome in ("", of) else None
        if reading is not None and not holds(ordered, reading):
            return reading
    return None
