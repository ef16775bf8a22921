"""What a card offers to do: only where the site asked, only what the answer calls for, always whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import count
from typing import Any

import pytest

from ehr import card_policy
from ehr.card_policy import CardPolicy, Coding
from ehr.offers import KINDS
from ehr.site import ModelPolicy
from inference.assays import assay_table
from inference.assessment import Assessment, State, Status
from inference.chart import Person, Record
from inference.troponin import rules, series
from tests.webapp import cases, examples
from tests.webapp.card_lint import lint
from webapp import cards, suggestions
from webapp.suggestions import Asked, Offered, behaviour

EVERYTHING = CardPolicy(offers=frozenset(KINDS))
ACTIVE = ModelPolicy(State.ACTIVE, 0.2)
NO_GAS = replace(
    examples.VENTILATION_ASSESSED,
    inputs=tuple(row for row in examples.VENTILATION_ASSESSED.inputs if row.variable != "pco2"),
)


def offered(
    found: Assessment,
    wishes: CardPolicy = EVERYTHING,
    policy: ModelPolicy = ACTIVE,
    drafts: Sequence[Any] = (),
) -> tuple[Offered, ...]:
    numbers = count(1)
    asked = Asked("p1", "e1", "Practitioner/7", drafts)
    return suggestions.suggested(
        found, policy, wishes, asked, examples.ZONE, lambda: f"00000000-0000-4000-8000-{next(numbers):012d}"
    )


def kinds(*arguments: Any, **more: Any) -> list[str]:
    return [each.kept.kind for each in offered(*arguments, **more)]


def one_draw(minutes: float, value: float = 20) -> Assessment:
    """One hs-troponin T so many minutes ago, and what the rules say of it."""
    row = examples.row("hs_troponin_t", value, minutes / 60, assay="elecsys-hs-ctnt")
    chart = Record("p1", Person(age_years=60.0, sex="male"), (row,)).at(examples.AS_OF)
    said = {"rules": rules(chart, assay_table(), frozenset()), "draws": series(chart), "inputs": (row,)}
    return replace(examples.TROPONIN_CENSORED, **said)


def test_nothing_is_offered_unless_the_site_listed_it() -> None:
    # CONFORMANCE 80
    assert CardPolicy().offers == frozenset()
    assert offered(NO_GAS, CardPolicy()) == ()
    assert kinds(NO_GAS, CardPolicy(offers=frozenset({"respiratory-review"}))) == ["respiratory-review"]


def test_a_draw_is_offered_for_the_very_minute_the_rule_asks_for() -> None:
    (each,) = offered(one_draw(45))
    assert each.kept.kind == "repeat-troponin"
    assert each.kept.due == examples.AS_OF + timedelta(minutes=15)
    (action,) = each.wire["actions"]
    assert action["resource"]["occurrenceDateTime"] == "2026-11-23T06:27:00-05:00"
    assert action["resource"]["code"]["coding"][0]["code"] == "67151-1"
    assert each.wire["label"] == "Repeat hs-Troponin T at 06:27"
    assert "ESC 0/1 h algorithm: 60 min after the draw at 05:27" in action["description"]


def test_a_draw_that_is_due_is_offered_now_and_one_that_was_missed_not_at_all() -> None:
    (each,) = offered(one_draw(65))
    assert each.wire["label"] == "Repeat hs-Troponin T now"
    assert each.kept.due == examples.AS_OF
    assert offered(one_draw(75)) == ()


def test_a_draw_already_drafted_for_that_minute_is_not_offered_again() -> None:
    (each,) = offered(one_draw(45))
    order = each.wire["actions"][0]["resource"]
    assert offered(one_draw(45), drafts=[order]) == ()
    elsewhen = {**order, "occurrenceDateTime": "2026-11-23T09:27:00-05:00"}
    assert kinds(one_draw(45), drafts=[elsewhen]) == ["repeat-troponin"]


def test_breathing_that_worries_brings_a_gas_and_a_review() -> None:
    assert kinds(NO_GAS) == ["arterial-blood-gas", "venous-blood-gas", "respiratory-review"]
    known = replace(NO_GAS, inputs=(*NO_GAS.inputs, examples.row("pco2", 40, 1.9)))
    assert kinds(known) == ["respiratory-review"]
    old = replace(NO_GAS, inputs=(*NO_GAS.inputs, examples.row("pco2", 40, 2.1)))
    assert "arterial-blood-gas" in kinds(old)


def test_an_order_gives_its_reason_with_the_uncertainty() -> None:
    order = offered(NO_GAS)[0].wire["actions"][0]["resource"]
    (why,) = order["reasonCode"]
    assert "95 % interval" in why["text"]
    assert "not cause" in why["text"]


def test_where_nothing_worries_nothing_is_offered() -> None:
    assert offered(examples.VENTILATION_LOW) == ()
    calm = replace(NO_GAS, scores=())
    assert offered(calm, policy=ModelPolicy(State.ACTIVE, 0.99)) == ()
    for state in (State.SILENT, State.SUSPENDED):
        assert offered(calm, policy=ModelPolicy(state, 0.2)) == ()
    assert offered(replace(calm, status=Status.INDETERMINATE)) == ()


def test_a_patient_the_question_does_not_apply_to_is_offered_nothing() -> None:
    assert offered(replace(NO_GAS, status=Status.EXCLUDED)) == ()


def test_news2_of_seven_speaks_where_the_model_may_not() -> None:
    silent = ModelPolicy(State.SILENT, 0.2)
    assert "respiratory-review" in kinds(NO_GAS, policy=silent)
    text = str(offered(NO_GAS, policy=silent)[0].wire)
    assert "NEWS2" in text
    assert "interval" not in text


def test_only_alternatives_exclude_each_other() -> None:
    gases = CardPolicy(offers=frozenset({"arterial-blood-gas", "venous-blood-gas"}))
    assert behaviour(offered(NO_GAS, gases)) == "at-most-one"
    assert behaviour(offered(NO_GAS)) == "any"
    assert behaviour(offered(one_draw(45))) == "at-most-one"


def test_a_sites_own_code_is_ordered_beside_the_standard_one() -> None:
    own = CardPolicy(
        offers=frozenset({"arterial-blood-gas"}),
        order_codes={"arterial-blood-gas": Coding("ABG", "urn:oid:1.2", "Gas")},
    )
    (each,) = offered(NO_GAS, own)
    codings = each.wire["actions"][0]["resource"]["code"]["coding"]
    assert [coding["code"] for coding in codings] == ["24336-0", "ABG"]


def test_a_card_with_offers_passes_the_lint_and_its_ids_are_its_own() -> None:
    # CONFORMANCE 68, 79, 80
    each = offered(NO_GAS)
    made = cases.card(NO_GAS, State.ACTIVE, suggestions=[one.wire for one in each], selection=behaviour(each))
    assert made is not None
    assert lint(made) == ()
    assert made["selectionBehavior"] == "any"
    uuids = [one["uuid"] for one in made["suggestions"]]
    assert len(set(uuids)) == len(uuids) == 3
    assert not any("isRecommended" in one or "systemActions" in one for one in made["suggestions"])
    assert "systemActions" not in made


@pytest.mark.parametrize(
    "wrong",
    [
        {"label": "x", "actions": []},
        {"label": "", "uuid": "1"},
        {"label": "x", "uuid": "1", "actions": [{"type": "create", "description": "d"}]},
        {"label": "x", "uuid": "1", "actions": [{"type": "create", "description": "d", "resource": {}}]},
        {"label": "x", "uuid": "1", "actions": [{"type": "delete", "description": "d"}]},
        {"label": "x", "uuid": "1", "actions": [{"type": "order", "description": "d", "resource": {"a": 1}}]},
    ],
)
def test_the_lint_finds_an_offer_that_is_not_whole(wrong: dict[str, Any]) -> None:
    # CONFORMANCE 80
    sound = cases.card(examples.VENTILATION_ASSESSED, State.ACTIVE)
    assert sound is not None
    assert lint({**sound, "suggestions": [wrong], "selectionBehavior": "any"}) != ()


def test_override_reasons_are_the_sites_to_choose() -> None:
    # CONFORMANCE 81
    own = [("seen", "urn:oid:1.2", "Seen at the bedside")]
    made = cases.card(
        examples.VENTILATION_ASSESSED, State.ACTIVE, overrides=["data-wrong"], own_overrides=own
    )
    assert made is not None
    assert [(one["code"], one["system"]) for one in made["overrideReasons"]] == [
        ("data-wrong", cards.OVERRIDE_SYSTEM),
        ("seen", "urn:oid:1.2"),
    ]
    assert all(one["display"] for one in made["overrideReasons"])
    none = cases.card(examples.VENTILATION_ASSESSED, State.ACTIVE, overrides=[])
    assert none is not None
    assert "overrideReasons" not in none
    assert lint(none) == ()


def test_the_reasons_a_site_can_choose_are_the_ones_a_card_knows() -> None:
    assert card_policy.REASONS == cards.OVERRIDES
