"""The result page: recorded assessments in, a view for `templates/result.html` out.

The view holds text and drawings only; the template loops over them. What a model may show depends on its state at
the site: silent and suspended models show no prediction, the bedside scores and guideline rules are shown always.
Every number keeps the way back to where it came from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from typing import Final

from markupsafe import Markup

from inference.assessment import Assessment, Phrase, Prediction, State, Status
from inference.chart import Measurement, Refusal
from webapp import bedside, charts, reasons, words
from webapp.words import say

WITHHELD: Final = frozenset({State.SILENT, State.SUSPENDED})  # states in which no prediction is shown


@dataclass(frozen=True, slots=True)
class Banner:
    """The patient's identity as the chart has it; `sex` is "female", "male" or "unknown"."""

    name: str
    born: date | None
    sex: str = "unknown"
    mrn: str = ""


@dataclass(frozen=True, slots=True)
class Shown:
    """One model's recorded answer, and where its forms go. An empty address leaves that form out."""

    id: str
    assessment: Assessment
    state: State
    threshold: float | None = None
    opinion: str = ""  # "agree" or "disagree" once the clinician has said so
    released_by: str = ""
    released_at: datetime | None = None
    feedback_url: str = ""
    release_url: str = ""
    handout_url: str = ""
    pdf_url: str = ""
    language: str = "en"  # the language offered first for the patient's page


@dataclass(frozen=True, slots=True)
class BannerView:
    """Name, date of birth with age, sex, record number."""

    name: str
    born: str
    sex: str
    mrn: str


@dataclass(frozen=True, slots=True)
class StateView:
    """What the model may do here, in words nobody can miss."""

    code: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Horizon:
    """One outcome's line: "within 6 h", its figure, its interval and a bar."""

    label: str
    share: str
    interval: str
    bar: Markup
    headline: bool


@dataclass(frozen=True, slots=True)
class Headline:
    """The explained outcome: figure, what it is the chance of, interval, comparison."""

    figure: str
    sentence: str
    interval: str
    compared: str
    scale: str
    backed: bool


@dataclass(frozen=True, slots=True)
class Members:
    """How far the ensemble's models agree."""

    text: str
    strip: Markup


@dataclass(frozen=True, slots=True)
class Origin:
    """Where one input came from: as used, as sent, when, which resource."""

    label: str
    used: str
    sent: str
    time: str
    known: str
    resource: str
    code: str


@dataclass(frozen=True, slots=True)
class Refused:
    """One row that was read and not used."""

    resource: str
    why: str
    detail: str


@dataclass(frozen=True, slots=True)
class Section:
    """One model's part of the page."""

    id: str
    model: str
    name: str
    question: str
    version: str
    state: StateView
    status: str  # Status code
    status_title: str
    status_text: str
    reason: str
    needed: str
    headline: Headline | None
    horizons: tuple[Horizon, ...]
    why: reasons.Why | None
    members: Members | None
    scores: tuple[bedside.ScoreView, ...]
    course: bedside.Course | None
    rules: tuple[bedside.Rule, ...]
    agreement: str
    agrees: bool
    cautions: tuple[str, ...]
    origins: tuple[Origin, ...]
    refused: tuple[Refused, ...]
    seed: str
    digest: str
    association: str
    beside: str
    opinion: str
    released: str
    language: str
    feedback_url: str
    release_url: str
    handout_url: str
    pdf_url: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why there is nothing to show, and what to do now."""

    title: str
    text: str
    remedy: str


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
    focus: str = "",
) -> ResultView:
    """The page of one launch.

    `opened` is the moment of the launch; `banner` None leaves the identity to the EHR; `trouble` is a key of
    [error] ("hospital-silent") when the chart could not be read; `foreign` counts rows of other patients that
    were thrown away; `focus` is the id of the assessment a card linked to: it comes first.
    """
    site = words.zone_of(zone)
    ordered = sorted(shown, key=lambda each: each.id != focus) if focus else list(shown)
    as_of = max((each.assessment.as_of for each in ordered), default=opened)
    return ResultView(
        language="en",
        title=say("en", "page.title"),
        banner=_banner(banner, opened, site) if banner is not None else None,
        opened=say("en", "page.opened", opened=words.moment(opened, site)),
        as_of=say("en", "page.as-of", as_of=words.moment(as_of, site), offset=words.offset(as_of, site)),
        fixed=say("en", "page.fixed"),
        demonstration=_state(State.DEMONSTRATION) if _any(ordered, State.DEMONSTRATION) else None,
        truncated=say("en", "page.truncated") if any(each.assessment.truncated for each in ordered) else "",
        foreign=say("en", "page.foreign", n=foreign) if foreign else "",
        trouble=_trouble(trouble) if trouble else None,
        sections=tuple(_section(each, banner, site) for each in ordered),
        csrf=csrf,
        visit=visit,
        about_url=about_url,
        again_url=again_url,
    )


def _any(shown: Sequence[Shown], state: State) -> bool:
    return any(each.state is state for each in shown)


def _section(each: Shown, banner: Banner | None, zone: tzinfo) -> Section:
    found, visible = each.assessment, each.state not in WITHHELD
    explained = found.explanation if visible else None
    person = _person(banner, found.as_of, zone)
    return Section(
        id=each.id,
        model=found.model,
        name=say("en", f"models.{found.model}.name"),
        question=say("en", f"models.{found.model}.question"),
        version=found.version,
        state=_state(each.state),
        status=found.status.value,
        status_title=say("en", f"status.{found.status.value}"),
        status_text=_status_text(found.status) if visible else "",
        reason=say("en", found.reason, zone=zone) if found.reason is not None and visible else "",
        needed=say("en", "status.needed", variables=found.missing) if found.missing and visible else "",
        headline=_headline(found, each.threshold) if visible else None,
        horizons=_horizons(found, each.threshold) if visible else (),
        why=reasons.why(explained, found.as_of, zone, person) if explained is not None else None,
        members=_members(found) if visible else None,
        scores=tuple(bedside.score(score, found.as_of, zone) for score in found.scores),
        course=bedside.course(found, zone, visible),
        rules=tuple(bedside.rule(rule, zone) for rule in found.rules),
        agreement=say("en", f"rules.{found.agreement}") if found.agreement and visible else "",
        agrees=found.agreement == "agree",
        cautions=tuple(say("en", caution, zone=zone) for caution in _own_cautions(found)),
        origins=tuple(_origin(row, zone, found.as_of) for row in found.inputs),
        refused=tuple(refused(row) for row in found.refused),
        seed=str(found.seed),
        digest=found.inputs_digest,
        association=say("en", "reasons.association"),
        beside=say("en", "scores.beside"),
        opinion=_opinion(each.opinion),
        released=_released(each, zone),
        language=each.language,
        feedback_url=each.feedback_url,
        release_url=each.release_url,
        handout_url=each.handout_url,
        pdf_url=each.pdf_url,
    )


def refused(row: Refusal) -> Refused:
    """A refused row in words; a reason without words is shown by its code."""
    key = f"refusals.{row.reason}"
    why = say("en", key) if words.knows("en", key) else say("en", "refusals.other", code=row.reason)
    return Refused(row.resource, why, row.detail)


def _own_cautions(found: Assessment) -> tuple[Phrase, ...]:
    """The assessment's cautions that no rule on the page says already."""
    said = {caution.code for rule in found.rules for caution in rule.cautions}
    return tuple(caution for caution in found.cautions if caution.code not in said)


