"""What a page makes the database visit, on any machine: steps of SQLite's, rows that PostgreSQL touches."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event

from governance.store import Store

Asked = list[tuple[str, Any]]
STEP = 10  # of SQLite's machine, told together


@contextmanager
def heard(store: Store) -> Iterator[Asked]:
    """The reading statements that are made meanwhile."""
    asked: Asked = []

    def remember(_c: Any, _cursor: Any, statement: str, parameters: Any, _x: Any, many: bool) -> None:
        if not many and statement.lstrip().upper().startswith(("SELECT", "WITH")):
            asked.append((statement, parameters))

    event.listen(store.engine, "before_cursor_execute", remember)
    try:
        yield asked
    finally:
        event.remove(store.engine, "before_cursor_execute", remember)


def visited(store: Store, what: Callable[[], object]) -> tuple[int, int]:
    """How many statements `what` makes, and what they visit together."""
    with heard(store) as asked:
        what()
    raw = store.engine.raw_connection()
    try:
        return len(asked), (_steps if store.is_sqlite else _rows)(raw, asked)
    finally:
        raw.rollback()
        raw.close()


def _steps(raw: Any, asked: Asked) -> int:
    steps = 0

    def step() -> None:
        nonlocal steps
        steps += STEP

    driver = raw.driver_connection
    driver.set_progress_handler(step, STEP)
    try:
        for statement, parameters in asked:
            driver.execute(statement, parameters).fetchall()
    finally:
        driver.set_progress_handler(None, 0)
    return steps


def _rows(raw: Any, asked: Asked) -> int:
    """With whole tables read only where nothing else can be done: small ones would be, and the large must not."""
    cursor = raw.cursor()
    for way in ("seqscan", "hashjoin", "mergejoin"):
        cursor.execute(f"SET LOCAL enable_{way} = off")
    rows = 0
    for statement, parameters in asked:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters)
        (told,) = cursor.fetchone()
        plan = json.loads(told) if isinstance(told, str) else told
        rows += _of_plan(plan[0]["Plan"])
    return rows


def _of_plan(plan: dict[str, Any]) -> int:
    """The rows that a plan's scans touched, those that they left out among them."""
    own = 0
    if "Scan" in plan["Node Type"]:
        left = plan.get("Rows Removed by Filter", 0) + plan.get("Rows Removed by Index Recheck", 0)
        own = round((plan["Actual Rows"] + left) * plan["Actual Loops"])
    return own + sum(map(_of_plan, plan.get("Plans", ())))
