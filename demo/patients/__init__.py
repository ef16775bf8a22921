"""The authored patients: invented people whose times move with today.

`everyone(now)` is all of them with the hospital's staff, as FHIR R4 resources; the same `now` gives the same
resources. Each story is a function whose docstring is the story. Nobody here is real; every resource says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from demo.patients import chest_pain, lungs, nerves, puzzles, wards
from demo.patients.afterwards import later
from demo.patients.groups import monitored
from demo.patients.payers import coverages
from demo.patients.staff import everybody
from demo.patients.story import Story

__all__ = ["STORIES", "everyone", "later"]

STORIES: Mapping[str, Callable[[datetime], Story]] = {
    "pneumonia-worsening": lungs.pneumonia,
    "copd-retention": lungs.copd,
    "heart-failure-settling": lungs.heart_failure,
    "postoperative-stable": wards.post_operative,
    "sepsis": wards.sepsis,
    "opioid-sedation": wards.opioid,
    "ventilated": lungs.ventilated,
    "high-flow": lungs.high_flow,
    "infarction-rising": chest_pain.infarction,
    "type-two-injury": wards.type_two,
    "kidney-flat-high": puzzles.kidney,
    "falling-after-peak": chest_pain.falling,
    "first-draw": chest_pain.first_draw,
    "below-limit-then-nine": chest_pain.below_limit,
    "low-and-flat": chest_pain.ruled_out,
    "conventional-rising": chest_pain.conventional,
    "two-assays": puzzles.two_assays,
    "two-units": puzzles.two_units,
    "almost-empty": puzzles.almost_empty,
    "child-asthma": puzzles.child,
    "spanish-embolism": wards.embolism,
    "myasthenia-tiring": nerves.myasthenia,
    "conflicting-rows": puzzles.conflicting,
}


def everyone(now: datetime) -> list[dict[str, Any]]:
    """Staff, every authored patient and the Group of them all, as FHIR R4 resources. ValueError for a naive `now`."""
    if now.tzinfo is None:
        raise ValueError("everyone(now) needs a moment with a time zone")
    resources, stories = everybody(now), [tell(now) for tell in STORIES.values()]
    for story in stories:
        resources += story.resources
    return [*resources, *coverages(now, stories), monitored(now, STORIES)]
