"""The gate's figures, from labelled outcomes: patient-days, rates with intervals, subgroups.

A patient-day is one patient on one calendar day of the site's zone with at least one settled answer. It is
positive if any of its answers is followed by the outcome ("yes"), and caught if one of *those* reaches the
threshold; otherwise it is negative, and a false alarm if any answer reaches it. An answer the model does not stand
behind raises no alarm: where it was the only one of a positive day, that day was missed. "early" and "unknown"
are in no figure and are counted apart.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, tzinfo
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from governance.intervals import Rate, rates
from governance.outcomes import EARLY, NO, UNKNOWN, YES, Labelled
from governance.tables import TRAITS

SEED: Final = 20261125  # of the bootstrap; stands with every figure, so that it can be made again
NEVER: Final = -1.0  # what an answer without a number it stands behind reaches
ASSESSED: Final = "assessed"
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Days:
    """Patient-days as arrays: `patient` counts the patients up, `top` is the day's highest probability and
    `followed` the highest of an answer that the outcome followed; `answer_patient` and `answer` are each answer's.
    """

    patient: Ints
    positive: NDArray[np.bool_]
    top: Floats
    followed: Floats
    answer_patient: Ints
    answer: Floats
    traits: tuple[tuple[str, ...], ...]  # of each patient, in TRAITS' order; "" where not known
    dates: tuple[date, ...]  # with at least one settled answer, in order
    early: int
    unknown: int
    indeterminate: int

    @property
    def patients(self) -> int:
        """How many there are."""
        return len(self.traits)


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


class Gathering:
    """Patient-days as rows stream by: what is held grows with patient-days and answers, never with whole rows."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._counted: Counter[str] = Counter()
        self._whose: dict[str, int] = {}
        self._traits: list[tuple[str, ...]] = []
        self._found: dict[tuple[int, date], list[float]] = {}  # followed?, top, followed's top
        self._patient, self._said = array("q"), array("d")

    def add(self, row: Labelled) -> None:
        """Count one row; rows need no order."""
        self._counted[row.label] += 1
        if row.label not in (YES, NO):
            return
        patient = self._whose.setdefault(row.pseudonym, len(self._traits))
        if patient == len(self._traits):
            self._traits.append(tuple(getattr(row, name) for name in TRAITS))
        said = reached(row)
        self._counted["indeterminate"] += said == NEVER
        day = self._found.setdefault((patient, row.as_of.astimezone(self._zone).date()), [0.0, NEVER, NEVER])
        day[1] = max(day[1], said)
        if row.label == YES:
            day[0], day[2] = 1.0, max(day[2], said)
        self._patient.append(patient)
        self._said.append(said)

    def days(self) -> Days:
        """What was gathered, as arrays."""
        found = [(patient, *day) for (patient, _), day in self._found.items()]
        each = np.array(found, float).reshape(-1, 4)
        return Days(
            patient=each[:, 0].astype(np.int64),
            positive=each[:, 1] > 0,
            top=each[:, 2],
            followed=each[:, 3],
            answer_patient=np.array(self._patient, np.int64),
            answer=np.array(self._said, float),
            traits=tuple(self._traits),
            dates=tuple(sorted({day for _, day in self._found})),
            early=self._counted[EARLY],
            unknown=self._counted[UNKNOWN],
            indeterminate=self._counted["indeterminate"],
        )


def reached(row: Labelled) -> float:
    """The probability of an answer the model stands behind; NEVER for any other."""
    stands = row.status == ASSESSED and row.probability is not None
    return row.probability if stands and row.probability is not None else NEVER


def days_of(rows: Iterable[Labelled], zone: tzinfo) -> Days:
    """The patient-days of `rows`, read once; they need no order."""
    gathering = Gathering(zone)
    for row in rows:
        gathering.add(row)
    return gathering.days()


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
