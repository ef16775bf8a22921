"""The result page: recorded assessments in, a view for `templates/result.html` out.

The view holds text and drawings only; the template loops over them. Each model's part is made in
`answer`. A page whose chart could not be read says so and shows nothing in its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, tzinfo
from typing import Any

from inference.assessment import State
from webapp import answer, words
from webapp.answer import DISAGREEMENTS, Section, Shown, StateView
from webapp.words import say

__all__ = ["DISAGREEMENTS", "Banner", "ResultView", "Shown", "head", "in_trouble", "view"]


@dataclass(frozen=True, slots=True)
class Banner:
    """The patient's identity as the chart has it; `sex` is "female", "male" or "unknown"."""

    name: str
    born: date | None
    sex: str = "unknown"
    mrn: str = ""


@dataclass(frozen=True, slots=True)
class BannerView:
    """Name, date of birth with age, sex, record number."""

    name: str
    born: str
    sex: str
    mrn: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why there is nothing to show, and what to do now."""

    title: str
    text: str
    remedy: str
    reference: str = ""  # by which the fault is found in the log


@dataclass(frozen=True, slots=True)
class ResultView:
    """The whole page. `csrf` goes into every form; addresses come from the door."""

    language: str
    title: str
    banner: BannerView | None
    opened: str
    as_of: str
    fixed: str
    demonstration: StateView | None
    truncated: str
    foreign: str
    trouble: Trouble | None
    sections: tuple[Section, ...]
    csrf: str
    visit: str
    about_url: str
    again_url: str
    look_url: str
    close_url: str
    board_url: str = ""


def view(
    shown: Sequence[Shown],
    *,
    zone: str | tzinfo,
    opened: datetime,
    banner: Banner | None = None,
    trouble: str = "",
    foreign: int = 0,
    csrf: str = "",
    visit: str = "",
    about_url: str = "",
    again_url: str = "",
    look_url: str = "",
    close_url: str = "",
    board_url: str = "",
    focus: str = "",
) -> ResultView:
    """The page of one launch.

    `opened` is the moment of the launch; `banner` None leaves the identity to the EHR; `trouble` is a key of
    [error] ("hospital-silent") when the chart could not be read; `foreign` counts rows of other patients that
    were thrown away; `look_url` is a style sheet of the EHR's look; `focus` is the id of the assessment a
    card linked to: it comes first.
    """
    site = words.zone_of(zone)
    ordered = sorted(shown, key=lambda each: each.id != focus) if focus else list(shown)
    return ResultView(
        language="en",
        title=say("en", "page.title"),
        banner=_banner(banner, opened, site) if banner is not None else None,
        opened=_opened(opened, _latest(ordered), site),
        as_of=_as_of(ordered, site),
        fixed=say("en", "page.fixed"),
        demonstration=answer.state_view(State.DEMONSTRATION) if _any(ordered, State.DEMONSTRATION) else None,
        truncated=say("en", "page.truncated") if any(each.assessment.truncated for each in ordered) else "",
        foreign=say("en", "page.foreign", n=foreign) if foreign else "",
        trouble=_trouble(trouble) if trouble else None,
        sections=tuple(
            answer.section(each, _person(banner, each.assessment.as_of, site), site) for each in ordered
        ),
        csrf=csrf,
        visit=visit,
        about_url=about_url,
        again_url=again_url,
        look_url=look_url,
        close_url=close_url,
        board_url=board_url,
    )


def head(states: Sequence[State], moment: datetime, **around: Any) -> ResultView:
    """The page before its answers are there: whose it is, the chart's moment, what the models may do here.

    `around`: what `view` is told besides the answers.
    """
    empty = view((), **around)
    site = words.zone_of(around["zone"])
    shown = answer.state_view(State.DEMONSTRATION) if State.DEMONSTRATION in states else None
    begun = _opened(around["opened"], moment, site)
    return replace(empty, opened=begun, as_of=_moment(moment, site), demonstration=shown)


def in_trouble(begun: ResultView, key: str, reference: str) -> ResultView:
    """The page that was `begun`, when its answers cannot be given: what happened and what to do, nothing else."""
    return replace(begun, trouble=replace(_trouble(key), reference=reference))


def _latest(shown: Sequence[Shown]) -> datetime | None:
    return max((each.assessment.as_of for each in shown), default=None)


def _opened(opened: datetime, as_of: datetime | None, zone: tzinfo) -> str:
    """When the page was opened; the day only where the chart's moment beside it does not name the same one."""
    told = words.moment(opened, zone) if as_of is None else words.clock(opened, zone, as_of)
    return say("en", "page.opened", opened=told)


def _as_of(shown: Sequence[Shown], zone: tzinfo) -> str:
    latest = _latest(shown)
    return "" if latest is None else _moment(latest, zone)


def _moment(moment: datetime, zone: tzinfo) -> str:
    return say("en", "page.as-of", as_of=words.moment(moment, zone), offset=words.offset(moment, zone))


def _any(shown: Sequence[Shown], state: State) -> bool:
    return any(each.state is state for each in shown)


def _trouble(key: str) -> Trouble:
    title, text, remedy = (say("en", f"error.{key}.{part}") for part in ("title", "text", "remedy"))
    return Trouble(title, text, remedy)


def _banner(banner: Banner, moment: datetime, zone: tzinfo) -> BannerView:
    born = "" if banner.born is None else f"{banner.born.day} {_month(banner.born)} {banner.born.year}"
    age = _age(banner, moment, zone)
    return BannerView(
        banner.name, f"{born} ({age})" if age else born, say("en", f"page.sex-{banner.sex}"), banner.mrn
    )


def _person(banner: Banner | None, moment: datetime, zone: tzinfo) -> dict[str, str]:
    """What the page knows of age and sex, for the rows that carry no measurement."""
    if banner is None:
        return {}
    return {"age": _age(banner, moment, zone), "sex": say("en", f"page.sex-{banner.sex}")}


def _age(banner: Banner, moment: datetime, zone: tzinfo) -> str:
    if banner.born is None:
        return ""
    today = moment.astimezone(zone).date()
    before = (today.month, today.day) < (banner.born.month, banner.born.day)
    return say("en", "page.years", n=today.year - banner.born.year - before)


def _month(born: date) -> str:
    return say("en", "time.months").split()[born.month - 1]
