"""Searchset Bundles, page by page, under links that say nothing about how they are made.

A result is fixed when it is first asked for; its pages live ten minutes and only for whom it was made.
Refuses (410) a page that is unknown or over, and (404) somebody else's.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from demo.outcome import Refused, outcome
from demo.search import Query

Resource = dict[str, Any]
Holder = tuple[str, str, str]
LIFE: Final = timedelta(minutes=10)
MOST: Final = 1000


@dataclass(frozen=True, slots=True)
class Result:
    """One search's fixed answer: the rows that matched, and what to lay beside each page."""

    query: Query
    rows: list[Resource]
    size: int
    base: str
    beside: Callable[[list[Resource]], list[Resource]]
    holder: Holder
    made: datetime


class Pages:
    """The results whose later pages may still be asked for."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._held: dict[str, tuple[Result, int]] = {}

    def first(self, query: Query, rows: list[Resource], size: int, base: str,
              beside: Callable[[list[Resource]], list[Resource]], holder: Holder) -> Resource:
        """The first page; with `_count=0` or `_summary=count` only the number of matches."""
        result = Result(query, rows, 0 if query.summary else size, base, beside, holder, self._clock())
        return self._page(result, 0, _self(result))

    def later(self, token: str, holder: Holder) -> tuple[Query, Resource]:
        """The page behind a `next` link, and the query it belongs to."""
        held = self._held.get(token)
        if held is None or held[0].made + LIFE < self._clock():
            raise Refused(410, "expired", "this page is no longer held; search again")
        if held[0].holder != holder:
            raise Refused(404, "not-found", "there is no such page")
        return held[0].query, self._page(*held, f"{held[0].base}/_page/{token}")

    def _page(self, result: Result, start: int, here: str) -> Resource:
        rows = result.rows[start : start + result.size]
        links = [{"relation": "self", "url": here}]
        if result.size and start + result.size < len(result.rows):
            token = self._hold(result, start + result.size)
            links.append({"relation": "next", "url": f"{result.base}/_page/{token}"})
        entries = [_entry(row, "match", result.base) for row in rows]
        entries += [_entry(row, "include", result.base) for row in result.beside(rows)]
        if start == 0 and result.query.ignored:
            said = outcome("not-supported", "; ".join(result.query.ignored), "warning")
            entries.append({"resource": said, "search": {"mode": "outcome"}})
        bundle: Resource = {
            "resourceType": "Bundle", "id": secrets.token_hex(8), "type": "searchset",
            "meta": {"lastUpdated": result.made.isoformat(timespec="milliseconds")}, "link": links,
        }
        if result.query.total:
            bundle["total"] = len(result.rows)
        if entries:
            bundle["entry"] = entries
        return bundle

    def _hold(self, result: Result, start: int) -> str:
        token = secrets.token_urlsafe(24)
        with self._lock:
            while len(self._held) >= MOST:
                self._held.pop(next(iter(self._held)))
            self._held[token] = (result, start)
        return token


def _self(result: Result) -> str:
    told = urlencode(result.query.told)
    return f"{result.base}/{result.query.type}" + (f"?{told}" if told else "")


def _entry(row: Resource, mode: str, base: str) -> Resource:
    return {"fullUrl": f"{base}/{row['resourceType']}/{row['id']}", "resource": row, "search": {"mode": mode}}
