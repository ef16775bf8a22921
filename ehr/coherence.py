"""What only shows when a patient's rows stand together: sums, double counts, jumps that no heart makes.

Every judgement looks back only: a row is kept or refused by what could be seen when it became known, so that
a chart of a moment is the same whether or not later rows have been read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from ehr.lexicon import Lexicon
from ehr.observations import ComaPart
from inference.chart import Measurement, Refusal

JUMP: Final = 1000 / 3  # a unit slip is a factor of 1000; the true change beside it may take it to a third
TROPONINS: Final = frozenset({"troponin_t", "troponin_i", "hs_troponin_t", "hs_troponin_i"})


def coma_totals(parts: Sequence[ComaPart], measurements: Sequence[Measurement]) -> list[Measurement]:
    """Eye + verbal + motor of one moment, where no total was known as soon.
    "T" marks an intubated patient's 1.
    """
    charted: dict[datetime, datetime] = {}
    for row in measurements:
        if row.variable == "gcs":
            charted[row.time] = min(row.known, charted.get(row.time, row.known))
    moments: dict[datetime, dict[str, ComaPart]] = {}
    for part in parts:
        moments.setdefault(part.time, {})[part.part] = part
    sums = [_total(found) for found in moments.values() if len(found) == 3]
    return [row for row in sums if row.time not in charted or row.known < charted[row.time]]


def _total(found: Mapping[str, ComaPart]) -> Measurement:
    eye, verbal, motor = found["eye"], found["verbal"], found["motor"]
    sent = f"E{eye.points} V{verbal.points}{verbal.mark} M{motor.points}"
    return Measurement(
        "gcs",
        float(eye.points + verbal.points + motor.points),
        eye.time,
        max(part.known for part in found.values()),
        motor.source._replace(value_sent=sent),
        preliminary=any(part.preliminary for part in found.values()),
    )


def unit_jumps(measurements: Sequence[Measurement], lexicon: Lexicon) -> list[tuple[Measurement, Refusal]]:
    """Troponins a thousandfold off the one before, in another unit: one of the two units is wrong,
    so not used.
    """
    refused = []
    drawn = sorted(
        (row for row in measurements if row.variable in TROPONINS),
        key=lambda row: (row.known, row.time, row.source.resource),
    )
    for name in sorted(TROPONINS):
        rows = [row for row in drawn if row.variable == name]
        kept = rows[:1]
        for row in rows[1:]:
            before = kept[-1]
            ratio = row.value / before.value
            if (ratio >= JUMP or ratio <= 1 / JUMP) and _unlike(before, row, lexicon):
                detail = f"{_as_sent(row)} after {_as_sent(before)}"
                refused.append((row, Refusal(row.source.resource, "unit-jump", detail)))
            else:
                kept.append(row)
    return refused


def _as_sent(row: Measurement) -> str:
    return f"{row.source.value_sent} {row.source.unit_sent}"


def _unlike(before: Measurement, row: Measurement, lexicon: Lexicon) -> bool:
    """Whether the two rows came in units of different size."""
    sizes = [lexicon.table.conversion(r.variable, r.source.unit_sent) for r in (before, row)]
    return sizes[0] != sizes[1]


def double_counts(
    measurements: Sequence[Measurement], spans: Mapping[tuple[str, datetime], float]
) -> list[tuple[Measurement, Refusal]]:
    """Running totals (a 24 h urine volume) inside whose span single volumes are charted too."""
    if not spans:
        return []
    totals = [row for row in measurements if (row.source.resource, row.time) in spans]
    singles = [row for row in measurements if (row.source.resource, row.time) not in spans]
    refused = []
    for total in totals:
        start = total.time - timedelta(hours=spans[(total.source.resource, total.time)])
        if any(
            r.variable == total.variable and start < r.time <= total.time and r.known <= total.known
            for r in singles
        ):
            refused.append((total, Refusal(total.source.resource, "running-total", total.source.value_sent)))
    return refused
