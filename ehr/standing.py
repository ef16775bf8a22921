"""Orders that stand in a chart already: sent along or read, and asked whether one of them is what would be offered.

An order stands while its status is "active" and it is an order (no proposal, plan or "do not"), of this patient. What
could not be seen is None, never "no orders": a hospital that does not show its orders has not said that there are none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from ehr.bundles import belongs
from ehr.codes import any_word
from ehr.errors import EhrError
from ehr.hooks import HookRequest
from ehr.moments import NotUsed, instant
from ehr.orders import is_draw, recurrence, said, times
from ehr.prefetch import ORDERS, Read, opened

Resource = Mapping[str, Any]
ORDERED: Final = frozenset({"order", "original-order", "reflex-order", "filler-order", "instance-order"})


@dataclass(frozen=True, slots=True)
class Sought:
    """What would be offered: its codes, the words it is ordered by, and when it would be done; times None: any.

    `draws`: the model whose draws it is one of, "" for none. `since`: an order without a time that was written no
    later than this is of what was done then.
    """

    codes: frozenset[tuple[str, str]]
    words: frozenset[str]
    draws: str = ""
    since: datetime | None = None
    earliest: datetime | None = None
    latest: datetime | None = None


def standing(request: HookRequest, fetch: Callable[[], Read]) -> tuple[Resource, ...] | None:
    """The orders in force for the request's patient; None where they were neither sent nor may, or could, be read."""
    sent = request.prefetch.get(ORDERS)
    if sent is not None:
        rows, refused, _ = opened(ORDERS, sent)
        return None if refused and not rows else _in_force(rows, request)
    if ORDERS in request.prefetch:
        return ()  # null: the hospital has none
    if not request.may_fetch:
        return None
    try:
        return _in_force(fetch().resources, request)
    except EhrError:
        return None


def stands(sought: Sought, orders: Iterable[Resource]) -> bool:
    """Whether one of `orders` is what is sought, and for then."""
    rows = tuple(orders)
    return any(_same(sought, order, rows) and _then(sought, order) for order in rows)


def _in_force(rows: Iterable[Resource], request: HookRequest) -> tuple[Resource, ...]:
    return tuple(
        row
        for row in rows
        if row.get("status") == "active"
        and row.get("intent") in ORDERED
        and row.get("doNotPerform") is not True
        and belongs(row, request.patient, request.fhir_server)
    )


def _same(sought: Sought, order: Resource, rows: tuple[Resource, ...]) -> bool:
    codes, words = said(order, rows)
    named = bool(codes & sought.codes) or bool(any_word(sorted(sought.words)).search(words))
    return named or (bool(sought.draws) and is_draw(order, rows, sought.draws))


def _then(sought: Sought, order: Resource) -> bool:
    """Whether the order is for the moment sought: it names one near enough, or none and is not of what was done."""
    if sought.earliest is None or sought.latest is None:
        return True
    named, again = times(order), recurrence(order)
    if named and any(
        first <= sought.latest and (last is None or last >= sought.earliest) for first, last in named
    ):
        return True
    if named or again is not None:
        return again is not None and again.falls_within(sought.earliest, sought.latest)
    written = _written(order)
    return written is None or sought.since is None or written > sought.since


def _written(order: Resource) -> datetime | None:
    try:
        return instant(order.get("authoredOn"))
    except NotUsed:
        return None
