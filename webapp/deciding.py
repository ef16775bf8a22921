"""What people decided over the gates' heads, put together for the pages: thresholds that wait for signed configuration.

What the gate's page, the weekly review and the command line share: the very lines for the gate file, also of a gate
that is not in it yet. Refuses nothing that was decided: it is shown until it is in force, and where it can never be,
that is said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import tzinfo
from typing import Any, Final

from ehr.tenants import Tenant
from governance.approvals import Approver, SiteGates, read_gates, written
from governance.errors import GateRefusal
from governance.gate import APPROVERS, Gate
from governance.readings import Reading
from governance.resolutions import Resolution
from inference.features import CARE_UNITS
from webapp import reviewing, shares, words
from webapp.rooms import Rooms
from webapp.words import say

NO_GATES: Final = SiteGates((), {}, ())


@dataclass(frozen=True, slots=True)
class Waiting:
    """One threshold that is decided and not in force: what, the exact lines for the gate file, and who has to sign."""

    gate: str
    said: str
    waits: str
    lines: str
    digest: str
    signers: str


def waiting(rooms: Rooms, tenant: Tenant, made: Resolution, reading: Reading | None, zone: tzinfo) -> Waiting:
    """The decision `made` about the gate that last came to `reading`, None where it was never weighed."""
    told: dict[str, Any] = {"at": words.moment(made.at, zone), "people": made.people, "week": made.week}
    told |= {"line": made.line, "sentence": made.sentence, "threshold": shares.share(made.threshold)}
    said = say("en", "decided.said", **told)
    try:
        gates = site_gates(rooms, tenant.id)
    except GateRefusal as refusal:  # nothing can be put into a file that cannot be read
        return Waiting(made.gate, said, say("en", "decided.file-wrong", refusal=str(refusal)), "", "", "")
    there = configured(gates, made.gate)
    if there is None and reading is None and (lacking := unknown(rooms, tenant, made.gate, gates)):
        return Waiting(made.gate, said, say("en", "decided.never", lacking=lacking), "", "", "")
    threshold = made.threshold or 0.0
    now = there or (Gate(**reading.body["gate"]) if reading is not None else new(rooms, tenant, made.gate, threshold))
    changed = replace(now, threshold=threshold)
    waits = _waits(gates, there, reading, changed, tenant.id)
    digest = say("en", "decided.digest", digest=changed.digest)
    return Waiting(made.gate, said, waits, written(changed), digest, _signers(rooms, tenant, made))


def _waits(gates: SiteGates, there: Gate | None, reading: Reading | None, changed: Gate, site: str) -> str:
    """What has to be done with the lines, by whether the file has the gate and whether it was ever weighed."""
    if there is not None and there.threshold == changed.threshold:
        people = len({each.name for each in gates.approved.get(there.digest, ())})
        return say("en", "decided.carried", count=people, needed=APPROVERS)
    told: dict[str, Any] = {"site": site, "needed": APPROVERS}
    if reading is not None:
        return say("en", "decided.waits", now=shares.share(reading.body["gate"]["threshold"]))
    if there is not None:
        return say("en", "decided.waits-unweighed", now=shares.share(there.threshold), **told)
    told |= {"sensitivity": shares.share(changed.sensitivity), "false_alarms": shares.share(changed.false_alarms)}
    told |= {"days": changed.days, "positives": changed.positives, "version": changed.version}
    return say("en", "decided.waits-new", **told)


def site_gates(rooms: Rooms, site: str) -> SiteGates:
    """The site's gates as its file has them now. Raises GateRefusal for a file that cannot be read."""
    return read_gates(rooms.settings.gates / f"{site}.toml", site, reviewing.approvers(rooms), rooms.clock())


def configured(gates: SiteGates, name: str) -> Gate | None:
    """The gate of that name in the site's file."""
    return next((gate for gate in gates.gates if gate.name == name), None)


def new(rooms: Rooms, tenant: Tenant, name: str, threshold: float) -> Gate:
    """A gate that is in no file yet, of the version in use and at the standard limits."""
    model, outcome, unit = (*name.split("/", 2), "")[:3]
    return Gate(tenant.id, model, outcome, rooms.models[model].version, threshold, unit)


def unknown(rooms: Rooms, tenant: Tenant, name: str, gates: SiteGates = NO_GATES) -> str:
    """What no gate of that name can be of here, in words; "" where there can be one."""
    model, outcome, unit = (*name.split("/", 2), "", "")[:3]
    if model not in rooms.models:
        return say("en", "decided.no-model", name=model, known=words.listed(list(rooms.models)))
    if outcome not in rooms.models[model].outcomes:
        return say("en", "decided.no-outcome", name=outcome, known=words.listed(list(rooms.models[model].outcomes)))
    weighed = {of for _, of in rooms.readings.gates(tenant.id, model)} | {gate.care_unit for gate in gates.gates}
    known = {*CARE_UNITS, *tenant.care_units.values(), *weighed} - {""}
    if unit and unit not in known:
        return say("en", "decided.no-unit", name=unit, known=words.listed(sorted(known)))
    return ""


def _signers(rooms: Rooms, tenant: Tenant, made: Resolution) -> str:
    people = [f"{each.name} ({each.role})" for each in _listed(rooms).values() if each.sites & {tenant.id, "*"}]
    if not people:
        return say("en", "decided.signers-none")
    exact = f"{made.threshold:g}"
    return say(
        "en", "decided.signers", people=words.listed(people), site=tenant.id, gate=made.gate, exact=exact
    )


def _listed(rooms: Rooms) -> Mapping[str, Approver]:
    try:
        return reviewing.approvers(rooms)
    except GateRefusal:
        return {}  # the file is wrong: the command line says how
