"""One app, several hospitals: each is offered what it can use, at an address of its own, and asked as it wants."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from inference.assessment import TROPONIN, VENTILATION
from tests.webapp.house import House, standing

SICK = "pneumonia-worsening"
OWN = "/sites/demo/cds-services"
SECOND = """
id = "second"
name = "Second"
issuer = "http://localhost:9/fhir"
client_id = "ordertime"
scopes = ["launch", "patient/Observation.rs"]
time_zone = "America/New_York"
quirks = ["category-required"]
"""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    yield from standing(tmp_path_factory.mktemp("house"))


@pytest.fixture
def folder(house: House) -> Iterator[Path]:
    """The tenants' folder, as it was afterwards; `reread` makes the app see a change."""
    folder = house.rooms.settings.tenants
    before = (folder / "demo.toml").read_text()
    yield folder
    (folder / "demo.toml").write_text(before)
    (folder / "second.toml").unlink(missing_ok=True)
    house.fair()
    reread(house)


def reread(house: House) -> None:
    house.rooms.__dict__.pop("tenants", None)


def with_quirks(house: House, folder: Path, quirks: str) -> None:
    """The hospital's tenant with these quirks."""
    path = folder / "demo.toml"
    path.write_text(
        path.read_text().replace("\n[[cds_clients]]", f"quirks = [{quirks}]\n\n[[cds_clients]]", 1)
    )
    reread(house)


def hooks_at(house: House, address: str) -> set[str]:
    answer = house.app.test_client().get(address)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    services = answer.get_json()["services"]
    assert {one["id"] for one in services} == {VENTILATION, TROPONIN}
    return {one["hook"] for one in services}


def test_a_site_that_fires_patient_view_alone_is_offered_nothing_else(house: House, folder: Path) -> None:
    # CONFORMANCE 67, 78
    with_quirks(house, folder, '"patient-view-only"')
    assert hooks_at(house, OWN) == {"patient-view"}
    assert hooks_at(house, "/cds-services") == {"patient-view"}


def test_among_several_sites_each_is_offered_its_own_at_its_own_address(house: House, folder: Path) -> None:
    with_quirks(house, folder, '"patient-view-only"')
    (folder / "second.toml").write_text(SECOND)
    reread(house)
    every = {"patient-view", "order-select", "order-sign"}
    assert hooks_at(house, OWN) == {"patient-view"}
    assert hooks_at(house, "/sites/second/cds-services") == every
    assert hooks_at(house, "/cds-services") == every
    second = house.app.test_client().get("/sites/second/cds-services").get_json()["services"][0]["prefetch"]
    assert all("category=" in query for query in second.values() if query.startswith("Observation?"))


def test_a_site_nobody_configured_is_404(house: House) -> None:
    answer = house.app.test_client().get("/sites/nowhere/cds-services")
    assert answer.status_code == 404
    assert answer.get_json()["resourceType"] == "OperationOutcome"


def test_a_hook_is_answered_at_the_sites_own_address_for_its_own_callers(house: House, folder: Path) -> None:
    # CONFORMANCE 86, 87
    (folder / "second.toml").write_text(SECOND)
    reread(house)
    here, body = f"{OWN}/{VENTILATION}", house.asked(SICK)
    assert house.post(here, body).get_json()["cards"]
    refused = house.post(here, body, token=house.token(f"/cds-services/{VENTILATION}"))
    assert (refused.status_code, "aud" in refused.get_data(as_text=True)) == (401, True)
    elsewhere = house.post(f"/sites/second/cds-services/{VENTILATION}", body)
    assert (elsewhere.status_code, "another site" in elsewhere.get_data(as_text=True)) == (401, True)
    told = {"feedback": [{"card": "c", "outcome": "accepted", "outcomeTimestamp": house.clock().isoformat()}]}
    assert house.post(f"{here}/feedback", told).get_json()["received"] == 1


def observation_searches(house: House) -> list[str]:
    return [one.query for one in house.hospital.faults.seen if one.path == "/fhir/Observation"]


def test_a_site_that_demands_a_category_is_always_sent_one(house: House, folder: Path) -> None:
    # CONFORMANCE 45
    with_quirks(house, folder, '"category-required"')
    house.weather("category-only")
    client, address = house.launched(SICK)
    assert client.get(address, base_url="http://127.0.0.1:8000").status_code == 200
    queries = observation_searches(house)
    assert len(queries) >= 3
    assert all("category=" in query for query in queries)


def test_without_that_quirk_weight_and_height_are_asked_for_by_code_alone(house: House, folder: Path) -> None:
    house.fair()
    client, address = house.launched(SICK)
    assert client.get(address, base_url="http://127.0.0.1:8000").status_code == 200
    assert any("code=" in query and "category=" not in query for query in observation_searches(house))


def test_the_laboratorys_limit_stands_in_where_the_result_brings_none(house: House, folder: Path) -> None:
    # CONFORMANCE 59
    path = folder / "demo.toml"
    path.write_text(path.read_text() + "\n[assays.hs_troponin_t]\nlimits = { all = 19 }\n")
    reread(house)
    body = house.asked("infarction-rising", TROPONIN)
    for entry in body["prefetch"]["laboratory"]["entry"]:
        entry["resource"].pop("referenceRange", None)
    (card,) = house.post(f"/cds-services/{TROPONIN}", body).get_json()["cards"]
    kept = house.rooms.ledger.recall(
        card["links"][0]["appContext"], tenant="demo", patient="infarction-rising"
    )
    assert kept is not None
    assert {draw.measurement.reference_high for draw in kept.assessment.draws} == {19.0}
