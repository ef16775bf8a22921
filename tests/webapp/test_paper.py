"""The sheet: every page on one sheet of Letter and of A4, in 16 pt or more, in black on white, tagged."""

from __future__ import annotations

import io
import os
import re
from dataclasses import replace
from typing import Any

import pytest
from pypdf import PdfReader

from inference.assessment import State
from tests.webapp import examples
from tests.webapp.cases import HANDOUTS, leaflet, leaflet_of
from webapp import handout, words

LANGUAGES = words.LANGUAGES
LONG = "María de los Ángeles Fernández-Etchegaray Montenegro"
WIDE = '* { font-family: "DejaVu Sans" !important }'  # the widest letters a machine is likely to have
POINTS = {"letter": (612, 792), "a4": (595.28, 841.89)}
FULLEST = replace(examples.TROPONIN_DISAGREE, truncated=True, hours_ahead=3.0, version="0.2.0")


def read(html: str, letters: str = "") -> PdfReader:
    return PdfReader(io.BytesIO(handout.pdf(html, letters)))


@pytest.mark.parametrize("paper", ["letter", "a4"])
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", sorted(HANDOUTS))
def test_every_page_is_one_sheet_of_letter_and_of_a4(name: str, language: str, paper: str) -> None:
    # CONFORMANCE 100
    reader = read(leaflet(name, language, paper=paper))
    assert len(reader.pages) == 1
    assert min(sizes(reader)) >= 16  # points: large print
    box = reader.pages[0].mediabox
    assert (float(box.width), float(box.height)) == pytest.approx(POINTS[paper], abs=0.1)


@pytest.mark.parametrize("paper", ["letter", "a4"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_with_everything_to_say_in_the_widest_letters_it_still_is(language: str, paper: str) -> None:
    # CONFORMANCE 100
    html = leaflet_of(FULLEST, State.DEMONSTRATION, language, name=LONG, paper=paper)
    assert len(read(html, WIDE).pages) == 1


@pytest.mark.parametrize("paper", ["letter", "a4"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_without_a_number_and_with_everything_else_it_is_too(language: str, paper: str) -> None:
    # CONFORMANCE 100
    found = replace(examples.TROPONIN_OLD, truncated=True, version="0.2.0")
    html = leaflet_of(found, State.DEMONSTRATION, language, name=LONG, paper=paper)
    assert len(read(html, WIDE).pages) == 1


@pytest.fixture(scope="module")
def printed() -> PdfReader:
    """A draft for a long name, in letters that are the same on every machine that has them."""
    html = leaflet("demonstration", "es", name=LONG, released_at=None)
    return PdfReader(io.BytesIO(handout.pdf(html, WIDE)))


@pytest.fixture(scope="module")
def fullest() -> PdfReader:
    """The page with most to say."""
    html = leaflet_of(FULLEST, State.DEMONSTRATION, "es", name=LONG)
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
    some, least = read(leaflet("troponin", "en")), read(leaflet("child", "en"))
    assert max(sizes(least)) > max(sizes(some)) > max(sizes(fullest))


def test_it_is_printed_in_black_white_and_grey(printed: PdfReader, fullest: PdfReader) -> None:
    for reader in (printed, fullest):
        drawn = reader.pages[0].get_contents().get_data().decode("latin-1")  # type: ignore[union-attr]
        found = re.findall(r"([\d.]+) ([\d.]+) ([\d.]+) (?:rg|RG)\b", drawn)
        assert found
        assert all(len(set(each)) == 1 for each in found)


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
