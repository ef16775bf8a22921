"""Cards held back as repeats, and what cards offer: looked up and kept in one step, in both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from governance.entries import CARD_LATE, Feedback, LastCard, Recorded, Repeat, Suggestion
from governance.errors import UnknownAssessment
from governance.keys import Seal
from governance.ledger import Ledger
from governance.store import Store
from inference.assessment import TROPONIN, State
from tests.governance.answers import NOON, SECRET, answer
from tests.governance.conftest import Clock

HOUR = timedelta(hours=1)
SAME = Repeat("nothing-new", 0.02)


def kept(ledger: Ledger, **changes: Any) -> Recorded:
    told: dict[str, Any] = {
        "assessment": answer(),
        "tenant": "north",
        "patient": "p",
        "door": "hook",
        "state": State.ACTIVE,
        "user": "Practitioner/house",
        "hook_instance": str(uuid4()),
    }
    told |= changes
    return ledger.record(told.pop("assessment"), **told)


def shown(ledger: Ledger, about: Recorded, says: Repeat | None = SAME, **more: Any) -> tuple[str, str]:
    """The card's own id, and that of the card it repeats."""
    card = str(uuid4())
    told: dict[str, Any] = {"since": NOON - HOUR, "said_already": lambda _: says, "indicator": "info"} | more
    return card, ledger.show(card, about.id, "31 of 100", **told)


def test_a_card_that_was_said_is_held_back_with_the_card_it_repeats_and_why(ledger: Ledger) -> None:
    # CONFORMANCE 84
    first, of_none = shown(ledger, kept(ledger))
    again = kept(ledger)
    second, of_first = shown(ledger, again)
    third, of_first_too = shown(ledger, kept(ledger))
    assert (of_none, of_first, of_first_too) == ("", first, first)
    assert ledger.cards(again.id)[0].withheld == "repeat"
    assert ledger.repeated(first) == ((second, SAME), (third, SAME))
    assert ledger.counts()["cards"] == 1
    assert ledger.counts()["cards_repeated"] == 2


def test_the_judge_is_given_the_last_card_with_its_answer(ledger: Ledger) -> None:
    first, _ = shown(ledger, kept(ledger, state=State.DEMONSTRATION), indicator="warning")
    given: list[LastCard] = []

    def news(last: LastCard) -> None:
        given.append(last)

    newer, repeats = shown(ledger, kept(ledger), said_already=news)
    assert repeats == ""
    (last,) = given
    assert (last.id, last.indicator, last.state) == (first, "warning", State.DEMONSTRATION)
    assert last.assessment == answer()
    _, of_newer = shown(ledger, kept(ledger))
    assert of_newer == newer


@pytest.mark.parametrize(
    "changes",
    [
        {"patient": "another"},
        {"user": "Practitioner/wilson"},
        {"tenant": "south"},
        {"assessment": answer(model=TROPONIN)},
    ],
)
def test_a_card_for_another_person_or_of_another_model_is_nobodys_repeat(
    ledger: Ledger, changes: dict[str, Any]
) -> None:
    shown(ledger, kept(ledger))
    assert shown(ledger, kept(ledger, **changes))[1] == ""


def test_a_card_too_old_or_never_shown_is_not_repeated(ledger: Ledger) -> None:
    shown(ledger, kept(ledger))
    assert shown(ledger, kept(ledger), since=NOON + HOUR)[1] == ""
    held = kept(ledger, patient="q")
    ledger.card(str(uuid4()), held.id, "", indicator="", withheld="nothing to add")
    assert shown(ledger, kept(ledger, patient="q"))[1] == ""


def test_the_same_answer_shown_again_is_not_its_own_repeat(ledger: Ledger) -> None:
    one = kept(ledger)
    shown(ledger, one)
    assert shown(ledger, one)[1] == ""


def test_a_card_that_came_too_late_was_read_by_nobody_and_is_not_repeated(ledger: Ledger) -> None:
    late = kept(ledger)
    shown(ledger, late)
    ledger.event(CARD_LATE, assessment=late.id)
    card, repeats = shown(ledger, kept(ledger))
    assert repeats == ""
    assert shown(ledger, kept(ledger))[1] == card


def test_an_answer_that_cannot_be_read_any_more_silences_nobody(
    ledger: Ledger, store: Store, clock: Clock
) -> None:
    shown(ledger, kept(ledger))
    rekeyed = Ledger(store, SECRET, clock=clock)
    rekeyed._documents = Seal(b"another secret of at least thirty-two bytes", "ledger/assessment")
    assert shown(rekeyed, kept(rekeyed))[1] == ""


def test_of_several_cards_at_once_one_is_shown(ledger: Ledger) -> None:
    # CONFORMANCE 84
    answers = [kept(ledger) for _ in range(12)]
    with ThreadPoolExecutor(4) as pool:
        repeats = list(pool.map(lambda about: shown(ledger, about)[1], answers))
    assert repeats.count("") == 1
    assert len(set(repeats)) == 2


def test_a_card_about_no_answer_cannot_be_shown(ledger: Ledger) -> None:
    with pytest.raises(UnknownAssessment):
        ledger.show(str(uuid4()), str(uuid4()), "", indicator="info", since=NOON, said_already=lambda _: None)


def test_what_was_offered_and_taken_is_remembered(ledger: Ledger) -> None:
    # CONFORMANCE 80, 90
    draw = Suggestion("11111111-0000-4000-8000-000000000000", "repeat-troponin", NOON + HOUR)
    review = Suggestion("22222222-0000-4000-8000-000000000000", "respiratory-review")
    card, _ = shown(ledger, kept(ledger), suggestions=[draw, review])
    assert ledger.suggested(card) == (draw, review)
    assert ledger.accepted(card) == ()
    taken = Feedback(card, "accepted", NOON, accepted=(draw.id, "made-up"))
    ledger.feedback([taken], tenant="south")
    assert ledger.accepted(card) == ()  # another hospital cannot accept it
    ledger.feedback([taken], tenant="north")
    assert ledger.accepted(card) == (draw,)


def test_a_card_held_back_offers_nothing(ledger: Ledger) -> None:
    shown(ledger, kept(ledger))
    card, _ = shown(ledger, kept(ledger), suggestions=[Suggestion(str(uuid4()), "blood-gas")])
    assert ledger.suggested(card) == ()
