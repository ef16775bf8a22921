"""The card: one sentence to act on, nothing that CDS Hooks forbids, nothing from the chart that could act."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from inference.assessment import Assessment, Explanation, Phrase, Prediction, State, Status
from tests.webapp import examples
from tests.webapp.card_lint import lint
from tests.webapp.cases import GOLDEN, LAUNCH, card
from webapp import cards

EVERY_CARD = [(name, state) for name in examples.EVERY for state in State]


@pytest.mark.parametrize(("name", "state"), EVERY_CARD)
def test_every_card_passes_the_lint_and_says_what_its_golden_file_says(name: str, state: State) -> None:
    # CONFORMANCE 68, 79
    made = card(examples.EVERY[name], state)
    golden = json.loads((GOLDEN / f"card-{name}-{state}.json").read_text(encoding="utf-8"))
    assert made == golden
    if made is not None:
        assert lint(made) == ()


def test_a_prediction_says_number_interval_and_horizon_in_one_sentence() -> None:
    said = summary(examples.VENTILATION_ASSESSED)
    assert said.startswith("Ventilator within 24 h: 29 % (95 % interval 19–42 %)")
    assert "RR 30/min" in said
    assert len(said) < 140


def test_below_the_sites_threshold_there_is_nothing_to_add() -> None:
    assert card(examples.VENTILATION_LOW, State.ACTIVE) is None
    assert card(examples.VENTILATION_LOW, State.DEMONSTRATION) is None
    at = examples.VENTILATION_LOW.headline
    assert at is not None
    assert card(examples.VENTILATION_LOW, State.ACTIVE, threshold=at.probability) is not None


def test_a_patient_the_question_does_not_apply_to_gets_no_card() -> None:
    for state in State:
        assert card(examples.VENTILATION_CHILD, state) is None
        assert card(examples.VENTILATION_EXCLUDED, state) is None


def test_too_little_in_the_chart_is_said_or_left_to_the_sites_choice() -> None:
    assert "too little in the chart" in summary(examples.VENTILATION_INSUFFICIENT)
    assert card(examples.VENTILATION_INSUFFICIENT, State.ACTIVE, say_insufficient=False) is None


def test_a_silent_models_number_is_nowhere_in_the_card() -> None:
    for found in (examples.VENTILATION_ASSESSED, examples.TROPONIN_DISAGREE):
        for state in (State.SILENT, State.SUSPENDED):
            text = json.dumps(card(found, state), ensure_ascii=False)
            assert "Pushing" not in text
            assert "interval" not in text
            for p in found.predictions:
                if p.probability is not None:
                    assert f"{round(100 * p.probability)}\u00a0%" not in text


def test_a_silent_model_leaves_the_guideline_and_news2_their_voice() -> None:
    assert summary(examples.TROPONIN_DISAGREE, State.SILENT).startswith(
        "ESC 0/1 h algorithm: Rule-in, 31 → 54 ng/L in 62 min (rising)"
    )
    assert summary(examples.VENTILATION_ASSESSED, State.SILENT).startswith("NEWS2 is 11")
    assert card(examples.VENTILATION_LOW, State.SILENT) is None


def test_a_demonstration_says_so_before_anything_else() -> None:
    made = card(examples.VENTILATION_ASSESSED, State.DEMONSTRATION)
    assert made is not None
    assert made["summary"].startswith("DEMO, not for care. ")
    assert made["detail"].startswith("**Demonstration - not for care.**")


def test_a_suspended_model_says_so_as_information() -> None:
    made = card(replace(examples.VENTILATION_ASSESSED, scores=()), State.SUSPENDED)
    assert made is not None
    assert "suspended" in made["summary"]
    assert made["indicator"] == "info"


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("ventilation-assessed", "NEWS2 is 11 (high: emergency review)."),
        ("troponin-rule-in", "ESC 0/1 h algorithm: Rule-in"),
    ],
)
def test_what_speaks_beside_a_suspended_model_is_said_first(name: str, first: str) -> None:
    made = card(examples.EVERY[name], State.SUSPENDED)
    assert made is not None
    assert made["summary"].replace("\u00a0", " ").startswith(first)
    assert made["summary"].endswith("model is suspended here.")
    assert made["indicator"] == "warning"


def test_a_rule_that_was_not_applied_is_named_only_where_no_other_was() -> None:
    made, alone = (card(examples.EVERY[name], State.ACTIVE) for name in ("troponin-rule-in", "troponin-censored"))
    assert made is not None
    assert alone is not None
    assert "not applied" not in made["detail"]
    assert "not applied" in alone["detail"]


def test_a_model_that_contradicts_the_guideline_is_a_warning_whatever_its_number() -> None:
    made = card(examples.TROPONIN_DISAGREE, State.ACTIVE)
    assert made is not None
    assert "disagree" in made["summary"]
    assert "rule-in" in made["summary"]
    assert made["indicator"] == "warning"


@pytest.mark.parametrize(
    ("warn_at", "critical_at", "indicator"),
    [(None, None, "info"), (0.2, None, "warning"), (0.5, None, "info"), (0.2, 0.25, "critical")],
)
def test_urgency_is_the_sites_to_set_and_critical_only_on_request(
    warn_at: float | None, critical_at: float | None, indicator: str
) -> None:
    # CONFORMANCE 84
    found = replace(examples.VENTILATION_ASSESSED, scores=())
    made = card(found, State.ACTIVE, warn_at=warn_at, critical_at=critical_at)
    assert made is not None
    assert made["indicator"] == indicator


@pytest.mark.parametrize("state", [State.ACTIVE, State.DEMONSTRATION, State.SILENT, State.SUSPENDED])
@pytest.mark.parametrize("name", ["ventilation-assessed", "ventilation-indeterminate", "troponin-rule-in"])
def test_what_is_urgent_at_the_bedside_is_no_less_so_beside_a_models_number(name: str, state: State) -> None:
    made = card(examples.EVERY[name], state, warn_at=None)
    assert made is not None
    assert made["indicator"] == "warning"


def test_the_link_launches_the_app_and_carries_no_patient() -> None:
    # CONFORMANCE 82, 83
    made = card(examples.VENTILATION_ASSESSED, State.ACTIVE, app_context="4f1c")
    assert made is not None
    (link,) = made["links"]
    assert link["type"] == "smart"
    assert link["url"] == LAUNCH
    assert "?" not in link["url"]
    assert link["appContext"] == "4f1c"
    assert "autolaunchable" not in link
    without = card(examples.VENTILATION_ASSESSED, State.ACTIVE)
    assert without is not None
    assert "appContext" not in without["links"][0]


def test_every_override_reason_is_a_full_coding_and_nothing_is_suggested() -> None:
    # CONFORMANCE 80, 81
    made = card(examples.VENTILATION_ASSESSED, State.ACTIVE)
    assert made is not None
    assert len(made["overrideReasons"]) >= 3
    assert all(set(reason) == {"code", "system", "display"} for reason in made["overrideReasons"])
    assert "suggestions" not in made


def test_the_detail_names_model_version_state_and_moment_with_its_zone() -> None:
    made = card(examples.VENTILATION_ASSESSED, State.ACTIVE)
    assert made is not None
    foot = made["detail"].split("\n\n")[-1]
    for part in ("23 Nov 2026, 06:12", "UTC−05:00", "ventilation need 0.1.0", "active", "not cause"):
        assert part in foot


def test_an_indeterminate_number_is_shown_only_as_one_nobody_stands_behind() -> None:
    found = replace(examples.VENTILATION_INDETERMINATE, scores=())
    made = card(found, State.ACTIVE)
    assert made is not None
    assert "29" not in made["summary"]
    assert "indeterminate, a person decides" in made["summary"]
    assert "does not stand behind: 29\u00a0%" in made["detail"]
    assert "Pushing" not in made["detail"]


@given(st.text(min_size=1, max_size=80))
@example("- item")
@example("1. item")
@example("***")
def test_no_text_of_a_chart_becomes_markup(text: str) -> None:
    # CONFORMANCE 79
    reason = examples.reason("rr", 0.8, (1.0, 30))
    found = with_reason(replace(reason, label=text))
    made = card(found, State.ACTIVE)
    assert made is not None
    assert lint(made) == ()
    rendered = MarkdownIt("gfm-like", {"linkify": False}).enable("strikethrough").render(cards.plain(text))
    assert rendered.count("<") == rendered.count("<p>") + rendered.count("</p>")


@pytest.mark.parametrize(
    ("text", "harmless"),
    [
        ("<script>alert(1)</script>", "\\<script\\>alert(1)\\</script\\>"),
        ("[x](javascript:alert)", "\\[x\\](javascript:alert)"),
        ("a\n\n# heading", "a \\# heading"),
        ("<5 ng/L", "below 5 ng/L"),
        ("see http://evil.example", "see http:\\//evil.example"),
    ],
)
def test_markdown_and_html_are_taken_apart(text: str, harmless: str) -> None:
    assert cards.plain(text) == harmless


@given(st.text(max_size=400))
@example("a line\nand another <script>")
def test_a_summary_never_reaches_140_characters(text: str) -> None:
    # CONFORMANCE 79
    shown = cards.shortened(text)
    assert len(shown) <= 139
    assert "\n" not in shown
    assert "<" not in shown


def test_the_lint_passes_139_characters_and_fails_140() -> None:
    # CONFORMANCE 79
    sound = card(examples.VENTILATION_ASSESSED, State.ACTIVE)
    assert sound is not None
    assert lint({**sound, "summary": "x" * 139}) == ()
    assert lint({**sound, "summary": "x" * 140}) != ()


@pytest.mark.parametrize(
    "wrong",
    [
        {"detail": "<b>bold</b>"},
        {"indicator": "urgent"},
        {"source": {}},
        {"links": [{"label": "x", "url": "https://a.example", "type": "absolute", "appContext": "1"}]},
        {"links": [{"label": "x", "url": None, "type": "smart"}]},
        {"overrideReasons": [{"code": "a", "display": "A"}]},
        {"suggestions": [{"label": "x"}]},
        {"detail": None},
        {"links": []},
    ],
)
def test_the_lint_finds_what_the_specification_forbids(wrong: dict[str, Any]) -> None:
    # CONFORMANCE 68, 80, 81, 82
    sound = card(examples.VENTILATION_ASSESSED, State.ACTIVE)
    assert sound is not None
    assert lint({**sound, **wrong}) != ()


@pytest.mark.parametrize("key", ["uuid", "summary", "indicator", "source"])
def test_the_lint_misses_what_is_missing(key: str) -> None:
    sound = card(examples.VENTILATION_ASSESSED, State.ACTIVE)
    assert sound is not None
    assert lint({k: v for k, v in sound.items() if k != key}) != ()


def test_an_answer_without_an_interval_is_not_shown_as_certain() -> None:
    found = replace(
        examples.VENTILATION_ASSESSED,
        predictions=(Prediction("ventilation-24h", 24, 0.5),),
        explanation=None,
        reason=None,
    )
    assert "interval unknown" in summary(found)


def test_a_reason_too_long_for_the_sentence_is_left_to_the_detail() -> None:
    found = replace(
        examples.TROPONIN_CENSORED,
        status=Status.INDETERMINATE,
        reason=Phrase("assay-not-trained", {"assay": "x" * 99}),
    )
    made = card(found, State.ACTIVE)
    assert made is not None
    assert made["summary"] == "Troponin: indeterminate, a person decides."
    assert "x" * 99 in made["detail"]


def with_reason(reason: Any) -> Assessment:
    explained = Explanation("ventilation-24h", -2.0, -1.2, (), (reason,), 7, "owen", 1)
    return replace(examples.VENTILATION_ASSESSED, explanation=explained)


def summary(found: Assessment, state: State = State.ACTIVE) -> str:
    made = card(found, state)
    assert made is not None
    return str(made["summary"]).replace("\u00a0", " ")


# --- which question the number is for


def test_a_disagreement_is_said_with_number_interval_and_horizon() -> None:
    for rules in (examples.TROPONIN_DISAGREE.rules, examples.TROPONIN_DISAGREE.rules[-1:]):
        for state in (State.ACTIVE, State.DEMONSTRATION):
            made = card(replace(examples.TROPONIN_DISAGREE, rules=rules), state)
            assert made is not None
            said = made["summary"].replace("\u00a0", " ")
            assert "within 24 h: 12 %" in said
            assert "6–22 %" in said
            assert "disagrees: " in said
            assert "…" not in said


def test_a_card_says_whether_the_rule_agrees_and_when_the_next_draw_is_due() -> None:
    agreeing = card(examples.TROPONIN_ASSESSED, State.ACTIVE)
    due = card(examples.TROPONIN_DUE, State.ACTIVE)
    assert agreeing is not None
    assert due is not None
    assert "Model and guideline rule point the same way." in agreeing["detail"]
    assert "Next draw due at 06:32" in due["detail"].replace("\u00a0", " ")


@pytest.mark.parametrize("state", [State.ACTIVE, State.DEMONSTRATION])
@pytest.mark.parametrize("name", ["troponin-first", "troponin-first-planned"])
def test_before_the_first_result_a_card_speaks_of_no_latest_value(name: str, state: State) -> None:
    made = card(examples.EVERY[name], state)
    assert made is not None
    said = (made["summary"] + made["detail"]).replace("\u00a0", " ")
    assert "No troponin is back yet" in said
    assert "at least 20 % above the first: 31 % (95 % interval 17–49 %)" in said
    assert "Expected first value about 46 ng/L" in said
    assert "this is for Troponin I (conventional) or Troponin T (conventional)" in said
    for never in ("latest", "Next troponin", "next value", "comparable patients", "()"):
        assert never not in said


def test_a_card_for_a_planned_draw_says_for_which() -> None:
    made = card(examples.TROPONIN_PLANNED, State.ACTIVE)
    assert made is not None
    assert "drawn in 3 h" in made["summary"].replace("\u00a0", " ")
    detail = made["detail"].replace("\u00a0", " ")
    assert "For a draw 3 h from now (09:12)." in detail
    assert "22 % for a draw 3 h from now (12–36 %)" in detail
    assert "within 24" not in detail


def test_a_draw_the_model_is_deaf_to_is_in_no_number_of_the_card() -> None:
    made = card(examples.TROPONIN_DEAF, State.ACTIVE)
    assert made is not None
    detail = made["detail"].replace("\u00a0", " ")
    assert "does not take the time of the planned draw (3 h ahead)" in detail
    assert "22 % within 24 h" in detail
    assert "from now" not in detail


def test_the_usual_question_is_not_spelled_out() -> None:
    made = card(examples.TROPONIN_ASSESSED, State.ACTIVE)
    assert made is not None
    assert "For a draw" not in made["detail"]
