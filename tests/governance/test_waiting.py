"""What is due for a rule, and what waits for a person: streamed, kept once, gone when it is settled."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import text

from governance import due
from governance.due import Due
from governance.errors import LedgerRefusal
from governance.keys import Pseudonym
from governance.ledger import Ledger
from governance.outcomes import Outcome, Outcomes
from governance.store import Store, migrate, open_store, roll_back
from governance.waiting import ALWAYS, Referral, WaitingList
from inference.assessment import Phrase, State, Status
from tests.governance.answers import NOON, SECRET, answer

HOUR = timedelta(hours=1)
REVIEWER = Pseudonym("ab" * 32)


def said(ledger: Ledger, patient: str = "p", tenant: str = "north", **changes: Any) -> str:
    made = answer(**changes)
    return ledger.record(made, tenant=tenant, patient=patient, door="hook", state=State.SILENT).id


def doubted(ledger: Ledger, patient: str = "p", **changes: Any) -> str:
    return said(ledger, patient, status=Status.INDETERMINATE, reason=Phrase("stale", {}), **changes)


def settle(store: Store, key: str, outcome: str, **changes: Any) -> None:
    told: dict[str, Any] = {"label": "no", "known_at": NOON + 40 * HOUR} | changes
    Outcomes(store, clock=lambda: NOON + 48 * HOUR).record(Outcome(key, outcome, **told))


def at(store: Store, hours: float, tenant: str = "north") -> Due:
    return Due(store, tenant, since=NOON - 30 * 24 * HOUR, over=NOON + hours * HOUR)


def waiting(store: Store) -> WaitingList:
    return WaitingList(store, clock=lambda: NOON + 48 * HOUR)


def listed(store: Store, **more: Any) -> list[str]:
    return [each.assessment_id for each in waiting(store).page("north", (NOON - 720 * HOUR, None), **more)]


def test_a_prediction_is_due_when_its_own_hours_are_over_and_not_before(ledger: Ledger, store: Store) -> None:
    key = said(ledger)
    whose = ledger.pseudonym("north", "p")
    assert list(at(store, 5.9).patients()) == []
    assert [(o.assessment_id, o.outcome) for o in at(store, 6).of(whose)] == [(key, "ventilation-6h")]
    assert [o.outcome for o in at(store, 24).of(whose)] == ["ventilation-6h", "ventilation-24h"]
    assert at(store, 24).of(whose)[0].end == NOON + 6 * HOUR


def test_what_a_rule_settled_or_referred_is_not_due_again(ledger: Ledger, store: Store) -> None:
    key, whose = said(ledger), ledger.pseudonym("north", "p")
    settle(store, key, "ventilation-6h")
    assert [o.outcome for o in at(store, 24).of(whose)] == ["ventilation-24h"]
    assert waiting(store).refer([Referral(key, "ventilation-24h", "transferred")]) == 1
    assert waiting(store).refer([Referral(key, "ventilation-24h", "sources-conflict")]) == 0
    assert at(store, 24).of(whose) == ()
    assert at(store, 24).count() == 0


def test_patients_come_once_each_page_by_page_and_of_one_tenant(
    ledger: Ledger, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(due, "PAGE", 2)
    for patient in "abcde":
        said(ledger, patient)
        said(ledger, patient, as_of=NOON + HOUR)
    said(ledger, "z", tenant="south")
    found = list(at(store, 48).patients())
    assert sorted(found) == sorted({ledger.pseudonym("north", one) for one in "abcde"})
    assert at(store, 48).count() == 5


def test_an_indeterminate_answer_waits_with_its_reason_until_every_outcome_is_settled(
    ledger: Ledger, store: Store
) -> None:
    said(ledger, "sure")
    key = doubted(ledger)
    (found,) = waiting(store).page("north", (NOON - HOUR, None))
    assert (found.assessment_id, found.status, found.reason, found.why) == (key, "indeterminate", "stale", ())
    settle(store, key, "ventilation-6h")
    assert listed(store) == [key]
    settle(store, key, "ventilation-24h")
    assert listed(store) == []
    assert waiting(store).one("north", key) is None


def test_what_a_rule_referred_waits_for_a_person_and_no_rule_ends_that(ledger: Ledger, store: Store) -> None:
    key = said(ledger)
    settle(store, key, "ventilation-6h")
    waiting(store).refer([Referral(key, "ventilation-24h", "transferred")])
    (found,) = waiting(store).page("north", (NOON - HOUR, None))
    assert found.why == (("ventilation-24h", "transferred"),)
    assert waiting(store).open(key) == (("ventilation-6h", 6), ("ventilation-24h", 24))
    settle(store, key, "ventilation-24h", source="review", reviewer=REVIEWER)
    assert listed(store) == []
    assert waiting(store).open(key) == (("ventilation-6h", 6),)


def test_the_list_is_of_one_tenant_oldest_first_and_turns_its_pages(ledger: Ledger, store: Store) -> None:
    keys = [doubted(ledger, f"p{n}", as_of=NOON + n * HOUR) for n in (2, 0, 1)]
    in_order = [keys[1], keys[2], keys[0]]
    assert listed(store) == in_order
    assert listed(store, most=2) == in_order[:2]
    assert listed(store, after=(NOON + HOUR, keys[2])) == in_order[2:]
    assert waiting(store).counts("north", NOON - HOUR) == (0, 3)
    assert waiting(store).counts("south", NOON - HOUR) == (0, 0)
    assert waiting(store).one("south", keys[0]) is None
    assert waiting(store).page("north", (NOON + 24 * HOUR, None)) == ()
    whole = waiting(store).page("north", ALWAYS)
    cut = whole[1].as_of
    before, since = ((None, cut), (cut, None))
    assert [*waiting(store).page("north", before), *waiting(store).page("north", since)] == list(whole)
    assert waiting(store).counts("north", cut) == (1, len(whole) - 1)


def test_a_referral_says_why_by_a_code(ledger: Ledger, store: Store) -> None:
    with pytest.raises(LedgerRefusal, match="reason"):
        waiting(store).refer([Referral(said(ledger), "ventilation-6h", "")])


# What waits, from the ledger alone: the list is held to it.
DEFINED = """
SELECT a.id FROM assessments a JOIN predictions p ON p.assessment_id = a.id
WHERE a.status = 'indeterminate' AND p.probability IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM outcomes o WHERE o.assessment_id = a.id AND o.outcome = p.outcome)
UNION SELECT r.assessment_id FROM referrals r WHERE NOT EXISTS (
    SELECT 1 FROM outcomes o WHERE o.assessment_id = r.assessment_id AND o.outcome = r.outcome AND o.source = 'review')
