"""The pages and cards held by golden files, by name: every state a face can meet."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from itertools import repeat
from pathlib import Path
from typing import Any

from governance import codec
from inference.assessment import Assessment, State
from tests.webapp import examples, pages
from webapp import cards, handout, result, words
from webapp.gallery.stored import FOLDER, peers_of
from webapp.writes import Write

GOLDEN = Path(__file__).with_name("golden")
BANNER = result.Banner("Whitfield, Marcus T.", date(1954, 3, 8), "male", "0048213")
LAUNCH = "https://ordertime.example/launch"
SLIP = handout.Slip("https://ordertime.example.org/c/K7QM3F2X", "K7QM3F2X")
UUID = "5c9e1a52-53a7-4f5d-9d0c-1f6f0a7f3b11"

PAGES: Mapping[str, tuple[tuple[Assessment, State], ...]] = {
    "assessed": (
        (examples.VENTILATION_ASSESSED, State.ACTIVE),
        (examples.TROPONIN_ASSESSED, State.ACTIVE),
    ),
    "demonstration": (
        (examples.VENTILATION_ASSESSED, State.DEMONSTRATION),
        (examples.TROPONIN_RULE_IN, State.DEMONSTRATION),
    ),
    "low-and-disagreeing": (
        (examples.VENTILATION_LOW, State.ACTIVE),
        (examples.TROPONIN_DISAGREE, State.ACTIVE),
    ),
    "indeterminate": (
        (examples.VENTILATION_INDETERMINATE, State.ACTIVE),
        (examples.TROPONIN_CENSORED, State.ACTIVE),
    ),
    "outside-training": ((examples.VENTILATION_OUTSIDE, State.ACTIVE),),
    "insufficient": (
        (examples.VENTILATION_INSUFFICIENT, State.ACTIVE),
        (examples.TROPONIN_NONE, State.ACTIVE),
    ),
    "excluded": ((examples.VENTILATION_EXCLUDED, State.ACTIVE), (examples.VENTILATION_CHILD, State.ACTIVE)),
    "stale": ((examples.VENTILATION_STALE, State.ACTIVE),),
    "silent": ((examples.VENTILATION_ASSESSED, State.SILENT), (examples.TROPONIN_RULE_IN, State.SILENT)),
    "suspended": ((examples.VENTILATION_ASSESSED, State.SUSPENDED),),
    "before-first": ((examples.TROPONIN_FIRST, State.ACTIVE),),
    "before-first-planned": ((examples.TROPONIN_FIRST_PLANNED, State.DEMONSTRATION),),
    "before-first-unbacked": ((examples.TROPONIN_FIRST_UNBACKED, State.ACTIVE),),
    "before-first-silent": ((examples.TROPONIN_FIRST, State.SILENT),),
    "planned-draw": ((examples.TROPONIN_PLANNED, State.ACTIVE),),
    "planned-draw-not-used": ((examples.TROPONIN_DEAF, State.ACTIVE),),
    "draw-due": ((examples.TROPONIN_DUE, State.ACTIVE),),
    "answered": ((examples.VENTILATION_ASSESSED, State.ACTIVE),),
    "writing": (
        (examples.VENTILATION_ASSESSED, State.ACTIVE),
        (examples.TROPONIN_RULE_IN, State.DEMONSTRATION),
    ),
    "hospital-silent": (),
}
WRITES = (
    Write("RiskAssessment", "/write"),
    Write("DocumentReference", "/write", draft=True, language="en"),
)
WRITTEN = (
    Write("RiskAssessment", "", False, "", "Practitioner/7", examples.OPENED, "RiskAssessment/c12e0d97337e"),
    Write("DocumentReference", "", True, "es", "", examples.OPENED, "DocumentReference/36926d26313a"),
)
ANSWERED: dict[str, Any] = {
    "opinion": "disagree",
    "released_by": "Practitioner/7",
    "released_at": examples.OPENED,
}
HANDOUTS: Mapping[str, tuple[Assessment, State]] = {
    "ventilation": (examples.VENTILATION_ASSESSED, State.ACTIVE),
    "ventilation-low": (examples.VENTILATION_LOW, State.ACTIVE),
    "troponin": (examples.TROPONIN_ASSESSED, State.ACTIVE),
    "troponin-planned": (examples.TROPONIN_PLANNED, State.ACTIVE),
    "troponin-first": (examples.TROPONIN_FIRST, State.ACTIVE),
    "troponin-first-planned": (examples.TROPONIN_FIRST_PLANNED, State.DEMONSTRATION),
    "troponin-first-unbacked": (examples.TROPONIN_FIRST_UNBACKED, State.ACTIVE),
    "demonstration": (examples.VENTILATION_ASSESSED, State.DEMONSTRATION),
    "indeterminate": (examples.TROPONIN_RULE_IN, State.ACTIVE),
    "no-result": (examples.TROPONIN_NONE, State.ACTIVE),
    "ventilated": (examples.VENTILATION_EXCLUDED, State.ACTIVE),
    "child": (examples.VENTILATION_CHILD, State.ACTIVE),
    "silent": (examples.VENTILATION_ASSESSED, State.SILENT),
    "suspended": (examples.VENTILATION_ASSESSED, State.SUSPENDED),
    "ventilation-high": (examples.VENTILATION_HIGH, State.ACTIVE),
    "troponin-disagree": (examples.TROPONIN_DISAGREE, State.ACTIVE),
    "unsure": (examples.VENTILATION_INDETERMINATE, State.ACTIVE),
    "outside-training": (examples.VENTILATION_OUTSIDE, State.ACTIVE),
    "stale": (examples.VENTILATION_STALE, State.ACTIVE),
    "troponin-old": (examples.TROPONIN_OLD, State.ACTIVE),
    "too-little": (examples.VENTILATION_INSUFFICIENT, State.ACTIVE),
    "ventilated-earlier": (examples.VENTILATION_EARLIER, State.ACTIVE),
    "rule-only-silent": (examples.TROPONIN_RULE_IN, State.SILENT),
    "rule-only-suspended": (examples.TROPONIN_ASSESSED, State.SUSPENDED),
    "truncated": (replace(examples.TROPONIN_PLANNED, truncated=True), State.DEMONSTRATION),
}


def shown(found: Assessment, state: State, **more: Any) -> result.Shown:
    """One answer with all its forms."""
    return result.Shown(
        id=f"a1f0-{found.model}-{found.status}",
        assessment=found,
        state=state,
        threshold=0.2,
        feedback_url="/opinion",
        ask_url="/ask" if found.version != "0.1.0" else "",
        release_url="/release",
        handout_url="/handout",
        pdf_url="/handout.pdf",
        values_url="/values",
        peers=peers_of(found.model),
        **more,
    )


def page(name: str, **more: Any) -> str:
    """The result page of a case as HTML."""
    if name == "hospital-silent":
        more["trouble"] = "hospital-silent"
    writes = iter((WRITES, WRITTEN)) if name == "writing" else repeat(())
    if name == "writing":
        more["close_url"] = "/close"
    given = ANSWERED if name == "answered" else {}
    view = result.view(
        [shown(found, state, writes=next(writes), **given) for found, state in PAGES[name]],
        zone=examples.ZONE,
        opened=examples.OPENED,
        banner=more.pop("banner", BANNER),
        csrf="token-of-this-visit",
        visit="visit-1",
        about_url="/about",
        again_url="/result",
        **more,
    )
    return pages.render("result.html", view=view, language="en")


def card(found: Assessment, state: State, **more: Any) -> dict[str, Any] | None:
    """The card for one assessment at a site with a threshold of 20 %."""
    values = {"threshold": 0.2, "warn_at": 0.4, "link_url": LAUNCH, "zone": examples.ZONE, "uuid": UUID}
    return cards.card(found, state=state, **{**values, **more})


def leaflet(name: str, language: str, /, **more: Any) -> str:
    """A case's patient page as HTML."""
    found, state = HANDOUTS[name]
    return leaflet_of(found, state, language, **more)


