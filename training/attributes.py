"""The 31 source attributes of a predictive decision support intervention (45 CFR 170.315(b)(11), ONC HTI-1).

Each says where its text comes from: "evaluation" (the figures of evaluation.json), "training" (the run's own
rows and settings), "written" (a person's sentence), "live ledger" (the site that runs it), or "not yet". What an
evaluation can answer is computed from it, never typed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from training import audit
from training.contenders import MODEL, Rows, place
from training.intended import DATA, INTENDED

if TYPE_CHECKING:
    from training.tasks import Task

TITLES: Final = (
    "Developer and contact",
    "Funding of the development",
    "What the output says",
    "Type of output",
    "Intended use",
    "Intended patients",
    "Intended users",
    "Role in the decision",
    "Cautioned against",
    "Known risks and limits",
    "Who is in the training data, and who is not",
    "Use of race, ethnicity, language, orientation, gender, sex, birth date, social and health-status data",
    "Whom the training data represent",
    "Relevance of the training data to the setting",
    "Approach to fairness",
    "Approach to bias",
    "Data of the external validation",
    "Who validated externally",
    "Whom the external data represent",
    "How the external validation was done",
    "Validity in internal testing",
    "Fairness in internal testing",
    "Validity in external testing",
    "Fairness in external testing",
    "Evidence of effect on outcomes",
    "How and how often validity is monitored",
    "Validity at this site",
    "How and how often fairness is monitored",
    "Fairness at this site",
    "How and how often it is updated",
    "How often performance is corrected",
)
EVALUATION, TRAINING, WRITTEN = "evaluation", "training", "written"
LEDGER, NOT_YET = "live ledger", "not yet"
Said = tuple[str, str]  # text, source


def attributes(task: Task, evaluation: Mapping[str, Any], rows: Rows) -> list[dict[str, Any]]:
    """All 31 in order, each {number, title, text, source}; `rows` are those the model was trained on."""
    said = _said(task, evaluation, rows)
    return [
        {"number": number, "title": title, "text": said[number][0], "source": said[number][1]}
        for number, title in enumerate(TITLES, start=1)
    ]


def written(task: Task) -> dict[int, Said]:
    """The attributes that are a person's sentences; no figure in them was measured."""
    about = INTENDED[task.name]
    sentences = {
        1: "The maintainers of Ordertime, reached through the repository's issues; the site that runs the model "
        "names a contact of its own.",
        2: "No funding is declared.",
        3: about.output,
        4: about.kind,
        5: about.use,
        6: about.patients,
        7: "Physicians and advanced practice providers who are about to order, and who know the patient. Not patients "
        "alone: the patient's page is released by a clinician.",
        8: "It informs. A clinician decides, sees the reasons and the uncertainty, can disagree and say so; nothing is "
        "ordered, held back or sent on because of the number.",
        9: f"{about.not_for[0].capitalize()}; {'; '.join(about.not_for[1:])}.",
        10: " ".join(about.limits),
        14: "Adults in United States intensive care. Nearest to monitored adult inpatients there; emergency "
        "departments, general wards, other countries and later practice are not in the data.",
        15: "Figures and false-negative rates are computed by sex, age band, ethnicity and hospital at one threshold, "
        "and shown with their intervals wherever a group has at least ten moments of each outcome. Ethnicity is "
        "looked at and not learned from. No group has a threshold of its own.",
        16: "Before training, a scan stops the run when the mere presence of an input tells the outcome. Data sets are "
        "trained on together and reported apart. Folds are by patient, in eICU by hospital. What is not measured "
        "stays missing and is shown as such.",
        30: "A new version is a new artefact, trained by the published command, with figures, card and checksums of "
        "its own. Nothing learns while in use. There is no fixed interval.",
        31: "A released artefact is never changed. A site may set its own intercept in its silent period; any other "
        "correction is a new version. There is no fixed interval.",
    }
    said = {number: (text, WRITTEN) for number, text in sentences.items()}
    return said | {11: (about.cohort, TRAINING), 12: (_person(task), TRAINING)}


