"""Why a chart may have alarmed: a map that was changed, a code or an assay that came or went, the ward's mix, a drift.

A cause named here is the likeliest among what can be seen, not a finding of fault: it says where to look first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final

from governance.daily import INPUT, MISSING, Summary

CODES: Final = "codes"
UNITS: Final = "unit-mix"
MAP: Final = "map-changed"
PLACES: Final = "care_unit"
NAMED, SHOWN = 3, 10  # inputs a cause names, and values that came or went
LASTS: Final = 3  # days a new code is seen on before it is a change and not somebody's slip
WITHIN: Final = 7  # days with values in which it must be
USUAL: Final = 0.5  # share of the baseline's days a code was on, for its absence to be a change
LOOKS_BACK: Final = timedelta(days=30)  # from an alarm to what may have caused it


@dataclass(frozen=True, slots=True)
class Finding:
    """What one chart found: which way, on which day it crossed, and when it seems to have begun.

    `value` and `usual` are in the chart's own terms; `run_length` is days between false alarms of this chart, 0
    where it has none to state (a code was seen or was not). `cause` is "codes-changed", "unit-mix", "input-drift"
    or ""; `what` names the input or the unit of it.
    """

    chart: str
    subject: str
    direction: int
    crossed_on: date
    began_on: date
    value: float
    usual: float
    run_length: float
    cause: str = ""
    what: str = ""
    caused_on: date | None = None
    gone: tuple[str, ...] = ()
    new: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Remapped:
    """A day on which a code map or assay table was changed, the inputs it bears on, and the values that came and went.

    Inputs may hold "care_unit": the map of places.
    """

    day: date
    variables: tuple[str, ...]
    gone: tuple[str, ...] = ()
    new: tuple[str, ...] = ()


def code_changes(rows: Sequence[Summary], baseline: int, begins: Mapping[str, date]) -> tuple[Finding, ...]:
    """For each input whether codes came or went after the baseline: the first change of each, by day.

    `rows` are in the order of days; the baseline is their first `baseline` days or, for an input that `begins`
    anew, those from then on. A change is known when it has lasted, so `crossed_on` lies some days after `began_on`.
    """
    first = min((row.day for row in rows), default=date.min)
    by_input: dict[str, list[Summary]] = {}
    for row in rows:
        if row.kind == INPUT and row.size and row.day >= begins.get(row.subject, first):
            by_input.setdefault(row.subject, []).append(row)
    found = [
        _changed(name, days, begins.get(name, first) + timedelta(days=baseline)) for name, days in by_input.items()
    ]
    return tuple(sorted((each for each in found if each), key=lambda each: each.crossed_on))


def explained(findings: Sequence[Finding], maps: Sequence[Remapped] = ()) -> tuple[Finding, ...]:
    """Every finding with its likely cause, in the order they crossed: a change of a map, else another finding."""
    told = [_by_map(each, maps) or _explained(each, findings) for each in findings]
    return tuple(sorted(told, key=lambda each: (each.crossed_on, each.chart)))


def _by_map(finding: Finding, maps: Sequence[Remapped]) -> Finding | None:
    """The finding with the latest change of a map before it that bears on it; None where there is none."""
    for each in sorted(maps, key=lambda each: each.day, reverse=True):
        bears = [name for name in each.variables if _about(finding, name)]
        if bears and finding.crossed_on - LOOKS_BACK <= each.day <= finding.crossed_on:
            what = ", ".join(bears[:NAMED])
            return replace(
                finding, cause=MAP, what=what, caused_on=each.day, gone=each.gone[:SHOWN], new=each.new[:SHOWN]
            )
    return None


def _about(finding: Finding, variable: str) -> bool:
    """Whether the map of a variable bears on a chart: on its own, that of places on the mix, others on all else."""
    if finding.chart in (INPUT, MISSING, CODES):
        return finding.subject == variable
    return (finding.chart == UNITS) == (variable == PLACES)


def _changed(name: str, days: list[Summary], until: date) -> Finding | None:
    before = [set(each.codes) for each in days if each.day < until]
    after = [each for each in days if each.day >= until]
    if not before:
        return None
    known = set().union(*before)
    usual = {code for code in known if sum(code in day for day in before) >= USUAL * len(before)}
    for index, day in enumerate(after):
        window = after[index : index + WITHIN]
        new = {code for code in set(day.codes) - known if sum(code in each.codes for each in window) >= LASTS}
        whole = len(window) == WITHIN
        gone = {code for code in usual if whole and not any(code in each.codes for each in window)}
        if new or gone:
            seen = [each.day for each in window if new & set(each.codes)]
            at = seen[LASTS - 1] if new else window[-1].day
            return Finding(
                CODES, name, 1 if new else -1, at, day.day, len(new), 0.0, 0.0,
                "codes-changed", name, day.day, _gone_by(usual, after[index:]), tuple(sorted(new)),
            )  # fmt: skip
    return None


def _gone_by(usual: set[str], after: list[Summary]) -> tuple[str, ...]:
    """The usual codes not seen in the days since the change."""
    return tuple(sorted(code for code in usual if not any(code in each.codes for each in after[1:])))


def _explained(finding: Finding, findings: Sequence[Finding]) -> Finding:
    if finding.cause:
        return finding
    earlier = [
        each
        for each in findings
        if each is not finding
        and finding.crossed_on - LOOKS_BACK <= each.began_on <= finding.crossed_on
        and (finding.chart not in (INPUT, MISSING) or each.subject == finding.subject or each.chart == UNITS)
    ]
    for chart, cause in ((CODES, "codes-changed"), (UNITS, UNITS), (INPUT, "input-drift")):
        likely = [each for each in earlier if each.chart == chart and chart != finding.chart]
        if likely:
            by = max(likely, key=lambda each: each.began_on)
            return replace(
                finding, cause=cause, what=by.subject, caused_on=by.began_on, gone=by.gone, new=by.new
            )
    return finding
