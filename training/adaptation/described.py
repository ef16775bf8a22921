"""What an adapted release says of itself: in its manifest, its evaluation, its envelope and its card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np

from training import card as cards
from training import measure
from training.adaptation.export_reader import Found
from training.adaptation.judging import SCRATCH, TUNED, Choice, Way
from training.adaptation.released import Released
from training.attributes import TRAINING
from training.card import markdown as markdown
from training.intended import DATA
from training.matrix import Table
from training.resample import Draws
from training.run import envelope as envelope_of
from training.tasks import Task

STATE: Final = "silent, until this site's own gate is passed; an adaptation changes no model's state"
DONE: Final[Mapping[str, str]] = {
    TUNED: "its network and trees were trained on with them",
    SCRATCH: "network and trees were trained anew on them alone; nothing of the release but its shape is in it",
}


def adapted(
    release: Released, site: str, found: Found, rows: Table, choice: Choice, seed: int, *, left_out: int = 0
) -> dict[str, Any]:
    """For the manifest: from what, on whom, and why so. `left_out`: moments whose outcome cannot be known."""
    model = release.model
    told = rows.reported & ~rows.too_soon
    with_outcome = np.unique(rows.patient[told & rows.y[:, -1]])
    return {
        "from": {"name": model.name, "version": model.version, "manifest_sha256": release.digest},
        "site": site,
        "period": list(found.period),
        "stays_read": found.tally.taken,
        "answers_reviewed_without": found.reviewed,
        "answers_that_cannot_be_known": found.unknowable,
        "moments_left_out_as_not_to_be_known": left_out,
        "stays": len(np.unique(rows.stay)),
        "patients": len(np.unique(rows.patient)),
        "patients_with_the_outcome": len(with_outcome),
        "moments": len(rows),
        "chosen": choice.name,
        "why": choice.why,
        "log_loss": dict(choice.losses),
        "above_the_least": {name: {"by": by, "error": error} for name, (by, error) in choice.excess.items()},
        "seed": seed,
        "state": STATE,
    }


def figures(rows: Table, ways: Mapping[str, Way]) -> dict[str, dict[str, Any]]:
    """Every way's figures at the reported moments, cross-fitted, with 95 % intervals over patients."""
    told = rows.reported & ~rows.too_soon
    draws = Draws.of(rows.patient[told])
    y = rows.y[told, -1]
    return {name: measure.figures(y, way.judged.probability[told, -1], draws) for name, way in ways.items()}


def envelope(release: Released, rows: Table, chosen: str) -> dict[str, Any]:
    """The ranges of whatever the chosen way was trained on: the release's rows, the site's, or both."""
    theirs = release.said["envelope"]
    if chosen not in (TUNED, SCRATCH):
        return dict(theirs)
    ours = envelope_of(rows, release.model.layout)
    if chosen == SCRATCH:
        return ours
    players = {name: _wider(theirs["players"].get(name), seen) for name, seen in ours["players"].items()}
    return {**ours, "players": players}


def card(
    release: Released, task: Task, report: Mapping[str, Any], rows: Table, about: Mapping[str, Any]
) -> dict[str, Any]:
    """The card of the release, with this site's figures, and whom it was adapted on wherever training is told of."""
    before = release.said["card"]
    sets = tuple(one["set"] for one in before.get("data", ()) if one["set"] in DATA)
    made = cards.card(replace(task, data_sets=sets), report, rows)
    told = {one["number"]: one["text"] for one in before.get("attributes", ()) if one["source"] == TRAINING}
    for one in made["attributes"]:
        if one["source"] == TRAINING:
            one["text"] = f"{told.get(one['number'], one['text'])} {sentence(about)}"
    others = [one for one in before.get("data", ()) if one["set"] not in sets]
    made["data"] = [*made["data"], *others, source(about)]
    return {**made, "first": f"{sentence(about)} {made['first']}", "adapted": dict(about)}


def sentence(about: Mapping[str, Any]) -> str:
    """One sentence: from what, on whom, how."""
    start, end = about["period"]
    origin = about["from"]
    done = DONE.get(
        about["chosen"], f"of all ways, {about['chosen']} was taken: the release's network and trees stay"
    )
    return (
        f"Adapted from {origin['name']} {origin['version']} to {about['site']} on {about['stays']:,} stays of "
        f"{about['patients']:,} patients, {about['patients_with_the_outcome']:,} with the outcome, {start} to {end}: "
        f"{done}."
    )


def source(about: Mapping[str, Any]) -> dict[str, str]:
    """The site among the data."""
    start, end = about["period"]
    return {
        "set": about["site"],
        "title": f"Stays at {about['site']}, {start} to {end}",
        "licence": "kept at the site",
        "cite": f"{about['stays']:,} stays of {about['patients']:,} patients",
    }


def _wider(one: list[float] | None, other: list[float] | None) -> list[float] | None:
    if one is None or other is None:
        return one or other
    return [min(one[0], other[0]), max(one[1], other[1])]
