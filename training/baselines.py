"""What the ensemble has to beat, on the same rows of the same folds: trees, and a straight line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import lightgbm
import numpy as np
from numpy.typing import NDArray
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

Fit = Callable[
    [NDArray[np.float32], NDArray[np.bool_], NDArray[np.float32]], NDArray[np.float64]
]  # x, y of training, x of test -> probabilities

TREES: Final[Mapping[str, Any]] = {
    "n_estimators": 150,
    "learning_rate": 0.06,
    "num_leaves": 12,
    "min_child_samples": 200,
    "subsample": 0.7,
    "subsample_freq": 1,
    "colsample_bytree": 0.3,
    "reg_lambda": 20.0,
    "max_bin": 63,
    "verbose": -1,
    "random_state": 1,
    "deterministic": True,
    "force_row_wise": True,
}


def trees(threads: int) -> Fit:
    """LightGBM, strongly regularised, set by hand once: no search over the rows it is judged on."""

    def fit(x: NDArray[np.float32], y: NDArray[np.bool_], test: NDArray[np.float32]) -> NDArray[np.float64]:
        booster = lightgbm.LGBMClassifier(**TREES, n_jobs=threads).fit(x, y)
        return np.asarray(booster.booster_.predict(test), dtype=np.float64)

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
