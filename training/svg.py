"""Drawing by hand: panels, axes, lines and words as SVG text, in presentation attributes alone.

No style element, no script, no font from elsewhere, so that a drawing shows under the strictest
Content-Security-Policy, and each carries its title and a description for those who cannot see it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

Point = tuple[float, float]
Ticks = Sequence[tuple[float, str]]
INK: Final = "#111"
SOFT: Final = "#555"
RULE: Final = "#ddd"
FONT: Final = "Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"


@dataclass(frozen=True, slots=True)
class Stroke:
    """How a line looks; the dash alone tells lines apart where there is no colour."""

    colour: str = INK
    width: float = 1.6
    dash: str = ""

    @property
    def attributes(self) -> str:
        """Presentation attributes."""
        dash = f' stroke-dasharray="{self.dash}"' if self.dash else ""
        return f'stroke="{self.colour}" stroke-width="{self.width}"{dash}'


THIN: Final = Stroke(SOFT, 1.0, "4 3")


@dataclass(frozen=True, slots=True)
class Panel:
    """Where a panel is drawn, in user units, and the range of values its axes stand for."""

    left: float
    top: float
    width: float
    height: float
    x: tuple[float, float]
    y: tuple[float, float]

    def at(self, x: float, y: float) -> Point:
        """A value pair as a place."""
        across = (x - self.x[0]) / (self.x[1] - self.x[0])
        up = (y - self.y[0]) / (self.y[1] - self.y[0])
        return self.left + across * self.width, self.top + (1 - up) * self.height

    @property
    def clip(self) -> str:
        """The id of this panel's clipping path."""
        return f"panel-{self.left:.0f}-{self.top:.0f}"


def document(width: float, height: float, title: str, text: str, body: str) -> str:
    """A whole drawing: title and description for screen readers, white ground, then the body."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
        f'width="{width:g}" height="{height:g}" role="img" aria-labelledby="title text" '
        f'font-family="{FONT}" font-size="13" fill="{INK}">\n'
        f'<title id="title">{escape(title)}</title>\n<desc id="text">{escape(text)}</desc>\n'
        f'<rect width="{width:g}" height="{height:g}" fill="#fff"/>\n{body}\n</svg>\n'
    )


def heading(title: str, below: str, left: float = 16) -> str:
    """The drawing's own title and the line under it."""
    return words(left, 26, title, size=16, weight="bold") + words(left, 45, below, size=12, colour=SOFT)


def words(
    x: float, y: float, said: str, *, size: float = 13, anchor: str = "start", weight: str = "normal",
    colour: str = INK, turn: float = 0,
) -> str:  # fmt: skip
    """One line of text at a place; `anchor` is start, middle or end, `turn` in degrees."""
    turned = f' transform="rotate({turn:g} {x:.1f} {y:.1f})"' if turn else ""
    bold = f' font-weight="{weight}"' if weight != "normal" else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" text-anchor="{anchor}" fill="{colour}"'
        f"{bold}{turned}>{escape(said)}</text>\n"
    )


def axes(panel: Panel, x: Ticks, y: Ticks, across: str, up: str) -> str:
    """Ground lines at the ticks, their labels, the two axes and, unless empty, what they measure."""
    right, bottom = panel.left + panel.width, panel.top + panel.height
    drawn = [
        f'<clipPath id="{panel.clip}"><rect x="{panel.left:.1f}" y="{panel.top - 4:.1f}" '
        f'width="{panel.width + 4:.1f}" height="{panel.height + 4:.1f}"/></clipPath>\n'
    ]
    for value, label in x:
        at, _ = panel.at(value, panel.y[0])
        drawn.append(segment((at, panel.top), (at, bottom), Stroke(RULE, 1)))
        drawn.append(words(at, bottom + 17, label, size=12, anchor="middle"))
    for value, label in y:
        _, at = panel.at(panel.x[0], value)
        drawn.append(segment((panel.left, at), (right, at), Stroke(RULE, 1)))
        drawn.append(words(panel.left - 8, at + 4, label, size=12, anchor="end"))
    drawn.append(segment((panel.left, bottom), (right, bottom), Stroke(INK, 1)))
    drawn.append(segment((panel.left, panel.top), (panel.left, bottom), Stroke(INK, 1)))
    if across:
        drawn.append(words(panel.left + panel.width / 2, bottom + 38, across, anchor="middle"))
    if up:
        drawn.append(words(panel.left - 46, panel.top + panel.height / 2, up, anchor="middle", turn=-90))
    return "".join(drawn)


def segment(start: Point, end: Point, stroke: Stroke) -> str:
    """A straight line between two places."""
    return (
        f'<line x1="{start[0]:.1f}" y1="{start[1]:.1f}" x2="{end[0]:.1f}" y2="{end[1]:.1f}" '
        f"{stroke.attributes}/>\n"
    )


def path(panel: Panel, values: Sequence[Point], stroke: Stroke) -> str:
    """A line through value pairs, cut off at the panel's edges."""
    places = " ".join(f"{x:.1f},{y:.1f}" for x, y in (panel.at(*value) for value in values))
    return (
        f'<polyline points="{places}" fill="none" stroke-linejoin="round" {stroke.attributes} '
        f'clip-path="url(#{panel.clip})"/>\n'
    )


def dot(place: Point, radius: float = 4, *, hollow: bool = False) -> str:
    """A filled dot, or a ring."""
    fill = f'fill="#fff" stroke="{INK}" stroke-width="1.5"' if hollow else f'fill="{INK}"'
    return f'<circle cx="{place[0]:.1f}" cy="{place[1]:.1f}" r="{radius:g}" {fill}/>\n'


def bar(left: float, top: float, width: float, height: float, colour: str = "#888") -> str:
    """A filled bar."""
    return f'<rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{colour}"/>\n'


def steps(top: float, bottom: float = 0.0, count: int = 5) -> list[float]:
    """Round values from `bottom` to `top`, about `count` of them."""
    for size in (0.001, 0.002, 0.005, 0.01, 0.02, 0.025, 0.05, 0.1, 0.2, 0.25, 0.5, 1, 2, 2.5, 5, 10, 20):
        if (top - bottom) / size <= count + 0.5:
            break
    first = round(bottom / size)
    return [round(n * size, 6) for n in range(first, int(top / size + 1e-9) + 1)]


def percents(values: Sequence[float]) -> list[tuple[float, str]]:
    """Ticks of shares, as percent."""
    return [(value, f"{100 * value:g} %") for value in values]


def numbers(values: Sequence[float]) -> list[tuple[float, str]]:
    """Ticks of plain numbers, all with as many decimals as the finest needs."""
    digits = max((len(f"{value:g}".partition(".")[2]) for value in values), default=0)
    return [(value, f"{value:.{digits}f}") for value in values]
