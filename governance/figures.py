"""The gate's figures, from labelled outcomes: patient-days, rates with intervals, subgroups.

A patient-day is one patient on one calendar day of the site's zone with at least one settled answer. It is
positive if any of its answers is followed by the outcome ("yes"), and caught if one of *those* reaches the
threshold; otherwise it is negative, and a false alarm if any answer reaches it. An answer the model does not stand
behind raises no alarm: where it was the only one of a positive day, that day was missed. "early" and "unknown"
are in no figure and are counted apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from governance.intervals import Rate, rates
from governance.patient_days import Days, Floats
from governance.tables import TRAITS

SEED: Final = 20261125  # of the bootstrap; stands with every figure, so that it can be made again


@dataclass(frozen=True, slots=True)
class Group:
    """One subgroup's false-negative rate, over positive patient-days."""

    trait: str
    value: str
    missed: Rate


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything the gate weighs, at one threshold. `alarms` is a count per patient-day and may exceed 1."""

    threshold: float
    patients: int
    patient_days: int
    days: int  # calendar days
    positives: int  # positive patient-days
    answers: int
    indeterminate: int
    early: int
    unknown: int
    sensitivity: Rate
    false_by_day: Rate  # 1 - specificity per assessed patient-day
    false_by_alarm: Rate  # 1 - PPV: alarmed patient-days that the outcome did not follow
    alarms: Rate
    groups: tuple[Group, ...]
    seed: int


def figures(days: Days, threshold: float, *, smallest: int = 10, seed: int = SEED) -> Figures:
    """The figures at `threshold`; subgroups with fewer than `smallest` positive patients are left out."""
    counts, of = per_patient(days, threshold)
    caught, false, wrong, alarms = rates(counts[:, :3], of[:, :3], seed=seed) + rates(
        counts[:, 3:], of[:, 3:], seed=seed, bounded=False
    )
    return Figures(
        threshold=threshold,
        patients=days.patients,
        patient_days=len(days.patient),
        days=len(days.dates),
        positives=int(days.positive.sum()),
        answers=len(days.answer),
        indeterminate=days.indeterminate,
        early=days.early,
        unknown=days.unknown,
        sensitivity=caught,
        false_by_day=false,
        false_by_alarm=wrong,
        alarms=alarms,
        groups=_groups(days, of[:, 0] - counts[:, 0], of[:, 0], smallest, seed),
        seed=seed,
    )


def per_patient(days: Days, threshold: float) -> tuple[Floats, Floats]:
    """Numerators and denominators of the four rates, one row a patient."""
    positive, alarmed = days.positive, days.top >= threshold
    caught = positive & (days.followed >= threshold)
    counts = [caught, ~positive & alarmed, alarmed & ~caught]
    of = [positive, ~positive, alarmed, np.ones_like(positive)]
    alarms = np.bincount(days.answer_patient[days.answer >= threshold], minlength=days.patients)
    return (
        np.column_stack([*(_summed(days, each) for each in counts), alarms.astype(float)]),
        np.column_stack([_summed(days, each) for each in of]),
    )


def _summed(days: Days, flags: Any) -> Floats:
    return np.bincount(days.patient, weights=flags, minlength=days.patients).astype(float)


def _groups(days: Days, missed: Floats, positive: Floats, smallest: int, seed: int) -> tuple[Group, ...]:
    groups = []
    for place, trait in enumerate(TRAITS):
        values = np.array([traits[place] for traits in days.traits], dtype=object)
        for value in sorted({each for each in values if each}):
            some = values == value
            if int((positive[some] > 0).sum()) >= smallest:
                (rate,) = rates(missed[some, None], positive[some, None], seed=seed)
                groups.append(Group(trait, value, rate))
    return tuple(groups)
