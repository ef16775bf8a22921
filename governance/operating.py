"""The operating threshold, searched on silent data: what each threshold would have caught, and at what price."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from governance.figures import SEED, per_patient
from governance.gate import BY_ALARM, BY_DAY, PER_100, Gate
from governance.intervals import Rate, rates
from governance.patient_days import Days

STEPS: Final = 25  # thresholds looked at, besides the configured one


@dataclass(frozen=True, slots=True)
class Point:
    """One threshold's trade: sensitivity, and false alarms by each of the three definitions."""

    threshold: float
    sensitivity: Rate
    by_day: Rate
    by_alarm: Rate
    alarms: Rate

    def false(self, definition: str) -> Rate:
        """The false-alarm rate that goes by `definition`."""
        return {BY_DAY: self.by_day, BY_ALARM: self.by_alarm, PER_100: self.alarms}[definition]


def trade_off(days: Days, configured: float, *, seed: int = SEED) -> tuple[Point, ...]:
    """Points from the lowest threshold to the highest: at quantiles of what positive and other days reached."""
    reached = np.concatenate([days.followed[days.positive], days.top])
    some = reached[reached >= 0]
    levels = np.quantile(some, np.linspace(0, 1, STEPS)) if len(some) else np.array([])
    return tuple(_point(days, float(each), seed) for each in sorted({*levels.tolist(), configured}))


def proposed(points: tuple[Point, ...], gate: Gate) -> Point | None:
    """The highest threshold whose sensitivity is proven; None where none is. Its false alarms may still be too many."""
    enough = [p for p in points if p.sensitivity.low is not None and p.sensitivity.low >= gate.sensitivity]
    return enough[-1] if enough else None


def _point(days: Days, threshold: float, seed: int) -> Point:
    counts, of = per_patient(days, threshold)
    caught, by_day, by_alarm = rates(counts[:, :3], of[:, :3], seed=seed)
    (alarms,) = rates(counts[:, 3:], of[:, 3:], seed=seed, bounded=False)
    return Point(threshold, caught, by_day, by_alarm, alarms)
