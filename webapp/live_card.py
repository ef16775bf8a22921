"""A model's card as it stands at one site: the 31 source attributes, each with its source.

A face: the artefact's card and what the site's ledger was measured to go in, words come out. Attributes 26 to 29 are
the site's and replace what the artefact says of them; where nothing was measured, that is said. No fact is added here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any, Final

from inference.assessment import State
from webapp import words
from webapp.words import say

COUNT: Final = 31
SITES: Final = frozenset({26, 27, 28, 29})  # of one hospital, whatever the artefact says
LEDGER, CONFIGURATION, NOT_MEASURED, ELSEWHERE = "ledger", "configuration", "not-measured", "elsewhere"
FOUR_FIFTHS: Final = 0.8
MANY: Final = 100_000  # answers settled since a measure, beyond which nobody counted on
CELLS: Final = ("missed", "false_alarms", "indeterminate")


@dataclass(frozen=True, slots=True)
class Came:
    """What one outcome came to at a site. `body` is a measure's, None where there is none, and `measured` its moment.

    `gated`: a gate of this outcome sets the threshold. `later`: answers settled since it was kept, None where it was
    measured for this page. `due`: there is too much for a page to measure, and the weekly job has not yet.
    """

    outcome: str
    hours: int
    gated: bool
    body: Mapping[str, Any] | None
    measured: datetime | None
    later: int | None = None
    due: bool = False
    window: int = 90


@dataclass(frozen=True, slots=True)
class Here:
    """What is known of one site. `outcomes` has the headline first; `gate` is its configuration and `weighed` when it
    was last weighed; `smallest` the patients below which no figure is shown.
    """

    id: str
    name: str
    zone: tzinfo
    state: State
    outcomes: tuple[Came, ...]
    gate: Mapping[str, Any] | None
    weighed: datetime | None
    stale_days: int
    smallest: int

    @property
    def headline(self) -> Came:
        """The outcome that cards and gates go by."""
        return self.outcomes[0]


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute: its number, what it is about, what is said, and where that comes from, in words and as a code."""

    number: int
    title: str
    text: str  # paragraphs with an empty line between
    source: str
    code: str


@dataclass(frozen=True, slots=True)
class Groups:
    """The groups of one outcome, a row a group."""

    title: str
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class CardView:
    """The page."""

    model: str
    version: str
    title: str
    lead: str
    as_of: str
    state: str
    demonstration: bool
    foremost: str
    attributes: tuple[Attribute, ...]
    groups: tuple[Groups, ...]
    xml_url: str
    sites: tuple[tuple[str, str], ...]  # name and address, where the card is of no site


def view(
    model: str,
    manifest: Mapping[str, Any],
    card: Mapping[str, Any],
    here: Here | None,
    now: datetime,
    *,
    zone: tzinfo,
    xml_url: str = "",
    sites: Sequence[tuple[str, str]] = (),
) -> CardView:
    """The card of `model`; `here` None is the card of no site."""
    name, version = say("en", f"models.{model}.name"), str(manifest.get("version", ""))
    told: dict[str, Any] = {"model": name, "version": version}
    state = "" if here is None else say("en", "livecard.state", state=say("en", f"states.{here.state.value}.title"))
    return CardView(
        model=model,
        version=version,
        title=say("en", "livecard.title", **told)
        if here is None
        else say("en", "livecard.title-site", site=here.name, **told),
        lead=say("en", "livecard.lead" if here is None else "livecard.lead-site"),
        as_of=say("en", "livecard.as-of", at=words.moment(now, zone), offset=words.offset(now, zone)),
        state=state,
        demonstration=here is not None and here.state is State.DEMONSTRATION,
        foremost=str(card.get("first") or ""),
        attributes=attributes(model, card, here),
        groups=_groups(here),
        xml_url=xml_url,
        sites=tuple(sites),
    )


def attributes(model: str, card: Mapping[str, Any], here: Here | None) -> tuple[Attribute, ...]:
    """All 31, in order: the site's own where they are of a site, else the artefact's."""
    shipped = {int(one["number"]): one for one in card.get("attributes", ())}
    own = {} if here is None else _own(model, here)
    return tuple(_attribute(number, shipped.get(number, {}), own) for number in range(1, COUNT + 1))


