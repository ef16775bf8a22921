"""What the ledger promises: kept once, whole, for its own patient only, and for good."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import func, select, text

from governance import codec
from governance.entries import Entry, Feedback, FollowUp, Recorded
from governance.errors import CodecError, LedgerRefusal, LedgerUnavailable, UnknownAssessment, Unreadable
from governance.ledger import NOBODY, Ledger
from governance.store import Store, migrate, open_store
from governance.tables import assessments, documents, feedback, predictions
from inference.assessment import TROPONIN, Phrase, Prediction, State, Status
from tests.governance.answers import NOON, SECRET, answer

CARD = "00000000-0000-4000-8000-00000000000"
Clock = Callable[[], datetime]


def kept(ledger: Ledger, **changes: Any) -> Recorded:
    """One answer in the ledger, told by the hook of one order."""
    standard: dict[str, Any] = {
        "tenant": "north",
        "patient": "patient-4711",
        "door": "hook",
        "hook": "order-sign",
        "hook_instance": "instance-1",
        "user": "Practitioner/house",
        "encounter": "encounter-0815",
        "state": State.ACTIVE,
        "shown_at": NOON,
        "threshold": 0.3,
        "latency_ms": 41.5,
    }
    told = changes.pop("assessment", None) or answer()
    return ledger.record(told, **(standard | changes))


def rows_in(store: Store, table: Any) -> int:
    with store.reading() as connection:
        return connection.scalar(select(func.count()).select_from(table)) or 0


# --- kept, whole


def test_what_was_recorded_is_recalled_as_it_was(ledger: Ledger) -> None:
    recorded = kept(ledger)
    recalled = ledger.recall(recorded.id, tenant="north", patient="patient-4711")
    assert recalled == recorded
    assert recalled is not None
    assert recalled.assessment == answer()
    assert codec.dump(recalled.assessment) == codec.dump(answer())
    assert (recalled.door, recalled.state, recalled.threshold, recalled.shown_at) == (
        "hook",
        State.ACTIVE,
        0.3,
        NOON,
    )
    assert not recalled.again


def test_what_governance_asks_for_stands_in_columns(ledger: Ledger, store: Store) -> None:
    one = kept(ledger, assessment=answer(status=Status.INDETERMINATE, reason=Phrase("both-labels")))
    with store.reading() as connection:
        row = connection.execute(select(assessments)).mappings().one()
        told = connection.execute(select(predictions).order_by(predictions.c.hours)).mappings().all()
    assert row["id"] == one.id
    assert (row["tenant"], row["model"], row["version"]) == ("north", "ventilation-need", "0.1.0")
    assert (row["status"], row["reason"], row["state"], row["hook"]) == (
        "indeterminate",
        "both-labels",
        "active",
        "order-sign",
    )
    assert (row["as_of"], row["made_at"], row["shown_at"], row["latency_ms"]) == (NOON, NOON, NOON, 41.5)
    assert (row["seed"], row["inputs_digest"], row["threshold"]) == (20260901, "ab" * 32, 0.3)
    assert [(p["outcome"], p["hours"], p["probability"], p["low"], p["high"]) for p in told] == [
        ("ventilation-6h", 6, 0.1, 0.05, 0.2),
        ("ventilation-24h", 24, 0.31, 0.2, 0.45),
    ]


def test_an_answer_without_predictions_is_an_answer(ledger: Ledger, store: Store) -> None:
    excluded = answer(
        status=Status.EXCLUDED, reason=Phrase("age-below", {"age": 9, "limit": 18}), predictions=()
    )
    recorded = kept(ledger, assessment=excluded)
    assert ledger.recall(recorded.id, tenant="north", patient="patient-4711") == recorded
    assert rows_in(store, predictions) == 0


def test_a_forecast_keeps_its_value_and_unit(ledger: Ledger, store: Store) -> None:
    forecast = Prediction("troponin-next", 24, value=52.0, value_low=31.0, value_high=90.5, unit="ng/L")
    kept(ledger, assessment=answer(model=TROPONIN, predictions=(forecast,)))
    with store.reading() as connection:
        row = connection.execute(select(predictions)).mappings().one()
    assert (row["probability"], row["value"], row["value_low"], row["value_high"], row["unit"]) == (
        None, 52.0, 31.0, 90.5, "ng/L"
    )  # fmt: skip


def test_several_answers_are_kept_together_or_not_at_all(ledger: Ledger, store: Store) -> None:
    one = Entry(answer(), "north", "p", "batch", State.SILENT)
    twice = replace(one, assessment=answer(predictions=(Prediction("x", 6, 0.1), Prediction("x", 6, 0.2))))
    with pytest.raises(Exception, match=r"(?i)unique"):
        ledger.record_all([one, twice])
    assert rows_in(store, assessments) == rows_in(store, documents) == 0
    assert len({each.id for each in ledger.record_all([one, one])}) == 2


def test_an_answer_that_cannot_be_kept_whole_is_not_kept(ledger: Ledger, store: Store) -> None:
    with pytest.raises(CodecError, match="base_rate"):
        kept(ledger, assessment=answer(base_rate=float("nan")))
    assert rows_in(store, assessments) == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"door": "window"},
        {"tenant": ""},
        {"patient": ""},
        {"hook_instance": "x" * 201},
        {"hook_instance": "a\nb"},
        {"hook": "order\x00sign"},
    ],
)
def test_an_answer_from_nowhere_or_about_nobody_is_refused(ledger: Ledger, changes: dict[str, str]) -> None:
    with pytest.raises(LedgerRefusal):
        kept(ledger, **changes)


def test_a_state_that_is_none_is_refused(ledger: Ledger) -> None:
    with pytest.raises(ValueError, match="loud"):
        kept(ledger, state="loud")


# --- asked twice, answered once


def test_the_same_hook_instance_gets_the_same_answer_and_one_row(ledger: Ledger, store: Store) -> None:
    # CONFORMANCE 74
    first = kept(ledger)
    second = kept(ledger, assessment=answer(seed=7, version="0.2.0"))
    assert second.id == first.id
    assert second.assessment == first.assessment == answer()
    assert (first.again, second.again) == (False, True)
    assert rows_in(store, assessments) == rows_in(store, documents) == 1
    found = ledger.answered(
        tenant="north", patient="patient-4711", hook_instance="instance-1", model="ventilation-need"
    )
    assert found == first


def test_another_model_patient_or_tenant_of_the_same_instance_is_another_answer(ledger: Ledger) -> None:
    ids = {
        kept(ledger).id,
        kept(ledger, assessment=answer(model=TROPONIN)).id,
        kept(ledger, patient="patient-4712").id,
        kept(ledger, tenant="south").id,
        kept(ledger, hook_instance="instance-2").id,
    }
    assert len(ids) == 5


def test_an_instance_that_nobody_asked_about_has_no_answer(ledger: Ledger) -> None:
    kept(ledger)
    nothing = ledger.answered(
        tenant="north", patient="other", hook_instance="instance-1", model="ventilation-need"
    )
    assert nothing is None


def test_answers_that_no_hook_asked_for_are_never_taken_for_each_other(ledger: Ledger, store: Store) -> None:
    ids = {kept(ledger, door="launch", hook="", hook_instance="").id for _ in range(3)}
    assert len(ids) == rows_in(store, assessments) == 3


def test_threads_that_ask_at_once_hear_one_answer(ledger: Ledger, store: Store) -> None:
    start = Barrier(8)

    def ask(seed: int) -> Recorded:
        start.wait()
        return kept(ledger, assessment=answer(seed=seed))

    with ThreadPoolExecutor(8) as pool:
        heard = list(pool.map(ask, range(8)))
    assert len({each.id for each in heard}) == 1
    assert len({each.assessment.seed for each in heard}) == 1
    assert sorted(each.again for each in heard) == [False] + [True] * 7
    assert rows_in(store, assessments) == 1


def test_processes_that_ask_at_once_hear_one_answer(store: Store, url: str) -> None:
    asked = [f"instance-{number}" for number in range(12)]
    command = [sys.executable, "-m", "tests.governance.writer", url, *asked]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    heard = [process.communicate(timeout=90)[0].split() for process in running]
    assert [process.returncode for process in running] == [0, 0, 0]
    assert heard[0] == heard[1] == heard[2]
    assert len(set(heard[0])) == rows_in(store, assessments) == rows_in(store, documents) == 12


# --- for its own patient only


def test_an_answer_is_recalled_for_its_own_tenant_and_patient_only(ledger: Ledger) -> None:
    one = kept(ledger)
    assert ledger.recall(one.id, tenant="north", patient="patient-4712") is None
    assert ledger.recall(one.id, tenant="south", patient="patient-4711") is None
    assert ledger.recall(CARD + "9", tenant="north", patient="patient-4711") is None


@pytest.mark.parametrize("odd", ["", "1 OR 1=1", "\x00", "\ud83d", "../../etc", "x" * 10_000])
def test_an_id_that_is_none_recalls_nothing(ledger: Ledger, odd: str) -> None:
    assert ledger.recall(odd, tenant="north", patient="patient-4711") is None


def test_nothing_in_the_database_names_anybody_or_tells_a_value(sqlite_url: str, clock: Clock) -> None:
    store = open_store(sqlite_url)
    migrate(store)
    ledger = Ledger(store, SECRET, clock=clock)
    one = kept(ledger)
    ledger.card(CARD + "1", one.id, "31 of 100 need a ventilator", indicator="warning")
    told = Feedback(CARD + "1", "overridden", NOON, comment="Erika is my aunt")
    ledger.feedback([told], tenant="north")
    ledger.release(one.id, "Practitioner/house", "es")
    ledger.event(
        "written", assessment=one.id, user="Practitioner/house", detail={"resource": "DocumentReference/55"}
    )
    ledger.event("launch", tenant="north", patient="patient-4711", user="Practitioner/house")
    files = Path(str(store.url.database)).parent.glob("ledger.db*")
    content = b"".join(path.read_bytes() for path in files)
    assert one.id.encode() in content  # else this test would look in the wrong place
    secrets = (
        "4711",
        "house",
        "0815",
        "geheim",
        "aunt",
        "31 of 100",
        "DocumentReference",
        "27.5",
        "thirty-two bytes",
    )
    assert [secret for secret in secrets if secret.encode() in content] == []


def test_a_pseudonym_tells_patients_users_and_tenants_apart(ledger: Ledger) -> None:
    names = {
        ledger.pseudonym("north", "1"),
        ledger.pseudonym("south", "1"),
        ledger.pseudonym("north", "2"),
        ledger.user_pseudonym("north", "1"),
    }
    assert len(names) == 4
    assert ledger.user_pseudonym("north", "") == NOBODY


def test_nothing_is_told_of_a_patient_or_a_user_when_an_entry_is_printed(ledger: Ledger) -> None:
    entry = Entry(answer(), "north", "patient-4711", "hook", State.ACTIVE, user="house", encounter="0815")
    assert not [secret for secret in ("4711", "house", "0815") if secret in repr(entry)]
    assert "0.31" not in repr(kept(ledger))


def test_under_another_secret_the_ledger_knows_nobody(ledger: Ledger, store: Store, clock: Clock) -> None:
    one = kept(ledger)
    stranger = Ledger(store, b"another secret of thirty-two bytes or more", clock=clock)
    assert stranger.recall(one.id, tenant="north", patient="patient-4711") is None
    with pytest.raises(Unreadable):
        stranger.follow_up(one.id)


def test_a_document_moved_to_another_row_does_not_open(sqlite_url: str, clock: Clock) -> None:
    store = open_store(sqlite_url)
    migrate(store)
    ledger = Ledger(store, SECRET, clock=clock)
    one, two = kept(ledger), kept(ledger, patient="patient-4712")
    with store.writing() as connection:  # somebody with the file in hand, who first takes the triggers away
        connection.execute(text("DROP TRIGGER documents_refuses_update"))
        body = connection.scalar(select(documents.c.body).where(documents.c.assessment_id == two.id))
        connection.execute(documents.update().where(documents.c.assessment_id == one.id).values(body=body))
    with pytest.raises(Unreadable, match="another place"):
        ledger.recall(one.id, tenant="north", patient="patient-4711")


def test_follow_up_opens_whose_answer_it_was(ledger: Ledger) -> None:
    assert ledger.follow_up(kept(ledger).id) == FollowUp("patient-4711", "encounter-0815")
    for unknown in (CARD + "9", "nonsense"):
        with pytest.raises(UnknownAssessment):
            ledger.follow_up(unknown)


# --- for good


def test_what_was_acknowledged_outlives_kill_9(url: str) -> None:
    store = open_store(url)
    migrate(store)
    command = [sys.executable, "-m", "tests.governance.writer", url, "forever"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        acknowledged = [process.stdout.readline().strip() for _ in range(25)]
        process.send_signal(signal.SIGKILL)  # in the middle: it never pauses
        acknowledged += [line.strip() for line in process.stdout.readlines() if line.endswith("\n")]
    assert process.returncode == -signal.SIGKILL
    ledger = Ledger(store, SECRET, clock=lambda: NOON)
    for number, key in enumerate(acknowledged):
        again = ledger.recall(key, tenant="north", patient="p")
        assert again is not None
        assert again.hook_instance == f"instance-{number}"
        assert again.assessment.seed == sum(again.hook_instance.encode())
    assert rows_in(store, assessments) == rows_in(store, documents) >= len(acknowledged) >= 25
    assert kept(ledger, patient="p", hook_instance="afterwards").id  # and it can be written to again
    store.close()


def test_a_locked_ledger_says_so_and_the_same_question_is_answered_afterwards(
    sqlite_url: str, clock: Clock
) -> None:
    store = open_store(sqlite_url, patience=0.1)
    migrate(store)
    ledger = Ledger(store, SECRET, clock=clock)
    other = sqlite3.connect(str(store.url.database), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerUnavailable, match="locked") as trouble:
        kept(ledger)
    assert "INSERT" not in str(trouble.value)
    other.execute("ROLLBACK")
    other.close()
    assert not kept(ledger).again
    assert rows_in(store, assessments) == 1


# --- cards and feedback


def test_a_card_is_kept_once_with_the_tenant_of_its_answer(ledger: Ledger) -> None:
    one = kept(ledger)
    assert ledger.card(CARD + "1", one.id, "31 of 100", indicator="warning", hook="order-sign", shown_at=NOON)
    assert not ledger.card(CARD + "1", one.id, "31 of 100", indicator="warning")
    assert ledger.card(CARD + "2", one.id, "", indicator="", withheld="shown an hour ago")
    (shown, held) = ledger.cards(one.id)
    assert (shown.id, shown.indicator, shown.hook, shown.shown_at, shown.withheld) == (
        CARD + "1", "warning", "order-sign", NOON, ""
    )  # fmt: skip
    assert held.withheld == "shown an hour ago"


def test_a_card_without_an_answer_needs_a_tenant_and_never_another_ones(ledger: Ledger) -> None:
    one = kept(ledger)
    assert ledger.card(CARD + "1", None, "suspended", indicator="info", tenant="north")
    with pytest.raises(LedgerRefusal):
        ledger.card(CARD + "2", None, "suspended", indicator="info")
    with pytest.raises(UnknownAssessment):
        ledger.card(CARD + "2", one.id, "31 of 100", indicator="info", tenant="south")
    with pytest.raises(UnknownAssessment):
        ledger.card(CARD + "2", CARD + "9", "31 of 100", indicator="info")


def test_repeated_feedback_is_one_row_for_card_outcome_and_time(ledger: Ledger, store: Store) -> None:
    # CONFORMANCE 90
    told = Feedback(CARD + "1", "overridden", NOON, override_code="knows", override_system="http://h/reasons")
    same_instant = replace(told, at=NOON.astimezone(UTC))
    assert ledger.feedback([told, same_instant], tenant="north", service="ventilation-need") == 1
    assert ledger.feedback([told], tenant="north") == 0
    later = replace(told, at=NOON + timedelta(seconds=1))
    assert ledger.feedback([later, replace(told, outcome="accepted")], tenant="north") == 2
    assert ledger.feedback([told], tenant="south") == 1  # another hospital cannot use up this one's
    assert rows_in(store, feedback) == 4
    assert ledger.feedback([], tenant="north") == 0


def test_feedback_about_a_card_we_never_sent_is_kept(ledger: Ledger, store: Store) -> None:
    # CONFORMANCE 90
    odd = Feedback(
        "not a uuid \x00 \ud83d" + "x" * 500,
        "accepted",
        NOON,
        "y\x00",
        "z" * 900,
        "\ud83d",
        ("s-1", "\ud83d"),
    )
    assert ledger.feedback([odd], tenant="north") == 1
    with store.reading() as connection:
        row = connection.execute(select(feedback)).mappings().one()
    assert row["card"].startswith("not a uuid \N{REPLACEMENT CHARACTER} ?x")
    assert json.loads(row["accepted"]) == ["s-1", "\ud83d"]


def test_feedback_with_an_outcome_that_is_none_is_refused_whole(ledger: Ledger, store: Store) -> None:
    right = Feedback(CARD + "1", "accepted", NOON)
    for wrong in (
        replace(right, outcome="ignored"),
        replace(right, card=""),
        replace(right, at=datetime(2026, 1, 1)),  # noqa: DTZ001
    ):
        with pytest.raises(LedgerRefusal):
            ledger.feedback([right, wrong], tenant="north")
    assert rows_in(store, feedback) == 0


def test_feedback_told_by_threads_at_once_is_counted_once(ledger: Ledger, store: Store) -> None:
    told = [Feedback(f"{CARD}{number}", "accepted", NOON) for number in range(10)]
    start = Barrier(6)

    def tell(turn: int) -> int:
        start.wait()
        return ledger.feedback(told if turn % 2 else told[::-1], tenant="north")

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(tell, range(6))) == 10
    assert rows_in(store, feedback) == 10


# --- pages and events


def test_a_page_is_released_by_somebody_and_twice_is_once(ledger: Ledger) -> None:
    one = kept(ledger)
    assert ledger.released(one.id) == ()
    first = ledger.release(one.id, "Practitioner/house", "es", NOON)
    assert ledger.release(one.id, "Practitioner/house", "es") == first
    second = ledger.release(one.id, "Practitioner/house", "en")
    assert ledger.released(one.id) == (first, second)
    assert (first.at, first.language) == (NOON, "es")
    assert first.user == ledger.user_pseudonym("north", "Practitioner/house")
    with pytest.raises(LedgerRefusal):
        ledger.release(one.id, "", "es")
    with pytest.raises(UnknownAssessment):
        ledger.release(CARD + "9", "Practitioner/house", "es")


def test_threads_that_read_before_they_write_do_not_trip_over_each_other(ledger: Ledger) -> None:
    one = kept(ledger)
    start = Barrier(8)

    def hand_out(_: int) -> None:
        start.wait()
        for turn in range(5):
            ledger.release(one.id, "Practitioner/house", "es")
            ledger.viewed(one.id, user="Practitioner/house", where=f"handout {turn}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(hand_out, range(8)))
    assert len(ledger.released(one.id)) == 1
    assert len(ledger.history(one.id)) == 40


def test_who_viewed_and_wrote_is_remembered_in_order(ledger: Ledger) -> None:
    one = kept(ledger)
    ledger.viewed(one.id, user="Practitioner/house", where="result")
    ledger.event("written", assessment=one.id, tenant="north", detail={"resource": "DocumentReference/55"})
    viewed, written = ledger.history(one.id)
    assert (viewed.kind, viewed.detail) == ("viewed", {"where": "result"})
    assert viewed.user == ledger.user_pseudonym("north", "Practitioner/house")
    assert (written.kind, written.user, written.detail) == (
        "written",
        NOBODY,
        {"resource": "DocumentReference/55"},
    )
    assert viewed.at < written.at


def test_an_event_belongs_to_a_tenant_and_has_a_plain_kind(ledger: Ledger) -> None:
    one = kept(ledger)
    assert ledger.event("launch", tenant="north", patient="patient-4711", user="Practitioner/house")
    with pytest.raises(LedgerRefusal):
        ledger.event("launch")
    with pytest.raises(LedgerRefusal):
        ledger.event("Erika launched", tenant="north")
    with pytest.raises(UnknownAssessment):
        ledger.event("written", assessment=one.id, tenant="south")
    with pytest.raises(UnknownAssessment):
        ledger.viewed(CARD + "9", user="x", where="result")


# --- asked later


def test_recent_answers_come_newest_first_with_headline_and_last_shown_card(ledger: Ledger) -> None:
    first, second = kept(ledger), kept(ledger, hook_instance="instance-2", user="Practitioner/wilson")
    kept(ledger, hook_instance="instance-3", assessment=answer(model=TROPONIN))
    kept(ledger, patient="patient-4712")
    ledger.card(CARD + "1", first.id, "31 of 100", indicator="info", shown_at=NOON)
    ledger.card(CARD + "2", first.id, "31 of 100", indicator="warning", shown_at=NOON + timedelta(hours=1))
    ledger.card(CARD + "3", first.id, "", indicator="", withheld="again", shown_at=NOON + timedelta(hours=2))
    who = ledger.pseudonym("north", "patient-4711")
    newest, oldest = ledger.recent("north", who, "ventilation-need", NOON)
    assert (newest.id, oldest.id) == (second.id, first.id)
    assert (oldest.outcome, oldest.probability, oldest.status) == ("ventilation-24h", 0.31, Status.ASSESSED)
    assert (oldest.card_at, oldest.indicator) == (NOON + timedelta(hours=1), "warning")
    assert (newest.card_at, newest.indicator) == (None, "")
    assert newest.user == ledger.user_pseudonym("north", "Practitioner/wilson")
    assert ledger.recent("north", who, "ventilation-need", second.made_at) == (newest,)
    assert ledger.recent("north", who, "ventilation-need", NOON, most=1) == (newest,)
    assert ledger.recent("south", who, "ventilation-need", NOON) == ()


def test_the_headline_of_a_recent_answer_is_the_assessments_own(ledger: Ledger) -> None:
    forecast = Prediction("troponin-next", 48, value=52.0, unit="ng/L")
    told = answer(model=TROPONIN, predictions=(Prediction("troponin-rise-24h", 24, 0.2), forecast))
    kept(ledger, assessment=told)
    (one,) = ledger.recent("north", ledger.pseudonym("north", "patient-4711"), TROPONIN, NOON)
    assert told.headline is not None
    assert (one.outcome, one.probability) == (told.headline.outcome, told.headline.probability)


def test_the_ledger_counts_what_it_holds(ledger: Ledger) -> None:
    assert set(ledger.counts().values()) == {0}
    one = kept(ledger)
    kept(ledger, hook_instance="2", assessment=answer(status=Status.INSUFFICIENT, predictions=()))
    ledger.card(CARD + "1", one.id, "31 of 100", indicator="info")
    ledger.card(CARD + "2", one.id, "", indicator="", withheld="again")
    ledger.feedback([Feedback(CARD + "1", "accepted", NOON)], tenant="north")
    ledger.release(one.id, "Practitioner/house", "es")
    counted = {name: count for name, count in ledger.counts().items() if count}
    assert counted == {
        "assessments": 2,
        "assessments_assessed": 1,
        "assessments_insufficient": 1,
        "cards": 1,
        "cards_withheld": 1,
        "feedback": 1,
        "feedback_accepted": 1,
        "releases": 1,
    }


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("tenant = 't' AND model = 'm' AND made_at > '2026'", "ix_assessments_by_time"),
        ("tenant = 't' AND model = 'm' AND as_of > '2026'", "ix_assessments_by_moment"),
        (
            "tenant = 't' AND pseudonym = 'p' AND model = 'm' AND made_at > '2026'",
            "ix_assessments_by_patient",
        ),
        (
            "tenant = 't' AND hook_instance = 'h' AND model = 'm' AND pseudonym = 'p'",
            "sqlite_autoindex_assessments_2",
        ),
    ],
)
def test_what_governance_asks_is_found_by_an_index(sqlite_url: str, query: str, index: str) -> None:
    store = open_store(sqlite_url)
    migrate(store)
    with store.reading() as connection:
        plan = connection.execute(text(f"EXPLAIN QUERY PLAN SELECT * FROM assessments WHERE {query}"))  # noqa: S608
        assert index in " ".join(str(row) for row in plan)
