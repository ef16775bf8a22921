"""What became of the patients: labelled outcomes, kept once, read as a stream.

An outcome is settled by a rule (follow-up) or by a person (review), once each; where both spoke, the person's
word counts. Refuses, by name, an outcome before its prediction or outside its hours, a clock that is ahead of
ours, and the same source saying two things. Nothing here names a patient.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby
from operator import attrgetter
from typing import Any, Final, TypeVar
from uuid import uuid4

from sqlalchemy import ColumnElement, Connection, RowMapping, bindparam, exists, literal, or_, select, tuple_

from governance import rows
from governance.errors import (
    LedgerRefusal,
    OutcomeBefore,
    OutcomeDisputed,
    OutcomeOutside,
    OutcomeRefusal,
    OutcomeSkewed,
    UnknownAssessment,
    UnknownPrediction,
)
from governance.keys import Pseudonym
from governance.ledger import NOBODY
from governance.store import Store
from governance.tables import TRAITS, Instant, assessments, outcomes, predictions

YES: Final = "yes"
NO: Final = "no"
EARLY: Final = "early"  # it happened, too soon after the prediction to act on: reported apart, in no figure
UNKNOWN: Final = "unknown"  # it cannot be known (transferred, no next draw): in no figure, and counted
LABELS: Final = frozenset({YES, NO, EARLY, UNKNOWN})
RULE: Final = "rule"
REVIEW: Final = "review"
SOURCES: Final = frozenset({RULE, REVIEW})
FORGIVEN: Final = timedelta(minutes=5)  # of clock skew between the hospital's servers and ours
PAGE: Final = 5000  # rows read at a time
AT_ONCE: Final = 500  # ids in one query
_ONCE: Final = ("assessment_id", "outcome", "source")
_SAID: Final = ("label", "happened_at", "value", "reason")  # what must agree for twice to be once


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one prediction, on its way into the ledger.

    `known_at` is the moment the hospital's record was complete to when this was settled. `happened_at` is the
    onset or the draw; needed for "yes" and "early". `traits` are values by name of TRAITS, absent when not known.
    """

    assessment_id: str
    outcome: str  # as predicted: "ventilation-24h", "troponin-rise-24h"
    label: str  # one of LABELS
    known_at: datetime
    happened_at: datetime | None = None
    value: float | None = None
    reason: str = ""
    source: str = RULE
    reviewer: Pseudonym = NOBODY
    traits: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Labelled:
    """One settled prediction as figures read it. `probability` is None where the model gave no number."""

    id: str
    assessment_id: str
    outcome: str
    label: str
    source: str
    reason: str
    happened_at: datetime | None
    value: float | None
    pseudonym: Pseudonym
    version: str
    state: str  # what the model was allowed to do then
    status: str  # "assessed", "indeterminate", ...
    as_of: datetime
    hours: int
    probability: float | None
    care_unit: str
    sex: str
    age_band: str
    race: str
    ethnicity: str
    language: str
    site: str
    insurance: str


Answer = OutcomeRefusal | UnknownAssessment | bool
Row = dict[str, Any]
T = TypeVar("T")


