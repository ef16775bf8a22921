"""Handmade assessments for every state a face can meet. Synthetic: nobody's values.

All are of one moment, 23 November 2026 06:12 in New York, a zone that is not UTC.
"""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from inference.assessment import (
    TROPONIN,
    VENTILATION,
    Ahead,
    Assessment,
    Draw,
    Explanation,
    Hourly,
    Phrase,
    Prediction,
    Reason,
    RuleResult,
    RuleStep,
    Score,
    ScorePart,
    Status,
    Supposed,
    SystemPush,
)
from inference.chart import Measurement, Refusal, Source
from inference.vocabulary import vocabulary

ZONE = ZoneInfo("America/New_York")
AS_OF = datetime(2026, 11, 23, 11, 12, tzinfo=UTC)
OPENED = datetime(2026, 11, 23, 11, 14, tzinfo=UTC)
DIGEST = "9f2c1b7a4e0d5c6b8a3f2e1d0c9b8a7f6e5d4c3b2a190807f6e5d4c3b2a19080"

LOINC = {"rr": "9279-1", "spo2": "59408-5", "fio2": "3150-0", "hr": "8867-4", "hs_troponin_t": "67151-1"}


def row(
    variable: str,
    value: float,
    hours: float,
    *,
    number: int = 0,
    sent: str = "",
    unit: str | None = None,
    bound: str = "",
    limit: float | None = None,
    assay: str = "",
) -> Measurement:
    """One measurement `hours` before the moment."""
    time = AS_OF - timedelta(hours=hours)
    inner = vocabulary()[variable].unit
    resource = f"Observation/{variable.replace('_', '-')}-{number or round(hours * 60)}"
    code = f"http://loinc.org|{LOINC.get(variable, '0000-0')}"
    source = Source(resource, "1", code, sent or f"{bound}{value:g}", inner if unit is None else unit)
    known = time + timedelta(minutes=40 if vocabulary()[variable].kind == "lab" else 0)
    return Measurement(variable, value, time, min(known, AS_OF), source, bound, limit, assay)


def reason(
    variable: str, push: float, *values: tuple[float, float], label: str = "", first: str = ""
) -> Reason:
    """A push; `values` are (hours before, value), oldest first, the `first` with that bound. None: not measured."""
    rows = [
        row(variable, value, hours, bound="" if place else first)
        for place, (hours, value) in enumerate(values)
    ]
    entry = vocabulary()[variable]
    return Reason(
        variable=variable,
        label=label or entry.label,
        system=entry.system,
        push=push,
        measured=bool(rows),
        latest=rows[-1] if rows else None,
        earlier=rows[0] if len(rows) > 1 else None,
        series=tuple((hours, value) for hours, value in values),
    )


def person_reason(variable: str, label: str, push: float, stated: float | str | None = None) -> Reason:
    """A push of who and where the patient is. There is no measurement behind it; an old answer states nothing."""
    return Reason(variable, label, "person", push, True, None, None, stated=stated)


def explanation(outcome: str, base: float, *reasons: Reason) -> Explanation:
    """An explanation whose systems and rows add up to its score exactly."""
    totals: dict[str, float] = {}
    for each in reasons:
        totals[each.system] = totals.get(each.system, 0.0) + each.push
    labels = vocabulary().systems
    systems = tuple(SystemPush(name, labels[name], push) for name, push in totals.items())
    score = base + sum(totals.values())
    return Explanation(
        outcome, base, score, systems, reasons, 7, "owen: exact over organ systems, sampled within", 3072
    )


