"""Answers to every row by models that saw neither the row's patient nor, for eICU, its hospital.

Each fold's answers are kept, keyed by the code and the rows they were made of: a run that was cut resumes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from inference.assessment import TROPONIN
from inference.features import ASKED, Layout
from training import baselines, forest, identity, learning, network
from training.export import mix
from training.forest import base, grow
from training.learning import Examples, fit, pretrain
from training.matrix import Table
from training.network import Ensemble, ask, raw_columns
from training.outlook import Outlook
from training.readers import EICU
from training.tasks import SEED, Growth, Task

if TYPE_CHECKING:
    from training.run import Bench

Rows = NDArray[np.float32]
SHARES: Final = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
WITHOUT_FIO2: Final = "trees without FiO2"


@dataclass(frozen=True, slots=True)
class Fold:
    """What a fold's models may see."""

    rows: Table
    seen: Outlook


@dataclass(frozen=True, slots=True)
class Answers:
    """Raw answers to all N rows, out of fold."""

    fold: NDArray[np.int_]
    logits: Rows  # [N,M,K] of the network alone
    values: Rows  # [N,3] or [N,0]
    trees: Rows  # [N,M] of the forest
    middle: Rows  # [N] the trees' forecast, or NaN
    baseline: Mapping[str, NDArray[np.float64]]
    apart: Mapping[str, float]
    stated: Mapping[str, Any]

    def blended(self, share: float) -> tuple[Rows, Rows]:
        """Logits and forecast of network and forest together."""
        return mix(self.logits, self.values, self.trees, self.middle if self.values.shape[1] else None, share)


def folds(rows: Table, count: int) -> NDArray[np.int_]:
    """Fold of each row: by hospital in eICU, by patient elsewhere, shuffled with a fixed seed.

    Hospitals between which a patient moved stay together: no patient may be in two folds.
    """
    fold = np.zeros(len(rows), dtype=np.int_)
    for data_set in np.unique(rows.data_set):
        mine = rows.data_set == data_set
        owner = _linked(rows.site[mine], rows.patient[mine]) if data_set == EICU else rows.patient[mine]
        names, index = np.unique(owner, return_inverse=True)
        fold[mine] = np.random.default_rng(SEED).permutation(np.arange(len(names)) % count)[index]
    return fold


def _linked(site: NDArray[np.str_], patient: NDArray[np.str_]) -> NDArray[np.str_]:
    """Each row's site, sites that share a patient under one name."""
    site = site.copy()
    for name in np.unique(patient):
        shared = np.unique(site[patient == name])
        site[np.isin(site, shared[1:])] = shared[0]
    return site


def out_of_fold(
    rows: Table, seen: Outlook, layout: Layout, task: Task, fold: NDArray[np.int_], bench: Bench
) -> Answers:
    """Answers of the network, the forest and every baseline, each fold by models trained on the others."""
    found = [_kept(rows, seen, layout, task, fold, part, bench) for part in range(task.folds)]
    gathered: dict[str, Any] = {}
    for name in found[0]:
        if name.startswith("apart:") or name.startswith("stated:"):
            continue
        whole = np.zeros((len(rows), *found[0][name].shape[1:]), found[0][name].dtype)
        for part, answer in enumerate(found):
            whole[fold == part] = answer[name]
        gathered[name] = whole
    baseline = {name[5:]: gathered.pop(name) for name in list(gathered) if name.startswith("base:")}
    apart = _averaged(found, "apart:")
    return Answers(fold=fold, baseline=baseline, apart=apart, stated=_stated(rows, gathered, fold), **{
        name: gathered[name] for name in ("logits", "values", "trees", "middle")
    })  # fmt: skip


def share_of(rows: Table, answers: Answers) -> float:
    """The trees' share of the log-odds that makes the out-of-fold answers likeliest, every data set counting alike."""
    from training.measure import platt

    told = rows.reported & ~rows.too_soon
    losses = []
    for share in SHARES:
        z = answers.blended(share)[0][:, :, -1].mean(axis=1)
        loss = 0.0
        for name in np.unique(rows.data_set):
            mine = told & (rows.data_set == name)
            y = rows.y[mine, -1]
            if min(y.sum(), (~y).sum()) < 10:
                continue
            slope, intercept = platt(z[mine], y)
            loss += float(
                np.logaddexp(0.0, np.where(y, -1.0, 1.0) * (slope * z[mine] + intercept)).mean() / y.std()
            )
        losses.append(loss)
    return SHARES[int(np.argmin(losses))]


