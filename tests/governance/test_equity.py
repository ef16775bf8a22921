"""Audits by group: a subgroup that is missed is found, and small cells tell nothing about anybody."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date

import pytest

from governance import simulated
from governance.equity import Audit, Cell, audit
from governance.outcomes import Labelled
from governance.simulated import Year, labelled, play

QUIET = Year(days=120, daily=60, assay=None, mapped=None, monitor=None, first=date(2026, 1, 1))


def told(year: Year) -> list[Labelled]:
    return sorted(map(labelled, play(year)), key=lambda row: row.as_of)


@pytest.fixture(scope="module")
def rows() -> list[Labelled]:
    return told(QUIET)


@pytest.fixture(scope="module")
def found(rows: list[Labelled]) -> Audit:
    return audit(rows, UTC, simulated.THRESHOLD)


def cell(found: Audit, trait: str, value: str) -> Cell:
    return next(each for each in found.cells if (each.trait, each.value) == (trait, value))


def test_the_missed_subgroup_stands_below_four_fifths_and_its_interval_apart(found: Audit) -> None:
    spanish, english = cell(found, "language", "es"), cell(found, "language", "en")
    assert spanish in found.below
    assert spanish.missed is not None
    assert english.missed is not None
    assert spanish.missed.low is not None
    assert english.missed.high is not None
    assert spanish.missed.low > english.missed.high
    assert (english.four_fifths, english.fifths_low) == (1.0, None)
    assert spanish.four_fifths is not None
    assert spanish.fifths_low is not None
    assert spanish.fifths_high is not None
    assert spanish.fifths_low < spanish.four_fifths < spanish.fifths_high < 1.0


def test_groups_that_are_served_alike_are_not_below(found: Audit) -> None:
    assert not [each for each in found.below if each.trait == "sex"]


def test_fewer_are_missed_in_the_same_year_without_the_late_charting() -> None:
    fair = audit(told(replace(QUIET, missed=False)), UTC, simulated.THRESHOLD)
    assert not [each for each in fair.below if each.trait == "language"]


def reaches(row: Labelled) -> bool:
    """An answer that the model does not stand behind reaches nothing."""
    return row.status == "assessed" and (row.probability or 0) >= simulated.THRESHOLD


def test_the_figures_are_those_counted_by_hand(rows: list[Labelled], found: Audit) -> None:
    women = [row for row in rows if row.sex == "female"]  # one answer a patient: a row is a patient-day
    yes = [row for row in women if row.label == "yes"]
    missed = [row for row in yes if not reaches(row)]
    alarms = [row for row in women if row.label == "no" and reaches(row)]
    said = cell(found, "sex", "female")
    assert said.patients == len(women)
    assert said.missed is not None
    assert said.missed.value == pytest.approx(len(missed) / len(yes), abs=1e-12)
    assert said.false_alarms is not None
    assert said.false_alarms.value == pytest.approx(len(alarms) / (len(women) - len(yes)), abs=1e-12)
    assert said.calibration is not None
    stood = [row for row in women if row.status == "assessed"]
    assert said.calibration.expected == pytest.approx(sum(row.probability or 0 for row in stood))
    assert said.calibration.low < said.calibration.ratio < said.calibration.high


def test_answers_sent_to_a_person_are_counted_and_miss_their_patients(rows: list[Labelled]) -> None:
    unsure = [replace(row, status="indeterminate") if row.sex == "male" else row for row in rows]
    found = cell(audit(unsure, UTC, simulated.THRESHOLD), "sex", "male")
    assert found.indeterminate is not None
    assert found.missed is not None
    assert (found.indeterminate.value, found.missed.value) == (1.0, 1.0)
    assert found.calibration is None


def test_a_small_cell_is_hidden_and_so_is_the_next_that_would_give_it_away(rows: list[Labelled]) -> None:
    few = [replace(row, race="a" if i < 4 else "b" if i < 300 else "c") for i, row in enumerate(rows)]
    found = audit(few, UTC, simulated.THRESHOLD)
    a, b, c = (cell(found, "race", value) for value in "abc")
    assert (a.patients, a.missed, a.false_alarms, a.indeterminate, a.calibration) == (None,) * 5
    assert (b.patients, b.missed) == (None, None)
    assert c.patients == len(rows) - 300
    assert c.missed is not None


def test_two_small_cells_do_not_give_away_together_what_each_hides(rows: list[Labelled]) -> None:
    few = [replace(row, race="a" if i < 3 else "b" if i < 7 else "c" if i < 300 else "d") for i, row in enumerate(rows)]
    found = audit(few, UTC, simulated.THRESHOLD)
    shown = {value: cell(found, "race", value).patients for value in "abcd"}
    assert shown == {"a": None, "b": None, "c": None, "d": len(rows) - 300}
    assert all(cell(found, "race", value).missed is None for value in "abc")
    many = [replace(row, race="a" if i < 5 else "b" if i < 12 else "c") for i, row in enumerate(rows)]
    enough = audit(many, UTC, simulated.THRESHOLD)
    assert [cell(enough, "race", value).patients for value in "abc"] == [None, None, len(rows) - 12]


def test_patients_whose_trait_is_not_known_are_a_group_and_a_trait_nobody_knows_is_none(
    rows: list[Labelled],
) -> None:
    some = [replace(row, insurance="public" if i % 2 else "") for i, row in enumerate(rows)]
    found = audit(some, UTC, simulated.THRESHOLD)
    assert cell(found, "insurance", "").patients == (len(rows) + 1) // 2
    assert not [each for each in found.cells if each.trait == "ethnicity"]


def test_outcomes_that_are_not_settled_are_in_no_figure(rows: list[Labelled], found: Audit) -> None:
    more = [*rows, replace(rows[-1], label="unknown", pseudonym=rows[0].pseudonym)]
    assert audit(more, UTC, simulated.THRESHOLD) == found
    assert audit([], UTC, 0.2).cells == ()
