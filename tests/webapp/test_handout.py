"""The patient's page: readable, the screen's number, words by what was found, no number nobody stands behind."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from inference.assessment import Assessment, State
from tests.webapp import examples, pages
from tests.webapp.cases import GOLDEN, HANDOUTS, leaflet, page
from tests.webapp.readability import grade, inflesz
from webapp import handout, telling, words

LANGUAGES = words.LANGUAGES
FOOT = "not a diagnosis", "no es un diagnóstico"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", sorted(HANDOUTS))
def test_a_page_says_what_its_golden_file_says(name: str, language: str) -> None:
    golden = (GOLDEN / f"handout-{name}-{language}.txt").read_text(encoding="utf-8")
    assert pages.text(leaflet(name, language)) == golden


@pytest.mark.parametrize("name", sorted(HANDOUTS))
def test_english_is_for_grade_six_or_lower(name: str) -> None:
    # CONFORMANCE 100
    assert grade(prose(name, "en")) <= 6.0


@pytest.mark.parametrize("name", sorted(HANDOUTS))
def test_spanish_is_fairly_easy_to_read(name: str) -> None:
    # CONFORMANCE 100
    assert inflesz(prose(name, "es")) >= 65


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_sentence_of_the_page_is_short(language: str) -> None:
    for key, sentence in words.catalogue(language).items():
        if key.startswith(("handout.", "clarity.")):
            for part in re.split(r"(?<=[.!?:])\s", sentence):
                assert len(part.split()) <= 17, key


# --- what it says


def test_the_number_is_the_screens_number_as_people() -> None:
    on_screen = page("assessed")
    on_paper = pages.text(leaflet("ventilation", "en"))
    assert f"29{words.NBSP}%" in on_screen
    assert "29 of 100 people like you need a breathing machine in the next 24 hours." in on_paper
    assert "71 of 100 do not." in on_paper
    assert leaflet("ventilation", "en").count('fill="#000"') == 29


def test_the_number_brings_its_uncertainty() -> None:
    assert "as low as 19 or as high as 42" in pages.text(leaflet("ventilation", "en"))
    assert "tan bajo como 19 o tan alto como 42" in pages.text(leaflet("ventilation", "es"))


@pytest.mark.parametrize(
    ("probability", "first", "rest"),
    [
        (0.004, "Fewer than 1 of 100", "More than 99 of 100"),
        (0.996, "More than 99 of 100", "Fewer than 1 of 100"),
    ],
)
def test_the_ends_are_as_modest_as_on_the_screen(probability: float, first: str, rest: str) -> None:
    p = replace(examples.VENTILATION_ASSESSED.predictions[2], probability=probability, low=0.001, high=0.999)
    view = made(replace(examples.VENTILATION_ASSESSED, predictions=(p,)))
    assert view.hundred is not None
    assert view.hundred.sentence.startswith(first)
    assert view.hundred.rest.startswith(rest)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    "name",
    sorted(name for name, (found, state) in HANDOUTS.items() if telling.kind_of(found, state) != "assessed"),
)
def test_no_number_where_nobody_stands_behind_one(name: str, language: str) -> None:
    html = leaflet(name, language, slip=None)
    assert html.count("<svg") == 1  # the bell beside the call for help, and no people
    assert 'class="drawn"' not in html
    body = pages.text(html).split("diagn")[0].replace("8 Mar 1954", "").replace("8 mar 1954", "")
    assert not re.search(r"\d", body)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", sorted(HANDOUTS))
def test_every_page_says_how_a_computer_helped_and_how_to_say_no(name: str, language: str) -> None:
    text = pages.text(leaflet(name, language))
    care_team, no = {
        "en": ("Your care team decides", "You can say no"),
        "es": ("Su equipo médico decide", "decir que no"),
    }[language]
    assert care_team in text
    assert no in text
    assert any(foot in text for foot in FOOT)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", sorted(HANDOUTS))
def test_a_page_without_a_number_is_summed_up_and_every_call_for_help_has_its_bell(
    name: str, language: str
) -> None:
    html = leaflet(name, language)
    assert ('class="short"' in html) == ('class="no-number"' in html)
    assert html.count('<p class="call"><svg') == 1


def test_a_ventilated_patient_is_not_told_to_wait_for_the_machine() -> None:
    text = pages.text(leaflet("ventilated", "en"))
    assert "A breathing machine is helping you now." in text
    assert "If you may need" not in text


SAID = {
    "ventilation": ("Most people like you do not need one.", "29 of 100"),
    "ventilation-high": ("Most people like you do need one.", "72 of 100"),
    "unsure": ("We are not sure.",),
    "stale": ("We are not sure.", "some hours old"),
    "troponin-old": ("Your last blood test is some hours old", "your number is high and stays the same"),
    "outside-training": ("It has not seen many people like you.",),
    "indeterminate": ("your kind of blood test", "your number is going up"),
    "no-result": ("There is no result for you yet.", "No blood test has come back"),
    "too-little": ("There is no result for you yet.", "needs more numbers"),
    "ventilated-earlier": ("You had a breathing machine before.",),
    "silent": ("testing a computer tool", "no one uses what it says yet"),
    "suspended": ("turned off for now",),
    "rule-only-silent": ("No computer result was used", "By them, your number is going up."),
    "rule-only-suspended": ("No computer result was used", "By them, your number is going down."),
    "troponin-disagree": ("The computer and these steps do not agree.",),
}


@pytest.mark.parametrize("name", SAID)
def test_the_words_are_those_of_what_the_assessment_says(name: str) -> None:
    text = pages.text(leaflet(name, "en"))
    for part in SAID[name]:
        assert part in text


def test_a_page_speaks_of_no_rule_that_was_not_applied_and_never_of_a_verdict() -> None:
    for name, (found, _) in HANDOUTS.items():
        text = pages.text(leaflet(name, "en")).lower()
        assert ("doctors use steps" in text) == any(rule.verdict != "not-applied" for rule in found.rules), (
            name
        )
        assert not re.search(r"infarct|heart attack|rule[- ](in|out)|injury", text), name


def test_half_and_half_is_said_as_what_it_is() -> None:
    p = replace(examples.VENTILATION_ASSESSED.predictions[2], probability=0.45, low=0.31, high=0.62)
    view = made(replace(examples.VENTILATION_ASSESSED, predictions=(p,)))
    assert view.hundred is not None
    assert view.hundred.gist == "It could go either way."


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", sorted(HANDOUTS))
def test_when_to_call_stands_by_itself_on_every_page(name: str, language: str) -> None:
    html = leaflet(name, language)
    assert re.search(r'<p class="call"><svg [^>]+aria-hidden="true">.*?</svg>(Call us|Llame) [^<]+</p>', html)


def test_a_page_that_was_given_asks_whether_it_was_clear_and_a_draft_does_not() -> None:
    given = leaflet("ventilation", "en")
    assert "Your code: K7QM-3F2X" in given
    assert "open ordertime.example.org/c on a phone" in given
    assert 'class="square"' in given
    draft = leaflet("ventilation", "en", released_at=None)
    assert "K7QM" not in draft
    assert "square" not in draft


def test_the_clinicians_bar_is_in_the_clinicians_language_and_names_a_language_without_words() -> None:
    html = leaflet(
        "ventilation",
        "es",
        back_url="/b",
        papers={"letter": "/l", "a4": "/a"},
        languages={"en": "/e"},
        unspoken="vi",
    )
    bar = html[html.index("<nav") : html.index("</nav>")]
    assert 'lang="en"' in bar
    for part in ("Back to the result", "PDF, Letter", "PDF, A4", "English", "another language", "(vi)"):
        assert part in bar
    assert "<nav" not in leaflet("ventilation", "es")


def test_a_page_is_a_draft_until_a_clinician_gives_it() -> None:
    assert "Draft." not in leaflet("ventilation", "en")
    assert "Given by Dr. Ana Ruiz" in leaflet("ventilation", "en")
    draft = leaflet("ventilation", "en", released_at=None)
    assert "Draft." in draft
    assert "Given by" not in draft


def test_a_demonstration_is_stamped_in_the_patients_language() -> None:
    assert "DEMONSTRATION" in leaflet("demonstration", "en")
    assert "DEMOSTRACIÓN" in leaflet("demonstration", "es")
    assert "DEMO" not in leaflet("ventilation", "en")


@pytest.mark.parametrize(
    ("tag", "language"),
    [("es-MX", "es"), ("es_419", "es"), ("ES", "es"), ("en-US", "en"), ("fr", "en"), ("", "en")],
)
def test_the_language_is_the_patients_where_there_are_words_for_it(tag: str, language: str) -> None:
    assert handout.spoken_language(tag) == language
    assert f'<html lang="{language}" dir="ltr">' in leaflet("ventilation", tag)


def test_a_name_is_text() -> None:
    html = leaflet("ventilation", "en", name="<b>Bobby</b>")
    assert "<b>Bobby" not in html


def made(found: Assessment, **more: Any) -> handout.HandoutView:
    values: dict[str, Any] = {"language": "en", "state": State.ACTIVE, "zone": examples.ZONE, "name": "A"}
    return handout.view(found, **{**values, **more})


def prose(name: str, language: str) -> list[str]:
    """The page without the patient's name, the stamp and the foot's dates: what is written to be read."""
    lines = pages.text(leaflet(name, language)).splitlines()
    return [
        line
        for line in lines[1:]
        if not line.startswith("[") and not any(foot in line for foot in FOOT) and "DEMO" not in line
    ]
