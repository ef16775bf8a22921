"""Which question an answer is for: said on every face, in the words that fit it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from inference.assessment import State
from tests.webapp import examples, pages
from tests.webapp.cases import leaflet, leaflet_of, page, shown
from webapp import answer, question, words


def text(name: str) -> str:
    return pages.text(page(name))


@pytest.mark.parametrize("name", ["before-first", "before-first-planned", "before-first-unbacked"])
def test_before_the_first_result_the_page_speaks_of_the_first_and_the_second(name: str) -> None:
    said = text(name)
    assert "Before the first result" in said
    assert "chance that the second troponin" in said
    assert "Expected first value about 46 ng/L" in said
    assert "No troponin has come back in the last 48 h." in said
    assert said.count("nothing to apply the rule to") == 4  # each rule, and the plain table
    for never in ("latest", "next value", "The draws", "comparable patients", "()"):
        assert never not in said


def test_a_page_for_a_planned_draw_says_when_it_is_by_distance_and_by_the_clock() -> None:
    said = text("planned-draw")
    assert "For a draw 3 h from now (09:12)." in said
    assert (
        "the next troponin of this assay, drawn 3 h from now (09:12), is at least 20 % above the latest"
        in said
    )
    assert "if drawn 3 h from now (09:12)." in said
    assert "next draw in 3 h" in said  # under the fan of the forecast
    assert "within 24 h" not in said


def test_a_draw_tomorrow_says_which_day() -> None:
    told = question.fields(replace(examples.TROPONIN_PLANNED, hours_ahead=20.5), examples.ZONE)
    assert (told["ahead"], told["at"].replace(words.NBSP, " ")) == (20.5, "24 Nov 02:42")


def test_the_usual_question_stands_among_the_fingerprints_alone() -> None:
    said = text("assessed")
    assert said.count("For a draw at any time within 24 h.") == 1
    assert said.index("Model, seed and fingerprint") < said.index("For a draw at any time within 24 h.")


def test_a_model_deaf_to_the_draw_is_shown_with_the_answer_it_gave() -> None:
    said = text("planned-draw-not-used")
    assert "does not take the time of the planned draw (3 h ahead)" in said
    assert "drawn within 24 h, is at least 20 % above the latest" in said
    assert "from now" not in said


def test_a_silent_model_says_neither_its_question_nor_its_answer() -> None:
    said = text("before-first-silent")
    for never in ("forecast is of the first", "Before the first result", "Ask again", "31 %"):
        assert never not in said
    assert "nothing to apply the rule to" in said


def test_the_form_offers_the_draws_and_shows_the_one_that_was_asked_about() -> None:
    html = page("before-first-planned")
    assert '<option value="1.5" selected>1.5' in html
    assert '<option value="">not stated' in html
    assert html.count(" selected>1") == 1
    assert "First draw planned in" in html
    plain = page("before-first")
    assert '<option value="" selected>not stated' in plain
    assert 'value="1.5"' not in plain


def test_the_form_proves_the_visit_and_is_left_out_where_nothing_can_be_asked() -> None:
    form = page("planned-draw").split('<form class="asking"')[1].split("</form>")[0]
    assert 'action="/ask"' in form
    assert 'name="csrf_token" value="token-of-this-visit"' in form
    assert 'name="visit" value="visit-1"' in form
    for found, state in ((examples.TROPONIN_PLANNED, State.SILENT), (examples.TROPONIN_NONE, State.ACTIVE)):
        each = answer.section(replace(shown(found, state), ask_url="/ask"), {}, examples.ZONE)
        assert each.asking is None


@pytest.mark.parametrize(
    ("language", "first", "never"),
    [
        ("en", "a clear rise from their first test to the next", "What did my blood test show?"),
        ("es", "una subida clara de su primer análisis al siguiente", "¿Qué mostró mi análisis?"),
    ],
)
def test_the_patients_page_before_the_first_result_waits_for_it(
    language: str, first: str, never: str
) -> None:
    said = pages.text(leaflet("troponin-first", language))
    assert first in said
    assert never not in said


@pytest.mark.parametrize(
    ("name", "language", "at"),
    [
        ("troponin-planned", "en", "This is for a test planned for 09:12."),
        ("troponin-planned", "es", "Es para un análisis a esta hora: 09:12."),
        ("troponin-first-planned", "en", "Your first test is planned for 07:42."),
        ("troponin-first-planned", "es", "La hora de su primer análisis: 07:42."),
    ],
)
def test_the_patients_page_says_which_test_its_number_is_for(name: str, language: str, at: str) -> None:
    assert at in pages.text(leaflet(name, language))


def test_a_patient_with_tests_of_last_week_is_not_told_of_a_first() -> None:
    old = replace(examples.TROPONIN_FIRST_UNBACKED, draws=(examples.hs(40, 80),))
    said = pages.text(leaflet_of(old, State.ACTIVE, "en"))
    assert "first test" not in said
    assert "We may take blood again" in said
