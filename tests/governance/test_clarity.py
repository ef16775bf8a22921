"""How clear the pages were: kept without anybody, reported by version and language, small groups never."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from governance.clarity import SMALLEST, ClarityBook, PageKind
from governance.errors import LedgerRefusal
from governance.store import Store
from governance.tables import clarity, events

PAGE = PageKind("north", "ventilation-need", "0.2.0", "assessed", "en", "0123456789ab")
EVENING = datetime(2026, 11, 25, 22, 30, tzinfo=timezone(timedelta(hours=-5)))  # already the 26th in UTC


@pytest.fixture
def book(store: Store) -> ClarityBook:
    return ClarityBook(store, clock=lambda: EVENING)


def answered(book: ClarityBook, page: PageKind, *scores: int) -> None:
    for score in scores:
        book.keep(page, score)


def test_an_answer_is_kept_with_its_day_and_an_event_of_the_day(book: ClarityBook, store: Store) -> None:
    book.keep(PAGE, 4)
    with store.reading() as connection:
        row = connection.execute(select(clarity)).mappings().one()
        event = connection.execute(select(events)).mappings().one()
    assert row["day"] == date(2026, 11, 26)
    assert (row["score"], row["language"], row["edition"]) == (4, "en", "0123456789ab")
    assert event["at"] == datetime(2026, 11, 26, tzinfo=UTC)
    assert (event["kind"], event["tenant"]) == ("clarity", "north")
    assert (event["assessment_id"], event["pseudonym"], event["user_pseudonym"], event["detail"]) == (
        None,
        "",
        "",
        None,
    )


@pytest.mark.parametrize("score", [0, 6, -1, True, 3.5])
def test_an_answer_is_a_whole_number_from_one_to_five(book: ClarityBook, store: Store, score: int) -> None:
    with pytest.raises(LedgerRefusal, match="1 to 5"):
        book.keep(PAGE, score)
    with store.reading() as connection:
        assert not connection.execute(select(clarity)).all()
        assert not connection.execute(select(events)).all()


def test_the_database_itself_refuses_a_score_that_is_none(store: Store) -> None:
    row = {"id": "x", "day": date(2026, 11, 25), "score": 6}
    named = {"tenant": "n", "model": "m", "version": "v", "kind": "k", "language": "en", "edition": "e"}
    with pytest.raises(IntegrityError), store.writing() as connection:
        connection.execute(clarity.insert().values(row | named))


def test_the_report_is_by_version_and_language(book: ClarityBook) -> None:
    answered(book, PAGE, *[5] * 6, *[4] * 3, 1)
    answered(book, replace(PAGE, language="es"), *[3] * 12)
    answered(book, replace(PAGE, kind="silent", edition="f" * 12), 2)  # of the same version and language
    told = book.report()
    assert [(group.language, group.answers, group.counts) for group in told.groups] == [
        ("en", 11, (1, 1, 0, 3, 6)),
        ("es", 12, (0, 0, 12, 0, 0)),
    ]
    assert told.groups[0].mean == pytest.approx(45 / 11)
    assert (told.answers, told.withheld) == (23, 0)
    assert told.mean == pytest.approx((45 + 36) / 23)


def test_a_small_group_is_neither_shown_nor_to_be_had_by_subtraction(book: ClarityBook) -> None:
    answered(book, PAGE, *[4] * SMALLEST)
    answered(book, replace(PAGE, language="es"), *[1] * (SMALLEST - 1))
    told = book.report()
    assert [group.language for group in told.groups] == ["en"]
    assert (told.answers, told.mean, told.withheld, told.smallest) == (SMALLEST, 4.0, 1, SMALLEST)


def test_nothing_answered_is_no_mean(book: ClarityBook) -> None:
    told = book.report()
    assert (told.groups, told.answers, told.mean, told.withheld) == ((), 0, None, 0)


def test_a_report_is_of_one_hospital_and_of_its_days(book: ClarityBook, store: Store) -> None:
    answered(book, PAGE, *[5] * 10)
    answered(book, replace(PAGE, tenant="south"), *[1] * 10)
    later = ClarityBook(store, clock=lambda: EVENING + timedelta(days=7))
    answered(later, PAGE, *[3] * 10)
    assert book.report(tenant="south").mean == 1
    assert book.report(tenant="north").mean == 4
    assert book.report(tenant="north", until=date(2026, 12, 3)).mean == 5
    assert book.report(tenant="north", since=date(2026, 12, 3)).mean == 3
