"""What a card says of a model at a site: the gate's and the audit's figures, of one version over the last days."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from governance import simulated
from governance.equity import audit
from governance.figures import days_of, figures
from governance.measures import FEW, Measures, Question
from governance.outcomes import Labelled
from governance.simulated import Year, labelled, play
from governance.store import Store

QUIET = Year(days=60, daily=25, assay=None, mapped=None, monitor=None, first=date(2026, 1, 1))
ROWS = sorted(map(labelled, play(QUIET)), key=lambda row: row.as_of)
ASKED = Question("north", "ventilation-need", ROWS[0].version, ROWS[0].outcome, simulated.THRESHOLD)
END = ROWS[-1].as_of + timedelta(hours=1)


class Told:
    """The outcomes of a year that was played, as the ledger would read them."""

    def __init__(self, rows: list[Labelled]) -> None:
        self.rows = rows

    def labelled(
        self, tenant: str, model: str, outcome: str, *, since: datetime, version: str, **_: Any
    ) -> Iterator[Labelled]:
        assert (tenant, model, outcome) == (ASKED.tenant, ASKED.model, ASKED.outcome)
        return (row for row in self.rows if row.as_of >= since and row.version == version)


def book(store: Store, rows: list[Labelled], now: datetime = END) -> Measures:
    return Measures(store, Told(rows), clock=lambda: now)  # type: ignore[arg-type]


def test_a_measure_is_the_gates_and_the_audits_figures_and_comes_back_as_kept(store: Store) -> None:
    taken = book(store, ROWS).take(ASKED, UTC)
    assert taken.body["figures"] == asdict(figures(days_of(ROWS, UTC), ASKED.threshold))
    meant = [asdict(cell) for cell in audit(ROWS, UTC, ASKED.threshold).cells]
    assert taken.body["cells"] == meant
    kept = book(store, ROWS).last(ASKED)
    assert kept is not None
    assert kept.at == END
    assert kept.body["cells"] == meant
    assert kept.body["figures"]["sensitivity"] == taken.body["figures"]["sensitivity"]


def test_only_the_days_of_the_window_and_the_asked_version_count(store: Store) -> None:
    late = END + timedelta(days=60)
    some = book(store, ROWS, late).take(ASKED, UTC)
    assert some.body["figures"]["answers"] == sum(row.as_of >= late - timedelta(days=90) for row in ROWS)
    other = book(store, ROWS).take(replace(ASKED, version="9.9.9"), UTC)
    assert other.body["figures"]["patients"] == 0
    assert other.body["calibration"] is None


def test_a_page_measures_for_itself_where_that_is_quick_and_keeps_nothing(store: Store) -> None:
    glanced = book(store, ROWS).glance(ASKED, UTC)
    assert glanced is not None
    assert glanced.body["figures"]["answers"] == len(ROWS)
    assert book(store, ROWS).last(ASKED) is None


def test_where_it_is_not_quick_a_page_shows_what_a_job_has_kept(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(ROWS) < FEW
    monkeypatch.setattr("governance.measures.FEW", len(ROWS) - 1)
    assert book(store, ROWS).glance(ASKED, UTC) is None
    book(store, ROWS, END - timedelta(days=1)).take(ASKED, UTC)
    found = book(store, ROWS).glance(ASKED, UTC)
    assert found is not None
    assert found.at == END - timedelta(days=1)
