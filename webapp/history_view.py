"""A gate's history in words: a line a week with its state, and the figure and bound that decided; and a strip of it.

A face: what weighings kept goes in, words come out; nothing is computed again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from itertools import groupby
from typing import Any, Final

from markupsafe import Markup, escape

from inference.assessment import State
from webapp import shares, suspended, words
from webapp.words import say

TOLD: Final = 2  # shortfalls of a week that are told; the gate's page tells all of today's
RECENT: Final = 8  # weeks that are open; the earlier ones are folded
COUNTED: Final = ("positives", "days", "approvals", "blind")
TALL: Final = 12  # of the strip's box, to a week's 10


@dataclass(frozen=True, slots=True)
class Week:
    """One week of the history."""

    name: str
    days: str
    code: str
    state: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HistoryView:
    """The history: the newest weeks, the earlier ones under a heading, and the strip, oldest first."""

    recent: tuple[Week, ...]
    earlier: tuple[Week, ...]
    earlier_title: str
    strip: Markup


def view(weeks: Sequence[Week]) -> HistoryView:
    """The history of `weeks`, newest first."""
    earlier = tuple(weeks[RECENT:])
    title = say("en", "history.earlier", count=len(earlier))
    return HistoryView(tuple(weeks[:RECENT]), earlier, title, _strip(tuple(reversed(weeks))))


def week(
    name: str,
    monday: date,
    sunday: date,
    state: State,
    body: Mapping[str, Any],
    zone: tzinfo,
    *,
    weighed: bool,
    stale: bool,
    decision: suspended.Decision | None,
    moves: Sequence[tuple[datetime, State]],
) -> Week:
    """One week whose last weighing kept `body`; `state` is what the doors went by at its end."""
    lines = [*_moved(moves, zone), *_decided(decision, monday, zone), *_why(state, body, decision is not None)]
    if not weighed:
        lines.append(say("en", "history.stale" if stale else "history.unweighed"))
    days: dict[str, Any] = {"from": _day(monday), "until": _day(sunday)}
    return Week(name, say("en", "history.days", **days), state.value, _short(state), tuple(lines))


def _moved(moves: Sequence[tuple[datetime, State]], zone: tzinfo) -> Iterator[str]:
    for at, state in moves:
        yield say("en", "history.moved", at=words.moment(at, zone), state=_short(state))


def _decided(decision: suspended.Decision | None, monday: date, zone: tzinfo) -> Iterator[str]:
    """Who suspended it and why in the week it was done; in later weeks where that stands."""
    if decision is None:
        return
    if decision.at.astimezone(zone).date() >= monday:
        yield suspended.brief(decision, zone)
    else:
        yield say("en", "history.still", at=words.moment(decision.at, zone), line=decision.line)


def _why(state: State, body: Mapping[str, Any], decided: bool) -> Iterator[str]:
    """What decided the state, where that was a weighing; what it lacks still."""
    if state is State.ACTIVE:
        yield say("en", "history.opened", parts="; ".join(_held(body)))
    elif body["missing"]:
        said = [_short_of(each, body["live"]) for each in body["missing"]]
        more = len(said) - TOLD
        parts = [*said[:TOLD], *([say("en", "history.more", count=more)] if more > 0 else [])]
        yield say("en", "history.short", parts="; ".join(parts))
    elif not decided and state.value == body["asked"]:
        yield say("en", "history.asked")


def _held(body: Mapping[str, Any]) -> Iterator[str]:
    """The two rates that hold the gate open, by their bounds at first and by themselves while live."""
    gate, found = body["gate"], body["figures"]
    key = {"patient-day": "false_by_day", "alarm": "false_by_alarm"}.get(gate["definition"], "alarms")
    kind = "live" if body["live"] else "bound"
    for way, rate, limit in (("least", "sensitivity", "sensitivity"), ("most", key, "false_alarms")):
        yield say("en", f"history.{kind}-{way}", limit=shares.share(gate[limit]), **_figures(found[rate], "value"))


def _short_of(short: Mapping[str, Any], live: bool) -> str:
    key = f"history.short-{short['code']}"
    own = f"{key}-live" if live and words.knows("en", f"{key}-live") else key
    if short["code"] in COUNTED:
        return say("en", own, figure=f"{short['figure']:g}", limit=f"{short['limit']:g}")
    if short["figure"] is None:
        return say("en", f"history.none-{short['code']}")
    told = _figures(short, "figure")
    return say("en", own, limit=shares.share(short["limit"]), subject=short["subject"], **told)


def _figures(rate: Mapping[str, Any], value: str) -> dict[str, Any]:
    between = shares.interval(rate) or say("en", "gate.no-interval")
    ends = {end: shares.share(rate[end]) for end in ("low", "high")}
    return {"figure": shares.share(rate[value]), "interval": between, **ends}


def _strip(weeks: Sequence[Week]) -> Markup:
    """A square a week, oldest first; its words say the same."""
    if len(weeks) < 2:
        return Markup("")  # nosec B704
    runs = [(state, len(list(run))) for state, run in groupby(each.state for each in weeks)]
    said = words.listed([say("en", "history.strip-part", count=many, state=state) for state, many in runs])
    label = say("en", "history.strip", count=len(weeks), first=weeks[0].name, last=weeks[-1].name, said=said)
    squares = "".join(_square(place, each.code) for place, each in enumerate(weeks))
    frame = f'class="strip" viewBox="0 0 {10 * len(weeks)} {TALL}" preserveAspectRatio="none" role="img"'
    # Drawn from codes of states; the text it holds was escaped.
    return Markup(f'<svg {frame} aria-label="{escape(label)}" focusable="false">{squares}</svg>')  # noqa: S704  # nosec B704


def _square(place: int, code: str) -> str:
    top = _lift(code)
    return f'<rect class="week {code}" x="{10 * place}" y="{top}" width="9" height="{TALL - top}"/>'


def _lift(code: str) -> int:
    """States differ by height as well as by colour."""
    return {"active": 0, "demonstration": 3, "suspended": 6}.get(code, 9)


def _short(state: State) -> str:
    return say("en", f"states.{state.value}.short")


def _day(day: date) -> str:
    return f"{day.day} {say('en', 'time.months').split()[day.month - 1]}"
