"""Who the rows are, and whether the model is as good for each group of them.

Groups are looked at, not learned from: ethnicity is no input of any model. A group with fewer than ten moments of
either outcome has no figures.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from inference.assessment import VENTILATION
from inference.features import ANALYTES, Layout
from training import measure
from training.contenders import Rows

if TYPE_CHECKING:
    from training.tasks import Task

Texts = NDArray[np.str_]
Cells = dict[str, dict[str, Any]]
PROTECTED: Final = ("sex", "age", "ethnicity", "hospital")
BANDS: Final = ((0, 6), (6, 12), (12, 24), (24, 48))  # hours since admission, of moments without a schedule
BEFORE_FIRST: Final = "before the first result"


def groups(rows: Rows, task: Task, layout: Layout) -> dict[str, Texts]:
    """Groupings of the rows: by when, by whom, and for the trend by which draw."""
    found: dict[str, Texts] = {
        "landmark": _by_hour(rows) if task.name == VENTILATION else _by_band(rows),
        "sex": rows.sex,
        "age": measure.age_band(rows.age),
        "ethnicity": rows.ethnicity,
    }
    if len(np.unique(rows.site)) > 1:
        found["hospital"] = np.array([site.partition("/")[2] or site for site in rows.site])
    if task.name != VENTILATION:
        found |= {"analyte": rows.analyte, "draws": draws_known(rows, layout)}
    return {name: np.where(values == "", "unknown", values) for name, values in found.items()}


def draws_known(rows: Rows, layout: Layout) -> Texts:
    """How many results the moment knew: "before the first result", "first", "second" or "third or later"."""
    known = [rows.x[:, layout.column(analyte, "count")] for analyte in ANALYTES if analyte in layout.inputs]
    count = np.max([np.nan_to_num(column) for column in known], axis=0)
    named = np.where(count >= 3, "third or later", np.where(count >= 2, "second", "first"))
    return np.where(rows.first, BEFORE_FIRST, named)


def tidied(found: Mapping[str, Cells]) -> tuple[dict[str, Cells], int]:
    """Cells in order, and how many hospitals are left out for being too small to show."""
    ordered = in_order(found)
    if "hospital" not in ordered:
        return ordered, 0
    shown = {name: cell for name, cell in ordered["hospital"].items() if "withheld" not in cell}
    left_out = len(ordered["hospital"]) - len(shown)
    return {name: shown if name == "hospital" else cells for name, cells in ordered.items()}, left_out


def in_order(found: Mapping[str, Cells]) -> dict[str, Cells]:
    """Cells by the number their name begins with, then by name."""
    return {name: dict(sorted(cells.items(), key=_by_number)) for name, cells in found.items()}


def fairness(subgroups: Mapping[str, Cells]) -> dict[str, dict[str, Any]]:
    """Per grouping with at least two known groups shown: the group most missed and least missed, and the ratio of their
    sensitivities, which the four-fifths rule wants at 0.8 or above."""
    found: dict[str, dict[str, Any]] = {}
    for name in PROTECTED:
        cells = {
            group: cell
            for group, cell in subgroups.get(name, {}).items()
            if "withheld" not in cell and "unknown" not in group.lower()
        }
        if len(cells) < 2:
            continue
        worst = max(cells, key=lambda group: cells[group]["false_negative_rate"])
        best = min(cells, key=lambda group: cells[group]["false_negative_rate"])
        most, least = cells[worst]["false_negative_rate"], cells[best]["false_negative_rate"]
        found[name] = {
            "most_missed": worst,
            "false_negative_rate_there": most,
            "least_missed": best,
            "false_negative_rate_here": least,
            "ratio_of_sensitivities": round((1 - most) / (1 - least), 3) if least < 1 else None,
            "lowest_auroc": min(cell["auroc"] for cell in cells.values()),
            "highest_auroc": max(cell["auroc"] for cell in cells.values()),
        }
    return found


def population(rows: Rows, keep: NDArray[np.bool_]) -> dict[str, Any]:
    """Who the rows of a mask are of: patients once each, by age, sex and ethnicity, at their first moment."""
    _, once = np.unique(rows.patient[keep], return_index=True)
    age = rows.age[keep][once]
    age = age[np.isfinite(age)]
    low, middle, high = np.percentile(age, [25, 50, 75]) if len(age) else (np.nan,) * 3
    return {
        "rows": int(keep.sum()),
        "with_the_outcome": int(rows.y[keep, -1].sum()),
        "patients": len(once),
        "hospitals": len(np.unique(rows.site[keep])),
        "age_median": round(float(middle), 1) if len(age) else None,
        "age_quartiles": [round(float(low), 1), round(float(high), 1)] if len(age) else None,
        "sex": shares(rows.sex[keep][once]),
        "ethnicity": shares(rows.ethnicity[keep][once]),
    }


def shares(values: Texts) -> dict[str, float]:
    """Share of each value."""
    names, counts = np.unique(np.where(values == "", "unknown", values), return_counts=True)
    return {
        str(name): round(float(count / len(values)), 4) for name, count in zip(names, counts, strict=True)
    }


def _by_hour(rows: Rows) -> Texts:
    return rows.landmark.astype(int).astype(str)


def _by_band(rows: Rows) -> Texts:
    bands = np.full(len(rows), f"{BANDS[-1][1]}+", dtype="U8")
    for low, high in BANDS:
        bands[(rows.landmark >= low) & (rows.landmark < high)] = f"{low}-{high}"
    return bands


def _by_number(item: tuple[str, Any]) -> tuple[float, str]:
    found = re.match(r"\d+", item[0])
    return (float(found.group()) if found else np.inf, item[0])
