"""One export and one release -> a release of the site's own: rows, leak scan, folds, the ways, the least that is as
good as the best, its evaluation, and an artefact folder that says all of it.

Nothing is written before everything is known. What is written holds no patient's row: the background stays the
release's, and of the site there are figures, ranges, and what was learned.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from inference.assessment import TROPONIN
from training import calibrate
from training.adaptation import AdaptationRefused, described, export_reader, rows, ways
from training.adaptation.export_reader import Export, Found
from training.adaptation.judging import SCRATCH, TUNED, Choice, Way, choose, of_release, refitted
from training.adaptation.released import SHARE, Released
from training.adaptation.rows import NEEDED, Needed
from training.adaptation.ways import TUNING, Tuning
from training.contenders import MODEL
from training.evaluate import Evaluation, evaluate
from training.export import Blend, export
from training.folding import folds
from training.forest_text import texts
from training.matrix import Table
from training.network import weights
from training.release import Release, write
from training.run import before_first
from training.tasks import SEED, Task

PARITY: Final = 1024  # rows on which the graphs are proven
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Site:
    """What is adapted to, and how. `argued`: input -> why it stays though the leak scan names it; `limits`: ng/L."""

    export: Export
    artifacts: Path
    work: Path
    argued: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, float] = field(default_factory=dict)
    needed: Needed = NEEDED
    tuning: Tuning = TUNING
    threads: int = 1
    seed: int = SEED


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was written, and why."""

    folder: Path
    version: str
    choice: Choice
    figures: Mapping[str, Any]


def adapt(release: Released, site: Site, *, created: datetime, say: Say = lambda text: None) -> Outcome:
    """Reads, judges and writes. Raises AdaptationRefused, Leak, and what export and release raise."""
    layout = release.model.layout
    version = next_version(release, site.artifacts)
    task = replace(release.task, version=version, data_sets=(site.export.site,), argued=site.argued)
    found = Found()
    say(f"reading {site.export.folder}")
    stays = export_reader.stays(site.export, found, site.work)
    told = rows.rows_of(stays, site.export.site, task, layout, site.limits)
    table = told.table
    for line in found.lines:
        say(f"{line}; skipped")
    if found.unknowable:
        say(f"{found.unknowable} answers cannot be known, a person says: {told.not_to_be_known} moments are left out")
    if found.unknown:
        say(f"codes that mean nothing here: {found.unmapped()}")
    rows.enough(table, site.export, found, task, site.needed)
    fold = folds(table, task.folds)
    scanned = rows.scanned(table, fold, task, layout, told.looked_at)
    beside = laid(release, table, fold, task, site, say)
    choice = choose(table, beside)
    say(f"{choice.name}: {choice.why}")
    about = described.adapted(
        release, site.export.site, found, table, choice, site.seed, left_out=told.not_to_be_known
    )
    evaluation = measured(table, beside, choice, found, task, release, about)
    say("writing")
    blend = whole(release, table, task, choice.name, site)
    made = _release(release, task, blend, beside[choice.name], table, scanned, evaluation, about, created)
    return Outcome(write(made, site.artifacts), version, choice, evaluation.report["adaptation"]["ways"])


def laid(release: Released, table: Table, fold: Any, task: Task, site: Site, say: Say) -> dict[str, Way]:
    """Every way, with its answers to rows that it did not see."""
    say("as released, and recalibrated")
    logits, values = release.blend.answer(table.x)
    found = of_release(table, logits, values, fold, task, release.said["calibration"])
    for name in (TUNED, SCRATCH):
        say(f"{name}, on {task.folds} folds")
        answers = ways.out_of_fold(table, fold, _trainer(name, release, task, site), site.seed)
        found[name] = refitted(table, *answers, fold, task)
    return found


def whole(release: Released, table: Table, task: Task, name: str, site: Site) -> Blend | None:
    """The chosen way trained on every row; None where the release's own graphs stay."""
    if name not in (TUNED, SCRATCH):
        return None
    return _trainer(name, release, task, site)(table.where(~table.too_soon), site.seed)


def measured(
    table: Table,
    beside: Mapping[str, Way],
    choice: Choice,
    found: Found,
    task: Task,
    release: Released,
    about: Mapping[str, Any],
) -> Evaluation:
    """The whole evaluation on the site, the ways that were not taken among the contenders."""
    later, chosen = ~table.first, beside[choice.name]
    others = {name: way.judged.probability[later, -1] for name, way in beside.items() if name != choice.name}
    share = float(release.said["evaluation"][SHARE])
    extra: dict[str, Any] = {SHARE: share, "adaptation": {**about, "ways": described.figures(table, beside)}}
    if table.first.any() and task.name == TROPONIN:
        extra["before_the_first_result"] = before_first(table, chosen.judged)
    return evaluate(
        table.where(later),
        {MODEL: chosen.judged.probability[later, -1], **others},
        calibrate.where(chosen.judged, later),
        {task.data_sets[0]: found.tally},
        task,
        release.model.layout,
        members=calibrate.members(chosen.logits, dict(chosen.calibration))[later],
        aim=table.aim[later],
        extra=extra,
    )


def next_version(release: Released, artifacts: Path) -> str:
    """The release's version with one more number: above it, below whatever is released after it.

    Raises AdaptationRefused where the release itself lies under `artifacts`: a site's versions are the site's.
    """
    here = artifacts / release.model.name
    ours = "adapted" in release.model.manifest["training"]
    if here.resolve() == release.folder.parent.resolve() and not ours:
        raise AdaptationRefused(f"{artifacts} is where the release lies; give the site a folder of its own")
    parts = release.model.version.split(".")
    root = parts[:-1] if ours else parts
    taken = [path.name.split(".") for path in here.glob("*")]
    numbers = [int(name[-1]) for name in taken if name[:-1] == root and name[-1].isdecimal()]
    return ".".join([*root, str(max(numbers, default=0) + 1)])


def _trainer(name: str, release: Released, task: Task, site: Site) -> ways.Train:
    layout, blend = release.model.layout, release.blend

    def train(part: Table, seed: int) -> Blend:
        if name == TUNED:
            return ways.fine_tuned(blend, part, layout, seed, site.threads, site.tuning)
        return ways.from_scratch(part, task, layout, blend.share, seed, site.threads, site.tuning)

    return train


def _release(
    release: Released,
    task: Task,
    blend: Blend | None,
    way: Way,
    table: Table,
    scanned: Mapping[str, Any],
    evaluation: Evaluation,
    about: Mapping[str, Any],
    created: datetime,
) -> Release:
    model, kept = release.model, blend or release.blend
    graphs = release.graphs if blend is None else export(blend, table.x[:PARITY])
    said = described.card(release, task, evaluation.report, table, about)
    return Release(
        name=task.name,
        version=task.version,
        inputs=task.inputs,
        outcomes=model.outcomes,
        hours=model.hours,
        important=model.important,
        graph=graphs.model,
        encoder=graphs.encoder,
        headline=graphs.headline,
        codes=kept.model.encoder.owners(model.layout),
        before_first=bool(model.manifest.get("before_first", False)),
        assays=tuple(model.manifest.get("assays", ())),
        calibration=way.calibration,
        envelope=described.envelope(release, table, about["chosen"]),
        background=model.background,
        weights=model.background_weights,
        trained=weights(kept.model),
        evaluation=evaluation.report,
        leaks=scanned,
        card=said,
        plots=evaluation.plots,
        texts={"card.md": described.markdown(said, evaluation.report), **texts(kept.forest)},
        created=created,
        training={**model.manifest["training"], "adapted": dict(about)},
    )
