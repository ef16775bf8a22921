"""Who pays for whom: each patient's Coverage, coded as US hospitals code it, or in words alone, or not at all.

Invented as everything here: kinds follow age in most, and some patients have two, one that ended, or none on record.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final

from demo.patients.codes import concept
from demo.patients.marks import instant, synthetic
from demo.patients.story import Story

Resource = dict[str, Any]
TYPOLOGY: Final = "https://nahdo.org/sopt"
MEDICARE: Final = ("121", "Medicare FFS")
MEDICAID: Final = ("211", "Medicaid HMO")
PRIVATE: Final = ("512", "Commercial Managed Care - PPO")
SELF: Final = ("81", "Self-pay")
BOTH: Final = frozenset({"copd-retention", "kidney-flat-high"})
UNRECORDED: Final = frozenset({"almost-empty", "first-draw"})
OLD_AGE: Final = 65


def coverages(now: datetime, stories: Iterable[Story]) -> list[Resource]:
    """The Coverages of everybody who has one on record."""
    found: list[Resource] = []
    for number, story in enumerate(stories):
        if story.key in UNRECORDED:
            continue
        kinds = [MEDICARE, MEDICAID] if story.key in BOTH else [_usual(story, number)]
        found += [_coverage(now, story, place, *kind) for place, kind in enumerate(kinds, 1)]
    return found


def _usual(story: Story, number: int) -> tuple[str, str]:
    if story.person.age >= OLD_AGE:
        return MEDICARE
    return (PRIVATE, MEDICAID, PRIVATE, SELF)[number % 4]


def _coverage(now: datetime, story: Story, order: int, code: str, display: str) -> Resource:
    made = {
        "resourceType": "Coverage",
        "id": f"{story.key}-coverage-{order}",
        "status": "active",
        "type": concept(TYPOLOGY, code, display),
        "beneficiary": story.subject,
        "period": {"start": (now - timedelta(days=400)).date().isoformat()},
        "payor": [story.subject if (code, display) == SELF else {"display": "A payer"}],
        "order": order,
    }
    return synthetic(made, instant(now))
