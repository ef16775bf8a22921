"""An exported folder's rows, and the figures they come to: what the other scripts beside it count with.

A second hand: numpy and pandas, nothing of the product.
"""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

SEED, DRAWS, AT_ONCE, FEWEST = 20261125, 2000, 200, 30
SETTLED = ("yes", "no")
AUDITED = ("sex", "age_band", "race", "ethnicity", "language", "site", "insurance")


class Export:
    """One site's tables."""

    def __init__(self, folder: Path, site: str) -> None:
        self.manifest = json.loads((folder / "manifest.json").read_text())
        told = next(each for each in self.manifest["sites"] if each["id"] == site)
        self.home, self.zone, self.thresholds = folder / site, ZoneInfo(told["zone"]), told["thresholds"]

    def table(self, name: str) -> pd.DataFrame:
        return pd.read_parquet(self.home / f"{name}.parquet")

    def settled(self, model: str, outcome: str, at: datetime | None = None) -> pd.DataFrame:
        """One row a settled prediction: a review's word before a rule's; oldest first, with its local day.

        As they stood `at` that moment, or as they stand.
        """
        rows = self.table("outcomes")
        rows = rows[(rows.model == model) & (rows.outcome == outcome)]
        rows = rows if at is None else rows[rows.recorded_at <= at]
        reviewed = set(rows.loc[rows.source == "review", "assessment_id"])
        rows = rows[(rows.source == "review") | ~rows.assessment_id.isin(reviewed)]
        rows = rows.sort_values(["as_of", "id"]).reset_index(drop=True)
        rows["day"] = rows.as_of.dt.tz_convert(self.zone).dt.date
        stands = (rows.status == "assessed") & rows.probability.notna()
        rows["said"] = rows.probability.where(stands, -1.0)
        return rows

    def span(self, week: str, weeks: int = 1) -> tuple[datetime, datetime]:
        monday = date.fromisocalendar(int(week[:4]), int(week[6:]), 1)
        begin, end = monday - timedelta(weeks=weeks - 1), monday + timedelta(days=7)
        return tuple(datetime(d.year, d.month, d.day, tzinfo=self.zone).astimezone(UTC) for d in (begin, end))  # type: ignore[return-value]


# --- intervals


