"""The course of the headline over the last day: a drawing, the same as a sentence, and hour by hour as rows.

Refuses to draw a line across an hour that had no number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo

from markupsafe import Markup

from inference.assessment import Assessment, Hourly, Status
from webapp import plots, words
from webapp.words import say


@dataclass(frozen=True, slots=True)
class HourLine:
    """One hour: its clock, the chance and its interval, and why there is none."""

    time: str
    share: str
    interval: str
    note: str


@dataclass(frozen=True, slots=True)
class Course:
    """The last day."""

    chart: Markup
    summary: str
    legend: str
    lines: tuple[HourLine, ...]


def course(found: Assessment, zone: tzinfo) -> Course | None:
    """The headline's course; None where nothing was recomputed, or no earlier hour had a number."""
    told = [hour for hour in found.trail if hour.probability is not None]
    if len(told) < 2:
        return None
    summary = _summary(found, told, zone)
    points = [_point(hour) for hour in found.trail]
    return Course(
        chart=plots.hourly(points, found.as_of, zone, found.base_rate, summary),
        summary=summary,
        legend=say("en", "hours.legend", version=found.version),
        lines=tuple(_line(hour, found, zone) for hour in reversed(found.trail)),
    )


def _summary(found: Assessment, told: Sequence[Hourly], zone: tzinfo) -> str:
    first, last = told[0], told[-1]
    highest = max(told, key=lambda hour: hour.probability or 0)

    def share(hour: Hourly) -> str:
        return words.percent(hour.probability or 0)

    def clock(hour: Hourly) -> str:
        return words.clock(hour.at, zone, found.as_of)

    said = say("en", "hours.summary", first=share(first), at=clock(first), last=share(last))
    if highest in (first, last):
        return said
    return f"{said} {say('en', 'hours.highest', share=share(highest), at=clock(highest))}"


def _point(hour: Hourly) -> plots.HourPoint:
    return plots.HourPoint(hour.at, hour.probability, hour.low, hour.high, hour.status is Status.ASSESSED)


def _line(hour: Hourly, found: Assessment, zone: tzinfo) -> HourLine:
    time = words.clock(hour.at, zone, found.as_of)
    if hour.probability is None:
        return HourLine(time, "", "", say("en", f"hours.{hour.status.value}"))
    low, high = (hour.probability if end is None else end for end in (hour.low, hour.high))
    note = "" if hour.status is Status.ASSESSED else say("en", f"hours.{hour.status.value}")
    return HourLine(time, words.percent(hour.probability), words.interval(low, high), note)
