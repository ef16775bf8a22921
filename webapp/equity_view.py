"""An audit by group in words a quality officer understands: missed, alarmed in vain, sent to a person, and calibration.

A face: what an audit kept goes in, words come out; nothing is computed again. A suppressed cell says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, tzinfo
from types import MappingProxyType
from typing import Any, Final

from webapp import shares, words
from webapp.report import Section, Table
from webapp.words import say

NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
FOUR_FIFTHS: Final = 0.8
HEADS: Final = ("patients", "missed", "false", "person", "calibration", "fifths")


def section(
    place: str,
    named: Mapping[str, Any],
    body: Mapping[str, Any],
    lines: Iterable[str] = (),
    lacks: Mapping[str, str] = NOTHING,
) -> Section:
    """One audit; `named` are model, version and outcome as people call them. `lacks` has every trait that is looked
    for, and where the site's own file keeps it from being known the key of the words that say so, else "".
    """
    cells = body["cells"]
    traits = list(dict.fromkeys(cell["trait"] for cell in cells))
    tables = tuple(_table(named, trait, [cell for cell in cells if cell["trait"] == trait]) for trait in traits)
    lead = say("en", "equity.lead", smallest=body["smallest"])
    return Section(
        place=place,
        title=say("en", "equity.section", **named),
        lines=(*lines, lead) if traits else (*lines, say("en", "equity.no-traits")),
        items=_below(cells) if traits else (),
        tables=tables,
        after=(*_unknown(traits, lacks), say("en", "equity.interval")) if traits else (),
    )


def _unknown(traits: Iterable[str], lacks: Mapping[str, str]) -> tuple[str, ...]:
    """The traits by which nobody is told apart, and why where the site's file is the reason."""
    missing = {name: why for name, why in lacks.items() if name not in set(traits)}
    unknown = [trait(name) for name, why in missing.items() if not why]
    said = (say("en", "equity.unknown", traits=words.listed(unknown)),) if unknown else ()
    return (*said, *(say("en", f"equity.{why}") for why in missing.values() if why))


def period(since: datetime, until: datetime, at: datetime, threshold: float, zone: tzinfo) -> str:
    """Which predictions an audit is of, at which threshold, and when it was made."""
    days: dict[str, Any] = {"from": words.day(since, zone), "until": words.day(until, zone)}
    return say(
        "en",
        "equity.period",
        **days,
        threshold=shares.share(threshold),
        at=words.moment(at, zone),
    )


def trait(name: str) -> str:
    """A trait as people call it."""
    return say("en", f"gate.trait-{name}")


def _below(cells: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """The groups under four fifths, a sentence each; or that there is none."""
    said = tuple(
        say(
            "en",
            "equity.below",
            trait=trait(cell["trait"]),
            value=_value(cell),
            ratio=_ratio(cell),
        )
        for cell in cells
        if cell["four_fifths"] is not None and cell["four_fifths"] < FOUR_FIFTHS
    )
    return said or (say("en", "equity.alike"),)


def _table(named: Mapping[str, Any], name: str, cells: Iterable[Mapping[str, Any]]) -> Table:
    heads = (trait(name), *(say("en", f"equity.column-{head}") for head in HEADS))
    caption = say("en", "equity.caption", **named, trait=trait(name))
    return Table(caption, heads, tuple(_row(cell) for cell in cells))


def _row(cell: Mapping[str, Any]) -> tuple[str, ...]:
    hidden, fits = say("en", "equity.hidden"), cell["calibration"]
    return (
        _value(cell),
        hidden if cell["patients"] is None else f"{cell['patients']:,}",
        *(
            hidden if cell[key] is None else shares.rate(cell[key])
            for key in ("missed", "false_alarms", "indeterminate")
        ),
        hidden if fits is None else calibrated(fits),
        hidden if cell["four_fifths"] is None else _ratio(cell),
    )


def _ratio(cell: Mapping[str, Any]) -> str:
    ends = {"value": cell["four_fifths"], "low": cell["fifths_low"], "high": cell["fifths_high"]}
    return shares.rate(ends)


def calibrated(fits: Mapping[str, Any]) -> str:
    """ "0.79 (0.41 to 1.38); 12 observed, 15.2 expected"."""
    return say(
        "en",
        "review.happened.calibration-value",
        ratio=f"{fits['ratio']:.2f}",
        low=f"{fits['low']:.2f}",
        high=f"{fits['high']:.2f}",
        observed=fits["observed"],
        expected=f"{fits['expected']:.1f}",
    )


def _value(cell: Mapping[str, Any]) -> str:
    return cell["value"] or say("en", "equity.not-known")
