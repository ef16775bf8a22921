"""Courses over time as SVG text: the troponins with the forecast, and the headline hour by hour.

Every drawing carries the sentence that says the same. Refuses to join what may not be compared: draws of another assay
stand off the scale, and a line ends where an hour had no number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from itertools import groupby
from typing import Final

from markupsafe import Markup, escape

from webapp import words
from webapp.charts import svg

TICK_HOURS: Final = (0.25, 0.5, 1, 2, 3, 6, 12, 24, 48)
AXIS_WIDTH, AXIS_HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 360, 220, 40, 104, 18, 34
HOURLY_HEIGHT, HOURLY_RIGHT = 170, 14
FAN: Final = 94  # width of the day ahead, where the forecast is drawn hour by hour
TICKS_AHEAD: Final = (6, 12, 24)


@dataclass(frozen=True, slots=True)
class Point:
    """One troponin on the chart. `bound` "<" or ">": the laboratory gave a limit, not a value."""

    time: datetime
    value: float
    text: str
    bound: str = ""
    comparable: bool = True


@dataclass(frozen=True, slots=True)
class Forecast:
    """The expected next value with its 80 % interval, and in words the time it is good for ("within 24 h").

    `fan`: the same for draws at several times, as (hours ahead, value, low, high), soonest first; `planned`: hours to
    the draw that was asked about.
    """

    value: float
    low: float
    high: float
    when: str
    fan: tuple[tuple[float, float, float, float], ...] = ()
    planned: float | None = None


@dataclass(frozen=True, slots=True)
class HourPoint:
    """One hour of the headline's course; `probability` None where there was no number."""

    time: datetime
    probability: float | None
    low: float | None
    high: float | None
    backed: bool


def troponin_course(
    points: Sequence[Point],
    as_of: datetime,
    zone: tzinfo,
    limit: float | None,
    forecast: Forecast | None,
    label: str,
) -> Markup:
    """Draws on a time axis, the limit dashed, the forecast apart at the right; other assays off the scale."""
    shown = [p for p in points if p.comparable]
    if not shown:
        return Markup("")  # nosec B704
    scale = _Scale.over([p.value for p in shown] + ([limit] if limit else []) + _band(forecast))
    start = min(p.time for p in points)
    x = _time_axis(start, as_of)
    parts = [*_grid(scale), *_hours(start, as_of, zone, x)]
    parts.append(f'<text class="tick" x="{LEFT - 6}" y="{TOP - 8}" text-anchor="end">ng/L</text>')
    if limit is not None:
        y = scale.y(limit)
        parts.append(f'<line class="limit" x1="{LEFT}" y1="{y}" x2="{AXIS_WIDTH - 4}" y2="{y}"/>')
        parts.append(f'<text class="limit-text" x="{LEFT + 4}" y="{y - 4:.1f}">limit {limit:g}</text>')
    line = " ".join(f"{x(p.time):.1f},{scale.y(p.value):.1f}" for p in shown)
    parts.append(f'<polyline class="course" points="{line}"/>')
    parts += [_mark(p, x(p.time), scale.y(p.value)) for p in shown]
    parts += [_foreign(p, x(p.time)) for p in points if not p.comparable]
    if forecast is not None:
        parts += _fan(forecast, scale, x(as_of)) if len(forecast.fan) > 1 else _expected(forecast, scale)
    return svg("course-chart", AXIS_WIDTH, AXIS_HEIGHT, "".join(parts), label)


def hourly(
    points: Sequence[HourPoint], as_of: datetime, zone: tzinfo, base: float | None, label: str
) -> Markup:
    """The headline's course in per cent with its 95 % band; hollow where it was not stood behind."""
    told = [p for p in points if p.probability is not None]
    top = max([p.high or p.probability or 0 for p in told] + [base or 0, 0.1])
    scale = _Scale(0, 100 * min(top * 1.08, 1), False, HOURLY_HEIGHT)
    x = _time_axis(points[0].time, as_of, HOURLY_RIGHT)
    parts = [*_grid(scale), *_hours(points[0].time, as_of, zone, x, HOURLY_HEIGHT)]
    parts.append(f'<text class="tick" x="{LEFT - 6}" y="{TOP - 8}" text-anchor="end">%</text>')
    if base:
        y = scale.y(100 * base)
        parts.append(f'<line class="base-rate" x1="{LEFT}" y1="{y}" x2="{AXIS_WIDTH - 4}" y2="{y}"/>')
    for known, run in groupby(points, key=lambda p: p.probability is not None):
        if known:
            parts += _run(list(run), x, scale)
    return svg("course-chart", AXIS_WIDTH, HOURLY_HEIGHT, "".join(parts), label)


