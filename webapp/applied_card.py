"""A model's card for programs: the elements of the CHAI applied model card, schema v0.2.

A face: what the card's page says, ordered as the schema asks, with figures as JSON. What is measured here stands for
the key metrics; where nothing is, the artefact's own evaluation does, and says of which data. Nothing is invented: an
element that nobody can fill says so in words. Optional parts with nothing to say (EHRs, reimbursement, signature) are
left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from inference.vocabulary import vocabulary
from webapp import words
from webapp.live_card import CardView, Here, called, share, trusted
from webapp.words import say

ILLEGAL: Final = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # in XML 1.0
MODEL: Final = "model"  # of the evaluation's contenders: the released one
Results = tuple[tuple[str, str], ...]  # label, value as JSON


@dataclass(frozen=True, slots=True)
class Metric:
    """One of the three key metrics."""

    name: str
    goal: str
    results: Results
    interpretation: str
    test: str
    data: str
    process: str


@dataclass(frozen=True, slots=True)
class AppliedCard:
    """The document: groups of (element, text) by the name of the element that holds them, in the schema's order."""

    basic: tuple[tuple[str, str], ...]
    release: tuple[tuple[str, str], ...]
    summary: str
    keywords: tuple[str, ...]
    uses: tuple[tuple[str, str], ...]
    warnings: tuple[tuple[str, str], ...]
    facts: tuple[tuple[str, str], ...]
    transparency: tuple[tuple[str, str], ...]
    metrics: tuple[Metric, ...]
    resources: tuple[tuple[str, str], ...]
    bibliography: str


def applied(
    view: CardView,
    manifest: Mapping[str, Any],
    card: Mapping[str, Any],
    evaluation: Mapping[str, Any],
    here: Here | None,
) -> AppliedCard:
    """The document behind the page `view`."""
    said = {one.number: one.text for one in view.attributes}
    name = say("en", f"models.{view.model}.name")
    unstated = say("en", "livecard.unsaid")
    inputs = words.listed([words.label_of(each) for each in manifest.get("inputs", ()) if each in vocabulary()])
    data = [f"{one['title']} ({one['licence']})" for one in card.get("data", ())]
    stage = view.state or str(card.get("status") or unstated)
    return _clean(
        AppliedCard(
            basic=(("ModelName", name), ("ModelDeveloper", said[1]), ("DeveloperContact", said[1])),
            release=(
                ("ReleaseStage", stage),
                ("ReleaseDate", str(manifest.get("created") or unstated)[:10]),
                ("ReleaseVersion", view.version),
                ("GlobalAvailability", say("en", "livecard.availability")),
                ("RegulatoryApproval", say("en", "livecard.approval")),
            ),
            summary=_joined(view.title, view.as_of, said[3], view.foremost),
            keywords=tuple(str(each) for each in manifest.get("outcomes", ())),
            uses=(
                ("IntendedUseAndWorkflow", said[5]),
                ("PrimaryIntendedUsers", said[7]),
                ("HowToUse", said[8]),
                ("TargetedPatientPopulation", said[6]),
                ("CautionedOutOfScopeSettings", said[9]),
            ),
            warnings=(
                ("KnownRisksAndLimitations", _joined(view.foremost, said[10])),
                ("KnownBiasesOrEthicalConsiderations", _joined(said[15], said[22])),
                ("ClinicalRiskLevel", say("en", f"livecard.risk.{view.model}")),
            ),
            facts=(
                ("OutcomesAndOutputs", _joined(said[3], said[4])),
                ("ModelType", str(card.get("method") or unstated)),
                ("InputDataSource", say("en", "livecard.inputs", inputs=inputs)),
                ("OutputAndInputDataTypes", _joined(said[4], said[12])),
                ("DevelopmentDataCharacterization", _joined(said[11], said[13], said[14])),
                ("BiasMitigationApproaches", said[16]),
                ("OngoingMaintenance", _joined(said[26], said[28], said[30], said[31])),
                ("Security", say("en", "livecard.security")),
                ("Transparency", say("en", "livecard.transparency")),
            ),
            transparency=(
                ("FundingSource", said[2]),
                ("ThirdPartyInformation", say("en", "livecard.third-party", data="; ".join(data) or unstated)),
                ("StakeholdersConsulted", say("en", "livecard.stakeholders")),
            ),
            metrics=_metrics(said, evaluation, here),
            resources=(
                ("EvaluationReferences", _joined(said[21], said[23])),
                ("ClinicalTrial", said[25]),
                ("PeerReviewedPublications", say("en", "livecard.publications")),
                ("PatientConsentOrDisclosure", say("en", "livecard.consent")),
            ),
            bibliography="\n".join(map(_entry, card.get("data", ()))),
        )
    )


