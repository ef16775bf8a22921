"""Censored arithmetic, held against trying every value a result may stand for."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from inference.bounds import Span, Truth, distance, every, fell, negation, rose, some, span
from tests.inference.charts import row

WHOLE = st.integers(min_value=0, max_value=12)


@st.composite
def spans(draw: st.DrawFn) -> Span:
    """Plain, "<", "<=" and a bounded stand-in for ">": small enough to try every quarter in it."""
    low, high = sorted((draw(WHOLE), draw(WHOLE)))
    if low == high:
        return Span(float(low), float(high))
    return Span(float(low), float(high), draw(st.booleans()), draw(st.booleans()))


def inside(of: Span) -> list[Fraction]:
    """Values in the span, the open ends approached to a thousandth."""
    low, high, small = Fraction(of.low), Fraction(of.high), Fraction(1, 1000)
    values = [low + (high - low) * Fraction(i, 8) for i in range(9)]
    values = [v for v in values if not (of.low_open and v == low) and not (of.high_open and v == high)]
    return values + ([low + small, high - small] if high > low else [])


def held(truth: Truth, seen: list[bool]) -> bool:
    """Whether the claimed truth is consistent with all that was seen."""
    return truth is None or set(seen) == {truth}


@given(spans(), WHOLE)
def test_what_is_said_of_a_limit_is_true_of_every_value(one: Span, limit: int) -> None:
    assert held(one.below(limit), [v < limit for v in inside(one)])
    assert held(one.at_least(limit), [v >= limit for v in inside(one)])
    assert held(one.above(limit), [v > limit for v in inside(one)])


@given(spans(), spans(), WHOLE)
def test_what_is_said_of_a_change_is_true_of_every_pair(a: Span, b: Span, limit: int) -> None:
    changes = [abs(v - w) for v, w in product(inside(a), inside(b))]
    size = distance(a, b)
    assert all(size.low <= change <= size.high for change in changes)
    assert held(size.below(limit), [change < limit for change in changes])
    assert held(size.at_least(limit), [change >= limit for change in changes])


@given(spans(), spans())
def test_what_is_said_of_a_rise_or_fall_is_true_of_every_pair_above_zero(a: Span, b: Span) -> None:
    pairs = [(v, w) for v, w in product(inside(a), inside(b)) if v > 0 and w > 0]
    assert not pairs or held(rose(a, b), [5 * w >= 6 * v for v, w in pairs])
    assert not pairs or held(fell(a, b), [5 * w <= 4 * v for v, w in pairs])


@given(WHOLE, WHOLE, WHOLE)
def test_of_two_plain_values_everything_can_be_said(a: int, b: int, limit: int) -> None:
    one, other = Span(a, a), Span(b, b)
    assert one.below(limit) is (a < limit)
    assert distance(one, other).at_least(limit) is (abs(a - b) >= limit)


def test_less_than_five_is_below_five_and_nothing_is_said_of_four() -> None:
    censored = span(row("hs_troponin_t", 5, bound="<"))
    assert censored.below(5) is True
    assert censored.below(4) is None
    assert censored.below(12) is True
    assert censored.at_least(5) is False


def test_at_most_five_may_be_five() -> None:
    assert span(row("hs_troponin_t", 5, bound="<=")).below(5) is None


def test_more_than_ten_thousand_is_above_every_cut_off() -> None:
    censored = span(row("hs_troponin_t", 10000, bound=">"))
    assert censored.at_least(52) is True
    assert distance(span(row("hs_troponin_t", 20)), censored).at_least(5) is True
    assert distance(censored, censored).below(3) is None


def test_a_converted_unit_leaves_no_dust_on_a_limit() -> None:
    assert span(row("troponin_t", 0.014 * 1000)).above(14) is False
    assert span(row("troponin_t", 14.000000000000002)).above(14) is False


def test_twenty_percent_is_met_exactly() -> None:
    assert rose(Span(10, 10), Span(12, 12)) is True
    assert rose(Span(10, 10), Span(11.99, 11.99)) is False
    assert fell(Span(10, 10), Span(8, 8)) is True
    assert fell(Span(10, 10), Span(8.01, 8.01)) is False


def test_three_valued_logic_keeps_what_cannot_be_said() -> None:
    assert every((True, None)) is None
    assert every((False, None)) is False
    assert some((True, None)) is True
    assert some((False, None)) is None
    assert negation(None) is None
    assert every(()) is True
    assert some(()) is False
