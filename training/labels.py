"""What happened next: the outcomes of CLINICAL section 1.

Looks into the future of a stay, and is the only module that does. Refuses to call an onset within the first
hour either way: it is too late to act on and is reported apart.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from math import log, nan
from typing import Final, NamedTuple

from inference.chart import Measurement
from training.cohorts import Moment, same_assay
from training.readers import CHALLENGE_2012, CHALLENGE_2019, EICU, Stay

GAP: Final = timedelta(minutes=60)
HORIZONS: Final = (6, 12, 24)  # hours
RISE: Final = 1.2
NEXT_WITHIN: Final = timedelta(hours=24)
NEXT_AFTER: Final = timedelta(hours=1)  # two values within the hour are one clinical moment
REPORTING_LIMIT: Final = {  # ng/L: the lowest value each set reports of each conventional assay
    (CHALLENGE_2012, "troponin_t"): 10.0,
    (CHALLENGE_2012, "troponin_i"): 300.0,
    (CHALLENGE_2019, "troponin_i"): 10.0,
    (EICU, "troponin_t"): 10.0,
}


class Ventilated(NamedTuple):
    """`within[k]`: ventilation began in (t + gap, t + HORIZONS[k]]. `too_soon`: it began within the gap."""

    within: tuple[bool, ...]
    too_soon: bool


class Trend(NamedTuple):
    """`rise`: the next draw is >= 20 % above the latest, both floored; `change` and `level`: log ng/L."""

    rise: bool
    change: float  # log(next / latest); of the first result to come, NaN
    hours: float  # to the next draw: future knowledge, unless the clinician states it
    aim: float  # log ng/L of the draw that is forecast


def ventilation(stay: Stay, moment: Moment) -> Ventilated | None:
    """Whether ventilation starts after `moment`; discharge or death without it counts as not ventilated. None where a
    person says that it cannot be known: what the chart says or leaves out is no label there.
    """
    if _not_to_be_known(stay, moment.chart.as_of):
        return None
    if stay.onset is None:
        return Ventilated((False,) * len(HORIZONS), False)
    wait = stay.onset - moment.chart.as_of
    return Ventilated(tuple(GAP < wait <= timedelta(hours=hours) for hours in HORIZONS), wait <= GAP)


def _not_to_be_known(stay: Stay, as_of: datetime) -> bool:
    """Whether the label of `as_of` depends on hours of which it cannot be known; a beginning before them settles it."""
    until = as_of + timedelta(hours=HORIZONS[-1])
    return any(
        as_of < end and start < until and not (stay.onset is not None and as_of < stay.onset <= start)
        for start, end in stay.unknowable
    )


def troponin(stay: Stay, moment: Moment) -> Trend | None:
    """The next troponin of the same assay within 24 h of the moment; None when none was drawn.

    Before the first result the forecast is of the first value, and the rise is of the one after it.
    """
    if moment.draw is None:
        return None
    following = same_assay(stay, moment.draw, moment.chart.as_of + NEXT_WITHIN)
    if following is None or following.time - moment.draw.time < NEXT_AFTER:
        return None
    now, later = floored(stay, moment.draw), floored(stay, following)
    rise = later >= RISE * now - 1e-6
    next_draw = moment.draw if moment.first else following
    hours = (next_draw.time - moment.chart.as_of) / timedelta(hours=1)
    return Trend(rise, nan if moment.first else log(later / now), hours, log(now if moment.first else later))


def floored(stay: Stay, row: Measurement) -> float:
    """The value, or the assay's reporting limit where that is higher, ng/L."""
    return max(row.value, REPORTING_LIMIT[stay.data_set, row.variable])
