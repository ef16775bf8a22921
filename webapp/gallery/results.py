"""The gallery's result pages: every state a launch can meet, the forms leading nowhere."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final

from flask import render_template, url_for

from inference.assessment import Assessment, State
from webapp import result
from webapp.gallery.registry import Face, Plate
from webapp.gallery.stored import OPENED, ZONE, peers_of, stored
from webapp.writes import Write

BANNER: Final = result.Banner("Whitfield, Marcus T.", date(1954, 3, 8), "male", "0048213")
NOWHERE: Final = "#main"  # where the gallery's forms lead
WRITES: Final = (
    Write("RiskAssessment", NOWHERE),
    Write("DocumentReference", NOWHERE, draft=True, language="en"),
)
WRITTEN: Final = (
    Write("RiskAssessment", "", False, "", "Practitioner/7", OPENED, "RiskAssessment/c12e0d97337e"),
    Write("DocumentReference", "", True, "es", "", OPENED, "DocumentReference/36926d26313a"),
)


@dataclass(frozen=True, slots=True)
class Case:
    """One state of the page: what it is, its answers by stored name and state, and what else is particular."""

    title: str
    answers: tuple[tuple[str, State], ...] = ()
    more: tuple[tuple[str, Any], ...] = ()  # of the page
    each: tuple[tuple[str, Any], ...] = ()  # of every answer on it


CASES: Final[dict[str, Case]] = {
    "assessed": Case(
        "Both models active", (("ventilation-assessed", State.ACTIVE), ("troponin-assessed", State.ACTIVE))
    ),
    "demonstration": Case(
        "Demonstration",
        (("ventilation-assessed", State.DEMONSTRATION), ("troponin-rule-in", State.DEMONSTRATION)),
    ),
    "low-and-disagreeing": Case(
        "A low risk; model and rule disagree",
        (("ventilation-low", State.ACTIVE), ("troponin-disagree", State.ACTIVE)),
    ),
    "indeterminate": Case(
        "Indeterminate", (("ventilation-indeterminate", State.ACTIVE), ("troponin-censored", State.ACTIVE))
    ),
    "outside-training": Case("Outside what was learned", (("ventilation-outside", State.ACTIVE),)),
    "insufficient": Case(
        "Insufficient data", (("ventilation-insufficient", State.ACTIVE), ("troponin-none", State.ACTIVE))
    ),
    "excluded": Case("Excluded: already ventilated", (("ventilation-excluded", State.ACTIVE),)),
    "excluded-child": Case("Excluded: a child", (("ventilation-child", State.ACTIVE),)),
    "stale": Case("Stale data, a chart cut short", (("ventilation-stale", State.ACTIVE),)),
    "silent": Case("Silent", (("ventilation-assessed", State.SILENT), ("troponin-rule-in", State.SILENT))),
    "suspended": Case("Suspended", (("ventilation-assessed", State.SUSPENDED),)),
    "before-first": Case("Before the first troponin", (("troponin-first", State.ACTIVE),)),
    "before-first-planned": Case(
        "Before the first troponin, a draw planned", (("troponin-first-planned", State.DEMONSTRATION),)
    ),
    "before-first-unbacked": Case(
        "Before the first troponin, indeterminate", (("troponin-first-unbacked", State.ACTIVE),)
    ),
    "before-first-silent": Case("Before the first troponin, silent", (("troponin-first", State.SILENT),)),
    "planned-draw": Case("A draw planned", (("troponin-planned", State.ACTIVE),)),
    "planned-draw-not-used": Case("A planned draw that was not used", (("troponin-deaf", State.ACTIVE),)),
    "draw-due": Case("A second draw is due", (("troponin-due", State.ACTIVE),)),
    "writing": Case(
        "Write-back granted, a visit to close",
        (("ventilation-assessed", State.ACTIVE), ("troponin-rule-in", State.DEMONSTRATION)),
        (("close_url", NOWHERE),),
        (("writes", True),),
    ),
    "answered": Case(
        "Opinion given, page released",
        (("ventilation-assessed", State.ACTIVE),),
        (),
        (("opinion", "disagree"), ("released_by", "Practitioner/7"), ("released_at", OPENED)),
    ),
    "hospital-silent": Case("The hospital does not answer", (), (("trouble", "hospital-silent"),)),
}


def page(case: Case) -> result.ResultView:
    """The page of a case."""
    more = {"banner": BANNER, **dict(case.more)}
    return result.view(
        [
            _shown(stored(name), state, place, dict(case.each))
            for place, (name, state) in enumerate(case.answers)
        ],
        zone=ZONE,
        opened=OPENED,
        csrf="none",
        visit="none",
        about_url=url_for("models.about"),
        again_url=NOWHERE,
        **more,
    )


def _shown(found: Assessment, state: State, place: int, each: dict[str, Any]) -> result.Shown:
    writes = (WRITES, WRITTEN)[place] if each.pop("writes", False) else ()
    bare = result.Shown(
        id=f"a1f0-{found.model}-{found.status}",
        assessment=found,
        state=state,
        threshold=0.2,
        feedback_url=NOWHERE,
        ask_url=NOWHERE if found.version != "0.1.0" else "",
        release_url=NOWHERE,
        handout_url=NOWHERE,
        pdf_url=NOWHERE,
        values_url=NOWHERE,
        peers=peers_of(found.model),
        writes=writes,
    )
    return replace(bare, **each)


def _plates() -> tuple[Plate, ...]:
    return tuple(_plate(name, case) for name, case in CASES.items())


def _plate(name: str, case: Case) -> Plate:
    return Plate(name, case.title, lambda: render_template("result.html", view=page(case), language="en"))


FACE: Final = Face("result", "The result page", _plates)
