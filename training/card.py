"""card.json and card.md: what a reader needs before believing a number. Figures are evaluation.json's, never typed.

Says first where a baseline beats the model, and by how much with its interval.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from training.attributes import attributes
from training.contenders import MODEL, NO_CHANGE, Rows, place, titled
from training.intended import DATA, INTENDED

if TYPE_CHECKING:
    from training.tasks import Task

MARGIN: Final = 0.005  # of AUROC or AUPRC: smaller differences are noise on these data
GATE: Final = 0.10  # the false-alarm rate a site's gate asks for at a sensitivity of 0.85
BRIEF: Final = ("rows", "positive", "auroc", "auroc_95", "auprc", "auprc_95", "ece", "calibration_slope")


def card(task: Task, evaluation: Mapping[str, Any], rows: Rows) -> dict[str, Any]:
    """card.json. Its first entry says whether a baseline did better; `rows` are those trained on."""
    about = INTENDED[task.name]
    return {
        "first": beaten(evaluation),
        "name": task.name,
        "version": task.version,
        "status": status(evaluation),
        "intended_use": about.use,
        "not_for": list(about.not_for),
        "limits": list(about.limits),
        "attributes": attributes(task, evaluation, rows),
        "method": "a small sequence network and boosted trees over the same columns, blended on the log-odds scale, "
        "Platt-calibrated",
        "data": [{"set": name, **DATA[name]} for name in task.data_sets],
        "figures": {
            place(name): {titled(one): _brief(found) for one, found in of_set["contenders"].items()}
            for name, of_set in evaluation["data_sets"].items()
        },
        "indeterminate": evaluation["indeterminate"],
    }


def beaten(evaluation: Mapping[str, Any]) -> str:
    """One sentence a data set and contender that ranks, or forecasts, better than the model by more than noise."""
    said = [
        sentence
        for name, of_set in evaluation["data_sets"].items()
        for sentence in (*_better_ranked(name, of_set), *_better_forecast(name, of_set))
    ]
    if not said:
        return (
            f"No baseline on the same rows has an AUROC or AUPRC more than {MARGIN} above this model's, "
            "nor one that is surely above it."
        )
    return "A baseline does better than this model. " + " ".join(said)


def status(evaluation: Mapping[str, Any]) -> str:
    """What the model may do out of the box, and how far it is from what a site's gate asks for."""
    rates = [
        f"{point['false_alarm_rate']:.2f} in {place(name)}"
        for name, of_set in evaluation["data_sets"].items()
        for point in of_set.get("operating", [])
        if point["at"].startswith("sensitivity")
    ]
    far = f": with sensitivity 0.85 its false-alarm rate is {', '.join(rates)}" if rates else ""
    return f"silent or demonstration only{far}; a site's gate asks for at most {GATE:.2f} on its own outcomes"


def provenance(task: Task, rows: Rows) -> dict[str, Any]:
    """What it was trained on, for the manifest."""
    return {
        "data": [
            {
                "set": name,
                **DATA[name],
                "rows": int((rows.data_set == name).sum()),
                "patients": len(np.unique(rows.patient[rows.data_set == name])),
            }
            for name in task.data_sets
        ]
    }


def markdown(card: Mapping[str, Any], evaluation: Mapping[str, Any]) -> str:
    """card.md: the card as a person reads it beside the artefact, limits before all else."""
    parts = [
        f"# {card['name']} {card['version']}",
        f"**{card['first']}**",
        f"Status: {card['status']}.",
        "## Not for",
        _bullets(card["not_for"]),
        "## Limits",
        _bullets(card["limits"]),
        "## For",
        str(card["intended_use"]),
        "## How it did",
        "Each figure with its 95 % interval over patients; a difference is this model's figure minus the other's on "
        "the same rows. Definitions and everything else are in `evaluation.json`.",
        *(_figures(name, of_set) for name, of_set in evaluation["data_sets"].items()),
        *(f"![{shown['title']}](plots/{file})" for file, shown in evaluation["plots"].items()),
        "## The 31 source attributes",
        *(
            f"{one['number']}. **{one['title']}** ({one['source']}). {one['text']}"
            for one in card["attributes"]
        ),
        "## Data",
        _bullets(f"{one['title']} ({one['licence']}). {one['cite']}" for one in card["data"]),
    ]
    return "\n\n".join(parts) + "\n"


