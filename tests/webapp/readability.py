"""How hard a text is to read: Flesch-Kincaid grade for English, INFLESZ for Spanish.

Flesch-Kincaid grade = 0.39 words/sentence + 11.8 syllables/word - 15.59 (Kincaid 1975).
INFLESZ (Szigriszt-Pazos 1993, scale of Barrio-Cantalejo 2008) = 206.835 - 62.3 syllables/word
- words/sentence; 55 to 65 is "normal", 65 to 80 "fairly easy", above that "very easy".
Each line of a list or heading is a sentence. A number counts as its digits, one syllable each.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from itertools import pairwise

WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*|\d+")
SENTENCE = re.compile(r"(?<=[.!?])[”\"]?\s+")
SILENT_ED = re.compile(r"(?<![td])ed$")
STRONG = "aeoáéóíú"


def sentences(lines: Iterable[str]) -> list[str]:
    """Sentences that hold a word, from lines that each end at least one."""
    parts = (part for line in lines for part in SENTENCE.split(line))
    return [part for part in parts if WORD.search(part)]


def grade(lines: Iterable[str]) -> float:
    """Flesch-Kincaid grade of English `lines`."""
    return grade_at(*_rates(lines, english_syllables))


def grade_at(words_a_sentence: float, syllables_a_word: float) -> float:
    """The formula of Flesch-Kincaid, by itself."""
    return 0.39 * words_a_sentence + 11.8 * syllables_a_word - 15.59


def inflesz(lines: Iterable[str]) -> float:
    """INFLESZ of Spanish `lines`."""
    return inflesz_at(*_rates(lines, spanish_syllables))


def inflesz_at(words_a_sentence: float, syllables_a_word: float) -> float:
    """The formula of Szigriszt-Pazos, by itself."""
    return 206.835 - 62.3 * syllables_a_word - words_a_sentence


def _rates(lines: Iterable[str], syllables: Callable[[str], int]) -> tuple[float, float]:
    found = sentences(lines)
    words = [word for sentence in found for word in WORD.findall(sentence)]
    return len(words) / len(found), sum(syllables(word) for word in words) / len(words)


def english_syllables(word: str) -> int:
    """Vowel groups, without a silent final e, es or ed; a closing "le" after a consonant counts."""
    text = word.lower()
    if text.isdigit():
        return len(text)
    if "-" in text:
        return sum(english_syllables(part) for part in text.split("-") if part)
    text = re.sub(r"[^a-z]", "", text)
    core = SILENT_ED.sub("d", text) if len(text) > 4 else text
    groups = len(re.findall(r"[aeiouy]+", core))
    groups += len(re.findall(r"ia(?!l$)|io(?!n)|[^cq]ua[^ir]|creat", core))
    if re.search(r"[^aeiouy]e$", core) and not re.search(r"[^aeiouy]le$", core):
        groups -= 1
    if re.search(r"[^aeiouylscxzh]es$", core):
        groups -= 1
    return max(groups, 1)


def spanish_syllables(word: str) -> int:
    """Vowel groups; two strong vowels, or a weak one with an accent, stand apart; u is mute in "qu"."""
    text = unicodedata.normalize("NFC", word.lower())
    if text.isdigit():
        return len(text)
    text = re.sub(r"qu(?=[eiéí])|gu(?=[eiéí])", "q", text)
    text = re.sub(r"y(?![aeiouáéíóú])", "i", text)
    groups = re.findall(r"[aeiouáéíóúü]+", text)
    return max(sum(_hiatus(group) for group in groups), 1)


def _hiatus(group: str) -> int:
    return 1 + sum(a in STRONG and b in STRONG for a, b in pairwise(group))
