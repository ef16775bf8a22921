"""A group missed in two weekly audits in a row is an alarm, whichever command made the audits, and chance seldom is.

Years of weekly audits in which no group is missed are played to count the false alarms; and years in which one is.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from numpy.typing import NDArray

from governance.alarms import Alarms
from governance.audits import Audits
from governance.changes import Changes
from governance.code_maps import CodeMaps
from governance.daily import Daily
from governance.equity import FOUR_FIFTHS, SMALLEST, Audit, Cell
from governance.intervals import Rate
from governance.missed import YEARLY, lower_tail, missed, run_length
from governance.outcomes import Outcomes
from governance.rounds import EQUITY, Memory, Watched, go
from governance.spoken import Spoken
from governance.store import Store
from inference.assessment import VENTILATION

MONDAY = datetime(2026, 3, 9, tzinfo=UTC)
NOW = MONDAY + timedelta(days=2, hours=6)
WHAT = Watched("north", VENTILATION, "0.1.0", "ventilation-24h", 24, 0.2, ("hr",), UTC)


@pytest.fixture
def memory(store: Store) -> Memory:
    clock = lambda: NOW  # noqa: E731
    audits = Audits(store, clock=clock)
    outcomes, alarms = Outcomes(store, clock=clock), Alarms(store, clock=clock)
    log = Changes(store, clock=clock)
    maps = CodeMaps(store, log, clock=clock)
    return Memory(Spoken(store, b"x" * 32), Daily(store), outcomes, alarms, audits, log, maps)


def cell(value: str, patients: int, caught: int, best: float) -> Cell:
    share = caught / patients
    rate = Rate(patients - caught, patients, patients, 1 - share, None, None, "")
    return Cell("language", value, patients, rate, None, None, None, share / best, None, None)


def audited(memory: Memory, until: datetime, *, caught: int = 22) -> None:
    """An audit in which 22 of 40 Spanish speakers are caught, and nine in ten of the others."""
    whose = ("north", VENTILATION, "0.1.0", "ventilation-24h")
    cells = (cell("en", 400, 360, 0.9), cell("es", 40, caught, 0.9))
    memory.audits.keep(*whose, until - timedelta(weeks=13), until, Audit(0.2, 10, cells))


def raised(memory: Memory) -> list[str]:
    return [each.finding.subject for each in go(memory, WHAT, NOW).raised if each.finding.chart == EQUITY]


@pytest.mark.parametrize("hours", [0, 30])  # as `watch` audits, to Monday; as `equity run`, to the moment it ran
def test_a_group_missed_two_weeks_in_a_row_is_raised_once(memory: Memory, hours: int) -> None:
    audited(memory, MONDAY - timedelta(weeks=1) + timedelta(hours=hours))
    assert raised(memory) == []  # one week
    audited(memory, MONDAY + timedelta(hours=hours))
    assert raised(memory) == ["language: es"]
    assert raised(memory) == []  # it stands


def test_two_audits_of_one_week_are_one_week(memory: Memory) -> None:
    audited(memory, MONDAY)
    audited(memory, MONDAY + timedelta(hours=30))
    assert raised(memory) == []


def test_a_week_in_which_the_group_was_not_missed_breaks_the_row(memory: Memory) -> None:
    audited(memory, MONDAY - timedelta(weeks=2))
    audited(memory, MONDAY - timedelta(weeks=1), caught=33)
    audited(memory, MONDAY)
    assert raised(memory) == []


def test_a_difference_that_chance_makes_every_few_weeks_is_no_alarm(memory: Memory) -> None:
    for weeks in (1, 0):
        audited(memory, MONDAY - timedelta(weeks=weeks), caught=28)  # 0.78 of the best group's
    assert raised(memory) == []


def test_the_chance_is_that_of_a_hypergeometric_draw() -> None:
    rng = np.random.default_rng(5)
    drawn = rng.hypergeometric(40, 400, 382, 400_000)  # caught of the 40, when 382 of all 440 were
    assert lower_tail(31, 40, 351, 400) == pytest.approx(float((drawn <= 31).mean()), rel=0.05)
    assert lower_tail(40, 40, 342, 400) == pytest.approx(1.0)


SHARES = {
    "sex": (0.52, 0.48),
    "age_band": (0.15, 0.35, 0.32, 0.18),
    "race": (0.6, 0.15, 0.12, 0.08, 0.05),
    "language": (0.9, 0.1),
    "insurance": (0.45, 0.4, 0.15),
}
GROUPS = [(trait, str(place)) for trait, shares in SHARES.items() for place in range(len(shares))]
WEEKLY, CAUGHT, WEEKS = 30, 0.85, 52
Weeks = NDArray[np.int64]  # weeks by groups


def a_year(rng: np.random.Generator, shares: NDArray[np.float64]) -> tuple[Weeks, Weeks]:
    """Positive patients and those caught, of the 13 weeks before each of 52 Mondays; `shares` are caught of a group."""
    of = np.hstack([rng.multinomial(WEEKLY, of, size=WEEKS + 12) for of in SHARES.values()])
    both = np.stack([of, rng.binomial(of, shares)])
    summed = np.cumsum(np.pad(both, ((0, 0), (1, 0), (0, 0))), axis=1)
    size, caught = summed[:, 13:] - summed[:, :-13]
    return size, caught


def called(size: Weeks, caught: Weeks) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """By week and group: what `missed` calls so, and what a ratio below four fifths alone would, at 95 %."""
    now, naive = np.zeros(size.shape, bool), np.zeros(size.shape, bool)
    for week, (of, got) in enumerate(zip(size, caught, strict=True)):
        cells, share = [], got / np.maximum(of, 1)
        for trait in SHARES:
            mine = [i for i, (name, _) in enumerate(GROUPS) if name == trait and of[i] >= SMALLEST]
            best = max(mine, key=lambda i: share[i])
            for i in mine:
                ratio = share[i] / share[best]
                error = np.sqrt((1 - share[i]) / max(got[i], 1) + (1 - share[best]) / max(got[best], 1))
                naive[week, i] = ratio < FOUR_FIFTHS and ratio * np.exp(1.96 * error) < 1
                rate = {"value": 1 - share[i], "patients": int(of[i])}
                cells.append({"trait": trait, "value": GROUPS[i][1], "four_fifths": ratio, "missed": rate})
        if any(each["four_fifths"] < FOUR_FIFTHS for each in cells):
            named = missed(cells)
            now[week] = [f"{trait}: {value}" in named for trait, value in GROUPS]
    return now, naive


def alarms(weekly: NDArray[np.bool_]) -> int:
    """How often a group begins to be called two weeks in a row."""
    twice = weekly[1:] & weekly[:-1]
    return int((twice & ~np.vstack([np.zeros((1, twice.shape[1]), bool), twice[:-1]])).sum())


def test_where_no_group_is_missed_false_alarms_come_as_seldom_as_is_said() -> None:
    rng, years = np.random.default_rng(17), 300
    equal = np.full(len(GROUPS), CAUGHT)
    found = [called(*a_year(rng, equal)) for _ in range(years)]
    assert sum(alarms(now) for now, _ in found) <= YEARLY * years
    assert sum(alarms(naive) for _, naive in found) > 10 * YEARLY * years  # what an interval a week would raise


def test_a_group_that_is_caught_half_as_often_is_found_within_a_quarter_and_two_weeks() -> None:
    rng, years = np.random.default_rng(18), 40
    shares = np.full(len(GROUPS), CAUGHT)
    shares[GROUPS.index(("language", "1"))] = CAUGHT / 2  # three of them a week
    found = [called(*a_year(rng, shares))[0][:3, GROUPS.index(("language", "1"))] for _ in range(years)]
    assert sum(bool((each[1:] & each[:-1]).any()) for each in found) > 0.9 * years


def test_an_alarm_says_how_seldom_a_false_one_comes() -> None:
    cells = [{"trait": "language", "value": v, "four_fifths": 1.0, "missed": {}} for v in ("en", "es")]
    assert run_length(cells) == pytest.approx(2 * 20 * 365.25)
