"""SMART scopes: what a granted string lets its holder do, read both as v2 (`.rs`) and as v1 (`.read`).

Refuses what it cannot read: a malformed scope is not granted, never rounded up.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

V1: Final = {"read": "rs", "write": "cud", "*": "cruds"}
SHAPE: Final = re.compile(r"(patient|user|system)/([A-Z][A-Za-z]*|\*)\.(read|write|\*|c?r?u?d?s?)(?:\?(.+))?")


@dataclass(frozen=True, slots=True)
class Rule:
    """One resource scope: its level, letters of "cruds", the query it is limited to."""

    level: str
    type: str
    letters: str
    query: tuple[tuple[str, str], ...] = ()

    def covers(self, type_: str, letter: str) -> bool:
        """Whether the rule speaks of this resource type and interaction ("c", "r", "u", "d" or "s")."""
        return self.type in ("*", type_) and letter in self.letters


def rule(scope: str) -> Rule | None:
    """The rule behind a resource scope; None for a special scope or one that is malformed."""
    match = SHAPE.fullmatch(scope)
    if match is None or not match[3]:
        return None
    query = tuple(parse_qsl(match[4] or "", keep_blank_values=True))
    return Rule(match[1], match[2], V1.get(match[3], match[3]), query)


def rules(scope: str) -> tuple[Rule, ...]:
    """Every resource rule in a space-separated scope string."""
    return tuple(found for found in map(rule, scope.split()) if found is not None)


def granted(requested: str, kinds: Iterable[str]) -> str:
    """The part of `requested` that an app with `kinds` may have, in the order asked for, each once."""
    allowed = frozenset(kinds)
    kept: dict[str, None] = {}
    for scope in requested.split():
        found = rule(scope)
        if (found.level if found else scope) in allowed:
            kept[scope] = None
    return " ".join(kept)