def trusted(came: Came, smallest: int) -> Mapping[str, Any] | None:
    """The figures, where enough patients stand behind them to be shown."""
    if came.body is None:
        return None
    figures: Mapping[str, Any] = came.body["figures"]
    return figures if figures["patients"] >= smallest else None


def called(came: Came) -> str:
    """An outcome by name and hours: "ventilation-24h, within 24 h"."""
    return say("en", "livecard.outcome", outcome=came.outcome, hours=came.hours)


def _attribute(number: int, shipped: Mapping[str, Any], own: Mapping[int, tuple[str, str]]) -> Attribute:
    title = str(shipped.get("title") or say("en", "livecard.untitled", n=number))
    if number in own:
        text, code = own[number]
    elif number in SITES:
        text, code = say("en", "livecard.nowhere"), ELSEWHERE
    elif not shipped:
        text, code = say("en", "livecard.unsaid"), NOT_MEASURED
    else:
        code = str(shipped.get("source", "")).replace(" ", "-")
        return Attribute(number, title, str(shipped["text"]), _shipped_source(code), code)
    return Attribute(number, title, text, say("en", f"livecard.source-{code}"), code)


def _shipped_source(code: str) -> str:
    if code == "not-yet":
        return say("en", "livecard.source-not-measured")
    key = f"about.source.{code}"
    return say("en", key) if words.knows("en", key) else code


def _own(model: str, here: Here) -> dict[int, tuple[str, str]]:
    """Attributes 26 to 29, each with its source's code."""
    weighed = (
        say("en", "livecard.not-weighed")
        if here.weighed is None
        else say("en", "livecard.weighed", at=words.moment(here.weighed, here.zone), stale=here.stale_days)
    )
    head = here.headline
    measured = say("en", "livecard.never") if head.measured is None else words.moment(head.measured, here.zone)
    around: dict[str, Any] = {"weighed": weighed, "measured": measured, "days": head.window}
    around["smallest"] = here.smallest
    return {
        26: (say("en", "livecard.monitored", **around), CONFIGURATION),
        27: _of_each(here, _validity),
        28: (say("en", "livecard.monitored-groups", **around), CONFIGURATION),
        29: _of_each(here, _fairness),
    }


def _of_each(here: Here, told: Callable[[Here, Came, Mapping[str, Any]], str]) -> tuple[str, str]:
    """A paragraph an outcome, the headline's first; measured where any of them is."""
    parts = []
    for came in here.outcomes:
        found = trusted(came, here.smallest)
        text = _not_measured(here, came) if found is None else told(here, came, found)
        parts.append(say("en", "livecard.of-outcome", outcome=called(came), text=text))
    any_found = any(trusted(came, here.smallest) is not None for came in here.outcomes)
    return "\n\n".join(parts), LEDGER if any_found else NOT_MEASURED


def _not_measured(here: Here, came: Came) -> str:
    if came.due:
        return say("en", "livecard.due")
    return say("en", "livecard.few", smallest=here.smallest, days=came.window)


def _validity(here: Here, came: Came, found: Mapping[str, Any]) -> str:
    body = came.body or {}
    rates = ("sensitivity", "false_by_day", "false_by_alarm", "alarms")
    told: dict[str, Any] = {name: rate(found[name]) for name in rates}
    told |= {name: found[name] for name in ("patients", "patient_days", "positives", "indeterminate", "answers")}
    told |= {name: found[name] for name in ("early", "unknown")}
    told |= {
        "from": words.day(datetime.fromisoformat(body["from"]), here.zone),
        "until": words.day(datetime.fromisoformat(body["until"]), here.zone),
        "outcome": came.outcome,
        "threshold": _threshold(came, found["threshold"]),
        "calibration": _calibration(body["calibration"]),
        "states": words.listed([say("en", f"states.{state}.short") for state in body["states"]]),
    }
    return f"{say('en', 'livecard.validity', **told)}{_kept(here, came)}"


def _threshold(came: Came, value: float) -> str:
    """The threshold, and whose it is."""
    return say("en", f"livecard.threshold-{'gate' if came.gated else 'site'}", threshold=share(value))


