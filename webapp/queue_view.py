"""The queue's pages: what waits for a person and why, and the form in which a person says what became of it.

A face: rows in, words out. Shows the stored answer as it was allowed to be shown then: what was silent stays so, also
because who labels should not be led by the number.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Final

from inference.assessment import Phrase
from webapp import words
from webapp.plain import PlainRow
from webapp.words import say

LABELS: Final = ("yes", "no", "early", "unknown")
OUTCOMES: Final = ("ventilation", "troponin-rise")
SHORT: Final = 8  # characters of an answer's id that people read to one another


@dataclass(frozen=True, slots=True)
class Line:
    """One answer that waits."""

    name: str
    model: str
    as_of: str
    why: tuple[str, ...]
    url: str


@dataclass(frozen=True, slots=True)
class Choice:
    """One label that can be given."""

    value: str
    label: str


@dataclass(frozen=True, slots=True)
class Item:
    """One answer's page: whose it was, what it said, why it waits, and the form; "" `label_url` leaves that out."""

    name: str
    title: str
    whose: str
    as_of: str
    why: tuple[str, ...]
    settled: tuple[str, ...]
    plain: tuple[PlainRow, ...]
    choices: tuple[Choice, ...]
    question: str
    zone: str
    label_url: str


def line(key: str, model: str, as_of: datetime, why: Iterable[str], zone: tzinfo, url: str) -> Line:
    """One row of the list."""
    return Line(key[:SHORT], say("en", f"models.{model}.name"), words.moment(as_of, zone), tuple(why), url)


def reasons(status: str, reason: str, phrase: Phrase | None, why: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Why an answer waits: the model's doubt, in full where the answer is at hand, and what no rule could settle."""
    said = []
    if status == "indeterminate":
        doubt = say("en", phrase) if phrase is not None else _doubt(reason)
        said.append(say("en", "queue.indeterminate", why=doubt))
    by_reason: dict[str, list[str]] = {}
    for outcome, code in why:
        by_reason.setdefault(code, []).append(outcome)
    for code, outcomes in by_reason.items():
        told = [named(outcome) for outcome in sorted(outcomes, key=lambda name: (len(name), name))]
        said.append(say("en", "queue.referred", outcomes=words.listed(told), why=why_open(code)))
    return tuple(said)


def named(outcome: str) -> str:
    """An outcome in words, as the result page has them: "ventilation within 24 h"."""
    kind, _, hours = outcome.rpartition("-")
    return say("en", f"queue.outcome.{kind}", hours=hours.removesuffix("h")) if kind in OUTCOMES else outcome


def why_open(code: str) -> str:
    """Why no rule could settle it; a code without words is shown as it is."""
    key = f"queue.why.{code}"
    return say("en", key) if words.knows("en", key) else code


def _doubt(code: str) -> str:
    key = f"queue.doubt.{code}"
    return say("en", key) if words.knows("en", key) else code


def item(
    key: str,
    model: str,
    as_of: datetime,
    *,
    patient: str,
    why: tuple[str, ...],
    settled: Iterable[tuple[str, str, datetime | None]],
    plain: tuple[PlainRow, ...],
    zone: tzinfo,
    zone_name: str,
    label_url: str,
) -> Item:
    """One answer's page. `settled`: outcomes a rule or a person has settled, with label and moment."""
    return Item(
        name=key[:SHORT],
        title=say("en", f"models.{model}.name"),
        whose=patient,
        as_of=words.moment(as_of, zone),
        why=why,
        settled=tuple(_settled(*each, zone) for each in settled),
        plain=plain,
        choices=tuple(Choice(value, say("en", f"queue.choose.{model}.{value}")) for value in _labels(model)),
        question=say("en", f"queue.question.{model}"),
        zone=zone_name,
        label_url=label_url,
    )


def _settled(outcome: str, label: str, moment: datetime | None, zone: tzinfo) -> str:
    told = say("en", f"queue.label.{label}")
    return say("en", "queue.settled", outcome=words.capital(named(outcome)), label=told, at=_at(moment, zone))


def _labels(model: str) -> tuple[str, ...]:
    """A rise that was early is none: two draws within the hour are one."""
    return LABELS if model == "ventilation-need" else tuple(each for each in LABELS if each != "early")


def _at(moment: datetime | None, zone: tzinfo) -> str:
    return "" if moment is None else words.moment(moment, zone)
