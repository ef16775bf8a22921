"""The drawings: sound XML with words for those who cannot see, no colour needed, nothing outside the sheet."""

from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="training needs requirements-train.txt")

from training import measure, operating, plots, svg
from training.plots import Plot
from training.resample import Draws

SPACE = "{http://www.w3.org/2000/svg}"
WHO = "eICU demo & others: 400 moments, 200 patients; 80 <before>"


def data(rows: int = 400) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    p = rng.beta(1.2, 5, rows)
    noisy = np.clip(p + rng.normal(0, 0.1, rows), 0.001, 0.999)
    return rng.random(rows) < p, {"model": p, "trees": noisy, "line": noisy[::-1].copy(), "another": p / 2}


def every() -> dict[str, Plot]:
    """One drawing of each kind."""
    y, scores = data()
    draws = Draws.of(np.arange(400).astype(str), count=50)
    table = {name: measure.figures(y, p, draws) for name, p in scores.items()}
    seen = operating.watch(
        y, np.repeat(np.arange(200).astype(str), 2), np.tile([4.0, 8.0], 200), np.where(y, 9.0, np.nan),
        np.full(400, 40.0), 24.0, 4.0,
    )  # fmt: skip
    curves = operating.decisions(y, scores)
    points = measure.reliability(y, scores["model"], draws)
    cell = {"rows": 30, "positive": 14, "auroc": 0.71, "auroc_95": [0.45, 0.93]}
    held = {"rows": 50, "coverage_80": 0.83, "coverage_80_95": [0.7, 0.9], "mae": 0.3, "mae_95": [0.2, 0.4]}
    return {
        "reliability": plots.reliability(WHO, points, scores["model"], table["model"]),
        "ranking": plots.ranking(WHO, y, scores, table),
        "decision": plots.decision(WHO, curves, operating.useful(curves, "model")),
        "alarms": plots.burden(WHO, {name: operating.curve(seen, p) for name, p in scores.items()}),
        "landmarks": plots.landmarks(WHO, {"4": cell, "8": cell | {"auroc_95": None}, "12": {"withheld": "few"}}),
        "forecast": plots.forecast(
            WHO, {"All": held | {"mae_no_change": 0.35}, "first": held, "second": {"rows": 3, "withheld": "few"}}
        ),
    }  # fmt: skip


DRAWN = every()


def parsed(plot: Plot) -> ElementTree.Element:
    return ElementTree.fromstring(plot.svg)  # noqa: S314 - our own drawing


def texts(plot: Plot) -> list[str]:
    return [node.text or "" for node in parsed(plot).iter(f"{SPACE}text")]


@pytest.mark.parametrize("kind", DRAWN)
def test_a_drawing_is_sound_and_says_in_words_what_it_shows(kind: str) -> None:
    plot = DRAWN[kind]
    root = parsed(plot)
    assert root.get("viewBox") == f"0 0 {root.get('width')} {root.get('height')}"
    assert root.get("role") == "img"
    assert [root.find(f"{SPACE}{part}").get("id") for part in ("title", "desc")] == ["title", "text"]  # type: ignore[union-attr]
    assert root.findtext(f"{SPACE}title") == plot.title
    assert root.findtext(f"{SPACE}desc") == plot.text
    assert plot.text.startswith(WHO)
    assert texts(plot)[:2] == [plot.title, WHO]
    assert all(texts(plot))
    assert "sans-serif" in str(root.get("font-family"))


@pytest.mark.parametrize("kind", DRAWN)
def test_a_drawing_needs_no_style_no_script_and_nothing_from_elsewhere(kind: str) -> None:
    text = DRAWN[kind].svg
    assert not re.search(r"<style|style=|<script|href|@import|<foreignObject|\bon\w+=", text)
    assert set(re.findall(r"url\(([^)]*)\)", text)) <= {
        f"#{i}" for i in re.findall(r'clipPath id="([^"]+)"', text)
    }
    assert not re.search(r"\b(nan|inf|None)\b", text)
    assert len(text) < 60_000


