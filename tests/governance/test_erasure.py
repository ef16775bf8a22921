"""Erasure: what names or describes somebody goes, figures stay to the last digit, and the change log tells of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from sqlalchemy import delete, select, text, update
from sqlalchemy.exc import IntegrityError

from governance import export, simulated
from governance.audit import AuditTrail
from governance.changes import Changes, faults
from governance.due import Due
from governance.erasure import AT_ONCE, Erased, Erasure
from governance.errors import ReviewRefusal, UnknownAssessment
from governance.figures import figures
from governance.keys import Pseudonym
from governance.ledger import Ledger
from governance.outcomes import Outcome, Outcomes
from governance.patient_days import days_of
from governance.review import Reviews
from governance.store import Store, migrate, roll_back
from governance.tables import (
    APPEND_ONLY,
    assessments,
    audit,
    documents,
    erasures,
    events,
    follow_ups,
    outcomes,
    reviews,
)
from governance.waiting import ALWAYS, Referral, WaitingList
from governance.weekly import compiled
from governance.weeks import Week
from inference.assessment import VENTILATION, State
from tests.governance.answers import NOON, SECRET, answer
from tests.governance.played import TENANT, WEEK, Played, played

Clock = Callable[[], datetime]
LATER = NOON + timedelta(days=30)
WHO, WHY = "Ada North", "at the patient's request, privacy office no. 7"


def erasure(store: Store, clock: Clock = lambda: LATER) -> Erasure:
    return Erasure(store, Reviews(store, SECRET, clock=clock), Changes(store, clock=clock), clock=clock)


def asked(ledger: Ledger, patient: str, **more: object) -> str:
    told = {"tenant": "north", "door": "hook", "state": State.ACTIVE, "user": "Practitioner/1"} | more
    return ledger.record(answer(), patient=patient, **told).id  # type: ignore[arg-type]


def everything(store: Store) -> str:
    """All the database holds, as text."""
    with store.reading() as connection:
        tables = [name for name in APPEND_ONLY if name != "changes"]
        return "\n".join(repr(row) for name in tables for row in connection.execute(text(f"SELECT * FROM {name}")))  # noqa: S608


def test_what_names_or_describes_a_patient_is_gone_and_other_patients_keep_theirs(ledger: Ledger, store: Store) -> None:
    mine, other = asked(ledger, "p", hook_instance="h", encounter="e"), asked(ledger, "q")
    ledger.event("opinion", assessment=mine, user="Practitioner/1", detail={"comment": "too low"})
    AuditTrail(store, ledger, clock=lambda: NOON).note(
        "viewed", door="/result", tenant="north", user="Practitioner/1", patient="p", assessment=mine
    )
    before = ledger.pseudonym("north", "p")
    assert before in everything(store)
    assert erasure(store).requested("north", before, author=WHO, sentence=WHY) == Erased(1, 1, ())
    assert before not in everything(store)
    assert ledger.recall(mine, tenant="north", patient="p") is None
    assert ledger.reopened(mine, tenant="north") is None
    with pytest.raises(UnknownAssessment):
        ledger.follow_up(mine)
    with store.reading() as connection:
        for table in (documents, follow_ups):
            assert list(connection.scalars(select(table.c.assessment_id))) == [other]
        assert set(connection.scalars(select(events.c.detail).where(events.c.assessment_id == mine))) == {None}
        name = connection.scalar(select(assessments.c.pseudonym).where(assessments.c.id == mine))
        assert connection.scalar(select(audit.c.pseudonym)) == name
        assert connection.scalar(select(erasures.c.name)) == name
    assert ledger.recall(other, tenant="north", patient="q") is not None
    assert ledger.follow_up(other).patient == "q"


def test_the_log_says_so_without_saying_who_and_its_chain_stays_sound(ledger: Ledger, store: Store) -> None:
    mine = asked(ledger, "patient-4711")
    log = Changes(store, clock=lambda: LATER)
    whose = ledger.pseudonym("north", "patient-4711")
    erasure(store).requested("north", whose, author=WHO, sentence=WHY)
    (line,) = log.lines("north")
    assert (line.kind, line.author, line.protocol) == ("erased", WHO, WHY)
    assert line.modification == "1 patients erased with 1 answers"
    told = repr(asdict(line))
    assert not [each for each in ("patient-4711", whose, mine) if each in told]
    assert faults(log.lines()) == ()
    with store.reading() as connection:
        assert connection.scalar(select(erasures.c.line)) == line.number


def test_a_patient_of_whom_nothing_is_here_leaves_no_line(ledger: Ledger, store: Store) -> None:
    asked(ledger, "p")
    for tenant, patient in (("north", "q"), ("south", "p")):
        whose = ledger.pseudonym(tenant, patient)
        assert erasure(store).requested(tenant, whose, author=WHO, sentence=WHY) == Erased()
    assert Changes(store, clock=lambda: LATER).count() == 0
    erasure(store).requested("north", ledger.pseudonym("north", "p"), author=WHO, sentence=WHY)
    again = erasure(store).requested("north", ledger.pseudonym("north", "p"), author=WHO, sentence=WHY)
    assert again == Erased()


def test_nobody_looks_for_what_became_of_an_erased_patient(ledger: Ledger, store: Store) -> None:
    mine = asked(ledger, "p")
    waiting = WaitingList(store, clock=lambda: NOON)
    waiting.refer([Referral(mine, "ventilation-6h", "transferred")])
    due = Due(store, "north", since=NOON - timedelta(days=1), over=LATER)
    assert due.count() == 1
    assert waiting.page("north", ALWAYS)
    erasure(store).requested("north", ledger.pseudonym("north", "p"), author=WHO, sentence=WHY)
    assert due.count() == 0
    assert not waiting.page("north", ALWAYS)
    with store.reading() as connection:
        told = set(connection.execute(select(outcomes.c.label, outcomes.c.reason)))
    assert told == {("unknown", "erased")}


def test_an_outcome_that_was_on_its_way_takes_the_new_name_at_the_next_erasure(ledger: Ledger, store: Store) -> None:
    mine, _ = asked(ledger, "p"), asked(ledger, "q")
    before = ledger.pseudonym("north", "p")
    erasure(store).requested("north", before, author=WHO, sentence=WHY)
    Outcomes(store, clock=lambda: LATER).record(Outcome(mine, "ventilation-24h", "no", known_at=LATER))
    with store.writing() as connection:  # as a writer that had read the answer before the erasure would have left it
        late = connection.execute(select(outcomes).where(outcomes.c.source == "rule")).mappings().one()
        row = dict(late) | {"id": "00000000-0000-4000-8000-00000000000f", "outcome": "x", "pseudonym": before}
        connection.execute(outcomes.insert().values(row))
    assert before in everything(store)
    erasure(store).requested("north", ledger.pseudonym("north", "q"), author=WHO, sentence=WHY)
    assert before not in everything(store)


def test_the_database_lets_nothing_go_beside_the_row_that_says_so(ledger: Ledger, store: Store) -> None:
    mine, _ = asked(ledger, "p"), asked(ledger, "q")
    ledger.event("opinion", assessment=mine, user="Practitioner/1", detail={"comment": "too low"})
    whose = ledger.pseudonym("north", "p")
    erasure(store).requested("north", whose, author=WHO, sentence=WHY)
    for change in (
        "DELETE FROM documents",
        "DELETE FROM follow_ups",
        "DELETE FROM erasures",
        "DELETE FROM assessments",
        "UPDATE assessments SET pseudonym = 'drawn'",
        "UPDATE assessments SET pseudonym = (SELECT name FROM erasures), status = 'assessed'",
        "UPDATE outcomes SET label = 'no'",
        "UPDATE outcomes SET pseudonym = 'drawn'",
        "UPDATE events SET pseudonym = 'drawn'",
        "UPDATE audit SET status = 200",
        "UPDATE reviews SET digest = 'x'",
        "UPDATE erasures SET why = 'x'",
    ):
        if "reviews" in change or " audit " in change:
            _something(ledger, store)
        with pytest.raises(IntegrityError, match="the ledger only grows"), store.writing() as connection:
            connection.execute(text(change))


def _something(ledger: Ledger, store: Store) -> None:
    AuditTrail(store, ledger, clock=lambda: NOON).note("viewed", door="/result", tenant="north")
    Reviews(store, SECRET, clock=lambda: NOON).keep("north", Week.of(NOON.date()), {})


def test_an_erasure_without_a_line_of_the_log_is_refused_by_the_database(ledger: Ledger, store: Store) -> None:
    row = {"name": "drawn", "tenant": "north", "at": NOON, "line": 7, "why": "request", "answers": 1}
    with pytest.raises(IntegrityError), store.writing() as connection:
        connection.execute(erasures.insert().values(row))


def test_an_erasure_that_fails_half_way_leaves_everything_as_it_was(
    ledger: Ledger, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = asked(ledger, "p")

    def broken(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("governance.erasure._open", broken)
    with pytest.raises(RuntimeError):
        erasure(store).requested("north", ledger.pseudonym("north", "p"), author=WHO, sentence=WHY)
    assert ledger.recall(mine, tenant="north", patient="p") is not None
    assert Changes(store, clock=lambda: LATER).count() == 0


def test_who_was_not_asked_about_for_the_sites_days_is_erased_and_nobody_else(store: Store) -> None:
    at = [NOON]
    ledger = Ledger(store, SECRET, clock=lambda: at[0])
    for number in range(AT_ONCE + 3):
        asked(ledger, f"old-{number}")
    both = asked(ledger, "came-again")
    at[0] = NOON + timedelta(days=100)
    asked(ledger, "came-again")
    asked(ledger, "old-0", tenant="south")
    again = erasure(store, lambda: NOON + timedelta(days=121))
    assert again.retained("north", 120) == Erased(AT_ONCE + 3, AT_ONCE + 3, ())
    assert again.retained("north", 120) == Erased()
    assert ledger.recall(both, tenant="north", patient="came-again") is not None
    with store.reading() as connection:
        assert len(list(connection.scalars(select(follow_ups.c.assessment_id)))) == 3
    log = Changes(store, clock=lambda: NOON)
    assert [line.protocol for line in log.lines()] == ["[retention] days = 120 of the site's file"] * 2
    assert faults(log.lines()) == ()


@pytest.fixture
def year(store: Store) -> Played:
    return played(store)


def whose_answer(store: Store, key: str) -> Pseudonym:
    with store.reading() as connection:
        return Pseudonym(connection.scalar(select(assessments.c.pseudonym).where(assessments.c.id == key)) or "")


def test_figures_stay_what_they_were_and_the_export_and_kept_reviews_name_nobody_erased(
    year: Played, store: Store, tmp_path: Path
) -> None:
    def found() -> object:
        rows = list(year.books.outcomes.labelled(TENANT, VENTILATION, simulated.OUTCOME))
        return asdict(figures(days_of(rows, UTC), simulated.THRESHOLD)), len(rows)

    week = WEEK
    body = compiled(year.books, year.asked(week), now=year.clock(), why=lambda _: ())
    kept = year.books.reviews.keep(TENANT, week, body)
    (told,) = (each for model in body["models"] for each in model["outcomes"] if each["misses"])
    examples = [*told["misses"], *told["false_alarms"]]
    assert examples
    before = found()
    ids = [each["assessment"] for each in examples]
    whose = [whose_answer(store, key) for key in ids]
    gone = erasure(store, year.clock)
    for each in dict.fromkeys(whose):
        assert gone.requested(TENANT, each, author=WHO, sentence=WHY).reviews == (week.name,)
    assert found() == before
    review = year.books.reviews.last(TENANT, week)
    assert review is not None
    assert review.digest == kept.digest  # what is signed
    assert len(review.body["erased"]) == len(set(whose))
    assert not [key for key in ids if key in repr(review.body)]
    assert faults(year.changes.lines()) == ()
    site = export.ExportedSite(TENANT, "UTC", {VENTILATION: {simulated.OUTCOME: simulated.THRESHOLD}})
    export.write(tmp_path / "out", store, [site], now=year.clock())
    export.checked(tmp_path / "out")
    for path in (tmp_path / "out").rglob("*.parquet"):
        table = pq.read_table(path)
        assert not [name for name in whose if name in repr(table.to_pydict())], path.name
    erased = pq.read_table(tmp_path / "out" / TENANT / "erasures.parquet")
    assert erased.num_rows == len(set(whose))


def test_a_redacted_review_that_was_changed_again_is_refused(year: Played, store: Store) -> None:
    body = compiled(year.books, year.asked(WEEK), now=year.clock(), why=lambda _: ())
    year.books.reviews.keep(TENANT, WEEK, body)
    (told,) = (each for model in body["models"] for each in model["outcomes"] if each["misses"])
    key = told["misses"][0]["assessment"]
    erasure(store, year.clock).requested(TENANT, whose_answer(store, key), author=WHO, sentence=WHY)
    with store.writing() as connection:
        connection.execute(update(reviews).values(redacted="0" * 64))
    with pytest.raises(ReviewRefusal, match="changed"):
        year.books.reviews.last(TENANT, WEEK)


def test_the_migration_leads_down_and_up_with_an_erased_patient_in_the_ledger(ledger: Ledger, store: Store) -> None:
    mine, other = asked(ledger, "p"), asked(ledger, "q")
    erasure(store).requested("north", ledger.pseudonym("north", "p"), author=WHO, sentence=WHY)
    roll_back(store, "0019_waiting")
    for table in (documents, follow_ups, assessments):
        with pytest.raises(IntegrityError, match="only grows"), store.writing() as connection:
            connection.execute(delete(table))
    migrate(store)
    assert store.ready()
    assert ledger.recall(other, tenant="north", patient="q") is not None
    assert ledger.reopened(mine, tenant="north") is None
    erasure(store).requested("north", ledger.pseudonym("north", "q"), author=WHO, sentence=WHY)
    with store.reading() as connection:
        assert connection.execute(select(documents)).first() is None
