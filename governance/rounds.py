"""The daily round of one model at one site: finished days told once, charts run, alarms raised, audits kept.

May be run as often as one likes: a day is told once, an alarm stands once, an audit is kept once a week; days that
were missed are caught up. A prediction is charted when its hours and a day more are over, since what happened is
known sooner than what did not. A group missed in two weekly audits in a row is an alarm (`governance.missed` says how
seldom a false one). Where a new version of the model speaks, the charts of what it says begin anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Any, Final

from governance.alarms import Alarm, Alarms
from governance.audits import Audits
from governance.causes import CODES, PLACES, Finding, Remapped
from governance.changes import Change, Changes
from governance.code_maps import CodeMaps
from governance.daily import ALERTS, LATENCY, PERSONS, Answered, Daily, summaries
from governance.equity import FOUR_FIFTHS, Audit, Auditing
from governance.missed import missed, run_length
from governance.outcomes import Outcomes
from governance.series import Cases, Weeks
from governance.spoken import Spoken
from governance.watching import Key, Promise, Seen, watch

DAY: Final = timedelta(days=1)
YEAR: Final = timedelta(days=366)  # as far back as a change of a map is looked for
WEEKS: Final = 13  # of settled predictions that a weekly audit is over
EQUITY: Final = "four-fifths"  # the chart under which a group that is missed is raised as an alarm
BY: Final = "watch"  # author of what no person did
PROTOCOL: Final = "Read from the codes, units and assays that the model's inputs came under, day by day."


@dataclass(frozen=True, slots=True)
class Watched:
    """What is watched: one model's outcome at one site. `variables` are the model's inputs; `hours` the outcome's."""

    tenant: str
    model: str
    version: str
    outcome: str
    hours: int
    threshold: float
    variables: tuple[str, ...]
    zone: tzinfo


@dataclass(frozen=True, slots=True)
class Memory:
    """What the round reads and writes."""

    spoken: Spoken
    daily: Daily
    outcomes: Outcomes
    alarms: Alarms
    audits: Audits
    changes: Changes
    maps: CodeMaps


@dataclass(frozen=True, slots=True)
class Report:
    """What a round did: days told, answers that could not be read, alarms raised, charts without a baseline yet,
    and the week whose audit was kept (None: none was due)."""

    days: int
    unreadable: int
    raised: tuple[Alarm, ...] = field(default=())
    charts: int = 0
    waiting: int = 0
    audited: date | None = None


def go(memory: Memory, what: Watched, now: datetime, promise: Promise | None = None) -> Report:
    """One round at `now`. Raises LedgerUnavailable; what was done until then stays and is not done again."""
    today = now.astimezone(what.zone).date()
    days, unreadable = fill(memory, what, today)
    settled = now - timedelta(hours=what.hours) - DAY
    week = today - timedelta(days=today.weekday())
    span = _audit_due(memory, what, week)
    read = _read(memory, what, settled, span)
    made = _audit(memory, what, read.groups, span, settled)
    found, charts, waiting = _charted(memory, what, read, today, settled, promise or Promise())
    groups = _missed_groups(memory, what, week)
    raised = memory.alarms.raise_all(what.tenant, what.model, what.outcome, [*found, *groups])
    for alarm in raised:
        if alarm.finding.chart == CODES:
            memory.changes.add(_change(what, alarm.finding))
    return Report(days, unreadable, raised, charts, waiting, week if made else None)


def fill(memory: Memory, what: Watched, today: date) -> tuple[int, int]:
    """Tell every finished day that was not told yet, in the site's calendar: how many, and how many answers of
    them could not be read."""
    first = memory.spoken.first(what.tenant, what.model)
    last = memory.daily.last(what.tenant, what.model)
    if first is None:
        return 0, 0
    day = first.astimezone(what.zone).date() if last is None else last + DAY
    told = unreadable = 0
    while day < today:
        since, until = _midnight(day, what.zone), _midnight(day + DAY, what.zone)
        said = list(memory.spoken.between(what.tenant, what.model, since, until))
        answers = [
            Answered(each.assessment, what.outcome, each.threshold, each.latency_ms)
            for each in said
            if each.assessment is not None
        ]
        feedback = memory.spoken.feedback(what.tenant, what.model, since, until)
        memory.daily.keep(what.tenant, what.model, summaries(day, answers, what.variables, feedback))
        told, unreadable, day = told + 1, unreadable + len(said) - len(answers), day + DAY
    return told, unreadable


def _midnight(day: date, zone: tzinfo) -> datetime:
    return datetime.combine(day, time(), zone)


@dataclass(frozen=True, slots=True)
class _Read:
    """What one pass over the settled predictions gathers."""

    weeks: Weeks
    cases: Cases
    groups: Auditing


