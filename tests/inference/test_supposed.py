"""The model asked about the same chart with one value more, and about other times of the draw."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from inference.assess import assess
from inference.assessment import TROPONIN
from inference.features import features
from inference.model import Model, load
from inference.supposed import AHEAD, ahead, supposed
from tests.artefacts import build, release
from tests.inference.charts import AS_OF, chart, row, vitals
from tests.planned import build_planned
from training.release import write

WORSE = (
    *vitals(rr=32, spo2=88, hr=118),
    *(
        row("rr", 18, 14),
        row("spo2", 97, 14),
        row("hr", 84, 14),
        row("lactate", 3, 3, bound="<"),
        row("lactate", 1, 9),
    ),
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return load(build(tmp_path_factory.mktemp("artefacts")), "cpu")


def test_a_pushed_value_taken_back_to_the_patients_own_gives_what_the_model_says_then(model: Model) -> None:
    seen = chart(*WORSE)
    found = {each.variable: each for each in supposed(seen, model, assess(seen, model))}
    breathing = found["rr"]
    assert breathing.back is not None
    assert breathing.back.value == 18
    then = chart(*(r for r in WORSE if r.variable != "rr" or r.value != 32), row("rr", 18, 0))
    said = model.run(features(then, model.layout)[None, :]).probability[0, -1]
    assert breathing.low == breathing.high == pytest.approx(float(said), abs=1e-6)


def test_a_bound_is_not_supposed_away(model: Model) -> None:
    seen = chart(*WORSE)
    assert "lactate" not in {each.variable for each in supposed(seen, model, assess(seen, model))}


def test_a_gap_is_tried_over_the_range_that_training_saw(tmp_path: Path) -> None:
    made = release("ventilation-need", "0.0.2")
    players = {**made.envelope["players"], "ph": (7.0, 7.6)}
    model = load(write(replace(made, envelope={"players": players}), tmp_path), "cpu")
    seen = chart(*WORSE)
    said = assess(seen, model)
    assert "ph" in said.missing
    (gap,) = [each for each in supposed(seen, model, said) if each.variable == "ph"]
    assert gap.back is None
    assert gap.low < gap.high
    assert (gap.at_low, gap.at_high) == pytest.approx((7.6, 7.0))  # the more acid, the likelier


def test_nothing_is_supposed_without_reasons(model: Model) -> None:
    seen = chart(*WORSE)
    assert supposed(seen, model, assess(seen, model, explain=False)) == ()


def test_the_troponins_fan_is_the_models_own_answer_at_each_time(tmp_path: Path) -> None:
    model = load(build_planned(tmp_path), "cpu")
    seen = chart(*vitals(), row("creatinine", 1.1, 2), row("troponin_i", 40, 5), row("troponin_i", 90, 1))
    found = ahead(seen, model, assess(seen, model, explain=False))
    assert tuple(each.hours for each in found) == AHEAD
    for each in found:
        asked = assess(seen, model, explain=False, hours_ahead=each.hours)
        value = asked.prediction("troponin-next")
        assert asked.headline is not None
        assert value is not None
        assert each.probability == pytest.approx(asked.headline.probability)
        assert (each.value_low, each.value, each.value_high) == pytest.approx(
            (value.value_low, value.value, value.value_high)
        )


def test_a_model_that_is_deaf_to_the_draw_has_no_fan(tmp_path: Path) -> None:
    model = load(build(tmp_path, TROPONIN), "cpu")
    seen = chart(*vitals(), row("troponin_i", 90, 1))
    assert ahead(seen, model, assess(seen, model, explain=False)) == ()


def test_the_chart_itself_is_left_as_it_was(model: Model) -> None:
    seen = chart(*WORSE)
    before = features(seen, model.layout)
    supposed(seen, model, assess(seen, model))
    assert np.array_equal(before, features(seen, model.layout), equal_nan=True)
    assert seen.as_of == AS_OF
