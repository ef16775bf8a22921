"""Follow-up in bad weather: what the hospital or a record does wrong is named, and none of it becomes an outcome."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from demo.config import Resource
from inference.assessment import VENTILATION
from tests.webapp.followed import Followed, built, followed
from webapp.following import Job, Summary

SICK = "pneumonia-worsening"
ONE = ((SICK, VENTILATION),)
SOME = tuple((name, VENTILATION) for name in (SICK, "sepsis", "copd-retention", "high-flow", "myasthenia-tiring"))


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("artifacts"))


@pytest.fixture
def at(tmp_path: Path, artifacts: Path) -> Iterator[Followed]:
    with followed(tmp_path, f"sqlite:///{tmp_path}/ledger.db", artifacts) as found:
        yield found


class Waits(list[float]):
    """Instead of waiting: how long it would have been."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


def run(at: Followed, **changes: Any) -> tuple[Summary, list[str], Waits]:
    """One run in this process, which waits for nobody."""
    rooms, said, waits = at.house.rooms, list[str](), Waits()
    rooms.wait = waits
    policy = changes.pop("policy", {})
    tenant = rooms.tenants.by_id("demo")
    tenant = replace(tenant, follow_up=replace(tenant.follow_up, **policy))
    since = at.house.clock() - timedelta(days=35)
    return Job(rooms, tenant, since, say=said.append, **changes).run(), said, waits


def procedure(at: Followed, hours: float, code: str = "112798008") -> Resource:
    """A procedure, an intubation unless another is named, so many hours after the questions."""
    moment = at.house.clock() + timedelta(hours=-40 + hours)
    row = {
        "resourceType": "Procedure",
        "status": "completed",
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": code}]},
        "subject": {"reference": f"Patient/{SICK}"},
        "performedDateTime": moment.isoformat(),
    }
    return at.house.hospital.keep(row)


def settled(at: Followed) -> list[tuple[str, str]]:
    return [(outcome, label) for _, outcome, label, _ in at.settled()]


# CONFORMANCE 52
def test_a_hospital_that_asks_for_patience_is_given_it(at: Followed) -> None:
    at.ask(ONE)
    at.house.weather("throttle", match="/fhir/Procedure", retry_after="7", times=5)
    summary, _, waits = run(at)
    assert summary.status == 0, str(summary)
    assert sum(7 <= wait < 9 for wait in waits) >= 4
    assert ("ventilation-24h", "yes") in settled(at)


def test_more_patience_than_there_is_time_ends_the_run_and_the_next_goes_on(at: Followed) -> None:
    at.ask(ONE)
    at.house.weather("throttle", match="/fhir/Encounter", retry_after="3600")
    summary, _, waits = run(at, seconds=30)
    assert (summary.status, summary.stopped) == (75, "time")
    assert max(waits, default=0) < 30
    assert at.settled() == []
    at.house.fair()
    assert run(at)[0].status == 0
    assert ("ventilation-24h", "yes") in settled(at)


def test_calls_keep_the_sites_pace(at: Followed) -> None:
    at.ask(ONE)
    _, _, waits = run(at, policy={"calls_a_minute": 30.0})
    assert len(waits) >= 6
    assert sum(waits) > 10


@pytest.mark.parametrize("kind", ["Procedure", "Encounter"])
def test_a_record_that_may_not_be_read_settles_nothing_and_says_what_to_grant(at: Followed, kind: str) -> None:
    at.ask(ONE)
    at.house.weather("error", match=f"/fhir/{kind}", status=403)
    summary, _, _ = run(at)
    assert summary.status == 1
    assert f"does not let the backend client read {kind} (403)" in summary.fault
    assert at.settled() == []


# CONFORMANCE 21
def test_a_grant_without_procedures_is_a_fault_and_not_a_no(at: Followed) -> None:
    at.ask(ONE)
    at.house.weather_withholds("system/Procedure.rs")
    summary, _, _ = run(at)
    assert "did not grant reading Procedure" in summary.fault
    assert at.settled() == []


def test_what_audits_tell_apart_comes_with_the_outcome_and_who_pays_only_where_it_was_granted(at: Followed) -> None:
    at.ask(ONE)
    at.house.weather_withholds("system/Coverage.rs")
    summary, _, _ = run(at)
    assert summary.status == 0
    assert "insurance not read, for audits: 1 (Coverage not granted 1)" in str(summary)
    assert groups(at) == {("Main building", "")}


def test_site_and_insurance_are_kept_as_coarse_groups(at: Followed) -> None:
    at.ask((*ONE, ("sepsis", VENTILATION), ("heart-failure-settling", VENTILATION)))
    at.house.weather("error", match="/fhir/Coverage", status=500, times=3)  # of one patient, all three tries
    summary, _, _ = run(at)
    assert summary.status == 0
    assert "insurance not read, for audits: 1 (Coverage: EhrUnavailable 1)" in str(summary)
    found = groups(at)
    assert {site for site, _ in found} == {"Main building"}
    kinds = {kind for _, kind in found}
    assert "" in kinds
    assert kinds - {""} <= {"Medicare", "Medicaid", "private", "self-pay"}
    assert len(kinds) >= 2


