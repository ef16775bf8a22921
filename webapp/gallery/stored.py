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
from inference.assessment import Assessment

FOLDER: Final = Path(__file__).with_name("assessments")
ZONE: Final = ZoneInfo("America/New_York")  # a zone that is not UTC
OPENED: Final = datetime(2026, 11, 23, 11, 14, tzinfo=UTC)  # two minutes after the assessments' moment


@cache
def stored(name: str) -> Assessment:
    """The assessment stored under `name` ("ventilation-assessed"). Raises OSError where there is none."""
    return codec.load((FOLDER / f"{name}.json").read_bytes())
