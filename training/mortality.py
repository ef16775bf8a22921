"""In-hospital mortality from the first 48 h of Challenge 2012: how the encoder stands beside the published record.

No product: nothing of it is released. Set a trains, set b is asked once; pretraining sees set a alone. RespRate is not
read here either, which costs a little.
"""

from __future__ import annotations

import csv
import json
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from inference.features import features, layout_for
from training import forest, learning, measure, network, outlook
from training.export import mix
from training.forest import grow
from training.learning import Examples, fit, pretrain
from training.matrix import code_key
from training.network import Ensemble, Shape, ask, raw_columns
from training.readers import CHALLENGE_2012, START, DataMissing, Stay, Tally, readers, require
from training.readers.challenge2012 import COLUMNS, ORIGIN
from training.tasks import SEED, Growth, task

if TYPE_CHECKING:
    from training.run import Bench

SET: Final = 4000  # stays in each archive
DIED: Final = "In-hospital_death"
PUBLISHED: Final = {"auroc": 0.870, "auprc": 0.555, "who": "CareRisk-48H, the best public record found on set b"}
SHAPE: Final = Shape(epochs=8, batch=128, rate=1.5e-3, dressed=0.0, foretelling=4)
GROWTH: Final = Growth(rounds=200, rate=0.05, least=30, bootstrap=False)
SHARE: Final = 0.6
"""Both the best of a few tried within set a."""


def compare(bench: Bench) -> dict[str, Any]:
    """Figures on set b, beside the published record; why there are none without the outcome files. Cached."""
    key = code_key(task("ventilation"), CHALLENGE_2012, bench.data)
    code = "".join(str(hash_of(module)) for module in (network, learning, forest, outlook))
    path = bench.cache / f"mortality-{key}-{code}.json"
    if not path.exists():
        bench.say("mortality, set a to set b")
        try:
            made = _compare(bench)
        except DataMissing as missing:
            return {"left_out": missing.args[0].split(". ")[-1]}
        path.write_text(json.dumps(made))
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def hash_of(module: Any) -> str:
    """Eight characters that change with a module's text."""
    import hashlib
    from pathlib import Path

    return hashlib.sha256(Path(module.__file__).read_bytes()).hexdigest()[:8]


def _compare(bench: Bench) -> dict[str, Any]:
    import torch

    inputs = (*dict.fromkeys(column.variable for column in COLUMNS.values()), "care_unit", "course")
    layout = layout_for(inputs, "mortality")
    died = {**_outcomes(bench, "a"), **_outcomes(bench, "b")}
    stays = (bench.known or readers())[CHALLENGE_2012](bench.data, Tally())
    x, seen, names = [], [], []
    for index, stay in enumerate(stays):
        x.append(features(stay.record.at(START + timedelta(hours=48)), layout))
        names.append(stay.record.patient)
        if index < SET:
            seen.append(stay)
        bench.advance("mortality: reading", 1)
    rows = np.stack(x)
    y = np.array([died[name] for name in names])
    train, test = np.arange(len(rows)) < SET, np.arange(len(rows)) >= SET
    torch.manual_seed(SEED)
    model = Ensemble(layout, rows[train], SHAPE, "plain")
    tick = lambda: bench.advance("mortality", 1)  # noqa: E731
    pretrain(model, _moments(seen, layout), layout, SEED, tick)
    nothing = np.full(int(train.sum()), np.nan, np.float32)
    examples = Examples(
        rows[train], y[train], nothing, nothing, nothing, np.array(names)[train], np.full(int(train.sum()), "a")
    )
    fit(model, examples, layout, SEED, tick)
    trees = grow(model, examples, layout, SEED, bench.threads, tick, GROWTH)
    logits, values = ask(model, rows[test])
    given = trees.logits(raw_columns(model, rows[test]))
    blended, _ = mix(logits, values, given, None, SHARE)
    patient = np.array(names)[test]
    return {
        "question": "death in hospital, from the first 48 h; trained on set a, set b asked once",
        "published": PUBLISHED,
        "sequence": _figures(y[test], logits, patient),
        "forest": _figures(y[test], given[:, :, None], patient),
        "model": _figures(y[test], blended, patient),
    }


def _figures(y: NDArray[np.bool_], logits: NDArray[np.float32], patient: NDArray[np.str_]) -> dict[str, Any]:
    p = 1 / (1 + np.exp(-logits[:, :, -1].mean(axis=1)))
    return measure.figures(y, p, patient)


def _moments(stays: list[Stay], layout: Any) -> outlook.Outlook:
    x, after, patient, site = zip(*outlook._rows(islice(stays, SET), layout), strict=True)
    return outlook.Outlook(
        np.stack(x), np.stack(after), np.full(len(x), CHALLENGE_2012), np.array(patient), np.array(site)
    )


def _outcomes(bench: Bench, letter: str) -> dict[str, bool]:
    path = require(bench.data / "physionet2012" / f"Outcomes-{letter}.txt", ORIGIN)
    with path.open(newline="") as file:
        return {row["RecordID"]: row[DIED] == "1" for row in csv.DictReader(file)}
