"""Reviews: put together once, kept sealed under the digest that is signed, proven again whenever they are shown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import text

from governance import decisions, export
from governance.approvals import Approver
from governance.changes import Changes, faults
from governance.decisions import (
    CONTINUE,
    RETRAIN,
    Decision,
    Decisions,
    Signature,
    lacking,
    read,
    sign,
    verified,
)
from governance.errors import ExportRefusal, ReviewRefusal
from governance.examples import Examples
from governance.export import ExportedSite
from governance.outcomes import Labelled
from governance.review import Review, Reviews
from governance.store import Store, migrate, open_store
from governance.weeks import Week
from tests.governance.answers import SECRET
from tests.governance.test_figures import row

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
WEEK = Week.read("2026-W21")
KEYS = {name: Ed25519PrivateKey.from_private_bytes(bytes([n] * 32)) for n, name in enumerate(["Ada", "Ben", "Eve"])}
ROLES = {"Ada": "CMIO", "Ben": "Quality", "Eve": "CMIO"}
APPROVERS = {
    name: Approver(name, ROLES[name], KEYS[name].public_key(), frozenset({"north"})) for name in ("Ada", "Ben")
}


@pytest.fixture
def reviews(store: Store) -> Reviews:
    return Reviews(store, SECRET, clock=lambda: NOW)


@pytest.fixture
def kept(reviews: Reviews) -> Review:
    return reviews.keep("north", WEEK, {"week": WEEK.name, "words": "Señora, already ventilated"})


@pytest.fixture
def book(store: Store) -> Decisions:
    return Decisions(store, Changes(store, clock=lambda: NOW), clock=lambda: NOW)


def decision(kept: Review, **changes: str) -> Decision:
    return replace(Decision("north", WEEK.name, kept.digest, CONTINUE, "Nothing new."), **changes)


def signed(kept: Review, *names: str, **changes: str) -> list[tuple[Decision, Any]]:
    return list(read([sign(decision(kept, **changes), name, NOW - timedelta(hours=1), KEYS[name]) for name in names]))


# --- weeks


@pytest.mark.parametrize(("written", "monday"), [("2026-W21", date(2026, 5, 18)), ("2026-W01", date(2025, 12, 29))])
def test_a_week_is_read_and_written_as_iso_numbers_it(written: str, monday: date) -> None:
    week = Week.read(written)
    assert (week.monday, week.name) == (monday, written)
    assert week.ends(UTC) - week.begins(UTC) == timedelta(days=7)


@pytest.mark.parametrize("written", ["2026-W54", "2025-W53", "2026-21", "W21", "2026-W21 ", "２０２６-W21", "0000-W01"])
def test_what_is_no_week_is_refused_by_name(written: str) -> None:
    with pytest.raises(ReviewRefusal, match="is no week"):
        Week.read(written)


# --- kept


def test_a_review_comes_back_as_it_was_kept_and_lies_sealed(store: Store, reviews: Reviews, kept: Review) -> None:
    assert reviews.last("north", WEEK) == kept
    assert reviews.last("south", WEEK) is None
    with store.reading() as connection:
        raw = connection.execute(text("SELECT body FROM reviews")).scalar()
    assert b"ventilated" not in bytes(raw or b"")


def test_the_newest_of_a_week_is_the_weeks_until_it_is_decided(
    store: Store, reviews: Reviews, kept: Review, book: Decisions
) -> None:
    later = Reviews(store, SECRET, clock=lambda: NOW + timedelta(hours=1))
    again = later.keep("north", WEEK, {"week": WEEK.name, "more": 1})
    assert reviews.last("north", WEEK) == again
    assert [(each.week, each.decided) for each in reviews.weeks("north")] == [(WEEK, False)]
    found, signatures = verified(signed(again, "Ada", "Ben"), again, APPROVERS, NOW)
    book.record(found, signatures, ())
    with pytest.raises(ReviewRefusal, match="is decided"):
        later.keep("north", WEEK, {})
    assert [each.decided for each in reviews.weeks("north")] == [True]
    assert reviews.undecided("north", WEEK.before(-1)) == ()


# --- decided


def test_a_decision_signed_by_its_roles_is_a_line_of_the_log_and_proven_again(
    store: Store, kept: Review, book: Decisions
) -> None:
    found, signatures = verified(signed(kept, "Ada", "Ben"), kept, APPROVERS, NOW)
    told, line = book.record(found, signatures, ("CMIO", "Quality"))
    assert told == book.of("north", WEEK.name)
    assert told.doubts == ()
    assert (line.kind, line.author) == ("reviewed", "Ada (CMIO), Ben (Quality)")
    assert kept.digest in line.protocol
    assert not faults(Changes(store, clock=lambda: NOW).lines())


@pytest.mark.parametrize(
    ("roles", "names", "missing"),
    [
        ((), ("Ada",), "1 more named people"),
        (("CMIO", "Quality"), ("Ada",), "Quality"),
        (("CMIO", "CMIO"), ("Ada", "Ben"), "CMIO"),
    ],
)
def test_without_every_role_nothing_is_recorded(
    store: Store, kept: Review, book: Decisions, roles: tuple[str, ...], names: tuple[str, ...], missing: str
) -> None:
    found, signatures = verified(signed(kept, *names), kept, APPROVERS, NOW)
    assert lacking(signatures, roles) == (missing,)
    with pytest.raises(ReviewRefusal, match="not signed by"):
        book.record(found, signatures, roles)
    assert book.of("north", WEEK.name) is None
    assert Changes(store, clock=lambda: NOW).count() == 0


def test_a_review_made_anew_between_the_signatures_and_the_record_is_not_decided(
    store: Store, reviews: Reviews, kept: Review, book: Decisions
) -> None:
    found, signatures = verified(signed(kept, "Ada", "Ben"), kept, APPROVERS, NOW)
    Reviews(store, SECRET, clock=lambda: NOW + timedelta(hours=1)).keep("north", WEEK, {"week": WEEK.name, "more": 1})
    with pytest.raises(ReviewRefusal, match="was put together anew since it was signed"):
        book.record(found, signatures, ())
    assert book.of("north", WEEK.name) is None
    assert Changes(store, clock=lambda: NOW).count() == 0


def test_the_same_person_twice_is_one_signer(kept: Review) -> None:
    _, signatures = verified(signed(kept, "Ada", "Ada"), kept, APPROVERS, NOW)
    assert len(signatures) == 1


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"kind": RETRAIN}, "signature by Ben: it is of another decision"),
        ({"sentence": "Something new."}, "signature by Ben: it is of another decision"),
        ({"review": "0" * 64}, "signature by Ben: it is of another decision"),
        ({"site": "south"}, "signature by Ben: it is of another decision"),
    ],
)
def test_two_signatures_are_of_one_decision(kept: Review, changes: dict[str, str], says: str) -> None:
    both = signed(kept, "Ada") + signed(kept, "Ben", **changes)
    with pytest.raises(ReviewRefusal, match=says):
        verified(both, kept, APPROVERS, NOW)


def test_each_signature_that_must_not_be_believed_is_named(kept: Review) -> None:
    ((made, entry),) = signed(kept, "Ben")
    wrong = [
        (made, dict(entry) | {"name": "Ada"}),
        (made, dict(entry) | {"at": (NOW + timedelta(days=1)).isoformat()}),
        (made, dict(entry) | {"name": "Mallory"}),
    ]
    with pytest.raises(ReviewRefusal) as refused:
        verified(wrong, kept, APPROVERS, NOW)
    for says in ("signature by Ada: it is not theirs", "no moment that has been", "'Mallory': no approver"):
        assert says in str(refused.value)
    with pytest.raises(ReviewRefusal, match="what is kept of week"):
        verified(signed(kept, "Ada", review="1" * 64), kept, APPROVERS, NOW)


@pytest.mark.parametrize(
    "text_of", ["", "x = 1", "[[signatures]]\nname = 'Ada'", "[[signatures]]\n= ]", "signatures = 3"]
)
def test_a_file_that_holds_no_signatures_says_what_it_must_hold(text_of: str) -> None:
    with pytest.raises(ReviewRefusal, match="signatures"):
        read([text_of])


@pytest.mark.parametrize("changes", [{"kind": "sack"}, {"sentence": " "}, {"sentence": "x" * 2001}, {"impact": "\x00"}])
def test_a_decision_of_no_kind_or_words_is_refused_before_it_is_signed(kept: Review, changes: dict[str, str]) -> None:
    with pytest.raises(ReviewRefusal):
        sign(decision(kept, **changes), "Ada", NOW, KEYS["Ada"])


def test_a_decision_changed_in_the_database_is_told_when_it_is_shown(
    tmp_path: Path,
) -> None:
    store = open_store(f"sqlite:///{tmp_path}/l.db")
    migrate(store)
    kept = Reviews(store, SECRET, clock=lambda: NOW).keep("north", WEEK, {"a": 1})
    book = Decisions(store, Changes(store, clock=lambda: NOW), clock=lambda: NOW)
    found, signatures = verified(signed(kept, "Ada", "Ben"), kept, APPROVERS, NOW)
    book.record(found, signatures, ())
    with store.writing() as connection:
        body = json.loads(connection.execute(text("SELECT body FROM decisions")).scalar() or "")
        body["decision"]["sentence"] = "Retrain at once."
        connection.execute(text("DROP TRIGGER decisions_refuses_update"))
        connection.execute(text("UPDATE decisions SET body = :body"), {"body": json.dumps(body)})
    told = book.of("north", WEEK.name)
    assert told is not None
    assert told.doubts == ("the signature of Ada does not hold", "the signature of Ben does not hold")
    store.close()


def test_a_key_that_is_none_is_a_signature_that_does_not_hold(kept: Review) -> None:
    made = Signature("Ada", "CMIO", NOW, "not base64", "nor this")
    assert not decisions._holds(decision(kept), made)


# --- answers to look at


def test_misses_and_false_alarms_are_one_a_patient_day_most_telling_first() -> None:
    seen = Examples(UTC)
    rows = [
        row("a", "yes", 0.15), row("a", "yes", 0.05), row("b", "yes", 0.01), row("c", "yes", 0.9),
        row("d", "no", 0.5), row("d", "no", 0.7), row("e", "no", 0.3), row("f", "no", 0.1),
        row("g", "yes", 0.4, status="indeterminate"), row("h", "unknown", 0.9), row("c", "no", 0.95),
    ]  # fmt: skip
    for each in rows:
        seen.add(each)
    assert said(seen.misses(0.2)) == [("b", 0.01), ("a", 0.15), ("g", 0.4)]
    assert said(seen.false_alarms(0.2)) == [("d", 0.7), ("e", 0.3)]


def test_there_are_never_more_than_ten() -> None:
    seen = Examples(UTC)
    for number in range(30):
        seen.add(row(f"m{number}", "yes", number / 1000))
        seen.add(row(f"f{number}", "no", 0.5 + number / 1000))
    assert len(seen.misses(0.2)) == len(seen.false_alarms(0.2)) == 10
    assert said(seen.false_alarms(0.2))[0] == ("f29", 0.529)


def said(rows: tuple[Labelled, ...]) -> list[tuple[str, float | None]]:
    return [(each.pseudonym, each.probability) for each in rows]


# --- a half-written export


@pytest.fixture
def exported(tmp_path: Path) -> Iterator[Path]:
    store = open_store(f"sqlite:///{tmp_path}/l.db")
    migrate(store)
    export.write(tmp_path / "out", store, [ExportedSite("north", "UTC", {})], now=NOW)
    yield tmp_path / "out"
    store.close()


def test_a_whole_export_is_whole(exported: Path) -> None:
    assert export.checked(exported)["sites"][0]["id"] == "north"


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (lambda folder: (folder / "manifest.json").unlink(), "was not finished"),
        (lambda folder: (folder / "manifest.json").write_text("{"), "was not finished"),
        (lambda folder: (folder / "north" / "cards.parquet").unlink(), "cards.parquet is missing"),
        (lambda folder: (folder / "north" / "cards.parquet").write_bytes(b""), "not as it was written"),
        (lambda folder: (folder / "north" / "more.parquet").write_bytes(b""), "more.parquet is not of it"),
    ],
)
def test_a_half_written_or_changed_export_is_named(exported: Path, harm: Any, says: str) -> None:
    harm(exported)
    with pytest.raises(ExportRefusal, match=says):
        export.checked(exported)


def test_an_export_that_is_cut_off_leaves_a_part_that_is_recognised(
    tmp_path: Path, exported: Path
) -> None:
    store = open_store(f"sqlite:///{tmp_path}/l.db")
    with pytest.raises(AttributeError):  # the second site is none
        export.write(tmp_path / "two", store, [ExportedSite("north", "UTC", {}), None], now=NOW)  # type: ignore[list-item]
    assert not (tmp_path / "two").exists()
    part = tmp_path / ".two.part"
    assert (part / "north" / "answers.parquet").exists()
    with pytest.raises(ExportRefusal, match="cut off"):
        export.checked(part)
    with pytest.raises(ExportRefusal, match="cut off"):
        export.write(tmp_path / "two", store, [], now=NOW)
    store.close()