def _metrics(said: Mapping[int, str], evaluation: Mapping[str, Any], here: Here | None) -> tuple[Metric, ...]:
    measured = () if here is None else tuple(_measured(here))
    gate = here.gate if here is not None else None
    none = say("en", "livecard.goal-none")
    usual = none if gate is None else say("en", "livecard.goal-usefulness", limit=share(gate["sensitivity"]))
    safe = none if gate is None else say("en", "livecard.goal-safety", limit=share(gate["false_alarms"]))
    if not measured:
        test = say("en", "livecard.test-internal", split=evaluation.get("split") or say("en", "about.none"))
        how = (test, said[13], _joined(test, said[20]))
        useful, fair = _ranking(evaluation), _internal_groups(evaluation)
        sure = _internal_calibration(evaluation)
        texts = (said[21], said[22], said[21])
    else:
        how = (say("en", "livecard.test-here"), said[27], say("en", "livecard.process-here"))
        useful, fair, sure = (_each(measured, told) for told in (_local_use, _local_groups, _local_safety))
        texts = (said[27], said[29], said[27])
    fairness = say("en", "livecard.goal-fairness")
    return (
        Metric("UsefulnessUsabilityEfficacy", usual, useful or _nothing(), texts[0], *how),
        Metric("FairnessEquity", fairness, fair, texts[1], *how),
        Metric("SafetyReliability", safe, sure or _nothing(), texts[2], *how),
    )


def _measured(here: Here) -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
    """Each measured outcome: what its labels are told apart by ("" for the headline), figures, and the whole body."""
    for came in here.outcomes:
        found = trusted(came, here.smallest)
        if found is not None and came.body is not None:
            yield "" if came is here.headline else called(came), found, came.body


def _each(
    measured: Sequence[tuple[str, Mapping[str, Any], Mapping[str, Any]]],
    told: Callable[[Mapping[str, Any], Mapping[str, Any]], Results],
) -> Results:
    """The results of every measured outcome, those of another than the headline named by it."""
    return tuple(
        (say("en", "livecard.label-of-outcome", label=label, outcome=outcome) if outcome else label, value)
        for outcome, found, body in measured
        for label, value in told(found, body)
    )


def _local_use(found: Mapping[str, Any], _body: Mapping[str, Any]) -> Results:
    return (_estimate(say("en", "livecard.label-sensitivity"), found["sensitivity"]),)


def _local_safety(found: Mapping[str, Any], body: Mapping[str, Any]) -> Results:
    fits = body["calibration"]
    told = [
        _estimate(say("en", "livecard.label-false-by-day"), found["false_by_day"]),
        _estimate(say("en", "livecard.label-false-by-alarm"), found["false_by_alarm"]),
    ]
    if fits is not None:
        label = say("en", "livecard.label-calibration")
        told.append((label, _interval(fits["ratio"], fits["low"], fits["high"])))
    if found["answers"]:
        label = say("en", "livecard.label-indeterminate")
        told.append((label, _single(found["indeterminate"] / found["answers"])))
    return tuple(told)


