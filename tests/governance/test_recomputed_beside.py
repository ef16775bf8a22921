"""Boards' records, what waits and what came since a measure are found again from the export, to 1e-9.

What a page prints besides is no figure of the ledger, and is looked for nowhere: a gate's limits and thresholds, the
numbers of lines and weeks, a chart's run length (promised, times the charts that ran), beds and ventilators owned and
arrivals a day are signed or written configuration; a board's patients of this hour and their risks are in the vault for
twelve hours and in no ledger; an artefact's own evaluation is in its file, held to the training's by the manifest's
checksum.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from governance import export, simulated
from governance.demand import Unit, forecast
from governance.export import ExportedSite
from governance.forecasts import NARROW, WIDE, Forecasts, Look, Record
from governance.measures import Measures, Question
from governance.store import Store
from governance.waiting import Referral, WaitingList
from inference.assessment import VENTILATION, State
from tests.governance.played import TENANT, Played, played
from tests.governance.test_recomputed import unlike

SCRIPT = Path(__file__).with_name("recomputed_beside.py")
HOUR = timedelta(hours=1)


def looked(store: Store, now: datetime) -> list[Record]:
    """Two days of hourly looks: one half, one left out, of two versions; and how they did."""
    book, use = Forecasts(store), [4, 5, 5, 6, 4, 7, 3, 2, 5, 6]
    for number in range(48):
        if number == 20:
            continue
        at = now - timedelta(hours=48 - number, minutes=number % 3)
        version, unread = "0.4.0" if number % 5 else "0.3.0", int(number == 30)
        look = Look(TENANT, "icu", VENTILATION, version, State.SILENT, at, 12, unread, use[number % 10], 8)
        book.keep(look, forecast([{12.0: 0.2, 24.0: 0.4}] * (number % 4 + 1), Unit(look.in_use, 8, 0.5, 40.0)))
    return list(book.records(TENANT, "icu", now, version="0.4.0"))


def plain(record: Record) -> dict[str, Any]:
    score = record.score
    assert score is not None
    return {
        "hours": record.hours, "scored": score.forecasts, "unscored": record.unscored,
        "within80": score.coverage[NARROW], "within95": score.coverage[WIDE], "error": score.error,
        "error_of_persistence": score.error_of_persistence,
    }  # fmt: skip


@pytest.fixture
def year(store: Store) -> Played:
    return played(store)


def test_what_stands_beside_the_rates_is_found_again(year: Played, store: Store, tmp_path: Path) -> None:
    now, waiting = year.clock(), WaitingList(store, clock=year.clock)
    rows = list(year.books.outcomes.labelled(TENANT, VENTILATION, simulated.OUTCOME))
    waiting.refer([Referral(row.assessment_id, "ventilation-6h", "transferred") for row in rows[::25]])
    cut = rows[len(rows) // 2].as_of
    records = looked(store, now)
    asked = Question(TENANT, VENTILATION, simulated.VERSION, simulated.OUTCOME, simulated.THRESHOLD)
    measures = Measures(store, year.books.outcomes, clock=lambda: now)
    moment = now - timedelta(days=9)
    export.write(tmp_path / "out", store, [ExportedSite(TENANT, "UTC", {})], now=now)
    told = {
        "unit": "icu", "version": "0.4.0", "now": now.isoformat(), "cut": cut.isoformat(), "model": VENTILATION,
        "answered": simulated.VERSION, "outcome": simulated.OUTCOME, "measured": moment.isoformat(),
    }  # fmt: skip
    command = [sys.executable, "-I", str(SCRIPT), str(tmp_path / "out"), TENANT, json.dumps(told)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    kept = [plain(each) for each in records]
    assert all(each["scored"] and each["unscored"] for each in kept)
    assert not unlike(kept, found["board"])
    newest = Forecasts(store).last(TENANT, "icu")
    shown = [
        {
            "hours": each.demand.hours, "mean": each.demand.mean, "short": each.demand.short,
            "low80": each.demand.intervals[NARROW][0], "high80": each.demand.intervals[NARROW][1],
            "low95": each.demand.intervals[WIDE][0], "high95": each.demand.intervals[WIDE][1],
            "in_use": each.look.in_use, "patients": each.look.patients, "unread": each.look.unread,
        }
        for each in newest
    ]  # fmt: skip
    assert len(shown) == 3
    assert not unlike(shown, found["latest"])
    older, since = waiting.counts(TENANT, cut)
    assert older > 0 < since
    assert found["queue"] == {"older": older, "since": since}
    assert found["later"] == measures._later(asked, moment) > 0
    wrong = [replace(each, unscored=each.unscored + 1) for each in records]
    assert unlike([plain(each) for each in wrong], found["board"])