def _kept(
    rows: Table, seen: Outlook, layout: Layout, task: Task, fold: NDArray[np.int_], part: int, bench: Bench
) -> dict[str, Any]:
    path = bench.cache / f"{task.name}-fold-{part}-{_key(rows, task, fold)}.npz"
    if not path.exists():
        made = _asked(rows, seen, layout, task, fold, part, bench)
        partial = path.with_suffix(".partial.npz")
        np.savez(partial, **made)
        partial.rename(path)
    bench.say(f"fold {part + 1} of {task.folds}: done")
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def _asked(
    rows: Table, seen: Outlook, layout: Layout, task: Task, fold: NDArray[np.int_], part: int, bench: Bench
) -> dict[str, Any]:
    """One fold: train on the others, answer this one's rows."""
    import torch

    train, test = (fold != part) & ~rows.too_soon, fold == part
    learned, asked, seed = rows.where(train), rows.where(test), SEED + part
    tick = lambda: bench.advance(f"fold {part + 1} of {task.folds}", 1)  # noqa: E731
    bench.say(f"fold {part + 1} of {task.folds}: network")
    torch.manual_seed(seed)
    model = Ensemble(layout, learned.x, task.shape, task.kind)
    pretrain(model, unseen(seen, asked), layout, seed, tick)
    examples = Examples.of(learned)
    fit(model, examples, layout, seed, tick)
    logits, values = ask(model, asked.x)
    bench.say(f"fold {part + 1} of {task.folds}: forest")
    trees = grow(model, examples, layout, seed, bench.threads, tick, task.growth)
    raw = raw_columns(model, asked.x)
    made: dict[str, Any] = {"logits": logits, "values": values, "trees": trees.logits(raw)}
    made["middle"] = (
        trees.moved(raw) + base(model, asked.x) if model.trend else np.full(len(raw), np.nan, np.float32)
    )
    bench.say(f"fold {part + 1} of {task.folds}: baselines")
    made |= _baselines(model, examples, asked, learned, bench.threads, task.tuned)
    made |= {
        f"apart:{name}": np.array(value) for name, value in identity.told_apart(model, asked, layout).items()
    }
    if task.name == TROPONIN:
        told = asked.x.copy()
        told[:, [layout.players[name][0] for name in ASKED if name in layout.players]] = asked.ahead[:, None]
        again, forecast = ask(model, told)
        raw = raw_columns(model, told)
        made["told_logits"], made["told_trees"] = again, trees.logits(raw)
        made["told_values"], made["told_middle"] = forecast, trees.moved(raw) + base(model, told)
    return made


def unseen(seen: Outlook, asked: Table) -> Outlook:
    """Pretraining's rows without the patients, and in eICU the hospitals, that will be asked about."""
    hospitals = np.unique(asked.site[asked.data_set == EICU])
    return seen.where(~np.isin(seen.patient, np.unique(asked.patient)) & ~np.isin(seen.site, hospitals))


def _baselines(
    model: Ensemble, examples: Examples, asked: Table, learned: Table, threads: int, tuned: Growth
) -> dict[str, Any]:
    """Trees, trees without FiO2, and a straight line, on the columns the forest has."""
    x, test = raw_columns(model, examples.x), raw_columns(model, asked.x)
    offset = forest.offsets_of(examples)
    trees = baselines.trees(threads, tuned)
    found = {"base:trees": trees(x, examples.y, test, offset)}
    names = model.names
    without = [i for i, column in enumerate(model.rest) if not names[column].startswith("fio2:")]
    without += [
        len(model.rest) + i
        for i, (a, b) in enumerate(zip(model.over, model.under, strict=True))
        if not names[a].startswith("fio2:") and not names[b].startswith("fio2:")
    ]
    if model.kind == "onset":
        found[f"base:{WITHOUT_FIO2}"] = trees(x[:, without], examples.y, test[:, without], offset)
    told = learned.reported  # a line gains nothing from every hour
    found["base:line"] = baselines.line(x[told], examples.y[told], test)
    return found


def _stated(rows: Table, gathered: dict[str, Any], fold: NDArray[np.int_]) -> dict[str, Any]:
    """What knowing the time of the next draw is worth: the same rows, asked with it. Uncalibrated ranking."""
    from training.measure import figures

    if "told_logits" not in gathered:
        return {}
    found = {}
    pairs = {"not stated": ("logits", "values", "trees", "middle"),
             "stated": ("told_logits", "told_values", "told_trees", "told_middle")}  # fmt: skip
    for name in np.unique(rows.data_set):
        mine = rows.reported & (rows.data_set == name)
        if min(rows.y[mine, -1].sum(), (~rows.y[mine, -1]).sum()) < 10:
            continue
        said = {}
        for label, keys in pairs.items():
            logits, values, trees, middle = (gathered[key][mine] for key in keys)
            z, v = mix(logits, values, trees, middle, 0.5)
            p = 1 / (1 + np.exp(-z[:, :, -1].mean(axis=1)))
            shown = figures(rows.y[mine, -1], p)
            said[label] = {key: shown[key] for key in ("auroc", "auprc")}
            said[label]["mae_log"] = round(float(np.abs(rows.aim[mine] - v[:, 1]).mean()), 4)
        found[str(name)] = said
    return found


def _averaged(found: list[dict[str, Any]], prefix: str) -> dict[str, float]:
    names = [name for name in found[0] if name.startswith(prefix)]
    return {
        name[len(prefix) :]: round(float(np.mean([answer[name] for answer in found if name in answer])), 4)
        for name in names
    }


def _key(rows: Table, task: Task, fold: NDArray[np.int_]) -> str:
    digest = hashlib.sha256(
        f"{task} {rows.x.shape} {float(np.nansum(rows.x[:, :3]))} {rows.y.sum()}".encode()
    )
    digest.update(fold.tobytes())
    for module in (network, learning, forest, baselines, identity):
        digest.update(Path(str(module.__file__)).read_bytes())
    digest.update(Path(__file__).read_bytes())
    return digest.hexdigest()[:16]
