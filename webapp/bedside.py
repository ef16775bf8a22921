"""What stands beside the model: bedside scores, troponin draws, and the guideline's rule step by step.

None of it is the model's. A score that is not available says why; a rule that was not applied says which
condition was not met. Refuses to draw values of different assays on one scale.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, tzinfo

from markupsafe import Markup

from inference.assessment import Assessment, Draw, RuleResult, Score
from inference.chart import Measurement
from webapp import origin, plots, question, words
from webapp.words import say


@dataclass(frozen=True, slots=True)
class Input:
    """One input of a score: value, time, points and where it came from as text; a missing one says so."""

    label: str
    value: str
    time: str
    points: str
    missing: bool
    source: str = ""


@dataclass(frozen=True, slots=True)
class ScoreView:
    """NEWS2 or ROX."""

    name: str
    value: str
    band: str
    level: str  # "high", "medium", "low-medium", "low", "success", "watch", "failure", ""
    inputs: tuple[Input, ...]
    notices: tuple[str, ...]
    with_points: bool


@dataclass(frozen=True, slots=True)
class Step:
    """One condition of a rule; `mark` is "met", "not met" or "cannot be said"."""

    text: str
    mark: str
    kind: str  # "holds", "fails", "open"


@dataclass(frozen=True, slots=True)
class Rule:
    """One guideline rule on this assay's draws."""

    name: str
    assay: str
    verdict: str
    kind: str  # the verdict's code
    pattern: str
    steps: tuple[Step, ...]
    source: str
    verified: bool
    cautions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DrawLine:
    """One troponin in the table under the chart."""

    time: str
    value: str
    assay: str
    limit: str
    source: str
    comparable: bool


@dataclass(frozen=True, slots=True)
class Course:
    """The draws on a time axis, the same as a sentence and as a table, and the forecast."""

    chart: Markup
    summary: str
    lines: tuple[DrawLine, ...]
    legend: tuple[str, ...]


def score(found: Score, as_of: datetime, zone: tzinfo) -> ScoreView:
    """A bedside score with what it was made of."""
    return ScoreView(
        name=say("en", f"scores.{found.name}"),
        value=score_value(found),
        band=say("en", f"scores.band-{found.band or 'none'}"),
        level=found.band,
        inputs=tuple(_input(part.label, part.measurement, part.points, as_of, zone) for part in found.parts),
        notices=tuple(say("en", notice, zone=zone) for notice in found.notices),
        with_points=any(part.points is not None for part in found.parts),
    )


def score_value(found: Score) -> str:
    """ "7" for NEWS2, "3.90" for ROX, "not available" without a value."""
    if found.value is None:
        return say("en", "scores.none")
    return f"{found.value:.0f}" if found.name == "NEWS2" else f"{found.value:.2f}"


def rule(found: RuleResult, zone: tzinfo) -> Rule:
    """A guideline rule: verdict, pattern, each step with its outcome, source and standing."""
    return Rule(
        name=say("en", f"rules.{found.rule}"),
        assay=found.assay,
        verdict=verdict(found),
        kind=found.verdict,
        pattern=pattern(found),
        steps=tuple(_step(say("en", step.phrase, zone=zone), step.holds) for step in found.steps),
        source=_source(found),
        verified=found.verified == "verified",
        cautions=tuple(say("en", caution, zone=zone) for caution in found.cautions),
    )


def pattern(found: RuleResult) -> str:
    """The pattern of the draws in words; "" where there is none yet."""
    return say("en", f"rules.pattern-{found.pattern}") if found.pattern != "unknown" else ""


def verdict(found: RuleResult) -> str:
    """The verdict in words; the universal definition rules nothing in or out, it names a pattern."""
    family = "udmi-" if found.rule.startswith("udmi") else "verdict-"
    return say("en", f"rules.{family}{found.verdict}")


