"""Why this number: an explanation as sentences, grouped by organ system, with the sum that adds up.

Text first: each row is a sentence with value, unit, time and the patient's own earlier value; then the
direction and size of its push as a factor on the odds. What was not measured stands apart, with what its
absence means. Refuses to call any of it a cause.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Final

from markupsafe import Markup

from inference.assessment import Explanation, Reason
from inference.chart import Measurement
from inference.explain import OLDEST
from inference.features import ANALYTES, BEFORE_UNIT, CARE_UNIT, HOURS, LONGEST_BEFORE
from inference.vocabulary import vocabulary
from webapp import charts, origin, words
from webapp.words import say

SMALL: Final = 0.1  # log-odds: a push that moves the odds by less than a tenth is named, not told at length
OLD: Final = timedelta(hours=6)
TOLD: Final = 3  # how many pushes each way are named first


@dataclass(frozen=True, slots=True)
class Row:
    """One push, as a sentence (label, value, the rest); `bar` and `course` are drawings of what it says."""

    label: str
    value: str
    rest: str
    push: str
    direction: str  # "raises", "lowers", "neither"
    bar: Markup
    course: Markup | None
    traced: tuple[str, ...] = ()  # where its values came from, newest first


@dataclass(frozen=True, slots=True)
class Small:
    """The pushes too small to tell at length, by name in one sentence, and each with its row."""

    text: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """One organ system: its exact push, the rows worth telling, and how many small ones there were."""

    label: str
    push: str
    direction: str
    rows: tuple[Row, ...]
    small: Small | None


@dataclass(frozen=True, slots=True)
class SumLine:
    """One line of the sum, in log-odds with sign; `share` is the probability where a line has one."""

    label: str
    amount: str
    share: str


@dataclass(frozen=True, slots=True)
class Why:
    """The explanation of one shown probability."""

    towards: tuple[Row, ...]
    against: tuple[Row, ...]
    groups: tuple[Group, ...]
    unmeasured: tuple[Row, ...]
    unmeasured_small: Small | None
    base: SumLine
    lines: tuple[SumLine, ...]
    total: SumLine
    method: str


def why(found: Explanation, as_of: datetime, zone: tzinfo, person: Mapping[str, str]) -> Why:
    """The explanation in words, strongest organ system first; times in `zone`.

    `person` says what the page knows of "age" and "sex", for answers recorded before they stated it themselves.
    """
    largest = max((abs(reason.push) for reason in found.reasons), default=1.0)
    by_push = sorted(found.reasons, key=lambda reason: -abs(reason.push))
    measured = [reason for reason in by_push if reason.measured]
    absent = [reason for reason in by_push if not reason.measured]
    rows = {reason.variable: _row(reason, largest, as_of, zone, person) for reason in by_push}
    systems = sorted(found.systems, key=lambda system: -abs(system.push))
    groups = tuple(
        _group(system.label, system.push, [r for r in measured if r.system == system.system], rows)
        for system in systems
    )
    return Why(
        towards=tuple(rows[r.variable] for r in named(measured, True, TOLD)),
        against=tuple(rows[r.variable] for r in named(measured, False, TOLD)),
        groups=tuple(group for group in groups if group.rows or group.small),
        unmeasured=tuple(rows[r.variable] for r in absent if abs(r.push) >= SMALL),
        unmeasured_small=_listing([r for r in absent if abs(r.push) < SMALL], rows),
        base=SumLine(say("en", "reasons.base-row"), signed(found.base), words.percent(expit(found.base))),
        lines=tuple(SumLine(system.label, signed(system.push), "") for system in systems),
        total=SumLine(say("en", "reasons.total-row"), signed(found.score), words.percent(expit(found.score))),
        method=say("en", "reasons.method", systems=len(systems), seed=found.seed, rows=str(found.model_rows)),
    )


def sentence(reason: Reason, as_of: datetime, zone: tzinfo) -> str:
    """ "respiratory rate 30/min (05:40), up from 22/min (22 Nov 17:00)": a reason inside a sentence."""
    label, value, rest = _told(reason, as_of, zone, {})
    return f"{words.inline(label)} {value}{rest}"


def named(reasons: Sequence[Reason], upward: bool, count: int) -> list[Reason]:
    """The `count` strongest measured pushes in one direction, strongest first; small ones are not named."""
    fit = [
        r for r in reasons if r.measured and r.latest is not None and (r.push if upward else -r.push) >= SMALL
    ]
    return sorted(fit, key=lambda reason: -abs(reason.push))[:count]


def brief(reason: Reason) -> str:
    """ "RR 30/min", "lactate 2.9 mmol/L": a reason in the fewest words."""
    value = words.spoken(reason.latest) if reason.latest is not None else stated(reason)
    return f"{words.short(reason.variable, reason.label)} {value}".rstrip()


def stated(reason: Reason) -> str:
    """ "72 y", "female", "6.4 h", "medical": what is known of the person; "" where the reason states nothing."""
    told = reason.stated
    if told is None:
        return ""
    if isinstance(told, str):
        return say("en", f"person.{reason.variable}-{told.replace(' ', '-')}")
    limit = {"age": OLDEST, "hours_in_stay": HOURS, BEFORE_UNIT: LONGEST_BEFORE}[reason.variable]
    return say(
        "en", f"person.{reason.variable}{'-at-least' if told >= limit else ''}", n=round(float(told), 1)
    )


def expit(log_odds: float) -> float:
    """Log-odds to probability."""
    return 1 / (1 + math.exp(-log_odds)) if log_odds > -700 else 0.0


def signed(log_odds: float) -> str:
    """ "+0.62", "−0.34"."""
    rounded = round(log_odds, 2)
    return f"{'+' if rounded > 0 else '−' if rounded < 0 else '±'}{abs(rounded):.2f}"


def _row(reason: Reason, largest: float, as_of: datetime, zone: tzinfo, person: Mapping[str, str]) -> Row:
    direction, text = _push(reason.push)
    plain = _levels(reason.variable) or abs(reason.push) < SMALL
    course = None if plain else charts.sparkline(reason.series)
    told = _told(reason, as_of, zone, person)
    kept = [row for row in (reason.latest, reason.earlier) if row is not None]
    traced = tuple(origin.traced(row, zone, as_of) for row in dict.fromkeys(kept)) or _of_person(reason)
    return Row(*told, text, direction, charts.push_bar(reason.push, largest), course, traced)


def _of_person(reason: Reason) -> tuple[str, ...]:
    """What a value of the person was read from."""
    kind = origin.READ_FROM.get(reason.variable)
    return (say("en", "origin.person", resource=kind),) if kind and reason.measured else ()


def _push(push: float) -> tuple[str, str]:
    factor = f"{math.exp(push):.2f}"
    if factor == "1.00":
        return "neither", say("en", "reasons.neither")
    direction = "raises" if push > 0 else "lowers"
    return direction, say("en", f"reasons.{direction}", factor=factor)


def _group(label: str, push: float, reasons: Sequence[Reason], rows: dict[str, Row]) -> Group:
    direction, text = _push(push)
    told = [reason for reason in reasons if abs(reason.push) >= SMALL]
    small = [reason for reason in reasons if abs(reason.push) < SMALL]
    return Group(label, text, direction, tuple(rows[r.variable] for r in told), _listing(small, rows))


def _listing(small: Sequence[Reason], rows: Mapping[str, Row]) -> Small | None:
    """The small pushes by name, so that none is hidden; None where there is none."""
    if not small:
        return None
    text = f"{say('en', 'reasons.small')}: {words.listed([brief(reason) for reason in small])}."
    return Small(text, tuple(rows[reason.variable] for reason in small))


def _absent(variable: str) -> str:
    """What absence means. A troponin may have been ordered, or drawn, and not be back; a unit may have been named,
    and be none of those the models know.
    """
    if variable in ANALYTES:
        return say("en", "reasons.not-back")
    if variable == CARE_UNIT:
        return say("en", "person.care_unit-not-known")
    return vocabulary()[variable].absent if variable in vocabulary() else "not in the chart"


def _levels(variable: str) -> bool:
    """Whether a variable has named levels: they have an order, not distances, and are not drawn as a line."""
    return variable in vocabulary() and bool(vocabulary()[variable].levels)


def _told(reason: Reason, as_of: datetime, zone: tzinfo, person: Mapping[str, str]) -> tuple[str, str, str]:
    """A reason as label, value and the rest; what absence means where nothing was measured."""
    row = reason.latest
    if not reason.measured:
        return reason.label, "", _absent(reason.variable)
    if row is None:
        value = stated(reason) or person.get(reason.variable, "")
        return f"{reason.label}:" if value else reason.label, value, ""
    old = as_of - row.time
    time = words.clock(row.time, zone, as_of)
    taken = say("en", "reasons.at-old" if old > OLD else "reasons.at", time=time, age=words.age(old))
    return reason.label, words.measured(row), taken + _since(reason, as_of, zone) + _limit(row)


def _since(reason: Reason, as_of: datetime, zone: tzinfo) -> str:
    latest, earlier = reason.latest, reason.earlier
    if latest is None or earlier is None or earlier.time >= latest.time:
        return ""
    time = words.clock(earlier.time, zone, as_of)
    if words.measured(earlier) == words.measured(latest):
        return say("en", "reasons.same", time=time)
    plain = not (_levels(latest.variable) or latest.bound or earlier.bound)
    kind = ("up" if latest.value > earlier.value else "down") if plain else "changed"
    return say("en", f"reasons.{kind}", earlier=words.measured(earlier), time=time)


def _limit(row: Measurement) -> str:
    """Said of a value above it; the laboratory's lower limit is not known here, so nothing is called normal."""
    if row.reference_high is None or row.value <= row.reference_high or row.bound == "<":
        return ""
    return say("en", "reasons.limit", limit=words.amount(row.reference_high, row.variable))
