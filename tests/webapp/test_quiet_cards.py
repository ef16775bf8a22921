"""The hook at a site that wants its physicians left in peace: what is not news is not said twice."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from governance import tables
from governance.readings import Reading
from inference.assessment import TROPONIN, VENTILATION, State
from inference.model import load, newest
from tests.planned import build_planned
from tests.webapp.house import House, standing
from tests.webapp.test_doors import empty_attributes

SICK = "pneumonia-worsening"
SERVICE = f"/cds-services/{VENTILATION}"
QUIET = timedelta(minutes=15)


@pytest.fixture
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A clock that stands still until a test moves it: only what a test changes is new."""
    for each in standing(tmp_path_factory.mktemp("house"), quiet_minutes=QUIET / timedelta(minutes=1)):
        each.clock.stopped = each.clock()
        yield each


def fired(house: House, body: dict[str, Any], service: str = SERVICE) -> list[dict[str, Any]]:
    """The cards of one more hook call with this body, a moment later: no two cards are of the same instant."""
    pass_time(house, timedelta(milliseconds=1))
    answer = house.post(service, body | {"hookInstance": str(uuid.uuid4())})
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return list(answer.get_json()["cards"])


def pass_time(house: House, step: timedelta) -> None:
    assert house.clock.stopped is not None
    house.clock.stopped += step


def with_rate(body: dict[str, Any], house: House, value: float) -> dict[str, Any]:
    """The same chart with one more respiratory rate, taken now."""
    more: dict[str, Any] = json.loads(json.dumps(body))
    rows = more["prefetch"]["vitals"]["entry"]
    rate = next(row["resource"] for row in rows if row["resource"]["code"]["coding"][0]["code"] == "9279-1")
    moment = house.clock().isoformat()
    fresh = {"id": "new-rate", "effectiveDateTime": moment, "issued": moment}
    quantity = {**rate["valueQuantity"], "value": value}
    rows.insert(0, {"resource": {**rate, **fresh, "valueQuantity": quantity}})
    return more


def test_a_hundred_calls_bring_one_card_and_the_ledger_knows_what_was_held_back(house: House) -> None:
    # CONFORMANCE 84
    body, path = house.asked("first-draw", TROPONIN), f"/cds-services/{TROPONIN}"
    shown = [card for _ in range(100) for card in fired(house, body, path)]
    assert len(shown) == 1
    held = house.rooms.ledger.repeated(shown[0]["uuid"])
    assert len(held) == 99
    assert {why.reason for _, why in held} == {"nothing new"}
    assert all(why.moved == 0 for _, why in held)
    counts = house.rooms.ledger.counts()
    assert (counts["assessments"], counts["cards"], counts["cards_repeated"]) == (100, 1, 99)
    assert 'said="repeat"' in house.app.test_client().get("/metrics").get_data(as_text=True)


def test_calls_at_once_bring_one_card(house: House) -> None:
    # CONFORMANCE 84
    body = house.asked(SICK)
    with ThreadPoolExecutor(4) as pool:
        shown = [card for cards in pool.map(lambda _: fired(house, body), range(12)) for card in cards]
    assert len(shown) == 1


def test_the_three_hooks_say_it_once_between_them(house: House) -> None:
    # CONFORMANCE 84
    order = {
        "resourceType": "ServiceRequest",
        "id": "draft-1",
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": "57485005"}]},
    }
    assert fired(house, house.asked(SICK))
    assert fired(house, house.asked(SICK, hook="order-sign", orders=[order])) == []


def test_the_same_instance_is_still_answered_as_it_was(house: House) -> None:
    # CONFORMANCE 74
    body = house.asked(SICK)
    first, second = house.post(SERVICE, body), house.post(SERVICE, body)
    assert first.get_json()["cards"]
    assert first.get_json() == second.get_json()
    assert house.rooms.ledger.counts()["cards_repeated"] == 0


def test_when_the_quiet_time_is_over_it_is_said_again(house: House) -> None:
    body = house.asked(SICK)
    assert fired(house, body)
    pass_time(house, QUIET - timedelta(seconds=1))
    assert fired(house, body) == []
    pass_time(house, timedelta(seconds=2))
    assert fired(house, body)


