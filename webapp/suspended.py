"""A model that people suspended, in words: who decided, when and why, and the way back.

A face: a decision goes in, sentences for pages, cards and lists come out. What people wrote is quoted, never ours.
"""

from __future__ import annotations

from datetime import datetime, tzinfo
from typing import Any, Protocol

from webapp import words
from webapp.words import say


class Decision(Protocol):
    """A decision to suspend, as it is kept."""

    @property
    def at(self) -> datetime:
        """When it was recorded, and took effect."""

    @property
    def week(self) -> str:
        """The reviewed week; "" outside a review."""

    @property
    def line(self) -> int:
        """Of the change log."""

    @property
    def people(self) -> str:
        """Who signed, with their roles."""

    @property
    def sentence(self) -> str:
        """Why, in their words."""


def page(made: Decision, zone: tzinfo) -> str:
    """What stands on a page in place of why a model is suspended by itself."""
    return f"{brief(made, zone)} {say('en', 'suspension.page')}"


def gate(made: Decision, zone: tzinfo) -> str:
    """The same on the gate's page, with the way back."""
    return f"{brief(made, zone)} {say('en', 'suspension.way-back')}"


def brief(made: Decision, zone: tzinfo) -> str:
    """Who, when and why."""
    return _said(made.people, made.sentence, made, zone)


def card(people: str, sentence: str, made: Decision, zone: tzinfo) -> str:
    """The same for a card; `people` and `sentence` are escaped for it."""
    return f"{_said(people, sentence, made, zone)} {say('en', 'suspension.card')}"


def _said(people: str, sentence: str, made: Decision, zone: tzinfo) -> str:
    told: dict[str, Any] = {"people": people, "sentence": sentence, "at": words.moment(made.at, zone)}
    told |= {"week": made.week, "line": str(made.line)}
    return say("en", "suspension.decided" if made.week else "suspension.stopped", **told)
