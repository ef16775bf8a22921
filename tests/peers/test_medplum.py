"""Medplum: its own FHIR router and repository in memory, with nothing on our side but its tenant template.

Run `make peers` once: it fetches the packages that tests/peers/medplum/package.json names. Without them this is left
out by name. Login and token are imitated from its source (Medplum's server is no package); searches, paging,
conditional creates and refusals are Medplum's own code.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from ehr.records import read_patient
from ehr.transport import Budget, FhirHttp
from inference.assessment import VENTILATION
from tests.peers.loopback import app, chart, template
from tests.webapp.house import APP, House, visit_of

HERE = Path(__file__).resolve().parent / "medplum"
SICK, OTHER = "pneumonia-worsening", "sepsis"
pytestmark = pytest.mark.skipif(
    not (HERE / "node_modules").is_dir() or shutil.which("node") is None,
    reason="Medplum's packages are not here: `make peers` fetches them, and needs node",
)


def few(house: House) -> list[dict[str, Any]]:
    """The chart with its newest Observations alone: the router searches all it holds anew for every question."""
    rows = chart(house, SICK)
    seen = [row for row in rows if row["resourceType"] == "Observation"]
    newest = sorted(seen, key=lambda row: str(row.get("effectiveDateTime", "")), reverse=True)[:30]
    return [*(row for row in rows if row["resourceType"] != "Observation"), *newest]


@pytest.fixture(scope="module")
def medplum(house: House) -> Iterator[str]:
    """The router's address, with one patient's chart and a row of another's in it."""
    theirs = house.hospital.search("Observation", {"patient": OTHER, "category": "vital-signs"})[:3]
    rows = [*few(house), *theirs]
    seed = {"bundle": {"entry": [{"resource": row} for row in rows]}, "launches": {"l-1": SICK, "l-2": OTHER}}
    command = [str(shutil.which("node")), str(HERE / "server.mjs")]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=HERE)
    assert server.stdin is not None
    assert server.stdout is not None
    try:
        server.stdin.write(json.dumps(seed))
        server.stdin.close()
        server.stdin = None
        port = server.stdout.readline().strip()
        assert port.isdecimal(), "the router did not start"
        yield f"http://127.0.0.1:{port}"
    finally:
        server.kill()
        server.communicate()


def tenant(url: str) -> str:
    hosts = {"https://host/fhir/R4": f"{url}/fhir/R4", "https://host": url}
    return template("medplum", hosts, medplum_host="host", app_host="host", secret_file="peer.secret",
                    time_zone="America/New_York")  # fmt: skip


def launched(browser: Any, url: str, launch: str = "l-1") -> str:
    """A launch to the address of the result."""
    going = browser.get("/launch", query_string={"iss": f"{url}/fhir/R4", "launch": launch}, base_url=APP)
    assert going.status_code == 303, going.get_data(as_text=True)
    assert going.location.startswith(f"{url}/oauth2/authorize?")
    there = httpx.get(going.location, trust_env=False).headers["location"]
    back = browser.get(there.removeprefix(APP), base_url=APP)
    assert back.status_code == 303, back.get_data(as_text=True)
    return str(back.location)


def test_a_launch_over_medplum_ends_at_the_result(medplum: str, house: House, tmp_path: Path) -> None:
    with app(tmp_path, tenant(medplum), house) as (browser, rooms):
        page = browser.get(launched(browser, medplum), base_url=APP)
        text = page.get_data(as_text=True)  # to its end: it comes in pieces
        assert rooms.ledger.counts()["assessments"] == 2, text
    assert page.status_code == 200, text
    assert house.hospital.read("Patient", SICK)["name"][0]["family"] in text
    assert VENTILATION in text


def test_a_second_launch_within_the_hour_is_about_its_own_patient(medplum: str, house: House, tmp_path: Path) -> None:
    with app(tmp_path, tenant(medplum), house) as (browser, rooms):
        grants = [
            rooms.vault.get("grant", visit_of(launched(browser, medplum, launch))) for launch in ("l-1", "l-2", "l-1")
        ]
    assert [grant and grant["patient"] for grant in grants] == [SICK, OTHER, SICK]
    assert {grant and grant["user"] for grant in grants} == {"Practitioner/okafor"}


def test_medplums_pages_are_read_to_their_end_and_nothing_of_anybody_else_comes(medplum: str, house: House) -> None:
    with httpx.Client(trust_env=False) as client:
        http = FhirHttp(f"{medplum}/fhir/R4", "t", client, Budget(20))
        reading = read_patient(http, SICK, as_of=house.clock())
    read = {row["id"] for row in reading.resources if row["resourceType"] == "Observation"}
    there = {
        row["id"]
        for row in few(house)
        if row["resourceType"] == "Observation"
        and row["category"][0]["coding"][0]["code"] in ("vital-signs", "laboratory")
    }
    assert there <= read
    assert (reading.foreign, reading.truncated) == (0, False)


def test_what_is_pressed_twice_is_in_medplum_once(medplum: str) -> None:
    risk = {
        "resourceType": "RiskAssessment",
        "status": "final",
        "subject": {"reference": f"Patient/{SICK}"},
        "identifier": [{"system": "urn:ordertime:assessment", "value": "a-1"}],
    }
    condition = {"identifier": "urn:ordertime:assessment|a-1"}
    with httpx.Client(trust_env=False) as client:
        http = FhirHttp(f"{medplum}/fhir/R4", "t", client, Budget(20))
        first = http.create(risk, if_none_exist=condition)
        second = http.create(risk, if_none_exist=condition)
    assert first.id
    assert second.id == first.id
