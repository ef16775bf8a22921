"""The patient's identity, as hospitals send it."""

from __future__ import annotations

from datetime import date

from ehr.identity import Identity, identity

PATIENT = {
    "resourceType": "Patient",
    "id": "p1",
    "name": [
        {"use": "nickname", "text": "Bob"},
        {"use": "official", "given": ["Robert", "J"], "family": "Miller"},
    ],
    "birthDate": "1950-02-01",
    "gender": "male",
    "identifier": [
        {"value": "123-45-6789"},
        {"type": {"coding": [{"code": "MR"}]}, "value": "MRN-7"},
    ],
    "communication": [
        {"language": {"coding": [{"code": "en"}]}},
        {"language": {"coding": [{"code": "es-MX"}]}, "preferred": True},
    ],
}


def test_the_official_name_the_record_number_and_the_preferred_language_are_taken() -> None:
    assert identity("p1", [PATIENT]) == Identity(
        "Robert J Miller", date(1950, 2, 1), "male", "MRN-7", "es-MX"
    )


def test_another_patients_identity_is_never_taken() -> None:
    assert identity("p2", [PATIENT]) == Identity()


def test_a_year_alone_is_no_birth_date_and_odd_shapes_do_no_harm() -> None:
    odd = {
        "resourceType": "Patient",
        "id": "p1",
        "birthDate": "1950",
        "name": "Bob",
        "communication": [{"language": 1}],
    }
    assert identity("p1", [odd]) == Identity()
