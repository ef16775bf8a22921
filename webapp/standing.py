"""Where a model stands at a site: what the tenant file asks for, held to what its gate last came to.

A model asked to be active is so only behind an open gate of this version, weighed within STALE, and at the
threshold that was approved. Refuses to take silence for consent: no reading is silent, a stale one is suspended.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from ehr.site import ModelPolicy, Tenant
from governance.readings import Reading, Readings
from inference.assessment import Assessment, State

STALE: Final = timedelta(days=8)  # a weekly weighing that failed once is still believed for a day


def policy(
    readings: Readings, tenant: Tenant, found: Assessment, outcome: str, care_unit: str, now: datetime
) -> ModelPolicy:
    """The policy of the model that gave `found`, by the gate of `outcome`, its headline's, for a patient in
    `care_unit` ("" when not known).
    """
    asked = tenant.models[found.model]
    if asked.state is not State.ACTIVE:
        return asked
    reading = _of_unit(readings, tenant.id, found.model, outcome, care_unit)
    now_is = state(asked.state, reading, found.version, now)
    if reading is None or now_is is not State.ACTIVE:
        return replace(asked, state=now_is)
    return replace(asked, threshold=float(reading.body["gate"]["threshold"]))


def at_site(
    readings: Readings, tenant: Tenant, model: str, version: str, gate: tuple[str, str], now: datetime
) -> State:
    """The state of a model at a site, by the gate of an outcome and a care unit."""
    return state(tenant.models[model].state, _of_unit(readings, tenant.id, model, *gate), version, now)


def state(asked: State, reading: Reading | None, version: str, now: datetime) -> State:
    """The state of `version` behind a gate that last came to `reading`; `asked` by the tenant file."""
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
    gates = readings.gates(tenant.id, model) if asked is State.ACTIVE else ()
    units = sorted({"", *(unit for of, unit in gates if of == outcome)})
    return {
        unit: state(asked, _of_unit(readings, tenant.id, model, outcome, unit), version, now) for unit in units
    }


def _of_unit(readings: Readings, tenant: str, model: str, outcome: str, care_unit: str) -> Reading | None:
    """The last reading of the unit's own gate, else of the site's."""
    for unit in dict.fromkeys((care_unit, "")):
        reading = readings.last(tenant, model, outcome, unit)
        if reading is not None:
            return reading
    return None
