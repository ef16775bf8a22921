"""The weekly review put together: what was said and what happened, from one stream of a quarter's settled rows.

Made after its week by a scheduled job. Of one version and outcome at a time: versions are never mixed. What one week
is too short for stands beside it for the thirteen weeks it ends. Refuses a week that is not over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any, Final

from governance import traffic
from governance.alarms import Alarms, notice
from governance.audits import Audits, told
from governance.clarity import ClarityBook
from governance.equity import Auditing, calibration
from governance.errors import ReviewRefusal
from governance.examples import Examples
from governance.figures import figures
from governance.ledger import Ledger
from governance.outcomes import EARLY, NO, UNKNOWN, YES, Labelled, Outcomes
from governance.patient_days import Gathering
from governance.questions import questions
from governance.readings import Readings, holds
from governance.resolutions import Resolution
from governance.review import Reviews
from governance.series import Cases
from governance.store import Store
from governance.traffic import Span
from governance.weeks import Week
from inference.assessment import Assessment, State

QUARTER: Final = 13  # weeks, the last of them the reviewed one: what one week is too short for
REMARKS: Final = 100  # shown of what was written
PSEUDONYM: Final = 10  # characters shown: enough to tell patients of a week apart
NO_GROUPS: Final = 10**9  # the audit has them
FORMAT: Final = 1
Why = Callable[[Assessment], Sequence[str]]  # the reasons of an answer, in sentences


@dataclass(frozen=True, slots=True)
class Books:
    """What a review is put together from."""

    store: Store
    ledger: Ledger
    outcomes: Outcomes
    readings: Readings
    alarms: Alarms
    clarity: ClarityBook
    audits: Audits
    reviews: Reviews


@dataclass(frozen=True, slots=True)
class Asked:
    """Which week of which site, for which models, at which operating thresholds.

    `gated` are the gates' thresholds by model and outcome; `cards` the site's threshold for a card by model, which
    counts for the model's last outcome where no gate has one.
    """

    tenant: str
    week: Week
    zone: tzinfo
    models: Sequence[str]
    gated: Mapping[str, Mapping[str, float]]
    cards: Mapping[str, float]


def compiled(books: Books, asked: Asked, *, now: datetime, why: Why) -> Mapping[str, Any]:
    """The review of one week, as JSON has it; its audits are kept on the way.

    Raises ReviewRefusal for a week that is not over, LedgerUnavailable.
    """
    if asked.week.ends(asked.zone) > now:
        raise ReviewRefusal(f"week {asked.week.name} is not over: it can be reviewed from the day after its Sunday")
    span = Span(asked.tenant, asked.week.begins(asked.zone), asked.week.ends(asked.zone))
    models = [_model(books, asked, span, name, why) for name in asked.models]
    body = {
        "format": FORMAT,
        "site": asked.tenant,
        "week": asked.week.name,
        "from": asked.week.monday.isoformat(),
        "until": asked.week.sunday.isoformat(),
        "quarter_from": asked.week.before(QUARTER - 1).monday.isoformat(),
        "made_at": now.isoformat(),
        "models": models,
        "gates": _gates(books, asked),
        "decided": _decided(books, asked),
        **_cards(books, span),
        "alarms": _alarms(books, span),
        "clarity": _clarity(books, asked),
        "unresolved": list(books.reviews.undecided(asked.tenant, asked.week)),
    }
    return body | {"questions": questions(body)}


def _model(books: Books, asked: Asked, span: Span, model: str, why: Why) -> Mapping[str, Any]:
    """What one model said, and what came of it."""
    thresholds = dict(asked.gated.get(model, {}))
    quarter = Span(span.tenant, asked.week.before(QUARTER - 1).begins(asked.zone), span.until)
    with books.store.reading() as connection:
        last = traffic.last_outcome(connection, span, model)
        if last and model in asked.cards:
            thresholds.setdefault(last, asked.cards[model])
        answers = traffic.answers(connection, span, model)
        said = traffic.predicted(connection, span, model, thresholds)
        counts = {
            "patients": traffic.patients(connection, span, model),
            "waiting": traffic.waiting(connection, span, model),
            "waiting_quarter": traffic.waiting(connection, quarter, model),
            "labelled": traffic.labelled(connection, span, model),
        }
    parts = [_outcome(books, asked, span, quarter, model, each, thresholds, why) for each in said]
    return {"model": model, "answers": answers, **counts, "outcomes": parts}


def _outcome(
    books: Books,
    asked: Asked,
    span: Span,
    quarter: Span,
    model: str,
    said: traffic.Counted,
    thresholds: Mapping[str, float],
    why: Why,
) -> Mapping[str, Any]:
    """One version's outcome: the week and the quarter it ends, from one stream of the quarter's rows."""
    threshold = thresholds.get(said["outcome"])
    now, longer, auditing = _Window(asked.zone), _Window(asked.zone), Auditing(asked.zone)
    examples = Examples(asked.zone)
    rows = books.outcomes.labelled(
        span.tenant,
        model,
        said["outcome"],
        since=quarter.since,
        until=quarter.until,
        version=said["version"],
    )
    for row in rows:
        longer.add(row)
        auditing.add(row)
        if row.as_of >= span.since:
            now.add(row)
            examples.add(row)
    told_of = {**said, "threshold": threshold, "week": now.found(threshold), "quarter": longer.found(threshold)}
    told_of["unsettled"] = said["predictions"] - sum(told_of["week"]["labels"].values())
    if threshold is None:
        return told_of | {"audit": None, "misses": [], "false_alarms": []}
    audit = auditing.found(threshold)
    books.audits.keep(
        span.tenant, model, said["version"], said["outcome"], quarter.since, quarter.until, audit
    )
    return told_of | {
        "audit": told(audit),
        "misses": [_example(books, span.tenant, row, why) for row in examples.misses(threshold)],
        "false_alarms": [_example(books, span.tenant, row, why) for row in examples.false_alarms(threshold)],
    }


class _Window:
    """The figures of one window as its rows stream by."""

    def __init__(self, zone: tzinfo) -> None:
        self._gathering, self._cases = Gathering(zone), Cases(zone)
        self._labels = dict.fromkeys((YES, NO, EARLY, UNKNOWN), 0)

    def add(self, row: Labelled) -> None:
        self._gathering.add(row)
        self._cases.add(row)
        self._labels[row.label] += 1

    def found(self, threshold: float | None) -> dict[str, Any]:
        """Labels, calibration, and at a threshold the gate's figures."""
        fits = calibration(self._cases.found())
        at = None if threshold is None else figures(self._gathering.days(), threshold, smallest=NO_GROUPS)
        return {
            "labels": dict(self._labels),
            "calibration": None if fits is None else asdict(fits),
            "figures": None if at is None else asdict(at),
        }


