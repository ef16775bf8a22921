"""All that the page says of one answer, as the rows of one plain table: for screen readers, for paper, for copying.

Made of the page's own words, so that it can say neither more nor less than the page.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from webapp import reasons
from webapp.words import say

if TYPE_CHECKING:
    from webapp.answer import Section


@dataclass(frozen=True, slots=True)
class PlainRow:
    """One row: which part of the page, what, its value, and the rest (time, source, push)."""

    part: str
    what: str
    value: str
    rest: str


def rows(section: Section) -> tuple[PlainRow, ...]:
    """The rows in the order of the page."""
    return (
        *_answer(section),
        *_hours(section),
        *_why(section),
        *_would(section),
        *_troponin(section),
        *_scores(section),
    )


def _answer(section: Section) -> Iterator[PlainRow]:
    part = say("en", "plain.answer")
    yield PlainRow(
        part, say("en", "plain.state"), section.state.title, section.asked if section.unusual else ""
    )
    if section.headline is None or not section.headline.backed:
        yield PlainRow(part, section.question, section.status_title, section.reason)
        return
    for horizon in section.horizons:
        yield PlainRow(
            part, horizon.label, horizon.share, f"{say('en', 'plain.interval')} {horizon.interval}"
        )
    if section.headline.compared:
        yield PlainRow(part, say("en", "plain.compared"), "", section.headline.compared)
    if section.place is not None:
        yield PlainRow(part, say("en", "plain.place"), "", f"{section.place.sentence} {section.place.whose}")
    if section.forecast:
        yield PlainRow(part, say("en", "plain.forecast"), "", section.forecast)
    if section.members is not None:
        yield PlainRow(part, say("en", "plain.members"), "", section.members.text)


def _hours(section: Section) -> Iterator[PlainRow]:
    if section.hours is not None and section.headline is not None and section.headline.backed:
        yield PlainRow(say("en", "plain.hours"), "", "", section.hours.summary)


def _why(section: Section) -> Iterator[PlainRow]:
    if section.why is None or section.headline is None or not section.headline.backed:
        return
    for group in section.why.groups:
        yield PlainRow(group.label, say("en", "plain.together"), "", group.push)
        small = group.small.rows if group.small is not None else ()
        yield from (_reason(group.label, row) for row in (*group.rows, *small))
    absent = section.why.unmeasured_small.rows if section.why.unmeasured_small is not None else ()
    for row in (*section.why.unmeasured, *absent):
        yield _reason(say("en", "plain.unmeasured"), row)


def _reason(part: str, row: reasons.Row) -> PlainRow:
    return PlainRow(part, row.label.rstrip(":"), row.value, f"{row.rest.strip(' ,')}; {row.push}".strip("; "))


def _would(section: Section) -> Iterator[PlainRow]:
    yield from (PlainRow(say("en", "plain.would"), line.text, line.figure, "") for line in section.would)


def _troponin(section: Section) -> Iterator[PlainRow]:
    if section.course is not None:
        for line in section.course.lines:
            yield PlainRow(say("en", "plain.draws"), line.time, line.value, f"{line.assay}; {line.source}")
    if section.next_draw is not None:
        yield PlainRow(say("en", "plain.next"), "", "", section.next_draw.sentence)
    for rule in section.rules:
        yield PlainRow(rule.name, rule.assay, rule.verdict, rule.pattern)
        yield from (PlainRow(rule.name, step.text, step.mark, "") for step in rule.steps)
    if section.agreement:
        yield PlainRow(say("en", "plain.agreement"), "", "", section.agreement)


def _scores(section: Section) -> Iterator[PlainRow]:
    for score in section.scores:
        yield PlainRow(score.name, "", score.value, score.band)
        for put in score.inputs:
            points = say("en", "plain.points", n=put.points) if put.points else ""
            told = "; ".join(each for each in (put.time, points, put.source) if each)
            yield PlainRow(score.name, put.label, put.value, told)
