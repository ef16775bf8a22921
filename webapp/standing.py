"""Where a model stands at a site: what the tenant file asks for, held to what its gate last came to.

A model asked to be active is so only behind an open gate of this version, weighed within STALE, and at the
threshold that was approved. A signed decision to suspend stands above both at once, until the gate has opened since.
Refuses to take silence for consent: no reading is silent, a stale one is suspended.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from ehr.site import ModelPolicy, Tenant
from governance.readings import Reading, Readings, holds
from governance.resolutions import Resolution
from inference.assessment import Assessment, State

EVER: Final = datetime(1, 1, 1, tzinfo=UTC)  # before every decision
STALE: Final = timedelta(days=8)  # a weekly weighing that failed once is still believed for a day


def policy(
    readings: Readings, tenant: Tenant, found: Assessment, outcome: str, care_unit: str, now: datetime
) -> ModelPolicy:
    """The policy of the model that gave `found`, by the gate of `outcome`, its headline's, for a patient in
    `care_unit` ("" when not known).
    """
    asked = tenant.models[found.model]
    suspended = readings.resolutions.suspension(tenant.id, found.model)
    if asked.state is not State.ACTIVE and suspended is None:
        return asked
    reading = _of_unit(readings, tenant.id, found.model, outcome, care_unit)
    now_is = state(asked.state, reading, found.version, now, suspended)
    if reading is None or now_is is not State.ACTIVE:
        return replace(asked, state=now_is)
    return replace(asked, threshold=float(reading.body["gate"]["threshold"]))


def at_site(
    readings: Readings, tenant: Tenant, model: str, version: str, gate: tuple[str, str], now: datetime
) -> State:
    """The state of a model at a site, by the gate of an outcome and a care unit."""
    suspended = readings.resolutions.suspension(tenant.id, model)
    return state(tenant.models[model].state, _of_unit(readings, tenant.id, model, *gate), version, now, suspended)


def state(
    asked: State, reading: Reading | None, version: str, now: datetime, suspended: Resolution | None
) -> State:
    """The state of `version` behind a gate that last came to `reading`; `asked` by the tenant file.

    `suspended` is the model's newest decision to suspend, which counts until the gate has opened since.
    """
    if holds(suspended, reading):
        return State.SUSPENDED
    if asked is not State.ACTIVE:
        return asked
    if reading is None or reading.version != version or reading.state in (State.SILENT, State.DEMONSTRATION):
        return State.SILENT
    return State.SUSPENDED if now - reading.at > STALE else reading.state


def states(
    readings: Readings, tenant: Tenant, model: str, outcome: str, version: str, now: datetime
) -> Mapping[str, State]:
    """The states the doors go by at a site, by care unit with a gate of its own; "" is everywhere else."""
    asked = tenant.models[model].state
    suspended = readings.resolutions.suspension(tenant.id, model)
    return {
        unit: state(asked, _of_unit(readings, tenant.id, model, outcome, unit), version, now, suspended)
        for unit in _units(readings, tenant, model, outcome, suspended)
    }


def suspension(readings: Readings, tenant: Tenant, model: str, gate: tuple[str, str]) -> Resolution | None:
    """The decision that keeps a model suspended, by the gate of an outcome and a care unit; None where none does."""
    found = readings.resolutions.suspension(tenant.id, model)
    if found is None or not holds(found, _of_unit(readings, tenant.id, model, *gate)):
        return None
    return found


def suspended_since(
    readings: Readings, tenant: Tenant, model: str, outcome: str, moment: datetime
) -> Resolution | None:
    """The decision that keeps a model suspended in any unit of a site, if it was made after `moment`.

    By the gates of `outcome`, the headline's; by those of any outcome where that is "", not known.
    """
    found = readings.resolutions.suspension(tenant.id, model)
    if found is None or found.at <= moment:
        return None
    gates = [gate for gate in readings.gates(tenant.id, model) if outcome in ("", gate[0])]
    whole = [] if gates and not outcome else [(outcome, "")]
    stands = (holds(found, _of_unit(readings, tenant.id, model, *gate)) for gate in (*gates, *whole))
    return found if any(stands) else None


def _units(
    readings: Readings, tenant: Tenant, model: str, outcome: str, suspended: Resolution | None
) -> list[str]:
    """The care units with a gate of their own, and "" for everywhere else; "" alone where no gate counts."""
    counts = tenant.models[model].state is State.ACTIVE or suspended is not None
    gates = readings.gates(tenant.id, model) if counts else ()
    return sorted({"", *(unit for of, unit in gates if of == outcome)})


def _of_unit(readings: Readings, tenant: str, model: str, outcome: str, care_unit: str) -> Reading | None:
    """The last reading of the unit's own gate, else of the site's."""
    for unit in dict.fromkeys((care_unit, "")):
        reading = readings.last(tenant, model, outcome, unit)
        if reading is not None:
            return reading
    return None
