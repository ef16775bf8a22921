"""What the charts promise, in one place: how seldom each alarms falsely, and in how many days it finds which shift.

Of a site of these sizes and of a model with `CHARTS` charts, from a baseline of 60 days as every chart really has.
The days are means that include the chart's own waiting (a week is charted when it is over); tests hold all of them by
simulation. With fewer cases, or more charts, a chart is slower: its false alarms stay as seldom.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

PROMISED: Final = 180  # days between false alarms of all charts of one model together
BASELINE: Final = 60  # days
CHARTS: Final = 40  # of one model: two for each of some fifteen inputs, and the others
RUN_LENGTH: Final = PROMISED * CHARTS  # days between false alarms of each chart


@dataclass(frozen=True, slots=True)
class Stated:
    """One chart: cases a sample of `every` days, the shift, and the mean days from it to its alarm.

    A share goes from `usual` to `shifted`; a mean moves by `shifted` standard deviations of a day's; calibration's
    odds are `shifted` times the predicted.
    """

    chart: str
    every: int
    size: int
    usual: float
    shifted: float
    days: int
    run_length: int = RUN_LENGTH


STATED: Final = (
    Stated("sensitivity", 7, 30, 0.85, 0.60, 56),
    Stated("false-alarms", 7, 500, 0.05, 0.10, 16),
    Stated("calibration", 1, 60, 1.0, 2.0, 7),
    Stated("input", 1, 60, 0.0, 1.5, 16),
    Stated("missing", 1, 100, 0.10, 0.20, 10),
    Stated("unit-mix", 7, 500, 0.40, 0.50, 14),
    Stated("alert-rate", 1, 100, 0.08, 0.16, 14),
    Stated("latency", 1, 60, 0.0, 1.5, 16),
    Stated("override-rate", 1, 20, 0.30, 0.60, 10),
)