def leaflet_of(found: Assessment, state: State, language: str, /, **more: Any) -> str:
    """The patient's page for an assessment, released by a clinician unless `more` says otherwise."""
    values: dict[str, Any] = {
        "language": language,
        "state": state,
        "zone": examples.ZONE,
        "name": "Marcus T. Whitfield",
        "born": date(1954, 3, 8),
        "released_by": "Dr. Ana Ruiz",
        "released_at": examples.OPENED,
        "slip": SLIP,
    }
    return pages.render("handout.html", view=handout.view(found, **{**values, **more}))


def texts() -> dict[str, str]:
    """Every golden file's name and what it should hold."""
    found = {f"page-{name}.txt": pages.text(page(name)) for name in PAGES}
    for name in HANDOUTS:
        found |= {f"handout-{name}-{code}.txt": pages.text(leaflet(name, code)) for code in words.LANGUAGES}
    for name, each in examples.EVERY.items():
        for state in State:
            said = card(each, state)
            found[f"card-{name}-{state}.json"] = json.dumps(said, indent=1, ensure_ascii=False) + "\n"
    return found


def assessments() -> dict[str, bytes]:
    """The gallery's stored assessments: the examples, as the ledger would store them."""
    return {f"{name}.json": codec.dump(found) + b"\n" for name, found in examples.EVERY.items()}


def write() -> None:
    """Write all golden files and the gallery's assessments anew: read the diff before they are committed."""
    said = {name: text.encode() for name, text in texts().items()}  # all of it before anything is taken away
    for folder, files in ((GOLDEN, said), (FOLDER, assessments())):
        folder.mkdir(exist_ok=True)
        for old in folder.iterdir():
            old.unlink()
        for name, document in files.items():
            (folder / name).write_bytes(document)


if __name__ == "__main__":
    write()
