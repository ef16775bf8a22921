"""What a draft order says: its codes and words, and when it wants a draw taken.

An order's time is read where it is an instant with its zone; a day without a time, a wish in words or a time
that cannot be read is no time. Refuses nothing: an order that says too little concerns nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from ehr.codes import code_table
from ehr.moments import NotUsed, instant

Resource = Mapping[str, Any]
AT: Final = ("occurrenceDateTime",)  # of a ServiceRequest
DURING: Final = ("occurrencePeriod", "executionPeriod", "requestedPeriod")  # the latter two of a Task

UNITS: Final = {
    "s": timedelta(seconds=1), "min": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1),
    "wk": timedelta(weeks=1),
}  # fmt: skip


def said(order: Resource, drafts: Iterable[Resource]) -> tuple[set[tuple[str, str]], str]:
    """All codings of what is ordered, and all words about it."""
    codes: set[tuple[str, str]] = set()
    words: list[str] = []
    for concept in _concepts(order, drafts):
        codings = concept.get("coding")
        for coding in codings if isinstance(codings, list) else ():
            if isinstance(coding, Mapping):
                system, code, display = (coding.get(key) for key in ("system", "code", "display"))
                if isinstance(system, str) and isinstance(code, str):
                    codes.add((code_table().system(system), code))
                words += [display] if isinstance(display, str) else []
        text = concept.get("text")
        words += [text] if isinstance(text, str) else []
    return codes, " ; ".join(dict.fromkeys(words))


def is_draw(order: Resource, drafts: Iterable[Resource], model: str) -> bool:
    """Whether the order asks for the very value that `model` forecasts."""
    orders = code_table().orders[model]
    codes, words = said(order, drafts)
    return bool(codes & orders.draws or (orders.draw_words and orders.draw_words.search(words)))


def planned(order: Resource) -> datetime | None:
    """The first moment the order names for its being done; None where it names none."""
    return min((first for first, _ in times(order)), default=None)


def times(order: Resource) -> list[tuple[datetime, datetime | None]]:
    """The stretches the order names for its being done, a moment as one of no length; None: without an end."""
    found = [(moment, moment) for text in _moments(order) if (moment := _moment(text)) is not None]
    stretches: list[tuple[datetime, datetime | None]] = [*found]
    for name in DURING:
        period = order.get(name)
        first = _moment(period.get("start")) if isinstance(period, Mapping) else None
        if isinstance(period, Mapping) and first is not None:
            stretches.append((first, _moment(period.get("end"))))
    return stretches


@dataclass(frozen=True, slots=True)
class Recurrence:
    """Done again and again: from when (None: not said), until when, and how far apart (None: not said)."""

    first: datetime | None
    last: datetime | None
    apart: timedelta | None

    def falls_within(self, earliest: datetime, latest: datetime) -> bool:
        """Whether it is done between two moments, as far as is said: what is not said is no reason against it."""
        if self.last is not None and self.last < earliest:
            return False
        if self.first is None or self.first > latest:
            return self.first is None
        if self.apart is None or self.first >= earliest:
            return True
        behind = -((self.first - earliest) // self.apart)  # turns until the first one that is not too early
        turn = self.first + behind * self.apart
        return turn <= latest and (self.last is None or turn <= self.last)


def recurrence(order: Resource) -> Recurrence | None:
    """How an order is repeated; None where it is not, or not in a way that can be read."""
    timing = order.get("occurrenceTiming")
    repeat = timing.get("repeat") if isinstance(timing, Mapping) else None
    if not isinstance(repeat, Mapping):
        return None
    bounds = repeat.get("boundsPeriod")
    said = bounds if isinstance(bounds, Mapping) else {}
    first = _moment(said.get("start")) or _moment(order.get("authoredOn"))
    return Recurrence(first, _moment(said.get("end")), _apart(repeat))


def _apart(repeat: Resource) -> timedelta | None:
    period, times, unit = repeat.get("period"), repeat.get("frequency", 1), repeat.get("periodUnit")
    if unit not in UNITS or not all(isinstance(n, (int, float)) and 0 < n < 1e6 for n in (period, times)):
        return None
    found: timedelta = UNITS[unit] * (period / times)
    return max(found, timedelta(seconds=1))


def _moments(order: Resource) -> list[Any]:
    timing = order.get("occurrenceTiming")
    events = timing.get("event") if isinstance(timing, Mapping) else None
    return [*(order.get(name) for name in AT), *(events if isinstance(events, list) else ())]


def _moment(text: Any) -> datetime | None:
    try:
        return instant(text)
    except NotUsed:
        return None


def _concepts(order: Resource, drafts: Iterable[Resource]) -> Iterator[Resource]:
    for name in ("code", "codeCodeableConcept", "medicationCodeableConcept"):
        concept = order.get(name)
        if isinstance(concept, Mapping):
            yield concept
    details = order.get("orderDetail")
    yield from (row for row in (details if isinstance(details, list) else ()) if isinstance(row, Mapping))
    for name in ("medicationReference", "codeReference"):
        reference = order.get(name)
        if isinstance(reference, Mapping):
            if isinstance(reference.get("display"), str):
                yield {"text": reference["display"]}
            yield from _referred(reference.get("reference"), order, drafts)


def _referred(reference: Any, order: Resource, drafts: Iterable[Resource]) -> Iterator[Resource]:
    """The code of a Medication or Device inside the order, or beside it in the bundle."""
    inside = order.get("contained")
    held = [row for row in (inside if isinstance(inside, list) else ()) if isinstance(row, Mapping)]
    named = [(f"#{row.get('id')}", row) for row in held]
    named += [(f"{row.get('resourceType')}/{row.get('id')}", row) for row in drafts]
    for name, row in named:
        concept = row.get("code") or row.get("type")
        if name == reference and isinstance(concept, Mapping):
            yield concept