class Outcomes:
    """The outcomes in `store`; `clock` tells a zoned time."""

    def __init__(
        self,
        store: Store,
        *,
        clock: Callable[[], datetime],
        new_id: Callable[[], str] = lambda: str(uuid4()),
    ) -> None:
        self._store, self._clock, self._new_id = store, clock, new_id

    def record(self, told: Outcome) -> bool:
        """Keep one outcome; whether it was new. Told again by the same source in the same words, it is once.

        Raises UnknownAssessment, OutcomeRefusal (by name), LedgerRefusal, LedgerUnavailable.
        """
        with self._store.writing() as connection:
            return self._keep(connection, told)

    def record_all(self, many: list[Outcome]) -> tuple[Answer, ...]:
        """Keep what can be kept of `many` in one transaction; for each whether it was new, or its refusal."""
        answers: list[Answer] = []
        with self._store.writing() as connection:
            for source, told in groupby(many, attrgetter("source")):
                if source == RULE:
                    answers += self._keep_all(connection, list(told))
                else:  # a review reads what the rule knew
                    answers += [_tried(partial(self._keep, connection, each)) for each in told]
        return tuple(answers)

    def told_of(self, tenant: str) -> tuple[tuple[str, str], ...]:
        """Every model and outcome of which something is settled at `tenant`."""
        o = outcomes.c
        query = select(o.model, o.outcome).where(o.tenant == tenant).distinct().order_by(o.model, o.outcome)
        with self._store.reading() as connection:
            return tuple((model, outcome) for model, outcome in connection.execute(query))

    def settled(self, assessment_id: str) -> tuple[tuple[str, str, datetime | None], ...]:
        """What stands for each outcome of one answer: its name, label and moment, the shortest hours first."""
        o = outcomes.c
        query = select(o.outcome, o.label, o.happened_at).where(o.assessment_id == assessment_id, _standing())
        with self._store.reading() as connection:
            found = connection.execute(query.order_by(o.hours, o.outcome))
            return tuple((outcome, label, at) for outcome, label, at in found)

    def labelled(
        self,
        tenant: str,
        model: str,
        outcome: str,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        version: str = "",
        care_unit: str = "",
    ) -> Iterator[Labelled]:
        """Settled predictions with `since` <= as_of < `until`, oldest first, a page at a time.

        One for each prediction: the review's where there is one. An empty `version` or `care_unit` is any.
        """
        o = outcomes.c
        wanted = [o.tenant == tenant, o.model == model, o.outcome == outcome, _standing()]
        wanted += [o.as_of >= since] if since else []
        wanted += [o.as_of < until] if until else []
        wanted += [o.version == version] if version else []
        wanted += [o.care_unit == care_unit] if care_unit else []
        place = tuple_(o.as_of, o.id)
        last: Labelled | None = None
        while True:
            after = [] if last is None else [place > tuple_(literal(last.as_of, Instant), literal(last.id))]
            query = select(*(o[name] for name in _COLUMNS)).where(*wanted, *after)
            with self._store.reading() as connection:
                found = connection.execute(query.order_by(o.as_of, o.id).limit(PAGE)).all()
            page = [Labelled(*row) for row in found]
            yield from page
            if len(page) < PAGE:
                return
            last = page[-1]

    def _keep(self, connection: Connection, told: Outcome) -> bool:
        said = _predicted(connection, told)
        row = self._row(told, said)
        if told.source == REVIEW and not told.traits:
            row |= _known_traits(connection, told, said)
        return self._store.insert_once(connection, outcomes, row, _ONCE) or _agreed(connection, row)

    def _keep_all(self, connection: Connection, many: list[Outcome]) -> list[Answer]:
        """The same for many of rules: asked about together and written together."""
        said = _predictions(connection, many)
        tried = [_tried(partial(self._found, connection, said, told)) for told in many]
        told_of = [row for row in tried if isinstance(row, dict)]
        new = frozenset(self._store.insert_new(connection, outcomes, told_of, _ONCE, "id"))
        return [_answer(connection, row, new) if isinstance(row, dict) else row for row in tried]

    def _found(self, connection: Connection, said: Mapping[tuple[str, str], RowMapping], told: Outcome) -> Row:
        there = said.get((told.assessment_id, told.outcome))
        return self._row(told, _predicted(connection, told) if there is None else there)

    def _row(self, told: Outcome, said: RowMapping) -> Row:
        now = self._clock()
        _check(told, said, now)
        return _row(told, said) | {"id": self._new_id(), "recorded_at": now}


def _tried(ask: Callable[[], T]) -> T | OutcomeRefusal | UnknownAssessment:
    try:
        return ask()
    except (OutcomeRefusal, UnknownAssessment) as refusal:
        return refusal


def _answer(connection: Connection, row: Row, new: frozenset[str]) -> Answer:
    return True if row["id"] in new else _tried(partial(_agreed, connection, row))


def _agreed(connection: Connection, row: Row) -> bool:
    """False: the same was told before. Raises OutcomeDisputed where it was something else."""
    o = outcomes.c
    there = select(*(o[name] for name in _SAID)).where(*(o[name] == row[name] for name in _ONCE))
    before = connection.execute(there).mappings().one()
    unlike = [name for name in _SAID if before[name] != row[name]]
    if unlike:
        raise OutcomeDisputed(
            f"the {row['source']} of {row['outcome']} for assessment {row['assessment_id']} was settled before "
            f"and differs in {', '.join(unlike)}; the first stays, a reviewer may settle it"
        )
    return False


# Made once: building the statement takes longer than running it.
_PREDICTION: Final = (
    select(assessments, predictions.c.hours, predictions.c.probability)
    .join(predictions, predictions.c.assessment_id == assessments.c.id)
    .where(assessments.c.id == bindparam("id"), predictions.c.outcome == bindparam("outcome"))
)
_PREDICTIONS: Final = (
    select(assessments, predictions.c.outcome, predictions.c.hours, predictions.c.probability)
    .join(predictions, predictions.c.assessment_id == assessments.c.id)
    .where(assessments.c.id.in_(bindparam("ids", expanding=True)))
)
_COLUMNS: Final = tuple(Labelled.__dataclass_fields__)


def _standing() -> ColumnElement[bool]:
    """The rows that count: a review, or a rule nobody reviewed."""
    o, review = outcomes.c, outcomes.alias("review")
    reviewed = exists().where(
        review.c.assessment_id == o.assessment_id, review.c.outcome == o.outcome, review.c.source == REVIEW
    )
    return or_(o.source == REVIEW, ~reviewed)


