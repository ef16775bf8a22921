"""What a hospital has granted, as hospitals write it; what it allows; who is at the screen."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from ehr import smart
from ehr.errors import LaunchRefused
from ehr.grant import person
from ehr.scopes import Permission, permissions
from tests.ehr.launches import (
    granted,
)
from tests.ehr.peer import (
    NOW,
    later,
)

# --- what was granted


def test_a_grant_holds_what_the_server_said() -> None:  # CONFORMANCE 24
    grant = granted(appContext="opaque-1", intent="order-review", tenant="t")
    assert grant.patient == "p1"
    assert grant.encounter == "e1"
    assert grant.expires_at == later(minutes=5)
    assert grant.scope.split()[0] == "launch"
    assert (grant.app_context, grant.intent, grant.refresh_token) == ("opaque-1", "order-review", "rt-1")
    assert grant.style_url == "https://ehr.example.org/style.json"


def test_a_grant_survives_json_and_hides_its_tokens() -> None:  # CONFORMANCE 33
    grant = granted(fhirContext=[{"reference": "ImagingStudy/1"}])
    assert smart.Grant.from_dict(json.loads(json.dumps(grant.to_dict()))) == grant
    assert "at-1" not in repr(grant)
    assert "rt-1" not in repr(grant)
    forever = granted(expires_in=None)
    assert smart.Grant.from_dict(json.loads(json.dumps(forever.to_dict()))) == forever


@pytest.mark.parametrize("kind", ["Bearer", "bearer", "BEARER"])
def test_the_token_type_is_compared_without_case(kind: str) -> None:  # CONFORMANCE 24
    assert granted(token_type=kind).access_token == "at-1"


UNUSABLE: list[dict[str, Any]] = [
    {"token_type": "mac"}, {"token_type": None}, {"access_token": None}, {"access_token": ""},
    {"access_token": 5}, {"access_token": "a b"}, {"access_token": "a\r\nX: y"}, {"patient": "../1"},
    {"patient": "a/b"}, {"patient": ".."}, {"patient": {"id": 1}}, {"encounter": "e 1"},
]  # fmt: skip


@pytest.mark.parametrize("changed", UNUSABLE, ids=str)
def test_an_answer_nobody_could_use_is_refused(changed: dict[str, Any]) -> None:  # CONFORMANCE 24
    with pytest.raises(LaunchRefused):
        granted(**changed)


def test_a_long_opaque_token_is_taken_as_it_is() -> None:  # CONFORMANCE 24
    token = "~opaque+/=." * 400
    assert granted(access_token=token).access_token == token


@pytest.mark.parametrize(
    ("sent", "left"),
    [(300, 300.0), ("300", 300.0), (None, None), ("soon", None), (0, None), (-5, None), (True, None)],
)
def test_expires_in_may_be_absent_or_a_text(sent: object, left: float | None) -> None:  # CONFORMANCE 24
    expires = granted(expires_in=sent).expires_at
    assert (None if expires is None else (expires - NOW).total_seconds()) == left


def test_a_scope_that_is_not_said_is_the_one_asked_for() -> None:  # RFC 6749 5.1
    assert granted(scope=None).scope == "what was asked"
    assert granted(scope="patient/Patient.r").scope == "patient/Patient.r"


def test_no_patient_is_no_patient() -> None:  # CONFORMANCE 25
    grant = granted(patient=None, encounter=None)
    assert (grant.patient, grant.encounter) == ("", "")


def test_a_patient_named_as_a_reference_is_the_same_patient() -> None:
    assert granted(patient="Patient/p1", encounter="Encounter/e1").patient == "p1"


@pytest.mark.parametrize(
    ("sent", "draw"),
    [(True, True), (None, True), ("true", True), (False, False), ("false", False), ("no idea", True)],
)
def test_the_banner_is_drawn_unless_the_ehr_says_it_does(sent: object, draw: bool) -> None:  # CONFORMANCE 27
    assert granted(need_patient_banner=sent).need_patient_banner is draw


def test_further_context_is_kept_by_its_form_and_unknown_roles_are_left_out() -> None:  # CONFORMANCE 26
    rows = [
        {"reference": "ImagingStudy/1"},
        {"canonical": "http://example.org/Questionnaire/1", "type": "Questionnaire"},
        {"identifier": {"system": "urn:x", "value": "7"}, "role": "launch"},
        {"reference": "Observation/1", "role": "https://example.org/unknown"},
        {"reference": "Observation/1", "role": ""},
        {"reference": "Patient/2"},
        {"reference": "Observation/1", "canonical": "http://example.org"},
        {},
        "text",
        None,
    ]
    first, second, third = granted(fhirContext=rows).context
    assert first.reference == "ImagingStudy/1"
    assert (second.canonical, second.type) == ("http://example.org/Questionnaire/1", "Questionnaire")
    assert third.identifier == "urn:x|7"
    assert granted(fhirContext={"reference": "X/1"}).context == ()


SCOPED = [
    ("patient/Observation.rs", "Observation", "rs"),
    ("patient/Observation.cruds", "Observation", "cruds"),
    ("patient/Observation.read", "Observation", "rs"),
    ("patient/Observation.write", "Observation", "cud"),
    ("patient/Observation.*", "Observation", "cruds"),
    ("user/*.read", "Observation", "rs"),
    ("patient/*.rs", "Patient", "rs"),
    ("patient/Observation.rs?category=laboratory", "Observation", "rs"),
    ("patient/Patient.r", "Observation", ""),
    ("patient/Observation.sr", "Observation", ""),
    ("patient/Observation.", "Observation", ""),
    ("patient/Observation.rx", "Observation", ""),
    ("patient/observation.rs", "observation", ""),
    ("launch openid", "Observation", ""),
    ("", "Observation", ""),
]


@pytest.mark.parametrize(("scope", "resource", "rights"), SCOPED)
def test_a_granted_scope_allows_what_it_says_in_either_version(
    scope: str, resource: str, rights: str
) -> None:  # CONFORMANCE 22, 21
    found = permissions(scope)
    assert "".join(right for right in "cruds" if found.may(resource, right)) == rights


def test_a_right_limited_by_a_query_says_so() -> None:  # CONFORMANCE 22
    some = permissions(
        "patient/Observation.rs?category=laboratory patient/Observation.rs?category=vital-signs"
    )
    assert some.limits("Observation", "s") == ("category=laboratory", "category=vital-signs")
    assert (
        permissions("patient/Observation.rs?category=x user/Observation.rs").limits("Observation", "r") == ()
    )
    assert permissions("patient/Observation.rs?category=x").resources == (
        Permission("patient", "Observation", "rs", "category=x"),
    )


def test_a_level_may_be_asked_for() -> None:
    found = permissions("system/Observation.rs openid")
    assert found.may("Observation", "r", "system")
    assert not found.may("Observation", "r", "patient")
    assert found.others == {"openid"}


# --- who is at the screen


@pytest.mark.parametrize("kind", ["Patient", "Practitioner", "PractitionerRole", "RelatedPerson", "Person"])
@pytest.mark.parametrize("form", ["{}/a-1", "https://ehr.example.org/fhir/r4/{}/a-1"])
def test_the_user_is_known_by_any_of_the_five_and_either_form(kind: str, form: str) -> None:  # CONFORMANCE 30
    assert person(form.format(kind)) == f"{kind}/a-1"
    grant = replace(granted(), user=person(form.format(kind)))
    assert grant.for_clinician is (kind not in ("Patient", "RelatedPerson"))


@pytest.mark.parametrize(
    "odd", [None, 5, "", "a-1", "Device/1", "Practitioner/", "Practitioner/a b", "javascript:x"]
)
def test_a_user_that_is_no_person_is_nobody(odd: object) -> None:  # CONFORMANCE 30
    assert person(odd) == ""


def test_a_versioned_user_is_the_same_person() -> None:
    assert person("Practitioner/1/_history/3") == "Practitioner/1"
