"""Who is a site: each large data set is one, and the hospitals of eICU are grouped into several.

One machine plays all sites here, so each is given a folder with its own rows, and its process is told of no other.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from training.matrix import Table
from training.readers import EICU
from training.tasks import SEED

GROUPS: Final = 5  # sites made of eICU's hospitals
ENOUGH: Final = 10  # patients with the outcome that a group of hospitals must have, or there are fewer groups
ROWS: Final = "rows.npz"
LEFT: Final = "left.jsonl"
LIST: Final = "sites.json"


@dataclass(frozen=True, slots=True)
class Site:
    """What may be said of a site."""

    name: str
    hospitals: int
    rows: int
    patients: int
    with_outcome: int  # patients


def sites_of(rows: Table, groups: int = GROUPS) -> NDArray[np.str_]:
    """Each row's site [N]. Hospitals are dealt out so that the groups have as many patients with the outcome."""
    site = rows.data_set.astype("U40")
    here = rows.data_set == EICU
    if here.any():
        numbers = _dealt(rows.where(here), groups)
        site[here] = np.array([f"{EICU}-{number + 1}" for number in range(numbers.max() + 1)])[numbers]
    return site


def folds(rows: Table, site: NDArray[np.str_], count: int) -> NDArray[np.int_]:
    """The fold in which each row is held back, by site: whole hospitals of eICU, whole patients elsewhere."""
    fold = np.zeros(len(rows), dtype=np.int_)
    for name in np.unique(site):
        here = site == name
        eicu = (rows.data_set[here] == EICU).any()
        owner = linked(rows.site[here], rows.patient[here]) if eicu else rows.patient[here]
        names, index = np.unique(owner, return_inverse=True)
        fold[here] = np.random.default_rng(SEED).permutation(np.arange(len(names)) % count)[index]
    return fold


def linked(hospital: NDArray[np.str_], patient: NDArray[np.str_]) -> NDArray[np.str_]:
    """Each row's hospital, hospitals between which a patient moved under one name: no patient is in two."""
    hospital = hospital.copy()
    for name in np.unique(patient):
        shared = np.unique(hospital[patient == name])
        hospital[np.isin(hospital, shared[1:])] = shared[0]
    return hospital


def split(rows: Table, site: NDArray[np.str_], fold: NDArray[np.int_], folder: Path) -> list[Site]:
    """Writes every site's rows into a folder of its own, and who they are into sites.json."""
    found = [_described(rows.where(site == name), name) for name in map(str, np.unique(site))]
    for one in found:
        here = site == one.name
        arrays: dict[str, Any] = {f.name: getattr(rows, f.name)[here] for f in fields(Table)}
        (folder / one.name).mkdir(parents=True, exist_ok=True)
        partial = folder / one.name / "partial.npz"
        np.savez(partial, _fold=fold[here], **arrays)
        partial.rename(folder / one.name / ROWS)
    (folder / LIST).write_text(json.dumps([asdict(one) for one in found], indent=1))
    return found


def listed(folder: Path) -> list[Site]:
    """Who the sites are, of an earlier split."""
    return [Site(**one) for one in json.loads((folder / LIST).read_text())]


def home_rows(home: Path, held: int) -> Table:
    """What a site trains on: its own rows but those of the held-back fold, and those too soon to act on."""
    with np.load(home / ROWS, allow_pickle=False) as file:
        rows = Table(**{item.name: file[item.name] for item in fields(Table)})
        return rows.where((file["_fold"] != held) & ~rows.too_soon)


def _dealt(rows: Table, groups: int) -> NDArray[np.int_]:
    """Group of each row: the hospital with most of the outcome first, each to the group that has least of it.

    Hospitals without the outcome follow, each to the group with fewest patients.
    """
    hospital = linked(rows.site, rows.patient)
    sizes = {str(name): _size(rows.where(hospital == name)) for name in np.unique(hospital)}
    wanted = max(1, min(groups, sum(size[0] for size in sizes.values()) // ENOUGH))
    held = [(0, 0)] * wanted
    given: dict[str, int] = {}
    for name in sorted(sizes, key=lambda name: (-sizes[name][0], -sizes[name][1], name)):
        ill, patients = sizes[name]
        least = min(range(wanted), key=[h if ill else h[1:] for h in held].__getitem__)
        given[name] = least
        held[least] = (held[least][0] + ill, held[least][1] + patients)
    return np.array([given[str(name)] for name in hospital])


def _size(rows: Table) -> tuple[int, int]:
    """Patients with the outcome, patients."""
    return len(np.unique(rows.patient[rows.y[:, -1]])), len(np.unique(rows.patient))


def _described(rows: Table, name: str) -> Site:
    with_outcome, patients = _size(rows)
    return Site(name, len(np.unique(rows.site)), len(rows), patients, with_outcome)


def homes(folder: Path) -> Iterator[Path]:
    """The folders of the sites, by name."""
    return (path.parent for path in sorted(folder.glob(f"*/{ROWS}")))