PNEUMONIA = explanation(
    "ventilation-24h",
    -2.25,
    reason("rr", 0.62, (13.2, 22), (10, 22), (7, 24), (4, 26), (1.5, 28), (0.53, 30)),
    reason("fio2", 0.55, (13.0, 28), (8, 35), (4, 50), (0.6, 60)),
    reason("spo2", 0.21, (13.2, 95), (10, 94), (7, 93), (4, 93), (1.5, 91), (0.53, 91)),
    reason("oxygen_device", 0.08, (13, 1), (4, 3)),
    reason("pco2", -0.06, (9.5, 38), (3.2, 36)),
    reason("ph", -0.03, (9.5, 7.41), (3.2, 7.4)),
    reason("lactate", 0.18, (9.5, 1.6), (3.2, 2.9)),
    reason("hr", 0.12, (13.2, 96), (7, 104), (4, 108), (0.53, 114)),
    reason("map", -0.09, (13.2, 84), (0.53, 82)),
    reason("gcs", -0.34, (12, 15), (2.1, 15)),
    reason("creatinine", 0.02, (20, 0.96), (6, 1.02)),
    reason("urine", -0.02, (2, 60)),
    reason("temp", 0.07, (12, 38.2), (2.1, 38.9)),
    reason("wbc", 0.05, (20, 12.4), (6, 16.8)),
    reason("crp", 0.03),
    reason("bilirubin", -0.04),
    reason("bnp", -0.11),
    person_reason("age", "Age", 0.02, 72),
    person_reason("sex", "Sex", 0.01, "male"),
    person_reason("hours_in_stay", "Hours since admission", -0.05, 13.4),
    person_reason("care_unit", "Kind of care unit", 0.12, "medical"),
)
SHOWN_24H = 1 / (1 + math.exp(-PNEUMONIA.score))

NEWS2 = Score(
    "NEWS2",
    11.0,
    "high",
    (
        ScorePart("rr", "Respiratory rate", row("rr", 30, 0.53), 3),
        ScorePart("spo2", "Oxygen saturation (pulse oximetry)", row("spo2", 91, 0.53), 3),
        ScorePart("fio2", "Supplemental oxygen", row("fio2", 60, 0.6), 2),
        ScorePart("sbp", "Systolic blood pressure", row("sbp", 118, 0.53), 0),
        ScorePart("hr", "Heart rate", row("hr", 114, 0.53), 2),
        ScorePart("avpu", "Consciousness", row("avpu", 0, 2.1), 0),
        ScorePart("temp", "Temperature", row("temp", 38.9, 2.1), 1),
    ),
    (Phrase("news2-scale-1-compared", {"points": 3, "scale_2_points": 0}),),
)
NEWS2_INCOMPLETE = Score(
    "NEWS2",
    None,
    "",
    (
        ScorePart("rr", "Respiratory rate", row("rr", 16, 1.2), 0),
        ScorePart("spo2", "Oxygen saturation (pulse oximetry)", None, None),
        ScorePart("temp", "Temperature", row("temp", 36.8, 1.2), 0),
    ),
    (
        Phrase(
            "score-input-missing",
            {
                "score": "NEWS2",
                "variable": "spo2",
                "label": "Oxygen saturation (pulse oximetry)",
                "hours": 6.0,
            },
        ),
    ),
)
ROX_INPUTS = (
    ScorePart("spo2", "Oxygen saturation (pulse oximetry)", row("spo2", 91, 0.53), None),
    ScorePart("fio2", "Inspired oxygen fraction", row("fio2", 60, 0.6), None),
    ScorePart("rr", "Respiratory rate", row("rr", 30, 0.53), None),
)
ROX_WELL = Score(
    "ROX",
    98 / 0.21 / 15,
    "",
    (
        ScorePart("spo2", "Oxygen saturation (pulse oximetry)", row("spo2", 98, 0.53), None),
        ScorePart("fio2", "Inspired oxygen fraction", row("fio2", 21, 0.6), None),
        ScorePart("rr", "Respiratory rate", row("rr", 15, 0.53), None),
    ),
    (Phrase("rox-not-on-high-flow"),),
)
NEWS2_WELL = Score(
    "NEWS2",
    1.0,
    "low",
    (
        ScorePart("rr", "Respiratory rate", row("rr", 15, 0.53), 0),
        ScorePart("spo2", "Oxygen saturation (pulse oximetry)", row("spo2", 98, 0.53), 0),
        ScorePart("fio2", "Supplemental oxygen", row("fio2", 21, 0.6), 0),
        ScorePart("sbp", "Systolic blood pressure", row("sbp", 108, 0.53), 1),
        ScorePart("hr", "Heart rate", row("hr", 74, 0.53), 0),
        ScorePart("avpu", "Consciousness", row("avpu", 0, 2.1), 0),
        ScorePart("temp", "Temperature", row("temp", 36.9, 2.1), 0),
    ),
)
ROX_NOT = Score("ROX", 91 / 0.6 / 30, "", ROX_INPUTS, (Phrase("rox-not-on-high-flow"),))
ROX_NONE = Score(
    "ROX",
    None,
    "",
    tuple(replace(part, measurement=None) for part in ROX_INPUTS),
    (
        Phrase(
            "score-input-missing",
            {"score": "ROX", "variable": "spo2", "label": "Oxygen saturation (pulse oximetry)", "hours": 6.0},
        ),
    ),
)
ROX_WATCH = Score(
    "ROX",
    3.9,
    "watch",
    ROX_INPUTS,
    (Phrase("rox-thresholds", {"hours": 7.5, "failure": 3.47, "success": 4.88}),),
)


