"""What became of the patients: kept once, refused by name, read as a stream with a person's word first."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest

from governance import outcomes as told
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
from governance.ledger import Ledger
from governance.outcomes import Outcome, Outcomes
from governance.store import Store
from inference.assessment import VENTILATION, State
from tests.governance.answers import NOON, answer

REVIEWER = Pseudonym("ab" * 32)
HOUR = timedelta(hours=1)
NOWHERE = "00000000-0000-4000-8000-00000000dead"


@pytest.fixture
def outcomes(store: Store) -> Outcomes:
    """The outcomes, asked two days after noon."""
    return Outcomes(store, clock=lambda: NOON + timedelta(days=2))


def predicted(ledger: Ledger, patient: str = "p", tenant: str = "north", as_of: datetime = NOON) -> str:
    made = answer(as_of=as_of)
    return ledger.record(made, tenant=tenant, patient=patient, door="hook", state=State.SILENT).id


def onset(assessment: str, hours: float = 3, **changes: Any) -> Outcome:
    """Ventilation began `hours` after noon; the record was read a day and a half after noon."""
    standard: dict[str, Any] = {
        "assessment_id": assessment,
        "outcome": "ventilation-24h",
        "label": "yes",
        "known_at": NOON + 36 * HOUR,
        "happened_at": NOON + hours * HOUR,
        "traits": {"care_unit": "ICU 3", "sex": "female"},
    }
    return Outcome(**(standard | changes))


def read(outcomes: Outcomes, **limits: Any) -> list[told.Labelled]:
    return list(outcomes.labelled("north", VENTILATION, "ventilation-24h", **limits))


def test_an_outcome_is_kept_with_what_was_predicted_and_for_whom(ledger: Ledger, outcomes: Outcomes) -> None:
    key = predicted(ledger)
    assert outcomes.record(onset(key))
    (row,) = read(outcomes)
    assert (row.assessment_id, row.label, row.probability, row.hours) == (key, "yes", 0.31, 24)
    assert (row.happened_at, row.as_of, row.state) == (NOON + 3 * HOUR, NOON, "silent")
    assert (row.care_unit, row.sex, row.race) == ("ICU 3", "female", "")
    assert row.pseudonym == ledger.pseudonym("north", "p")


def test_told_twice_is_once(ledger: Ledger, outcomes: Outcomes) -> None:
    key = predicted(ledger)
    assert outcomes.record(onset(key))
    assert not outcomes.record(onset(key, known_at=NOON + 40 * HOUR))
    assert len(read(outcomes)) == 1


def test_of_many_who_tell_it_at_once_one_keeps_it(ledger: Ledger, outcomes: Outcomes) -> None:
    key = predicted(ledger)
    with ThreadPoolExecutor(4) as pool:
        new = list(pool.map(lambda _: outcomes.record(onset(key)), range(4)))
    assert sorted(new) == [False, False, False, True]


@pytest.mark.parametrize(
    ("changes", "refusal", "says"),
    [
        ({"happened_at": NOON - 2 * HOUR}, OutcomeBefore, "120 minutes before its prediction"),
        ({"happened_at": NOON + 25 * HOUR}, OutcomeOutside, "60 minutes after its 24 hours"),
        ({"label": "no", "happened_at": None, "known_at": NOON + 23 * HOUR}, OutcomeOutside, "not over"),
        ({"known_at": NOON + 49 * HOUR}, OutcomeSkewed, "known_at is 60 minutes ahead"),
        ({"happened_at": NOON + 49 * HOUR, "label": "no"}, OutcomeSkewed, "happened_at is 60 minutes ahead"),
        ({"known_at": NOON + 2 * HOUR}, OutcomeSkewed, "60 minutes after the record's end"),
        ({"outcome": "ventilation-48h"}, UnknownPrediction, "predicted no 'ventilation-48h'"),
        ({"assessment_id": NOWHERE}, UnknownAssessment, "no assessment"),
        ({"assessment_id": "7"}, UnknownAssessment, "UUID"),
        ({"label": "maybe"}, LedgerRefusal, "label is one of"),
        ({"happened_at": None}, LedgerRefusal, "says when"),
        ({"label": "unknown", "happened_at": None}, LedgerRefusal, "says why"),
        ({"source": "review"}, LedgerRefusal, "names its reviewer"),
        ({"traits": {"name": "Ann"}}, LedgerRefusal, "told apart by"),
        ({"known_at": datetime(2026, 11, 24)}, LedgerRefusal, "without a zone"),  # noqa: DTZ001
    ],
)
def test_what_cannot_be_the_outcome_is_refused_by_name_and_not_kept(
    ledger: Ledger, outcomes: Outcomes, changes: dict[str, Any], refusal: type[Exception], says: str
) -> None:
    with pytest.raises(refusal, match=says):
        outcomes.record(onset(predicted(ledger), **changes))
    assert read(outcomes) == []


def test_a_few_minutes_of_skew_are_forgiven(ledger: Ledger, outcomes: Outcomes) -> None:
    assert outcomes.record(onset(predicted(ledger), known_at=NOON + 48 * HOUR + timedelta(minutes=4)))


def test_the_same_source_saying_otherwise_is_refused_and_the_first_stays(
    ledger: Ledger, outcomes: Outcomes
) -> None:
    key = predicted(ledger)
    outcomes.record(onset(key))
    with pytest.raises(OutcomeDisputed, match=r"happened_at.*the first stays"):
        outcomes.record(onset(key, hours=5))
    with pytest.raises(OutcomeDisputed, match="label"):
        outcomes.record(onset(key, label="no", happened_at=None))
    assert [row.happened_at for row in read(outcomes)] == [NOON + 3 * HOUR]


def test_a_persons_word_counts_before_the_rules(ledger: Ledger, outcomes: Outcomes) -> None:
    key = predicted(ledger)
    outcomes.record(onset(key))
    review = onset(
        key, label="no", happened_at=None, source="review", reviewer=REVIEWER, reason="planned", traits={}
    )
    assert outcomes.record(review)
    (row,) = read(outcomes)
    assert (row.label, row.source, row.reason, row.care_unit) == ("no", "review", "planned", "ICU 3")


def test_what_no_rule_settled_has_the_traits_a_rule_knew_of_the_patient(ledger: Ledger, outcomes: Outcomes) -> None:
    outcomes.record(onset(predicted(ledger, as_of=NOON - HOUR)))
    outcomes.record(onset(predicted(ledger, "q"), traits={"sex": "male"}))
    word = {"label": "no", "happened_at": None, "source": "review", "reviewer": REVIEWER, "traits": {}}
    for patient in ("p", "nobody-knows"):
        assert outcomes.record(onset(predicted(ledger, patient), **word))
    reviewed = [row for row in read(outcomes) if row.source == "review"]
    assert sorted((row.sex, row.care_unit) for row in reviewed) == [("", ""), ("female", "")]


def test_of_many_told_together_each_is_kept_or_refused_by_its_own_name(
    ledger: Ledger, outcomes: Outcomes
) -> None:
    first, second = predicted(ledger), predicted(ledger, "q")
    said = outcomes.record_all([onset(first), onset(second, hours=-1), onset(NOWHERE), onset(first)])
    assert said[0] is True
    assert isinstance(said[1], OutcomeRefusal)
    assert said[1].code == "before-prediction"
    assert isinstance(said[2], UnknownAssessment)
    assert said[3] is False
    assert len(read(outcomes)) == 1


def test_the_stream_is_of_one_tenant_period_version_and_unit_and_in_order(
    ledger: Ledger, outcomes: Outcomes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(told, "PAGE", 2)  # smaller pages, so that they are turned
    moments = [NOON + number * HOUR for number in (3, 1, 2, 1, 0)]
    for number, as_of in enumerate(moments):
        key = predicted(ledger, f"p{number}", as_of=as_of)
        outcomes.record(onset(key, hours=20, traits={"care_unit": f"unit {number % 2}"}))
    outcomes.record(onset(predicted(ledger, tenant="south")))
    assert [row.as_of for row in read(outcomes)] == sorted(moments)
    assert len({row.id for row in read(outcomes)}) == 5
    assert len(read(outcomes, since=NOON + HOUR, until=NOON + 2 * HOUR)) == 2
    assert len(read(outcomes, care_unit="unit 1")) == 2
    assert read(outcomes, version="9.9.9") == []
