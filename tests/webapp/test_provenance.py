"""From a number back to the rows it was made from, and from a refused search to its own status."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ehr.records import read_patient
from ehr.transport import Budget, FhirHttp
from inference.assessment import VENTILATION
from tests.webapp.house import House, standing

SICK = "pneumonia-worsening"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    yield from standing(tmp_path_factory.mktemp("house"))


@pytest.fixture(autouse=True)
def _fair(house: House) -> None:
    house.fair()


def test_the_ledger_keeps_row_version_code_value_and_unit_of_every_input(house: House) -> None:
    # CONFORMANCE 55
    (card,) = house.post(f"/cds-services/{VENTILATION}", house.asked(SICK)).get_json()["cards"]
    key = card["links"][0]["appContext"]
    kept = house.rooms.ledger.recall(key, tenant="demo", patient=SICK)
    assert kept is not None
    inputs = kept.assessment.inputs
    assert len(inputs) > 10
    for row in inputs:
        kind, _, name = row.source.resource.partition("/")
        sent = house.hospital.read(kind, name)  # the row is found again by what was kept
        assert row.source.version == sent["meta"]["versionId"]
        codes = {f"{c['system']}|{c['code']}" for c in every_coding(sent)}
        assert row.source.code in codes, row
        assert row.source.value_sent
        assert row.source.unit_sent or "valueCodeableConcept" in str(sent), row


def every_coding(resource: object) -> Iterator[dict[str, str]]:
    if isinstance(resource, dict):
        if "system" in resource and "code" in resource and "value" not in resource:
            yield resource
        for value in resource.values():
            yield from every_coding(value)
    elif isinstance(resource, list):
        for value in resource:
            yield from every_coding(value)


def test_a_refused_search_keeps_its_own_status_and_costs_the_others_nothing(house: House) -> None:
    # CONFORMANCE 50
    house.fair()
    scope = "patient/Patient.r patient/Observation.rs patient/Encounter.rs patient/Device.rs"
    token = house.hospital.tokens.issue("ordertime", scope, SICK, "okafor", 300)
    http = FhirHttp(house.hospital.settings.fhir, token, house.rooms.http, Budget(10))
    reading = read_patient(http, SICK, as_of=house.clock())
    assert {row["resourceType"] for row in reading.resources} >= {"Patient", "Observation", "Encounter"}
    refused = {problem for problem in reading.problems if problem.endswith("NotPermitted")}
    assert refused == {f"{kind}: NotPermitted" for kind in ("Condition", "DeviceUseStatement", "Procedure")}
    paths = [one.path for one in house.hospital.faults.seen]
    assert "/fhir" not in paths  # no batch is sent, whose own 200 would hide what each part met
    assert "/fhir/" not in paths


# --- little data, and nobody to tell


def test_a_sound_request_about_no_data_is_answered_with_200(house: House) -> None:
    # CONFORMANCE 70, 72
    body = house.asked(SICK)
    body["prefetch"] = {key: None for key in body["prefetch"]} | {"patient": body["prefetch"]["patient"]}
    answer = house.post(f"/cds-services/{VENTILATION}", body)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    assert answer.get_json() == {"cards": []}
    assert "/fhir/Observation" not in [
        one.path for one in house.hospital.faults.seen
    ]  # null is not asked again


@pytest.mark.parametrize("user", [f"Patient/{SICK}", "RelatedPerson/daughter"])
def test_a_patients_own_view_brings_no_clinicians_card(house: House, user: str) -> None:
    # CONFORMANCE 78
    body = house.asked(SICK)
    body["context"]["userId"] = user
    answer = house.post(f"/cds-services/{VENTILATION}", body)
    assert (answer.status_code, answer.get_json()) == (200, {"cards": []})
