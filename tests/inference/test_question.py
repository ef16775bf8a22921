"""assess, asked before the first troponin and for a draw at a stated time: which question the answer is for."""

from __future__ import annotations

from pathlib import Path

import pytest

from inference.assess import assess, digest
from inference.assessment import TROPONIN, VENTILATION, Assessment, Status
from inference.chart import Chart, Person
from inference.errors import QuestionError
from inference.features import features
from inference.model import Model, load, newest
from tests.artefacts import build
from tests.inference.charts import chart, row, vitals
from tests.planned import build_planned

PLAIN = (*vitals(), row("creatinine", 1.1, 2))
DRAWN = (*PLAIN, row("troponin_i", 40, 5), row("troponin_i", 90, 1))


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A trend model as version 0.1.0 was: deaf to the planned draw, and in need of a troponin."""
    return load(build(tmp_path_factory.mktemp("old"), TROPONIN), "cpu")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return load(build_planned(tmp_path_factory.mktemp("new")), "cpu")


def codes(of: Assessment) -> set[str]:
    return {caution.code for caution in of.cautions}


def ask(seen: Chart, model: Model, **question: float) -> Assessment:
    return assess(seen, model, explain=False, **question)  # type: ignore[arg-type]


# --- before the first


def test_before_the_first_result_a_model_that_learned_it_answers(model: Model) -> None:
    said = ask(chart(*PLAIN), model)
    assert (said.status, said.reason, said.before_first) == (Status.ASSESSED, None, True)
    assert {"before-first-result", "assay-not-yet-known", "rise-not-infarction"} <= codes(said)
    assert [p.outcome for p in said.predictions] == ["troponin-rise-24h", "troponin-next"]
    assert said.draws == ()
    assert said.base_rate is None  # of a rise after the latest: another question
    assert said.agreement == ""


def test_before_the_first_result_the_rules_say_that_they_cannot_be_applied(model: Model) -> None:
    said = ask(chart(*PLAIN), model)
    assert [(r.rule, r.verdict) for r in said.rules] == [
        ("esc-0-1h", "not-applied"),
        ("udmi-4", "not-applied"),
    ]


def test_an_artefact_that_does_not_say_so_is_not_asked_before_the_first(old: Model) -> None:
    said = ask(chart(*PLAIN), old)
    assert said.reason is not None
    assert (said.status, said.reason.code, said.rules) == (Status.INSUFFICIENT, "no-troponin", ())
    assert said.before_first is False
    assert said.base_rate == old.base_rate


def test_with_a_troponin_back_nothing_speaks_of_the_first(model: Model) -> None:
    said = ask(chart(*DRAWN), model)
    assert said.status is Status.ASSESSED
    assert not said.before_first
    assert not {"before-first-result", "assay-not-yet-known"} & codes(said)
    assert said.base_rate == model.base_rate


def test_a_result_that_is_not_back_yet_is_not_a_result(model: Model) -> None:
    drawn = row("troponin_i", 900, 1, known=-0.5)  # drawn an hour ago, reported in half an hour
    assert ask(chart(*PLAIN, drawn), model).before_first
    assert not ask(chart(*PLAIN, row("troponin_i", 900, 1)), model).before_first


def test_an_old_troponin_out_of_the_models_sight_goes_to_a_person(model: Model) -> None:
    said = ask(chart(*PLAIN, row("troponin_i", 900, 72)), model)
    assert said.reason is not None
    assert (said.status, said.reason.code) == (Status.INDETERMINATE, "troponin-old")
    assert said.before_first  # what the number itself is an answer to
    assert [d.measurement.value for d in said.draws] == [900]
    assert {r.rule for r in said.rules} == {"esc-0-1h", "udmi-4"}


def test_before_the_first_the_gates_of_every_answer_hold(model: Model) -> None:
    child = ask(chart(*PLAIN, person=Person(age_years=9)), model)
    assert child.status is Status.EXCLUDED
    bare = ask(chart(row("hr", 80)), model)
    assert bare.reason is not None
    assert (bare.status, bare.reason.code) == (Status.INSUFFICIENT, "too-little")
    nobody = ask(chart(*PLAIN, person=Person()), model)
    assert nobody.reason is not None
    assert (nobody.status, nobody.reason.code) == (Status.INDETERMINATE, "age-unknown")


# --- for a draw at a stated time


def test_the_stated_draw_changes_the_answer_and_is_kept_with_it(model: Model) -> None:
    seen = chart(*DRAWN)
    soon, late, unstated = (assess(seen, model, explain=False, hours_ahead=h) for h in (1.0, 12.0, None))
    shown = [said.headline.probability for said in (soon, late, unstated) if said.headline]
    assert len(set(shown)) == 3
    assert (soon.hours_ahead, late.hours_ahead, unstated.hours_ahead) == (1.0, 12.0, None)
    assert (soon.draw_in, unstated.draw_in) == (1.0, None)
    assert soon.inputs_digest == digest(features(seen, model.layout, 1.0)) != late.inputs_digest
    assert soon.inputs == late.inputs


def test_a_stated_draw_is_not_compared_with_patients_drawn_at_any_time(model: Model, old: Model) -> None:
    seen = chart(*DRAWN)
    assert ask(seen, model, hours_ahead=1.0).base_rate is None  # an early draw has risen less, in everybody
    assert ask(seen, model).base_rate == model.base_rate
    assert ask(seen, old, hours_ahead=1.0).base_rate == old.base_rate  # its answer is for any draw


def test_the_answer_can_be_made_again_from_what_it_holds(model: Model) -> None:
    seen = chart(*DRAWN)
    said = ask(seen, model, seed=5, hours_ahead=3.5)
    assert assess(seen, model, explain=False, seed=said.seed, hours_ahead=said.hours_ahead) == said


def test_an_old_artefact_keeps_the_question_and_says_that_it_is_deaf_to_it(old: Model) -> None:
    seen = chart(*DRAWN)
    said, plain = ask(seen, old, hours_ahead=3.0), ask(seen, old)
    assert (said.hours_ahead, said.draw_in) == (3.0, None)
    assert "draw-time-not-used" in codes(said)
    assert said.predictions == plain.predictions
    assert said.inputs_digest == plain.inputs_digest
    assert "draw-time-not-used" not in codes(plain)


def test_before_the_first_the_stated_draw_is_the_first(model: Model) -> None:
    said = ask(chart(*PLAIN), model, hours_ahead=2.0)
    assert said.before_first
    assert said.draw_in == 2.0


@pytest.mark.parametrize("hours", [0.0, 0.25, 25.0, -1.0, float("nan"), float("inf")])
def test_a_draw_that_cannot_be_asked_about_is_refused_before_anything_is_said(
    model: Model, hours: float
) -> None:
    with pytest.raises(QuestionError, match=r"0\.5 to 24 hours ahead"):
        ask(chart(*DRAWN), model, hours_ahead=hours)


def test_the_other_model_is_asked_about_no_draw(tmp_path: Path) -> None:
    build(tmp_path, VENTILATION)
    ventilation = load(newest(tmp_path, VENTILATION), "cpu")
    with pytest.raises(QuestionError, match="troponin-trend alone"):
        ask(chart(*PLAIN), ventilation, hours_ahead=3.0)


def test_the_reasons_leave_the_question_out_and_still_add_up(model: Model) -> None:
    said = assess(chart(*DRAWN), model, hours_ahead=3.0)
    why = said.explanation
    assert why is not None
    assert "hours_ahead" not in {reason.variable for reason in why.reasons}
    assert why.base + sum(reason.push for reason in why.reasons) == pytest.approx(why.score, abs=1e-6)
