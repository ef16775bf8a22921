"""The gate: whether a model may answer clinicians here, and what is still missing.

A gate is of one model's outcome, in one unit or ("") in the whole site. It opens on what silence has shown: the
*bounds* of the figures within the limits, enough positives and days, no subgroup far behind, two approvals. It
closes by itself when what is live leaves them: then the *figures* count over the last `window` days, since a
bound over so few would close it by chance; a window without any outcome closes it too, for nobody is looking.
After a suspension it opens again as it did at first, on what was recorded since, with approvals given since;
also after one that people decided (`governance.resolutions`), which stands above what the site's file asks for.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final

from governance.figures import Figures
from governance.intervals import Rate
from inference.assessment import State

BY_DAY: Final = "patient-day"  # 1 - specificity per assessed patient-day
BY_ALARM: Final = "alarm"  # 1 - PPV
PER_100: Final = (
    "per-100-days"  # alarms per 100 patient-days; its limit is a share of those days, 0.10 for ten
)
DEFINITIONS: Final = (BY_DAY, BY_ALARM, PER_100)
APPROVERS: Final = 2  # different people


@dataclass(frozen=True, slots=True)
class Gate:
    """One gate as a site configures it; CLINICAL's figures are the defaults. What is signed is its `digest`."""

    site: str
    model: str
    outcome: str
    version: str  # of the model: another one earns its own place
    threshold: float
    care_unit: str = ""
    sensitivity: float = 0.85
    false_alarms: float = 0.10
    definition: str = BY_DAY
    positives: int = 50
    days: int = 30
    margin: float = 0.10
    smallest: int = 10  # positive patients, for a subgroup to be weighed
    window: int = 90  # days of live figures

    @property
    def digest(self) -> str:
        """SHA-256 of everything above: another limit is another gate, and needs new approvals."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    @property
    def name(self) -> str:
        """How it is called in the change log and on the command line."""
        return "/".join(part for part in (self.model, self.outcome, self.care_unit) if part)


@dataclass(frozen=True, slots=True)
class Approved:
    """A verified approval of a gate: by whom, when."""

    name: str
    role: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Shortfall:
    """One thing that is missing: its code, the figure with its interval (None where there is none), the limit."""

    code: str  # "sensitivity", "false-alarms", "positives", "days", "subgroup", "approvals", "blind"
    figure: float | None
    low: float | None
    high: float | None
    limit: float
    subject: str = ""  # the subgroup


def false_alarms(found: Figures, definition: str) -> Rate:
    """The rate that goes by `definition`."""
    return {BY_DAY: found.false_by_day, BY_ALARM: found.false_by_alarm, PER_100: found.alarms}[definition]


def missing_to_open(gate: Gate, found: Figures) -> tuple[Shortfall, ...]:
    """What the figures of silence still lack; a rate that does not exist is lacking."""
    caught, false = found.sensitivity, false_alarms(found, gate.definition)
    short = []
    if caught.low is None or caught.low < gate.sensitivity:
        short.append(_rate("sensitivity", caught, gate.sensitivity))
    if false.high is None or false.high > gate.false_alarms:
        short.append(_rate("false-alarms", false, gate.false_alarms))
    if found.positives < gate.positives:
        short.append(Shortfall("positives", found.positives, None, None, gate.positives))
    if found.days < gate.days:
        short.append(Shortfall("days", found.days, None, None, gate.days))
    return (*short, *_far_behind(gate, found))


def left_while_live(gate: Gate, found: Figures) -> tuple[Shortfall, ...]:
    """Which limits the live figures have left; with too few positives to say, none but the blind one."""
    if not found.patient_days:
        return (Shortfall("blind", 0, None, None, gate.window),)
    caught, false = found.sensitivity, false_alarms(found, gate.definition)
    short = []
    if false.value is not None and false.value > gate.false_alarms and found.patients >= gate.positives:
        short.append(_rate("false-alarms", false, gate.false_alarms))
    if found.positives >= gate.positives:
        if caught.value is not None and caught.value < gate.sensitivity:
            short.append(_rate("sensitivity", caught, gate.sensitivity))
        short += _far_behind(gate, found)
    return tuple(short)


def missing_approvals(approvals: Iterable[Approved], since: datetime | None) -> tuple[Shortfall, ...]:
    """Two different people, after the last suspension where there was one."""
    people = {each.name for each in approvals if since is None or each.at > since}
    return () if len(people) >= APPROVERS else (Shortfall("approvals", len(people), None, None, APPROVERS),)


def decided(asked: State, before: State, missing: Iterable[Shortfall], *, suspended: bool = False) -> State:
    """The state that follows from what the site asks for, what it was `before`, and what is missing.

    `suspended`: people decided so. Then whatever the site asks for waits for approvals given since.
    """
    short = tuple(missing)
    if asked is not State.ACTIVE:
        return State.SUSPENDED if suspended and any(each.code == "approvals" for each in short) else asked
    if not short:
        return State.ACTIVE
    return State.SUSPENDED if before in (State.ACTIVE, State.SUSPENDED) else State.SILENT


def _far_behind(gate: Gate, found: Figures) -> list[Shortfall]:
    """Subgroups whose false-negative rate exceeds the overall by more than the margin."""
    if found.sensitivity.value is None:
        return []
    most = 1 - found.sensitivity.value + gate.margin
    return [
        _rate("subgroup", group.missed, most, f"{group.trait}: {group.value}")
        for group in found.groups
        if group.missed.value is not None and group.missed.value > most
    ]


def _rate(code: str, rate: Rate, limit: float, subject: str = "") -> Shortfall:
    return Shortfall(code, rate.value, rate.low, rate.high, limit, subject)
