"""What people decided over the gates' heads, put together for the pages: thresholds that wait for signed configuration.

What the gate's page and the weekly review share. Refuses nothing: a decision is shown until it is in force.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import tzinfo
from typing import Any

from ehr.tenants import Tenant
from governance.approvals import written
from governance.errors import GateRefusal
from governance.gate import APPROVERS, Gate
from governance.readings import Reading
from governance.resolutions import Resolution
from webapp import reviewing, shares, words
from webapp.rooms import Rooms
from webapp.words import say


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
    """The decision `made` about the gate that last came to `reading`."""
    told: dict[str, Any] = {"at": words.moment(made.at, zone), "people": made.people, "week": made.week}
    told |= {"line": made.line, "sentence": made.sentence, "threshold": shares.share(made.threshold)}
    said = say("en", "decided.said", **told)
    signers = _signers(rooms, tenant, made)
    if reading is None or made.threshold is None:
        return Waiting(made.gate, said, say("en", "decided.waits-unweighed"), "", "", signers)
    now = Gate(**reading.body["gate"])
    changed = replace(now, threshold=made.threshold)
    if now.threshold == made.threshold:
        people = len({each["name"] for each in reading.body["approvals"]})
        waits = say("en", "decided.carried", count=people, needed=APPROVERS)
    else:
        waits = say("en", "decided.waits", now=shares.share(now.threshold))
    digest = say("en", "decided.digest", digest=changed.digest)
    return Waiting(made.gate, said, waits, written(changed), digest, signers)


def _signers(rooms: Rooms, tenant: Tenant, made: Resolution) -> str:
    try:
        listed = reviewing.approvers(rooms).values()
    except GateRefusal:
        listed = {}.values()  # the file is wrong: the command line says how
    people = [f"{each.name} ({each.role})" for each in listed if each.sites & {tenant.id, "*"}]
    if not people:
        return say("en", "decided.signers-none")
    exact = f"{made.threshold:g}"
    return say(
        "en", "decided.signers", people=words.listed(people), site=tenant.id, gate=made.gate, exact=exact
    )
