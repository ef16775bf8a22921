"""Words from outside without what turns the words after them, or what a terminal obeys.

A name with a right-to-left override reads as another name, and turns the birth date behind it (Unicode UAX 9; Trojan
Source, CVE-2021-42574). Overrides, embeddings, isolates and control characters are left out wherever a page or a card
shows a text. Marks and joiners stay: Arabic, Hebrew and Indic names are written with them.
"""

from __future__ import annotations

import re
from typing import Any, Final

TURNING: Final = re.compile("[\u202a-\u202e\u2066-\u2069\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def unturned(value: Any) -> Any:
    """A text without them, of the type it was (escaped stays escaped); anything else as it is."""
    if not isinstance(value, str) or TURNING.search(value) is None:
        return value
    return type(value)(TURNING.sub("", value))
