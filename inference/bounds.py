"""Censored arithmetic: what can be said of "<5" without calling it 5.

A `Span` is every value a result may stand for. A question about it is answered True, False, or None where the
answer depends on the part that was not reported. Ends may be open: "<5" never is 5.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import inf

from inference.chart import Measurement

Truth = bool | None  # None: cannot be said


@dataclass(frozen=True, slots=True)
class Span:
    """Values from `low` to `high`; an open end is not itself included. Concentrations: never below 0."""

    low: float
    high: float
    low_open: bool = False
    high_open: bool = False

    def below(self, limit: float) -> Truth:
        """Whether the value is < `limit`."""
        if self.high < limit or (self.high == limit and self.high_open):
            return True
        return False if self.low >= limit else None

    def at_least(self, limit: float) -> Truth:
        """Whether the value is >= `limit`."""
        return negation(self.below(limit))

    def above(self, limit: float) -> Truth:
        """Whether the value is > `limit`."""
        if self.low > limit or (self.low == limit and self.low_open):
            return True
        return False if self.high <= limit else None


def span(row: Measurement) -> Span:
    """What `row` may stand for; to a millionth, so that a converted unit leaves no dust on a limit."""
    value = round(row.value, 6)
    if row.bound.startswith("<"):
        return Span(0.0, value, high_open=row.bound == "<")
    if row.bound.startswith(">"):
        return Span(value, inf, low_open=row.bound == ">")
    return Span(value, value)


def distance(a: Span, b: Span) -> Span:
    """The size of the change between two results, whichever way it went."""
    gaps = ((b.low - a.high, b.low_open or a.high_open), (a.low - b.high, a.low_open or b.high_open))
    reaches = ((b.high - a.low, b.high_open or a.low_open), (a.high - b.low, a.high_open or b.low_open))
    low, low_open = max(gaps)
    high = max(reach for reach, _ in reaches)
    high_open = all(is_open for reach, is_open in reaches if reach == high)
    return Span(low, high, low_open, high_open) if low >= 0 else Span(0.0, high, False, high_open)


def rose(a: Span, b: Span, fifths: int = 1) -> Truth:
    """Whether `b` is at least `fifths` x 20 % above `a`. Multiplied out: 12 is 20 % above 10, exactly."""
    need = 5 + fifths
    if 5 * b.low >= need * a.high and b.low > 0:
        return True
    never = 5 * b.high < need * a.low or (5 * b.high == need * a.low and (b.high_open or a.low_open))
    return False if never else None


def fell(a: Span, b: Span, fifths: int = 1) -> Truth:
    """Whether `b` is at least `fifths` x 20 % below `a`."""
    left = 5 - fifths
    if 5 * b.high <= left * a.low and a.low > 0:
        return True
    never = 5 * b.low > left * a.high or (5 * b.low == left * a.high and (b.low_open or a.high_open))
    return False if never else None


def negation(truth: Truth) -> Truth:
    """Not: what cannot be said stays so."""
    return None if truth is None else not truth


def every(truths: Iterable[Truth]) -> Truth:
    """And: False as soon as one is False, True only if all are."""
    known = tuple(truths)
    if False in known:
        return False
    return None if None in known else True


def some(truths: Iterable[Truth]) -> Truth:
    """Or: True as soon as one is True, False only if all are."""
    known = tuple(truths)
    if True in known:
        return True
    return None if None in known else False
