"""Audits: whether the model is as good for some as for others. Rates by group, with intervals, small cells hidden.

For each trait and value: missed (false negatives of positive patient-days), falsely alarmed (of negative ones),
answers sent to a person, and observed against expected. A cell with fewer than `smallest` patients behind its
denominator is suppressed, and so are further ones of the same trait while the total less those shown would tell of
one group alone or of fewer than `smallest` patients. The four-fifths ratio is of sensitivity, each group's to the
best group's: below 0.8 is a question to answer, not a proof. Patients whose value is not known are a group of their
own, never left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import tzinfo
from math import exp, sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

from governance.figures import SEED, per_patient
from governance.intervals import Rate, rates
from governance.outcomes import Labelled
from governance.patient_days import NEVER, Answers, Days, Floats, Gathering
from governance.series import Case
from governance.tables import TRAITS

AUDITED: Final = tuple(trait for trait in TRAITS if trait != "care_unit")
SMALLEST: Final = 10  # patients behind a denominator
FOUR_FIFTHS: Final = 0.8
UNKNOWN: Final = ""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Observed outcomes, expected by the probabilities, and their ratio with its 95 % interval."""

    cases: int
    observed: int
    expected: float
    ratio: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Cell:
    """One value of one trait. A figure is None where its cell is suppressed or has nothing to count.

    `four_fifths` is this group's sensitivity over the best group's, `fifths_low` and `fifths_high` its 95 % interval
    (Katz and others 1978, a patient a trial); the best group has none. `value` is "" for patients not known.
    """

    trait: str
    value: str
    patients: int | None
    missed: Rate | None
    false_alarms: Rate | None
    indeterminate: Rate | None
    calibration: Calibration | None
    four_fifths: float | None = None
    fifths_low: float | None = None
    fifths_high: float | None = None


@dataclass(frozen=True, slots=True)
class Audit:
    """Every cell at one threshold; `below` are those under four fifths, the question of the week."""

    threshold: float
    smallest: int
    cells: tuple[Cell, ...]

    @property
    def below(self) -> tuple[Cell, ...]:
        """The cells whose sensitivity is below four fifths of the best group's."""
        return tuple(
            cell for cell in self.cells if cell.four_fifths is not None and cell.four_fifths < FOUR_FIFTHS
        )


class Auditing:
    """An audit as rows stream by, oldest first: what is held grows with answers, never with whole rows."""

    def __init__(self, zone: tzinfo) -> None:
        self._gathering = Gathering(zone)

    def add(self, row: Labelled) -> None:
        """Count one settled prediction in each of its groups; one that is not settled is in none."""
        self._gathering.add(row)

    def found(self, threshold: float, *, smallest: int = SMALLEST, seed: int = SEED) -> Audit:
        """The audit at `threshold` of what was added."""
        answers, cells = self._gathering.answers(), list[Cell]()
        for trait in AUDITED:
            groups = answers.by(trait)
            if set(groups) - {UNKNOWN}:
                cells += _trait(trait, groups, threshold, smallest, seed)
        return Audit(threshold, smallest, tuple(cells))


def audit(
    rows: Iterable[Labelled], zone: tzinfo, threshold: float, *, smallest: int = SMALLEST, seed: int = SEED
) -> Audit:
    """The audit of settled predictions, oldest first, at `threshold`."""
    auditing = Auditing(zone)
    for row in rows:
        auditing.add(row)
    return auditing.found(threshold, smallest=smallest, seed=seed)


def _counts(answers: Answers, days: Days, threshold: float) -> tuple[Floats, Floats]:
    """Numerators and denominators by patient: missed days, false alarm days, answers sent to a person."""
    count, of = per_patient(days, threshold)
    sent = np.bincount(days.answer_patient, weights=answers.said == NEVER, minlength=days.patients)
    every = np.bincount(days.answer_patient, minlength=days.patients).astype(float)
    return np.column_stack([of[:, 0] - count[:, 0], count[:, 1], sent]), np.column_stack([of[:, :2], every])


