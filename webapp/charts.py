"""Small charts as SVG text, drawn on the server: numbers in, markup out.

Every chart has a sentence beside it that says the same, so it is either decoration to a screen reader
(`aria-hidden`) or carries that sentence as its label. Colours are classes of `static/ordertime.css`; only the
icon array, which is printed, carries its own black and white. No style attribute anywhere: the pages'
Content-Security-Policy forbids it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup, escape

Series = Sequence[tuple[float, float]]
SMALL = ("push-bar", "sparkline")  # drawn at the size they are made for
DOTS = 12  # points of a sparkline, or so: it is four and a half millimetres high


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
    return svg("range-bar", 208, 24, "".join(marks))


def members_strip(members: Sequence[float]) -> Markup:
    """Each ensemble member's own probability as a thin stroke on the 0-100 % scale."""
    strokes = "".join(
        f'<line class="member" x1="{_percent_x(p)}" y1="4" x2="{_percent_x(p)}" y2="20"/>'
        for p in sorted(members)
    )
    return svg("range-bar", 208, 24, f'<line class="track" x1="4" y1="12" x2="204" y2="12"/>{strokes}')


def place_strip(share: float) -> Markup:
    """Ten tenths of comparable patients from the lowest prediction to the highest, and a mark where this one lies."""
    tenth = min(int(10 * share), 9)
    tiles = "".join(
        f'<rect class="{"tenth here" if n == tenth else "tenth"}" x="{4 + 20 * n}" y="9" width="18" height="8"/>'
        for n in range(10)
    )
    at = round(4 + 198 * share, 1)
    return svg("range-bar", 208, 24, f'{tiles}<path class="threshold" d="M{at} 8 l-3.5 -6 h7 z"/>')


def push_bar(push: float, largest: float) -> Markup:
    """One push as a bar from the middle: right raises, left lowers. `largest` fills the half."""
    length = 36 * min(abs(push) / largest, 1) if largest > 0 else 0
    x, kind = (40.0, "raises") if push > 0 else (40 - length, "lowers")
    bar = f'<rect class="{kind}" x="{x:.4g}" y="3" width="{length:.3g}" height="8"/>'
    return svg("push-bar", 80, 14, bar)


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
    step = max(len(dots) // DOTS, 1)  # the page stays light; first and last stay
    line = " ".join(f"{x:.0f},{y:.0f}" for x, y in [*dots[:-1:step], dots[-1]])
    x, y = dots[-1]
    body = (
        f'<polyline class="course" points="{line}"/><circle class="last" cx="{x:.0f}" cy="{y:.0f}" r="2.4"/>'
    )
    return svg("sparkline", 72, 20, body)


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
    return svg("people", 180, 25 * math.ceil(total / 10), "".join(figures), label)


def _percent_x(probability: float) -> float:
    return round(4 + 200 * min(max(probability, 0), 1), 1)


def svg(kind: str, width: int, height: int, body: str, label: str = "") -> Markup:
    """An SVG element of class `kind`; with a `label` it is an image to a screen reader, without one decoration."""
    role = f'role="img" aria-label="{escape(label)}"' if label else 'aria-hidden="true"'
    fixed = "" if kind in SMALL else ' preserveAspectRatio="xMinYMid"'
    frame = f'class="{kind}" viewBox="0 0 {width} {height}"{fixed}'
    # The body is drawn above from numbers; what text it holds was escaped there.
    return Markup(f"<svg {frame} {role}>{body}</svg>")  # noqa: S704  # nosec B704
