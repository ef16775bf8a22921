"""How a site wants outcomes found: when a record counts as complete, how fast we may ask, who labels by hand.

Frozen data, and how it is read from `[follow_up]` of the site's file. Refuses, with key and remedy, a reviewer who is
not named as the hospital names its users.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from ehr.tables import Table

WAIT_HOURS: Final = 6.0
GIVE_UP_DAYS: Final = 14.0
CALLS_A_MINUTE: Final = 120.0
USER: Final = re.compile(r"(Practitioner|PractitionerRole)/[A-Za-z0-9\-.]{1,64}")


@dataclass(frozen=True, slots=True)
class FollowPolicy:
    """One site's wishes. `wait_hours`: what is charted late has come by then. `give_up_days`: after that a record that
    could not be read goes to a person. `reviewers` are users as a launch names them ("Practitioner/123").
    """

    wait_hours: float = WAIT_HOURS
    give_up_days: float = GIVE_UP_DAYS
    calls_a_minute: float = CALLS_A_MINUTE
    reviewers: frozenset[str] = frozenset()


def read_follow_policy(table: Table) -> FollowPolicy:
    """The policy in `[follow_up]`. Raises TenantError."""
    reviewers = table.texts("reviewers")
    for user in reviewers:
        if not USER.fullmatch(user):
            raise table.refuse(
                "reviewers", f"lists '{user}'; name users as the launch's fhirUser does: 'Practitioner/123'"
            )
    policy = FollowPolicy(
        wait_hours=table.number("wait_hours", WAIT_HOURS, most=7 * 24),
        give_up_days=table.number("give_up_days", GIVE_UP_DAYS, most=365),
        calls_a_minute=table.amount("calls_a_minute") if table.has("calls_a_minute") else CALLS_A_MINUTE,
        reviewers=frozenset(reviewers),
    )
    table.finish()
    return policy
