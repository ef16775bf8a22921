"""Where a probability lies among comparable patients: those the model was tried on and had not seen.

From the evaluation that ships with the model, whose tenths say what was predicted and what came of it, set by set.
Refuses a place for an answer of another version than the evaluation's, or to another question than it was made for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from markupsafe import Markup

from webapp import charts, words
from webapp.words import say

FEWEST: Final = 5  # tenths (or so) below which a set says nothing of a place
ROUNDED: Final = 5  # of 100


@dataclass(frozen=True, slots=True)
class Tenth:
    """A group of comparable moments with like predictions: mean prediction, what was seen, and how many."""

    predicted: float
    observed: float
    low: float
    high: float
    rows: int


@dataclass(frozen=True, slots=True)
class PeerSet:
    """One set of patients the model was tried on, its tenths from the lowest prediction to the highest."""

    name: str
    patients: int
    tenths: tuple[Tenth, ...]


@dataclass(frozen=True, slots=True)
class SetLine:
    """One set's line: how many had a lower number, and what became of those with a number like this."""

    name: str
    below: str
    observed: str


@dataclass(frozen=True, slots=True)
class Place:
    """The place in words and as a drawing, and set by set."""

    short: str
    sentence: str
    whose: str  # who these patients are
    drawing: Markup
    lines: tuple[SetLine, ...]


def peers(evaluation: Mapping[str, Any]) -> tuple[PeerSet, ...]:
    """The sets of an artefact's evaluation.json that say enough; () where it holds none."""
    sets = evaluation.get("data_sets")
    found = []
    for name, told in sets.items() if isinstance(sets, Mapping) else ():
        tenths = [_tenth(each) for each in told.get("reliability", ())]
        if len(tenths) >= FEWEST:
            found.append(PeerSet(name, int(told["patients"]), tuple(tenths)))
    return tuple(found)


def place(probability: float, sets: Sequence[PeerSet]) -> Place | None:
    """Where `probability` lies; None without sets to compare with."""
    if not sets:
        return None
    rows = [sum(tenth.rows for tenth in each.tenths) for each in sets]
    below = [_below(probability, each.tenths) for each in sets]
    pooled = sum(share * n for share, n in zip(below, rows, strict=True)) / sum(rows)
    n, patients = _rounded(pooled), sum(each.patients for each in sets)
    open_data = all(words.knows("en", f"peers.set-{each.name}") for each in sets)
    return Place(
        say("en", "peers.short", n=n, origin=say("en", "peers.origin") if open_data else ""),
        say("en", "peers.place", n=n),
        say("en", "peers.whose" if open_data else "peers.whose-own", patients=patients),
        charts.place_strip(pooled),
        tuple(_line(probability, each, share) for each, share in zip(sets, below, strict=True)),
    )


def _tenth(told: Mapping[str, Any]) -> Tenth:
    low, high = told.get("observed_95") or (told["observed"], told["observed"])
    return Tenth(told["predicted"], told["observed"], low, high, int(told["rows"]))


def _below(probability: float, tenths: Sequence[Tenth]) -> float:
    """The share of moments with a lower prediction, 0..1: straight lines between the tenths' middles."""
    n, total = 0.0, sum(tenth.rows for tenth in tenths)
    middles = []
    for tenth in tenths:
        middles.append((tenth.predicted, (n + tenth.rows / 2) / total))
        n += tenth.rows
    if probability <= middles[0][0]:
        return middles[0][1]
    for (left, at), (right, then) in pairwise(middles):
        if probability <= right:
            return at + (then - at) * (probability - left) / (right - left)
    return middles[-1][1]


def _rounded(share: float) -> int:
    return round(100 * share / ROUNDED) * ROUNDED


def _line(probability: float, each: PeerSet, below: float) -> SetLine:
    near = min(each.tenths, key=lambda tenth: abs(tenth.predicted - probability))
    key = f"peers.set-{each.name}"
    name = say("en", key) if words.knows("en", key) else each.name
    between = words.interval(near.low, near.high)
    seen = say("en", "peers.observed", share=words.percent(near.observed), interval=between, n=near.rows)
    return SetLine(name, say("en", "peers.below", n=_rounded(below)), seen)
