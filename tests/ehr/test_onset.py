"""When the pain began, from a Condition: what the troponin rules ask for first."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ehr.reader import read_record

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def chest_pain(**changes: Any) -> dict[str, Any]:
    return {
        "resourceType": "Condition",
        "id": "pain",
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": "29857009"}], "text": "Chest pain"},
        "subject": {"reference": "Patient/p"},
        "onsetDateTime": "2026-03-01T05:30:00-05:00",
    } | changes


def onsets(row: dict[str, Any]) -> list[datetime]:
    person = {"resourceType": "Patient", "id": "p"}
    return [
        event.start
        for event in read_record("p", [person, row]).at(NOW).events
        if event.kind == "symptom-onset"
    ]


def test_the_onset_of_a_chest_pain_is_an_event_of_the_chart() -> None:
    assert onsets(chest_pain()) == [datetime(2026, 3, 1, 10, 30, tzinfo=UTC)]


def test_a_refuted_pain_another_complaint_or_none_without_a_time_is_no_onset() -> None:
    refuted = {"coding": [{"code": "refuted"}]}
    assert onsets(chest_pain(verificationStatus=refuted)) == []
    assert onsets(chest_pain(onsetDateTime=None)) == []
    assert (
        onsets(chest_pain(code={"coding": [{"system": "http://snomed.info/sct", "code": "22253000"}]})) == []
    )


def test_an_onset_after_the_moment_is_not_known_yet() -> None:
    assert onsets(chest_pain(onsetDateTime="2026-03-01T14:00:00Z")) == []