def _inputs(found: Explanation) -> tuple[Measurement, ...]:
    return tuple(
        row(each.variable, value, hours)
        for each in found.reasons
        for hours, value in each.series
        if each.measured
    )


def trail(now: float, *before: float | None, status: Status = Status.ASSESSED) -> tuple[Hourly, ...]:
    """A day's course: `before` from 24 h ago on, None where there was no number, then `now`."""
    hours = (*before, now)
    return tuple(
        Hourly(AS_OF - timedelta(hours=len(hours) - 1 - place), Status.INSUFFICIENT)
        if p is None
        else Hourly(AS_OF - timedelta(hours=len(hours) - 1 - place), status, p, 0.62 * p, min(1.48 * p, 1))
        for place, p in enumerate(hours)
    )


NOT_YET = (None,) * 10
RISING = (0.09, 0.09, 0.1, 0.09, 0.11, 0.12, 0.14, 0.13, 0.17, 0.19, 0.22, 0.24, 0.31, 0.3)

VENTILATION_ASSESSED = Assessment(
    model=VENTILATION,
    version="0.1.0",
    as_of=AS_OF,
    status=Status.ASSESSED,
    reason=None,
    predictions=(
        Prediction("ventilation-6h", 6, 0.11, 0.06, 0.19, members=(0.09, 0.10, 0.11, 0.12, 0.14)),
        Prediction("ventilation-12h", 12, 0.19, 0.12, 0.29, members=(0.16, 0.18, 0.19, 0.20, 0.24)),
        Prediction("ventilation-24h", 24, SHOWN_24H, 0.19, 0.42, members=(0.23, 0.26, 0.29, 0.31, 0.36)),
    ),
    explanation=PNEUMONIA,
    scores=(NEWS2, ROX_NOT),
    missing=("crp", "bilirubin", "bnp"),
    cautions=(
        Phrase("early-onset-not-covered", {"minutes": 60}),
        Phrase("rows-refused", {"count": 2}),
    ),
    inputs=_inputs(PNEUMONIA),
    refused=(
        Refusal("Observation/spo2-probe-off", "implausible", "12 %"),
        Refusal("Observation/trop-<b>local</b>", "unmapped-code", "http://hospital.example/codes|TNX"),
    ),
    seed=7,
    base_rate=0.09,
    inputs_digest=DIGEST,
    trail=trail(SHOWN_24H, *NOT_YET, *RISING),
    supposed=(
        Supposed("rr", "Respiratory rate", row("rr", 22, 13.2), 0.2, 0.2),
        Supposed("fio2", "Inspired oxygen fraction", row("fio2", 28, 13.0), 0.21, 0.21),
        Supposed("crp", "C-reactive protein", None, 0.26, 0.34, 2.0, 310.0),
    ),
)
VENTILATION_LOW = replace(
    VENTILATION_ASSESSED,
    predictions=(
        Prediction("ventilation-6h", 6, 0.004, 0.001, 0.01, members=(0.003, 0.004, 0.005)),
        Prediction("ventilation-12h", 12, 0.011, 0.005, 0.021, members=(0.009, 0.011, 0.013)),
        Prediction("ventilation-24h", 24, 0.024, 0.012, 0.043, members=(0.019, 0.024, 0.03)),
    ),
    explanation=explanation(
        "ventilation-24h",
        -2.25,
        reason("gcs", -0.41, (12, 15), (2.1, 15)),
        reason("rr", -0.52, (13.2, 16), (0.53, 15)),
        reason("spo2", -0.5, (13.2, 97), (0.53, 98)),
        reason("hr", -0.02537, (13.2, 78), (0.53, 74)),
    ),
    scores=(NEWS2_WELL, ROX_WELL),
    missing=("lactate",),
    refused=(),
    trail=trail(0.024, *(0.031, 0.03, 0.028) * 8),
    supposed=(Supposed("lactate", "Lactate", None, 0.022, 0.071, 0.6, 14.0),),
)
VENTILATION_HIGH = replace(
    VENTILATION_ASSESSED,
    predictions=(
        Prediction("ventilation-6h", 6, 0.41, 0.27, 0.56, members=(0.33, 0.38, 0.41, 0.45, 0.5)),
        Prediction("ventilation-12h", 12, 0.58, 0.42, 0.73, members=(0.5, 0.55, 0.58, 0.62, 0.67)),
        Prediction("ventilation-24h", 24, 0.72, 0.56, 0.85, members=(0.64, 0.69, 0.72, 0.76, 0.8)),
    ),
    explanation=None,
)
VENTILATION_INDETERMINATE = replace(
    VENTILATION_ASSESSED,
    status=Status.INDETERMINATE,
    reason=Phrase("members-apart", {"low": 0.081, "high": 0.098, "least": 0.08, "most": 0.63}),
    predictions=(
        Prediction("ventilation-6h", 6, 0.12, 0.03, 0.41, members=(0.03, 0.08, 0.12, 0.31, 0.4)),
        Prediction("ventilation-12h", 12, 0.2, 0.05, 0.56, members=(0.05, 0.11, 0.2, 0.4, 0.55)),
        Prediction("ventilation-24h", 24, SHOWN_24H, 0.07, 0.66, members=(0.08, 0.14, 0.28, 0.5, 0.63)),
    ),
    trail=trail(SHOWN_24H, *NOT_YET, *RISING, status=Status.INDETERMINATE),
    supposed=(),
)
VENTILATION_OUTSIDE = replace(
    VENTILATION_INDETERMINATE,
    reason=Phrase("outside-training", {"variables": "Inspired oxygen fraction, Lactate", "n": 2}),
)
VENTILATION_STALE = replace(
    VENTILATION_INDETERMINATE, reason=Phrase("stale", {"hours": 9.0, "limit": 6.0}), truncated=True
)
_NO_NUMBER = replace(
    VENTILATION_ASSESSED,
    predictions=(),
    explanation=None,
    inputs=(),
    refused=(),
    seed=0,
    base_rate=None,
    trail=(),
    supposed=(),
)
VENTILATION_INSUFFICIENT = replace(
    _NO_NUMBER,
    status=Status.INSUFFICIENT,
    reason=Phrase("no-heart-rate", {"hours": 2}),
    missing=("hr", "rr", "spo2", "gcs"),
    scores=(NEWS2_INCOMPLETE, ROX_NONE),
)
VENTILATION_EXCLUDED = replace(
    _NO_NUMBER,
    status=Status.EXCLUDED,
    reason=Phrase("already-ventilated", {"since": "2026-11-23T08:40:00+00:00"}),
    missing=(),
    scores=(ROX_NOT,),
)
VENTILATION_EARLIER = replace(
    VENTILATION_EXCLUDED, reason=Phrase("ventilated-earlier", {"since": "2026-11-21T02:10:00+00:00"})
)
VENTILATION_CHILD = replace(
    _NO_NUMBER,
    status=Status.EXCLUDED,
    reason=Phrase("age-below", {"age": 9, "limit": 18}),
    missing=(),
    scores=(),
)