def _headline(found: Assessment, threshold: float | None) -> Headline | None:
    p = found.headline
    if p is None or p.probability is None:
        return None
    scale = "outcomes.scale-plain" if threshold is None else "outcomes.scale"
    return Headline(
        figure=words.percent(p.probability),
        sentence=say("en", f"outcomes.{family(p.outcome)}", hours=p.hours),
        interval=say("en", "outcomes.interval", interval=_interval(p)),
        compared=compared(p.probability, found.base_rate),
        scale=say("en", scale),
        backed=found.status is Status.ASSESSED,
    )


def family(outcome: str) -> str:
    """ "ventilation-24h" is "ventilation": the outcome without its horizon."""
    return outcome.rsplit("-", 1)[0]


def compared(probability: float, base: float | None) -> str:
    """How the probability stands to that of comparable patients; "" where no base rate is known."""
    if not base:
        return ""
    times = probability / base
    key = "base-more" if times >= 1.35 else "base-less" if times < 0.75 else "base-same"
    factor = f"{times:.1f}" if times < 3 else f"{times:.0f}"
    return say("en", f"outcomes.{key}", times=factor, base=words.percent(base))


def _horizons(found: Assessment, threshold: float | None) -> tuple[Horizon, ...]:
    chances = sorted((p for p in found.predictions if p.probability is not None), key=lambda p: p.hours)
    return tuple(_horizon(p, p is found.headline, found.base_rate, threshold) for p in chances)


def _horizon(p: Prediction, headline: bool, base: float | None, threshold: float | None) -> Horizon:
    probability = p.probability or 0.0
    low, high = (probability if end is None else end for end in (p.low, p.high))
    bar = charts.range_bar(
        probability, low, high, base if headline else None, threshold if headline else None
    )
    label = say("en", "outcomes.within", hours=p.hours)
    return Horizon(label, words.percent(probability), words.interval(low, high), bar, headline)


def _interval(p: Prediction) -> str:
    return words.interval(p.low, p.high) if p.low is not None and p.high is not None else "unknown"


def _members(found: Assessment) -> Members | None:
    p = found.headline
    if p is None or len(p.members) < 2:
        return None
    low, high = words.percent(min(p.members)), words.percent(max(p.members))
    text = say("en", "reasons.members", n=len(p.members), low=low, high=high)
    return Members(text, charts.members_strip(p.members))


def _origin(row: Measurement, zone: tzinfo, as_of: datetime) -> Origin:
    return Origin(
        label=words.capital(words.label_of(row.variable)),
        used=words.measured(row),
        sent=f"{row.source.value_sent}{words.glued(row.source.unit_sent)}",
        time=f"{words.clock(row.time, zone, as_of)} ({words.offset(row.time, zone)})",
        known=words.clock(row.known, zone, as_of),
        resource=f"{row.source.resource}{f' v{row.source.version}' if row.source.version else ''}",
        code=row.source.code,
    )


def _state(state: State) -> StateView:
    return StateView(
        state.value, say("en", f"states.{state.value}.title"), say("en", f"states.{state.value}.text")
    )


def _status_text(status: Status) -> str:
    return "" if status is Status.ASSESSED else say("en", f"status.{status.value}-text")


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


def _opinion(opinion: str) -> str:
    return {"agree": say("en", "page.agreed"), "disagree": say("en", "page.disagreed")}.get(opinion, "")


def _released(each: Shown, zone: tzinfo) -> str:
    if each.released_at is None:
        return ""
    return say("en", "page.released", zone=zone, by=each.released_by or "a clinician", at=each.released_at)
