"""The gates of the question before the first troponin, and of the draw that is planned."""

from __future__ import annotations

import pytest

from inference import gates
from inference.assessment import TROPONIN, VENTILATION
from inference.errors import OrdertimeError, QuestionError
from inference.features import layout_for
from inference.troponin import CONVENTIONAL, no_draw
from tests.inference.charts import chart, row, vitals

TRAINED = frozenset(CONVENTIONAL)
ENOUGH = vitals()


def codes(phrases: object) -> list[str]:
    return [phrase.code for phrase in phrases]  # type: ignore[attr-defined]


@pytest.mark.parametrize("hours", [0.5, 1, 3.25, 24])
def test_a_draw_of_the_next_day_can_be_asked_about(hours: float) -> None:
    assert gates.draw_ahead(hours) == hours


@pytest.mark.parametrize(
    ("hours", "said"),
    [
        (0, "not 0"),
        (0.49, "not 0.49"),
        (24.01, "not 24.01"),
        (25, "not 25"),
        (-3, "not -3"),
        (float("nan"), "not nan"),
        (float("inf"), "not inf"),
    ],
)
def test_a_draw_of_another_time_is_refused_with_what_was_asked_and_the_limits(
    hours: float, said: str
) -> None:
    with pytest.raises(QuestionError, match=r"0\.5 to 24 hours ahead, " + said) as caught:
        gates.draw_ahead(hours)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, OrdertimeError)


def test_a_model_hears_of_the_draw_where_its_inputs_name_it() -> None:
    assert gates.hears_draw(layout_for(("hr", "hours_ahead"), TROPONIN))
    assert not gates.hears_draw(layout_for(("hr",), TROPONIN))


@pytest.mark.parametrize(
    ("manifest", "learned"),
    [
        ({}, False),
        ({"before_first": False}, False),
        ({"before_first": "no"}, False),
        ({"before_first": True}, True),
    ],
)
def test_only_a_manifest_that_says_so_lets_a_model_be_asked_before_the_first(
    manifest: dict[str, object], learned: bool
) -> None:
    assert gates.learned_first(manifest) is learned


def test_no_troponin_is_too_little_but_for_a_model_that_learned_before_the_first() -> None:
    seen = chart(*ENOUGH)
    old = gates.insufficient(seen, TROPONIN, ENOUGH)
    assert old is not None
    assert (old.code, old.values) == ("no-troponin", {"hours": 48})
    assert gates.insufficient(seen, TROPONIN, ENOUGH, may_be_first=True) is None


def test_before_the_first_an_all_but_empty_chart_is_too_little() -> None:
    few = (row("hr", 80), row("sbp", 120), row("weight", 80, 900))
    said = gates.insufficient(chart(*few), TROPONIN, few, may_be_first=True)
    assert said is not None
    assert (said.code, said.values) == ("too-little", {"n": 2, "needed": 3, "hours": 48})


def test_one_troponin_is_enough_whatever_else_there_is() -> None:
    drawn = (row("troponin_i", 90),)
    for may_be_first in (False, True):
        assert gates.insufficient(chart(*drawn), TROPONIN, drawn, may_be_first=may_be_first) is None


def test_to_be_asked_before_the_first_opens_no_gate_of_the_other_model() -> None:
    rows = tuple(r for r in ENOUGH if r.variable != "hr")
    said = gates.insufficient(chart(*rows), VENTILATION, rows, may_be_first=True)
    assert said is not None
    assert said.code == "no-heart-rate"


def test_before_the_first_old_vital_signs_are_a_doubt_and_after_it_the_troponin_carries_the_answer() -> None:
    stale = (row("hr", 80), row("rr", 18, 9), row("sbp", 120, 9))
    assert codes(gates.doubts(chart(*stale), TROPONIN, TRAINED, 6.0)) == ["stale"]
    assert codes(gates.doubts(chart(*stale), TROPONIN, TRAINED, 10.0)) == []
    assert codes(gates.doubts(chart(*stale, row("troponin_i", 90)), TROPONIN, TRAINED, 6.0)) == []


def test_a_troponin_older_than_the_model_can_see_does_not_make_the_next_one_the_first() -> None:
    earlier = chart(*ENOUGH, row("troponin_i", 90, 72))
    (old,) = gates.doubts(earlier, TROPONIN, TRAINED, 6.0)
    assert (old.code, old.values) == ("troponin-old", {"hours": 72.0, "limit": 24})
    last_month = chart(*ENOUGH, row("troponin_i", 90, 24 * 30))
    assert gates.doubts(last_month, TROPONIN, TRAINED, 6.0) == ()


def test_a_number_before_the_first_says_which_question_and_which_assays_it_is_for() -> None:
    first, assay, injury = gates.number_cautions(chart(*ENOUGH), TROPONIN, TRAINED)
    assert (first.code, first.values) == ("before-first-result", {"hours": 48})
    assert assay.code == "assay-not-yet-known"
    assert assay.values == {"assays": "Troponin I (conventional) or Troponin T (conventional)"}
    assert injury.code == "rise-not-infarction"


def test_a_number_after_the_first_says_nothing_of_the_kind() -> None:
    seen = chart(*ENOUGH, row("troponin_i", 90))
    assert codes(gates.number_cautions(seen, TROPONIN, TRAINED)) == [
        "rise-not-infarction",
        "only-one-troponin",
    ]


def test_a_model_that_is_deaf_to_the_planned_draw_says_so() -> None:
    deaf, hears = layout_for(("hr",), TROPONIN), layout_for(("hr", "hours_ahead"), TROPONIN)
    (said,) = gates.question_cautions(deaf, 3.0)
    assert (said.code, said.values) == ("draw-time-not-used", {"hours": 3.0, "limit": 24})
    assert gates.question_cautions(deaf, None) == ()
    assert gates.question_cautions(hears, 3.0) == ()


def test_before_the_first_no_rule_is_applied_and_each_says_why() -> None:
    found = no_draw()
    assert [(each.rule, each.verdict, each.pattern) for each in found] == [
        ("esc-0-1h", "not-applied", "unknown"),
        ("udmi-4", "not-applied", "unknown"),
    ]
    assert all(
        step.holds is None and step.phrase.code == "rule-needs-draw" for r in found for step in r.steps
    )
