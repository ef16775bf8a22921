"""How clear readers found the patient's page: one to five, from nobody in particular.

What is kept is the day, the hospital, which kind of page it was and the answer: no code, no patient, no assessment, no
user and no time of day, so that nothing here can be led back to a reader. The report is by version and language; a
group with few answers is not shown, and not added to the totals either, since it could be had by subtraction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Final
from uuid import uuid4

from sqlalchemy import func, insert, select

from governance import rows
from governance.errors import LedgerRefusal
from governance.ledger import NOBODY
from governance.store import Store
from governance.tables import clarity, events

SCORES: Final = (1, 2, 3, 4, 5)  # not clear at all ... very clear
SMALLEST: Final = 10  # answers a group must have to be shown
EVENT: Final = "clarity"


@dataclass(frozen=True, slots=True)
class PageKind:
    """Which page was read: the model and its version, the page's kind ("assessed", ...), language and wording."""

    tenant: str
    model: str
    version: str
    kind: str
    language: str
    edition: str  # of the words: another as soon as a word of the page is another


@dataclass(frozen=True, slots=True)
class Group:
    """The answers about one version in one language: how many, their mean, and how many of each score."""

    model: str
    version: str
    language: str
    answers: int
    mean: float
    counts: tuple[int, int, int, int, int]


@dataclass(frozen=True, slots=True)
class ClarityReport:
    """What the review shows. Totals are of the groups shown; `withheld` groups had fewer than `smallest` answers."""

    groups: tuple[Group, ...]
    answers: int
    mean: float | None
    withheld: int
    smallest: int


class ClarityBook:
    """The answers in `store`; `clock` tells a zoned time, of which the day is kept."""

    def __init__(
        self, store: Store, *, clock: Callable[[], datetime], new_id: Callable[[], str] = lambda: str(uuid4())
    ) -> None:
        self._store, self._clock, self._new_id = store, clock, new_id

    def keep(self, page: PageKind, score: int) -> None:
        """Keep one answer, and in the same step an event of its day. Raises LedgerRefusal, LedgerUnavailable."""
        if score not in SCORES or isinstance(score, bool):
            raise LedgerRefusal("an answer about clarity is a whole number from 1 to 5")
        day = self._clock().astimezone(UTC).date()
        row = {
            "id": self._new_id(),
            "tenant": rows.said("tenant", page.tenant),
            "day": day,
            "model": page.model,
            "version": page.version,
            "kind": page.kind,
            "language": rows.said("language", page.language),
            "edition": page.edition,
            "score": score,
        }
        noted = {
            "id": self._new_id(),
            "tenant": page.tenant,
            "kind": EVENT,
            "assessment_id": None,
            "pseudonym": NOBODY,
            "user_pseudonym": NOBODY,
            "at": datetime.combine(day, time(), UTC),  # the day: a time of day could be somebody's
            "detail": None,
        }
        with self._store.writing() as connection:
            connection.execute(insert(clarity).values(row))
            connection.execute(insert(events).values(noted))

    def report(
        self,
        *,
        tenant: str = "",
        since: date | None = None,
        until: date | None = None,
        smallest: int = SMALLEST,
    ) -> ClarityReport:
        """Answers of the days from `since` to before `until`, of one hospital or of all, by version and language."""
        c = clarity.c
        wanted = [c.tenant == tenant] if tenant else []
        wanted += [c.day >= since] if since else []
        wanted += [c.day < until] if until else []
        named = (c.model, c.version, c.language)
        query = select(*named, c.score, func.count()).where(*wanted).group_by(*named, c.score)
        found: dict[tuple[str, str, str], dict[int, int]] = {}
        with self._store.reading() as connection:
            for model, version, language, score, many in connection.execute(query):
                found.setdefault((model, version, language), {})[score] = many
        return _report(found.items(), smallest)


def _report(found: Iterable[tuple[tuple[str, str, str], dict[int, int]]], smallest: int) -> ClarityReport:
    every = [_group(*name, counts) for name, counts in sorted(found)]
    shown = tuple(group for group in every if group.answers >= smallest)
    answers = sum(group.answers for group in shown)
    total = sum(score * many for group in shown for score, many in zip(SCORES, group.counts, strict=True))
    mean = total / answers if answers else None
    return ClarityReport(shown, answers, mean, len(every) - len(shown), smallest)


def _group(model: str, version: str, language: str, counts: dict[int, int]) -> Group:
    one, two, three, four, five = (counts.get(score, 0) for score in SCORES)
    answers = sum(counts.values())
    mean = sum(score * many for score, many in counts.items()) / answers
    return Group(model, version, language, answers, mean, (one, two, three, four, five))
