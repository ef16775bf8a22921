"""The change log is held from outside: by reviews, by signed decisions, and by a copy of it. On both databases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import pytest
from sqlalchemy import text

from governance import held
from governance.changes import Changes, faults
from governance.decisions import Decisions, verified
from governance.errors import ReviewRefusal
from governance.review import Reviews
from governance.store import Store
from tests.governance.answers import SECRET
from tests.governance.test_changes import LINE
from tests.governance.test_review import APPROVERS, NOW, WEEK, signed


@pytest.fixture
def log(store: Store) -> Changes:
    return Changes(store, clock=lambda: NOW)


@pytest.fixture
def reviews(store: Store) -> Reviews:
    return Reviews(store, SECRET, clock=lambda: NOW)


def written(log: Changes, count: int) -> None:
    for number in range(count):
        log.add(replace(LINE, impact=f"impact {number}"))


def cut(store: Store, after: int) -> None:
    """Every line after `after` taken away, past what refuses it."""
    with store.writing() as connection:
        trigger = "changes_refuses_delete" + ("" if store.is_sqlite else " ON changes")
        connection.execute(text(f"DROP TRIGGER {trigger}"))
        connection.execute(text("DELETE FROM changes WHERE number > :after"), {"after": after})


def loose(store: Store, reviews: Reviews, log: Changes) -> tuple[str, ...]:
    return held.loose(log.lines(), held.holds(store, reviews))


def test_a_kept_review_carries_where_the_log_stood(reviews: Reviews, log: Changes) -> None:
    assert reviews.keep("north", WEEK.before(1), {}).body["log"] == {"lines": 0, "head": ""}
    written(log, 3)
    last = list(log.lines())[-1]
    assert reviews.keep("north", WEEK, {}).body["log"] == {"lines": 3, "head": last.digest}
    assert list(reviews.logs()) == [("north", WEEK.before(1).name, 0, ""), ("north", WEEK.name, 3, last.digest)]


def test_an_end_cut_off_before_the_last_review_is_found_without_a_digest_on_paper(
    store: Store, reviews: Reviews, log: Changes
) -> None:
    written(log, 3)
    reviews.keep("north", WEEK, {})
    written(log, 1)
    assert loose(store, reviews, log) == ()
    cut(store, 3)
    assert loose(store, reviews, log) == ()  # after the review: only a digest or a copy finds that
    with store.writing() as connection:
        connection.execute(text("DELETE FROM changes WHERE number > 1"))
    assert faults(log.lines()) == ()
    (said,) = loose(store, reviews, log)
    assert said == (
        f"the log ends at line 1, and the review of week {WEEK.name} of north was kept with line 3: "
        "its end was cut off"
    )


def test_a_log_that_was_cut_and_written_on_is_found(store: Store, reviews: Reviews, log: Changes) -> None:
    written(log, 3)
    reviews.keep("north", WEEK, {})
    cut(store, 2)
    log.add(replace(LINE, impact="something else"))
    assert faults(log.lines()) == ()
    (said,) = loose(store, reviews, log)
    assert said.startswith(f"line 3 is another one than the review of week {WEEK.name} of north was kept with")


def test_the_line_of_a_decision_is_held_by_the_decision(store: Store, reviews: Reviews, log: Changes) -> None:
    kept = reviews.keep("north", WEEK, {})
    decision, signatures = verified(signed(kept, "Ada", "Ben"), kept, APPROVERS, NOW)
    Decisions(store, log, clock=lambda: NOW).record(decision, signatures, ())
    assert loose(store, reviews, log) == ()
    assert held.unsigned(store, log.lines()) == ()
    cut(store, 0)
    assert loose(store, reviews, log) == (
        f"the log has no line, and the decision about week {WEEK.name} of north was kept with line 1: "
        "its end was cut off",
    )
    log.add(LINE)
    (said,) = loose(store, reviews, log)
    assert said.startswith("line 1 is another one than the decision")


@pytest.mark.parametrize("kind", ["reviewed", "suspended"])
def test_a_decision_forged_into_the_log_alone_is_one_that_nobody_signed(store: Store, log: Changes, kind: str) -> None:
    log.add(replace(LINE, kind=kind, modification="Week 2026-W20, all models: continue. Nothing new."))
    assert faults(log.lines()) == ()
    (said,) = held.unsigned(store, log.lines())
    assert said.startswith(f"line 1 says '{kind}', and no signed decision is kept of it")


def test_a_review_that_was_changed_holds_nothing_and_says_so(store: Store, reviews: Reviews, log: Changes) -> None:
    written(log, 1)
    reviews.keep("north", WEEK, {})
    with store.writing() as connection:
        trigger = "reviews_refuses_update" + ("" if store.is_sqlite else " ON reviews")
        connection.execute(text(f"DROP TRIGGER {trigger}"))
        connection.execute(text("UPDATE reviews SET digest = :none"), {"none": "0" * 64})
    with pytest.raises(ReviewRefusal, match="it was changed"):
        held.holds(store, reviews)


def test_a_copy_is_told_from_the_log_by_the_first_line_that_differs(
    log: Changes, clock: Callable[[], datetime]
) -> None:
    written(log, 4)
    lines = list(log.lines())
    assert held.beside(lines, log.lines()) == held.Beside(())
    assert held.beside(lines[:3], log.lines()) == held.Beside((), lines[3], 1)
    assert held.beside([], log.lines()) == held.Beside((), lines[0], 4)
    (ends,) = held.beside(lines, lines[:2]).faults
    assert ends.startswith("the log here ends at line 2, and the copy goes on")
    forged = replace(lines[3], impact="none at all")
    forged = replace(forged, digest=forged.sealed())
    assert faults([*lines[:3], forged]) == ()
    (differs,) = held.beside([*lines[:3], forged], log.lines()).faults
    assert differs.startswith("line 4 of the copy is not line 4 of the log here")
