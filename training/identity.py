"""Can it be told which data set a row came from? From what was charted, and from what the network makes of it.

A straight line is asked, on half of the patients, after learning from the other half: 0.5 is chance. What a model
cannot tell it cannot lean on. Two questions: of rows as they are, and of rows charted as the other sets chart.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from inference.features import Layout
from training.learning import Hiding
from training.matrix import Table
from training.network import Ensemble, represented

MOST: Final = 4000  # rows of one data set
ALIKE: Final = "charted alike"


def told_apart(model: Ensemble, rows: Table, layout: Layout) -> dict[str, float]:
    """AUROC of the commonest data set against the next, by what is looked at; {} with a single set."""
    names, count = np.unique(rows.data_set[rows.reported], return_counts=True)
    if len(names) < 2:
        return {}
    pair = names[np.argsort(-count)[:2]]
    rng = np.random.default_rng(0)
    chosen = np.concatenate([_some(rows, name, rng) for name in pair])
    mine = rows.where(chosen)
    which = mine.data_set == pair[0]
    x, alike = mine.x, _alike(mine, layout)
    return {
        "what was charted": _told(~np.isnan(x), which, mine.patient),
        "representation": _told(represented(model, x), which, mine.patient),
        f"what was charted, {ALIKE}": _told(~np.isnan(alike), which, mine.patient),
        f"representation, {ALIKE}": _told(represented(model, alike), which, mine.patient),
        "headline": _told(_headline(model, x), which, mine.patient),
    }


def _some(rows: Table, name: str, rng: np.random.Generator) -> NDArray[np.intp]:
    mine = np.flatnonzero((rows.data_set == name) & rows.reported)
    return rng.choice(mine, min(MOST, len(mine)), replace=False)


def _alike(rows: Table, layout: Layout) -> NDArray[np.float32]:
    """The rows with whole variables hidden until both sets chart each as seldom as the other."""
    _, of_set = np.unique(rows.data_set, return_inverse=True)
    torch.manual_seed(0)
    hiding = Hiding(layout, rows.x, of_set, 2)
    own = torch.from_numpy(of_set)
    ratio = 1.0 - torch.clamp(hiding.charted[1 - own] / torch.clamp(hiding.charted[own], min=1e-6), max=1.0)
    gone = (torch.rand_like(ratio) < ratio).float() @ hiding.columns > 0
    found: NDArray[np.float32] = torch.from_numpy(rows.x).masked_fill(gone, float("nan")).numpy()
    return found


def _headline(model: Ensemble, x: NDArray[np.float32]) -> NDArray[np.float32]:
    from training.network import ask

    found: NDArray[np.float32] = ask(model, x)[0][:, :, -1].mean(axis=1, keepdims=True)
    return found


def _told(seen: NDArray[np.generic], which: NDArray[np.bool_], patient: NDArray[np.str_]) -> float:
    _, owner = np.unique(patient, return_inverse=True)
    half = np.random.default_rng(1).random(owner.max() + 1)[owner] < 0.5
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=300, class_weight="balanced"))
    model.fit(seen[half].astype(np.float32), which[half])
    return float(roc_auc_score(which[~half], model.decision_function(seen[~half].astype(np.float32))))
