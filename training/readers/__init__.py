"""The publishers' files -> stays: a Record as serving makes it, and what the label needs beside it.

One module a data set; each maps the set's own names and units to variables.toml and refuses, and counts, what
is not plausible or not understood. Nothing here knows a landmark, a label or a feature.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from inference.chart import Measurement, Record, Source
from inference.vocabulary import vocabulary

START: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""Every stay in the unit begins here: the sets are de-identified, and only hours from then on are known."""

CHALLENGE_2012: Final = "challenge-2012"
CHALLENGE_2019: Final = "challenge-2019"
EICU: Final = "eicu-demo"


class DataMissing(FileNotFoundError):
    """A publisher's file is not under `--data`; the message says which, and where to get it."""


@dataclass(frozen=True, slots=True)
class Stay:
    """One stay. `patient` and `site` are what folds are made of; `end` is when sight of it is lost."""

    data_set: str
    record: Record
    patient: str
    site: str
    end: datetime
    onset: datetime | None = None  # first sign of invasive ventilation; may lie before START
    labelled: bool = (
        True  # False: ventilated or not, the set cannot say when: no ventilation label is made of it
    )
    reviewed: tuple[tuple[datetime, datetime], ...] = ()  # hours in which a person says that no ventilation began
    unknowable: tuple[tuple[datetime, datetime], ...] = ()  # hours of which a person says that it cannot be known
    groups: Mapping[str, str] = field(
        default_factory=dict
    )  # what audits look at and models do not: ethnicity, unit


@dataclass(slots=True)
class Tally:
    """What a reader took and what it refused, by "variable: reason"."""

    taken: int = 0
    refused: Counter[str] = field(default_factory=Counter)

    def refuse(self, variable: str, reason: str) -> None:
        """Count one refused value."""
        self.refused[f"{variable}: {reason}"] += 1

    def as_json(self) -> dict[str, object]:
        """For evaluation.json."""
        return {"taken": self.taken, "refused": dict(sorted(self.refused.items()))}


@dataclass(frozen=True, slots=True)
class Column:
    """How a set's column becomes a vocabulary variable: refuse outside `only`, multiply by `factor`."""

    variable: str
    factor: float = 1.0
    only: tuple[float, float] | None = (
        None  # in the set's own unit, where the column mixes two quantities or has junk
    )


def measurement(
    column: Column, value: float, hours: float, source: Source, tally: Tally
) -> Measurement | None:
    """One value at `hours` since START, in the vocabulary's unit; None when it was refused, and counted."""
    if column.only is not None and not column.only[0] <= value <= column.only[1]:
        tally.refuse(column.variable, "not this quantity, or junk")
        return None
    # Rounded: 0.7 in ng/mL is 700 ng/L, not 699.9999; a 20 % rise is decided on such values.
    converted = round(value * column.factor, 6)
    if not vocabulary()[column.variable].plausible(converted):
        tally.refuse(column.variable, "implausible")
        return None
    tally.taken += 1
    when = START + timedelta(hours=hours)
    return Measurement(column.variable, converted, when, when, source)


def require(path: Path, origin: str) -> Path:
    """`path`, or DataMissing saying what to download from where."""
    if not path.exists():
        raise DataMissing(f"{path} is not there. Download it from {origin}, or give --data.")
    return path


def readers() -> Mapping[str, Callable[[Path, Tally], Iterator[Stay]]]:
    """Every data set's reader by its name: called with the data folder and a tally, yields stays."""
    from training.readers import challenge2012, challenge2019, eicu

    return {CHALLENGE_2012: challenge2012.stays, CHALLENGE_2019: challenge2019.stays, EICU: eicu.stays}
