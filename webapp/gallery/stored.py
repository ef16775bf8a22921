"""The gallery's assessments, stored as the ledger stores them: by name, as they were given. Nobody's values.

They depend on no released model, so a release changes none of them. `make golden` writes them anew.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from governance import codec
from inference.assessment import TROPONIN, Assessment
from webapp.peers import PeerSet, Tenth

FOLDER: Final = Path(__file__).with_name("assessments")
ZONE: Final = ZoneInfo("America/New_York")  # a zone that is not UTC
OPENED: Final = datetime(2026, 11, 23, 11, 14, tzinfo=UTC)  # two minutes after the assessments' moment
PEERS: Final = (  # whom a model was tried on, as an evaluation says it; nobody's figures
    PeerSet(
        "challenge-2012",
        3582,
        tuple(
            Tenth(predicted, seen, 0.8 * seen, 1.2 * seen, 2889)
            for predicted, seen in (
                *((0.03, 0.04), (0.042, 0.042), (0.051, 0.061), (0.06, 0.067), (0.069, 0.082)),
                *((0.08, 0.095), (0.094, 0.109), (0.113, 0.134), (0.145, 0.19), (0.29, 0.29)),
            )
        ),
    ),
    PeerSet(
        "eicu-demo",
        898,
        tuple(
            Tenth(predicted, seen, 0.5 * seen, 1.6 * seen, 775)
            for predicted, seen in (
                *((0.035, 0.014), (0.047, 0.014), (0.057, 0.023), (0.066, 0.018), (0.077, 0.014)),
                *((0.088, 0.022), (0.102, 0.028), (0.123, 0.04), (0.16, 0.052), (0.281, 0.121)),
            )
        ),
    ),
)

TROPONIN_PEERS: Final = (
    PeerSet(
        "challenge-2019",
        1374,
        tuple(
            Tenth(predicted, seen, 0.7 * seen, 1.4 * seen, 137)
            for predicted, seen in (
                *((0.05, 0.05), (0.08, 0.07), (0.1, 0.11), (0.13, 0.12), (0.15, 0.16)),
                *((0.18, 0.17), (0.21, 0.22), (0.26, 0.27), (0.33, 0.31), (0.46, 0.44)),
            )
        ),
    ),
)


def peers_of(model: str) -> tuple[PeerSet, ...]:
    """Whom a model was tried on, in the gallery."""
    return TROPONIN_PEERS if model == TROPONIN else PEERS


@cache
def stored(name: str) -> Assessment:
    """The assessment stored under `name` ("ventilation-assessed"). Raises OSError where there is none."""
    return codec.load((FOLDER / f"{name}.json").read_bytes())