@pytest.mark.parametrize("kind", DRAWN)
def test_nothing_is_written_beyond_the_sheet(kind: str) -> None:
    """Helvetica is about half as wide as it is high; a wide sans serif two thirds."""
    root = parsed(DRAWN[kind])
    width, height = float(str(root.get("width"))), float(str(root.get("height")))
    for node in root.iter(f"{SPACE}text"):
        x, y, size = (float(str(node.get(name))) for name in ("x", "y", "font-size"))
        assert 0 <= y <= height
        if node.get("transform"):
            continue
        long = 0.62 * size * len(node.text or "")
        left = x - {"start": 0.0, "middle": long / 2, "end": long}[str(node.get("text-anchor"))]
        assert left >= -1, node.text
        assert left + long <= width + 1, node.text


def test_contenders_are_told_apart_without_colour() -> None:
    drawn = plots.strokes(["model", "sequence", "trees", "trees without FiO2", "line", "another", "a third"])
    looks = [(stroke.dash, stroke.width) for stroke in drawn.values()]
    assert len(set(looks)) == len(looks)
    assert len({stroke.dash for stroke in drawn.values()}) == len(looks)


def test_a_point_of_reliability_is_drawn_where_its_numbers_say() -> None:
    points = [
        {"predicted": 0.1, "observed": 0.2, "observed_95": [0.1, 0.3], "rows": 50, "positive": 10},
        {"predicted": 0.4, "observed": 0.5, "observed_95": None, "rows": 50, "positive": 25},
    ]
    figures = {"calibration_slope": 1.0, "ece": 0.1}
    plot = plots.reliability("a", points, np.array([0.1, 0.4]), figures)
    dots = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', plot.svg)[:-1]  # the last is the legend's
    top = 0.5 * 1.08
    for point, (x, y) in zip(points, dots, strict=True):
        assert float(x) == pytest.approx(76 + 420 * point["predicted"] / top, abs=0.1)
        assert float(y) == pytest.approx(88 + 320 * (1 - point["observed"] / top), abs=0.1)


def test_the_decision_curve_says_where_acting_helps_or_that_it_does_not() -> None:
    curve = {"threshold": [0.1, 0.2], "treat all": [0.01, -0.1], "model": [0.02, 0.01]}
    assert "from 10 % to 20 %" in plots.decision("a", curve, [0.1, 0.2]).text
    assert "At no threshold" in plots.decision("a", curve, None).text


def test_groups_without_figures_are_not_drawn() -> None:
    assert "12" not in texts(DRAWN["landmarks"])[2:]
    assert not any(text.startswith("second") for text in texts(DRAWN["forecast"]))


def test_a_forecast_before_the_first_result_has_no_ring_of_no_change() -> None:
    rings = DRAWN["forecast"].svg.count('fill="#fff" stroke=')
    assert rings == 2  # the legend's and that of all


def test_a_thinned_curve_keeps_its_ends_and_its_shape() -> None:
    x = np.linspace(0, 1, 5000)
    kept = plots._thinned(x, x**3)
    assert len(kept) <= plots.MOST + 2
    assert (kept[0], kept[-1]) == ((0.0, 0.0), (1.0, 1.0))
    assert all(a[0] < b[0] for a, b in pairwise(kept))
    assert all(y == pytest.approx(x**3) for x, y in kept)


def test_ticks_are_round_numbers_that_cover_the_axis() -> None:
    assert svg.steps(1.0) == [0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert svg.steps(0.37) == [0, 0.1, 0.2, 0.3]
    assert svg.steps(1.0, 0.4) == [0.4, 0.6, 0.8, 1.0]
    assert svg.numbers([0, 0.25, 0.5]) == [(0, "0.00"), (0.25, "0.25"), (0.5, "0.50")]
    assert svg.percents([0.05]) == [(0.05, "5 %")]
    assert svg.Panel(10, 20, 100, 50, (0, 2), (0, 1)).at(1, 0.5) == (60, 45)
