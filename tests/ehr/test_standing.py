"""Orders in force: which count, which are what would be offered, and what it means that none could be seen."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ehr.errors import NotPermitted
from ehr.hooks import HookRequest
from ehr.records import Reading
from ehr.standing import Sought, standing, stands
from inference.assessment import TROPONIN

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
LAST = NOW - timedelta(hours=1)
SPARE = timedelta(minutes=10)
CODE = ("http://loinc.org", "67151-1")
DRAW = Sought(frozenset({CODE}), frozenset({"hs-Troponin T"}), TROPONIN, LAST, NOW - SPARE, NOW + SPARE)
GAS = Sought(frozenset({("http://loinc.org", "24336-0"), ("urn:site", "ABG")}), frozenset({"Arterial blood gas"}))
Resource = dict[str, Any]


def order(coded: tuple[str, str] = CODE, **more: Any) -> Resource:
    return {
        "resourceType": "ServiceRequest",
        "id": "o1",
        "status": "active",
        "intent": "order",
        "subject": {"reference": "Patient/1"},
        "code": {"coding": [{"system": coded[0], "code": coded[1]}]},
        "authoredOn": NOW.isoformat(),
    } | more


def at(**ahead: float) -> str:
    return (NOW + timedelta(**ahead)).isoformat()


def request(prefetch: Resource | None = None, *, may_fetch: bool = True) -> HookRequest:
    server, token = ("https://ehr.example/fhir", "t") if may_fetch else ("", None)
    return HookRequest(
        "patient-view", "i", "s", "1", "Practitioner/7", prefetch=prefetch or {}, fhir_server=server, token=token
    )


def never() -> Reading:
    raise AssertionError("nothing may be fetched")


def withheld() -> Reading:
    raise NotPermitted("the hospital answered 403", "ServiceRequest")


def bundle(*rows: Resource) -> Resource:
    return {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": row} for row in rows]}


# --- which are in force


@pytest.mark.parametrize(
    "change",
    [
        {"status": "completed"},
        {"status": "draft"},
        {"status": "revoked"},
        {"status": "entered-in-error"},
        {"intent": "proposal"},
        {"intent": "plan"},
        {"doNotPerform": True},
        {"subject": {"reference": "Patient/2"}},
        {"subject": None},
    ],
    ids=str,
)
def test_what_is_no_order_in_force_of_this_patient_is_left_out(change: Resource) -> None:
    # CONFORMANCE 37, 42
    assert standing(request({"orders": bundle(order(**change))}), never) == ()


def test_orders_that_were_sent_are_not_asked_for() -> None:
    assert standing(request({"orders": bundle(order())}), never) == (order(),)
    assert standing(request({"orders": None}), never) == ()  # null: the hospital has none


def test_orders_that_were_not_sent_are_read_where_the_client_allows_it() -> None:
    assert standing(request(), lambda: Reading((order(),))) == (order(),)


FAILED = {"resourceType": "OperationOutcome", "issue": [{"code": "forbidden"}]}


@pytest.mark.parametrize("sent", [{}, {"orders": FAILED}])
def test_orders_that_could_not_be_seen_are_not_no_orders(sent: Resource) -> None:
    assert standing(request(sent), withheld) is None
    assert standing(request(sent, may_fetch=False), never) is None


# --- which are the one sought


@pytest.mark.parametrize(
    "more",
    [
        {"occurrenceDateTime": at(minutes=-9)},
        {"occurrenceDateTime": at(minutes=9)},
        {"occurrenceTiming": {"event": [at(hours=-3), at(minutes=2)]}},
        {"occurrencePeriod": {"start": at(hours=-2)}},
        {"occurrencePeriod": {"start": at(minutes=-30), "end": at(minutes=30)}},
        {},  # as soon as may be, written since the last draw
        {"authoredOn": None},
        {"occurrenceDateTime": "soon"},
        {"code": {"text": "Troponin T hs, repeat"}},
        {"code": {"coding": [{"system": "http://snomed.info/sct", "code": "105000003"}]}},
    ],
    ids=str,
)
def test_a_draw_ordered_for_that_moment_is_the_one_sought(more: Resource) -> None:
    assert stands(DRAW, [order(**more)])


@pytest.mark.parametrize(
    "more",
    [
        {"occurrenceDateTime": at(minutes=-11)},
        {"occurrenceDateTime": at(hours=3)},
        {"occurrencePeriod": {"start": at(hours=-3), "end": at(hours=-2)}},
        {"occurrencePeriod": {"start": at(hours=2)}},
        {"authoredOn": at(hours=-1.5)},  # the order of the draw that is to be repeated
        {"code": {"text": "Potassium"}},
        {"code": {"coding": [{"system": "urn:site", "code": "ABG"}]}},
    ],
    ids=str,
)
def test_another_draw_is_not(more: Resource) -> None:
    assert not stands(DRAW, [order(**more)])


def test_a_gas_is_known_by_the_standard_code_the_sites_own_and_its_words() -> None:
    old = {"authoredOn": at(hours=-9)}
    assert stands(GAS, [order(("http://loinc.org", "24336-0"), **old)])
    assert stands(GAS, [order(("urn:site", "ABG"))])
    assert stands(GAS, [order(("urn:else", "1"), code={"text": "ARTERIAL BLOOD GAS, left radial"})])
    assert not stands(GAS, [order(("http://loinc.org", "24339-4"))])
    assert not stands(GAS, [])


# --- done again and again


def every(hours: float, *, start: str | None = None, end: str | None = None, **more: Any) -> Resource:
    bounds = {name: told for name, told in (("start", start), ("end", end)) if told}
    repeat = {"frequency": 1, "period": hours, "periodUnit": "h"} | ({"boundsPeriod": bounds} if bounds else {})
    return order(occurrenceTiming={"repeat": repeat | more})


@pytest.mark.parametrize(
    ("repeated", "found"),
    [
        (every(3, start=at(hours=-6)), True),  # -6, -3, now
        (every(3, start=at(hours=-7)), False),  # -7, -4, -1, +2
        (every(3, start=at(hours=-6), end=at(hours=-1)), False),  # over
        (every(3, start=at(hours=2)), False),  # not begun
        (every(3, start=at(minutes=5)), True),
        (every(24, start=at(days=-400)), True),
        (every(6, start=at(hours=-6), frequency=2), True),  # twice in six hours
        (every(6, start=at(hours=-6), periodUnit="fortnight"), True),  # how far apart cannot be read
        (every(-1, start=at(hours=-6)), True),
        (order(occurrenceTiming={"repeat": {"when": ["MORN"]}}, authoredOn=at(hours=-9)), True),
        (order(occurrenceTiming={"repeat": {"when": ["MORN"]}}, authoredOn=None), True),
        (order(occurrenceTiming={"repeat": 3}, authoredOn=at(hours=-9)), False),  # no repeat that can be read
    ],
)
def test_a_draw_ordered_again_and_again_stands_for_its_turns(repeated: Resource, found: bool) -> None:
    assert stands(DRAW, [repeated]) is found


def test_a_repeat_beside_named_moments_counts_with_them() -> None:
    both = every(3, start=at(hours=-7))
    both["occurrenceTiming"]["event"] = [at(minutes=1)]
    assert stands(DRAW, [both])
    both["occurrenceTiming"]["event"] = [at(hours=9)]
    assert not stands(DRAW, [both])
