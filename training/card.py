"""card.json: what a reader needs before believing a number. Figures are evaluation.json's, never typed.

Says first where a baseline beats the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from inference.assessment import VENTILATION
from training.matrix import Table
from training.readers import CHALLENGE_2012, CHALLENGE_2019, EICU
from training.tasks import Task

DATA: Final[Mapping[str, Mapping[str, str]]] = {
    CHALLENGE_2012: {
        "title": "PhysioNet/Computing in Cardiology Challenge 2012, sets a and b",
        "licence": "ODC-By 1.0",
        "cite": "Silva et al., Comput Cardiol 2012;39:245-248; Goldberger et al., Circulation 2000;101:e215",
    },
    CHALLENGE_2019: {
        "title": "PhysioNet/Computing in Cardiology Challenge 2019, training set B",
        "licence": "CC BY 4.0",
        "cite": "Reyna et al., Crit Care Med 2020;48:210-217; doi:10.13026/v64v-d857",
    },
    EICU: {
        "title": "eICU Collaborative Research Database demo, hourly grid by YAIB",
        "licence": "ODbL 1.0",
        "cite": "doi:10.13026/4mxk-na84; Pollard et al., Sci Data 2018;5:180178; "
        "van de Water et al., ICLR 2024 (YAIB)",
    },
}
MARGIN: Final = 0.005  # AUROC: smaller differences are noise on these data

_COMMON_LIMITS: Final = (
    "Learned on United States intensive-care data of 2001-2015, known for at most the first days of a stay.",
    "Never tested prospectively, nor at the site that reads this; probabilities are calibrated to the pooled "
    "training data and are off by a site's own frequency until it sets its intercept in its silent period.",
    "What was charted depends on who was worried: absence of a value is not evidence of health.",
    "Associations, not causes: acting on a reason need not change the outcome.",
)
_VENTILATION: Final[Mapping[str, Any]] = {
    "intended_use": "For clinicians about to order, beside their own judgement: how likely it is "
    "that invasive ventilation of an adult, monitored, not yet ventilated patient starts within 6, 12 and 24 hours.",
    "not_for": [
        "children; patients already ventilated; patients without a heart rate in the last 2 hours",
        "deciding against ventilation, triage of scarce ventilators, or any use without a clinician",
        "an alarm: a ventilation alarm is likely time-critical and a medical device",
    ],
    "limits": [
        "Onsets within 60 minutes are left out of training and of the figures, and are reported apart.",
        "Respiratory rate and SpO2 were learned from the eICU demo alone, 1,400 stays: in Challenge 2012 "
        "that a respiratory rate was charted says 'never ventilated', so it is never read there.",
        "Saturation and pH alone move it little, and against expectation: a low SpO2 or a low pH with all else the "
        "same does not raise the answer. Together with breathing, oxygen and consciousness the order is right.",
        "FiO2 may betray undocumented ventilation; figures of trees without it stand beside.",
        "Discharge or death without ventilation counts as not ventilated.",
        "eICU stays flagged as ventilated on day 1 without a time are left out (96 of 1,518).",
    ],
}
_TROPONIN: Final[Mapping[str, Any]] = {
    "intended_use": "For clinicians about to order a troponin: the probability that the next one of the same "
    "conventional assay, if drawn within 24 hours, is at least 20 % above the latest, and its forecast.",
    "not_for": [
        "ruling myocardial infarction in or out: nobody in the training data has a diagnosis, and the figures "
        "must not stand beside those of tools that were trained on one",
        "high-sensitivity assays: it never saw one, and answers about them are indeterminate",
        "children, or any use without a clinician",
    ],
    "limits": [
        "Challenge 2012 troponins are conventional (T from 10 ng/L, I from 300 ng/L), median gap 8 hours.",
        "Conditional on a next draw: patients whose troponin was not repeated are not in the figures.",
        "Values above an assay's upper limit (as 40,000 ng/L in Challenge 2019) are taken as they are.",
    ],
}


def card(task: Task, evaluation: Mapping[str, Any]) -> dict[str, Any]:
    """card.json. The first entry says whether a baseline did better."""
    about = _VENTILATION if task.name == VENTILATION else _TROPONIN
    return {
        "first": beaten(evaluation),
        "name": task.name,
        "version": task.version,
        "status": "silent or demonstration only: has not met sensitivity >= 0.85 with false alarms <= 0.10",
        "intended_use": about["intended_use"],
        "not_for": about["not_for"],
        "limits": [*about["limits"], *_COMMON_LIMITS],
        "inputs_of_person": "age and sex are inputs; ethnicity is looked at in audits and is not an input",
        "method": "six small networks over engineered features, bootstrapped by patient, Platt-calibrated",
        "data": [{"set": name, **DATA[name]} for name in task.data_sets],
        "figures": {
            name: {model: _brief(found) for model, found in of_set.items() if model in _MODELS}
            for name, of_set in evaluation["data_sets"].items()
        },
        "indeterminate": evaluation["indeterminate"],
    }


_MODELS: Final = ("ensemble", "trees", "trees without FiO2", "line", "forecast")


def beaten(evaluation: Mapping[str, Any]) -> str:
    """One sentence a data set where a baseline's AUROC is above the ensemble's by more than noise."""
    said = []
    for name, of_set in evaluation["data_sets"].items():
        ours = of_set["ensemble"].get("auroc")
        for model in ("trees", "line"):
            theirs = of_set[model].get("auroc")
            if ours is not None and theirs is not None and theirs > ours + MARGIN:
                said.append(f"{name}: {model} AUROC {theirs:.3f} against {ours:.3f} of this model.")
    if not said:
        return f"No baseline on the same rows has an AUROC more than {MARGIN} above this model's."
    return "A baseline does better than this model. " + " ".join(said)


def provenance(task: Task, rows: Table) -> dict[str, Any]:
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


def _brief(found: Mapping[str, Any]) -> dict[str, Any]:
    keep = (
        "rows",
        "positive",
        "auroc",
        "auroc_95",
        "auprc",
        "auprc_95",
        "ece",
        "mae",
        "mae_no_change",
        "coverage_80",
    )
    return {key: found[key] for key in keep if key in found}
