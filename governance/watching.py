"""All charts of one model at one site: which alarm, since when, and the likely cause.

The promise is for the family: false alarms of all charts together come `Promise.days` apart on average, so each
chart's own run length is that many days times the number of charts. A chart without a baseline long enough says
nothing and is named as waiting; nothing is judged against numbers of another hospital. Pure: rows in, findings out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final, TypeVar

from governance.causes import CODES, UNITS, Finding, Remapped, code_changes, explained
from governance.charts import calibration, means, rates, stated
from governance.daily import SHARES, Summary
from governance.series import Case, Weekly

SENSITIVITY: Final = "sensitivity"
FALSE_ALARMS: Final = "false-alarms"
CALIBRATION: Final = "calibration"
ODDS: Final = (2.0, 0.5)  # of the outcome against the predicted: what the two calibration charts look for
FEWEST_CASES: Final = 100  # of a rate's baseline
FEWEST_WEEKS: Final = 6
PERIODS: Final = {1: (1, 7, 28), 7: (1, 4)}  # samples of a day or a week put together where they are small
Key = tuple[str, str]  # chart, subject
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Promise:
    """How seldom all charts together alarm falsely, and how long a baseline lasts, both in days."""

    days: float = stated.PROMISED
    baseline: int = stated.BASELINE


@dataclass(frozen=True, slots=True)
class Watched:
    """What the charts say: findings in the order they crossed, how many charts ran, which could not begin."""

    findings: tuple[Finding, ...]
    charts: int
    waiting: tuple[Key, ...]
    run_length: float  # days, of each chart


@dataclass(frozen=True, slots=True)
class Seen:
    """What there is to chart: daily rows in the order of days, weekly shares, cases in the order predicted."""

    daily: Sequence[Summary] = ()
    weekly: Weekly = field(default_factory=Weekly)
    cases: Sequence[Case] = ()


def watch(
    seen: Seen, promise: Promise, begins: Mapping[Key, date] | None = None, maps: Sequence[Remapped] = ()
) -> Watched:
    """Run every chart. `begins`: charts that begin anew on a day, after a person answered their last alarm; `maps`:
    changes of code maps, which may be why.
    """
    anew = begins or {}
    jobs = _jobs(seen)
    each_days = promise.days * max(1, len(jobs))
    findings: list[Finding] = []
    waiting = []
    for key, job in jobs.items():
        try:
            found = job(anew.get(key, date.min), promise.baseline, each_days)
        except ValueError:
            waiting.append(key)
            continue
        findings += [found] if found else []
    coded = {subject: day for (chart, subject), day in anew.items() if chart == CODES}
    changes = code_changes(seen.daily, promise.baseline, coded)
    return Watched(explained([*findings, *changes], maps), len(jobs), tuple(waiting), each_days)


Job = Callable[[date, int, float], Finding | None]


def _jobs(seen: Seen) -> dict[Key, Job]:
    """One chart for each series; a job raises ValueError where its baseline is too short."""
    jobs: dict[Key, Job] = {}
    series: dict[Key, list[Summary]] = {}
    for row in seen.daily:
        series.setdefault((row.kind, row.subject), []).append(row)
    for key, rows in series.items():
        if key[0] in SHARES:
            jobs[key] = _rate_job(key, [rates.Sample(row.day, row.events, row.size) for row in rows], 1)
        else:
            jobs[key] = _mean_job(key, [means.Day(row.day, row.size, row.mean, row.squares) for row in rows])
    weekly: dict[Key, Sequence[rates.Sample]] = {
        (SENSITIVITY, ""): seen.weekly.sensitivity,
        (FALSE_ALARMS, ""): seen.weekly.false_alarms,
        **{(UNITS, unit): samples for unit, samples in seen.weekly.units.items()},
    }
    jobs |= {key: _rate_job(key, samples, 7) for key, samples in weekly.items() if samples}
    if seen.cases:
        for odds in ODDS:
            key = (CALIBRATION, "more" if odds > 1 else "fewer")
            jobs[key] = _calibration_job(key, seen.cases, odds)
    return jobs


def _rate_job(key: Key, samples: Sequence[rates.Sample], days: int) -> Job:
    def job(begins: date, baseline: int, run_length: float) -> Finding | None:
        kept = [each for each in samples if each.day >= begins]
        was, now = _split(kept, lambda each: each.day, baseline)
        if sum(each.size for each in was) < FEWEST_CASES or len(was) < FEWEST_WEEKS:
            raise ValueError("the baseline is too short")
        share = rates.baseline(was)
        crowd = rates.clustering(was, share)
        usual = sum(each.size for each in was) / len(was) / crowd
        pool = rates.period(usual, share, run_length / days, PERIODS[days])
        charted = rates.pooled(now, days * pool) if pool > 1 else now
        spread = crowd * rates.guessed(len(was) / pool)
        for point in rates.chart(charted, share, run_length / days / pool, clustering=spread):
            if point.direction:
                day, value = point.sample.day, point.sample.events / point.sample.size
                known = day + timedelta(days=days * pool - 1)
                return Finding(*key, point.direction, known, day, value, share, run_length)
        return None

    return job


def _mean_job(key: Key, days: Sequence[means.Day]) -> Job:
    def job(begins: date, baseline: int, run_length: float) -> Finding | None:
        was, now = _split([each for each in days if each.day >= begins], lambda each: each.day, baseline)
        usual = means.usual(was)
        began: date | None = None
        for point in means.chart(now, usual, run_length):
            turned = began is None or point.value * means.standardised(point.day, usual) < 0
            began = point.day.day if turned else began
            if point.direction and began:
                return Finding(
                    *key, point.direction, point.day.day, began, point.day.mean, usual.mean, run_length
                )
        return None

    return job


def _calibration_job(key: Key, cases: Sequence[Case], odds: float) -> Job:
    def job(begins: date, baseline: int, run_length: float) -> Finding | None:
        kept = [each for each in cases if each.day >= begins]
        was, _ = _split(kept, lambda each: each.day, baseline)
        if len(was) < FEWEST_CASES:
            raise ValueError("the baseline is too short")
        lengths = len(was) / baseline * run_length
        limit = calibration.limit_for([each.risk for each in was], odds, lengths)
        found = calibration.walk([each.risk for each in kept], [each.happened for each in kept], odds, limit)
        if found.alarm is None or found.began is None:
            return None
        since = kept[found.began : found.alarm + 1]
        observed, expected = sum(each.happened for each in since), sum(each.risk for each in since)
        direction = 1 if odds > 1 else -1
        return Finding(*key, direction, since[-1].day, since[0].day, observed, expected, run_length)

    return job


def _split(rows: Iterable[T], day: Callable[[T], date], baseline: int) -> tuple[list[T], list[T]]:
    """The rows of the first `baseline` days, and those after."""
    kept = list(rows)
    until = _after(min(map(day, kept), default=date.min), baseline)
    return [row for row in kept if day(row) < until], [row for row in kept if day(row) >= until]


def _after(first: date, days: int) -> date:
    return first + timedelta(days=days)
