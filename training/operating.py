"""What a threshold would mean on a ward: who is found, how long ahead, and how often somebody is called.

An alarm is a reported landmark at or above the threshold. Patient-days come from the landmarks: each stands for
the hours until the stay's next one, at most until the outcome, the end of sight, or the longest gap. An alarm
that is spaced is one with no other spaced alarm of that stay in the 8 h before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from training.resample import Draws, interval

Floats = NDArray[np.floating[Any]]
Mask = NDArray[np.bool_]
SILENCE: Final = 8.0  # hours after an alarm in which the same stay raises none
AHEAD: Final = 1.0  # hours before onset from which on it is too late to act
FALSE_ALARMS: Final = (0.05, 0.10, 0.20)  # 1 - specificity
BUDGETS: Final = (0.1, 0.25, 0.5, 1.0)  # spaced alarms per patient-day
SENSITIVITY: Final = 0.85  # what the gate asks for
STEPS: Final = 60  # thresholds of a drawn curve
THRESHOLDS: Final = np.arange(1, 41) / 100  # of the decision curve


@dataclass(frozen=True, slots=True)
class Watch:
    """The reported landmarks of one data set. `onset`: hours to it, NaN where none; `days`: exposure of each row.

    `course` [S,L] holds each stay's rows in order of time, -1 after the last.
    """

    y: Mask
    stay: NDArray[np.str_]
    hour: Floats
    onset: Floats
    days: Floats
    course: NDArray[np.intp]
    horizon: float

    def where(self, keep: Mask) -> Watch:
        """The landmarks of a mask, each with the exposure it had among all."""
        stay, hour = self.stay[keep], self.hour[keep]
        return Watch(
            self.y[keep], stay, hour, self.onset[keep], self.days[keep], _courses(stay, hour), self.horizon
        )


def watch(
    y: Mask, stay: NDArray[np.str_], hour: Floats, onset: Floats, end: Floats, horizon: float, longest: float
) -> Watch:
    """Landmarks at `hour` of their stays; `onset` and `end` in hours from each; `longest` caps its exposure, h."""
    course = _courses(stay, hour)
    lasts = np.full(len(y), longest)
    now, then = course[:, :-1].ravel(), course[:, 1:].ravel()
    has_next = then >= 0
    lasts[now[has_next]] = hour[then[has_next]] - hour[now[has_next]]
    for limit in (onset, end):
        lasts = np.fmin(lasts, limit)
    days = np.clip(lasts, 0.0, longest) / 24
    return Watch(y, stay, hour, onset, days, course, horizon)


def alarms(seen: Watch, fires: Mask, silence: float = SILENCE) -> int:
    """How many of the alarms [N] are raised when each silences its stay for `silence` hours."""
    last = np.full(len(seen.course), -np.inf)
    raised = 0
    for rows in seen.course.T:
        due = (rows >= 0) & fires[rows] & (seen.hour[rows] - last >= silence)
        last[due] = seen.hour[rows[due]]
        raised += int(due.sum())
    return raised


def at_false_alarm_rate(y: Mask, score: Floats, rate: float) -> float:
    """The lowest score that alarms in at most this share of negatives; infinity where even the highest does not."""
    negatives = np.sort(score[~y])[::-1]
    allowed = int(np.floor(rate * len(negatives) + 1e-9))
    if allowed >= len(negatives):
        return float(score.min())
    above = score[score > negatives[allowed]]
    return float(above.min()) if len(above) else np.inf


def at_sensitivity(y: Mask, score: Floats, share: float) -> float:
    """The highest score that alarms in at least this share of positives."""
    positives = np.sort(score[y])[::-1]
    return float(positives[int(np.ceil(share * len(positives) - 1e-9)) - 1])


def at_budget(seen: Watch, score: Floats, budget: float) -> float:
    """The lowest score with at most `budget` spaced alarms per patient-day; infinity where there is none.

    A lower threshold never raises fewer: spacing keeps as many alarms as can be kept.
    """
    levels, days = np.unique(score), float(seen.days.sum())
    low, high = 0, len(levels)
    while low < high:
        middle = (low + high) // 2
        if alarms(seen, score >= levels[middle]) <= budget * days:
            high = middle
        else:
            low = middle + 1
    return float(levels[low]) if low < len(levels) else np.inf


def points(seen: Watch, score: Floats, draws: Draws) -> list[dict[str, Any]]:
    """The operating points everybody asks for, one row each; "at" names the wish."""
    wishes = {
        f"false-alarm rate {rate:.2f}": at_false_alarm_rate(seen.y, score, rate) for rate in FALSE_ALARMS
    }
    wishes[f"sensitivity {SENSITIVITY:.2f}"] = at_sensitivity(seen.y, score, SENSITIVITY)
    wishes |= {f"alarms per patient-day {budget:g}": at_budget(seen, score, budget) for budget in BUDGETS}
    return [{"at": wish, **point(seen, score, threshold, draws)} for wish, threshold in wishes.items()]


def point(seen: Watch, score: Floats, threshold: float, draws: Draws) -> dict[str, Any]:
    """What happens at one threshold: rates with 95 % intervals, alarms per patient-day, and lead time."""
    fires, y = score >= threshold, seen.y
    hit, days = (fires & y) * 1.0, float(seen.days.sum())
    found: dict[str, Any] = {
        "threshold": _rounded(threshold, 6) if np.isfinite(threshold) else None,
        "sensitivity": _rounded(hit.sum() / y.sum()),
        "sensitivity_95": interval(draws.ratio(hit, y * 1.0)),
        "ppv": _rounded(hit.sum() / fires.sum()) if fires.any() else None,
        "ppv_95": interval(draws.ratio(hit, fires * 1.0)),
        "false_alarm_rate": _rounded((fires & ~y).sum() / (~y).sum()),
        "false_alarm_rate_95": interval(draws.ratio((fires & ~y) * 1.0, ~y * 1.0)),
        "alarms_per_patient_day": _rounded(fires.sum() / days),
        "spaced_alarms_per_patient_day": _rounded(alarms(seen, fires) / days),
    }
    return found | (lead(seen, fires) if np.isfinite(seen.onset).any() else {})


def lead(seen: Watch, fires: Mask) -> dict[str, Any]:
    """Patients found at a landmark 1 h to `horizon` before onset, and the hours from the first such alarm to it."""
    counts = (seen.onset >= AHEAD) & (seen.onset <= seen.horizon)
    to_find = np.unique(seen.stay[counts])
    names, owner = np.unique(seen.stay[counts & fires], return_inverse=True)
    hours = np.zeros(len(names))
    np.maximum.at(hours, owner, seen.onset[counts & fires])
    quartiles = np.percentile(hours, [25, 50, 75]) if len(hours) else None
    return {
        "patients_to_find": len(to_find),
        "patients_found": _rounded(len(names) / len(to_find)) if len(to_find) else None,
        "lead_hours": None if quartiles is None else _rounded(quartiles[1], 1),
        "lead_hours_quartiles": None if quartiles is None else [_rounded(q, 1) for q in quartiles[[0, 2]]],
    }


def curve(seen: Watch, score: Floats) -> list[dict[str, float]]:
    """Sensitivity and patients found against spaced alarms per patient-day, from the fewest alarms on."""
    found = []
    for threshold in np.unique(np.quantile(score, np.linspace(0, 1, STEPS), method="nearest"))[::-1]:
        fires = score >= threshold
        row = {
            "alarms": _rounded(alarms(seen, fires) / float(seen.days.sum())),
            "sensitivity": _rounded(fires[seen.y].mean()),
        }
        if np.isfinite(seen.onset).any():
            row["patients_found"] = lead(seen, fires)["patients_found"] or 0.0
        found.append(row)
    return found


def decisions(y: Mask, probabilities: Mapping[str, Floats]) -> dict[str, list[float]]:
    """Net benefit per patient asked about at thresholds of 1 to 40 %: acting on each, on all; on none it is 0.

    True positives less false positives weighed by the odds of the threshold (Vickers and Elkin 2006).
    """
    odds = THRESHOLDS / (1 - THRESHOLDS)
    found = {
        "threshold": [_rounded(threshold) for threshold in THRESHOLDS],
        "treat all": [_rounded(value, 5) for value in y.mean() - (~y).mean() * odds],
    }
    for name, p in probabilities.items():
        hits, false = _at_or_above(p[y]), _at_or_above(p[~y])
        found[name] = [_rounded(value, 5) for value in (hits - false * odds) / len(y)]
    return found


def useful(curve: Mapping[str, list[float]], name: str) -> list[float] | None:
    """The lowest and the highest threshold at which acting on `name` beats both acting on all and on none."""
    rows = zip(curve["threshold"], curve[name], curve["treat all"], strict=True)
    better = [threshold for threshold, ours, everybody in rows if ours > max(everybody, 0.0)]
    return [better[0], better[-1]] if better else None


def _at_or_above(p: Floats) -> NDArray[np.int_]:
    """How many of `p` are at or above each threshold."""
    counts: NDArray[np.int_] = len(p) - np.searchsorted(np.sort(p), THRESHOLDS, side="left")
    return counts


def _courses(stay: NDArray[np.str_], hour: Floats) -> NDArray[np.intp]:
    """Rows of each stay in order of time, [S,L], -1 after the last."""
    _, owner = np.unique(stay, return_inverse=True)
    order = np.lexsort((hour, owner))
    sizes = np.bincount(owner)
    place = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    course = np.full((len(sizes), int(sizes.max(initial=0))), -1, dtype=np.intp)
    course[owner[order], place] = order
    return course


def _rounded(value: Any, digits: int = 4) -> float:
    return round(float(value), digits)
