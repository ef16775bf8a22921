"""The authored patients: whole, repeatable, labelled, and dated before now."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fhirclient.models.fhirelementfactory import FHIRElementFactory

from demo.patients import STORIES, everyone

NOW = datetime(2026, 11, 23, 10, 4, 5, tzinfo=UTC)


@pytest.fixture(scope="module")
def resources() -> list[dict[str, Any]]:
    return everyone(NOW)


def test_the_same_moment_tells_the_same_stories() -> None:
    assert everyone(NOW) == everyone(NOW)


def test_the_stories_move_with_today(resources: list[dict[str, Any]]) -> None:
    later = everyone(NOW + timedelta(days=1))
    for today, tomorrow in zip(resources, later, strict=True):
        if "effectiveDateTime" in today:
            moved = instant(tomorrow["effectiveDateTime"]) - instant(today["effectiveDateTime"])
            assert moved == timedelta(days=1)


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        everyone(NOW.replace(tzinfo=None))


def test_at_least_twenty_one_patients_each_with_a_number_a_birth_date_and_a_language(
    resources: list[dict[str, Any]],
) -> None:
    patients = [r for r in resources if r["resourceType"] == "Patient"]
    assert {p["id"] for p in patients} == set(STORIES)
    assert len(patients) >= 21
    assert len({p["identifier"][0]["value"] for p in patients}) == len(patients)
    assert all(p["birthDate"] and p["gender"] and p["communication"] for p in patients)


def test_every_resource_says_that_it_is_made_up(resources: list[dict[str, Any]]) -> None:
    for resource in resources:
        assert "HTEST" in {label["code"] for label in resource["meta"]["security"]}, resource["id"]
        assert "synthetic" in {label["code"] for label in resource["meta"]["tag"]}, resource["id"]
    assert all("Synthetic" in r["text"]["div"] for r in resources if r["resourceType"] == "Patient")


def test_no_two_resources_share_an_identity(resources: list[dict[str, Any]]) -> None:
    names = [(r["resourceType"], r["id"]) for r in resources]
    assert len(set(names)) == len(names)


def test_every_reference_leads_to_a_resource(resources: list[dict[str, Any]]) -> None:
    known = {f"{r['resourceType']}/{r['id']}" for r in resources}
    for resource in resources:
        inside = {f"#{c['id']}" for c in resource.get("contained", ())}
        assert set(references(resource)) <= known | inside, resource["id"]


def test_a_strict_reader_accepts_every_resource(resources: list[dict[str, Any]]) -> None:
    for resource in resources:
        FHIRElementFactory.instantiate(resource["resourceType"], resource)


def test_nothing_is_dated_after_now_and_nothing_is_issued_before_it_was_drawn(
    resources: list[dict[str, Any]],
) -> None:
    for resource in resources:
        assert instant(resource["meta"]["lastUpdated"]) <= NOW
        if "issued" in resource and "effectiveDateTime" in resource:
            drawn, issued = instant(resource["effectiveDateTime"]), instant(resource["issued"])
            assert drawn <= issued <= NOW, resource["id"]


def test_no_row_is_older_than_the_stay_but_what_came_from_elsewhere(resources: list[dict[str, Any]]) -> None:
    arrivals = {
        r["subject"]["reference"]: instant(r["period"]["start"])
        for r in resources
        if r["resourceType"] == "Encounter"
    }
    early = {
        r["subject"]["reference"]
        for r in resources
        if r["resourceType"] == "Observation"
        and "effectiveDateTime" in r
        and instant(r["effectiveDateTime"]) < arrivals[r["subject"]["reference"]]
    }
    assert early == {"Patient/two-assays"}  # transferred: two troponins were drawn before she came


def test_the_rich_charts_are_as_full_as_a_real_one(resources: list[dict[str, Any]]) -> None:
    for patient in ("pneumonia-worsening", "heart-failure-settling", "high-flow", "sepsis", "ventilated"):
        assert 150 <= len(rows(resources, patient)) <= 400
    assert len(rows(resources, "almost-empty")) < 5


def rows(resources: list[dict[str, Any]], patient: str) -> list[dict[str, Any]]:
    """A patient's Observations."""
    return [
        r
        for r in resources
        if r["resourceType"] == "Observation" and r["subject"]["reference"] == f"Patient/{patient}"
    ]


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["reference"]] if isinstance(value.get("reference"), str) else []
        return own + [found for inner in value.values() for found in references(inner)]
    if isinstance(value, list):
        return [found for inner in value for found in references(inner)]
    return []


def test_a_patient_has_at_most_one_word_on_allergies(resources: list[dict[str, Any]]) -> None:
    about = [r["patient"]["reference"] for r in resources if r["resourceType"] == "AllergyIntolerance"]
    assert len(about) == len(set(about)) == len(STORIES) - 1  # one was not asked
