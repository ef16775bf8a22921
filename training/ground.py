"""Common ground: the reported moments of one data set, with everything that is compared on them, aligned.

A moment counts when it is one of the reported and its outcome was not too near to act on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from inference.assessment import VENTILATION
from training import measure
from training.contenders import MODEL, NO_CHANGE, SCORES, Rows, upright
from training.operating import Watch, watch
from training.resample import Draws

if TYPE_CHECKING:
    from training.calibrate import Judged
    from training.tasks import Task

Floats = NDArray[np.floating[Any]]
Mask = NDArray[np.bool_]
DAY: Final = 24.0  # hours


@dataclass(frozen=True, slots=True)
class Ground:
    """N moments. `contenders` are upright (higher is likelier), NaN where one cannot be computed; one that is never
    known here is left out. `aim`, `before` and `quantiles` are log ng/L: what is forecast, the latest value, and
    the forecast [N,3] or [N,0].
    """

    rows: Rows
    y: Mask
    contenders: Mapping[str, Floats]
    probability: Floats
    doubtful: Mask
    quantiles: Floats
    aim: Floats
    before: Floats
    draws: Draws
    seen: Watch

    @property
    def name(self) -> str:
        """The data set."""
        return str(self.rows.data_set[0])

    @property
    def model(self) -> Floats:
        """The model's headline probability."""
        return self.contenders[MODEL]

    @property
    def scarce(self) -> bool:
        """Too few moments of one outcome for any figure."""
        return bool(min(self.y.sum(), (~self.y).sum()) < measure.FEWEST)

    @property
    def probabilities(self) -> dict[str, Floats]:
        """Contenders that are probabilities and known of every moment."""
        return {
            name: values
            for name, values in self.contenders.items()
            if name not in SCORES and np.isfinite(values).all()
        }


def lay(
    rows: Rows,
    keep: Mask,
    contenders: Mapping[str, Floats],
    judged: Judged,
    task: Task,
    aim: Floats | None = None,
) -> Ground:
    """The ground of the moments `keep`. Raises ValueError where the model has no answer to one of them."""
    mine = rows.where(keep)
    if not np.isfinite(contenders[MODEL][keep]).all():
        raise ValueError("the model has no answer to a reported moment")
    aim = rows.value + rows.change if aim is None else aim
    return Ground(
        rows=mine,
        y=mine.y[:, -1],
        contenders={
            name: upright(name, values[keep])
            for name, values in contenders.items()
            if name != NO_CHANGE and np.isfinite(values[keep]).any()
        },
        probability=judged.probability[keep],
        doubtful=judged.doubtful[keep],
        quantiles=judged.forecast[keep],
        aim=np.asarray(aim[keep], dtype=np.float64),
        before=np.asarray(contenders.get(NO_CHANGE, rows.value)[keep], dtype=np.float64),
        draws=Draws.of(mine.patient),
        seen=_watched(mine, task),
    )


def _watched(mine: Rows, task: Task) -> Watch:
    """Ventilation is asked by schedule, so that a moment stands at most for its longest gap; a draw for a day."""
    hour = mine.landmark.astype(np.float64)
    gaps = np.diff(np.unique(hour))
    longest = float(gaps.max()) if task.name == VENTILATION and len(gaps) else DAY
    y = mine.y[:, -1]
    return watch(y, mine.stay, hour, mine.onset, mine.end, float(task.hours[-1]), longest)
