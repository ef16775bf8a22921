"""What a week leaves open, found in its figures: codes and what fills them, for those who must answer.

A question is not a verdict. Nothing here decides; it says where somebody has to look before deciding.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from governance.equity import FOUR_FIFTHS
from governance.resolutions import THRESHOLD

DATA_WRONG: Final = "data-wrong"
Question = Mapping[str, Any]


def questions(body: Mapping[str, Any]) -> list[Question]:
    """The open questions of a review's body, in the order of its sections."""
    parts = (_of_models, _of_gates, _of_decisions, _of_cards, _of_alarms, _of_weeks)
    return [question for part in parts for question in part(body)]


def _of_models(body: Mapping[str, Any]) -> Iterator[Question]:
    if not any(model["answers"] for model in body["models"]):
        yield {"code": "no-answers"}
    for model in body["models"]:
        named = {"model": model["model"]}
        if model["waiting"]:
            yield {"code": "waiting", **named, "count": model["waiting"]}
        for part in model["outcomes"]:
            yield from _of_outcome(part, named | {"outcome": part["outcome"], "version": part["version"]})
        if model["outcomes"] and all(part["threshold"] is None for part in model["outcomes"]):
            yield {"code": "no-threshold", **named}


def _of_outcome(part: Mapping[str, Any], named: Mapping[str, str]) -> Iterator[Question]:
    labels, fits = part["week"]["labels"], part["quarter"]["calibration"]
    if part["unsettled"] > 0:
        yield {"code": "unsettled", **named, "count": part["unsettled"], "of": part["predictions"]}
    if labels["unknown"]:
        yield {"code": "unknown", **named, "count": labels["unknown"]}
    if fits is not None and not fits["low"] <= 1.0 <= fits["high"]:
        yield {"code": "calibration-more" if fits["ratio"] > 1 else "calibration-fewer", **named, **fits}
    for cell in (part["audit"] or {"cells": []})["cells"]:
        if cell["four_fifths"] is not None and cell["four_fifths"] < FOUR_FIFTHS:
            yield {
                "code": "four-fifths",
                **named,
                "trait": cell["trait"],
                "value": cell["value"],
                "ratio": cell["four_fifths"],
                "low": cell["fifths_low"],
                "high": cell["fifths_high"],
            }


def _of_gates(body: Mapping[str, Any]) -> Iterator[Question]:
    for gate in body["gates"]:
        if gate["state"] == "suspended":
            yield {"code": "suspended", **{key: gate[key] for key in ("model", "outcome", "care_unit", "since")}}


def _of_decisions(body: Mapping[str, Any]) -> Iterator[Question]:
    for made in body.get("decided", ()):
        told = {key: made[key] for key in ("week", "line", "at")}
        if made["kind"] == THRESHOLD:
            yield {"code": "not-in-force", "gate": made["gate"], "threshold": made["threshold"], **told}
        else:
            yield {"code": "suspended-by", "model": made["model"], "people": made["people"], **told}


def _of_cards(body: Mapping[str, Any]) -> Iterator[Question]:
    wrong = sum(each["cards"] for each in body["feedback"] if each["override_code"] == DATA_WRONG)
    if wrong:
        yield {"code": "data-wrong", "count": wrong}
    unknown = sum(each["cards"] for each in body["feedback"] if not each["model"])
    if unknown:
        yield {"code": "unknown-cards", "count": unknown}


def _of_alarms(body: Mapping[str, Any]) -> Iterator[Question]:
    for alarm in body["alarms"]:
        if alarm["answered_at"] is None:
            yield {"code": "alarm", **{key: alarm[key] for key in ("id", "model", "chart", "subject")}}


def _of_weeks(body: Mapping[str, Any]) -> Iterator[Question]:
    if body["unresolved"]:
        yield {"code": "undecided", "weeks": body["unresolved"]}