def test_a_card_held_back_does_not_make_the_quiet_time_longer(house: House) -> None:
    body = house.asked(SICK)
    fired(house, body)
    for _ in range(3):
        pass_time(house, timedelta(minutes=4))
        assert fired(house, body) == []
    pass_time(house, timedelta(minutes=4))
    assert fired(house, body)


def test_an_answer_that_came_too_late_is_no_reason_to_be_silent(house: House) -> None:
    # CONFORMANCE 85
    body, settings = house.asked(SICK), house.rooms.settings
    house.rooms.settings = replace(settings, hook_deadline=1e-6)
    late = house.post(SERVICE, body)
    assert late.status_code == 503
    assert "cards" not in late.get_json()
    house.rooms.settings = settings
    assert fired(house, body)
    assert fired(house, body) == []


def test_another_user_and_another_patient_hear_it_themselves(house: House) -> None:
    body = house.asked(SICK)
    assert fired(house, body)
    other = {**body, "context": {**body["context"], "userId": "Practitioner/brandt"}}
    assert fired(house, other)
    assert fired(house, house.asked("sepsis"))


def test_a_new_result_is_said_at_once(house: House) -> None:
    # CONFORMANCE 84
    body = house.asked(SICK)
    assert fired(house, body)
    pass_time(house, timedelta(minutes=1))
    newer = with_rate(body, house, 34)
    assert fired(house, newer)
    assert fired(house, newer) == []


def opened(house: House, state: State = State.ACTIVE) -> None:
    """The ventilation model's gate, as it would be after it was weighed."""
    model = house.rooms.models[VENTILATION]
    (tenant,) = house.rooms.tenants.all
    now, gate = house.clock(), {"threshold": tenant.models[VENTILATION].threshold}
    house.rooms.readings.keep(
        Reading(
            tenant.id, VENTILATION, model.outcomes[-1], "", model.version, now, state, now, "", {"gate": gate}
        )
    )


def asked_for(house: House, state: State) -> None:
    """What the tenant file asks for, changed."""
    (tenant,) = house.rooms.tenants.all
    models = {**tenant.models, VENTILATION: replace(tenant.models[VENTILATION], state=state)}
    house.rooms.__dict__["tenants"] = replace(house.rooms.tenants, all=(replace(tenant, models=models),))


def said(house: House, body: dict[str, Any]) -> str:
    """The summary of the card of a hook, "" for none; asked anew, so that no instance is answered again."""
    pass_time(house, timedelta(minutes=30))
    cards = fired(house, body)
    return str(cards[0]["summary"]) if cards else ""


def test_a_model_asked_to_be_active_is_silent_until_its_gate_has_opened(house: House) -> None:
    body = house.asked(SICK)
    asked_for(house, State.ACTIVE)
    before = said(house, body)
    opened(house)
    after = said(house, body)
    assert "ventilat" in after.lower()
    assert "ventilat" not in before.lower()


def test_a_suspension_is_said_once_a_user_and_day(house: House) -> None:
    body = house.asked(SICK)
    asked_for(house, State.ACTIVE)
    opened(house, State.SUSPENDED)
    assert "suspended" in said(house, body)
    assert "suspended" not in said(house, body)
    pass_time(house, timedelta(days=1))
    assert "suspended" in said(house, body)


def test_a_gate_that_was_not_weighed_for_too_long_is_suspended(house: House) -> None:
    body = house.asked(SICK)
    asked_for(house, State.ACTIVE)
    opened(house)
    pass_time(house, timedelta(days=9))
    assert "suspended" in said(house, body)


def test_another_state_of_the_model_is_said_at_once(house: House) -> None:
    body = house.asked(SICK)
    assert fired(house, body)
    opened(house)
    (tenant,) = house.rooms.tenants.all
    for state, said in ((State.ACTIVE, True), (State.ACTIVE, False), (State.SUSPENDED, True)):
        models = {**tenant.models, VENTILATION: replace(tenant.models[VENTILATION], state=state)}
        house.rooms.__dict__["tenants"] = replace(house.rooms.tenants, all=(replace(tenant, models=models),))
        assert bool(fired(house, body)) is said


