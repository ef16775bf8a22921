"""What the ensemble has to beat, on the same rows of the same folds: trees, and a straight line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import lightgbm
import numpy as np
from numpy.typing import NDArray
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from training.forest import BINS, settings
from training.tasks import Growth

Fit = Callable[
    [NDArray[np.float32], NDArray[np.bool_], NDArray[np.float32], NDArray[np.float64]], NDArray[np.float64]
]  # x, y of training, x of test, log-odds of each training row's data set -> probabilities

SEED: Final = 1


def trees(threads: int, growth: Growth) -> Fit:
    """One LightGBM booster, its settings the best of those tried on the same folds; as honest as the network's."""

    def fit(
        x: NDArray[np.float32], y: NDArray[np.bool_], test: NDArray[np.float32], offset: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        data = lightgbm.Dataset(x, y, init_score=offset, params={"max_bin": BINS})
        booster = lightgbm.train(
            {**settings(growth), "seed": SEED, "num_threads": threads}, data, growth.rounds
        )
        raw = np.asarray(booster.predict(test, raw_score=True), dtype=np.float64)
        p: NDArray[np.float64] = 1.0 / (1.0 + np.exp(-raw - np.log(y.mean() / (1.0 - y.mean()))))
        return p

    return fit


def line(x: NDArray[np.float32], y: NDArray[np.bool_], test: NDArray[np.float32]) -> NDArray[np.float64]:
    """Logistic regression on medians for what is missing, with an indicator for it."""
    model = make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True),
        StandardScaler(),
        LogisticRegression(C=0.003, max_iter=200),
    )
    model.fit(np.clip(x, -1e6, 1e6), y)
    return np.asarray(model.predict_proba(np.clip(test, -1e6, 1e6))[:, 1], dtype=np.float64)
