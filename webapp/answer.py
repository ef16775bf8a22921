"""One model's part of the result page: a recorded assessment in, a `Section` of text and drawings out.

What a model may show depends on its state at the site: silent and suspended models show no prediction,
bedside scores and guideline rules are shown always. A number the model does not stand behind is never the
headline. Every number keeps the way back to where it came from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Final

from markupsafe import Markup

from inference.assessment import Assessment, Phrase, Prediction, RuleResult, State, Status
from webapp import (
    bedside,
    charts,
    glance,
    hours,
    nextdraw,
    peers,
    plain,
    provenance,
    question,
    reasons,
    supposing,
    suspended,
    words,
    writes,
)
from webapp.words import say
from webapp.writes import Write, WriteView

WITHHELD: Final = frozenset({State.SILENT, State.SUSPENDED})  # states in which no prediction is shown
DISAGREEMENTS: Final = ("values-wrong", "missed", "too-high", "too-low", "other")  # why a clinician disagrees
OF_THE_NUMBER: Final = frozenset({"early-onset-not-covered", "rise-not-infarction", "only-one-troponin"})
SAID_ELSEWHERE: Final = frozenset(
    {"chart-truncated", "rows-refused"}
)  # by the page's head, by the refusals' list


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
    ask_url: str = ""  # where the same is asked for another planned draw
    release_url: str = ""
    handout_url: str = ""
    pdf_url: str = ""
    language: str = "en"  # the language offered first for the patient's page
    values_url: str = ""  # the page of all values read
    peers: tuple[peers.PeerSet, ...] = ()  # whom this version was tried on
    writes: tuple[Write, ...] = ()  # what can be written to the chart, and what was
    suspension: suspended.Decision | None = None  # by which the model is suspended


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
class Choice:
    """One choice of a form: a planned draw that can be asked about (value "": not stated), a reason."""

    value: str
    label: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Asking:
    """The form that asks again for another planned draw."""

    url: str
    label: str
    choices: tuple[Choice, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """A guideline rule that has something to say, beside the model's answer."""

    rule: str
    verdict: str
    pattern: str
    kind: str


@dataclass(frozen=True, slots=True)
class Members:
    """How far the ensemble's models agree."""

    text: str
    strip: Markup


@dataclass(frozen=True, slots=True)
class Section:
    """One model's part of the page."""

    id: str
    model: str
    name: str
    question: str
    asked: str  # which of its questions the model answered; "" where it has only one
    unusual: bool  # another question than the usual one: said at once, not only among the fingerprints
    asking: Asking | None
    version: str
    state: StateView
    status: str  # Status code
    glance: tuple[glance.GlanceLine, ...]
    status_title: str
    status_text: str
    todo_title: str
    todo: str  # what to do now; "" for an answer that is stood behind
    reason: str
    needed: str
    headline: Headline | None
    horizons: tuple[Horizon, ...]
    why: reasons.Why | None
    members: Members | None
    scores: tuple[bedside.ScoreView, ...]
    place: peers.Place | None
    hours: hours.Course | None
    would: tuple[supposing.Would, ...]
    would_lead: str
    course: bedside.Course | None
    next_draw: nextdraw.NextDraw | None
    rules: tuple[bedside.Rule, ...]
    verdicts: tuple[Verdict, ...]
    forecast: str  # in words; shown with the answer, folded away when the model does not stand behind it
    agreement: str
    agrees: bool
    cautions: tuple[str, ...]
    values_read: int
    origins: tuple[provenance.Origin, ...]  # of each variable the newest
    refused: tuple[provenance.Refused, ...]
    seed: str
    digest: str
    association: str
    beside: str
    opinion: str
    disagreements: tuple[Choice, ...]  # why one may disagree
    released: str
    language: str
    languages: tuple[tuple[str, str], ...]  # that the patient's page can be given in: code and name
    feedback_url: str
    release_url: str
    handout_url: str
    pdf_url: str
    values_url: str
    writes: tuple[WriteView, ...]

    @property
    def plain(self) -> tuple[plain.PlainRow, ...]:
        """All that is said of this answer, as the rows of one plain table."""
        return plain.rows(self)


