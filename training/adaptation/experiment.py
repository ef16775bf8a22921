"""What is adapting worth? A base that never saw the site's data, and 250, 500 and 1,000 stays of the site.

The base learns Challenge 2012 alone. The site's hospitals (its patients, where it is one hospital) are dealt into
parts; each part is answered by every way adapted on stays drawn from the others, so that all rows are answered once a
repeat by models that saw neither the patient nor the hospital. Each repeat deals and draws anew. Every part is kept
as it is done, keyed by the code and the rows it came from: a run that was cut goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from inference.assessment import TROPONIN, VENTILATION
from inference.features import Layout, layout_for
from training import calibrate, forest, learning, network
from training.adaptation import judging, ways
from training.adaptation.judging import SCRATCH, TUNED, WAYS, Choice, choose, of_release, refitted
from training.adaptation.ways import TUNING, Tuning, fine_tuned, from_scratch, heard, out_of_fold
from training.export import Blend
from training.federation.sites import linked
from training.folding import folds
from training.forest import grow
from training.forest_text import forest_of, texts
from training.learning import Examples, fit, pretrain
from training.matrix import Table, table
from training.network import Ensemble, weights
from training.outlook import outlook
from training.readers import CHALLENGE_2012, CHALLENGE_2019, EICU
from training.tasks import SEED, Task, task

SIZES: Final = (250, 500, 1000)
SHARE: Final = 0.5  # of the log-odds from trees, set beforehand
INNER: Final = 3  # folds of the drawn stays: for calibration and for the choice
HELD_BACK: Final = 5  # one of so many parts of the base's patients calibrates it
Say = Callable[[str], None]
Probabilities = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Plan:
    """Who is the base, who the new site, and into how many parts the site is dealt."""

    base: str
    site: str
    parts: int


PLANS: Final[Mapping[str, Plan]] = {
    VENTILATION: Plan(CHALLENGE_2012, EICU, 10),  # nine tenths of its hospitals have a thousand stays
    TROPONIN: Plan(CHALLENGE_2012, CHALLENGE_2019, 5),  # eICU has 34 stays with a repeated troponin
}


@dataclass(frozen=True, slots=True)
class Bench:
    """Where the experiment works, and whom it tells."""

    data: Path
    cache: Path
    work: Path
    threads: int
    say: Say


@dataclass(frozen=True, slots=True)
class Base:
    """The base model, hearing what the site charts, with the calibration it would be released with."""

    task: Task
    layout: Layout
    blend: Blend
    calibration: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answers:
    """`probability` [R,N,W]: of every repeat, row and way; `chosen` [R,parts]: what each part would have shipped."""

    probability: Probabilities
    part: NDArray[np.int_]  # [R,N]
    chosen: NDArray[np.str_]


def run(name: str, bench: Bench, *, repeats: int, report: Path, tuning: Tuning = TUNING) -> Path:
    """The whole experiment of one model into `report`. Raises DataMissing."""
    from training.adaptation import report as reports

    one, plan = task(name), PLANS[name]
    rows, _ = table(replace(one, data_sets=(plan.site,)), bench.data, bench.cache, _quiet)
    made = base(one, plan, rows, bench)
    found = {size: answered(made, rows, plan, size, repeats, tuning, bench) for size in SIZES}
    bench.say("measuring")
    return reports.write(report, name, reports.report(rows, plan, found, tuning))


def base(one: Task, plan: Plan, rows: Table, bench: Bench) -> Base:
    """Pretrained and trained on its own set alone; a part of its patients is held back to calibrate it."""
    learned, _ = table(replace(one, data_sets=(plan.base,)), bench.data, bench.cache, _quiet)
    layout = layout_for(one.inputs, one.name)
    held = folds(learned, HELD_BACK) == 0
    folder = bench.work / f"{one.name}-base-{_key(one, learned, network, learning, forest)}"
    if not (folder / "weights.npz").exists():
        bench.say(f"training the base on {plan.base}")
        seen = outlook(one, layout, bench.data, bench.cache, _quiet, None)
        asked = np.unique(learned.patient[held])
        seen = seen.where((seen.data_set == plan.base) & ~np.isin(seen.patient, asked))
        torch.manual_seed(SEED)
        trains = learned.where(~held & ~learned.too_soon)
        model = Ensemble(layout, trains.x, one.shape, one.kind)
        pretrain(model, seen, layout, SEED, _nothing)
        examples = Examples.of(trains)
        fit(model, examples, layout, SEED)
        _keep(
            folder,
            Blend(model, grow(model, examples, layout, SEED, bench.threads, _nothing, one.growth), SHARE),
        )
    blend = _kept(folder, one, layout, rows.x)
    apart = learned.where(held)
    calibration, _ = calibrate.calibrate(apart, *blend.answer(apart.x), folds(apart, 2), one)
    # What the base never saw measured is not heard, as if nobody had charted it: noise would be no fair comparison.
    return Base(one, layout, replace(blend, model=heard(blend.model, rows.x, layout)), calibration)


def answered(
    made: Base, rows: Table, plan: Plan, size: int, repeats: int, tuning: Tuning, bench: Bench
) -> Answers:
    """Every repeat's answers by every way adapted on `size` stays."""
    probability = np.full((repeats, len(rows), len(WAYS)), np.nan)
    part = np.stack([dealt(rows, plan, repeat) for repeat in range(repeats)])
    chosen = np.empty((repeats, plan.parts), dtype="U20")
    key = _key(made.task, rows, network, learning, forest, ways, judging, calibrate, more=f"{tuning} {plan}")
    for repeat in range(repeats):
        for number in range(plan.parts):
            path = bench.work / f"{made.task.name}-{size}-{repeat}-{number}-{key}.npz"
            held = part[repeat] == number
            if not path.exists():
                bench.say(
                    f"{size} stays, repeat {repeat + 1} of {repeats}, part {number + 1} of {plan.parts}"
                )
                drawn = rows.where(drawing(rows, held, size, SEED + 1000 * repeat + number))
                _save(path, *asked(made, drawn, rows.x[held], SEED + repeat, bench.threads, tuning))
            with np.load(path, allow_pickle=False) as file:
                probability[repeat, held], chosen[repeat, number] = file["probability"], str(file["chosen"])
    return Answers(probability, part, chosen)


