"""Who is asked about, and when: the cohorts of CLINICAL section 1, in code that reads like their definition.

The same words as serving: a Chart at a moment decides, so nothing after the landmark can. Refuses children.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from inference.chart import Chart, Measurement
from training.readers import CHALLENGE_2012, EICU, START, Stay

ADULT: Final = 18.0
HOUR: Final = timedelta(hours=1)
MONITORED: Final = timedelta(hours=2)
LOOKED_AHEAD: Final = timedelta(hours=24)  # that a label without ventilation is about
TRAINING_LANDMARKS: Final = {
    CHALLENGE_2012: tuple(range(1, 25)),  # stays are seen for 48 h: later landmarks have no full 24 h to come
    EICU: (*range(1, 25), 28, 32, 36, 40, 44, 48),
}
REPORTED_LANDMARKS: Final = {
    CHALLENGE_2012: frozenset({4, 6, 8, 10, 12, 15, 18, 21, 24}),
    EICU: frozenset({1, 2, 4, 6, 8, 12, 18, 24}),
}
"""Hours since admission. Training uses every hour of the first day; figures are of the reported ones."""

TRAINED_ANALYTES: Final = ("troponin_t", "troponin_i")
BEFORE_FIRST: Final = timedelta(minutes=30)  # before the first draw: nothing of it can be in the chart
LATER: Final = (2, 5)  # hours after a draw at which training asks again; figures are of the draw itself


class Moment(NamedTuple):
    """One question: this stay, at this time. `reported` moments make the figures; the rest only train."""

    chart: Chart
    landmark: float  # hours since admission
    reported: bool
    draw: Measurement | None = None  # the latest troponin, for the trend; the first one still to come if `first`
    first: bool = False


def ventilation_moments(stay: Stay, landmarks: Iterable[int] | None = None) -> Iterator[Moment]:
    """The landmarks at which this stay is an adult, in sight, monitored and not ventilated before; and the moments of
    answers of which a person says that nothing began in all their hours.

    Of a stay nobody else can label, the latter alone.
    """
    asked = list[float](TRAINING_LANDMARKS.get(stay.data_set, ()) if landmarks is None else landmarks)
    said = [(start - START) / HOUR for start, end in stay.reviewed if end - start >= LOOKED_AHEAD]
    if not stay.labelled:
        asked = said
    elif landmarks is None:
        asked = sorted({*asked, *said})
    reported = REPORTED_LANDMARKS.get(stay.data_set, frozenset())
    for hour in asked:
        as_of = START + timedelta(hours=hour)
        if as_of >= stay.end:
            continue
        chart = stay.record.at(as_of)
        if adult(chart) and monitored(chart) and not ventilated(chart, stay):
            yield Moment(chart, float(hour), hour in reported)


def troponin_moments(stay: Stay) -> Iterator[Moment]:
    """Every draw of a conventional troponin, some hours after it while it is the latest, and before the first."""
    everyone = draws(stay)
    if everyone and everyone[0].time - BEFORE_FIRST > START:
        chart = stay.record.at(everyone[0].time - BEFORE_FIRST)
        if adult(chart):
            yield Moment(chart, chart.hours_ago(START), False, everyone[0], first=True)
    for draw in everyone:
        for hours in (0, *LATER):
            chart = stay.record.at(draw.time + timedelta(hours=hours))
            if adult(chart) and latest_draw(chart) == draw:
                yield Moment(chart, chart.hours_ago(START), hours == 0, draw)


def draws(stay: Stay) -> list[Measurement]:
    """All conventional troponins of the stay, oldest first."""
    return sorted(
        (row for row in stay.record.measurements if row.variable in TRAINED_ANALYTES),
        key=lambda row: row.time,
    )


def latest_draw(chart: Chart) -> Measurement | None:
    """The newest conventional troponin of the chart."""
    found = [row for analyte in TRAINED_ANALYTES if (row := chart.latest(analyte)) is not None]
    return max(found, key=lambda row: row.time, default=None)


def adult(chart: Chart) -> bool:
    """Known to be 18 or older."""
    return chart.age_years is not None and chart.age_years >= ADULT


def monitored(chart: Chart) -> bool:
    """At least one heart rate charted in the last 2 h."""
    return chart.latest("hr", within=MONITORED) is not None


def ventilated(chart: Chart, stay: Stay) -> bool:
    """Mechanical ventilation began at or before the moment."""
    return stay.onset is not None and stay.onset <= chart.as_of


def same_assay(stay: Stay, index: Measurement, until: datetime) -> Measurement | None:
    """The next draw of the index draw's analyte after it and no later than `until`."""
    later = (row for row in draws(stay) if row.variable == index.variable and index.time < row.time <= until)
    return min(later, key=lambda row: row.time, default=None)