def _figures(name: str, of_set: Mapping[str, Any]) -> str:
    """One data set: a row a contender, then what an alarm would mean."""
    head = "| | rows | AUROC | AUPRC | Brier | slope | ECE | AUROC, difference |"
    rows = [
        _row(titled(one), found, of_set["differences"].get(one, {}))
        for one, found in of_set["contenders"].items()
    ]
    rows += [
        _row(f"This model, where {titled(one)} is known", found)
        for one, found in of_set["model_on_their_rows"].items()
    ]
    table = "\n".join((head, "|" + "---|" * 8, *rows))
    counts = f"{of_set['rows']:,} moments of {of_set['patients']:,} patients, {of_set['positive']:,} with the outcome."
    said = [f"### {place(name)}", counts, table]
    if of_set.get("operating"):
        said.append(_operating(of_set["operating"]))
    return "\n\n".join(said)


def _row(title: str, found: Mapping[str, Any], gap: Mapping[str, Any] = MappingProxyType({})) -> str:
    keys = ("auroc", "auprc", "brier", "calibration_slope", "ece")
    cells = " | ".join(_cell(found, key) for key in keys)
    return f"| {title} | {found['rows']:,} | {cells} | {_cell(gap, 'auroc')} |"


def _operating(points: list[dict[str, Any]]) -> str:
    keys = (
        "sensitivity",
        "ppv",
        "false_alarm_rate",
        "spaced_alarms_per_patient_day",
        "patients_found",
        "lead_hours",
    )
    head = "| at | sensitivity | PPV | false-alarm rate | alarms per patient-day | patients found | hours ahead |"
    rows = [f"| {point['at']} | " + " | ".join(_cell(point, key) for key in keys) + " |" for point in points]
    return "\n".join((head, "|" + "---|" * 7, *rows))


def _cell(found: Mapping[str, Any], key: str) -> str:
    """A figure and its interval, or a dash."""
    if found.get(key) is None:
        return "–"
    ends = found.get(f"{key}_95") or found.get(f"{key}_quartiles")
    digits = 1 if key == "lead_hours" else 3
    return f"{found[key]:.{digits}f}" + (f" ({ends[0]:.{digits}f} to {ends[1]:.{digits}f})" if ends else "")


def _bullets(said: Iterable[str]) -> str:
    return "\n".join(f"- {one}" for one in said)


def _better_ranked(name: str, of_set: Mapping[str, Any]) -> Iterator[str]:
    for contender, gap in of_set["differences"].items():
        theirs = of_set["contenders"][contender]
        ours = of_set["model_on_their_rows"].get(contender, of_set["contenders"][MODEL])
        where = f" on the {gap['rows']:,} moments where it is known" if ours["rows"] < of_set["rows"] else ""
        found = [
            f"{area.upper()} {theirs[area]:.3f} against {ours[area]:.3f} of this model{_surely(gap, area)}"
            for area in ("auroc", "auprc")
            if area in gap and (gap[area] < -MARGIN or _below(gap.get(f"{area}_95")))
        ]
        if found:
            yield f"{place(name)}: {titled(contender)}{where}, {', '.join(found)}."


def _better_forecast(name: str, of_set: Mapping[str, Any]) -> Iterator[str]:
    found = of_set.get("forecast", {}).get("all", {})
    if found.get("mae_difference", 0.0) > 0:
        low, high = found["mae_difference_95"] or (float("nan"),) * 2
        yield (
            f"{place(name)}: {titled(NO_CHANGE).lower()} forecasts better, mean error of the log "
            f"{found['mae_no_change']:.3f} against {found['mae']:.3f} (difference {found['mae_difference']:+.3f}, "
            f"95 % {low:+.3f} to {high:+.3f})."
        )


def _surely(gap: Mapping[str, Any], area: str) -> str:
    """The model's figure minus the contender's, with its interval, in brackets."""
    ends = gap.get(f"{area}_95")
    said = f"difference {gap[area]:+.3f}"
    return f" ({said}, 95 % {ends[0]:+.3f} to {ends[1]:+.3f})" if ends else f" ({said})"


def _below(ends: list[float] | None) -> bool:
    """An interval that lies below no difference altogether."""
    return ends is not None and ends[1] < 0


def _brief(found: Mapping[str, Any]) -> dict[str, Any]:
    return {key: found[key] for key in BRIEF if key in found}