def hs(value: float, hours: float, *, bound: str = "", sent: str = "", unit: str | None = None) -> Draw:
    """One Elecsys hs-troponin T draw."""
    return Draw(
        row(
            "hs_troponin_t",
            value,
            hours,
            bound=bound,
            sent=sent,
            unit=unit,
            limit=14.0,
            assay="elecsys-hs-ctnt",
        ),
        True,
    )


ESC_SOURCE = (
    "ESC 2023 guidelines for acute coronary syndromes, Supplementary Table S4, and four agreeing sources"
)
RULE_IN = RuleResult(
    rule="esc-0-1h",
    assay="Elecsys hs-cTnT (Roche)",
    verdict="rule-in",
    pattern="rising",
    steps=(
        RuleStep(Phrase("esc-onset", {"hours": 4.2, "limit": 3.0}), True),
        RuleStep(Phrase("esc-very-low", {"value": "31", "limit": 5.0, "unit": "ng/L"}), False),
        RuleStep(Phrase("esc-low", {"value": "31", "limit": 12.0, "unit": "ng/L"}), False),
        RuleStep(Phrase("esc-high", {"value": "31", "limit": 52.0, "unit": "ng/L"}), False),
        RuleStep(Phrase("esc-interval", {"target": 60, "window": 10, "minutes": 62}), True),
        RuleStep(
            Phrase(
                "esc-no-delta",
                {"first": "31", "second": "54", "change": "23", "limit": 3.0, "unit": "ng/L", "minutes": 62},
            ),
            False,
        ),
        RuleStep(
            Phrase(
                "esc-delta",
                {"first": "31", "second": "54", "change": "23", "limit": 5.0, "unit": "ng/L", "minutes": 62},
            ),
            True,
        ),
    ),
    source=ESC_SOURCE,
    verified="verified",
    cautions=(Phrase("esc-for-suspected-acs"), Phrase("kidney-disease")),
)
UDMI_RISING = RuleResult(
    rule="udmi-4",
    assay="Elecsys hs-cTnT (Roche)",
    verdict="rule-in",
    pattern="rising",
    steps=(
        RuleStep(Phrase("udmi-two-draws", {"count": 2}), True),
        RuleStep(
            Phrase(
                "udmi-above-limit", {"value": "54", "limit": 14.0, "unit": "ng/L", "source": "laboratory"}
            ),
            True,
        ),
        RuleStep(
            Phrase(
                "udmi-change",
                {"earlier": "31", "later": "54", "unit": "ng/L", "hours": 1.0, "limit": 20, "percent": 74},
            ),
            True,
        ),
    ),
    source="Fourth Universal Definition of Myocardial Infarction (2018)",
    verified="verified",
    cautions=(
        Phrase("udmi-injury-not-infarction"),
        Phrase("limit-from-laboratory", {"limit": 14.0, "unit": "ng/L"}),
    ),
)
NOT_APPLIED = RuleResult(
    rule="esc-0-1h",
    assay="Elecsys hs-cTnT (Roche)",
    verdict="not-applied",
    pattern="unknown",
    steps=(
        RuleStep(Phrase("esc-onset", {"hours": 2.0, "limit": 3.0}), False),
        RuleStep(Phrase("esc-very-low", {"value": "<5", "limit": 5.0, "unit": "ng/L"}), True),
        RuleStep(Phrase("esc-interval", {"target": 60, "window": 10, "minutes": 192}), False),
    ),
    source=ESC_SOURCE,
    verified="verified",
    cautions=(Phrase("esc-for-suspected-acs"), Phrase("onset-recent", {"hours": 2.0, "limit": 3.0})),
)
UNCONFIRMED = RuleResult(
    rule="esc-0-2h",
    assay="Elecsys hs-cTnT (Roche)",
    verdict="not-applied",
    pattern="rising",
    steps=(
        RuleStep(Phrase("assay-unverified", {"assay": "Elecsys hs-cTnT (Roche)", "rule": "esc-0-2h"}), False),
    ),
    source="ESC 2020/2023 guidelines, not read in the original",
    verified="unverified",
)
MI = explanation(
    "troponin-rise-24h",
    -1.1,
    reason("hs_troponin_t", 0.92, (1.7, 31), (0.66, 54)),
    reason("hr", 0.11, (1.7, 92), (0.5, 98)),
    reason("creatinine", -0.21, (1.5, 1.61)),
    reason("haemoglobin", 0.04, (1.5, 12.1)),
    reason("ck_mb", -0.03),
    person_reason("age", "Age", 0.09),
)
TROPONIN_RULE_IN = Assessment(
    model=TROPONIN,
    version="0.1.0",
    as_of=AS_OF,
    status=Status.INDETERMINATE,
    reason=Phrase("assay-not-trained", {"assay": "hs-Troponin T"}),
    predictions=(
        Prediction("troponin-rise-24h", 24, 0.46, 0.28, 0.65, members=(0.39, 0.42, 0.46, 0.5, 0.55)),
        Prediction("troponin-next", 24, value=71.0, value_low=44.0, value_high=118.0, unit="ng/L"),
    ),
    explanation=MI,
    scores=(),
    rules=(RULE_IN, UNCONFIRMED, UDMI_RISING),
    agreement="agree",
    draws=(hs(31, 1.7), hs(54, 0.66)),
    missing=("ck_mb",),
    cautions=(Phrase("rise-not-infarction"),),
    inputs=tuple(draw.measurement for draw in (hs(31, 1.7), hs(54, 0.66))),
    seed=7,
    base_rate=0.19,
    inputs_digest=DIGEST,
)


