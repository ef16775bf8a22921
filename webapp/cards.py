"""The card: one sentence to act on, and under it what a physician needs to doubt or to trust it.

`card` gives a CDS Hooks 2.0.1 card, or None when there is nothing to add. Every text from outside is
escaped, so that no Markdown or HTML of a chart becomes ours. Nothing is applied by itself: options, not commands, and
offers to order only where a site asked for them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import tzinfo
from typing import Any, Final

from inference.assessment import Assessment, Phrase, Prediction, Reason, RuleResult, Score, State, Status
from webapp import bedside, nextdraw, question, reasons, suspended, words
from webapp.answer import WITHHELD, compared, family, interval
from webapp.unturned import unturned
from webapp.words import say

LONGEST: Final = 139  # characters of a summary: the specification asks for fewer than 140
OVERRIDES: Final = ("already-managed", "goals-of-care", "data-wrong", "do-not-agree", "not-my-decision")
OVERRIDE_SYSTEM: Final = "urn:ordertime:override-reason"
TOPIC_SYSTEM: Final = "urn:ordertime:model"
NEWS2_SPEAKS: Final = 7.0  # emergency review (RCP 2017): said even where no model may speak
RULES_SPEAK: Final = ("rule-in", "rule-out")
URGENT: Final = frozenset({"disagree", "rule-in", "news2"})
SPECIAL: Final = re.compile(r"([\\`*_{}\[\]<>#|~!&])")
GAPS: Final = re.compile(r"[^\S\u00a0]+")
BOUND: Final = re.compile(r"[<>](?=\d)")  # "<5 ng/L" in words: an angle bracket is a tag to somebody
LEADING: Final = re.compile(r"^(\d{1,9}(?=[.)](?: |$))|)([-+=.)])")  # what would begin a list or a heading


def card(
    found: Assessment,
    *,
    state: State,
    threshold: float,
    link_url: str,
    zone: str | tzinfo,
    uuid: str,
    warn_at: float | None = None,
    critical_at: float | None = None,
    app_context: str | None = None,
    source_label: str = "Ordertime",
    say_insufficient: bool = True,
    suspension_said: bool = False,
    suspension: suspended.Decision | None = None,
    overrides: Sequence[str] = OVERRIDES,
    own_overrides: Sequence[tuple[str, str, str]] = (),
    suggestions: Sequence[Mapping[str, Any]] = (),
    selection: str = "any",
) -> dict[str, Any] | None:
    """The card for one assessment; None when there is nothing to add.

    A prediction speaks at `threshold` and above (as a warning from `warn_at`, as critical from `critical_at`,
    which a site must have agreed to), and that a model and its rule disagree; both only in the states
    demonstration and active. A rule-in or rule-out and a NEWS2 of 7 or more speak in every state, and a rule-in or
    such a NEWS2 is a warning whatever number stands beside it. That a model is suspended is said unless
    `suspension_said`: once a user and day; by whom, where `suspension` decided it. `overrides` are codes of ours,
    `own_overrides` the site's (code, system, words); `suggestions` are whole, `selection` "any" or "at-most-one".
    """
    site = words.zone_of(zone)
    said = (
        _bedside_says(found) if suspension_said else _summary(found, state, threshold, say_insufficient, site)
    )
    if said is None:
        return None
    summary, kind = said
    demonstration = state is State.DEMONSTRATION
    body: dict[str, Any] = {
        "uuid": uuid,
        "summary": shortened(f"{say('en', 'card.demonstration') if demonstration else ''}{summary}"),
        "detail": _detail(found, state, site, suspension),
        "indicator": _indicator(found, kind, warn_at, critical_at),
        "source": {
            "label": source_label,
            "topic": {
                "system": TOPIC_SYSTEM,
                "code": found.model,
                "display": say("en", f"models.{found.model}.name"),
            },
        },
        **_overrides(overrides, own_overrides),
        "links": [_link(link_url, app_context)],
    }
    if suggestions:
        body |= {"suggestions": list(suggestions), "selectionBehavior": selection}
    return body


def plain(text: str) -> str:
    """`text` from outside as Markdown that renders as itself, on one line: no emphasis, link or HTML.

    "<5" becomes "below 5".
    """
    escaped = LEADING.sub(r"\1\\\2", SPECIAL.sub(r"\\\1", _on_one_line(text)))
    return escaped.replace("://", ":\\//").replace("www.", "www\\.").replace("@", "\\@")


def shortened(summary: str) -> str:
    """The summary as one plain line within its limit, cut at a word; angle brackets are replaced."""
    line = _on_one_line(summary).replace("<", "‹").replace(">", "›")
    if len(line) <= LONGEST:
        return line
    return f"{line[: LONGEST - 1].rsplit(' ', 1)[0].rstrip(',;.')}…"


def _on_one_line(text: str) -> str:
    """White space as single spaces (those that do not break stay), "<5" as "below 5"."""
    return BOUND.sub(lambda at: "below " if at[0] == "<" else "above ", GAPS.sub(" ", unturned(text)).strip(" "))


def _summary(
    found: Assessment, state: State, threshold: float, say_insufficient: bool, zone: tzinfo
) -> tuple[str, str] | None:
    """What the card says and of which kind it is; None when nothing speaks."""
    subject = say("en", f"models.{found.model}.subject")
    if state is State.SUSPENDED and found.status is not Status.EXCLUDED:
        return _suspended(found, subject)
    shown = state not in WITHHELD
    if shown and (said := _prediction_says(found, threshold, subject, say_insufficient, zone)) is not None:
        return said
    return _bedside_says(found)


def _suspended(found: Assessment, subject: str) -> tuple[str, str]:
    """That the model is suspended, after what a rule or a score has to say: that is what to act on."""
    beside = _bedside_says(found)
    if beside is None:
        return say("en", "card.summary-suspended", subject=subject), "suspended"
    said, kind = beside
    return say("en", "card.beside-suspended", said=said, subject=words.inline(subject)), kind


def _prediction_says(
    found: Assessment, threshold: float, subject: str, say_insufficient: bool, zone: tzinfo
) -> tuple[str, str] | None:
    p = found.headline
    if found.status is Status.ASSESSED and p is not None and p.probability is not None:
        if found.agreement == "disagree":
            return _disagreement(_speaking_rule(found) or found.rules[0], p), "disagree"
        return (_prediction_summary(found, p, zone), "prediction") if p.probability >= threshold else None
    if found.status is Status.INDETERMINATE or (found.status is Status.INSUFFICIENT and say_insufficient):
        return _bedside_says(found) or (_status_summary(found, subject), found.status.value)
    return None


def _disagreement(rule: RuleResult, p: Prediction) -> str:
    """That the rule disagrees, after the number it disagrees with; the interval in fewer words where it must."""
    name, verdict = say("en", f"rules.{rule.rule}"), bedside.verdict(rule).lower()
    told = words.percent(p.probability or 0.0), interval(p)
    full, brief = (
        say("en", key, hours=p.hours, p=told[0], interval=told[1], rule=name, verdict=verdict)
        for key in ("card.summary-disagree", "card.summary-disagree-brief")
    )
    return full if len(full) + len(say("en", "card.demonstration")) <= LONGEST else brief


def _status_summary(found: Assessment, subject: str) -> str:
    """Why there is no prediction; the reason only where it fits whole."""
    why = _brief(found.reason) if found.reason is not None else ""
    full, bare = (
        say("en", f"card.summary-{found.status.value}", subject=subject, reason=reason).strip()
        for reason in (why, "")
    )
    return full if len(full) + len(say("en", "card.demonstration")) <= LONGEST else bare


def _brief(reason: Phrase) -> str:
    short = Phrase(f"brief-{reason.code}", reason.values)
    return say("en", short if words.knows("en", f"phrases.{short.code}") else reason)


def _prediction_summary(found: Assessment, p: Prediction, zone: tzinfo) -> str:
    """The sentence with as many of the strongest upward reasons as fit."""
    upward = reasons.named(found.explanation.reasons, True, 2) if found.explanation is not None else []
    for count in range(len(upward), -1, -1):
        drivers = (
            say("en", "card.drivers", labels=words.listed(map(reasons.brief, upward[:count])))
            if count
            else ""
        )
        sentence = say(
            "en",
            f"card.summary-{family(p.outcome)}{question.suffix(found)}",
            hours=p.hours,
            p=words.percent(p.probability or 0.0),
            interval=interval(p),
            drivers=drivers,
            **question.fields(found, zone),
        )
        if len(sentence) + len(say("en", "card.demonstration")) <= LONGEST:
            break
    return sentence


def _bedside_says(found: Assessment) -> tuple[str, str] | None:
    rule = _speaking_rule(found)
    if rule is not None:
        name, pattern, drawn = say("en", f"rules.{rule.rule}"), bedside.pattern(rule), _drawn(rule)
        key = "card.summary-rule" if pattern else "card.summary-rule-bare"
        said = ", ".join(each for each in (bedside.verdict(rule), drawn) if each)
        return say("en", key, rule=name, verdict=said, pattern=pattern), rule.verdict
    score = next((s for s in found.scores if s.name == "NEWS2"), None)
    if score is not None and score.value is not None and score.value >= NEWS2_SPEAKS:
        band = say("en", f"scores.band-{score.band or 'none'}")
        return say("en", "card.summary-news2", value=bedside.score_value(score), band=band), "news2"
    return None


def _drawn(rule: RuleResult) -> str:
    """What the rule judged: "38 → 96 ng/L in 61 min", of one draw "96 ng/L"; "" where its steps name no draw."""
    steps = {step.phrase.code: step.phrase.values for step in rule.steps}
    for code, key in (("esc-delta", "esc-drawn-two"), ("esc-high", "esc-drawn-one")):
        if code in steps:
            return say("en", Phrase(key, steps[code]))
    return ""


def _speaking_rule(found: Assessment) -> RuleResult | None:
    return next((r for r in found.rules if r.verdict in RULES_SPEAK), None)


def _indicator(found: Assessment, kind: str, warn_at: float | None, critical_at: float | None) -> str:
    p = found.headline
    if kind == "prediction" and p is not None and p.probability is not None:
        if critical_at is not None and p.probability >= critical_at:
            return "critical"
        if warn_at is not None and p.probability >= warn_at:
            return "warning"
    beside = _bedside_says(found)  # a number beside it makes a NEWS2 of 7 or a rule-in no less urgent
    return "warning" if {kind, beside[1] if beside else ""} & URGENT else "info"


def _detail(found: Assessment, state: State, zone: tzinfo, by: suspended.Decision | None) -> str:
    blocks: list[str] = []
    if state is State.DEMONSTRATION:
        blocks.append(say("en", "card.demonstration-detail"))
    if state is State.SUSPENDED:
        told = suspended.card(plain(by.people), plain(by.sentence), by, zone) if by is not None else ""
        blocks.append(told or say("en", "card.suspended-detail"))
    if state not in WITHHELD:
        blocks += _prediction_detail(found, zone)
    if state not in WITHHELD and found.missing:
        blocks.append(say("en", "card.missing", variables=found.missing))
    applied = [rule for rule in found.rules if rule.verdict != "not-applied"]
    blocks += [_rule_line(rule) for rule in applied or found.rules]
    blocks += [line for score in found.scores if (line := _score_line(score))]
    if found.agreement and state not in WITHHELD:
        blocks.append(say("en", f"rules.{found.agreement}"))
    if (draw := nextdraw.next_draw(found, zone, False)) is not None and draw.due:
        blocks.append(draw.sentence)
    if found.truncated:
        blocks.append(say("en", "card.truncated"))
    model = say("en", f"models.{found.model}.name").lower()
    foot = say(
        "en",
        "card.foot-withheld" if state in WITHHELD else "card.foot",
        as_of=words.moment(found.as_of, zone),
        offset=words.offset(found.as_of, zone),
        model=model,
        version=plain(found.version),
        state=say("en", f"states.{state.value}.short"),
    )
    return "\n\n".join([*blocks, foot])


def _prediction_detail(found: Assessment, zone: tzinfo) -> list[str]:
    lines: list[str] = []
    chances = sorted((p for p in found.predictions if p.probability is not None), key=lambda p: p.hours)
    if found.status is not Status.ASSESSED:
        why = plain(say("en", found.reason, zone=zone)) if found.reason is not None else ""
        lines.append(say("en", "card.status", status=say("en", f"status.{found.status.value}"), reason=why))
        if found.headline is not None and found.headline.probability is not None:
            p = found.headline
            share = words.percent(found.headline.probability)
            lines.append(say("en", "card.unbacked", p=share, interval=interval(p)))
        return [*lines, *_question_lines(found, zone)]
    lines += _question_lines(found, zone)
    if chances:
        lines.append(say("en", "card.horizons", list="; ".join(_horizon(found, p, zone) for p in chances)))
    if found.headline is not None and found.headline.probability is not None and found.base_rate:
        lines.append(compared(found.headline.probability, found.base_rate))
    if found.explanation is not None:
        lines += _reason_lines(found, zone, found.explanation.reasons)
    return lines


def _question_lines(found: Assessment, zone: tzinfo) -> list[str]:
    """Which question the numbers below are for, and the forecast it asks for; nothing for the usual one."""
    told = [say("en", caution, zone=zone) for caution in found.cautions if caution.code in question.CAUTIONS]
    if not question.suffix(found) or not found.predictions:
        return told
    forecast = bedside.forecast_words(found, zone) if found.status is Status.ASSESSED else ""
    return [line for line in (question.answered(found, zone), *told, forecast) if line]


def _horizon(found: Assessment, p: Prediction, zone: tzinfo) -> str:
    key, share = f"card.horizon{question.suffix(found)}", words.percent(p.probability or 0.0)
    return say("en", key, p=share, hours=p.hours, interval=interval(p), **question.fields(found, zone))


def _reason_lines(found: Assessment, zone: tzinfo, every: Sequence[Reason]) -> list[str]:
    lines = []
    for key, upward, count in (("up", True, 3), ("down", False, 2)):
        told = [reasons.sentence(reason, found.as_of, zone) for reason in reasons.named(every, upward, count)]
        if told:
            lines.append(say("en", f"card.{key}", list="; ".join(plain(text) for text in told)))
    return lines


def _rule_line(rule: RuleResult) -> str:
    told = ", ".join(each for each in (bedside.verdict(rule).lower(), bedside.pattern(rule)) if each)
    return say(
        "en",
        "card.rule" if rule.assay else "card.rule-no-assay",
        rule=say("en", f"rules.{rule.rule}"),
        assay=plain(rule.assay),
        verdict=told,
    )


def _score_line(score: Score) -> str:
    if score.name != "NEWS2":
        return ""
    if score.value is None:
        return say("en", "card.news2-none")
    band = say("en", f"scores.band-{score.band or 'none'}")
    return say("en", "card.news2", value=bedside.score_value(score), band=band)


def _overrides(codes: Sequence[str], own: Sequence[tuple[str, str, str]]) -> dict[str, list[dict[str, str]]]:
    ours = [(code, OVERRIDE_SYSTEM, say("en", f"override.{code}")) for code in codes]
    found = [{"code": code, "system": system, "display": text} for code, system, text in (*ours, *own)]
    return {"overrideReasons": found} if found else {}


def _link(url: str, app_context: str | None) -> dict[str, str]:
    link = {"label": say("en", "card.link"), "url": url, "type": "smart"}
    return {**link, "appContext": app_context} if app_context else link
