"""What each alarm moved to, and from, and how seldom its chart alarms falsely, from an exported folder's rows.

A second hand, as recomputed.py. Of a kept alarm it takes which chart it is of and the days between which it was
found; every number is counted again from what was there when it was found.
"""

from __future__ import annotations

import json
import math
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
from recomputed_figures import SETTLED, Export, audit, per_patient

BASELINE, PROMISE = 60, 180.0  # days of a baseline; between false alarms of all charts together
SHARES = ("alert-rate", "override-rate", "indeterminate-share", "missing")
ANEW = ("alert-rate", "indeterminate-share", "latency")  # with another version's first whole day
POOLED = {1: (1, 7, 28), 7: (7, 28)}  # days of a period, by those of a sample
ODDS = {"more": 2.0, "fewer": 0.5}
CELLS, MIX = 100, 32
FALSE_A_YEAR, YEAR = 0.05, 365.25
DAY = timedelta(days=1)


class Then:
    """What was there when an alarm was found: settled answers whose hours and a day were over, and daily rows."""

    def __init__(self, export: Export, alarm: Any) -> None:
        said = export.table("answers")
        said = said[(said.model == alarm.model) & (said.made_at <= alarm.found_at)].sort_values("made_at")
        self.version = said.version.iloc[-1]
        self.threshold = export.thresholds[alarm.model][alarm.outcome]
        self.known = export.settled(alarm.model, alarm.outcome, alarm.found_at)
        self.known = self.known[self.known.version == self.version]
        before = alarm.found_at - timedelta(hours=int(self.known.hours.iloc[0])) - DAY
        self.rows = self.known[self.known.as_of < before]
        self.until = before.astimezone(export.zone).date()
        self.today = alarm.found_at.astimezone(export.zone).date()
        daily = export.table("daily")
        self.daily = daily[(daily.model == alarm.model) & (daily.day < self.today)]
        self.begins = self._begins(export, alarm, said)

    def _begins(self, export: Export, alarm: Any, said: pd.DataFrame) -> date:
        """The day the alarm's chart began anew: with a new version, or as a person decided."""
        begins, own = date.min, said[said.version == self.version].made_at.min()
        if alarm.chart in ANEW and own > said.made_at.min():
            begins = own.astimezone(export.zone).date() + DAY
        raised = export.table("alarms")
        same = ["model", "outcome", "chart", "subject"]
        raised = raised[(raised[same] == [getattr(alarm, name) for name in same]).all(axis=1)]
        answered = export.table("alarm_answers")
        answered = answered[answered.alarm_id.isin(raised.id) & (answered["at"] < alarm.found_at)]
        return max([begins, *answered.from_day])

    def weekly(self, chart: str, subject: str = "") -> pd.DataFrame:
        """Whole weeks, Monday first: how many events of how many patient-days."""
        rows = self.rows.assign(week=[day - timedelta(days=day.weekday()) for day in self.rows.day])
        rows, told = rows[[week + 7 * DAY <= self.until for week in rows.week]], []
        for week, some in rows.groupby("week", sort=True):
            if chart == "unit-mix":
                units = some.drop_duplicates(["pseudonym", "day"], keep="last").care_unit
                told.append((week, int((units == subject).sum()), len(units)))
                continue
            counts = per_patient(some[some.label.isin(SETTLED)], self.threshold).sum()
            events, size = ("caught", "positive") if chart == "sensitivity" else ("false", "negative")
            told.append((week, int(counts[events]), int(counts[size])))
        return pd.DataFrame(told, columns=["day", "events", "size"])

    def run_length(self) -> float:
        """Days between false alarms of one chart: the promise for all, times the charts there are."""
        series = len(self.daily[["kind", "subject"]].drop_duplicates())
        rows = self.rows.assign(week=[day - timedelta(days=day.weekday()) for day in self.rows.day])
        rows = rows[[week + 7 * DAY <= self.until for week in rows.week]]
        weekly = (2 if len(rows) else 0) + len(set(rows.care_unit) - {""})
        return PROMISE * (series + weekly + (2 if len(_cases(self.rows)) else 0))


