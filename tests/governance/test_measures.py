"""What a card says of a model at a site: the gate's and the audit's figures, of one version over the last days."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import insert

from governance import simulated
from governance.equity import audit
from governance.figures import figures
from governance.measures import FEW, Measures, Question
from governance.outcomes import Labelled, Outcomes
from governance.patient_days import days_of
from governance.simulated import Year, labelled, play
from governance.store import Store
from governance.tables import TRAITS, assessments, outcomes

QUIET = Year(days=60, daily=25, assay=None, mapped=None, monitor=None, first=date(2026, 1, 1))
ROWS = sorted(map(labelled, play(QUIET)), key=lambda row: row.as_of)
ASKED = Question("north", "ventilation-need", ROWS[0].version, ROWS[0].outcome, simulated.THRESHOLD)
LATE = timedelta(days=2)  # from an answer to when it is settled
END = ROWS[-1].as_of + timedelta(hours=1)


def filled(store: Store, rows: list[Labelled], whose: Question = ASKED, first: int = 0) -> None:
    """Settled answers in the ledger's own tables, written in bulk: a second for each would be an hour for all."""
    answers, settled = [], []
    for number, row in enumerate(rows, first):
        key = f"{number:08d}-0000-4000-8000-000000000000"
        names = ("pseudonym", "as_of", "state", "status")
        both = {name: getattr(row, name) for name in names} | {"tenant": whose.tenant, "version": whose.version}
        both |= {"model": whose.model}
        answers.append(
            both | {"id": key, "door": "hook", "hook": "", "hook_instance": None, "user_pseudonym": "",
                    "made_at": row.as_of, "shown_at": None, "threshold": None, "latency_ms": None, "reason": "",
                    "inputs_digest": "", "seed": 0}
        )  # fmt: skip
        copied = ("outcome", "source", "label", "reason", "happened_at", "hours", "probability", "value", *TRAITS)
        settled.append(
            both | {name: getattr(row, name) for name in copied}
            | {"id": key, "assessment_id": key, "known_at": row.as_of, "recorded_at": row.as_of + LATE, "reviewer": ""}
        )  # fmt: skip
    known = set(assessments.c.keys())
    with store.writing() as connection:
        connection.execute(insert(assessments), [{k: v for k, v in each.items() if k in known} for each in answers])
        connection.execute(insert(outcomes), settled)


def book(store: Store, now: datetime = END) -> Measures:
    clock = lambda: now  # noqa: E731
    return Measures(store, Outcomes(store, clock=clock), clock=clock)


@pytest.fixture
def year(store: Store) -> Store:
    filled(store, ROWS)
    return store


def test_a_measure_is_the_gates_and_the_audits_figures_and_comes_back_as_kept(year: Store) -> None:
    taken = book(year).take(ASKED, UTC)
    assert taken.body["figures"] == asdict(figures(days_of(ROWS, UTC), ASKED.threshold))
    meant = [asdict(cell) for cell in audit(ROWS, UTC, ASKED.threshold).cells]
    assert taken.body["cells"] == meant
    assert (taken.body["from"], taken.body["until"]) == (ROWS[0].as_of.isoformat(), ROWS[-1].as_of.isoformat())
    kept = book(year).last(ASKED)
    assert kept is not None
    assert kept.at == END
    assert kept.body["cells"] == meant
    assert kept.body["figures"]["sensitivity"] == taken.body["figures"]["sensitivity"]


def test_only_the_days_of_the_window_and_the_asked_version_count(year: Store) -> None:
    late = END + timedelta(days=60)
    some = book(year, late).take(ASKED, UTC)
    assert some.body["figures"]["answers"] == sum(row.as_of >= late - timedelta(days=90) for row in ROWS)
    other = book(year).take(replace(ASKED, version="9.9.9"), UTC)
    assert other.body["figures"]["patients"] == 0
    assert other.body["calibration"] is None


def test_a_page_measures_for_itself_where_that_is_quick_and_keeps_nothing(year: Store) -> None:
    glanced = book(year).glance(ASKED, UTC)
    assert glanced.measure is not None
    assert glanced.measure.body["figures"]["answers"] == len(ROWS)
    assert (glanced.later, glanced.due) == (None, False)
    assert book(year).last(ASKED) is None
    none = book(year).glance(replace(ASKED, version="9.9.9"), UTC)
    assert none.measure is not None
    assert none.measure.body["figures"]["patients"] == 0


def test_where_it_is_not_quick_a_page_shows_what_the_job_kept_as_of_when_and_what_came_since(
    year: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(ROWS) < FEW
    monkeypatch.setattr("governance.measures.FEW", len(ROWS) - 1)
    before = book(year).glance(ASKED, UTC)
    assert (before.measure, before.due) == (None, True)
    then = END - timedelta(days=5)
    assert book(year, then).take(ASKED, UTC) is not None
    found = book(year).glance(ASKED, UTC)
    assert found.measure is not None
    assert found.measure.at == then
    assert found.later == sum(row.as_of + LATE > then for row in ROWS) > 0
    monkeypatch.setattr("governance.measures.MANY", 3)
    assert book(year).glance(ASKED, UTC).later == 4  # nobody counts on


def test_the_job_measures_once_a_week_and_again_at_another_threshold(
    year: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monday = END - timedelta(days=2)
    assert book(year).keep_up(ASKED, UTC, monday) is None  # a page does it
    monkeypatch.setattr("governance.measures.FEW", len(ROWS) - 1)
    assert book(year).keep_up(ASKED, UTC, monday) is not None
    assert book(year).keep_up(ASKED, UTC, monday) is None
    moved = replace(ASKED, threshold=0.3)
    again = book(year).keep_up(moved, UTC, monday)
    assert again is not None
    assert again.body["figures"]["threshold"] == 0.3
    assert book(year, END + timedelta(days=7)).keep_up(moved, UTC, END + timedelta(days=5)) is not None


def test_a_young_version_beside_an_old_one_is_measured_by_the_page(
    year: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(year, ROWS[-200:], replace(ASKED, version="0.0.2-young"), first=len(ROWS))
    monkeypatch.setattr("governance.measures.FEW", 1000)
    young = book(year).glance(replace(ASKED, version="0.0.2-young"), UTC)
    assert young.measure is not None
    assert young.measure.body["figures"]["answers"] == 200
    assert book(year).glance(ASKED, UTC).due