def _conventional(value: float, hours: float, bound: str = "") -> Draw:
    shown = f"{bound}{value / 1000:g}"
    return Draw(
        row("troponin_i", value, hours, sent=shown, unit="ng/mL", bound=bound, limit=40.0, assay=""), True
    )


TROPONIN_ASSESSED = replace(
    TROPONIN_RULE_IN,
    status=Status.ASSESSED,
    reason=None,
    predictions=(
        Prediction("troponin-rise-24h", 24, 0.22, 0.12, 0.36, members=(0.18, 0.2, 0.22, 0.24, 0.29)),
        Prediction("troponin-next", 24, value=610.0, value_low=380.0, value_high=1040.0, unit="ng/L"),
    ),
    explanation=explanation(
        "troponin-rise-24h",
        -1.1,
        reason("troponin_i", -0.3157, (14.2, 300), (8.1, 950), (1.9, 720), first="<"),
        reason("hr", 0.11, (14.2, 92), (0.5, 98)),
        reason("ck_mb", 0.04),
    ),
    rules=(
        replace(
            UDMI_RISING,
            assay="Troponin I (conventional)",
            pattern="falling",
            cautions=(
                Phrase("udmi-injury-not-infarction"),
                Phrase("limit-from-laboratory", {"limit": 40.0, "unit": "ng/L"}),
            ),
            steps=(
                RuleStep(Phrase("udmi-two-draws", {"count": 3}), True),
                RuleStep(
                    Phrase(
                        "udmi-above-limit",
                        {"value": "950", "limit": 40.0, "unit": "ng/L", "source": "laboratory"},
                    ),
                    True,
                ),
                RuleStep(
                    Phrase(
                        "udmi-change",
                        {
                            "earlier": "950",
                            "later": "720",
                            "unit": "ng/L",
                            "hours": 6.2,
                            "limit": 20,
                            "percent": -24,
                        },
                    ),
                    True,
                ),
            ),
        ),
    ),
    agreement="agree",
    draws=(
        _conventional(300, 14.2, "<"),
        Draw(row("hs_troponin_t", 64, 10.3, limit=14.0, assay="elecsys-hs-ctnt"), False),
        _conventional(950, 8.1),
        _conventional(720, 1.9),
    ),
    cautions=(Phrase("mixed-assays", {"count": 1, "assay": "Troponin I (conventional)"}),),
    inputs=tuple(_conventional(*pair).measurement for pair in ((300, 14.2, "<"), (950, 8.1), (720, 1.9))),
)
TROPONIN_DISAGREE = replace(
    TROPONIN_RULE_IN,
    status=Status.ASSESSED,
    reason=None,
    agreement="disagree",
    predictions=(
        Prediction("troponin-rise-24h", 24, 0.12, 0.06, 0.22, members=(0.09, 0.11, 0.12, 0.15)),
        Prediction("troponin-next", 24, value=33.0, value_low=22.0, value_high=51.0, unit="ng/L"),
    ),
    explanation=None,
    cautions=(),
)
TROPONIN_CENSORED = replace(
    TROPONIN_RULE_IN,
    rules=(NOT_APPLIED,),
    agreement="",
    draws=(hs(5, 3.9, bound="<", sent="<5"), hs(9, 0.7)),
)
TROPONIN_OLD = replace(
    TROPONIN_RULE_IN,
    reason=Phrase("troponin-old", {"hours": 31.0, "limit": 24}),
    rules=(replace(UDMI_RISING, verdict="observe", pattern="flat-high"),),
    agreement="",
    draws=(hs(61, 37.2), hs(63, 31.0)),
)
TROPONIN_NONE = replace(
    TROPONIN_RULE_IN,
    status=Status.INSUFFICIENT,
    reason=Phrase("no-troponin", {"hours": 48}),
    predictions=(),
    explanation=None,
    rules=(),
    agreement="",
    draws=(),
    cautions=(),
    inputs=(),
    missing=("hs_troponin_t",),
    base_rate=None,
)
NO_DRAW = tuple(
    RuleResult(
        rule, "", "not-applied", "unknown", (RuleStep(Phrase("rule-needs-draw"), None),), source, standing
    )
    for rule, source, standing in (("esc-0-1h", "", "unverified"), ("udmi-4", UDMI_RISING.source, "verified"))
)
TROPONIN_FIRST = replace(
    TROPONIN_ASSESSED,
    version="0.2.0",
    predictions=(
        Prediction("troponin-rise-24h", 24, 0.31, 0.17, 0.49, members=(0.24, 0.28, 0.31, 0.35, 0.41)),
        Prediction("troponin-next", 24, value=46.0, value_low=11.0, value_high=190.0, unit="ng/L"),
    ),
    explanation=explanation(
        "troponin-rise-24h",
        -1.1,
        reason("hr", 0.31, (14.2, 92), (0.5, 118)),
        reason("creatinine", -0.12, (1.5, 1.61)),
        reason("ck_mb", 0.1098),
    ),
    rules=NO_DRAW,
    agreement="",
    draws=(),
    cautions=(
        Phrase("before-first-result", {"hours": 48}),
        Phrase("assay-not-yet-known", {"assays": "Troponin I (conventional) or Troponin T (conventional)"}),
        Phrase("rise-not-infarction"),
    ),
    inputs=(row("hr", 118, 0.5), row("creatinine", 1.61, 1.5)),
    missing=(),
    base_rate=None,
)
FAN = tuple(
    Ahead(hours, p, 0.55 * p, 1.6 * p, value, low, high)
    for hours, p, value, low, high in (
        (1.0, 0.13, 700.0, 560.0, 880.0),
        (2.0, 0.15, 680.0, 510.0, 900.0),
        (3.0, 0.17, 660.0, 470.0, 930.0),
        (6.0, 0.2, 610.0, 390.0, 970.0),
        (12.0, 0.22, 540.0, 310.0, 1000.0),
        (24.0, 0.23, 430.0, 210.0, 990.0),
    )
)
TROPONIN_FIRST_PLANNED = replace(TROPONIN_FIRST, hours_ahead=1.5)
TROPONIN_FIRST_UNBACKED = replace(
    TROPONIN_FIRST, status=Status.INDETERMINATE, reason=Phrase("stale", {"hours": 9.0, "limit": 6.0})
)
TROPONIN_PLANNED = replace(
    TROPONIN_ASSESSED, version="0.2.0", hours_ahead=3.0, base_rate=None, agreement="", ahead=FAN
)
TROPONIN_DUE = replace(
    TROPONIN_RULE_IN,
    rules=(
        replace(
            RULE_IN,
            verdict="observe",
            pattern="unknown",
            steps=(
                *RULE_IN.steps[:4],
                RuleStep(Phrase("esc-second-draw-due", {"target": 60, "window": 10, "minutes": 40}), None),
            ),
            cautions=(Phrase("esc-for-suspected-acs"),),
        ),
    ),
    agreement="",
    draws=(hs(31, 0.66),),
    inputs=(hs(31, 0.66).measurement,),
    cautions=(Phrase("only-one-troponin"), Phrase("rise-not-infarction")),
)
TROPONIN_DEAF = replace(
    TROPONIN_ASSESSED,
    hours_ahead=3.0,
    cautions=(Phrase("draw-time-not-used", {"hours": 3.0, "limit": 24}), *TROPONIN_ASSESSED.cautions),
)
EVERY = {
    "ventilation-assessed": VENTILATION_ASSESSED,
    "ventilation-low": VENTILATION_LOW,
    "ventilation-high": VENTILATION_HIGH,
    "ventilation-indeterminate": VENTILATION_INDETERMINATE,
    "ventilation-outside": VENTILATION_OUTSIDE,
    "ventilation-stale": VENTILATION_STALE,
    "ventilation-insufficient": VENTILATION_INSUFFICIENT,
    "ventilation-excluded": VENTILATION_EXCLUDED,
    "ventilation-earlier": VENTILATION_EARLIER,
    "ventilation-child": VENTILATION_CHILD,
    "troponin-rule-in": TROPONIN_RULE_IN,
    "troponin-assessed": TROPONIN_ASSESSED,
    "troponin-disagree": TROPONIN_DISAGREE,
    "troponin-censored": TROPONIN_CENSORED,
    "troponin-old": TROPONIN_OLD,
    "troponin-none": TROPONIN_NONE,
    "troponin-first": TROPONIN_FIRST,
    "troponin-first-planned": TROPONIN_FIRST_PLANNED,
    "troponin-first-unbacked": TROPONIN_FIRST_UNBACKED,
    "troponin-planned": TROPONIN_PLANNED,
    "troponin-deaf": TROPONIN_DEAF,
    "troponin-due": TROPONIN_DUE,
}
