"""What a laboratory says of its troponins stands in for what a result does not say of itself, and for no more."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ehr.laboratory import LaboratoryAssay, completed
from inference.chart import Measurement, Person, Record, Source

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
OURS = {"hs_troponin_i": LaboratoryAssay("architect-hs-ctni", {"female": 16, "male": 34})}


def record(sex: str = "female", variable: str = "hs_troponin_i", **said: object) -> Record:
    source = Source("Observation/1", "1", "http://loinc.org|89579-7", "20", "ng/L")
    row = Measurement(variable, 20.0, NOON, NOON, source)._replace(**said)
    return Record("p", Person(sex=sex), (row,))


def told(given: Record) -> tuple[str, float | None]:
    (row,) = completed(given, OURS).measurements
    return row.assay, row.reference_high


@pytest.mark.parametrize(("sex", "limit"), [("female", 16), ("male", 34), ("unknown", None)])
def test_a_silent_row_gets_the_laboratorys_platform_and_the_limit_of_the_sex(sex: str, limit: float) -> None:
    # CONFORMANCE 59
    assert told(record(sex)) == ("architect-hs-ctni", limit)


def test_what_the_result_says_of_itself_goes_before() -> None:
    # CONFORMANCE 59
    assert told(record(reference_high=26.0)) == ("architect-hs-ctni", 26.0)
    assert told(record(assay="access-hs-ctni")) == ("access-hs-ctni", None)


def test_another_troponin_is_left_alone() -> None:
    # CONFORMANCE 56
    given = record(variable="troponin_i")
    assert completed(given, OURS) == given


def test_a_site_that_says_nothing_changes_nothing() -> None:
    given = record()
    assert completed(given, {}) is given