"""


def defined(store: Store) -> list[str]:
    with store.reading() as connection:
        return sorted(connection.scalars(text(DEFINED)))


def rows_on_the_list(store: Store) -> int:
    with store.reading() as connection:
        return int(connection.scalar(text("SELECT count(*) FROM waiting")) or 0)


def happens(ledger: Ledger, store: Store, seed: int) -> None:
    """Answers, doubted or not, that rules and persons settle and refer in any order, some of them twice."""
    rng = random.Random(seed)
    keys = [
        (doubted if rng.random() < 0.6 else said)(ledger, f"p{n % 4}", as_of=NOON - n * HOUR) for n in range(12)
    ]
    for _ in range(40):
        key, outcome = rng.choice(keys), rng.choice(("ventilation-6h", "ventilation-24h"))
        deed = rng.random()
        if deed < 0.4:
            settle(store, key, outcome)
        elif deed < 0.6:
            settle(store, key, outcome, source="review", reviewer=REVIEWER)
        else:
            waiting(store).refer([Referral(key, outcome, "transferred")])


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_list_is_what_the_ledger_says_whatever_happened_in_whatever_order(
    ledger: Ledger, store: Store, seed: int
) -> None:
    happens(ledger, store, seed)
    waits = defined(store)
    assert 0 < len(waits) < 12
    assert sorted(each.assessment_id for each in waiting(store).page("north", ALWAYS)) == waits
    assert sum(waiting(store).counts("north", NOON - 5 * HOUR)) == len(waits)
    assert all(waiting(store).one("north", key) for key in waits)
    while waits:
        for outcome, _ in waiting(store).open(waits[0]):
            settle(store, waits[0], outcome, source="review", reviewer=REVIEWER)
        waits = waits[1:]
    assert defined(store) == []
    assert waiting(store).page("north", ALWAYS) == ()
    assert rows_on_the_list(store) == 0  # what waits no longer is not read again


def test_a_ledger_from_before_the_list_has_one_when_it_is_migrated(ledger: Ledger, store: Store) -> None:
    happens(ledger, store, 4)
    before, many = listed(store, most=99), rows_on_the_list(store)
    assert before
    roll_back(store, "0019_waiting")
    migrate(store)
    assert (listed(store, most=99), rows_on_the_list(store)) == (before, many)
    settle(store, before[0], "ventilation-6h", source="review", reviewer=REVIEWER)
    settle(store, before[0], "ventilation-24h", source="review", reviewer=REVIEWER)
    assert before[0] not in listed(store)


def test_what_two_writers_settle_and_refer_at_one_instant_is_not_shown(ledger: Ledger, store: Store) -> None:
    """The row may stay on the list where neither writer saw the other: the ledger says that it is settled."""
    key = said(ledger)
    settle(store, key, "ventilation-6h", source="review", reviewer=REVIEWER)
    with store.writing() as connection:
        row = "INSERT INTO waiting SELECT id, 'ventilation-6h', 'referred', tenant, model, as_of FROM assessments"
        connection.execute(text(row))
    assert listed(store) == []
    assert waiting(store).one("north", key) is None


def test_two_who_settle_the_same_answers_in_opposite_orders_do_not_wait_for_one_another(postgres_url: str) -> None:
    store = open_store(postgres_url)
    migrate(store)
    ledger = Ledger(store, SECRET, clock=lambda: NOON)
    keys = [doubted(ledger, f"p{n}") for n in range(2)]
    outcomes, both = Outcomes(store, clock=lambda: NOON + 48 * HOUR), Barrier(2, timeout=20)

    def settles(who: tuple[list[str], dict[str, Any]]) -> None:
        order, how = who
        with store.writing() as connection:
            for key in order:
                for outcome in ("ventilation-6h", "ventilation-24h"):
                    told = Outcome(key, outcome, "no", known_at=NOON + 40 * HOUR, **how)
                    assert outcomes._keep(connection, told)
                both.wait()

    person = {"source": "review", "reviewer": REVIEWER}
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(settles, [(keys, {}), (keys[::-1], person)]))
    assert listed(store) == []
    assert rows_on_the_list(store) == 0
    store.close()