def groups(at: Followed) -> set[tuple[str, str]]:
    store = at.house.rooms.outcomes
    found = store.labelled("demo", VENTILATION, "ventilation-24h")
    return {(each.site, each.insurance) for each in found}


def test_without_device_uses_the_rest_settles_it(at: Followed) -> None:
    at.ask(ONE)
    at.house.weather("error", match="/fhir/DeviceUseStatement", status=404)
    assert run(at)[0].status == 0
    assert ("ventilation-24h", "yes") in settled(at)


def test_a_hospital_that_stays_silent_is_left_and_what_was_not_read_is_counted(at: Followed) -> None:
    at.ask(SOME)
    at.house.weather("error", match="/fhir/Encounter", status=500)
    summary, _, _ = run(at)
    assert (summary.status, summary.stopped) == (75, "hospital-silent")
    assert sum(summary.later.values()) == 5
    assert at.settled() == []
    assert at.referred() == []
    at.house.fair()
    assert run(at)[0].patients == 5


def test_a_page_that_does_not_come_settles_nothing(at: Followed) -> None:
    at.ask(ONE)
    for number in range(60):
        procedure(at, -200 - number, code="40701008")  # an echocardiogram each hour
    at.house.weather("error", match="/fhir/_page", status=500)
    summary, _, _ = run(at)
    assert (summary.status, sum(summary.later.values())) == (75, 1)
    assert at.settled() == []
    at.house.fair()
    assert run(at)[0].status == 0
    assert ("ventilation-24h", "yes") in settled(at)


def test_what_cannot_be_read_for_days_goes_to_a_person(at: Followed) -> None:
    at.ask(ONE)
    at.house.hospital._rows["Patient"].pop(SICK)
    summary, _, _ = run(at)
    assert (summary.status, dict(summary.later)) == (75, {"NotFound": 1})
    assert at.referred() == []
    run(at, policy={"give_up_days": 0.0})
    assert {why for _, _, why in at.referred()} == {"patient-not-found"}
    assert run(at)[0].status == 0


def test_a_limit_ends_the_run_and_the_next_goes_on(at: Followed) -> None:
    at.ask(SOME[:3])
    first, _, _ = run(at, limit=1)
    assert (first.patients, first.stopped, first.status) == (1, "limit", 75)
    second, _, _ = run(at)
    assert (second.patients, second.status) == (2, 0)


def test_an_outcome_before_its_prediction_is_refused_by_name_and_waits_for_a_person(at: Followed) -> None:
    at.ask(ONE)
    procedure(at, -1.5)
    summary, said, _ = run(at)
    assert summary.refused["before-prediction"] == 3
    assert any(line.startswith("demo: refused, before-prediction: ventilation-24h of assessment") for line in said)
    assert at.settled() == []
    assert {why for _, _, why in at.referred()} == {"before-prediction"}
    again, _, _ = run(at)
    assert (again.patients, again.status) == (0, 0)


@pytest.mark.parametrize(
    ("ahead", "told"), [(20, "20 minutes behind"), (-1440, "1440 minutes ahead of"), (1440, "1440 minutes behind")]
)
def test_clocks_that_are_apart_are_a_fault_by_name(at: Followed, ahead: int, told: str) -> None:
    at.ask(ONE)
    at.house.clock.ahead = timedelta(minutes=ahead)
    summary, _, _ = run(at)
    assert summary.fault.startswith(f"clock-skew: the hospital's clock is {told} ours")
    assert at.settled() == []


def test_rows_of_another_patient_tell_nothing_of_this_one(at: Followed) -> None:
    at.ask((("postoperative-stable", VENTILATION),))
    at.house.weather("foreign", match="/fhir/Observation")
    summary, _, _ = run(at)
    assert summary.status == 0, str(summary)
    assert {label for _, label in settled(at)} == {"no"}


def test_the_record_tells_what_audits_tell_patients_apart_by(at: Followed) -> None:
    at.ask(ONE)
    run(at)
    found = list(at.house.rooms.outcomes.labelled("demo", VENTILATION, "ventilation-24h"))
    assert [(row.sex, row.age_band, row.language) for row in found] == [("female", "65-79", "en")]


def test_an_answer_whose_ticket_does_not_open_is_named(at: Followed) -> None:
    from governance.ledger import Ledger

    at.ask(ONE)
    rooms = at.house.rooms
    rooms.ledger = Ledger(rooms.store, b"another secret of thirty-two bytes and more", clock=rooms.clock)
    summary, _, _ = run(at)
    assert summary.referred["whose-not-known"] == 3
    assert at.settled() == []