def _example(books: Books, tenant: str, row: Labelled, why: Why) -> Mapping[str, Any]:
    """One answer to look at, with the reasons it was given."""
    recorded = books.ledger.reopened(row.assessment_id, tenant=tenant)
    head = None if recorded is None else recorded.assessment.prediction(row.outcome)
    reason = None if recorded is None else recorded.assessment.reason
    return {
        "assessment": row.assessment_id,
        "patient": row.pseudonym[:PSEUDONYM],
        "as_of": row.as_of.isoformat(),
        "version": row.version,
        "state": row.state,
        "status": row.status,
        "unsure": None if reason is None else {"code": reason.code, "values": dict(reason.values)},
        "probability": row.probability,
        "low": None if head is None else head.low,
        "high": None if head is None else head.high,
        "happened_at": None if row.happened_at is None else row.happened_at.isoformat(),
        "settled_by": row.source,
        "shown": recorded is not None and recorded.shown_at is not None,
        "care_unit": row.care_unit,
        "reasons": [] if recorded is None else list(why(recorded.assessment)),
    }


def _gates(books: Books, asked: Asked) -> list[dict[str, Any]]:
    """What each gate came to when it was last weighed."""
    told_of = []
    for model in asked.models:
        for outcome, unit in books.readings.gates(asked.tenant, model):
            reading = books.readings.last(asked.tenant, model, outcome, unit)
            if reading is not None:
                made = books.readings.resolutions.suspension(asked.tenant, model)
                shut = made is not None and holds(made, reading)
                told_of.append(
                    {
                        "model": model,
                        "outcome": outcome,
                        "care_unit": unit,
                        "version": reading.version,
                        "state": State.SUSPENDED.value if shut else reading.state.value,
                        "since": (made.at if made is not None and shut else reading.since).isoformat(),
                        "at": reading.at.isoformat(),
                        "live": reading.body["live"],
                        "missing": reading.body["missing"],
                    }
                )
    return told_of


def _decided(books: Books, asked: Asked) -> list[dict[str, Any]]:
    """Earlier decisions that still wait, or stand: thresholds not in force, and suspensions no gate has ended."""
    book = books.readings.resolutions
    told_of = [_resolved(each) for each in book.open(asked.tenant)]
    for model in asked.models:
        gates = books.readings.gates(asked.tenant, model)
        last = [books.readings.last(asked.tenant, model, *gate) for gate in gates] or [None]
        made = book.suspension(asked.tenant, model)
        if made is not None and any(holds(made, each) for each in last):
            told_of.append(_resolved(made) | {"model": model})
    return told_of


def _resolved(made: Resolution) -> dict[str, Any]:
    told = asdict(made) | {"at": made.at.isoformat(), "gate": made.gate}
    del told["id"], told["tenant"]
    return told


def _cards(books: Books, span: Span) -> Mapping[str, Any]:
    with books.store.reading() as connection:
        counted: dict[str, Any] = {
            "cards": traffic.shown(connection, span),
            "feedback": traffic.answered(connection, span),
            "offers": traffic.offered(connection, span),
            "handed": traffic.handed(connection, span),
        }
    remarks = [asdict(each) for each in books.ledger.remarks(span.tenant, span.since, span.until)]
    for each in remarks:
        each["at"] = each["at"].isoformat()
    return counted | {"remarks": remarks[:REMARKS], "remarks_left_out": max(0, len(remarks) - REMARKS)}


def _alarms(books: Books, span: Span) -> list[dict[str, Any]]:
    """Alarms found in the week, and older ones that nobody had answered when it ended."""
    told_of = []
    for alarm in books.alarms.listed(span.tenant):
        standing = alarm.answered_at is None or alarm.answered_at >= span.until
        if alarm.found_at < span.until and (alarm.found_at >= span.since or standing):
            answered = None if alarm.answered_at is None else alarm.answered_at.isoformat()
            told_of.append({**notice(alarm), "answered_at": answered, "decision": alarm.decision})
    return told_of


def _clarity(books: Books, asked: Asked) -> Mapping[str, Any]:
    """How clear readers found the patient's page, over the quarter: a week has too few answers to be shown."""
    found = books.clarity.report(
        tenant=asked.tenant,
        since=asked.week.before(QUARTER - 1).monday,
        until=asked.week.sunday + timedelta(days=1),
    )
    return asdict(found)
