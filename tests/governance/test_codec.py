"""What is recalled equals what was shown."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from governance import codec
from governance.errors import CodecError
from inference.assessment import Assessment, Explanation, Phrase, Prediction, Reason, Status, SystemPush
from tests.governance.answers import NOON, answer, anything


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(anything(Assessment))
def test_any_assessment_comes_back_as_it_was(assessment: Assessment) -> None:
    document = codec.dump(assessment)
    again = codec.load(document)
    assert again == assessment
    assert repr(again) == repr(assessment)  # 5 stays 5 and 5.0 stays 5.0; an offset stays that offset
    assert codec.dump(again) == document


def test_a_time_keeps_its_instant_and_its_offset() -> None:
    again = codec.load(codec.dump(answer()))
    assert again.as_of == NOON
    assert again.as_of.isoformat() == "2026-11-23T12:00:00.123456+05:30"


def test_half_a_character_in_what_the_hospital_sent_is_no_reason_to_lose_an_answer() -> None:
    broken = answer(reason=Phrase("code", {"text": "\ud83d and \x00"}))
    assert codec.load(codec.dump(broken)) == broken


def test_a_numpy_double_is_the_float_it_is() -> None:
    kept = codec.load(codec.dump(answer(base_rate=np.float64(0.1))))
    assert type(kept.base_rate) is float
    assert kept.base_rate == 0.1


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"base_rate": float("nan")}, "Assessment.base_rate"),
        (
            {"predictions": (Prediction("x", 6, float("inf")),)},
            "Assessment.predictions: Prediction.probability",
        ),
        ({"base_rate": np.float32(0.1)}, "Assessment.base_rate"),
        ({"as_of": datetime(2026, 1, 1)}, "Assessment.as_of"),  # noqa: DTZ001
        ({"status": "assessed"}, "Assessment.status"),
        ({"missing": ["rr"]}, "Assessment.missing"),
        ({"model": None}, "Assessment.model"),
        ({"reason": Phrase("x", {"y": (1,)})}, "Assessment.reason: Phrase.values"),  # type: ignore[dict-item]
        ({"seed": 1.5}, "Assessment.seed"),
    ],
)
def test_what_cannot_be_kept_without_loss_is_refused_by_its_place(
    changes: dict[str, Any], place: str
) -> None:
    with pytest.raises(CodecError, match=place.replace(".", r"\.")):
        codec.dump(answer(**changes))


def test_a_refusal_names_the_field_and_never_the_value() -> None:
    with pytest.raises(CodecError) as refusal:
        codec.dump(answer(missing=["Erika Mustermann"]))
    assert "Erika" not in str(refusal.value)


def body(**changes: Any) -> bytes:
    document = json.loads(codec.dump(answer()))
    document["assessment"] |= changes
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"[]",
        b'{"format": 1}',
        b"not json",
        body(unheard_of=1),
        body(status="certain"),
        body(as_of="2026-01-01T00:00:00"),
        body(as_of="yesterday"),
        body(as_of=5),
        body(missing="rr"),
        body(missing=[1]),
        body(predictions=[{"outcome": "x"}]),
        body(predictions=[[1, 2]]),
        body(seed="1"),
        body(model=1),
        body(truncated=1),
        body(reason={"code": "x", "values": [1]}),
    ],
)
def test_a_document_that_is_no_assessment_is_refused(document: bytes) -> None:
    with pytest.raises(CodecError):
        codec.load(document)


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "1e999"])
def test_a_document_with_a_number_that_is_none_is_refused(literal: str) -> None:
    document = codec.dump(answer(base_rate=0.5)).replace(
        b'"base_rate":0.5', f'"base_rate":{literal}'.encode()
    )
    with pytest.raises(CodecError, match="base_rate"):
        codec.load(document)


@pytest.mark.parametrize("form", [0, 2, "1", None, True])
def test_a_document_of_another_format_is_refused_not_guessed(form: object) -> None:
    document = json.loads(codec.dump(answer())) | {"format": form}
    with pytest.raises(CodecError, match="format"):
        codec.load(json.dumps(document).encode())


def test_a_document_from_before_a_field_was_added_takes_the_fields_default() -> None:
    document = json.loads(codec.dump(answer()))
    del document["assessment"]["base_rate"], document["assessment"]["inputs"][0]["preliminary"]
    assert codec.load(json.dumps(document).encode()) == answer()


def test_a_document_from_before_the_draw_could_be_stated_was_asked_without_one() -> None:
    document = json.loads(codec.dump(answer()))
    del document["assessment"]["hours_ahead"]
    assert codec.load(json.dumps(document).encode()).hours_ahead is None


@pytest.mark.parametrize("hours", [None, 0.5, 2.75, 24])
def test_the_question_is_kept_with_the_answer(hours: float | None) -> None:
    again = codec.load(codec.dump(answer(hours_ahead=hours)))
    assert (again.hours_ahead, type(again.hours_ahead)) == (hours, type(hours))


@pytest.mark.parametrize("stated", [None, 72, 6.4, "cardiac surgery"])
def test_what_was_stated_of_the_person_is_kept_and_an_older_answer_states_nothing(
    stated: float | str | None,
) -> None:
    row = Reason("age", "Age", "person", 0.1, True, None, None, stated=stated)
    why = Explanation(
        "ventilation-24h", -2.0, -1.9, (SystemPush("person", "The person", 0.1),), (row,), 7, "", 1
    )
    document = codec.dump(answer(explanation=why))
    again = codec.load(document).explanation
    assert again is not None
    assert (again.reasons[0].stated, type(again.reasons[0].stated)) == (stated, type(stated))
    older = json.loads(document)
    del older["assessment"]["explanation"]["reasons"][0]["stated"]
    read = codec.load(json.dumps(older).encode()).explanation
    assert read is not None
    assert read.reasons[0] == replace(row, stated=None)


def test_a_document_that_lacks_a_field_without_default_is_refused() -> None:
    document = json.loads(codec.dump(answer()))
    del document["assessment"]["status"]
    with pytest.raises(CodecError):
        codec.load(json.dumps(document).encode())


def test_each_status_has_its_own_spelling() -> None:
    assert {codec.load(codec.dump(answer(status=status))).status for status in Status} == set(Status)
