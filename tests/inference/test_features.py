"""Chart -> model input."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from math import log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.assessment import TROPONIN, VENTILATION
from inference.chart import Event, Measurement, Person, Record, Source
from inference.errors import VocabularyError
from inference.features import (
    BEFORE_UNIT,
    LONGEST_BEFORE,
    LOOK_BACK,
    PERSON_PLAYERS,
    features,
    layout_for,
    used,
)

NOW = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
INPUTS = ("hr", "gcs", "ph", "creatinine", "urine", "weight")
LAYOUT = layout_for(INPUTS, VENTILATION)


def row(variable: str, value: float, hours: float, *, resource: str = "Observation/1") -> Measurement:
    when = NOW - timedelta(hours=hours)
    return Measurement(variable, value, when, when, Source(resource, "1", "", str(value), ""))


def chart(*rows: Measurement, admitted: float | None = 30.0, **person: object):
    events = () if admitted is None else (
        Event("admission", NOW - timedelta(hours=admitted), None, Source("Encounter/1", "1", "", "", "")),
    )  # fmt: skip
    return Record("p", Person(**person), rows, events).at(NOW)  # type: ignore[arg-type]


def value(x, player: str, statistic: str = "last", layout=LAYOUT) -> float:
    return float(x[layout.column(player, statistic)])


def test_every_column_belongs_to_exactly_one_player() -> None:
    owned = sorted(column for columns in LAYOUT.players.values() for column in columns)
    assert owned == list(range(len(LAYOUT.names)))
    assert set(LAYOUT.players) == set(INPUTS) | set(PERSON_PLAYERS)


def test_not_measured_is_nan_and_never_a_usual_value() -> None:
    assert np.isnan(features(chart(admitted=None), LAYOUT)).all()


def test_the_latest_value_and_its_age_are_what_the_chart_says() -> None:
    x = features(chart(row("hr", 80, 3.25), row("hr", 118, 0.75)), LAYOUT)
    assert value(x, "hr") == 118
    assert value(x, "hr", "age") == pytest.approx(0.75)
    assert (value(x, "hr", "low"), value(x, "hr", "high")) == (80, 118)
    assert value(x, "hr", "trend") > 0


def test_one_value_has_no_trend_and_no_change() -> None:
    x = features(chart(row("hr", 80, 1), row("creatinine", 1.4, 1)), LAYOUT)
    assert np.isnan(value(x, "hr", "trend"))
    assert np.isnan(value(x, "creatinine", "change"))
    assert value(x, "creatinine", "count") == 1


def test_a_monitor_that_writes_every_minute_gives_the_input_of_an_hourly_chart() -> None:
    hourly = [row("hr", 80 + 5 * hour, hour + 0.5) for hour in range(6)]
    minutes = [row("hr", 80 + 5 * hour, hour + m / 60) for hour in range(6) for m in range(5, 60, 5)]
    for statistic in ("last", "mean", "trend", "low", "high"):
        dense, sparse = (value(features(chart(*rows), LAYOUT), "hr", statistic) for rows in (minutes, hourly))
        assert dense == pytest.approx(sparse, abs=1e-4)


def test_rows_older_than_the_look_back_are_not_used_but_weight_is() -> None:
    old = LOOK_BACK / timedelta(hours=1) + 0.1
    at = chart(row("hr", 80, old), row("weight", 71, 200))
    x = features(at, LAYOUT)
    assert np.isnan(value(x, "hr"))
    assert value(x, "weight") == 71
    assert [r.variable for r in used(at, LAYOUT)] == ["weight"]


def test_skewed_laboratory_values_enter_as_logarithms() -> None:
    x = features(chart(row("creatinine", 1.0, 10), row("creatinine", 2.0, 1)), LAYOUT)
    assert value(x, "creatinine") == pytest.approx(log(2))
    assert value(x, "creatinine", "change") == pytest.approx(log(2))


def test_a_short_stay_does_not_dilute_the_urine_rate() -> None:
    x = features(chart(row("urine", 200, 1), admitted=2.0), LAYOUT)
    assert value(x, "urine", "rate6") == pytest.approx(log(1 + 100))


def test_the_person_is_age_sex_and_hours_in_the_stay() -> None:
    x = features(chart(age_years=93.0, sex="female", admitted=300.0), LAYOUT)
    assert list(x[:3]) == [90.0, 1.0, 48.0]
    assert np.isnan(features(chart(sex="unknown", admitted=None), LAYOUT)[:3]).all()


def test_in_intensive_care_the_stay_counts_from_its_start_there_and_the_hours_before_stand_apart() -> None:
    layout = layout_for(("hr", BEFORE_UNIT), TROPONIN)
    source = Source("Encounter/1", "1", "", "", "")
    admission = Event("admission", NOW - timedelta(hours=30), None, source)
    unit = Event("icu", NOW - timedelta(hours=4), None, source)

    def told(*events: Event) -> tuple[float, float]:
        x = features(Record("p", Person(), (), events).at(NOW), layout)
        return float(x[layout.column("hours_in_stay")]), float(x[layout.column(BEFORE_UNIT)])

    assert told(admission, unit) == pytest.approx((4.0, log(27.0)))
    assert told(admission) == pytest.approx((30.0, np.nan), nan_ok=True)
    assert told(unit) == pytest.approx((4.0, np.nan), nan_ok=True)
    long_before = admission._replace(start=NOW - timedelta(hours=3000))
    assert told(long_before, unit)[1] == pytest.approx(log(1.0 + LONGEST_BEFORE))


def test_a_troponin_course_is_read_as_change_gap_peak_and_slope() -> None:
    layout = layout_for(("hs_troponin_t",), TROPONIN)
    x = features(chart(row("hs_troponin_t", 10, 4), row("hs_troponin_t", 40, 2)), layout)
    assert value(x, "hs_troponin_t", "change", layout) == pytest.approx(log(4))
    assert value(x, "hs_troponin_t", "gap", layout) == pytest.approx(2)
    assert value(x, "hs_troponin_t", "slope", layout) == pytest.approx(log(4) / 2)
    assert value(x, "hs_troponin_t", "peak", layout) == 0


def test_the_planned_draw_is_one_column_of_the_question_and_of_no_row() -> None:
    layout = layout_for(("hr", "hours_ahead", "weight"), TROPONIN)
    at = chart(row("hr", 80, 1), row("weight", 71, 2))
    told = features(at, layout, 3.0)
    assert layout.players["hours_ahead"] == (layout.column("hours_ahead"),)
    assert told[layout.column("hours_ahead")] == 3.0
    assert (value(told, "hr", layout=layout), value(told, "weight", layout=layout)) == (80, 71)
    untold = features(at, layout)
    assert np.isnan(untold[layout.column("hours_ahead")])
    assert (np.isnan(told) != np.isnan(untold)).sum() == 1
    assert [r.variable for r in used(at, layout)] == ["hr", "weight"]


def test_a_layout_without_the_planned_draw_answers_as_before_it_could_be_told() -> None:
    at = chart(row("hr", 80, 1))
    np.testing.assert_array_equal(features(at, LAYOUT, 3.0), features(at, LAYOUT))


def test_an_unknown_variable_and_a_category_are_refused() -> None:
    with pytest.raises(VocabularyError, match="bananas"):
        layout_for(("bananas",), VENTILATION)
    with pytest.raises(VocabularyError, match="avpu"):
        layout_for(("avpu",), VENTILATION)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(INPUTS), st.floats(0.1, 300), st.floats(-30, 60)), min_size=1, max_size=40
    )
)
def test_what_happens_after_the_moment_changes_nothing(rows: list[tuple[str, float, float]]) -> None:
    all_rows = [row(*item) for item in rows]
    known = [item for item in all_rows if item.time <= NOW]
    np.testing.assert_array_equal(features(chart(*all_rows), LAYOUT), features(chart(*known), LAYOUT))


def test_used_names_exactly_the_rows_whose_change_changes_the_input() -> None:
    rows = [row("hr", 80 + i, i * 7.0, resource=f"Observation/{i}") for i in range(9)]
    assert {r.source.resource for r in used(chart(*rows), LAYOUT)} == {f"Observation/{i}" for i in range(7)}
    moved = [r._replace(value=200.0) if r.source.resource == "Observation/8" else r for r in rows]
    np.testing.assert_array_equal(features(chart(*rows), LAYOUT), features(chart(*moved), LAYOUT))


def test_a_full_chart_takes_little_time() -> None:
    layout = layout_for(("hr", "rr", "spo2", "sbp", "dbp", "map", "temp", "gcs", "ph", "pco2"), VENTILATION)
    full = chart(*(row(name, 50 + hour % 7, hour) for name in layout.inputs for hour in range(48)))
    features(full, layout)
    best = min(_timed(lambda: features(full, layout)) for _ in range(20))
    assert best < 0.01  # about 1 ms alone; a busy machine is given room


def _timed(work) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