def course(found: Assessment, zone: tzinfo, shown: bool) -> Course | None:
    """The draws of `found`, the forecast only if predictions are shown; None without a draw."""
    if not found.draws:
        return None
    comparable = [draw.measurement for draw in found.draws if draw.comparable]
    forecast = _forecast(found, zone) if shown else None
    summary = _summary(comparable, found.as_of, zone)
    limit = next((row.reference_high for row in reversed(comparable) if row.reference_high is not None), None)
    return Course(
        chart=plots.troponin_course(
            [_point(draw) for draw in found.draws], found.as_of, zone, limit, forecast, summary
        ),
        summary=summary,
        lines=tuple(_line(draw, found.as_of, zone) for draw in found.draws),
        legend=_legend(found.draws, forecast),
    )


def forecast_words(found: Assessment, zone: tzinfo) -> str:
    """The forecast with its 80 % interval as a sentence; "" where there is none."""
    for p in found.predictions:
        if p.value is not None and p.value_low is not None and p.value_high is not None:
            value, low, high = (
                f"{words.number(words.rough(v))}{words.glued(p.unit)}"
                for v in (p.value, p.value_low, p.value_high)
            )
            key, draw = f"outcomes.forecast{question.suffix(found)}", question.fields(found, zone)
            return say("en", key, value=value, low=low, high=high, hours=p.hours, **draw)
    return ""


def _input(label: str, row: Measurement | None, points: int | None, as_of: datetime, zone: tzinfo) -> Input:
    if row is None:
        return Input(label, say("en", "scores.none"), "", "", True)
    time = words.clock(row.time, zone, as_of)
    told = "" if points is None else str(points)
    return Input(label, words.measured(row), time, told, False, f"{origin.sent(row)}, {origin.resource(row)}")


def _step(text: str, holds: bool | None) -> Step:
    kind = "open" if holds is None else "holds" if holds else "fails"
    return Step(text, say("en", f"rules.{kind}"), kind)


def _source(found: RuleResult) -> str:
    if not found.source:
        return ""
    return say("en", "rules.source", source=found.source, verified=say("en", f"rules.{found.verified}"))


def _point(draw: Draw) -> plots.Point:
    row = draw.measurement
    text = f"{row.bound}{words.number(row.value, row.variable)}"
    return plots.Point(row.time, row.value, text, row.bound[:1], draw.comparable)


def _line(draw: Draw, as_of: datetime, zone: tzinfo) -> DrawLine:
    row = draw.measurement
    label = words.capital(words.label_of(row.variable))
    return DrawLine(
        words.clock(row.time, zone, as_of),
        words.measured(row),
        f"{label}, {row.assay}" if row.assay else label,
        "" if row.reference_high is None else words.amount(row.reference_high, row.variable),
        f"{origin.sent(row)}, {origin.resource(row)}",
        draw.comparable,
    )


def _summary(rows: list[Measurement], as_of: datetime, zone: tzinfo) -> str:
    values = words.listed([f"{words.measured(row)} at {words.clock(row.time, zone, as_of)}" for row in rows])
    return say("en", "rules.course", n=len(rows), values=values)


def _legend(draws: tuple[Draw, ...], forecast: plots.Forecast | None) -> tuple[str, ...]:
    lines = []
    if any(draw.measurement.bound for draw in draws if draw.comparable):
        lines.append(say("en", "rules.censored"))
    if any(not draw.comparable for draw in draws):
        lines.append(say("en", "rules.foreign"))
    if forecast is not None:
        lines.append(say("en", "rules.forecast-fan" if len(forecast.fan) > 1 else "rules.forecast-mark"))
    return tuple(lines)


def _forecast(found: Assessment, zone: tzinfo) -> plots.Forecast | None:
    for p in found.predictions:
        if p.value is not None and p.value_low is not None and p.value_high is not None:
            value, low, high = (words.rough(v) for v in (p.value, p.value_low, p.value_high))
            key = f"outcomes.mark{question.suffix(found)}"
            when = say("en", key, hours=p.hours, **question.fields(found, zone))
            fan = tuple((each.hours, each.value, each.value_low, each.value_high) for each in found.ahead)
            return plots.Forecast(value, low, high, when, fan, found.draw_in)
    return None
