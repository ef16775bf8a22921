"""Weighing: a site's gates against its ledger, each state decided, kept and logged.

Run by a schedule, daily or weekly. What opens a gate is what was recorded in silence (or since a suspension, when
nothing was shown either); what closes it is what was recorded while it was open. Every change of configuration,
every approval and every change of state becomes a line of the change log.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any, Final

from governance.approvals import SiteGates
from governance.changes import Change, Changes
from governance.figures import Figures, figures
from governance.gate import (
    APPROVERS,
    Approved,
    Gate,
    Shortfall,
    decided,
    left_while_live,
    missing_approvals,
    missing_to_open,
)
from governance.operating import proposed, trade_off
from governance.outcomes import Labelled, Outcomes
from governance.patient_days import Days, days_of
from governance.readings import Reading, Readings, holds
from governance.resolutions import IN_FORCE, Resolution
from governance.speaker import speaker
from inference.assessment import State

UNSHOWN: Final = frozenset({State.SILENT.value, State.SUSPENDED.value})
BY: Final = "gate weigh"  # author of what no person did
PROTOCOL: Final = "Weighed by the gate: bounds of the figures of silence to open, live figures to stay open."


@dataclass(frozen=True, slots=True)
class Memory:
    """What weighing reads and writes."""

    outcomes: Outcomes
    readings: Readings
    changes: Changes


def weigh(
    memory: Memory,
    site: SiteGates,
    asked: Mapping[str, State],
    *,
    tenant: str,
    zone: tzinfo,
    clock: Callable[[], datetime],
) -> tuple[Reading, ...]:
    """A reading of each gate of `site`, kept; `asked` is the state the tenant file asks for, by model."""
    return tuple(
        _weighed(memory, site, gate, asked[gate.model], tenant, zone, clock()) for gate in site.gates
    )


def _weighed(
    memory: Memory, site: SiteGates, gate: Gate, asked: State, tenant: str, zone: tzinfo, now: datetime
) -> Reading:
    last = memory.readings.last(tenant, gate.model, gate.outcome, gate.care_unit)
    same = last is not None and last.version == gate.version
    before = last.state if last is not None and same else State.SILENT
    since = last.since if last is not None and same else now
    ordered = memory.readings.resolutions.suspension(tenant, gate.model)
    stands = holds(ordered, last)
    if last is None:  # a new gate takes over from what spoke for its unit
        stands = speaker(memory.readings, tenant, gate.model, gate.outcome, gate.care_unit, asked).stands
    if ordered is not None and stands:  # people suspended it, at once and whatever it was
        before, since, same = State.SUSPENDED, ordered.at, True
    approvals = site.approved[gate.digest]
    live = before is State.ACTIVE
    suspended = since if before is State.SUSPENDED else ordered.at if ordered is not None else None
    days = days_of(_rows(memory.outcomes, gate, tenant, live, suspended, now), zone)
    found = figures(days, gate.threshold, smallest=gate.smallest)
    short = left_while_live(gate, found) if live else missing_to_open(gate, found)
    if live and now - since < timedelta(days=gate.window):  # too soon for anybody to be blind
        short = tuple(each for each in short if each.code != "blind")
    short = (*short, *missing_approvals(approvals, suspended))
    state = decided(asked, before, short, suspended=stands)
    reading = Reading(
        tenant=tenant,
        model=gate.model,
        outcome=gate.outcome,
        care_unit=gate.care_unit,
        version=gate.version,
        at=now,
        state=state,
        since=since if same and state is before else now,
        gate=gate.digest,
        body=_body(gate, asked, days, found, short, approvals, site.refused, live)
        | {"suspension": _taken_account(ordered, stands and state is State.SUSPENDED)},
    )
    memory.readings.keep(reading)
    for line in _lines(reading, last, before, short, approvals):
        memory.changes.add(line)
    if not missing_approvals(approvals, None):
        _in_force(memory, reading, gate)
    return reading


def _taken_account(ordered: Resolution | None, stands: bool) -> dict[str, Any] | None:
    if ordered is None:
        return None
    told = {"id": ordered.id, "at": ordered.at.isoformat(), "week": ordered.week, "line": ordered.line}
    return told | {"people": ordered.people, "sentence": ordered.sentence, "stands": stands}


def _in_force(memory: Memory, reading: Reading, gate: Gate) -> None:
    """Say in the log that a decided threshold is now that of the signed configuration."""
    for each in memory.readings.resolutions.open(reading.tenant):
        if each.gate == gate.name and each.threshold == gate.threshold:
            text = f"{gate.name}: threshold {gate.threshold} in force, as decided about week {each.week}."
            how = f"Line {each.line} decided it; the gate file has it, and {APPROVERS} approvers signed it."
            impact = f"The doors go by it where the gate is open; the state is {reading.state.value}."
            line = Change(reading.tenant, IN_FORCE, BY, text, how, impact)
            memory.readings.resolutions.came_into_force(each, reading.at, memory.changes, line)


def _rows(
    outcomes: Outcomes, gate: Gate, tenant: str, live: bool, suspended: datetime | None, now: datetime
) -> Any:
    since = now - timedelta(days=gate.window) if live else suspended
    wanted = frozenset({State.ACTIVE.value}) if live else UNSHOWN
    found = outcomes.labelled(
        tenant, gate.model, gate.outcome, since=since, version=gate.version, care_unit=gate.care_unit
    )
    return (row for row in found if _counts(row, wanted))


def _counts(row: Labelled, wanted: frozenset[str]) -> bool:
    return row.state in wanted


def _body(
    gate: Gate,
    asked: State,
    days: Days,
    found: Figures,
    short: tuple[Shortfall, ...],
    approvals: tuple[Approved, ...],
    refused: tuple[str, ...],
    live: bool,
) -> dict[str, Any]:
    points = trade_off(days, gate.threshold)
    best = proposed(points, gate)
    return {
        "gate": asdict(gate),
        "asked": asked.value,
        "live": live,
        "from": days.dates[0].isoformat() if days.dates else "",
        "until": days.dates[-1].isoformat() if days.dates else "",
        "figures": asdict(found),
        "missing": [asdict(each) for each in short],
        "approvals": [{"name": a.name, "role": a.role, "at": a.at.isoformat()} for a in approvals],
        "refused": list(refused),
        "points": [asdict(point) for point in points],
        "proposed": None if best is None else best.threshold,
    }


def _lines(
    reading: Reading,
    last: Reading | None,
    before: State,
    short: tuple[Shortfall, ...],
    approvals: tuple[Approved, ...],
) -> list[Change]:
    """What this weighing changed, as lines of the change log."""
    name = "/".join(part for part in (reading.model, reading.outcome, reading.care_unit) if part)
    lines = []
    if last is None or last.gate != reading.gate:
        lines.append(_configured(reading, last, name))
    known = {(a["name"], a["at"]) for a in (last.body["approvals"] if last is not None else ())}
    for one in approvals:
        if (one.name, one.at.isoformat()) not in known:
            author = f"{one.name}, {one.role}"
            text = f"{name}: gate {reading.gate[:12]} approved on {one.at.isoformat()}."
            lines.append(
                Change(
                    reading.tenant, "approved", author, text, "Signed with the approver's own key.", PROTOCOL
                )
            )
    if reading.state is not before:
        lacking = ", ".join(dict.fromkeys(each.code for each in short)) or "nothing"
        text = f"{name} {reading.version}: {before.value} to {reading.state.value}."
        impact = f"Missing: {lacking}. {_effect(reading.state)}"
        lines.append(Change(reading.tenant, "state", BY, text, PROTOCOL, impact))
    return lines


def _configured(reading: Reading, last: Reading | None, name: str) -> Change:
    now, then = reading.body["gate"], {} if last is None else last.body["gate"]
    told = [f"{key} {then[key]} to {now[key]}" for key in now if key in then and then[key] != now[key]]
    text = "; ".join(told) or ", ".join(f"{key} {value}" for key, value in now.items() if value != "")
    return Change(
        reading.tenant,
        "gate-configured",
        BY,
        f"{name}: {text}.",
        "Read from the site's gate file; counts once two approvers have signed it.",
        f"Earlier approvals no longer count; the state is {reading.state.value}.",
    )


def _effect(state: State) -> str:
    return {
        State.SILENT: "Answers are recorded and not shown.",
        State.DEMONSTRATION: "Answers are shown under a banner.",
        State.ACTIVE: "Answers are shown to clinicians.",
        State.SUSPENDED: "Answers are recorded and not shown; cards and pages say that the model is suspended.",
    }[state]
