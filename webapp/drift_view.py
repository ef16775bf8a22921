"""Drift in words: each alarm with what moved, since when, against what is usual, and its likely cause."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from webapp import shares, words
from webapp.report import Section, Table
from webapp.words import say

PROMISED, BASELINE = 180, 60  # days: those of governance.watching, a test holds
EQUITY: Final = "four-fifths"  # of a group that is missed: held against a limit, not against what was usual
AS_SHARES: Final = frozenset(
    {
        "sensitivity",
        "false-alarms",
        "unit-mix",
        "missing",
        "alert-rate",
        "override-rate",
        "indeterminate-share",
        EQUITY,
    }
)


def section(alarms: list[Mapping[str, Any]], stated: Sequence[Any] = (), *, answered: bool = True) -> Section:
    """The alarms of a review, and what the charts promise; `stated` is governance.charts.stated's. `answered`: whether
    there was anything.
    """
    items = tuple(_alarm(each) for each in alarms)
    none = () if items else (say("en", f"review.drift.{'none' if answered else 'nothing'}"),)
    promised = say("en", "review.drift.promise", days=PROMISED, baseline=BASELINE)
    tables = (_stated(stated),) if stated else ()
    return Section("drift", say("en", "review.drift.title"), (*none, promised), items, tables)


def _stated(stated: Sequence[Any]) -> Table:
    """Each chart's own run length, and in how many days it finds which shift."""
    caption = say("en", "review.drift.stated", charts=stated[0].run_length // PROMISED)
    heads = tuple(say("en", f"review.drift.column-{name}") for name in ("chart", "run-length", "shift", "days"))
    rows = tuple(
        (chart(each.chart, ""), f"{each.run_length:,}", _shift(each), str(each.days)) for each in stated
    )
    return Table(caption, heads, rows)


def _shift(each: Any) -> str:
    if each.chart in AS_SHARES:
        usual, shifted = shares.share(each.usual), shares.share(each.shifted)
        key = "review.drift.shift-week" if each.every > 1 else "review.drift.shift-day"
        return say("en", key, usual=usual, shifted=shifted, size=each.size)
    key = "odds" if each.chart == "calibration" else "mean"
    return say("en", f"review.drift.shift-{key}", shifted=words.number(each.shifted), size=each.size)


def chart(name: str, subject: str) -> str:
    """A chart as people call it, with the input or unit it is of."""
    key = f"review.drift.chart-{name}"
    said = say("en", key) if words.knows("en", key) else name
    own = f"review.drift.subject-{subject}"
    of = f"({say('en', own)})" if subject and words.knows("en", own) else words.label_of(subject)
    return f"{said} {of}".rstrip()


def _alarm(told: Mapping[str, Any]) -> str:
    way = {1: "above", -1: "below"}[told["direction"]] if told["chart"] != "codes" else "changed"
    line = say(
        "en",
        "review.drift.alarm",
        model=words.model_name(told["model"]),
        chart=chart(told["chart"], told["subject"]),
        direction=say("en", f"review.drift.{way}"),
        began=told["began_on"],
        crossed=told["crossed_on"],
    )
    parts = [line]
    if told["chart"] != "codes":
        shown: dict[str, Any] = {key: _value(told["chart"], told[key]) for key in ("value", "usual")}
        key = "values-limit" if told["chart"] == EQUITY else "values"
        parts.append(say("en", f"review.drift.{key}", **shown))
    parts.append(_cause(told))
    if told["run_length"]:
        parts.append(say("en", "review.drift.run-length", days=f"{told['run_length']:,.0f}"))
    answered = say("en", "review.drift.answered", decision=told["decision"])
    parts.append(answered if told["answered_at"] else say("en", "review.drift.standing"))
    return " ".join(parts)


def _value(name: str, value: float) -> str:
    return shares.share(value) if name in AS_SHARES else words.number(float(value))


def _cause(told: Mapping[str, Any]) -> str:
    if not told["cause"]:
        return say("en", "review.drift.no-cause")
    said = say(
        "en",
        f"review.drift.cause-{told['cause']}",
        what=words.listed([words.label_of(each) for each in told["what"].split(", ")]) if told["what"] else "",
        on=told["caused_on"] or "",
        new=", ".join(told["new"]) or say("en", "review.none"),
        gone=", ".join(told["gone"]) or say("en", "review.none"),
    )
    return say("en", "review.drift.cause", cause=said)