def alarm(export: Export, raised: Any) -> dict[str, Any]:
    """The figures of one kept alarm."""
    then, kept = Then(export, raised), json.loads(raised.detail)
    began, crossed = (date.fromisoformat(kept[name]) for name in ("began_on", "crossed_on"))
    if raised.chart == "four-fifths":
        return _group(export, then, raised)
    if raised.chart == "codes":
        return _codes(then, raised.subject, began)
    if raised.chart == "calibration":
        found = _calibration(then, raised.subject, crossed)
    elif raised.chart in ("sensitivity", "false-alarms", "unit-mix"):
        found = _share(then, then.weekly(raised.chart, raised.subject), 7, began, crossed)
    else:
        rows = then.daily[(then.daily.kind == raised.chart) & (then.daily.subject == raised.subject)].sort_values("day")
        found = _share(then, rows, 1, began, crossed) if raised.chart in SHARES else _mean(then, rows, crossed)
    return {**found, "run_length": then.run_length()}


def _share(then: Then, rows: pd.DataFrame, days: int, began: date, crossed: date) -> dict[str, Any]:
    """A share of one period, and of the baseline, which is held off 0 and 1 by half an event."""
    rows = rows[rows.day >= then.begins]
    ends = rows.day.min() + BASELINE * DAY
    first, later = rows[rows.day < ends], rows[rows.day >= ends]
    span = (crossed - began).days + 1
    if span not in POOLED[days] or (began - later.day.min()).days % span:
        raise ValueError(f"{began} to {crossed} is no period of a chart that begins on {later.day.min()}")
    period = later[(later.day >= began) & (later.day <= crossed)]
    value, usual = (
        period.events.sum() / period["size"].sum(), (first.events.sum() + 0.5) / (first["size"].sum() + 1.0)
    )  # fmt: skip
    return {"direction": 1 if value > usual else -1, "value": float(value), "usual": float(usual)}


def _mean(then: Then, rows: pd.DataFrame, crossed: date) -> dict[str, Any]:
    """A day's mean, and the baseline's; which way the weighted mean had left by that day."""
    if crossed not in set(rows.day):  # no row bears it out
        return {"direction": None, "value": None, "usual": None}
    rows = rows[rows.day >= then.begins]
    ends = rows.day.min() + BASELINE * DAY
    rows = rows[rows["size"] > 0]
    first, later = rows[rows.day < ends], rows[(rows.day >= ends) & (rows.day <= crossed)]
    usual = float((first["mean"] * first["size"]).sum() / first["size"].sum())
    within = float(first.squares.sum() / (first["size"] - 1).sum())
    among = max(0.0, float(first["mean"].var()) - within * float((1 / first["size"]).mean()))
    weighted = 0.0
    for mean, size in zip(later["mean"], later["size"], strict=True):
        weighted = 0.8 * weighted + 0.2 * float(np.clip((mean - usual) / math.sqrt(among + within / size), -3, 3))
    here = later[later.day == crossed]["mean"].iloc[0]
    return {"direction": 1 if weighted > 0 else -1, "value": float(here), "usual": usual}


# --- calibration


def _cases(rows: pd.DataFrame) -> pd.DataFrame:
    """Each patient-day's first answer that stands, with a probability between 0 and 1."""
    rows = rows[rows.label.isin(SETTLED) & (rows.said > 0) & (rows.said < 1)]
    return rows.drop_duplicates(["pseudonym", "day"])


def _calibration(then: Then, subject: str, crossed: date) -> dict[str, Any]:
    """Observed and expected from where the sum that passed its limit had left zero."""
    cases, odds = _cases(then.rows), ODDS[subject]
    cases = cases[cases.day >= then.begins]
    ends = cases.day.min() + BASELINE * DAY
    risks, happened = cases.said.to_numpy(), (cases.label == "yes").to_numpy()
    first = risks[[day < ends for day in cases.day]]
    limit = _limit(first, odds, len(first) / BASELINE * then.run_length())
    total, left = 0.0, 0
    for place, (risk, yes) in enumerate(zip(risks, happened, strict=True)):
        left = place if total == 0 else left
        total = max(0.0, total + (math.log(odds) if yes else 0.0) - math.log(1 - risk + odds * risk))
        if total > limit:
            break
    if cases.day.iloc[place] != crossed:
        raise ValueError(f"calibration passed its limit on {cases.day.iloc[place]}, not on {crossed}")
    some = slice(left, place + 1)
    return {
        "direction": 1 if odds > 1 else -1, "value": int(happened[some].sum()), "usual": float(risks[some].sum())
    }  # fmt: skip


