"""The simulated year as a story, through the ledger: what must be caught is caught by its day, and what must not alarm
does not. One whole year is played for all of it, which takes a minute of a processor.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from governance.alarms import Alarm
from governance.causes import MAP
from governance.changes import faults
from governance.code_maps import KIND
from governance.daily import INPUT
from governance.playing import play_into
from governance.rounds import EQUITY
from governance.simulated import OUTCOME, SITE, SITE_CODE, Year
from governance.simulated_books import Books, Hands, books
from governance.simulated_gates import ROLES
from governance.store import migrate, open_store
from inference.assessment import VENTILATION, State
from webapp.simulate_cli import noting

pytestmark = pytest.mark.slow
ASSAY, MAPPED, MONITOR = date(2026, 5, 11), date(2026, 6, 8), date(2026, 8, 10)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Books]:
    """The whole year."""
    folder = tmp_path_factory.mktemp("year")
    store = open_store(f"sqlite:///{folder / 'ledger.db'}")
    migrate(store)
    for _ in play_into(store, folder, Year(), lambda _: ("a reason",), noting(folder)):
        pass
    yield books(store, Hands(datetime(2027, 1, 1, tzinfo=UTC)))
    store.close()


def states(told: Books, gate: str) -> list[tuple[date, str]]:
    """When the gate's state changed, and to what."""
    lines = [line for line in told.changes.lines(SITE) if line.kind == "state" and f"/{gate} " in line.modification]
    return [(line.at.date(), line.modification.rpartition(" to ")[2].rstrip(".")) for line in lines]


def told_of(told: Books, query: str, *values: str) -> list[tuple[Any, ...]]:
    """Rows of the ledger as they lie there."""
    with told.weekly.store.reading() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(query, values)]


def alarms(told: Books) -> list[Alarm]:
    return [each for each in reversed(told.alarms.listed(SITE)) if each.model == VENTILATION]


def test_the_gate_refuses_for_months_then_opens_for_intensive_care_alone(told: Books) -> None:
    opened = states(told, "icu")[0]
    assert opened[1] == "active"
    assert date(2026, 3, 1) <= opened[0] <= date(2026, 5, 4)
    assert states(told, "ward") == []
    assert states(told, "troponin-rise-24h") == []
    ward = told.readings.last(SITE, VENTILATION, OUTCOME, "ward")
    assert ward is not None
    assert ward.state is State.SILENT
    assert "language: es" in [each["subject"] for each in ward.body["missing"]]


def test_it_suspends_on_the_analyser_and_again_on_the_monitor_each_within_five_weeks(told: Books) -> None:
    closed = [day for day, state in states(told, "icu") if state == "suspended"]
    assert [day.month for day in closed] == [6, 8]
    assert (closed[0] - ASSAY).days <= 35
    assert (closed[1] - MONITOR).days <= 35
    assert [state for _, state in states(told, "icu")] == ["active", "suspended", "active", "suspended"]


def test_the_analyser_and_the_monitor_are_found_by_the_next_mondays_round(told: Books) -> None:
    found = {(each.finding.chart, each.finding.subject, each.found_at.date()) for each in alarms(told)}
    assert ("codes", "lactate", date(2026, 5, 18)) in found
    assert ("input", "lactate", date(2026, 5, 18)) in found
    assert ("input", "rr", date(2026, 8, 17)) in found


def test_the_laboratory_s_own_code_comes_by_the_site_s_map_as_one_line_and_no_alarm_follows(told: Books) -> None:
    (line,) = [each for each in told.changes.lines(SITE) if each.kind == KIND]
    assert (line.at.date(), line.author) == (MAPPED, "start")
    assert f"local_codes.{SITE_CODE}: nothing to lactate" in line.modification
    assert "the inputs lactate" in line.impact
    (noted,) = told.rounds.maps.since(SITE, datetime(2026, 1, 1, tzinfo=UTC))
    assert [(each.entry, each.variables) for each in noted.changed] == [(f"local_codes.{SITE_CODE}", ("lactate",))]
    rows = [row for row in told.rounds.daily.between(SITE, VENTILATION, date.min, date.max) if row.subject == "lactate"]
    codes = {row.day: row.codes for row in rows if row.kind == INPUT}
    assert all(code == (f"{SITE_CODE} mmol/L",) for day, code in codes.items() if day >= MAPPED)
    assert not any(SITE_CODE in code for day, found in codes.items() if day < MAPPED for code in found)
    assert [each for each in alarms(told) if each.finding.cause == MAP] == []
    of_lactate = [each for each in alarms(told) if each.finding.subject == "lactate"]
    assert {each.decision for each in of_lactate} == {"code-mapped"}
    assert {each.from_day for each in of_lactate} == {MAPPED}


def test_the_group_that_is_missed_is_found_by_the_audit_within_five_months(told: Books) -> None:
    missed = [each for each in alarms(told) if each.finding.chart == EQUITY]
    assert [each.finding.subject for each in missed] == ["language: es"]
    assert missed[0].found_at.date() <= date(2026, 6, 1)