def dealt(rows: Table, plan: Plan, repeat: int) -> NDArray[np.int_]:
    """The part of each row: whole hospitals of eICU, whole patients elsewhere, each to the part with fewest stays."""
    owner = linked(rows.site, rows.patient) if plan.site == EICU else rows.patient
    names, index = np.unique(owner, return_inverse=True)
    _, first = np.unique(rows.stay, return_index=True)
    stays = np.bincount(index[first], minlength=len(names))
    held, part = np.zeros(plan.parts), np.zeros(len(names), dtype=np.int_)
    for one in np.random.default_rng(SEED + repeat).permutation(len(names)):
        part[one] = held.argmin()
        held[part[one]] += stays[one]
    found: NDArray[np.int_] = part[index]
    return found


def drawing(rows: Table, held: NDArray[np.bool_], size: int, seed: int) -> NDArray[np.bool_]:
    """Rows of `size` stays of which none is held back; of all there are, where there are fewer."""
    there = np.unique(rows.stay[~held])
    drawn = np.random.default_rng(seed).choice(there, min(size, len(there)), replace=False)
    return ~held & np.isin(rows.stay, drawn)


def asked(
    made: Base, drawn: Table, x: NDArray[np.float32], seed: int, threads: int, tuning: Tuning
) -> tuple[Probabilities, Choice]:
    """Headline probability [N,W] of rows that nobody saw, by each way adapted on the drawn ones; and the choice."""
    layout, one, fold = made.layout, made.task, folds(replace_sets(drawn), INNER)
    trainers: dict[str, ways.Train] = {
        TUNED: lambda rows, seed: fine_tuned(made.blend, rows, layout, seed, threads, tuning),
        SCRATCH: lambda rows, seed: from_scratch(rows, one, layout, SHARE, seed, threads, tuning),
    }
    laid = of_release(drawn, *made.blend.answer(drawn.x), fold, one, made.calibration)
    blends = dict.fromkeys(laid, made.blend)
    for name, train in trainers.items():
        laid[name] = refitted(drawn, *out_of_fold(drawn, fold, train, seed), fold, one)
        blends[name] = train(drawn.where(~drawn.too_soon), seed)
    raw = {name: blends[name].answer(x)[0].astype(np.float64)[:, :, -1].mean(axis=1) for name in WAYS}
    lines = {
        name: (laid[name].calibration["slope"][-1], laid[name].calibration["intercept"][-1]) for name in WAYS
    }
    found = [1 / (1 + np.exp(-(raw[name] * lines[name][0] + lines[name][1]))) for name in WAYS]
    return np.stack(found, axis=1), choose(drawn, laid)


def replace_sets(drawn: Table) -> Table:
    """The drawn rows as a site's: folds are then by patient."""
    return replace(drawn, data_set=np.full(len(drawn), "site"))


def _keep(folder: Path, blend: Blend) -> None:
    (folder / "forest").mkdir(parents=True, exist_ok=True)
    for name, text in texts(blend.forest).items():
        (folder / name).write_text(text)
    np.savez(folder / "weights.partial.npz", **weights(blend.model))  # type: ignore[arg-type]
    (folder / "weights.partial.npz").rename(folder / "weights.npz")


def _kept(folder: Path, one: Task, layout: Layout, x: NDArray[np.float32]) -> Blend:
    model = Ensemble(layout, x[:8], one.shape, one.kind)
    with np.load(folder / "weights.npz", allow_pickle=False) as file:
        model.load_state_dict({name: torch.from_numpy(file[name]) for name in file.files})
    kept = {f"forest/{path.name}": path.read_text() for path in (folder / "forest").glob("*.txt")}
    return Blend(model.eval(), forest_of(kept, float(model.offset.item())), SHARE)


def _save(path: Path, probability: Probabilities, choice: Choice) -> None:
    """With what the choice was made from: another rule can be tried on it without training anew."""
    partial = path.with_suffix(".partial.npz")
    seen = {"losses": dict(choice.losses), "excess": dict(choice.excess)}
    np.savez(partial, probability=probability, chosen=np.array(choice.name), seen=np.array(json.dumps(seen)))
    partial.rename(path)


def _key(one: Task, rows: Table, *modules: Any, more: str = "") -> str:
    """Changes when the answers would: the task, the rows, the code; not with a number of a release."""
    said = f"{replace(one, version='')} {rows.x.shape} {float(np.nansum(rows.x[:, :3]))} {rows.y.sum()} {more}"
    digest = hashlib.sha256(said.encode())
    for module in modules:
        digest.update(Path(str(module.__file__)).read_bytes())
    return digest.hexdigest()[:12]


def _quiet(text: str, count: int) -> None:
    """Nobody is told of every row."""


def _nothing() -> None:
    """Nobody is told of every step."""