def _run(run: Sequence[HourPoint], x: _time_axis, scale: _Scale) -> list[str]:
    """Hours on end that had a number: the band, the line, a dot each."""

    def at(time: datetime, share: float | None) -> str:
        return f"{x(time):.1f},{scale.y(100 * (share or 0)):.1f}"

    upper = [at(p.time, p.probability if p.high is None else p.high) for p in run]
    lower = [at(p.time, p.probability if p.low is None else p.low) for p in reversed(run)]
    line = " ".join(at(p.time, p.probability) for p in run)
    dots = [
        f'<circle class="{"hour" if p.backed else "hour open"}" cx="{x(p.time):.1f}" '
        f'cy="{scale.y(100 * (p.probability or 0)):.1f}" r="2.6"/>'
        for p in run
    ]
    band = f'<polygon class="expected" points="{" ".join(upper + lower)}"/>'
    return [band, f'<polyline class="course" points="{line}"/>', *dots]


def _fan(forecast: Forecast, scale: _Scale, now: float) -> list[str]:
    """The forecast for a draw at each time of the day ahead: its 80 % band opening to the right of now."""
    y = AXIS_HEIGHT - BOTTOM

    def x(hours: float) -> float:
        return round(now + 8 + FAN * hours / TICKS_AHEAD[-1], 1)

    upper = [f"{x(hours)},{scale.y(high)}" for hours, _, _, high in forecast.fan]
    lower = [f"{x(hours)},{scale.y(low)}" for hours, _, low, _ in reversed(forecast.fan)]
    middle = " ".join(f"{x(hours)},{scale.y(value)}" for hours, value, _, _ in forecast.fan)
    end, value = forecast.fan[-1][0], forecast.fan[-1][1]
    if forecast.planned is not None:  # the planned draw's own bar, and its value
        end, value = forecast.planned, forecast.value
    low, high, at = scale.y(forecast.low), scale.y(forecast.high), x(end)
    bar = f'<line class="planned" x1="{at}" y1="{low}" x2="{at}" y2="{high}"/>'
    under = "hours ahead" if forecast.planned is None else f"next draw {forecast.when}"
    marks = [
        f'<text class="tick" x="{x(hours)}" y="{y + 16}" text-anchor="middle">+{hours}</text>'
        for hours in TICKS_AHEAD
    ]
    return [
        f'<polygon class="expected" points="{" ".join(upper + lower)}"/>',
        f'<polyline class="expected-middle" points="{middle}"/>',
        bar if forecast.planned is not None else "",
        f'<text class="draw-text" x="{max(at, now + 24)}" y="{scale.y(value) - 5:.1f}" text-anchor="end">'
        f"{words.number(words.rough(value))}</text>",
        *marks,
        f'<text class="tick" x="{x(14)}" y="{y + 28}" text-anchor="middle">{escape(under)}</text>',
    ]


