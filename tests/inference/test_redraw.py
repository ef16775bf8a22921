"""When the next troponin is due: the assay's own rule and the actual draw decide the minute, or nobody does."""

from __future__ import annotations

from datetime import timedelta

import pytest

from inference.assays import assay_table
from inference.assessment import TROPONIN, Assessment, Status
from inference.chart import Chart, Measurement
from inference.redraw import Redraw, due
from inference.troponin import rules, series
from tests.inference.charts import AS_OF, chart, event, row

NOBODY: frozenset[str] = frozenset()
TWO_HOURS = frozenset({"elecsys-hs-ctnt/esc-0-2h"})
EARLY = (event("symptom-onset", 9),)


def t(value: float, minutes: float) -> Measurement:
    """An hs-cTnT (Elecsys), so many minutes ago."""
    return row("hs_troponin_t", value, minutes / 60, assay="elecsys-hs-ctnt")


def asked(of: Chart, confirmed: frozenset[str] = NOBODY) -> Redraw | None:
    found = Assessment(
        TROPONIN,
        "0",
        AS_OF,
        Status.INDETERMINATE,
        None,
        rules=rules(of, assay_table(), confirmed),
        draws=series(of),
    )
    return due(found)


def minutes_from_now(draw: Redraw | None) -> float:
    assert draw is not None
    return (draw.at - AS_OF) / timedelta(minutes=1)


@pytest.mark.parametrize(("ago", "left"), [(20, 40), (41, 19), (60, 0), (69, 0)])
def test_the_second_draw_is_due_an_hour_after_the_first_and_never_in_the_past(
    ago: float, left: float
) -> None:
    draw = asked(chart(t(20, ago)))
    assert minutes_from_now(draw) == pytest.approx(left)
    assert draw is not None
    assert (draw.rule, draw.minutes, draw.variable) == ("esc-0-1h", 60, "hs_troponin_t")
    assert draw.last == AS_OF - timedelta(minutes=ago)


def test_an_hour_that_was_missed_leaves_the_two_hour_rule_where_the_site_confirmed_it() -> None:
    assert asked(chart(t(20, 90))) is None
    draw = asked(chart(t(20, 90)), TWO_HOURS)
    assert draw is not None
    assert draw.rule == "esc-0-2h"
    assert minutes_from_now(draw) == pytest.approx(30)
    assert asked(chart(t(20, 131)), TWO_HOURS) is None


def test_the_sooner_of_two_standing_rules_is_asked_for() -> None:
    draw = asked(chart(t(20, 20)), TWO_HOURS)
    assert draw is not None
    assert draw.rule == "esc-0-1h"


@pytest.mark.parametrize("value", [60, 3])
def test_what_one_draw_has_settled_needs_no_second(value: float) -> None:
    assert asked(chart(t(value, 20), events=EARLY)) is None


def test_a_pair_that_was_read_asks_for_nothing() -> None:
    assert asked(chart(t(13, 90), t(14, 30), events=EARLY)) is None


def test_without_a_rule_for_the_assay_no_minute_is_guessed() -> None:
    assert asked(chart(row("hs_troponin_i", 20, 0.5))) is None  # platform unknown
    assert asked(chart(row("hs_troponin_i", 20, 0.5, assay="access-hs-ctni"))) is None  # not confirmed
    assert asked(chart()) is None


@pytest.mark.parametrize(("ago", "left"), [(1.0, 120), (3.0, 0), (5.5, 0)])
def test_a_conventional_assay_is_drawn_again_after_three_hours(ago: float, left: float) -> None:
    draw = asked(chart(row("troponin_i", 40, ago)))
    assert minutes_from_now(draw) == pytest.approx(left)
    assert draw is not None
    assert draw.rule == "conventional-3-6h"


def test_a_conventional_pair_or_one_too_old_asks_for_nothing() -> None:
    assert asked(chart(row("troponin_i", 40, 6.1))) is None
    assert asked(chart(row("troponin_i", 40, 5), row("troponin_i", 60, 1))) is None
    assert asked(chart(row("troponin_i", 40, 60), row("troponin_i", 60, 1))) is not None  # another episode
