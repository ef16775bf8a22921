"""The patient's page: readable, one sheet, the screen's number, and no number nobody stands behind."""

from __future__ import annotations

import io
import os
import re
from dataclasses import replace
from typing import Any

import pytest
from pypdf import PdfReader

from inference.assessment import Assessment, State
from tests.webapp import examples, pages
from tests.webapp.cases import GOLDEN, HANDOUTS, leaflet, page
from tests.webapp.readability import english_syllables, grade, inflesz, spanish_syllables
from webapp import handout, words

LANGUAGES = ("en", "es")
FOOT = "not a diagnosis", "no es un diagnóstico"
LONG = "María de los Ángeles Fernández-Etchegaray Montenegro"
WIDE = '* { font-family: "DejaVu Sans" !important }'  # the widest letters a machine is likely to have


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
def test_spanish_is_normal_or_easy_to_read(name: str) -> None:
    # CONFORMANCE 100
    assert inflesz(prose(name, "es")) >= 55


def test_every_sentence_of_the_english_page_is_short() -> None:
    for key, sentence in words.catalogue("en").items():
        if key.startswith("handout."):
            for part in re.split(r"(?<=[.!?])\s", sentence):
                assert len(part.split()) <= 17, key


@pytest.mark.parametrize(
    ("word", "count"),
    [
        ("breathing", 2),
        ("machine", 2),
        ("people", 2),
        ("oxygen", 3),
        ("computer", 3),
        ("diagnosis", 4),
        ("care", 1),
        ("needed", 2),
        ("watched", 1),
        ("muscle", 2),
        ("leaks", 1),
        ("troponin", 3),
        ("100", 3),
        ("family", 3),
        ("causes", 2),
    ],
)
def test_english_syllables_are_counted_as_they_are_spoken(word: str, count: int) -> None:
    assert english_syllables(word) == count


@pytest.mark.parametrize(
    ("word", "count"),
    [
        ("respiración", 4),
        ("máquina", 3),
        ("corazón", 3),
        ("sangre", 2),
        ("aire", 2),
        ("todavía", 4),
        ("oxígeno", 4),
        ("enfermera", 4),
        ("cuidamos", 3),
        ("historia", 3),
        ("quiere", 2),
        ("y", 1),
        ("leyó", 2),
        ("muy", 1),
    ],
)
def test_spanish_syllables_are_counted_as_they_are_spoken(word: str, count: int) -> None:
    assert spanish_syllables(word) == count


def test_the_formulas_give_their_published_shape() -> None:
    # one sentence, 8 words, 9 syllables: 0.39*8 + 11.8*9/8 - 15.59
    assert grade(["The cat that I saw sat on tables."]) == pytest.approx(0.39 * 8 + 11.8 * 9 / 8 - 15.59)
    assert inflesz(["La casa es de mi madre."]) == pytest.approx(206.835 - 62.3 * 8 / 6 - 6)
    assert grade(["Physiological deterioration necessitates mechanical ventilation."]) > 12


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
    ["indeterminate", "troponin-first-unbacked", "no-result", "ventilated", "child", "silent", "suspended"],
)
def test_no_number_where_nobody_stands_behind_one(name: str, language: str) -> None:
    html = leaflet(name, language)
    assert "<svg" not in html
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


def test_a_ventilated_patient_is_not_told_to_wait_for_the_machine() -> None:
    text = pages.text(leaflet("ventilated", "en"))
    assert "A breathing machine is helping you now." in text
    assert "If you may need" not in text


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
    assert f'<html lang="{language}">' in leaflet("ventilation", tag)


def test_a_name_is_text() -> None:
    html = leaflet("ventilation", "en", name="<b>Bobby</b>")
    assert "<b>Bobby" not in html


# --- the sheet


