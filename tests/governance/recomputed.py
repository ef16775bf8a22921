"""Every figure of the gates' page, the weekly reviews, the audits and the models' cards, from an exported folder alone.

A second hand: numpy and pandas, nothing of the product. Run as `python recomputed.py FOLDER SITE WEEKS [CARDS]`, weeks
with commas, cards as a JSON list of what each is of (model, version, outcome, threshold, at, days); what it finds goes
to standard output as JSON, in the shape the pages are kept in.
"""

from __future__ import annotations

import json
import math
import sys
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


# --- pages


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


def gates(export: Export) -> list[dict[str, Any]]:
    """What each gate came to each time it was weighed: figures and trade-off."""
    told = []
    for _, readings in export.table("gates").sort_values("at").groupby(["model", "outcome", "care_unit"]):
        before: Any = None
        for reading in readings.itertuples():
            told.append(_weighed(export, reading, before))
            before = reading
    return told


def _weighed(export: Export, reading: Any, before: Any) -> dict[str, Any]:
    """A closed gate counts what was recorded unseen (since a suspension, if it was that); an open one its window."""
    body = json.loads(reading.body)
    gate, rows = body["gate"], export.settled(reading.model, reading.outcome, reading.at)
    rows = rows[rows.version == gate["version"]]
    rows = rows if not gate["care_unit"] else rows[rows.care_unit == gate["care_unit"]]
    state = "silent" if before is None or before.version != reading.version else before.state
    if state == "active":
        since = reading.at - timedelta(days=gate["window"])
        rows = rows[(rows.state == "active") & (rows.as_of >= since)]
    else:
        rows = rows[rows.state.isin(["silent", "suspended"])]
        ordered = body["suspension"]
        since = before.since if state == "suspended" else ordered and pd.Timestamp(ordered["at"])
        rows = rows[rows.as_of >= since] if since else rows
    days = patient_days(rows)
    reached = np.concatenate([days.followed[days.positive], days.top])
    some = reached[reached >= 0]
    levels = np.quantile(some, np.linspace(0, 1, 25)).tolist() if len(some) else []
    points = [_point(rows, float(level)) for level in sorted({*levels, gate["threshold"]})]
    enough = [p for p in points if p["sensitivity"]["low"] is not None]
    enough = [p["threshold"] for p in enough if p["sensitivity"]["low"] >= gate["sensitivity"]]
    return {
        "model": reading.model, "care_unit": reading.care_unit, "was": state, "state": reading.state,
        "figures": figures(rows, gate["threshold"], gate["smallest"]), "points": points,
        "proposed": enough[-1] if enough else None, "kept": body,
    }  # fmt: skip


def _point(rows: pd.DataFrame, threshold: float) -> dict[str, Any]:
    found = figures(rows, threshold, None)
    return {
        "threshold": threshold, "sensitivity": found["sensitivity"], "by_day": found["false_by_day"],
        "by_alarm": found["false_by_alarm"], "alarms": found["alarms"],
    }  # fmt: skip


def review(export: Export, week: str) -> dict[str, Any]:
    since, until = export.span(week)
    return {
        "models": [_model(export, model, week) for model in export.thresholds],
        **_cards(export, since, until),
        "alarms": _alarms(export, since, until),
        "clarity": _clarity(export, week),
    }


def _model(export: Export, model: str, week: str) -> dict[str, Any]:
    (since, until), (early, _) = export.span(week), export.span(week, 13)
    said = export.table("answers")
    said = said[(said.model == model) & (said.as_of < until)]
    quarter, now = said[said.as_of >= early], said[said.as_of >= since]
    kinds = ["version", "state", "status", "reason"]
    answers = now.groupby(kinds).agg(answers=("id", "count"), shown=("shown_at", "count")).reset_index()
    rows = export.table("outcomes")
    asked = export.table("predictions")
    asked = asked[asked.probability.notna()]
    settled = set(zip(rows.assessment_id, rows.outcome, strict=True))
    keys = zip(asked.assessment_id, asked.outcome, strict=True)
    unsettled = {assessment for assessment, outcome in keys if (assessment, outcome) not in settled}
    reviews = rows[(rows.source == "review") & (rows.model == model)].recorded_at
    waits = [int(((part.status == "indeterminate") & part.id.isin(unsettled)).sum()) for part in (now, quarter)]
    return {
        "model": model, "answers": answers.to_dict("records"), "patients": int(now.pseudonym.nunique()),
        "waiting": waits[0], "waiting_quarter": waits[1],
        "labelled": int(((reviews >= since) & (reviews < until)).sum()),
        "outcomes": _outcomes(export, model, week, now),
    }  # fmt: skip


