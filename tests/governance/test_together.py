"""What is written together is read at once by its writer, and is on the disk as one: all of it or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from governance.changes import Change, Changes
from governance.errors import LedgerRefusal
from governance.store import Store
from governance.together import Together

LINE = Change("north", "note", "Somebody", "What.", "How.", "So what.")


@pytest.fixture
def together(store: Store) -> Iterator[Together]:
    made = Together(store.url, store.patience)
    yield made
    made.close()


def book(store: Store) -> Changes:
    return Changes(store, clock=lambda: datetime(2026, 6, 8, tzinfo=UTC))


def test_the_writer_reads_what_it_wrote_and_others_when_it_ended(store: Store, together: Together) -> None:
    with together.together():
        for count in (1, 2, 3):
            book(together).add(LINE)
            assert book(together).count() == count
            assert book(store).count() == 0
    assert book(store).count() == 3
    book(together).add(LINE)  # outside, each by itself
    assert book(store).count() == 4


def test_what_breaks_in_the_middle_leaves_nothing(store: Store, together: Together) -> None:
    def broken() -> None:
        with together.together():
            book(together).add(LINE)
            raise KeyError

    with pytest.raises(KeyError):
        broken()
    assert book(store).count() == book(together).count() == 0


def test_a_step_that_failed_fails_all_even_where_somebody_caught_it(store: Store, together: Together) -> None:
    def broken() -> None:
        with together.writing() as connection:
            book(together).append(connection, LINE)
            raise KeyError

    def whole() -> None:
        with together.together():
            book(together).add(LINE)
            with pytest.raises(KeyError):
                broken()

    with pytest.raises(LedgerRefusal, match="nothing of it was kept"):
        whole()
    assert book(store).count() == 0
    with together.together():
        book(together).add(LINE)
    assert book(store).count() == 1


def test_a_while_within_a_while_is_refused(together: Together) -> None:
    with together.together(), pytest.raises(LedgerRefusal, match="already"), together.together():
        pass
