"""The trade-off as SVG: what a threshold catches along the bottom, what it costs up the side, three ways.

One line for each definition of a false alarm, told apart by its dashes as well as its colour. The sentence under
the drawing and the table beside it say the same; colours are classes of `static/ordertime.css`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from markupsafe import Markup, escape

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 360, 240, 40, 10, 12, 40
LINES: Final = ("by_day", "by_alarm", "alarms")  # the keys of a point, in the legend's order


def trade_off(points: Sequence[Mapping[str, Any]], gate: Mapping[str, Any], axis: str, label: str) -> Markup:
    """The drawing; nothing where no threshold has a sensitivity. `axis` names the bottom, `label` says it all."""
    some = [p for p in points if p["sensitivity"]["value"] is not None]
    if not some:
        return Markup("")  # nosec B704
    parts = [*_frame(axis), *_limits(gate)]
    for kind in LINES:
        drawn = [(p["sensitivity"]["value"], p[kind]["value"]) for p in some if p[kind]["value"] is not None]
        line = " ".join(f"{_x(share)},{_y(cost)}" for share, cost in drawn)
        parts.append(f'<polyline class="trade {kind}" points="{line}"/>')
        at = next((p for p in some if p["threshold"] == gate["threshold"]), None)
        if at is not None and at[kind]["value"] is not None:
            place = f'cx="{_x(at["sensitivity"]["value"])}" cy="{_y(at[kind]["value"])}"'
            parts.append(f'<circle class="trade {kind}" {place} r="4"/>')
    frame = f'class="trade-off" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label)}"'
    # Drawn from numbers; the text it holds was escaped.
    return Markup(f'<svg {frame} focusable="false">{"".join(parts)}</svg>')  # noqa: S704  # nosec B704


def _frame(axis: str) -> list[str]:
    parts = []
    for tick in (0, 0.25, 0.5, 0.75, 1):
        x, y = _x(tick), _y(tick)
        parts.append(f'<line class="grid" x1="{LEFT}" y1="{y}" x2="{WIDTH - RIGHT}" y2="{y}"/>')
        parts.append(
            f'<text class="tick" x="{LEFT - 6}" y="{y + 3.5}" text-anchor="end">{tick * 100:g}</text>'
        )
        parts.append(
            f'<text class="tick" x="{x}" y="{HEIGHT - BOTTOM + 15}" text-anchor="middle">{tick * 100:g}</text>'
        )
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(
        f'<text class="tick" x="{middle}" y="{HEIGHT - 6}" text-anchor="middle">{escape(axis)}</text>'
    )
    return parts


def _limits(gate: Mapping[str, Any]) -> list[str]:
    x, y = _x(gate["sensitivity"]), _y(gate["false_alarms"])
    return [
        f'<line class="limit" x1="{x}" y1="{TOP}" x2="{x}" y2="{HEIGHT - BOTTOM}"/>',
        f'<line class="limit" x1="{LEFT}" y1="{y}" x2="{WIDTH - RIGHT}" y2="{y}"/>',
    ]


def _x(share: float) -> float:
    return round(LEFT + (WIDTH - LEFT - RIGHT) * share, 1)


def _y(cost: float) -> float:
    return round(
        HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * min(cost, 1), 1
    )  # more than 100 of 100 days: the top