def _read(memory: Memory, what: Watched, settled: datetime, audited: tuple[datetime, datetime] | None) -> _Read:
    """All that is settled, streamed once: of each row a few numbers are held, not the row."""
    read = _Read(Weeks(what.zone, what.threshold), Cases(what.zone), Auditing(what.zone))
    labelled = memory.outcomes.labelled(
        what.tenant, what.model, what.outcome, until=settled, version=what.version
    )
    for row in labelled:
        read.weeks.add(row)
        read.cases.add(row)
        if audited is not None and audited[0] <= row.as_of < audited[1]:
            read.groups.add(row)
    return read


def _charted(
    memory: Memory, what: Watched, read: _Read, today: date, settled: datetime, promise: Promise
) -> tuple[tuple[Finding, ...], int, int]:
    """The findings, how many charts ran, and how many of them wait for a baseline."""
    seen = Seen(
        memory.daily.between(what.tenant, what.model, date.min, today),
        read.weeks.found(until=settled.astimezone(what.zone).date()),
        read.cases.found(),
    )
    begins = _new_version(memory, what)
    for key, day in memory.alarms.begins(what.tenant, what.model, what.outcome).items():
        begins[key] = max(day, begins.get(key, date.min))
    watched = watch(seen, promise, begins, _remapped(memory, what, today))
    return watched.findings, watched.charts, len(watched.waiting)


def _remapped(memory: Memory, what: Watched, today: date) -> list[Remapped]:
    """The changes of maps that bear on this model's inputs or on places, as far back as a chart looks."""
    inputs = {*what.variables, PLACES}
    since = _midnight(today - YEAR, what.zone)
    told = []
    for change in memory.maps.since(what.tenant, since):
        bears = [each for each in change.changed if inputs & set(each.variables)]
        variables = dict.fromkeys(name for each in bears for name in each.variables if name in inputs)
        if variables:
            gone = tuple(f"{each.entry} {value}" for each in bears for value in each.gone)
            new = tuple(f"{each.entry} {value}" for each in bears for value in each.new)
            told.append(Remapped(change.at.astimezone(what.zone).date(), tuple(variables), gone, new))
    return told


def _new_version(memory: Memory, what: Watched) -> dict[Key, date]:
    """Where the charts of what a version says begin: with its first whole day, if another spoke before it."""
    first = memory.spoken.first(what.tenant, what.model)
    own = memory.spoken.first(what.tenant, what.model, what.version)
    if first is None or own is None or first == own:
        return {}
    begins = own.astimezone(what.zone).date() + DAY
    return {(chart, ""): begins for chart in (ALERTS, PERSONS, LATENCY)}


def _audit_due(memory: Memory, what: Watched, week: date) -> tuple[datetime, datetime] | None:
    """The WEEKS before the Monday `week` that an audit is to be made of; None where it was made."""
    since, until = _midnight(week - timedelta(weeks=WEEKS), what.zone), _midnight(week, what.zone)
    reached = memory.audits.audited(what.tenant, what.model, what.version, what.outcome)
    return None if reached is not None and reached >= until else (since, until)


def _audit(
    memory: Memory,
    what: Watched,
    groups: Auditing,
    span: tuple[datetime, datetime] | None,
    settled: datetime,
) -> Audit | None:
    """The audit of `span` as far as it is `settled`, kept; None where none is due, or nothing of it is settled."""
    if span is None:
        return None
    made = groups.found(what.threshold)
    if not made.cells:
        return None
    whose = (what.tenant, what.model, what.version, what.outcome)
    memory.audits.keep(*whose, *span, made, before=settled if settled < span[1] else None)
    return made


def _missed_groups(memory: Memory, what: Watched, week: date) -> list[Finding]:
    """The groups missed in this week's audit and in the one before, whoever made them (`watch` or `equity run`).

    One audit alone may be one week's slip. `value` is the group's sensitivity over the best group's, `usual` the
    four fifths; the run length is `missed.run_length`, which the second week makes longer.
    """
    weeks: dict[date, Sequence[Mapping[str, Any]]] = {}  # newest first, the cells of the last audit of each
    for kept in memory.audits.newest(what.tenant, what.model, what.version, what.outcome):
        day = kept.until.astimezone(what.zone).date()
        weeks.setdefault(day - timedelta(days=day.weekday()), kept.body["cells"])
    if len(weeks) < 2 or next(iter(weeks)) != week:
        return []
    now, before = list(weeks.values())[:2]
    began, length, then = week - timedelta(weeks=WEEKS), run_length(now), missed(before)
    return [
        Finding(EQUITY, subject, -1, week, began, ratio, FOUR_FIFTHS, length)
        for subject, ratio in missed(now).items()
        if subject in then
    ]


def _change(what: Watched, finding: Finding) -> Change:
    gone, new = (", ".join(codes) or "none" for codes in (finding.gone, finding.new))
    return Change(
        what.tenant,
        CODES,
        BY,
        f"{finding.subject} of {what.model}: since {finding.began_on}, new {new}; gone {gone}.",
        PROTOCOL,
        "A new code, unit or assay may move the input and what the model says; the charts say whether it did.",
    )
