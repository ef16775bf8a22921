"""The page on which a reader says how clear the patient's page was: five choices, a code, and what is kept. A face."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from webapp import words
from webapp.words import say

CHOICES: Final = (1, 2, 3, 4, 5)


@dataclass(frozen=True, slots=True)
class OpinionView:
    """The page in one language. `said` is what became of the last try ("" before one); `thanks` ends it."""

    language: str
    direction: str
    title: str
    lead: str
    code_label: str
    code: str
    choices: tuple[tuple[int, str], ...]
    send: str
    anonymous: str
    not_care: str
    said: str
    thanks: bool
    languages: tuple[tuple[str, str], ...]  # the others: code and name


def view(language: str, said: str = "", code: str = "") -> OpinionView:
    """The page; `said` is a key of the words' table "clarity", `code` what stands in the field already."""
    return OpinionView(
        language=language,
        direction=say(language, "handout.direction"),
        title=say(language, "clarity.title"),
        lead=say(language, "clarity.lead"),
        code_label=say(language, "clarity.code"),
        code=f"{code[:4]}-{code[4:]}" if code else "",
        choices=tuple((score, say(language, f"clarity.score-{score}")) for score in CHOICES),
        send=say(language, "clarity.send"),
        anonymous=say(language, "clarity.anonymous"),
        not_care=say(language, "clarity.not-care"),
        said=say(language, f"clarity.{said}") if said else "",
        thanks=said == "thanks",
        languages=tuple(
            (other, say(other, "handout.language-name")) for other in words.LANGUAGES if other != language
        ),
    )