def _kept(here: Here, came: Came) -> str:
    """As of when, where the page did not measure for itself, and what came since."""
    if came.later is None or came.measured is None:
        return ""
    at = words.moment(came.measured, here.zone)
    later = say("en", "livecard.later-many") if came.later > MANY else f"{came.later:,}"
    return " " + say("en", "livecard.kept", at=at, later=later)


def _calibration(fits: Mapping[str, Any] | None) -> str:
    if fits is None:
        return say("en", "livecard.no-calibration")
    figures: dict[str, Any] = {name: f"{fits[name]:.2f}" for name in ("ratio", "low", "high")}
    return say(
        "en", "livecard.calibration", observed=fits["observed"], expected=f"{fits['expected']:.1f}", **figures
    )


def _fairness(here: Here, came: Came, found: Mapping[str, Any]) -> str:
    """Who is missed, by group, and which groups are below four fifths."""
    cells = [cell for cell in (came.body or {})["cells"] if cell["missed"] is not None]
    traits: dict[str, list[str]] = {}
    for cell in cells:
        value = cell["value"] or say("en", "livecard.unknown")
        told = say("en", "livecard.group-value", value=value, missed=rate(cell["missed"]))
        traits.setdefault(cell["trait"], []).append(told)
    groups = [
        say("en", "livecard.group", trait=say("en", f"gate.trait-{trait}"), values=words.listed(values))
        for trait, values in traits.items()
        if len(values) > 1
    ]
    if not groups:
        return say("en", "livecard.fairness-none", smallest=here.smallest) + _kept(here, came)
    low = [_named(c) for c in cells if c["four_fifths"] is not None and c["four_fifths"] < FOUR_FIFTHS]
    below = say("en", "livecard.below", groups=words.listed(low)) if low else say("en", "livecard.below-none")
    told_all: dict[str, Any] = {"groups": " ".join(groups), "below": below, "smallest": here.smallest}
    threshold = _threshold(came, found["threshold"])
    return say("en", "livecard.fairness", threshold=threshold, **told_all) + _kept(here, came)


def _groups(here: Here | None) -> tuple[Groups, ...]:
    """A table an outcome, a row a group; a cell that may not be shown says so."""
    if here is None:
        return ()
    shown = [came for came in here.outcomes if trusted(came, here.smallest) is not None and (came.body or {})["cells"]]
    return tuple(Groups(called(came), tuple(map(_row, (came.body or {})["cells"]))) for came in shown)


def _row(cell: Mapping[str, Any]) -> tuple[str, ...]:
    hidden = say("en", "livecard.suppressed")
    fits, fifths = cell["calibration"], cell["four_fifths"]
    return (
        _named(cell),
        hidden if cell["patients"] is None else f"{cell['patients']:,}",
        *(hidden if cell[name] is None else rate(cell[name]) for name in CELLS),
        hidden if fits is None else f"{fits['ratio']:.2f} ({fits['low']:.2f} to {fits['high']:.2f})",
        hidden if fifths is None else _fifths(cell),
    )


def _fifths(cell: Mapping[str, Any]) -> str:
    low, high = cell.get("fifths_low"), cell.get("fifths_high")
    told = f"{cell['four_fifths']:.2f}"
    return told if low is None or high is None else f"{told} ({low:.2f} to {high:.2f})"


def _named(cell: Mapping[str, Any]) -> str:
    trait, value = cell["trait"], cell["value"] or say("en", "livecard.unknown")
    return say("en", "gate.group", trait=say("en", f"gate.trait-{trait}"), value=value)


def rate(found: Mapping[str, Any]) -> str:
    """A rate with its interval: "71.0 % (60.2 to 80.1 %)"."""
    if found["value"] is None:
        return say("en", "gate.none")
    if found["low"] is None or found["high"] is None:
        return share(found["value"])
    low, high = f"{found['low'] * 100:.1f}", share(found["high"])
    return say("en", "livecard.rate", value=share(found["value"]), low=low, high=high)


def share(value: float) -> str:
    """0.71 -> "71.0 %"."""
    return f"{value * 100:.1f} %"
