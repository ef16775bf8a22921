"""What one writer recalls is what its ledger holds: after every write, in every window, with a person's word first."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from governance.errors import OutcomeBefore, OutcomeDisputed, UnknownAssessment
from governance.ledger import Ledger
from governance.outcomes import REVIEW, Outcomes
from governance.recalled import Recalled
from governance.store import Store
from tests.governance.answers import NOON
from tests.governance.test_outcomes import HOUR, NOWHERE, REVIEWER, onset, predicted, read

LATER = timedelta(days=30)


@pytest.fixture
def both(store: Store) -> tuple[Recalled, Outcomes]:
    clock = lambda: NOON + LATER  # noqa: E731
    return Recalled(store, clock=clock), Outcomes(store, clock=clock)


def test_what_is_recalled_is_what_is_read(ledger: Ledger, both: tuple[Recalled, Outcomes]) -> None:
    recalled, outcomes = both
    whole: list[int] = []
    for day in range(4):
        moment = NOON + timedelta(days=day, hours=7 * day)
        answers = [predicted(ledger, f"p{day}-{n}", as_of=moment + n * HOUR) for n in range(3)]
        told = [onset(key, known_at=moment + 48 * HOUR, happened_at=moment + 5 * HOUR) for key in answers]
        told[1] = replace(told[1], traits={"care_unit": "ward"})
        recalled.record_all(told)
        for limits in (
            {}, {"care_unit": "ward"}, {"version": "9"}, {"since": NOON + 30 * HOUR},
            {"since": NOON + HOUR, "until": NOON + 31 * HOUR}, {"until": moment + HOUR},
        ):  # fmt: skip
            assert read(recalled, **limits) == read(outcomes, **limits)
        whole.append(len(read(recalled)))
    assert whole == [3, 6, 9, 12]


def test_a_person_s_word_about_an_old_day_is_recalled(ledger: Ledger, both: tuple[Recalled, Outcomes]) -> None:
    recalled, outcomes = both
    key = predicted(ledger)
    recalled.record(onset(key))
    assert [row.source for row in read(recalled)] == ["rule"]
    recalled.record(onset(key, label="no", happened_at=None, source=REVIEW, reviewer=REVIEWER, traits={}))
    assert [(row.source, row.label) for row in read(recalled)] == [("review", "no")]
    assert read(recalled) == read(outcomes)


def test_of_many_told_together_each_has_its_own_answer(ledger: Ledger, both: tuple[Recalled, Outcomes]) -> None:
    recalled, outcomes = both
    one, two = predicted(ledger, "a"), predicted(ledger, "b")
    early = onset(two, happened_at=NOON - HOUR)
    told = [onset(one), early, onset(NOWHERE), onset(one), onset(one, hours=4), onset(two)]
    found = recalled.record_all(told)
    assert [each if isinstance(each, bool) else type(each) for each in found] == [
        True, OutcomeBefore, UnknownAssessment, False, OutcomeDisputed, True
    ]  # fmt: skip
    assert len(read(recalled)) == len(read(outcomes)) == 2
    assert recalled.record_all(told[:1]) == (False,)