def _said(task: Task, evaluation: Mapping[str, Any], rows: Rows) -> dict[int, Said]:
    return (
        written(task)
        | {13: (_represented(rows), TRAINING)}
        | {17 + step: said for step, said in enumerate(_external(evaluation))}
        | {
            21: (_validity(evaluation["data_sets"]), EVALUATION),
            22: (_fairness(evaluation["data_sets"]), EVALUATION),
            23: (_validity(evaluation.get("external", {})) or _nearest(evaluation), EVALUATION),
            24: (_fairness(evaluation.get("external", {})) or _nobody(evaluation), EVALUATION),
            25: ("None: its effect on patients, clinicians or costs has not been studied.", NOT_YET),
            26: (_monitored("the figures"), NOT_YET),
            27: (_live("Validity"), LEDGER),
            28: (_monitored("the figures by group"), NOT_YET),
            29: (_live("Fairness"), LEDGER),
        }
    )


def _person(task: Task) -> str:
    """What is known of the person, one answer for each kind of data that is asked about."""
    coma = "The Glasgow Coma Scale, charted at the bedside, is an input; no questionnaire is." if (
        "gcs" in task.inputs
    ) else "None is an input."  # fmt: skip
    return " ".join(
        (
            "Race: not an input.",
            "Ethnicity: not an input; looked at in the audit where the data tell it.",
            "Language: not an input.",
            "Sexual orientation: not an input.",
            "Gender identity: not an input.",
            "Sex: an input, as recorded; unknown is allowed.",
            "Date of birth: not an input itself; the age in years worked out from it is, capped at 90.",
            "Social determinants of health: not an input.",
            f"Health-status assessments: {coma}",
        )
    )


def _represented(rows: Rows) -> str:
    """Age, sex and ethnicity of the patients trained on, a sentence a data set."""
    return " ".join(
        _people(str(name), audit.population(rows, rows.data_set == name)) for name in np.unique(rows.data_set)
    )


def _people(name: str, who: Mapping[str, Any]) -> str:
    age = (
        f"median age {who['age_median']:.0f} (quartiles {who['age_quartiles'][0]:.0f} to "
        f"{who['age_quartiles'][1]:.0f})"
        if who["age_median"] is not None
        else "age unknown"
    )
    hospitals = f"{who['hospitals']:,} hospitals" if who["hospitals"] > 1 else "one hospital or unit"
    return (
        f"{place(name)}: {who['patients']:,} patients of {hospitals}, {age}; sex {_listed(who['sex'])}; "
        f"ethnicity {_listed(who['ethnicity'])}."
    )


