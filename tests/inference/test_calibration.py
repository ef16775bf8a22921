"""Raw logits -> log-odds by horizon: ordered, and exact where probabilities have long run out of digits."""

from __future__ import annotations

from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.calibration import calibration_of, chain, nest, sigmoid
from inference.errors import GraphUnfit

SAID = {
    "slope": [0.9, 0.8, 0.7], "intercept": [0.1, -0.1, 0.2], "logit_error": 0.1, "alpha": 0.3,
    "negative": 0.2, "positive": 0.1, "widen": [0, 0, 0], "base_rate": 0.1,
}  # fmt: skip


def test_nested_probabilities_are_products_of_conditional_ones() -> None:
    z = np.random.default_rng(0).normal(0, 2, size=(200, 3))
    p = sigmoid(z)
    expected = np.stack([p[:, 2] * p[:, 1] * p[:, 0], p[:, 2] * p[:, 1], p[:, 2]], axis=1)
    np.testing.assert_allclose(sigmoid(nest(z)), expected, rtol=1e-12)


def test_the_last_horizon_is_its_raw_logit_to_the_last_bit() -> None:
    z = np.random.default_rng(0).normal(0, 30, size=(200, 3))
    assert (nest(z)[:, -1] == z[:, -1]).all()


@pytest.mark.parametrize(
    ("z", "expected"),
    [
        ((0.0, -60.0, -60.0), (-120.0 - log(2), -120.0, -60.0)),  # exp(-120) beside 1
        ((40.0, 40.0, 40.0), (40.0 - log(3), 40.0 - log(2), 40.0)),  # 1 - p is 1e-17: p itself is 1
        ((0.0, 800.0, 40.0), (0.0, 40.0, 40.0)),
        ((0.0, 0.0, 800.0), (-log(3), 0.0, 800.0)),
    ],
)
def test_log_odds_stay_exact_where_probabilities_are_0_or_1(
    z: tuple[float, ...], expected: tuple[float, ...]
) -> None:
    assert nest(np.array(z)) == pytest.approx(expected, rel=1e-12, abs=1e-12)


@given(st.lists(st.floats(-1e4, 1e4), min_size=3, max_size=3))
def test_a_longer_horizon_is_never_less_likely(z: list[float]) -> None:
    nested, chained = nest(np.array(z)), chain(np.array(z))
    assert np.isfinite(nested).all()
    assert np.isfinite(chained).all()
    assert (np.diff(nested) >= 0).all()
    assert (np.diff(sigmoid(chained)) >= -1e-12).all()


def test_platt_scaling_comes_before_nesting_and_chaining() -> None:
    raw = np.random.default_rng(0).normal(size=(20, 5, 3))
    z = raw * np.array(SAID["slope"]) + np.array(SAID["intercept"])
    for key, expected in (("nested", nest(z)), ("chained", chain(z)), ("", z)):
        found = calibration_of({**SAID, key: True})
        np.testing.assert_array_equal(found.log_odds(raw), expected)
        if key != "chained":
            np.testing.assert_array_equal(found.headline(raw[..., -1]), expected[..., -1])


def test_logits_that_are_said_to_be_both_nested_and_chained_are_refused() -> None:
    with pytest.raises(GraphUnfit, match="not both"):
        calibration_of({**SAID, "nested": True, "chained": True})