@pytest.mark.parametrize("letters", ["", WIDE], ids=["own-letters", "wide-letters"])
@pytest.mark.parametrize("paper", ["letter", "a4"])
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", ["demonstration", "troponin", "troponin-planned", "troponin-first-planned"])
def test_it_is_one_sheet_of_letter_and_of_a4(name: str, language: str, paper: str, letters: str) -> None:
    # CONFORMANCE 100
    reader = PdfReader(io.BytesIO(handout.pdf(leaflet(name, language, paper=paper), letters)))
    assert len(reader.pages) == 1
    width = float(reader.pages[0].mediabox.width)
    assert width == pytest.approx({"letter": 612, "a4": 595.28}[paper], abs=0.1)


@pytest.fixture(scope="module")
def printed() -> PdfReader:
    """A draft for a long name, in letters that are the same on every machine that has them."""
    html = leaflet("demonstration", "es", name=LONG, released_at=None)
    return PdfReader(io.BytesIO(handout.pdf(html, WIDE)))


@pytest.fixture(scope="module")
def fullest() -> PdfReader:
    """The page with most to say."""
    html = leaflet("troponin-first-planned", "es", name=LONG, released_at=None)
    return PdfReader(io.BytesIO(handout.pdf(html, WIDE)))


def test_wide_letters_are_what_they_say(printed: PdfReader) -> None:
    fonts = {str(each["/BaseFont"]) for each in printed.pages[0]["/Resources"]["/Font"].values()}
    if not any("DejaVu" in font for font in fonts) and os.environ.get("CI") != "true":
        pytest.skip("no DejaVu Sans: install Debian's package 'fonts-dejavu-core' to measure with it")
    assert all("DejaVu" in font for font in fonts)


def test_a_long_name_and_every_stamp_still_make_one_sheet(printed: PdfReader, fullest: PdfReader) -> None:
    assert len(printed.pages) == len(fullest.pages) == 1


def test_nothing_on_paper_is_smaller_than_16_points(printed: PdfReader, fullest: PdfReader) -> None:
    for reader in (printed, fullest):
        assert min(sizes(reader)) >= 16


def test_a_page_is_set_closer_only_where_it_must_be(fullest: PdfReader) -> None:
    roomy = PdfReader(io.BytesIO(handout.pdf(leaflet("troponin", "en"), WIDE)))
    assert max(sizes(roomy)) > max(sizes(fullest))


def sizes(reader: PdfReader) -> set[float]:
    """The sizes of the letters on the first sheet, in points."""
    found: set[float] = set()

    def measure(text: str, _cm: Any, matrix: list[float], _font: Any, size: float) -> None:
        if text.strip():
            found.add(round(size * abs(matrix[3]) * abs(_cm[3]), 1))

    reader.pages[0].extract_text(visitor_text=measure)
    return found


def test_the_pdf_has_the_pages_words_its_language_and_structure(printed: PdfReader) -> None:
    text = " ".join(printed.pages[0].extract_text().split())
    for part in (
        "Fernández-Etchegaray",
        "DEMOSTRACIÓN",
        "29 de 100 personas",
        "no es un diagnóstico",
        "UTC−05:00",
    ):
        assert part in text
    root = printed.trailer["/Root"]
    assert str(root["/Lang"]) == "es"
    assert root["/MarkInfo"]["/Marked"]


@pytest.mark.parametrize(
    "address",
    [
        "https://cdn.example/x.css",
        "file:///etc/passwd",
        "/static/../webapp/words/en.toml",
        "/static/none.css",
        "data:text/css,",
    ],
)
def test_printing_fetches_nothing_but_what_the_house_serves(address: str) -> None:
    html = leaflet("ventilation", "en").replace("/static/handout.css", address)
    with pytest.raises(handout.RefusedAddress):
        handout.pdf(html)


def test_extra_rules_can_be_given_for_one_printing() -> None:
    html = leaflet("child", "en")
    narrow = PdfReader(io.BytesIO(handout.pdf(html, "@page letter { size: 300pt 900pt !important }")))
    assert float(narrow.pages[0].mediabox.width) == pytest.approx(300, abs=0.1)


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
