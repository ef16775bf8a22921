"""A unit's board: who is at risk now, who is on a ventilator, how many will be needed, and how earlier forecasts did.

A face: what a look kept goes in, words come out. What the model's state does not let be shown never reaches the view:
numbers of a silent or suspended model are left out here, and the page says why; bedside scores stay.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Final

from inference.assessment import State
from webapp import words
from webapp.words import say

SHOWING: Final = frozenset({State.ACTIVE, State.DEMONSTRATION})
OLD: Final = timedelta(hours=2)
BEHIND: Final = "indeterminate"


@dataclass(frozen=True, slots=True)
class Patient:
    """One patient of the unit. `counted` is "ventilated", "risk", "average" or "unread"; `state`: the model's, for
    this patient, now.
    """

    name: str
    record_number: str
    counted: str
    state: State
    status: str
    reason: str
    since: datetime | None
    probability: float | None
    low: float | None
    high: float | None
    news2: float | None

    @property
    def risk(self) -> float | None:
        """The number, where there is one that may be shown."""
        return self.probability if self.state in SHOWING else None


@dataclass(frozen=True, slots=True)
class Need:
    """One forecast, as kept: hours ahead, expected number, the two intervals, the probability of too few."""

    hours: float
    due: datetime
    mean: float
    narrow: tuple[int, int]
    wide: tuple[int, int]
    short: float | None


@dataclass(frozen=True, slots=True)
class Did:
    """How forecasts of one horizon did; `scored` 0 where none could be."""

    hours: float
    scored: int
    narrow: float
    wide: float
    error: float
    still: float
    unscored: int


@dataclass(frozen=True, slots=True)
class Told:
    """One unit as it is known: its settings, and its newest look. `at` None: there is none."""

    name: str
    beds: int
    owned: int
    arrivals_a_day: float
    mean_hours: float
    at: datetime | None
    state: State
    states: frozenset[State]  # of the patients, now
    hours: int  # of the risk that is shown
    base_rate: float
    patients: Sequence[Patient] = ()
    needs: Sequence[Need] = ()
    forecast: bool = True  # whether one was made at this look
    records: Sequence[Did] = ()
    others: int = 0
    bad_lines: int = 0
    export_cut: bool = False
    days: int = 90
    export_since: datetime | None = None  # of an export that the hospital is still at
    failed_at: datetime | None = None  # of a look that failed after this one
    fault: str = ""


@dataclass(frozen=True, slots=True)
class UnitView:
    """One unit."""

    title: str
    as_of: str
    old: str
    state: str
    state_code: str
    have: str
    short_title: str
    needs: tuple[tuple[str, ...], ...]
    rests: str
    no_needs: str
    records: tuple[str, ...]
    order: str  # what the patients are ordered by
    risk_title: str
    patients: tuple[tuple[str, ...], ...]
    ventilated: tuple[tuple[str, ...], ...]
    notices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BoardView:
    """The page."""

    title: str
    bedside: str
    demonstration: str
    units: tuple[UnitView, ...]


def view(site: str, site_id: str, units: Sequence[Told], now: datetime, zone: tzinfo) -> BoardView:
    """The page of a site's units."""
    tried = any(State.DEMONSTRATION in unit.states or unit.state is State.DEMONSTRATION for unit in units)
    return BoardView(
        title=say("en", "board.title", site=site),
        bedside=say("en", "board.bedside"),
        demonstration=say("en", "states.demonstration.title") if tried else "",
        units=tuple(_unit(unit, site_id, now, zone) for unit in units),
    )


def _unit(told: Told, site_id: str, now: datetime, zone: tzinfo) -> UnitView:
    title = say("en", "board.unit", unit=told.name, patients=len(told.patients), beds=told.beds)
    counts = Counter(each.counted for each in told.patients)
    state = _state(told)
    showing = not state
    waiting = [each for each in told.patients if each.counted in ("risk", "average")]
    ranked = any(each.risk is not None for each in waiting)
    ordered = sorted(waiting, key=lambda each: _rank(each, ranked), reverse=True)
    looked = told.at is not None
    return UnitView(
        title=title if looked else told.name,
        as_of=_as_of(told.at, now, zone) if told.at else say("en", "board.none", hours=12, site=site_id),
        old=say("en", "board.old", hours=2) if told.at is not None and now - told.at > OLD else "",
        state=state,
        state_code="suspended" if told.state is State.SUSPENDED else "silent",
        have=say("en", "board.have", in_use=counts["ventilated"], owned=told.owned) if looked else "",
        short_title=say("en", "board.column-short", owned=told.owned),
        needs=tuple(_need(each, told.at or now, zone) for each in told.needs) if showing else (),
        rests=_rests(told, counts) if showing and told.needs else "",
        no_needs=_no_needs(told, counts) if looked and showing and not told.needs else "",
        records=tuple(_record(each, told.days) for each in told.records),
        order=say("en", "board.at-risk" if ranked else "board.by-news2"),
        risk_title=say("en", "board.column-risk", hours=told.hours) if ranked else "",
        patients=tuple(_patient(each, ranked) for each in ordered),
        ventilated=tuple(_on(each, zone) for each in told.patients if each.counted == "ventilated"),
        notices=(*_since(told, zone), *_notices(told)),
    )