def section(each: Shown, person: Mapping[str, str], zone: tzinfo) -> Section:
    """One model's part of the page. `person` says what is known of "age" and "sex"; times in `zone`."""
    found, visible = each.assessment, each.state not in WITHHELD
    backed = visible and found.status is Status.ASSESSED
    explained = found.explanation if visible else None
    return Section(
        id=each.id,
        model=found.model,
        name=say("en", f"models.{found.model}.name"),
        question=say("en", f"models.{found.model}.question"),
        asked=question.answered(found, zone) if visible else "",
        unusual=bool(question.suffix(found)),
        asking=_asking(each) if visible and found.predictions and each.ask_url else None,
        version=found.version,
        state=state_view(each.state, suspended.page(each.suspension, zone) if each.suspension else ""),
        status=found.status.value,
        glance=glance.lines(found, zone, visible=visible, backed=backed),
        status_title=_standing(found),
        status_text=_status_text(found.status) if visible else "",
        todo_title=say("en", "status.todo"),
        todo=_todo(found, visible),
        reason=say("en", found.reason, zone=zone) if found.reason is not None and visible else "",
        needed=say("en", "status.needed", variables=found.missing) if found.missing and visible else "",
        headline=_headline(found, each.threshold, zone) if visible else None,
        horizons=_horizons(found, each.threshold, zone) if visible else (),
        why=reasons.why(explained, found.as_of, zone, person) if explained is not None else None,
        members=_members(found) if visible else None,
        scores=tuple(bedside.score(score, found.as_of, zone) for score in found.scores),
        place=_place(each) if backed else None,
        hours=hours.course(found, zone) if visible else None,
        would=supposing.would(found, zone) if backed else (),
        would_lead=say("en", "would.lead"),
        course=bedside.course(found, zone, backed),
        next_draw=nextdraw.next_draw(found, zone, backed),
        rules=tuple(bedside.rule(rule, zone) for rule in found.rules),
        verdicts=tuple(_verdict(rule) for rule in found.rules if rule.verdict != "not-applied"),
        forecast=bedside.forecast_words(found, zone) if visible else "",
        agreement=say("en", f"rules.{found.agreement}") if found.agreement and backed else "",
        agrees=found.agreement == "agree",
        cautions=tuple(say("en", caution, zone=zone) for caution in _own_cautions(found, visible)),
        values_read=provenance.count(found),
        origins=provenance.origins(found, zone),
        refused=tuple(provenance.refused(row) for row in found.refused),
        seed=str(found.seed),
        digest=found.inputs_digest,
        association=say("en", "reasons.association"),
        beside=say("en", "scores.beside"),
        opinion=_opinion(each.opinion),
        disagreements=tuple(Choice(code, say("en", f"disagree.{code}"), False) for code in DISAGREEMENTS),
        released=_released(each, zone),
        language=each.language,
        languages=tuple((code, say(code, "handout.language-name")) for code in words.LANGUAGES),
        feedback_url=each.feedback_url if visible and found.predictions else "",
        release_url=each.release_url,
        handout_url=each.handout_url,
        pdf_url=each.pdf_url,
        values_url=each.values_url,
        writes=tuple(writes.view(write, zone) for write in each.writes),
    )


def _place(each: Shown) -> peers.Place | None:
    """The place among comparable patients; of the question they were asked alone."""
    p = each.assessment.headline
    if p is None or p.probability is None or not each.assessment.base_rate:
        return None
    return peers.place(p.probability, each.peers)


def _verdict(rule: RuleResult) -> Verdict:
    return Verdict(
        say("en", f"rules.{rule.rule}"), bedside.verdict(rule), bedside.pattern(rule), rule.verdict
    )