def _trait(
    trait: str, groups: Mapping[str, Answers], threshold: float, smallest: int, seed: int
) -> list[Cell]:
    ordered = sorted(groups, key=lambda value: (value == UNKNOWN, value))
    days = {value: groups[value].days() for value in ordered}
    counts = {value: _counts(groups[value], days[value], threshold) for value in ordered}
    # by column: missed, false alarms, indeterminate; who stands behind each denominator
    behind = np.array([[int((of[:, i] > 0).sum()) for i in range(3)] for _, of in counts.values()])
    shown = np.column_stack([_shown(behind[:, i], smallest) for i in range(3)])
    sizes = _shown(np.array([days[value].patients for value in ordered]), smallest)
    found = []
    for place, value in enumerate(ordered):
        count, of = counts[value]
        three = rates(count, of, seed=seed)
        kept = [rate if shown[place, i] else None for i, rate in enumerate(three)]
        fits = _fits(groups[value]) if shown[place, 0] and shown[place, 1] else None
        patients = days[value].patients if sizes[place] else None
        found.append(Cell(trait, value, patients, kept[0], kept[1], kept[2], fits))
    return _compared(found)


def _fits(answers: Answers) -> Calibration | None:
    cases = answers.cases()
    return _calibrated(cases.said.tolist(), cases.yes.tolist())


def calibration(fits: Sequence[Case]) -> Calibration | None:
    """Observed over expected; the interval is Byar's for a Poisson count. None without anything expected."""
    return _calibrated([case.risk for case in fits], [case.happened for case in fits])


def _calibrated(risks: Sequence[float], happened: Sequence[bool]) -> Calibration | None:
    observed, expected = sum(happened), float(sum(risks))
    if expected <= 0:
        return None
    low = observed * (1 - 1 / (9 * observed) - 1.96 / (3 * observed**0.5)) ** 3 if observed else 0.0
    more = observed + 1
    high = more * (1 - 1 / (9 * more) + 1.96 / (3 * more**0.5)) ** 3
    return Calibration(len(risks), observed, expected, observed / expected, low / expected, high / expected)


def _shown(behind: NDArray[np.int64], smallest: int) -> NDArray[np.bool_]:
    """Which groups may be shown. The next smallest are hidden too while the total less those shown would tell of one
    group alone, or of fewer than `smallest` patients.
    """
    shown = behind >= smallest
    while shown.any() and not shown.all() and ((~shown).sum() == 1 or behind[~shown].sum() < smallest):
        candidates = np.where(shown, behind, np.iinfo(np.int64).max)
        shown[int(np.argmin(candidates))] = False
    return shown


def _compared(cells: list[Cell]) -> list[Cell]:
    """Each cell with its four-fifths ratio; the best is among groups whose value is known."""
    caught = {
        place: 1.0 - cell.missed.value
        for place, cell in enumerate(cells)
        if cell.missed is not None and cell.missed.value is not None
    }
    known = [place for place in caught if cells[place].value != UNKNOWN]
    best = max(known, key=lambda place: caught[place], default=None)
    if best is None or caught[best] <= 0:
        return cells
    return [
        _ratio(cell, cells[best], caught[place], caught[best]) if place in caught else cell
        for place, cell in enumerate(cells)
    ]


def _ratio(cell: Cell, best: Cell, share: float, most: float) -> Cell:
    """The cell with its ratio and interval; no interval for the best group, or where nothing was caught."""
    ratio = share / most
    if cell is best or share <= 0 or cell.missed is None or best.missed is None:
        return replace(cell, four_fifths=ratio)
    error = sqrt((1 - share) / (share * cell.missed.patients) + (1 - most) / (most * best.missed.patients))
    low, high = ratio * exp(-1.96 * error), ratio * exp(1.96 * error)
    return replace(cell, four_fifths=ratio, fifths_low=low, fifths_high=high)
