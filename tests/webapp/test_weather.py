"""The hospital's weather as the doors meet it: a plea for patience, a row that is none, a row of somebody else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from inference.assessment import VENTILATION
from tests.webapp.house import APP, House, standing

SICK = "pneumonia-worsening"
SERVICE = f"/cds-services/{VENTILATION}"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    yield from standing(tmp_path_factory.mktemp("house"))


@pytest.fixture(autouse=True)
def _fair(house: House) -> Iterator[None]:
    yield
    house.fair()


def dropped(house: House, door: str) -> float:
    """How many rows of other patients the metrics have counted."""
    text = house.app.test_client().get("/metrics").get_data(as_text=True)
    found = re.search(rf'ordertime_foreign_rows_total{{door="{door}"}} ([\d.]+)', text)
    return float(found[1]) if found else 0.0


@pytest.mark.parametrize(
    ("weather", "wait"),
    [({"retry_after": "30"}, "30"), ({"rate_limit": 51}, "51"), ({}, None)],
    ids=["retry-after", "rate-limit", "neither"],
)
def test_a_plea_for_patience_is_handed_on_where_it_says_how_long(
    house: House, weather: dict[str, Any], wait: str | None
) -> None:
    # CONFORMANCE 52
    house.weather("throttle", match="/fhir/Observation", **weather)
    answer = house.post(SERVICE, house.asked(SICK, prefetch=False))
    assert answer.status_code == 503
    assert answer.get_json()["issue"][0]["code"] == "throttled"
    assert answer.headers.get("Retry-After") == wait
    client, address = house.launched(SICK)
    page = client.get(address, base_url=APP)
    assert page.status_code == 503
    assert "busy" in page.get_data(as_text=True)
    assert page.headers.get("Retry-After") == wait


def test_a_short_plea_is_heard_and_the_answer_comes(house: House) -> None:
    # CONFORMANCE 52
    house.weather("throttle", match="/fhir/Observation", retry_after="0", times=1)
    answer = house.post(SERVICE, house.asked(SICK, prefetch=False))
    assert answer.status_code == 200
    assert answer.get_json()["cards"]


def test_a_row_that_is_not_built_as_fhir_asks_loses_itself_alone(house: House) -> None:
    # CONFORMANCE 38
    fair = house.post(SERVICE, house.asked(SICK, prefetch=False)).get_json()["cards"][0]["summary"]
    house.weather("odd-row", match="/fhir/Observation")
    (card,) = house.post(SERVICE, house.asked(SICK, prefetch=False)).get_json()["cards"]
    assert card["summary"] == fair


def test_a_row_of_somebody_else_is_dropped_and_counted_at_both_doors(house: House) -> None:
    # CONFORMANCE 37
    fair = house.post(SERVICE, house.asked(SICK, prefetch=False)).get_json()["cards"][0]["summary"]
    before = dropped(house, "hook"), dropped(house, "launch")
    house.weather("foreign", match="/fhir/Observation")
    (card,) = house.post(SERVICE, house.asked(SICK, prefetch=False)).get_json()["cards"]
    assert card["summary"] == fair
    assert dropped(house, "hook") > before[0]
    _, _, page = house.result(SICK)
    assert "thrown away" in page.get_data(as_text=True)
    assert dropped(house, "launch") > before[1]


def test_a_prefetch_with_a_row_of_somebody_else_is_answered_without_it(house: House) -> None:
    # CONFORMANCE 37
    body, before = house.asked(SICK), dropped(house, "hook")
    theirs = house.hospital.search("Observation", {"patient": "sepsis", "category": "vital-signs"})[:3]
    body["prefetch"]["vitals"]["entry"] += [{"resource": row} for row in theirs]
    (card,) = house.post(SERVICE, body).get_json()["cards"]
    (plain,) = house.post(SERVICE, house.asked(SICK)).get_json()["cards"]
    assert card["summary"] == plain["summary"]
    assert dropped(house, "hook") == before + 3
