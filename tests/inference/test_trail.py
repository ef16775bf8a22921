"""The headline hour by hour: each hour's answer is the one that would have been given then."""

from __future__ import annotations

import pytest

from inference.assess import assess
from inference.assessment import Status
from inference.chart import Record
from inference.model import Model, load
from inference.trail import HOURS, trail
from tests.artefacts import build
from tests.inference.charts import ADULT, AS_OF, before, event, row, vitals


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return load(build(tmp_path_factory.mktemp("artefacts")), "cpu")


def worsening(hours: int = 12) -> Record:
    rows = [
        row(name, value, back)
        for back in range(hours)
        for name, value in (("rr", 30 - back), ("hr", 110), ("spo2", 90), ("sbp", 120), ("temp", 37))
    ]
    return Record("p", ADULT, (*rows, *vitals()))


def test_each_hours_answer_is_the_one_that_would_have_been_given_then(model: Model) -> None:
    record = worsening()
    found = trail(record, model, assess(record.at(AS_OF), model))
    for hour in found[-12:]:
        then = assess(record.at(hour.at), model, explain=False)
        assert hour.status is then.status
        assert then.headline is not None
        said = (then.headline.probability, then.headline.low, then.headline.high)
        assert (hour.probability, hour.low, hour.high) == pytest.approx(said, abs=1e-6)


def test_it_runs_from_a_day_ago_to_now_and_ends_with_the_shown_number(model: Model) -> None:
    record = worsening()
    said = assess(record.at(AS_OF), model)
    found = trail(record, model, said)
    assert [hour.at for hour in found] == [before(back) for back in range(HOURS, -1, -1)]
    assert said.headline is not None
    assert found[-1].probability == said.headline.probability


def test_an_hour_without_enough_in_the_chart_has_no_number(model: Model) -> None:
    record = worsening(hours=4)
    found = trail(record, model, assess(record.at(AS_OF), model))
    assert [hour.status for hour in found[:15]] == [Status.INSUFFICIENT] * 15
    assert all(hour.probability is None for hour in found[:15])


def test_a_result_reported_later_was_not_known_before(model: Model) -> None:
    late = row("ph", 7.1, 6, known=0.25)
    record = worsening()
    plain = trail(record, model, assess(record.at(AS_OF), model))
    with_late = Record("p", ADULT, (*record.measurements, late))
    found = trail(with_late, model, assess(with_late.at(AS_OF), model))
    assert found[:-1] == plain[:-1]
    assert found[-1] != plain[-1]


def test_hours_on_a_ventilator_have_no_number(model: Model) -> None:
    record = Record("p", ADULT, worsening().measurements, (event("ventilation", 8.5),))
    found = trail(record, model, assess(record.at(AS_OF), model))
    assert found[-1].status is Status.EXCLUDED
    assert found[-9].status is Status.EXCLUDED  # eight hours ago
    assert found[-10].probability is not None
