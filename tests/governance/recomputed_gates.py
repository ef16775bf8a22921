"""What each gate came to each time it was weighed, and what it lacked, from an exported folder's rows.

A second hand, as recomputed.py. Of a kept weighing it takes what is no figure: the configured gate, who approved it
and when, and when people suspended the model.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
from recomputed_figures import Export, figures, patient_days

APPROVERS = 2


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
    began, ordered = None if state == "silent" else before.since, body["suspension"]
    if ordered and ordered["stands"]:
        state, began = "suspended", pd.Timestamp(ordered["at"])
    if state == "active":
        suspended = ordered and pd.Timestamp(ordered["at"])
        since = reading.at - timedelta(days=gate["window"])
        rows = rows[(rows.state == "active") & (rows.as_of >= since)]
    else:
        suspended = began if state == "suspended" else ordered and pd.Timestamp(ordered["at"])
        rows = rows[rows.state.isin(["silent", "suspended"])]
        rows = rows[rows.as_of >= suspended] if suspended else rows
    days = patient_days(rows)
    reached = np.concatenate([days.followed[days.positive], days.top])
    some = reached[reached >= 0]
    levels = np.quantile(some, np.linspace(0, 1, 25)).tolist() if len(some) else []
    points = [_point(rows, float(level)) for level in sorted({*levels, gate["threshold"]})]
    enough = [p for p in points if p["sensitivity"]["low"] is not None]
    enough = [p["threshold"] for p in enough if p["sensitivity"]["low"] >= gate["sensitivity"]]
    found = figures(rows, gate["threshold"], gate["smallest"])
    short = _left(gate, found, reading.at - began) if state == "active" else _lacking(gate, found)
    return {
        "model": reading.model, "outcome": reading.outcome, "care_unit": reading.care_unit, "was": state,
        "state": reading.state, "figures": found, "points": points, "proposed": enough[-1] if enough else None,
        "missing": [*short, *_unsigned(body["approvals"], suspended)], "kept": body,
    }  # fmt: skip


def _lacking(gate: dict[str, Any], found: dict[str, Any]) -> list[dict[str, Any]]:
    """To open: the intervals' worse ends within their limits, enough positives and days, no group far behind."""
    alarmed, caught, short = _alarmed(gate, found), found["sensitivity"], []
    if caught["low"] is None or not caught["low"] >= gate["sensitivity"]:
        short.append(_short("sensitivity", caught, gate["sensitivity"]))
    if alarmed["high"] is None or not alarmed["high"] <= gate["false_alarms"]:
        short.append(_short("false-alarms", alarmed, gate["false_alarms"]))
    for name in ("positives", "days"):
        if found[name] < gate[name]:
            short.append(_short(name, {"value": found[name], "low": None, "high": None}, gate[name]))
    return short + _behind(gate, found)


def _left(gate: dict[str, Any], found: dict[str, Any], open_for: timedelta) -> list[dict[str, Any]]:
    """To stay open: the figures themselves, once there are patients and positives enough to say."""
    if not found["patient_days"]:
        nothing = {"value": 0, "low": None, "high": None}
        return [_short("blind", nothing, gate["window"])] if open_for >= timedelta(days=gate["window"]) else []
    alarmed, caught, short = _alarmed(gate, found), found["sensitivity"], []
    if found["patients"] >= gate["positives"] and (alarmed["value"] or 0.0) > gate["false_alarms"]:
        short.append(_short("false-alarms", alarmed, gate["false_alarms"]))
    if found["positives"] < gate["positives"]:
        return short
    if caught["value"] is not None and caught["value"] < gate["sensitivity"]:
        short.append(_short("sensitivity", caught, gate["sensitivity"]))
    return short + _behind(gate, found)


def _alarmed(gate: dict[str, Any], found: dict[str, Any]) -> Any:
    by = {"patient-day": "false_by_day", "alarm": "false_by_alarm", "per-100-days": "alarms"}
    return found[by[gate["definition"]]]


def _behind(gate: dict[str, Any], found: dict[str, Any]) -> list[dict[str, Any]]:
    if found["sensitivity"]["value"] is None:
        return []
    most = 1 - found["sensitivity"]["value"] + gate["margin"]
    told = [each for each in found["groups"] if each["missed"]["value"] is not None]
    return [
        _short("subgroup", each["missed"], most, f"{each['trait']}: {each['value']}")
        for each in told
        if each["missed"]["value"] > most
    ]


def _unsigned(approvals: list[dict[str, Any]], since: Any) -> list[dict[str, Any]]:
    """Two people's word, given after the last suspension."""
    people = {each["name"] for each in approvals if not since or pd.Timestamp(each["at"]) > since}
    there = {"value": len(people), "low": None, "high": None}
    return [_short("approvals", there, APPROVERS)] if len(people) < APPROVERS else []


def _short(code: str, rate: dict[str, Any], limit: float, subject: str = "") -> dict[str, Any]:
    ends = {"figure": rate["value"], "low": rate["low"], "high": rate["high"]}
    return {"code": code, "subject": subject, "limit": limit, **ends}


def _point(rows: pd.DataFrame, threshold: float) -> dict[str, Any]:
    found = figures(rows, threshold, None)
    return {
        "threshold": threshold, "sensitivity": found["sensitivity"], "by_day": found["false_by_day"],
        "by_alarm": found["false_by_alarm"], "alarms": found["alarms"],
    }  # fmt: skip
