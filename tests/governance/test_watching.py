"""A synthetic year watched: what must be caught is caught by its day, what must not alarm does not."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, timedelta
from math import sqrt

import numpy as np
import pytest

from governance import simulated
from governance.causes import CODES, Finding
from governance.charts.stated import CHARTS, STATED
from governance.daily import ALERTS, INPUT, Summary, summaries
from governance.series import cases, weekly
from governance.simulated import Bedside, Year, answered, labelled, play
from governance.watching import Promise, Seen, Watched, watch
from webapp import drift_view

ASSAY, MONITOR = date(2026, 5, 11), date(2026, 8, 10)


def seen(year: Year) -> Seen:
    """What the charts read of a year, by the same functions that read a ledger."""
    by_day: dict[date, list[Bedside]] = defaultdict(list)
    for bed in play(year):
        by_day[bed.at.date()].append(bed)
    rows: list[Summary] = []
    for day, beds in by_day.items():
        said = ["overridden" if bed.overridden else "accepted" for bed in beds if bed.overridden is not None]
        rows += summaries(day, map(answered, beds), simulated.INPUTS, said)
    told = sorted((labelled(bed) for beds in by_day.values() for bed in beds), key=lambda row: row.as_of)
    whole = weekly(told, UTC, simulated.THRESHOLD, until=year.first + timedelta(days=year.days))
    return Seen(rows, whole, cases(told, UTC))


@pytest.fixture(scope="module")
def year() -> Watched:
    return watch(seen(Year()), Promise())


def of(watched: Watched, chart: str, subject: str = "") -> Finding:
    return next(each for each in watched.findings if (each.chart, each.subject) == (chart, subject))


def test_the_new_analyser_is_recognised_within_three_days_as_a_change_of_code(year: Watched) -> None:
    found = of(year, "codes", "lactate")
    assert found.began_on == ASSAY
    assert found.crossed_on <= ASSAY + timedelta(days=3)
    assert any(simulated.NEW_CODE in code for code in found.new)
    assert any(simulated.OLD_CODE in code for code in found.gone)


def test_what_the_analyser_moved_names_it_as_the_likely_cause(year: Watched) -> None:
    drift = of(year, "input", "lactate")
    assert (drift.direction, drift.cause, drift.what) == (1, "codes-changed", "lactate")
    assert ASSAY <= drift.crossed_on <= ASSAY + timedelta(days=5)
    false = of(year, "false-alarms")
    assert (false.direction, false.cause, false.caused_on) == (1, "codes-changed", ASSAY)
    assert false.crossed_on <= ASSAY + timedelta(days=28)


def test_the_new_monitor_is_found_within_a_week_though_its_code_is_the_old_one(year: Watched) -> None:
    drift = of(year, "input", "rr")
    assert MONITOR <= drift.crossed_on <= MONITOR + timedelta(days=7)
    assert (drift.direction, drift.cause) == (1, "")


def test_too_high_probabilities_are_found_within_three_weeks_and_the_analyser_is_named(year: Watched) -> None:
    found = of(year, "calibration", "fewer")
    assert ASSAY <= found.crossed_on <= ASSAY + timedelta(days=21)
    assert (found.cause, found.what) == ("codes-changed", "lactate")
    assert found.value < found.usual  # observed, expected


def test_winter_and_summer_raise_no_alarm(year: Watched) -> None:
    assert all(each.began_on >= ASSAY - timedelta(days=10) for each in year.findings)
    quiet = {"override-rate", "latency", "missing", "unit-mix"}
    assert not [each for each in year.findings if each.chart in quiet]


@pytest.mark.slow
def test_years_in_which_nothing_happens_alarm_about_as_seldom_as_promised() -> None:
    nothing = [
        Year(seed=seed, daily=30, assay=None, mapped=None, monitor=None, missed=False) for seed in range(3)
    ]
    alarms = sum(len(watch(seen(each), Promise()).findings) for each in nothing)
    # 3 x 305 days after the baselines, one in 180 expected: 5.1; 12 or more would happen once in 150 times
    assert alarms < 12


@pytest.mark.parametrize(("size", "share", "after", "within"), [(3, 0.1, 0.4, 60), (200, 0.08, 0.16, 14)])
def test_a_share_that_moved_is_found_where_few_ask_and_where_many_do(
    size: int, share: float, after: float, within: int
) -> None:
    first, rng, late = date(2026, 1, 1), np.random.default_rng(51), []
    for _ in range(60):
        told = []
        for i in range(360):
            many = int(rng.poisson(size)) if rng.random() > 0.1 else 0  # one day in ten nobody was there
            events = int(rng.binomial(many, share if i < 120 else after))
            told.append(Summary(first + timedelta(days=i), ALERTS, "", many, events))
        found = watch(Seen(told), Promise(days=3600)).findings
        late.append((found[0].crossed_on - first).days - 120 if found else 240)
    assert np.mean(late) < within
    assert min(late) >= -60


@pytest.mark.parametrize(("size", "share"), [(3, 0.1), (200, 0.08), (20, 0.5)])
def test_a_share_that_did_not_move_keeps_its_run_length_from_a_baseline_of_sixty_days(
    size: int, share: float
) -> None:
    promised, alarms, exposed, first, rng = 720.0, 0, 0, date(2026, 1, 1), np.random.default_rng(52)
    for _ in range(150):
        sizes = rng.poisson(size, 1260)
        told = [
            Summary(first + timedelta(days=i), ALERTS, "", int(many), int(rng.binomial(many, share)))
            for i, many in enumerate(sizes)
        ]
        found = watch(Seen(told), Promise(days=promised)).findings
        alarms += bool(found)
        exposed += (found[0].crossed_on - first).days - 59 if found else 1200
    assert exposed / alarms > promised * (1 - 3 / sqrt(alarms))


def test_a_chart_without_a_baseline_says_so_and_nothing_else() -> None:
    watched = watch(seen(Year(days=10)), Promise())
    assert watched.findings == ()
    assert ("input", "rr") in watched.waiting
    assert ("calibration", "more") not in watched.waiting or watched.charts == len(watched.waiting)


def test_a_chart_that_was_answered_begins_anew_and_stays_quiet() -> None:
    rows = seen(Year(monitor=None, days=240))
    before = watch(rows, Promise())
    assert of(before, "input", "lactate")
    after = watch(rows, Promise(), {("input", "lactate"): date(2026, 6, 8)})
    assert not [each for each in after.findings if (each.chart, each.subject) == ("input", "lactate")]


def test_a_change_of_code_that_was_answered_is_not_raised_again_and_the_next_one_is() -> None:
    first, codes = date(2026, 1, 1), {0: "old", 70: "new", 200: "newest"}

    def coded(day: int) -> Summary:
        code = codes[max(start for start in codes if start <= day)]
        return Summary(first + timedelta(days=day), INPUT, "lactate", 40, 0, 2.0, 10.0, (code,))

    seen = Seen([coded(day) for day in range(260)])
    assert of(watch(seen, Promise()), CODES, "lactate").new == ("new",)
    answered_on = first + timedelta(days=90)
    again = of(watch(seen, Promise(), {(CODES, "lactate"): answered_on}), CODES, "lactate")
    assert (again.new, again.gone, again.began_on) == (("newest",), ("new",), first + timedelta(days=200))


def test_the_review_says_what_the_charts_promise_whether_one_alarmed_or_none() -> None:
    assert (Promise().days, Promise().baseline) == (drift_view.PROMISED, drift_view.BASELINE)
    said = " ".join(drift_view.section([]).lines)
    assert "about once in 180 days" in said
    assert "first 60 days" in said
    (table,) = drift_view.section([], STATED).tables
    assert [row[0] for row in table.rows] == [drift_view.chart(each.chart, "") for each in STATED]
    assert [row[-1] for row in table.rows] == [str(each.days) for each in STATED]
    assert {row[1] for row in table.rows} == {f"{Promise().days * CHARTS:,.0f}"}


def test_the_same_seed_plays_the_same_year() -> None:
    assert list(play(Year(days=5))) == list(play(Year(days=5)))
    assert list(play(Year(days=5))) != list(play(Year(seed=1, days=5)))
