"""What is news and what is a repeat, one change at a time."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from inference.assessment import Assessment, Draw, Status
from tests.webapp import examples
from webapp.repeats import moved, news

WITHIN = 0.05
VENTILATION, TROPONIN = examples.VENTILATION_ASSESSED, examples.TROPONIN_RULE_IN


def later(found: Assessment, minutes: int = 10, **changes: Any) -> Assessment:
    """The same answer, asked again: the clock and the features' fingerprint have moved, nothing else."""
    told = {"as_of": found.as_of + timedelta(minutes=minutes), "inputs_digest": "0" * 64} | changes
    return replace(found, **told)


def shifted(found: Assessment, by: float) -> Assessment:
    each = (replace(p, probability=(p.probability or 0) + by) for p in found.predictions)
    return later(found, predictions=tuple(each))


@pytest.mark.parametrize("found", examples.EVERY.values(), ids=examples.EVERY)
def test_the_passing_of_time_alone_is_no_news(found: Assessment) -> None:
    assert news(found, later(found, hours_ahead=_nearer(found)), within=WITHIN) == ()


def _nearer(found: Assessment) -> float | None:
    return None if found.hours_ahead is None else found.hours_ahead - 10 / 60


@pytest.mark.parametrize(("by", "new"), [(0.0, ()), (0.05, ()), (-0.05, ()), (0.051, ("probability",))])
def test_a_probability_is_news_when_it_moved_by_more_than_the_sites_amount(
    by: float, new: tuple[str, ...]
) -> None:
    # CONFORMANCE 84
    assert news(VENTILATION, shifted(VENTILATION, by), within=WITHIN) == new
    assert moved(VENTILATION, shifted(VENTILATION, by)) == pytest.approx(abs(by))


def test_a_new_result_is_news_and_one_that_left_the_look_back_is_none() -> None:
    more = (*VENTILATION.inputs, examples.row("rr", 31, 0.05, number=99))
    assert news(VENTILATION, later(VENTILATION, inputs=more), within=WITHIN) == ("result",)
    assert news(VENTILATION, later(VENTILATION, inputs=VENTILATION.inputs[1:]), within=WITHIN) == ()


def test_an_amended_value_is_a_new_result() -> None:
    first, *rest = VENTILATION.inputs
    amended = (first._replace(value=first.value + 1), *rest)
    assert news(VENTILATION, later(VENTILATION, inputs=amended), within=WITHIN) == ("result",)


def test_a_new_draw_is_a_new_result_even_where_no_model_reads_it() -> None:
    drawn = Draw(examples.row("hs_troponin_i", 9, 0.9, assay="access-hs-ctni"), comparable=False)
    more = later(TROPONIN, draws=(*TROPONIN.draws, drawn))
    assert news(TROPONIN, more, within=WITHIN) == ("result",)
    assert news(more, later(TROPONIN), within=WITHIN) == ()


def test_another_verdict_of_a_rule_is_news() -> None:
    changed = tuple(replace(rule, verdict="observe") for rule in TROPONIN.rules)
    assert news(TROPONIN, later(TROPONIN, rules=changed), within=WITHIN) == ("rule",)
    assert news(TROPONIN, later(TROPONIN, agreement="disagree"), within=WITHIN) == ("rule",)


def test_another_band_of_a_score_is_news_and_so_is_a_score_that_is_lost() -> None:
    news2, *rest = VENTILATION.scores
    for changed in (replace(news2, band="medium"), replace(news2, value=None)):
        assert news(VENTILATION, later(VENTILATION, scores=(changed, *rest)), within=WITHIN) == ("band",)


@pytest.mark.parametrize(
    ("changes", "new"),
    [
        ({"version": "9.9.9"}, "version"),
        ({"status": Status.INDETERMINATE}, "status"),
        ({"hours_ahead": 3.0}, "question"),
        ({"predictions": VENTILATION.predictions[1:]}, "outcome"),
    ],
)
def test_another_model_standing_question_or_outcome_is_news(changes: dict[str, Any], new: str) -> None:
    assert new in news(VENTILATION, later(VENTILATION, **changes), within=WITHIN)


def test_a_draw_planned_for_another_time_is_another_question() -> None:
    planned = examples.TROPONIN_PLANNED
    assert news(planned, later(planned), within=WITHIN) == ("question",)  # 3 h ahead, ten minutes later
    assert news(planned, later(planned, hours_ahead=3.0 - 10 / 60), within=WITHIN) == ()


def test_answers_without_probabilities_have_not_moved() -> None:
    assert moved(examples.VENTILATION_INSUFFICIENT, later(examples.VENTILATION_INSUFFICIENT)) is None
