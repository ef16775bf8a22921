"""Where a model stands at a site: what the tenant file asks for, held to what its gate last came to.

A model asked to be active is so only behind an open gate of this version, weighed within STALE, and at the
threshold that was approved. A signed decision to suspend stands above both at once, until the gate that speaks for
the unit has ended it (`governance.speaker`). Refuses to take silence for consent: no reading is silent, a stale one
is suspended.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from ehr.site import ModelPolicy, Tenant
from governance.readings import Readings
from governance.resolutions import Resolution
from governance.speaker import Speaker, speaker
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
    speaks = of_unit(readings, tenant, found.model, outcome, care_unit)
    now_is = state(asked.state, speaks, found.version, now)
    if speaks.reading is None or now_is is not State.ACTIVE:
        return asked if now_is is asked.state else replace(asked, state=now_is)
    return replace(asked, threshold=float(speaks.reading.body["gate"]["threshold"]))


def at_site(
    readings: Readings, tenant: Tenant, model: str, version: str, gate: tuple[str, str], now: datetime
) -> State:
    """The state of a model at a site, by the gate of an outcome and a care unit."""
    return state(tenant.models[model].state, of_unit(readings, tenant, model, *gate), version, now)


def state(asked: State, speaks: Speaker, version: str, now: datetime) -> State:
    """The state of `version` where `speaks` does; `asked` by the tenant file."""
    if speaks.stands:
        return State.SUSPENDED
    if asked is not State.ACTIVE:
        return asked
    reading = speaks.reading
    if reading is None or reading.version != version or reading.state in (State.SILENT, State.DEMONSTRATION):
        return State.SILENT
    return State.SUSPENDED if now - reading.at > STALE else reading.state


def states(
    readings: Readings, tenant: Tenant, model: str, outcome: str, version: str, now: datetime
) -> Mapping[str, State]:
    """The states the doors go by at a site, by care unit with a gate of its own; "" is everywhere else."""
    return {
        unit: at_site(readings, tenant, model, version, (outcome, unit), now)
        for unit in units(readings, tenant, model, outcome)
    }


def suspension(readings: Readings, tenant: Tenant, model: str, gate: tuple[str, str]) -> Resolution | None:
    """The decision that keeps a model suspended, by the gate of an outcome and a care unit; None where none does."""
    return of_unit(readings, tenant, model, *gate).suspension


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
    stands = (of_unit(readings, tenant, model, *gate).stands for gate in (*gates, *whole))
    return found if any(stands) else None


def units(readings: Readings, tenant: Tenant, model: str, outcome: str) -> list[str]:
    """The care units with a gate of their own, and "" for everywhere else; "" alone where no gate counts."""
    active = tenant.models[model].state is State.ACTIVE
    counts = active or readings.resolutions.suspension(tenant.id, model) is not None
    gates = readings.gates(tenant.id, model) if counts else ()
    return sorted({"", *(unit for of, unit in gates if of == outcome)})


def of_unit(readings: Readings, tenant: Tenant, model: str, outcome: str, care_unit: str) -> Speaker:
    """What speaks for a unit of the site, by what its file asks for."""
    return speaker(readings, tenant.id, model, outcome, care_unit, tenant.models[model].state)
