"""The spine: a record and a moment in, assessments out, and the ledger remembers.

Both doors and the batch come through here, so that the same patient at the same moment gets the same answer
whichever way it was asked.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ehr.laboratory import completed
from ehr.tenants import ModelPolicy, Tenant
from governance.ledger import Ledger
from governance.readings import Readings
from governance.resolutions import Resolution
from inference import gates
from inference.assess import assess
from inference.assessment import TROPONIN, VENTILATION, Assessment, State
from inference.chart import Chart, Record
from inference.model import Model
from inference.supposed import ahead, supposed
from inference.trail import trail
from webapp import standing

SEED = 20260901  # of the sampled part of an explanation; stored with every assessment


@dataclass(frozen=True, slots=True)
class Occasion:
    """Where, when and for whom an answer is given."""

    tenant: Tenant
    patient: str
    moment: datetime
    door: str  # "hook" or "launch"
    instance: str = ""  # the hook's instance: asked twice, answered once
    hook: str = ""
    user: str = ""
    encounter: str = ""
    hours_ahead: float | None = None  # to the planned draw, as far as anybody said: the trend model is told


@dataclass(frozen=True, slots=True)
class Consultation:
    """One model's answer, as recorded: what is shown is what the ledger holds.

    `suspension`: the decision by which the model is suspended, None where it was not people who did it.
    """

    id: str
    assessment: Assessment
    policy: ModelPolicy
    suspension: Resolution | None = None


def consult(
    record: Record, models: Iterable[Model], ledger: Ledger, readings: Readings, occasion: Occasion
) -> tuple[Consultation, ...]:
    """Assess `record` at the occasion's moment with each model, write the ledger, return what was written.

    Raises LedgerUnavailable when an answer could not be kept: what is not remembered is not said.
    """
    whole = completed(record, occasion.tenant.assays)
    chart = whole.at(occasion.moment)
    unit = chart.person.care_unit
    return tuple(
        _remembered(
            _answer(whole, chart, model, occasion), ledger, readings, occasion, (model.outcomes[-1], unit)
        )
        for model in models
    )


def _answer(record: Record, chart: Chart, model: Model, occasion: Occasion) -> Assessment:
    """The model's answer; for a page also its course, and what would move it: a hook has no time for these."""
    found = assess(
        chart,
        model,
        confirmed_assays=occasion.tenant.confirmed_assays,
        seed=SEED,
        hours_ahead=occasion.hours_ahead if model.name == TROPONIN else None,
    )
    if occasion.door != "launch" or found.headline is None:
        return found
    return replace(
        found,
        trail=trail(record, model, found) if model.name == VENTILATION else (),
        supposed=supposed(chart, model, found),
        ahead=ahead(chart, model, found),
    )


def hours_to(draw: datetime | None, moment: datetime) -> float | None:
    """Hours from `moment` to a planned draw, to the hundredth; None where no model can be asked about it."""
    if draw is None:
        return None
    hours = round((draw - moment) / timedelta(hours=1), 2)
    return hours if gates.SOONEST_DRAW <= hours <= gates.LATEST_DRAW else None


def draw_of(assessment: Assessment) -> datetime | None:
    """The moment of the planned draw an answer was asked about."""
    hours = assessment.hours_ahead
    return None if hours is None else assessment.as_of + timedelta(hours=hours)


def _remembered(
    assessment: Assessment, ledger: Ledger, readings: Readings, occasion: Occasion, gate: tuple[str, str]
) -> Consultation:
    policy = standing.policy(readings, occasion.tenant, assessment, *gate, occasion.moment)
    kept = ledger.record(
        assessment,
        tenant=occasion.tenant.id,
        patient=occasion.patient,
        encounter=occasion.encounter,
        door=occasion.door,
        hook_instance=occasion.instance,
        hook=occasion.hook,
        user=occasion.user,
        state=policy.state,
        threshold=policy.threshold,
    )
    suspended = policy.state is State.SUSPENDED
    by = standing.suspension(readings, occasion.tenant, assessment.model, gate) if suspended else None
    return Consultation(kept.id, kept.assessment, policy, by)
