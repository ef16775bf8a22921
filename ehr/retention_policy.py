"""How long a site wants to be able to tell whose answers were whose: from `[retention]` of its file.

Frozen data. Refuses, with key and remedy, a time shorter than what follow-up, audits and reviews look back on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ehr.tables import Table

SHORTEST_DAYS: Final = 120.0  # a review's quarter, and the weeks in which it is read and decided
LONGEST_DAYS: Final = 36525.0


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """One site's wish: `days` since a patient's last answer, after which the patient is erased; None for never."""

    days: float | None = None


def read_retention_policy(table: Table) -> RetentionPolicy:
    """The policy in `[retention]`. Raises TenantError."""
    days = table.number("days", 0.0, most=LONGEST_DAYS) if table.has("days") else None
    if days is not None and days < SHORTEST_DAYS:
        raise table.refuse(
            "days", f"is {days:g}; at least {SHORTEST_DAYS:g}, since audits and reviews look back on a quarter"
        )
    table.finish()
    return RetentionPolicy(days)
