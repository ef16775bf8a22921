"""Every figure of the gates' page, the weekly reviews, the audits and the models' cards, from an exported folder alone.

A second hand, with those beside it: numpy and pandas, nothing of the product. Run as `python recomputed.py FOLDER SITE
WEEKS [CARDS]`, weeks with commas, cards as a JSON list of what each is of (model, version, outcome, threshold, at,
days); what it finds goes to standard output as JSON, in the shape the pages are kept in.
"""

from __future__ import annotations

import json
import sys
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from recomputed_alarms import alarm, audited
from recomputed_figures import SETTLED, Export, audit, calibration, figures
from recomputed_gates import gates


def review(export: Export, named: str) -> dict[str, Any]:
    """The review of a week; of "2026-W21@MOMENT" as the ledger stood at that moment."""
    week, _, moment = named.partition("@")
    at = datetime.fromisoformat(moment) if moment else None
    since, until = export.span(week)
    return {
        "models": [_model(export, model, week, at) for model in export.thresholds],
        **_cards(export, since, until),
        "alarms": _alarms(export, since, until),
        "clarity": _clarity(export, week),
    }


def _model(export: Export, model: str, week: str, at: datetime | None) -> dict[str, Any]:
    (since, until), (early, _) = export.span(week), export.span(week, 13)
    said = export.table("answers")
    said = said[(said.model == model) & (said.as_of < until)]
    if at is not None:
        said = said[said.made_at <= at].assign(shown_at=lambda rows: rows.shown_at.where(rows.shown_at <= at))
    quarter, now = said[said.as_of >= early], said[said.as_of >= since]
    kinds = ["version", "state", "status", "reason"]
    answers = now.groupby(kinds).agg(answers=("id", "count"), shown=("shown_at", "count")).reset_index()
    rows = export.table("outcomes")
    rows = rows if at is None else rows[rows.recorded_at <= at]
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
        "outcomes": _outcomes(export, model, week, now, at),
    }  # fmt: skip


def _outcomes(
    export: Export, model: str, week: str, now: pd.DataFrame, at: datetime | None
) -> list[dict[str, Any]]:
    (since, until), (early, _) = export.span(week), export.span(week, 13)
    predictions = export.table("predictions")
    joined = now.merge(predictions[predictions.probability.notna()], left_on="id", right_on="assessment_id")
    told = []
    for (version, hours, outcome), part in joined.groupby(["version", "hours", "outcome"]):
        threshold = export.thresholds[model].get(outcome)
        stood = part[part.status == "assessed"]
        rows = export.settled(model, outcome, at)
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
            told.append({"chart": row.chart, "subject": row.subject, **alarm(export, row)})
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
        told.append({"kept": json.loads(kept.body), "found": audited(export, kept)})
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
