"""What an assessment says: frozen data, no behaviour beyond reading it.

Probabilities are 0..1. Pushes are in log-odds of the shown probability and add up: `base + sum(pushes) = score`.
Codes (`reason`, `cautions`, `notices`) are words' keys, not sentences: the faces and the command line render them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from inference.chart import Measurement, Refusal

VENTILATION = "ventilation-need"
TROPONIN = "troponin-trend"

# Codes of cautions that say which question an answer is for.
BEFORE_FIRST = "before-first-result"  # asked before any troponin was back
DRAW_NOT_USED = "draw-time-not-used"  # a planned draw was told to a model that is deaf to it


class Status(StrEnum):
    """How far an assessment can be stood behind."""

    ASSESSED = "assessed"
    INDETERMINATE = (
        "indeterminate"  # a number exists and the model does not stand behind it: goes to a person
    )
    INSUFFICIENT = "insufficient"  # too little in the chart for a number
    EXCLUDED = "excluded"  # the question does not apply to this patient


class State(StrEnum):
    """What a model may do at a site. Everybody can see which it is."""

    SILENT = "silent"  # recorded, not shown; scores and rules still are
    DEMONSTRATION = "demonstration"  # shown under a banner nobody can miss
    ACTIVE = "active"
    SUSPENDED = "suspended"  # was active, left its limits; the doors say so aloud


@dataclass(frozen=True, slots=True)
class Phrase:
    """A code and what fills it: `Phrase("age-below", {"age": 9, "limit": 18})`. Rendered by whoever shows it."""

    code: str
    values: Mapping[str, str | float | int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Prediction:
    """One outcome's answer. Intervals are 95 % for probabilities and 80 % for forecast values."""

    outcome: str  # "ventilation-24h", "troponin-rise-24h", "troponin-next"
    hours: int
    probability: float | None = None
    low: float | None = None
    high: float | None = None
    value: float | None = None
    value_low: float | None = None
    value_high: float | None = None
    unit: str = ""
    members: tuple[float, ...] = ()  # each ensemble member's own calibrated probability


@dataclass(frozen=True, slots=True)
class Reason:
    """One variable's push on the explained outcome, with what was (or was not) measured."""

    variable: str
    label: str
    system: str
    push: float  # log-odds; > 0 raises the shown probability
    measured: bool
    latest: Measurement | None  # None when not measured in the look-back
    earlier: (
        Measurement | None
    )  # the patient's own earlier value, about 12 h before or the first in the look-back
    series: tuple[tuple[float, float], ...] = ()  # (hours before as_of, value), oldest first: the sparkline
    stated: float | str | None = None  # of the person, where no measurement stands behind it (explain.stated)


@dataclass(frozen=True, slots=True)
class SystemPush:
    """One organ system's exact Shapley value; its reasons add up to it."""

    system: str
    label: str
    push: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why: `base + sum(system pushes) = base + sum(reason pushes) = score = logit(probability)`, to 1e-6."""

    outcome: str
    base: float
    score: float
    systems: tuple[SystemPush, ...]
    reasons: tuple[Reason, ...]
    seed: int
    method: str  # "owen: exact over organ systems, sampled within"
    model_rows: int  # rows sent through the model to make it


@dataclass(frozen=True, slots=True)
class ScorePart:
    """One input of a bedside score: what was used, when, and the points it gave; None where it was missing."""

    variable: str
    label: str
    measurement: Measurement | None
    points: int | None


@dataclass(frozen=True, slots=True)
class Score:
    """NEWS2 or ROX. `value` is None when an input is missing or the score does not apply; `notices` says why."""

    name: str  # "NEWS2", "ROX"
    value: float | None
    band: str  # "low", "low-medium", "medium", "high"; for ROX "success", "watch", "failure"; "" when none
    parts: tuple[ScorePart, ...]
    notices: tuple[Phrase, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleStep:
    """One condition of a guideline rule: what was compared with what, and whether it held (None: cannot be said)."""

    phrase: Phrase
    holds: bool | None


@dataclass(frozen=True, slots=True)
class RuleResult:
    """The guideline's answer for this assay: "rule-out", "rule-in", "observe" or "not-applied"; never the model's."""

    rule: str  # "esc-0-1h", "esc-0-2h", "udmi-4"
    assay: str
    verdict: str
    pattern: str  # "rising", "falling", "flat-high", "flat-normal", "unknown"
    steps: tuple[RuleStep, ...]
    source: str
    verified: str  # "verified", "unverified"
    cautions: tuple[Phrase, ...] = ()


@dataclass(frozen=True, slots=True)
class Draw:
    """One troponin as drawn on the time axis."""

    measurement: Measurement
    comparable: bool  # same analyte and assay class as the latest


@dataclass(frozen=True, slots=True)
class Hourly:
    """The headline's answer as it would have been at `at`, from what was known then; None where there was none."""

    at: datetime
    status: Status
    probability: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Supposed:
    """The headline's probability from the same chart with one value more: what would move it, not what would help.

    Measured variables: `back` is the patient's own earlier value, taken as the newest. Unmeasured ones: the lowest
    and highest answer while the value runs over the range that training saw, and the values that gave them.
    """

    variable: str
    label: str
    back: Measurement | None
    low: float
    high: float  # equal to `low` for a measured variable
    at_low: float | None = None  # in the vocabulary's unit
    at_high: float | None = None


