"""The readability formulas themselves: syllables as they are spoken, published figures, and no kinder than a reader.

Of Flesch-Kincaid the figures are those that are quoted with the formula; of INFLESZ the formula and the bands are
Szigriszt's and Barrio-Cantalejo's (2008), and the worked example is Don Quixote's first sentence, by hand.
"""

from __future__ import annotations

import pytest

from tests.webapp.readability import (
    WORD,
    english_syllables,
    grade,
    grade_at,
    inflesz,
    inflesz_at,
    sentences,
    spanish_syllables,
)

PLATYPUS = "The Australian platypus is seemingly a hybrid of a mammal and reptilian creature."
MANCHA = (
    "En un lugar de la Mancha, de cuyo nombre no quiero acordarme, no ha mucho tiempo que vivía un hidalgo de los de "
    "lanza en astillero, adarga antigua, rocín flaco y galgo corredor."
)
MANCHA_BY_HAND = "1 1 2 1 1 2 1 2 2 1 2 4 1 1 2 2 1 3 1 3 1 1 1 2 1 4 3 3 2 2 1 2 3"  # word by word


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


def test_the_formulas_can_be_followed_by_hand() -> None:
    # one sentence, 8 words, 9 syllables: 0.39*8 + 11.8*9/8 - 15.59
    assert grade(["The cat that I saw sat on tables."]) == pytest.approx(0.39 * 8 + 11.8 * 9 / 8 - 15.59)
    assert inflesz(["La casa es de mi madre."]) == pytest.approx(206.835 - 62.3 * 8 / 6 - 6)
    assert grade(["Physiological deterioration necessitates mechanical ventilation."]) > 12


def test_flesch_kincaid_gives_the_figures_published_with_it() -> None:
    assert grade_at(13, 24 / 13) == pytest.approx(11.3, abs=0.05)  # the platypus: 13 words, 24 syllables
    assert grade_at(5.7, 1.02) == pytest.approx(-1.3, abs=0.05)  # Green Eggs and Ham
    assert grade_at(1, 1) == pytest.approx(-3.40)  # "Go!", the lowest there is


# Of four texts, by textstat's tests/backend/test_metrics.py: words a sentence, syllables a word, and both scores.
PUBLISHED = (
    (5.0, 1.4, 2.88, 114.615),
    (9.0, 1.374, 4.13, 112.251),
    (10.6, 1.358, 4.574, 111.601),
    (21.882, 1.395, 9.407, 98.034),
)


@pytest.mark.parametrize(("words", "syllables", "kincaid", "szigriszt"), PUBLISHED)
def test_both_formulas_give_what_another_implementation_publishes_for_its_counts(
    words: float, syllables: float, kincaid: float, szigriszt: float
) -> None:
    # the counts are published to three places: half of the last one is worth 0.006 and 0.03
    assert grade_at(words, syllables) == pytest.approx(kincaid, abs=0.0065)
    assert inflesz_at(words, syllables) == pytest.approx(szigriszt, abs=0.032)


def test_english_is_counted_no_kinder_than_published() -> None:
    assert len(WORD.findall(PLATYPUS)) == 13
    assert sum(english_syllables(word) for word in WORD.findall(PLATYPUS)) >= 24
    assert grade([PLATYPUS]) >= 11.3


def test_spanish_is_counted_as_by_hand() -> None:
    counted = [int(count) for count in MANCHA_BY_HAND.split()]
    assert [spanish_syllables(word) for word in WORD.findall(MANCHA)] == counted
    assert inflesz([MANCHA]) == pytest.approx(206.835 - 62.3 * sum(counted) / 33 - 33)


def test_inflesz_puts_texts_into_their_published_bands() -> None:
    # 206.835 - 62.3 x syllables a word - words a sentence: a comic's short words, a newspaper's, a journal's
    assert inflesz_at(7, 1.8) > 80
    assert 55 < inflesz_at(18, 2.05) < 65
    assert inflesz_at(30, 2.4) < 40


def test_a_sentence_ends_with_its_line() -> None:
    assert sentences(["Your breathing", "We look. We tell you.", "?"]) == [
        "Your breathing",
        "We look.",
        "We tell you.",
    ]
