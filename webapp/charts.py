"""Charts as SVG text, drawn on the server: numbers in, markup out.

Every chart has a sentence beside it that says the same, so it is either decoration to a screen reader
(`aria-hidden`) or carries that sentence as its label. Colours are classes of `static/ordertime.css`; only the
icon array, which is printed, carries its own black and white. No style attribute anywhere: the pages'
Content-Security-Policy forbids it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Final

from markupsafe import Markup, escape

Series = Sequence[tuple[float, float]]
TICK_HOURS: Final = (0.25, 0.5, 1, 2, 3, 6, 12, 24, 48)
AXIS_WIDTH, AXIS_HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 360, 220, 40, 92, 18, 34


def range_bar(
    probability: float, low: float, high: float, base: float | None, threshold: float | None
) -> Markup:
    """A 0-100 % scale: the interval as a bar, the estimate as a dot, base rate and threshold as marks."""
    x, x0, x1 = _percent_x(probability), _percent_x(low), _percent_x(high)
    marks = ['<line class="track" x1="4" y1="12" x2="204" y2="12"/>']
    marks += [
        f'<line class="grid" x1="{_percent_x(t)}" y1="8" x2="{_percent_x(t)}" y2="16"/>' for t in (0, 0.5, 1)
    ]
    marks.append(
        f'<rect class="interval" x="{x0}" y="8.5" width="{max(x1 - x0, 1.5):.1f}" height="7" rx="3.5"/>'
    )
    if base is not None:
        marks.append(f'<line class="base" x1="{_percent_x(base)}" y1="3" x2="{_percent_x(base)}" y2="21"/>')
    if threshold is not None:
        at = _percent_x(threshold)
        marks.append(f'<path class="threshold" d="M{at} 6 l-3.2 -5 h6.4 z"/>')
    marks.append(f'<circle class="estimate" cx="{x}" cy="12" r="4.6"/>')
    return _svg("range-bar", 208, 24, "".join(marks))


def members_strip(members: Sequence[float]) -> Markup:
    """Each ensemble member's own probability as a thin stroke on the 0-100 % scale."""
    strokes = "".join(
        f'<line class="member" x1="{_percent_x(p)}" y1="4" x2="{_percent_x(p)}" y2="20"/>'
        for p in sorted(members)
    )
    return _svg("range-bar", 208, 24, f'<line class="track" x1="4" y1="12" x2="204" y2="12"/>{strokes}')


def push_bar(push: float, largest: float) -> Markup:
    """One push as a bar from the middle: right raises, left lowers. `largest` fills the half."""
    length = 36 * min(abs(push) / largest, 1) if largest > 0 else 0
    x, kind = (40.0, "raises") if push > 0 else (40 - length, "lowers")
    bar = f'<rect class="{kind}" x="{x:.1f}" y="3" width="{length:.1f}" height="8"/>'
    return _svg("push-bar", 80, 14, f'{bar}<line class="grid" x1="40" y1="0" x2="40" y2="14"/>')


def sparkline(series: Series) -> Markup | None:
    """The course of one variable, time to the right, its last value as a dot; None below two values.

    The height is at least a twentieth of the value: a trifle is not drawn as a cliff.
    """
    if len(series) < 2:
        return None
    hours = [-t for t, _ in series]
    values = [v for _, v in series]
    span = (max(hours) - min(hours)) or 1
    middle = (min(values) + max(values)) / 2
    height = max(max(values) - min(values), abs(middle) / 20) or 1
    dots = [
        (3 + 66 * (h - min(hours)) / span, 10 - 14 * (v - middle) / height)
        for h, v in zip(hours, values, strict=True)
    ]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in dots)
    x, y = dots[-1]
    body = (
        f'<polyline class="course" points="{line}"/><circle class="last" cx="{x:.1f}" cy="{y:.1f}" r="2.4"/>'
    )
    return _svg("sparkline", 72, 20, body)


