"""When a model may answer: whom the question is for, what it takes for a number, what the model cannot
stand behind.

Three lists, in order of weight: `excluded` (the question does not apply), `insufficient` (no number),
`doubts` (a number that goes to a person). Each answer is a Phrase that names what was found and the limit
it was held against.

Refuses (QuestionError) a draw planned outside the half hour to the day that the models learned from.

Decided here: a patient of unknown age is not excluded as a child nor taken for an adult: the number is kept
and marked indeterminate. A patient once ventilated in this stay stays excluded after liberation: the models
learned on patients before their first ventilation. Before the first troponin the answer rests on the rest of
the chart alone, so that is held to what the ventilation answer is held to: enough of it, and fresh. A troponin
older than the look-back is not seen by the model and does not make the next one the first: it is a doubt.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from math import floor
from typing import Any, Final

from inference.assessment import BEFORE_FIRST, DRAW_NOT_USED, TROPONIN, Phrase
from inference.chart import Chart, Measurement
from inference.errors import QuestionError
from inference.features import ANALYTES, ASKED, LOOK_BACK, Layout
from inference.troponin import CONVENTIONAL, series
from inference.vocabulary import vocabulary

ADULT: Final = 18
MONITORED_HOURS: Final = 2  # cohort rule: a heart rate charted in the last two hours
NEEDED_VARIABLES: Final = 3
STALE_HOURS: Final = 6.0
TROPONIN_HOURS: Final = 24  # the forecast is for the 24 h after the latest troponin
EARLY_MINUTES: Final = 60  # onsets this soon were left out of training
SOONEST_DRAW, LATEST_DRAW = 0.5, 24.0  # hours ahead that a planned draw may be
INVASIVE: Final = "invasive ventilation"
STAY_UNKNOWN: Final = timedelta(
    days=7
)  # how far back a charted ventilator counts where no admission is known
HOUR: Final = timedelta(hours=1)


def excluded(chart: Chart, model: str) -> Phrase | None:
    """Why the question is not for this patient: "age-below", "already-ventilated", "ventilated-earlier"."""
    age = chart.age_years
    if age is not None and age < ADULT:
        return Phrase("age-below", {"age": floor(age), "limit": ADULT})
    return None if model == TROPONIN else ventilated(chart)


def draw_ahead(hours: float) -> float:
    """Hours to a planned draw, if a model can be asked about it. Raises QuestionError."""
    if not SOONEST_DRAW <= hours <= LATEST_DRAW:  # NaN is not
        raise QuestionError(
            f"a planned draw is {SOONEST_DRAW:g} to {LATEST_DRAW:g} hours ahead, not {hours:g}: "
            "give its hours, or do not state it"
        )
    return float(hours)


def hears_draw(layout: Layout) -> bool:
    """Whether a model's answer depends on when the next draw is planned."""
    return any(name in layout.players for name in ASKED)


def learned_first(manifest: Mapping[str, Any]) -> bool:
    """Whether a model learned, as its manifest says, from moments before the first troponin was back."""
    return manifest.get("before_first") is True


def unseen(chart: Chart) -> bool:
    """Whether no troponin has come back that a model can see."""
    return not any(chart.latest(name, LOOK_BACK) for name in ANALYTES)


def insufficient(
    chart: Chart, model: str, rows: tuple[Measurement, ...], *, may_be_first: bool = False
) -> Phrase | None:
    """Why there is too little for a number: "no-troponin", "no-heart-rate", "too-little".

    `may_be_first`: the model can be asked before the first troponin, from the rest of the chart.
    """
    back = int(LOOK_BACK / HOUR)
    if model == TROPONIN and not unseen(chart):
        return None
    if model == TROPONIN and not may_be_first:
        return Phrase("no-troponin", {"hours": back})
    if model != TROPONIN and chart.latest("hr", timedelta(hours=MONITORED_HOURS)) is None:
        return Phrase("no-heart-rate", {"hours": MONITORED_HOURS})
    found = len({row.variable for row in rows if chart.as_of - row.time <= LOOK_BACK})
    if found < NEEDED_VARIABLES:
        return Phrase("too-little", {"n": found, "needed": NEEDED_VARIABLES, "hours": back})
    return None


def doubts(chart: Chart, model: str, trained: frozenset[str], stale_hours: float) -> tuple[Phrase, ...]:
    """What in the chart the model cannot stand behind, the weightiest first."""
    found = _troponin_doubts(chart, trained) if model == TROPONIN else ()
    if model != TROPONIN or unseen(chart):
        found += _stale(chart, stale_hours)
    if chart.age_years is None:
        found = (*found, Phrase("age-unknown", {"limit": ADULT}))
    return found


