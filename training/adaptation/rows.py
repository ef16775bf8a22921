"""A site's stays -> rows: the cohorts and labels of the published sets, asked at eICU's hours, and the leak scan.

Refuses (AdaptationRefused) too few stays or too few patients of either outcome, naming how many there are and how
many are needed; and (Leak) an input whose presence alone tells the outcome.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from inference.assessment import VENTILATION
from inference.features import Layout
from training import cohorts, labels, leaks
from training.adaptation import AdaptationRefused
from training.adaptation.export_reader import Export, Found
from training.matrix import Table, collect
from training.readers import EICU, Stay, readers
from training.tasks import LEAK_LIMIT, Task

LOOKED_AT: Final = 100  # stays whose rows are checked against their landmarks
FLOOR: Final = 10.0  # ng/L: the lowest reporting limit of any conventional assay here
HEARD: Final[Mapping[bool, tuple[str, ...]]] = {True: ("hr",), False: cohorts.TRAINED_ANALYTES}


@dataclass(frozen=True, slots=True)
class Needed:
    """Below this there is nothing to choose by. `patients`: with the outcome, and without."""

    stays: int = 100
    patients: int = 10


NEEDED: Final = Needed()


@dataclass(frozen=True, slots=True)
class SiteRows:
    """The rows of a site, and how many moments were looked at for rows used before their time. `not_to_be_known`: the
    moments left out because a person says that their outcome cannot be known.
    """

    table: Table
    looked_at: int
    not_to_be_known: int = 0


def rows_of(
    stays: Iterable[Stay], site: str, task: Task, layout: Layout, limits: Mapping[str, float]
) -> SiteRows:
    """Rows of all stays. `limits`: ng/L below which this site's laboratory reports none. Raises Leak."""
    first: list[Stay] = []
    unknowable = 0

    def seen() -> Iterator[Stay]:
        nonlocal unknowable
        for stay in stays:
            if stay.unknowable and task.name == VENTILATION:
                unknowable += sum(labels.ventilation(stay, at) is None for at in cohorts.ventilation_moments(stay))
            if len(first) < LOOKED_AT:
                first.append(stay)
            yield stay

    with known(site, limits):
        table = collect(task, seen())
        asked = cohorts.ventilation_moments if task.name == VENTILATION else cohorts.troponin_moments
        pairs = [(stay, moment) for stay in first for moment in asked(stay)]
    if late := leaks.rows_after(pairs, layout):
        raise leaks.Leak(f"{late} rows are used at a landmark before they were known")
    return SiteRows(table, len(pairs), unknowable)


@contextmanager
def known(site: str, limits: Mapping[str, float]) -> Iterator[None]:
    """Lets cohorts and labels know the site for a while: asked when eICU is, floored at its own limits."""
    if site in readers():
        raise AdaptationRefused(f"'{site}' is the name of a published set; give the site another")
    cohorts.TRAINING_LANDMARKS[site] = cohorts.TRAINING_LANDMARKS[EICU]
    cohorts.REPORTED_LANDMARKS[site] = cohorts.REPORTED_LANDMARKS[EICU]
    for analyte in cohorts.TRAINED_ANALYTES:
        labels.REPORTING_LIMIT[site, analyte] = limits.get(analyte, FLOOR)
    try:
        yield
    finally:
        del cohorts.TRAINING_LANDMARKS[site], cohorts.REPORTED_LANDMARKS[site]
        for analyte in cohorts.TRAINED_ANALYTES:
            del labels.REPORTING_LIMIT[site, analyte]


def enough(rows: Table, export: Export, found: Found, task: Task, needed: Needed) -> None:
    """Raises AdaptationRefused where there is too little to choose by, saying what is there."""
    wanted = HEARD[task.name == VENTILATION]
    if not any(found.variables[name] for name in wanted):
        unknown = found.unmapped()
        hint = f"; codes that mean nothing here: {unknown}; map them under [local_codes]" if unknown else ""
        raise AdaptationRefused(f"{export.folder}: no {' or '.join(wanted)} was read in {_read(found)}{hint}")
    told = rows.reported & ~rows.too_soon if len(rows) else np.zeros(0, dtype=bool)
    ill = set(rows.patient[told & rows.y[:, -1]]) if len(rows) else set()
    well = (set(rows.patient[told]) if len(rows) else set()) - ill
    stays = len(set(rows.stay[told])) if len(rows) else 0
    for there, least, what in (
        (stays, needed.stays, "stays that can be asked about"),
        (len(ill), needed.patients, f"patients with the outcome {task.outcomes[-1]}"),
        (len(well), needed.patients, "patients without it"),
    ):
        if there < least:
            raise AdaptationRefused(
                f"{export.folder}: {there} {what}, at least {least} are needed; of {_read(found)}{_refused(found)}"
            )


def scanned(
    rows: Table, fold: NDArray[np.int_], task: Task, layout: Layout, looked_at: int
) -> dict[str, Any]:
    """leaks.json of the site's rows. Raises Leak."""
    presence = leaks.presence(rows, layout)
    argued = leaks.refuse_leaks(presence, task)
    straddling = leaks.straddling(rows, fold)
    if straddling:
        raise leaks.Leak(f"{straddling} patients have rows in more than one fold")
    return {
        "limit": LEAK_LIMIT,
        "presence": presence,
        "above_limit_and_argued": {shown: task.argued[shown.split(" in ")[0]] for shown in argued},
        "twins": leaks.twins(rows),
        "patients_in_two_folds": straddling,
        "rows_after_landmark": 0,
        "moments_looked_at": looked_at,
    }


def _read(found: Found) -> str:
    return f"{found.tally.taken:,} stays"


def _refused(found: Found) -> str:
    said = [
        f"{count:,} {why}" for why, count in found.tally.refused.most_common() if not why.startswith("row:")
    ]
    return f"; refused: {', '.join(said)}" if said else ""
