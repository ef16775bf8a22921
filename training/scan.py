"""leaks.json: everything that was looked at before training, and that stops the run when it is found.

Presence of each input against the outcome; columns that a set gives without a time; patients in two folds; stays
published twice; rows used before their landmark.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from inference.assessment import VENTILATION
from inference.features import Layout
from training import leaks
from training.cohorts import troponin_moments, ventilation_moments
from training.matrix import Table, code_key
from training.readers import CHALLENGE_2012, START, Stay, Tally, readers
from training.tasks import LEAK_LIMIT, Task

if TYPE_CHECKING:
    from training.run import Bench

LOOKED_AT: Final = 100  # stays of each set whose rows are checked against their landmarks
UNTIMED: Final = ("weight", "height")  # Challenge 2012 writes them at 00:00 whenever they were charted
LATE: Final = timedelta(hours=12)  # an onset this long after admission cannot have caused what was charted at it
ODDS_LIMIT: Final = 2.5


def report(rows: Table, fold: NDArray[np.int_], task: Task, layout: Layout, bench: Bench) -> dict[str, Any]:
    """The whole scan. Raises Leak."""
    presence = leaks.presence(rows, layout)
    argued = leaks.refuse_leaks(presence, task)
    straddling = leaks.straddling(rows, fold)
    if straddling:
        raise leaks.Leak(f"{straddling} patients have rows in more than one fold")
    found: dict[str, Any] = {
        "limit": LEAK_LIMIT,
        "presence": presence,
        "above_limit_and_argued": {shown: task.argued[shown.split(" in ")[0]] for shown in argued},
        "withheld": {CHALLENGE_2012: ["RespRate (never read)", "MechVent (label only)"]},
        "twins": leaks.twins(rows),
        "patients_in_two_folds": straddling,
        **late(task, layout, bench),
    }
    if task.name == VENTILATION and CHALLENGE_2012 in task.data_sets:
        found["without_a_time"] = refused(untimed(task, bench), task)
        found["withheld"][CHALLENGE_2012] += [f"{name} (given without a time)" for name in UNTIMED]
    return found


def late(task: Task, layout: Layout, bench: Bench) -> dict[str, Any]:
    """Looks at the first stays of every set for rows used before their time. Raises Leak when there is one."""
    moments = ventilation_moments if task.name == VENTILATION else troponin_moments
    pairs = [
        (stay, moment)
        for data_set in task.data_sets
        for stay in islice((bench.known or readers())[data_set](bench.data, Tally()), LOOKED_AT)
        for moment in moments(stay)
    ]
    found = leaks.rows_after(pairs, layout)
    if found:
        raise leaks.Leak(f"{found} rows are used at a landmark before they were known")
    return {"rows_after_landmark": found, "moments_looked_at": len(pairs)}


def untimed(task: Task, bench: Bench) -> dict[str, dict[str, float]]:
    """How often each untimed variable is there: in stays never ventilated, and in those ventilated late. Cached."""
    path = bench.cache / f"{task.name}-untimed-{code_key(task, CHALLENGE_2012, bench.data)}.json"
    if not path.exists():
        stays = (bench.known or readers())[CHALLENGE_2012](bench.data, Tally())
        path.write_text(json.dumps(charted_at_admission(stays)))
    found: dict[str, dict[str, float]] = json.loads(path.read_text())
    return found


def charted_at_admission(stays: Iterable[Stay]) -> dict[str, dict[str, float]]:
    """Share of stays with each of UNTIMED dated at admission, by what became of them, and the odds ratio."""
    kept: dict[str, list[list[bool]]] = {"never": [], "late": []}
    for stay in stays:
        if stay.onset is not None and stay.onset < START + LATE:
            continue
        dated = {row.variable for row in stay.record.measurements if row.time == START}
        kept["never" if stay.onset is None else "late"].append([name in dated for name in UNTIMED])
    found = {}
    for index, name in enumerate(UNTIMED):
        never, later = (np.array([flags[index] for flags in kept[group]] or [False]) for group in ("never", "late"))
        odds = ((later.sum() + 0.5) / ((~later).sum() + 0.5)) / ((never.sum() + 0.5) / ((~never).sum() + 0.5))
        found[name] = {
            "stays_never_ventilated": len(never),
            "stays_ventilated_late": len(later),
            "charted_if_never_ventilated": round(float(never.mean()), 4),
            "charted_if_ventilated_after_12_h": round(float(later.mean()), 4),
            "odds_ratio": round(float(odds), 2),
        }
    return found


def refused(found: dict[str, dict[str, float]], task: Task) -> dict[str, Any]:
    """The finding. Raises Leak when a variable whose charting depends on the future is an input."""
    above = [name for name, said in found.items() if max(said["odds_ratio"], 1 / said["odds_ratio"]) > ODDS_LIMIT]
    used = [name for name in above if name in task.inputs and name not in task.argued]
    if used:
        raise leaks.Leak(
            f"{', '.join(used)} of {CHALLENGE_2012} has no time, and whether it was charted depends on ventilation "
            "to come; leave it out"
        )
    return {"limit_odds_ratio": ODDS_LIMIT, "above_limit_and_left_out": above, "variables": found}
