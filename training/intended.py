"""What each model is for, and what it is not: the sentences of its card that no computation can give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from inference.assessment import TROPONIN, VENTILATION
from training.readers import CHALLENGE_2012, CHALLENGE_2019, EICU

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

_COMMON_LIMITS: Final = (
    "Learned on United States intensive-care data of 2001-2015, known for at most the first days of a stay.",
    "Never tested prospectively, nor at the site that reads this; probabilities are calibrated to the pooled "
    "training data and are off by a site's own frequency until it sets its intercept in its silent period.",
    "What was charted depends on who was worried: absence of a value is not evidence of health.",
    "Associations, not causes: acting on a reason need not change the outcome.",
)


@dataclass(frozen=True, slots=True)
class Intended:
    """One model's purpose in sentences for its card."""

    output: str
    kind: str  # of output
    use: str
    patients: str
    cohort: str  # who is in the training data and who is left out
    not_for: tuple[str, ...]
    limits: tuple[str, ...]


INTENDED: Final[Mapping[str, Intended]] = {
    VENTILATION: Intended(
        output="The probability that invasive ventilation starts within 6, 12 and 24 hours, each with its interval, "
        "the reasons in the patient's own values, what was not measured, and where the model does not stand behind "
        "its number the word indeterminate.",
        kind="Prediction: a probability a horizon, never a class and never a recommendation.",
        use="For clinicians about to order, beside their own judgement: how likely it is that invasive ventilation "
        "of an adult, monitored, not yet ventilated patient starts within 6, 12 and 24 hours.",
        patients="Adults (18 years and older) with a heart rate charted in the last 2 hours and not ventilated before.",
        cohort="In: adults in intensive care, at each hour of the first day (in eICU some of the second) with a heart "
        "rate in the 2 hours before. Out: patients ventilated at or before that hour, onsets within the following 60 "
        "minutes, and eICU stays flagged as ventilated on day 1 without a time.",
        not_for=(
            "children; patients already ventilated; patients without a heart rate in the last 2 hours",
            "deciding against ventilation, triage of scarce ventilators, or any use without a clinician",
            "an alarm: a ventilation alarm is likely time-critical and a medical device",
        ),
        limits=(
            "Onsets within 60 minutes are left out of training and of the figures, and are reported apart.",
            "Respiratory rate and SpO2 were learned from the eICU demo alone, by far the smaller set: in Challenge "
            "2012 that a respiratory rate was charted says 'never ventilated', so it is never read there.",
            "Weight and height are no inputs. Challenge 2012 gives both at 00:00 whenever they were charted, and "
            "more often in stays ventilated later than in those never ventilated (leaks.json counts them). Trees that "
            "see this rank better on that set and would be wrong at a bedside (training/README.md has by how much).",
            "Only the kind of intensive care unit is known of the admission: no diagnosis, no operation.",
            "FiO2 may betray undocumented ventilation; figures of trees without it stand beside.",
            "Discharge or death without ventilation counts as not ventilated.",
            "eICU stays flagged as ventilated on day 1 without a time are left out.",
            *_COMMON_LIMITS,
        ),
    ),
    TROPONIN: Intended(
        output="The probability that the next troponin of the same assay, drawn within 24 hours, is at least 20 % "
        "above the latest; a forecast of its value with an 80 % interval; beside it the guideline's rule, and a "
        "sentence where the two disagree. Before the first result: a forecast of it, and the probability of a rise "
        "after it.",
        kind="Prediction: a probability and an interval of a value, never a class and never a recommendation.",
        use="For clinicians about to order a troponin: the probability that the next one of the same "
        "conventional assay, if drawn within 24 hours, is at least 20 % above the latest, and its forecast.",
        patients="Adults (18 years and older) with a conventional troponin drawn, or about to be drawn.",
        cohort="In: adults with at least two results of one conventional troponin (T or I) 1 to 24 hours apart, asked "
        "before the first of them, at each draw and some hours after it. Out: patients whose troponin was not "
        "repeated, pairs of different assays, and every high-sensitivity assay.",
        not_for=(
            "ruling myocardial infarction in or out: nobody in the training data has a diagnosis, and the figures "
            "must not stand beside those of tools that were trained on one",
            "high-sensitivity assays: it never saw one, and answers about them are indeterminate",
            "children, or any use without a clinician",
        ),
        limits=(
            "Challenge 2012 troponins are conventional: reported from limits far above those of assays of today, and "
            "drawn hours apart.",
            "Conditional on a next draw: patients whose troponin was not repeated are not in the figures.",
            "Values at an assay's upper limit are taken as they are.",
            "Asked before the first result has come back it knows no troponin; those figures are reported apart.",
            *_COMMON_LIMITS,
        ),
    ),
}
