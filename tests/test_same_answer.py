"""One spine: the same patient at the same moment gets the same answer through every door."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from inference.assessment import TROPONIN, VENTILATION, Assessment
from inference.features import CARE_UNIT
from tests.webapp.house import House, standing
from webapp.score import score

PATIENTS = (
    "pneumonia-worsening",
    "copd-retention",
    "sepsis",
    "ventilated",
    "high-flow",
    "infarction-rising",
    "conventional-rising",
    "two-units",
    "below-limit-then-nine",
    "almost-empty",
    "child-asthma",
    "conflicting-rows",
)
UNITS = {  # where each lies, as far as it is a kind of care unit
    "high-flow": "medical",
    "conventional-rising": "coronary",
    "infarction-rising": None,  # the emergency department
    "pneumonia-worsening": None,  # a ward
}
KINDS = (
    "Patient",
    "Encounter",
    "Observation",
    "Procedure",
    "Device",
    "DeviceUseStatement",
    "Condition",
    "DiagnosticReport",
)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    for there in standing(tmp_path_factory.mktemp("same-answer")):
        there.clock.stopped = datetime.now(UTC)
        yield there


def bulk_export(house: House, folder: Path, patients: tuple[str, ...]) -> None:
    """What the hospital would write in a bulk export: one file a type."""
    for kind in KINDS:
        with (folder / f"{kind}.ndjson").open("w") as file:
            for patient in patients:
                rows = (
                    [house.hospital.read("Patient", patient)]
                    if kind == "Patient"
                    else house.hospital.search(kind, {"patient": patient})
                )
                file.writelines(json.dumps(row) + "\n" for row in rows)


def recorded(house: House, assessment_id: str, patient: str) -> Assessment:
    found = house.rooms.ledger.recall(assessment_id, tenant="demo", patient=patient)
    assert found is not None
    return found.assessment


def through_the_hook(house: House, patient: str, model: str, *, prefetch: bool) -> Assessment:
    body = house.asked(patient, service=model, prefetch=prefetch)
    answer = house.post(f"/cds-services/{model}", body)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    found = house.rooms.ledger.answered(
        tenant="demo", patient=patient, hook_instance=body["hookInstance"], model=model
    )
    assert found is not None
    return found.assessment


def through_the_launch(house: House, patient: str) -> dict[str, Assessment]:
    _, address, page = house.result(patient)
    assert page.status_code == 200, page.get_data(as_text=True)
    kept = house.rooms.vault.get("visit", address.split("visit=")[1])
    assert kept is not None
    answers = [recorded(house, key, patient) for key in kept["about"]["answers"]]
    return {answer.model: answer for answer in answers}


def through_the_batch(house: House, folder: Path) -> dict[tuple[str, str], dict[str, str]]:
    moment = house.clock().isoformat()
    bulk_export(house, folder, PATIENTS)
    (folder / "moments.csv").write_text("patient,as_of\n" + "".join(f"{one},{moment}\n" for one in PATIENTS))
    artifacts = next(iter(house.rooms.settings.tenants.parent.glob("artifacts")))
    score(folder, folder / "moments.csv", folder / "out.csv", artifacts=artifacts, workers=1)
    with (folder / "out.csv").open(newline="") as file:
        return {(row["patient"], row["outcome"]): row for row in csv.DictReader(file)}


def test_the_care_unit_comes_through_every_door(house: House) -> None:
    for patient, unit in UNITS.items():
        answers = [
            through_the_launch(house, patient)[VENTILATION],
            through_the_hook(house, patient, VENTILATION, prefetch=True),
            through_the_hook(house, patient, VENTILATION, prefetch=False),
        ]
        assert [stated(answer, CARE_UNIT) for answer in answers] == [unit] * 3, patient
        for player in ("age", "sex", "hours_in_stay"):
            assert len({stated(answer, player) for answer in answers}) == 1, (patient, player)
            assert stated(answers[0], player) is not None


def stated(answer: Assessment, player: str) -> float | str | None:
    assert answer.explanation is not None
    return next(row.stated for row in answer.explanation.reasons if row.variable == player)


def test_the_three_doors_agree_to_the_sixth_decimal(house: House, tmp_path: Path) -> None:
    batch = through_the_batch(house, tmp_path)
    compared = 0
    for patient in PATIENTS:
        launch = through_the_launch(house, patient)
        for model in (VENTILATION, TROPONIN):
            answers = [
                launch[model],
                through_the_hook(house, patient, model, prefetch=True),
                through_the_hook(house, patient, model, prefetch=False),
            ]
            assert len({answer.status for answer in answers}) == 1, (patient, model, answers)
            assert len({answer.inputs_digest for answer in answers}) == 1, (patient, model)
            for prediction in answers[0].predictions:
                if prediction.probability is None:
                    continue
                row = batch[patient, prediction.outcome]
                assert row["status"] == answers[0].status.value, (patient, row)
                for answer in answers[1:]:
                    other = answer.prediction(prediction.outcome)
                    assert other is not None
                    assert other.probability == pytest.approx(prediction.probability, abs=1e-6)
                assert float(row["probability"]) == pytest.approx(prediction.probability, abs=1e-6)
                compared += 1
    assert compared > len(PATIENTS)  # the test is about numbers, not about their absence
