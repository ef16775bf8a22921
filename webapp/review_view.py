"""The weekly review in words: a face. What was kept goes in, sections come out; nothing is computed again.

Intervals stand beside every rate, patients by the first letters of their pseudonym alone, and what a figure was
counted on beside it. Refuses nothing that was kept: what this version has no words for is shown by its code.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from typing import Any

from inference.assessment import Phrase
from webapp import cards_view, drift_view, equity_view, gate_view, shares, words
from webapp.report import Example, Section, Table
from webapp.words import WordsError, say

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ReviewView:
    """The whole review."""

    title: str
    lines: tuple[str, ...]
    private: str
    sections: tuple[Section, ...]


def view(
    body: Body, digest: str, decision: Section, *, site: str, zone: tzinfo, stated: Sequence[Any] = ()
) -> ReviewView:
    """The review kept as `body`; `decision` is what was decided, or how it is; `stated`, what charts promise."""
    said = [section for model in body["models"] for section in _model(model, zone)]
    sections = (
        decision,
        _questions(body, zone),
        *said,
        cards_view.section(body, zone),
        drift_view.section(body["alarms"], stated, answered=any(model["answers"] for model in body["models"])),
        _gates(body, zone),
        *_audits(body),
        _clarity(body["clarity"], body.get("handed")),
    )
    days: dict[str, Any] = {"from": _day(body["from"]), "until": _day(body["until"])}
    quarter: dict[str, Any] = {"from": _day(body["quarter_from"])}
    at = words.moment(datetime.fromisoformat(body["made_at"]), zone)
    return ReviewView(
        title=say("en", "review.title", week=body["week"], site=site),
        lines=(
            say("en", "review.days", **days),
            say("en", "review.made", at=at, digest=digest, **quarter),
            *_log(body),
        ),
        private=say("en", "review.private"),
        sections=sections,
    )


def _log(body: Body) -> tuple[str, ...]:
    """Where the change log stood; a review that was kept before this was has no line."""
    log = body.get("log")
    if log is None:
        return ()
    return (say("en", "review.log", **log) if log["lines"] else say("en", "review.log-empty"),)


def _questions(body: Body, zone: tzinfo) -> Section:
    items = tuple(_question(each, zone) for each in body["questions"])
    lead = say("en", "review.question.lead") if items else say("en", "review.nothing")
    return Section("questions", say("en", "review.question.title"), (lead,), items)


def _question(told: Body, zone: tzinfo) -> str:
    fields = dict(told)
    if "model" in fields:
        fields["model"] = words.model_name(fields["model"])
    if "trait" in fields:
        fields["trait"] = equity_view.trait(fields["trait"])
        fields["value"] = fields["value"] or say("en", "equity.not-known")
    if "chart" in fields:
        fields["chart"] = drift_view.chart(fields["chart"], fields["subject"])
    if "weeks" in fields:
        fields["weeks"] = words.listed(fields["weeks"])
    return say("en", f"review.question.{fields.pop('code')}", zone=zone, **fields)


def _model(model: Body, zone: tzinfo) -> Iterator[Section]:
    named, place = words.model_name(model["model"]), model["model"]
    title = say("en", "review.said.title", model=named)
    if not model["answers"]:
        yield Section(place, title, (say("en", "review.said.none"),))
        return
    totals: dict[str, Any] = {key: f"{sum(each[key] for each in model['answers']):,}" for key in ("answers", "shown")}
    waits = say("en", "review.said.waiting", week=model["waiting"], quarter=model["waiting_quarter"])
    yield Section(
        place,
        title,
        (say("en", "review.said.sum", patients=model["patients"], **totals), waits, *_labelled(model)),
        tables=(_answers(named, model["answers"]),),
    )
    for number, part in enumerate(model["outcomes"]):
        yield from _outcome(f"{place}-{number}", {"model": named} | _named(part), part, zone)


def _named(part: Body) -> dict[str, Any]:
    return {"version": part["version"], "outcome": part["outcome"]}


def _answers(named: str, answers: list[Body]) -> Table:
    heads = ("version", "state", "status", "answers", "shown")
    rows = tuple(
        (
            each["version"],
            say("en", f"states.{each['state']}.short"),
            say("en", f"review.said.status-{each['status']}") + _short_of(each["reason"]),
            f"{each['answers']:,}",
            f"{each['shown']:,}",
        )
        for each in answers
    )
    columns = tuple(say("en", f"review.said.column-{head}") for head in heads)
    return Table(say("en", "review.said.caption", model=named), columns, rows)


def _short_of(code: str) -> str:
    """Why the model does not stand behind an answer, in a few words in brackets; what has none by its code."""
    key = f"review.said.why-{code}"
    return f" ({say('en', key) if words.knows('en', key) else code})" if code else ""


def _outcome(place: str, named: dict[str, Any], part: Body, zone: tzinfo) -> Iterator[Section]:
    many: dict[str, Any] = {key: f"{part[key]:,}" for key in ("predictions", "stood")}
    lines = [say("en", "review.happened.sum", **many)]
    if part["threshold"] is None:
        lines.append(say("en", "review.happened.no-threshold"))
    else:
        at = shares.share(part["threshold"])
        lines.append(say("en", "review.happened.alerts", alerts=f"{part['alerts']:,}", threshold=at))
    yield Section(
        place,
        say("en", "review.happened.title", **named),
        tuple(lines),
        tables=(_figures(named, part),),
        after=(say("en", "review.happened.interval"),),
    )
    if part["threshold"] is not None:
        for kind in ("misses", "false_alarms"):
            yield _look(f"{place}-{kind}", kind, named, part[kind], zone)


def _figures(named: dict[str, Any], part: Body) -> Table:
    """The week beside the quarter it ends."""
    week, quarter = part["week"], part["quarter"]
    rows: list[tuple[str, ...]] = [
        (say("en", f"review.happened.{key}"), _labels(week, key), _labels(quarter, key))
        for key in ("labels", "early", "unknown")
    ]
    rows.append((say("en", "review.happened.unsettled"), f"{part['unsettled']:,}", ""))
    if week["figures"] is not None:
        rows += [
            (say("en", f"review.happened.{key}"), f"{week['figures'][key]:,}", f"{quarter['figures'][key]:,}")
            for key in ("patient_days", "positives")
        ]
        rows += [
            (say("en", f"review.happened.{key}"), *(_rate(each["figures"][key], key) for each in (week, quarter)))
            for key in ("sensitivity", "false_by_day", "false_by_alarm", "alarms")
        ]
    fits = (each["calibration"] for each in (week, quarter))
    none = say("en", "review.none")
    rows.append(
        (
            say("en", "review.happened.calibration"),
            *(none if each is None else equity_view.calibrated(each) for each in fits),
        )
    )
    heads = tuple(say("en", f"review.happened.column-{head}") for head in ("figure", "week", "quarter"))
    return Table(say("en", "review.happened.caption", **named), heads, tuple(rows))


def _labels(window: Body, key: str) -> str:
    if key != "labels":
        return f"{window['labels'][key]:,}"
    found: dict[str, Any] = {label: f"{window['labels'][label]:,}" for label in ("yes", "no")}
    return say("en", "review.happened.labels-value", **found)


def _rate(rate: Body, key: str) -> str:
    if rate["value"] is None:
        return say("en", "review.none")
    if key == "alarms":
        ends: dict[str, Any] = {end: f"{rate[end] * 100:.1f}" for end in ("value", "low", "high")}
        return say("en", "review.happened.alarms-value", **ends)
    counted = f"{rate['count']:g} / {rate['of']:g}"
    return f"{shares.rate(rate)}, {counted}"


def _look(place: str, kind: str, named: dict[str, Any], found: list[Body], zone: tzinfo) -> Section:
    lead = say("en", "review.look.lead") if found else say("en", f"review.look.{kind}-none")
    examples = tuple(_example(each, zone) for each in found)
    return Section(place, say("en", f"review.look.{kind}", **named), (lead,), examples=examples)


def _example(told: Body, zone: tzinfo) -> Example:
    at = datetime.fromisoformat(told["as_of"])
    head = say("en", "review.look.head", patient=told["patient"], at=words.moment(at, zone))
    state = say("en", f"states.{told['state']}.short")
    lines = (
        *_said(told, zone),
        _followed(told, at),
        say("en", "review.look.seen") if told["shown"] else say("en", "review.look.unseen", state=state),
        say("en", f"review.look.by-{told['settled_by']}"),
        say("en", "review.look.answer", assessment=told["assessment"]),
    )
    return Example(head, lines, tuple(told["reasons"]) or (say("en", "review.look.no-reasons"),))


def _said(told: Body, zone: tzinfo) -> Iterator[str]:
    if told["probability"] is not None:
        low, high = told["low"], told["high"]
        between = words.interval(low, high) if low is not None and high is not None else say("en", "gate.no-interval")
        yield say("en", "review.look.said", probability=words.percent(told["probability"]), interval=between)
    if told["unsure"] is not None:
        yield say("en", "review.look.unsure", why=_unsure(told["unsure"], zone))


def _unsure(told: Body, zone: tzinfo) -> str:
    try:
        return say("en", Phrase(told["code"], told["values"]), zone=zone)
    except WordsError:  # of a version whose words are gone
        return f"{told['code']}."


def _followed(told: Body, at: datetime) -> str:
    if told["happened_at"] is None:
        return say("en", "review.look.followed-not")
    hours = (datetime.fromisoformat(told["happened_at"]) - at).total_seconds() / 3600
    return say("en", "review.look.followed", hours=f"{hours:.1f}")


def _gates(body: Body, zone: tzinfo) -> Section:
    items = []
    for gate in body["gates"]:
        line = say(
            "en",
            "review.gates.line",
            model=words.model_name(gate["model"]),
            outcome=gate["outcome"],
            unit=gate["care_unit"] or say("en", "gate.whole-site"),
            state=say("en", f"states.{gate['state']}.short"),
            since=words.moment(datetime.fromisoformat(gate["since"]), zone),
            at=words.moment(datetime.fromisoformat(gate["at"]), zone),
        )
        lacking = " ".join(gate_view.missing(each, gate["live"]) for each in gate["missing"])
        tail = say("en", "review.gates.missing", missing=lacking) if lacking else say("en", "review.gates.complete")
        items.append(f"{line} {tail}")
    none = () if items else (say("en", "review.gates.none"),)
    return Section("gates", say("en", "review.gates.title"), none, tuple(items))


def _audits(body: Body) -> Iterator[Section]:
    for model in body["models"]:
        for number, part in enumerate(model["outcomes"]):
            if part["audit"] is not None:
                named = {"model": words.model_name(model["model"])} | _named(part)
                yield equity_view.section(f"audit-{model['model']}-{number}", named, part["audit"])


def _labelled(model: Body) -> tuple[str, ...]:
    """How many outcomes persons labelled; a review that was kept before this was counted has no line."""
    return (say("en", "review.said.labelled", count=model["labelled"]),) if "labelled" in model else ()


def _clarity(found: Body, handed: int | None) -> Section:
    rows = tuple(
        (
            f"{words.model_name(each['model'])} {each['version']}, {each['language']}",
            f"{each['answers']:,}",
            f"{each['mean']:.1f}",
        )
        for each in found["groups"]
    )
    heads = tuple(say("en", f"review.clarity.column-{head}") for head in ("page", "answers", "mean"))
    lines = [] if handed is None else [say("en", "review.clarity.handed", count=handed)]
    lines.append(say("en", "review.clarity.lead"))
    lines += [] if rows else [say("en", "review.clarity.none", smallest=found["smallest"])]
    if found["withheld"]:
        few = {"count": found["withheld"], "smallest": found["smallest"]}
        lines.append(say("en", "review.clarity.withheld", **few))
    tables = (Table(say("en", "review.clarity.caption"), heads, rows),) if rows else ()
    return Section("clarity", say("en", "review.clarity.title"), tuple(lines), tables=tables)


def _day(written: str) -> str:
    day = date.fromisoformat(written)
    return f"{day.day} {say('en', 'time.months').split()[day.month - 1]} {day.year}"
