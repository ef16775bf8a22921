"""When a draft order plans the next draw: read where it is an instant, and only of an order for that draw."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

import pytest

from demo.orders import BY_KEY, Order, draft_orders
from ehr.hooks import concerns, planned_draw, read_request
from ehr.orders import planned

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
THREE = "2026-11-23T10:00:00-05:00"
AT_THREE = datetime(2026, 11, 23, 15, tzinfo=UTC)
MODEL = "troponin-trend"


def asked(*orders: dict[str, Any], hook: str = "order-sign", selected: tuple[str, ...] = ()) -> Any:
    context: dict[str, Any] = {"userId": "Practitioner/7", "patientId": "1"}
    entries = [{"resource": one} for one in orders]
    context["draftOrders"] = {"resourceType": "Bundle", "entry": entries}
    if hook == "order-select":
        context["selections"] = list(selected)
    body = {"hook": hook, "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea", "context": context}
    return read_request(body, MODEL)


def order(key: str, **more: Any) -> dict[str, Any]:
    """A draft of the stand-in hospital's catalogue, with the elements that say when."""
    (entry,) = draft_orders((Order(f"draft-{key}", BY_KEY[key], "1", "e", "p", {}),), NOW)["entry"]
    return copy.deepcopy(entry["resource"]) | more


@pytest.mark.parametrize(
    "when",
    [
        {"occurrenceDateTime": THREE},
        {"occurrenceDateTime": "2026-11-23T15:00:00Z"},
        {"occurrencePeriod": {"start": THREE, "end": "2026-11-23T18:00:00Z"}},
        {"occurrenceTiming": {"event": ["2026-11-23T20:00:00Z", THREE]}},
    ],
)
@pytest.mark.parametrize("key", ["troponin", "troponin-i"])
def test_an_order_for_a_troponin_says_when_it_is_to_be_drawn(key: str, when: dict[str, Any]) -> None:
    assert planned_draw(asked(order(key, **when)), MODEL) == AT_THREE


def test_a_task_says_it_by_its_period() -> None:
    task = {
        "resourceType": "Task",
        "id": "t",
        "code": {"text": "Draw troponin"},
        "executionPeriod": {"start": THREE},
    }
    assert planned_draw(asked(task), MODEL) == AT_THREE


@pytest.mark.parametrize(
    "when",
    [
        {},
        {"occurrenceDateTime": "2026-11-24"},
        {"occurrenceDateTime": "2026-11-23T15:00:00"},
        {"occurrenceDateTime": "in three hours"},
        {"occurrenceDateTime": 3},
        {"occurrenceDateTime": None},
        {"occurrencePeriod": {"end": THREE}},
        {"occurrencePeriod": "soon"},
        {"occurrenceTiming": {"event": THREE}},
        {"occurrenceTiming": {"repeat": {"frequency": 2}}},
        {"authoredOn": THREE},
    ],
)
def test_a_time_that_is_no_instant_is_no_time_and_no_fault(when: dict[str, Any]) -> None:
    request = asked(order("troponin", **when))
    assert planned_draw(request, MODEL) is None
    assert concerns(request, MODEL)


def test_the_time_of_another_order_is_not_the_draws() -> None:
    drafts = (order("troponin"), order("ecg", occurrenceDateTime=THREE))
    assert planned_draw(asked(drafts[1]), MODEL) is None
    assert planned_draw(asked(*drafts), MODEL) is None
    assert concerns(asked(drafts[1]), MODEL)
    assert planned_draw(asked(order("troponin", occurrenceDateTime=THREE)), "ventilation-need") is None


def test_of_several_draws_the_next_counts_and_one_without_a_time_is_the_next() -> None:
    soon = order("troponin", occurrenceDateTime="2026-11-23T13:00:00Z")
    later = order("troponin-i", occurrenceDateTime=THREE)
    assert planned_draw(asked(later, soon), MODEL) == datetime(2026, 11, 23, 13, tzinfo=UTC)
    assert planned_draw(asked(later, order("troponin")), MODEL) is None


def test_an_order_not_to_be_done_and_one_not_selected_plan_nothing() -> None:
    draft = order("troponin", occurrenceDateTime=THREE)
    assert planned_draw(asked(draft | {"doNotPerform": True}), MODEL) is None
    chosen = ("ServiceRequest/draft-troponin",)
    assert planned_draw(asked(draft, hook="order-select", selected=chosen), MODEL) == AT_THREE
    assert planned_draw(asked(draft, hook="order-select", selected=("ServiceRequest/x",)), MODEL) is None


def test_an_order_without_any_of_it_is_none() -> None:
    assert planned({}) is None
