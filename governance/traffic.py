"""What was said in a span of time, counted by the database: answers, alerts, cards, feedback, offers. Nobody's row."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, and_, case, func, or_, select

from governance.outcomes import REVIEW
from governance.tables import assessments, cards, feedback, outcomes, predictions, releases, suggestions
from governance.waiting import unsettled
from inference.assessment import Status

Counted = Mapping[str, Any]
_AT_ONCE: Final = 500  # ids in one query


@dataclass(frozen=True, slots=True)
class Span:
    """One site's time from `since` to before `until`."""

    tenant: str
    since: datetime
    until: datetime


def answers(connection: Connection, span: Span, model: str) -> list[Counted]:
    """Answers of `model` by version, state, status and reason: how many, and how many were shown to somebody."""
    a = assessments.c
    kinds = (a.version, a.state, a.status, a.reason)
    query = (
        select(*kinds, func.count().label("answers"), func.count(a.shown_at).label("shown"))
        .where(*_asked(span, model))
        .group_by(*kinds)
        .order_by(*kinds)
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def patients(connection: Connection, span: Span, model: str) -> int:
    """How many patients `model` answered about."""
    query = select(func.count(assessments.c.pseudonym.distinct())).where(*_asked(span, model))
    return connection.scalar(query) or 0


def last_outcome(connection: Connection, span: Span, model: str) -> str:
    """The outcome of the most hours that was predicted with a probability: the model's headline; "" where none was."""
    a, p = assessments.c, predictions.c
    query = select(p.outcome).join(assessments, p.assessment_id == a.id).where(*_asked(span, model))
    found = query.where(p.probability.is_not(None)).order_by(p.hours.desc(), p.outcome).limit(1)
    return connection.scalar(found) or ""


def predicted(
    connection: Connection, span: Span, model: str, thresholds: Mapping[str, float]
) -> list[Counted]:
    """By version and outcome: predictions, those the model stands behind, and those that reach the threshold."""
    a, p = assessments.c, predictions.c
    stands = and_(a.status == Status.ASSESSED.value, p.probability.is_not(None))
    high = [and_(p.outcome == name, p.probability >= least) for name, least in thresholds.items()]
    reaches = and_(stands, or_(*high)) if high else None
    alerts = func.sum(case((reaches, 1), else_=0)) if reaches is not None else func.sum(0)
    query = (
        select(
            a.version, p.outcome, p.hours, func.count().label("predictions"),
            func.sum(case((stands, 1), else_=0)).label("stood"), alerts.label("alerts"),
        )
        .join(predictions, p.assessment_id == a.id)
        .where(*_asked(span, model), p.probability.is_not(None))
        .group_by(a.version, p.outcome, p.hours)
        .order_by(a.version, p.hours, p.outcome)
    )  # fmt: skip
    told = [dict(row) for row in connection.execute(query).mappings()]
    return [row | {name: int(row[name]) for name in ("stood", "alerts")} for row in told]


def waiting(connection: Connection, span: Span, model: str) -> int:
    """Answers the model does not stand behind with an outcome that neither rule nor person has settled since."""
    doubted = assessments.c.status == Status.INDETERMINATE.value
    query = select(func.count()).where(*_asked(span, model), doubted, unsettled())
    return connection.scalar(query) or 0


def labelled(connection: Connection, span: Span, model: str) -> int:
    """Outcomes of `model` that persons labelled in the span, whenever it had answered."""
    o = outcomes.c
    query = select(func.count()).where(o.tenant == span.tenant, o.model == model, o.source == REVIEW)
    return connection.scalar(query.where(o.recorded_at >= span.since, o.recorded_at < span.until)) or 0


def handed(connection: Connection, span: Span) -> int:
    """Patients' pages that clinicians handed out in the span."""
    r, a = releases.c, assessments.c
    query = select(func.count()).select_from(releases).join(assessments, a.id == r.assessment_id)
    query = query.where(a.tenant == span.tenant, r.released_at >= span.since, r.released_at < span.until)
    return connection.scalar(query) or 0


def shown(connection: Connection, span: Span) -> list[Counted]:
    """Cards by model, its state then, and why they were held back ("" for those that were shown)."""
    a, c = assessments.c, cards.c
    kinds = (func.coalesce(a.model, "").label("model"), func.coalesce(a.state, "").label("state"), c.withheld)
    query = (
        select(*kinds, func.count().label("cards"))
        .outerjoin_from(cards, assessments, a.id == c.assessment_id)
        .where(c.tenant == span.tenant, c.shown_at >= span.since, c.shown_at < span.until)
        .group_by(*kinds)
        .order_by(*kinds)
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def answered(connection: Connection, span: Span) -> list[Counted]:
    """Feedback by model, outcome and reason for overriding; `model` is "" for a card that is not known here."""
    f, c, a = feedback.c, cards.c, assessments.c
    model = func.coalesce(a.model, "").label("model")
    kinds = (model, f.outcome, f.override_code, f.override_system)
    query = (
        select(*kinds, func.count().label("cards"))
        .outerjoin_from(feedback, cards, c.id == f.card)
        .outerjoin(assessments, a.id == c.assessment_id)
        .where(*_heard(span))
        .group_by(*kinds)
        .order_by(*kinds)
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def offered(connection: Connection, span: Span) -> list[Counted]:
    """Suggestions by kind: offered on cards of the span, and taken as its feedback tells."""
    c, s, f = cards.c, suggestions.c, feedback.c
    query = (
        select(s.kind, func.count())
        .join(cards, c.id == s.card_id)
        .where(c.tenant == span.tenant, c.shown_at >= span.since, c.shown_at < span.until)
        .group_by(s.kind)
    )
    many = {kind: count for kind, count in connection.execute(query)}
    told = connection.scalars(select(f.accepted).where(*_heard(span), f.accepted != "[]"))
    taken = [str(each) for accepted in told for each in json.loads(accepted)]
    kinds: Counter[str] = Counter()
    for start in range(0, len(taken), _AT_ONCE):
        ids = taken[start : start + _AT_ONCE]
        of = {key: kind for key, kind in connection.execute(select(s.id, s.kind).where(s.id.in_(ids)))}
        kinds.update(of[each] for each in ids if each in of)
    return [
        {"kind": kind, "offered": many.get(kind, 0), "taken": kinds[kind]} for kind in sorted({*many, *kinds})
    ]


def _asked(span: Span, model: str) -> tuple[Any, ...]:
    a = assessments.c
    return (a.tenant == span.tenant, a.model == model, a.as_of >= span.since, a.as_of < span.until)


def _heard(span: Span) -> tuple[Any, ...]:
    f = feedback.c
    return (f.tenant == span.tenant, f.received_at >= span.since, f.received_at < span.until)