def chart_cautions(chart: Chart, model: str) -> tuple[Phrase, ...]:
    """What must be said of the chart, whether or not there is a number."""
    cut = (Phrase("chart-truncated"),) if chart.truncated else ()
    if model != TROPONIN:
        return cut
    drawn, same = _drawn(chart)
    if same == len(drawn):
        return cut
    label = vocabulary()[drawn[-1].variable].label
    return (Phrase("mixed-assays", {"count": len(drawn) - same, "assay": label}), *cut)


def number_cautions(chart: Chart, model: str, trained: frozenset[str]) -> tuple[Phrase, ...]:
    """What must be said beside any number of this model."""
    if model != TROPONIN:
        return (Phrase("early-onset-not-covered", {"minutes": EARLY_MINUTES}),)
    if unseen(chart):
        return (*_first_cautions(trained), Phrase("rise-not-infarction"))
    _, same = _drawn(chart)
    alone = (Phrase("only-one-troponin"),) if same == 1 else ()
    return (Phrase("rise-not-infarction"), *alone)


def question_cautions(layout: Layout, hours_ahead: float | None) -> tuple[Phrase, ...]:
    """What must be said where a planned draw was told to a model that cannot take it into account."""
    if hours_ahead is None or hears_draw(layout):
        return ()
    return (Phrase(DRAW_NOT_USED, {"hours": hours_ahead, "limit": TROPONIN_HOURS}),)


def trained_assays(manifest: Mapping[str, Any]) -> frozenset[str]:
    """The troponin variables a model learned on, as its manifest says; else the conventional ones."""
    return frozenset(manifest.get("assays", CONVENTIONAL))


def ventilated(chart: Chart) -> Phrase | None:
    """Ventilation in this stay, from events and the charted device; the latest word says if it goes on."""
    on, off = _ventilation_signs(chart)
    if not on:
        return None
    last_on = max(on)
    if not off or max(off) <= last_on:
        pauses = [moment for moment in off if moment < last_on]
        since = min(moment for moment in on if not pauses or moment > max(pauses))
        return Phrase("already-ventilated", {"since": _iso(since)})
    until = min(moment for moment in off if moment > last_on)
    return Phrase("ventilated-earlier", {"since": _iso(min(on)), "until": _iso(until)})


def _ventilation_signs(chart: Chart) -> tuple[list[datetime], list[datetime]]:
    """Moments of this stay that say the patient is on a ventilator, and that say off it."""
    level = vocabulary()["oxygen_device"].levels.index(INVASIVE)
    start = chart.admitted or chart.as_of - STAY_UNKNOWN
    devices = [row for row in chart.measurements.get("oxygen_device", ()) if row.time >= start]
    spells = [e for e in chart.events if e.kind == "ventilation"]
    if chart.admitted is not None:
        spells = [e for e in spells if e.end is None or e.end >= start]
    on = [e.start for e in spells] + [row.time for row in devices if row.value == level]
    off = [e.end for e in spells if e.end is not None]
    return on, off + [row.time for row in devices if row.value != level]


def _stale(chart: Chart, limit: float) -> tuple[Phrase, ...]:
    vitals = [name for name, v in vocabulary().variables.items() if v.kind == "vital" and name != "hr"]
    newest = [row.time for row in (chart.latest(name, LOOK_BACK) for name in vitals) if row is not None]
    hours = chart.hours_ago(max(newest)) if newest else LOOK_BACK / HOUR
    return (Phrase("stale", {"hours": round(hours, 1), "limit": limit}),) if hours > limit else ()


def _first_cautions(trained: frozenset[str]) -> tuple[Phrase, ...]:
    """No troponin, so no assay: which question was answered, and for which assays."""
    labels = " or ".join(sorted(vocabulary()[name].label for name in trained))
    return (
        Phrase(BEFORE_FIRST, {"hours": int(LOOK_BACK / HOUR)}),
        Phrase("assay-not-yet-known", {"assays": labels}),
    )


def _troponin_doubts(chart: Chart, trained: frozenset[str]) -> tuple[Phrase, ...]:
    draws = series(chart)
    if not draws:
        return ()
    latest, found = draws[-1].measurement, []
    if latest.variable not in trained:
        found.append(Phrase("assay-not-trained", {"assay": vocabulary()[latest.variable].label}))
    hours = chart.hours_ago(latest.time)
    if hours > TROPONIN_HOURS:
        found.append(Phrase("troponin-old", {"hours": round(hours, 1), "limit": TROPONIN_HOURS}))
    return tuple(found)


def _drawn(chart: Chart) -> tuple[tuple[Measurement, ...], int]:
    """The troponins of the look-back, oldest first, and how many of them compare with the latest."""
    recent = [draw for draw in series(chart) if chart.as_of - draw.measurement.time <= LOOK_BACK]
    return tuple(draw.measurement for draw in recent), sum(draw.comparable for draw in recent)


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="minutes")
