"""Patient-days: settled answers gathered as columns while rows stream by, and what they come to by patient and day.

What is held grows with answers, by five numbers each, never with whole rows. A part of the answers (one group's, one
week's) comes to patient-days of its own. The terms are those of `governance.figures`.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, tzinfo
from operator import attrgetter
from typing import Final

import numpy as np
from numpy.typing import NDArray

from governance.outcomes import EARLY, NO, UNKNOWN, YES, Labelled
from governance.tables import TRAITS

NEVER: Final = -1.0  # what an answer without a number it stands behind reaches
ASSESSED: Final = "assessed"
ORDINALS: Final = 2**22  # more than there are days in the calendar
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Whole = NDArray[np.int32]
Floats = NDArray[np.float64]
_traits: Final = attrgetter(*TRAITS)


@dataclass(frozen=True, slots=True)
class Days:
    """Patient-days as arrays: `patient` counts the patients up, `top` is the day's highest probability and
    `followed` the highest of an answer that the outcome followed; `answer_patient` and `answer` are each answer's.
    """

    patient: Ints
    positive: Bools
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
class Answers:
    """Settled answers as columns, in the order they came. `day` is an ordinal of the site's calendar, `said` the
    probability or NEVER; `profile` counts the combinations of traits up, which stand in `profiles`.
    """

    patient: Whole
    day: Whole
    said: Floats
    yes: Bools
    profile: Whole
    profiles: tuple[tuple[str, ...], ...]

    def where(self, some: Bools) -> Answers:
        """Those of the answers."""
        columns = ("patient", "day", "said", "yes", "profile")
        return replace(self, **{name: getattr(self, name)[some] for name in columns})

    def by(self, trait: str) -> Mapping[str, Answers]:
        """The answers of each value of a trait."""
        place = TRAITS.index(trait)
        values = np.array([traits[place] for traits in self.profiles], dtype=object)
        each = {value: values == value for value in dict.fromkeys(values)}
        parts = {value: self.where(of[self.profile]) for value, of in each.items()}
        return {value: part for value, part in parts.items() if len(part.said)}

    def days(self) -> Days:
        """Their patient-days, patients counted anew."""
        first, patient = _counted(self.patient)
        each = patient * np.int64(ORDINALS) + self.day
        keys = np.unique(each)
        place = np.searchsorted(keys, each)  # np.unique's own inverse holds twice as much
        positive, top, followed = np.zeros(len(keys), bool), *np.full((2, len(keys)), NEVER)
        positive[place[self.yes]] = True
        np.maximum.at(top, place, self.said)
        np.maximum.at(followed, place[self.yes], self.said[self.yes])
        return Days(
            patient=keys // ORDINALS,
            positive=positive,
            top=top,
            followed=followed,
            answer_patient=patient,
            answer=self.said,
            traits=tuple(self.profiles[of] for of in self.profile[first]),
            dates=tuple(date.fromordinal(int(each)) for each in np.unique(self.day)),
            early=0,
            unknown=0,
            indeterminate=int((self.said == NEVER).sum()),
        )

    def cases(self) -> Answers:
        """Calibration's cases: the first answer of each patient-day with a probability between 0 and 1."""
        stands = self.where((self.said > 0.0) & (self.said < 1.0))
        _, first = np.unique(stands.patient * np.int64(ORDINALS) + stands.day, return_index=True)
        some = np.zeros(len(stands.said), bool)
        some[first] = True
        return stands.where(some)


def _counted(patient: Whole) -> tuple[Ints, Ints]:
    """Where each patient comes first, and each answer's patient, counted anew in the order of their numbers."""
    places = np.full(int(patient.max(initial=-1)) + 1, -1, np.int64)
    places[patient[::-1]] = np.arange(len(patient) - 1, -1, -1)  # of several, the last written is the first that came
    there = places >= 0
    return places[there], (np.cumsum(there) - 1)[patient]


class Gathering:
    """Settled answers as rows stream by; `zone` is the site's."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._counted: Counter[str] = Counter()
        self._whose: dict[str, int] = {}
        self._profiles: dict[tuple[str, ...], int] = {}
        self._patient, self._day, self._profile = array("i"), array("i"), array("i")
        self._said, self._yes = array("d"), array("b")

    def add(self, row: Labelled) -> None:
        """Count one row; rows need no order, but for `Answers.cases`."""
        label, said = row.label, row.probability
        if label not in (YES, NO):
            self._counted[label] += 1
            return
        self._patient.append(self._whose.setdefault(row.pseudonym, len(self._whose)))
        self._day.append(row.as_of.astimezone(self._zone).toordinal())
        self._said.append(NEVER if said is None or row.status != ASSESSED else said)
        self._yes.append(label == YES)
        self._profile.append(self._profiles.setdefault(_traits(row), len(self._profiles)))

    def answers(self) -> Answers:
        """What was gathered, as columns."""
        whole = (np.array(each, np.int32) for each in (self._patient, self._day, self._profile))
        patient, day, profile = whole
        said, yes = np.array(self._said, float), np.array(self._yes, bool)
        return Answers(patient, day, said, yes, profile, tuple(self._profiles))

    def days(self) -> Days:
        """What was gathered, as patient-days."""
        return replace(self.answers().days(), early=self._counted[EARLY], unknown=self._counted[UNKNOWN])


def reached(row: Labelled) -> float:
    """The probability of an answer the model stands behind; NEVER for any other."""
    return NEVER if row.probability is None or row.status != ASSESSED else row.probability


def days_of(rows: Iterable[Labelled], zone: tzinfo) -> Days:
    """The patient-days of `rows`, read once; they need no order."""
    return gathered(rows, zone).days()


def gathered(rows: Iterable[Labelled], zone: tzinfo) -> Gathering:
    """All of `rows`, read once."""
    gathering = Gathering(zone)
    for row in rows:
        gathering.add(row)
    return gathering
