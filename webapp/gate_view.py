"""The gate's page: state, every figure with its interval and limit, what is missing, the trade-off, approvals.

A face: what a weighing kept goes in, words come out; nothing is computed again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any, Final

from markupsafe import Markup

from inference.assessment import State
from webapp import shares, words
from webapp.history_view import HistoryView
from webapp.tradeoff import LINES, trade_off
from webapp.words import say

RATES: Final = (
    ("sensitivity", ""),
    ("false_by_day", "patient-day"),
    ("false_by_alarm", "alarm"),
    ("alarms", "per-100-days"),
)
COUNTS: Final = ("patients", "patient_days", "answers", "indeterminate", "early", "unknown")


@dataclass(frozen=True, slots=True)
class Row:
    """One figure: its name, value, interval, what it is of, how the interval was made, and its limit."""

    name: str
    value: str
    interval: str
    of: str
    limit: str


@dataclass(frozen=True, slots=True)
class GateView:
    """One gate."""

    name: str
    state: str
    code: str
    state_text: str
    weighed: str
    period: str
    configured: str
    missing: tuple[str, ...]
    rows: tuple[Row, ...]
    groups: tuple[Row, ...]
    counts: tuple[tuple[str, str], ...]
    drawing: Markup
    legend: tuple[tuple[str, str], ...]
    proposal: str
    approvals: tuple[str, ...]
    refused: tuple[str, ...]
    waiting: tuple[Any, ...]
    history: HistoryView | None


def view(
    body: Mapping[str, Any],
    state: State,
    since: datetime,
    at: datetime,
    zone: tzinfo,
    *,
    decided: str = "",
    waiting: Sequence[Any] = (),
    history: HistoryView | None = None,
) -> GateView:
    """The gate whose weighing at `at` kept `body`; `state` is what the doors go by since `since`.

    `decided` says who suspended it where people did; `waiting` are thresholds that are decided and not in force.
    """
    gate, found = body["gate"], body["figures"]
    unit = gate["care_unit"] or say("en", "gate.whole-site")
    name = say(
        "en", "gate.name", model=say("en", f"models.{gate['model']}.name"), outcome=gate["outcome"], unit=unit
    )
    period = (
        say("en", "gate.period", **{"from": body["from"], "until": body["until"]}) if body["from"] else ""
    )
    drawn = say(
        "en",
        "gate.drawing",
        threshold=shares.share(gate["threshold"]),
        sensitivity=shares.rate(found["sensitivity"]),
        false=shares.rate(found["false_by_day"]),
    )
    return GateView(
        name=name,
        state=say("en", f"states.{state.value}.title"),
        code=state.value,
        state_text=decided or say("en", f"gate.state-{state.value}", since=words.moment(since, zone)),
        weighed=say("en", "gate.weighed", at=words.moment(at, zone), version=gate["version"]),
        period=" ".join(
            part for part in (say("en", f"gate.{'live' if body['live'] else 'quiet'}"), period) if part
        ),
        configured=say("en", "gate.configured", threshold=shares.share(gate["threshold"]), digest=_digest(gate)),
        missing=tuple(missing(each, body["live"]) for each in body["missing"]),
        rows=tuple(_row(key, definition, gate, found, body["live"]) for key, definition in RATES)
        + _needed(gate, found),
        groups=tuple(_group(each, found, gate) for each in _told(found, gate["smallest"])),
        counts=tuple((say("en", f"gate.count-{key}"), f"{found[key]:,}") for key in COUNTS),
        drawing=trade_off(body["points"], gate, say("en", "gate.axis"), drawn),
        legend=tuple((kind, say("en", f"gate.line-{kind}")) for kind in LINES),
        proposal=_proposal(body),
        approvals=tuple(_approval(each, zone) for each in body["approvals"]),
        refused=tuple(body["refused"]),
        waiting=tuple(waiting),
        history=history,
    )


def _row(key: str, definition: str, gate: Mapping[str, Any], found: Mapping[str, Any], live: bool) -> Row:
    rate, weighed = found[key], not definition or definition == gate["definition"]
    limit = gate["false_alarms"] if definition else gate["sensitivity"]
    text = say(
        "en", f"gate.limit-{'most' if definition else 'least'}{'-live' if live else ''}", limit=shares.share(limit)
    )
    return Row(
        name=say("en", f"gate.figure-{key}"),
        value=shares.share(rate["value"]),
        interval=shares.interval(rate),
        of=shares.of(rate),
        limit=text if weighed else say("en", "gate.not-weighed"),
    )


def _needed(gate: Mapping[str, Any], found: Mapping[str, Any]) -> tuple[Row, ...]:
    return tuple(
        Row(
            say("en", f"gate.figure-{key}"),
            f"{found[key]:,}",
            "",
            "",
            say("en", "gate.limit-count", limit=gate[key]),
        )
        for key in ("positives", "days")
    )


def _told(found: Mapping[str, Any], smallest: int) -> list[Mapping[str, Any]]:
    """The groups that may be shown: while all less those of a trait tells of fewer than `smallest`, one more is not."""
    by_trait: dict[str, list[Mapping[str, Any]]] = {}
    for each in found["groups"]:
        by_trait.setdefault(each["trait"], []).append(each)
    told: list[Mapping[str, Any]] = []
    for shown in by_trait.values():
        shown.sort(key=lambda each: -each["missed"]["patients"])
        while shown and 0 < found["sensitivity"]["patients"] - sum(g["missed"]["patients"] for g in shown) < smallest:
            shown.pop()
        told += sorted(shown, key=lambda each: str(each["value"]))
    return told


def _group(group: Mapping[str, Any], found: Mapping[str, Any], gate: Mapping[str, Any]) -> Row:
    rate, overall = group["missed"], found["sensitivity"]["value"]
    limit = (
        "" if overall is None else say("en", "gate.limit-group", limit=shares.share(1 - overall + gate["margin"]))
    )
    name = say("en", "gate.group", trait=say("en", f"gate.trait-{group['trait']}"), value=group["value"])
    return Row(name, shares.share(rate["value"]), shares.interval(rate), shares.of(rate), limit)


def missing(short: Mapping[str, Any], live: bool) -> str:
    """One thing that is missing, with figure, interval and limit."""
    counted = short["code"] in ("positives", "days", "approvals", "blind")
    form = (lambda number: f"{number:g}") if counted else shares.share
    key = f"gate.missing-{short['code']}"
    live_key = f"{key}-live"
    return say(
        "en",
        live_key if live and words.knows("en", live_key) else key,
        figure=form(short["figure"]) if short["figure"] is not None else say("en", "gate.none"),
        interval=shares.interval(short) or say("en", "gate.no-interval"),
        limit=form(short["limit"]),
        subject=short["subject"],
    )


def _proposal(body: Mapping[str, Any]) -> str:
    if body["proposed"] is None:
        return say("en", "gate.no-proposal", limit=shares.share(body["gate"]["sensitivity"]))
    at = next(p for p in body["points"] if p["threshold"] == body["proposed"])
    return say(
        "en",
        "gate.proposal",
        threshold=shares.share(at["threshold"]),
        limit=shares.share(body["gate"]["sensitivity"]),
        by_day=shares.rate(at["by_day"]),
        by_alarm=shares.rate(at["by_alarm"]),
        alarms=shares.rate(at["alarms"]),
    )


def _approval(each: Mapping[str, Any], zone: tzinfo) -> str:
    at = words.moment(datetime.fromisoformat(each["at"]), zone)
    return say("en", "gate.approval", name=each["name"], role=each["role"], at=at)


def _digest(gate: Mapping[str, Any]) -> str:
    return f"{gate['definition']}"