def test_another_urgency_is_said_at_once(house: House) -> None:
    body = house.asked(SICK)
    assert fired(house, body)[0]["indicator"] == "warning"  # NEWS2 stands beside it
    (tenant,) = house.rooms.tenants.all
    models = {**tenant.models, VENTILATION: replace(tenant.models[VENTILATION], critical_at=0.3)}
    house.rooms.__dict__["tenants"] = replace(house.rooms.tenants, all=(replace(tenant, models=models),))
    assert fired(house, body)[0]["indicator"] == "critical"


def test_a_draw_planned_for_another_time_is_another_question_to_a_model_that_hears_it(
    house: House, tmp_path: Path
) -> None:
    def order(minutes: int) -> dict[str, Any]:
        return {
            "resourceType": "ServiceRequest",
            "id": "draft-1",
            "occurrenceDateTime": (house.clock() + timedelta(minutes=minutes)).isoformat(),
            "code": {"coding": [{"system": "http://loinc.org", "code": "67151-1"}]},
        }

    path = f"/cds-services/{TROPONIN}"

    def heard(minutes: int) -> bool:
        return bool(
            fired(
                house, house.asked("infarction-rising", TROPONIN, "order-sign", orders=[order(minutes)]), path
            )
        )

    assert [heard(60), heard(180)] == [True, False]  # deaf to the draw, the model answers the same
    build_planned(tmp_path)
    models = {**house.rooms.models, TROPONIN: load(newest(tmp_path, TROPONIN), "cpu")}
    house.rooms.__dict__["models"] = models
    assert [heard(60), heard(62), heard(180)] == [True, False, True]


# --- what a card offers


def test_a_card_offers_the_next_draw_and_an_acceptance_is_remembered(house: House) -> None:
    # CONFORMANCE 68, 79, 80, 90
    path = f"/cds-services/{TROPONIN}"
    (card,) = fired(house, house.asked("first-draw", TROPONIN), path)
    assert empty_attributes(card) == []
    (offer,) = card["suggestions"]
    (draw,) = house.rooms.ledger.suggested(card["uuid"])
    resource = offer["actions"][0]["resource"]
    (row,) = [
        row
        for row in house.hospital.search("Observation", {"patient": "first-draw"})
        if row["code"]["coding"][0]["code"] == "67151-1"
    ]
    assert draw.due is not None
    assert (
        draw.due.isoformat()[:19] == (_moment(row["effectiveDateTime"]) + timedelta(hours=1)).isoformat()[:19]
    )
    assert _moment(resource["occurrenceDateTime"]) == draw.due.replace(microsecond=0)
    told = {
        "card": card["uuid"],
        "outcome": "accepted",
        "acceptedSuggestions": [{"id": offer["uuid"]}],
        "outcomeTimestamp": house.clock().isoformat(),
    }
    assert house.rooms.ledger.accepted(card["uuid"]) == ()
    assert house.post(f"{path}/feedback", {"feedback": [told]}).status_code == 200
    assert house.rooms.ledger.accepted(card["uuid"]) == (draw,)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def test_a_site_that_lists_nothing_is_offered_nothing(house: House) -> None:
    # CONFORMANCE 80
    (tenant,) = house.rooms.tenants.all
    plain = replace(tenant, cards=replace(tenant.cards, offers=frozenset(), overrides=()))
    house.rooms.__dict__["tenants"] = replace(house.rooms.tenants, all=(plain,))
    (card,) = fired(house, house.asked("first-draw", TROPONIN), f"/cds-services/{TROPONIN}")
    assert not {"suggestions", "selectionBehavior", "systemActions", "overrideReasons"} & set(card)
    with house.rooms.store.reading() as connection:
        assert connection.execute(select(tables.suggestions)).first() is None


def test_what_a_card_offers_carries_no_attribute_that_is_empty(house: House) -> None:
    # CONFORMANCE 68
    for patient in (SICK, "conventional-rising", "sepsis"):
        answer = house.post(SERVICE, house.asked(patient))
        assert answer.get_json()["cards"][0]["suggestions"]
        assert empty_attributes(answer.get_json()) == []
