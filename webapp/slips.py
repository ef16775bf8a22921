"""The slip on a page that was given: a short code under which its reader may say, once, how clear the page was.

The code is made from the answer's id and the language with a key of its own, so that every print of one page carries
the same, and nothing need be kept to print it again. While it waits, the vault holds under its hash which kind of page
it is on, and of which hospital: no patient, no answer, no user. Once used, nothing is left of it. Refuses to be used
twice, or after its time; who holds no secret cannot make one.
"""

from __future__ import annotations

import hashlib
import re
from datetime import timedelta
from typing import Any, Final

from governance.clarity import PageKind
from governance.entries import Recorded
from governance.keys import Pseudonyms
from webapp import telling, words
from webapp.handout import Slip
from webapp.rooms import Rooms

LETTERS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's: none is taken for another
LENGTH: Final = 8  # 40 bits: some thousand waiting codes are not found by trying
LASTING: Final = timedelta(days=60)
MISREAD: Final = str.maketrans("OIL", "011")
SHELF: Final = "clarity"


def of(rooms: Rooms, recorded: Recorded, language: str) -> Slip:
    """The slip of an answer's page in a language."""
    made = Pseudonyms(rooms.settings.secret, "clarity/code").of(recorded.id, language)
    code = "".join(LETTERS[int(made[2 * n : 2 * n + 2], 16) % 32] for n in range(LENGTH))
    return Slip(f"{rooms.settings.public_url}/c/{code}", code)


def lay(rooms: Rooms, recorded: Recorded, language: str) -> None:
    """Let the slip be used, once, from now on; laid again it is not new."""
    code, seconds = of(rooms, recorded, language).code, LASTING.total_seconds()
    if rooms.vault.once("clarity-laid", code, seconds):
        found = recorded.assessment
        page = {
            "tenant": recorded.tenant,
            "model": found.model,
            "version": found.version,
            "kind": telling.kind_of(found, recorded.state),
            "language": language,
            "edition": edition(language),
        }
        rooms.vault.put(SHELF, code, page, seconds)


def waiting(rooms: Rooms, code: str) -> PageKind | None:
    """The page a code is on, if it can still be used."""
    return _page(rooms.vault.get(SHELF, code)) if code else None


def taken(rooms: Rooms, code: str) -> PageKind | None:
    """The same, and the code is used up: of several at once exactly one gets it."""
    return _page(rooms.vault.take(SHELF, code)) if code else None


def read(typed: str) -> str:
    """A code as it was meant: without spaces and dashes, small letters, O for 0; "" where it can be none."""
    code = re.sub(r"[\s\-\u2010-\u2015]", "", typed[:40]).upper().translate(MISREAD)
    return code if len(code) == LENGTH and all(letter in LETTERS for letter in code) else ""


def edition(language: str) -> str:
    """The wording of the patient's page: another as soon as a word of it is another."""
    said = sorted(
        f"{key}={text}" for key, text in words.catalogue(language).items() if key.startswith("handout.")
    )
    return hashlib.sha256("\n".join(said).encode()).hexdigest()[:12]


def _page(kept: dict[str, Any] | None) -> PageKind | None:
    return None if kept is None else PageKind(**kept)