@dataclass(frozen=True, slots=True)
class _Scale:
    """Value to height: linear from nought, logarithmic where the values span more than a factor of eight."""

    low: float
    high: float
    log: bool
    height: int = AXIS_HEIGHT

    @staticmethod
    def over(values: Sequence[float]) -> _Scale:
        low, high = min(values), max(values)
        if low > 0 and high / low > 8:
            return _Scale(low / 1.5, high * 1.5, True)
        return _Scale(0, (high or 1) * 1.2, False)

    def y(self, value: float) -> float:
        if self.log:
            share = math.log(max(value, self.low) / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return round(self.height - BOTTOM - share * (self.height - BOTTOM - TOP), 1)

    def ticks(self) -> list[float]:
        if self.log:
            decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            every = [m * 10.0**d for d in decades for m in (1, 2, 5) if self.low <= m * 10.0**d <= self.high]
            return every if len(every) <= 5 else [t for t in every if math.log10(t) % 1 == 0] or every[::3]
        step = next(
            s for e in range(-3, 7) for s in (10.0**e, 2 * 10.0**e, 5 * 10.0**e) if self.high / s <= 5
        )
        return [n * step for n in range(int(self.high / step) + 1)]


def _band(forecast: Forecast | None) -> list[float]:
    if forecast is None:
        return []
    ends = [end for _, _, low, high in forecast.fan for end in (low, high)]
    return [*ends, forecast.low, forecast.high]


class _time_axis:
    """Time to width, from the first draw to the chart's moment."""

    def __init__(self, start: datetime, end: datetime, right: int = RIGHT) -> None:
        self.right = right
        self.start, self.span = start, max((end - start) / timedelta(hours=1), 0.5)

    def __call__(self, time: datetime) -> float:
        share = (time - self.start) / timedelta(hours=1) / self.span
        return round(LEFT + 14 + share * (AXIS_WIDTH - LEFT - self.right - 22), 1)


def _grid(scale: _Scale) -> list[str]:
    lines = []
    for tick in scale.ticks():
        y = scale.y(tick)
        lines.append(f'<line class="grid" x1="{LEFT}" y1="{y}" x2="{AXIS_WIDTH - 4}" y2="{y}"/>')
        lines.append(f'<text class="tick" x="{LEFT - 6}" y="{y + 3.5:.1f}" text-anchor="end">{tick:g}</text>')
    return lines


def _hours(
    start: datetime, end: datetime, zone: tzinfo, x: _time_axis, height: int = AXIS_HEIGHT
) -> list[str]:
    span = x.span
    step = next((s for s in TICK_HOURS if span / s <= 4), math.ceil(span / 4 / 24) * 24)
    local = start.astimezone(zone).replace(minute=0, second=0, microsecond=0)
    marks, y = [], height - BOTTOM
    for count in range(int((span + 1) / step) + 2):
        time = local + timedelta(hours=count * step)
        if start <= time <= end:
            at = x(time)
            marks.append(f'<line class="grid" x1="{at}" y1="{y}" x2="{at}" y2="{y + 4}"/>')
            marks.append(f'<text class="tick" x="{at}" y="{y + 16}" text-anchor="middle">{time:%H:%M}</text>')
    now = x(end)
    marks.append(f'<line class="now" x1="{now}" y1="{TOP - 6}" x2="{now}" y2="{y}"/>')
    marks.append(f'<text class="tick" x="{now}" y="{y + 28}" text-anchor="middle">now</text>')
    return marks


def _mark(point: Point, x: float, y: float) -> str:
    shape = f'<circle class="draw" cx="{x}" cy="{y}" r="4"/>'
    if point.bound:  # a hollow arrow from the limit towards where the value lies
        turn = 1 if point.bound == "<" else -1
        shape = f'<path class="censored" d="M{x - 5} {y} h10 l-5 {9 * turn} z"/>'
    text = f'<text class="draw-text" x="{x}" y="{y - 9:.1f}" text-anchor="middle">{escape(point.text)}</text>'
    return f"{shape}{text}"


def _foreign(point: Point, x: float) -> str:
    y = TOP - 8
    return f'<rect class="foreign" x="{x - 3.5}" y="{y - 3.5}" width="7" height="7"/>'


def _expected(forecast: Forecast, scale: _Scale) -> list[str]:
    x, low, high, middle = (
        AXIS_WIDTH - 62,
        scale.y(forecast.low),
        scale.y(forecast.high),
        scale.y(forecast.value),
    )
    y = AXIS_HEIGHT - BOTTOM
    return [
        f'<rect class="expected" x="{x}" y="{high}" width="16" height="{max(low - high, 2):.1f}" rx="3"/>',
        f'<line class="expected-middle" x1="{x - 3}" y1="{middle}" x2="{x + 19}" y2="{middle}"/>',
        f'<text class="draw-text" x="{x + 23}" y="{middle + 3.5:.1f}">{forecast.value:g}</text>',
        f'<text class="tick" x="{x + 8}" y="{y + 16}" text-anchor="middle">next draw</text>',
        f'<text class="tick" x="{x + 8}" y="{y + 28}" text-anchor="middle">{escape(forecast.when)}</text>',
    ]
