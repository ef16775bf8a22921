"""Alarms are raised once, delivered once, and answered by somebody."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from governance.alarms import Alarm, Alarms
from governance.causes import Finding
from governance.errors import LedgerRefusal
from governance.keys import Pseudonym
from governance.store import Store
from tests.governance.conftest import Clock

DAY = date(2026, 5, 13)
FOUND = Finding(
    "input", "lactate", 1, DAY, DAY, 2.4, 1.8, 2700.0, "codes-changed", "lactate", DAY, ("old",), ("new",)
)
OTHER = Finding("latency", "", 1, DAY, DAY, 5.0, 4.0, 2700.0)
WHO = Pseudonym("somebody")


@pytest.fixture
def alarms(store: Store, clock: Clock) -> Alarms:
    return Alarms(store, clock=clock)


def raised(alarms: Alarms, *findings: Finding, tenant: str = "north") -> tuple[Alarm, ...]:
    return alarms.raise_all(tenant, "ventilation-need", "ventilation-24h", findings)


def test_an_alarm_is_raised_once_however_often_its_chart_is_read(alarms: Alarms) -> None:
    assert len(raised(alarms, FOUND, OTHER)) == 2
    assert raised(alarms, FOUND, OTHER) == ()
    later = Finding("input", "lactate", -1, DAY + timedelta(days=9), DAY, 1.0, 1.8, 2700.0)
    assert raised(alarms, later) == ()  # its chart has a standing alarm
    assert len(raised(alarms, FOUND, tenant="south")) == 1


def test_the_review_page_reads_what_was_found_as_it_was_found(alarms: Alarms) -> None:
    raised(alarms, FOUND)
    (kept,) = alarms.listed("north")
    assert kept.finding == FOUND
    assert kept.answered_at is None
    assert alarms.listed("south") == ()
    assert alarms.listed("north", since=kept.found_at + timedelta(days=1)) == ()


def test_an_answered_chart_begins_anew_and_may_alarm_again(alarms: Alarms) -> None:
    (first,) = raised(alarms, FOUND)
    begins = DAY + timedelta(days=20)
    assert alarms.answer("north", first.id, user=WHO, decision="map-corrected", from_day=begins)
    assert not alarms.answer("north", first.id, user=WHO, decision="again", from_day=DAY)
    assert alarms.begins("north", "ventilation-need", "ventilation-24h") == {("input", "lactate"): begins}
    (second,) = raised(alarms, FOUND)
    assert second.id != first.id
    assert raised(alarms, FOUND) == ()
    assert [each.decision for each in alarms.listed("north")] == ["", "map-corrected"]


def test_an_answer_needs_somebody_and_an_alarm_of_the_same_site(alarms: Alarms) -> None:
    (first,) = raised(alarms, FOUND)
    with pytest.raises(LedgerRefusal, match="by somebody"):
        alarms.answer("north", first.id, user=Pseudonym(""), decision="x", from_day=DAY)
    with pytest.raises(LedgerRefusal, match="this site's"):
        alarms.answer("south", first.id, user=WHO, decision="x", from_day=DAY)


def test_each_alarm_is_delivered_once_and_one_that_was_not_taken_is_owed(alarms: Alarms) -> None:
    raised(alarms, FOUND, OTHER)
    heard: list[Any] = []

    def taken_once(notice: Any) -> bool:
        heard.append(notice)
        return len(heard) != 2

    assert alarms.deliver("north", taken_once) == 1
    assert alarms.deliver("north", taken_once) == 1
    assert alarms.deliver("north", taken_once) == 0
    assert [each["chart"] for each in heard].count("input") + [each["chart"] for each in heard].count(
        "latency"
    ) == 3
    assert heard[1]["id"] == heard[2]["id"]
    assert {"id", "chart", "cause", "new", "crossed_on"} <= set(heard[0])
