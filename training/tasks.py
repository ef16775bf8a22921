"""The two runs: what each trains on, with what, and what is argued in writing.

Everything a reviewer would want to change is here, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from inference.assessment import TROPONIN, VENTILATION
from training.network import Shape
from training.readers import CHALLENGE_2012, CHALLENGE_2019, EICU

LEAK_LIMIT: Final = 0.75  # AUROC of presence alone, per input and data set
SEED: Final = 20261


@dataclass(frozen=True, slots=True)
class Growth:
    """How trees are grown. `least`: rows a leaf; `chance`: each split's threshold is drawn, not sought.

    `rows` and `columns`: shares that each tree sees. `bootstrap`: each booster is grown on its member's draw of
    patients; else on all, and only chance sets them apart. `narrow`: how the trees are grown that see the newest
    troponin's course alone, and have `share` of each member's log-odds.
    """

    rounds: int = 110
    rate: float = 0.07
    leaves: int = 12
    least: int = 150
    chance: bool = False
    bootstrap: bool = True
    rows: float = 0.7
    columns: float = 0.3
    narrow: Growth | None = None
    share: float = 0.0


@dataclass(frozen=True, slots=True)
class Task:
    """One model's run. `argued`: input -> why it stays although the leak scan names it.

    `growth` is of the forest, a booster a member; `tuned` of the single booster that the model must beat: each the
    best of those tried on the same folds.
    """

    name: str
    version: str
    outcomes: tuple[str, ...]
    hours: tuple[int, ...]
    data_sets: tuple[str, ...]
    inputs: tuple[str, ...]
    important: tuple[str, ...]
    shape: Shape
    kind: str  # of the network's head: "onset" or "trend"
    growth: Growth
    tuned: Growth
    alpha: float  # class-conditional conformal error rate: sets how much is called indeterminate
    argued: Mapping[str, str] = field(default_factory=dict)
    folds: int = 5


_VITALS: Final = ("hr", "sbp", "dbp", "map", "temp", "gcs", "rr", "spo2")
_GASES: Final = ("fio2", "ph", "pco2", "po2", "sao2", "lactate")
_LABS: Final = (
    *("creatinine", "bun", "urine", "sodium", "potassium", "bicarbonate", "glucose", "magnesium", "albumin"),
    *("bilirubin", "ast", "alt", "alp", "haematocrit", "platelets", "wbc"),
)

_COURSE_ALONE: Final = Growth(rounds=250, rate=0.05, leaves=12, least=40, columns=0.7)

TASKS: Final = (
    Task(
        name=VENTILATION,
        version="0.4.1",
        outcomes=("ventilation-6h", "ventilation-12h", "ventilation-24h"),
        hours=(6, 12, 24),
        data_sets=(CHALLENGE_2012, EICU),
        inputs=(*_VITALS, *_GASES, *_LABS, "care_unit", "course"),
        important=("rr", "spo2", "fio2", "hr", "sbp", "gcs", "temp", "ph", "pco2", "lactate", "creatinine"),
        shape=Shape(epochs=8, rate=1.5e-3),
        kind="onset",
        growth=Growth(rounds=150, rate=0.1, least=200, chance=True, bootstrap=False, rows=0.5, columns=0.2),
        tuned=Growth(rounds=300, rate=0.05, least=200, chance=True),
        alpha=0.30,
    ),
    Task(
        name=TROPONIN,
        version="0.5.1",
        outcomes=("troponin-rise-24h",),
        hours=(24,),
        data_sets=(CHALLENGE_2012, CHALLENGE_2019, EICU),
        inputs=(
            *("troponin_t", "troponin_i", "hs_troponin_t", "hs_troponin_i", "ck_mb"),
            *_VITALS,
            *_GASES,
            *_LABS,
            *("base_excess", "haemoglobin", "ptt", "phosphate", "calcium", "chloride"),
            *("care_unit", "hours_before_unit", "course", "hours_ahead"),
        ),
        important=("creatinine", "hr", "sbp", "haematocrit"),
        shape=Shape(epochs=12, batch=256, dropout=0.4),
        kind="trend",
        growth=Growth(150, 0.05, 24, 50, bootstrap=False, narrow=_COURSE_ALONE, share=0.35),
        tuned=Growth(rounds=180, rate=0.05, leaves=24, least=50),
        alpha=0.30,
    ),
)


def task(name: str) -> Task:
    """The task of this model name, or of its short name ("ventilation", "troponin"). Raises KeyError."""
    for found in TASKS:
        if name in (found.name, found.name.split("-")[0]):
            return found
    raise KeyError(name)