def _own_cautions(found: Assessment, visible: bool) -> tuple[Phrase, ...]:
    """The assessment's cautions that nothing else on the page says already; of a withheld number, none."""
    said = {caution.code for rule in found.rules for caution in rule.cautions} | SAID_ELSEWHERE
    said |= set() if visible and found.predictions else {*question.CAUTIONS, *OF_THE_NUMBER}
    return tuple(caution for caution in found.cautions if caution.code not in said)


def _asking(each: Shown) -> Asking:
    label = "question.planned-first" if each.assessment.before_first else "question.planned"
    choices = tuple(Choice(*choice) for choice in question.choices(each.assessment))
    return Asking(each.ask_url, say("en", label), choices)


def _headline(found: Assessment, threshold: float | None, zone: tzinfo) -> Headline | None:
    p = found.headline
    if p is None or p.probability is None:
        return None
    scale = "outcomes.scale-plain" if threshold is None else "outcomes.scale"
    key = f"outcomes.{family(p.outcome)}{question.suffix(found)}"
    return Headline(
        figure=words.percent(p.probability),
        sentence=say("en", key, hours=p.hours, **question.fields(found, zone)),
        interval=say("en", "outcomes.interval", interval=interval(p)),
        compared=compared(p.probability, found.base_rate),
        scale=say("en", scale if found.base_rate else f"{scale}-no-base"),
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


def _horizons(found: Assessment, threshold: float | None, zone: tzinfo) -> tuple[Horizon, ...]:
    chances = sorted((p for p in found.predictions if p.probability is not None), key=lambda p: p.hours)
    return tuple(_horizon(found, p, threshold, zone) for p in chances)


def _horizon(found: Assessment, p: Prediction, threshold: float | None, zone: tzinfo) -> Horizon:
    headline = p is found.headline
    probability = p.probability or 0.0
    low, high = (probability if end is None else end for end in (p.low, p.high))
    bar = charts.range_bar(
        probability, low, high, found.base_rate if headline else None, threshold if headline else None
    )
    key = f"outcomes.within{question.suffix(found)}"
    label = say("en", key, hours=p.hours, **question.fields(found, zone))
    return Horizon(label, words.percent(probability), words.interval(low, high), bar, headline)


def interval(p: Prediction) -> str:
    """The 95 % interval of a probability: "19–42 %"."""
    return words.interval(p.low, p.high) if p.low is not None and p.high is not None else "unknown"


def _members(found: Assessment) -> Members | None:
    p = found.headline
    if p is None or len(p.members) < 2:
        return None
    low, high = words.percent(min(p.members)), words.percent(max(p.members))
    text = say("en", "reasons.members", n=len(p.members), low=low, high=high)
    return Members(text, charts.members_strip(p.members))


def state_view(state: State, decided: str = "") -> StateView:
    """What a state lets a model do, in words; those of a decision where it came by one."""
    title, text = say("en", f"states.{state.value}.title"), say("en", f"states.{state.value}.text")
    return StateView(state.value, title, decided or text)


def _status_text(status: Status) -> str:
    return "" if status is Status.ASSESSED else say("en", f"status.{status.value}-text")


def _standing(found: Assessment) -> str:
    """The status in a few words; what is out of date says so."""
    own = f"status.{found.reason.code}" if found.reason is not None else ""
    return say("en", own if own and words.knows("en", own) else f"status.{found.status.value}")


def _todo(found: Assessment, visible: bool) -> str:
    """What to do where there is no number to use."""
    if found.status is Status.ASSESSED and visible:
        return ""
    if not visible:
        return say("en", "status.todo-withheld")
    own = f"status.todo-{found.reason.code}" if found.reason is not None else ""
    return say("en", own if own and words.knows("en", own) else f"status.todo-{found.status.value}")


def _opinion(opinion: str) -> str:
    return {"agree": say("en", "page.agreed"), "disagree": say("en", "page.disagreed")}.get(opinion, "")


def _released(each: Shown, zone: tzinfo) -> str:
    if each.released_at is None:
        return ""
    return say("en", "page.released", zone=zone, by=each.released_by or "a clinician", at=each.released_at)
