"""Troponin rules: each assay by its own cut-offs, at the minutes they were made for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from inference.assays import ASSAY_FILE, INTERVALS
from inference.assessment import RuleResult
from inference.chart import Chart, Measurement, Person
from inference.errors import AssayTableError
from inference.troponin import assay_table, rules, series
from inference.vocabulary import vocabulary
from tests.inference.charts import ADULT, chart, event, row

NOBODY: frozenset[str] = frozenset()
# CLINICAL section 4, 0/1 h and 0/2 h: very low / low / no delta / high / delta
PUBLISHED = {
    "elecsys-hs-ctnt": [(5, 12, 3, 52, 5), (5, 14, 4, 52, 10)],
    "architect-hs-ctni": [(4, 5, 2, 64, 6), (4, 6, 2, 64, 15)],
    "centaur-hs-ctni": [(3, 6, 3, 120, 12), (3, 8, 7, 120, 20)],
    "access-hs-ctni": [(4, 5, 4, 50, 15), (4, 5, 5, 50, 20)],
    "clarity-hs-ctni": [(1, 2, 1, 30, 6)],
    "vitros-hs-ctni": [(1, 2, 1, 40, 4)],
    "pathfast-hs-ctni": [(3, 4, 3, 90, 20)],
    "triagetrue-hs-ctni": [(4, 5, 3, 60, 8)],
}


def t(value: float, minutes: float, bound: str = "", **more: Any) -> Measurement:
    """An hs-cTnT (Elecsys), so many minutes ago."""
    return row("hs_troponin_t", value, minutes / 60, bound=bound, assay="elecsys-hs-ctnt", **more)


def one(of: Chart, rule: str = "esc-0-1h", confirmed: frozenset[str] = NOBODY) -> RuleResult:
    return next(result for result in rules(of, assay_table(), confirmed) if result.rule == rule)


def holds(result: RuleResult, code: str) -> bool | None:
    return next(step.holds for step in result.steps if step.phrase.code == code)


def codes(result: RuleResult) -> set[str]:
    return {step.phrase.code for step in result.steps} | {c.code for c in result.cautions}


EARLY = (event("symptom-onset", 9),)


# --- the table


def test_the_table_holds_the_published_cut_offs_and_no_others() -> None:
    found = {
        name: [(r.very_low, r.low, r.no_delta, r.high, r.delta) for r in assay.rules]
        for name, assay in assay_table().assays.items()
    }
    assert found == PUBLISHED


def test_only_rows_two_sources_agree_on_are_verified() -> None:
    verified = {(a.name, r.rule) for a in assay_table().assays.values() for r in a.rules if r.verified}
    assert verified == {("elecsys-hs-ctnt", "esc-0-1h"), ("architect-hs-ctni", "esc-0-1h")}


def test_every_row_names_its_source_and_a_variable_of_the_vocabulary() -> None:
    for assay in assay_table().assays.values():
        assert assay.variable in vocabulary()
        assert all(rule.source for rule in assay.rules)
        assert not assay.limits or assay.limits_source


def test_the_99th_percentile_is_by_sex_where_a_source_gave_it() -> None:
    # CONFORMANCE 59
    architect = assay_table().assays["architect-hs-ctni"]
    assert [architect.limit(sex) for sex in ("female", "male", "unknown")] == [16, 34, 26]
    assert assay_table().assays["elecsys-hs-ctnt"].limit("female") == 14
    assert assay_table().assays["centaur-hs-ctni"].limit("male") is None


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("very_low = 5\n", "", "very_low"),
        ("low = 12\n", "low = 60\n", "needs very_low"),
        ('rule = "esc-0-1h"', 'rule = "esc-0-3h"', "a rule is one of"),
        ('version = "2026-11"', 'version = ""', "version"),
        ('limits_source = "Heart 2018 table of assays (highwire 147819)"\n', "", "limits_source"),
    ],
)
def test_a_broken_table_is_refused_and_the_place_named(
    tmp_path: Path, right: str, wrong: str, said: str
) -> None:
    text = ASSAY_FILE.read_text()
    assert right in text
    path = tmp_path / "assays.toml"
    path.write_text(text.replace(right, wrong, 1))
    with pytest.raises(AssayTableError, match=said):
        assay_table(path)


# --- the draws


def test_draws_of_another_assay_are_shown_and_not_comparable() -> None:
    # CONFORMANCE 56
    drawn = series(chart(row("troponin_i", 400, 6), t(20, 120), t(30, 60)))
    assert [(d.measurement.variable, d.comparable) for d in drawn] == [
        ("troponin_i", False),
        ("hs_troponin_t", True),
        ("hs_troponin_t", True),
    ]


def test_two_platforms_of_one_analyte_are_not_comparable() -> None:
    # CONFORMANCE 56
    drawn = series(chart(row("hs_troponin_i", 20, 3, assay="architect-hs-ctni"), row("hs_troponin_i", 9, 1)))
    assert [d.comparable for d in drawn] == [False, True]


def test_a_chart_without_a_troponin_has_no_draws_and_no_rules() -> None:
    assert series(chart()) == ()
    assert rules(chart(), assay_table(), NOBODY) == ()


# --- ESC 0/1 h


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [
        (4, 4, "rule-out"),
        (11, 13, "rule-out"),
        (11, 14, "observe"),  # change of 3 is no longer "no delta"
        (12, 12, "observe"),  # 12 is no longer low
        (13, 17, "observe"),
        (13, 18, "rule-in"),
        (18, 13, "rule-in"),  # a fall is a change
        (51, 51, "observe"),
        (52, 52, "rule-in"),
    ],
)
def test_the_first_hour_decides_by_the_assays_cut_offs(first: float, second: float, verdict: str) -> None:
    assert one(chart(t(first, 90), t(second, 30), events=EARLY)).verdict == verdict


@pytest.mark.parametrize(
    ("minutes", "applies"), [(49.9, False), (50, True), (60, True), (70, True), (70.1, False)]
)
def test_a_0_1_h_rule_is_applied_from_50_to_70_minutes_and_its_minutes_are_stated(
    minutes: float, applies: bool
) -> None:
    found = one(chart(t(13, 30 + minutes), t(20, 30), events=EARLY))
    assert (found.verdict == "rule-in") is applies
    assert holds(found, "esc-interval") is applies
    step = next(s for s in found.steps if s.phrase.code == "esc-interval")
    assert step.phrase.values["minutes"] == round(minutes)


def test_of_several_draws_the_one_nearest_the_hour_is_read() -> None:
    found = one(chart(t(13, 100), t(15, 49), t(30, 41), events=EARLY))
    assert next(s for s in found.steps if s.phrase.code == "esc-delta").phrase.values["minutes"] == 59


def test_a_very_low_first_draw_rules_out_only_when_the_onset_is_more_than_three_hours_before() -> None:
    for hours, verdict in ((5.0, "rule-out"), (4.0, "not-applied"), (2.0, "not-applied")):
        found = one(chart(t(3, 60), events=(event("symptom-onset", hours),)))
        assert found.verdict == verdict, hours
        assert holds(found, "esc-onset") is (verdict == "rule-out")
        assert ("onset-recent" in codes(found)) is (verdict != "rule-out")


def test_an_unknown_onset_is_never_taken_for_an_old_one() -> None:
    found = one(chart(t(3, 30)))
    assert found.verdict == "not-applied"
    assert holds(found, "esc-onset-unknown") is None
    assert "onset-unknown" in codes(found)
    assert one(chart(t(4, 90), t(8, 30))).verdict == "observe"


def test_one_high_draw_rules_in_without_waiting_for_the_second() -> None:
    assert one(chart(t(60, 20))).verdict == "rule-in"


def test_the_first_draw_alone_says_when_the_second_is_due_and_when_it_was_missed() -> None:
    assert holds(one(chart(t(20, 20))), "esc-second-draw-due") is None
    assert holds(one(chart(t(20, 200))), "esc-second-draw-missed") is False
    assert one(chart(t(20, 200))).verdict == "not-applied"


def test_a_rule_out_does_not_survive_a_later_draw_that_is_no_longer_low() -> None:
    found = one(chart(t(4, 400), t(5, 340), t(80, 30), events=EARLY))
    assert found.verdict == "observe"
    assert holds(found, "esc-later-draws-low") is False
    assert one(chart(t(4, 400), t(5, 340), t(6, 30), events=EARLY)).verdict == "rule-out"


def test_less_than_5_then_9_does_not_rule_out_and_cannot_rule_in() -> None:
    found = one(chart(t(5, 90, "<"), t(9, 30), events=EARLY))
    assert holds(found, "esc-very-low") is True
    assert holds(found, "esc-no-delta") is False  # more than 4
    assert holds(found, "esc-delta") is None  # from 4 to 9: may be 5, may be less
    assert found.verdict == "not-applied"
    step = next(s for s in found.steps if s.phrase.code == "esc-delta")
    assert step.phrase.values["change"] == "4–9"
    assert step.phrase.values["first"] == "<5"


def test_less_than_5_then_10_rules_in_since_every_value_below_5_is_at_least_5_away() -> None:
    assert one(chart(t(5, 90, "<"), t(10, 30), events=EARLY)).verdict == "rule-in"


def test_less_than_6_says_nothing_of_very_low() -> None:
    found = one(chart(t(6, 90, "<"), events=EARLY))
    assert holds(found, "esc-very-low") is None
    assert found.verdict == "not-applied"


def test_two_values_below_the_limit_rule_out_with_an_old_onset_and_not_without() -> None:
    rows = (t(5, 90, "<"), t(5, 30, "<"))
    assert one(chart(*rows, events=EARLY)).verdict == "rule-out"
    assert one(chart(*rows)).verdict == "observe"


def test_a_repeated_draw_at_the_same_minute_is_the_last_one_reported() -> None:
    found = one(chart(t(13, 90, known=1.4), t(40, 30, known=0.4), t(14, 30, known=0.2), events=EARLY))
    assert found.verdict == "observe"


# --- who may use which cut-offs


def i(value: float, minutes: float, assay: str = "centaur-hs-ctni") -> Measurement:
    return row("hs_troponin_i", value, minutes / 60, assay=assay)


def test_unverified_cut_offs_are_off_until_the_site_confirms_them() -> None:
    seen = chart(i(10, 90), i(30, 30), events=EARLY)
    off = one(seen)
    assert (off.verdict, off.verified) == ("not-applied", "unverified")
    assert codes(off) == {"assay-unverified"}
    on = one(seen, confirmed=frozenset({"centaur-hs-ctni"}))
    assert (on.verdict, on.verified) == ("rule-in", "verified")
    assert "confirmed by this site" in on.source


def test_a_site_may_confirm_one_rule_of_an_assay() -> None:
    seen = chart(t(13, 150), t(30, 30), events=EARLY)
    assert one(seen, "esc-0-2h").verdict == "not-applied"
    confirmed = frozenset({"elecsys-hs-ctnt/esc-0-2h"})
    assert one(seen, "esc-0-2h", confirmed).verdict == "rule-in"
    assert one(seen, "esc-0-1h", confirmed).verdict == "not-applied"  # 120 minutes apart


def test_confirming_one_assay_confirms_no_other() -> None:
    seen = chart(i(10, 90), i(30, 30), events=EARLY)
    assert one(seen, confirmed=frozenset({"access-hs-ctni"})).verdict == "not-applied"


def test_conventional_assays_get_no_esc_rule() -> None:
    found = one(chart(row("troponin_i", 40, 1.5), row("troponin_i", 400, 0.5)))
    assert (found.verdict, codes(found)) == ("not-applied", {"esc-not-for-conventional"})


def test_hs_troponin_i_without_a_platform_gets_no_cut_offs() -> None:
    # CONFORMANCE 59
    found = rules(chart(row("hs_troponin_i", 10, 1.5), row("hs_troponin_i", 90, 0.5)), assay_table(), NOBODY)
    assert [(r.rule, r.verdict) for r in found] == [("esc-0-1h", "not-applied"), ("udmi-4", "not-applied")]
    assert codes(found[0]) == {"assay-unknown"}
    assert "udmi-no-limit" in codes(found[1])


def test_a_platform_the_table_does_not_have_is_named_as_such() -> None:
    assert codes(one(chart(i(10, 30, "dimension-exl")))) == {"assay-not-in-table"}


def test_unnamed_hs_troponin_t_is_taken_for_its_one_platform_and_says_so() -> None:
    found = one(chart(row("hs_troponin_t", 60, 0.5)))
    assert (found.assay, found.verdict) == ("Elecsys hs-cTnT (Roche)", "rule-in")
    assert "assay-assumed" in codes(found)


def test_known_coronary_and_kidney_disease_are_cautioned_on() -> None:
    person = Person(age_years=70, sex="male", conditions=frozenset({"coronary-disease", "kidney-disease"}))
    found = one(chart(t(4, 90), t(4, 30), person=person, events=EARLY))
    assert {"coronary-disease", "kidney-disease", "esc-for-suspected-acs"} <= codes(found)
    assert not {"coronary-disease", "kidney-disease"} & codes(one(chart(t(4, 90), t(4, 30))))


def test_old_draws_and_preliminary_results_are_said_to_be() -> None:
    assert "rule-draws-old" in codes(one(chart(t(60, 13 * 60))))
    assert "preliminary-troponin" in codes(one(chart(t(60, 30, preliminary=True))))


# --- the universal definition


@pytest.mark.parametrize(
    ("values", "verdict", "pattern"),
    [
        ((40, 48), "rule-in", "rising"),
        ((40, 47.9), "observe", "flat-high"),
        ((48, 38.4), "rule-in", "falling"),
        ((10, 40), "rule-in", "rising"),
        ((4, 8), "observe", "rising"),  # nothing above the limit
        ((8, 8), "observe", "flat-normal"),
        ((14, 14), "observe", "flat-normal"),  # at the limit is not above it
        ((15, 15), "observe", "flat-high"),
        ((30, 33, 36, 39), "rule-in", "rising"),  # no step of 20 %, the way is
        ((10, 200, 90), "rule-in", "falling"),
        ((100, 60, 58), "rule-in", "falling"),
    ],
)
def test_acute_injury_takes_twenty_percent_and_one_value_above_the_limit(
    values: tuple[float, ...], verdict: str, pattern: str
) -> None:
    rows = [t(v, 60 * (3 * (len(values) - n))) for n, v in enumerate(values)]
    found = one(chart(*rows), "udmi-4")
    assert (found.verdict, found.pattern) == (verdict, pattern)
    assert "udmi-injury-not-infarction" in codes(found)


def test_one_draw_has_no_pattern_and_no_verdict() -> None:
    found = one(chart(t(900, 60)), "udmi-4")
    assert (found.verdict, found.pattern) == ("not-applied", "unknown")
    assert holds(found, "udmi-above-limit") is True


def test_the_laboratorys_limit_goes_before_the_table() -> None:
    # CONFORMANCE 59
    found = one(chart(t(15, 300, limit=20), t(19, 60, limit=20)), "udmi-4")
    assert found.verdict == "observe"
    step = next(s for s in found.steps if s.phrase.code == "udmi-above-limit")
    assert (step.phrase.values["limit"], step.phrase.values["source"]) == (20, "laboratory")
    assert step.holds is False
    assert "limit-from-laboratory" in codes(found)


def test_the_same_values_are_above_a_womans_limit_and_not_above_a_mans() -> None:
    rows = (i(18, 300, "architect-hs-ctni"), i(24, 60, "architect-hs-ctni"))
    assert one(chart(*rows, person=Person(age_years=60, sex="female")), "udmi-4").verdict == "rule-in"
    assert one(chart(*rows, person=ADULT), "udmi-4").verdict == "observe"
    assert one(chart(*rows, person=Person(age_years=60)), "udmi-4").verdict == "observe"


def test_without_a_limit_nothing_is_called_elevated() -> None:
    # CONFORMANCE 59
    found = one(chart(row("troponin_t", 40, 8), row("troponin_t", 90, 1)), "udmi-4")
    assert (found.verdict, found.pattern) == ("not-applied", "rising")
    assert holds(found, "udmi-no-limit") is None
    flat = one(chart(row("troponin_t", 40, 8), row("troponin_t", 40, 1)), "udmi-4")
    assert flat.pattern == "unknown"


def test_a_censored_pair_rises_where_no_value_could_make_it_flat() -> None:
    found = one(chart(t(5, 300, "<"), t(20, 60)), "udmi-4")
    assert (found.verdict, found.pattern) == ("rule-in", "rising")
    assert "udmi-change-bounded" in codes(found)
    assert one(chart(t(20, 300, "<"), t(20, 60)), "udmi-4").pattern == "unknown"


def test_mixed_assays_are_counted_and_never_compared() -> None:
    # CONFORMANCE 56
    found = one(chart(row("troponin_i", 4, 6), t(40, 300), t(41, 60)), "udmi-4")
    assert (found.verdict, found.pattern) == ("observe", "flat-high")
    caution = next(c for c in found.cautions if c.code == "mixed-assays")
    assert caution.values["count"] == 1
    alone = one(chart(row("troponin_i", 4, 6), t(40, 60)), "udmi-4")
    assert alone.pattern == "unknown"


def test_a_pause_of_more_than_a_day_begins_a_new_episode() -> None:
    found = one(chart(t(400, 60 * 40), t(41, 300), t(40, 60)), "udmi-4")
    assert (found.verdict, found.pattern) == ("observe", "flat-high")
    assert one(chart(t(400, 60 * 25), t(41, 300), t(40, 60)), "udmi-4").verdict == "rule-in"


def test_both_rules_know_their_minutes() -> None:
    assert INTERVALS == {"esc-0-1h": 60, "esc-0-2h": 120}
