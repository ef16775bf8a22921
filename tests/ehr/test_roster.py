"""Who is in a unit, and each one's chart: every member answered for, and patience with a busy hospital."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ehr.errors import EhrUnavailable, MalformedAnswer, MalformedRequest, NotFound, Throttled, Unauthorised
from ehr.records import Reading
from ehr.roster import LONGEST_WAIT, MOST_MEMBERS, TRIES, USUAL_WAIT, Charted, charts, patiently, roster

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
BASE = "https://ehr.example.org/fhir"


class Http:
    """A server that has one Group."""

    base = BASE

    def __init__(self, row: dict[str, Any]) -> None:
        self.row, self.asked = row, ""

    def get(self, path: str) -> dict[str, Any]:
        self.asked = path
        return self.row


def group(*members: Any) -> Http:
    return Http({"resourceType": "Group", "member": list(members)})


def member(reference: str, **more: Any) -> dict[str, Any]:
    return {"entity": {"reference": reference}, **more}


def read(http: Http, name: str = "icu") -> Any:
    return roster(http, name, now=NOW)  # type: ignore[arg-type]


def test_the_members_are_the_groups_patients_each_once_in_its_order() -> None:
    http = group(member("Patient/b"), member(f"{BASE}/Patient/a"), member("Patient/b"), member("Patient/c/_history/2"))
    assert read(http).patients == ("b", "a", "c")
    assert http.asked == "Group/icu"


def test_who_has_left_is_no_member() -> None:
    gone, here = (NOW - timedelta(hours=1)).isoformat(), (NOW + timedelta(hours=1)).isoformat()
    http = group(
        member("Patient/a", inactive=True),
        member("Patient/b", period={"end": gone}),
        member("Patient/c", period={"end": here}),
        member("Patient/d", period={"end": "soon"}),
    )
    assert read(http).patients == ("c", "d")


def test_what_is_no_patient_of_this_server_is_counted() -> None:
    http = group(member("Device/1"), member("https://other.example.org/Patient/1"), {"entity": {}}, member("Patient/a"))
    found = read(http)
    assert (found.patients, found.others) == (("a",), 3)


def test_an_empty_unit_is_a_unit() -> None:
    assert read(Http({"resourceType": "Group"})).patients == ()


def test_what_is_no_group_is_refused() -> None:
    with pytest.raises(MalformedAnswer, match="no Group"):
        read(Http({"resourceType": "Patient"}))
    with pytest.raises(MalformedAnswer, match="no Group"):
        read(Http({"resourceType": "Group", "member": {}}))
    with pytest.raises(MalformedAnswer, match="a unit's own"):
        read(group(*(member(f"Patient/{n}") for n in range(MOST_MEMBERS + 1))))
    for odd in ("", "..", "a/b", "a?b"):
        with pytest.raises(MalformedRequest):
            read(group(), odd)


def test_one_chart_that_fails_is_named_and_the_others_are_read() -> None:
    def chart(patient: str) -> Reading:
        if patient == "b":
            raise NotFound("gone", "Patient")
        return Reading(({"id": patient},))

    found = list(charts(["a", "b", "c"], chart, wait=lambda _: None))
    assert [(one.patient, one.fault) for one in found] == [("a", ""), ("b", "NotFound"), ("c", "")]
    assert found[1] == Charted("b", None, "NotFound")


def test_a_busy_hospital_is_given_the_time_it_asks_for_and_then_named() -> None:
    waited: list[float] = []
    answers = iter([Throttled("busy", retry_after=30.0), Throttled("busy"), Throttled("busy", retry_after=900.0)])

    def chart(_: str) -> Reading:
        for fault in answers:
            raise fault
        return Reading(())

    (found,) = charts(["a"], chart, wait=waited.append)
    assert found.fault == ""
    assert waited == [30.0, USUAL_WAIT, LONGEST_WAIT]

    def never(_: str) -> Reading:
        raise Throttled("busy")

    waited.clear()
    (lost,) = charts(["a"], never, wait=waited.append)
    assert (lost.fault, len(waited)) == ("Throttled", TRIES - 1)


def test_who_may_no_longer_read_at_all_stops() -> None:
    def refused(_: str) -> Reading:
        raise Unauthorised("withdrawn")

    with pytest.raises(Unauthorised):
        list(charts(["a"], refused, wait=lambda _: None))


def test_only_a_busy_answer_is_waited_for() -> None:
    def down() -> None:
        raise EhrUnavailable("down")

    with pytest.raises(EhrUnavailable):
        patiently(down, lambda _: pytest.fail("nobody asked to wait"))
