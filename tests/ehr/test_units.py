"""Encounter and Location -> the kind of care unit, at each moment; what is not understood is not known."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from ehr.reader import read_record
from ehr.units import kinds_in_name

ROLE = "http://terminology.hl7.org/CodeSystem/v3-RoleCode"
HSLOC = "https://www.cdc.gov/nhsn/cdaportal/terminology/codesystem/hsloc.html"
SNOMED = "http://snomed.info/sct"
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
Resource = dict[str, Any]


def hour(hour: int) -> str:
    return f"2026-11-23T{hour:02d}:00:00Z"


def concept(system: str, code: str) -> Resource:
    return {"coding": [{"system": system, "code": code}]}


def encounter(*places: Resource, **more: Any) -> Resource:
    usual: Resource = {
        "resourceType": "Encounter",
        "id": "e",
        "status": "in-progress",
        "class": {"code": "IMP"},
        "subject": {"reference": "Patient/1"},
        "period": {"start": hour(1)},
    }
    return usual | ({"location": list(places)} if places else {}) | more


def place(display: str = "", start: int | None = 2, end: int | None = None, **more: Any) -> Resource:
    location: Resource = more.pop("location", {"display": display})
    period = {name: hour(at) for name, at in (("start", start), ("end", end)) if at is not None}
    return {"location": location, "status": "active"} | ({"period": period} if period else {}) | more


def location(key: str, *types: Resource, **more: Any) -> Resource:
    return {"resourceType": "Location", "id": key, "type": list(types)} | more


def unit(*rows: Resource, moment: datetime = NOON, own: dict[str, str] | None = None) -> str:
    return read_record("1", rows, care_units=own or {}).at(moment).person.care_unit


# --- what a place is


@pytest.mark.parametrize(
    ("system", "code", "kind"),
    [
        (ROLE, "CCU", "coronary"),
        ("http://hl7.org/fhir/v3/RoleCode", "CCU", "coronary"),
        (HSLOC, "1027-2", "medical"),
        (HSLOC, "1028-0", "coronary"),
        (HSLOC, "1030-6", "surgical"),
        (HSLOC, "1032-2", "cardiac surgery"),
        ("urn:oid:2.16.840.1.113883.6.259", "1032-2", "cardiac surgery"),
        (SNOMED, "441994008", "medical"),
        (SNOMED, "418433008", "surgical"),
        (SNOMED, "309907008", "coronary"),
        (ROLE, "ICU", ""),
        (HSLOC, "1029-8", ""),
        (HSLOC, "1031-4", ""),
        (SNOMED, "309904001", ""),
        ("urn:somebody", "CCU", ""),
    ],
)
def test_the_code_of_a_location_says_which_kind_it_is(system: str, code: str, kind: str) -> None:
    at = place(location={"reference": "Location/u"})
    assert unit(encounter(at), location("u", concept(system, code))) == kind
    inside = encounter(place(location={"reference": "#u"}), contained=[location("u", concept(system, code))])
    assert unit(inside) == kind


def test_two_codes_of_two_kinds_are_a_mixed_unit_and_two_of_one_kind_are_that() -> None:
    at = place(location={"reference": "Location/u"})
    surgical = concept(SNOMED, "418433008")
    assert unit(encounter(at), location("u", concept(HSLOC, "1027-2"), surgical)) == ""
    assert unit(encounter(at), location("u", concept(HSLOC, "1030-6"), surgical)) == "surgical"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("MICU", "medical"),
        ("4MICU-12", "medical"),
        ("Medical Intensive Care Unit", "medical"),
        ("Medicine ICU, bed 4", "medical"),
        ("Surgical ICU", "surgical"),
        ("SICU 2", "surgical"),
        ("Coronary care unit", "coronary"),
        ("Cardiac ICU", "coronary"),
        ("Medical Cardiac Critical Care", "coronary"),
        ("Surgical Cardiothoracic Critical Care", "cardiac surgery"),
        ("Cardiac surgery ICU", "cardiac surgery"),
        ("CTICU", "cardiac surgery"),
    ],
)
def test_a_plain_name_is_understood(name: str, kind: str) -> None:
    assert unit(encounter(place(name))) == kind


@pytest.mark.parametrize(
    "name",
    [
        "Intensive care unit",
        "ICU 3",
        "CCU",
        "CVICU",
        "Medical ward 4",
        "Surgical ward",
        "Cardiac surgery ward",
        "MICU/SICU",
        "Medical/Surgical ICU",
        "Medical and surgical intensive care",
        "Neurosurgical ICU",
        "Neuro surgical ICU",
        "Trauma-surgical ICU",
        "Pediatric medical ICU",
        "Children's cardiac ICU",
        "MICU step-down",
        "Nonmedical ICU",
        "",
    ],
)
def test_a_ward_a_mixed_unit_and_another_specialty_are_not_known(name: str) -> None:
    assert unit(encounter(place(name))) == ""


def test_a_code_goes_before_the_name() -> None:
    at = place(location={"reference": "Location/u", "display": "MICU"})
    assert unit(encounter(at), location("u", concept(HSLOC, "1030-6"))) == "surgical"
    assert unit(encounter(at), location("u", concept(HSLOC, "1029-8"))) == ""
    assert unit(encounter(at), location("u", concept(ROLE, "ICU"))) == "medical"


def test_a_bed_whose_location_came_along_is_in_the_unit_it_is_part_of() -> None:
    at = place(location={"reference": "Location/bed-7"})
    bed = location("bed-7", partOf={"reference": "Location/micu"})
    assert unit(encounter(at), bed, location("micu", concept(HSLOC, "1027-2"))) == "medical"
    round_and_round = location("bed-7", partOf={"reference": "Location/bed-7"})
    assert unit(encounter(at), round_and_round) == ""


# --- the site's own map


@pytest.mark.parametrize(
    "there",
    [
        {"reference": "Location/icu-3"},
        {"reference": "https://ehr.example.org/fhir/Location/icu-3"},
        {"reference": "Location/ICU-3/_history/2"},
        {"display": "7 north"},
        {"display": "7  North "},
        {"identifier": {"value": "7N-ICU"}},
    ],
)
def test_a_site_names_its_own_places_by_reference_identifier_or_name(there: Resource) -> None:
    own = {"Location/icu-3": "surgical", "7 North": "surgical", "7n-icu": "surgical"}
    assert unit(encounter(place(location=there)), own=own) == "surgical"
    assert unit(encounter(place(location=there))) == ""


def test_the_sites_map_goes_before_code_and_name_also_where_it_says_none_of_the_kinds() -> None:
    at = place(location={"reference": "Location/u", "display": "SICU"})
    rows = (encounter(at), location("u", concept(HSLOC, "1030-6"), identifier=[{"value": "U-1"}]))
    assert unit(*rows) == "surgical"
    assert unit(*rows, own={"sicu": ""}) == ""
    assert unit(*rows, own={"u-1": "medical"}) == "medical"
    assert unit(*rows, own={"u-1": "medical", "sicu": "surgical"}) == ""


# --- when the patient was there


def test_a_transfer_is_known_from_when_it_happened_and_not_before() -> None:
    moved = encounter(
        place("Emergency department", 1, 3, status="completed"),
        place("MICU", 3, 9, status="completed"),
        place("SICU", 9),
    )
    told = {at: unit(moved, moment=datetime(2026, 11, 23, at, tzinfo=UTC)) for at in (0, 2, 3, 8, 9, 12)}
    assert told == {0: "", 2: "", 3: "medical", 8: "medical", 9: "surgical", 12: "surgical"}


def test_one_record_tells_each_moment_its_own_unit() -> None:
    record = read_record("1", [encounter(place("MICU", 2, 6), place("SICU", 6))])
    assert record.person.care_unit == ""
    units = [record.at(datetime(2026, 11, 23, at, tzinfo=UTC)).person.care_unit for at in (4, 7)]
    assert units == ["medical", "surgical"]


def test_a_period_nobody_closed_ends_where_the_next_begins() -> None:
    assert unit(encounter(place("MICU", 2), place("Medical ward 4", 8))) == ""
    left = encounter(place("MICU", 2, status="completed"), place("SICU", 8))
    assert unit(left, moment=datetime(2026, 11, 23, 5, tzinfo=UTC)) == "medical"
    assert unit(encounter(place("MICU", 2, status="completed"))) == ""


@pytest.mark.parametrize("status", ["planned", "reserved"])
def test_a_place_nobody_lies_in_yet_is_not_the_patients(status: str) -> None:
    assert unit(encounter(place("MICU", 2, status=status))) == ""
    assert unit(encounter(place("SICU", 2), place("MICU", 3, status=status))) == "surgical"


def test_a_bed_or_a_room_of_the_unit_changes_nothing() -> None:
    bed = {"coding": [{"code": "bd"}]}
    assert unit(encounter(place("MICU", 2), place("12-A", 8, physicalType=bed))) == "medical"
    assert unit(encounter(place("MICU", 2), place("Bed 12", 8), place("room 3", 8))) == "medical"
    assert unit(encounter(place("MICU", 2), place("12-A", 8))) == ""


def test_a_ward_and_its_part_of_one_moment_are_one_place_and_two_units_are_none() -> None:
    assert unit(encounter(place("MICU", 2), place("12-A", 2))) == "medical"
    assert unit(encounter(place("MICU", 2), place("SICU", 2))) == ""


def test_a_place_without_a_time_counts_from_the_encounters_last_change() -> None:
    now = encounter(place("MICU", None), meta={"lastUpdated": hour(10)})
    assert unit(now) == "medical"
    assert unit(now, moment=datetime(2026, 11, 23, 9, tzinfo=UTC)) == ""
    assert unit(encounter(place("MICU", None))) == "medical"
    assert unit(encounter(place("SICU", 2, 7), place("MICU", None))) == "medical"
    assert unit(encounter(place("MICU", None, status="completed"))) == ""


def test_a_part_of_a_stay_tells_of_the_unit_as_the_stay_does() -> None:
    stay = encounter(place("Emergency department", 1))
    part = encounter(id="p", partOf={"reference": "Encounter/e"}, period={"start": hour(5)})
    assert unit(stay, part | {"serviceType": concept(SNOMED, "441994008")}) == "medical"
    assert unit(stay, part | {"type": [concept(SNOMED, "418433008")]}) == "surgical"


def test_a_service_is_asked_only_where_no_place_is_named_and_only_from_when_it_was_told() -> None:
    told = encounter(serviceType=concept(HSLOC, "1027-2"), meta={"lastUpdated": hour(10)})
    assert unit(told) == "medical"
    assert unit(told, moment=datetime(2026, 11, 23, 9, tzinfo=UTC)) == ""
    assert unit(told | {"location": [place("Ward 4")]}) == ""
    assert (
        unit(encounter(serviceType=concept("http://terminology.hl7.org/CodeSystem/service-type", "57"))) == ""
    )


@pytest.mark.parametrize(
    "change",
    [
        {"status": "planned"},
        {"status": "entered-in-error"},
        {"class": {"code": "AMB"}},
        {"subject": {"reference": "Patient/2"}},
        {"period": {"start": hour(1), "end": hour(11)}, "status": "finished"},
        {"period": {}},
        {"meta": {"lastUpdated": "yesterday"}, "location": [place("MICU", None)]},
        {"location": [None]},
        {"location": [{"location": {"display": ["MICU"], "reference": 7}}]},
    ],
)
def test_another_encounter_one_that_is_over_and_a_broken_one_tell_of_no_unit(change: Resource) -> None:
    assert unit(encounter(place("MICU", 2))) == "medical"
    assert unit(encounter(place("MICU", 2)) | change) == ""


def test_a_broken_encounter_is_refused_once() -> None:
    record = read_record("1", [encounter(place("MICU"), period={})])
    assert [refusal.reason for refusal in record.refused] == ["no-time"]


def test_names_are_whole_words_and_the_longest_that_fits() -> None:
    assert list(kinds_in_name("Cardiac surgical ICU and MICU")) == ["cardiac surgery", "medical"]
    assert list(kinds_in_name("the SICUla")) == []
