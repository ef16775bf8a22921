"""The model beside each contender, on the rows where both have a number.

A contender that is known of some rows only is judged there, and so, beside it, is the model: a figure of other
patients would compare nothing.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from training import measure, operating
from training.contenders import MODEL, SCORES, titled
from training.ground import Ground
from training.resample import interval

Floats = NDArray[np.floating[Any]]
BRIEF: Final = ("sensitivity", "sensitivity_95", "ppv", "ppv_95", "false_alarm_rate")


def compared(ground: Ground) -> dict[str, Any]:
    """`contenders`: figures of each; `differences`: model minus each; `model_on_their_rows`: where those are fewer."""
    found: dict[str, dict[str, Any]] = {"contenders": {}, "differences": {}, "model_on_their_rows": {}}
    for name, values in ground.contenders.items():
        known = np.isfinite(values)
        y, draws = ground.y[known], ground.draws.where(known)
        judged = measure.ranking if name in SCORES else measure.figures
        found["contenders"][name] = judged(y, values[known], draws)
        if name == MODEL:
            continue
        gap = measure.difference(y, ground.model[known], values[known], draws)
        found["differences"][name] = {"rows": len(y), "positive": int(y.sum()), **gap}
        if not known.all():
            found["model_on_their_rows"][name] = measure.figures(y, ground.model[known], draws)
    return found


def others_at(ground: Ground) -> list[dict[str, Any]]:
    """A row for each contender and operating point: its rates, and the model's at that point on the same rows."""
    found: list[dict[str, Any]] = []
    whole = operating.points(ground.seen, ground.model, ground.draws)
    for name, values in ground.contenders.items():
        known = np.isfinite(values)
        y = ground.y[known]
        if name == MODEL or min(y.sum(), (~y).sum()) < measure.FEWEST:
            continue
        seen, draws = ground.seen.where(known), ground.draws.where(known)
        theirs = operating.points(seen, values[known], draws)
        ours = whole if known.all() else operating.points(seen, ground.model[known], draws)
        for their, our in zip(theirs, ours, strict=True):
            brief = {key: their[key] for key in BRIEF}
            found.append(
                {
                    "contender": titled(name),
                    "at": their["at"],
                    **brief,
                    "model_sensitivity": our["sensitivity"],
                    "model_ppv": our["ppv"],
                }
            )
    return found


def doubt(ground: Ground, threshold: float) -> dict[str, Any]:
    """How much is called indeterminate, of whom, and how good the rest and the doubtful are."""
    y, p, doubtful, draws = ground.y, ground.model, ground.doubtful, ground.draws
    found: dict[str, Any] = {
        "share": round(float(doubtful.mean()), 4),
        "share_95": interval(draws.mean(doubtful * 1.0)),
        "share_of_positive": round(float(doubtful[y].mean()), 4),
        "share_of_negative": round(float(doubtful[~y].mean()), 4),
        "answers": {},
    }
    for name, here in (("stood behind", ~doubtful), ("indeterminate", doubtful)):
        cell = measure.figures(y[here], p[here], draws.where(here))
        if "withheld" not in cell:
            cell |= measure.missed(y[here], p[here] >= threshold, draws.where(here))
        found["answers"][name] = cell
    return found


def decided(ground: Ground) -> dict[str, list[float]]:
    """Net benefit of every contender that is a probability of every row, by threshold."""
    return operating.decisions(ground.y, ground.probabilities)


def members(ground: Ground, each: Floats) -> dict[str, Any]:
    """AUROC of each member alone ([N,M] headline probabilities), and how far they lie apart."""
    spread = measure.logit(each).std(axis=1)
    found: dict[str, Any] = {
        "members": each.shape[1],
        "median_spread_of_log_odds": round(float(np.median(spread)), 4),
    }
    if not ground.scarce:
        found["auroc_of_each"] = [measure.ranking(ground.y, column)["auroc"] for column in each.T]
    return found
