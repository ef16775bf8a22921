"""The comparison: the model beside every contender, on the same rows in the same run -> evaluation.json and drawings.

Figures are per data set, never pooled: the sets differ in who was asked about and how often it happened. Each
interval resamples patients, and a difference is the model's figure minus the contender's on the same drawn patients.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from inference.assessment import TROPONIN, VENTILATION
from inference.features import Layout
from training import audit, compare, forecasts, measure, operating, plots
from training.contenders import MODEL, Rows, bedside, place
from training.ground import Ground, lay
from training.plots import Plot

if TYPE_CHECKING:
    from training.calibrate import Judged
    from training.readers import Tally
    from training.tasks import Task

Floats = NDArray[np.floating[Any]]
AUDITED: Final = 0.10  # false-alarm rate at whose threshold subgroups are looked at
DEFINITIONS: Final[Mapping[str, str]] = {
    "rows": "reported moments of a stay; onsets within 60 minutes are left out and reported apart",
    "intervals": "95 %: percentiles over bootstrap draws of patients, each with all rows",
    "differences": "the model's figure minus the contender's, on the same rows and the same drawn patients",
    "alarm": "a reported moment at or above the threshold; spaced: the stay had none in the 8 hours before",
    "patient_days": "each reported moment stands for the hours to the stay's next one, to the outcome or to the end "
    "of sight, at most for the longest gap of the schedule (24 h where there is none)",
    "patients_found": "of patients asked about 1 to 24 h before onset, those with an alarm at such a moment",
    "lead_hours": "from the first such alarm to onset: median and quartiles over the patients found",
    "decision_curve": "net benefit a moment: true positives less false positives times the odds of the threshold",
    "withheld": "groups with fewer than 10 moments with, or 10 without, the outcome",
    "forecast": "natural log of ng/L; errors are absolute; no change forecasts the latest value",
    "fairness": "false-negative rates at the threshold that alarms in 10 % of all moments without the outcome",
}
BEFORE: Final[Mapping[str, str]] = {
    VENTILATION: "before ventilation",
    TROPONIN: "before a rise",
}
SHOWN: Final[Mapping[str, str]] = {  # groups of forecasts, as their drawing names them
    "troponin_t": "Troponin T",
    "troponin_i": "Troponin I",
    audit.BEFORE_FIRST: "Before the first result",
    "first": "After the first result",
    "second": "After the second",
    "third or later": "After the third or later",
}


@dataclass(frozen=True, slots=True)
class Evaluation:
    """`report` is evaluation.json; `plots` maps a file name to SVG text, for the artefact's folder `plots/`."""

    report: dict[str, Any]
    plots: Mapping[str, str]


def evaluate(
    rows: Rows,
    contenders: Mapping[str, Floats],
    judged: Judged,
    tallies: Mapping[str, Tally],
    task: Task,
    layout: Layout,
    *,
    members: Floats | None = None,
    aim: Floats | None = None,
    extra: Mapping[str, Any] | None = None,
) -> Evaluation:
    """The whole comparison. `contenders`: headline probability or score [N] by name, "model" among them.

    Bedside scores and the guideline's rule are taken from `rows` unless given. `members` [N,M]: each member's
    headline probability. `aim` [N]: log ng/L that the forecast is of, by default the latest value plus its change.
    `extra` is added to the report. Raises ValueError without "model", where the model has no answer to a reported
    moment, and where `extra` would replace a part of the report.
    """
    if MODEL not in contenders:
        raise ValueError(f'the comparison needs a contender called "{MODEL}"')
    beside = {name: values for name, values in bedside(rows).items() if name not in contenders}
    everybody = {MODEL: contenders[MODEL], **contenders, **beside}
    report: dict[str, Any] = {
        "split": f"{task.folds} folds by hospital in eICU, by patient elsewhere; calibration cross-fitted over them",
        "headline": task.outcomes[-1],
        "definitions": dict(DEFINITIONS),
        "readers": {name: tally.as_json() for name, tally in tallies.items()},
        "population": {
            str(name): audit.population(rows, (rows.data_set == name) & ~rows.too_soon)
            for name in np.unique(rows.data_set)
        },
        "indeterminate": judged.indeterminate,
        "data_sets": {},
        "plots": {},
    }
    files: dict[str, str] = {}
    for name in map(str, np.unique(rows.data_set)):
        keep = (rows.data_set == name) & rows.reported & ~rows.too_soon
        if not keep.any():
            continue
        ground = lay(rows, keep, everybody, judged, task, aim)
        found, drawings = of_set(ground, task, layout)
        if members is not None:
            found["members"] = compare.members(ground, members[keep])
        report["data_sets"][name] = found | too_soon(rows, name, contenders[MODEL])
        for kind, plot in drawings.items():
            files[f"{name}-{kind}.svg"] = plot.svg
            report["plots"][f"{name}-{kind}.svg"] = {
                "title": f"{place(name)}. {plot.title}",
                "text": plot.text,
            }
    clash = sorted(set(report) & set(extra or {}))
    if clash:
        raise ValueError(f"the report has its own {', '.join(clash)}")
    return Evaluation(report | dict(extra or {}), files)