def _local_groups(_found: Mapping[str, Any], body: Mapping[str, Any]) -> Results:
    shown = [cell for cell in body["cells"] if cell["missed"] is not None]
    return tuple(
        _estimate(
            say(
                "en",
                "livecard.label-missed",
                trait=say("en", f"gate.trait-{cell['trait']}"),
                value=cell["value"] or say("en", "livecard.unknown"),
            ),
            cell["missed"],
        )
        for cell in shown
    ) or ((say("en", "livecard.label-compared"), _single(0)),)


def _models(evaluation: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
    """Each data set's name, what was found on it, and the released model's figures there."""
    for name, found in evaluation.get("data_sets", {}).items():
        model = found.get("contenders", {}).get(MODEL, {})
        if "auroc" in model:
            yield name, found, model


def _ranking(evaluation: Mapping[str, Any]) -> Results:
    return tuple(
        (say("en", f"livecard.label-{figure}", set=name), _interval(model[figure], *model[f"{figure}_95"]))
        for name, _, model in _models(evaluation)
        for figure in ("auroc", "auprc")
        if f"{figure}_95" in model
    )


def _internal_calibration(evaluation: Mapping[str, Any]) -> Results:
    told = []
    for name, _, model in _models(evaluation):
        if "calibration_slope_95" in model:
            value = _interval(model["calibration_slope"], *model["calibration_slope_95"])
            told.append((say("en", "livecard.label-slope", set=name), value))
        if "ece" in model:
            told.append((say("en", "livecard.label-ece", set=name), _single(model["ece"])))
    return tuple(told)


def _internal_groups(evaluation: Mapping[str, Any]) -> Results:
    told = [
        (say("en", "livecard.label-ratio", set=name, trait=trait), _single(gap["ratio_of_sensitivities"]))
        for name, found, _ in _models(evaluation)
        for trait, gap in found.get("fairness", {}).items()
        if gap.get("ratio_of_sensitivities") is not None
    ]
    return tuple(told) or ((say("en", "livecard.label-compared"), _single(0)),)


def _nothing() -> Results:
    return ((say("en", "livecard.label-none"), _single(0)),)


def _estimate(label: str, rate: Mapping[str, Any]) -> tuple[str, str]:
    if rate["value"] is None:
        return f"{label}: {say('en', 'gate.none')}", _single(0)
    if rate["low"] is None or rate["high"] is None:
        return label, _single(rate["value"])
    return label, _interval(rate["value"], rate["low"], rate["high"])


def _interval(value: float, low: float, high: float) -> str:
    """A figure with its 95 % interval, as the published examples write one."""
    told = {"kind": "estimate_ci", "estimate": value, "lower": low, "upper": high, "level": 95}
    return json.dumps(told)


def _single(value: float) -> str:
    return json.dumps({"kind": "single", "value": value})


def _entry(data: Mapping[str, Any]) -> str:
    """One data set as a BibTeX entry."""
    title, note = (re.sub(r"[{}\\]", "", str(data[key])) for key in ("title", "cite"))
    key = re.sub(r"[^A-Za-z0-9\-]", "", str(data["set"]))
    return f"@misc{{{key},\n  title = {{{title}}},\n  note = {{{note}. {data['licence']}}}\n}}"


def _joined(*texts: str) -> str:
    return "\n\n".join(dict.fromkeys(text for text in texts if text))


def _clean(card: AppliedCard) -> AppliedCard:
    """The same without characters that no XML may hold."""
    return AppliedCard(
        **{name: _cleaned(getattr(card, name)) for name in AppliedCard.__dataclass_fields__}
    )


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return ILLEGAL.sub("", value)
    if isinstance(value, Metric):
        return Metric(**{name: _cleaned(getattr(value, name)) for name in Metric.__dataclass_fields__})
    if isinstance(value, Sequence):
        return tuple(map(_cleaned, value))
    return value