def _predicted(connection: Connection, told: Outcome) -> RowMapping:
    """The prediction an outcome is of. Raises UnknownAssessment, UnknownPrediction."""
    named = {"id": rows.identifier(told.assessment_id), "outcome": told.outcome}
    found = connection.execute(_PREDICTION, named).mappings().one_or_none()
    if found is None:
        rows.tenant_of(connection, told.assessment_id)
        raise UnknownPrediction(f"assessment {told.assessment_id} predicted no '{told.outcome[:60]}'")
    return found


def _predictions(connection: Connection, many: list[Outcome]) -> Mapping[tuple[str, str], RowMapping]:
    """The predictions that outcomes are of, by assessment and outcome: those that are there."""
    ids = sorted({told.assessment_id for told in many})
    found: dict[tuple[str, str], RowMapping] = {}
    for start in range(0, len(ids), AT_ONCE):
        told = connection.execute(_PREDICTIONS, {"ids": ids[start : start + AT_ONCE]}).mappings()
        found |= {(row["id"], row["outcome"]): row for row in told}
    return found


def _check(told: Outcome, said: RowMapping, now: datetime) -> None:
    """Raise what is wrong with `told`, told about the prediction `said`, at our time `now`."""
    _check_words(told)
    named = f"{told.outcome} of assessment {told.assessment_id}"
    moments = {"known_at": told.known_at, "happened_at": told.happened_at}
    for name, moment in moments.items():
        if moment is not None and moment > now + FORGIVEN:
            raise OutcomeSkewed(f"{named}: {name} is {_minutes(moment - now)} ahead of our clock")
    end = said["as_of"] + timedelta(hours=said["hours"])
    happened = told.happened_at
    if happened is not None and happened < said["as_of"]:
        raise OutcomeBefore(f"{named} happened {_minutes(said['as_of'] - happened)} before its prediction")
    if happened is not None and told.label in (YES, EARLY) and happened > end:
        raise OutcomeOutside(f"{named} happened {_minutes(happened - end)} after its {said['hours']} hours")
    if happened is not None and told.known_at < happened - FORGIVEN:
        raise OutcomeSkewed(f"{named} happened {_minutes(happened - told.known_at)} after the record's end")
    if told.label == NO and happened is None and told.known_at < end:
        raise OutcomeOutside(f"{named} is not over: {_minutes(end - told.known_at)} are left of its hours")


def _check_words(told: Outcome) -> None:
    if told.label not in LABELS or told.source not in SOURCES:
        raise LedgerRefusal(
            f"an outcome's label is one of {sorted(LABELS)}, its source one of {sorted(SOURCES)}"
        )
    if (told.source == REVIEW) != (told.reviewer != NOBODY):
        raise LedgerRefusal("a review names its reviewer, and a rule has none")
    if told.label in (YES, EARLY) and told.happened_at is None:
        raise LedgerRefusal(f"an outcome '{told.label}' says when it happened")
    if told.label == UNKNOWN and not told.reason:
        raise LedgerRefusal("an outcome that cannot be known says why")
    if any(each is not None and each.utcoffset() is None for each in (told.known_at, told.happened_at)):
        raise LedgerRefusal("a time without a zone cannot be kept")
    strangers = set(told.traits) - set(TRAITS)
    if strangers:
        raise LedgerRefusal(f"outcomes are told apart by {', '.join(TRAITS)} alone")


def _row(told: Outcome, said: RowMapping) -> dict[str, Any]:
    copied = ("tenant", "pseudonym", "model", "version", "state", "status", "as_of", "hours", "probability")
    return {
        "assessment_id": told.assessment_id,
        "outcome": told.outcome,
        "source": told.source,
        "label": told.label,
        "reason": rows.plain(told.reason, 100),
        "happened_at": told.happened_at,
        "known_at": told.known_at,
        "value": told.value,
        "reviewer": told.reviewer,
        **{name: said[name] for name in copied},
        **{name: rows.clean(told.traits.get(name, ""), 60) for name in TRAITS},
    }


def _known_traits(connection: Connection, told: Outcome, said: RowMapping) -> Mapping[str, str]:
    """What a rule knew of the patient, for a review that was not told again.

    Of this prediction where a rule settled it; else of the patient's newest answer that a rule settled, less the care
    unit, which is of the moment. Those a rule leaves to persons would else be of no group.
    """
    o, a = outcomes.c, assessments.c
    own = select(*(o[name] for name in TRAITS)).where(
        o.assessment_id == told.assessment_id, o.outcome == told.outcome, o.source == RULE
    )
    found = connection.execute(own).mappings().one_or_none()
    if found is None:
        lasting = (o[name] for name in TRAITS if name != "care_unit")
        others = select(*lasting).join_from(assessments, outcomes, o.assessment_id == a.id)
        theirs = others.where(a.tenant == said["tenant"], a.pseudonym == said["pseudonym"], o.source == RULE)
        found = connection.execute(theirs.order_by(a.made_at.desc(), o.outcome).limit(1)).mappings().one_or_none()
    return {} if found is None else dict(found)


def _minutes(length: timedelta) -> str:
    return f"{length / timedelta(minutes=1):.0f} minutes"