def _outcomes(export: Export, model: str, week: str, now: pd.DataFrame) -> list[dict[str, Any]]:
    (since, until), (early, _) = export.span(week), export.span(week, 13)
    predictions = export.table("predictions")
    joined = now.merge(predictions[predictions.probability.notna()], left_on="id", right_on="assessment_id")
    told = []
    for (version, hours, outcome), part in joined.groupby(["version", "hours", "outcome"]):
        threshold = export.thresholds[model].get(outcome)
        stood = part[part.status == "assessed"]
        rows = export.settled(model, outcome)
        rows = rows[(rows.version == version) & (rows.as_of >= early) & (rows.as_of < until)]
        of_week = rows[rows.as_of >= since]
        windows = {"week": _window(of_week, threshold), "quarter": _window(rows, threshold)}
        told.append(
            {
                "version": version, "outcome": outcome, "hours": int(hours),
                "predictions": len(part), "stood": len(stood),
                "alerts": 0 if threshold is None else int((stood.probability >= threshold).sum()),
                "threshold": threshold, **windows,
                "unsettled": len(part) - sum(windows["week"]["labels"].values()),
                "audit": None if threshold is None else audit(rows, threshold),
                **_examples(of_week, threshold, part),
            }
        )  # fmt: skip
    return told


def _window(rows: pd.DataFrame, threshold: float | None) -> dict[str, Any]:
    labels = {label: int((rows.label == label).sum()) for label in ("yes", "no", "early", "unknown")}
    found = None if threshold is None else figures(rows, threshold, None)
    return {"labels": labels, "calibration": calibration(rows), "figures": found}


def _examples(rows: pd.DataFrame, threshold: float | None, said: pd.DataFrame) -> dict[str, Any]:
    if threshold is None:
        return {"misses": [], "false_alarms": []}
    rows = rows[rows.label.isin(SETTLED)]
    yes = rows[rows.label == "yes"].sort_values(["said", "as_of"], ascending=[False, True], kind="stable")
    highest = yes.drop_duplicates(["pseudonym", "day"])
    missed = highest[highest.said < threshold].sort_values(["said", "as_of", "id"])
    missed = pd.concat([missed[missed.said >= 0], missed[missed.said < 0]])
    tops = rows.sort_values(["said", "as_of"], ascending=[False, True], kind="stable")
    tops = tops.drop_duplicates(["pseudonym", "day"])
    positive = set(zip(yes.pseudonym, yes.day, strict=True))
    negative = [(p, d) not in positive for p, d in zip(tops.pseudonym, tops.day, strict=True)]
    false = tops[(tops.said >= threshold) & np.array(negative, bool)]
    false = false.sort_values(["said", "as_of", "id"], ascending=[False, True, True])
    ends = said.set_index("assessment_id")
    return {
        name: [
            {
                "assessment": row.assessment_id, "probability": _plain(row.probability),
                "low": _plain(ends.low[row.assessment_id]), "high": _plain(ends.high[row.assessment_id]),
            }
            for row in found.head(10).itertuples()
        ]
        for name, found in (("misses", missed), ("false_alarms", false))
    }  # fmt: skip


def _plain(value: float) -> float | None:
    return None if pd.isna(value) else float(value)