def _limit(risks: np.ndarray, odds: float, wanted: float) -> float:
    low, high = 1.0, 30.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if _cases_to_alarm(risks, odds, middle) < wanted else (low, middle)
    return high


def _cases_to_alarm(risks: np.ndarray, odds: float, limit: float) -> float:
    """Mean cases until the sum passes `limit` with nothing wrong: a Markov chain on a grid, its steps shared out."""
    mix = np.quantile(risks, (np.arange(MIX) + 0.5) / MIX)
    width, chain = limit / (CELLS - 0.5), np.zeros((CELLS, CELLS))
    for cell in range(CELLS):
        for step, chance in ((math.log(odds), mix), (0.0, 1 - mix)):
            places = np.maximum(cell + (step - np.log(1 - mix + odds * mix)) / width, 0.0)
            for place, share in zip(places, chance / MIX, strict=True):
                if place <= CELLS - 0.5:
                    below, part = int(place), place - int(place)
                    chain[cell, below] += share * (1 - part)
                    if below + 1 < CELLS:
                        chain[cell, below + 1] += share * part
    return float(np.linalg.solve(np.eye(CELLS) - chain, np.ones(CELLS))[0])


# --- groups and codes


def _group(export: Export, then: Then, raised: Any) -> dict[str, Any]:
    """A group's sensitivity over the best group's, in the week's last audit."""
    kept = export.table("audits")
    kept = kept[(kept.model == raised.model) & (kept.outcome == raised.outcome) & (kept.version == then.version)]
    ends = kept.until.dt.tz_convert(export.zone).dt.date
    week = raised.crossed_on
    kept = kept[(kept["at"] <= raised.found_at) & (ends >= week) & (ends < week + 7 * DAY)]
    cells = audited(export, list(kept.sort_values(["until", "at"]).itertuples())[-1])["cells"]
    looked = [cell for cell in cells if cell["four_fifths"] is not None]
    (ratio,) = [each["four_fifths"] for each in looked if f"{each['trait']}: {each['value']}"[:60] == raised.subject]
    return {"direction": -1, "value": ratio, "usual": 0.8, "run_length": YEAR / FALSE_A_YEAR * len(looked)}


def audited(export: Export, kept: Any) -> dict[str, Any]:
    """A kept audit, from the rows that had been settled when it was made."""
    rows, ends = export.settled(kept.model, kept.outcome, kept.at), kept.until
    before = json.loads(kept.body).get("before")
    ends = ends if before is None else min(ends, pd.Timestamp(before))
    rows = rows[(rows.version == kept.version) & (rows.as_of >= kept.since) & (rows.as_of < ends)]
    return audit(rows, kept.threshold)


def _codes(then: Then, subject: str, began: date) -> dict[str, Any]:
    """How many codes came: not of the baseline, and seen on three of seven days with values."""
    rows = then.daily[(then.daily.kind == "input") & (then.daily["size"] > 0)]
    first = max(then.begins, then.daily.day.min())
    rows = rows[(rows.subject == subject) & (rows.day >= first)].sort_values("day")
    codes = [set(json.loads(each)) for each in rows.codes]
    known = set().union(*(c for c, day in zip(codes, rows.day, strict=True) if day < first + BASELINE * DAY))
    at = list(rows.day).index(began)
    new = [code for code in codes[at] - known if sum(code in each for each in codes[at : at + 7]) >= 3]
    return {"direction": 1 if new else -1, "value": len(new), "usual": 0.0, "run_length": 0.0}