def icon_array(filled: int, label: str, total: int = 100) -> Markup:
    """`filled` of `total` people, ten to a row, black figures first; any printer will do."""
    figures = []
    for place in range(total):
        x, y = 18 * (place % 10), 25 * (place // 10)
        paint = 'fill="#000" stroke="#000"' if place < filled else 'fill="#fff" stroke="#666"'
        figures.append(
            f'<g transform="translate({x + 9} {y})" {paint} stroke-width="1.1">'
            '<circle cx="0" cy="5.2" r="3.4"/>'
            '<path d="M-6 21.5v-4.9c0-3.6 2.6-5.8 6-5.8s6 2.2 6 5.8v4.9z"/></g>'
        )
    return _svg("people", 180, 25 * math.ceil(total / 10), "".join(figures), label)


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
    """The expected next value with its 80 % interval, and in words the time it is good for ("within 24 h")."""

    value: float
    low: float
    high: float
    when: str


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
        parts += _expected(forecast, scale)
    return _svg("course-chart", AXIS_WIDTH, AXIS_HEIGHT, "".join(parts), label)


@dataclass(frozen=True, slots=True)
class _Scale:
    """Value to height: linear from nought, logarithmic where the values span more than a factor of eight."""

    low: float
    high: float
    log: bool

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
        return round(AXIS_HEIGHT - BOTTOM - share * (AXIS_HEIGHT - BOTTOM - TOP), 1)

    def ticks(self) -> list[float]:
        if self.log:
            decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            every = [m * 10.0**d for d in decades for m in (1, 2, 5) if self.low <= m * 10.0**d <= self.high]
            return every if len(every) <= 5 else [t for t in every if math.log10(t) % 1 == 0] or every[::3]
        step = next(
            s for e in range(-3, 7) for s in (10.0**e, 2 * 10.0**e, 5 * 10.0**e) if self.high / s <= 5
        )
        return [n * step for n in range(int(self.high / step) + 1)]


def _percent_x(probability: float) -> float:
    return round(4 + 200 * min(max(probability, 0), 1), 1)


def _band(forecast: Forecast | None) -> list[float]:
    return [forecast.low, forecast.high] if forecast is not None else []


class _time_axis:
    """Time to width, from the first draw to the chart's moment."""

    def __init__(self, start: datetime, end: datetime) -> None:
        self.start, self.span = start, max((end - start) / timedelta(hours=1), 0.5)

    def __call__(self, time: datetime) -> float:
        share = (time - self.start) / timedelta(hours=1) / self.span
        return round(LEFT + 14 + share * (AXIS_WIDTH - LEFT - RIGHT - 22), 1)


def _grid(scale: _Scale) -> list[str]:
    lines = []
    for tick in scale.ticks():
        y = scale.y(tick)
        lines.append(f'<line class="grid" x1="{LEFT}" y1="{y}" x2="{AXIS_WIDTH - 4}" y2="{y}"/>')
        lines.append(f'<text class="tick" x="{LEFT - 6}" y="{y + 3.5:.1f}" text-anchor="end">{tick:g}</text>')
    return lines


def _hours(start: datetime, end: datetime, zone: tzinfo, x: _time_axis) -> list[str]:
    span = x.span
    step = next((s for s in TICK_HOURS if span / s <= 4), math.ceil(span / 4 / 24) * 24)
    local = start.astimezone(zone).replace(minute=0, second=0, microsecond=0)
    marks, y = [], AXIS_HEIGHT - BOTTOM
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


def _svg(kind: str, width: int, height: int, body: str, label: str = "") -> Markup:
    role = f'role="img" aria-label="{escape(label)}"' if label else 'aria-hidden="true"'
    frame = f'class="{kind}" viewBox="0 0 {width} {height}" preserveAspectRatio="xMinYMid" focusable="false"'
    # The body is drawn above from numbers; what text it holds was escaped there.
    return Markup(f"<svg {frame} {role}>{body}</svg>")  # noqa: S704  # nosec B704
