"""What turns a graph's raw logits into probabilities, and where the model stops standing behind them.

Three ways to read K raw logits of one row, each first put through its own Platt slope and intercept:

    nested    the last is the log-odds of the outcome by the last horizon; each earlier one, of the outcome by
              its horizon given that it comes by the next: p24 = s(z2), p12 = p24 s(z1), p6 = p12 s(z0)
    chained   log-odds of the hazard of successive windows
    neither   log-odds of outcomes that have nothing to do with each other

In the first two, a longer horizon cannot be less likely than a shorter one. Everything is computed on the log
scale: a probability of 1e-30 and one of 1 - 1e-30 keep their log-odds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from inference.errors import GraphUnfit

Floats = NDArray[np.float64]
TINY: Final = float(np.finfo(np.float64).tiny)
HALF: Final = float(-np.log(2.0))


@dataclass(frozen=True, slots=True)
class Calibration:
    """calibration.json."""

    slope: Floats  # [K], Platt, one per raw logit
    intercept: Floats  # [K]
    chained: bool
    nested: bool
    logit_error: float  # standard error of the calibrated log-odds beyond the members' spread
    alpha: float  # class-conditional conformal error rate
    negative: float  # highest headline probability still ordinary for patients without the outcome
    positive: float  # lowest headline probability still ordinary for patients with it
    widen: tuple[float, float, float]  # added to the forecast's log quantiles
    base_rate: float

    def log_odds(self, raw: Floats) -> Floats:
        """Raw logits [...,K] to calibrated log-odds [...,H] of "by the end of horizon h"."""
        z = raw * self.slope + self.intercept
        if self.nested:
            return nest(z)
        return chain(z) if self.chained else z

    def apart(self, least: float, most: float) -> bool:
        """Whether of members' probabilities one is ordinary only without the outcome and another only with it."""
        return least < min(self.positive, self.negative) and most > max(self.positive, self.negative)

    def headline(self, raw: Floats) -> Floats:
        """Calibrated log-odds [...] of the last outcome, from its raw logit alone. Not for chained ones."""
        z: Floats = raw * self.slope[-1] + self.intercept[-1]
        return z


def calibration_of(data: Mapping[str, Any]) -> Calibration:
    """calibration.json, read. Raises GraphUnfit where it says that logits are both nested and chained."""
    chained, nested = bool(data.get("chained", False)), bool(data.get("nested", False))
    if chained and nested:
        raise GraphUnfit("calibration.json: raw logits are nested or chained, not both; release it again")
    low, middle, high = (float(value) for value in data["widen"])
    return Calibration(
        slope=np.asarray(data["slope"], dtype=np.float64),
        intercept=np.asarray(data["intercept"], dtype=np.float64),
        chained=chained,
        nested=nested,
        logit_error=float(data["logit_error"]),
        alpha=float(data["alpha"]),
        negative=float(data["negative"]),
        positive=float(data["positive"]),
        widen=(low, middle, high),
        base_rate=float(data["base_rate"]),
    )


def nest(z: Floats) -> Floats:
    """Log-odds of the last horizon, and of each earlier one given the next [...,K] -> log-odds of each."""
    happens = -np.logaddexp(0.0, -z)  # log s(z)
    by_then = np.cumsum(happens[..., ::-1], axis=-1)[..., ::-1]
    odds: Floats = by_then - _log_not(by_then)
    odds[..., -1] = z[..., -1]  # as it is: nothing to lose by going through the logarithm of a probability
    ordered: Floats = np.minimum.accumulate(odds[..., ::-1], axis=-1)[..., ::-1]  # to the last bit
    return ordered


def chain(z: Floats) -> Floats:
    """Hazard log-odds of successive windows [...,K] -> log-odds of "by the end of window k"."""
    log_free = np.cumsum(-np.logaddexp(0.0, z), axis=-1)  # log P(nothing yet)
    happened = np.maximum(-np.expm1(log_free), TINY)
    odds: Floats = np.log(happened) - log_free
    return odds


def sigmoid(z: Floats) -> Floats:
    """Log-odds to probability, without overflow."""
    out: Floats = 0.5 * (1.0 + np.tanh(0.5 * z))
    return out


def logit(p: Floats) -> Floats:
    """Probability to log-odds, held within about +-27.6 so that 0 and 1 have one."""
    held = np.clip(p, 1e-12, 1 - 1e-12)
    out: Floats = np.log(held) - np.log1p(-held)
    return out


def _log_not(log_p: Floats) -> Floats:
    """log(1 - p) of log p, exact at both ends; floored where p is 1 to the last digit."""
    rare = log_p < HALF
    common = np.log(np.maximum(-np.expm1(log_p), TINY))
    out: Floats = np.where(rare, np.log1p(-np.exp(np.minimum(log_p, HALF))), common)
    return out