@dataclass(frozen=True, slots=True)
class Ahead:
    """The answer for a draw `hours` from now: chance of a rise, and the value with its 80 % interval in ng/L."""

    hours: float
    probability: float
    low: float
    high: float
    value: float
    value_low: float
    value_high: float


@dataclass(frozen=True, slots=True)
class Assessment:
    """The answer of one model about one chart, with all it takes to ask "why" of every number in it."""

    model: str
    version: str
    as_of: datetime
    status: Status
    reason: Phrase | None  # why not ASSESSED; None when assessed
    predictions: tuple[Prediction, ...] = ()
    explanation: Explanation | None = None
    scores: tuple[Score, ...] = ()
    rules: tuple[RuleResult, ...] = ()
    agreement: str = ""  # model and rule: "agree", "disagree", "" when either is silent
    draws: tuple[Draw, ...] = ()
    missing: tuple[str, ...] = ()  # variables that matter for this model and are not in the look-back
    cautions: tuple[Phrase, ...] = ()
    inputs: tuple[Measurement, ...] = ()  # every row that entered the features
    refused: tuple[Refusal, ...] = ()
    truncated: bool = False
    seed: int = 0
    base_rate: float | None = None  # share of comparable patients with the headline outcome in training
    inputs_digest: str = (
        ""  # sha256 of the feature vector: with model, version and seed the answer can be made again
    )
    hours_ahead: float | None = None  # the question: hours from `as_of` to the planned draw; None: not stated
    trail: tuple[Hourly, ...] = ()  # hour by hour, oldest first, the last at `as_of`; made for the page alone
    supposed: tuple[Supposed, ...] = ()  # the strongest pushes and the gaps that matter; for the page alone
    ahead: tuple[Ahead, ...] = ()  # other times of the draw, soonest first; for the page alone

    def prediction(self, outcome: str) -> Prediction | None:
        """The prediction for `outcome`, if this model made one."""
        return next((p for p in self.predictions if p.outcome == outcome), None)

    @property
    def before_first(self) -> bool:
        """Whether this answers the question before the first troponin: forecast of the first, rise after it."""
        return any(caution.code == BEFORE_FIRST for caution in self.cautions)

    @property
    def draw_in(self) -> float | None:
        """Hours from `as_of` to the draw the numbers are for; None where they are for any draw."""
        deaf = any(caution.code == DRAW_NOT_USED for caution in self.cautions)
        return None if deaf else self.hours_ahead

    @property
    def headline(self) -> Prediction | None:
        """The outcome that is explained and shown first: the last of the model's probability outcomes."""
        shown = [p for p in self.predictions if p.probability is not None]
        return max(shown, key=lambda p: p.hours, default=None)
