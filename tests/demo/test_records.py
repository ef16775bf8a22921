"""The records: dates that move with today, what apps wrote that stays, tokens under several hands."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from demo.config import Resource, settings_for
from demo.grants import Context, Grant, Launches, Tokens
from demo.moments import Span, holds, span, spans_of
from demo.outcome import Refused
from demo.records import Hospital
from demo.scopes import Rule, granted, rule
from tests.demo.standing_hospital import App, small_ward

NOON = datetime(2026, 3, 8, 12, 0, tzinfo=UTC)


class Clock:
    def __init__(self, now: datetime = NOON) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


def ward_at(clock: Clock, patients: Callable[[datetime], list[Resource]] = small_ward) -> Hospital:
    return Hospital(replace(settings_for(8090, 8000), patients=patients, clock=clock))


def newest(hospital: Hospital) -> datetime:
    row = hospital.search("Observation", {"patient": "ann", "_sort": "-date", "_count": "1"})[0]
    return datetime.fromisoformat(row["effectiveDateTime"])


def test_the_ward_is_dated_afresh_when_it_has_grown_old() -> None:
    clock = Clock()
    hospital = ward_at(clock)
    assert newest(hospital) == NOON
    clock.now = NOON + timedelta(hours=5)
    assert newest(hospital) == NOON
    clock.now = NOON + timedelta(hours=30)
    assert newest(hospital) == clock.now
    assert hospital.read("Patient", "ann")["meta"]["versionId"] == "2"


def test_what_was_written_here_outlives_a_new_dating() -> None:
    clock = Clock()
    hospital = ward_at(clock)
    note = {"resourceType": "Communication", "status": "completed", "subject": {"reference": "Patient/ann"}}
    stored, new = hospital.create(note)
    signed = hospital.keep(
        {
            "resourceType": "ServiceRequest",
            "id": "draft-1",
            "status": "active",
            "subject": {"reference": "Patient/ann"},
        }
    )
    clock.now += timedelta(days=3)
    assert new
    assert hospital.read("Communication", stored["id"]) == stored
    assert [row["id"] for row in hospital.search("ServiceRequest", {"patient": "ann"})] == [signed["id"]]
    assert signed["id"] != "draft-1"


def test_a_row_says_when_it_was_last_changed() -> None:
    def ward(now: datetime) -> list[Resource]:
        return [
            {"resourceType": "Observation", "id": "one", "issued": "2026-03-08T11:00:00Z"},
            {"resourceType": "Patient", "id": "two", "meta": {"lastUpdated": "2020-01-01T00:00:00Z"}},
        ]

    hospital = ward_at(Clock(), ward)
    assert hospital.read("Observation", "one")["meta"]["lastUpdated"] == "2026-03-08T11:00:00Z"
    assert hospital.read("Patient", "two")["meta"]["lastUpdated"] == "2020-01-01T00:00:00Z"
    assert hospital.search("Observation", {"_lastUpdated": "lt2026-03-08T11:30:00Z"})


def test_the_hospitals_own_pages_are_refused_like_anybody_else() -> None:
    hospital = ward_at(Clock())
    for call in (
        lambda: hospital.read("Patient", "nobody"),
        lambda: hospital.search("Wombat"),
        lambda: hospital.search("Patient", {"wobble": "1"}),
    ):
        with pytest.raises(Refused):
            call()


def at_once(work: Callable[[], Any], times: int = 8) -> list[Any]:
    """`work` done by several threads that begin together."""
    gate = threading.Barrier(times)

    def one(_: int) -> Any:
        gate.wait()
        return work()

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(one, range(times)))


def test_a_launch_id_and_a_refresh_token_are_given_to_one_of_many_hands() -> None:
    clock = Clock()
    launches, tokens = Launches(clock, 300), Tokens(clock, 3600)
    launch = launches.mint(patient="Patient/ann", user="doc")
    assert launches.look(launch) == Context("ann", "", "Practitioner/doc")
    assert sum(taken is not None for taken in at_once(lambda: launches.take(launch))) == 1
    tokens.keep("a", "r", Grant("ordertime", "openid", Context(), NOON + timedelta(hours=1), "family"))
    assert sum(at_once(lambda: tokens.spend_refresh("r"))) == 1


def test_launch_ids_tokens_and_refresh_tokens_end_by_the_clock() -> None:
    clock = Clock()
    launches, tokens = Launches(clock, 300), Tokens(clock, 3600)
    launch, token = launches.mint(patient="ann"), tokens.issue("ordertime", "patient/*.rs", "ann", ttl=60)
    tokens.keep("a", "r", Grant("ordertime", "openid", Context(), NOON + timedelta(minutes=15), "family"))
    clock.now += timedelta(seconds=61)
    assert tokens.grant(token) is None
    assert launches.look(launch) is not None
    clock.now += timedelta(minutes=10)
    assert launches.take(launch) is None
    clock.now += timedelta(minutes=45)
    assert tokens.look_refresh("r") is not None
    clock.now += timedelta(minutes=5)
    assert tokens.look_refresh("r") is None


def test_two_refreshes_at_once_make_one_exchange(app: App) -> None:
    token = app.launch()["refresh_token"]
    asked = {"grant_type": "refresh_token", "refresh_token": token, "client_id": "ordertime"}
    answers = at_once(lambda: app.token(asked).status_code, 4)
    assert sorted(answers)[0] == 200
    assert answers.count(200) == 1


@pytest.mark.parametrize(
    ("text", "start", "hours"),
    [
        ("2026", "2026-01-01T00:00:00+00:00", 8760),
        ("2026-02", "2026-02-01T00:00:00+00:00", 672),
        ("2026-12", "2026-12-01T00:00:00+00:00", 744),
        ("2026-03-08", "2026-03-08T00:00:00+00:00", 24),
        ("2026-03-08T10:00", "2026-03-08T10:00:00+00:00", 1 / 60),
        ("2026-03-08T10:00:00-05:00", "2026-03-08T15:00:00+00:00", 1 / 3600),
        ("2026-03-08T10:00:00+05:30", "2026-03-08T04:30:00+00:00", 1 / 3600),
        ("2026-03-08T10:00:00 05:30", "2026-03-08T04:30:00+00:00", 1 / 3600),
        ("2026-03-08T10:00:00.5Z", "2026-03-08T10:00:00.500000+00:00", 0.001 / 3600),
    ],
)
def test_a_date_is_as_long_as_it_is_written(text: str, start: str, hours: float) -> None:
    # CONFORMANCE 47
    found = span(text)
    assert found.start == datetime.fromisoformat(start)
    assert (found.end - found.start).total_seconds() == pytest.approx(hours * 3600)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "26",
        "2026-13",
        "2026-02-30",
        "2026-03-08T25:00:00Z",
        "2026-03-08T10:61",
        "10:00",
        "0000",
        "2026-03-08T10:00:00+15:00",
        "2026-03-08T",
        "2026-3-8",
        "9999-12-31T23:59:59.9999999999999-14:00",
    ],
)
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a"):
        span(text)


def test_a_period_without_an_end_reaches_for_ever() -> None:
    (open_stay,) = spans_of({"start": "2026-03-01"})
    assert holds("ge", span("2030"), open_stay, NOON)
    assert holds("lt", span("2026-03-08"), open_stay, NOON)
    assert not holds("eb", span("2030"), open_stay, NOON)
    assert spans_of({"event": ["2026", "2027"]}) == [span("2026"), span("2027")]
    assert spans_of({}) == spans_of("soon") == spans_of(7) == []


def test_prefixes_partition_time_around_an_instant() -> None:
    asked = span("2026-03-08T12:00:00Z")
    for moved in (-2, -1, 0, 1, 2):
        moment = NOON + timedelta(seconds=moved)
        found = Span(moment, moment + timedelta(seconds=1))
        assert [holds(one, asked, found, NOON) for one in ("lt", "eq", "gt")].count(True) == 1
        assert holds("ne", asked, found, NOON) != holds("eq", asked, found, NOON)
        assert holds("ge", asked, found, NOON) != holds("lt", asked, found, NOON)
        assert holds("le", asked, found, NOON) != holds("gt", asked, found, NOON)


@pytest.mark.parametrize(
    ("scope", "found"),
    [
        ("patient/Observation.rs", Rule("patient", "Observation", "rs")),
        ("user/*.read", Rule("user", "*", "rs")),
        ("system/Patient.write", Rule("system", "Patient", "cud")),
        ("patient/Patient.*", Rule("patient", "Patient", "cruds")),
        ("patient/Patient.r?code=a%7Cb&x=", Rule("patient", "Patient", "r", (("code", "a|b"), ("x", "")))),
        ("patient/Observation.sr", None),
        ("patient/Observation.", None),
        ("patient/Observation", None),
        ("patients/Observation.rs", None),
        ("openid", None),
    ],
)
def test_a_resource_scope_is_read_as_v2_or_v1_and_nothing_else(scope: str, found: Rule | None) -> None:
    # CONFORMANCE 22
    assert rule(scope) == found


def test_the_granted_scope_keeps_the_order_and_drops_repeats() -> None:
    assert granted("b a b patient/Patient.rs patient/Patient.sr", {"a", "b", "patient"}) == (
        "b a patient/Patient.rs"
    )


def test_what_happens_later_is_hidden_until_its_time_and_a_known_row_gets_its_new_version() -> None:
    def later(now: datetime) -> list[tuple[datetime, Resource]]:
        stay = next(row for row in small_ward(now) if row["id"] == "stay-ann")
        left = {**stay, "status": "finished"}
        done = {"resourceType": "Procedure", "id": "tube", "subject": {"reference": "Patient/ann"}}
        return [(now + timedelta(hours=2), done), (now + timedelta(hours=4), left)]

    clock = Clock()
    told = replace(settings_for(8090, 8000), patients=small_ward, later=later, clock=clock)
    hospital = Hospital(told)
    here, gone = "in-progress", "finished"
    for hours, seen, status in ((0, 0, here), (1.9, 0, here), (2, 1, here), (4, 1, gone)):
        clock.now = NOON + timedelta(hours=hours)
        assert len(hospital.search("Procedure", {"patient": "ann"})) == seen
        assert [row["status"] for row in hospital.search("Encounter", {"patient": "ann"})] == [status]
    clock.now = NOON + timedelta(hours=6)  # the ward is dated afresh: nothing has happened yet
    assert hospital.search("Procedure", {"patient": "ann"}) == []