def test_winter_and_the_weeks_between_raise_no_alarm_of_a_chart(told: Books) -> None:
    days = [each.found_at.date() for each in alarms(told) if each.finding.chart != EQUITY]
    assert days
    assert all(ASSAY <= day <= MAPPED or day >= MONITOR for day in days)


def test_nothing_else_alarms_all_year(told: Books) -> None:
    assert [each for each in told.alarms.listed(SITE) if each.model != VENTILATION] == []
    missed = [each for each in alarms(told) if each.finding.chart == EQUITY]
    assert [each.finding.subject for each in missed] == ["language: es"]


def test_a_suspended_model_says_so_to_each_user_once_a_day(told: Books) -> None:
    said = told_of(told, "SELECT user_pseudonym, date(at) FROM events WHERE kind = 'suspension-said'")
    assert len(said) > 200
    assert len(set(said)) == len(said)
    asked = told_of(
        told,
        "SELECT DISTINCT user_pseudonym, date(as_of) FROM assessments WHERE state = 'suspended' AND model = ?",
        VENTILATION,
    )
    assert set(said) == set(asked)


def test_pages_are_handed_out_in_every_state_and_readers_answer_with_nobody_s_name(told: Books) -> None:
    handed = told_of(told, "SELECT a.state, r.language FROM releases r JOIN assessments a ON a.id = r.assessment_id")
    by_state = Counter(state for state, _ in handed)
    assert set(by_state) == {"active", "silent", "suspended"}
    assert by_state["active"] > by_state["silent"] > 50
    assert by_state["suspended"] > 10
    assert {language for _, language in handed} == {"en", "es"}
    answered = dict(told_of(told, "SELECT kind, count(*) FROM clarity GROUP BY kind"))
    assert set(answered) == {"assessed", "silent", "suspended"}
    assert answered["silent"] <= by_state["silent"]
    assert answered["suspended"] <= by_state["suspended"]
    report = told.clarity.report(tenant=SITE)
    assert 0.3 * len(handed) < report.answers <= len(handed)
    assert report.mean is not None


def test_what_waits_is_labelled_by_a_person_within_days(told: Books) -> None:
    days = "julianday(recorded_at) - julianday(as_of)"
    reviewed = told_of(told, f"SELECT label, {days} FROM outcomes WHERE source = 'review'")  # noqa: S608
    assert len(reviewed) > 100
    assert {label for label, _ in reviewed} == {"yes", "no", "unknown"}
    assert max(days for _, days in reviewed) < 8
    assert sum(told.waiting.counts(SITE, datetime(2026, 1, 1, tzinfo=UTC))) < 20


def test_weeks_are_decided_by_both_signers_and_stand_in_the_change_log(told: Books) -> None:
    weeks = told.weekly.reviews.weeks(SITE)
    assert len(weeks) >= 12
    decided = [told.decisions.of(SITE, each.week.name) for each in weeks]
    kinds = set()
    for each in decided:
        assert each is not None
        assert not each.doubts
        assert {one.role for one in each.signatures} == set(ROLES)
        kinds.add(each.decision.kind)
    assert kinds == {"continue", "other", "retrain"}
    lines = [line for line in told.changes.lines(SITE) if line.kind == "reviewed"]
    assert [line.number for line in lines] == sorted(each.line for each in decided if each is not None)


def test_the_reviews_have_something_of_everything(told: Books) -> None:
    bodies = [told.weekly.reviews.last(SITE, each.week) for each in told.weekly.reviews.weeks(SITE)]
    found = [each.body for each in bodies if each is not None]
    assert any(body["clarity"]["answers"] for body in found)
    assert any(model["waiting_quarter"] == 0 and model["answers"] for body in found for model in body["models"])
    assert any(body["remarks"] for body in found)
    assert any(body["handed"] for body in found)
    assert any(model["labelled"] for body in found for model in body["models"])
    assert any(card["state"] == "suspended" for body in found for card in body["cards"])
    assert {gate["state"] for body in found for gate in body["gates"]} == {"silent", "active", "suspended"}
    assert all(body["made_at"] > body["until"] for body in found)


def test_cards_were_shown_while_the_gate_was_open_and_not_else(told: Books) -> None:
    counts = told.ledger.counts()
    assert counts["cards"] > 100
    assert 0 < counts["feedback_overridden"] < counts["feedback_accepted"] < counts["cards"]
    assert faults(told.changes.lines()) == ()


def test_a_ledger_that_holds_anything_is_left_alone(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'ledger.db'}")
    migrate(store)
    assert len(list(play_into(store, tmp_path, Year(days=2, daily=3)))) == 2
    with pytest.raises(Exception, match="played into an empty one"):
        next(play_into(store, tmp_path, Year(days=2, daily=3)))
    store.close()