def of_set(ground: Ground, task: Task, layout: Layout) -> tuple[dict[str, Any], dict[str, Plot]]:
    """Report and drawings of one data set; with few moments of one outcome only counts and the forecast."""
    groups = audit.groups(ground.rows, task, layout)
    found: dict[str, Any] = {
        "rows": len(ground.y),
        "positive": int(ground.y.sum()),
        "patients": ground.draws.patients,
        "patient_days": round(float(ground.seen.days.sum()), 1),
        **compare.compared(ground),
        "outcomes": {
            outcome: measure.figures(ground.rows.y[:, head], ground.probability[:, head], ground.draws)
            for head, outcome in enumerate(task.outcomes)
        },
    }
    drawings: dict[str, Plot] = {}
    if ground.quantiles.shape[1]:
        found["forecast"], drawings = forecast(ground, groups)
    if ground.scarce:
        return found | {"withheld": measure.WITHHELD}, drawings
    found |= figures(ground, groups)
    return found, drawn(ground, found, task) | drawings


def figures(ground: Ground, groups: Mapping[str, NDArray[np.str_]]) -> dict[str, Any]:
    """What the model's probabilities come to: calibration, operating points, decisions, doubt, and for whom."""
    y, p, draws = ground.y, ground.model, ground.draws
    threshold = operating.at_false_alarm_rate(y, p, AUDITED)
    curves = compare.decided(ground)
    cells, small = audit.tidied(measure.subgroups(y, p, groups, draws, threshold))
    return {
        "ece_with_site_intercept": measure.site_ece(y, p),
        "reliability": measure.reliability(y, p, draws),
        "operating": operating.points(ground.seen, p, draws),
        "operating_of_others": compare.others_at(ground),
        "decision_curve": [dict(zip(curves, row, strict=True)) for row in zip(*curves.values(), strict=True)],
        "decision_useful": operating.useful(curves, MODEL),
        "indeterminate": compare.doubt(ground, threshold),
        "subgroups": cells,
        "hospitals_too_small_to_show": small,
        "fairness": audit.fairness(cells),
    }


def forecast(
    ground: Ground, groups: Mapping[str, NDArray[np.str_]]
) -> tuple[dict[str, Any], dict[str, Plot]]:
    """The forecast's figures, of all and by analyte, draw and hours ahead, and their drawing."""
    known = np.isfinite(ground.aim)
    given = ground.aim[known], ground.quantiles[known], ground.before[known], ground.draws.where(known)
    by = {"analyte": groups["analyte"][known], "draws": groups["draws"][known]}
    by["hours_ahead"] = forecasts.ahead_band(ground.rows.ahead[known])
    found = {"all": forecasts.figures(*given), **audit.in_order(forecasts.by(*given, by))}
    cells = {"All": found["all"]} | {
        SHOWN.get(n, n): cell for group in by for n, cell in found[group].items()
    }
    if not any("coverage_80" in cell for cell in cells.values()):
        return found, {}
    who = f"{place(ground.name)}: {int(known.sum()):,} forecasts, {given[3].patients:,} patients"
    return found, {"forecast": plots.forecast(who, cells)}


def drawn(ground: Ground, found: Mapping[str, Any], task: Task) -> dict[str, Plot]:
    """The drawings of one data set, from its figures."""
    shown = ground.probabilities
    who = (
        f"{place(ground.name)}: {len(ground.y):,} moments, {ground.draws.patients:,} patients; "
        f"{int(ground.y.sum()):,} {BEFORE[task.name]}"
    )
    curves = {name: [row[name] for row in found["decision_curve"]] for name in found["decision_curve"][0]}
    alarms = {name: operating.curve(ground.seen, shown[name]) for name in shown}
    made = {
        "ranking": plots.ranking(who, ground.y, shown, found["contenders"]),
        "reliability": plots.reliability(who, found["reliability"], ground.model, found["contenders"][MODEL]),
        "decision": plots.decision(who, curves, found["decision_useful"]),
        "alarms": plots.burden(who, alarms),
    }
    hours = found["subgroups"]["landmark"]
    if any("auroc" in cell for cell in hours.values()):
        made["landmarks"] = plots.landmarks(who, hours)
    return made


def too_soon(rows: Rows, name: str, p: Floats) -> dict[str, Any]:
    """Apart from everything: how the model ranks moments within 60 minutes of onset above those with none in a day."""
    here = (rows.data_set == name) & rows.reported & (rows.too_soon | ~rows.y[:, -1])
    if not rows.too_soon[here].any():
        return {}
    return {"onset_within_60_min": measure.figures(rows.too_soon[here], p[here])}