def beta_below(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function by tanh-sinh quadrature."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if b < 1 or x > a / (a + b):
        return 1 - _integral(1 - x, b, a)
    return _integral(x, a, b)


def _integral(x: float, a: float, b: float) -> float:
    s = np.arange(-6.0, 6.0, 1 / 256)
    u = 1 / (1 + np.exp(-np.pi * np.sinh(s)))  # 0..1
    slope = np.pi * np.cosh(s) * u * (1 - u)
    t = x * u
    with np.errstate(divide="ignore"):
        logs = (a - 1) * np.log(t) + (b - 1) * np.log1p(-t) + math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    return float(np.sum(np.where(t > 0, np.exp(logs), 0.0) * x * slope) / 256)


def beta_quantile(level: float, a: float, b: float) -> float:
    low, high = 0.0, 1.0
    for _ in range(55):
        middle = (low + high) / 2
        low, high = (middle, high) if beta_below(middle, a, b) < level else (low, middle)
    return (low + high) / 2


def exact(share: float, trials: int) -> tuple[float, float]:
    seen = share * trials
    low = 0.0 if seen <= 0 else beta_quantile(0.025, seen, trials - seen + 1)
    high = 1.0 if seen >= trials else beta_quantile(0.975, seen + 1, trials - seen)
    return low, high


def rates(counts: np.ndarray, of: np.ndarray, bounded: bool = True) -> list[dict[str, Any]]:
    """Each column's rate: patients are drawn with replacement, 2,000 times."""
    width, both = counts.shape[1], np.hstack([counts, of])
    kinds, alike = np.unique(both, axis=0, return_counts=True)
    random, people = np.random.default_rng(SEED), int(alike.sum())
    drawn = np.zeros((DRAWS, both.shape[1]))
    if people:
        some = [random.multinomial(people, alike / people, size=AT_ONCE) @ kinds for _ in range(DRAWS // AT_ONCE)]
        drawn = np.vstack(some)
    return [_rate(counts[:, i], of[:, i], drawn[:, i], drawn[:, width + i], bounded) for i in range(width)]


def _rate(count: np.ndarray, of: np.ndarray, drawn: np.ndarray, drawn_of: np.ndarray, bounded: bool) -> dict[str, Any]:
    total, trials, patients = float(count.sum()), float(of.sum()), int((of > 0).sum())
    told: dict[str, Any] = {"count": total, "of": trials, "patients": patients}
    if trials == 0:
        return told | {"value": None, "low": None, "high": None, "method": "none"}
    value = total / trials
    if bounded and (patients < FEWEST or value in (0.0, 1.0)):
        low, high = exact(value, patients)
        return told | {"value": value, "low": low, "high": high, "method": "exact-binomial"}
    if total == 0:
        return told | {"value": value, "low": 0.0, "high": -math.log(0.025) / patients, "method": "exact-binomial"}
    some = drawn_of > 0
    low, high = np.quantile(drawn[some] / drawn_of[some], [0.025, 0.975])
    return told | {"value": value, "low": float(low), "high": float(high), "method": "patient-bootstrap"}


# --- figures


def patient_days(rows: pd.DataFrame) -> pd.DataFrame:
    """One row a patient-day: whether the outcome followed, the day's highest answer, the highest that was followed."""
    rows = rows[rows.label.isin(SETTLED)]
    yes = rows.label == "yes"
    days = rows.assign(yes=yes, followed=rows.said.where(yes, -1.0)).groupby(["pseudonym", "day"], sort=True)
    return days.agg(positive=("yes", "any"), top=("said", "max"), followed=("followed", "max")).reset_index()


def per_patient(rows: pd.DataFrame, threshold: float) -> pd.DataFrame:
    days = patient_days(rows)
    alarmed, caught = days.top >= threshold, days.positive & (days.followed >= threshold)
    flags = pd.DataFrame(
        {
            "patient": days.pseudonym, "caught": caught, "false": ~days.positive & alarmed, "wrong": alarmed & ~caught,
            "positive": days.positive, "negative": ~days.positive, "alarmed": alarmed, "days": True,
        }
    )  # fmt: skip
    summed = flags.groupby("patient").sum().astype(float)
    answers = rows[rows.label.isin(SETTLED)]
    summed["alarms"] = (answers.said >= threshold).groupby(answers.pseudonym).sum().reindex(summed.index).astype(float)
    sent = (answers.said == -1.0).groupby(answers.pseudonym)
    summed["sent"], summed["answers"] = sent.sum().astype(float), sent.count().astype(float)
    return summed


def figures(rows: pd.DataFrame, threshold: float, smallest: int | None) -> dict[str, Any]:
    p, settled = per_patient(rows, threshold), rows[rows.label.isin(SETTLED)]
    days = patient_days(rows)
    three = rates(p[["caught", "false", "wrong"]].to_numpy(), p[["positive", "negative", "alarmed"]].to_numpy())
    (alarms,) = rates(p[["alarms"]].to_numpy(), p[["days"]].to_numpy(), bounded=False)
    return {
        "threshold": threshold, "patients": len(p), "patient_days": len(days), "days": int(days.day.nunique()),
        "positives": int(days.positive.sum()), "answers": len(settled),
        "indeterminate": int((settled.said == -1).sum()),
        "early": int((rows.label == "early").sum()), "unknown": int((rows.label == "unknown").sum()),
        "sensitivity": three[0], "false_by_day": three[1], "false_by_alarm": three[2], "alarms": alarms,
        "groups": [] if smallest is None else groups(settled, p, smallest), "seed": SEED,
    }  # fmt: skip


def groups(settled: pd.DataFrame, p: pd.DataFrame, smallest: int) -> list[dict[str, Any]]:
    first, found = settled.groupby("pseudonym").first(), []
    for trait in ("care_unit", *AUDITED):
        for value in sorted(set(first[trait]) - {""}):
            some = p[(first[trait] == value).reindex(p.index)]
            if (some.positive > 0).sum() >= smallest:
                missed = (some.positive - some.caught).to_numpy()[:, None]
                (rate,) = rates(missed, some.positive.to_numpy()[:, None])
                found.append({"trait": trait, "value": value, "missed": rate})
    return found


def calibration(rows: pd.DataFrame) -> dict[str, Any] | None:
    fit = rows[rows.label.isin(SETTLED) & (rows.said > 0) & (rows.said < 1)]
    fit = fit.drop_duplicates(["pseudonym", "day"])
    observed, expected = int((fit.label == "yes").sum()), float(fit.said.sum())
    if not len(fit):
        return None
    low = observed * (1 - 1 / (9 * observed) - 1.96 / (3 * observed**0.5)) ** 3 if observed else 0.0
    more = observed + 1
    high = more * (1 - 1 / (9 * more) + 1.96 / (3 * more**0.5)) ** 3
    return {
        "cases": len(fit), "observed": observed, "expected": expected, "ratio": observed / expected,
        "low": low / expected, "high": high / expected,
    }  # fmt: skip


# --- audits


def audit(rows: pd.DataFrame, threshold: float, smallest: int = 10) -> dict[str, Any]:
    cells: list[dict[str, Any]] = []
    rows = rows[rows.label.isin(SETTLED)]
    for trait in AUDITED:
        values = sorted(set(rows[trait]), key=lambda value: (value == "", value))
        if set(values) - {""}:
            cells += _trait(rows, trait, values, threshold, smallest)
    return {"threshold": threshold, "smallest": smallest, "cells": cells}


def _trait(rows: pd.DataFrame, trait: str, values: list[str], threshold: float, smallest: int) -> list[dict[str, Any]]:
    each = {value: per_patient(rows[rows[trait] == value], threshold) for value in values}
    of = ("positive", "negative", "answers")
    behind = {name: [int((p[name] > 0).sum()) for p in each.values()] for name in of}
    shown = {name: _shown(many, smallest) for name, many in behind.items()}
    sizes, cells = _shown([len(p) for p in each.values()], smallest), []
    for place, (value, p) in enumerate(each.items()):
        missed = p.assign(missed=p.positive - p.caught)[["missed", "false", "sent"]].to_numpy()
        three = rates(missed, p[list(of)].to_numpy())
        kept = [rate if shown[name][place] else None for name, rate in zip(of, three, strict=True)]
        fits = shown["positive"][place] and shown["negative"][place]
        cells.append(
            {
                "trait": trait, "value": value, "patients": len(p) if sizes[place] else None, "missed": kept[0],
                "false_alarms": kept[1], "indeterminate": kept[2],
                "calibration": calibration(rows[rows[trait] == value]) if fits else None, "four_fifths": None,
            }
        )  # fmt: skip
    caught = [None if c["missed"] is None or c["missed"]["value"] is None else 1 - c["missed"]["value"] for c in cells]
    known = [place for place, cell in enumerate(cells) if caught[place] is not None and cell["value"]]
    best = max(known, key=lambda place: caught[place], default=None)
    for place, cell in enumerate(cells):
        cell |= {"four_fifths": None, "fifths_low": None, "fifths_high": None}
        if best is None or not caught[best] or caught[place] is None:
            continue
        cell["four_fifths"] = caught[place] / caught[best]
        if place != best and caught[place]:
            two = [(caught[each], cells[each]["missed"]["patients"]) for each in (place, best)]
            wide = np.exp(1.96 * np.sqrt(sum((1 - share) / (share * people) for share, people in two)))
            cell["fifths_low"], cell["fifths_high"] = cell["four_fifths"] / wide, cell["four_fifths"] * wide
    return cells


def _shown(behind: list[int], smallest: int) -> list[bool]:
    shown = [many >= smallest for many in behind]
    while any(shown) and not all(shown):
        hidden = [many for many, is_shown in zip(behind, shown, strict=True) if not is_shown]
        if len(hidden) > 1 and sum(hidden) >= smallest:
            break
        _, place = min((many, place) for place, many in enumerate(behind) if shown[place])
        shown[place] = False
    return shown
