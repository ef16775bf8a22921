"""Invented moments to compare contenders on: two data sets, each patient asked about several times."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from inference.features import Layout


@dataclass(frozen=True)
class Moments:
    """The columns the comparison reads."""

    x: NDArray[np.float32]
    y: NDArray[np.bool_]
    too_soon: NDArray[np.bool_]
    reported: NDArray[np.bool_]
    landmark: NDArray[np.float32]
    change: NDArray[np.float32]
    value: NDArray[np.float32]
    data_set: NDArray[np.str_]
    stay: NDArray[np.str_]
    patient: NDArray[np.str_]
    site: NDArray[np.str_]
    sex: NDArray[np.str_]
    ethnicity: NDArray[np.str_]
    analyte: NDArray[np.str_]
    onset: NDArray[np.float32]
    end: NDArray[np.float32]
    ahead: NDArray[np.float32]
    first: NDArray[np.bool_]
    news2: NDArray[np.float32]
    rox: NDArray[np.float32]
    rule: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.x)

    @property
    def age(self) -> NDArray[np.float32]:
        return self.x[:, 0]

    def where(self, keep: NDArray[Any]) -> Self:
        return type(self)(**{item.name: getattr(self, item.name)[keep] for item in fields(self)})


@dataclass(frozen=True)
class Said:
    """What the model said of them: the part of a run's calibrated answers that is compared."""

    probability: NDArray[np.float64]
    forecast: NDArray[np.float64]
    doubtful: NDArray[np.bool_]
    indeterminate: dict[str, Any]


def moments(layout: Layout, stays: int = 300, *, trend: bool = False, seed: int = 0) -> tuple[Moments, Said]:
    """Five moments a stay, of which the first only trains; the sicker a stay, the sooner its onset."""
    rng = np.random.default_rng(seed)
    each = np.repeat(np.arange(stays), 5)
    hour = np.tile([2.0, 4, 8, 12, 24], stays)
    sick = rng.normal(-1.0, 1.3, stays)[each]
    when = np.where(rng.random(stays) < 0.45, rng.uniform(3, 60, stays) - 6 * sick[::5], np.nan)[each]
    onset = when - hour
    seen = ~(onset <= 0)
    each, hour, sick, onset = each[seen], hour[seen], sick[seen], onset[seen]
    rows = len(each)
    x = np.full((rows, len(layout.names)), np.nan, np.float32)
    x[:, 0] = rng.uniform(20, 88, stays)[each]
    y = np.stack([(onset > 1) & (onset <= h) for h in ((24,) if trend else (6, 12, 24))], axis=1)
    first, value = np.zeros(rows, dtype=bool), np.full(rows, np.nan)
    if trend:
        drawn = np.searchsorted([2, 4, 8, 12], hour)
        x[:, layout.column("troponin_t", "count")] = drawn
        first, value = drawn == 0, np.where(drawn == 0, np.nan, rng.normal(4, 1, rows))
    change = rng.normal(0.1, 0.4, rows)
    sets = np.where(each % 4, "challenge-2012", "eicu-demo")
    named = np.char.add("s", each.astype(str))
    rare = np.where(each % 9, 20.0 - 3 * sick + rng.normal(0, 2, rows), np.nan)  # a low ROX is a bad sign
    made = Moments(
        x=x, y=y, too_soon=onset <= 1, reported=hour > 2, landmark=hour.astype(np.float32),
        change=change.astype(np.float32), value=value.astype(np.float32), data_set=sets, stay=named,
        patient=np.char.add(np.char.add(sets, "/"), (each // 2).astype(str)),
        site=np.char.add(np.char.add(sets, "/"), np.where(sets == "eicu-demo", each % 3, 0).astype(str)),
        sex=np.where(each % 3, "female", "male"), ethnicity=np.where(each % 5, "A", ""),
        analyte=np.where(trend, "troponin_t", np.repeat("", rows)),
        onset=np.where(trend, np.nan, onset).astype(np.float32), end=(60 - hour).astype(np.float32),
        ahead=rng.uniform(1, 20, rows).astype(np.float32), first=first,
        news2=np.where(trend, np.nan, np.round(5 + sick + rng.normal(0, 1, rows))).astype(np.float32),
        rox=np.where(trend, np.nan, rare).astype(np.float32),
        rule=np.where(trend & ~first, np.where(sick > 0, "rise", "no-rise"), np.repeat("", rows)),
    )  # fmt: skip
    p = 1 / (1 + np.exp(-(sick - 0.4 + rng.normal(0, 0.4, rows))))
    aim = np.where(first, 4.0, value) + np.where(first, 0, change)
    middle = aim + rng.normal(0, 0.3, rows)
    quantiles = np.stack([middle - 0.4, middle, middle + 0.4], axis=1) if trend else np.zeros((rows, 0))
    heads = np.stack([p / 3, p / 2, p][-y.shape[1] :], axis=1)
    return made, Said(heads, quantiles, np.abs(p - 0.4) < 0.1, {"share": 0.2})
