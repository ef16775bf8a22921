"""The gallery's patient pages: every state in every language, from stored assessments, as a clinician released them."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Final

from flask import render_template

from inference.assessment import State
from webapp import handout, opinions, words
from webapp.gallery.registry import Face, Plate
from webapp.gallery.stored import OPENED, ZONE, stored

STATES: Final[dict[str, tuple[str, State]]] = {  # name -> stored assessment and state
    "ventilation": ("ventilation-assessed", State.ACTIVE),
    "ventilation-low": ("ventilation-low", State.ACTIVE),
    "troponin": ("troponin-assessed", State.ACTIVE),
    "troponin-planned": ("troponin-planned", State.ACTIVE),
    "troponin-first": ("troponin-first", State.ACTIVE),
    "troponin-first-planned": ("troponin-first-planned", State.DEMONSTRATION),
    "troponin-first-unbacked": ("troponin-first-unbacked", State.ACTIVE),
    "demonstration": ("ventilation-assessed", State.DEMONSTRATION),
    "indeterminate": ("troponin-rule-in", State.ACTIVE),
    "no-result": ("troponin-none", State.ACTIVE),
    "ventilated": ("ventilation-excluded", State.ACTIVE),
    "child": ("ventilation-child", State.ACTIVE),
    "silent": ("ventilation-assessed", State.SILENT),
    "suspended": ("ventilation-assessed", State.SUSPENDED),
    "ventilation-high": ("ventilation-high", State.ACTIVE),
    "troponin-disagree": ("troponin-disagree", State.ACTIVE),
    "unsure": ("ventilation-indeterminate", State.ACTIVE),
    "outside-training": ("ventilation-outside", State.ACTIVE),
    "stale": ("ventilation-stale", State.ACTIVE),
    "troponin-old": ("troponin-old", State.ACTIVE),
    "too-little": ("ventilation-insufficient", State.ACTIVE),
    "ventilated-earlier": ("ventilation-earlier", State.ACTIVE),
    "rule-only-silent": ("troponin-rule-in", State.SILENT),
    "rule-only-suspended": ("troponin-assessed", State.SUSPENDED),
    "truncated": ("troponin-planned", State.DEMONSTRATION),
}
OPINIONS: Final = ("", "choose", "unknown", "wait", "thanks")  # what became of the last try
SLIP: Final = handout.Slip("https://ordertime.example.org/c/K7QM3F2X", "K7QM3F2X")


def page(name: str, language: str) -> handout.HandoutView:
    """The patient's page of a state in a language."""
    kept, state = STATES[name]
    found = stored(kept)
    return handout.view(
        replace(found, truncated=True) if name == "truncated" else found,
        language=language,
        state=state,
        zone=ZONE,
        name="Marcus T. Whitfield",
        born=date(1954, 3, 8),
        released_by="Dr. Ana Ruiz",
        released_at=OPENED,
        slip=SLIP,
    )


def _plates() -> tuple[Plate, ...]:
    pages = [_plate(name, language) for name in STATES for language in words.LANGUAGES]
    return (*pages, *(_opinion(said, language) for said in OPINIONS for language in words.LANGUAGES))


def _opinion(said: str, language: str) -> Plate:
    """The page on which a reader says how clear it was."""
    title = f"clear-{said or 'asked'}"
    return Plate(
        f"{title}-{language}",
        f"{title}, {language}",
        lambda: render_template("clear.html", view=opinions.view(language, said, SLIP.code)),
    )


def _plate(name: str, language: str) -> Plate:
    return Plate(
        f"{name}-{language}",
        f"{name}, {language}",
        lambda: render_template("handout.html", view=page(name, language)),
    )


FACE: Final = Face("patient", "The patient's page", _plates)