def _listed(shares: Mapping[str, float]) -> str:
    if list(shares) == ["unknown"]:
        return "not in the data"
    ordered = sorted(shares.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {100 * share:.1f} %" for name, share in ordered)


def _external(evaluation: Mapping[str, Any]) -> Iterator[Said]:
    """Attributes 17 to 20: the data, by whom, of whom, and how."""
    sets = evaluation.get("external", {})
    if not sets:
        for what in ("No external data", "Nobody", "No external data", "It has not been done"):
            yield (
                f"{what}: no figure of this model is of data from outside the sets it was trained on.",
                NOT_YET,
            )
        return
    names = ", ".join(DATA[name]["title"] if name in DATA else place(name) for name in sets)
    counts = "; ".join(
        f"{place(name)}: {found['patients']:,} patients, {found['rows']:,} moments, {found['positive']:,} with the "
        "outcome" for name, found in sets.items()
    )  # fmt: skip
    yield f"{names}.", EVALUATION
    yield "The developers themselves; nobody independent has tested it.", WRITTEN
    yield f"{counts}.", EVALUATION
    yield "The released model, unchanged, asked of every moment by the same rules as in training.", WRITTEN


def _validity(sets: Mapping[str, Any]) -> str:
    """A sentence a data set: how it ranks, how it is calibrated, what it finds, what it forecasts."""
    return " ".join(_valid(place(name), found) for name, found in sets.items())


def _valid(name: str, found: Mapping[str, Any]) -> str:
    model = found["contenders"][MODEL]
    if "withheld" in model:
        return f"{name}: {found['rows']:,} moments, too few of one outcome for a figure."
    said = (
        f"{name}, {model['rows']:,} moments of {found['patients']:,} patients, {model['positive']:,} with the outcome: "
        f"AUROC {_with(model, 'auroc')}, AUPRC {_with(model, 'auprc')}, Brier score {model['brier']:.3f}, calibration "
        f"slope {_with(model, 'calibration_slope')}, expected calibration error {model['ece']:.3f}"
    )
    point = next((p for p in found.get("operating", []) if p["at"] == "false-alarm rate 0.10"), None)
    if point:
        ppv = f", PPV {_with(point, 'ppv')}" if point["ppv"] is not None else ""
        said += f"; with a false-alarm rate of 10 % sensitivity {_with(point, 'sensitivity')}{ppv}"
    ahead = found.get("forecast", {}).get("all", {})
    if "mae" in ahead:
        said += (
            f"; the 80 % interval of the forecast held {100 * ahead['coverage_80']:.0f} %, mean error of the log "
            f"{_with(ahead, 'mae')}"
        )
        said += f" against {ahead['mae_no_change']:.3f} of no change" if "mae_no_change" in ahead else ""
    return f"{said}."


def _fairness(sets: Mapping[str, Any]) -> str:
    """A sentence a data set and grouping: who is missed most, who least."""
    said = []
    for name, found in sets.items():
        for grouping, gap in found.get("fairness", {}).items():
            said.append(
                f"{place(name)}, by {grouping}: false-negative rate {gap['false_negative_rate_there']:.2f} in "
                f"{gap['most_missed']}, {gap['false_negative_rate_here']:.2f} in {gap['least_missed']} (ratio of "
                f"sensitivities {_ratio(gap)}); AUROC {gap['lowest_auroc']:.3f} to {gap['highest_auroc']:.3f}."
            )
        if not found.get("fairness"):
            said.append(f"{place(name)}: no two groups are large enough to be compared.")
    return " ".join(said)


def _ratio(gap: Mapping[str, Any]) -> str:
    ratio = gap["ratio_of_sensitivities"]
    return "not defined" if ratio is None else f"{ratio:.2f}"


def _nearest(evaluation: Mapping[str, Any]) -> str:
    """What comes nearest to an external test: hospitals that no model of the fold had seen."""
    found = evaluation["data_sets"].get("eicu-demo", {}).get("contenders", {}).get(MODEL, {})
    nearest = (
        f" Nearest to it: in the eICU demo each hospital was judged by a model that saw none of its patients, AUROC "
        f"{_with(found, 'auroc')}."
        if "auroc" in found
        else ""
    )
    return f"None: no data from outside the sets it was trained on have been evaluated.{nearest}"


def _nobody(evaluation: Mapping[str, Any]) -> str:
    gap = evaluation["data_sets"].get("eicu-demo", {}).get("fairness", {}).get("hospital")
    nearest = (
        f" Nearest to it: between unseen hospitals of the eICU demo AUROC runs from {gap['lowest_auroc']:.3f} to "
        f"{gap['highest_auroc']:.3f}."
        if gap
        else ""
    )
    return f"None: no data from outside the sets it was trained on have been evaluated.{nearest}"


def _monitored(what: str) -> str:
    return (
        "Every answer is kept in the site's ledger with the model's version, so that it can be judged against what "
        f"happened. A report of {what} on a schedule is not part of this version: the site decides how often it looks."
    )


def _live(what: str) -> str:
    return f"{what} here comes from this site's live ledger, and is empty until outcomes have been recorded in it."


def _with(found: Mapping[str, Any], name: str) -> str:
    """A figure with its interval: "0.741 (0.72 to 0.76)"."""
    ends = found.get(f"{name}_95")
    return f"{found[name]:.3f}" + (f" ({ends[0]:.2f} to {ends[1]:.2f})" if ends else "")