def _state(told: Told) -> str:
    """Why no forecast is shown; "" where it may be."""
    if told.states <= SHOWING and told.state in SHOWING:
        return ""
    if told.states & SHOWING:
        return say("en", "board.state-mixed")
    return say("en", f"board.state-{'suspended' if told.state is State.SUSPENDED else 'silent'}")


def _as_of(at: datetime, now: datetime, zone: tzinfo) -> str:
    return say(
        "en", "board.as-of", at=words.moment(at, zone), offset=words.offset(at, zone), age=words.age(now - at)
    )


def _rank(each: Patient, ranked: bool) -> tuple[float, float]:
    risk = each.risk if ranked else None
    return -1.0 if risk is None else risk, -1.0 if each.news2 is None else each.news2


def _need(each: Need, at: datetime, zone: tzinfo) -> tuple[str, ...]:
    return (
        say("en", "board.when", hours=f"{each.hours:g}", at=words.clock(each.due, zone, at)),
        f"{each.mean:.1f}",
        say("en", "board.range", low=each.narrow[0], high=each.narrow[1]),
        say("en", "board.range", low=each.wide[0], high=each.wide[1]),
        say("en", "board.not-known") if each.short is None else words.percent(each.short),
    )


def _no_needs(told: Told, counts: Counter[str]) -> str:
    if told.forecast:
        return say("en", "board.other-version")
    return say("en", "board.none-forecast", unread=counts["unread"], patients=len(told.patients))


def _rests(told: Told, counts: Counter[str]) -> str:
    return say(
        "en",
        "board.rests",
        risk=counts["risk"],
        average=counts["average"] + counts["unread"],
        base=words.percent(told.base_rate),
        ventilated=counts["ventilated"],
        mean=f"{told.mean_hours:g}",
        arrivals=f"{told.arrivals_a_day:g}",
    )


def _record(each: Did, days: int) -> str:
    if not each.scored and not each.unscored:
        return say("en", "board.record-waiting", hours=f"{each.hours:g}")
    if not each.scored:
        return say("en", "board.record-none", hours=f"{each.hours:g}", unscored=each.unscored)
    return say(
        "en",
        "board.record-line",
        hours=f"{each.hours:g}",
        n=each.scored,
        days=days,
        narrow=words.percent(each.narrow),
        wide=words.percent(each.wide),
        error=f"{each.error:.1f}",
        still=f"{each.still:.1f}",
        unscored=each.unscored,
    )


def _patient(each: Patient, ranked: bool) -> tuple[str, ...]:
    news2 = say("en", "board.not-known") if each.news2 is None else f"{each.news2:g}"
    risk = (_risk(each),) if ranked else ()
    return (*_who(each), *risk, news2, _note(each))


def _risk(each: Patient) -> str:
    if each.risk is None:
        return say("en", "board.no-number")
    shown = words.percent(each.risk)
    if each.low is not None and each.high is not None:
        shown = say("en", "board.risk", probability=shown, interval=words.interval(each.low, each.high))
    return say("en", "board.doubted", risk=shown) if each.status == BEHIND else shown


def _note(each: Patient) -> str:
    """What there is to say beside the number; nothing of what makes a number doubtful where none is shown."""
    if each.status == BEHIND:
        if each.risk is None:
            return ""
        return say("en", "board.doubt", reason=each.reason)
    return each.reason


def _on(each: Patient, zone: tzinfo) -> tuple[str, ...]:
    since = say("en", "board.not-known") if each.since is None else words.moment(each.since, zone)
    return (*_who(each), since)


def _who(each: Patient) -> tuple[str, str]:
    return each.name or say("en", "board.unnamed"), each.record_number


def _since(told: Told, zone: tzinfo) -> tuple[str, ...]:
    """Why there is no newer look than this one."""
    said = []
    if told.failed_at is not None:
        at = words.moment(told.failed_at, zone)
        said.append(say("en", "board.failed", at=at, fault=_fault(told.fault)))
    if told.export_since is not None:
        said.append(say("en", "board.exporting", at=words.moment(told.export_since, zone)))
    return tuple(said)


def _notices(told: Told) -> tuple[str, ...]:
    """Whom and what this look missed."""
    faults = Counter(each.reason for each in told.patients if each.counted == "unread")
    said = [say("en", "board.unread-line", n=n, fault=_fault(name)) for name, n in sorted(faults.items())]
    if told.others:
        said.append(say("en", "board.others", n=told.others))
    if told.bad_lines:
        said.append(say("en", "board.bad-lines", n=told.bad_lines))
    if told.export_cut:
        said.append(say("en", "board.export-cut"))
    return tuple(said)


def _fault(name: str) -> str:
    key = f"board.fault-{name}"
    return say("en", key if words.knows("en", key) else "board.fault-other")