def _cards(export: Export, since: datetime, until: datetime) -> dict[str, Any]:
    answers = export.table("answers").set_index("id")
    cards, heard, offers = (export.table(name) for name in ("cards", "feedback", "offers"))
    for name in ("model", "state"):
        cards[name] = cards.assessment_id.map(answers[name]).fillna("")
    handed = export.table("releases").released_at
    heard["model"] = heard.card.map(cards.set_index("id").model).fillna("")
    cards = cards[(cards.shown_at >= since) & (cards.shown_at < until)]
    heard = heard[(heard.received_at >= since) & (heard.received_at < until)]
    kinds = offers.set_index("id").kind
    taken = pd.Series([each for row in heard.accepted for each in json.loads(row)], dtype=str).map(kinds).value_counts()
    many = offers[offers.card_id.isin(cards.id)].kind.value_counts()
    keys = ["model", "outcome", "override_code", "override_system"]
    return {
        "cards": cards.groupby(["model", "state", "withheld"]).size().reset_index(name="cards").to_dict("records"),
        "handed": int(((handed >= since) & (handed < until)).sum()),
        "feedback": heard.groupby(keys).size().reset_index(name="cards").to_dict("records"),
        "offers": [
            {"kind": kind, "offered": int(many.get(kind, 0)), "taken": int(taken.get(kind, 0))}
            for kind in sorted({*many.index, *taken.index})
        ],
    }


def _alarms(export: Export, since: datetime, until: datetime) -> list[dict[str, Any]]:
    answered = export.table("alarm_answers").set_index("alarm_id")
    told = []
    for row in export.table("alarms").sort_values(["found_at", "id"], ascending=[False, True]).itertuples():
        at = answered["at"].get(row.id)
        if row.found_at < until and (row.found_at >= since or at is None or at >= until):
            detail = json.loads(row.detail)
            told.append({key: detail[key] for key in ("direction", "value", "usual", "run_length")})
    return told


def _clarity(export: Export, week: str) -> dict[str, Any]:
    monday = date.fromisocalendar(int(week[:4]), int(week[6:]), 1)
    rows = export.table("clarity")
    rows = rows[(rows.day >= monday - timedelta(weeks=12)) & (rows.day < monday + timedelta(days=7))]
    found = [group.score for _, group in rows.groupby(["model", "version", "language"])]
    shown = [scores for scores in found if len(scores) >= 10]
    every = pd.concat(shown) if shown else pd.Series(dtype=float)
    return {
        "groups": [
            {
                "answers": len(scores), "mean": float(scores.mean()),
                "counts": [int((scores == score).sum()) for score in (1, 2, 3, 4, 5)],
            }
            for scores in shown
        ],
        "answers": len(every), "mean": float(every.mean()) if len(every) else None,
        "withheld": len(found) - len(shown), "smallest": 10,
    }  # fmt: skip


def audits(export: Export) -> list[dict[str, Any]]:
    """Each kept audit with what it says now, and what its rows say."""
    told = []
    for kept in export.table("audits").itertuples():
        rows = export.settled(kept.model, kept.outcome, kept.at)
        rows = rows[(rows.version == kept.version) & (rows.as_of >= kept.since) & (rows.as_of < kept.until)]
        told.append({"kept": json.loads(kept.body), "found": audit(rows, kept.threshold)})
    return told


def card(export: Export, asked: dict[str, Any]) -> dict[str, Any]:
    """The figures of a model's card, of its last days."""
    at = datetime.fromisoformat(asked["at"])
    rows = export.settled(asked["model"], asked["outcome"], at)
    rows = rows[(rows.version == asked["version"]) & (rows.as_of >= at - timedelta(days=asked["days"]))]
    found = audit(rows, asked["threshold"])
    return {
        "window": asked["days"], "smallest": found["smallest"], "figures": figures(rows, asked["threshold"], 10),
        "calibration": calibration(rows), "cells": found["cells"],
    }  # fmt: skip


def main(folder: str, site: str, weeks: str, cards: str = "[]") -> None:
    """Compute and tell."""
    export = Export(Path(folder), site)
    told = {
        "reviews": {week: review(export, week) for week in weeks.split(",")},
        "gates": gates(export),
        "audits": audits(export),
        "cards": [card(export, asked) for asked in json.loads(cards)],
    }
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
