"""A changed code map: a line of the change log, once, and the likely cause of what alarms after it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from governance.alarms import Alarms, notice
from governance.audits import Audits
from governance.causes import LOOKS_BACK, Finding, Remapped, explained
from governance.changes import Change, Changes, faults
from governance.code_maps import SHIPPED, TOLD, CodeMaps
from governance.daily import INPUT, Daily, Summary
from governance.outcomes import Outcomes
from governance.rounds import Memory, Watched, go
from governance.spoken import Spoken
from governance.store import Store
from inference.assessment import VENTILATION
from webapp import drift_view

NOON = datetime(2026, 6, 8, 12, tzinfo=UTC)
OLD = {"local_codes.x|LAC": (("lactate",), ("lactate",)), "care_units.ICU": (("medical",), ("care_unit",))}
NEW = {"local_codes.x|LAC": (("crp",), ("crp",)), "local_codes.x|RR": (("rr",), ("rr",))}


def book(store: Store, at: datetime = NOON) -> CodeMaps:
    return CodeMaps(store, Changes(store, clock=lambda: at), clock=lambda: at)


def lines(store: Store) -> list[Change]:
    return list(Changes(store, clock=lambda: NOON).lines())


def noted(store: Store, entries: object, at: datetime = NOON, tenant: str = "north") -> Change | None:
    return book(store, at).note(tenant, entries, source="tenants/north.toml", by="start")  # type: ignore[arg-type]


def test_a_change_is_one_line_with_what_was_mapped_before_and_after(store: Store) -> None:
    assert noted(store, OLD) is None  # where the history begins
    assert noted(store, OLD) is None
    line = noted(store, NEW)
    assert line is not None
    assert noted(store, NEW) is None
    assert lines(store) == [line]
    assert (line.kind, line.tenant, line.author) == ("code-map", "north", "start")
    for told in (
        "care_units.ICU: medical to nothing",
        "local_codes.x|LAC: lactate to crp",
        "local_codes.x|RR: nothing to rr",
    ):
        assert told in line.modification
    assert "care_unit, crp, lactate, rr" in line.impact
    assert noted(store, OLD) is not None  # and back again is a change as well
    assert faults(lines(store)) == ()


def test_several_that_start_together_write_one_line(store: Store) -> None:
    noted(store, OLD)
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda _: noted(store, NEW), range(6)))
    assert len([line for line in found if line is not None]) == 1
    assert len(lines(store)) == 1


def test_sites_are_told_apart_and_what_ships_is_everybodys(store: Store) -> None:
    for tenant in ("north", "south", SHIPPED):
        noted(store, OLD, NOON - timedelta(days=9), tenant)
        noted(store, NEW, NOON, tenant)
    found = book(store).since("north", NOON - timedelta(days=1))
    assert [each.tenant for each in found] == ["", "north"] or [each.tenant for each in found] == ["north", ""]
    assert book(store).since("north", NOON + timedelta(days=1)) == ()


def test_a_line_names_so_many_entries_and_counts_the_others(store: Store) -> None:
    noted(store, {})
    line = noted(store, {f"local_codes.x|{n:03}": (("rr",), ("rr",)) for n in range(TOLD + 7)})
    assert line is not None
    assert line.modification.endswith("and 7 more.")
    (change,) = book(store).since("north", NOON)
    assert len(change.changed) == TOLD + 7  # the row has all of them


# --- as a cause

DAY = date(2026, 6, 8)
FOUND = Finding("input", "lactate", 1, DAY + timedelta(days=5), DAY + timedelta(days=1), 2.4, 1.8, 900.0)
MAP = Remapped(DAY, ("lactate",), ("x|OLD lactate",), ("x|LAC lactate",))


def test_an_alarm_after_a_change_of_its_inputs_map_has_it_as_the_likely_cause() -> None:
    (told,) = explained([FOUND], [MAP])
    assert (told.cause, told.what, told.caused_on) == ("map-changed", "lactate", DAY)
    assert (told.gone, told.new) == (MAP.gone, MAP.new)


@pytest.mark.parametrize(
    "finding",
    [
        replace(FOUND, subject="rr"),
        replace(FOUND, crossed_on=DAY - timedelta(days=1)),
        replace(FOUND, crossed_on=DAY + LOOKS_BACK + timedelta(days=1)),
        replace(FOUND, chart="unit-mix", subject="icu"),
    ],
    ids=["another input", "before it", "long after it", "the mix of units"],
)
def test_what_a_change_does_not_bear_on_is_not_laid_at_its_door(finding: Finding) -> None:
    (told,) = explained([finding], [MAP])
    assert told.cause == ""


def test_it_goes_before_other_findings_and_bears_on_what_the_model_says() -> None:
    code = Finding("codes", "lactate", 1, DAY + timedelta(days=3), DAY, 1, 0.0, 0.0, "codes-changed", "lactate", DAY)
    sensitivity = Finding("sensitivity", "", -1, DAY + timedelta(days=12), DAY, 0.7, 0.9, 900.0)
    told = explained([code, sensitivity], [MAP])
    assert [each.cause for each in told] == ["map-changed", "map-changed"]
    assert [each.cause for each in explained([code, sensitivity])] == ["codes-changed", "codes-changed"]


def test_a_change_of_the_map_of_places_explains_the_mix_of_units() -> None:
    mix = replace(FOUND, chart="unit-mix", subject="icu")
    (told,) = explained([mix], [Remapped(DAY, ("care_unit",))])
    assert told.cause == "map-changed"


def test_the_daily_round_offers_a_changed_map_for_the_input_that_moved_after_it(store: Store) -> None:
    now = datetime(2026, 6, 20, 6, tzinfo=UTC)
    clock = lambda: now  # noqa: E731
    log, outcomes, daily = Changes(store, clock=clock), Outcomes(store, clock=clock), Daily(store)
    memory = Memory(
        Spoken(store, b"x" * 32), daily, outcomes, Alarms(store, clock=clock), Audits(store, clock=clock), log,
        CodeMaps(store, log, clock=clock),
    )  # fmt: skip
    for number in range(100):
        day = date(2026, 3, 12) + timedelta(days=number)
        values = ((1.8 + 0.02 * (number % 5), "lactate"), (19.0 + 0.1 * (number % 5), "rr"))
        jump = 1.0 if day >= DAY else 0.0
        rows = [Summary(day, INPUT, name, 30, mean=mean + (1 + 2 * (name == "rr")) * jump, squares=3.0)
                for mean, name in values]  # fmt: skip
        daily.keep("north", VENTILATION, rows)
    noted(store, OLD, NOON - timedelta(days=60))
    noted(store, OLD | {"local_codes.x|LAC2": (("lactate",), ("lactate",))})
    what = Watched("north", VENTILATION, "0.1.0", "ventilation-24h", 24, 0.2, ("lactate", "rr"), UTC)
    report = go(memory, what, now)
    found = {each.finding.subject: each.finding for each in report.raised}
    assert set(found) == {"lactate", "rr"}
    assert (found["lactate"].cause, found["lactate"].caused_on) == ("map-changed", DAY)
    assert found["lactate"].new == ("local_codes.x|LAC2 lactate",)
    assert found["rr"].cause != "map-changed"  # nothing of its map was touched
    kept = {each.finding.subject: each for each in memory.alarms.listed("north")}
    said = drift_view.section([{**notice(kept["lactate"]), "answered_at": None, "decision": ""}]).items[0]
    assert "the code map or assay table was changed on 2026-06-08, and bears on lactate" in said
    assert "local_codes.x|LAC2 lactate" in said
