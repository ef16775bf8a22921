"""The drawings of an evaluation, one a data set and kind, from the same numbers as evaluation.json.

Each says in its title what it shows, in its second line of whom, and in words (for those who cannot see it) what
it comes to. Lines differ by dash as well as by colour, so that a black-and-white print can be read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve, roc_curve

from training import svg
from training.contenders import MODEL, titled
from training.svg import Panel, Point, Stroke

Floats = NDArray[np.floating[Any]]
STROKES: Final[Mapping[str, Stroke]] = {
    MODEL: Stroke("#0b2f6b", 2.8),
    "sequence": Stroke("#0b2f6b", 2.0, "1.5 3.5"),
    "trees": Stroke("#a33b00", 1.8, "9 4"),
    "trees without FiO2": Stroke("#a33b00", 1.3, "4 4"),
    "line": Stroke("#3d6b1f", 1.8, "12 3 2 3"),
}
OTHERS: Final = (
    Stroke("#6b2a7a", 1.6, "6 2 2 2 2 2"),
    Stroke("#444", 1.6, "1 3"),
    Stroke("#444", 1.4, "12 4"),
)
NOBODY: Final = Stroke(svg.SOFT, 1.2)
PATIENTS: Final = Stroke("#000", 1.3)
MOST: Final = 180  # points of a drawn curve
FEWEST: Final = 10  # alarms below which a precision is chance and is not drawn


@dataclass(frozen=True, slots=True)
class Plot:
    """One drawing: what it shows, what it comes to, and the drawing."""

    title: str
    text: str
    svg: str


def strokes(names: Sequence[str]) -> dict[str, Stroke]:
    """A line of its own for each contender."""
    free = iter(OTHERS * len(names))
    return {name: STROKES[name] if name in STROKES else next(free) for name in names}


def reliability(
    who: str, points: Sequence[Mapping[str, Any]], p: NDArray[Any], figures: Mapping[str, Any]
) -> Plot:
    """Observed against predicted share of moments of like prediction, and below how often each is given."""
    top = (
        max(max((q["observed_95"] or [0, q["observed"]])[1] for q in points), points[-1]["predicted"]) * 1.08
    )
    ticks = svg.percents(svg.steps(top))
    panel = Panel(76, 88, 420, 320, (0, top), (0, top))
    drawn = svg.axes(panel, ticks, ticks, "", "Observed")
    drawn += svg.path(panel, [(0, 0), (top, top)], svg.THIN)
    for q in points:
        low, high = q["observed_95"] or (q["observed"], q["observed"])
        drawn += svg.segment(
            panel.at(q["predicted"], low), panel.at(q["predicted"], high), Stroke(svg.INK, 1.4)
        )
        drawn += svg.dot(panel.at(q["predicted"], q["observed"]))
    drawn += svg.segment((78, 66), (112, 66), svg.THIN) + svg.words(120, 70, "as predicted", size=12)
    drawn += svg.segment((228, 58), (228, 74), Stroke(svg.INK, 1.4)) + svg.dot((228, 66))
    drawn += svg.words(240, 70, "moments of like prediction, with 95 %", size=12)
    below = Panel(76, 444, 420, 56, (0, top), (0, 1))
    counts, edges = np.histogram(p, bins=40, range=(0, top))
    for count, edge in zip(counts / max(counts.max(), 1), edges, strict=False):
        place, height = below.at(edge, count)
        drawn += svg.bar(place, height, below.width / 40 - 1, below.top + below.height - height)
    drawn += svg.segment(below.at(0, 0), below.at(top, 0), Stroke(svg.INK, 1))
    drawn += svg.words(286, 520, "Predicted; the bars show how often each is given", anchor="middle")
    title = "Does it happen as often as the model says?"
    text = (
        f"{who}. In groups of like prediction, from {_percent(points[0]['predicted'])} predicted and "
        f"{_percent(points[0]['observed'])} observed to {_percent(points[-1]['predicted'])} predicted and "
        f"{_percent(points[-1]['observed'])} observed. Calibration slope {figures['calibration_slope']:.2f}, "
        f"expected calibration error {figures['ece']:.3f}."
    )
    return _plot(540, 534, title, who, text, drawn)


def ranking(who: str, y: NDArray[np.bool_], scores: Mapping[str, Floats], table: Mapping[str, Any]) -> Plot:
    """ROC and precision-recall curves of the contenders that have a number for every row, over a table of areas."""
    drawn_as = strokes(list(scores))
    grid = svg.percents(svg.steps(1.0))
    left, right = Panel(72, 66, 330, 330, (0, 1), (0, 1)), Panel(494, 66, 330, 330, (0, 1), (0, 1))
    drawn = svg.axes(left, grid, grid, "False-alarm rate (1 − specificity)", "Sensitivity")
    drawn += svg.axes(right, grid, grid, "Sensitivity (recall)", "PPV (precision)")
    drawn += svg.path(left, [(0, 0), (1, 1)], svg.THIN)
    drawn += svg.path(right, [(0, float(y.mean())), (1, float(y.mean()))], svg.THIN)
    for name in reversed(list(scores)):
        false, true, _ = roc_curve(y, scores[name])
        precise, recall, _ = precision_recall_curve(y, scores[name])
        drawn += svg.path(left, _thinned(false, true), drawn_as[name])
        sure = (recall > 0) & (recall * y.sum() >= FEWEST * precise)  # at least so many alarms
        drawn += svg.path(right, _thinned(recall[sure][::-1], precise[sure][::-1]), drawn_as[name])
    drawn += svg.words(470, 462, "AUROC (95 %)", size=12, anchor="end", colour=svg.SOFT)
    drawn += svg.words(680, 462, "AUPRC (95 %)", size=12, anchor="end", colour=svg.SOFT)
    for row, name in enumerate(scores):
        line = 484 + 21 * row
        weight = "bold" if name == MODEL else "normal"
        drawn += svg.segment((72, line - 4), (118, line - 4), drawn_as[name])
        drawn += svg.words(130, line, titled(name), weight=weight)
        for place, area in ((470, "auroc"), (680, "auprc")):
            drawn += svg.words(place, line, _with(table[name], area), anchor="end", weight=weight)
    title = "Does it tell apart who will from who will not?"
    areas = "; ".join(f"{titled(name)}: AUROC {_with(table[name], 'auroc')}, AUPRC {_with(table[name], 'auprc')}"
                      for name in scores)  # fmt: skip
    return _plot(860, 496 + 21 * len(scores), title, who, f"{who}. {areas}.", drawn)


def decision(who: str, curves: Mapping[str, Sequence[float]], useful: Sequence[float] | None) -> Plot:
    """Net benefit of acting on each contender, on everybody, on nobody."""
    names = [name for name in curves if name not in ("threshold", "treat all")]
    drawn_as = strokes(names)
    top = max(max(curves[name]) for name in (*names, "treat all")) * 1.15
    low = -0.12 * top
    panel = Panel(84, 66, 440, 320, (0, 0.40), (low, top))
    drawn = svg.axes(panel, svg.percents(svg.steps(0.4, count=8)), svg.numbers(svg.steps(top)),
                     "Probability from which one would act", "Net benefit")  # fmt: skip
    thresholds = curves["threshold"]
    drawn += svg.path(panel, [(0, 0), (0.4, 0)], NOBODY)
    drawn += svg.path(panel, list(zip(thresholds, curves["treat all"], strict=True)), svg.THIN)
    for name in reversed(names):
        drawn += svg.path(panel, list(zip(thresholds, curves[name], strict=True)), drawn_as[name])
    keyed = [(titled(name), drawn_as[name]) for name in names]
    drawn += _legend(330, 84, [*keyed, ("Act on everybody", svg.THIN), ("Act on nobody", NOBODY)])
    title = "Is acting on it better than on all, or on none?"
    if useful:
        range_ = (
            f"from {_percent(useful[0])} to {_percent(useful[1])}"
            if useful[0] < useful[1]
            else f"at {_percent(useful[0])}"
        )
        text = f"{who}. Acting on this model has the highest net benefit against all and none {range_}."
    else:
        text = f"{who}. At no threshold from 1 to 40 % is acting on this model better than on all or on none."
    return _plot(548, 440, title, who, text, drawn)


def burden(who: str, curves: Mapping[str, Sequence[Mapping[str, float]]]) -> Plot:
    """Sensitivity against alarms per patient-day, an alarm silencing its stay for eight hours."""
    drawn_as = strokes(list(curves))
    most = min(max(row["alarms"] for row in curves[MODEL]), 3.0)
    panel = Panel(84, 66, 440, 320, (0, most), (0, 1))
    drawn = svg.axes(panel, svg.numbers(svg.steps(most, count=6)), svg.percents(svg.steps(1.0)),
                     "Alarms per patient-day, at most one in 8 h", "")  # fmt: skip
    for name in reversed(list(curves)):
        drawn += svg.path(panel, _course(curves[name], "sensitivity"), drawn_as[name])
    keyed = [(titled(name), drawn_as[name]) for name in curves]
    share = "Moments before the outcome that are found"
    if all("patients_found" in row for row in curves[MODEL]):
        drawn += svg.path(panel, _course(curves[MODEL], "patients_found"), PATIENTS)
        keyed.insert(0, ("This model: patients", PATIENTS))
        share = "Moments, or patients 1 h ahead, found"
    drawn += svg.words(38, 226, share, anchor="middle", turn=-90)
    drawn += _legend(296, 372 - 19 * (len(keyed) - 1), keyed)
    half = next((row for row in curves[MODEL] if row["alarms"] >= 0.5), curves[MODEL][-1])
    title = "How often would it call, to find how many?"
    text = (
        f"{who}. At {half['alarms']:.2f} alarms per patient-day this model finds "
        f"{_percent(half['sensitivity'])} of the moments before the outcome."
    )
    return _plot(548, 440, title, who, text, drawn)


def landmarks(who: str, cells: Mapping[str, Mapping[str, Any]]) -> Plot:
    """AUROC with its interval by hours since admission."""
    shown = {name: cell for name, cell in cells.items() if cell.get("auroc") is not None}
    lowest = min(min((cell.get("auroc_95") or [0.5])[0] for cell in shown.values()), 0.5)
    bottom = max(0.0, np.floor(lowest * 10 - 1e-9) / 10)
    panel = Panel(84, 66, 440, 300, (-0.5, len(shown) - 0.5), (bottom, 1.0))
    drawn = svg.axes(panel, [], svg.numbers(svg.steps(1.0, bottom)), "", "AUROC with 95 %; dashed is chance")
    drawn += svg.path(panel, [(-0.5, 0.5), (len(shown) - 0.5, 0.5)], svg.THIN)
    for place, (name, cell) in enumerate(shown.items()):
        low, high = cell.get("auroc_95") or (cell["auroc"], cell["auroc"])
        drawn += svg.segment(panel.at(place, low), panel.at(place, high), Stroke(svg.INK, 1.6))
        drawn += svg.dot(panel.at(place, cell["auroc"]))
        x, _ = panel.at(place, bottom)
        drawn += svg.words(x, 383, name, size=12, anchor="middle")
        drawn += svg.words(x, 400, f"{cell['positive']:,}", size=11, anchor="middle", colour=svg.SOFT)
    drawn += svg.words(304, 423, "Hours since admission; below, moments with the outcome", anchor="middle")
    title = "Does it hold at every hour of the stay?"
    said = "; ".join(f"{name} h {_with(cell, 'auroc')}" for name, cell in shown.items())
    return _plot(548, 440, title, who, f"{who}. AUROC by hours since admission: {said}.", drawn)


def forecast(who: str, cells: Mapping[str, Mapping[str, Any]]) -> Plot:
    """Per group: how often the 80 % interval held, and the error beside "no change"."""
    shown = {name: cell for name, cell in cells.items() if "coverage_80" in cell}
    height = 30 * len(shown)
    left = Panel(230, 84, 260, height, (0.5, 1.0), (len(shown) - 0.5, -0.5))
    worst = (
        max(max((c["mae_95"] or [0, c["mae"]])[1], c.get("mae_no_change", 0.0)) for c in shown.values())
        * 1.08
    )
    right = Panel(540, 84, 260, height, (0, worst), (len(shown) - 0.5, -0.5))
    drawn = svg.axes(left, svg.percents([0.5, 0.6, 0.7, 0.8, 0.9, 1.0]), [], "Held by the 80 % interval", "")
    drawn += svg.axes(right, svg.numbers(svg.steps(worst)), [], "Mean error of the log change", "")
    drawn += svg.segment(left.at(0.8, -0.5), left.at(0.8, len(shown) - 0.5), svg.THIN)
    for place, (name, cell) in enumerate(shown.items()):
        _, y = left.at(0.5, place)
        drawn += svg.words(222, y + 4, f"{name} (n {cell['rows']:,})", size=12, anchor="end")
        for panel, key in ((left, "coverage_80"), (right, "mae")):
            low, high = cell[f"{key}_95"] or (cell[key], cell[key])
            low = max(low, panel.x[0])
            drawn += svg.segment(panel.at(low, place), panel.at(high, place), Stroke(svg.INK, 1.6))
            drawn += svg.dot(panel.at(max(cell[key], panel.x[0]), place))
        if "mae_no_change" in cell:
            drawn += svg.dot(right.at(cell["mae_no_change"], place), hollow=True)
    drawn += svg.dot((548, 70)) + svg.words(558, 74, "this model", size=12)
    drawn += svg.dot((646, 70), hollow=True) + svg.words(656, 74, "no change", size=12)
    title = "Does the next value fall where the forecast says?"
    said = "; ".join(_forecast_said(name, cell) for name, cell in shown.items())
    return _plot(830, height + 140, title, who, f"{who}. {said}.", drawn)


def _forecast_said(name: str, cell: Mapping[str, Any]) -> str:
    still = f" against {cell['mae_no_change']:.3f} of no change" if "mae_no_change" in cell else ""
    return f"{name}: {_percent(cell['coverage_80'])} held, mean error {cell['mae']:.3f}{still}"


def _plot(width: float, height: float, title: str, who: str, text: str, drawn: str) -> Plot:
    return Plot(title, text, svg.document(width, height, title, text, svg.heading(title, who) + drawn))


def _legend(left: float, top: float, rows: Sequence[tuple[str, Stroke]]) -> str:
    ground = svg.bar(left - 6, top - 14, 228, 19 * len(rows) + 6, "#fff")
    return ground + "".join(
        svg.segment((left, top + 19 * row - 4), (left + 34, top + 19 * row - 4), stroke)
        + svg.words(left + 42, top + 19 * row, name, size=12)
        for row, (name, stroke) in enumerate(rows)
    )


def _course(rows: Sequence[Mapping[str, float]], name: str) -> list[Point]:
    return [(0.0, 0.0), *((row["alarms"], row[name]) for row in rows)]


def _thinned(x: Floats, y: Floats) -> list[Point]:
    """At most `MOST` points of a curve, its ends among them."""
    if len(x) > MOST:
        along = np.r_[0.0, np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))]
        keep = np.unique(np.searchsorted(along, np.linspace(0, along[-1], MOST)).clip(0, len(x) - 1))
        keep = np.unique(np.r_[0, keep, len(x) - 1])
        x, y = x[keep], y[keep]
    return [(float(a), float(b)) for a, b in zip(x, y, strict=True)]


def _with(found: Mapping[str, Any], name: str) -> str:
    """A figure with its interval: "0.74 (0.72–0.76)"."""
    ends = found.get(f"{name}_95")
    return f"{found[name]:.3f}" + (f" ({ends[0]:.2f}–{ends[1]:.2f})" if ends else "")


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.1 else f"{100 * share:.1f} %"
